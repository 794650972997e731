/*
 * The launcher while the command runs: it is what the user's shell, timeout(1) or CI runner sees, so it behaves as
 * the command itself would. It stops and continues when the command does, hands on the signals that it gets, and
 * ends as the command ends.
 *
 * What the terminal sends (^C, ^\, ^Z, a hang-up) reaches the whole process group, the command among it, and is not
 * handed on once more. All the work is the keeper's (keeper.c); between them is a socket: signal numbers go
 * down, reports come up.
 */
#include "config/text.h"
#include "engine/sys.h"
#include "launch/command.h"
#include "launch/fence.h"
#include "launch/guard/guard.h"
#include "launch/keeper.h"
#include "launch/progress.h"
#include "launch/report.h"
#include "launch/say.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const int passed_signals[] = {SIGHUP,  SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM,
                              SIGPROF, SIGIO,  SIGPWR,  SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, 0};
enum { PASSED_MAX = 32 };

static struct sigaction inherited[PASSED_MAX], inherited_child;
static int to_keeper = -1;

/* True for what the terminal has sent to the whole process group, or somebody in the group to all of it. */
static bool reached_the_group(int number, const siginfo_t *info) {
    switch (number) {
    case SIGHUP: /* a hang-up goes to the session's leader alone, and to the group in front */
        return info->si_code == SI_KERNEL && getsid(0) != getpid();
    case SIGINT:
    case SIGQUIT:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
        return info->si_code > 0 || getpgid(info->si_pid) == getpgrp();
    default:
        return false;
    }
}

static void hand_on(int number, siginfo_t *info, void *context) {
    (void)context;
    int error = errno;
    if (!reached_the_group(number, info))
        send(to_keeper, &number, sizeof number, MSG_NOSIGNAL | MSG_DONTWAIT);
    errno = error;
}

