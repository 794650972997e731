/*
 * Threads that are cancelled in libc's calls on files. A claim is a command; what it prints is the same in a union and
 * in a plain directory. The cwd holds file, dir/, fifo (a FIFO), each in a lower.
 *
 *   points      which calls are cancellation points for one who is cancelled already
 *   waiting     cancelled while it waits in them, deferred: clean-up runs, nothing is left behind
 *   waiting-at-once   the same, asynchronous
 *   storm       cancelled asynchronously wherever they are: calls made afterwards still work, and cost no more memory
 *   disabled    cancelled, but not to be: the calls go on
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

extern char **environ;

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            dprintf(1, "line %d: %s: %s\n", __LINE__, #condition, strerror(errno));                                    \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

/* --- what is called --- */

static void call_open(void) {
    close(open("file", O_RDONLY));
}
static void call_open_new(void) {
    close(open("made", O_WRONLY | O_CREAT, 0600));
}
static void call_openat(void) {
    close(openat(AT_FDCWD, "file", O_RDWR));
}
static void call_creat(void) {
    close(creat("made", 0600));
}
static void call_fopen(void) {
    FILE *f = fopen("file", "r");
    if (f)
        fclose(f);
}
static void call_freopen(void) {
    FILE *f = fopen("/dev/null", "rc");
    if (f && (f = freopen("file", "r", f)))
        fclose(f);
}
static void call_fopen_uncancelled(void) {
    FILE *f = fopen("file", "rc");
    if (f)
        fclose(f);
}
static void call_opendir(void) {
    DIR *d = opendir("dir");
    if (d)
        closedir(d);
}
static void call_readdir(void) {
    DIR *d = opendir("dir");
    while (d && readdir(d))
        continue;
    if (d)
        closedir(d);
}
static void call_stat(void) {
    struct stat st;
    stat("file", &st);
}
static void call_access(void) {
    if (access("file", R_OK) < 0)
        return;
}
static void call_rename(void) {
    rename("none", "none2");
}
static void call_unlink(void) {
    unlink("none");
}
static void call_mkdir(void) {
    mkdir("dir", 0777);
}
static void call_chdir(void) {
    MUST(chdir(".") == 0);
}
static void call_getcwd(void) {
    char path[PATH_MAX];
    MUST(getcwd(path, sizeof path));
}
static void call_realpath(void) {
    char path[PATH_MAX];
    MUST(realpath("file", path));
}
static void call_readlink(void) {
    char path[PATH_MAX];
    MUST(readlink("file", path, sizeof path) < 0);
}
static void call_truncate(void) {
    MUST(truncate("none", 0) < 0);
}
static void call_getxattr(void) {
    getxattr("file", "user.none", NULL, 0);
}
static void call_mkstemp(void) {
    char name[] = "tempXXXXXX";
    int fd = mkstemp(name);
    if (fd >= 0)
        close(fd);
    unlink(name);
}
static void call_system(void) {
    MUST(system("exit 3") == 3 << 8);
}
static void call_pclose(void) {
    FILE *f = popen("exit 3", "r");
    if (f)
        pclose(f);
}
static void call_popen(void) {
    FILE *f = popen("exit 3", "r");
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    if (f)
        pclose(f);
}
static void call_posix_spawn(void) {
    pid_t pid;
    char *argv[] = {(char *)(size_t) "true", NULL};
    if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) != 0)
        return;
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    waitpid(pid, NULL, 0);
}
static void call_connect(void) {
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "none"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), state;
    connect(fd, (struct sockaddr *)&un, sizeof un);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    close(fd);
}
static void call_bind(void) {
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "bound"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), state;
    bind(fd, (struct sockaddr *)&un, sizeof un);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    unlink("bound");
    close(fd);
}
static void call_sendto(void) {
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "none"};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0), state;
    sendto(fd, "x", 1, 0, (struct sockaddr *)&un, sizeof un);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    close(fd);
}
static void call_syscall(void) {
    struct stat st;
    MUST(fstatat(AT_FDCWD, "file", &st, 0) == 0);
}
static const struct {
    const char *name;
    void (*call)(void);
} calls[] = {
    {"open", call_open},         {"open, new", call_open_new},
    {"openat", call_openat},     {"creat", call_creat},
    {"fopen", call_fopen},       {"fopen with c", call_fopen_uncancelled},
    {"freopen", call_freopen},   {"opendir", call_opendir},
    {"readdir", call_readdir},   {"stat", call_stat},
    {"fstatat", call_syscall},   {"access", call_access},
    {"rename", call_rename},     {"unlink", call_unlink},
    {"mkdir", call_mkdir},       {"chdir", call_chdir},
    {"getcwd", call_getcwd},     {"realpath", call_realpath},
    {"readlink", call_readlink}, {"truncate", call_truncate},
    {"getxattr", call_getxattr}, {"mkstemp", call_mkstemp},
    {"system", call_system},     {"popen", call_popen},
    {"pclose", call_pclose},     {"posix_spawn", call_posix_spawn},
    {"connect", call_connect},   {"bind", call_bind},
    {"sendto", call_sendto},
};
enum { CALLS = sizeof calls / sizeof *calls };

