/*
 * inotify and fanotify: watches on what a union path names now.
 *
 * A watch is on an inode, and a change in the union may go to another one: a directory that only lowers have gets
 * its new files in the upper. So a directory that is watched is copied up first (without its children),
 * where there is an upper. A lower file that is watched is not; when it is copied up the watch stays behind.
 */
#include "shim.h"

#include <sys/fanotify.h>
#include <sys/inotify.h>

static long watched(int dirfd, const char *path, bool nofollow, char *real) {
    int flags = nofollow ? UR_REAL_NOFOLLOW : 0;
    struct stat st;
    long ret = ur_stat(UR_SELF, dirfd, path, &st, nofollow ? AT_SYMLINK_NOFOLLOW : 0);
    if (ret < 0)
        return ret;
    if (S_ISDIR(st.st_mode) && ur_real(UR_SELF, dirfd, path, flags | UR_REAL_WRITE, real) >= 0)
        return 0;
    return ur_real(UR_SELF, dirfd, path, flags, real);
}

long ur_watch(int fd, const char *path, uint32_t mask) {
    if (!ur_in_session())
        return UR_SYS(SYS_inotify_add_watch, fd, path, mask, 0, 0, 0);
    UR_PATH_BUFFER(real);
    long ret = real ? watched(AT_FDCWD, path, mask & IN_DONT_FOLLOW, real) : -ENOMEM;
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
    long ret = real ? watched(dirfd, path, flags & FAN_MARK_DONT_FOLLOW, real) : -ENOMEM;
    return ret < 0 ? ret : UR_SYS(SYS_fanotify_mark, fd, flags, mask, AT_FDCWD, real, 0);
}

UR_EXPORT int fanotify_mark(int fd, unsigned flags, uint64_t mask, int dirfd, const char *path) {
    return (int)ur_edge(ur_fanotify_mark(fd, flags, mask, dirfd, path));
}
