/*
 * glob(3) over our own streams: the pattern is taken a component at a time. One without wildcards is a name, and goes
 * onto the path as it is; one with them is matched (fnmatch) against each entry of the directory that the path has come
 * to, and from each that fits the rest is looked for.
 *
 * Invariant: s->path holds the `at` bytes of path that the pattern so far has come to; what stands behind them is
 * nobody's.
 */
#include "glob_search.h"

#include <fnmatch.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

struct search {
    int flags;
    int (*failed)(const char *, int);
    char *path; /* UR_PATH_MAX bytes */
    char **found;
    size_t count, room;
};

static int look(struct search *s, size_t at, const char *pattern, unsigned char type);

static int add(struct search *s, const char *name, bool mark) {
    size_t len = strlen(name);
    if (s->count == s->room) {
        size_t room = s->room ? 2 * s->room : 16;
        char **more = realloc(s->found, room * sizeof *more);
        if (!more)
            return GLOB_NOSPACE;
        s->found = more;
        s->room = room;
    }
    char *copy = malloc(len + 2);
    if (!copy)
        return GLOB_NOSPACE;
    memcpy(copy, name, len + 1);
    if (mark && len && copy[len - 1] != '/')
        memcpy(copy + len, "/", 2);
    s->found[s->count++] = copy;
    return 0;
}

/* Something could not be looked at: is that the end of it? */
static int failure(const struct search *s, int error) {
    return (s->failed && s->failed(s->path, error)) || (s->flags & GLOB_ERR) ? GLOB_ABORTED : 0;
}

/* The pattern is used up. `type` is what a listing said of the path, DT_UNKNOWN if it comes from no listing. */
static int arrived(struct search *s, size_t at, unsigned char type) {
    struct stat st;
    s->path[at] = 0;
    long ret = type == DT_UNKNOWN ? ur_stat(UR_SELF, AT_FDCWD, s->path, &st, AT_SYMLINK_NOFOLLOW) : 0;
    if (ret < 0)
        return ret == -ENOENT ? 0 : failure(s, (int)-ret);
    bool mark = false;
    if (s->flags & GLOB_MARK)
        mark = type == DT_DIR || ((type == DT_UNKNOWN || type == DT_LNK) &&
                                  ur_stat(UR_SELF, AT_FDCWD, s->path, &st, 0) == 0 && S_ISDIR(st.st_mode));
    return add(s, s->path, mark);
}

static bool has_wildcards(const struct search *s, const char *part, size_t len) {
    bool bracket = false;
    for (size_t i = 0; i < len; i++)
        if (part[i] == '\\' && !(s->flags & GLOB_NOESCAPE))
            i++;
        else if (part[i] == '*' || part[i] == '?' || (part[i] == ']' && bracket))
            return true;
        else if (part[i] == '[')
            bracket = true;
    return false;
}

/* A component that is a name, without its backslashes, onto the path. Its length, or -1 if there is no such name. */
static long put_name(struct search *s, size_t at, const char *part, size_t len) {
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (part[i] == '\\' && !(s->flags & GLOB_NOESCAPE) && ++i == len)
            return -1;
        if (at + n + 1 >= UR_PATH_MAX)
            return -1;
        s->path[at + n++] = part[i];
    }
    return (long)n;
}

static bool fits(const struct search *s, const char *part, const char *name, bool last) {
    int flags = (s->flags & GLOB_NOESCAPE ? FNM_NOESCAPE : 0) | (s->flags & GLOB_PERIOD ? 0 : FNM_PERIOD);
    bool dots = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
    return fnmatch(part, name, dots && !last ? flags | FNM_PERIOD : flags) == 0;
}

static int look_in_directory(struct search *s, size_t at, const char *part, const char *rest) {
    s->path[at] = 0;
    DIR *d = ur_dir_open(AT_FDCWD, at ? s->path : ".");
    if (!d)
        return failure(s, errno);
    int ret = 0;
    struct dirent *e;
    while (ret == 0 && (e = ur_dir_read(d))) {
        size_t len = strlen(e->d_name);
        bool leads_on = e->d_type == DT_DIR || e->d_type == DT_LNK || e->d_type == DT_UNKNOWN;
        if ((*rest && !leads_on) || at + len + 1 >= UR_PATH_MAX || !fits(s, part, e->d_name, !*rest))
            continue;
        memcpy(s->path + at, e->d_name, len);
        ret = look(s, at + len, rest, e->d_type);
    }
    ur_dir_close(d);
    return ret;
}

