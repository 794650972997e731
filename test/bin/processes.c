/*
 * Processes in hard places: a claim is a command, and what it prints is the same in a union and in a plain directory.
 * The cwd holds file, dir/file, dir/top and fifo (a FIFO), in two lowers.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

extern char **environ;

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            dprintf(out, "line %d: %s: %s\n", __LINE__, #condition, strerrorname_np(errno));                           \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

static int out = 1; /* where it is told; a claim that closes all descriptors has none */

/* The calls that POSIX wants async-signal-safe, and their like: under names of the caller's own, all undone. */
static void safe_calls(const char *tag) {
    char a[40], b[40], text[64];
    struct stat st;
    strcat(strcpy(a, "a-"), tag);
    strcat(strcpy(b, "dir/b-"), tag);
    int fd = open(a, O_RDWR | O_CREAT | O_EXCL, 0644);
    MUST(fd >= 0 && write(fd, "12345", 5) == 5 && fstat(fd, &st) == 0 && fchmod(fd, 0600) == 0);
    close(fd);
    MUST(rename(a, b) == 0 && access(a, F_OK) < 0 && link(b, a) == 0 && unlink(b) == 0);
    MUST(symlink("file", b) == 0 && lstat(b, &st) == 0 && readlink(b, text, sizeof text) == 4 && unlink(b) == 0);
    MUST(mkdir(b, 0755) == 0 && stat(b, &st) == 0 && S_ISDIR(st.st_mode) && rmdir(b) == 0 && stat(b, &st) < 0);
    MUST(chmod(a, 0640) == 0 && chown(a, -1, getgid()) == 0 && truncate(a, 2) == 0 && stat(a, &st) == 0);
    MUST(st.st_size == 2 && (st.st_mode & 07777) == 0640 && utimensat(AT_FDCWD, a, NULL, 0) == 0);
    MUST(mkfifo(b, 0600) == 0 && unlink(b) == 0 && unlink(a) == 0);
    fd = open("dir", O_RDONLY | O_DIRECTORY);
    MUST(fd >= 0 && openat(fd, "none", O_RDONLY) < 0 && errno == ENOENT && fstatat(fd, "top", &st, 0) == 0);
    close(fd);
    MUST((fd = open("dir/file", O_RDONLY)) >= 0 && read(fd, text, 5) == 5 && memcmp(text, "deep\n", 5) == 0);
    close(fd);
    char *argv[] = {(char *)(size_t) "none", NULL};
    MUST(execve("none", argv, environ) < 0 && errno == ENOENT);
}

static void calls(const char *tag) {
    char path[PATH_MAX];
    safe_calls(tag);
    DIR *d = opendir("dir");
    int n = 0;
    MUST(d && fchdir(dirfd(d)) == 0 && access("top", R_OK) == 0 && chdir("..") == 0);
    while (readdir(d))
        n++;
    closedir(d);
    MUST(n >= 4 && realpath("dir/file", path) && getcwd(path, sizeof path));
    FILE *f = fopen("file", "r");
    MUST(f && fgets(path, sizeof path, f) && strcmp(path, "text\n") == 0);
    fclose(f);
    MUST(system("exit 3") == 3 << 8);
}

static void ended_well(pid_t pid, int wanted) {
    int status = 0;
    MUST(pid > 0 && waitpid(pid, &status, 0) == pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != wanted)
        dprintf(out, "ended with %x\n", status);
}

static void say_file(const char *path) {
    char text[4096];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (n < 0)
        dprintf(out, "%s: %s\n", path, strerrorname_np(errno));
    else
        dprintf(out, "%s: %.*s", path, (int)n, text);
    if (fd >= 0)
        close(fd);
}

static void wait_for(const char *path) {
    for (int i = 0; access(path, F_OK) < 0; i++) {
        MUST(i < 2000);
        usleep(10000);
    }
}

/* --- daemons, and those who close everything --- */

