/*
 * Answers: open. A regular file or a directory is opened here and handed over (SECCOMP_IOCTL_NOTIF_ADDFD);
 * what the caller must open itself is opened by it (inject.c).
 */
#include "config/table.h"
#include "engine/sys.h"
#include "launch/guard/guard.h"

#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

/*
 * Hands our descriptor (or -errno) over. The limit on descriptors is the caller's own. Ours is closed before the caller
 * goes on (peer_let_go says why), so it is not done in one step with the answer; but for a kernel where a signal may
 * end the call between the two, and the descriptor would be left to a caller that does not know of it.
 */
static long hand_over(struct call *q, long fd, int flags) {
    if (fd < 0)
        return fd;
    struct seccomp_notif_addfd add = {.id = q->id,
                                      .srcfd = (uint32_t)fd,
                                      .flags = q->guard->killable ? 0 : SECCOMP_ADDFD_FLAG_SEND,
                                      .newfd_flags = flags & O_CLOEXEC ? O_CLOEXEC : 0};
    long ret = listener_do(q->guard, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
    sys_close((int)fd);
    if (ret == -ENOENT || ret == -EINPROGRESS) /* it was killed meanwhile */
        return GIVEN;
    return ret >= 0 && add.flags & SECCOMP_ADDFD_FLAG_SEND ? GIVEN : ret;
}

/* What ld.so is told to preload is no file of the union's. */
static bool is_shim(const struct call *q, const char *path, int flags) {
    const struct ur_table *t = q->guard->whole.table;
    return (flags & (O_ACCMODE | O_CREAT | O_TRUNC)) == O_RDONLY && t->preload.len &&
           strcmp(path, ur_table_text(t, t->preload)) == 0;
}

/* A raw path that would be truncated without being opened for write (calls.def: OPEN): by the rule for metadata. */
static long open_raw(struct call *q, const char *path, int flags, mode_t mode) {
    char host[UR_PATH_MAX], own[UR_PATH_MAX], link[48];
    if (path[0] != '/')
        return -EACCES;
    path = peer_own_proc(q, path, own);
    long ret = peer_become(q, flags & O_CREAT);
    long fd = ret < 0 ? ret : sys_open(path, O_PATH | O_CLOEXEC | (flags & O_NOFOLLOW), 0);
    if (fd == -ENOENT && flags & O_CREAT)
        return hand_over(q, sys_open(path, (flags & ~O_TRUNC) | O_EXCL | O_CLOEXEC, mode), flags);
    if (fd < 0)
        return fd;
    q->held[q->held_count++] = (int)fd;
    ret = meta_allowed((int)fd, host);
    if (ret < 0)
        return ret;
    snprintf(link, sizeof link, "/proc/thread-self/fd/%ld", fd);
    return hand_over(q, sys_open(link, (flags & ~(O_CREAT | O_NOFOLLOW)) | O_CLOEXEC, 0), flags);
}

static bool truncates_unseen(int flags) {
    return (flags & (O_TRUNC | O_ACCMODE | O_PATH)) == (O_TRUNC | O_RDONLY);
}

static long open_path(struct call *q, int dirfd, const char *path, int flags, mode_t mode) {
    struct ur_elsewhere e;
    struct known_key key = {0};
    bool reads = (flags & (O_ACCMODE | O_CREAT | O_TRUNC)) == O_RDONLY, nofollow = flags & O_NOFOLLOW;
    if (reads)
        ur_descriptor_given(q->caller.u);
    if (reads && known_native(q, path, nofollow, &key))
        return PASS;
    long ret = peer_become(q, flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE);
    if (ret < 0)
        return ret;
    ret = ur_open_for(&q->caller, dirfd, path, flags, mode, &e);
    if (ret >= 0)
        return hand_over(q, ret, flags);
    if (ret != UR_ELSEWHERE)
        return ret;
    if (e.native && truncates_unseen(flags))
        return e.error ? e.error : open_raw(q, e.path, flags, mode);
    if (e.native) {
        known_add(q, path, nofollow, &key, e.dev);
        return PASS;
    }
    if (e.link)
        flags &= ~O_NOFOLLOW;
    if (truncates_unseen(flags)) {
        struct stat st;
        if (sys_fstatat(AT_FDCWD, e.path, &st, 0) == 0 && S_ISREG(st.st_mode))
            return open_raw(q, e.path, flags, mode);
        flags &= ~O_TRUNC; /* of what is no regular file */
    }
    const uint64_t arg[6] = {(uint64_t)AT_FDCWD, 0, (uint64_t)flags, mode};
    return caller_does(q, 1, e.path, true, SYS_openat, arg);
}

static long open_at(struct call *q, int dirfd, int at, int flags, mode_t mode) {
    char path[UR_PATH_MAX];
    if (q->elsewhere)
        return truncates_unseen(flags) ? -EACCES : PASS;
    long ret = path_of(q, at, path);
    if (ret)
        return ret;
    if (is_shim(q, path, flags))
        return PASS;
    return q->gate ? open_raw(q, path, flags, mode) : open_path(q, dirfd, path, flags, mode);
}

long answer_open(struct call *q) {
    return open_at(q, AT_FDCWD, 0, (int)q->arg[1], (mode_t)q->arg[2]);
}
long answer_creat(struct call *q) {
    return open_at(q, AT_FDCWD, 0, O_CREAT | O_WRONLY | O_TRUNC, (mode_t)q->arg[1]);
}
long answer_openat(struct call *q) {
    return open_at(q, dirfd_of(q, 0), 1, (int)q->arg[2], (mode_t)q->arg[3]);
}

/* The limits on resolving are not ours to keep in a union: there programs are told to fall back, as by a kernel that
   does not know the call; elsewhere the kernel does it. */
long answer_openat2(struct call *q) {
    struct open_how how = {0};
    char path[UR_PATH_MAX];
    uint64_t size = q->arg[3];
    if (q->gate || q->elsewhere)
        return -ENOSYS;
    long ret = peer_read(q, q->arg[2], &how, size < sizeof how ? size : sizeof how);
    if (ret < 0)
        return ret == -EPERM ? -ENOSYS : ret;
    long can = ur_open_how(&how, size);
    if (can < 0 && can != -ENOSYS)
        return can;
    ret = path_of(q, 1, path);
    if (ret)
        return ret;
    int dirfd = dirfd_of(q, 0);
    if (can == 0)
        return open_path(q, dirfd, path, (int)how.flags, (mode_t)how.mode);
    if (truncates_unseen((int)how.flags))
        return -ENOSYS;
    ur_descriptor_given(q->caller.u);
    return native(q, dirfd, path, how.flags & O_NOFOLLOW ? UR_REAL_NOFOLLOW : 0) == PASS ? PASS : -ENOSYS;
}
