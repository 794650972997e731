/*
 * One run, from the options to the end of its last process:
 *
 *     main.c      the order of things
 *     options.c   argv -> options, plan
 *     prepare.c   uppers that are thrown away
 *     try.c       unionrun try: the host as lower, and the question afterwards
 *     session.c   the session directory: table, shared, skeletons; the environment
 *     leftover.c  sessions of runs that were killed whole
 *     run.c       the process that the user waits for, and the command itself
 *     trace.c     the file of --trace
 *     progress.c  a long copy-up, shown on a terminal
 *     measure.c   how much the uppers hold, where that is limited
 *     place.c     the directory that the command starts in
 *     straight.c  the command, where it needs nothing of the union's to be found and started
 *     keeper.c    the process between the two, which outlives the command if need be
 *     ending.c    ends the processes of the run
 *     guard/      the process that answers what the shim does not see (guard.h)
 *     fence.c     what keeps every write off the lowers
 *     show.c      --check
 *     doctor.c    what this host offers; host.c finds it out
 */
#ifndef UNIONRUN_LAUNCH_LAUNCH_H
#define UNIONRUN_LAUNCH_LAUNCH_H

#include "config/plan.h"
#include "config/take.h"
#include "launch/fence.h"
#include "launch/options.h"

#include <signal.h>
#include <sys/types.h>

struct launch {
    struct options options;
    struct ur_plan plan;
    char *parts;           /* the directory of unionrun-launch, unionrun-exec and unionrun.so */
    char *session;         /* NULL until it is made */
    int shared;            /* the session's `shared`, in the launcher and the keeper: it is in use; -1: none */
    char *preload_before;  /* LD_PRELOAD as it was inherited; NULL: not set */
    char *ephemeral;       /* the directory of the uppers that are thrown away; NULL: none */
    struct ur_locks locks; /* held until the last process of the run has ended */
    struct fence fence;
    struct report *report; /* NULL: none is wanted */
    pid_t pid;             /* of the launcher itself */
    bool *begun;           /* all processes' of ours: the keeper has, and so there may be a command */
    struct launch_guard {
        int socket;  /* in the guard: to the launcher */
        int to;      /* in the command: where the listener goes */
        int life[2]; /* the keeper reads an end when the guard has gone; -1: there is none */
    } guard;
    mode_t umask;         /* as it was inherited; the launcher's own is 0 */
    sigset_t signal_mask; /* as it was inherited */
};

/* The plan of the options: the layer file's, if there is one. False: plan.error. */
bool load_plan(struct launch *launch);

/* The directory of unionrun's parts, owned by the caller; NULL: has been said. */
char *find_parts(void);

/* Gives every mount that is to have an ephemeral upper one in a fresh directory. False: has been said. */
bool prepare_ephemeral(struct launch *launch);

/* Makes the session directory and what is in it, and sets the environment for the command. False: has been said. */
bool session_make(struct launch *launch);

/* Mends what killed processes left in the uppers and work directories, and hands `word` what was mended with --verbose.
   0 or -errno. */
long session_mend(const struct launch *launch, bool end, void (*word)(void *arg, const char *text), void *arg);

/* trace.c. Makes the file in which the run is traced, if it is to be. False: has been said. */
bool trace_prepare(struct launch *launch);

/* measure.c. How much the uppers hold is measured: now, into the session's memory; and from the keeper on by a thread,
   which ends with it. False: errno. */
bool measure_prepare(const struct launch *launch);
void measure_start(struct launch *launch);

/* The process that was first refused a mount where no guard could say so; 0: none was. */
pid_t session_mount_refused(const struct launch *launch);

/* How many lines of the trace could not be written. */
uint64_t session_trace_missed(const struct launch *launch);

/* Of the limit on the uppers: what they hold, as far as is known, and how many calls were refused for it. */
void session_quota(const struct launch *launch, int64_t *bytes, uint64_t *refused);

/* Removes the session directory and, `uppers`, those that are ephemeral. False if something is left. */
bool session_remove(const struct launch *launch, bool uppers);

/* The same of a session by its path, `shared` last. 0 or -errno. */
int remove_session(const char *session);

/* leftover.c. Removes what runs of this user that were killed whole have left where `session` is: sessions, and the
   ephemeral uppers of which two symlinks say that they are theirs, one in the session, one beside the uppers. */
#define EPHEMERAL_LINK "ephemeral"
#define EPHEMERAL_SESSION "session"
void leftover_remove(const char *session);

/* try.c. The mounts of unionrun try, and its upper if that is to stay. False: has been said. */
bool try_prepare(struct launch *launch);
/* After the run: tells what has changed, asks if nobody has said what to do, and does it. `status`: the command's, as
   waitpid gives it. Returns what unionrun is to end with, as such a status. */
int try_settle(struct launch *launch, int status);

/* place.c. In the command's process, the session made. */
/* False: the layer file's directory cannot be had; has been said. */
bool start_in_place(const struct launch *launch);

/* straight.c. In the command's process, where no guard serves. Returns where it is for unionrun-exec to start it. */
void start_straight(const struct launch *launch);

/* Runs the command; returns only if it could not be started at all. */
void run(struct launch *launch);

/* ending.c: in the keeper. Sends a signal to every descendant of this process. */
void signal_descendants(int number);

/* Where the session directory would be made: owned by the caller; NULL: nowhere. */
char *session_place(void);

/* Prints the checked plan; false if it cannot be. */
bool show_text(const struct launch *launch);
bool show_json(const struct launch *launch);

/* `unionrun doctor`: the exit status. */
int doctor(struct launch *launch);

#endif
