/* What the caller's posix_spawn_file_actions_t points to: our own list, in the fields that libc has for its own. */
#ifndef UNIONRUN_SHIM_SPAWN_ACTIONS_H
#define UNIONRUN_SHIM_SPAWN_ACTIONS_H

#include "shim.h"

enum ur_action {
    UR_ACTION_OPEN,
    UR_ACTION_CLOSE,
    UR_ACTION_DUP2,
    UR_ACTION_CHDIR,
    UR_ACTION_FCHDIR,
    UR_ACTION_CLOSEFROM,
    UR_ACTION_TCSETPGRP,
};

struct __spawn_action {
    enum ur_action what;
    int fd, to;  /* to: dup2's */
    int flags;   /* open's */
    mode_t mode; /* open's */
    char *path;  /* owned */
};

#endif
