/*
 * Kills a run's own processes, each at its own system calls: launcher, guard, keeper, and the command's until its exec.
 * Or such a call fails.
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
    long failing; /* what its call is to return; 0: what it does */
};

struct own_fate {
    enum role role;
    long stop; /* 0: none */
    int error; /* that call fails with it; 0: a kill */
    long call; /* calls of this number alone are counted; -1: all */
};

struct own_run {
    const struct own_fate *fate;
    struct traced *list;
    size_t count;
    pid_t launcher, group[ROLES]; /* what a kill is sent to */
    long stops[ROLES];
    bool launching; /* it is unionrun-launch by now, and not yet the front door */
    bool begun;     /* and in its main(): before that it is ld.so that fails, and speaks */
    int status;     /* of the launcher */
    bool hangs, met;
    long call;
    char path[96]; /* of the call that failed */
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

/* At a stop; where calls fail, entries count alone, and what ld.so does before main() does not. */
static void meet_fate(struct own_run *run, struct traced *t, const struct __ptrace_syscall_info *info) {
    const struct own_fate *fate = run->fate;
    bool entry = info->op == PTRACE_SYSCALL_INFO_ENTRY;
    if ((fate->error && (!run->begun || !entry)) || (fate->call >= 0 && (!entry || (long)info->entry.nr != fate->call)))
        return;
    if (++run->stops[t->role] != fate->stop || t->role != fate->role)
        return;
    if (!fate->error) {
        run->met = true;
        kill(run->group[t->role], SIGKILL);
    } else if (can_fail((long)info->entry.nr, (const uint64_t *)info->entry.args, fate->error)) {
        run->met = true;
        call_path(t->pid, run->call, (const uint64_t *)info->entry.args, run->path);
        set_call(t->pid, -1);
        t->failing = -fate->error;
    }
}

/* False: it is not traced any more. */
static bool note_call(struct own_run *run, struct traced *t) {
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, t->pid, sizeof info, &info) < 0)
        return true; /* it is being killed */
    bool entry = info.op == PTRACE_SYSCALL_INFO_ENTRY;
    if (t->failing && !entry) {
        set_result(t->pid, t->failing);
        t->failing = 0;
    }
    if (t->role == OWN_COMMAND && entry && (info.entry.nr == SYS_execve || info.entry.nr == SYS_execveat)) {
        ptrace(PTRACE_DETACH, t->pid, NULL, NULL);
        forget(run, t);
        return false;
    }
    if (t->role == run->fate->role && !run->met && entry)
        run->call = (long)info.entry.nr;
    run->begun |= run->launching && entry && info.entry.nr == SYS_umask;
    if (run->launching || t->role != OWN_LAUNCHER)
        meet_fate(run, t, &info);
    return true;
}

