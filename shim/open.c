/*
 * open and its twins. The mode is read from the call only if the flags make it a parameter, as libc does.
 */
#include "shim.h"

#include <fcntl.h>
#include <stdarg.h>

int __open(const char *path, int flags, ...);
int __open64(const char *path, int flags, ...);
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dirfd, const char *path, int flags);
int __openat64_2(int dirfd, const char *path, int flags);

static inline bool needs_mode(int flags) {
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

int ur_edge_open(int dirfd, const char *path, int flags, mode_t mode) {
    return (int)ur_edge(ur_cancel_open(dirfd, ur_name(path), flags, mode));
}

UR_EXPORT int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (needs_mode(flags)) {
        va_list args;
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    return ur_edge_open(AT_FDCWD, path, flags, mode);
}
UR_TWIN(open64, open)
UR_TWIN(__open, open)
UR_TWIN(__open64, open)

UR_EXPORT int openat(int dirfd, const char *path, int flags, ...) {
    mode_t mode = 0;
    if (needs_mode(flags)) {
        va_list args;
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    return ur_edge_open(dirfd, path, flags, mode);
}
UR_TWIN(openat64, openat)

/* What -D_FORTIFY_SOURCE makes of an open without a mode. */
UR_EXPORT int __open_2(const char *path, int flags) {
    if (needs_mode(flags))
        ur_chk_fail();
    return ur_edge_open(AT_FDCWD, path, flags, 0);
}
UR_TWIN(__open64_2, __open_2)

UR_EXPORT int __openat_2(int dirfd, const char *path, int flags) {
    if (needs_mode(flags))
        ur_chk_fail();
    return ur_edge_open(dirfd, path, flags, 0);
}
UR_TWIN(__openat64_2, __openat_2)
