/* Answers: the calls that look a name up, tell what it is, make, remove or rename it. */
#include "engine/sys.h"
#include "launch/guard/guard.h"

#include <linux/stat.h>
#include <string.h>
#include <sys/statfs.h>

long path_of(struct call *q, int at, char path[UR_PATH_MAX]) {
    long n = peer_string(q, q->arg[at], path, UR_PATH_MAX);
    return n < 0 ? n == -EPERM ? PASS : n : 0;
}

/* `dev`: as ur_is_native_on. */
static long is_native_on(struct call *q, int dirfd, const char *path, int flags, dev_t *dev) {
    long ret = peer_become(q, false);
    return ret < 0 ? ret : ur_is_native_on(&q->caller, dirfd, path, flags, dev) == 1 ? PASS : 0;
}

long native(struct call *q, int dirfd, const char *path, int flags) {
    struct known_key key = {0};
    dev_t dev;
    bool looks = !(flags & UR_REAL_CREATE), nofollow = flags & UR_REAL_NOFOLLOW;
    if (looks && known_native(q, path, nofollow, &key))
        return PASS;
    long ret = is_native_on(q, dirfd, path, flags, &dev);
    if (ret == PASS && looks)
        known_add(q, path, nofollow, &key, dev);
    if (ret == PASS)
        ur_trace_passed(&q->caller, dirfd, path);
    return ret;
}

/* The same of what tells owners and modes, or hides what keeps them: under a simulated root only the engine does. */
static long native_told(struct call *q, int dirfd, const char *path, int flags) {
    return q->caller.u->root ? peer_become(q, false) : native(q, dirfd, path, flags);
}

static long fd_native_told(struct call *q, int fd) {
    return q->caller.u->root ? 0 : ur_fd_is_native(&q->caller, fd);
}

/* A path to be looked up: read, and 0 if the engine is to answer. */
static long lookup(struct call *q, int dirfd, int at, bool nofollow, char *path) {
    long ret = path_of(q, at, path);
    return ret ? ret : native_told(q, dirfd, path, nofollow ? UR_REAL_NOFOLLOW : 0);
}

static long give(const struct call *q, int at, const void *what, size_t size, long ret) {
    return ret < 0 ? ret : peer_write(q, q->arg[at], what, size);
}

/* --- what a file is --- */

/* stat of a descriptor: a duplicate of it is ours. */
static long stat_fd(struct call *q, int fd, int out) {
    struct stat st;
    long ret = fd_native_told(q, fd);
    if (ret)
        return ret == 1 ? PASS : ret;
    long own = peer_fd(q, fd);
    if (own < 0)
        return own == -EPERM ? PASS : own;
    struct ur_caller here = here_for(q);
    return give(q, out, &st, sizeof st, ur_fstat(&here, (int)own, &st));
}

static long stat_path(struct call *q, int dirfd, int at, int out, int flags) {
    char path[UR_PATH_MAX];
    struct stat st;
    if (flags & AT_EMPTY_PATH && q->arg[at] == 0 && dirfd != AT_FDCWD) /* Linux 6.11 */
        return stat_fd(q, dirfd, out);
    if (flags & AT_EMPTY_PATH && q->arg[at] == 0 && !q->caller.u->root)
        return PASS;
    long ret = flags & AT_EMPTY_PATH && q->arg[at] == 0 ? (*path = 0) : path_of(q, at, path);
    if (ret)
        return ret;
    if (flags & AT_EMPTY_PATH && !*path) {
        if (dirfd != AT_FDCWD)
            return stat_fd(q, dirfd, out);
        memcpy(path, ".", 2);
    }
    ret = native_told(q, dirfd, path, flags & AT_SYMLINK_NOFOLLOW ? UR_REAL_NOFOLLOW : 0);
    return ret ? ret : give(q, out, &st, sizeof st, ur_stat(&q->caller, dirfd, path, &st, flags));
}

long answer_stat(struct call *q) {
    return stat_path(q, AT_FDCWD, 0, 1, 0);
}
long answer_lstat(struct call *q) {
    return stat_path(q, AT_FDCWD, 0, 1, AT_SYMLINK_NOFOLLOW);
}
long answer_fstat(struct call *q) {
    return stat_fd(q, dirfd_of(q, 0), 1);
}
long answer_newfstatat(struct call *q) {
    return stat_path(q, dirfd_of(q, 0), 1, 2, (int)q->arg[3]);
}