static int look(struct search *s, size_t at, const char *pattern, unsigned char type) {
    while (*pattern) {
        size_t len = strcspn(pattern, "/");
        if (len == 0) {
            if (at + 1 >= UR_PATH_MAX)
                return 0;
            s->path[at++] = *pattern++;
            type = type == DT_DIR ? DT_DIR : DT_UNKNOWN;
            continue;
        }
        /* A backslash before the slash quotes what needs no quoting. */
        size_t part = len;
        if (pattern[len] && put_name(s, at, pattern, len) < 0 && pattern[len - 1] == '\\')
            part--;
        if (has_wildcards(s, pattern, part)) {
            char *text = strndup(pattern, part);
            int ret = text ? look_in_directory(s, at, text, pattern + len) : GLOB_NOSPACE;
            free(text);
            return ret;
        }
        long n = put_name(s, at, pattern, part);
        if (n < 0)
            return 0;
        at += (size_t)n;
        pattern += len;
        type = DT_UNKNOWN;
    }
    return arrived(s, at, type);
}

/* The home that ~ or ~NAME at the start of the pattern means, onto the path. Its length; -1 if there is none. */
static long put_home(struct search *s, const char *name, size_t len) {
    char user[256], text[1024];
    struct passwd entry, *known = NULL;
    const char *home = len == 0 ? getenv("HOME") : NULL;
    if (!home) {
        if (len >= sizeof user)
            return -1;
        memcpy(user, name, len);
        user[len] = 0;
        int error = len ? getpwnam_r(user, &entry, text, sizeof text, &known)
                        : getpwuid_r((uid_t)UR_SYS(SYS_getuid, 0, 0, 0, 0, 0, 0), &entry, text, sizeof text, &known);
        home = error || !known ? NULL : known->pw_dir;
    }
    size_t n = home ? strlen(home) : 0;
    if (!home || n >= UR_PATH_MAX)
        return -1;
    memcpy(s->path, home, n);
    return (long)n;
}

static int expand(struct search *s, const char *pattern) {
    if (*pattern != '~' || !(s->flags & (GLOB_TILDE | GLOB_TILDE_CHECK)))
        return *pattern ? look(s, 0, pattern, DT_UNKNOWN) : 0;
    size_t user = strcspn(pattern + 1, "/");
    long home = put_home(s, pattern + 1, user);
    if (home >= 0)
        return look(s, (size_t)home, pattern + 1 + user, DT_UNKNOWN);
    return s->flags & GLOB_TILDE_CHECK ? GLOB_NOMATCH : look(s, 0, pattern, DT_UNKNOWN);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Puts what was found behind what *g has. */
static int hand_over(struct search *s, glob_t *g) {
    size_t used = g->gl_offs + g->gl_pathc;
    char **all = realloc(g->gl_pathv, (used + s->count + 1) * sizeof *all);
    if (!all)
        return GLOB_NOSPACE;
    if (!g->gl_pathv)
        memset(all, 0, g->gl_offs * sizeof *all);
    if (s->count)
        memcpy(all + used, s->found, s->count * sizeof *all);
    all[used + s->count] = NULL;
    g->gl_pathv = all;
    g->gl_pathc += s->count;
    s->count = 0;
    return 0;
}

int ur_glob_search(const char *pattern, int flags, int (*failed)(const char *, int), glob_t *g) {
    UR_PATH_BUFFER(path);
    struct search s = {.flags = flags, .failed = failed, .path = path};
    if (!(flags & GLOB_APPEND)) {
        g->gl_pathc = 0;
        g->gl_pathv = NULL;
    }
    if (!(flags & GLOB_DOOFFS))
        g->gl_offs = 0;
    if (!path)
        return GLOB_NOSPACE;
    int ret = expand(&s, pattern);
    if (ret != GLOB_NOSPACE && s.count == 0) {
        int none = flags & GLOB_NOCHECK ? add(&s, pattern, false) : GLOB_NOMATCH;
        ret = none ? none : ret;
    }
    if (s.count && !(flags & GLOB_NOSORT))
        qsort(s.found, s.count, sizeof *s.found, by_name);
    /* Who stops half-way gets what there is. */
    if ((ret == 0 || ret == GLOB_ABORTED) && hand_over(&s, g) != 0)
        ret = GLOB_NOSPACE;
    while (s.count)
        free(s.found[--s.count]);
    free(s.found);
    return ret;
}

void ur_glob_free(glob_t *g) {
    for (size_t i = 0; i < g->gl_pathc; i++)
        free(g->gl_pathv[g->gl_offs + i]);
    free(g->gl_pathv);
    g->gl_pathc = 0;
    g->gl_pathv = NULL;
}
