/*
 * Finds the line on which a key of the layer file stands, when a mistake in it is to be named.
 *
 * The text has been accepted by jansson before, so this scan may trust its form; it never leaves the text all
 * the same, for the file may be one that was refused half way. It runs only when there is something to report.
 */
#include "config/plan.h"

#include <string.h>

struct scan {
    const char *at, *end;
};

static void skip_space(struct scan *s) {
    while (s->at < s->end && strchr(" \t\r\n", *s->at))
        s->at++;
}

static bool take(struct scan *s, char c) {
    skip_space(s);
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static void skip_string(struct scan *s) {
    for (s->at++; s->at < s->end && *s->at != '"'; s->at++)
        if (*s->at == '\\' && s->at + 1 < s->end)
            s->at++;
    if (s->at < s->end)
        s->at++;
}

/* Skips a value of any kind; of a nested one by counting brackets outside strings. */
static void skip_value(struct scan *s) {
    int depth = 0;
    skip_space(s);
    while (s->at < s->end) {
        char c = *s->at;
        if (c == '"') {
            skip_string(s);
        } else if (c == '[' || c == '{') {
            depth++, s->at++;
        } else if (c == ']' || c == '}') {
            if (depth == 0)
                return;
            depth--, s->at++;
        } else if (c == ',' && depth == 0) {
            return;
        } else {
            s->at++;
            continue;
        }
        if (depth == 0)
            return;
    }
}

/* Moves from an object to the value of one key. False, and not moved, if it has none. */
static bool enter_key(struct scan *s, const char *key, const char **name) {
    struct scan inner = *s;
    size_t length = strlen(key);
    if (!take(&inner, '{'))
        return false;
    do {
        skip_space(&inner);
        if (inner.at == inner.end || *inner.at != '"')
            return false;
        const char *begin = inner.at + 1;
        skip_string(&inner);
        bool match = (size_t)(inner.at - begin) == length + 1 && memcmp(begin, key, length) == 0;
        if (!take(&inner, ':'))
            return false;
        if (match) {
            skip_space(&inner);
            *name = begin;
            *s = inner;
            return true;
        }
        skip_value(&inner);
    } while (take(&inner, ','));
    return false;
}

static bool enter_index(struct scan *s, int index) {
    struct scan inner = *s;
    if (!take(&inner, '['))
        return false;
    for (int i = 0; i < index; i++) {
        skip_value(&inner);
        if (!take(&inner, ','))
            return false;
    }
    skip_space(&inner);
    *s = inner;
    return true;
}

int ur_locate(const char *text, size_t size, struct ur_said_at where) {
    struct scan s = {text, text + size};
    const char *name = NULL;
    skip_space(&s);
    const char *found = s.at;
    if (where.mount >= 0 && enter_key(&s, "mounts", &name) && enter_index(&s, where.mount))
        found = s.at;
    if (where.key && enter_key(&s, where.key, &name)) {
        found = name;
        if (where.index >= 0 && enter_index(&s, where.index))
            found = s.at;
    }
    int line = 1;
    for (const char *c = text; c < found; c++)
        line += *c == '\n';
    return line;
}