long answer_statx(struct call *q) {
    char path[UR_PATH_MAX] = "";
    struct statx st;
    int dirfd = dirfd_of(q, 0), flags = (int)q->arg[2];
    unsigned mask = (unsigned)q->arg[3];
    long ret = flags & AT_EMPTY_PATH && q->arg[1] == 0 ? 0 : path_of(q, 1, path);
    if (ret)
        return ret;
    if (mask & STATX__RESERVED)
        return -EINVAL;
    struct ur_caller here = here_for(q);
    if (flags & AT_EMPTY_PATH && !*path && dirfd != AT_FDCWD) {
        ret = fd_native_told(q, dirfd);
        if (ret)
            return ret == 1 ? PASS : ret;
        long own = peer_fd(q, dirfd);
        return own < 0 ? own : give(q, 4, &st, sizeof st, ur_statx(&here, (int)own, "", flags, mask, &st));
    }
    if (flags & AT_EMPTY_PATH && !*path)
        memcpy(path, ".", 2);
    ret = native_told(q, dirfd, path, flags & AT_SYMLINK_NOFOLLOW ? UR_REAL_NOFOLLOW : 0);
    return ret ? ret : give(q, 4, &st, sizeof st, ur_statx(&q->caller, dirfd, path, flags, mask, &st));
}

static long access_at(struct call *q, int dirfd, int at, int mode, int flags) {
    char path[UR_PATH_MAX];
    long ret = path_of(q, at, path);
    if (ret)
        return ret;
    if (flags & AT_EMPTY_PATH && !*path) {
        if (dirfd == AT_FDCWD)
            memcpy(path, ".", 2);
        else {
            long own = peer_fd(q, dirfd);
            struct ur_caller here = here_for(q);
            ret = own < 0 ? own : peer_become(q, false);
            return ret < 0 ? ret : ur_access(&here, (int)own, "", mode, flags);
        }
    }
    ret = native(q, dirfd, path, flags & AT_SYMLINK_NOFOLLOW ? UR_REAL_NOFOLLOW : 0);
    return ret ? ret : ur_access(&q->caller, dirfd, path, mode, flags);
}

long answer_access(struct call *q) {
    return access_at(q, AT_FDCWD, 0, (int)q->arg[1], 0);
}
long answer_faccessat(struct call *q) {
    return access_at(q, dirfd_of(q, 0), 1, (int)q->arg[2], 0);
}
long answer_faccessat2(struct call *q) {
    return access_at(q, dirfd_of(q, 0), 1, (int)q->arg[2], (int)q->arg[3]);
}

/* In /proc a native link may still tell a layer's path. */
static long readlink_at(struct call *q, int dirfd, int at, int out) {
    char path[UR_PATH_MAX], text[UR_PATH_MAX];
    int size = (int)q->arg[out + 1];
    long ret = path_of(q, at, path);
    if (ret)
        return ret;
    if (!*path) /* the link that the descriptor itself is */
        return PASS;
    if (size <= 0)
        return -EINVAL;
    struct known_key key;
    dev_t dev;
    if (known_native(q, path, true, &key))
        return PASS;
    ret = is_native_on(q, dirfd, path, UR_REAL_NOFOLLOW, &dev);
    if (ret == PASS && dev && dev != q->guard->proc) {
        known_add(q, path, true, &key, dev);
        ur_trace_passed(&q->caller, dirfd, path);
        return PASS;
    }
    if (ret < 0 && ret != PASS)
        return ret;
    long n = ur_readlink(&q->caller, dirfd, path, text, (size_t)size < sizeof text ? (size_t)size : sizeof text);
    ret = n < 0 ? n : peer_write(q, q->arg[out], text, (size_t)n);
    return ret < 0 ? ret : n;
}

long answer_readlink(struct call *q) {
    return readlink_at(q, AT_FDCWD, 0, 1);
}
long answer_readlinkat(struct call *q) {
    return readlink_at(q, dirfd_of(q, 0), 1, 2);
}

long answer_statfs(struct call *q) {
    char path[UR_PATH_MAX];
    struct statfs st;
    long ret = lookup(q, AT_FDCWD, 0, false, path);
    return ret ? ret : give(q, 1, &st, sizeof st, ur_statfs(&q->caller, path, &st));
}

/* --- names made and removed ---
 *
 * What may change where a path of the host's leads is done here, of the host's names, too: what is remembered of them
 * must hear of it (known.c, engine/dcache.c), and when the kernel will have done it nobody tells the guard.
 */

/* A name that is made or removed: read, and 0 if the engine is to do it. `creates`: with a mode, so the umask counts.
 */
static long place(struct call *q, int dirfd, int at, bool creates, char *path) {
    long ret = path_of(q, at, path);
    if (ret)
        return ret;
    ret = native(q, dirfd, path, UR_REAL_CREATE);
    return ret || !creates ? ret : peer_become(q, true);
}

