/* The log: one line an operation, the same in two equal trees. */
#include "differ.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
}

/* Names of 255 letters are shortened: a run of one letter is `q{255}`. */
void say_text(const char *text) {
    putchar('"');
    while (*text) {
        if (strncmp(text, self.root, self.root_length) == 0) {
            putchar('~');
            text += self.root_length;
            continue;
        }
        unsigned char letter = (unsigned char)*text;
        size_t run = 1;
        while (text[run] == *text)
            run++;
        if (letter < ' ' || letter > '~' || letter == '"' || letter == '\\')
            printf("\\x%02x", letter);
        else
            putchar(letter);
        if (run > 8)
            printf("{%zu}", run);
        text += run > 8 ? run : 1;
    }
    putchar('"');
}

void say_place(const struct place *place) {
    putchar(' ');
    if (place->base == OF_DIRFD)
        printf("%d:", place->slot);
    say_text(place->path);
}

const char *errno_name(int number) {
    const char *name = strerrorname_np(number);
    return name ? name : "E?";
}

void say_result(long result) {
    if (result < 0)
        printf(" = -1 %s", errno_name(errno));
    else
        printf(" = %ld", result);
}
