/*
 * Calls in hard places. Each claim is a command, runs in a directory that holds d/low, d/high and f, and
 * prints "ok" or what was wrong.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            dprintf(2, "line %d: %s: %s\n", __LINE__, #condition, strerror(errno));                                    \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

enum { THREADS = 8, ROUNDS = 200 };

static int spawn_true(void) {
    pid_t pid;
    int status;
    char *argv[] = {(char *)(size_t) "true", NULL};
    MUST(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) == 0);
    MUST(waitpid(pid, &status, 0) == pid);
    return status;
}

static int entries(DIR *d) {
    int n = 0;
    while (readdir(d))
        n++;
    return n;
}

/* One of everything, under names of the caller's own. */
static void all_calls(int id, int round) {
    char a[32], b[32];
    static __thread char path[PATH_MAX];
    struct stat st;
    snprintf(a, sizeof a, "a%d-%d", id, round);
    snprintf(b, sizeof b, "b%d-%d", id, round);
    int fd = open(a, O_RDWR | O_CREAT | O_EXCL, 0644);
    MUST(fd >= 0);
    MUST(fstat(fd, &st) == 0);
    close(fd);
    MUST(mkdir(b, 0755) == 0);
    MUST(rmdir(b) == 0);
    MUST(rename(a, b) == 0);
    MUST(link(b, a) == 0);
    MUST(unlink(a) == 0);
    MUST(symlink("f", a) == 0);
    MUST(realpath(a, path) && strcmp(strrchr(path, '/'), "/f") == 0);
    MUST(readlink(a, path, sizeof path) == 1);
    MUST(getcwd(path, sizeof path));
    MUST(stat("d/low", &st) == 0 && stat("d/none", &st) < 0 && errno == ENOENT);
    MUST(chmod(b, 0600) == 0);
    DIR *d = opendir("d");
    MUST(d && entries(d) == 4);
    rewinddir(d);
    MUST(entries(d) == 4);
    MUST(closedir(d) == 0);
    FILE *f = fopen("f", "r");
    MUST(f && fgets(path, sizeof path, f));
    fclose(f);
    MUST(unlink(a) == 0 && unlink(b) == 0);
    if (round % 50 == 0)
        MUST(spawn_true() == 0);
}

static void *worker(void *arg) {
    for (int i = 0; i < ROUNDS; i++)
        all_calls((int)(size_t)arg, i);
    return NULL;
}

