/* Sockets in the filesystem, watches, and system calls by number. */
#include "calls.h"

#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <utime.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

int __connect(int fd, const struct sockaddr *addr, socklen_t len);
ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t room, int flags, struct sockaddr *addr, socklen_t *len);

/* --- sockets: absolute names, as those that are told back are -------------------------------------------------- */

static struct sockaddr_un server_addr, client_addr;

static struct sockaddr *name(struct sockaddr_un *un, const struct paths *p, const char *what) {
    char cwd[4096];
    memset(un, 0, sizeof *un);
    un->sun_family = AF_UNIX;
    int n = snprintf(un->sun_path, sizeof un->sun_path, "%s/%s-%s", getcwd(cwd, sizeof cwd), p->fresh, what);
    if (n >= (int)sizeof un->sun_path) /* the workspace lies too deep for it: then by its short name */
        snprintf(un->sun_path, sizeof un->sun_path, "%s-%s", p->fresh, what);
    return (struct sockaddr *)(void *)un;
}

static const char *last_part(const struct sockaddr_un *un, socklen_t len) {
    static char text[200];
    if (len <= offsetof(struct sockaddr_un, sun_path))
        return "no name";
    const char *slash = strrchr(un->sun_path, '/');
    snprintf(text, sizeof text, "%s%s", un->sun_path[0] == '/' ? "/.../" : "", slash ? slash + 1 : un->sun_path);
    return text;
}

static int stream_server(const struct paths *p) {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CALL(bind(fd, name(&server_addr, p, "server"), sizeof server_addr));
    say("%d", listen(fd, 5));
    return fd;
}

static void say_peer(const char *what, const struct sockaddr_un *un, socklen_t len) {
    say("%s: %s, as it was bound: %d", what, last_part(un, len),
        strcmp(un->sun_path, server_addr.sun_path) == 0 || strcmp(un->sun_path, client_addr.sun_path) == 0);
}

static void streams(const struct paths *p, int (*take)(int, struct sockaddr *, socklen_t *),
                    int (*reach)(int, const struct sockaddr *, socklen_t)) {
    struct sockaddr_un un = {0};
    socklen_t len = sizeof un;
    int server = stream_server(p), client = socket(AF_UNIX, SOCK_STREAM, 0);
    say_path("n");
    struct stat st;
    say("a socket: %d", stat(server_addr.sun_path, &st) == 0 && S_ISSOCK(st.st_mode));
    CALL(bind(client, name(&client_addr, p, "client"), sizeof client_addr));
    CALL(reach(client, (struct sockaddr *)&server_addr, sizeof server_addr));
    int conn = (int)CALL(take(server, (struct sockaddr *)&un, &len));
    say_peer("accepted", &un, len);
    memset(&un, 0, sizeof un);
    len = sizeof un;
    CALL(getpeername(client, (struct sockaddr *)&un, &len));
    say_peer("peer", &un, len);
    memset(&un, 0, sizeof un);
    len = sizeof un;
    CALL(getsockname(server, (struct sockaddr *)&un, &len));
    say_peer("own", &un, len);
    len = 4;
    CALL(getsockname(server, (struct sockaddr *)&un, &len));
    say("told more than room: %d", len > 4);
    char c;
    say("%zd", write(client, "x", 1));
    say("%zd", read(conn, &c, 1));
    close(conn);
    close(client);
    int again = socket(AF_UNIX, SOCK_STREAM, 0);
    CALL(bind(again, (struct sockaddr *)&server_addr, sizeof server_addr));
    close(server);
    CALL(reach(again, (struct sockaddr *)&server_addr, sizeof server_addr));
    CALL(unlink(server_addr.sun_path));
    CALL(reach(again, (struct sockaddr *)&server_addr, sizeof server_addr));
    close(again);
}
static int take4(int fd, struct sockaddr *addr, socklen_t *len) {
    return accept4(fd, addr, len, SOCK_CLOEXEC);
}
static int take(int fd, struct sockaddr *addr, socklen_t *len) {
    return accept(fd, addr, len);
}
static int reach(int fd, const struct sockaddr *addr, socklen_t len) {
    return connect(fd, addr, len);
}
#define STREAM_TESTS(symbol, accept, connect)                                                                          \
    TEST(symbol) {                                                                                                     \
        streams(p, accept, connect);                                                                                   \
    }
