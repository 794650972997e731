/*
 * syscall(): programs that make system calls by number, through libc. syscalls.def says what those mean that are the
 * union's, engine/numbers.def which others there are: they are passed on with their six arguments, as libc does.
 */
#include "shim.h"

#include "../engine/numbers.h"

#include <linux/openat2.h>
#include <linux/sched.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

/* Who limits the resolving falls back on ENOSYS. */
static long open_how(int dirfd, const char *path, const struct open_how *how, size_t size) {
    long ret = ur_can_read(UR_SELF, how, size < sizeof *how ? size : sizeof *how) ? ur_open_how(how, size) : -EFAULT;
    return ret < 0 ? ret : ur_open(UR_SELF, dirfd, path, (int)how->flags, (mode_t)how->mode);
}

static long old_getdents(int fd, char *buf, unsigned n) {
    long got = ur_getdents64(UR_SELF, fd, buf, n);
    ur_old_dirents(buf, got);
    return got;
}

/* socket.c's hooks, under names that no other object has. */
extern __typeof(sendto) ur_hook_sendto;
extern __typeof(sendmsg) ur_hook_sendmsg;
extern __typeof(sendmmsg) ur_hook_sendmmsg;
extern __typeof(recvfrom) ur_hook_recvfrom;
extern __typeof(recvmsg) ur_hook_recvmsg;
extern __typeof(recvmmsg) ur_hook_recvmmsg;
extern __typeof(accept) ur_hook_accept;
extern __typeof(accept4) ur_hook_accept4;
extern __typeof(getsockname) ur_hook_getsockname;
extern __typeof(getpeername) ur_hook_getpeername;
static long by_hook(long ret) {
    return ret < 0 ? -errno : ret;
}

static long plain(long nr, const long a[6]) {
    return UR_PLAIN(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static long clone_how(const long a[6], const struct clone_args *how) {
    if (ur_can_read(UR_SELF, how, sizeof how->flags))
        ur_clones(how->flags);
    return plain(SYS_clone3, a);
}

/* A change of ids: the kernel's, or under a simulated root the engine's. */
#define AS_ROOT(nr, call) (UR_SELF->u->root ? (call) : plain(nr, a))

static long meaning(long nr, const long a[6]) {
    if (nr < 0) /* numbers.h has some for what is not there */
        return -ENOSYS;
    switch (nr) {
#define A(n) a[n]
#define I(n) ((int)a[n])
#define V(n) ((void *)a[n]) // NOLINT(performance-no-int-to-ptr): it came as a register
#define P(n) ((const char *)V(n))
#define UR_CALL(name, call)                                                                                            \
    case CALL_##name:                                                                                                  \
        return call;
#include "syscalls.def"

#define UNION(name)
#define SHIM(name)
#define PASSES(name)                                                                                                   \
    case CALL_##name:                                                                                                  \
        return plain(nr, a);
#define GUARDED(name) PASSES(name)
#define LIMITED(name) PASSES(name)
/* Where there is a guard its filter refuses, and tells of it. */
#define REFUSED(name, error)                                                                                           \
    case CALL_##name:                                                                                                  \
        return ur_guarded() ? plain(nr, a) : ur_refuse(nr, -(error));
#define REFUSED_EPERM(name) REFUSED(name, EPERM)
#define REFUSED_ENOSYS(name) REFUSED(name, ENOSYS)
#define REFUSED_EOPNOTSUPP(name) REFUSED(name, EOPNOTSUPP)
#define CALL(name, x86_64, aarch64, meaning) meaning(name)
#include "../engine/numbers.def"
    default:
        return -ENOSYS;
    }
}

UR_EXPORT long syscall(long nr, ...) {
    long a[6];
    va_list args;
    va_start(args, nr);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    long ret = ur_in_session() ? meaning(nr, a) : plain(nr, a);
    if ((unsigned long)ret > -4096UL) { /* only these are errors: some calls return what looks negative */
        errno = (int)-ret;
        return -1;
    }
    return ret;
}
