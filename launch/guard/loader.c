/*
 * The two questions that ld.so asks at each start of a program, whatever the program is: is there /etc/ld.so.preload,
 * and what does /etc/ld.so.cache hold. Each would cost a start as much as all of the shim, and where the union has
 * nothing to say about /etc the answer is the kernel's. So the filter knows them, by what no randomising of addresses
 * changes: how far the name lies from the instruction that makes the call, and where in its page that instruction is.
 *
 * They are looked for in the file of the host's ld.so, the one that unionrun-exec asks for. One that has others is
 * asked for all.
 */
#include "config/text.h"
#include "engine/sys.h"
#include "launch/guard/guard.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined __x86_64__
enum { ACCESS = 21, OPENAT = 257, NEAR = 24, SYSCALL = 2 /* bytes of the instruction */ };

/* A file's bytes, and of a part of them the address at which they are loaded, beside where the file is. */
struct part {
    const char *at;
    size_t size;
    uintptr_t address;
    bool code;
};

enum { PARTS = 8 };

/* The parts of an ELF file that are not written to; 0: it is none. */
static unsigned parts_of(const char *file, size_t size, struct part parts[PARTS]) {
    const Elf64_Ehdr *head = (const Elf64_Ehdr *)file;
    if (size < sizeof *head || memcmp(file, ELFMAG, SELFMAG) != 0 || file[EI_CLASS] != ELFCLASS64 ||
        head->e_machine != EM_X86_64 || head->e_phoff % sizeof(uint64_t) || head->e_phoff > size ||
        (size - head->e_phoff) / sizeof(Elf64_Phdr) < head->e_phnum)
        return 0;
    const Elf64_Phdr *p = (const Elf64_Phdr *)(file + head->e_phoff);
    unsigned count = 0;
    for (unsigned i = 0; i < head->e_phnum && count < PARTS; i++)
        if (p[i].p_type == PT_LOAD && !(p[i].p_flags & PF_W) && p[i].p_offset <= size &&
            p[i].p_filesz <= size - p[i].p_offset)
            parts[count++] =
                (struct part){file + p[i].p_offset, p[i].p_filesz, p[i].p_vaddr, (p[i].p_flags & PF_X) != 0};
    return count;
}

/* Both names begin alike, and the strings that hold them with the NUL in front of them. */
static const char begin[] = "\0/etc/ld.so.", preload[] = "preload", cache[] = "cache";
enum { BEGIN = sizeof begin - 1 };

static void find_names(const struct part *part, uintptr_t *preload_at, uintptr_t *cache_at) {
    const char *at = part->at, *end = at + part->size;
    for (; (at = memmem(at, (size_t)(end - at), begin, BEGIN)); at += BEGIN) {
        const char *rest = at + BEGIN;
        uintptr_t address = part->address + (uintptr_t)(at + 1 - part->at);
        if ((size_t)(end - rest) >= sizeof preload && memcmp(rest, preload, sizeof preload) == 0)
            *preload_at = address;
        else if ((size_t)(end - rest) >= sizeof cache && memcmp(rest, cache, sizeof cache) == 0)
            *cache_at = address;
    }
}

/* Is system call `number` put into its register just before? */
static bool calls(const char *instruction, uint32_t number) {
    const char load[] = {(char)0xb8, (char)number, (char)(number >> 8), 0, 0};
    return memmem(instruction - NEAR, NEAR, load, sizeof load);
}

static void add(struct loader_call *all, unsigned *count, uintptr_t behind, uintptr_t name) {
    if (name && *count <= LOADER_CALLS && (*count)++ < LOADER_CALLS)
        all[*count - 1] = (struct loader_call){behind % 4096, (uint32_t)(name - behind)};
}

/* The instructions that may ask for a name. Of more than LOADER_CALLS that is told. */
static void find_calls(const struct part *code, uintptr_t preload_at, uintptr_t cache_at, struct loader *l) {
    const char *first = code->at + NEAR, *end = code->at + code->size;
    if (code->size <= NEAR)
        return;
    /* By its second byte, which is the rarer in code. */
    for (const char *at = first; at < end && (at = memchr(at, 0x05, (size_t)(end - at))); at++) {
        const char *here = at - 1;
        if (here < first || *here != 0x0f)
            continue;
        uintptr_t behind = code->address + (uintptr_t)(here - code->at) + SYSCALL;
        if (calls(here, ACCESS))
            add(l->access, &l->accesses, behind, preload_at);
        if (calls(here, OPENAT))
            add(l->open, &l->opens, behind, cache_at);
    }
}

static void look(const char *file, size_t size, struct loader *l) {
    struct part parts[PARTS];
    unsigned count = parts_of(file, size, parts);
    uintptr_t preload_at = 0, cache_at = 0;
    for (int code = 0; code <= 1 && !(preload_at && cache_at); code++) /* what is no code has them, if it is apart */
        for (unsigned i = 0; i < count; i++)
            if (parts[i].code == code)
                find_names(&parts[i], &preload_at, &cache_at);
    for (unsigned i = 0; i < count; i++)
        if (parts[i].code)
            find_calls(&parts[i], preload_at, cache_at, l);
    if (l->accesses > LOADER_CALLS)
        l->accesses = 0;
    if (l->opens > LOADER_CALLS)
        l->opens = 0;
}

/* The interpreter that a program asks for: owned by the caller; NULL: none. */
static char *interpreter(const char *program) {
    union {
        char text[4096];
        Elf64_Ehdr elf;
    } head;
    long fd = sys_open(program, O_RDONLY | O_CLOEXEC, 0);
    long got = fd < 0 ? fd : sys_pread((int)fd, head.text, sizeof head.text, 0);
    if (fd >= 0)
        sys_close((int)fd);
    const Elf64_Ehdr *e = &head.elf;
    if (got < (long)sizeof *e || memcmp(head.text, ELFMAG, SELFMAG) != 0 || e->e_phoff % sizeof(uint64_t) ||
        e->e_phoff > (size_t)got || ((size_t)got - e->e_phoff) / sizeof(Elf64_Phdr) < e->e_phnum)
        return NULL;
    const Elf64_Phdr *p = (const Elf64_Phdr *)(head.text + e->e_phoff);
    for (unsigned i = 0; i < e->e_phnum; i++)
        if (p[i].p_type == PT_INTERP && p[i].p_offset <= (size_t)got && p[i].p_filesz <= (size_t)got - p[i].p_offset)
            return ur_copy(head.text + p[i].p_offset, strnlen(head.text + p[i].p_offset, p[i].p_filesz));
    return NULL;
}

void loader_find(const char *program, struct loader *l) {
    *l = (struct loader){0};
    UR_AUTO_TEXT path = interpreter(program);
    long fd = path ? sys_open(path, O_RDONLY | O_CLOEXEC, 0) : -1;
    struct stat st;
    if (fd < 0)
        return;
    if (sys_fstat((int)fd, &st) == 0 && st.st_size > 0) {
        size_t size = (size_t)st.st_size;
        void *file = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, (int)fd, 0);
        if (file != MAP_FAILED) {
            look(file, size, l);
            munmap(file, size);
        }
    }
    sys_close((int)fd);
}
#else
void loader_find(const char *program, struct loader *l) {
    (void)program;
    *l = (struct loader){0};
}
#endif