STREAM_TESTS(bind, take, reach)
STREAM_TESTS(connect, take, reach)
STREAM_TESTS(__connect, take, __connect)
STREAM_TESTS(accept, take, reach)
STREAM_TESTS(accept4, take4, reach)
STREAM_TESTS(getsockname, take, reach)
STREAM_TESTS(getpeername, take, reach)

TEST(bind_over_removed) {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    strcpy(un.sun_path, p->file);
    CALL(bind(fd, (struct sockaddr *)&un, sizeof un));
    CALL(unlink(p->file));
    CALL(bind(fd, (struct sockaddr *)&un, sizeof un));
    struct stat st;
    say("a socket: %d", lstat(p->file, &st) == 0 && S_ISSOCK(st.st_mode));
    close(fd);
}

static void datagrams(const struct paths *p, ssize_t (*send)(int, const struct sockaddr_un *),
                      ssize_t (*receive)(int, struct sockaddr_un *, socklen_t *)) {
    struct sockaddr_un un = {0};
    socklen_t len = 0;
    int server = socket(AF_UNIX, SOCK_DGRAM, 0), client = socket(AF_UNIX, SOCK_DGRAM, 0);
    CALL(bind(server, name(&server_addr, p, "server"), sizeof server_addr));
    CALL(bind(client, name(&client_addr, p, "client"), sizeof client_addr));
    say("%zd", send(client, &server_addr));
    say("%zd", receive(server, &un, &len));
    say_peer("from", &un, len);
    unlink(server_addr.sun_path);
    say("%zd %s", send(client, &server_addr), strerrorname_np(errno));
    close(server);
    close(client);
}
static struct iovec hello(void) {
    static char text[6];
    strcpy(text, "hello");
    return (struct iovec){text, 5};
}
static ssize_t by_sendto(int fd, const struct sockaddr_un *to) {
    return sendto(fd, "hello", 5, 0, (const struct sockaddr *)to, sizeof *to);
}
static ssize_t by_sendmsg(int fd, const struct sockaddr_un *to) {
    struct iovec iov = hello();
    struct msghdr m = {.msg_name = (void *)(size_t)to, .msg_namelen = sizeof *to, .msg_iov = &iov, .msg_iovlen = 1};
    return sendmsg(fd, &m, 0);
}
static ssize_t by_sendmmsg(int fd, const struct sockaddr_un *to) {
    struct iovec iov = hello();
    struct mmsghdr m = {
        .msg_hdr = {.msg_name = (void *)(size_t)to, .msg_namelen = sizeof *to, .msg_iov = &iov, .msg_iovlen = 1}};
    int n = sendmmsg(fd, &m, 1, 0);
    return n < 0 ? -1 : n * 100 + (int)m.msg_len;
}
static char got[16];
static ssize_t by_recvfrom(int fd, struct sockaddr_un *from, socklen_t *len) {
    *len = sizeof *from;
    return recvfrom(fd, got, sizeof got, 0, (struct sockaddr *)from, len);
}
static ssize_t by_recvfrom_chk(int fd, struct sockaddr_un *from, socklen_t *len) {
    *len = sizeof *from;
    return __recvfrom_chk(fd, got, sizeof got, sizeof got, 0, (struct sockaddr *)from, len);
}
static ssize_t by_recvmsg(int fd, struct sockaddr_un *from, socklen_t *len) {
    struct iovec iov = {got, sizeof got};
    struct msghdr m = {.msg_name = from, .msg_namelen = sizeof *from, .msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n = recvmsg(fd, &m, 0);
    *len = m.msg_namelen;
    return n;
}
/* The second message is there already; without a name asked for in the third there is none told. */
static ssize_t by_recvmmsg(int fd, struct sockaddr_un *from, socklen_t *len) {
    struct sockaddr_un other = {0};
    struct iovec iov = {got, sizeof got};
    struct mmsghdr m[3] = {
        {.msg_hdr = {.msg_name = from, .msg_namelen = sizeof *from, .msg_iov = &iov, .msg_iovlen = 1}},
        {.msg_hdr = {.msg_name = &other, .msg_namelen = 4, .msg_iov = &iov, .msg_iovlen = 1}},
        {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}},
    };
    say("%zd %zd", by_sendto(fd, &server_addr), by_sendto(fd, &server_addr));
    int n = recvmmsg(fd, m, 3, 0, NULL);
    *len = m[0].msg_hdr.msg_namelen;
    say("a second name cut to its room: %d, told in full: %d", other.sun_path[3] == 0, m[1].msg_hdr.msg_namelen > 4);
    say("%u %u %u", m[0].msg_len, m[1].msg_len, m[2].msg_len);
    m[2].msg_hdr.msg_iovlen = 0;
    CALL(recvmmsg(fd, m + 2, 1, MSG_DONTWAIT, NULL));
    CALL(recvmmsg(-1, m, 1, 0, NULL));
    return n;
}
#define DATAGRAM_TESTS(symbol, send, receive)                                                                          \
    TEST(symbol) {                                                                                                     \
        datagrams(p, send, receive);                                                                                   \
    }