static void take_signals(void) {
    struct sigaction action = {.sa_sigaction = hand_on, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigfillset(&action.sa_mask);
    for (int i = 0; passed_signals[i]; i++)
        sigaction(passed_signals[i], &action, &inherited[i]);
    sigaction(SIGCHLD, &plain, &inherited_child);
}

/* What is wanting for a guard, as the second half of a sentence. A filter of the container's gives EPERM, or ENOSYS. */
static const char *why_no_guard(struct guard_report report) {
    switch (report.what) {
    case LACK_TRACE:
        return "ptrace is refused here (a container's seccomp profile)";
    case LACK_MEMORY:
        return "the memory of another process may not be read and written here (a container's seccomp profile, or "
               "kernel.yama.ptrace_scope)";
    case LACK_DESCRIPTORS:
        return "neither pidfd_getfd nor ptrace may be used here (a container's seccomp profile)";
    case LACK_THREADS:
        return "threads cannot be made here (clone3: a container's seccomp profile)";
    case LACK_LISTENER:
        return report.error == EBUSY
                   ? "this runs under another's seccomp listener already (a container's, or another unionrun's)"
               : report.error == EPERM || report.error == EACCES
                   ? "seccomp filters are refused here (a container's seccomp profile)"
                   : "this kernel has no seccomp user notification as it needs it, or a container's profile hides it";
    default:
        return strerror(report.error);
    }
}

enum nets { NETS_FAILED, NETS_SHIM, NETS_GUARD };

static void warn_unlimited(const struct launch *launch) {
    if (launch->plan.max_upper)
        say("max_upper: without a guard what is written to files that are open goes on beyond it");
}

/* The nets, in the command's process: the fence first, for the filter that the guard sets is the last thing that a
   process of ours does unanswered. A net that cannot be had is said once. */
static enum nets protect(struct launch *launch) {
    const struct options *o = &launch->options;
    long fenced = o->fence == CHOICE_OFF ? 0 : fence_enter(launch);
    if (fenced < 0) {
        say("the fence cannot be set: %s", strerror((int)-fenced));
        if (o->fence == CHOICE_REQUIRE)
            return NETS_FAILED;
    }
    if (o->guard == CHOICE_OFF) {
        warn_unlimited(launch);
        return NETS_SHIM;
    }
    struct guard_report guard = guard_enter(launch);
    if (guard.what == LACK_NONE)
        return NETS_GUARD;
    if (guard.what == LACK_TRACE && o->guard != CHOICE_REQUIRE) {
        say("%s: static programs cannot change their directory in the union, start its scripts and programs, or open "
            "its FIFOs (--guard=off runs without a guard, and without this word)",
            why_no_guard(guard));
        return NETS_GUARD;
    }
    say("%s%s; static programs, Go and inline system calls will not see the union%s",
        o->guard == CHOICE_REQUIRE ? "--guard=require, and there can be none: " : "no guard: ", why_no_guard(guard),
        o->guard == CHOICE_REQUIRE ? "" : " (--guard=off runs without a guard, and without this word)");
    warn_unlimited(launch);
    bool goes_on = guard.what != LACK_GUARD && o->guard != CHOICE_REQUIRE && fence_enter_unguarded(launch) == 0;
    return goes_on ? NETS_SHIM : NETS_FAILED;
}

/* In the command's process: everything as it was inherited, and away. */
static void start(struct launch *launch) {
    for (int i = 0; passed_signals[i]; i++)
        sigaction(passed_signals[i], &inherited[i], NULL);
    sigaction(SIGCHLD, &inherited_child, NULL);
    umask(launch->umask);
    if (!start_in_place(launch))
        _exit(EXIT_OURS);
    enum nets nets = protect(launch);
    if (nets == NETS_FAILED)
        _exit(EXIT_OURS);
    const char *user = launch->plan.user ? launch->plan.user : "";
    /* Here the guard sees what this process calls, too. So no program of the host's need be run in a union that may
       have nothing to run it with. */
    if (nets == NETS_GUARD) {
        sigprocmask(SIG_SETMASK, &launch->signal_mask, NULL);
        _exit(run_command(user, launch->options.command));
    }
    sigprocmask(SIG_SETMASK, &launch->signal_mask, NULL);
    start_straight(launch);
    UR_AUTO_TEXT trampoline = ur_path_join(launch->parts, "unionrun-exec");
    size_t words = 0;
    while (launch->options.command[words])
        words++;
    char **arguments = ur_allocate((words + 3) * sizeof *arguments);
    arguments[0] = trampoline;
    arguments[1] = (char *)user;
    memcpy(arguments + 2, launch->options.command, words * sizeof *arguments);
    /* Past the hook of a union around this one: it would put its own session back. */
    errno = (int)-UR_SYS(SYS_execve, trampoline, arguments, environ, 0, 0, 0);
    say("%s: %s; build or install unionrun completely", trampoline, strerror(errno));
    _exit(EXIT_OURS);
}

static int by_number(const void *a, const void *b) {
    return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

/* Closes the descriptors from one to another. Where the kernel does not (before Linux 5.9, or a container's profile),
   one by one. */
static void close_all(unsigned from, unsigned to) {
    if (close_range(from, to, 0) == 0)
        return;
    DIR *all = opendir("/proc/self/fd");
    for (const struct dirent *e; all && (e = readdir(all));) {
        unsigned long fd = strtoul(e->d_name, NULL, 10);
        if (e->d_name[0] != '.' && fd >= from && fd <= to && fd != (unsigned)dirfd(all))
            close((int)fd);
    }
    if (all)
        closedir(all);
}

void let_go(int *keep, size_t count, bool stderr_too) {
    qsort(keep, count, sizeof *keep, by_number);
    unsigned from = STDERR_FILENO + 1;
    for (size_t i = 0; i < count; i++) {
        if (keep[i] < 0)
            continue;
        if ((unsigned)keep[i] > from)
            close_all(from, (unsigned)keep[i] - 1);
        if (keep[i] >= (int)from)
            from = (unsigned)keep[i] + 1;
    }
    close_all(from, ~0U);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    if (stderr_too)
        dup2(null, STDERR_FILENO);
    if (null > STDERR_FILENO)
        close(null);
}

static _Noreturn void end_as(int status) {
    if (WIFEXITED(status))
        _exit(WEXITSTATUS(status));
    int number = WTERMSIG(status);
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, number);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0}); /* the command has left its own */
    signal(number, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    raise(number);
    _exit(128 + number);
}

