/*
 * Kills a run's own processes, each at its own system calls: launcher, guard, keeper, and the command's until its exec.
 *
 * One tracer follows them all, from the launcher's start on, by the forks that they make. The command is let go when it
 * is about to exec: from there on the guard may have to trace it. This process is the subreaper, so none of the run's
 * can get away: when it has no child any more, the run has ended.
 */
#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE = 20 /* seconds */, PROCESSES_MAX = 4500 };

static const char *const names[ROLES] = {"launcher", "guard", "keeper", "command"};

struct traced {
    pid_t pid;
    enum role role;
    bool known;   /* its parent's fork was reported */
    bool waiting; /* its first stop was, before that */
};

struct own_run {
    struct traced *list;
    size_t count;
    pid_t launcher, group[ROLES]; /* what a kill is sent to */
    long stops[ROLES];
    bool launching; /* it is unionrun-launch by now, and not yet the front door */
    int status;     /* of the launcher */
    bool hangs, met;
    long call;
};

_Static_assert(ROLES == sizeof((struct plain *)0)->own_stops / sizeof(long), "a count for each");

static volatile sig_atomic_t late;

static void note_late(int number) {
    (void)number;
    late = 1;
}

static struct traced *traced_of(struct own_run *run, pid_t pid) {
    for (size_t i = 0; i < run->count; i++)
        if (run->list[i].pid == pid)
            return &run->list[i];
    if (run->count == PROCESSES_MAX)
        fail("too many processes");
    run->list[run->count] = (struct traced){.pid = pid};
    return &run->list[run->count++];
}

static void forget(struct own_run *run, struct traced *t) {
    *t = run->list[--run->count];
}

static enum role role_of_child(const struct own_run *run, enum role parent) {
    switch (parent) {
    case OWN_LAUNCHER:
        return run->launching && !world_option("--guard=off") ? OWN_GUARD : run->launching ? OWN_KEEPER : OWN_LAUNCHER;
    case OWN_GUARD:
        return OWN_KEEPER;
    default:
        return OWN_COMMAND;
    }
}

static void go_on(pid_t pid, int number) {
    ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)number);
}

static void note_child(struct own_run *run, const struct traced *parent, bool thread) {
    unsigned long message = 0;
    enum role role = parent->role;
    if (ptrace(PTRACE_GETEVENTMSG, parent->pid, NULL, &message) < 0)
        return;
    struct traced *child = traced_of(run, (pid_t)message);
    child->role = thread ? role : role_of_child(run, role);
    if (!thread)
        run->group[child->role] = child->pid;
    child->known = true;
    if (child->waiting)
        go_on(child->pid, 0);
}

/* False: it is not traced any more. */
static bool note_call(struct own_run *run, struct traced *t, enum role role, long stop) {
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, t->pid, sizeof info, &info) < 0)
        return true; /* it is being killed */
    bool entry = info.op == PTRACE_SYSCALL_INFO_ENTRY;
    if (t->role == OWN_COMMAND && entry && (info.entry.nr == SYS_execve || info.entry.nr == SYS_execveat)) {
        ptrace(PTRACE_DETACH, t->pid, NULL, NULL);
        forget(run, t);
        return false;
    }
    if (t->role == role && !run->met && entry)
        run->call = (long)info.entry.nr;
    if ((run->launching || t->role != OWN_LAUNCHER) && ++run->stops[t->role] == stop && t->role == role) {
        run->met = true;
        kill(run->group[role], SIGKILL);
    }
    return true;
}

