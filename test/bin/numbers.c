/*
 * A descriptor number, and the cwd, mean what they were last made to mean: by each call that can change it, in threads,
 * in children of vfork, and ("numbers raw") by system calls that no libc sees. To be run where one/x has 1 byte and
 * two/x has 2. Prints "ok", or what was wrong.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#ifdef __GLIBC__
#include <fts.h>
#endif
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
enum { AT = 9, TIMES = 4 };

static int failed;
static const char *doing;

/* As an inline system call of the program's own. */
static long unseen(long nr, long a, long b, long c) {
#if defined __x86_64__
    long got;
    register long none __asm__("r10") = 0;
    __asm__ volatile("syscall" : "=a"(got) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(none) : "rcx", "r11", "memory");
    return got;
#else
    return syscall(nr, a, b, c) < 0 ? -errno : 0;
#endif
}

static void expect(long wanted, long got) {
    if (wanted == got)
        return;
    printf("%s: %ld, not %ld\n", doing, got, wanted);
    failed = 1;
}
static void must(int condition) {
    if (condition)
        return;
    printf("%s: %s\n", doing, strerror(errno));
    exit(1);
}

/* The size of x beneath it, or -errno; often enough for it to be remembered. */
static long in(int fd) {
    struct stat st;
    long size = 0;
    for (int i = 0; i < TIMES; i++)
        size = fstatat(fd, "x", &st, 0) == 0 ? st.st_size : -errno;
    return size;
}
static long here(void) {
    return in(AT_FDCWD);
}

static int directory(const char *name) {
    int fd = open(name, O_RDONLY | O_DIRECTORY);
    must(fd >= 0);
    return fd;
}
/* AT is "one", and known to be. */
static void at_one(void) {
    int fd = directory("one");
    if (fd != AT) {
        must(dup2(fd, AT) == AT);
        close(fd);
    }
    expect(1, in(AT));
}
/* What has the lowest free number; all below AT are in use then. */
static void fill(void) {
    int fd;
    while ((fd = open("/dev/null", O_RDONLY)) < AT)
        must(fd >= 0);
    close(fd);
}

/* --- how AT comes to be "two" ----------------------------------------------------------------------------- */

static int two;

static void by_open(void) {
    close(AT);
    must(open("two", O_RDONLY) == AT);
}
static void by_opendir(void) {
    close(AT);
    DIR *d = opendir("two");
    must(d && dirfd(d) == AT);
}
static void by_dup(void) {
    close(AT);
    must(dup(two) == AT);
}
static void by_closedir(void) {
    DIR *d = fdopendir(AT);
    must(d && closedir(d) == 0 && dup(two) == AT);
}
static void by_dup2(void) {
    must(dup2(two, AT) == AT);
}
static void by_dup3(void) {
    must(dup3(two, AT, O_CLOEXEC) == AT);
}
static void by_fcntl(void) {
    close(AT);
    must(fcntl(two, F_DUPFD, AT) == AT);
}
static void by_close_range(void) {
    must(close_range(AT, AT, 0) == 0 && dup(two) == AT);
}
static void by_closefrom(void) {
    int kept = fcntl(two, F_DUPFD, 0);
    must(kept > AT);
    must(dup2(kept, AT - 1) == AT - 1); /* a number that is left */
    closefrom(AT);
    must(dup(AT - 1) == AT);
    must((two = fcntl(AT, F_DUPFD, 100)) >= 100);
    must(open("/dev/null", O_RDONLY) >= 0);
}
static void by_number(void) {
    must(syscall(SYS_close, AT) == 0 && dup(two) == AT);
}
static void by_numbers(void) {
    must(syscall(SYS_dup3, two, AT, 0) == AT);
}
static void by_message(void) {
    int pair[2];
    char byte = 0, room[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec v = {&byte, 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof two);
    memcpy(CMSG_DATA(c), &two, sizeof two);
    must(sendmsg(pair[0], &m, 0) == 1);
    close(AT);
    must(recvmsg(pair[1], &m, 0) == 1);
    int got;
    memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof got);
    must(got == AT);
    close(pair[0]);
    close(pair[1]);
}
/* The walkers' own descriptors, which they close inside. */
#ifdef __GLIBC__
static void by_fts(void) {
    char *dirs[] = {(char *)(size_t) "one", NULL};
    close(AT);
    FTS *f = fts_open(dirs, FTS_PHYSICAL, NULL);
    must(f != NULL);
    while (fts_read(f))
        ;
    must(fts_close(f) == 0 && dup(two) == AT);
}
#endif
static int nothing(const char *path, const struct stat *st, int type, struct FTW *w) {
    struct stat again;
    (void)path, (void)st, (void)type, (void)w;
    return stat(".", &again);
}
static void by_nftw(void) {
    close(AT);
    must(nftw("one", nothing, 4, FTW_PHYS) == 0 && dup(two) == AT);
}
static void *dup_in_thread(void *unused) {
    must(dup2(two, AT) == AT);
    expect(2, in(AT));
    return unused;
}
static void by_thread(void) {
    pthread_t t;
    must(pthread_create(&t, NULL, dup_in_thread, NULL) == 0 && pthread_join(t, NULL) == 0);
}
static void by_raw_close(void) { /* closed unseen */
    must(unseen(SYS_close, AT, 0, 0) == 0 && open("two", O_RDONLY | O_DIRECTORY) == AT);
}
static void by_raw_open(void) {
    must(unseen(SYS_close, AT, 0, 0) == 0);
    must(unseen(SYS_openat, AT_FDCWD, (long)"two", O_RDONLY) == AT);
}

