/* What is being done, on stderr, if that is a terminal and it takes longer than a second. */
#ifndef UNIONRUN_LAYERS_PROGRESS_H
#define UNIONRUN_LAYERS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct progress {
    const char *what; /* "committing" */
    struct timespec begun, shown;
    bool terminal, visible;
};

void progress_begin(struct progress *progress, const char *what);
void progress_step(struct progress *progress, uint64_t files, uint64_t bytes);
/* Takes the line away. */
void progress_end(struct progress *progress);

#endif
