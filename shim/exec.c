/*
 * exec: what the kernel is given instead of what the program said.
 *
 * The engine plans (ur_exec_plan), unless it is known already that there is nothing to plan: a script's interpreter is
 * looked up in the union, a program whose loader differs there is run by that loader. Here the plan becomes argument
 * and environment arrays. The environment gets back what the run needs, whatever the program made of it:
 * UNIONRUN_SESSION, and the shim in LD_PRELOAD, once and last: what the program itself preloads (fakeroot) comes
 * before, and its calls come to us.
 *
 * Invariant: nothing lasts. All memory is sized before it is filled and comes from exec_memory.c (or, for a spawn,
 * from the parent), so that a vfork child, a signal handler and a thread of 16 KiB can exec.
 */
#include "exec_memory.h"

#include <alloca.h>
#include <paths.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

/* Room for what comes beside the caller's own: loader and interpreters; /bin/sh; variables. */
enum { ARGS_MORE = UR_EXEC_FIRST + 2, SHELL_MORE = 4, VARS_MORE = 8 };

enum { EXECFN_NAME = 16 };
static const char execfn_name[] = "UNIONRUN_EXECFN=";
static const char audit_name[] = "unionrun-audit.so"; /* beside the shim */

static size_t count(char *const list[]) {
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

/* For what every exec does libc has no part in it: in a fresh child each function would have to be looked up, and its
   pages be mapped. */
static size_t length(const char *s) {
    size_t n = 0;
    while (s[n])
        n++;
    return n;
}

static char *append(char *at, const char *text, size_t len) {
    while (len--)
        *at++ = *text++;
    return at;
}

static bool is_in(char c, const char *set) {
    while (*set && *set != c)
        set++;
    return *set;
}

/* To the first of `separators`, or the end. */
static size_t element(const char *list, const char *separators) {
    size_t n = 0;
    while (list[n] && !is_in(list[n], separators))
        n++;
    return n;
}

static bool is_element(const char *list, size_t len, const char *own, size_t own_len) {
    size_t n = 0;
    while (n < len && n < own_len && list[n] == own[n])
        n++;
    return n == len && n == own_len;
}

/* The value if `entry` is NAME=value. */
static const char *value_of(const char *entry, const char *name) {
    while (*name && *entry == *name)
        entry++, name++;
    return !*name && *entry == '=' ? entry + 1 : NULL;
}

static size_t dir_len(const char *path) {
    size_t n = length(path);
    while (n && path[n - 1] != '/')
        n--;
    return n;
}

/* What environment() may need for its strings, in whole words. */
static size_t text_size(char *const envp[]) {
    const struct ur_table *t = UR_SELF->u->table;
    if (!t)
        return 0;
    size_t text = t->session.len + 3 * (size_t)t->preload.len + 2 * sizeof audit_name + 64;
    for (size_t i = 0; envp && envp[i]; i++)
        if (value_of(envp[i], "LD_PRELOAD") || value_of(envp[i], "LD_AUDIT"))
            text += length(envp[i]) + 2;
    return (text + sizeof(char *) - 1) & ~(sizeof(char *) - 1);
}

bool ur_is_vector(char *const v[]) {
    for (size_t i = 0; v; i++) {
        if (!ur_can_read(UR_SELF, &v[i], sizeof v[i]))
            return false;
        if (!v[i])
            break;
        if (!ur_can_read(UR_SELF, v[i], 1))
            return false;
    }
    return true;
}

size_t ur_launch_size(char *const argv[], char *const envp[]) {
    size_t words = 2 * count(argv) + ARGS_MORE + SHELL_MORE + count(envp) + VARS_MORE;
    return sizeof(struct ur_launch) + words * sizeof(char *) + text_size(envp) + UR_PATH_MAX +
           sizeof(struct ur_launch_plan);
}

struct ur_launch *ur_launch_init(void *block, char *const argv[], char *const envp[]) {
    struct ur_launch *l = block;
    l->size = ur_launch_size(argv, envp);
    l->envp = (char **)(l + 1);
    l->text = (char *)(l->envp + count(envp) + VARS_MORE);
    l->argv = (char **)(l->text + text_size(envp));
    l->shell_argv = l->argv + count(argv) + ARGS_MORE;
    l->candidate = (char *)(l->shell_argv + count(argv) + SHELL_MORE);
    l->plan = (struct ur_launch_plan *)(l->candidate + UR_PATH_MAX);
    return l;
}

/* Writes NAME=old:own into *text, without what `old` has of `own`; own NULL: NAME=old. NULL if nothing is left. */
static char *list_with(char **text, const char *name, const char *old, const char *separators, const char *own,
                       size_t own_len, bool wanted) {
    char *entry = *text, *at = append(append(entry, name, length(name)), "=", 1), *start = at;
    for (const char *p = old ? old : ""; *p;) {
        size_t len = element(p, separators);
        if (len && !is_element(p, len, own, own_len)) {
            if (at > start)
                *at++ = ':';
            at = append(at, p, len);
        }
        p += len;
        p += *p != 0;
    }
    if (wanted) {
        if (at > start)
            *at++ = ':';
        at = append(at, own, own_len);
    }
    if (at == start)
        return NULL;
    *at++ = 0;
    *text = at;
    return entry;
}

static bool in_union(const char *name, size_t len) {
    UR_PATH_BUFFER(path);
    if (!path || len >= UR_PATH_MAX)
        return false;
    *append(path, name, len) = 0;
    return ur_is_native(UR_SELF, AT_FDCWD, path, 0) == 0;
}

/* Is one of the files or directories of the list in a union? Those are ld.so's to look for. A file's bare name is none,
   and the shim's own is the host's. */
static bool lists_union(const char *list, const char *separators, bool files) {
    const struct ur_table *t = UR_SELF->u->table;
    const char *shim = ur_table_text(t, t->preload);
    for (const char *p = list; *p; p += *p != 0) {
        size_t len = element(p, separators);
        if (len && !is_element(p, len, shim, t->preload.len) && (!files || memchr(p, '/', len)) && in_union(p, len))
            return true;
        p += len;
    }
    return false;
}

/* What the program that comes is told of its names: variables, or NULL. */
struct told {
    char *exe, *comm, *execfn;
};

/* The environment that goes to the kernel: the caller's, in its order, with what the run needs. `out` and `text` are
   room for it. */
static char **environment(char **out, char *text, char *const envp[], bool audited, struct told told) {
    const struct ur_table *t = UR_SELF->u->table;
    const char *shim = ur_table_text(t, t->preload), *preload = NULL, *audit = NULL;
    size_t n = 0, preload_at = SIZE_MAX, audit_at = SIZE_MAX, session_at = SIZE_MAX;
    bool names_union = false;
    for (size_t i = 0; envp && envp[i]; i++) {
        const char *value, *entry = envp[i];
        if (((value = value_of(entry, "LD_LIBRARY_PATH")) || (value = value_of(entry, "GCONV_PATH"))) && !ur_guarded())
            names_union = names_union || lists_union(value, ":;", false);
        if (value_of(entry, "UNIONRUN_SESSION")) {
            if (session_at == SIZE_MAX)
                session_at = n++;
        } else if ((value = value_of(entry, "LD_PRELOAD"))) {
            preload = value; /* the last is the one that ld.so heeds */
            names_union = names_union || (!ur_guarded() && lists_union(value, ": ", true));
            if (preload_at == SIZE_MAX)
                preload_at = n++;
        } else if ((value = value_of(entry, "LD_AUDIT"))) {
            audit = value;
            if (audit_at == SIZE_MAX)
                audit_at = n++;
        } else if (!value_of(entry, "UNIONRUN_EXE") && !value_of(entry, "UNIONRUN_COMM") &&
                   !value_of(entry, "UNIONRUN_EXECFN"))
            out[n++] = envp[i];
    }
    if (session_at == SIZE_MAX)
        session_at = n++;
    out[session_at] = text;
    text = append(append(text, "UNIONRUN_SESSION=", 17), ur_table_text(t, t->session), t->session.len + 1);

    if (t->preload.len) {
        if (preload_at == SIZE_MAX)
            preload_at = n++;
        out[preload_at] = list_with(&text, "LD_PRELOAD", preload, ": ", shim, t->preload.len, true);
    } else if (preload_at != SIZE_MAX)
        out[preload_at] = list_with(&text, "LD_PRELOAD", preload, ": ", "", 0, false);

    bool wanted = (audited || names_union) && t->preload.len;
    if (audit_at == SIZE_MAX && wanted)
        audit_at = n++;
    if (audit_at != SIZE_MAX) {
        char *own = text;
        size_t dir = dir_len(shim);
        text = append(append(text, shim, dir), audit_name, sizeof audit_name);
        out[audit_at] = list_with(&text, "LD_AUDIT", audit, ":", own, dir + sizeof audit_name - 1, wanted);
    }

    if (told.exe)
        out[n++] = told.exe;
    if (told.comm)
        out[n++] = told.comm;
    if (told.execfn)
        out[n++] = told.execfn;
    size_t kept = 0; /* a list that came to nothing leaves a hole */
    for (size_t i = 0; i < n; i++)
        if (out[i])
            out[kept++] = out[i];
    out[kept] = NULL;
    return out;
}

static const char *last_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* /proc/PID/comm is the name of what was to be executed. The kernel takes it from the path that it gets: of a link's
   target, an interpreter, a loader. */
static void told_comm(struct ur_launch_plan *p, const char *path) {
    const char *name = last_name(path);
    p->comm[0] = 0;
    if (!*name || strcmp(name, last_name(p->exec.path)) == 0)
        return;
    size_t len = strnlen(name, UR_COMM - 1);
    char *at = append(p->comm, "UNIONRUN_COMM=", 14);
    *append(at, name, len) = 0;
}

/* AT_EXECFN is what was said of the program, of a script too; the kernel would tell the path that it gets. */
static void told_execfn(struct ur_launch_plan *p, int dirfd, const char *path) {
    char *at = append(p->execfn, execfn_name, EXECFN_NAME), *end = p->execfn + sizeof p->execfn;
    if (dirfd != AT_FDCWD && *path != '/') {
        at = ur_put_number(append(at, "/dev/fd/", 8), end, (unsigned)dirfd, 10);
        if (*path)
            *at++ = '/';
    }
    if (!ur_put(at, end, path, length(path)) || strcmp(p->execfn + EXECFN_NAME, p->exec.path) == 0)
        p->execfn[0] = 0;
}

/* The arguments: as they are, or with interpreter and loader before them. */
static char *const *arguments(struct ur_launch *l, char *const argv[]) {
    const char *first[UR_EXEC_FIRST];
    unsigned before = ur_exec_first(&l->plan->exec, first);
    if (!before)
        return argv;
    char **out = l->argv, *own = argv && argv[0] ? argv[0] : (char *)"";
    size_t n = 0;
    for (; n < before; n++)
        out[n] = first[n] ? (char *)first[n] : own;
    for (size_t i = 1; argv && argv[0] && argv[i]; i++)
        out[n++] = argv[i];
    out[n] = NULL;
    return out;
}

/* What /proc/self/exe is to tell when it is the loader that runs: the program's union path, which it is already where
   a guard serves. */
static long told_exe(struct ur_launch_plan *p) {
    memcpy(p->exe, "UNIONRUN_EXE=", 13);
    if (!ur_guarded())
        return ur_union_path(UR_SELF, p->exec.program, p->exe + 13);
    memcpy(p->exe + 13, p->exec.program, strlen(p->exec.program) + 1);
    return 0;
}

/* Given way to the program's own filter (gate.c): the plain call, but the program that comes must know of it. */
static char *const *filtered_environment(struct ur_launch *l, char *const envp[]) {
    size_t n = 0;
    for (; envp && envp[n]; n++) {
        if (value_of(envp[n], "UNIONRUN_FILTERED"))
            return envp;
        l->envp[n] = envp[n];
    }
    l->envp[n++] = (char *)"UNIONRUN_FILTERED=1";
    l->envp[n] = NULL;
    return l->envp;
}

static long plain_exec(struct ur_launch *l, int dirfd, const char *path, char *const argv[], char *const envp[],
                       int flags) {
    if (ur_filtered())
        envp = filtered_environment(l, envp);
    path = ur_name(path);
    return dirfd == AT_FDCWD && !flags ? UR_PLAIN(SYS_execve, path, argv, envp, 0, 0, 0)
                                       : UR_PLAIN(SYS_execveat, dirfd, path, argv, envp, flags, 0);
}

/* `x` NULL: it is known that the program has no set-id bits. */
static long start(const char *path, char *const argv[], char *const envp[], const struct ur_exec *x) {
    if (!UR_SELF->u->root)
        return UR_SYS(SYS_execve, path, argv, envp, 0, 0, 0);
    long before = ur_ids_exec(UR_SELF, x), ret = UR_SYS(SYS_execve, path, argv, envp, 0, 0, 0);
    ur_ids_back(UR_SELF, before);
    return ret;
}

/* What starts as it stands, and needs no plan. */
static bool is_known(int dirfd, const char *path, int flags, struct ur_known_program *k) {
    return dirfd == AT_FDCWD && !flags && !UR_SELF->u->traced && ur_exec_known(UR_SELF, path, k);
}

/* Its last name is the same in its layer. `execfn` is room for told_execfn's variable. */
static long start_known(const char *path, char *const argv[], char *const envp[], const struct ur_known_program *k,
                        char **out, char *text, char *execfn) {
    struct told told = {0};
    if (k->host != path) {
        told.execfn = execfn;
        append(append(execfn, execfn_name, EXECFN_NAME), path, length(path) + 1);
    }
    return start(k->host, argv, environment(out, text, envp, k->audit, told), NULL);
}

long ur_launch_exec(struct ur_launch *l, int dirfd, const char *path, char *const argv[], char *const envp[],
                    int flags) {
    if (!ur_in_session())
        return plain_exec(l, dirfd, path, argv, envp, flags);
    struct ur_known_program known;
    if (is_known(dirfd, path, flags, &known))
        return start_known(path, argv, envp, &known, l->envp, l->text, l->plan->execfn);
    struct ur_exec *x = &l->plan->exec;
    int held = ur_cancel_hold(); /* released before the exec: a vfork child's is its parent's */
    long ret = ur_exec_plan(UR_SELF, dirfd, ur_name(path), flags, x);
    ur_cancel_release(held);
    if (ret >= 0) {
        told_comm(l->plan, path);
        told_execfn(l->plan, dirfd, path);
    }
    if (ret >= 0 && x->loader)
        ret = told_exe(l->plan);
    if (ret < 0)
        return ret;
    struct told told = {x->loader ? l->plan->exe : NULL, l->plan->comm[0] ? l->plan->comm : NULL,
                        l->plan->execfn[0] ? l->plan->execfn : NULL};
    return start(x->path, arguments(l, argv), environment(l->envp, l->text, envp, x->audit, told), x);
}

static long exec_or_shell(struct ur_launch *l, const char *file, char *const argv[], char *const envp[], bool shell) {
    long ret = ur_launch_exec(l, AT_FDCWD, file, argv, envp, 0);
    if (ret != -ENOEXEC || !shell)
        return ret;
    size_t n = 0; /* text without a #! line: what execvp makes of it */
    l->shell_argv[n++] = (char *)_PATH_BSHELL;
    l->shell_argv[n++] = (char *)file;
    for (size_t i = 1; argv[0] && argv[i]; i++)
        l->shell_argv[n++] = argv[i];
    l->shell_argv[n] = NULL;
    return ur_launch_exec(l, AT_FDCWD, _PATH_BSHELL, l->shell_argv, envp, 0);
}

const char *ur_default_path(void) {
    return ur_in_glibc() ? "/bin:/usr/bin" : "/usr/local/bin:/bin:/usr/bin";
}

/* As execvp(3): an empty element is the cwd; EACCES is told at the end if nothing better was found. */
long ur_launch_search(struct ur_launch *l, const char *file, char *const argv[], char *const envp[], const char *search,
                      bool shell) {
    if (!*file)
        return -ENOENT;
    if (strchr(file, '/'))
        return exec_or_shell(l, file, argv, envp, shell);
    size_t len = strnlen(file, NAME_MAX + 1);
    if (len > NAME_MAX)
        return -ENAMETOOLONG;
    bool denied = false;
    long ret = -ENOENT;
    for (const char *p = search ? search : ur_default_path();; p++) {
        size_t dir = strcspn(p, ":");
        if (dir + len + 2 <= UR_PATH_MAX) {
            char *at = append(l->candidate, p, dir);
            if (dir)
                *at++ = '/';
            append(at, file, len + 1);
            ret = exec_or_shell(l, l->candidate, argv, envp, shell);
            if (ret == -EACCES)
                denied = true;
            else if (ret != -ENOENT && ret != -ENOTDIR && ret != -ESTALE && ret != -ENODEV && ret != -ETIMEDOUT)
                return ret;
        }
        p += dir;
        if (!*p)
            return denied ? -EACCES : ret;
    }
}

/* --- the hooks ------------------------------------------------------------------------------------------ */

/* Can it be gone through? Of libc's own, which getenv(3) reads too, nobody asks: a child would pay for it with a page.
 */
static bool is_environment(char *const envp[]) {
    return envp == environ || ur_is_vector(envp);
}

/* Executes what is known with no memory but some of the stack. UNKNOWN: it is not, or it needs more. The arguments are
   not looked at: they are the kernel's to read. */
enum { LITTLE = 2048, UNKNOWN = -4096 };
static long exec_known(int dirfd, const char *path, char *const argv[], char *const envp[], int flags) {
    struct ur_known_program known;
    size_t words = count(envp) + VARS_MORE, size = words * sizeof(char *) + text_size(envp);
    if (size > LITTLE || !is_known(dirfd, path, flags, &known))
        return UNKNOWN;
    char **vars = alloca(size), execfn[EXECFN_NAME + UR_PROGRAM_PATH];
    return start_known(path, argv, envp, &known, vars, (char *)(vars + words), execfn);
}

long ur_exec_at(int dirfd, const char *path, char *const argv[], char *const envp[], int flags) {
    if (!ur_in_session() && !ur_filtered())
        return plain_exec(NULL, dirfd, path, argv, envp, flags);
    if (!is_environment(envp))
        return -EFAULT;
    long known = exec_known(dirfd, path, argv, envp, flags);
    if (known != UNKNOWN)
        return known;
    if (!ur_is_vector(argv))
        return -EFAULT;
    int held;
    size_t size = ur_launch_size(argv, envp);
    void *block = path ? ur_exec_memory_get(size, &held) : NULL;
    if (!block)
        return path ? -ENOMEM : -EFAULT;
    long ret = ur_launch_exec(ur_launch_init(block, argv, envp), dirfd, path, argv, envp, flags);
    ur_exec_memory_put(block, size, held);
    return ret;
}

static int exec_at(int dirfd, const char *path, char *const argv[], char *const envp[], int flags) {
    return (int)ur_edge_of(ur_exec_at(dirfd, path, argv, envp, flags));
}

/* As getenv(3), which may be called nowhere that this is. */
static const char *search_path(void) {
    for (char **e = environ; e && *e; e++) {
        const char *value = value_of(*e, "PATH");
        if (value)
            return value;
    }
    return NULL;
}

static int exec_search(const char *file, char *const argv[], char *const envp[]) {
    if (!is_environment(envp))
        return (int)ur_edge_of(-EFAULT);
    long known = exec_known(AT_FDCWD, file, argv, envp, 0);
    if (known != UNKNOWN && known != -ENOEXEC)
        return (int)ur_edge_of(known);
    if (!ur_is_vector(argv))
        return (int)ur_edge_of(-EFAULT);
    int held;
    size_t size = ur_launch_size(argv, envp);
    void *block = ur_exec_memory_get(size, &held);
    if (!block)
        return (int)ur_edge_of(-ENOMEM);
    long ret = ur_launch_search(ur_launch_init(block, argv, envp), file, argv, envp, search_path(), ur_in_glibc());
    ur_exec_memory_put(block, size, held);
    return (int)ur_edge_of(ret);
}

UR_EXPORT int execve(const char *path, char *const argv[], char *const envp[]) {
    return exec_at(AT_FDCWD, path, argv, envp, 0);
}

UR_EXPORT int execv(const char *path, char *const argv[]) {
    return exec_at(AT_FDCWD, path, argv, environ, 0);
}

UR_EXPORT int execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags) {
    return exec_at(dirfd, path, argv, envp, flags);
}

