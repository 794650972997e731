/*
 * For the programs that make each hooked call once: they run in a plain directory and in a union of the same
 * contents, and must print the same. A test is named by the symbol that it calls.
 *
 *   calls-FAMILY list       the symbols
 *   calls-FAMILY [NAME...]  those tests, or all, in the current directory
 *
 * For each symbol NAME the fixture (test/shim.bats) has:
 *   f/NAME    a file in the lowest layer, holding "NAME\n", mode 0644
 *   d/NAME    a directory that two layers hold: `low` in one, `high` in the other, `both` in both ("high\n")
 *   l/NAME    a symlink to ../f/NAME, in the upper one of them
 *   n/        an empty directory
 */
#ifndef CALLS_H
#define CALLS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

struct paths {
    const char *name;
    char file[64], dir[64], link[64], fresh[64], absent[64];
};

struct test {
    const char *name;
    void (*run)(const struct paths *);
};
static struct test tests[200];
static size_t count;
static const char *now;

/* A test of the symbol NAME: the body sees p->file and its kin. */
#define TEST(symbol)                                                                                                   \
    static void test_##symbol(const struct paths *p);                                                                  \
    __attribute__((constructor)) static void add_##symbol(void) {                                                      \
        tests[count++] = (struct test){#symbol, test_##symbol};                                                        \
    }                                                                                                                  \
    static void test_##symbol(__attribute__((unused)) const struct paths *p)

__attribute__((format(printf, 1, 2), unused)) static void say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    printf("%s: ", now);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
    fflush(stdout);
}

/* Makes a call and says what came of it; a success that changes errno is a difference too. */
#define CALL(call)                                                                                                     \
    ({                                                                                                                 \
        errno = EXFULL;                                                                                                \
        long ret_ = (long)(call);                                                                                      \
        int errno_ = errno;                                                                                            \
        if (ret_ == -1)                                                                                                \
            say("%s = %s", #call, strerrorname_np(errno_));                                                            \
        else                                                                                                           \
            say("%s = ok%s", #call, errno_ == EXFULL ? "" : ", errno changed");                                        \
        ret_;                                                                                                          \
    })
/* The same of a call that returns a pointer. */
#define POINTER(call)                                                                                                  \
    ({                                                                                                                 \
        errno = 0;                                                                                                     \
        __typeof(call) ret_ = (call);                                                                                  \
        say("%s = %s", #call, ret_ ? "ok" : strerrorname_np(errno));                                                   \
        ret_;                                                                                                          \
    })

/* What a file holds, by a descriptor that is then closed. */
__attribute__((unused)) static void say_text(int fd) {
    char text[256];
    ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);
    if (n >= 0) {
        text[n] = 0;
        while (n && text[n - 1] == '\n')
            text[--n] = 0;
        say("  holds \"%s\"", text);
    } else
        say("  %s", strerrorname_np(errno));
    if (fd >= 0)
        close(fd);
}

__attribute__((unused)) static void say_file(const char *path) {
    say_text(open(path, O_RDONLY));
}

/* What stat says, as far as two copies of a tree have it in common. */
__attribute__((unused)) static void say_stat(const struct stat *st) {
    say("  mode %o, nlink %ld, uid %d, size %ld", st->st_mode, S_ISDIR(st->st_mode) ? 0 : (long)st->st_nlink,
        (int)st->st_uid, S_ISDIR(st->st_mode) ? 0 : (long)st->st_size);
}

__attribute__((unused)) static void say_path(const char *path) {
    struct stat st;
    if (lstat(path, &st) == 0)
        say_stat(&st);
    else
        say("  %s", strerrorname_np(errno));
}

__attribute__((unused)) static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Ends a child, and says how. */
__attribute__((unused)) static void say_child(pid_t pid) {
    int status = 0;
    if (pid <= 0 || waitpid(pid, &status, 0) != pid)
        say("  no child");
    else if (WIFEXITED(status))
        say("  exit %d", WEXITSTATUS(status));
    else
        say("  signal %d", WTERMSIG(status));
}

/* Tells bin/gate.c, if it looks on, which test comes: past libc, or the shim would make the call. */
static void mark(const char *name) {
#ifdef __x86_64__
    char path[128];
    snprintf(path, sizeof path, "/.gate-mark/%s", name);
    long ret = SYS_access;
    __asm__ volatile("syscall" : "+a"(ret) : "D"(path), "S"(0) : "rcx", "r11", "memory");
#else
    (void)name;
#endif
}

static void run(const struct test *t) {
    struct paths p = {.name = t->name};
    snprintf(p.file, sizeof p.file, "f/%s", t->name);
    snprintf(p.dir, sizeof p.dir, "d/%s", t->name);
    snprintf(p.link, sizeof p.link, "l/%s", t->name);
    snprintf(p.fresh, sizeof p.fresh, "n/%s", t->name);
    snprintf(p.absent, sizeof p.absent, "f/%s/no", t->name);
    now = t->name;
    mark(t->name);
    t->run(&p);
}

int main(int argc, char **argv) {
    umask(022);
    for (size_t i = 0; i < count; i++) {
        bool wanted = argc < 2;
        for (int a = 1; a < argc; a++)
            wanted = wanted || strcmp(argv[a], tests[i].name) == 0;
        if (argc == 2 && strcmp(argv[1], "list") == 0)
            puts(tests[i].name);
        else if (wanted)
            run(&tests[i]);
    }
    return 0;
}

#endif
