/*
 * The keeper: the process between the launcher, which the user waits for, and the command.
 *
 * It is the command's parent and, as subreaper, becomes the parent of whatever the command leaves behind. So it
 * knows when the last process of the run has ended, which may be long after the launcher has returned with the
 * command's status: then it removes the session and the ephemeral uppers, and by exiting gives up the locks. It holds
 * none of the inherited descriptors, so that nobody waits for a pipe's end because of it.
 *
 * The command is in the launcher's process group, as job control wants it. The keeper is in a session of its own, which
 * it begins once the command has been forked: so neither the terminal nor a `kill -KILL` of the whole group reaches
 * it, and for the kernel's rule about orphaned groups it does not count as a parent, just as if it were not there.
 *
 * Invariant: the session is there as long as a process of the run is. If the keeper itself is killed it stays until a
 * later run finds that nobody uses it (leftover.c).
 */
#include "launch/keeper.h"
#include "config/text.h"
#include "launch/say.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct keeper {
    struct launch *launch;
    pid_t launcher, parent, command;
    int socket;               /* -1: the launcher has gone */
    int guard;                /* readable once the guard has gone; -1: there is none */
    struct timespec deadline; /* counts with a timeout */
    bool stopped, ended, unguarded, late;
    int status;
};

static void note_child(int number) {
    (void)number; /* only to end ppoll */
}

static void tell(const struct keeper *keeper, struct keeper_report report) {
    if (keeper->socket >= 0)
        send(keeper->socket, &report, sizeof report, MSG_NOSIGNAL);
}

static void wake_launcher(const struct keeper *keeper) {
    if (keeper->socket >= 0) /* else it has gone, and the number may be another's */
        kill(keeper->launcher, SIGCONT);
}

/* The command's own changes of state; of adopted processes only their end matters, and waitpid has dealt with it. */
static void note_state(struct keeper *keeper, int status) {
    if (WIFSTOPPED(status)) {
        keeper->stopped = true;
        tell(keeper, (struct keeper_report){.what = KEEPER_STOPPED, .status = status});
    } else if (WIFCONTINUED(status)) {
        keeper->stopped = false;
        tell(keeper, (struct keeper_report){.what = KEEPER_CONTINUED});
        wake_launcher(keeper); /* it may have stopped along with the command */
    } else {
        keeper->ended = true;
        keeper->status = status;
        if (keeper->stopped)
            wake_launcher(keeper);
    }
}

/* Takes in what has happened to the children so far. False: there are none left. */
static bool reap(struct keeper *keeper) {
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED);
        if (pid <= 0)
            return pid == 0;
        if (pid == keeper->command && !keeper->ended)
            note_state(keeper, status);
    }
}

/* Passes a signal on that the launcher has received. The command cannot be another process meanwhile: only reap()
   gives its number free. SIGCONT is passed on only to a stopped command, or each side would wake the other. */
static void pass_on(struct keeper *keeper) {
    int number;
    ssize_t got = recv(keeper->socket, &number, sizeof number, MSG_DONTWAIT);
    if (got == 0) {
        close(keeper->socket);
        keeper->socket = -1;
    }
    if (got != sizeof number)
        return;
    reap(keeper);
    if (!keeper->ended && (number != SIGCONT || keeper->stopped))
        kill(keeper->command, number);
}

/* Milliseconds until then, rounded up; 0: it has come. */
static int until(const struct timespec *then) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double ms = (double)(then->tv_sec - now.tv_sec) * 1e3 + (double)(then->tv_nsec - now.tv_nsec) / 1e6;
    return ms <= 0 ? 0 : ms > 1e8 ? 100000000 : (int)ms + 1;
}

static struct timespec in(double seconds) {
    struct timespec then;
    clock_gettime(CLOCK_MONOTONIC, &then);
    long nanoseconds = then.tv_nsec + (long)((seconds - (double)(time_t)seconds) * 1e9);
    then.tv_sec += (time_t)seconds + nanoseconds / 1000000000;
    then.tv_nsec = nanoseconds % 1000000000;
    return then;
}

