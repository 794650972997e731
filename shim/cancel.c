/*
 * Cancellation points (pthreads(7)): hooks of calls that are some in libc, and no others.
 *
 * In a hook a thread is cancelled before anything was done, or in the one system call in which it may wait, and then
 * nothing of the engine's is held. libc knows no way to be told "now" but the type of cancellation: asynchronous for
 * the length of that call, deferred for all others, and at the end what it was.
 */
#include "shim.h"

#include <pthread.h>

/* In libpthread on old hosts, where a program without threads has none; and of an older version than the newest. */
void _pthread_cleanup_push(struct ur_cleanup *c, void (*routine)(void *), void *arg);
void _pthread_cleanup_pop(struct ur_cleanup *c, int execute);
#if defined __x86_64__
__asm__(".symver pthread_testcancel,pthread_testcancel@GLIBC_2.2.5");
__asm__(".symver _pthread_cleanup_push,_pthread_cleanup_push@GLIBC_2.2.5");
__asm__(".symver _pthread_cleanup_pop,_pthread_cleanup_pop@GLIBC_2.2.5");
#elif defined __aarch64__
__asm__(".symver pthread_testcancel,pthread_testcancel@GLIBC_2.17");
__asm__(".symver _pthread_cleanup_push,_pthread_cleanup_push@GLIBC_2.17");
__asm__(".symver _pthread_cleanup_pop,_pthread_cleanup_pop@GLIBC_2.17");
#endif
#pragma weak pthread_testcancel
#pragma weak _pthread_cleanup_push
#pragma weak _pthread_cleanup_pop

int ur_cancel_hold(void) {
    int was = PTHREAD_CANCEL_DEFERRED;
    if (ur_is_thread())
        pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &was);
    return was;
}

void ur_cancel_release(int was) {
    if (__builtin_expect(was != PTHREAD_CANCEL_DEFERRED, 0))
        pthread_setcanceltype(was, &was);
}

void ur_cancel_point(void) {
    if (pthread_testcancel && ur_is_thread())
        pthread_testcancel();
}

long ur_cancel_wait(ur_way *way, long nr, long a, const void *b, long c, long d, const void *e, long f) {
    int was = PTHREAD_CANCEL_DEFERRED, unused;
    if (!ur_is_thread())
        return way(nr, a, (long)b, c, d, (long)e, f);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &was);
    long ret = way(nr, a, (long)b, c, d, (long)e, f);
    pthread_setcanceltype(was, &unused);
    return ret;
}

void ur_cleanup_push(struct ur_cleanup *c, void (*routine)(void *), void *arg) {
    if (_pthread_cleanup_push)
        _pthread_cleanup_push(c, routine, arg);
}

void ur_cleanup_pop(struct ur_cleanup *c) {
    if (_pthread_cleanup_pop)
        _pthread_cleanup_pop(c, 0);
}

static long wait_in_open(ur_way *way, int dirfd, const char *path, int flags, mode_t mode) {
    return ur_cancel_wait(way, SYS_openat, dirfd, path, flags, (long)mode, NULL, 0);
}

/* The path takes 4 KiB of stack, and no other place is given back when the thread is cancelled. */
static __attribute__((noinline)) long open_elsewhere(int dirfd, const char *path, int flags, mode_t mode) {
    struct ur_elsewhere e;
    long ret = ur_open_for(UR_SELF, dirfd, path, flags, mode, &e);
    if (ret != UR_ELSEWHERE)
        return ret;
    if (e.error)
        return e.error;
    return wait_in_open(ur_syscall6, AT_FDCWD, e.path, e.link ? flags & ~O_NOFOLLOW : flags, mode);
}

long ur_cancel_open(int dirfd, const char *path, int flags, mode_t mode) {
    ur_cancel_point();
    if ((flags & (O_TRUNC | O_ACCMODE | O_PATH)) == (O_TRUNC | O_RDONLY)) /* the guard wants to see the host's path */
        return ur_open(UR_SELF, dirfd, path, flags, mode);
    long ret = ur_open_unless_waits(UR_SELF, dirfd, path, flags, mode);
    if (ret != UR_NATIVE && ret != UR_ELSEWHERE)
        return ret;
    if (ret == UR_NATIVE)
        ret = wait_in_open(ur_syscall6, dirfd, path, flags, mode);
    else if (ur_guarded()) /* which can do it without the gate */
        ret = wait_in_open(ur_plain6, dirfd, path, flags, mode);
    else
        ret = open_elsewhere(dirfd, path, flags, mode);
    if (ret >= 0)
        ur_descriptor_changes((int)ret);
    return ret;
}
