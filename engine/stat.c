/* What a file is: stat, access, readlink, statfs. */
#include "index.h"
#include "union.h"

#include <linux/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

/* What a file without its data owes to the data. Of `st` type, size, device and number are asked. */
static long add_data(const struct ur_caller *c, const struct ur_dir *d, const struct ur_node *n, struct stat *st) {
    if (n->self || !S_ISREG(st->st_mode) || !st->st_size || n->entry.plain ||
        !ur_may_lack_data(c->u, d->mount, n->entry.spot.layer))
        return 0;
    UR_SCRATCH(t);
    struct ur_data data = {.host = t->text};
    struct ur_entry e = n->entry;
    e.st = *st;
    e.recalled = false;
    long ret = ur_data_find(c->u, d, n->name, &e, &data);
    if (ret == -EIO) /* they are nowhere: it is there all the same */
        return 0;
    if (ret > 0)
        ret = ur_entry_path(c->u, d, n->name, &e, t->real[0]);
    else
        return ret;
    if (ret == 0)
        ur_data_tell(&data, t->real[0], st);
    return ret < 0 ? ret : 1;
}

/* Makes the raw stat of a resolved name the union's. `host` is room for its path. */
static long identify(const struct ur_caller *c, const struct ur_dir *d, const struct ur_node *n, char *host,
                     struct stat *st) {
    if (!d->mount)
        return 0;
    unsigned layer = n->self ? d->spot[0].layer : n->entry.linked ? 0 : n->entry.spot.layer;
    enum ur_holder holder = layer || !ur_has_upper(d->mount) ? UR_HOLDER_LOWER
                            : !n->self && n->entry.plain     ? UR_HOLDER_UPPER_PLAIN
                                                             : UR_HOLDER_UPPER;
    long apart = add_data(c, d, n, st);
    long ret = apart < 0 ? apart : holder == UR_HOLDER_UPPER ? ur_node_path(c->u, d, n, host) : 0;
    if (ret == 0)
        ret = ur_identify(c->u, d->mount, ur_layer(c->u, d->mount, layer), holder, host, -1, st);
    if (ret == 1 && !apart && holder == UR_HOLDER_UPPER && !n->self)
        ur_index_plain(c->u, d, n->name);
    return ret < 0 ? ret : 0;
}

/* A resolved name's stat, as the union tells it. `host` is room for its path. */
static long node_stat(const struct ur_caller *c, const struct ur_dir *d, const struct ur_node *n, char *host,
                      struct stat *st) {
    bool asked = n->where != UR_AT_MAGIC && !n->self && !n->entry.linked;
    long ret = asked ? 0 : ur_node_path(c->u, d, n, host);
    if (asked)
        *st = n->entry.st;
    else if (ret == 0)
        ret = sys_fstatat(AT_FDCWD, host, st, n->where == UR_AT_MAGIC ? 0 : AT_SYMLINK_NOFOLLOW);
    if (n->where == UR_AT_MAGIC) {
        if (n->lost)
            st->st_nlink = 0;
        return ret;
    }
    return ret < 0 ? ret : identify(c, d, n, host, st);
}

/* What a simulated root sees of it. */
static long root_tell(const struct ur_caller *c, const struct ur_dir *d, const struct ur_node *n, char *host,
                      struct stat *st) {
    long ret = ur_node_path(c->u, d, n, host);
    if (ret == 0)
        ur_root_tell(c->u, -1, host, st);
    return ret;
}

/* `how`: UR_WALK_TYPE, or 0. */
static long walk_present(const struct ur_caller *c, int dirfd, const char *path, bool nofollow, int how,
                         struct ur_scratch *s, const struct ur_begun *begun) {
    long ret = ur_walk_on(c, dirfd, path, UR_WALK_BRIEF | how | (nofollow ? UR_WALK_NOFOLLOW : 0), s, 0, begun);
    if (ret == 0 && s->node[0].where != UR_AT_MAGIC && !s->node[0].self && s->node[0].entry.kind == UR_ABSENT)
        ret = -ENOENT;
    return ret;
}