struct way {
    const char *name;
    void (*go)(void);
};
static const struct way ways[] = {
    {"close, open", by_open},
    {"opendir", by_opendir},
    {"close, dup", by_dup},
    {"closedir", by_closedir},
    {"dup2", by_dup2},
    {"dup3", by_dup3},
    {"fcntl", by_fcntl},
    {"close_range", by_close_range},
    {"closefrom", by_closefrom},
    {"syscall(SYS_close)", by_number},
    {"syscall(SYS_dup3)", by_numbers},
    {"recvmsg", by_message},
    {"nftw", by_nftw},
    {"a thread", by_thread},
#ifdef __GLIBC__
    {"fts", by_fts},
#endif
};
static const struct way raw_ways[] = {{"close unseen", by_raw_close}, {"close and open unseen", by_raw_open}};

static void run(const struct way *w, size_t n) {
    for (size_t i = 0; i < n; i++) {
        doing = w[i].name;
        at_one();
        w[i].go();
        expect(2, in(AT));
        close(AT);
        expect(-EBADF, in(AT));
        must(open("/dev/null", O_RDONLY) == AT);
        expect(-ENOTDIR, in(AT));
    }
}

/* --- who has descriptors and a cwd of his own --------------------------------------------------------------- */

static void *unshared(void *unused) {
    must(unshare(CLONE_FILES | CLONE_FS) == 0);
    expect(1, in(AT));
    must(dup2(two, AT) == AT && chdir("two") == 0);
    expect(2, in(AT));
    expect(2, here());
    return unused;
}

/* A child that has made `fd` and its cwd "two"; here they are what they were. */
static void ended(pid_t pid, int fd) {
    int status;
    must(pid > 0 && waitpid(pid, &status, 0) == pid);
    expect(0, status);
    expect(1, in(fd));
    expect(-ENOENT, here());
}

static void by_vfork(const char *what, int fd) {
    doing = what;
    pid_t pid = vfork();
    if (pid == 0) {
        if (dup2(two, fd) != fd || in(fd) != 2 || chdir("two") < 0 || here() != 2)
            _exit(1);
        _exit(0);
    }
    ended(pid, fd);
}

