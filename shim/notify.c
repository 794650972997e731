/* inotify and fanotify: watches on what a union path names (engine/watch.c says on what). */
#include "shim.h"

#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>

static void put(void *arg, int fd, int with, int cloexec) {
    (void)arg;
    UR_SYS(SYS_dup3, with, fd, cloexec, 0, 0, 0);
}
static const struct ur_replacer own = {put, NULL};

long ur_watch(int fd, const char *path, uint32_t mask) {
    if (!ur_in_session())
        return UR_SYS(SYS_inotify_add_watch, fd, path, mask, 0, 0, 0);
    UR_PATH_BUFFER(real);
    int flags = mask & IN_DONT_FOLLOW ? UR_REAL_NOFOLLOW : 0;
    if (UR_SYS(SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0) < 0)
        return -EBADF;
    long ret = real ? ur_watched(UR_SELF, AT_FDCWD, path, flags, mask, &own, real) : -ENOMEM;
    return ret < 0 ? ret : UR_SYS(SYS_inotify_add_watch, fd, real, mask, 0, 0, 0);
}

UR_EXPORT int inotify_add_watch(int fd, const char *path, uint32_t mask) {
    return (int)ur_edge(ur_watch(fd, path, mask));
}

/* path NULL: the descriptor itself. */
long ur_fanotify_mark(int fd, unsigned flags, uint64_t mask, int dirfd, const char *path) {
    if (!path || !ur_in_session())
        return UR_SYS(SYS_fanotify_mark, fd, flags, mask, dirfd, path, 0);
    UR_PATH_BUFFER(real);
    int how = flags & FAN_MARK_DONT_FOLLOW ? UR_REAL_NOFOLLOW : 0;
    uint64_t inode = flags & (FAN_MARK_MOUNT | FAN_MARK_FILESYSTEM) ? 0 : mask; /* the others are the host's */
    const struct ur_caller me = ur_asking(UR_SELF, "fanotify_mark");
    long ret = real ? ur_watched(&me, dirfd, path, how, inode, &own, real) : -ENOMEM;
    return ret < 0 ? ret : UR_SYS(SYS_fanotify_mark, fd, flags, mask, AT_FDCWD, real, 0);
}

UR_EXPORT int fanotify_mark(int fd, unsigned flags, uint64_t mask, int dirfd, const char *path) {
    return (int)ur_edge(ur_fanotify_mark(fd, flags, mask, dirfd, path));
}