/* By the index alone, or UNKNOWN. */
enum { UNKNOWN = 1 };
static __attribute__((noinline)) long stat_brief(const struct ur_caller *c, int dirfd, const char *path, bool nofollow,
                                                 struct stat *st, struct ur_begun *begun) {
    static const mode_t types[] = {
        [UR_KNOWN_FILE] = S_IFREG, [UR_KNOWN_DIRECTORY] = S_IFDIR, [UR_KNOWN_SYMLINK] = S_IFLNK};
    struct ur_brief b;
    if (!ur_brief(c, dirfd, path, nofollow, begun, &b) || c->u->root)
        return UNKNOWN;
    if (!b.path)
        return -ENOENT;
    if (b.known.kind == UR_KNOWN_FILE && !ur_brief_whole(c->u, &b))
        return UNKNOWN;
    long ret = sys_fstatat(b.at, b.path, st, AT_SYMLINK_NOFOLLOW);
    if (ur_is_gone(ret) || (ret == 0 && (st->st_mode & S_IFMT) != types[b.known.kind])) /* somebody was at the layers */
        return UNKNOWN;
    if (ret < 0)
        return ret;
    bool upper = b.known.layer == 0 && ur_has_upper(b.mount), asks = upper && !b.known.plain;
    if (!asks && ur_is_shown(b.mount, !upper, st))
        return 0;
    ret = ur_identify(c->u, b.mount, ur_layer(c->u, b.mount, b.known.layer),
                      !upper ? UR_HOLDER_LOWER
                      : asks ? UR_HOLDER_UPPER
                             : UR_HOLDER_UPPER_PLAIN,
                      asks ? ur_brief_host(c->u, &b) : NULL, -1, st);
    if (ret == 1 && asks)
        ur_index_plain_at(&b.key);
    return ret < 0 ? ret : 0;
}

long ur_stat(const struct ur_caller *c, int dirfd, const char *path, struct stat *st, int flags) {
    if (!ur_active(c))
        return sys_fstatat(dirfd, path, st, flags);
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH))
        return -EINVAL;
    if (flags & AT_EMPTY_PATH && ur_is_empty(c, path))
        return dirfd == AT_FDCWD ? ur_stat(c, dirfd, ".", st, 0) : ur_fstat(c, dirfd, st);
    struct ur_begun begun;
    long ret = stat_brief(c, dirfd, path, flags & AT_SYMLINK_NOFOLLOW, st, &begun);
    if (ret != UNKNOWN)
        return ret;
    UR_SCRATCH(s);
    ret = walk_present(c, dirfd, path, flags & AT_SYMLINK_NOFOLLOW, 0, s, &begun);
    if (ret == 0 && !ur_can_write(c, st, sizeof *st))
        return -EFAULT;
    if (ret == 0)
        ret = node_stat(c, &s->dir[0], &s->node[0], s->real[0], st);
    if (__builtin_expect(c->u->root, 0) && ret == 0)
        ret = root_tell(c, &s->dir[0], &s->node[0], s->real[0], st);
    return ret;
}

static bool is_layer_dev(const struct ur_union *u, uint64_t dev, bool *shown_as_is) {
    uint64_t last = u->shared ? atomic_load_explicit(&u->shared->device, memory_order_relaxed) : 0;
    *shown_as_is = last & 2;
    if (last && last >> 2 == dev)
        return last & 1;
    const struct ur_table_layer *l = ur_table_layers(u->table);
    const struct ur_table_mount *m = ur_table_mounts(u->table);
    bool any = false;
    *shown_as_is = true;
    for (uint32_t i = 0; i < u->table->layers; i++)
        if (l[i].dev == dev) {
            any = true;
            if (m[l[i].mount].dev != dev || m[l[i].mount].flags & UR_MOUNT_MIXED_DEV)
                *shown_as_is = false;
        }
    if (u->shared && dev && dev << 2 >> 2 == dev)
        atomic_store_explicit(&u->shared->device, dev << 2 | (uint64_t)*shown_as_is << 1 | any, memory_order_relaxed);
    return any;
}

