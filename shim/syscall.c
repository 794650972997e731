/*
 * syscall(): programs that make system calls by number, through libc. syscalls.def says what each means; all
 * others are passed on with their six arguments, as libc does.
 */
#include "shim.h"

#include <linux/openat2.h>
#include <stdarg.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif

/* Who limits the resolving falls back on ENOSYS. */
static long open_how(int dirfd, const char *path, const struct open_how *how, size_t size) {
    long ret = ur_open_how(how, size);
    return ret < 0 ? ret : ur_open(UR_SELF, dirfd, path, (int)how->flags, (mode_t)how->mode);
}

#ifdef SYS_getdents
static long old_getdents(int fd, char *buf, unsigned n) {
    long got = ur_getdents64(UR_SELF, fd, buf, n);
    ur_old_dirents(buf, got);
    return got;
}
#endif

static long meaning(long nr, const long a[6]) {
    switch (nr) {
#define A(n) a[n]
#define I(n) ((int)a[n])
#define V(n) ((void *)a[n]) // NOLINT(performance-no-int-to-ptr): it came as a register
#define P(n) ((const char *)V(n))
#define UR_CALL(name, call)                                                                                            \
    case SYS_##name:                                                                                                   \
        return call;
#include "syscalls.def"
    default:
        return UR_PLAIN(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    }
}

UR_EXPORT long syscall(long nr, ...) {
    long a[6];
    va_list args;
    va_start(args, nr);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    long ret = ur_in_session() ? meaning(nr, a) : UR_PLAIN(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    if ((unsigned long)ret > -4096UL) { /* only these are errors: some calls return what looks negative */
        errno = (int)-ret;
        return -1;
    }
    return ret;
}
