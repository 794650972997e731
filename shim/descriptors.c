/*
 * What gives a descriptor number another meaning, and no name: libc's own calls, but what was remembered of the number
 * is forgotten (engine/descriptors.c). And daemon(), which changes all of them.
 */
#include "shim.h"

#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <unistd.h>

/* Second names that glibc has of its own; musl has none. */
int __close(int fd) __attribute__((weak));
int __dup2(int from, int to) __attribute__((weak));
int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...) __attribute__((weak));

UR_EXPORT int close(int fd) {
    static _Atomic(void *) next;
    int (*libc_close)(int) = __close ? __close : ur_next(&next, "close");
    ur_descriptor_changes(fd);
    int ret = libc_close ? libc_close(fd) : (int)ur_edge_of(sys_close(fd));
    ur_descriptor_changes(fd);
    return ret;
}

long ur_close(int fd) {
    ur_descriptor_changes(fd);
    long ret = sys_close(fd);
    ur_descriptor_changes(fd);
    return ret;
}

UR_EXPORT int dup2(int from, int to) {
    static _Atomic(void *) next;
    int (*libc_dup2)(int, int) = __dup2 ? __dup2 : ur_next(&next, "dup2");
    int ret = libc_dup2 ? libc_dup2(from, to) : (int)ur_edge_of(-ENOSYS);
    ur_descriptor_changes(to);
    return ret;
}

long ur_dup2(int from, int to) {
#ifdef SYS_dup2
    long ret = UR_PLAIN(SYS_dup2, from, to, 0, 0, 0, 0);
#else
    long ret = -ENOSYS;
    (void)from;
#endif
    ur_descriptor_changes(to);
    return ret;
}

long ur_dup3(int from, int to, int flags) {
    long ret = UR_PLAIN(SYS_dup3, from, to, flags, 0, 0, 0);
    ur_descriptor_changes(to);
    return ret;
}

UR_EXPORT int dup3(int from, int to, int flags) {
    return (int)ur_edge_of(ur_dup3(from, to, flags));
}

long ur_close_range(unsigned from, unsigned to, int flags) {
    ur_descriptors_change(from, to);
    long ret = UR_PLAIN(SYS_close_range, from, to, flags, 0, 0, 0);
    ur_descriptors_change(from, to);
    return ret;
}

UR_EXPORT int close_range(unsigned from, unsigned to, int flags) {
    return (int)ur_edge_of(ur_close_range(from, to, flags));
}

UR_EXPORT void closefrom(int from) {
    static _Atomic(void *) next;
    void (*libc_closefrom)(int) = ur_next(&next, "closefrom");
    unsigned first = from > 0 ? (unsigned)from : 0;
    ur_descriptors_change(first, UINT_MAX);
    if (libc_closefrom)
        libc_closefrom(from);
    else
        ur_close_range(first, UINT_MAX, 0);
    ur_descriptors_change(first, UINT_MAX);
}

/* A clone(2) with these flags is to come. One process' descriptors or cwd may be another's, without the memory. */
void ur_clones(unsigned long flags) {
    if (flags & (CLONE_FILES | CLONE_FS) && !(flags & CLONE_VM))
        ur_descriptors_shared();
}

UR_EXPORT int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...) {
    static _Atomic(void *) next;
    va_list more; /* which may not all be there: nobody looks at those that are not */
    va_start(more, arg);
    void *parent_tid = va_arg(more, void *), *area = va_arg(more, void *), *child_tid = va_arg(more, void *);
    va_end(more);
    ur_clones((unsigned)flags);
    __typeof(&__clone) libc_clone = __clone ? __clone : ur_next(&next, "clone");
    return libc_clone ? libc_clone(fn, stack, flags, arg, parent_tid, area, child_tid) : (int)ur_edge_of(-ENOSYS);
}

/* The null device on the first three. */
static int to_null(void) {
    struct stat st;
    int fd = ur_edge_open(AT_FDCWD, "/dev/null", O_RDWR, 0);
    if (fd < 0)
        return -1;
    long ret = ur_fstat(UR_SELF, fd, &st);
    if (ret == 0 && !(S_ISCHR(st.st_mode) && st.st_rdev == (1 << 8 | 3)))
        ret = -ENODEV;
    for (int to = 0; ret == 0 && to <= 2; to++)
        if (fd != to)
            ur_dup3(fd, to, 0);
    if (ret < 0 || fd > 2)
        ur_close(fd);
    return (int)ur_edge_of(ret);
}

/* libc's goes to the host's "/". */
UR_EXPORT int daemon(int nochdir, int noclose) {
    pid_t pid = ur_fork();
    if (pid > 0)
        _exit(0);
    if (pid < 0 || setsid() < 0)
        return -1;
    if (!nochdir)
        ur_edge(ur_chdir(UR_SELF, "/")); /* libc's makes nothing of an error either */
    return noclose ? 0 : to_null();
}