static void close_by_loop(void) {
    for (int fd = 0; fd < 1024; fd++)
        close(fd);
}
static void close_by_range(void) {
    close_range(0, ~0U, 0);
}
static void close_by_from(void) {
    closefrom(0);
}
static void (*const closers[])(void) = {close_by_loop, close_by_range, close_by_from};

static void daemon_by_hand(void) {
    char home[PATH_MAX], path[PATH_MAX + 64];
    MUST(getcwd(home, sizeof home));
    for (int i = 0; i < 3; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            pid_t parent = getpid();
            if (setsid() < 0 || fork() != 0)
                _exit(0);
            closers[i]();
            umask(i == 0 ? 0 : 027);
            if (chdir("/") < 0 || open("/dev/null", O_RDWR) != 0 || dup(0) != 1 || dup(0) != 2)
                _exit(1);
            while (getppid() == parent)
                usleep(1000);
            snprintf(path, sizeof path, "%s/dir/log", home);
            int log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
            dprintf(log, "%d by %s session\n", i, getsid(0) == getpid() ? "its own" : "another's");
            snprintf(path, sizeof path, "%s/dir", home);
            if (chdir(path) < 0)
                _exit(1);
            out = log;
            MUST(chdir("..") == 0);
            calls("daemon");
            snprintf(path, sizeof path, "%s/done%d", home, i);
            close(open(path, O_WRONLY | O_CREAT, 0666));
            _exit(0);
        }
        ended_well(pid, 0);
        snprintf(path, sizeof path, "done%d", i);
        wait_for(path);
        struct stat st;
        MUST(stat(path, &st) == 0);
        printf("done, mode %o\n", st.st_mode);
    }
    fflush(stdout);
    say_file("dir/log");
}

/* libc's own. */
static void daemon_by_libc(void) {
    char home[PATH_MAX], path[PATH_MAX + 64];
    MUST(getcwd(home, sizeof home));
    pid_t pid = fork();
    if (pid == 0) {
        if (daemon(0, 0) < 0)
            _exit(1);
        snprintf(path, sizeof path, "%s/daemon.log", home);
        int log = open(path, O_WRONLY | O_CREAT, 0644);
        dprintf(log, "in %s\n", getcwd(path, sizeof path));
        MUST(chdir(home) == 0);
        out = log;
        calls("daemon");
        close(open("done", O_WRONLY | O_CREAT, 0644));
        _exit(0);
    }
    ended_well(pid, 0);
    wait_for("done");
    say_file("daemon.log");
}

static void closed(void) {
    for (int i = 0; i < 3; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            closers[i]();
            calls("closed");
            MUST(open("file", O_RDONLY) == 0 && open("said", O_WRONLY | O_CREAT | O_TRUNC, 0644) == 1 && dup(1) == 2);
            execl("/bin/sh", "sh", "-c", "cat; echo \"$0\"; ls dir; cat dir/none; exit 5", "arg", NULL);
            _exit(1);
        }
        ended_well(pid, 5);
        say_file("said");
    }
}

/* --- signals --- */

static sigjmp_buf back;
static volatile sig_atomic_t caught;
static void jump(int sig, siginfo_t *info, void *context) {
    (void)info;
    (void)context;
    caught = sig;
    siglongjmp(back, 1);
}

static void catches(void) {
    struct sigaction act = {.sa_sigaction = jump, .sa_flags = SA_SIGINFO};
    static const int signals[] = {SIGSEGV, SIGBUS, SIGSYS, SIGILL, SIGTRAP};
    for (int i = 0; i < 5; i++)
        MUST(sigaction(signals[i], &act, NULL) == 0);
    calls("before");
    printf("%s\n", caught ? "caught something" : "nothing to catch");
    if (sigsetjmp(back, 1) == 0)
        *(volatile int *)(uintptr_t)getpagesize() = 1;
    printf("caught %s\n", sigabbrev_np(caught));
    if (sigsetjmp(back, 1) == 0)
        raise(SIGSYS);
    printf("caught %s\n", sigabbrev_np(caught));
    calls("after");
}

