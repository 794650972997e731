/*
 * ftw and nftw: a walk down a tree, as libc does it, over our streams and stats.
 *
 * A directory's names are read whole before the first of them is visited, so that no stream stays open below
 * it; only its descriptor does, for as many levels as the caller allows, so that deep trees are walked by short
 * names. A level that had to give its descriptor up is reached by its path (or, with FTW_CHDIR, by "..").
 *
 * Invariant: `path` is the object that is being visited, `ftw.base` where its last name begins; a level leaves
 * both as it found them.
 */
#include "shim.h"

#include <ftw.h>
#include <search.h>
#include <stdlib.h>

struct level {
    int fd; /* -1: given up */
    dev_t dev;
    ino_t ino;
    struct level *up;
};

struct walk {
    bool old; /* ftw, not nftw: fewer kinds of object, no struct FTW */
    __nftw_func_t call;
    __ftw_func_t old_call;
    int flags;
    int levels_open, levels_max;
    dev_t dev;
    void *seen; /* following links: directories that were visited (tsearch) */
    char *path;
    size_t room;
    struct FTW ftw;
};

struct object {
    dev_t dev;
    ino_t ino;
};

/* musl counts the kinds from 1, in the same order. */
static int as_libc(int kind) {
    return ur_in_glibc() ? kind : kind + 1;
}

static int tell(struct walk *w, const struct stat *st, int kind) {
    if (!w->old)
        return w->call(w->path, st, as_libc(kind), &w->ftw);
    if (!ur_in_glibc())
        return w->old_call(w->path, st, as_libc(kind));
    static const int plain[] = {[FTW_F] = FTW_F,  [FTW_D] = FTW_D,  [FTW_DNR] = FTW_DNR, [FTW_NS] = FTW_NS,
                                [FTW_SL] = FTW_F, [FTW_DP] = FTW_D, [FTW_SLN] = FTW_NS};
    return w->old_call(w->path, st, plain[kind]);
}

