/*
 * The second best for an exec, where inject.c cannot be had because another traces the process (gdb, strace): the path
 * is changed where the caller has it, and the call goes on. If it goes well that memory is gone with the old program.
 *
 * The new path must not be longer than the old one: else the program is named by a descriptor that is handed over for
 * it. What the process itself may not write (a constant) /proc/PID/mem does; but the guard's fence keeps root off
 * /proc.
 */
#include "engine/sys.h"
#include "launch/guard/guard.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static long write_memory(const struct call *q, uint64_t at, const void *from, size_t size) {
    char path[48];
    if (peer_write(q, at, from, size) == 0)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/mem", (int)q->pid);
    long fd = sys_open(path, O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    ssize_t n = pwrite((int)fd, from, size, (off_t)at);
    sys_close((int)fd);
    return n == (ssize_t)size ? 0 : -EFAULT;
}

/* A name by which the caller reaches what is at `host`, by a descriptor that it gets. */
static long name_by_fd(struct call *q, const char *host, char *out, size_t size) {
    long fd = sys_open(host, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return -EPERM;
    struct seccomp_notif_addfd add = {.id = q->id, .srcfd = (uint32_t)fd, .newfd_flags = O_CLOEXEC};
    long given = listener_do(q->guard, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
    sys_close((int)fd);
    return given < 0 ? -EPERM : snprintf(out, size, "/dev/fd/%ld", given);
}

long inplace_exec(struct call *q, int which, const char *host) {
    char name[UR_PATH_MAX];
    uint64_t at = q->arg[which];
    long len = peer_string(q, at, name, sizeof name);
    if (len < 0)
        return len;
    memcpy(name, host, strlen(host) + 1);
    if ((long)strlen(name) > len && name_by_fd(q, host, name, sizeof name) < 0)
        return -EPERM;
    if ((long)strlen(name) > len || write_memory(q, at, name, strlen(name) + 1) < 0)
        return -EPERM;
    struct seccomp_notif_resp r = {.id = q->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    q->answered = true;
    peer_let_go(q);
    listener_do(q->guard, SECCOMP_IOCTL_NOTIF_SEND, &r);
    return GIVEN;
}