static void in_threads(void *(*work)(void *), size_t stack) {
    pthread_t threads[THREADS];
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    if (stack && stack < (size_t)PTHREAD_STACK_MIN) /* aarch64: 128 KiB */
        stack = (size_t)PTHREAD_STACK_MIN;
    if (stack)
        MUST(pthread_attr_setstacksize(&attr, stack) == 0);
    for (size_t i = 0; i < THREADS; i++)
        MUST(pthread_create(&threads[i], &attr, work, (void *)i) == 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void small_stacks(void) {
    in_threads(worker, 16384);
}

/* Copies up: many threads write to the same lower file at once. */
static void *appender(void *arg) {
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        int fd = open("f", O_WRONLY | O_APPEND);
        MUST(fd >= 0 && write(fd, "x", 1) == 1);
        close(fd);
    }
    return NULL;
}
static void one_file(void) {
    struct stat st, after;
    MUST(stat("f", &st) == 0);
    in_threads(appender, 16384);
    MUST(stat("f", &after) == 0 && after.st_size == st.st_size + THREADS * ROUNDS && after.st_ino == st.st_ino);
}

/* One stream in many hands: each entry comes once. */
static DIR *shared;
static _Atomic int got;
static void *reader(void *arg) {
    struct dirent e, *result;
    (void)arg;
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    while (readdir_r(shared, &e, &result) == 0 && result)
        atomic_fetch_add(&got, 1);
    return NULL;
}
static void one_stream(void) {
    for (int i = 0; i < 500; i++) {
        char name[32];
        snprintf(name, sizeof name, "d/n%d", i);
        close(creat(name, 0644));
    }
    MUST((shared = opendir("d")));
    in_threads(reader, 16384);
    MUST(atomic_load(&got) == 504);
}

/* fork while other threads are in the middle of calls: the child can do all of them. */
static void *forker(void *arg) {
    for (int i = 0; i < 20; i++) {
        pid_t pid = fork();
        MUST(pid >= 0);
        if (pid == 0) {
            for (int j = 0; j < 3; j++)
                all_calls(1000 * ((int)(size_t)arg + 1) + i, j);
            _exit(0);
        }
        int status;
        MUST(waitpid(pid, &status, 0) == pid && status == 0);
        all_calls((int)(size_t)arg, i);
    }
    return NULL;
}
static void fork_in_threads(void) {
    in_threads(forker, 0);
}

/* A handler that opens, renames and lists nothing but itself, while the program is in a call. */
static _Atomic int handled;
static void handler(int sig) {
    int saved = errno;
    struct stat st;
    (void)sig;
    int fd = open("h", O_RDWR | O_CREAT, 0644);
    MUST(fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 1);
    close(fd);
    MUST(rename("h", "h2") == 0 && access("h", F_OK) < 0 && unlink("h2") == 0);
    MUST(stat("d/low", &st) == 0);
    char *argv[] = {(char *)(size_t) "none", NULL};
    MUST(execve("none", argv, environ) < 0 && errno == ENOENT);
    atomic_fetch_add(&handled, 1);
    errno = saved;
}
static void signal_handlers(void) {
    struct sigaction act = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &act, NULL);
    struct itimerval timer = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    for (int i = 0; i < 1000 || atomic_load(&handled) < 100; i++) {
        int fd = open("mine", O_RDWR | O_CREAT, 0644);
        struct stat st;
        MUST(fd >= 0 && fstat(fd, &st) == 0);
        close(fd);
        MUST(rename("mine", "mine2") == 0 && unlink("mine2") == 0);
        MUST(stat("d/high", &st) == 0);
        char *argv[] = {(char *)(size_t) "none", NULL};
        MUST(execve("none", argv, environ) < 0 && errno == ENOENT);
    }
    timer = (struct itimerval){0};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static long pages(void) {
    long n = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    MUST(f && fscanf(f, "%ld", &n) == 1);
    fclose(f);
    return n;
}

/* The child of vfork leaves nothing in our memory, whether its exec succeeds or fails. */
static void vfork_once(const char *program) {
    char *argv[] = {(char *)(size_t) "true", NULL};
    pid_t pid = vfork();
    MUST(pid >= 0);
    if (pid == 0) {
        execve(program, argv, environ);
        _exit(7);
    }
    int status;
    MUST(waitpid(pid, &status, 0) == pid);
    MUST(WEXITSTATUS(status) == (program[0] == '/' ? 0 : 7));
}
static void *vforker(void *arg) {
    (void)arg;
    for (int i = 0; i < 50; i++)
        vfork_once(i % 5 ? "/bin/true" : "none");
    return NULL;
}
static void vfork_leaks_nothing(void) {
    for (int i = 0; i < 3; i++)
        in_threads(vforker, 65536);
    long before = pages();
    for (int i = 0; i < 5; i++)
        in_threads(vforker, 65536);
    long after = pages();
    if (after - before > 64) {
        printf("%ld pages more\n", after - before);
        exit(1);
    }
}

/* Every descriptor closed behind everybody's back. */
static void closed_descriptors(void) {
    DIR *d = opendir("d");
    MUST(d);
    closefrom(3);
    all_calls(0, 0);
    d = opendir("d");
    MUST(d && dirfd(d) == 3 && entries(d) == 4);
    closedir(d);
    closefrom(0);
    int fd = open("f", O_RDONLY);
    MUST(fd == 0);
    fd = open("/dev/null", O_WRONLY);
    MUST(fd == 1);
    struct stat st;
    MUST(stat("d/low", &st) == 0);
    _exit(0);
}

/* errno stays on success. */
static void errno_kept(void) {
    struct stat st;
    char path[PATH_MAX];
    errno = EXFULL;
    close(open("f", O_RDWR | O_APPEND));
    stat("d/low", &st);
    access("d/high", R_OK);
    mkdir("e", 0755);
    rename("e", "e2");
    rmdir("e2");
    if (!getcwd(path, sizeof path) || readlink("/proc/self/cwd", path, sizeof path) < 0)
        _exit(1);
    DIR *d = opendir("d");
    entries(d);
    closedir(d);
    MUST(errno == EXFULL);
}

/* A thread that waits for a connection is cancelled there. */
static void *accepter(void *fd) {
    struct sockaddr_un un;
    socklen_t len = sizeof un;
    accept(*(int *)fd, (struct sockaddr *)&un, &len);
    return NULL;
}
static void *receiver(void *fd) {
    char c;
    recvfrom(*(int *)fd, &c, 1, 0, NULL, NULL);
    return NULL;
}
static void cancelled_in(void *(*work)(void *), int fd) {
    pthread_t thread;
    void *result;
    MUST(pthread_create(&thread, NULL, work, &fd) == 0);
    usleep(50000);
    MUST(pthread_cancel(thread) == 0);
    MUST(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
}
static void cancellation(void) {
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int server = socket(AF_UNIX, SOCK_STREAM, 0), mail = socket(AF_UNIX, SOCK_DGRAM, 0);
    MUST(bind(server, (struct sockaddr *)&un, sizeof un) == 0 && listen(server, 1) == 0);
    cancelled_in(accepter, server);
    cancelled_in(receiver, mail);
}

static const struct {
    const char *name;
    void (*run)(void);
} claims[] = {
    {"small-stacks", small_stacks},
    {"one-file", one_file},
    {"one-stream", one_stream},
    {"fork-in-threads", fork_in_threads},
    {"signal-handlers", signal_handlers},
    {"vfork", vfork_leaks_nothing},
    {"closed-descriptors", closed_descriptors},
    {"errno", errno_kept},
    {"cancellation", cancellation},
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 1 && i < sizeof claims / sizeof *claims; i++)
        if (strcmp(argv[1], claims[i].name) == 0) {
            claims[i].run();
            puts("ok");
            return 0;
        }
    puts("no such claim");
    return 2;
}