DATAGRAM_TESTS(sendto, by_sendto, by_recvfrom)
DATAGRAM_TESTS(sendmsg, by_sendmsg, by_recvfrom)
DATAGRAM_TESTS(sendmmsg, by_sendmmsg, by_recvfrom)
DATAGRAM_TESTS(recvfrom, by_sendto, by_recvfrom)
DATAGRAM_TESTS(__recvfrom_chk, by_sendto, by_recvfrom_chk)
DATAGRAM_TESTS(recvmsg, by_sendto, by_recvmsg)
DATAGRAM_TESTS(recvmmsg, by_sendto, by_recvmmsg)

static ssize_t by_number_to(int fd, const struct sockaddr_un *to) {
    struct iovec iov = hello();
    struct mmsghdr m = {
        .msg_hdr = {.msg_name = (void *)(size_t)to, .msg_namelen = sizeof *to, .msg_iov = &iov, .msg_iovlen = 1}};
    CALL(syscall(SYS_sendto, fd, "hello", 5, 0, to, sizeof *to));
    CALL(syscall(SYS_sendmsg, fd, &m.msg_hdr, 0));
    return syscall(SYS_sendmmsg, fd, &m, 1, 0);
}
static ssize_t by_number_from(int fd, struct sockaddr_un *from, socklen_t *len) {
    struct iovec iov = {got, sizeof got};
    struct mmsghdr m = {.msg_hdr = {.msg_name = from, .msg_namelen = sizeof *from, .msg_iov = &iov, .msg_iovlen = 1}};
    *len = sizeof *from;
    CALL(syscall(SYS_recvfrom, fd, got, sizeof got, 0, from, len));
    say_peer("from", from, *len);
    memset(from, 0, sizeof *from);
    CALL(syscall(SYS_recvmsg, fd, &m.msg_hdr, 0));
    say_peer("from", from, m.msg_hdr.msg_namelen);
    memset(from, 0, sizeof *from);
    m.msg_hdr.msg_namelen = sizeof *from;
    ssize_t n = syscall(SYS_recvmmsg, fd, &m, 1, 0, NULL);
    *len = m.msg_hdr.msg_namelen;
    return n;
}
DATAGRAM_TESTS(datagrams_by_number, by_number_to, by_number_from)
static int take_by_number(int fd, struct sockaddr *addr, socklen_t *len) {
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    CALL(syscall(SYS_bind, other, &server_addr, sizeof server_addr));
    CALL(syscall(SYS_connect, other, &server_addr, sizeof server_addr));
    int conn = (int)syscall(SYS_accept4, fd, addr, len, SOCK_CLOEXEC), next;
    CALL(next = (int)syscall(SYS_accept, fd, NULL, NULL));
    close(next);
    close(other);
    CALL(syscall(SYS_getsockname, conn, addr, len));
    say_peer("own", (const struct sockaddr_un *)(const void *)addr, *len);
    *len = sizeof(struct sockaddr_un);
    CALL(syscall(SYS_getpeername, conn, addr, len));
    return conn;
}
static int reach_by_number(int fd, const struct sockaddr *addr, socklen_t len) {
    return (int)syscall(SYS_connect, fd, addr, len);
}
STREAM_TESTS(streams_by_number, take_by_number, reach_by_number)

