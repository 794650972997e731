/*
 * Answers: calls that change metadata, or a file's length, by path or by descriptor. Landlock refuses none of them,
 * so they are answered even where the union is not concerned, and even when they come from the gate: what is changed
 * must lie where the fence lets the run write. All is done here, on what was looked at, never by letting the call go
 * on: between the look and the call the caller could put another file there.
 */
#include "engine/sys.h"
#include "launch/fence.h"
#include "launch/guard/guard.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <utime.h>

/* One change, as it was asked. */
struct change {
    enum { CHMOD, CHOWN, UTIMENS, TRUNCATE, SETXATTR, REMOVEXATTR } what;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    const struct timespec *times; /* NULL: now */
    off_t length;
    char name[256];
    const void *value;
    size_t size;
    int flags;
};

static const struct launch *judging;

/* A pipe, a socket, a memfd is nobody's but the program's. */
long meta_allowed(int own, char host[UR_PATH_MAX]) {
    long n = peer_fd_path(own, host);
    if (n < 0)
        return n;
    if (host[0] != '/' || strncmp(host, "/memfd:", 7) == 0)
        return 0;
    return fence_covers(judging, host, (size_t)n) ? 0 : -EACCES;
}

/* ur_judge: what the engine changes for a caller must lie there too, whatever has happened since it looked. */
static long judge(int fd) {
    char host[UR_PATH_MAX];
    return meta_allowed(fd, host);
}

void meta_start(const struct launch *launch) {
    judging = launch;
    ur_judge = judge;
}

static long change_union(const struct ur_caller *c, int dirfd, const char *path, const struct change *w, int flags) {
    bool nofollow = flags & AT_SYMLINK_NOFOLLOW;
    switch (w->what) {
    case CHMOD:
        return ur_chmod(c, dirfd, path, w->mode, flags);
    case CHOWN:
        return ur_chown(c, dirfd, path, w->uid, w->gid, flags);
    case UTIMENS:
        return ur_utimens(c, dirfd, path, w->times, flags);
    case TRUNCATE:
        return ur_truncate(c, path, w->length);
    case SETXATTR:
        return ur_setxattr(c, path, w->name, w->value, w->size, w->flags, nofollow);
    case REMOVEXATTR:
        return ur_removexattr(c, path, w->name, nofollow);
    }
    return -EINVAL;
}

static long change_fd_union(const struct ur_caller *c, int fd, const struct change *w) {
    switch (w->what) {
    case CHMOD:
        return ur_fchmod(c, fd, w->mode);
    case CHOWN:
        return ur_fchown(c, fd, w->uid, w->gid);
    case UTIMENS:
        return ur_utimens(c, fd, NULL, w->times, 0);
    case SETXATTR:
        return ur_fsetxattr(c, fd, w->name, w->value, w->size, w->flags);
    case REMOVEXATTR:
        return ur_fremovexattr(c, fd, w->name);
    case TRUNCATE:
        break;
    }
    return -EINVAL;
}

/* Raw, on a descriptor of ours that may be an O_PATH: by the name that /proc has for it. */
static long change_raw(int own, const struct change *w) {
    static const struct ur_union none;
    const struct ur_caller raw = {.u = &none};
    struct stat st;
    char link[48];
    long ret = sys_fstat(own, &st);
    if (ret < 0)
        return ret;
    if (S_ISLNK(st.st_mode)) {
        switch (w->what) {
        case CHOWN:
            return sys_fchownat(own, "", w->uid, w->gid, AT_EMPTY_PATH);
        case UTIMENS:
            return sys_utimensat(own, "", w->times, AT_EMPTY_PATH);
        case CHMOD:
            return -EOPNOTSUPP;
        default: /* the kernel goes from the descriptor to the link itself, and no further */
            break;
        }
    }
    snprintf(link, sizeof link, "/proc/thread-self/fd/%d", own);
    return change_union(&raw, AT_FDCWD, link, w, 0);
}

/* A path outside the union, or from the gate. */
static long change_host(struct call *q, const char *host, const struct change *w, bool nofollow) {
    char real[UR_PATH_MAX];
    long fd = sys_open(host, O_PATH | O_CLOEXEC | (nofollow ? O_NOFOLLOW : 0), 0);
    if (fd < 0)
        return fd;
    q->held[q->held_count++] = (int)fd;
    long ret = meta_allowed((int)fd, real);
    return ret < 0 ? ret : change_raw((int)fd, w);
}

