/* Between the launcher and the command: see keeper.c. */
#ifndef UNIONRUN_LAUNCH_KEEPER_H
#define UNIONRUN_LAUNCH_KEEPER_H

#include "launch/launch.h"

#include <sys/types.h>

/* What the keeper tells the launcher, one message each over the socket. */
struct keeper_report {
    enum { KEEPER_STOPPED, KEEPER_CONTINUED, KEEPER_ENDED, KEEPER_WORD } what;
    int status;     /* as waitpid gives it */
    bool unguarded; /* ENDED: the guard was killed, and so the run was ended */
    bool left;      /* ENDED: descendants of the command are still there, and the keeper stays with them */
    bool late;      /* ENDED: by --timeout */
    bool unremoved; /* ENDED: something of the session could not be removed */
    char word[400]; /* WORD: to be said to the person */
};

/* Starts the command and stays until its last descendant has ended; never returns. Signal numbers that come over
   `socket` are sent to the command. `start` runs the command in the child, and does not return either. */
_Noreturn void keep(struct launch *launch, int socket, void (*start)(struct launch *));

/* What is said of the first mount that a process (%d) is refused. */
#define REFUSED_MOUNT "process %d asked for a mount, which no process in a union gets (EPERM)"

/* Closes every descriptor but the `count` in `keep`, which it sorts, and the first three; those become /dev/null,
   but for stderr if `stderr_too` is false. */
void let_go(int *keep, size_t count, bool stderr_too);

/* The signals that the launcher passes on, and the keeper does not die of; ends with 0. */
extern const int passed_signals[];

#endif