TEST(recvfrom_connected) {
    int pair[2];
    say("%d", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    struct sockaddr_un un;
    socklen_t len = sizeof un;
    say("%zd", write(pair[0], "x", 1));
    CALL(recvfrom(pair[1], got, 1, 0, (struct sockaddr *)&un, &len));
    say("%d", (int)len);
}

/* --- watches ----------------------------------------------------------------------------------------------------- */

TEST(inotify_add_watch) {
    char event[sizeof(struct inotify_event) + NAME_MAX + 1], inside[128];
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    CALL(inotify_add_watch(fd, p->dir, IN_CREATE) >= 0 ? 0 : -1);
    snprintf(inside, sizeof inside, "%s/new", p->dir);
    close(creat(inside, 0644));
    ssize_t n = read(fd, event, sizeof event);
    say("told of %s", n > 0 ? ((struct inotify_event *)(void *)event)->name : "nothing");
    CALL(inotify_add_watch(fd, p->absent, IN_CREATE));
    CALL(inotify_add_watch(fd, p->file, IN_ONLYDIR | IN_CREATE));
    CALL(inotify_add_watch(fd, p->link, IN_DONT_FOLLOW | IN_ATTRIB) >= 0 ? 0 : -1);
    close(fd);
}

/* What happened, of what was asked for; each kind once. */
static void say_events(int fd, uint32_t wanted) {
    char events[4096] __attribute__((aligned(8)));
    uint32_t seen = 0;
    ssize_t n;
    while ((n = read(fd, events, sizeof events)) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *e = (void *)(events + at);
            seen |= e->mask & wanted;
            at += (ssize_t)(sizeof *e + e->len);
        }
    say("  events %x", seen);
}
TEST(watched_file) { /* also if it is copied up later */
    const uint32_t wanted =
        IN_OPEN | IN_ACCESS | IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF;
    char text[8];
    int fd = inotify_init1(IN_NONBLOCK), other = inotify_init1(IN_NONBLOCK);
    CALL(inotify_add_watch(fd, p->file, wanted) > 0 ? 0 : -1);
    CALL(inotify_add_watch(other, p->link, IN_MODIFY) > 0 ? 0 : -1);
    int file = open(p->file, O_RDWR);
    say("%zd %zd", read(file, text, sizeof text), write(file, "more", 4));
    close(file);
    say_events(fd, wanted);
    say_events(other, IN_MODIFY);
    CALL(chmod(p->file, 0600));
    CALL(rename(p->file, p->fresh));
    say_events(fd, IN_ATTRIB | IN_MOVE_SELF);
    CALL(unlink(p->fresh));
    say_events(fd, IN_DELETE_SELF);
    close(fd);
    close(other);
}
TEST(watched_log) { /* opened first, and then watched */
    char text[32];
    int fd = inotify_init1(IN_NONBLOCK), file = open(p->file, O_RDONLY | O_CLOEXEC), kept = open(p->file, O_RDONLY);
    say("%zd", read(file, text, 4));
    CALL(inotify_add_watch(fd, p->file, IN_MODIFY) > 0 ? 0 : -1);
    int writer = open(p->file, O_WRONLY | O_APPEND);
    say("%zd", write(writer, "more", 4));
    close(writer);
    say_events(fd, IN_MODIFY);
    int n = (int)read(file, text, sizeof text);
    say("%.*s", n, text);
    n = (int)read(kept, text, sizeof text);
    say("%.*s, %x %x", n, text, fcntl(file, F_GETFD), fcntl(kept, F_GETFD));
    close(file);
    close(kept);
    close(fd);
}
TEST(watched_directory) { /* in which both layers have something */
    char name[128];
    int fd = inotify_init1(IN_NONBLOCK);
    CALL(inotify_add_watch(fd, p->dir, IN_MODIFY | IN_CLOSE_WRITE) > 0 ? 0 : -1);
    static const char *const names[] = {"low", "high", "both", "new"};
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s/%s", p->dir, names[i]);
        int file = open(name, O_WRONLY | O_CREAT | O_APPEND, 0644);
        say("%s: %zd", names[i], write(file, "more", 4));
        close(file);
        say_events(fd, IN_MODIFY | IN_CLOSE_WRITE);
    }
    close(fd);
}
/* What a watcher takes a name for, by the last that it was told of it. */
static void say_taken_for(int fd, const char *name, bool *there) {
    char events[4096] __attribute__((aligned(8)));
    ssize_t n;
    bool changed = false;
    while ((n = read(fd, events, sizeof events)) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *e = (void *)(events + at);
            at += (ssize_t)(sizeof *e + e->len);
            if (!e->len || strcmp(e->name, name) != 0)
                continue;
            if (e->mask & (IN_CREATE | IN_MOVED_TO))
                *there = true;
            if (e->mask & (IN_DELETE | IN_MOVED_FROM))
                *there = false;
            changed = changed || e->mask & (IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE);
        }
    say("  %s is %sthere%s", name, *there ? "" : "not ", changed ? ", changed" : "");
}
TEST(watched_names) { /* of a directory that both layers have: deleted, made again, replaced, moved */
    char path[3][128];
    static const char *const names[] = {"low", "high", "both"};
    int fd = inotify_init1(IN_NONBLOCK);
    CALL(inotify_add_watch(fd, p->dir, IN_ALL_EVENTS) > 0 ? 0 : -1);
    for (int i = 0; i < 3; i++)
        snprintf(path[i], sizeof path[i], "%s/%s", p->dir, names[i]);
    for (int i = 0; i < 3; i++) {
        bool there = true;
        say("%s", names[i]);
        if (i != 1) { /* what is deleted is a copy that a change has made; or a lower's file */
            CALL(truncate(path[i], 1));
            say_taken_for(fd, names[i], &there);
        }
        CALL(unlink(path[i]));
        say_taken_for(fd, names[i], &there);
        CALL(close(open(path[i], O_CREAT | O_EXCL | O_WRONLY, 0644)));
        say_taken_for(fd, names[i], &there);
        CALL(unlink(path[i]));
        say_taken_for(fd, names[i], &there);
        CALL(mkdir(path[i], 0755));
        say_taken_for(fd, names[i], &there);
        CALL(rmdir(path[i]));
        say_taken_for(fd, names[i], &there);
        CALL(symlink("nowhere", path[i]));
        say_taken_for(fd, names[i], &there);
        CALL(rename(path[i], p->fresh));
        say_taken_for(fd, names[i], &there);
        CALL(rename(p->fresh, path[i]));
        say_taken_for(fd, names[i], &there);
        CALL(unlink(path[i]));
        CALL(mkdir(p->fresh, 0755));
        say_taken_for(fd, names[i], &there);
        CALL(rename(p->fresh, path[i]));
        say_taken_for(fd, names[i], &there);
    }
    close(fd);
}
TEST(watched_tree) { /* the parent is not told that its directory is watched, too, nor of what is done in that */
    char events[4096] __attribute__((aligned(8))), name[128];
    struct stat st;
    int fd = inotify_init1(IN_NONBLOCK);
    CALL(inotify_add_watch(fd, "d", IN_CREATE | IN_MOVE | IN_DELETE) > 0 ? 0 : -1);
    CALL(inotify_add_watch(fd, p->dir, IN_CREATE) > 0 ? 0 : -1);
    CALL(stat(p->dir, &st));
    say("%zd", read(fd, events, sizeof events));
    snprintf(name, sizeof name, "%s/new", p->dir);
    CALL(close(creat(name, 0644)));
    ssize_t n = read(fd, events, sizeof events);
    say("one is told: %d",
        n == (ssize_t)sizeof(struct inotify_event) + 16 && ((struct inotify_event *)events)->wd == 2);
    CALL(mkdir("d/watched_tree_more", 0755)); /* and removed over nothing */
    CALL(rmdir("d/watched_tree_more"));
    for (ssize_t at = 0; (n = read(fd, events, sizeof events)) > 0;)
        for (at = 0; at < n;
             at += (ssize_t)(sizeof(struct inotify_event) + ((struct inotify_event *)(events + at))->len))
            say("%x %s", ((struct inotify_event *)(events + at))->mask, ((struct inotify_event *)(events + at))->name);
    close(fd);
}
TEST(fanotify_mark) { /* for root alone, until recently */
    int fd = fanotify_init(FAN_CLASS_NOTIF, O_RDONLY);
    say("%d", fd < 0 || fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, p->file) == 0);
    say("%d", fd < 0 || fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, p->absent) < 0);
    close(fd);
}