/* --- for one who is cancelled already --- */

static void *pending(void *arg) {
    pthread_cancel(pthread_self()); /* not acted upon: this is no cancellation point, and the type is deferred */
    calls[(size_t)arg].call();
    return NULL;
}

static bool is_cancelled(void *(*run)(void *), void *arg) {
    pthread_t thread;
    void *result;
    MUST(pthread_create(&thread, NULL, run, arg) == 0);
    MUST(pthread_join(thread, &result) == 0);
    return result == PTHREAD_CANCELED;
}

static void points(void) {
    for (size_t i = 0; i < CALLS; i++) {
        unlink("made");
        bool cancelled = is_cancelled(pending, (void *)i);
        printf("%s: %s%s\n", calls[i].name, cancelled ? "cancelled" : "goes on",
               access("made", F_OK) == 0 ? ", and has made the file" : "");
        fflush(stdout);
    }
    unlink("made");
}

/* --- while it waits --- */

static void *in_open(void *path) {
    close(open(path, O_RDONLY));
    return NULL;
}
static void *in_open_to_write(void *path) {
    close(openat(AT_FDCWD, path, O_WRONLY));
    return NULL;
}
static void *in_fopen(void *path) {
    FILE *f = fopen(path, "r");
    if (f)
        fclose(f);
    return NULL;
}
static void close_it(void *fd) {
    close(*(int *)fd);
}
static void *in_read(void *path) {
    char c;
    int fd = -1, state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); /* in open, the descriptor might be lost: libc's way, too */
    pthread_cleanup_push(close_it, &fd);
    fd = open(path, O_RDWR);
    MUST(fd >= 0);
    pthread_setcancelstate(state, &state);
    if (read(fd, &c, 1) == 1)
        puts("read");
    pthread_cleanup_pop(1);
    return NULL;
}
static void *in_system(void *path) {
    (void)path;
    system("exec sleep 100");
    return NULL;
}
static const struct {
    const char *name;
    void *(*run)(void *);
} waits[] = {
    {"open of a FIFO", in_open},   {"openat of a FIFO to write", in_open_to_write},
    {"fopen of a FIFO", in_fopen}, {"read of a FIFO", in_read},
    {"system", in_system},
};

struct waiter {
    size_t what;
    int type;
    _Atomic int tid, cleaned;
};

static void cleaned(void *arg) {
    struct waiter *w = arg;
    w->cleaned++;
}
static void *wait_there(void *arg) {
    struct waiter *w = arg;
    pthread_setcanceltype(w->type, NULL);
    pthread_cleanup_push(cleaned, w);
    w->tid = gettid();
    waits[w->what].run((void *)(size_t) "fifo");
    pthread_cleanup_pop(0);
    return NULL;
}

/* Sleeping in the kernel, and not on the way there. */
static bool sleeps(int tid) {
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    bool yes = fgets(line, sizeof line, f) && strncmp(strrchr(line, ')') + 1, " S", 2) == 0;
    fclose(f);
    return yes;
}

