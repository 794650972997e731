/*
 * race SECONDS DIR [--raw]: many processes and threads on one union, and an oracle for each thing that POSIX makes
 * atomic.
 *
 * Round after round each scene takes fresh files of the lowers (race --lay COUNT LOWER made them) and lets all its
 * actors go at once. --raw: every other process makes its system calls past libc, so that the guard answers it. Ends
 * with "N rounds, N violations"; status 1 if there is one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ACTORS = 64, LOWER_TEXT = 9000 };

static struct common {
    _Atomic int ready, go;
    _Atomic long violations;
    _Atomic long wins, fails, other;
    _Atomic int over;
} * all;
static bool raw_too;

static void fail(const char *what) {
    perror(what);
    exit(2);
}

__attribute__((format(printf, 1, 2))) static void violation(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "violation: ");
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    all->violations++;
}

/* Past libc and its hooks. */
static long raw(long nr, long a, long b, long c, long d) {
#if defined __x86_64__
    long ret;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
#elif defined __aarch64__
    register long x8 __asm__("x8") = nr;
    register long ret __asm__("x0") = a;
    register long x1 __asm__("x1") = b, x2 __asm__("x2") = c, x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(ret) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
#else
#error "this machine's system calls"
#endif
    if (ret < 0 && ret > -4096) {
        errno = (int)-ret;
        return -1;
    }
    return ret;
}

static bool is_raw(int actor) {
    return raw_too && actor % 2;
}

static int do_open(int actor, const char *path, int flags, mode_t mode) {
    return is_raw(actor) ? (int)raw(SYS_openat, AT_FDCWD, (long)path, flags, mode) : open(path, flags, mode);
}
static int do_unlink(int actor, const char *path, int flags) {
    return is_raw(actor) ? (int)raw(SYS_unlinkat, AT_FDCWD, (long)path, flags, 0) : unlinkat(AT_FDCWD, path, flags);
}
static int do_mkdir(int actor, const char *path) {
    return is_raw(actor) ? (int)raw(SYS_mkdirat, AT_FDCWD, (long)path, 0755, 0) : mkdir(path, 0755);
}
static int do_rename(int actor, const char *from, const char *to) {
    return is_raw(actor) ? (int)raw(SYS_renameat2, AT_FDCWD, (long)from, AT_FDCWD, (long)to) : rename(from, to);
}
static int do_link(int actor, const char *from, const char *to) {
    (void)actor;
    return link(from, to);
}

static void count(bool won, int expected) {
    if (won)
        all->wins++;
    else if (errno == expected)
        all->fails++;
    else {
        violation("errno %s where %s was to be", strerrorname_np(errno), strerrorname_np(expected));
        all->other++;
    }
}

/* --- the scenes: `begin` alone, then every actor at once, then `end` alone --- */

static char name[64], other[64];

/* 64 append to one lower file: one copy, no line lost. */
static void append_begin(unsigned round) {
    snprintf(name, sizeof name, "file%u", round);
}
static void append_act(int actor) {
    int fd = do_open(actor, name, O_WRONLY | O_APPEND, 0);
    char line[16];
    snprintf(line, sizeof line, "%07d\n", actor);
    if (fd < 0 || write(fd, line, 8) != 8)
        violation("%s: append: %s", name, strerrorname_np(errno));
    close(fd);
}
static void append_end(void) {
    static char text[LOWER_TEXT + 8 * ACTORS + 1];
    int fd = open(name, O_RDONLY);
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    bool seen[ACTORS] = {false};
    if (n != LOWER_TEXT + 8 * ACTORS) {
        violation("%s: %zd bytes after %d appends, not %d", name, n, ACTORS, LOWER_TEXT + 8 * ACTORS);
        return;
    }
    for (int i = 0; i < LOWER_TEXT; i++)
        if (text[i] != (char)('a' + i % 23)) {
            violation("%s: the lower's data is damaged at %d", name, i);
            return;
        }
    for (int i = 0; i < ACTORS; i++) {
        int who = atoi(text + LOWER_TEXT + 8 * i);
        if (who < 0 || who >= ACTORS || seen[who])
            violation("%s: the line of %d twice", name, who);
        else
            seen[who] = true;
    }
}

