/* Who the command is, as images and docker say it. */
#ifndef UNIONRUN_LAUNCH_BECOME_H
#define UNIONRUN_LAUNCH_BECOME_H

#include <stdbool.h>

/* `user`: NAME or UID, with :GROUP or :GID behind it if need be, by the union's own /etc/passwd and /etc/group. Sets
   groups, ids, and HOME if there is none. False: has been said. */
bool become(const char *user);

#endif
