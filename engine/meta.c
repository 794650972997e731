/*
 * Changes of metadata: chmod, chown, utimens, truncate, xattrs; by path and by descriptor. Whatever the kernel would
 * refuse on the lower file is refused before it is copied up. A descriptor of a lower file is
 * not what is changed: the name that it has in the union is (so a lower never changes).
 */
#include "union.h"

#include <linux/limits.h>
#include <sys/xattr.h>
#include <unistd.h>

enum what { CHMOD, CHOWN, UTIMENS, TRUNCATE, SETXATTR, REMOVEXATTR };

struct change {
    enum what what;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    const struct timespec *ts;
    off_t len;
    const char *name;
    const void *value;
    size_t size;
    int flags;
    bool empty;   /* of a descriptor, by AT_EMPTY_PATH: it may be an O_PATH */
    uint64_t ino; /* the file's, if it is that which is meant, and not the name: UR_AGAIN, if the name has another */
};

static long apply_path(const struct change *w, const char *host) {
    switch (w->what) {
    case CHMOD:
        return ur_set_mode(host, w->mode);
    case CHOWN:
        return ur_set_owner(host, w->uid, w->gid);
    case UTIMENS:
        return ur_set_times(host, w->ts);
    case TRUNCATE:
        return ur_set_length(host, w->len);
    case SETXATTR:
        return ur_set_xattr(host, w->name, w->value, w->size, w->flags);
    case REMOVEXATTR:
        return ur_drop_xattr(host, w->name);
    }
    return -EINVAL;
}

static long apply_fd(const struct change *w, int fd) {
    switch (w->what) {
    case CHMOD:
        return w->empty ? UR_SYS(SYS_fchmodat2, fd, "", w->mode, AT_EMPTY_PATH, 0, 0) : sys_fchmod(fd, w->mode);
    case CHOWN:
        return w->empty ? sys_fchownat(fd, "", w->uid, w->gid, AT_EMPTY_PATH) : sys_fchown(fd, w->uid, w->gid);
    case UTIMENS:
        return w->empty ? sys_utimensat(fd, "", w->ts, AT_EMPTY_PATH) : sys_utimensat(fd, NULL, w->ts, 0);
    case TRUNCATE:
        return sys_ftruncate(fd, w->len);
    case SETXATTR:
        return sys_fsetxattr(fd, w->name, w->value, w->size, w->flags);
    case REMOVEXATTR:
        return sys_fremovexattr(fd, w->name);
    }
    return -EINVAL;
}

static bool is_owner_or_mode(const struct change *w) {
    return w->what == CHMOD || w->what == CHOWN;
}

/* The two under a simulated root: of a file that is in the upper, or of a descriptor. */
static long apply_root(const struct ur_caller *c, const struct change *w, int fd, const char *host) {
    return w->what == CHMOD ? ur_root_chmod(c, fd, host, w->mode) : ur_root_chown(c, fd, host, w->uid, w->gid);
}

/* Before anything is copied for it. 1: go on; 0: it changes nothing; -errno. */
static long may_root(const struct ur_caller *c, const struct change *w, const char *host, const struct stat *st) {
    bool nothing = false;
    long ret = w->what == CHMOD ? ur_root_may_chmod(c, -1, host, st)
                                : ur_root_may_chown(c, -1, host, st, w->uid, w->gid, &nothing);
    return ret < 0 ? ret : !nothing;
}

/* chown where it is not kept: outside the unions, or of what the kernel alone knows. */
static long chown_unkept(const struct ur_caller *c, int fd, const char *host, const struct stat *st,
                         const struct change *w) {
    bool nothing;
    if (st->st_uid != c->u->table->uid)
        return -EPERM;
    return ur_root_may_chown(c, fd, host, st, w->uid, w->gid, &nothing);
}

/* Does it change who may search a directory? Then what is known of the names below may no longer hold for all. */
static bool changes_access(const struct ur_union *u, const struct change *w, const struct stat *st) {
    if (!S_ISDIR(st->st_mode) || (u->root && w->what == CHOWN))
        return false;
    switch (w->what) {
    case CHMOD:
        return (w->mode & 0111) != (st->st_mode & 0111);
    case CHOWN:
        return (w->uid != (uid_t)-1 && w->uid != st->st_uid) || (w->gid != (gid_t)-1 && w->gid != st->st_gid);
    case SETXATTR:
    case REMOVEXATTR:
        return strcmp(w->name, "system.posix_acl_access") == 0;
    default:
        return false;
    }
}