/* A file of an upper, opened by O_PATH: others are never open while they lack their data. */
static void add_data_of_fd(const struct ur_caller *c, int fd, struct stat *st) {
    if ((c->u->shared && !atomic_load_explicit(&c->u->shared->metacopies_any, memory_order_relaxed)) ||
        !ur_origin_maybe(c->u, st) || ur_has_metacopy(fd, NULL) <= 0)
        return;
    struct ur_scratch *s = ur_scratch_get();
    struct ur_fdinfo info;
    struct stat now;
    if (s && ur_fd_info(c, fd, &info, s->text) == 0 && info.known && !ur_fd_is_lower(&info) &&
        ur_stat(c, AT_FDCWD, s->text, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_size == st->st_size) {
        st->st_blocks = now.st_blocks;
        st->st_atim = now.st_atim;
        st->st_mtim = now.st_mtim;
    }
    if (s)
        ur_scratch_put(s);
}

/*
 * A descriptor's stat. The kernel knows all but what the union changes: a copied-up file's numbers, and a lower file
 * that was copied up after it was opened (its attributes are the copy's now). *whole: they are, as the run sees them.
 */
static long fstat_union(const struct ur_caller *c, int fd, struct stat *st, bool *whole) {
    long ret = sys_fstat(fd, st);
    bool shown_as_is;
    if (ret < 0 || !ur_active(c) || !is_layer_dev(c->u, st->st_dev, &shown_as_is) || ur_fd_is_raw(c, fd))
        return ret;
    if (S_ISREG(st->st_mode) && st->st_blocks * 512 < st->st_size)
        add_data_of_fd(c, fd, st);
    bool copied = ur_covered_maybe(c->u, st->st_dev, st->st_ino);
    bool links = c->u->shared && atomic_load(&c->u->shared->links) && st->st_nlink > 1;
    bool origins = c->u->shared && atomic_load(&c->u->shared->origins) && !S_ISREG(st->st_mode);
    if (S_ISREG(st->st_mode) && shown_as_is && !copied && !links) {
        uint64_t origin;
        ret = ur_origin_read(c->u, NULL, fd, NULL, st, &origin, NULL);
        if (origin && ur_origin_given(c->u, st))
            st->st_ino = origin;
        if (ret < 0 || !origin || ur_origin_given(c->u, st))
            return ret;
        /* One of an earlier run's upper, which may be a lower by now. */
    }
    if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode) && shown_as_is && !copied && !origins)
        return 0;
    UR_SCRATCH(s);
    struct ur_fdinfo info;
    struct ur_layer_at at;
    if (S_ISDIR(st->st_mode) && !copied && ur_base_known(c->u, st, s->text, &at) > 0) {
        bool held = at.layer == 0 && ur_has_upper(at.mount);
        ret = ur_identify(c->u, at.mount, ur_layer(c->u, at.mount, at.layer), held ? UR_HOLDER_UPPER : UR_HOLDER_LOWER,
                          NULL, fd, st);
        return ret < 0 ? ret : 0;
    }
    struct stat now;
    long named = copied ? ur_fd_find(c, fd, &info, s->text, st, &now) : ur_fd_info(c, fd, &info, s->text);
    if (!info.known)
        return 0;
    if (named < 0)
        return copied ? named : 0;
    bool upper = info.layer == 0 && ur_has_upper(info.mount);
    if (named) {
        *whole = true;
        *st = now;
        return 0;
    }
    bool alone = st->st_nlink == 1 || S_ISDIR(st->st_mode);
    ret = ur_identify(c->u, info.mount, ur_layer(c->u, info.mount, info.layer),
                      upper ? UR_HOLDER_UPPER : UR_HOLDER_LOWER, NULL, fd, st);
    if (ret < 0)
        return ret;
    if (!upper && copied && alone) /* its one name is gone */
        st->st_nlink = 0;
    return 0;
}

