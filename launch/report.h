/* --stats and --report: what a run has done. */
#ifndef UNIONRUN_LAUNCH_REPORT_H
#define UNIONRUN_LAUNCH_REPORT_H

#include "launch/keeper.h"
#include "launch/launch.h"

/* The session made: begins to count and to measure, if that is wanted, and makes the file. False: has been said. */
bool report_prepare(struct launch *launch);

/* Descriptors that have to stay open until the end, or -1. */
void report_descriptors(const struct launch *launch, int fd[2]);

/* Says and writes it. False, and said, if the file cannot be written. */
bool report_finish(struct launch *launch, const struct keeper_report *end);

void report_free(struct launch *launch);

#endif
