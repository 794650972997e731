/* A line that is written over itself. */
#include "layers/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static long milliseconds(const struct timespec *from, const struct timespec *to) {
    return (to->tv_sec - from->tv_sec) * 1000 + (to->tv_nsec - from->tv_nsec) / 1000000;
}

void progress_begin(struct progress *progress, const char *what) {
    const char *term = getenv("TERM");
    *progress = (struct progress){.what = what, .terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0};
    clock_gettime(CLOCK_MONOTONIC, &progress->begun);
}

void progress_step(struct progress *progress, uint64_t files, uint64_t bytes) {
    struct timespec now;
    if (!progress->terminal)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (milliseconds(&progress->begun, &now) < 1000 || milliseconds(&progress->shown, &now) < 100)
        return;
    progress->shown = now;
    progress->visible = true;
    fprintf(stderr, "\r\033[K%s: %llu file%s, %llu MiB", progress->what, (unsigned long long)files,
            files == 1 ? "" : "s", (unsigned long long)(bytes >> 20));
}

void progress_end(struct progress *progress) {
    if (progress->visible)
        fputs("\r\033[K", stderr);
    progress->visible = false;
}