/* A path for such a change: read, and 0. */
static long redirects(struct call *q, int at, char *path) {
    long ret = path_of(q, at, path);
    return ret ? ret : peer_become(q, false);
}

static long unlink_at(struct call *q, int dirfd, int at, int flags) {
    char path[UR_PATH_MAX];
    long ret = flags & AT_REMOVEDIR ? redirects(q, at, path) : place(q, dirfd, at, false, path);
    return ret ? ret : ur_unlink(&q->caller, dirfd, path, flags);
}
long answer_unlink(struct call *q) {
    return unlink_at(q, AT_FDCWD, 0, 0);
}
long answer_rmdir(struct call *q) {
    return unlink_at(q, AT_FDCWD, 0, AT_REMOVEDIR);
}
long answer_unlinkat(struct call *q) {
    return unlink_at(q, dirfd_of(q, 0), 1, (int)q->arg[2]);
}

static long mkdir_at(struct call *q, int dirfd, int at) {
    char path[UR_PATH_MAX];
    long ret = place(q, dirfd, at, true, path);
    return ret ? ret : ur_mkdir(&q->caller, dirfd, path, (mode_t)q->arg[at + 1]);
}
long answer_mkdir(struct call *q) {
    return mkdir_at(q, AT_FDCWD, 0);
}
long answer_mkdirat(struct call *q) {
    return mkdir_at(q, dirfd_of(q, 0), 1);
}

static long mknod_at(struct call *q, int dirfd, int at) {
    char path[UR_PATH_MAX];
    long ret = place(q, dirfd, at, true, path);
    return ret ? ret : ur_mknod(&q->caller, dirfd, path, (mode_t)q->arg[at + 1], (dev_t)(unsigned)q->arg[at + 2]);
}
long answer_mknod(struct call *q) {
    return mknod_at(q, AT_FDCWD, 0);
}
long answer_mknodat(struct call *q) {
    return mknod_at(q, dirfd_of(q, 0), 1);
}

static long symlink_at(struct call *q, int dirfd, int at) {
    char text[UR_PATH_MAX], path[UR_PATH_MAX];
    long ret = path_of(q, 0, text);
    if (ret == 0)
        ret = redirects(q, at, path);
    return ret ? ret : ur_symlink(&q->caller, text, dirfd, path);
}
long answer_symlink(struct call *q) {
    return symlink_at(q, AT_FDCWD, 1);
}
long answer_symlinkat(struct call *q) {
    return symlink_at(q, dirfd_of(q, 1), 2);
}

/* --- two names --- */

struct pair {
    int from_dir, to_dir;
    char from[UR_PATH_MAX + 1], to[UR_PATH_MAX + 1];
};

/* Reads both. That the second is too long comes out only when the first has been looked up: that is left to whoever
   does it, with a path that is too long. */
static long read_pair(struct call *q, struct pair *p, int from_at, int to_at) {
    long ret = path_of(q, from_at, p->from);
    if (ret == 0)
        ret = path_of(q, to_at, p->to);
    if (ret == -ENAMETOOLONG && strnlen(p->from, UR_PATH_MAX) < UR_PATH_MAX) {
        memset(p->to, 'x', UR_PATH_MAX);
        p->to[UR_PATH_MAX] = 0;
        ret = 0;
    }
    return ret;
}

static long rename_at(struct call *q, int from_dir, int from_at, int to_dir, int to_at, unsigned flags) {
    struct pair p = {.from_dir = from_dir, .to_dir = to_dir};
    long ret = read_pair(q, &p, from_at, to_at);
    if (ret == 0)
        ret = peer_become(q, false);
    return ret ? ret : ur_rename(&q->caller, from_dir, p.from, to_dir, p.to, flags);
}
long answer_rename(struct call *q) {
    return rename_at(q, AT_FDCWD, 0, AT_FDCWD, 1, 0);
}
long answer_renameat(struct call *q) {
    return rename_at(q, dirfd_of(q, 0), 1, dirfd_of(q, 2), 3, 0);
}
long answer_renameat2(struct call *q) {
    return rename_at(q, dirfd_of(q, 0), 1, dirfd_of(q, 2), 3, (unsigned)q->arg[4]);
}