/* All of the run, again and again: who forks faster than /proc is read is met in the end, since nobody comes back. */
static void kill_all(struct keeper *keeper) {
    do {
        signal_descendants(SIGKILL);
        poll(NULL, 0, 1);
    } while (reap(keeper));
}

/* Without its guard a run goes on in no union any more: what was answered gets ENOSYS. So it is ended, whole. */
static void end_unguarded(struct keeper *keeper) {
    keeper->unguarded = true;
    kill_all(keeper);
}

/* Whoever was waiting for a guard that was killed gets ENOSYS while that is ending still, and may end by it before
   anybody can see the guard's end otherwise: it has a SIGKILL to take, or has taken it. proc(5). */
static bool is_ending(pid_t pid) {
    enum { PF_EXITING = 4, KILLED = 1 << (SIGKILL - 1) };
    char path[32], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
    const char *at = strrchr(text, ')');
    unsigned long flags = 0, pending = 0;
    int got = at ? sscanf(at + 1,
                          " %*s %*s %*s %*s %*s %*s %lu %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                          "%*s %*s %*s %*s %*s %*s %lu",
                          &flags, &pending)
                 : 0;
    return got == 2 && (flags & PF_EXITING || pending & KILLED);
}

static bool is_unguarded(const struct keeper *keeper) {
    struct pollfd wait = {.fd = keeper->guard, .events = POLLIN};
    return keeper->guard >= 0 && (poll(&wait, 1, 0) > 0 || getppid() != keeper->parent || is_ending(keeper->parent));
}

/* Ends all processes of the run so that they can tidy up: SIGTERM, also to who is stopped, and in the end SIGKILL. */
static void end_all(struct keeper *keeper) {
    struct timespec patience = in(keeper->launch->options.kill_after);
    signal_descendants(SIGTERM);
    signal_descendants(SIGCONT);
    sigset_t waiting;
    sigfillset(&waiting);
    sigdelset(&waiting, SIGCHLD);
    for (int left; reap(keeper) && (left = until(&patience)) > 0;) {
        struct pollfd wait = {.fd = keeper->guard, .events = POLLIN};
        struct timespec tick = {left / 1000, left % 1000 * 1000000L};
        if (ppoll(&wait, 1, &tick, &waiting) > 0) {
            end_unguarded(keeper);
            return;
        }
    }
    kill_all(keeper);
}

/* The lock files tell whom to look at when a later run finds them taken. (Uppers are locked read-only.) Always as long:
   what is written over need not be cut off first. */
static void sign_locks(const struct launch *launch) {
    char text[16];
    int length = snprintf(text, sizeof text, "%-11d\n", (int)getpid());
    for (size_t i = 0; i < launch->locks.uppers; i++)
        (void)!pwrite(launch->locks.fd[i], text, (size_t)length, 0);
}

static void take_signals(void) {
    struct sigaction ignore = {.sa_handler = SIG_IGN}, plain = {.sa_handler = SIG_DFL},
                     note = {.sa_handler = note_child};
    for (const int *number = passed_signals; *number; number++)
        sigaction(*number, *number == SIGCONT ? &plain : &ignore, NULL);
    sigaction(SIGCHLD, &note, NULL);
}

/* Waits for the end of the command or, if not `command`, of the last process. Nothing but SIGCHLD comes through, and
   only while it waits. */
static void stay(struct keeper *keeper, bool command) {
    sigset_t waiting;
    sigfillset(&waiting);
    sigdelset(&waiting, SIGCHLD);
    while (reap(keeper) && !(command && keeper->ended)) {
        struct pollfd wait[2] = {{.fd = keeper->guard, .events = POLLIN}, {.fd = keeper->socket, .events = POLLIN}};
        bool timed = keeper->launch->options.timeout > 0;
        int left = timed ? until(&keeper->deadline) : 0;
        struct timespec tick = {left / 1000, left % 1000 * 1000000L};
        if (timed && !left) {
            keeper->late = true;
            end_all(keeper);
        } else if (ppoll(wait, 2, timed ? &tick : NULL, &waiting) <= 0)
            continue;
        else if (wait[0].revents)
            end_unguarded(keeper);
        else
            pass_on(keeper);
    }
}