/* A sandbox's broker: what its filter traps it does itself, in the handler. */
#ifdef __x86_64__
static void broker(int sig, siginfo_t *info, void *context) {
    ucontext_t *c = context;
    int saved = errno;
    (void)sig;
    (void)info;
    int fd = openat(AT_FDCWD, "dir/file", O_RDONLY);
    c->uc_mcontext.gregs[REG_RAX] = fd < 0 ? -errno : fd;
    errno = saved;
}
static void brokers(void) {
    enum { TRAPPED = O_RDONLY | O_NOFOLLOW };
    struct sigaction act = {.sa_sigaction = broker, .sa_flags = SA_SIGINFO | SA_NODEFER};
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TRAPPED, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    MUST(sigaction(SIGSYS, &act, NULL) == 0);
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    for (int i = 0; i < 100; i++) {
        char text[16] = "";
        int fd = openat(AT_FDCWD, "none", TRAPPED);
        MUST(fd >= 0 && read(fd, text, sizeof text) == 5 && strcmp(text, "deep\n") == 0);
        close(fd);
        MUST((fd = openat(AT_FDCWD, "file", O_RDONLY)) >= 0);
        close(fd);
    }
    say_file("dir/top");
}
#endif

/* A path that is none: Rust's library asks by one whether there is a statx. */
static void nothing_named(void) {
    static const char *volatile none; /* or the compiler would know */
    const char *path = none;
    static struct statx *volatile nowhere;
    struct stat st;
    struct statx stx;
    char text[64];
#define TELL(call) (errno = 0, (void)(call), dprintf(1, "%s: %s\n", #call, strerrorname_np(errno)))
    TELL(syscall(SYS_statx, 0, path, 0, STATX_ALL, NULL));
    TELL(statx(0, path, 0, STATX_ALL, nowhere));
    TELL(statx(AT_FDCWD, path, 0, STATX_ALL, &stx));
    TELL(open(path, O_RDONLY));
    TELL(openat(AT_FDCWD, path, O_WRONLY | O_CREAT, 0600));
    TELL(creat(path, 0600));
    TELL(stat(path, &st));
    TELL(lstat(path, &st));
    TELL(fstatat(AT_FDCWD, path, &st, 0));
    TELL(access(path, F_OK));
    TELL(faccessat(AT_FDCWD, path, R_OK, AT_EACCESS));
    TELL(readlink(path, text, sizeof text));
    TELL(mkdir(path, 0700));
    TELL(mkfifo(path, 0700));
    TELL(rmdir(path));
    TELL(unlink(path));
    TELL(unlinkat(AT_FDCWD, path, 0));
    TELL(remove(path));
    TELL(rename(path, "none"));
    TELL(rename("file", path));
    TELL(link(path, "none"));
    TELL(link("file", path));
    TELL(symlink(path, "none"));
    TELL(symlink("file", path));
    TELL(chmod(path, 0700));
    TELL(chown(path, -1, -1));
    TELL(truncate(path, 0));
    TELL(chdir(path));
    TELL(getxattr(path, "user.a", text, sizeof text));
    TELL(setxattr(path, "user.a", "b", 1, 0));
    TELL(listxattr(path, text, sizeof text));
    TELL(execve(path, (char *[]){text, NULL}, environ));
    TELL(fopen(path, "r"));
    TELL(realpath(path, NULL));
}