static int by_object(const void *a, const void *b) {
    const struct object *x = a, *y = b;
    if (x->dev != y->dev)
        return x->dev < y->dev ? -1 : 1;
    return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* 1: this directory is new; 0: it was visited; -1: no memory. */
static int first_visit(struct walk *w, const struct stat *st) {
    struct object *o = malloc(sizeof *o);
    if (!o)
        return -1;
    *o = (struct object){.dev = st->st_dev, .ino = st->st_ino};
    struct object **found = tsearch(o, &w->seen, by_object);
    if (found && *found == o)
        return 1;
    free(o);
    return found ? 0 : -1;
}

/* Is the walk in this directory already? */
static bool leads_up(const struct level *up, const struct stat *st) {
    while (up && (up->dev != st->st_dev || up->ino != st->st_ino))
        up = up->up;
    return up != NULL;
}

/* The names of a directory, one after the other, an empty one at the end; NULL: errno says why. */
static char *names_of(DIR *d) {
    size_t used = 0, room = 4096;
    char *names = malloc(room);
    struct dirent *e;
    for (errno = 0; names && (e = ur_dir_read(d)); errno = 0) {
        size_t n = strlen(e->d_name) + 1;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (used + n + 1 > room) {
            char *more = realloc(names, room *= 2);
            if (!more)
                break;
            names = more;
        }
        memcpy(names + used, e->d_name, n);
        used += n;
    }
    if (names && !errno) {
        names[used] = 0;
        return names;
    }
    int saved = errno;
    free(names);
    errno = saved;
    return NULL;
}

/* How the object is reached from here: from its directory's descriptor, from the cwd, or by its whole path. */
static const char *reach(const struct walk *w, const struct level *parent, int *at) {
    const char *name = w->path + w->ftw.base;
    *at = parent && !(w->flags & FTW_CHDIR) && parent->fd >= 0 ? parent->fd : AT_FDCWD;
    return *at != AT_FDCWD || ((w->flags & FTW_CHDIR) && *name) ? name : w->path;
}

static bool set_name(struct walk *w, size_t at, const char *name) {
    size_t n = strlen(name) + 1;
    if (at + n > w->room) {
        char *more = realloc(w->path, 2 * (at + n));
        if (!more)
            return false;
        w->path = more;
        w->room = 2 * (at + n);
    }
    memcpy(w->path + at, name, n);
    return true;
}

static int visit(struct walk *w, struct level *parent);

/* Back to the directory that `level` is, from one below it. */
static int climb(struct walk *w, const struct level *level) {
    if (level->fd >= 0)
        return (int)ur_edge(ur_fchdir(UR_SELF, level->fd));
    return (int)ur_edge(ur_chdir(UR_SELF, w->ftw.base == 1 ? "/" : ".."));
}

static void give_up(struct walk *w, struct level *l) {
    if (l->fd >= 0) {
        ur_close(l->fd);
        l->fd = -1;
        w->levels_open--;
    }
}

static int visit_names(struct walk *w, struct level *l, const char *names) {
    size_t len = strlen(w->path), at = len;
    int base = w->ftw.base, ret = 0;
    if (len == 0 || w->path[len - 1] != '/') {
        if (!set_name(w, at, "/"))
            return -1;
        at++;
    }
    w->ftw.level++;
    w->ftw.base = (int)at;
    for (const char *name = names; *name && ret == 0; name += strlen(name) + 1)
        ret = set_name(w, at, name) ? visit(w, l) : -1;
    w->ftw.level--;
    w->ftw.base = base;
    w->path[len] = 0;
    if ((w->flags & FTW_ACTIONRETVAL) && ret == FTW_SKIP_SIBLINGS)
        ret = 0;
    return ret;
}

static int visit_directory(struct walk *w, struct level *parent, const struct stat *st) {
    int at;
    const char *name = reach(w, parent, &at);
    if (w->levels_open == w->levels_max) { /* the outermost that is open */
        struct level *outer = NULL;
        for (struct level *l = parent; l; l = l->up)
            if (l->fd >= 0)
                outer = l;
        if (outer) {
            give_up(w, outer);
            name = reach(w, parent, &at);
        }
    }
    DIR *d = ur_dir_open(at, name);
    if (!d)
        return errno == EACCES ? tell(w, st, FTW_DNR) : -1;
    struct level level = {.fd = -1, .dev = st->st_dev, .ino = st->st_ino, .up = parent};
    long fd = UR_SYS(SYS_fcntl, ur_dir_fd(d), F_DUPFD_CLOEXEC, 0, 0, 0, 0);
    char *names = names_of(d);
    int saved = errno;
    ur_dir_close(d);
    errno = saved;
    if (fd >= 0) {
        level.fd = (int)fd;
        w->levels_open++;
    }
    int ret = names ? 0 : -1;
    if (ret == 0 && !(w->flags & FTW_DEPTH))
        ret = tell(w, st, FTW_D);
    if (ret == 0 && (w->flags & FTW_CHDIR))
        ret = fd >= 0 ? (int)ur_edge(ur_fchdir(UR_SELF, (int)fd))
                      : (int)ur_edge(ur_chdir(UR_SELF, w->path + w->ftw.base));
    else if (ret != 0 || !names) {
        free(names);
        give_up(w, &level);
        return ret;
    }
    if (ret == 0)
        ret = visit_names(w, &level, names);
    free(names);
    give_up(w, &level);
    if (ret == 0 && (w->flags & FTW_DEPTH))
        ret = tell(w, st, FTW_DP);
    if (parent && (w->flags & FTW_CHDIR) &&
        (ret == 0 || ((w->flags & FTW_ACTIONRETVAL) && ret != -1 && ret != FTW_STOP)) && climb(w, parent) < 0)
        ret = -1;
    return ret;
}

/* One object below the top. */
static int visit(struct walk *w, struct level *parent) {
    struct stat st;
    int at, kind, ret;
    const char *name = reach(w, parent, &at);
    int nofollow = w->flags & FTW_PHYS ? AT_SYMLINK_NOFOLLOW : 0;
    long got = ur_stat(UR_SELF, at, name, &st, nofollow);
    if (got < 0) {
        if (got != -EACCES && got != -ENOENT)
            return (int)ur_edge(got);
        kind = FTW_NS;
        if (!nofollow && ur_stat(UR_SELF, at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
            kind = FTW_SLN;
    } else
        kind = S_ISDIR(st.st_mode) ? FTW_D : S_ISLNK(st.st_mode) ? FTW_SL : FTW_F;
    if (kind != FTW_NS && (w->flags & FTW_MOUNT) && st.st_dev != w->dev)
        return 0;
    if (kind != FTW_D)
        ret = tell(w, &st, kind);
    else if (ur_in_glibc()) {
        ret = nofollow ? 1 : first_visit(w, &st);
        if (ret > 0)
            ret = visit_directory(w, parent, &st);
    } else if (leads_up(parent, &st)) /* musl visits it again by each other link */
        ret = w->flags & FTW_DEPTH ? 0 : tell(w, &st, FTW_D);
    else
        ret = visit_directory(w, parent, &st);
    return (w->flags & FTW_ACTIONRETVAL) && ret == FTW_SKIP_SUBTREE ? 0 : ret;
}

/* The object that the caller named. */
static int visit_top(struct walk *w) {
    struct stat st;
    int at, ret, nofollow = w->flags & FTW_PHYS ? AT_SYMLINK_NOFOLLOW : 0;
    const char *name = reach(w, NULL, &at);
    long got = ur_stat(UR_SELF, at, name, &st, nofollow);
    if (got == -ENOENT && !nofollow && ur_stat(UR_SELF, at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
        ret = tell(w, &st, FTW_SLN);
    else if (got < 0)
        return (int)ur_edge(got);
    else if (!S_ISDIR(st.st_mode))
        ret = tell(w, &st, S_ISLNK(st.st_mode) ? FTW_SL : FTW_F);
    else {
        w->dev = st.st_dev;
        ret = nofollow || first_visit(w, &st) > 0 ? visit_directory(w, NULL, &st) : -1;
    }
    if ((w->flags & FTW_ACTIONRETVAL) && (ret == FTW_SKIP_SUBTREE || ret == FTW_SKIP_SIBLINGS))
        ret = 0;
    return ret;
}

static int start(struct walk *w, const char *path, int descriptors) {
    size_t len = strlen(path);
    if (!len) {
        errno = ENOENT;
        return -1;
    }
    w->levels_max = descriptors < 1 ? 1 : descriptors;
    w->room = len + 4096;
    w->path = malloc(w->room);
    if (!w->path)
        return -1;
    while (ur_in_glibc() && len > 1 && path[len - 1] == '/') /* musl tells the path as it was given */
        len--;
    memcpy(w->path, path, len);
    w->path[len] = 0;
    size_t base = len;
    while (!ur_in_glibc() && base > 0 && w->path[base - 1] == '/')
        base--;
    while (base > 0 && w->path[base - 1] != '/')
        base--;
    w->ftw.base = (int)base;

    long home = -1, ret = 0;
    if (w->flags & FTW_CHDIR) {
        home = ur_open(UR_SELF, AT_FDCWD, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
        if (home == -EACCES) /* it may be searched, not read */
            home = ur_open(UR_SELF, AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
        ret = home < 0 ? home : 0;
        if (ret == 0 && base > 0) {
            char cut = w->path[base == 1 ? 1 : base - 1];
            w->path[base == 1 ? 1 : base - 1] = 0;
            ret = ur_chdir(UR_SELF, w->path);
            w->path[base == 1 ? 1 : base - 1] = cut;
        }
    }
    ret = ret < 0 ? ur_edge(ret) : visit_top(w);
    int saved = errno;
    if (home >= 0) {
        ur_fchdir(UR_SELF, (int)home);
        ur_close((int)home);
    }
    tdestroy(w->seen, free);
    free(w->path);
    errno = saved;
    return (int)ret;
}

UR_EXPORT int ftw(const char *path, __ftw_func_t call, int descriptors) {
    struct walk w = {.old = true, .old_call = call, .flags = ur_in_glibc() ? 0 : FTW_PHYS};
    return start(&w, path, descriptors);
}
UR_TWIN(ftw64, ftw)

UR_EXPORT int nftw(const char *path, __nftw_func_t call, int descriptors, int flags) {
    if (!ur_in_glibc())
        flags &= FTW_PHYS | FTW_MOUNT | FTW_DEPTH; /* the others mean nothing there */
    if (flags & ~(FTW_PHYS | FTW_MOUNT | FTW_CHDIR | FTW_DEPTH | FTW_ACTIONRETVAL)) {
        errno = EINVAL;
        return -1;
    }
    struct walk w = {.call = call, .flags = flags};
    return start(&w, path, descriptors);
}
UR_TWIN(nftw64, nftw)