static void tell_word(void *keeper, const char *text) {
    struct keeper_report report = {.what = KEEPER_WORD};
    snprintf(report.word, sizeof report.word, "%s", text);
    tell(keeper, report);
}

static void tell_mount(struct keeper *keeper) {
    pid_t who = session_mount_refused(keeper->launch);
    if (!who)
        return;
    UR_AUTO_TEXT word = ur_format(REFUSED_MOUNT, (int)who);
    tell_word(keeper, word);
}

static void tell_trace(struct keeper *keeper) {
    uint64_t lines = keeper->launch->plan.trace ? session_trace_missed(keeper->launch) : 0;
    if (!lines)
        return;
    UR_AUTO_TEXT word = ur_format("--trace=%s: %llu line%s could not be written", keeper->launch->plan.trace,
                                  (unsigned long long)lines, lines == 1 ? "" : "s");
    tell_word(keeper, word);
}

static void tell_quota(struct keeper *keeper) {
    int64_t bytes = 0;
    uint64_t refused = 0, limit = keeper->launch->plan.max_upper;
    if (limit)
        session_quota(keeper->launch, &bytes, &refused);
    if (!refused)
        return;
    UR_AUTO_TEXT word =
        ur_format("the limit on the upper (max_upper) of %llu bytes: %llu call%s refused (EDQUOT)",
                  (unsigned long long)limit, (unsigned long long)refused, refused == 1 ? " was" : "s were");
    tell_word(keeper, word);
}

/* No process of the run is left. */
static bool end_session(const struct keeper *keeper) {
    /* Of `try` the launcher decides, if it is still there. */
    bool uppers = !keeper->launch->options.try || keeper->socket < 0;
    if (!keeper->launch->ephemeral || !uppers)
        session_mend(keeper->launch, true, tell_word, (void *)keeper);
    return session_remove(keeper->launch, uppers);
}

_Noreturn void keep(struct launch *launch, int socket, void (*start)(struct launch *)) {
    *launch->begun = true;
    struct keeper keeper = {.launch = launch,
                            .launcher = launch->pid,
                            .parent = getppid(),
                            .socket = socket,
                            .guard = launch->guard.life[0]};
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    keeper.deadline = in(launch->options.timeout);
    keeper.command = vfork(); /* `start` changes nothing that is used here afterwards */
    if (keeper.command == 0)
        start(launch);
    if (keeper.command < 0) {
        say("fork: %s", strerror(errno));
        keeper.ended = true;
        keeper.status = W_EXITCODE(EXIT_OURS, 0);
    }
    setsid();
    take_signals();
    sign_locks(launch);
    const int kept[] = {socket, keeper.guard, launch->shared};
    struct ur_locks *locks = &launch->locks;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        locks->fd = ur_grow(locks->fd, locks->count, sizeof *locks->fd);
        locks->fd[locks->count++] = kept[i];
    }
    let_go(locks->fd, locks->count, true);
    measure_start(launch);

    stay(&keeper, true);
    if (!keeper.unguarded && is_unguarded(&keeper)) /* how the command ended may be how that did */
        end_unguarded(&keeper);
    if (launch->options.end_all && reap(&keeper))
        end_all(&keeper);
    tell_mount(&keeper);
    tell_trace(&keeper);
    tell_quota(&keeper);
    struct keeper_report end = {.what = KEEPER_ENDED, .late = keeper.late, .left = reap(&keeper)};
    end.status = keeper.unguarded ? W_EXITCODE(EXIT_OURS, 0)
                 : keeper.late    ? W_EXITCODE(EXIT_TIMEOUT, 0)
                                  : keeper.status;
    end.unguarded = keeper.unguarded;
    if (end.left) {
        tell(&keeper, end);
        stay(&keeper, false);
        end_session(&keeper);
    } else {
        end.unremoved = !end_session(&keeper);
        tell(&keeper, end);
    }
    _exit(0);
}