/* --- syscall() -----------------------------------------------------------------------------------------------------
 */

TEST(syscall) {
    struct stat st;
    struct statx stx;
    char text[4096];
    struct open_how how = {.flags = O_RDONLY};
    const struct timespec ts[2] = {{1000000001, 5}, {1000000002, 6}};
    __attribute__((unused)) const struct timeval tv[2] = {{1000000003, 5}, {1000000004, 6}};
    __attribute__((unused)) const struct utimbuf ut = {1000000005, 1000000006};
    int fd = (int)CALL(syscall(SYS_openat, AT_FDCWD, p->file, O_RDONLY));
    CALL(syscall(SYS_fstat, fd, &st));
    CALL(syscall(SYS_fchmod, fd, 0604));
    CALL(syscall(SYS_fchown, fd, getuid(), getgid()));
    CALL(syscall(SYS_fsetxattr, fd, "user.a", "b", 1, 0));
    CALL(syscall(SYS_fgetxattr, fd, "user.a", text, sizeof text));
    CALL(syscall(SYS_flistxattr, fd, text, sizeof text));
    CALL(syscall(SYS_fremovexattr, fd, "user.a"));
    say_text(fd);
    say_text((int)CALL(syscall(SYS_openat2, AT_FDCWD, p->file, &how, sizeof how)));
    CALL(syscall(SYS_openat2, AT_FDCWD, p->file, &how, 8));
    CALL(syscall(SYS_openat2, AT_FDCWD, p->absent, &how, sizeof how));
    CALL(syscall(SYS_newfstatat, AT_FDCWD, p->file, &st, 0));
    say_stat(&st);
    CALL(syscall(SYS_statx, AT_FDCWD, p->link, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx));
    CALL(syscall(SYS_faccessat, AT_FDCWD, p->file, W_OK));
    CALL(syscall(SYS_faccessat2, AT_FDCWD, p->file, X_OK, AT_EACCESS));
    CALL(syscall(SYS_readlinkat, AT_FDCWD, p->link, text, sizeof text));
    CALL(syscall(SYS_mkdirat, AT_FDCWD, p->fresh, 0755));
    CALL(syscall(SYS_chdir, p->fresh));
    CALL(syscall(SYS_getcwd, text, sizeof text));
    say("%s", text);
    CALL(syscall(SYS_chdir, "../.."));
    int number = open(p->dir, O_RDONLY), other = open("n", O_RDONLY);
    CALL(syscall(SYS_faccessat, number, "both", F_OK));
    CALL(syscall(SYS_dup3, other, number, 0));
    CALL(syscall(SYS_faccessat, number, "both", F_OK));
    CALL(syscall(SYS_close_range, number, ~0U, 0));
    CALL(syscall(SYS_faccessat, number, "both", F_OK));
    struct clone_args sharing = {.flags = CLONE_FILES | CLONE_FS, .exit_signal = SIGCHLD};
    for (int i = 0; i < 2; i++) {
        long child =
            i ? syscall(SYS_clone3, &sharing, sizeof sharing) : syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0);
        if (child == 0)
            _exit(chdir("n") < 0);
        CALL(waitpid((pid_t)child, NULL, 0));
        CALL(syscall(SYS_faccessat, AT_FDCWD, "f", F_OK));
        CALL(chdir(".."));
        CALL(syscall(SYS_faccessat, AT_FDCWD, "f", F_OK));
    }
    CALL(syscall(SYS_mknodat, AT_FDCWD, "n/syscall/fifo", S_IFIFO | 0600, 0));
    CALL(syscall(SYS_symlinkat, "text", AT_FDCWD, "n/syscall/symlink"));
    CALL(syscall(SYS_linkat, AT_FDCWD, p->file, AT_FDCWD, "n/syscall/link", 0));
    CALL(syscall(SYS_renameat2, AT_FDCWD, "n/syscall/link", AT_FDCWD, "n/syscall/moved", 0));
    CALL(syscall(SYS_unlinkat, AT_FDCWD, "n/syscall/moved", 0));
    CALL(syscall(SYS_fchmodat, AT_FDCWD, p->file, 0640));
    CALL(syscall(SYS_fchownat, AT_FDCWD, p->file, getuid(), getgid(), 0));
    CALL(syscall(SYS_utimensat, AT_FDCWD, p->file, ts, 0));
    CALL(syscall(SYS_truncate, p->file, 4));
    say_file(p->file);
    CALL(syscall(SYS_setxattr, p->file, "user.c", "d", 1, 0));
    CALL(syscall(SYS_lgetxattr, p->file, "user.c", text, sizeof text));
    CALL(syscall(SYS_llistxattr, p->file, text, sizeof text));
    CALL(syscall(SYS_removexattr, p->file, "user.c"));
    fd = open(p->dir, O_RDONLY);
    CALL(syscall(SYS_getdents64, fd, text, sizeof text) > 0 ? 0 : -1);
    close(fd);
