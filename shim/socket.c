/*
 * Sockets in the filesystem (AF_UNIX): a name that goes to the kernel is made the host's, one that comes from it
 * the union's. All other addresses, and calls without one, go straight through.
 *
 * The kernel takes 107 bytes. A longer host path goes by way of its directory, opened for the moment:
 * /proc/self/fd/N/NAME. (A socket bound so keeps that as its name, which tells others nothing.)
 */
#include "shim.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

int __connect(int fd, const struct sockaddr *addr, socklen_t len);
ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t room, int flags, struct sockaddr *addr, socklen_t *len);

enum { HEAD = offsetof(struct sockaddr_un, sun_path), ROOM = sizeof(((struct sockaddr_un *)0)->sun_path) };

/* A call that may wait, and so is a cancellation point: a server's thread is cancelled in accept, not after it. Only
   what names a host path goes by the gate. */
static long waits(long nr, long a, const void *b, long c, long d, const void *e, long f) {
    return ur_cancel_wait(ur_plain6, nr, a, b, c, d, e, f);
}

/* An address on its way to the kernel. */
struct outgoing {
    const struct sockaddr *addr;
    socklen_t len;
    int dir; /* to be closed after the call; -1: none */
    struct sockaddr_un un;
};

static void close_dir(void *outgoing) {
    const struct outgoing *o = outgoing;
    if (o->dir >= 0)
        sys_close(o->dir);
}

/* The call with this address, which to_host has seen to. */
static long goes_to(const struct outgoing *o, long nr, long a, const void *b, long c, long d, const void *e, long f) {
    bool raw = o->addr == (const struct sockaddr *)(const void *)&o->un;
    struct ur_cleanup cleanup;
    ur_cleanup_push(&cleanup, close_dir, (void *)(uintptr_t)o);
    long ret = ur_cancel_wait(raw ? ur_syscall6 : ur_plain6, nr, a, b, c, d, e, f);
    ur_cleanup_pop(&cleanup);
    return ret;
}

static bool names_file(const struct sockaddr *addr, socklen_t len) {
    return addr && len > HEAD && len <= sizeof(struct sockaddr_un) && ur_can_read(UR_SELF, addr, len) &&
           addr->sa_family == AF_UNIX && ((const struct sockaddr_un *)(const void *)addr)->sun_path[0];
}

