/*
 * open: the file that the union shows, or a copy of it in the upper before the first writable descriptor exists.
 */
#include "index.h"
#include "union.h"

#include <linux/openat2.h>
#include <unistd.h>

static bool wants_write(int flags) {
    return !(flags & O_PATH) && ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC);
}

static int access_mode(int flags) {
    int acc = flags & O_ACCMODE;
    int mode = acc == O_RDONLY ? 4 : acc == O_WRONLY ? 2 : 6;
    return flags & O_TRUNC ? mode | 2 : mode;
}

/* What can be opened without waiting for anybody. */
static bool is_plain(const struct ur_node *n) {
    return n->self || n->entry.kind == UR_DIRECTORY || (n->entry.kind == UR_FILE && S_ISREG(n->entry.st.st_mode));
}

static bool is_fifo(const struct ur_node *n) {
    return n->where != UR_AT_MAGIC && !n->self && n->entry.kind == UR_FILE && S_ISFIFO(n->entry.st.st_mode);
}

/* A host path, in a place that may be there to be read only. */
static long may_open_raw(const struct ur_union *u, const struct ur_node *n, const char *host, int flags) {
    bool absent = !n->self && n->entry.kind == UR_ABSENT;
    bool file = !n->self && n->entry.kind == UR_FILE && S_ISREG(n->entry.st.st_mode);
    bool changes = absent ? flags & O_CREAT : (file && wants_write(flags)) || (flags & O_TMPFILE) == O_TMPFILE;
    return changes ? ur_may_change_raw(u, host, strlen(host)) : 0;
}

/* The descriptor of a file that has no name yet; or of a new one, once its name is on disk. `parent`: room for a path.
 */
static long made(const struct ur_caller *c, const struct ur_dir *d, char *parent, long fd) {
    long ret = c->u->root ? ur_upper_path(c->u, d, NULL, parent) : 0;
    if (ret == 0 && c->u->root)
        ret = ur_root_made(c, (int)fd, NULL, parent, NULL);
    if (ret == 0)
        ret = ur_sync_names(c->u, d);
    if (ret == 0)
        return fd;
    sys_close((int)fd);
    return ret;
}

/* The same of a new one, in the place of what `was`, which `change` is told of. */
static long made_name(const struct ur_caller *c, const struct ur_dir *d, const struct ur_entry *was, char *parent,
                      long fd, struct ur_change *change) {
    long ret = made(c, d, parent, fd);
    if (ret >= 0)
        ur_change_tell(c->u, d, change,
                       &(struct ur_known){.kind = UR_KNOWN_FILE, .plain = true, .sole = ur_is_sole(was)});
    return ret;
}

/* O_CREAT of a name that the union does not have. */
static long create(const struct ur_caller *c, struct ur_scratch *s, struct ur_dir *d, const struct ur_node *n,
                   int flags, mode_t mode) {
    char *host = s->real[0], *parent = s->real[1];
    long ret = ur_quota_take(c->u, 0);
    if (ret == 0)
        ret = ur_new_place(c, d, n->name, host);
    if (ret < 0)
        return ret;
    flags &= ~O_TRUNC; /* of nothing; and the guard would want to see it */
    UR_NAME_BECOMES(change, c->u, d, n->name, &n->entry);
    ur_gone_taken(c->u, d, n->name);
    if (n->entry.white != UR_WHITE_NODE) {
        ret = sys_open(host, flags | O_EXCL | O_NOFOLLOW, mode);
        if (ret >= 0)
            return made_name(c, d, &n->entry, parent, ret, &change);
        return ret == -EEXIST || ur_is_gone(ret) ? UR_AGAIN : ret;
    }
    ret = ur_new_stage(c->u, d, &s->stage, parent);
    if (ret < 0)
        return ret;
    long fd = sys_open(s->stage.path, flags | O_EXCL | O_NOFOLLOW, mode);
    ret = fd < 0 ? fd : ur_stage_over_whiteout(c->u, d->mount, &s->stage, host);
    ur_stage_drop(&s->stage);
    if (fd >= 0 && ret < 0)
        sys_close((int)fd);
    return ret < 0 ? ret : made_name(c, d, &n->entry, parent, fd, &change);
}