/* All unlink one lower file, one does it. */
static void unlink_act(int actor) {
    count(do_unlink(actor, name, 0) == 0, ENOENT);
}
static void one_won(void) {
    if (all->wins != 1)
        violation("%s: %ld did what one can do", name, (long)all->wins);
}
static void unlink_end(void) {
    one_won();
    if (access(name, F_OK) == 0)
        violation("%s is there after unlink", name);
}

/* All make one directory where a lower one was removed. */
static void mkdir_begin(unsigned round) {
    snprintf(name, sizeof name, "dir%u", round);
    snprintf(other, sizeof other, "dir%u/inner", round);
    if (unlink(other) < 0 || rmdir(name) < 0)
        violation("%s: prepare: %s", name, strerrorname_np(errno));
}
static void mkdir_act(int actor) {
    count(do_mkdir(actor, name) == 0, EEXIST);
}
static void mkdir_end(void) {
    one_won();
    if (access(other, F_OK) == 0)
        violation("%s: what was removed came back with a new directory", other);
}

/* Some create exclusively where others unlink: each name that was made is gone or there. */
static void create_act(int actor) {
    if (actor % 2) {
        int fd = do_open(actor, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
        if (fd >= 0) {
            all->wins++;
            close(fd);
        } else if (errno != EEXIST)
            violation("%s: O_EXCL: %s", name, strerrorname_np(errno));
    } else if (do_unlink(actor, name, 0) == 0)
        all->fails++;
    else if (errno != ENOENT)
        violation("%s: unlink: %s", name, strerrorname_np(errno));
}
static void create_end(void) {
    long there = access(name, F_OK) == 0; /* it was there at first */
    if (1 + all->wins - all->fails != there)
        violation("%s: %ld made, %ld removed, and %s", name, (long)all->wins, (long)all->fails,
                  there ? "there" : "not there");
}

/* rmdir of an emptied lower directory against creating in it: not both. */
static void rmdir_begin(unsigned round) {
    snprintf(name, sizeof name, "dir%u", round);
    snprintf(other, sizeof other, "dir%u/inner", round);
    if (unlink(other) < 0)
        violation("%s: prepare: %s", other, strerrorname_np(errno));
}
static void rmdir_act(int actor) {
    char path[96];
    if (actor % 4 < 2) {
        if (do_unlink(actor, name, AT_REMOVEDIR) == 0)
            all->wins++;
        else if (errno != ENOTEMPTY && errno != ENOENT)
            violation("%s: rmdir: %s", name, strerrorname_np(errno));
        return;
    }
    snprintf(path, sizeof path, "%s/new%d", name, actor);
    int fd = do_open(actor, path, O_WRONLY | O_CREAT, 0644);
    if (fd >= 0) {
        all->fails++;
        close(fd);
    } else if (errno != ENOENT)
        violation("%s: create: %s", path, strerrorname_np(errno));
}
static void rmdir_end(void) {
    if (all->wins > 1 || (all->wins && all->fails))
        violation("%s: removed %ld times, and %ld files made in it", name, (long)all->wins, (long)all->fails);
    if (all->wins != (access(name, F_OK) != 0))
        violation("%s: removed %ld times, and it is %s", name, (long)all->wins, access(name, F_OK) ? "gone" : "there");
    long made = 0;
    DIR *stream = opendir(name);
    for (struct dirent *e; stream && (e = readdir(stream));)
        made += strncmp(e->d_name, "new", 3) == 0;
    if (stream)
        closedir(stream);
    if (made != all->fails)
        violation("%s: %ld files made in it, %ld there", name, (long)all->fails, made);
}

/* A name that files are renamed over again and again is always there, and whole. */
static void rename_act(int actor) {
    char path[96], text[64];
    for (int i = 0; i < 6; i++) {
        if (actor % 2 == 0) {
            snprintf(path, sizeof path, "%s.%d", name, actor);
            int fd = do_open(actor / 2, path, O_WRONLY | O_CREAT | O_EXCL, 0644);
            if (fd < 0 || write(fd, "whole", 5) != 5)
                violation("%s: %s", path, strerrorname_np(errno));
            close(fd);
            if (do_rename(actor / 2, path, name) < 0)
                violation("rename %s: %s", path, strerrorname_np(errno));
        } else {
            int fd = do_open(actor / 2, name, O_RDONLY, 0);
            ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
            if (n < 5 || (memcmp(text, "whole", 5) != 0 && memcmp(text, "abcde", 5) != 0))
                violation("%s is not there, or not whole: %zd %s", name, n, n < 0 ? strerrorname_np(errno) : "");
            if (fd >= 0)
                close(fd);
        }
    }
}
static void nothing(void) {
}

/* A directory goes to and fro: by one of its two names it is always there; what it holds is never half. */
static void move_begin(unsigned round) {
    snprintf(name, sizeof name, "dir%u", round);
    snprintf(other, sizeof other, "moved%u", round);
}
static void move_act(int actor) {
    for (int i = 0; i < 6; i++) {
        if (actor < 4) {
            if (do_rename(actor, actor % 2 ? name : other, actor % 2 ? other : name) < 0 && errno != ENOENT &&
                errno != ENOTEMPTY && errno != EEXIST)
                violation("rename %s: %s", name, strerrorname_np(errno));
            continue;
        }
        struct stat st;
        DIR *stream = opendir(actor % 2 ? name : other);
        int seen = 0;
        for (struct dirent *e; stream && (e = readdir(stream));)
            seen += strcmp(e->d_name, "inner") == 0;
        if (stream && seen != 1 && fstat(dirfd(stream), &st) == 0 && st.st_nlink)
            violation("%s: a listing with %d inner", name, seen);
        if (stream)
            closedir(stream);
    }
}
static void move_end(void) {
    int there = (access(name, F_OK) == 0) + (access(other, F_OK) == 0);
    char path[96];
    snprintf(path, sizeof path, "%s/inner", access(name, F_OK) == 0 ? name : other);
    if (there != 1 || access(path, F_OK) < 0)
        violation("%s: there by %d names, inner %s", name, there, access(path, F_OK) ? "lost" : "there");
}

/* All link one lower file to one name. */
static void link_begin(unsigned round) {
    append_begin(round);
    snprintf(other, sizeof other, "link%u", round);
}
static void link_act(int actor) {
    count(do_link(actor, name, other) == 0, EEXIST);
}
static void link_end(void) {
    struct stat a, b;
    one_won();
    if (lstat(name, &a) < 0 || lstat(other, &b) < 0 || a.st_ino != b.st_ino || a.st_nlink != 2)
        violation("%s: not one file with two names", name);
}

/* A listing while others come and go tells what stays, once. */
static void list_begin(unsigned round) {
    snprintf(name, sizeof name, "list%u", round);
}
static void list_act(int actor) {
    char path[96];
    for (int i = 0; i < 4; i++) {
        if (actor % 2) {
            snprintf(path, sizeof path, "%s/%s%d", name, i % 2 ? "go" : "come", actor);
            if (i % 2)
                do_unlink(actor / 2, path, 0);
            else
                close(do_open(actor / 2, path, O_WRONLY | O_CREAT, 0644));
            continue;
        }
        int stay = 0;
        DIR *stream = opendir(name);
        for (struct dirent *e; stream && (e = readdir(stream));)
            stay += strncmp(e->d_name, "stay", 4) == 0;
        if (stay != 16)
            violation("%s: %d of the 16 names that stay", name, stay);
        if (stream)
            closedir(stream);
    }
}

static const struct scene {
    const char *what;
    void (*begin)(unsigned round);
    void (*act)(int actor);
    void (*end)(void);
} scenes[] = {
    {"append", append_begin, append_act, append_end}, {"unlink", append_begin, unlink_act, unlink_end},
    {"mkdir", mkdir_begin, mkdir_act, mkdir_end},     {"create", append_begin, create_act, create_end},
    {"rmdir", rmdir_begin, rmdir_act, rmdir_end},     {"rename", append_begin, rename_act, nothing},
    {"move", move_begin, move_act, move_end},         {"link", link_begin, link_act, link_end},
    {"list", list_begin, list_act, nothing},
};
enum { SCENES = sizeof scenes / sizeof *scenes, THREADS = 4 };

/* --- who acts --- */

struct one {
    const struct scene *scene;
    int actor;
};

static void *perform(void *arg) {
    const struct one *one = arg;
    all->ready++;
    while (!all->go)
        sched_yield();
    one->scene->act(one->actor);
    return NULL;
}

/* Half of the processes are four threads each. */
static void process(const struct scene *scene, int first, int threads) {
    struct one ones[THREADS];
    pthread_t ids[THREADS];
    for (int i = 0; i < threads; i++) {
        ones[i] = (struct one){scene, first + i};
        if (i && pthread_create(&ids[i], NULL, perform, &ones[i]))
            fail("pthread_create");
    }
    perform(&ones[0]);
    for (int i = 1; i < threads; i++)
        pthread_join(ids[i], NULL);
}

static void play(const struct scene *scene, unsigned round) {
    all->ready = all->go = 0;
    all->wins = all->fails = all->other = 0;
    scene->begin(round);
    int started = 0;
    for (int actor = 0; actor < ACTORS;) {
        int threads = started % 2 ? THREADS : 1;
        if (actor + threads > ACTORS)
            threads = 1;
        pid_t child = fork();
        if (child < 0)
            fail("fork");
        if (child == 0) {
            process(scene, actor, threads);
            fflush(stderr);
            _exit(0);
        }
        started++;
        actor += threads;
    }
    while (all->ready < ACTORS)
        usleep(100);
    all->go = 1;
    for (int status; started && wait(&status) > 0; started--)
        if (status)
            violation("%s: an actor ended with status %#x", scene->what, (unsigned)status);
    scene->end();
}

static void lay(int rounds, const char *lower) {
    char path[512], text[LOWER_TEXT];
    for (int i = 0; i < LOWER_TEXT; i++)
        text[i] = (char)('a' + i % 23);
    for (int i = 0; i < rounds; i++) {
        const char *const dirs[] = {"dir", "list"};
        for (int k = 0; k < 2; k++) {
            snprintf(path, sizeof path, "%s/%s%d", lower, dirs[k], i);
            if (mkdir(path, 0755) < 0)
                fail(path);
        }
        for (int k = -2; k < 16 + ACTORS; k++) {
            if (k == -2)
                snprintf(path, sizeof path, "%s/file%d", lower, i);
            else if (k == -1)
                snprintf(path, sizeof path, "%s/dir%d/inner", lower, i);
            else if (k < 16)
                snprintf(path, sizeof path, "%s/list%d/stay%d", lower, i, k);
            else
                snprintf(path, sizeof path, "%s/list%d/go%d", lower, i, k - 16);
            int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
            if (fd < 0 || (k == -2 && write(fd, text, sizeof text) != sizeof text))
                fail(path);
            close(fd);
        }
    }
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "--lay") == 0) {
        lay(atoi(argv[2]), argv[3]);
        return 0;
    }
    if (argc < 3 || chdir(argv[2]) < 0) {
        fprintf(stderr, "usage: race SECONDS DIR [--raw] | race --lay COUNT DIR\n");
        return 2;
    }
    raw_too = argc > 3;
    all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        fail("mmap");
    time_t end = time(NULL) + atoi(argv[1]);
    unsigned round = 0;
    char next[64];
    do {
        for (unsigned i = 0; i < SCENES; i++, round++)
            play(&scenes[i], round);
        snprintf(next, sizeof next, "list%u", round + SCENES);
    } while (time(NULL) < end && access(next, F_OK) == 0);
    printf("%u rounds, %ld violations\n", round, (long)all->violations);
    return all->violations > 0;
}