#ifdef SYS_open
    fd = (int)CALL(syscall(SYS_open, p->file, O_RDONLY));
    close(fd);
    CALL(syscall(SYS_stat, p->file, &st));
    CALL(syscall(SYS_lstat, p->link, &st));
    CALL(syscall(SYS_access, p->file, R_OK));
    number = open("n", O_RDONLY);
    CALL(syscall(SYS_faccessat, number, "both", F_OK));
    CALL(syscall(SYS_dup2, open(p->dir, O_RDONLY), number));
    CALL(syscall(SYS_faccessat, number, "both", F_OK));
    CALL(syscall(SYS_readlink, p->link, text, sizeof text));
    CALL(syscall(SYS_mkdir, "n/syscall/old", 0700));
    CALL(syscall(SYS_mknod, "n/syscall/old/fifo", S_IFIFO | 0600, 0));
    CALL(syscall(SYS_symlink, "text", "n/syscall/old/symlink"));
    CALL(syscall(SYS_link, p->file, "n/syscall/old/link"));
    CALL(syscall(SYS_rename, "n/syscall/old/link", "n/syscall/old/moved"));
    CALL(syscall(SYS_renameat, AT_FDCWD, "n/syscall/old/moved", AT_FDCWD, "n/syscall/old/again"));
    CALL(syscall(SYS_unlink, "n/syscall/old/again"));
    CALL(syscall(SYS_rmdir, "n/syscall/old"));
    CALL(syscall(SYS_chmod, p->file, 0600));
    CALL(syscall(SYS_chown, p->link, getuid(), getgid()));
    CALL(syscall(SYS_lchown, p->link, getuid(), getgid()));
    CALL(syscall(SYS_utime, p->file, &ut));
    CALL(syscall(SYS_utimes, p->file, tv));
    CALL(syscall(SYS_futimesat, AT_FDCWD, p->file, tv));
    CALL(syscall(SYS_creat, p->file, 0600));
    say_path(p->file);
    fd = open(p->dir, O_RDONLY);
    long n = syscall(SYS_getdents, fd, text, sizeof text), found = 0;
    for (long at = 0; at < n; at += *(unsigned short *)(void *)(text + at + 16))
        found += strcmp(text + at + 18, "low") == 0 || strcmp(text + at + 18, "high") == 0;
    say("by getdents: %ld", found);
    close(fd);
