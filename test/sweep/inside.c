/*
 * In the union. The process itself is another process of the run than the one that dies: it has looked at everything
 * before, so whatever it remembers, or all share, is put to the test when it looks again. So does a program that it
 * starts, which remembers nothing.
 *
 * What it says: "before", a view; "outcome", a line; "warm" and "cold", views; "again", a line and "then", a view, if
 * the act had failed; "end". Each word on a line that begins with "=== ".
 */
#include "sweep.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void word(const char *text) {
    printf("=== %s\n", text);
}

static void print_cold_view(const char *target) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "sweep", "--look", target, (char *)NULL);
        _exit(127);
    }
    waitpid(child, NULL, 0);
}

void look_for_nothing(void) {
    static const char *const names[] = {"covered", "opaque/dead", "new",     "moved", "other", "d2",
                                        "m2",      "d/new",       "d/other", "m/new", "m/d",   "e/p"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        access(names[i], F_OK);
}

static pid_t parent_of(pid_t pid) {
    char path[32], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[n] = 0;
    const char *at = strrchr(text, ')');
    int parent = 0;
    return at && sscanf(at + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

/* Keeper, guard and launcher, all between here and who started the run. */
static void kill_run(pid_t beyond) {
    pid_t all[8];
    int count = 0;
    for (pid_t pid = getppid(); pid > 1 && pid != beyond && count < 8; pid = parent_of(pid))
        all[count++] = pid;
    for (int i = 0; i < count; i++)
        if (kill(all[i], SIGSTOP) < 0)
            fail("kill");
    for (int i = 0; i < count; i++)
        kill(all[i], SIGKILL);
    kill(getpid(), SIGKILL);
}

int inside(const char *target, const struct act *act, const struct fate *fate) {
    if (chdir(target) < 0)
        fail(target);
    if (act->prepare)
        act->prepare();
    look_for_nothing();
    word("before");
    print_view(target);
    fflush(stdout);
    struct outcome out = trace(act, fate);
    word("outcome");
    printf("%ld %d %ld %d %ld %d %s\n", out.stops, out.met, out.call, out.done, out.result, out.error, out.path);
    fflush(stdout);
    if (fate->what == FAULT_KILL_ALL)
        kill_run(fate->beyond);
    look_for_nothing();
    word("warm");
    print_view(target);
    word("cold");
    print_cold_view(target);
    if (fate->what == FAULT_ERROR && out.done && out.result < 0) {
        struct outcome again = trace(act, &(struct fate){0});
        word("again");
        printf("%ld %d\n", again.result, again.error);
        word("then");
        print_view(target);
    }
    word("end");
    fflush(stdout);
    return 0;
}