/* Stops as the command has been stopped, until somebody continues us. In an orphaned group, where the terminal's
   stop signals do nothing, it just goes on waiting. */
static void stop_as(int status) {
    int number = WSTOPSIG(status);
    struct sigaction plain = {.sa_handler = SIG_DFL}, ours;
    sigaction(number, &plain, &ours);
    raise(number);
    sigaction(number, &ours, NULL);
}

/* The next report, or of several that have come meanwhile the last: a stop that is over is no reason to stop. */
static bool next_report(int socket, struct keeper_report *report) {
    ssize_t got;
    progress_wait(socket);
    do /* ECONNRESET: the keeper ended without our last signal; what it has said is there still */
        got = recv(socket, report, sizeof *report, 0);
    while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    if (got != sizeof *report)
        return false;
    while (report->what != KEEPER_ENDED && report->what != KEEPER_WORD) {
        struct keeper_report later;
        if (recv(socket, &later, sizeof later, MSG_DONTWAIT) != sizeof later)
            break;
        *report = later;
    }
    return true;
}

static _Noreturn void finish(struct launch *launch, pid_t keeper, const struct keeper_report *end) {
    if (end->left) {
        if (launch->options.verbose)
            say("processes of the run are still there; its session %s stays until they end", launch->session);
    } else {
        while (waitpid(keeper, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    if (end->unguarded)
        say("the guard was killed, and what it kept from the lowers could have reached them: the run has been ended");
    if (end->late)
        say("--timeout: the run has been ended");
    if (end->unremoved)
        say("%s%s%s could not be removed completely", launch->session, launch->ephemeral ? " or " : "",
            launch->ephemeral ? launch->ephemeral : "");
    int status = launch->options.try ? try_settle(launch, end->status) : end->status;
    if (!report_finish(launch, end))
        status = W_EXITCODE(EXIT_OURS, 0);
    report_free(launch);
    end_as(status);
}

void run(struct launch *launch) {
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0) {
        say("socketpair: %s", strerror(errno));
        return;
    }
    launch->begun = mmap(NULL, sizeof *launch->begun, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (launch->begun == MAP_FAILED) {
        say("mmap: %s", strerror(errno));
        return;
    }
    to_keeper = sockets[0];
    launch->pid = getpid();
    launch->guard.life[0] = launch->guard.life[1] = -1;
    take_signals();
    pid_t keeper = fork();
    if (keeper == 0) {
        close(sockets[0]);
        if (launch->options.guard != CHOICE_OFF && !guard_start(launch, sockets[1])) {
            struct keeper_report end = {.what = KEEPER_ENDED, .status = W_EXITCODE(EXIT_OURS, 0)};
            end.unremoved = !session_remove(launch, true);
            send(sockets[1], &end, sizeof end, MSG_NOSIGNAL);
            _exit(EXIT_OURS);
        }
        keep(launch, sockets[1], start);
    }
    if (keeper < 0) {
        say("fork: %s", strerror(errno));
        return;
    }
    /* The locks are the keeper's from now on. Its descriptors are all of ours that must stay open. */
    int kept[3] = {to_keeper};
    report_descriptors(launch, kept + 1);
    let_go(kept, sizeof kept / sizeof *kept, false);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    progress_begin(launch);
    struct keeper_report report;
    while (next_report(to_keeper, &report)) {
        if (report.what == KEEPER_STOPPED)
            stop_as(report.status);
        else if (report.what == KEEPER_WORD)
            say("%s", report.word);
        else if (report.what == KEEPER_ENDED)
            finish(launch, keeper, &report);
    }
    if (!*launch->begun) {
        say("a process of unionrun's was killed before it had started the command");
        session_remove(launch, true);
        report_free(launch);
        _exit(EXIT_OURS);
    }
    say("the process that keeps the run was killed; the command may still be running in the session %s",
        launch->session);
    report_free(launch);
    _exit(EXIT_OURS);
}
