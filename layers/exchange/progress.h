/*
 * How far a long command is, on a terminal (layers/progress.h); and whether it has been told to stop. From
 * ur_progress_begin on the signals that would end the command are only noted, so that it can remove what it has begun.
 */
#ifndef UNIONRUN_LAYERS_EXCHANGE_PROGRESS_H
#define UNIONRUN_LAYERS_EXCHANGE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

void ur_progress_begin(void);

/* False: it has been told to stop. */
bool ur_progress(const char *what, uint64_t files, uint64_t bytes);

/* Has a signal come? */
bool ur_progress_stopped(void);

/* Takes the line away, and ends the process by the signal if there was one. */
void ur_progress_end(void);

#endif
