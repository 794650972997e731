/* What the launcher tells the person: one line on stderr, and the exit code that goes with it. */
#ifndef UNIONRUN_LAUNCH_SAY_H
#define UNIONRUN_LAUNCH_SAY_H

/* As env(1) and its relatives have them. */
enum { EXIT_TIMEOUT = 124, EXIT_OURS = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

/* "unionrun: message" and newline. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
