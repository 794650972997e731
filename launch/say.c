/* One line on stderr, in one write, so that lines of several processes do not mix. */
#include "launch/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void say(const char *format, ...) {
    va_list values;
    char *message = NULL, *line = NULL;
    va_start(values, format);
    int length = vasprintf(&message, format, values);
    va_end(values);
    if (length < 0)
        return;
    length = asprintf(&line, "unionrun: %s\n", message);
    free(message);
    if (length < 0)
        return;
    ssize_t written = write(STDERR_FILENO, line, (size_t)length);
    (void)written; /* there is nobody else to tell */
    free(line);
}
