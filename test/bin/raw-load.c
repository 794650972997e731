/* Many callers at once, slow callers, callers that are killed: what they do to the others. */
#define RAW_PATIENCE 150
#include "raw.h"

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/ioctl.h>

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
static void *start(void *(*work)(void *), void *arg) {
    pthread_t *t = malloc(sizeof *t);
    if (!t || pthread_create(t, NULL, work, arg))
        _exit(4);
    return t;
}
static void join(void *t) {
    pthread_join(*(pthread_t *)t, NULL);
    free(t);
}

/* Names of the caller's own made, moved, read, listed, removed; each failure is told. */
static _Atomic int failures;
static void must(const char *what, long got) {
    if (got < 0 && atomic_fetch_add(&failures, 1) < 10)
        say("%s: %s", what, result(got));
}
static void one_of_everything(int id, int round) {
    char a[64], b[64], text[64], d[64];
    static __thread char entries[4096];
    struct stat st;
    snprintf(a, sizeof a, "dir/a%d-%d", id, round);
    snprintf(b, sizeof b, "bottom/b%d-%d", id, round);
    snprintf(d, sizeof d, "dir/d%d-%d", id, round);
    long fd = RAW(open, a, O_RDWR | O_CREAT | O_EXCL, 0644);
    must("create", fd);
    must("write", RAW(write, fd, a, strlen(a)));
    close((int)fd);
    must("rename", RAW(rename, a, b));
    must("stat", RAW(stat, b, &st));
    fd = RAW(open, b, O_RDONLY);
    must("open", fd);
    memset(text, 0, sizeof text);
    must("read", RAW(read, fd, text, sizeof text - 1));
    if (strcmp(text, a) != 0)
        must("another text", -EILSEQ);
    close((int)fd);
    must("mkdir", RAW(mkdir, d, 0755));
    must("symlink", RAW(symlink, "x", a));
    must("unlink", RAW(unlink, a));
    must("rmdir", RAW(rmdir, d));
    must("chmod", RAW(chmod, b, 0600));
    must("link", RAW(link, b, a));
    must("unlink", RAW(unlink, a));
    must("unlink", RAW(unlink, b));
    if (RAW(access, b, F_OK) != -ENOENT)
        must("still there", -EEXIST);
    fd = RAW(open, "dir", O_RDONLY);
    must("opendir", fd);
    must("getdents64", RAW(getdents64, fd, entries, sizeof entries));
    close((int)fd);
    must("stat", RAW(stat, "low", &st));
    must("stat", RAW(stat, "bottom/in/deep", &st));
}

/* --- many
 * ---------------------------------------------------------------------------------------------------------------- */

static void *worker(void *arg) {
    for (int i = 0; i < 60; i++)
        one_of_everything((int)(long)arg, i);
    return NULL;
}
TEST(threads) {
    void *t[32];
    for (long i = 0; i < 32; i++)
        t[i] = start(worker, (void *)i);
    for (int i = 0; i < 32; i++)
        join(t[i]);
    say("failures: %d", failures);
    say_dir("dir");
    say_dir("bottom");
}
TEST(processes) {
    pid_t pids[300];
    for (int i = 0; i < 300; i++)
        pids[i] = IN_CHILD({
            for (int k = 0; k < 3; k++)
                one_of_everything(i, k);
            _exit(failures != 0);
        });
    int bad = 0, status;
    for (int i = 0; i < 300; i++)
        if (waitpid(pids[i], &status, 0) != pids[i] || status)
            bad++;
    say("bad: %d", bad);
    say_dir("dir");
    say_dir("bottom");
}
static void *appender(void *arg) {
    for (int i = 0; i < 50; i++) {
        long fd = RAW(open, (const char *)arg, O_WRONLY | O_APPEND);
        must("append", fd < 0 ? fd : RAW(write, fd, "x", 1));
        close((int)fd);
    }
    return NULL;
}
TEST(one_copy) { // many at once change the same lower file: one copy, and nothing is lost
    void *t[16];
    for (int i = 0; i < 16; i++)
        t[i] = start(appender, (void *)(size_t) "hard1");
    pid_t pid = IN_CHILD(appender((void *)(size_t) "hard2"));
    for (int i = 0; i < 16; i++)
        join(t[i]);
    say_child(pid);
    say_path("hard1");
    say("failures: %d", failures);
}

