/*
 * How far a long command is, on a terminal (layers/progress.h), and whether it goes on (layers/stop.h, if it began
 * that).
 */
#ifndef UNIONRUN_LAYERS_EXCHANGE_PROGRESS_H
#define UNIONRUN_LAYERS_EXCHANGE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

void ur_progress_begin(void);

/* False: it has been told to stop. */
bool ur_progress(const char *what, uint64_t files, uint64_t bytes);

/* Takes the line away, and ends the process if it has been told to stop. */
void ur_progress_end(void);

#endif