static void apart(void) {
    pthread_t t;
    doing = "a thread with its own";
    at_one();
    must(chdir("one") == 0);
    expect(1, here());
    must(chdir("..") == 0);
    expect(-ENOENT, here());
    must(pthread_create(&t, NULL, unshared, NULL) == 0 && pthread_join(t, NULL) == 0);
    expect(1, in(AT));
    expect(-ENOENT, here());

    at_one();
    by_vfork("a child of vfork", AT);
    by_vfork("a child of vfork that asks first of all", directory("one"));

    doing = "a child of fork";
    pid_t pid = fork();
    if (pid == 0) {
        if (in(AT) != 1 || dup2(two, AT) != AT || in(AT) != 2 || chdir("two") < 0 || here() != 2)
            _exit(1);
        _exit(0);
    }
    ended(pid, AT);

    doing = "posix_spawn";
    posix_spawn_file_actions_t a;
    char *argv[] = {(char *)(size_t) "sh", (char *)(size_t) "-c", (char *)(size_t) "test $(stat -c %s x) = 2", NULL};
    must(posix_spawn_file_actions_init(&a) == 0 && posix_spawn_file_actions_addchdir_np(&a, "two") == 0 &&
         posix_spawn_file_actions_addopen(&a, AT, "x", O_RDONLY, 0) == 0 &&
         posix_spawn(&pid, "/bin/sh", &a, NULL, argv, environ) == 0);
    ended(pid, AT);
}

/* --- the cwd ------------------------------------------------------------------------------------------------- */

static void *go_two(void *unused) {
    must(chdir("two") == 0);
    return unused;
}

static void cwd(void) {
    pthread_t t;
    doing = "chdir";
    must(chdir("one") == 0);
    expect(1, here());
    doing = "fchdir";
    must(fchdir(two) == 0);
    expect(2, here());
    must(chdir("..") == 0);
    doing = "chdir by number";
    expect(-ENOENT, here());
    must(syscall(SYS_chdir, "one") == 0);
    expect(1, here());
    must(chdir("..") == 0);
    doing = "chdir by a thread";
    expect(-ENOENT, here());
    must(pthread_create(&t, NULL, go_two, NULL) == 0 && pthread_join(t, NULL) == 0);
    expect(2, here());
    must(chdir("..") == 0);
    doing = "nftw's chdir";
    expect(-ENOENT, here());
    must(nftw("two", nothing, 4, FTW_PHYS | FTW_CHDIR) == 0);
    expect(-ENOENT, here());
    doing = "a directory that is renamed";
    must(chdir("one") == 0);
    expect(1, here());
    must(rename("../one", "../three") == 0 && rename("../two", "../one") == 0);
    expect(1, here());
    must(rename("../one", "../two") == 0 && rename("../three", "../one") == 0);
    expect(1, here());
    must(chdir("..") == 0);
}

static void raw_cwd(void) {
    doing = "chdir unseen";
    must(chdir("one") == 0);
    expect(1, here());
    must(unseen(SYS_chdir, (long)"../two", 0, 0) == 0);
    expect(2, here());
    doing = "fchdir unseen";
    must(chdir("../one") == 0);
    expect(1, here());
    must(unseen(SYS_fchdir, two, 0, 0) == 0);
    expect(2, here());
    must(chdir("..") == 0);
}

/* Last, for it leaves. */
static void as_daemon(void) {
    int status, told[2];
    doing = "daemon";
    must(chdir("one") == 0);
    expect(1, here());
    must(pipe(told) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        must(here() == 1 && daemon(0, 1) == 0);
        char there = here() == -ENOENT ? 'y' : 'n';
        must(write(told[1], &there, 1) == 1);
        _exit(0);
    }
    char there = 0;
    must(pid > 0 && waitpid(pid, &status, 0) == pid && read(told[0], &there, 1) == 1);
    expect('y', there);
}

int main(int argc, char **argv) {
    doing = "start";
    fill();
    must((two = fcntl(directory("two"), F_DUPFD, 100)) >= 100);
    close(AT);
    run(ways, sizeof ways / sizeof *ways);
    if (argc > 1 && strcmp(argv[1], "raw") == 0) {
        run(raw_ways, sizeof raw_ways / sizeof *raw_ways);
        raw_cwd();
    }
    apart();
    cwd();
    as_daemon();
    if (!failed)
        puts("ok");
    return failed;
}
