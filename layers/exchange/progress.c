/* How far it is; see progress.h. */
#include "layers/exchange/progress.h"

#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

static volatile sig_atomic_t stopped;
static bool terminal, shown;
static uint64_t last;

static void note(int signal) {
    stopped = signal;
}

void ur_progress_begin(void) {
    struct sigaction act = {.sa_handler = note}, old; /* no SA_RESTART: a read that waits ends */
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(signals[i], &act, NULL);
    terminal = isatty(STDERR_FILENO) == 1;
    shown = false;
    last = 0;
}

bool ur_progress(const char *what, uint64_t files, uint64_t bytes) {
    if (terminal) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
        uint64_t tenth = (uint64_t)now.tv_sec * 10 + (uint64_t)now.tv_nsec / 100000000;
        if (tenth != last) {
            last = tenth;
            shown = true;
            fprintf(stderr, "\r\033[K%s: %" PRIu64 " files, %" PRIu64 " MiB", what, files, bytes >> 20);
        }
    }
    return !stopped;
}

bool ur_progress_stopped(void) {
    return stopped;
}

void ur_progress_end(void) {
    if (shown)
        fputs("\r\033[K", stderr);
    shown = false;
    if (!stopped)
        return;
    signal(stopped, SIG_DFL);
    raise(stopped);
}
