/* Strings and paths; see text.h. */
#include "config/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(void) {
    fputs("unionrun: out of memory\n", stderr);
    exit(125);
}

void *ur_allocate(size_t size) {
    void *memory = calloc(1, size ? size : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

/* The room is doubled whenever `count` has reached a power of two, so no capacity needs to be kept. */
void *ur_grow(void *array, size_t count, size_t size) {
    if ((count & (count - 1)) == 0) {
        size_t room = count ? count * 2 : 1;
        if (room > SIZE_MAX / size)
            out_of_memory();
        array = realloc(array, room * size);
        if (!array)
            out_of_memory();
    }
    memset((char *)array + count * size, 0, size);
    return array;
}

char *ur_format(const char *format, ...) {
    va_list values;
    char *text = NULL;
    va_start(values, format);
    int length = vasprintf(&text, format, values);
    va_end(values);
    if (length < 0)
        out_of_memory();
    return text;
}

char *ur_copy(const char *text, size_t length) {
    char *copy = ur_allocate(length + 1);
    memcpy(copy, text, length);
    return copy;
}

bool ur_path_is_in(const char *inner, const char *outer) {
    size_t length = strlen(outer);
    if (length == 1)
        return true;
    return strncmp(inner, outer, length) == 0 && (inner[length] == '/' || inner[length] == '\0');
}

char *ur_path_join(const char *directory, const char *name) {
    size_t length = strlen(directory);
    const char *slash = length && directory[length - 1] == '/' ? "" : "/";
    return ur_format("%s%s%s", directory, slash, name);
}

static unsigned rank(char c) {
    return c == '/' ? 1U : c == '\0' ? 0U : 2U + (unsigned char)c;
}

int ur_path_compare(const char *a, const char *b) {
    while (*a && *a == *b)
        a++, b++;
    unsigned left = rank(*a), right = rank(*b);
    return (left > right) - (left < right);
}

void ur_free_text(char **text) {
    free(*text);
}
