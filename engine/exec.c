/*
 * Starting programs: what an execve in the union's namespace comes to on the host. The kernel reads #! lines
 * and PT_INTERP by itself, in the host's namespace; where the union has another file there it must be told.
 * execve(2), binfmt_script, elf(5).
 */
#include "root.h"
#include "union.h"

#include <elf.h>
#include <unistd.h>

/* The kernel looks at the first HEAD bytes. More is read at once: there the PT_INTERP of nearly all programs is. */
enum { HEAD = 256 /* BINPRM_BUF_SIZE */, FIRST = 1024 };

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}
static const char *skip_blanks(const char *at, const char *last) {
    while (at <= last && is_blank(*at))
        at++;
    return at <= last ? at : NULL;
}
static const char *find_end(const char *at, const char *last) {
    while (at <= last && *at && !is_blank(*at))
        at++;
    return at <= last ? at : NULL;
}

/* One #! line, into interp and interp_arg, as load_script() in the kernel reads it: what follows the end of a short
   file is zeros, the last byte of a long one does not count, and an interpreter that may have been cut is none. 0, or
   -ENOEXEC. */
static long parse_line(char head[HEAD], long n, struct ur_exec *x) {
    const char *last = head + HEAD - 1;
    if (n < HEAD)
        memset(head + n, 0, (size_t)(HEAD - n));
    const char *end = memchr(head, '\n', HEAD);
    if (!end) {
        const char *name = skip_blanks(head + 2, last);
        if (!name || !find_end(name, last))
            return -ENOEXEC;
        end = last;
    }
    while (is_blank(end[-1]))
        end--;
    const char *name = skip_blanks(head + 2, end);
    if (!name || name == end)
        return -ENOEXEC;
    const char *name_end = find_end(name, end);
    const char *arg = name_end && *name_end ? skip_blanks(name_end, end) : NULL;
    ur_put(x->interp, x->interp + sizeof x->interp, name, (size_t)((name_end ? name_end : end) - name));
    ur_put(x->interp_arg, x->interp_arg + sizeof x->interp_arg, arg ? arg : "",
           arg ? strnlen(arg, (size_t)(end - arg)) : 0);
    return 0;
}

/* Is the file that the kernel would open by `path` another than the union's, at `host`? */
static bool differs(const struct ur_caller *c, const char *path, const char *host) {
    struct stat a, b;
    if (strcmp(path, host) == 0)
        return false;
    if (path[0] != '/' && c->pid) /* from another's cwd */
        return true;
    long raw = sys_fstatat(AT_FDCWD, path, &a, 0), own = sys_fstatat(AT_FDCWD, host, &b, 0);
    return own == 0 && (raw < 0 || a.st_dev != b.st_dev || a.st_ino != b.st_ino);
}

/*
 * The loader that programs name is nearly always one, and nearly always the host's own: the run remembers that, as long
 * as no directory of the union changes. Only of a path that leads through no union: in one the file may be replaced (an
 * upgrade of libc), and no generation tells. Written under a sequence count, as base.c does.
 */
static bool is_own_loader(const struct ur_union *u, const char *path) {
    if (!u->shared)
        return false;
    const struct ur_own_loader *own = &u->shared->own_loader;
    uint32_t sequence = atomic_load_explicit(&own->sequence, memory_order_acquire);
    if (sequence % 2 || !own->generation || own->generation != ur_dcache_begin(u) ||
        strncmp(own->path, path, sizeof own->path) != 0)
        return false;
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&own->sequence, memory_order_relaxed) == sequence;
}

/* `generation`: taken before the disk was asked. */
static void keep_own_loader(const struct ur_union *u, const char *path, uint64_t generation) {
    if (!generation || path[0] != '/') /* one that is relative leads elsewhere for others */
        return;
    struct ur_own_loader *own = &u->shared->own_loader;
    uint32_t sequence = atomic_load_explicit(&own->sequence, memory_order_relaxed);
    size_t len = strlen(path);
    if (len >= sizeof own->path || ur_dcache_begin(u) != generation || sequence % 2 ||
        !atomic_compare_exchange_strong(&own->sequence, &sequence, sequence + 1))
        return;
    atomic_thread_fence(memory_order_release);
    own->generation = generation;
    memcpy(own->path, path, len + 1);
    atomic_store_explicit(&own->sequence, sequence + 2, memory_order_release);
}