/* `path`: the directory's in the union, if `access`. */
static void access_begin(const struct ur_union *u, bool access, const char *path, size_t len) {
    if (access) {
        ur_changing_begin(u);
        ur_access_changes(u, path, len);
    }
}
static void access_end(const struct ur_union *u, bool access) {
    if (access)
        ur_changing_end(u);
}

static bool both_now(const struct timespec ts[2]) {
    return !ts || (ts[0].tv_nsec == UTIME_NOW && ts[1].tv_nsec == UTIME_NOW);
}

static long apply(const struct ur_caller *c, const struct change *w, const char *host) {
    return c->u->root && is_owner_or_mode(w) ? apply_root(c, w, -1, host) : apply_path(w, host);
}

/* A change by a name of the upper, which is that file's, `st`: a whiteout may come in its place. Where no lower has the
   directory none does. */
static long apply_name(const struct ur_caller *c, const struct ur_dir *d, const struct change *w, const char *host,
                       const struct stat *st) {
    if (d->spots < 2)
        return apply(c, w, host);
    struct ur_names_held k;
    ur_names_lock(c->u, host, NULL, &k);
    long ret = ur_is_still(host, st);
    if (ret == 0)
        ret = apply(c, w, host);
    ur_names_unlock(&k);
    return ret;
}