static void note_stop(struct own_run *run, struct traced *t, int status) {
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
        if (note_call(run, t))
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

static void follow(struct own_run *run) {
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
            note_stop(run, traced_of(run, pid), status);
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

/* One run of the act. What it said on stderr into `said`. */
static void run_own(const struct act *act, const struct own_fate *fate, struct own_run *run, char **said) {
    char index[24], errors[600];
    snprintf(index, sizeof index, "%d", (int)(act - acts));
    snprintf(errors, sizeof errors, "%s/errors", world.dir);
    const char *const arguments[] = {"--perform", world.target, index, NULL};
    *run = (struct own_run){.fate = fate, .list = calloc(PROCESSES_MAX, sizeof *run->list)};
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
    follow(run);
    setitimer(ITIMER_REAL, &none, NULL);
    *said = read_file(errors);
    free(run->list);
}

/* What a run has left, and what the next one sees. */
struct aftermath {
    unsigned litter, sessions, still; /* still: litter after the next run */
    char *fresh, *mended;
    bool before, after;
    int code; /* the exit status; -1: it was a signal */
};

static struct aftermath look_after(const struct plain *plain, const struct own_run *run) {
    struct aftermath a = {.litter = work_litter(), .sessions = world_sessions()};
    a.fresh = look_afresh(&a.mended);
    a.still = work_litter();
    world_forget_sessions();
    bool loosely = run->fate->error; /* what is done besides, and has failed, is no failure of the act */
    a.after = a.fresh && (loosely ? alike(a.fresh, plain->after) : strcmp(a.fresh, plain->after) == 0);
    a.before = a.fresh && (loosely ? alike(a.fresh, plain->before) : strcmp(a.fresh, plain->before) == 0);
    a.code = WIFEXITED(run->status) ? WEXITSTATUS(run->status) : -1;
    return a;
}

static const char *what_is_wrong(const struct own_run *run, const struct aftermath *a) {
    if (run->hangs)
        return "processes of the run are there yet";
    if (!a->fresh)
        return "there is no next run";
    if (!a->after && !a->before)
        return "the next run sees neither the view before nor the one after";
    if (lowers_changed())
        return "A LOWER CHANGED";
    if (a->still)
        return "the next run leaves litter in the work directory";
    if (a->code == 0 && !a->after)
        return "the exit status is the command's, and it has not done what it says";
    return NULL;
}

static const char *kill_is_wrong(const struct own_run *run, const struct aftermath *a, const char *said) {
    enum role role = run->fate->role;
    bool gone = WIFSIGNALED(run->status) && WTERMSIG(run->status) == SIGKILL;
    bool may_go = gone && (role == OWN_LAUNCHER || role == OWN_COMMAND);
    if (!may_go && a->code != 0 && a->code != 125)
        return "the exit status is neither the command's nor 125";
    if (a->code == 125 && !*said)
        return "the exit status is 125, and nothing is said";
    if (a->sessions && role != OWN_KEEPER && role != OWN_LAUNCHER)
        return "the session has outlived the run";
    if (a->litter && role != OWN_LAUNCHER /* who tries out what the filesystem can */ && !strstr(a->mended, "mended"))
        return "the next run does not say what it mended";
    return NULL;
}

static const char *error_is_wrong(const struct own_run *run, const struct aftermath *a, const char *said) {
    bool told = strstr(said, strerror(run->fate->error));
    switch (a->code) {
    case PERFORMED:
        break;
    case PERFORMED_AGAIN:
        if (!told)
            return "the program gets another error";
        if (!a->after)
            return "it fails, and once more does not do it";
        break;
    case PERFORMED_NEVER:
        return "it fails, and once more with nothing in the way";
    case 125:
        if (!*said)
            return "the exit status is 125, and nothing is said";
        break;
    case 126:
    case 127: /* of who starts the program, ld.so included */
        if (!told || !a->before)
            return "the program is not started, and another reason is told";
        break;
    default:
        return "the exit status is neither the command's nor 125";
    }
    return a->sessions && !strstr(said, "could not be removed") ? "the session has outlived the run" : NULL;
}

/* False: there are fewer stops than that. */
static bool meet_own(const struct plain *plain, const struct own_fate *fate, struct sum *sum) {
    struct own_run run;
    char *said;
    world_renew();
    run_own(plain->act, fate, &run, &said);
    if (!run.met && !run.hangs) { /* there are not as many this time, or it is one that cannot fail */
        free(said);
        return run.stops[fate->role] >= fate->stop;
    }
    sum->points++;
    struct aftermath a = look_after(plain, &run);
    const char *why = what_is_wrong(&run, &a);
    if (!why)
        why = fate->error ? error_is_wrong(&run, &a, said) : kill_is_wrong(&run, &a, said);
    if (why) {
        sum->wrong++;
        fprintf(stderr, "%s, the %s %s at its stop %ld, %s(%s): %s (status %#x)\n%s", plain->act->name,
                names[fate->role], fate->error ? strerrorname_np(fate->error) : "killed", fate->stop,
                call_name(run.call), run.path, why, (unsigned)run.status, said);
        if (a.fresh && !a.before && !a.after) {
            show_difference("before", plain->before, a.fresh);
            show_difference("after", plain->after, a.fresh);
        }
    }
    free(said);
    free(a.fresh);
    free(a.mended);
    return true;
}

int own_inside(const char *target, const struct act *act) {
    for (int tries = 0; tries < 2; tries++) {
        if (chdir(target) == 0 && act->perform() >= 0)
            return tries ? PERFORMED_AGAIN : PERFORMED;
        perror("sweep");
    }
    return PERFORMED_NEVER;
}

/* How many stops each has when nobody interferes. False: the act does not do what it does. */
static bool count_stops(const struct plain *plain, long *stops) {
    struct own_run run;
    char *said;
    world_renew();
    run_own(plain->act, &(struct own_fate){.call = -1}, &run, &said);
    char *fresh = look_afresh(NULL);
    bool right = run.status == 0 && !*said && !world_sessions() && fresh && strcmp(fresh, plain->after) == 0;
    if (!right)
        fprintf(stderr, "sweep: %s, traced: status %#x: %s\n", plain->act->name, (unsigned)run.status, said);
    memcpy(stops, run.stops, sizeof run.stops);
    free(said);
    free(fresh);
    return right;
}

static bool all_errors(const struct plain *plain, struct own_fate fate, const int errors[], struct sum *sum) {
    if (!errors)
        return meet_own(plain, &fate, sum);
    bool more = false;
    for (const int *error = errors; *error; error++) {
        fate.error = *error;
        more |= meet_own(plain, &fate, sum);
    }
    return more;
}

/* Points that are none do not count. */
static void draw_one(const struct plain *plain, enum role role, const int errors[], uint64_t (*draw)(void),
                     struct sum *sum) {
    size_t count = 0;
    while (errors && errors[count])
        count++;
    unsigned long points = sum->points;
    for (int tries = 0; tries < 50 && sum->points == points; tries++) {
        struct own_fate fate = {role, 1 + (long)(draw() % (uint64_t)plain->own_stops[role]), 0, -1};
        if (count) {
            fate.error = errors[draw() % count];
            fate.stop = (fate.stop + 1) / 2;
        }
        meet_own(plain, &fate, sum);
        if (!count)
            return;
    }
}

void own_sweep(struct plain *plain, const char *whose, long call, const int errors[], long one, long sample,
               uint64_t (*draw)(void), struct sum *sum) {
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
        draw_one(plain, role, errors, draw, sum);
    }
    for (int k = 0; !sample && k < count; k++) {
        struct own_fate fate = {(enum role)roles[k], one ? one : 1, 0, call};
        for (long last = one ? one : stops[roles[k]]; fate.stop <= last; fate.stop++)
            if (!all_errors(plain, fate, errors, sum) && errors)
                break;
    }
}
