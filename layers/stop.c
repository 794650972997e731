/* See stop.h. */
#include "layers/stop.h"

#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

static volatile sig_atomic_t stopped;

static void wake(int signal) {
    (void)signal; /* only to end a system call */
}

static void note(int signal) {
    static const struct itimerval again = {.it_interval = {0, 100000}, .it_value = {0, 100000}};
    stopped = signal;
    setitimer(ITIMER_REAL, &again, NULL); /* a bare system call */
}

void stop_begin(void) {
    struct sigaction act = {.sa_handler = note, .sa_flags = SA_RESETHAND}, tick = {.sa_handler = wake}, old;
    sigaction(SIGALRM, &tick, NULL);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(signals[i], &act, NULL);
}

bool stop_wanted(void) {
    return stopped;
}

void stop_end(void) {
    if (!stopped)
        return;
    signal(stopped, SIG_DFL);
    raise(stopped);
}
