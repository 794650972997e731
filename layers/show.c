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

/* The length of the UTF-8 character at `s`, 0 if it is none. `code` gets its number. */
static size_t character(const unsigned char *s, unsigned *code) {
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    if (n == 0)
        return 0;
    *code = n == 1 ? s[0] : s[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if (s[i] >> 6 != 2)
            return 0;
        *code = *code << 6 | (s[i] & 0x3f);
    }
    bool surrogate = *code >= 0xd800 && *code < 0xe000;
    return *code < least[n] || *code > 0x10ffff || surrogate ? 0 : n;
}

static bool is_plain(unsigned code) {
    bool control = code < ' ' || (code >= 0x7f && code < 0xa0);
    bool turns_text = (code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
                      (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
    return !control && !turns_text && code != '"' && code != '\\';
}

char *layers_quoted(const char *name) {
    const unsigned char *s = (const void *)name;
    bool plain = true;
    for (size_t n; *s && plain; s += n) {
        unsigned code = 0;
        n = character(s, &code);
        plain = n && is_plain(code);
    }
    if (plain && *name)
        return ur_format("%s", name);
    char *out = ur_allocate(4 * strlen(name) + 3), *p = out;
    *p++ = '"';
    for (s = (const void *)name; *s;) {
        unsigned code = 0;
        size_t n = character(s, &code);
        static const char named[] = "\a\b\t\n\v\f\r\"\\", letters[] = "abtnvfr\"\\";
        const char *known = strchr(named, *s);
        if (n && is_plain(code)) {
            memcpy(p, s, n);
            p += n;
            s += n;
        } else if (known) {
            *p++ = '\\';
            *p++ = letters[known - named];
            s++;
        } else
            for (size_t end = n ? n : 1; end; end--)
                p += sprintf(p, "\\%03o", *s++);
    }
    *p++ = '"';
    *p = '\0';
    return out;
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

char *layers_size(uint64_t bytes) {
    char digits[32], *out = ur_allocate(64), *p = out;
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)bytes);
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            *p++ = ',';
        *p++ = digits[i];
    }
    strcpy(p, bytes == 1 ? " byte" : " bytes");
    return out;
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
        size_t n = character(s, &code);
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