/* --- slow ones
 * -------------------------------------------------------------------------------------------------------------- */

static void others_go_on(const char *what) {
    double begin = seconds();
    for (int i = 0; i < 20; i++)
        one_of_everything(1000, i);
    pid_t pid = IN_CHILD({
        for (int i = 0; i < 20; i++)
            one_of_everything(2000, i);
        _exit(failures != 0);
    });
    int status = 1;
    waitpid(pid, &status, 0);
    say("%s: the others went on: %d, failures: %d", what, status == 0 && seconds() - begin < 15, failures);
}
static void *opens_fifo(void *arg) {
    (void)arg;
    long fd = RAW(open, "fifo", O_RDONLY);
    if (fd >= 0)
        close((int)fd);
    return (void *)fd;
}
TEST(blocked_by_a_fifo) {
    void *t = start(opens_fifo, NULL);
    pid_t pid = IN_CHILD(opens_fifo(NULL));
    pause_ms(200);
    others_go_on("a FIFO");
    kill(pid, SIGKILL);
    say_child(pid);
    long fd = RAW(open, "fifo", O_WRONLY);
    join(t);
    say("opened in the end: %d", fd >= 0);
}
TEST(many_blocked) { // more of them than any pool of workers has
    enum { MANY = 200 };
    pid_t pids[MANY];
    for (int i = 0; i < MANY; i++)
        pids[i] = IN_CHILD(opens_fifo(NULL));
    pause_ms(1000);
    others_go_on("200 blocked");
    for (int i = 0; i < MANY / 2; i++)
        kill(pids[i], SIGKILL);
    long fd = RAW(open, "fifo", O_WRONLY);
    int ended = 0, killed = 0;
    for (int i = 0; i < MANY; i++) {
        int status = 0;
        if (waitpid(pids[i], &status, 0) == pids[i]) {
            ended += WIFEXITED(status);
            killed += WIFSIGNALED(status);
        }
    }
    say("opened in the end: %d, ended %d, killed %d", fd >= 0, ended, killed);
    others_go_on("afterwards");
}
static char *faulting;
static void *opens_faulting(void *arg) {
    (void)arg;
    return (void *)RAW(open, faulting, O_RDONLY);
}
TEST(faulting_path) { // a path in a page that somebody supplies in his own time
    long uffd = RAW(userfaultfd, O_CLOEXEC);
    struct uffdio_api api = {.api = UFFD_API};
    faulting = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct uffdio_register range = {.range = {(unsigned long)(uintptr_t)faulting, 4096},
                                    .mode = UFFDIO_REGISTER_MODE_MISSING};
    if (uffd < 0 || ioctl((int)uffd, UFFDIO_API, &api) < 0 || ioctl((int)uffd, UFFDIO_REGISTER, &range) < 0) {
        say("none here");
        return;
    }
    pthread_t t;
    pthread_create(&t, NULL, opens_faulting, NULL);
    pause_ms(300);
    others_go_on("a page that does not come");
    static char page[4096] __attribute__((aligned(4096))) = "low";
    struct uffdio_copy copy = {
        .dst = (unsigned long)(uintptr_t)faulting, .src = (unsigned long)(uintptr_t)page, .len = 4096};
    say("supplied: %d", ioctl((int)uffd, UFFDIO_COPY, &copy) == 0);
    void *got;
    pthread_join(t, &got);
    say("opened in the end: %d", (long)got >= 0);
}
/* DIR/huge, of the lowest layer, is copied up while others work. */
static _Atomic int begun, copied;
static void *copies(void *arg) {
    (void)arg;
    begun = 1;
    long fd = RAW(open, "../huge", O_RDWR);
    say("copied: %d", fd >= 0);
    copied = 1;
    return NULL;
}
TEST(slow_copy) {
    pthread_t t;
    int before = 0;
    pthread_create(&t, NULL, copies, NULL);
    pid_t pid = IN_CHILD({ // another process, that has nothing to do with it
        for (int i = 0; i < 10; i++)
            one_of_everything(3000, i);
        _exit(failures != 0);
    });
    while (!begun)
        pause_ms(1);
    while (!copied) { // single calls: a round of everything may take as long as a copy on a fast disk
        long fd = RAW(open, "low", O_RDONLY);
        failures += fd < 0;
        close((int)fd);
        before++;
    }
    say_child(pid);
    pthread_join(t, NULL);
    say("calls of others while it was copied: %s, failures: %d", before >= 50 ? "many" : "few", failures);
}
TEST(copy_killed) { // who has a huge file copied up is killed meanwhile: the name shows the old file, whole
    struct stat before = stat_of("../huge");
    for (int i = 1; i <= 3; i++) {
        pid_t pid = IN_CHILD(RAW(open, "../huge", O_RDWR));
        pause_ms(60 * i);
        kill(pid, SIGKILL);
        int status;
        double begin = seconds();
        waitpid(pid, &status, 0);
        say("killed at once: %d", seconds() - begin < 5);
    }
    pause_ms(500);
    struct stat after = stat_of("../huge");
    say("the same file: %d", before.st_ino == after.st_ino && before.st_size == after.st_size &&
                                 before.st_blocks / 2048 == after.st_blocks / 2048);
    say("changed in the end: %s", result(RAW(truncate, "../huge", 10)));
    say_path("../huge");
}
TEST(killed_callers) { // at any moment, in any call
    for (int i = 0; i < 150; i++) {
        pid_t pid = IN_CHILD(for (int k = 0;; k++) one_of_everything(4000 + i, k));
        struct timespec t = {0, 1000000 + i * 37777 % 9000000};
        nanosleep(&t, NULL);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    others_go_on("after 150 kills");
    long fd = RAW(open, "dir", O_RDONLY);
    static struct listing l;
    say("dir can be read: %s", result(read_entries(fd, &l, 8192)));
    for (size_t i = 0; i < l.n; i++) { // what was left by the killed is whole
        char path[400];
        struct stat st = {0};
        snprintf(path, sizeof path, "dir/%s", l.names[i] + 2);
        long got = RAW(lstat, path, &st);
        if (got < 0)
            say("%s: %s", path, result(got));
    }
}
TEST(exits_while_others_call) { // a thread ends the process while the others are in calls
    int bad = 0;
    for (int i = 0; i < 40; i++) {
        pid_t pid = IN_CHILD({
            for (long k = 0; k < 8; k++)
                start(worker, (void *)(5000 + 10L * i + k));
            pause_ms(10 + i % 7);
            _exit(3);
        });
        int status;
        bad += waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 3;
    }
    say("bad: %d", bad);
    others_go_on("afterwards");
}
TEST(execs_at_once) {
    pid_t pids[100];
    static char *const argv_[] = {(char *)(size_t) "sh", (char *)(size_t) "x", NULL};
    for (int i = 0; i < 100; i++)
        pids[i] = IN_CHILD({
            RAW(dup2, RAW(open, "/dev/null", O_WRONLY), 1);
            RAW(execve, "script", argv_, argv_ + 2);
            _exit(9);
        });
    int good = 0, status;
    for (int i = 0; i < 100; i++)
        good += waitpid(pids[i], &status, 0) == pids[i] && WIFEXITED(status) && WEXITSTATUS(status) == 5;
    say("good: %d", good);
}
