/* AF_UNIX sockets by their names, and watches. */
#include "raw.h"

#include <stddef.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>

static bool tells_addresses; // which a union has to translate, as the kernel keeps what was bound
static socklen_t length;
static struct sockaddr_un un(const char *path) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
    if (strlen(path) < sizeof a.sun_path)
        strcpy(a.sun_path, path);
    else
        memcpy(a.sun_path, path, sizeof a.sun_path);
    return a;
}
static long on_name(long call, long fd, const char *path) {
    struct sockaddr_un a = un(path);
    return raw6(call, fd, (long)&a, length, 0, 0, 0);
}
static long stream(void) {
    return RAW(socket, AF_UNIX, SOCK_STREAM, 0);
}
static long datagram(void) {
    return RAW(socket, AF_UNIX, SOCK_DGRAM, 0);
}
static void say_address(const char *what, long call, long fd) {
    if (!tells_addresses)
        return;
    struct sockaddr_un a;
    memset(&a, 0, sizeof a);
    socklen_t len = sizeof a;
    long got = raw6(call, fd, (long)&a, (long)&len, 0, 0, 0);
    say("  %s: %s, %d bytes, \"%s\"", what, result(got), (int)len, a.sun_path[0] ? a.sun_path : a.sun_path + 1);
}

static void talks(const char *bound, const char *reached) {
    long server = stream(), client = stream();
    say("bind %s: %s", bound, result(on_name(SYS_bind, server, bound)));
    say_path(bound);
    say("listen: %s", result(RAW(listen, server, 5)));
    say("connect %s: %s", reached, result(on_name(SYS_connect, client, reached)));
    long conn = RAW(accept4, server, NULL, NULL, SOCK_CLOEXEC);
    say("accept: %s", result(conn));
    say_address("own", SYS_getsockname, server);
    say_address("peer", SYS_getpeername, client);
    char text[16] = "";
    say("write: %s", result(RAW(write, client, "hello", 5)));
    say("read: %s %s", result(RAW(read, conn, text, 15)), text);
    close((int)client);
    close((int)conn);
    long second = stream();
    say("bound again: %s", result(on_name(SYS_bind, second, bound)));
    close((int)server);
    say("nobody listens: %s", result(on_name(SYS_connect, second, reached)));
    say("unlink: %s", result(RAW(unlink, bound)));
    say("nobody there: %s", result(on_name(SYS_connect, second, reached)));
    close((int)second);
}
static void streams(void) {
    talks("s", "s");
    talks("dir/s", "dlink/s");
    talks("bottom/in/s", "./bottom/../bottom/in/s");
    talks("gone", "gone");
    if (strlen(absolute("s")) < 107) {
        long server = stream(), client = stream();
        say("by its absolute name: %s", result(on_name(SYS_bind, server, absolute("s"))));
        say("%s", result(RAW(listen, server, 1)));
        say("%s", result(on_name(SYS_connect, client, "s")));
        say_address("own", SYS_getsockname, server);
        say_address("peer", SYS_getpeername, client);
    }
    say_dir(".");
    say_dir("dir");
}
TEST(streams) {
    streams();
}
TEST(addresses_of_streams) {
    tells_addresses = true;
    streams();
}
TEST(errors) {
    static const char *const names[] = {"low",  "dir",  "link", "dangling", "none/s", "low/s",
                                        "loop", "dead", "fifo", "empty/",   "x/",     "loop/x"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        long fd = stream(), dgram = datagram();
        say("connect %s: %s", names[i], result(on_name(SYS_connect, fd, names[i])));
        say("bind %s: %s", names[i], result(on_name(SYS_bind, fd, names[i])));
        struct sockaddr_un a = un(names[i]);
        say("sendto %s: %s", names[i], result(RAW(sendto, dgram, "x", 1, 0, &a, length)));
        close((int)fd);
        close((int)dgram);
    }
    long fd = stream();
    struct sockaddr_un a = un("s");
    CALL(bind, fd, &a, 1);
    CALL(bind, fd, &a, 200);
    CALL(bind, fd, &a, -1);
    CALL(bind, fd, 8, sizeof a);
    CALL(connect, fd, 8, sizeof a);
    CALL(bind, 99, &a, sizeof a);
    CALL(bind, 0, &a, sizeof a);
    CALL(connect, 99, &a, sizeof a);
    memset(a.sun_path, 'x', sizeof a.sun_path); // a name of 108 bytes, without an end
    CALL(bind, fd, &a, sizeof a);
    say_dir(".");
    RAW(unlink, "s");
    CALL(umask, 077);
    a = un("private");
    fd = stream();
    CALL(bind, fd, &a, length);
    say_path("private");
    RAW(chmod, "dir", 0555);
    say("in a shut directory: %s", result(on_name(SYS_bind, stream(), "dir/s")));
    long again = fd;
    say("twice: %s", result(on_name(SYS_bind, again, "another")));
}
TEST(abstract) { // names that are not in the filesystem
    long server = stream(), client = stream(), third = stream();
    int pair[2];
    char name_[64];
    snprintf(name_, sizeof name_, "raw-net-%d", (int)getpid());
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path + 1, name_);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name_));
    CALL(bind, server, &a, len);
    CALL(listen, server, 1);
    CALL(connect, client, &a, len);
    CALL(bind, third, &a, 2); // autobind
    TRUE(RAW(socketpair, AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    say_dir(".");
}
static void datagrams(void) {
    long server = datagram(), client = datagram();
    say("%s", result(on_name(SYS_bind, server, "dir/server")));
    say("%s", result(on_name(SYS_bind, client, "bottom/client")));
    struct sockaddr_un a = un("dir/server"), from;
    socklen_t len = sizeof from;
    char text[32] = "";
    CALL(sendto, client, "by sendto", 9, 0, &a, length);
    memset(&from, 0, sizeof from);
    CALL(recvfrom, server, text, 31, 0, &from, &len);
    say("%s from %s, %d", text, tells_addresses ? from.sun_path : "somebody", tells_addresses ? (int)len : 0);
    struct iovec iov = {(char *)(size_t) "by sendmsg", 10};
    struct msghdr m = {.msg_name = &a, .msg_namelen = length, .msg_iov = &iov, .msg_iovlen = 1};
    CALL(sendmsg, client, &m, 0);
    memset(text, 0, sizeof text);
    CALL(recvfrom, server, text, 31, 0, NULL, NULL);
    say("%s", text);
    struct mmsghdr mm[2] = {{.msg_hdr = m}, {.msg_hdr = m}};
    CALL(sendmmsg, client, mm, 2, 0);
    iov.iov_len = 10;
    memset(text, 0, sizeof text);
    struct iovec in = {text, 31};
    struct msghdr r = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &in, .msg_iovlen = 1};
    memset(&from, 0, sizeof from);
    CALL(recvmsg, server, &r, 0);
    say("%s from %s, %d", text, tells_addresses ? from.sun_path : "somebody", tells_addresses ? (int)r.msg_namelen : 0);
    CALL(recvfrom, server, text, 31, 0, NULL, NULL);
    say("connect: %s", result(on_name(SYS_connect, client, "dlink/server")));
    CALL(write, client, "connected", 9);
    CALL(sendto, client, "no name", 7, 0, NULL, 0);
    CALL(rename, "dir/server", "dir/renamed");
    a = un("dir/server");
    CALL(sendto, datagram(), "x", 1, 0, &a, length);
    a = un("dir/renamed");
    CALL(sendto, datagram(), "x", 1, 0, &a, length);
    a = un("dir/low");
    CALL(sendto, datagram(), "x", 1, 0, &a, length);
    CALL(sendto, datagram(), "x", 1, 0, 8, length);
    int pair[2];
    TRUE(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
    // a descriptor sent along
    long passed = RAW(open, "low", O_RDONLY);
    char control[CMSG_SPACE(sizeof(int))];
    memset(control, 0, sizeof control);
    struct iovec one = {(char *)(size_t) "d", 1};
    struct msghdr d = {
        .msg_name = &a, .msg_iov = &one, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&d);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    int number = (int)passed;
    memcpy(CMSG_DATA(c), &number, sizeof number);
    a = un("dir/renamed");
    d.msg_namelen = length;
    while (RAW(recvfrom, server, text, 31, MSG_DONTWAIT, NULL, NULL) >= 0)
        ;
    CALL(sendmsg, datagram(), &d, 0);
    memset(control, 0, sizeof control);
    in = (struct iovec){text, 31};
    r = (struct msghdr){.msg_iov = &in, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    CALL(recvmsg, server, &r, 0);
    c = CMSG_FIRSTHDR(&r);
    if (c) {
        memcpy(&number, CMSG_DATA(c), sizeof number);
        say_text(number);
        say_fd_link(number);
    }
}
TEST(datagrams) {
    datagrams();
}
TEST(addresses_of_datagrams) {
    tells_addresses = true;
    datagrams();
}
TEST(long_names) { // a short name whose real path is longer than a socket's address
    char part[60], path[2000] = "bottom";
    memset(part, 'd', sizeof part - 1);
    part[sizeof part - 1] = 0;
    for (int i = 0; i < 6; i++) {
        strcat(path, "/");
        strcat(path, part);
        say("%s", result(RAW(mkdir, path, 0755)));
    }
    CALL(chdir, path);
    talks("s", "s");
    talks("../s", "../s");
    long server = datagram(), client = datagram();
    say("%s", result(on_name(SYS_bind, server, "d")));
    struct sockaddr_un a = un("d");
    CALL(sendto, client, "x", 1, 0, &a, length);
    say_address("own", SYS_getsockname, server);
    say_dir(".");
}

TEST(closed_at_once) { // nobody else has kept the socket: its other end sees that
    int pair[2], late = 0;
    char part[120] = "";
    memset(part, 'd', sizeof part - 1); // an address that the caller is made to reach by its directory
    RAW(mkdir, part, 0755);
    CALL(chdir, part);
    for (int i = 0; i < 300; i++) {
        char c;
        if (RAW(socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0 || on_name(SYS_bind, pair[0], "s") < 0)
            break;
        close(pair[0]);
        late += RAW(read, pair[1], &c, 1) != 0;
        close(pair[1]);
        RAW(unlink, "s");
    }
    say("not closed: %d", late);
}

/* --- watches ----------------------------------------------------------------------------------------------------- */

/* The events that have arrived, those of `wanted` alone; each once, sorted. */
static void say_events(long fd, uint32_t wanted) {
    static char buffer[8192] __attribute__((aligned(8)));
    static char seen[64][300];
    size_t n = 0;
    long got;
    while ((got = RAW(read, fd, buffer, sizeof buffer)) > 0)
        for (long at = 0; at < got;) {
            const struct inotify_event *e = (const void *)(buffer + at);
            at += (long)(sizeof *e + e->len);
            if (!(e->mask & wanted) || n == 64)
                continue;
            snprintf(seen[n], 300, "%d:%x:%s", e->wd, e->mask & (wanted | IN_ISDIR), e->len ? e->name : "");
            bool again = false;
            for (size_t i = 0; i < n; i++)
                again = again || strcmp(seen[i], seen[n]) == 0;
            n += !again;
        }
    qsort(seen, n, sizeof seen[0], by_name);
    for (size_t i = 0; i < n; i++)
        say("  event %s", seen[i]);
    say("  %zu kinds, then %s", n, result(got));
}
TEST(watches) {
    static const char *const names[] = {"low",    "up", "dir",  "bottom", "link", "dangling", "gone",
                                        "none/x", "",   "fifo", "opaque", ".",    "empty"};
    long fd = CALL(inotify_init1, IN_NONBLOCK | IN_CLOEXEC);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        say("%s = %s", names[i], result(RAW(inotify_add_watch, fd, names[i], IN_MODIFY | IN_ATTRIB)));
    CALL(inotify_add_watch, fd, "low", IN_ONLYDIR | IN_MODIFY);
    CALL(inotify_add_watch, fd, "link", IN_DONT_FOLLOW | IN_ATTRIB);
    CALL(inotify_add_watch, fd, "low", 0);
    CALL(inotify_add_watch, fd, 8, IN_MODIFY);
    CALL(inotify_add_watch, 99, "low", IN_MODIFY);
    CALL(inotify_add_watch, 0, "low", IN_MODIFY);
    CALL(inotify_add_watch, fd, "dir", IN_MASK_CREATE | IN_MODIFY);
    CALL(inotify_rm_watch, fd, 1);
    CALL(inotify_rm_watch, fd, 77);
}
TEST(watched_directory) {
    static const char *const dirs[] = {"dir", "bottom", "empty"}; // merged, of a lower alone, empty
    for (int i = 0; i < 3; i++) {
        char path[64];
        uint32_t wanted = IN_CREATE | IN_DELETE | IN_CLOSE_WRITE;
        long fd = RAW(inotify_init1, IN_NONBLOCK);
        say("%s: %s", dirs[i], result(RAW(inotify_add_watch, fd, dirs[i], wanted)));
        snprintf(path, sizeof path, "%s/new", dirs[i]);
        long made = RAW(open, path, O_CREAT | O_WRONLY, 0600);
        close((int)made);
        say_events(fd, IN_CREATE);
        snprintf(path, sizeof path, "%s/newdir", dirs[i]);
        RAW(mkdir, path, 0755);
        say_events(fd, IN_CREATE);
        snprintf(path, sizeof path, "%s/new", dirs[i]);
        RAW(unlink, path);
        say_events(fd, IN_DELETE);
        close((int)fd);
    }
}
TEST(watched_log) { // opened first, and then watched
    char text[32];
    long fd = RAW(inotify_init1, IN_NONBLOCK), file = RAW(open, "low", O_RDONLY | O_CLOEXEC, 0);
    say("%s", result(RAW(read, file, text, 2)));
    CALL(inotify_add_watch, fd, "low", IN_MODIFY);
    long writer = RAW(open, "low", O_WRONLY | O_APPEND, 0);
    RAW(write, writer, "more", 4);
    close((int)writer);
    long n = RAW(read, file, text, sizeof text);
    say("%.*s, %d", (int)n, text, fcntl((int)file, F_GETFD));
}
TEST(watched_names) { // what was told last of a name is whether it is there
    static const char *const names[] = {"dir/low", "dir/high", "dir/up", "dir/both", "bottom/a"};
    static char buffer[8192] __attribute__((aligned(8)));
    for (int i = 0; i < 5; i++)
        for (int act = 0; act < 4; act++) { // delete, make, delete, make a directory
            long fd = RAW(inotify_init1, IN_NONBLOCK), got;
            const char *last = "nothing";
            RAW(inotify_add_watch, fd, i < 4 ? "dir" : "bottom", IN_CREATE | IN_DELETE | IN_MOVE);
            long ret = act == 1   ? RAW(mknod, names[i], S_IFREG | 0644, 0)
                       : act == 3 ? RAW(mkdir, names[i], 0755)
                                  : RAW(unlink, names[i]);
            while ((got = RAW(read, fd, buffer, sizeof buffer)) > 0)
                for (long at = 0; at < got;) {
                    const struct inotify_event *e = (const void *)(buffer + at);
                    at += (long)(sizeof *e + e->len);
                    if (strcmp(e->name, strchr(names[i], '/') + 1) == 0)
                        last = e->mask & (IN_CREATE | IN_MOVED_TO) ? "comes" : "goes";
                }
            say("%s %d: %s, %s", names[i], act, result(ret), last);
            close((int)fd);
        }
}
TEST(watched_file) { // what changes a lower's file is seen, though the copy changes
    long fd = RAW(inotify_init1, IN_NONBLOCK);
    static const char *const files[] = {"low", "bottom/a", "up"};
    for (int i = 0; i < 3; i++) {
        say("%s: %s", files[i], result(RAW(inotify_add_watch, fd, files[i], IN_MODIFY | IN_ATTRIB)));
        long w = RAW(open, files[i], O_WRONLY);
        RAW(write, w, "x", 1);
        close((int)w);
        say_events(fd, IN_MODIFY);
        RAW(chmod, files[i], 0600);
        say_events(fd, IN_ATTRIB);
    }
}