static long link_at(struct call *q, int from_dir, int from_at, int to_dir, int to_at, int flags) {
    struct pair p = {.from_dir = from_dir, .to_dir = to_dir};
    long ret = read_pair(q, &p, from_at, to_at);
    if (ret)
        return ret;
    struct ur_caller here = here_for(q);
    if (!*p.from && flags & AT_EMPTY_PATH && from_dir != AT_FDCWD) { /* the descriptor's file: by ours */
        long own = peer_fd(q, from_dir);
        ret = own < 0 ? own : native(q, to_dir, p.to, UR_REAL_CREATE);
        if (ret == PASS && ur_fd_is_native(&q->caller, from_dir) == 1)
            return PASS;
        if (ret < 0 && ret != PASS)
            return ret;
        char to[UR_PATH_MAX];
        ret = to_dir == AT_FDCWD || p.to[0] == '/' ? 0 : peer_fd(q, to_dir);
        if (ret < 0)
            return ret;
        if (to_dir != AT_FDCWD)
            return ur_link(&here, (int)own, "", (int)ret, p.to, flags);
        ret = (ur_canonical)(&q->caller, to_dir, p.to, UR_REAL_CREATE | UR_REAL_NOFOLLOW, to);
        return ret < 0 ? ret : ur_link(&here, (int)own, "", AT_FDCWD, to, flags);
    }
    ret = peer_become(q, false);
    return ret ? ret : ur_link(&q->caller, from_dir, p.from, to_dir, p.to, flags);
}
long answer_link(struct call *q) {
    return link_at(q, AT_FDCWD, 0, AT_FDCWD, 1, 0);
}
long answer_linkat(struct call *q) {
    return link_at(q, dirfd_of(q, 0), 1, dirfd_of(q, 2), 3, (int)q->arg[4]);
}

/* --- extended attributes, read --- */

/* Room for a value of the size that the caller has room for: the thread's. */
static void *value_room(uint64_t *size) {
    if (*size > VALUE_MAX)
        *size = VALUE_MAX;
    return thread_room();
}

static long give_value(struct call *q, int at, const void *value, size_t size, long n) {
    if (n <= 0 || size == 0)
        return n;
    long ret = peer_write(q, q->arg[at], value, (size_t)n);
    return ret < 0 ? ret : n;
}

static long xattr_name(struct call *q, int at, char name[256]) {
    long n = peer_string(q, q->arg[at], name, 256);
    return n == -ENAMETOOLONG || n == 0 ? -ERANGE : n < 0 ? n : 0;
}

static long getxattr_of(struct call *q, bool nofollow) {
    char path[UR_PATH_MAX], name[256];
    uint64_t size = q->arg[3];
    void *value = value_room(&size);
    long ret = value ? lookup(q, AT_FDCWD, 0, nofollow, path) : -ENOMEM;
    if (ret == 0)
        ret = xattr_name(q, 1, name);
    if (ret)
        return ret;
    return give_value(q, 2, value, size, ur_getxattr(&q->caller, path, name, value, size, nofollow));
}
long answer_getxattr(struct call *q) {
    return getxattr_of(q, false);
}
long answer_lgetxattr(struct call *q) {
    return getxattr_of(q, true);
}

static long listxattr_of(struct call *q, bool nofollow) {
    char path[UR_PATH_MAX];
    uint64_t size = q->arg[2];
    void *list = value_room(&size);
    long ret = list ? lookup(q, AT_FDCWD, 0, nofollow, path) : -ENOMEM;
    return ret ? ret : give_value(q, 1, list, size, ur_listxattr(&q->caller, path, list, size, nofollow));
}
long answer_listxattr(struct call *q) {
    return listxattr_of(q, false);
}
long answer_llistxattr(struct call *q) {
    return listxattr_of(q, true);
}

/* By descriptor. 0 and `own`, or what is to be returned. */
static long own_fd(struct call *q, int fd, int *own) {
    long ret = ur_fd_is_native(&q->caller, fd);
    if (ret)
        return ret == 1 ? PASS : ret;
    ret = peer_become(q, false);
    if (ret == 0)
        ret = peer_fd(q, fd);
    *own = (int)ret;
    return ret < 0 ? ret == -EPERM ? PASS : ret : 0;
}
long answer_fgetxattr(struct call *q) {
    char name[256];
    uint64_t size = q->arg[3];
    void *value = value_room(&size);
    int own;
    long ret = value ? own_fd(q, dirfd_of(q, 0), &own) : -ENOMEM;
    if (ret == 0)
        ret = xattr_name(q, 1, name);
    struct ur_caller here = here_for(q);
    return ret ? ret : give_value(q, 2, value, size, ur_fgetxattr(&here, own, name, value, size));
}
long answer_flistxattr(struct call *q) {
    uint64_t size = q->arg[2];
    void *list = value_room(&size);
    int own;
    long ret = list ? own_fd(q, dirfd_of(q, 0), &own) : -ENOMEM;
    struct ur_caller here = here_for(q);
    return ret ? ret : give_value(q, 1, list, size, ur_flistxattr(&here, own, list, size));
}