UR_EXPORT int fexecve(int fd, char *const argv[], char *const envp[]) {
    if (fd < 0 || !argv || !envp)
        return (int)ur_edge_of(-EINVAL);
    return exec_at(fd, "", argv, envp, AT_EMPTY_PATH);
}

UR_EXPORT int execvp(const char *file, char *const argv[]) {
    return exec_search(file, argv, environ);
}

UR_EXPORT int execvpe(const char *file, char *const argv[], char *const envp[]) {
    return exec_search(file, argv, envp);
}

/* execl and its kin: the arguments on the caller's stack made an array on it, as libc does. */
#define UR_GATHER(argv, first, last)                                                                                   \
    va_list args;                                                                                                      \
    size_t n = 1;                                                                                                      \
    va_start(args, first);                                                                                             \
    while (va_arg(args, const char *))                                                                                 \
        n++;                                                                                                           \
    va_end(args);                                                                                                      \
    char **argv = alloca((n + 1) * sizeof *argv);                                                                      \
    argv[0] = (char *)(first);                                                                                         \
    va_start(args, first);                                                                                             \
    for (size_t i = 1; i <= n; i++)                                                                                    \
        argv[i] = va_arg(args, char *);                                                                                \
    last;                                                                                                              \
    va_end(args)

UR_EXPORT int execl(const char *path, const char *arg, ...) {
    UR_GATHER(argv, arg, (void)0);
    return exec_at(AT_FDCWD, path, argv, environ, 0);
}

UR_EXPORT int execle(const char *path, const char *arg, ...) {
    UR_GATHER(argv, arg, char *const *envp = va_arg(args, char *const *));
    return exec_at(AT_FDCWD, path, argv, envp, 0);
}

UR_EXPORT int execlp(const char *file, const char *arg, ...) {
    UR_GATHER(argv, arg, (void)0);
    return exec_search(file, argv, environ);
}
