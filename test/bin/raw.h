/*
 * For the programs raw-FAMILY: each makes path system calls by inline assembly, past libc, in a plain directory and in
 * a union of the same contents, and must print the same. They are built dynamic and static.
 *
 *   raw-FAMILY list           the tests
 *   raw-FAMILY DIR [TEST...]  those tests, or all
 *
 * A test runs in a child of its own, with no descriptor beyond 2, in DIR/TEST. That holds, by the layers of
 * test/guard.bats ("2" is the lowest):
 *
 *   low high up             files of layer 2, of layer 1, of the upper: each its name and a newline
 *   both                    a file of all three ("up\n" is seen)
 *   gone dead               not there: whited out by layer 1, by the upper
 *   dir/                    of all three: low high up both, sub/ (with sub/deep of 2), dead ones in it
 *   bottom/                 of layer 2 alone: a b, in/deep
 *   opaque/                 of layer 2 (hidden), opaque in layer 1 (seen)
 *   empty/                  of layer 2
 *   hard1 hard2             one file of layer 2
 *   link dlink dangling     symlinks of layer 1 to low, dir, nowhere; loop to itself; abs to low by its absolute path
 *   fifo                    of layer 2
 *   script                  of layer 2: tells its name and arguments
 *   shut                    of layer 2: mode 0200
 *   big                     of layer 2: 300,000 bytes
 *   foreign                 of layer 2: root's, 0644
 *   acl/                    of layer 2: has a default ACL
 *
 * DIR/bin/{prog,prog2,prog3}, of layer 2, are copies of the running program; DIR/many/ has 200 files, half of them of
 * layer 1.
 */
#ifndef RAW_H
#define RAW_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef RAW_PATIENCE
#define RAW_PATIENCE 20 // seconds for one test
#endif
#ifndef __x86_64__
#error "raw.h knows x86_64's system calls only"
#endif

/* Newer than Debian 12's headers. */
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#define SYS_listxattrat 465
#define SYS_removexattrat 466
#endif

/* --- the calls ------------------------------------------------------------------------------------------------ */

__attribute__((noinline, unused)) static long raw6(long nr, long a, long b, long c, long d, long e, long f) {
#ifdef RAW_BY_LIBC /* through syscall(), to try the tests with the shim alone */
    long got = syscall(nr, a, b, c, d, e, f);
    return got == -1 ? -errno : got;
#else
    long got;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(got)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return got;
#endif
}

#define RAW_1(n, a) raw6(n, (long)(a), 0, 0, 0, 0, 0)
#define RAW_2(n, a, b) raw6(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define RAW_3(n, a, b, c) raw6(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define RAW_4(n, a, b, c, d) raw6(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define RAW_5(n, a, b, c, d, e) raw6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define RAW_6(n, a, b, c, d, e, f) raw6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define RAW_PICK(_1, _2, _3, _4, _5, _6, which, ...) which
/* RAW(openat, AT_FDCWD, "low", O_RDONLY): the call, its result as the kernel gives it (-errno) */
#define RAW(call, ...) RAW_PICK(__VA_ARGS__, RAW_6, RAW_5, RAW_4, RAW_3, RAW_2, RAW_1, )(SYS_##call, __VA_ARGS__)

/* --- saying --------------------------------------------------------------------------------------------------- */

struct test {
    const char *name;
    void (*run)(void);
};
static struct test tests[200];
static size_t count;
static const char *now = "", *self_dir, *self_argv0;

#define TEST(what)                                                                                                     \
    static void test_##what(void);                                                                                     \
    __attribute__((constructor)) static void add_##what(void) {                                                        \
        tests[count++] = (struct test){#what, test_##what};                                                            \
    }                                                                                                                  \
    static void test_##what(void)

__attribute__((format(printf, 1, 2), unused)) static void say(const char *format, ...) {
    static __thread char line[6000];
    va_list args;
    size_t n = (size_t)snprintf(line, 200, "%s: ", now);
    va_start(args, format);
    n += (size_t)vsnprintf(line + n, sizeof line - n - 1, format, args);
    va_end(args);
    if (n > sizeof line - 2)
        n = sizeof line - 2;
    line[n++] = '\n';
    if (write(1, line, n) != (ssize_t)n)
        _exit(3);
}