#endif
    struct statfs fs;
    CALL(syscall(SYS_statfs, p->file, &fs));
    CALL(syscall(SYS_lsetxattr, p->file, "user.e", "f", 1, 0));
    CALL(syscall(SYS_getxattr, p->link, "user.e", text, sizeof text));
    CALL(syscall(SYS_listxattr, p->link, text, sizeof text));
    CALL(syscall(SYS_lremovexattr, p->file, "user.e"));
    CALL(syscall(SYS_fchmodat2, AT_FDCWD, p->file, 0611, AT_SYMLINK_NOFOLLOW));
    say_path(p->file);
    fd = open(p->dir, O_RDONLY);
    int back = open(".", O_RDONLY), entries;
    CALL(syscall(SYS_fchdir, fd));
#ifdef SYS_access
    CALL(syscall(SYS_access, "low", F_OK));
#endif
    CALL(syscall(SYS_fchdir, back));
    CALL(syscall(SYS_ioctl, fd, FIONREAD, &entries));
    close(fd);
    close(back);
    struct {
        struct file_handle head;
        char room[MAX_HANDLE_SZ];
    } handle = {.head.handle_bytes = 0};
    int mount_id;
    CALL(syscall(SYS_name_to_handle_at, AT_FDCWD, p->file, &handle, &mount_id, 0));
    CALL(syscall(SYS_name_to_handle_at, AT_FDCWD, p->absent, &handle, &mount_id, 0));
    fd = inotify_init();
    CALL(syscall(SYS_inotify_add_watch, fd, p->dir, IN_CREATE) > 0 ? 0 : -1);
    CALL(syscall(SYS_inotify_add_watch, fd, p->absent, IN_CREATE));
    close(fd);
    CALL(syscall(SYS_prctl, PR_GET_DUMPABLE));
    CALL(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &(unsigned){SECCOMP_RET_KILL_THREAD}));
    CALL(syscall(SYS_fstatfs, fd = open(p->dir, O_RDONLY), &fs));
    close(fd);
    fd = fanotify_init(FAN_CLASS_NOTIF, O_RDONLY);
    say("%d", fd < 0 || syscall(SYS_fanotify_mark, fd, FAN_MARK_ADD, (uint64_t)FAN_OPEN, AT_FDCWD, p->file) == 0);
    close(fd);
    say("others go through: %d %d", syscall(SYS_getpid) == getpid(), syscall(SYS_close, -1) == -1 && errno == EBADF);
    void *at = (void *)syscall(SYS_mmap, NULL, 4096, 3, 0x22, -1, 0); // NOLINT: six arguments
    say("six arguments: %d", at != (void *)-1);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        char *argv[] = {(char *)(size_t) "true", NULL};
        syscall(SYS_execve, "/bin/true", argv, argv + 1);
        _exit(1);
    }
    say_child(pid);
    pid = fork();
    if (pid == 0) {
        char *argv[] = {(char *)(size_t) "true", NULL};
        syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, argv + 1, 0);
        _exit(1);
    }
    say_child(pid);
}
