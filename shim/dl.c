/*
 * dlopen and dlmopen. A name with a slash is a path, and is told to libc by the host path where the union has it
 * now; one without goes to libc's search as it is. Where a guard serves, libc's own opens are answered in the union,
 * and so it is told what the program said.
 *
 * libc looks at who calls: for the caller's RPATH, its $ORIGIN and its namespace. So the hook may not be the
 * caller. The public symbol is a few instructions that ask where to go (ur_dl_target), put the name in
 * its register and jump: libc's dlopen sees the return address of the program.
 *
 * dladdr, dlinfo, dl_iterate_phdr and dlerror tell host paths inside libc; here they are turned into the union's.
 *
 * The translated names must outlive the call, and nobody is left to free them: they are kept, each once.
 */
#include "shim.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>

struct kept {
    struct kept *next;
    char name[];
};

static _Atomic int kept_lock;
static struct kept *kept;

/* A copy of `name` that stays; NULL if there is no memory for it. */
static const char *keep(const char *name) {
    ur_lock(&kept_lock);
    struct kept *k = kept;
    while (k && strcmp(k->name, name) != 0)
        k = k->next;
    if (!k && (k = malloc(sizeof *k + strlen(name) + 1))) {
        strcpy(k->name, name);
        k->next = kept;
        kept = k;
    }
    ur_unlock(&kept_lock);
    return k ? k->name : NULL;
}

static const char *host_name(const char *name) {
    if (!name || !strchr(name, '/') || strlen(name) + 3 > UR_PATH_MAX)
        return name;
    if (!ur_in_session() || ur_guarded())
        return ur_name(name);
    if (strchr(name, '$')) /* $ORIGIN and the like: libc's to expand */
        return name;
    UR_PATH_BUFFER(real);
    if (!real)
        return name;
    const struct ur_caller me = ur_asking(UR_SELF, "dlopen");
    if (ur_real(&me, AT_FDCWD, ur_name(name), 0, real) < 0) {
        if (sys_faccessat(AT_FDCWD, name, 0, 0) < 0)
            return name;                  /* libc's message will name it */
        strcat(strcpy(real, name), "/."); /* the host has what the union has not */
    }
    if (strcmp(real, name) == 0)
        return name;
    const char *kept_name = keep(real);
    return kept_name ? kept_name : name;
}

/* Where libc has no such function: musl knows no namespaces, and old libcs had all of it in a library of its own. */
static void *nothing_opened(void) {
    return NULL;
}

struct ur_dl_target {
    const char *name;
    void *function;
};
struct ur_dl_target ur_dl_target(const char *name, bool namespace);

/* Returned in two registers. Called by the instructions below only. */
__attribute__((used)) struct ur_dl_target ur_dl_target(const char *name, bool namespace) {
    static _Atomic(void *) open_next, mopen_next;
    int saved = errno;
    struct ur_dl_target t = {
        .name = host_name(name),
        .function = namespace ? ur_next(&mopen_next, "dlmopen") : ur_next(&open_next, "dlopen"),
    };
    if (!t.function)
        t.function = (void *)nothing_opened;
    errno = saved;
    return t;
}

#if defined __x86_64__
/* dlopen(name, flags); dlmopen(namespace, name, flags). */
__asm__(".text\n"
        ".globl dlopen\n.type dlopen,@function\n"
        "dlopen:\n"
        ".cfi_startproc\n"
        "    endbr64\n"
        "    pushq %rsi\n"
        ".cfi_adjust_cfa_offset 8\n"
        "    xorl %esi, %esi\n"
        "    call ur_dl_target\n"
        "    popq %rsi\n"
        ".cfi_adjust_cfa_offset -8\n"
        "    movq %rax, %rdi\n"
        "    jmp *%rdx\n"
        ".cfi_endproc\n"
        ".size dlopen, .-dlopen\n"
        ".globl dlmopen\n.type dlmopen,@function\n"
        "dlmopen:\n"
        ".cfi_startproc\n"
        "    endbr64\n"
        "    pushq %rdi\n"
        ".cfi_adjust_cfa_offset 8\n"
        "    pushq %rdx\n"
        ".cfi_adjust_cfa_offset 8\n"
        "    subq $8, %rsp\n"
        ".cfi_adjust_cfa_offset 8\n"
        "    movq %rsi, %rdi\n"
        "    movl $1, %esi\n"
        "    call ur_dl_target\n"
        "    movq %rdx, %rcx\n"
        "    addq $8, %rsp\n"
        ".cfi_adjust_cfa_offset -8\n"
        "    popq %rdx\n"
        ".cfi_adjust_cfa_offset -8\n"
        "    popq %rdi\n"
        ".cfi_adjust_cfa_offset -8\n"
        "    movq %rax, %rsi\n"
        "    jmp *%rcx\n"
        ".cfi_endproc\n"
        ".size dlmopen, .-dlmopen\n");
