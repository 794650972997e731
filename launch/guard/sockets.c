/* Answers: names of AF_UNIX sockets, and calls that want a path for something of the caller's own. */
#include "engine/sys.h"
#include "launch/guard/guard.h"

#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { HEAD = offsetof(struct sockaddr_un, sun_path), ROOM = sizeof(((struct sockaddr_un *)0)->sun_path) };

/* The path in a socket address; 0: it has none, and the call is no business of ours. */
static long address_path(struct call *q, uint64_t at, uint64_t len, char path[ROOM + 1]) {
    struct sockaddr_un un;
    if (!at || len <= HEAD || len > sizeof un || peer_read(q, at, &un, len) < 0 || un.sun_family != AF_UNIX ||
        !un.sun_path[0])
        return 0;
    memcpy(path, un.sun_path, len - HEAD);
    path[len - HEAD] = 0;
    return 1;
}

/* Done by the caller, with the host's path; one that is too long for an address by way of its directory, which the
   caller has open for the moment. */
static long with_address(struct call *q, int address_at, int flags, bool waits) {
    char path[ROOM + 1], host[UR_PATH_MAX];
    uint64_t arg[6];
    memcpy(arg, q->arg, sizeof arg);
    if (!address_path(q, arg[address_at], (unsigned)arg[address_at + 1], path) || peer_fd(q, dirfd_of(q, 0)) < 0)
        return PASS;
    long ret = native(q, AT_FDCWD, path, flags);
    if (ret)
        return ret;
    ret = ur_real(&q->caller, AT_FDCWD, path, flags, host);
    if (ret < 0)
        return ret == -EEXIST ? -EADDRINUSE : ret;
    struct inject i;
    ret = inject_begin(&i, q, 2 * UR_PATH_MAX);
    if (ret < 0)
        return ret;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    long dir = -1;
    size_t len = strlen(host);
    if (len < ROOM)
        memcpy(un.sun_path, host, len + 1);
    else {
        char *slash = strrchr(host, '/');
        *slash = 0;
        const uint64_t open[6] = {(uint64_t)AT_FDCWD, inject_put(&i, host, strlen(host) + 1),
                                  O_PATH | O_DIRECTORY | O_CLOEXEC};
        dir = inject_do(&i, false, SYS_openat, open);
        int n = dir < 0 ? -1 : snprintf(un.sun_path, ROOM, "/proc/self/fd/%ld/%s", dir, slash + 1);
        ret = dir < 0 ? dir : n >= (int)ROOM ? -ENAMETOOLONG : 0;
    }
    if (ret == 0) {
        arg[address_at + 1] = HEAD + strlen(un.sun_path) + 1;
        arg[address_at] = inject_put(&i, &un, sizeof un);
        ret = inject_do(&i, waits, q->number, arg);
    }
    if (dir >= 0 && ret != GIVEN) {
        const uint64_t shut[6] = {(uint64_t)dir};
        inject_do(&i, false, SYS_close, shut);
    }
    inject_end(&i, ret);
    return GIVEN;
}