/* Did the index name a holder that the disk has not any more? UR_AGAIN then, or -EIO, or as it was. */
static long unless_outdated(const struct ur_caller *c, const struct ur_dir *d, const struct ur_node *n, long ret) {
    if (n->self || !n->entry.recalled || (ret != -ENOENT && ret != -ENXIO && ret != -ENOTDIR && ret != -ELOOP))
        return ret;
    ret = ur_if_lost(c->u, d, &n->entry, ret);
    if (ret == -EIO)
        return ret;
    ur_index_forget(c->u, d, n->name);
    return UR_AGAIN;
}

/* The last step for the guard's caller: by itself. */
static long elsewhere(struct ur_elsewhere *e, const char *host, bool native, bool link) {
    e->native = native;
    e->error = 0;
    e->link = link;
    memcpy(e->path, host, strlen(host) + 1);
    return UR_ELSEWHERE;
}

static long elsewhere_nothing(struct ur_elsewhere *e, long error) {
    elsewhere(e, "", true, false);
    e->error = error;
    return UR_ELSEWHERE;
}

/* A directory that was opened to be read is likely to be listed, and the base of other names: which it is, is kept. */
static void note_directory(const struct ur_caller *c, int fd, struct ur_dir *d, const struct ur_node *n,
                           uint64_t generation) {
    struct ur_spot spot = n->self ? d->spot[0] : n->entry.spot;
    struct ur_layer_at at = {d->mount, spot.layer, spot.rel == 0};
    size_t len = d->len;
    char *p = d->path + len, *end = d->path + UR_PATH_MAX;
    if (!n->self) {
        if (len > 1)
            p = ur_put(p, end, "/", 1);
        p = ur_put(p, end, n->name, strlen(n->name));
    }
    if (p)
        ur_base_note(c, fd, d->path, (size_t)(p - d->path), at, generation);
    d->path[len] = 0;
}

/* The upper's file is about to be written to: it is given its data first, if it lacks them. *fd: it was emptied
   instead, and this is it, open. */
static long fill(const struct ur_caller *c, const struct ur_dir *d, const struct ur_node *n, int flags, char *host,
                 long *fd) {
    if (!n->entry.in_upper || n->entry.plain || !ur_may_lack_data(c->u, d->mount, 0))
        return 0;
    struct stat st;
    long ret = ur_entry_path(c->u, d, n->name, &n->entry, host);
    if (ret == 0)
        ret = sys_faccessat(AT_FDCWD, host, access_mode(flags), AT_EACCESS);
    if (ret == 0 && flags & O_NOATIME)
        ret = sys_lstat(host, &st);
    if (ret == 0 && flags & O_NOATIME)
        ret = ur_may_own(&st);
    if (ret < 0)
        return ur_is_gone(ret) ? UR_AGAIN : ret;
    if (!(flags & O_TRUNC))
        return ur_data_fill(c->u, d, n->name, &n->entry, false);
    if (ur_has_metacopy(-1, host) <= 0)
        return 0;
    /* Emptied when it is open: else nothing has changed. */
    long own = sys_open(host, (flags & ~(O_CREAT | O_EXCL | O_TRUNC)) | O_NOFOLLOW, 0);
    if (own < 0)
        return ur_is_gone(own) || own == -ENXIO /* a whiteout */ ? UR_AGAIN : own;
    ret = ur_data_fill(c->u, d, n->name, &n->entry, true);
    *fd = ret > 0 ? own : -1;
    if (ret <= 0)
        sys_close((int)own);
    return ret < 0 ? ret : 0;
}