/* The PT_INTERP of a 64-bit ELF file. Its length, 0 if there is none. */
static long elf_interp(int fd, const char *head, long n, char *out, size_t size) {
    Elf64_Ehdr h;
    if (n < (long)sizeof h)
        return 0;
    memcpy(&h, head, sizeof h);
    if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || h.e_ident[EI_CLASS] != ELFCLASS64 ||
        h.e_phentsize != sizeof(Elf64_Phdr))
        return 0;
    for (unsigned i = 0; i < h.e_phnum && i < 128; i++) {
        Elf64_Phdr p;
        if (!ur_elf_read(fd, head, n, &p, sizeof p, h.e_phoff + i * sizeof p))
            return 0;
        if (p.p_type != PT_INTERP)
            continue;
        if (p.p_filesz < 2 || p.p_filesz > size || !ur_elf_read(fd, head, n, out, p.p_filesz, p.p_offset))
            return 0;
        out[p.p_filesz - 1] = 0;
        return (long)strlen(out);
    }
    return 0;
}

/* May the libraries that ld.so looks for by default come from a union? */
static bool covers_libraries(const struct ur_union *u) {
    static const char *const dirs[] = {"/lib",       "/lib64",         "/usr/lib",
                                       "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"};
    for (unsigned i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
        if (ur_mount_of(u, dirs[i], strlen(dirs[i])) || ur_mounts_below(u, dirs[i], strlen(dirs[i])))
            return true;
    return false;
}

/* A program that may be an ELF file, open at `fd`; `name` from `dirfd` is its union path. 1: it is one, and the kernel
   starts it by itself. */
static long plan_elf(const struct ur_caller *c, int dirfd, const char *name, int fd, const char *head, long n,
                     bool in_union, struct ur_exec *x) {
    UR_SCRATCH(s);
    bool guarded = ur_guard_serves(c->u->shared);
    if (guarded && n > EI_CLASS && memcmp(head, ELFMAG, SELFMAG) == 0 && head[EI_CLASS] == ELFCLASS32)
        return -ENOEXEC; /* the guard's filter knows the numbers of its system calls for another's */
    long len = elf_interp(fd, head, n, s->rest[0], UR_PATH_MAX);
    if (len <= 0)
        return 0;
    bool own = is_own_loader(c->u, s->rest[0]);
    uint64_t generation = ur_dcache_begin(c->u);
    if (!own && ur_is_native(c, AT_FDCWD, s->rest[0], 0) == 1) {
        keep_own_loader(c->u, s->rest[0], generation);
        own = true;
    }
    /* Of another's loader it is not known where it looks. */
    x->audit = !guarded && (covers_libraries(c->u) || (in_union && (!own || ur_needs_libraries(fd, head, n))));
    if (own)
        return 1;
    /* A missing one is the kernel's to tell. */
    if (ur_real(c, AT_FDCWD, s->rest[0], UR_REAL_EXEC, s->rest[1]) < 0 || !differs(c, s->rest[0], s->rest[1]))
        return 0;
    x->loader = true;
    /* The loader's own opens are answered by the guard. What has no name goes by the kernel's. */
    if (!guarded || ur_canonical(c, dirfd, name, 0, x->program) < 0)
        memcpy(x->program, x->path, sizeof x->path);
    return ur_put(x->path, x->path + sizeof x->path, s->rest[1], strlen(s->rest[1])) ? 0 : -ENAMETOOLONG;
}

/* Before the next #! line takes its place, the interpreter so far becomes the first of the inner ones. */
static long push_interp(struct ur_exec *x) {
    size_t a = strlen(x->interp) + 1, b = x->interp_arg[0] ? strlen(x->interp_arg) + 1 : 0, used = 0;
    while (x->inner[used])
        used += strlen(x->inner + used) + 1;
    if (used + a + b + 1 > sizeof x->inner)
        return -ELOOP;
    memmove(x->inner + a + b, x->inner, used + 1);
    memcpy(x->inner, x->interp, a);
    memcpy(x->inner + a, x->interp_arg, b);
    return 0;
}

/* The interpreter becomes what is run; *own: the kernel by itself would come to another. */
static long enter_interp(const struct ur_caller *c, bool *in_union, bool *own, struct ur_exec *x) {
    UR_SCRATCH(s);
    long ret = ur_real(c, AT_FDCWD, x->interp, UR_REAL_EXEC, s->rest[0]);
    if (ret < 0)
        return ret;
    *own = *own || *in_union || differs(c, x->interp, s->rest[0]);
    ret = sys_faccessat(AT_FDCWD, s->rest[0], X_OK, AT_EACCESS);
    if (ret < 0)
        return ret;
    ur_put(x->path, x->path + sizeof x->path, s->rest[0], strlen(s->rest[0]));
    long len = ur_canonical(c, AT_FDCWD, x->interp, 0, s->rest[1]);
    *in_union = len > 0 && ur_mount_of(c->u, s->rest[1], (size_t)len);
    return 0;
}

/* What set-id bits of the program at x->path, open at `fd` (or -1), make of who starts it. */
static void plan_ids(const struct ur_caller *c, int fd, struct ur_exec *x) {
    struct stat st;
    if (!c->u->root || (fd >= 0 ? sys_fstat(fd, &st) : sys_fstatat(AT_FDCWD, x->path, &st, 0)) < 0)
        return;
    ur_root_tell(c->u, fd, x->path, &st);
    x->set_uid = st.st_mode & S_ISUID;
    x->set_gid = (st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
    x->uid = st.st_uid;
    x->gid = st.st_gid;
}

/* x->path is what `path` from `dirfd` names: goes along its #! lines to the program that will run. 1: there are some,
   and the kernel by itself would come to the same. *elf: there are none, and the kernel starts it by itself. */
static long plan_file(const struct ur_caller *c, int dirfd, const char *path, bool in_union, bool *elf,
                      struct ur_exec *x) {
    char head[FIRST];
    bool own = false;
    long ret = 0;
    for (unsigned scripts = 0; ret == 0; scripts++) {
        long fd = sys_open(x->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
        if (fd < 0) {
            plan_ids(c, -1, x);
            break; /* one may execute what one may not read */
        }
        long n = sys_pread((int)fd, head, sizeof head, 0);
        if (n <= 2 || head[0] != '#' || head[1] != '!') {
            plan_ids(c, (int)fd, x);
            ret = scripts ? plan_elf(c, AT_FDCWD, x->interp, (int)fd, head, n, in_union, x)
                          : plan_elf(c, dirfd, path, (int)fd, head, n, in_union, x);
            sys_close((int)fd);
            *elf = ret == 1 && !scripts;
            ret = ret < 0 ? ret : 0;
            break;
        }
        sys_close((int)fd);
        if (scripts == UR_EXEC_SCRIPTS)
            return -ELOOP;
        if (scripts)
            ret = push_interp(x);
        else if (!ur_put(x->script, x->script + sizeof x->script, path, strlen(path)))
            ret = -ENAMETOOLONG;
        if (ret == 0)
            ret = parse_line(head, n, x);
        if (ret == 0)
            ret = enter_interp(c, &in_union, &own, x);
    }
    return ret == 0 && x->interp[0] && !own && !x->loader ? 1 : ret;
}

/* A file whose data are another's, which it may be executed by: that one is. */
static long enter_data(const struct ur_caller *c, const struct ur_dir *d, const struct ur_node *node, char *host) {
    UR_SCRATCH(t);
    struct ur_data data = {.host = t->text};
    long ret = ur_data_find(c->u, d, node->name, &node->entry, &data);
    if (ret <= 0)
        return ret;
    ur_data_known(c->u, d, node->name, &data);
    ur_put(host, host + UR_PATH_MAX, data.host, strlen(data.host));
    return sys_faccessat(AT_FDCWD, host, X_OK, AT_EACCESS);
}

long ur_exec_plan(const struct ur_caller *c, int dirfd, const char *path, int flags, struct ur_exec *x) {
    x->script[0] = x->interp[0] = x->interp_arg[0] = x->inner[0] = x->program[0] = x->path[0] = 0;
    x->loader = x->audit = x->set_uid = x->set_gid = false;
    if (!ur_active(c))
        return ur_put(x->path, x->path + sizeof x->path, path, strlen(path)) ? 0 : -ENAMETOOLONG;
    UR_SCRATCH(s);
    UR_SCRATCH(t);
    struct ur_node *node = &s->node[0];
    char *name = t->text;
    bool elf = false;
    long ret;
    if (flags & AT_EMPTY_PATH && ur_is_empty(c, path)) {
        struct ur_fdinfo info;
        ret = ur_fd_info(c, dirfd, &info, name);
        if (ret < 0)
            return ret;
        path = name;
        dirfd = AT_FDCWD;
    }
    ret = ur_walk(c, dirfd, path, flags & AT_SYMLINK_NOFOLLOW ? UR_WALK_NOFOLLOW : 0, s, 0);
    if (ret < 0)
        return ret;
    if (node->where != UR_AT_MAGIC && (node->self || node->entry.kind == UR_DIRECTORY))
        return -EACCES;
    if (node->where != UR_AT_MAGIC && node->entry.kind == UR_ABSENT)
        return -ENOENT;
    if (node->where != UR_AT_MAGIC && S_ISLNK(node->entry.st.st_mode))
        return -ELOOP;
    ret = ur_node_path(c->u, &s->dir[0], node, s->real[0]);
    if (ret == 0)
        ret = sys_faccessat(AT_FDCWD, s->real[0], X_OK, AT_EACCESS);
    if (ret == 0 && node->where == UR_AT_UNION)
        ret = enter_data(c, &s->dir[0], node, s->real[0]);
    if (ret == 0 && !ur_put(x->path, x->path + sizeof x->path, s->real[0], strlen(s->real[0])))
        ret = -ENAMETOOLONG;
    if (ret == 0)
        ret = plan_file(c, dirfd, path, node->where == UR_AT_UNION, &elf, x);
    if (ret == 1) { /* all of it is the host's: the kernel does it alone */
        x->script[0] = x->interp[0] = x->interp_arg[0] = x->inner[0] = 0;
        ur_put(x->path, x->path + sizeof x->path, s->real[0], strlen(s->real[0]));
        ret = 0;
    }
    /* By its own path, which may be a symlink's: a process goes by the name that it was called. */
    if (ret == 0 && !c->pid && !node->foreign && dirfd == AT_FDCWD && !x->interp[0] && !x->loader)
        ur_put(x->path, x->path + sizeof x->path, path, strlen(path));
    bool in_union = node->where == UR_AT_UNION && !node->entry.linked && !node->entry.recalled;
    if (ret == 0 && elf && !x->set_uid && !x->set_gid && (in_union || (node->where == UR_AT_HOST && !node->foreign)) &&
        dirfd == AT_FDCWD && !flags)
        ur_program_keep(c, path, &node->entry.st, in_union, x->audit);
    return ret;
}

unsigned ur_exec_first(const struct ur_exec *x, const char *first[UR_EXEC_FIRST]) {
    unsigned n = 0;
    if (x->loader) {
        first[n++] = x->path;
        first[n++] = "--argv0";
        first[n++] = x->interp[0] ? x->interp : NULL;
        first[n++] = x->program;
    } else if (x->interp[0])
        first[n++] = x->interp;
    if (!x->interp[0])
        return n;
    if (x->interp_arg[0])
        first[n++] = x->interp_arg;
    for (const char *inner = x->inner; *inner; inner += strlen(inner) + 1)
        first[n++] = inner;
    first[n++] = x->script;
    return n;
}