static void note_stop(struct own_run *run, struct traced *t, int status, enum role role, long stop) {
    int number = WSTOPSIG(status), event = status >> 16;
    if (!t->known) { /* a child, before its parent has told */
        t->waiting = true;
        return;
    }
    if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
        pid_t pid = t->pid;
        note_child(run, t, event == PTRACE_EVENT_CLONE);
        go_on(pid, 0);
    } else if (event == PTRACE_EVENT_EXEC) {
        char exe[4096], link[40];
        snprintf(link, sizeof link, "/proc/%d/exe", (int)t->pid);
        ssize_t n = readlink(link, exe, sizeof exe - 1);
        exe[n > 0 ? n : 0] = 0;
        run->launching |= strstr(exe, "/unionrun-launch") != NULL;
        go_on(t->pid, 0);
    } else if (number == (SIGTRAP | 0x80)) {
        pid_t pid = t->pid;
        if (note_call(run, t, role, stop))
            go_on(pid, 0);
    } else
        go_on(t->pid, number == SIGSTOP || number == SIGTRAP ? 0 : number);
}

static void end_everything(const struct own_run *run) {
    for (size_t i = 0; i < run->count; i++)
        kill(run->list[i].pid, SIGKILL);
    char name[64];
    snprintf(name, sizeof name, "/proc/self/task/%d/children", (int)getpid());
    for (int round = 0; round < 100; round++) {
        FILE *file = fopen(name, "re");
        for (int pid; file && fscanf(file, "%d", &pid) == 1;)
            kill(pid, SIGKILL);
        if (file)
            fclose(file);
        while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
            continue;
        usleep(10000);
    }
}

static void follow(struct own_run *run, enum role role, long stop) {
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0 && errno == ECHILD)
            return;
        if (late) {
            run->hangs = true;
            end_everything(run);
            return;
        }
        if (pid < 0)
            continue;
        if (WIFSTOPPED(status)) {
            note_stop(run, traced_of(run, pid), status, role, stop);
            continue;
        }
        if (pid == run->launcher)
            run->status = status;
        for (size_t i = 0; i < run->count; i++)
            if (run->list[i].pid == pid)
                forget(run, &run->list[i--]);
    }
}

static char *read_file(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        fail(path);
    char *text = malloc((size_t)st.st_size + 1);
    ssize_t n = text ? read(fd, text, (size_t)st.st_size) : -1;
    if (n < 0)
        fail(path);
    text[n] = 0;
    close(fd);
    return text;
}