/* Opens a file to read whose data are another's: its descriptor, or -errno. *apart: it is one. */
static long open_data(const struct ur_caller *c, const struct ur_dir *d, const struct ur_node *n, int flags,
                      bool *apart) {
    *apart = false;
    if (!ur_may_lack_data(c->u, d->mount, n->entry.spot.layer))
        return 0;
    UR_SCRATCH(t);
    struct ur_data data = {.host = t->text};
    struct stat st;
    char *host = t->real[0];
    long ret = ur_data_find(c->u, d, n->name, &n->entry, &data);
    *apart = ret != 0;
    if (ret > 0)
        ret = ur_entry_path(c->u, d, n->name, &n->entry, host);
    if (ret == 0 && *apart) /* it is for this file's mode to say */
        ret = sys_faccessat(AT_FDCWD, host, R_OK, AT_EACCESS);
    if (ret < 0 || !*apart)
        return ret;
    if (flags & O_NOATIME && sys_lstat(host, &st) == 0 && ur_may_own(&st) == 0 && ur_may_own(&data.st) < 0)
        flags &= ~O_NOATIME;
    ret = sys_open(data.host, flags, 0);
    if (ret >= 0)
        ur_data_known(c->u, d, n->name, &data);
    return ret;
}

/* What a simulated root gets of a regular file whose opening has come to `fd`: not one that is a device in its eyes;
   and one of the upper also if a run without --root has made it so that not even its owner may open it. */