/* Does a simulated root do it? Then the engine knows also what is outside the unions. */
static bool is_simulated(const struct call *q, const struct change *w) {
    return q->caller.u->root && w->what == CHOWN;
}

/* A descriptor that an fchmod does not take, but AT_EMPTY_PATH does (O_PATH): by the path that it has. */
static long by_path_fd(struct call *q, int own, const struct change *w) {
    char host[UR_PATH_MAX], path[UR_PATH_MAX];
    struct ur_caller here = here_for(q);
    bool raw = q->gate || q->elsewhere || (!is_simulated(q, w) && ur_fd_is_native(&here, own) == 1);
    long ret = raw ? meta_allowed(own, host) : peer_fd_path(own, host);
    if (ret < 0)
        return ret;
    if (raw)
        return change_raw(own, w);
    ret = ur_union_path(&here, host, path);
    return ret < 0 ? ret : change_union(&here, AT_FDCWD, path, w, AT_SYMLINK_NOFOLLOW);
}

static bool is_path_fd(int own) {
    long flags = UR_SYS(SYS_fcntl, own, F_GETFL, 0, 0, 0, 0);
    return flags >= 0 && flags & O_PATH;
}

/* `empty`: asked for by AT_EMPTY_PATH. */
static long by_fd(struct call *q, int fd, const struct change *w, bool empty) {
    char host[UR_PATH_MAX];
    long own = peer_fd(q, fd);
    long ret = own < 0 ? own : peer_become(q, false);
    if (ret < 0)
        return ret;
    if (empty && is_path_fd((int)own))
        return by_path_fd(q, (int)own, w);
    struct ur_caller here = here_for(q);
    if (!q->gate && !q->elsewhere && (is_simulated(q, w) || !ur_fd_is_native(&here, (int)own)))
        return change_fd_union(&here, (int)own, w);
    ret = meta_allowed((int)own, host);
    if (ret < 0)
        return ret;
    static const struct ur_union none;
    const struct ur_caller raw = {.u = &none};
    return change_fd_union(&raw, (int)own, w);
}

/* The whole of a call by path. `at`: the argument; `flags`: AT_*. */
static long by_path(struct call *q, int dirfd, int at, const struct change *w, int flags) {
    char path[UR_PATH_MAX], host[UR_PATH_MAX];
    long ret = peer_string(q, q->arg[at], path, sizeof path); /* unreadable: refused, whatever it may be */
    if (ret < 0)
        return ret;
    if (!*path && flags & AT_EMPTY_PATH) {
        if (dirfd != AT_FDCWD)
            return by_fd(q, dirfd, w, true);
        memcpy(path, ".", 2);
    }
    ret = peer_become(q, false);
    if (ret < 0)
        return ret;
    bool nofollow = flags & AT_SYMLINK_NOFOLLOW;
    if (q->elsewhere) {
        long fd = peer_open(q, dirfd, path, nofollow);
        ret = fd < 0 ? fd : meta_allowed((int)fd, host);
        return ret < 0 ? ret : change_raw((int)fd, w);
    }
    if (q->gate) /* the shim's: a host path, absolute */
        return path[0] == '/' ? change_host(q, peer_own_proc(q, path, host), w, nofollow) : -EACCES;
    if (is_simulated(q, w) || ur_is_native(&q->caller, dirfd, path, nofollow ? UR_REAL_NOFOLLOW : 0) != 1)
        return change_union(&q->caller, dirfd, path, w, flags & ~AT_EMPTY_PATH);
    ret = (ur_real)(&q->caller, dirfd, path, nofollow ? UR_REAL_NOFOLLOW : 0, host);
    return ret < 0 ? ret : change_host(q, host, w, nofollow);
}

/* --- mode and owner --- */

static long chmod_at(struct call *q, int dirfd, int at, int flags) {
    struct change w = {.what = CHMOD, .mode = (mode_t)q->arg[at + 1]};
    return by_path(q, dirfd, at, &w, flags);
}
long answer_chmod(struct call *q) {
    return chmod_at(q, AT_FDCWD, 0, 0);
}
long answer_fchmodat(struct call *q) {
    return chmod_at(q, dirfd_of(q, 0), 1, 0);
}
long answer_fchmodat2(struct call *q) {
    int flags = (int)q->arg[3];
    return flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) ? -EINVAL : chmod_at(q, dirfd_of(q, 0), 1, flags);
}
long answer_fchmod(struct call *q) {
    struct change w = {.what = CHMOD, .mode = (mode_t)q->arg[1]};
    return by_fd(q, dirfd_of(q, 0), &w, false);
}