long ur_fstat(const struct ur_caller *c, int fd, struct stat *st) {
    bool whole = false;
    long ret = fstat_union(c, fd, st, &whole);
    if (__builtin_expect(ur_active(c) && c->u->root, 0) && ret == 0 && !whole)
        ur_root_tell(c->u, fd, NULL, st);
    return ret;
}

/* What identifies a file in the union differs from the host's answer, and what its data say if they are elsewhere. */
static void tell(const struct stat *st, struct statx *x) {
    x->stx_blocks = (uint64_t)st->st_blocks;
    x->stx_atime.tv_sec = st->st_atim.tv_sec;
    x->stx_atime.tv_nsec = (uint32_t)st->st_atim.tv_nsec;
    x->stx_mtime.tv_sec = st->st_mtim.tv_sec;
    x->stx_mtime.tv_nsec = (uint32_t)st->st_mtim.tv_nsec;
    x->stx_ino = st->st_ino;
    x->stx_nlink = (uint32_t)st->st_nlink;
    x->stx_dev_major = (uint32_t)(st->st_dev >> 8 & 0xfff) | (uint32_t)(st->st_dev >> 32 & ~0xfffu);
    x->stx_dev_minor = (uint32_t)(st->st_dev & 0xff) | (uint32_t)(st->st_dev >> 12 & ~0xffu);
}

static void tell_owner(const struct stat *st, struct statx *x) {
    x->stx_mode = (uint16_t)st->st_mode;
    x->stx_uid = st->st_uid;
    x->stx_gid = st->st_gid;
    x->stx_rdev_major = major(st->st_rdev);
    x->stx_rdev_minor = minor(st->st_rdev);
}

/* Of a descriptor whose file may have been copied up since: the attributes, too. */
static void tell_all(const struct stat *st, struct statx *x) {
    tell(st, x);
    tell_owner(st, x);
    x->stx_size = (uint64_t)st->st_size;
    x->stx_ctime.tv_sec = st->st_ctim.tv_sec;
    x->stx_ctime.tv_nsec = (uint32_t)st->st_ctim.tv_nsec;
}

long ur_statx(const struct ur_caller *c, int dirfd, const char *path, int flags, unsigned mask, struct statx *x) {
    if (!ur_active(c))
        return sys_statx(dirfd, path, flags, mask, x);
    int sync = flags & (AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC);
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC))
        return -EINVAL;
    struct stat st;
    long ret;
    if (flags & AT_EMPTY_PATH && (!path || ur_is_empty(c, path))) {
        ret = sys_statx(dirfd, "", flags, mask, x);
        if (ret == 0)
            ret = ur_stat(c, dirfd, "", &st, AT_EMPTY_PATH);
        if (ret == 0)
            tell_all(&st, x);
        return ret;
    }
    UR_SCRATCH(s);
    struct ur_dir *d = &s->dir[0];
    struct ur_node *n = &s->node[0];
    struct ur_reach r = {AT_FDCWD, s->real[0]};
    ret = walk_present(c, dirfd, path, flags & AT_SYMLINK_NOFOLLOW, UR_WALK_TYPE, s, NULL);
    if (ret == 0)
        ret = ur_node_reach(c->u, d, n, s->real[0], &r);
    bool union_s = d->mount || n->lost, root = c->u->root;
    if (ret == 0)
        ret = sys_statx(r.fd, r.path, n->where == UR_AT_MAGIC ? sync : sync | AT_SYMLINK_NOFOLLOW,
                        union_s || root ? mask | STATX_TYPE | STATX_INO | STATX_NLINK | STATX_SIZE |
                                              (root ? STATX_MODE | STATX_UID | STATX_GID : 0)
                                        : mask,
                        x);
    ret = ur_if_lost(c->u, d, &n->entry, ret);
    if (ret < 0 || !(union_s || root))
        return ret;
    if (n->lost) {
        x->stx_nlink = 0;
        return 0;
    }
    st = (struct stat){.st_mode = x->stx_mode,
                       .st_nlink = x->stx_nlink,
                       .st_ino = x->stx_ino,
                       .st_size = (off_t)x->stx_size,
                       .st_blocks = (blkcnt_t)x->stx_blocks,
                       .st_atim = {x->stx_atime.tv_sec, x->stx_atime.tv_nsec},
                       .st_mtim = {x->stx_mtime.tv_sec, x->stx_mtime.tv_nsec},
                       .st_dev = makedev(x->stx_dev_major, x->stx_dev_minor)};
    if (union_s)
        ret = identify(c, d, n, s->real[0], &st);
    if (ret == 0 && union_s)
        tell(&st, x);
    if (ret == 0 && root) {
        st.st_uid = x->stx_uid;
        st.st_gid = x->stx_gid;
        st.st_rdev = makedev(x->stx_rdev_major, x->stx_rdev_minor);
        ret = root_tell(c, d, n, s->real[0], &st);
        tell_owner(&st, x);
    }
    return ret;
}