static long as_root(const struct ur_caller *c, const struct ur_dir *d, const struct ur_node *n, int flags, char *host,
                    long fd) {
    struct stat st;
    if (fd == -EACCES && n->entry.in_upper && n->entry.kind == UR_FILE) {
        long ret = ur_entry_path(c->u, d, n->name, &n->entry, host);
        if (ret == 0)
            ret = sys_lstat(host, &st);
        if (ret == 0 && S_ISREG(st.st_mode)) {
            struct stat as = st;
            ur_root_tell(c->u, -1, host, &as);
            ret = ur_root_put(-1, host, &st, &as);
        }
        fd = ret < 0 ? fd : sys_open(host, flags | O_NOFOLLOW, 0);
    }
    if (fd < 0 || flags & O_PATH || sys_fstat((int)fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size ||
        !ur_root_is_device((int)fd))
        return fd;
    sys_close((int)fd);
    return -ENXIO;
}

/* `e`: for another. `defers`: ur_open_unless_waits. */
static long open_once(const struct ur_caller *c, int dirfd, const char *path, int flags, mode_t mode,
                      struct ur_elsewhere *e, bool defers, struct ur_begun *begun) {
    UR_SCRATCH(s);
    struct ur_dir *d = &s->dir[0];
    struct ur_node *n = &s->node[0];
    char *host = s->real[0];
    struct ur_reach r = {AT_FDCWD, s->real[0]};
    bool exclusive = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
    bool creating = flags & O_CREAT;
    int how = exclusive ? UR_WALK_PARENT : flags & O_NOFOLLOW ? UR_WALK_NOFOLLOW : 0;
    uint64_t generation = ur_dcache_begin(c->u);
    if (creating)
        how |= UR_WALK_CREATE | (begun->made ? 0 : UR_WALK_NEW);
    begun->made = true;
    bool tmpfile = (flags & O_TMPFILE) == O_TMPFILE;
    long ret = ur_walk_on(c, dirfd, path, tmpfile ? how : how | UR_WALK_BRIEF | UR_WALK_TYPE, s, 0, begun);
    begun->tried = begun->known = false; /* if it must be done again */
    if (wants_write(flags))              /* one that truncates is the guard's to make, which wants a whole path */
        n->rel = NULL;
    /* Where something will be made or copied, all must be known of the directory. */
    if (ret == 0 && n->brief && (n->entry.kind == UR_ABSENT ? creating : wants_write(flags) && !n->entry.in_upper))
        ret = ur_walk(c, dirfd, path, how, s, 0);
    if (ret < 0 && e && !n->foreign && !ur_is_fault(ret)) {
        e->dev = ur_host_dev(d, n, ret);
        return elsewhere_nothing(e, ret);
    }
    if (ret < 0)
        return ret;
    if (n->where != UR_AT_UNION) {
        ret = ur_node_path(c->u, d, n, host);
        if (ret < 0)
            return ret;
        if (ur_is_hidden(c->u, host, strlen(host)))
            return creating ? -EACCES : -ENOENT;
        if (exclusive && n->where == UR_AT_MAGIC) /* "." of a removed directory: no link is followed */
            return -EEXIST;
        struct stat st;
        if (n->lost && wants_write(flags)) { /* but of a symlink or a directory the kernel has its own word */
            mode_t type = sys_fstatat(AT_FDCWD, host, &st, 0) == 0 ? st.st_mode & S_IFMT : 0;
            return type == S_IFLNK ? -ELOOP : type == S_IFDIR ? -EISDIR : -EROFS;
        }
        ret = n->where == UR_AT_HOST ? may_open_raw(c->u, n, host, flags) : 0;
        if (ret < 0)
            return ret;
        bool reads = (flags & (O_ACCMODE | O_PATH)) == O_RDONLY;
        int mark = n->where == UR_AT_HOST && is_plain(n) ? ur_raw_flags(c->u, host, flags) : 0;
        if (mark)
            return sys_open(host, flags | mark, mode);
        bool as_it_is = !(reads && ur_is_maps(host));
        if (e)
            e->dev = ur_host_dev(d, n, ret);
        if (e && as_it_is)
            return elsewhere(e, host, !n->foreign, n->where == UR_AT_MAGIC);
        if (defers && as_it_is)
            return n->foreign || is_fifo(n) ? UR_ELSEWHERE : UR_NATIVE;
        /* A magic link is only met where links are followed. */
        ret = sys_open(host, n->where == UR_AT_MAGIC ? flags & ~O_NOFOLLOW : flags, mode);
        return ret >= 0 && reads && ur_is_maps(host) ? ur_maps_open(c, (int)ret, flags) : ret;
    }
    bool present = n->self || n->entry.kind != UR_ABSENT;
    if (!present && !creating)
        return -ENOENT;
    if (!present)
        return create(c, s, d, n, flags, mode);
    if (exclusive)
        return -EEXIST;
    int plain = flags & ~(O_CREAT | O_EXCL);
    if (n->self || n->entry.kind == UR_DIRECTORY) {
        if (tmpfile) {
            struct stat st;
            if (!n->self)
                ret = ur_dir_enter(c->u, d, n->name, &st);
            if (ret == 0)
                ret = ur_may_change_dir(c->u, d, host);
            if (ret == 0)
                ret = ur_quota_take(c->u, 0);
            if (ret == 0)
                ret = ur_copyup_dir(c, d);
            if (ret == 0)
                ret = ur_upper_path(c->u, d, NULL, host);
            if (ret == 0)
                ret = sys_open(host, flags, mode);
            return ret < 0 || !c->u->root ? ret : made(c, d, s->real[1], ret);
        }
        if (creating || wants_write(flags))
            return -EISDIR;
        ret = ur_node_reach(c->u, d, n, host, &r);
        if (ret == 0 && e && flags & O_PATH)
            return elsewhere(e, host, false, false);
        if (ret == 0)
            ret = sys_openat(r.fd, r.path, plain, mode);
        if (ret >= 0 && flags & O_DIRECTORY)
            note_directory(c, (int)ret, d, n, generation);
        if (!n->self && n->entry.in_upper && (ur_is_gone(ret) || ret == -ENXIO)) /* replaced by a whiteout */
            return UR_AGAIN;
        return unless_outdated(c, d, n, ret);
    }
    mode_t type = n->entry.st.st_mode & S_IFMT;
    if (flags & O_DIRECTORY)
        return -ENOTDIR;
    if (type == S_IFLNK && !(flags & O_PATH))
        return -ELOOP;
    /* A FIFO's two ends must meet in one inode, whoever comes first. To write to a lower's device the fence lets
       nobody, but to its copy. */
    bool device = type == S_IFCHR || type == S_IFBLK;
    bool copy = (wants_write(flags) && (type == S_IFREG || device)) || (type == S_IFIFO && !(flags & O_PATH));
    if (copy && !n->entry.in_upper && !n->entry.linked) {
        ret = ur_entry_path(c->u, d, n->name, &n->entry, host);
        if (ret == 0)
            ret = ur_may_access(host, access_mode(flags));
        if (ret == 0 && !ur_has_upper(d->mount))
            ret = type == S_IFREG ? -EROFS : 0;
        if (ret == 0 && flags & O_NOATIME)
            ret = ur_may_own(&n->entry.st);
        if (ret < 0)
            return ret;
    }
    if (copy && !n->entry.in_upper && ur_has_upper(d->mount)) {
        if (n->entry.linked) { /* may be refused before a name is made for it */
            ret = ur_entry_path(c->u, d, n->name, &n->entry, host);
            if (ret == 0)
                ret = ur_may_access(host, access_mode(flags));
            if (ret < 0)
                return ret;
        }
        if (flags & O_TRUNC && type == S_IFREG && !n->entry.linked && n->entry.st.st_nlink < 2)
            return ur_copyup_emptied(c, d, n->name, &n->entry, plain);
        ret = ur_copyup(c, d, n->name, &n->entry);
        if (ret < 0 && !(ret == -EPERM && device)) /* a plain user can make none */
            return ret;
    }
    bool apart = false;
    long emptied = -1;
    if (type == S_IFREG && wants_write(flags))
        ret = fill(c, d, n, flags, host, &emptied);
    else if (type == S_IFREG && !(flags & O_PATH))
        ret = open_data(c, d, n, plain | O_NOFOLLOW, &apart);
    if (ret >= 0 && emptied >= 0)
        return emptied;
    if (apart) {
        ret = unless_outdated(c, d, n, ret);
        return ur_is_gone(ret) ? UR_AGAIN : ret;
    }
    if (ret >= 0)
        ret = ur_node_reach(c->u, d, n, host, &r);
    if (ret < 0)
        return ret;
    if (type == S_IFSOCK && wants_write(flags) && !n->entry.in_upper) { /* before the fence says EACCES */
        ret = ur_may_access(host, access_mode(flags));
        return ret < 0 ? ret : -ENXIO;
    }
    if (e && (flags & O_PATH || type != S_IFREG))
        return elsewhere(e, host, false, false);
    if (defers && !(flags & O_PATH) && type != S_IFREG)
        return UR_ELSEWHERE;
    struct stat was = {0};
    bool counts = c->u->limit && flags & O_TRUNC && n->entry.in_upper && sys_lstat(host, &was) == 0;
    ret = unless_outdated(c, d, n, sys_openat(r.fd, r.path, plain | O_NOFOLLOW, mode));
    if (counts && ret >= 0)
        ur_quota_truncated(c->u, &was, 0);
    if (__builtin_expect(c->u->root, 0))
        ret = as_root(c, d, n, plain, host, ret);
    /* Removed or replaced since it was looked up. */
    return ur_is_gone(ret) || (ret == -ENXIO && type == S_IFREG && !c->u->root) ? UR_AGAIN : ret;
}

/* A regular file that is to be read, by the index alone. UR_AGAIN: it must be walked. */
static __attribute__((noinline)) long open_brief(const struct ur_caller *c, int dirfd, const char *path, int flags,
                                                 struct ur_begun *begun) {
    struct ur_brief b;
    if (!ur_brief(c, dirfd, path, flags & O_NOFOLLOW, begun, &b) || c->u->root)
        return UR_AGAIN;
    if (!b.path)
        return -ENOENT;
    if (b.known.kind != UR_KNOWN_FILE || !ur_brief_whole(c->u, &b))
        return UR_AGAIN;
    long ret = sys_openat(b.at, b.path, flags | O_NOFOLLOW, 0);
    return ur_is_gone(ret) || ret == -ENXIO || ret == -ELOOP ? UR_AGAIN : ret; /* somebody was at the layers */
}

static long open_for(const struct ur_caller *c, int dirfd, const char *path, int flags, mode_t mode,
                     struct ur_elsewhere *e, bool defers) {
    /* As build_open_flags() in the kernel: flags that mean nothing to an O_PATH, and what does not go together. */
    if (flags & O_PATH)
        flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    bool tmpfile = (flags & O_TMPFILE) == O_TMPFILE;
    if (flags & O_CREAT && flags & O_DIRECTORY)
        return -EINVAL;
    if (tmpfile && (flags & O_ACCMODE) == O_RDONLY)
        return -EINVAL;
    struct ur_begun begun;
    begun.tried = begun.known = begun.made = false;
    if (!(flags & (O_ACCMODE | O_CREAT | O_TRUNC | O_PATH | O_DIRECTORY))) { /* O_TMPFILE has O_DIRECTORY's bit, too */
        long ret = open_brief(c, dirfd, path, flags, &begun);
        if (ret != UR_AGAIN)
            return ret;
    }
    long ret = UR_RETRY(open_once(c, dirfd, path, flags, mode, e, defers, &begun));
    if (ret >= 0 && !c->pid) /* it may be a directory, on a number that was closed unseen */
        ur_descriptor_changes((int)ret);
    return ret;
}

long ur_open(const struct ur_caller *c, int dirfd, const char *path, int flags, mode_t mode) {
    return ur_active(c) ? open_for(c, dirfd, path, flags, mode, NULL, false) : sys_openat(dirfd, path, flags, mode);
}

long ur_open_for(const struct ur_caller *c, int dirfd, const char *path, int flags, mode_t mode,
                 struct ur_elsewhere *e) {
    return open_for(c, dirfd, path, c->pid ? flags | O_CLOEXEC : flags, mode, e, false);
}

long ur_open_unless_waits(const struct ur_caller *c, int dirfd, const char *path, int flags, mode_t mode) {
    return ur_active(c) ? open_for(c, dirfd, path, flags, mode, NULL, true) : UR_NATIVE;
}

#if defined __aarch64__
enum { LARGEFILE = 0400000 };
#else
enum { LARGEFILE = 0100000 }; /* the kernel's: libc has 0 for it */
#endif

/* As build_open_flags() in the kernel has it. */
long ur_open_how(const struct open_how *how, size_t size) {
    const uint64_t resolves = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH |
                              RESOLVE_IN_ROOT | RESOLVE_CACHED,
                   tmpfile = O_TMPFILE & ~O_DIRECTORY, flags = how->flags,
                   known = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC |
                           O_DSYNC | O_ASYNC | O_DIRECT | LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC |
                           O_PATH | O_TMPFILE;
    if (size < sizeof *how)
        return -EINVAL;
    if (size > sizeof *how)
        return -E2BIG;
    if (flags & ~known || how->resolve & ~resolves ||
        (how->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) == (RESOLVE_BENEATH | RESOLVE_IN_ROOT))
        return -EINVAL;
    if (how->mode & ~UINT64_C(07777) || (how->mode && !(flags & (O_CREAT | tmpfile))))
        return -EINVAL;
    if (flags & O_CREAT && flags & O_DIRECTORY)
        return -EINVAL;
    if (flags & tmpfile && (!(flags & O_DIRECTORY) || (flags & O_ACCMODE) == O_RDONLY))
        return -EINVAL;
    if (flags & O_PATH && flags & ~(uint64_t)(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
        return -EINVAL;
    return how->resolve ? -ENOSYS : 0;
}
