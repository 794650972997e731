/*
 * Whether a long command has been told to stop. From stop_begin on a signal that would end it is only noted, so that it
 * can take away what it has begun. It may come just before a system call that waits: so from then on such a call is
 * interrupted again and again (EINTR). A second signal of the kind ends the command at once.
 */
#ifndef UNIONRUN_LAYERS_STOP_H
#define UNIONRUN_LAYERS_STOP_H

#include <stdbool.h>

void stop_begin(void);

/* Has a signal come? */
bool stop_wanted(void);

/* Ends the process by the signal, if there was one. */
void stop_end(void);

#endif