/* Handlers that do all calls while the thread is in one: four threads, each with a timer of its own. */
static __thread char thread_tag[16];
static __thread timer_t thread_timer;
static _Atomic int interrupted;
static const struct itimerspec soon = {.it_value = {0, 200000}}, never;
static void interrupt(int sig) {
    int saved = errno;
    char tag[24];
    (void)sig;
    strcat(strcpy(tag, "h"), thread_tag);
    interrupted++;
    struct stat st;
    char a[40];
    strcat(strcpy(a, "dir/i"), tag);
    int fd = open(a, O_RDWR | O_CREAT, 0600);
    MUST(fd >= 0 && fstat(fd, &st) == 0);
    close(fd);
    MUST(stat("dir/file", &st) == 0 && lstat("dir/none", &st) < 0 && unlink(a) == 0);
    timer_settime(thread_timer, 0, &soon, NULL); /* from now: or a slow machine would do nothing but this */
    errno = saved;
}
static void *interrupted_thread(void *arg) {
    snprintf(thread_tag, sizeof thread_tag, "%d", (int)(size_t)arg);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
    event._sigev_un._tid = gettid();
    MUST(timer_create(CLOCK_MONOTONIC, &event, &thread_timer) == 0);
    MUST(timer_settime(thread_timer, 0, &soon, NULL) == 0);
    while (interrupted < 4000) {
        char a[40], b[40], path[PATH_MAX];
        struct stat st;
        snprintf(a, sizeof a, "m%s", thread_tag);
        snprintf(b, sizeof b, "dir/m%s", thread_tag);
        int fd = open(a, O_RDWR | O_CREAT | O_EXCL, 0600);
        MUST(fd >= 0 && fstat(fd, &st) == 0);
        close(fd);
        MUST(rename(a, b) == 0 && chmod(b, 0644) == 0 && readlink("/proc/self/cwd", path, sizeof path) > 0);
        MUST(stat("dir/top", &st) == 0 && unlink(b) == 0 && mkdir(a, 0700) == 0 && rmdir(a) == 0);
        DIR *d = opendir("dir");
        MUST(d && readdir(d));
        closedir(d);
        FILE *f = fopen("file", "r");
        MUST(f && fgets(path, sizeof path, f));
        fclose(f);
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    MUST(timer_settime(thread_timer, 0, &never, NULL) == 0 && timer_delete(thread_timer) == 0);
    return NULL;
}
static void interrupts(void) {
    pthread_t threads[4];
    struct sigaction act = {.sa_handler = interrupt, .sa_flags = SA_RESTART};
    MUST(sigaction(SIGRTMIN, &act, NULL) == 0);
    for (size_t i = 0; i < 4; i++)
        MUST(pthread_create(&threads[i], NULL, interrupted_thread, (void *)i) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    printf("thousands of times\n");
}

/* On a signal stack of 8 KiB, the SIGSTKSZ of old, beneath which there is nothing. */
static void on_altstack(int sig) {
    int saved = errno;
    (void)sig;
    safe_calls("alt");
    errno = saved;
}
static void altstack(void) {
    enum { PAGE = 4096, SIZE = 8192 };
    char *at = mmap(NULL, PAGE + SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(at != MAP_FAILED && mprotect(at, PAGE, PROT_NONE) == 0);
    memset(at + PAGE, 0xa5, SIZE);
    stack_t stack = {.ss_sp = at + PAGE, .ss_size = SIZE};
    struct sigaction act = {.sa_handler = on_altstack, .sa_flags = SA_ONSTACK};
    MUST(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR1, &act, NULL) == 0);
    for (int i = 0; i < 10; i++)
        raise(SIGUSR1);
    int unused = 0;
    while (unused < SIZE && at[PAGE + unused] == (char)0xa5)
        unused++;
    if (getenv("PROCESSES_STACK"))
        printf("%d of %d bytes, of which %ld are the kernel's\n", SIZE - unused, SIZE, getauxval(AT_MINSIGSTKSZ));
    printf("fits\n");
}

/* --- coroutines --- */

enum { COROUTINES = 6, COROUTINE_STACK = 16384 };
static struct coroutine {
    ucontext_t context;
    char *stack;
    bool done;
    int steps;
} coroutines[COROUTINES];
static __thread ucontext_t scheduler;
static _Atomic int running = -1;

/* Which thread's scheduler it goes back to is the thread's own, at that moment. */
static __attribute__((noinline)) void yield(struct coroutine *c) {
    c->steps++;
    swapcontext(&c->context, &scheduler);
}
static void coroutine(int i) {
    struct coroutine *c = &coroutines[i];
    char tag[16], name[32];
    static char paths[COROUTINES][PATH_MAX];
    snprintf(tag, sizeof tag, "c%d", i);
    for (int round = 0; round < 5; round++) {
        safe_calls(tag);
        yield(c);
        DIR *d = opendir("dir");
        MUST(d);
        struct dirent *e;
        while ((e = readdir(d)))
            yield(c);
        closedir(d);
        snprintf(name, sizeof name, "made-%d", i);
        FILE *f = fopen(name, "a");
        MUST(f);
        yield(c);
        fprintf(f, "round %d\n", round);
        fclose(f);
        yield(c);
        MUST(realpath(name, paths[i]) && stat("none", &(struct stat){0}) < 0 && errno == ENOENT);
    }
    c->done = true;
    swapcontext(&c->context, &scheduler);
}
static void *schedule(void *arg) {
    int me = (int)(size_t)arg;
    for (bool left = true; left;) {
        left = false;
        for (int i = 0; i < COROUTINES; i++) {
            while (running != me) /* taken by turns, so that each coroutine goes from thread to thread */
                sched_yield();
            if (!coroutines[i].done) {
                left = true;
                swapcontext(&scheduler, &coroutines[i].context);
            }
            running = 1 - me;
        }
    }
    running = 1 - me;
    return NULL;
}
static void contexts(void) {
    for (int i = 0; i < COROUTINES; i++) {
        struct coroutine *c = &coroutines[i];
        c->stack = mmap(NULL, COROUTINE_STACK + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        MUST(c->stack != MAP_FAILED && mprotect(c->stack, 4096, PROT_NONE) == 0);
        getcontext(&c->context);
        c->context.uc_stack.ss_sp = c->stack + 4096;
        c->context.uc_stack.ss_size = COROUTINE_STACK;
        makecontext(&c->context, (void (*)(void))coroutine, 1, i);
    }
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        MUST(pthread_create(&threads[i], NULL, schedule, (void *)i) == 0);
    running = 0;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < COROUTINES; i++) {
        char name[32];
        snprintf(name, sizeof name, "made-%d", i);
        say_file(name);
    }
}

/* --- children of every kind --- */

static void exec_cat(const char *path) {
    execlp("cat", "cat", path, NULL);
    _exit(9);
}
static int cloned(void *arg) {
    (void)arg;
    if (chdir("dir") < 0)
        return 1;
    return open("top", O_RDONLY) < 0;
}
#ifdef __x86_64__
static int areas_none(void *arg) {
    struct stat st;
    (void)arg;
    return chdir("dir") < 0 || stat("top", &st) < 0 || access("../file", R_OK) < 0;
}
#endif
static void *forks(void *arg) {
    char tag[16];
    snprintf(tag, sizeof tag, "f%d", (int)(size_t)arg);
    for (int i = 0; i < 10; i++) {
        pid_t pid = i % 2 ? fork() : _Fork();
        if (pid == 0) {
            safe_calls(tag);
            execl("/bin/sh", "sh", "-c", "test -e file && test -e dir/top && exit 4", NULL);
            _exit(1);
        }
        ended_well(pid, 4);
        pid = vfork();
        if (pid == 0) {
            execl("/bin/sh", "sh", "-c", "read line <file; test \"$line\" = text && exit 6", NULL);
            _exit(1);
        }
        ended_well(pid, 6);
        safe_calls(tag);
    }
    return NULL;
}
static void children(void) {
    int status;
    pid_t pid = _Fork();
    if (pid == 0)
        exec_cat("file");
    ended_well(pid, 0);

    pid = vfork();
    if (pid == 0)
        exec_cat("dir/top");
    ended_well(pid, 0);

    struct clone_args args = {.exit_signal = SIGCHLD};
    pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) {
        calls("clone3");
        exec_cat("dir/file");
    }
    ended_well(pid, 0);

    static char stack[65536] __attribute__((aligned(16)));
    pid = clone(cloned, stack + sizeof stack, CLONE_FS | SIGCHLD, NULL); /* its cwd is ours */
    ended_well(pid, 0);
    say_file("top");
    MUST(chdir("..") == 0);
    pid = clone(cloned, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, NULL);
    MUST(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    say_file("file");
#ifdef __x86_64__ /* a thread area of zeros: no thread of libc's (chromium goes to its new root so) */
    static char none[16384] __attribute__((aligned(64)));
    pid = clone(areas_none, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_FS | CLONE_SETTLS | SIGCHLD, NULL,
                NULL, none + sizeof none / 2);
    MUST(pid > 0 && waitpid(pid, &status, 0) == pid);
    printf("without a thread area: %x\n", (unsigned)status);
    say_file("top");
    MUST(chdir("..") == 0);
#endif
    printf("a descriptor of the child's: %s\n", close(3) == 0 ? "ours" : "none");
    fflush(stdout);

    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        MUST(pthread_create(&threads[i], NULL, forks, (void *)i) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    printf("children of threads: well\n");
}

/* An exec of one thread while the others are in calls. */
static void *never_ends(void *arg) {
    char tag[16];
    snprintf(tag, sizeof tag, "e%d", (int)(size_t)arg);
    for (;;) {
        struct stat st;
        char a[40];
        snprintf(a, sizeof a, "dir/%s", tag);
        close(open(a, O_RDWR | O_CREAT, 0600));
        stat("dir/top", &st);
        unlink(a);
    }
    return NULL;
}
static void *execs(void *arg) {
    usleep(20000);
    execl("/bin/sh", "sh", "-c", "cat file dir/top; echo new >dir/new; ls dir | grep -v e.", NULL);
    return arg;
}
static void exec_in_threads(void) {
    pthread_t thread;
    for (size_t i = 0; i < 4; i++)
        MUST(pthread_create(&thread, NULL, never_ends, (void *)i) == 0);
    MUST(pthread_create(&thread, NULL, execs, NULL) == 0);
    pthread_join(thread, NULL);
}

/* --- threads with a cwd and a umask of their own --- */

static pthread_barrier_t barrier;
static char cwds[3][PATH_MAX];
static void *goes_away(void *arg) {
    size_t i = (size_t)arg;
    MUST(i == 0 || unshare(CLONE_FS) == 0);
    pthread_barrier_wait(&barrier);
    if (i == 1)
        MUST(chdir("dir") == 0);
    if (i == 2)
        MUST(mkdir("other", 0755) == 0 && chdir("other") == 0);
    if (i)
        umask(i == 1 ? 077 : 007);
    pthread_barrier_wait(&barrier);
    char name[PATH_MAX];
    struct stat st;
    close(open("own", O_RDWR | O_CREAT, 0666));
    MUST(getcwd(cwds[i], PATH_MAX) && realpath("own", name) && stat("own", &st) == 0);
    pthread_barrier_wait(&barrier);
    for (size_t turn = 0; turn < 3; turn++) {
        if (turn == i)
            printf("%zu: %s, %s, mode %o, file %s\n", i, cwds[i], name, st.st_mode,
                   access("file", F_OK) == 0 ? "there" : "not there");
        pthread_barrier_wait(&barrier);
    }
    pid_t pid = i ? 0 : -1;
    if (i) {
        pid = fork(); /* the child's is the thread's */
        if (pid == 0) {
            execl("/bin/sh", "sh", "-c", "pwd -P >pwd; umask >>pwd", NULL);
            _exit(1);
        }
        ended_well(pid, 0);
    }
    return NULL;
}
static void unshared(void) {
    pthread_t threads[3];
    pthread_barrier_init(&barrier, NULL, 3);
    for (size_t i = 0; i < 3; i++)
        MUST(pthread_create(&threads[i], NULL, goes_away, (void *)i) == 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    fflush(stdout);
    say_file("dir/pwd");
    say_file("other/pwd");
}

/* The first calls of a process, by many threads at once, each of which is interrupted: the handler's calls are first,
 * too. */
static void calls_first(int sig) {
    int saved = errno, fd;
    (void)sig;
    for (int i = 0; i < 3; i++) {
        MUST((fd = open("/proc/self/cwd", O_RDONLY | O_DIRECTORY)) >= 0);
        close(fd);
    }
    MUST(access("dir/top", R_OK) == 0 || access("top", R_OK) == 0);
    errno = saved;
}
static _Atomic int gone_in;
static void *goes_in(void *arg) {
    MUST(unshare(CLONE_FS) == 0);
    pthread_barrier_wait(&barrier);
    MUST(access("dir/top", R_OK) == 0 && chdir("dir") == 0 && access("top", R_OK) == 0);
    gone_in++;
    return arg;
}
static void at_once(void) {
    enum { MANY = 24 };
    pthread_t threads[MANY];
    struct sigaction act = {.sa_handler = calls_first, .sa_flags = SA_RESTART};
    MUST(sigaction(SIGUSR1, &act, NULL) == 0);
    pthread_barrier_init(&barrier, NULL, MANY + 1);
    for (int i = 0; i < MANY; i++)
        MUST(pthread_create(&threads[i], NULL, goes_in, NULL) == 0);
    pthread_barrier_wait(&barrier);
    for (int i = 0; gone_in < MANY; i = (i + 1) % MANY)
        pthread_kill(threads[i], SIGUSR1);
    for (int i = 0; i < MANY; i++)
        pthread_join(threads[i], NULL);
}
/* A new process of this program that does `what` and nothing before. */
static pid_t at_first(const char *what) {
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    MUST(n > 0);
    self[n] = 0;
    char *argv[] = {self, (char *)(size_t)what, NULL};
    pid_t pid;
    MUST(posix_spawn(&pid, self, NULL, NULL, argv, environ) == 0);
    return pid;
}
static void first_calls(void) {
    for (int i = 0; i < 40; i++)
        ended_well(at_first("at-once"), 0);
    printf("well\n");
}

/* The first call of a process, and a signal at each system call that it makes: the handler's calls are the first then.
 */
static void interrupted_first(void) {
    struct sigaction act = {.sa_handler = calls_first, .sa_flags = SA_RESTART};
    MUST(sigaction(SIGUSR1, &act, NULL) == 0 && ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 && raise(SIGSTOP) == 0);
    int fd = open("dir/file", O_RDONLY);
    MUST(fd >= 0 && access("dir/top", R_OK) == 0);
}
/* Signals the process at its n-th stop at a system call. False: it has ended before. */
static bool signal_at(pid_t pid, int n) {
    int status, sig = 0;
    MUST(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    MUST(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) == 0);
    for (int stops = 0;;) {
        MUST(ptrace(stops < n ? PTRACE_SYSCALL : PTRACE_CONT, pid, NULL, sig) == 0);
        MUST(waitpid(pid, &status, 0) == pid);
        if (!WIFSTOPPED(status))
            break;
        bool call = WSTOPSIG(status) == (SIGTRAP | 0x80);
        sig = call ? 0 : WSTOPSIG(status);
        if (call && ++stops == n)
            MUST(kill(pid, SIGUSR1) == 0);
    }
    MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return sig == SIGUSR1;
}
static void first_interrupted(void) {
    int n = 1;
    pid_t pid;
    do
        pid = at_first("interrupted-first");
    while (signal_at(pid, n++));
    printf("%s\n", n > 4 ? "at each" : "there were none");
}

static const struct {
    const char *name;
    void (*run)(void);
} claims[] = {
    {"daemon", daemon_by_hand},
    {"daemon-libc", daemon_by_libc},
    {"closed", closed},
    {"catches", catches},
    {"interrupts", interrupts},
    {"altstack", altstack},
    {"contexts", contexts},
    {"children", children},
    {"unshared", unshared},
    {"exec", exec_in_threads},
    {"nothing-named", nothing_named},
    {"first-calls", first_calls},
    {"at-once", at_once},
    {"first-interrupted", first_interrupted},
    {"interrupted-first", interrupted_first},
#ifdef __x86_64__
    {"brokers", brokers},
#endif
};

int main(int argc, char **argv) {
    umask(022);
    for (int a = 1; a < argc; a++)
        for (size_t i = 0; i < sizeof claims / sizeof *claims; i++)
            if (strcmp(argv[a], claims[i].name) == 0)
                claims[i].run();
    return 0;
}