static long by_directory(struct outgoing *o, char *real) {
    char *slash = strrchr(real, '/');
    size_t len = strlen(slash + 1);
    *slash = 0;
    long dir = sys_open(*real ? real : "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (dir < 0)
        return dir;
    char *at = ur_put(o->un.sun_path, o->un.sun_path + ROOM, "/proc/self/fd/", 14);
    at = ur_put(ur_put_number(at, o->un.sun_path + ROOM, (uint64_t)dir, 10), o->un.sun_path + ROOM, "/", 1);
    size_t n = (size_t)(at - o->un.sun_path);
    if (n + len >= ROOM) {
        sys_close((int)dir);
        return -ENAMETOOLONG;
    }
    memcpy(o->un.sun_path + n, slash + 1, len + 1);
    o->len = (socklen_t)(HEAD + n + len + 1);
    o->dir = (int)dir;
    return 0;
}

static long to_host(struct outgoing *o, const char *call, const struct sockaddr *addr, socklen_t len, int flags) {
    o->addr = addr;
    o->len = len;
    o->dir = -1;
    if (!names_file(addr, len) || !ur_in_session())
        return 0;
    char path[ROOM + 1];
    memcpy(path, ((const struct sockaddr_un *)(const void *)addr)->sun_path, len - HEAD);
    path[len - HEAD] = 0;
    UR_PATH_BUFFER(real);
    const struct ur_caller me = ur_asking(UR_SELF, call);
    long n = real ? ur_real(&me, AT_FDCWD, path, flags, real) : -ENOMEM;
    if (n < 0)
        return n;
    if (strcmp(real, path) == 0) /* the host's own: as it was said */
        return 0;
    o->un.sun_family = AF_UNIX;
    o->addr = (const struct sockaddr *)(const void *)&o->un;
    if ((size_t)n >= ROOM)
        return by_directory(o, real);
    memcpy(o->un.sun_path, real, (size_t)n + 1);
    o->len = (socklen_t)(HEAD + (size_t)n + 1);
    return 0;
}

static long sent(struct outgoing *o, long ret) {
    close_dir(o);
    return ret;
}

/* An address that came from the kernel (`len` bytes in `from`) handed to the caller as the kernel would: cut to his
   room, the length told in full. 0, or -EFAULT as the kernel's. */
static long from_kernel(struct sockaddr_storage *from, socklen_t len, struct sockaddr *addr, socklen_t room,
                        socklen_t *told) {
    struct sockaddr_un *un = (struct sockaddr_un *)(void *)from;
    if (len > HEAD && len <= sizeof *un && un->sun_family == AF_UNIX && un->sun_path[0] == '/') {
        UR_PATH_BUFFER(text);
        char path[ROOM + 1];
        memcpy(path, un->sun_path, len - HEAD);
        path[len - HEAD] = 0;
        long n = text ? ur_union_path(UR_SELF, path, text) : -1;
        if (n > 0) {
            size_t fits = (size_t)n < ROOM ? (size_t)n + 1 : ROOM;
            memcpy(un->sun_path, text, fits);
            len = (socklen_t)(HEAD + fits);
        }
    }
    if (!ur_can_write(UR_SELF, addr, len < room ? len : room) || !ur_can_write(UR_SELF, told, sizeof *told))
        return -EFAULT;
    memcpy(addr, from, len < room ? len : room);
    *told = len;
    return 0;
}

/* --- to the kernel -------------------------------------------------------------------------------------------- */

long ur_bind(int fd, const struct sockaddr *addr, socklen_t len) {
    struct outgoing o;
    long ret = to_host(&o, "bind", addr, len, UR_REAL_CREATE | UR_REAL_NOFOLLOW);
    if (ret < 0)
        return ret == -EEXIST ? -EADDRINUSE : ret;
    return sent(&o, UR_SYS(SYS_bind, fd, o.addr, o.len, 0, 0, 0));
}

UR_EXPORT int bind(int fd, const struct sockaddr *addr, socklen_t len) {
    return (int)ur_edge(ur_bind(fd, addr, len));
}

long ur_connect(int fd, const struct sockaddr *addr, socklen_t len) {
    struct outgoing o;
    long ret = to_host(&o, "connect", addr, len, 0);
    return ret < 0 ? ret : sent(&o, goes_to(&o, SYS_connect, fd, o.addr, o.len, 0, NULL, 0));
}

UR_EXPORT int connect(int fd, const struct sockaddr *addr, socklen_t len) {
    ur_cancel_point();
    return (int)ur_edge(ur_connect(fd, addr, len));
}
UR_TWIN(__connect, connect)

UR_EXPORT ssize_t sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *addr, socklen_t len) {
    struct outgoing o;
    ur_cancel_point();
    long ret = to_host(&o, "sendto", addr, len, 0);
    return ur_edge(ret < 0 ? ret : sent(&o, goes_to(&o, SYS_sendto, fd, buf, (long)n, flags, o.addr, o.len)));
}

/* A message as libc passes it on. musl's structures have 32 bits where the kernel's have 64, and in the other half
   stands what was there before: its own functions clear that. */
typedef ssize_t message_fn(int, struct msghdr *, int);
static long by_libc(long ret) {
    return ret < 0 ? -errno : ret;
}
static long pass_out(int fd, const struct msghdr *msg, int flags) {
    static _Atomic(void *) next;
    message_fn *libc_sendmsg = ur_in_glibc() ? NULL : (message_fn *)ur_next(&next, "sendmsg");
    return libc_sendmsg ? by_libc(libc_sendmsg(fd, (struct msghdr *)(uintptr_t)msg, flags))
                        : waits(SYS_sendmsg, fd, msg, flags, 0, NULL, 0);
}
static long pass_in(int fd, struct msghdr *msg, int flags) {
    static _Atomic(void *) next;
    message_fn *libc_recvmsg = ur_in_glibc() ? NULL : (message_fn *)ur_next(&next, "recvmsg");
    return libc_recvmsg ? by_libc(libc_recvmsg(fd, msg, flags)) : waits(SYS_recvmsg, fd, msg, flags, 0, NULL, 0);
}