/* By the index alone, or UNKNOWN. */
static __attribute__((noinline)) long access_brief(const struct ur_caller *c, int dirfd, const char *path, int mode,
                                                   int flags, struct ur_begun *begun) {
    struct ur_brief b;
    if (!ur_brief(c, dirfd, path, flags & AT_SYMLINK_NOFOLLOW, begun, &b) || c->u->root)
        return UNKNOWN;
    if (!b.path)
        return -ENOENT;
    if (mode & 2 && !ur_has_upper(b.mount))
        return UNKNOWN;
    long ret = sys_faccessat(b.at, b.path, mode, flags);
    return ur_is_gone(ret) || ret == -EROFS ? UNKNOWN : ret;
}

long ur_access(const struct ur_caller *c, int dirfd, const char *path, int mode, int flags) {
    if (!ur_active(c) && dirfd == AT_FDCWD && !flags)
        return UR_AS_LIBC(UR_SYS(SYS_access, path, mode, 0, 0, 0, 0),
                          UR_SYS(SYS_faccessat, dirfd, path, mode, 0, 0, 0));
    if (!ur_active(c) || (flags & AT_EMPTY_PATH && ur_is_empty(c, path))) {
        long ret = sys_faccessat(dirfd, path, mode, flags);
        return ur_active(c) && c->u->root && dirfd >= 0 ? ur_root_may_access(c, dirfd, NULL, mode, flags, ret) : ret;
    }
    if (mode & ~7 || flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    struct ur_begun begun;
    long ret = access_brief(c, dirfd, path, mode, flags, &begun);
    if (ret != UNKNOWN)
        return ret;
    UR_SCRATCH(s);
    struct ur_node *n = &s->node[0];
    ret = walk_present(c, dirfd, path, flags & AT_SYMLINK_NOFOLLOW, UR_WALK_TYPE, s, &begun);
    struct ur_reach r = {AT_FDCWD, s->real[0]};
    if (ret == 0)
        ret = ur_node_reach(c->u, &s->dir[0], n, s->real[0], &r);
    if (ret < 0)
        return ret;
    ret = ur_if_lost(c->u, &s->dir[0], &n->entry, sys_faccessat(r.fd, r.path, mode, flags));
    mode_t type = n->self ? S_IFDIR : n->entry.st.st_mode & S_IFMT;
    if (ret == 0 && mode & 2 && n->where == UR_AT_HOST && (type == S_IFREG || type == S_IFDIR))
        return ur_may_change_raw(c->u, s->real[0], strlen(s->real[0]));
    /* A read-only filesystem under a lower is none in the union; a union without an upper is one. */
    if (n->where == UR_AT_UNION) {
        bool writable = ur_has_upper(s->dir[0].mount);
        struct stat st;
        if (c->u->root && ret == -EACCES) {
            ret = ur_node_path(c->u, &s->dir[0], n, s->real[0]);
            if (ret == 0)
                ret = ur_root_may_access(c, -1, s->real[0], mode, flags, -EACCES);
        }
        if (ret == -EROFS && writable) {
            ret = ur_node_path(c->u, &s->dir[0], n, s->real[0]);
            return ret < 0 ? ret : ur_may_access(s->real[0], mode);
        }
        if (ret == 0 && !writable && mode & 2 && sys_fstatat(r.fd, r.path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
            return -EROFS;
    }
    return ret;
}

/* Makes the union's of a path that /proc tells: the kernel marks what has been removed; so does this, for a lower's. */
static long told_path(const struct ur_caller *c, char *text, char *room) {
    static const char deleted[] = " (deleted)";
    struct stat raw, now;
    struct ur_fdinfo info = {.known = true};
    size_t rel, len = strlen(text);
    if (text[0] != '/')
        return (long)len;
    bool lower = ur_layer_of(c->u, text, len, &info.mount, &info.layer, &rel) && ur_fd_is_lower(&info) &&
                 sys_lstat(text, &raw) == 0;
    uint32_t seen;
    bool gone;
    long n;
    do {
        seen = ur_moves_seen(c->u);
        n = ur_union_path(c, text, room);
        gone = n >= 0 && lower && ur_fd_named(c, &info, room, &raw, &now) == 0 &&
               ur_stat(c, AT_FDCWD, room, &now, AT_SYMLINK_NOFOLLOW) != -EACCES; /* then nobody can tell */
    } while (gone && ur_moves_more(c->u, seen));
    if (gone) {
        char *p = ur_put(room + n, room + UR_PATH_MAX, deleted, sizeof deleted - 1);
        n = p ? p - room : n;
    }
    if (n >= 0)
        memcpy(text, room, (size_t)n + 1);
    return n;
}

/* By the index alone, or UR_AGAIN. */
static __attribute__((noinline)) long readlink_brief(const struct ur_caller *c, int dirfd, const char *path, char *buf,
                                                     size_t size, struct ur_begun *begun) {
    struct ur_brief b;
    if (!ur_brief(c, dirfd, path, true, begun, &b))
        return UR_AGAIN;
    if (!b.path)
        return -ENOENT;
    long ret = sys_readlinkat(b.at, b.path, buf, size);
    return ur_is_gone(ret) ? UR_AGAIN : ret;
}

long ur_readlink(const struct ur_caller *c, int dirfd, const char *path, char *buf, size_t size) {
    if (!ur_active(c) && dirfd == AT_FDCWD)
        return UR_AS_LIBC(UR_SYS(SYS_readlink, path, buf, size, 0, 0, 0), sys_readlink(path, buf, size));
    if (!ur_active(c) || ur_is_empty(c, path)) /* "": the link that dirfd itself is, O_PATH | O_NOFOLLOW */
        return sys_readlinkat(dirfd, path, buf, size);
    if (size == 0)
        return -EINVAL;
    struct ur_begun begun;
    long ret = readlink_brief(c, dirfd, path, buf, size, &begun);
    if (ret != UR_AGAIN)
        return ret;
    UR_SCRATCH(s);
    struct ur_dir *d = &s->dir[0];
    struct ur_node *n = &s->node[0];
    struct ur_reach r = {AT_FDCWD, s->real[0]};
    ret = walk_present(c, dirfd, path, true, UR_WALK_TYPE, s, &begun);
    if (ret == 0)
        ret = ur_node_reach(c->u, d, n, s->real[0], &r);
    if (ret < 0)
        return ret;
    /* Where /proc tells a layer's path, the union's is meant. */
    if (!d->mount && ur_path_below(d->path, d->len, "/proc", 5)) {
        long len = ur_proc_self(c, d, n->name, s->text);
        if (len == 0)
            len = sys_readlink(s->real[0], s->text, UR_PATH_MAX - 1);
        if (len < 0)
            return len;
        s->text[len] = 0;
        len = told_path(c, s->text, s->real[1]);
        if (len < 0)
            return len;
        size_t copy = (size_t)len < size ? (size_t)len : size;
        if (!ur_can_write(c, buf, copy))
            return -EFAULT;
        memcpy(buf, s->text, copy);
        return (long)copy;
    }
    return ur_if_lost(c->u, d, &n->entry, sys_readlinkat(r.fd, r.path, buf, size));
}

/* As a filesystem with a quota says it. */
static void within_limit(const struct ur_union *u, struct statfs *st) {
    uint64_t block = (uint64_t)st->f_bsize, all = u->limit / block, left = ur_quota_left(u) / block;
    if (all < st->f_blocks)
        st->f_blocks = all;
    if (left < st->f_bfree)
        st->f_bfree = left;
    if (left < st->f_bavail)
        st->f_bavail = left;
}

long ur_statfs(const struct ur_caller *c, const char *path, struct statfs *st) {
    if (!ur_active(c))
        return sys_statfs(path, st);
    UR_SCRATCH(s);
    struct ur_dir *d = &s->dir[0];
    long ret = walk_present(c, AT_FDCWD, path, false, UR_WALK_TYPE, s, NULL);
    if (ret < 0)
        return ret;
    /* What can be written counts: the upper's filesystem. */
    if (s->node[0].where == UR_AT_UNION && ur_has_upper(d->mount)) {
        const struct ur_table_layer *l = ur_layer(c->u, d->mount, 0);
        ret = sys_statfs(ur_table_text(c->u->table, l->root), st);
        if (ret == 0 && c->u->limit)
            within_limit(c->u, st);
        return ret;
    }
    ret = ur_node_path(c->u, d, &s->node[0], s->real[0]);
    if (ret == 0)
        ret = sys_statfs(s->real[0], st);
    if (ret == 0 && (s->node[0].where == UR_AT_UNION || ur_may_change_raw(c->u, s->real[0], strlen(s->real[0])) < 0))
        st->f_flags |= ST_RDONLY;
    return ret;
}

long ur_chdir(const struct ur_caller *c, const char *path) {
    if (!ur_active(c))
        return sys_chdir(path);
    UR_SCRATCH(s);
    long ret = walk_present(c, AT_FDCWD, path, false, UR_WALK_TYPE, s, NULL);
    struct ur_node *n = &s->node[0];
    if (ret == 0 && n->where != UR_AT_MAGIC && !n->self && n->entry.kind != UR_DIRECTORY)
        ret = -ENOTDIR;
    if (ret == 0)
        ret = ur_node_path(c->u, &s->dir[0], n, s->real[0]);
    if (ret < 0)
        return ret;
    ret = sys_chdir(s->real[0]);
    ur_descriptor_changes(AT_FDCWD);
    return ur_if_lost(c->u, &s->dir[0], &n->entry, ret);
}

long ur_fchdir(const struct ur_caller *c, int fd) {
    struct stat st, now;
    struct ur_fdinfo info;
    if (ur_active(c) && sys_fstat(fd, &st) == 0 && ur_covered_maybe(c->u, st.st_dev, st.st_ino)) {
        UR_SCRATCH(s);
        if (ur_fd_find(c, fd, &info, s->text, &st, &now) > 0)
            return ur_chdir(c, s->text);
    }
    long ret = sys_fchdir(fd);
    ur_descriptor_changes(AT_FDCWD);
    return ret;
}

long ur_getcwd(const struct ur_caller *c, char *buf, size_t size) {
    if (!ur_active(c))
        return sys_getcwd(buf, size);
    UR_SCRATCH(s);
    long n = ur_base_path(c, AT_FDCWD, s->text, NULL);
    if (n < 0)
        return n;
    if ((size_t)n >= size)
        return -ERANGE;
    if (!ur_can_write(c, buf, (size_t)n + 1))
        return -EFAULT;
    memcpy(buf, s->text, (size_t)n + 1);
    return n + 1;
}
