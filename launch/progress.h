/* How far a copy-up is that takes longer than a second, on stderr if that is a terminal. */
#ifndef UNIONRUN_LAUNCH_PROGRESS_H
#define UNIONRUN_LAUNCH_PROGRESS_H

#include "launch/launch.h"

/* Once the session is made: asks the run's processes to tell how far they are. */
void progress_prepare(const struct launch *launch);
/* In the process that the user waits for: whose descriptor it opens. */
void progress_begin(const struct launch *launch);
/* Waits until something can be received from the socket, and shows what is copied meanwhile. Nothing is shown when it
   returns. */
void progress_wait(int socket);

#endif
