/*
 * What gives a descriptor number another meaning, and no name: libc's own calls, but what was remembered of the number
 * is forgotten (engine/descriptors.c). And daemon(), whose chdir libc makes inside.
 */
#include "shim.h"

#include <fcntl.h>
#include <unistd.h>

/* Second names that glibc has of its own; musl has none. */
int __close(int fd) __attribute__((weak));
int __dup2(int from, int to) __attribute__((weak));

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

#ifdef SYS_dup2
long ur_dup2(int from, int to) {
    long ret = UR_PLAIN(SYS_dup2, from, to, 0, 0, 0, 0);
    ur_descriptor_changes(to);
    return ret;
}
#endif

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

UR_EXPORT int daemon(int nochdir, int noclose) {
    static _Atomic(void *) next;
    int (*libc_daemon)(int, int) = ur_next(&next, "daemon");
    int ret = libc_daemon ? libc_daemon(nochdir, noclose) : (int)ur_edge_of(-ENOSYS);
    ur_process_begins(); /* the fork was made inside, too */
    ur_descriptor_changes(AT_FDCWD);
    ur_descriptors_change(0, 2);
    return ret;
}