static long number_of(const char *dir) {
    long n = 0;
    DIR *d = opendir(dir);
    MUST(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static long kib(void) {
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    MUST(f && fscanf(f, "%ld", &pages) == 1);
    fclose(f);
    return pages * 4;
}

static void cancel_waiting(size_t what, int type, unsigned delay) {
    struct waiter w = {.what = what, .type = type};
    pthread_t thread;
    void *result;
    MUST(pthread_create(&thread, NULL, wait_there, &w) == 0);
    while (!w.tid)
        sched_yield();
    for (int still = 0; still < 3; still = sleeps(w.tid) ? still + 1 : 0)
        usleep(delay);
    MUST(pthread_cancel(thread) == 0);
    MUST(pthread_join(thread, &result) == 0);
    if (result != PTHREAD_CANCELED || w.cleaned != 1)
        printf("%s: not cancelled\n", waits[what].name);
}

static void every_call(void) {
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    for (size_t i = 0; i < CALLS; i++)
        calls[i].call();
    unlink("made");
    pthread_setcancelstate(state, &state);
}

static void waiting_as(int type) {
    enum { ROUNDS = 100 };
    for (size_t what = 0; what < sizeof waits / sizeof *waits; what++) {
        int rounds = waits[what].run == in_system ? 5 : ROUNDS;
        cancel_waiting(what, type, 1000);
        every_call();
        long fds = number_of("/proc/self/fd"), before = kib();
        for (int i = 0; i < rounds; i++)
            cancel_waiting(what, type, 300);
        every_call();
        printf("%s: %ld descriptors more\n", waits[what].name, number_of("/proc/self/fd") - fds);
        if (kib() - before > 2048)
            printf("%ld KiB more\n", kib() - before);
        fflush(stdout);
    }
    printf("children: %s\n", waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD ? "none" : "left");
    /* The FIFO is whole: two who do meet in it. */
    pthread_t thread;
    MUST(pthread_create(&thread, NULL, in_open, (void *)(size_t) "fifo") == 0);
    int fd = open("fifo", O_WRONLY);
    MUST(fd >= 0 && pthread_join(thread, NULL) == 0 && close(fd) == 0);
}
static void waiting(void) {
    waiting_as(PTHREAD_CANCEL_DEFERRED);
}
static void waiting_at_once(void) {
    waiting_as(PTHREAD_CANCEL_ASYNCHRONOUS);
}

/* --- wherever they are --- */

static void *busy(void *arg) {
    struct stat st;
    char path[PATH_MAX], a[64], b[64];
    snprintf(a, sizeof a, "a%zu", (size_t)arg);
    snprintf(b, sizeof b, "dir/b%zu", (size_t)arg);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;) {
        close(open(a, O_RDWR | O_CREAT, 0600));
        stat("dir/file", &st);
        rename(a, b);
        chmod(b, 0640);
        readlink("/proc/self/cwd", path, sizeof path);
        link(b, a);
        unlink(b);
        mkdir(b, 0700);
        rmdir(b);
        symlink("file", b);
        lstat(b, &st);
        unlink(b);
        setxattr(a, "user.a", "b", 1, 0);
        truncate(a, 5);
        statx(AT_FDCWD, "file", 0, STATX_ALL, &(struct statx){0});
    }
    return NULL;
}
static void storm(void) {
    enum { THREADS = 4, ROUNDS = 150 };
    long before = 0;
    int fds = 0;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[THREADS];
        for (size_t i = 0; i < THREADS; i++)
            MUST(pthread_create(&threads[i], NULL, busy, (void *)i) == 0);
        usleep(500 + (unsigned)round * 37 % 2000);
        for (int i = 0; i < THREADS; i++)
            MUST(pthread_cancel(threads[i]) == 0);
        for (int i = 0; i < THREADS; i++)
            MUST(pthread_join(threads[i], NULL) == 0);
        if (round == 20) {
            every_call();
            before = kib();
        }
    }
    /* A descriptor may be lost between open and close: that is the program's own. */
    for (fds = 3; fds < 1024; fds++)
        close(fds);
    every_call();
    if (kib() - before > 4096)
        printf("%ld KiB more\n", kib() - before);
    for (int i = 0; i < THREADS; i++) {
        char name[64];
        snprintf(name, sizeof name, "a%d", i);
        remove(name);
        snprintf(name, sizeof name, "dir/b%d", i);
        remove(name);
    }
    pid_t pid = fork();
    MUST(pid >= 0);
    if (pid == 0) {
        every_call();
        execl("/bin/true", "true", NULL);
    }
    int status;
    MUST(waitpid(pid, &status, 0) == pid && status == 0);
    puts("all calls go on");
}

static void *not_to_be(void *arg) {
    int state;
    (void)arg;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    pthread_cancel(pthread_self());
    every_call();
    char c;
    int fd = open("fifo", O_RDWR);
    MUST(fd >= 0 && write(fd, "x", 1) == 1 && read(fd, &c, 1) == 1 && close(fd) == 0);
    return (void *)1;
}
static void disabled(void) {
    printf("%s\n", is_cancelled(not_to_be, NULL) ? "cancelled" : "goes on");
}

static const struct {
    const char *name;
    void (*run)(void);
} claims[] = {
    {"points", points}, {"waiting", waiting},   {"waiting-at-once", waiting_at_once},
    {"storm", storm},   {"disabled", disabled},
};

int main(int argc, char **argv) {
    for (int a = 1; a < argc; a++)
        for (size_t i = 0; i < sizeof claims / sizeof *claims; i++)
            if (strcmp(argv[a], claims[i].name) == 0)
                claims[i].run();
    return 0;
}