#elif defined __aarch64__
__asm__(".text\n"
        ".globl dlopen\n.type dlopen,%function\n"
        "dlopen:\n"
        ".cfi_startproc\n"
        "    stp x29, x30, [sp, #-32]!\n"
        ".cfi_adjust_cfa_offset 32\n"
        "    str x1, [sp, #16]\n"
        "    mov w1, #0\n"
        "    bl ur_dl_target\n"
        "    mov x16, x1\n"
        "    ldr x1, [sp, #16]\n"
        "    ldp x29, x30, [sp], #32\n"
        ".cfi_adjust_cfa_offset -32\n"
        "    br x16\n"
        ".cfi_endproc\n"
        ".size dlopen, .-dlopen\n"
        ".globl dlmopen\n.type dlmopen,%function\n"
        "dlmopen:\n"
        ".cfi_startproc\n"
        "    stp x29, x30, [sp, #-32]!\n"
        ".cfi_adjust_cfa_offset 32\n"
        "    stp x0, x2, [sp, #16]\n"
        "    mov x0, x1\n"
        "    mov w1, #1\n"
        "    bl ur_dl_target\n"
        "    mov x16, x1\n"
        "    mov x1, x0\n"
        "    ldp x0, x2, [sp, #16]\n"
        "    ldp x29, x30, [sp], #32\n"
        ".cfi_adjust_cfa_offset -32\n"
        "    br x16\n"
        ".cfi_endproc\n"
        ".size dlmopen, .-dlmopen\n");
#endif

/* --- where a loaded object is from ------------------------------------------------------------------------------- */

/* What libc tells of a loaded object is a host path, if it was told one. */
static bool tells_host(void) {
    return ur_in_session() && !ur_guarded();
}

/* The union path of what libc calls a host path; `text` has room for a path. */
static const char *union_name(const char *name, char *text) {
    return name && *name == '/' && text && ur_union_path(UR_SELF, name, text) > 0 && strcmp(text, name) != 0 ? text
                                                                                                             : name;
}

static int told(int found, Dl_info *info) {
    if (found && tells_host()) {
        UR_PATH_BUFFER(text);
        const char *name = union_name(info->dli_fname, text);
        if (name != info->dli_fname && (name = keep(name)))
            info->dli_fname = name;
    }
    return found;
}

UR_EXPORT int dladdr(const void *at, Dl_info *info) {
    static _Atomic(void *) next;
    int (*libc_dladdr)(const void *, Dl_info *) = (__typeof(libc_dladdr))ur_next(&next, "dladdr");
    return libc_dladdr ? told(libc_dladdr(at, info), info) : 0;
}

UR_EXPORT int dladdr1(const void *at, Dl_info *info, void **extra, int flags) {
    static _Atomic(void *) next;
    int (*libc_dladdr1)(const void *, Dl_info *, void **, int) = (__typeof(libc_dladdr1))ur_next(&next, "dladdr1");
    return libc_dladdr1 ? told(libc_dladdr1(at, info, extra, flags), info) : 0;
}

typedef int phdr_fn(struct dl_phdr_info *, size_t, void *);
struct phdrs {
    phdr_fn *call;
    void *arg;
    char *text;
};

static int each_object(struct dl_phdr_info *info, size_t size, void *arg) {
    struct phdrs *p = arg;
    struct dl_phdr_info mine;
    memset(&mine, 0, sizeof mine);
    memcpy(&mine, info, size < sizeof mine ? size : sizeof mine);
    mine.dlpi_name = union_name(info->dlpi_name, p->text);
    return p->call(&mine, size < sizeof mine ? size : sizeof mine, p->arg);
}

/* The unwinder comes here too, for each exception: no allocation but the one buffer. */
UR_EXPORT int dl_iterate_phdr(phdr_fn *call, void *arg) {
    static _Atomic(void *) next;
    int (*libc_iterate)(phdr_fn *, void *) = (__typeof(libc_iterate))ur_next(&next, "dl_iterate_phdr");
    if (!libc_iterate)
        return 0;
    if (!tells_host())
        return libc_iterate(call, arg);
    UR_PATH_BUFFER(text);
    struct phdrs p = {.call = call, .arg = arg, .text = text};
    return libc_iterate(each_object, &p);
}

/* The names in a link_map stay the host's: debuggers read them there, and look for the files. */
UR_EXPORT int dlinfo(void *handle, int request, void *info) {
    static _Atomic(void *) next;
    int (*libc_dlinfo)(void *, int, void *) = (__typeof(libc_dlinfo))ur_next(&next, "dlinfo");
    int ret = libc_dlinfo ? libc_dlinfo(handle, request, info) : -1;
    if (ret == 0 && request == RTLD_DI_ORIGIN && tells_host()) {
        UR_PATH_BUFFER(text);
        if (text && union_name(info, text) == text)
            strcpy(info, text);
    }
    return ret;
}

/* "PATH: what is wrong" */
UR_EXPORT char *dlerror(void) {
    char *(*libc_dlerror)(void) = (__typeof(libc_dlerror))ur_next_dlerror();
    char *said = libc_dlerror ? libc_dlerror() : NULL;
    size_t len = said && *said == '/' ? strcspn(said, ":") : 0;
    if (!len || said[len] != ':' || len >= UR_PATH_MAX || !tells_host())
        return said;
    UR_PATH_BUFFER(host);
    UR_PATH_BUFFER(text);
    if (!host || !text)
        return said;
    memcpy(host, said, len);
    if (union_name(host, text) != text)
        return said;
    char *whole = malloc(strlen(text) + strlen(said + len) + 1);
    const char *kept_text = whole ? keep(strcat(strcpy(whole, text), said + len)) : NULL;
    free(whole);
    return kept_text ? (char *)(size_t)kept_text : said;
}
