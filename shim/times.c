/*
 * The utime family: seconds or microseconds, of a path or a descriptor, made into the one engine call.
 */
#include "shim.h"

#include <sys/time.h>
#include <utime.h>

long ur_utimes(int dirfd, const char *path, const struct timeval tv[2], int flags) {
    struct timespec ts[2];
    if (!tv)
        return ur_utimens(UR_SELF, dirfd, path, NULL, flags);
    if (!ur_can_read(UR_SELF, tv, 2 * sizeof *tv))
        return -EFAULT;
    for (int i = 0; i < 2; i++) {
        if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000)
            return -EINVAL;
        ts[i] = (struct timespec){.tv_sec = tv[i].tv_sec, .tv_nsec = tv[i].tv_usec * 1000};
    }
    return ur_utimens(UR_SELF, dirfd, path, ts, flags);
}

long ur_utime(const char *path, const struct utimbuf *times) {
    struct timespec ts[2];
    if (times && !ur_can_read(UR_SELF, times, sizeof *times))
        return -EFAULT;
    if (times) {
        ts[0] = (struct timespec){.tv_sec = times->actime};
        ts[1] = (struct timespec){.tv_sec = times->modtime};
    }
    return path ? ur_utimens(UR_SELF, AT_FDCWD, path, times ? ts : NULL, 0) : -EFAULT;
}

UR_EXPORT int utime(const char *path, const struct utimbuf *times) {
    return (int)ur_edge(ur_utime(path, times));
}

UR_EXPORT int utimes(const char *path, const struct timeval tv[2]) {
    return (int)ur_edge(path ? ur_utimes(AT_FDCWD, path, tv, 0) : -EFAULT);
}

UR_EXPORT int lutimes(const char *path, const struct timeval tv[2]) {
    return (int)ur_edge(path ? ur_utimes(AT_FDCWD, path, tv, AT_SYMLINK_NOFOLLOW) : -EFAULT);
}

UR_EXPORT int futimes(int fd, const struct timeval tv[2]) {
    return (int)ur_edge(fd < 0 ? -EBADF : ur_utimes(fd, NULL, tv, 0));
}

/* Without a path: the descriptor itself, as the old system call. */
UR_EXPORT int futimesat(int dirfd, const char *path, const struct timeval tv[2]) {
    return (int)ur_edge(ur_utimes(dirfd, path, tv, 0));
}

UR_EXPORT int utimensat(int dirfd, const char *path, const struct timespec ts[2], int flags) {
    /* In musl this is futimens too. */
    return (int)ur_edge(path || !ur_in_glibc() ? ur_utimens(UR_SELF, dirfd, path, ts, flags) : -EINVAL);
}
