/* How far it is; see progress.h. */
#include "layers/exchange/progress.h"
#include "layers/progress.h"

#include <signal.h>
#include <stddef.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

static volatile sig_atomic_t stopped;
static struct progress line;

static void note(int signal) {
    stopped = signal;
}

void ur_progress_begin(void) {
    struct sigaction act = {.sa_handler = note}, old; /* no SA_RESTART: a read that waits ends */
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(signals[i], &act, NULL);
    progress_begin(&line, "");
}

bool ur_progress(const char *what, uint64_t files, uint64_t bytes) {
    line.what = what;
    progress_step(&line, files, bytes);
    return !stopped;
}

bool ur_progress_stopped(void) {
    return stopped;
}

void ur_progress_end(void) {
    progress_end(&line);
    if (!stopped)
        return;
    signal(stopped, SIG_DFL);
    raise(stopped);
}