static long send_message(int fd, const struct msghdr *msg, int flags) {
    ur_cancel_point();
    if (!ur_can_read(UR_SELF, msg, sizeof *msg) || !names_file(msg->msg_name, msg->msg_namelen) ||
        (!ur_in_glibc() && ur_guarded()))
        return pass_out(fd, msg, flags);
    struct outgoing o;
    long ret = to_host(&o, "sendmsg", msg->msg_name, msg->msg_namelen, 0);
    if (ret < 0)
        return ret;
    struct msghdr m = *msg;
    m.msg_name = (void *)(uintptr_t)o.addr;
    m.msg_namelen = o.len;
    return sent(&o, ur_in_glibc() ? goes_to(&o, SYS_sendmsg, fd, &m, flags, 0, NULL, 0) : pass_out(fd, &m, flags));
}

UR_EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags) {
    return ur_edge(send_message(fd, msg, flags));
}

/* One by one if any of them names a file; in musl, as that does it, in any case. */
UR_EXPORT int sendmmsg(int fd, struct mmsghdr *list, unsigned n, int flags) {
    unsigned i = 0;
    bool known = ur_in_session() && ur_can_read(UR_SELF, list, n * sizeof *list);
    if (known)
        while (i < n && !names_file(list[i].msg_hdr.msg_name, list[i].msg_hdr.msg_namelen))
            i++;
    if (ur_in_glibc() && (!known || i == n))
        return (int)ur_edge(waits(SYS_sendmmsg, fd, list, n, flags, NULL, 0));
    for (i = 0; i < n; i++) {
        long ret = send_message(fd, &list[i].msg_hdr, flags);
        if (ret < 0)
            return i ? (int)i : (int)ur_edge(ret);
        list[i].msg_len = (unsigned)ret;
    }
    return (int)n;
}

/* --- from the kernel ------------------------------------------------------------------------------------------ */

/* Is there a place for an address? Else the kernel, asked as we were, says what is wrong. */
static bool takes_name(const struct sockaddr *addr, const socklen_t *len) {
    return addr && len && ur_in_session() && ur_can_read(UR_SELF, len, sizeof *len) &&
           ur_can_read(UR_SELF, addr, *len < sizeof(struct sockaddr_storage) ? *len : sizeof(struct sockaddr_storage));
}

/* A call that fills in an address, and does no more with its arguments (but for accept4's flags). */
static int told_name(long nr, int fd, struct sockaddr *addr, socklen_t *len, int flags) {
    bool direct = !takes_name(addr, len);
    struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
    socklen_t room = direct ? 0 : *len, n = sizeof from;
    if (room > INT_MAX)
        return (int)ur_edge(-EINVAL);
    const void *to = direct ? (const void *)addr : &from;
    socklen_t *to_len = direct ? len : &n;
    long ret = nr == SYS_accept || nr == SYS_accept4 ? waits(nr, fd, to, (long)to_len, flags, NULL, 0)
                                                     : UR_SYS(nr, fd, to, to_len, flags, 0, 0);
    if (ret >= 0 && !direct && from_kernel(&from, n, addr, room, len) < 0) {
        if (nr == SYS_accept || nr == SYS_accept4)
            sys_close((int)ret);
        ret = -EFAULT;
    }
    return (int)ur_edge(ret);
}

UR_EXPORT int getsockname(int fd, struct sockaddr *addr, socklen_t *len) {
    return told_name(SYS_getsockname, fd, addr, len, 0);
}

UR_EXPORT int getpeername(int fd, struct sockaddr *addr, socklen_t *len) {
    return told_name(SYS_getpeername, fd, addr, len, 0);
}

UR_EXPORT int accept(int fd, struct sockaddr *addr, socklen_t *len) {
    return told_name(SYS_accept, fd, addr, len, 0);
}

UR_EXPORT int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags) {
    return told_name(SYS_accept4, fd, addr, len, flags);
}

static ssize_t receive(int fd, void *buf, size_t n, int flags, struct sockaddr *addr, socklen_t *len) {
    if (!takes_name(addr, len))
        return ur_edge(waits(SYS_recvfrom, fd, buf, (long)n, flags, addr, (long)len));
    struct sockaddr_storage from;
    socklen_t room = *len, got = sizeof from;
    if (room > INT_MAX)
        return ur_edge(-EINVAL);
    long ret = waits(SYS_recvfrom, fd, buf, (long)n, flags, &from, (long)&got);
    if (ret >= 0 && from_kernel(&from, got, addr, room, len) < 0)
        ret = -EFAULT;
    return ur_edge(ret);
}

