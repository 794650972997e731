/*
 * Strings and paths for the launcher's side: memory that is always there, and the few things one does with
 * a path's text. Nothing here touches the disk.
 *
 * A path that "is in" another is that path or lies beneath it; "/ab" is not in "/a".
 */
#ifndef UNIONRUN_CONFIG_TEXT_H
#define UNIONRUN_CONFIG_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed memory, owned by the caller. Running out of memory ends the program with exit 125. */
void *ur_allocate(size_t size);

/* `array` with room for one more element after its first `count`, each of `size` bytes; the new one is zeroed. */
void *ur_grow(void *array, size_t count, size_t size);

/* printf into a string that the caller owns. */
char *ur_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The first `length` bytes of `text`, owned by the caller. */
char *ur_copy(const char *text, size_t length);

/* Both borrow. The paths are canonical. */
bool ur_path_is_in(const char *inner, const char *outer);

/* `name` under `directory`, with one slash between; owned by the caller. */
char *ur_path_join(const char *directory, const char *name);

/* Order of paths in which whatever is in a directory follows it at once: as strcmp, but '/' sorts first. */
int ur_path_compare(const char *a, const char *b);

/* The length of the UTF-8 character at `s`, 0 if it is none. `code` gets its number. */
size_t ur_character(const unsigned char *s, unsigned *code);

/* A name as it can stand in a line: itself, or if there is anything in it that a terminal might obey, a quote, a
   backslash or what is not UTF-8, in double quotes with C's escapes, as git writes it. Owned by the caller. */
char *ur_quoted(const char *name);

void ur_free_text(char **text);
#define UR_AUTO_TEXT __attribute__((cleanup(ur_free_text))) char *

#endif