__attribute__((unused)) static const char *result(long got) {
    static __thread char text[32];
    const char *name = got < 0 && got > -4096 ? strerrorname_np((int)-got) : NULL;
    if (name)
        return name;
    snprintf(text, sizeof text, "%ld", got);
    return text;
}

/* Makes the call and says what came of it. */
#define CALL(call, ...)                                                                                                \
    ({                                                                                                                 \
        long ret_ = RAW(call, __VA_ARGS__);                                                                            \
        say("%s(%s) = %s", #call, #__VA_ARGS__, result(ret_));                                                         \
        ret_;                                                                                                          \
    })
/* The same where the number itself tells nothing (an address, a count of bytes that depends on the filesystem). */
#define CALL_OK(call, ...)                                                                                             \
    ({                                                                                                                 \
        long ret_ = RAW(call, __VA_ARGS__);                                                                            \
        say("%s(%s) = %s", #call, #__VA_ARGS__, ret_ >= 0 ? "ok" : result(ret_));                                      \
        ret_;                                                                                                          \
    })
#define TRUE(condition) say("%s: %s", #condition, (condition) ? "yes" : "no")

/* What a descriptor's file holds. */
__attribute__((unused)) static void say_text(long fd) {
    static __thread char text[500];
    long n = RAW(pread64, fd, text, sizeof text - 1, 0);
    if (n < 0) {
        say("  read: %s", result(n));
        return;
    }
    text[n] = 0;
    for (long i = 0; i < n; i++)
        if (text[i] == '\n' || text[i] == 0)
            text[i] = '|';
    say("  holds \"%s\"", text);
}
__attribute__((unused)) static void say_file(const char *path) {
    long fd = RAW(open, path, O_RDONLY | O_NONBLOCK);
    if (fd < 0)
        say("  %s: %s", path, result(fd));
    else {
        say_text(fd);
        close((int)fd);
    }
}

__attribute__((unused)) static struct stat stat_of(const char *path) {
    struct stat st;
    memset(&st, 0, sizeof st);
    long got = RAW(newfstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW);
    if (got < 0)
        say("  stat of %s: %s", path, result(got));
    return st;
}
/* What stat says, as far as two copies of a tree have it in common; a directory's size and links are its filesystem's.
 */
__attribute__((unused)) static void say_stat(const struct stat *st) {
    bool dir = S_ISDIR(st->st_mode);
    say("  mode %o, links %ld, uid %d, gid %d, size %ld, blocks %d, rdev %ld", st->st_mode,
        dir ? 0 : (long)st->st_nlink, (int)st->st_uid, (int)st->st_gid, dir ? 0 : (long)st->st_size,
        dir ? 0 : st->st_blocks > 0, (long)st->st_rdev);
}
__attribute__((unused)) static void say_path(const char *path) {
    struct stat st = stat_of(path);
    if (st.st_ino)
        say_stat(&st);
}
/* Times before 2020 were set, and are shown; others are today's. That a file was read, by whomever, is not told. */
__attribute__((unused)) static void say_times(const char *path) {
    struct stat st = stat_of(path);
    const struct timespec *t[] = {&st.st_atim, &st.st_mtim};
    for (int i = 0; i < 2; i++)
        if (t[i]->tv_sec < 1577836800 && (i || t[i]->tv_nsec != 789012345))
            say("  %s %s %ld.%09ld", path, i ? "modified" : "accessed", t[i]->tv_sec, t[i]->tv_nsec);
        else if (i)
            say("  %s modified today", path);
}

struct entry {
    uint64_t ino;
    int64_t off;
    unsigned short len;
    unsigned char type;
    char name[];
};
struct listing {
    char names[512][300];
    uint64_t inos[512];
    size_t n;
};
__attribute__((unused)) static int by_name(const void *a, const void *b) {
    return strcmp(a, b);
}
/* Adds what a buffer of getdents64 holds, names behind their types. */
__attribute__((unused)) static void add_entries(struct listing *l, const char *buffer, long n) {
    for (long at = 0; at < n;) {
        const struct entry *e = (const void *)(buffer + at);
        static const char types[] = "?pc?d?b?-?l?s???";
        if (l->n < 512) {
            l->inos[l->n] = e->ino;
            snprintf(l->names[l->n++], 300, "%c %s", types[e->type & 15], e->name);
        }
        at += e->len;
    }
}
/* All that a descriptor's directory still has to tell; 0 or -errno. */
__attribute__((unused)) static long read_entries(long fd, struct listing *l, size_t room) {
    static __thread char buffer[65536] __attribute__((aligned(8)));
    for (;;) {
        long n = RAW(getdents64, fd, buffer, room);
        if (n <= 0)
            return n;
        add_entries(l, buffer, n);
    }
}
__attribute__((unused)) static void say_entries(const char *what, struct listing *l) {
    static __thread char text[6000];
    size_t n = 0;
    qsort(l->names, l->n, sizeof l->names[0], by_name);
    text[0] = 0;
    for (size_t i = 0; i < l->n && n < sizeof text - 310; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i ? ", " : "", l->names[i]);
    say("  %s, %zu: %s", what, l->n, text);
}
__attribute__((unused)) static void say_dir(const char *path) {
    static __thread struct listing l;
    long fd = RAW(openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY), got;
    l.n = 0;
    if (fd < 0)
        say("  %s: %s", path, result(fd));
    else {
        if ((got = read_entries(fd, &l, 4096)) < 0)
            say("  %s: getdents64: %s", path, result(got));
        say_entries(path, &l);
        close((int)fd);
    }
}

/* Path and contents of a link in /proc, or of any. */
__attribute__((unused)) static void say_link(const char *path) {
    char text[PATH_MAX];
    long n = RAW(readlinkat, AT_FDCWD, path, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    say("  %s -> %s", path, n < 0 ? result(n) : text);
}
__attribute__((unused)) static void say_fd_link(long fd) {
    char path[64], text[PATH_MAX];
    snprintf(path, sizeof path, "/proc/self/fd/%ld", fd);
    long n = RAW(readlink, path, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    say("  leads to %s", n < 0 ? result(n) : text);
}

/* DIR/TEST/name as an absolute path; four of them at a time. */
__attribute__((unused)) static const char *absolute(const char *name) {
    static char text[4][PATH_MAX + 300];
    static int which;
    which = (which + 1) % 4;
    snprintf(text[which], sizeof text[which], "%s/%s%s%s", self_dir, now, *name ? "/" : "", name);
    return text[which];
}

__attribute__((unused)) static void say_child(pid_t pid) {
    int status = 0;
    pid_t got;
    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    if (got != pid)
        say("  no child");
    else if (WIFEXITED(status))
        say("  exit %d", WEXITSTATUS(status));
    else
        say("  signal %d", WTERMSIG(status));
}
/* The statement in a child. */
#define IN_CHILD(...)                                                                                                  \
    ({                                                                                                                 \
        pid_t child_ = fork();                                                                                         \
        if (child_ == 0) {                                                                                             \
            __VA_ARGS__;                                                                                               \
            _exit(0);                                                                                                  \
        }                                                                                                              \
        child_;                                                                                                        \
    })

__attribute__((unused)) static void pause_ms(long ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

__attribute__((unused)) static int run(const struct test *t) {
    pid_t pid = fork();
    if (pid == 0) {
        now = t->name;
        alarm(RAW_PATIENCE); // what hangs is ended, and is a difference
        long got = RAW(chdir, absolute(""));
        if (got < 0)
            say("chdir to the test's directory: %s", result(got));
        else
            t->run();
        _exit(0);
    }
    int status = 1;
    if (waitpid(pid, &status, 0) != pid)
        return 1;
    now = t->name;
    if (WIFSIGNALED(status))
        say("ended by signal %d", WTERMSIG(status));
    else if (status)
        say("ended with %d", WEXITSTATUS(status));
    return status != 0;
}

#ifndef RAW_OWN_MAIN
int main(int argc, char **argv) {
    if (argc >= 2 && strcmp(argv[1], "list") == 0) {
        for (size_t i = 0; i < count; i++)
            puts(tests[i].name);
        return 0;
    }
    if (argc < 2 || argv[1][0] != '/') {
        fprintf(stderr, "usage: %s list | /DIR [TEST...]\n", argv[0]);
        return 2;
    }
    self_argv0 = argv[0];
    self_dir = argv[1];
    close_range(3, ~0U, 0);
    umask(022);
    for (size_t i = 0; i < count; i++) {
        bool wanted = argc == 2;
        for (int a = 2; a < argc; a++)
            wanted = wanted || strcmp(argv[a], tests[i].name) == 0;
        if (wanted)
            run(&tests[i]);
    }
    return 0;
}
#endif

#endif