UR_EXPORT ssize_t recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *addr, socklen_t *len) {
    return receive(fd, buf, n, flags, addr, len);
}

UR_EXPORT ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t room, int flags, struct sockaddr *addr,
                                 socklen_t *len) {
    if (n > room)
        ur_chk_fail();
    return receive(fd, buf, n, flags, addr, len);
}

UR_EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags) {
    if (!ur_can_read(UR_SELF, msg, sizeof *msg) || !msg->msg_name || !msg->msg_namelen || !ur_in_session())
        return ur_edge(pass_in(fd, msg, flags));
    struct sockaddr_storage from;
    struct msghdr m = *msg;
    m.msg_name = &from;
    m.msg_namelen = sizeof from;
    long ret = pass_in(fd, &m, flags);
    if (ret >= 0 && from_kernel(&from, m.msg_namelen, msg->msg_name, msg->msg_namelen, &msg->msg_namelen) < 0)
        ret = -EFAULT;
    if (ret >= 0) {
        msg->msg_controllen = m.msg_controllen;
        msg->msg_flags = m.msg_flags;
    }
    return ur_edge(ret);
}

/* The kernel takes no more than this at once. */
enum { MESSAGES = 1024 };

/* Room for the senders' names, as the kernel tells them. */
struct senders {
    struct mmsghdr list[MESSAGES];
    struct sockaddr_storage from[MESSAGES];
};

static void clear_halves(struct mmsghdr *list, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        list[i].msg_hdr.msg_iovlen = (unsigned)list[i].msg_hdr.msg_iovlen;
        list[i].msg_hdr.msg_controllen = (unsigned)list[i].msg_hdr.msg_controllen;
    }
}

UR_EXPORT int recvmmsg(int fd, struct mmsghdr *list, unsigned n, int flags, struct timespec *timeout) {
    unsigned i = 0;
    n = n > MESSAGES ? MESSAGES : n;
    if (!ur_in_glibc())
        clear_halves(list, n);
    if (ur_in_session())
        while (i < n && !(list[i].msg_hdr.msg_name && list[i].msg_hdr.msg_namelen))
            i++;
    if (!ur_in_session() || i == n)
        return (int)ur_edge(waits(SYS_recvmmsg, fd, list, n, flags, timeout, 0));
    struct senders *s = ur_pages_get(sizeof *s);
    if (!s)
        return (int)ur_edge(-ENOMEM);
    for (i = 0; i < n; i++) {
        s->list[i] = list[i];
        if (list[i].msg_hdr.msg_name) {
            s->list[i].msg_hdr.msg_name = &s->from[i];
            s->list[i].msg_hdr.msg_namelen = sizeof s->from[i];
        }
    }
    long ret = waits(SYS_recvmmsg, fd, s->list, n, flags, timeout, 0);
    for (i = 0; (long)i < ret; i++) {
        struct msghdr *to = &list[i].msg_hdr, *got = &s->list[i].msg_hdr;
        if (to->msg_name &&
            from_kernel(&s->from[i], got->msg_namelen, to->msg_name, to->msg_namelen, &to->msg_namelen) < 0) {
            ret = i ? (long)i : -EFAULT;
            break;
        }
        to->msg_controllen = got->msg_controllen;
        to->msg_flags = got->msg_flags;
        list[i].msg_len = s->list[i].msg_len;
    }
    ur_pages_put(s, sizeof *s);
    return (int)ur_edge(ret);
}

/* --- for syscall() ---------------------------------------------------------------------------------------------- */

#define UR_LENT(name)                                                                                                  \
    _Pragma("GCC diagnostic push") UR_TWIN_QUIETLY extern __typeof(name) ur_hook_##name                                \
        __attribute__((alias(#name), visibility("hidden")));                                                           \
    _Pragma("GCC diagnostic pop")
UR_LENT(sendto)
UR_LENT(sendmsg)
UR_LENT(sendmmsg)
UR_LENT(recvfrom)
UR_LENT(recvmsg)
UR_LENT(recvmmsg)
UR_LENT(accept)
UR_LENT(accept4)
UR_LENT(getsockname)
UR_LENT(getpeername)