/* What is there already is no place for a socket: EADDRINUSE, before anything is made of it. */
long answer_bind(struct call *q) {
    char path[ROOM + 1];
    struct stat st;
    if (!address_path(q, q->arg[1], (unsigned)q->arg[2], path))
        return PASS;
    long ret = native(q, AT_FDCWD, path, UR_REAL_CREATE);
    if (ret)
        return ret;
    if ((ur_stat)(&q->caller, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return -EADDRINUSE;
    return with_address(q, 1, UR_REAL_CREATE, false);
}
long answer_connect(struct call *q) {
    return with_address(q, 1, 0, true);
}
long answer_sendto(struct call *q) {
    return with_address(q, 4, 0, true);
}

/* Makes the host's name the union's. False: it is none, or the same. */
static bool tell_union(struct call *q, struct sockaddr_un *un, uint32_t *len) {
    char path[ROOM + 1], told[UR_PATH_MAX];
    if (*len <= HEAD || *len > sizeof *un || un->sun_family != AF_UNIX || !un->sun_path[0])
        return false;
    memcpy(path, un->sun_path, *len - HEAD);
    path[*len - HEAD] = 0;
    long n = ur_union_path(&q->caller, path, told);
    if (n < 0 || strcmp(path, told) == 0)
        return false;
    size_t fits = (size_t)n < ROOM ? (size_t)n : ROOM;
    memset(un->sun_path, 0, ROOM);
    memcpy(un->sun_path, told, fits);
    *len = HEAD + (uint32_t)(fits < ROOM ? fits + 1 : ROOM);
    return true;
}

static long give_name(struct call *q, const struct sockaddr_un *un, uint32_t len, uint32_t room) {
    long ret = peer_write(q, q->arg[1], un, room < len ? room : len);
    return ret < 0 ? ret : peer_write(q, q->arg[2], &len, sizeof len);
}

/* Where its socket cannot be had here. */
static long name_by_caller(struct call *q, uint32_t room) {
    struct sockaddr_un un = {0};
    uint32_t len = sizeof un;
    struct inject i;
    if ((int)room < 0)
        return PASS;
    long ret = inject_begin(&i, q, sizeof un + sizeof len + 16);
    if (ret < 0)
        return ret == -EPERM ? PASS : ret;
    const uint64_t arg[6] = {q->arg[0], inject_put(&i, &un, sizeof un), inject_put(&i, &len, sizeof len)};
    ret = inject_do(&i, false, q->number, arg);
    if (ret == 0)
        ret = peer_read(q, arg[1], &un, sizeof un);
    if (ret == 0)
        ret = peer_read(q, arg[2], &len, sizeof len);
    if (ret == 0) {
        if (len > sizeof un)
            len = sizeof un; /* of no family that is known here */
        tell_union(q, &un, &len);
        ret = give_name(q, &un, len, room);
    }
    inject_end(&i, ret);
    return GIVEN;
}

/* A socket's name as the kernel tells it is the host's: it is told as the union's. One that is too long for an address
   is cut, as the kernel cuts what does not fit. */
static long name_of(struct call *q) {
    struct sockaddr_un un;
    uint32_t room, len = sizeof un;
    if (peer_read(q, q->arg[2], &room, sizeof room) < 0)
        return PASS;
    if (q->guard->fetches_none)
        return name_by_caller(q, room);
    long own = peer_fd(q, dirfd_of(q, 0));
    long ret = own < 0 ? own : UR_SYS(q->number, own, &un, &len, 0, 0, 0);
    if (ret < 0 || !tell_union(q, &un, &len))
        return PASS;
    return give_name(q, &un, len, room);
}
long answer_getsockname(struct call *q) {
    return name_of(q);
}
long answer_getpeername(struct call *q) {
    return name_of(q);
}

/* --- watches: on the caller's own inotify or fanotify group, of which a duplicate is ours, or by it itself --- */

static void put(void *arg, int fd, int with, int cloexec) {
    struct call *q = arg;
    struct seccomp_notif_addfd add = {.id = q->id,
                                      .flags = SECCOMP_ADDFD_FLAG_SETFD,
                                      .srcfd = (uint32_t)with,
                                      .newfd = (uint32_t)fd,
                                      .newfd_flags = (uint32_t)cloexec};
    listener_do(q->guard, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
}

long answer_inotify_add_watch(struct call *q) {
    char path[UR_PATH_MAX], host[UR_PATH_MAX];
    uint32_t mask = (uint32_t)q->arg[2];
    if (!(mask & IN_ALL_EVENTS))
        return PASS; /* EINVAL, before anything is looked at */
    int flags = mask & IN_DONT_FOLLOW ? UR_REAL_NOFOLLOW : 0;
    long ret = path_of(q, 1, path);
    if (ret == 0)
        ret = native(q, AT_FDCWD, path, flags);
    if (ret)
        return ret;
    ret = ur_watched(&q->caller, AT_FDCWD, path, flags, mask, &(struct ur_replacer){put, q}, host);
    if (ret >= 0 && q->guard->fetches_none)
        return caller_does(q, 1, host, false, q->number, q->arg);
    long own = ret < 0 ? ret : peer_fd(q, dirfd_of(q, 0));
    return own < 0 ? own : UR_SYS(SYS_inotify_add_watch, own, host, mask, 0, 0, 0);
}

long answer_fanotify_mark(struct call *q) {
    char path[UR_PATH_MAX], host[UR_PATH_MAX];
    int dirfd = dirfd_of(q, 3);
    if (!q->arg[4])
        return PASS;
    long ret = path_of(q, 4, path);
    if (ret == 0)
        ret = native(q, dirfd, path, 0);
    if (ret)
        return ret;
    bool inode = !(q->arg[1] & (FAN_MARK_MOUNT | FAN_MARK_FILESYSTEM)); /* the others are the host's */
    ret = ur_watched(&q->caller, dirfd, path, 0, inode ? q->arg[2] : 0, &(struct ur_replacer){put, q}, host);
    if (ret >= 0 && q->guard->fetches_none) {
        const uint64_t arg[6] = {q->arg[0], q->arg[1], q->arg[2], (uint64_t)AT_FDCWD};
        return caller_does(q, 4, host, false, q->number, arg);
    }
    long own = ret < 0 ? ret : peer_fd(q, dirfd_of(q, 0));
    return own < 0 ? own : UR_SYS(SYS_fanotify_mark, own, q->arg[1], q->arg[2], AT_FDCWD, host, 0);
}

/* --- handles: told, and never opened (open_by_handle_at is refused) --- */

long answer_name_to_handle_at(struct call *q) {
    enum { HANDLE_MAX = 128 };
    char path[UR_PATH_MAX], host[UR_PATH_MAX];
    int dirfd = dirfd_of(q, 0), flags = (int)q->arg[4], mount = 0;
    long ret = path_of(q, 1, path);
    if (ret)
        return ret;
    if (!*path)
        return PASS;
    int how = flags & AT_SYMLINK_FOLLOW ? 0 : UR_REAL_NOFOLLOW;
    ret = native(q, dirfd, path, how);
    if (ret)
        return ret;
    union {
        struct file_handle head;
        char room[sizeof(struct file_handle) + HANDLE_MAX];
    } handle;
    ret = peer_read(q, q->arg[2], &handle.head, sizeof handle.head);
    if (ret == 0 && handle.head.handle_bytes > HANDLE_MAX)
        ret = -EINVAL;
    if (ret == 0)
        ret = ur_real(&q->caller, dirfd, path, how, host);
    if (ret < 0)
        return ret;
    long done = UR_SYS(SYS_name_to_handle_at, AT_FDCWD, host, &handle, &mount, flags, 0);
    size_t told = sizeof handle.head + (done == 0 ? handle.head.handle_bytes : 0);
    if (done == 0 || done == -EOVERFLOW) {
        ret = peer_write(q, q->arg[2], &handle, told);
        if (ret == 0)
            ret = peer_write(q, q->arg[3], &mount, sizeof mount);
    }
    return ret < 0 ? ret : done;
}