/* The same of one file: what is at the name may be another by now. */
static long apply_file(const struct ur_caller *c, const struct ur_dir *d, const struct change *w, const char *host) {
    struct stat st;
    long ret = sys_lstat(host, &st), fd = -1;
    if (ret == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) {
        fd = sys_open(host, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
        ret = fd >= 0 ? sys_fstat((int)fd, &st) : fd == -EACCES ? 0 : fd;
    }
    const struct stat raw = st;
    if (ret == 0)
        ret = ur_identify(c->u, d->mount, ur_layer(c->u, d->mount, 0), UR_HOLDER_UPPER, host, (int)fd, &st);
    if (ret >= 0 && st.st_ino != w->ino)
        ret = UR_AGAIN;
    if (ret >= 0 && fd < 0)
        ret = apply_name(c, d, w, host, &raw);
    else if (ret >= 0)
        ret = c->u->root && is_owner_or_mode(w) ? apply_root(c, w, (int)fd, NULL) : apply_fd(w, (int)fd);
    if (fd >= 0)
        sys_close((int)fd);
    return ret;
}

/* What a plain file with this owner and mode would have said. */
static long may_change(const struct change *w, const char *host, const struct stat *st) {
    switch (w->what) {
    case CHMOD:
        return ur_may_own(st);
    case CHOWN: {
        /* A plain user may give his file to one of his groups; which is the kernel's to say, of the copy. */
        bool same_owner = w->uid == (uid_t)-1 || w->uid == st->st_uid;
        bool nothing = same_owner && (w->gid == (gid_t)-1 || w->gid == st->st_gid);
        return nothing ? 0 : ur_may_own(st);
    }
    case UTIMENS:
        if (ur_may_own(st) == 0)
            return 0;
        return both_now(w->ts) ? ur_may_access(host, W_OK) : -EPERM;
    case TRUNCATE:
        return ur_may_access(host, W_OK);
    case SETXATTR:
    case REMOVEXATTR: /* xattr_permission() in the kernel */
        if (sys_geteuid() && (strncmp(w->name, "security.", 9) == 0 || strncmp(w->name, "trusted.", 8) == 0))
            return -EPERM; /* the privileged's */
        if (strncmp(w->name, "system.", 7) == 0 || strncmp(w->name, "security.", 9) == 0 ||
            strncmp(w->name, "trusted.", 8) == 0)
            return ur_may_own(st);
        return ur_may_access(host, W_OK);
    }
    return 0;
}

/* What is refused whoever asks. */
static long is_sensible(const struct ur_union *u, const struct change *w, const struct stat *st) {
    if (w->what == CHMOD && S_ISLNK(st->st_mode))
        return -EOPNOTSUPP;
    if (w->what == TRUNCATE) {
        if (w->len < 0)
            return -EINVAL;
        if (S_ISDIR(st->st_mode))
            return -EISDIR;
        if (!S_ISREG(st->st_mode))
            return -EINVAL;
    }
    if (w->what == SETXATTR || w->what == REMOVEXATTR) {
        if (ur_is_hidden_xattr(u, w->name))
            return -EPERM;
        if (strncmp(w->name, "user.", 5) == 0 && !S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
            return -EPERM;
    }
    return 0;
}

static bool is_acl(const char *name) {
    return strcmp(name, "system.posix_acl_access") == 0 || strcmp(name, "system.posix_acl_default") == 0;
}

/* Would the call fail on the lower file itself, or do nothing? Then there is nothing to copy. 1: go on. */
static long needs_copy(const struct change *w, const char *host) {
    char probe[1];
    /* Of an ACL the kernel heeds no flags, and takes away what is not there. */
    if ((w->what == SETXATTR || w->what == REMOVEXATTR) && is_acl(w->name)) {
        long n = w->what == REMOVEXATTR ? sys_lgetxattr(host, w->name, probe, 0) : 1;
        return n == -ENODATA ? 0 : n < 0 ? n : 1;
    }
    if (w->what == REMOVEXATTR || (w->what == SETXATTR && w->flags)) {
        long n = sys_lgetxattr(host, w->name, probe, 0);
        if (w->what == REMOVEXATTR || w->flags & XATTR_REPLACE)
            return n < 0 ? n : 1;
        return n >= 0 ? -EEXIST : n == -ENODATA ? 1 : n;
    }
    return 1;
}

/* What a file's metadata will be. False: its data do not go on without it. */
static bool metadata_after(const struct change *w, const struct stat *st, struct stat *after) {
    *after = *st;
    switch (w->what) {
    case CHMOD:
        after->st_mode = (st->st_mode & S_IFMT) | (w->mode & 07777);
        return true;
    case CHOWN:
        if (w->uid != (uid_t)-1)
            after->st_uid = w->uid;
        if (w->gid != (gid_t)-1)
            after->st_gid = w->gid;
        return true;
    case UTIMENS:
        return true;
    case SETXATTR:
    case REMOVEXATTR:
        return strncmp(w->name, "user.", 5) == 0;
    case TRUNCATE:
        break;
    }
    return false;
}

/* The upper's file at `host` is given its data before a change that they do not go with. *apart: it goes on without. */
static long fill_for(const struct ur_caller *c, const struct ur_dir *d, const struct ur_node *n, const struct change *w,
                     const char *host, const struct stat *st, bool *apart) {
    *apart = false;
    if (n->self || n->entry.kind != UR_FILE || n->entry.plain || !ur_may_lack_data(c->u, d->mount, 0))
        return 0;
    UR_SCRATCH(t);
    struct ur_data data = {.host = t->text};
    struct stat after;
    long ret = ur_data_find(c->u, d, n->name, &n->entry, &data);
    if (ret == 0 && w->what != TRUNCATE)
        return 0;
    long may = may_change(w, host, st);
    if (may < 0)
        return may;
    *apart = ret && metadata_after(w, st, &after) &&
             (ret == -EIO || (ret > 0 && ur_data_may_stay(c->u, d, &data, &after, false)));
    bool emptied = ret && w->what == TRUNCATE && w->len == 0;
    return *apart ? 0 : ur_data_fill(c->u, d, n->name, &n->entry, emptied);
}

static long change_once(const struct ur_caller *c, int dirfd, const char *path, const struct change *w, bool nofollow) {
    UR_SCRATCH(s);
    struct ur_dir *d = &s->dir[0];
    struct ur_node *n = &s->node[0];
    struct stat st;
    long ret = ur_walk(c, dirfd, path, nofollow ? UR_WALK_NOFOLLOW : 0, s, 0);
    if (ret == 0 && n->where != UR_AT_MAGIC && !n->self && n->entry.kind == UR_ABSENT)
        ret = -ENOENT;
    if (ret == 0)
        ret = ur_node_path(c->u, d, n, s->real[0]);
    if (ret < 0)
        return ret;
    if (n->lost) {
        ret = sys_fstatat(AT_FDCWD, s->real[0], &st, 0);
        if (ret == 0)
            ret = is_sensible(c->u, w, &st);
        return ret < 0 ? ret : -EROFS;
    }
    if (n->where == UR_AT_MAGIC) {
        long fd = sys_open(s->real[0], O_PATH | O_CLOEXEC, 0);
        if (fd < 0)
            return fd;
        char proc[40], *p = ur_put(proc, proc + sizeof proc, "/proc/self/fd/", 14);
        ur_put_number(p, proc + sizeof proc, (uint64_t)fd, 10);
        ret = ur_judge ? ur_judge((int)fd) : 0;
        if (ret < 0) {
            sys_close((int)fd);
            return ret;
        }
        switch (w->what) { /* followed by the kernel: the file behind is no layer's, or it has no name any more */
        case CHOWN:
            ret = c->u->root && sys_fstat((int)fd, &st) == 0 ? chown_unkept(c, (int)fd, NULL, &st, w)
                                                             : sys_fchownat((int)fd, "", w->uid, w->gid, AT_EMPTY_PATH);
            break;
        case UTIMENS:
            ret = sys_utimensat(AT_FDCWD, proc, w->ts, 0);
            break;
        case SETXATTR:
            ret = UR_SYS(SYS_setxattr, proc, w->name, w->value, w->size, w->flags, 0);
            break;
        case REMOVEXATTR:
            ret = UR_SYS(SYS_removexattr, proc, w->name, 0, 0, 0, 0);
            break;
        case CHMOD:
            ret = sys_chmod(proc, w->mode);
            break;
        case TRUNCATE:
            ret = sys_truncate(proc, w->len);
            break;
        }
        sys_close((int)fd);
        return ret;
    }
    if (n->where == UR_AT_HOST) {
        if (ur_is_hidden(c->u, s->real[0], strlen(s->real[0])))
            return -ENOENT;
        ret = ur_may_change_raw(c->u, s->real[0], strlen(s->real[0]));
        if (ret < 0)
            return ret;
        ret = sys_lstat(s->real[0], &st);
        if (ret == 0 && c->u->root && w->what == CHOWN)
            return chown_unkept(c, -1, s->real[0], &st, w);
        return ret < 0 || (w->what == CHMOD && S_ISLNK(st.st_mode)) ? (ret < 0 ? ret : -EOPNOTSUPP)
                                                                    : apply_path(w, s->real[0]);
    }
    struct stat after;
    bool apart = false;
    ret = sys_lstat(s->real[0], &st);
    if (ret == 0 && !n->self && (st.st_mode ^ n->entry.st.st_mode) & S_IFMT)
        return UR_AGAIN;
    if (ret == 0)
        ret = is_sensible(c->u, w, &st);
    if (ret == 0 && c->u->root && is_owner_or_mode(w)) {
        ret = may_root(c, w, s->real[0], &st);
        if (ret <= 0)
            return ret;
        ret = 0;
    }
    bool upper = n->self ? d->spots && d->spot[0].layer == 0 && ur_has_upper(d->mount) : n->entry.in_upper;
    if (ret == 0 && !upper) {
        if (!ur_has_upper(d->mount))
            return -EROFS;
        ret = may_change(w, s->real[0], &st);
        if (ret == 0)
            ret = needs_copy(w, s->real[0]);
        if (ret <= 0)
            return ret;
        if (w->what == TRUNCATE && w->len == 0 && !n->entry.linked && n->entry.st.st_nlink < 2) {
            long fd = ur_copyup_emptied(c, d, n->name, &n->entry, O_WRONLY | O_TRUNC | O_CLOEXEC);
            if (fd >= 0)
                sys_close((int)fd);
            if (fd != -EACCES) /* a copy that not even its owner may write to */
                return fd < 0 ? fd : 0;
        }
        apart = metadata_after(w, &st, &after);
        ret = n->self ? ur_copyup_dir(c, d)
              : apart ? ur_copyup_meta(c, d, n->name, &n->entry, &after)
                      : ur_copyup(c, d, n->name, &n->entry);
        if (ret == 0)
            ret = ur_upper_path(c->u, d, n->name, s->real[0]);
    }
    if (ret == 0 && (upper || apart))
        ret = fill_for(c, d, n, w, s->real[0], &st, &apart);
    if (ret > 0) /* truncated to nothing */
        return 0;
    if (ret == 0 && w->what == CHMOD && !(w->mode & S_IRUSR))
        ur_origin_keep(c->u, d->mount, s->real[0]);
    bool access = changes_access(c->u, w, &st);
    access_begin(c->u, access, d->path, n->self ? d->len : 0);
    if (ret == 0)
        ret = w->ino    ? apply_file(c, d, w, s->real[0])
              : n->self ? apply(c, w, s->real[0])
                        : apply_name(c, d, w, s->real[0], upper ? &st : &n->entry.st);
    access_end(c->u, access);
    if (ret == 0 && w->what == TRUNCATE)
        ur_quota_truncated(c->u, &st, w->len);
    if (ret == 0 && apart && w->what == UTIMENS)
        ur_data_times_set(s->real[0]);
    return ur_is_gone(ret) ? UR_AGAIN : ret;
}

static long change(const struct ur_caller *c, int dirfd, const char *path, const struct change *w, bool nofollow) {
    return UR_RETRY(change_once(c, dirfd, path, w, nofollow));
}

/* By a descriptor of a lower's file. What the file has is its union name, and that may be another's by now. */
static long change_lower(const struct ur_caller *c, int fd, const struct stat *st, const struct change *w) {
    UR_SCRATCH(s);
    struct ur_fdinfo info;
    struct stat now;
    uint32_t seen = ur_moves_seen(c->u);
    long ret = ur_fd_find(c, fd, &info, s->text, st, &now);
    if (ret <= 0) /* what has no name any more can be given no attributes: there is nothing that may be changed */
        return ret < 0 ? ret : -EROFS;
    struct change own = *w;
    own.ino = now.st_ino;
    ret = change_once(c, AT_FDCWD, s->text, &own, true);
    return ret < 0 && (ur_is_gone(ret) || ur_moves_more(c->u, seen)) ? UR_AGAIN : ret;
}

static long change_fd(const struct ur_caller *c, int fd, const struct change *w) {
    if (!ur_active(c))
        return apply_fd(w, fd);
    UR_SCRATCH(s);
    struct ur_fdinfo info;
    struct stat st;
    long ret = sys_fstat(fd, &st);
    if (ret < 0)
        return ret;
    if ((w->what == SETXATTR || w->what == REMOVEXATTR) && ur_is_hidden_xattr(c->u, w->name))
        return -EPERM;
    ret = ur_fd_info(c, fd, &info, s->text);
    if (ret < 0) /* it may be a lower's */
        return ret;
    if (!info.known && s->text[0] == '/') {
        ret = ur_may_change_raw(c->u, s->text, strlen(s->text));
        if (ret < 0)
            return ret;
    }
    if (!ur_fd_is_lower(&info)) {
        bool access = info.known && changes_access(c->u, w, &st);
        bool root = c->u->root && is_owner_or_mode(w), kept = info.known || !st.st_nlink;
        if (root && !kept && w->what == CHOWN)
            return chown_unkept(c, fd, NULL, &st, w);
        access_begin(c->u, access, s->text, info.len);
        ret = root && kept ? apply_root(c, w, fd, NULL) : apply_fd(w, fd);
        access_end(c->u, access);
        return ret;
    }
    long flags = UR_SYS(SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0);
    if (flags >= 0 && flags & O_PATH && !w->empty)
        return -EBADF;
    /* A lower's file. Truncating needs a writable descriptor, which none of these is. */
    return w->what == TRUNCATE ? -EINVAL : UR_RETRY(change_lower(c, fd, &st, w));
}

/* AT_EMPTY_PATH, and the path is. */
static long change_empty(const struct ur_caller *c, int dirfd, struct change *w) {
    w->empty = true;
    return dirfd == AT_FDCWD ? change(c, dirfd, ".", w, true) : change_fd(c, dirfd, w);
}

long ur_chmod(const struct ur_caller *c, int dirfd, const char *path, mode_t mode, int flags) {
    struct change w = {.what = CHMOD, .mode = mode};
    if (!ur_active(c))
        return flags               ? UR_SYS(SYS_fchmodat2, dirfd, path, mode, flags, 0, 0)
               : dirfd == AT_FDCWD ? UR_AS_LIBC(UR_SYS(SYS_chmod, path, mode, 0, 0, 0, 0), sys_chmod(path, mode))
                                   : UR_SYS(SYS_fchmodat, dirfd, path, mode, 0, 0, 0);
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if (flags & AT_EMPTY_PATH && ur_is_empty(c, path))
        return change_empty(c, dirfd, &w);
    return change(c, dirfd, path, &w, flags & AT_SYMLINK_NOFOLLOW);
}

long ur_chown(const struct ur_caller *c, int dirfd, const char *path, uid_t uid, gid_t gid, int flags) {
    struct change w = {.what = CHOWN, .uid = uid, .gid = gid};
    if (!ur_active(c))
        return dirfd == AT_FDCWD && !(flags & ~AT_SYMLINK_NOFOLLOW)
                   ? UR_AS_LIBC(UR_SYS(flags ? SYS_lchown : SYS_chown, path, uid, gid, 0, 0, 0),
                                sys_fchownat(dirfd, path, uid, gid, flags))
                   : sys_fchownat(dirfd, path, uid, gid, flags);
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if (flags & AT_EMPTY_PATH && ur_is_empty(c, path))
        return change_empty(c, dirfd, &w);
    return change(c, dirfd, path, &w, flags & AT_SYMLINK_NOFOLLOW);
}

long ur_utimens(const struct ur_caller *c, int dirfd, const char *path, const struct timespec ts[2], int flags) {
    struct change w = {.what = UTIMENS, .ts = ts};
    if (!ur_active(c))
        return sys_utimensat(dirfd, path, ts, flags);
    if (ts && !ur_can_read(c, ts, 2 * sizeof *ts))
        return -EFAULT;
    /* The kernel does not even look at the path then: utimensat(2). */
    if (ts && ts[0].tv_nsec == UTIME_OMIT && ts[1].tv_nsec == UTIME_OMIT)
        return 0;
    for (int i = 0; ts && i < 2; i++)
        if (ts[i].tv_nsec != UTIME_NOW && ts[i].tv_nsec != UTIME_OMIT &&
            (ts[i].tv_nsec < 0 || ts[i].tv_nsec > 999999999))
            return -EINVAL;
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if (!path)
        return flags ? -EINVAL : dirfd == AT_FDCWD ? -EFAULT : change_fd(c, dirfd, &w);
    if (flags & AT_EMPTY_PATH && ur_is_empty(c, path))
        return change_empty(c, dirfd, &w);
    return change(c, dirfd, path, &w, flags & AT_SYMLINK_NOFOLLOW);
}

long ur_truncate(const struct ur_caller *c, const char *path, off_t len) {
    struct change w = {.what = TRUNCATE, .len = len};
    if (!ur_active(c))
        return sys_truncate(path, len);
    return change(c, AT_FDCWD, path, &w, false);
}

long ur_fchmod(const struct ur_caller *c, int fd, mode_t mode) {
    struct change w = {.what = CHMOD, .mode = mode};
    return change_fd(c, fd, &w);
}

long ur_fchown(const struct ur_caller *c, int fd, uid_t uid, gid_t gid) {
    struct change w = {.what = CHOWN, .uid = uid, .gid = gid};
    return change_fd(c, fd, &w);
}

/* In the order of setxattr_copy() in the kernel, which comes before the path. 0 or -errno. */
static long check_xattr(const struct ur_caller *c, const struct change *w) {
    if (w->flags & ~(XATTR_CREATE | XATTR_REPLACE))
        return -EINVAL;
    long len = ur_xattr_name(c, w->name);
    return len < 0 ? len : w->size > XATTR_SIZE_MAX ? -E2BIG : 0;
}

long ur_setxattr(const struct ur_caller *c, const char *path, const char *name, const void *value, size_t n, int flags,
                 bool nofollow) {
    struct change w = {.what = SETXATTR, .name = name, .value = value, .size = n, .flags = flags};
    if (!ur_active(c))
        return UR_SYS(nofollow ? SYS_lsetxattr : SYS_setxattr, path, name, value, n, flags, 0);
    long ret = check_xattr(c, &w);
    return ret < 0 ? ret : change(c, AT_FDCWD, path, &w, nofollow);
}

long ur_removexattr(const struct ur_caller *c, const char *path, const char *name, bool nofollow) {
    struct change w = {.what = REMOVEXATTR, .name = name};
    if (!ur_active(c))
        return UR_SYS(nofollow ? SYS_lremovexattr : SYS_removexattr, path, name, 0, 0, 0, 0);
    long ret = check_xattr(c, &w);
    return ret < 0 ? ret : change(c, AT_FDCWD, path, &w, nofollow);
}

long ur_fsetxattr(const struct ur_caller *c, int fd, const char *name, const void *value, size_t n, int flags) {
    struct change w = {.what = SETXATTR, .name = name, .value = value, .size = n, .flags = flags};
    long ret = check_xattr(c, &w);
    return ret < 0 ? ret : change_fd(c, fd, &w);
}

long ur_fremovexattr(const struct ur_caller *c, int fd, const char *name) {
    struct change w = {.what = REMOVEXATTR, .name = name};
    long ret = check_xattr(c, &w);
    return ret < 0 ? ret : change_fd(c, fd, &w);
}