/* One run of the act, with a kill of the role's process at its stop (0: none). What it said on stderr into `said`. */
static void run_own(const struct act *act, enum role role, long stop, struct own_run *run, char **said) {
    char index[24], errors[600];
    snprintf(index, sizeof index, "%d", (int)(act - acts));
    snprintf(errors, sizeof errors, "%s/errors", world.dir);
    const char *const arguments[] = {"--perform", world.target, index, NULL};
    *run = (struct own_run){.list = calloc(PROCESSES_MAX, sizeof *run->list)};
    fflush(stdout);
    run->launcher = fork();
    if (run->launcher < 0)
        fail("fork");
    if (run->launcher == 0) {
        int null = open("/dev/null", O_RDWR), to = open(errors, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(null, STDIN_FILENO);
        dup2(to, STDOUT_FILENO);
        dup2(to, STDERR_FILENO);
        close(null);
        close(to);
        setenv("XDG_RUNTIME_DIR", world.sessions, 1);
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        exec_in_union(arguments);
    }
    int status;
    while (waitpid(run->launcher, &status, 0) < 0)
        continue;
    struct traced *t = traced_of(run, run->launcher);
    t->known = true;
    run->group[OWN_LAUNCHER] = run->launcher;
    ptrace(PTRACE_SETOPTIONS, run->launcher, NULL,
           PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
               PTRACE_O_TRACEEXEC);
    late = 0;
    struct itimerval patience = {.it_value = {.tv_sec = PATIENCE}, .it_interval = {.tv_sec = 1}}, none = {0};
    setitimer(ITIMER_REAL, &patience, NULL);
    go_on(run->launcher, 0);
    follow(run, role, stop);
    setitimer(ITIMER_REAL, &none, NULL);
    *said = read_file(errors);
    free(run->list);
}

static void kill_own_at(const struct plain *plain, enum role role, long stop, struct sum *sum) {
    struct own_run run;
    char *said, *mended = NULL;
    world_renew();
    run_own(plain->act, role, stop, &run, &said);
    if (!run.met && !run.hangs) { /* there are not as many this time */
        free(said);
        return;
    }
    sum->points++;
    unsigned left = work_litter(), sessions = world_sessions();
    char *fresh = look_afresh(&mended);
    world_forget_sessions();
    int code = WIFEXITED(run.status) ? WEXITSTATUS(run.status) : -1;
    bool gone = WIFSIGNALED(run.status) && WTERMSIG(run.status) == SIGKILL;
    bool after = fresh && strcmp(fresh, plain->after) == 0, before = fresh && strcmp(fresh, plain->before) == 0;
    const char *why = NULL;
    if (run.hangs)
        why = "processes of the run are there yet";
    else if (!fresh)
        why = "there is no next run";
    else if (!after && !before)
        why = "the next run sees neither the view before nor the one after";
    else if (lowers_changed())
        why = "A LOWER CHANGED";
    else if (work_litter())
        why = "the next run leaves litter in the work directory";
    else if (role == OWN_LAUNCHER || role == OWN_COMMAND ? !gone && code != 0 && code != 125 : code != 0 && code != 125)
        why = "the exit status is neither the command's nor 125";
    else if (code == 0 && !after)
        why = "the exit status is the command's, and it has not done what it says";
    else if (code == 125 && !*said)
        why = "the exit status is 125, and nothing is said";
    else if (sessions && role != OWN_KEEPER && role != OWN_LAUNCHER)
        why = "the session has outlived the run";
    else if (left && role != OWN_LAUNCHER /* who tries out what the filesystem can */ && !strstr(mended, "mended"))
        why = "the next run does not say what it mended";
    if (why) {
        sum->wrong++;
        fprintf(stderr, "%s, the %s killed at its stop %ld, %s: %s (status %#x)\n%s", plain->act->name, names[role],
                stop, call_name(run.call), why, (unsigned)run.status, said);
        if (fresh && !before && !after) {
            show_difference("before", plain->before, fresh);
            show_difference("after", plain->after, fresh);
        }
    }
    free(said);
    free(fresh);
    free(mended);
}

/* How many stops each has when nobody interferes. False: the act does not do what it does. */
static bool count_stops(const struct plain *plain, long *stops) {
    struct own_run run;
    char *said;
    world_renew();
    run_own(plain->act, OWN_LAUNCHER, 0, &run, &said);
    char *fresh = look_afresh(NULL);
    bool right = run.status == 0 && !*said && !world_sessions() && fresh && strcmp(fresh, plain->after) == 0;
    if (!right)
        fprintf(stderr, "sweep: %s, traced: status %#x: %s\n", plain->act->name, (unsigned)run.status, said);
    memcpy(stops, run.stops, sizeof run.stops);
    free(said);
    free(fresh);
    return right;
}

void own_sweep(struct plain *plain, const char *whose, long one, long sample, uint64_t (*draw)(void), struct sum *sum) {
    long *stops = plain->own_stops;
    int roles[ROLES], count = 0;
    struct sigaction action = {.sa_handler = note_late};
    sigaction(SIGALRM, &action, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (!stops[OWN_LAUNCHER] && !count_stops(plain, stops)) {
        sum->wrong++;
        return;
    }
    for (int role = 0; role < ROLES; role++)
        if (stops[role] && (strcmp(whose, "all") == 0 || strcmp(whose, names[role]) == 0))
            roles[count++] = role;
    if (!count)
        sum->wrong++;
    for (long i = 0; count && i < sample; i++) { /* of some there are few stops, of which each counts: the same share */
        enum role role = (enum role)roles[draw() % (uint64_t)count];
        kill_own_at(plain, role, 1 + (long)(draw() % (uint64_t)stops[role]), sum);
    }
    for (int k = 0; !sample && k < count; k++)
        for (long stop = one ? one : 1; stop <= (one ? one : stops[roles[k]]); stop++)
            kill_own_at(plain, (enum role)roles[k], stop, sum);
}