static long chown_at(struct call *q, int dirfd, int at, int flags) {
    struct change w = {.what = CHOWN, .uid = (uid_t)q->arg[at + 1], .gid = (gid_t)q->arg[at + 2]};
    return by_path(q, dirfd, at, &w, flags);
}
long answer_chown(struct call *q) {
    return chown_at(q, AT_FDCWD, 0, 0);
}
long answer_lchown(struct call *q) {
    return chown_at(q, AT_FDCWD, 0, AT_SYMLINK_NOFOLLOW);
}
long answer_fchownat(struct call *q) {
    int flags = (int)q->arg[4];
    return flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) ? -EINVAL : chown_at(q, dirfd_of(q, 0), 1, flags);
}
long answer_fchown(struct call *q) {
    struct change w = {.what = CHOWN, .uid = (uid_t)q->arg[1], .gid = (gid_t)q->arg[2]};
    return by_fd(q, dirfd_of(q, 0), &w, false);
}

/* --- times --- */

static long utimens_at(struct call *q, int dirfd, int at, const struct timespec *times, int flags) {
    struct change w = {.what = UTIMENS, .times = times};
    return by_path(q, dirfd, at, &w, flags);
}
long answer_utime(struct call *q) {
    struct utimbuf old = {0};
    long ret = q->arg[1] ? peer_read(q, q->arg[1], &old, sizeof old) : 0;
    if (ret < 0)
        return ret;
    const struct timespec times[2] = {{.tv_sec = old.actime}, {.tv_sec = old.modtime}};
    return utimens_at(q, AT_FDCWD, 0, q->arg[1] ? times : NULL, 0);
}
static long utimes_at(struct call *q, int dirfd, int at) {
    struct timeval old[2];
    struct timespec times[2];
    uint64_t given = q->arg[at + 1];
    long ret = given ? peer_read(q, given, old, sizeof old) : 0;
    if (ret < 0)
        return ret;
    for (int i = 0; given && i < 2; i++) {
        if (old[i].tv_usec < 0 || old[i].tv_usec >= 1000000)
            return -EINVAL;
        times[i] = (struct timespec){.tv_sec = old[i].tv_sec, .tv_nsec = old[i].tv_usec * 1000};
    }
    if (dirfd != AT_FDCWD && q->arg[at] == 0) {
        struct change w = {.what = UTIMENS, .times = given ? times : NULL};
        return by_fd(q, dirfd, &w, false);
    }
    return utimens_at(q, dirfd, at, given ? times : NULL, 0);
}
long answer_utimes(struct call *q) {
    return utimes_at(q, AT_FDCWD, 0);
}
long answer_futimesat(struct call *q) {
    return utimes_at(q, dirfd_of(q, 0), 1);
}
long answer_utimensat(struct call *q) {
    struct timespec times[2];
    int flags = (int)q->arg[3], fd = dirfd_of(q, 0);
    long ret = q->arg[2] ? peer_read(q, q->arg[2], times, sizeof times) : 0;
    if (ret < 0)
        return ret;
    if (q->arg[2] && times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
        return 0; /* "not even the path is checked", says the kernel */
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    const struct timespec *given = q->arg[2] ? times : NULL;
    if (!q->arg[1]) {
        struct change w = {.what = UTIMENS, .times = given};
        return flags ? -EINVAL : fd == AT_FDCWD ? -EFAULT : by_fd(q, fd, &w, false);
    }
    return utimens_at(q, fd, 1, given, flags);
}

/* --- length --- */

/* Done here, it would not be the caller's limit on file sizes that counts (setrlimit(2)). */
static long within_limit(const struct call *q, off_t length) {
    struct rlimit limit;
    if (prlimit(q->pid, RLIMIT_FSIZE, NULL, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY ||
        length <= (off_t)limit.rlim_cur)
        return 0;
    UR_SYS(SYS_tkill, q->pid, SIGXFSZ, 0, 0, 0, 0);
    return -EFBIG;
}

long answer_truncate(struct call *q) {
    struct change w = {.what = TRUNCATE, .length = (off_t)q->arg[1]};
    long ret = peer_become(q, false); /* prlimit(2) asks for equal ids */
    if (ret == 0)
        ret = within_limit(q, w.length);
    if (ret < 0)
        return ret;
    return by_path(q, AT_FDCWD, 0, &w, 0);
}

/* --- extended attributes --- */

static long read_xattr(struct call *q, struct change *w) {
    if (w->what == SETXATTR && (int)q->arg[4] & ~(XATTR_CREATE | XATTR_REPLACE))
        return -EINVAL; /* before all else */
    long n = peer_string(q, q->arg[1], w->name, sizeof w->name);
    if (n == -ENAMETOOLONG || n == 0)
        return -ERANGE;
    if (n < 0 || w->what == REMOVEXATTR)
        return n < 0 ? n : 0;
    w->size = q->arg[3];
    w->flags = (int)q->arg[4];
    if (w->size > VALUE_MAX)
        return -E2BIG;
    char *room = thread_room();
    w->value = room;
    return room ? peer_read(q, q->arg[2], room, w->size) : -ENOMEM;
}

static long xattr_path(struct call *q, int what, int flags) {
    struct change w = {.what = what};
    long ret = read_xattr(q, &w);
    return ret < 0 ? ret : by_path(q, AT_FDCWD, 0, &w, flags);
}
static long xattr_fd(struct call *q, int what) {
    struct change w = {.what = what};
    long ret = read_xattr(q, &w);
    return ret < 0 ? ret : by_fd(q, dirfd_of(q, 0), &w, false);
}
long answer_setxattr(struct call *q) {
    return xattr_path(q, SETXATTR, 0);
}
long answer_lsetxattr(struct call *q) {
    return xattr_path(q, SETXATTR, AT_SYMLINK_NOFOLLOW);
}
long answer_fsetxattr(struct call *q) {
    return xattr_fd(q, SETXATTR);
}
long answer_removexattr(struct call *q) {
    return xattr_path(q, REMOVEXATTR, 0);
}
long answer_lremovexattr(struct call *q) {
    return xattr_path(q, REMOVEXATTR, AT_SYMLINK_NOFOLLOW);
}
long answer_fremovexattr(struct call *q) {
    return xattr_fd(q, REMOVEXATTR);
}

/* --- ioctl: inode flags (chattr) and the like, which need no descriptor that can be written --- */

/* Those that only tell something, or that need one that can be written (and such a one is never a lower's). */
static bool is_harmless(unsigned request) {
    static const unsigned known[] = {
        FS_IOC_GETFLAGS,   FS_IOC_GETVERSION, FS_IOC_FSGETXATTR, FS_IOC_FIEMAP,
        FS_IOC_GETFSLABEL, FICLONE,           FICLONERANGE,      FIDEDUPERANGE,
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i] == request)
            return true;
    return false;
}

/* A lower's file is copied up first, and the copy is what is changed: a descriptor of that, closed with the call. */
static long own_copy(struct call *q, int own) {
    char link[48], real[UR_PATH_MAX];
    struct ur_caller here = here_for(q);
    if (ur_fd_is_native(&here, own))
        return own;
    snprintf(link, sizeof link, "/proc/thread-self/fd/%d", own);
    long ret = (ur_real)(&here, AT_FDCWD, link, UR_REAL_WRITE, real);
    long fd = ret < 0 ? ret : sys_open(real, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
    if (fd >= 0)
        q->held[q->held_count++] = (int)fd;
    return fd;
}

long answer_ioctl(struct call *q) {
    unsigned request = (unsigned)q->arg[1];
    if (is_harmless(request))
        return PASS;
    char host[UR_PATH_MAX];
    union {
        int flags;
        struct fsxattr attributes;
    } value = {0};
    size_t size = request == FS_IOC_FSSETXATTR ? sizeof value.attributes : sizeof value.flags;
    long own = peer_fd(q, dirfd_of(q, 0));
    long ret = own < 0 ? own : peer_become(q, false);
    bool sets = request == FS_IOC_SETFLAGS || request == FS_IOC_FSSETXATTR;
    if (ret == 0 && sets && !q->gate)
        ret = own = own_copy(q, (int)own);
    if (ret >= 0)
        ret = meta_allowed((int)own, host);
    if (ret == -EACCES)
        return -EPERM;
    if (ret < 0)
        return ret;
    if (!sets)
        return host[0] == '/' ? -ENOTTY : PASS; /* of which we know nothing: not on files */
    ret = peer_read(q, q->arg[2], &value, size);
    return ret < 0 ? ret : sys_ioctl((int)own, request, (long)(uintptr_t)&value);
}
