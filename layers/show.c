/* What the tools print: names as they can stand in a line, sizes, JSON. */
#include "layers/layers.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *layers_error(long ret) {
    return strerror((int)-ret);
}

const char *layers_type(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "directory";
    case S_IFLNK:
        return "symlink";
    case S_IFIFO:
        return "fifo";
    case S_IFSOCK:
        return "socket";
    case S_IFBLK:
        return "block device";
    case S_IFCHR:
        return "character device";
    default:
        return "regular";
    }
}

char *layers_count(uint64_t count, const char *one, const char *more) {
    char digits[32], grouped[48], *p = grouped;
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            *p++ = ',';
        *p++ = digits[i];
    }
    *p = '\0';
    return ur_format("%s %s", grouped, count == 1 ? one : more);
}

char *layers_size(uint64_t bytes) {
    return layers_count(bytes, "byte", "bytes");
}

bool layers_colours(void) {
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(none && *none) && term && strcmp(term, "dumb") != 0;
}

static char *base64(const char *bytes, size_t n) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = ur_allocate((n + 2) / 3 * 4 + 1), *p = out;
    const unsigned char *s = (const void *)bytes;
    for (size_t i = 0; i < n; i += 3) {
        unsigned left = (unsigned)(n - i);
        unsigned v =
            (unsigned)s[i] << 16 | (left > 1 ? (unsigned)s[i + 1] << 8 : 0) | (left > 2 ? (unsigned)s[i + 2] : 0);
        *p++ = digit[v >> 18];
        *p++ = digit[v >> 12 & 63];
        *p++ = left > 1 ? digit[v >> 6 & 63] : '=';
        *p++ = left > 2 ? digit[v & 63] : '=';
    }
    return out;
}

void layers_json_name(json_t *object, const char *key, const char *name) {
    char *text = ur_allocate(3 * strlen(name) + 1), *p = text;
    bool exact = true;
    for (const unsigned char *s = (const void *)name; *s;) {
        unsigned code = 0;
        size_t n = ur_character(s, &code);
        if (n) {
            memcpy(p, s, n);
            p += n;
            s += n;
        } else {
            memcpy(p, "\xef\xbf\xbd", 3); /* U+FFFD */
            p += 3;
            s++;
            exact = false;
        }
    }
    *p = '\0';
    json_object_set_new(object, key, json_string(text));
    free(text);
    if (exact)
        return;
    UR_AUTO_TEXT bytes_key = ur_format("%s_base64", key);
    UR_AUTO_TEXT bytes = base64(name, strlen(name));
    json_object_set_new(object, bytes_key, json_string(bytes));
}

json_t *layers_json_root(const char *key, json_t **list) {
    json_t *root = json_object();
    *list = json_array();
    json_object_set_new(root, "format", json_integer(1));
    json_object_set_new(root, key, *list);
    return root;
}

int layers_json_print(json_t *root) {
    bool right = json_dumpf(root, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF;
    json_decref(root);
    if (right)
        return 0;
    say("the answer cannot be printed: %s", strerror(errno));
    return EXIT_OURS;
}

int layers_end(int status) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    say("standard output: %s", strerror(errno));
    return EXIT_OURS;
}
