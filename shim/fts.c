/*
 * fts: a tree as a sequence of entries, with the options and structures of <fts.h>, over our streams and stats.
 *
 * The stream owns every entry until it has been passed; an entry's `fts_link` leads to the next of its
 * directory, its parent is kept until it was told a second time (FTS_DP). One text buffer holds the path of
 * where the walk is; it may move as it grows, and then the pointers into it are set anew. Unless
 * FTS_NOCHDIR, the cwd is the directory of the current entry, and the stream finds its way back by ".." (checked
 * against the directory that it came from), by the descriptor of a symlink's directory, or by that of the root.
 */
#include "shim.h"

#include <fts.h>
#include <stdlib.h>

enum reading { FOR_READ, FOR_CHILDREN, FOR_NAMES };

static bool has(const FTS *f, int option) {
    return (f->fts_options & option) != 0;
}

static bool is_dot(const char *name) {
    return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

static int open_here(void) {
    return (int)ur_edge(ur_open(UR_SELF, AT_FDCWD, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
}

static void *stop(FTS *f) {
    f->fts_options |= FTS_STOP;
    return NULL;
}

/* --- entries ---------------------------------------------------------------------------------------------- */

static FTSENT *entry_new(FTS *f, const char *name, size_t len) {
    size_t at = (offsetof(FTSENT, fts_name) + len + 1 + 15) & ~(size_t)15;
    FTSENT *e = calloc(1, at + sizeof(struct stat));
    if (!e)
        return NULL;
    memcpy(e->fts_name, name, len);
    e->fts_namelen = (unsigned short)len;
    e->fts_statp = (struct stat *)(void *)((char *)e + at);
    e->fts_path = f->fts_path;
    e->fts_instr = FTS_NOINSTR;
    return e;
}

static void list_free(FTSENT *e) {
    while (e) {
        FTSENT *next = e->fts_link;
        free(e);
        e = next;
    }
}

/* What the entry is. `follow`: it was asked to be followed, whatever the options. */
static unsigned short classify(FTS *f, FTSENT *e, bool follow) {
    struct stat *st = e->fts_statp;
    bool through = follow || has(f, FTS_LOGICAL);
    long ret = ur_stat(UR_SELF, AT_FDCWD, e->fts_accpath, st, through ? 0 : AT_SYMLINK_NOFOLLOW);
    if (ret < 0) {
        if (through && ur_stat(UR_SELF, AT_FDCWD, e->fts_accpath, st, AT_SYMLINK_NOFOLLOW) == 0)
            return FTS_SLNONE;
        e->fts_errno = (int)-ret;
        memset(st, 0, sizeof *st);
        return FTS_NS;
    }
    if (S_ISDIR(st->st_mode)) {
        e->fts_dev = st->st_dev;
        e->fts_ino = st->st_ino;
        e->fts_nlink = st->st_nlink;
        if (is_dot(e->fts_name))
            return FTS_DOT;
        for (FTSENT *up = e->fts_parent; up->fts_level >= FTS_ROOTLEVEL; up = up->fts_parent)
            if (up->fts_ino == e->fts_ino && up->fts_dev == e->fts_dev) {
                e->fts_cycle = up;
                return FTS_DC;
            }
        return FTS_D;
    }
    return S_ISLNK(st->st_mode) ? FTS_SL : S_ISREG(st->st_mode) ? FTS_F : FTS_DEFAULT;
}

/* Sorts a list by the caller's function; left as it is if there is no memory for it. */
static FTSENT *sorted(FTS *f, FTSENT *list, size_t n) {
    if (!f->fts_compar || n < 2)
        return list;
    if (n > (size_t)f->fts_nitems) {
        FTSENT **more = realloc(f->fts_array, (n + 40) * sizeof(FTSENT *));
        if (!more)
            return list;
        f->fts_array = more;
        f->fts_nitems = (int)n + 40;
    }
    size_t i = 0;
    for (FTSENT *e = list; e; e = e->fts_link)
        f->fts_array[i++] = e;
    qsort(f->fts_array, n, sizeof(FTSENT *), (int (*)(const void *, const void *))f->fts_compar);
    for (i = 0; i + 1 < n; i++)
        f->fts_array[i]->fts_link = f->fts_array[i + 1];
    f->fts_array[n - 1]->fts_link = NULL;
    return f->fts_array[0];
}

/* --- the path ----------------------------------------------------------------------------------------------- */

/* Makes room for `need` bytes. If the text moves, so do the paths of all entries: those above `from`, `list` (the one
   that is being read), and the children that were read ahead. */
static bool path_room(FTS *f, size_t need, FTSENT *from, FTSENT *list) {
    if (need <= (size_t)f->fts_pathlen)
        return true;
    if (need > USHRT_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    uintptr_t old = (uintptr_t)f->fts_path;
    char *moved = realloc(f->fts_path, need + 256);
    if (!moved)
        return false;
    f->fts_path = moved;
    f->fts_pathlen = (int)need + 256;
    FTSENT *lists[] = {list, f->fts_child, from};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (FTSENT *e = lists[i]; e;) {
            if ((uintptr_t)e->fts_accpath == old)
                e->fts_accpath = moved;
            e->fts_path = moved;
            e = e->fts_link                                                  ? e->fts_link
                : e->fts_parent && e->fts_parent->fts_level >= FTS_ROOTLEVEL ? e->fts_parent
                                                                             : NULL;
        }
    return true;
}

/* Where a name below `e` is put: after its path, without a second slash. */
static size_t path_end(const FTS *f, const FTSENT *e) {
    return e->fts_pathlen && f->fts_path[e->fts_pathlen - 1] == '/' ? e->fts_pathlen - 1U : e->fts_pathlen;
}

/* A root's path is its name, and its name (for those who look) what stands behind the last slash. */
static void load_root(FTS *f, FTSENT *e) {
    size_t len = e->fts_namelen;
    memmove(f->fts_path, e->fts_name, len + 1);
    e->fts_pathlen = e->fts_namelen;
    char *slash = strrchr(e->fts_name, '/');
    if (slash && (slash != e->fts_name || slash[1])) {
        len = strlen(++slash);
        memmove(e->fts_name, slash, len + 1);
        e->fts_namelen = (unsigned short)len;
    }
    e->fts_accpath = e->fts_path = f->fts_path;
    f->fts_dev = e->fts_dev;
}

/* --- the cwd -------------------------------------------------------------------------------------------------- */

static int go_fd(const FTS *f, int fd) {
    return has(f, FTS_NOCHDIR) ? 0 : (int)ur_edge(ur_fchdir(UR_SELF, fd));
}

/* To the directory of `e`, by descriptor or path, if it still is that directory. */
static int go(const FTS *f, const FTSENT *e, int fd, const char *path) {
    if (has(f, FTS_NOCHDIR))
        return 0;
    int opened = fd;
    if (fd < 0 && (opened = (int)ur_edge(ur_open(UR_SELF, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0))) < 0)
        return -1;
    struct stat st;
    long ret = ur_fstat(UR_SELF, opened, &st);
    if (ret == 0 && (st.st_dev != e->fts_dev || st.st_ino != e->fts_ino))
        ret = -ENOENT;
    if (ret == 0)
        ret = ur_fchdir(UR_SELF, opened);
    if (fd < 0)
        ur_close(opened);
    return (int)ur_edge(ret);
}

/* From the directory `e` to the one that holds it. `again`: it will be entered once more. */
static int go_up(const FTS *f, FTSENT *e, bool again) {
    if (e->fts_flags & FTS_SYMFOLLOW) {
        int ret = go_fd(f, e->fts_symfd);
        if (!again) {
            ur_close(e->fts_symfd);
            e->fts_flags &= (unsigned short)~FTS_SYMFOLLOW;
        }
        return ret;
    }
    if (e->fts_level == FTS_ROOTLEVEL)
        return go_fd(f, f->fts_rfd);
    return e->fts_flags & FTS_DONTCHDIR ? 0 : go(f, e->fts_parent, -1, "..");
}

/* The caller asked to follow this symlink: remember the way back. */
static void follow(FTS *f, FTSENT *e) {
    e->fts_info = classify(f, e, true);
    if (e->fts_info == FTS_D && !has(f, FTS_NOCHDIR)) {
        e->fts_symfd = open_here();
        if (e->fts_symfd < 0) {
            e->fts_errno = errno;
            e->fts_info = FTS_ERR;
        } else
            e->fts_flags |= FTS_SYMFOLLOW;
    }
}

/* --- reading a directory ------------------------------------------------------------------------------------ */

/* Sets what an entry of the directory `dir` is; `lost`: why its directory could not be entered. */
static void fill(FTS *f, FTSENT *dir, FTSENT *e, unsigned char type, enum reading why, int lost) {
    bool no_stat =
        why == FOR_NAMES || (has(f, FTS_NOSTAT) && has(f, FTS_PHYSICAL) && type != DT_DIR && type != DT_UNKNOWN);
    if (lost) {
        e->fts_info = no_stat ? FTS_NSOK : FTS_NS;
        e->fts_errno = no_stat ? 0 : lost;
        e->fts_accpath = dir->fts_accpath;
        return;
    }
    e->fts_accpath = has(f, FTS_NOCHDIR) ? f->fts_path : e->fts_name;
    e->fts_info = no_stat ? FTS_NSOK : classify(f, e, false);
}

static FTSENT *read_directory(FTS *f, enum reading why) {
    FTSENT *dir = f->fts_cur, *first = NULL, **last = &first;
    DIR *d = ur_dir_open(AT_FDCWD, dir->fts_accpath);
    if (!d) {
        if (why == FOR_READ) {
            dir->fts_info = FTS_DNR;
            dir->fts_errno = errno;
        }
        return NULL;
    }
    /* If it can be read but not entered, the names are told all the same, and the error with FTS_DP. */
    int lost = 0;
    bool entered = false;
    if (why != FOR_NAMES) {
        entered = go(f, dir, ur_dir_fd(d), NULL) == 0;
        if (!entered) {
            lost = errno;
            if (why == FOR_READ) {
                dir->fts_flags |= FTS_DONTCHDIR;
                dir->fts_errno = lost;
            }
        }
    }
    size_t end = path_end(f, dir), n = 0;
    struct dirent *got;
    int failed = 0;
    while ((got = ur_dir_read(d))) {
        if (!has(f, FTS_SEEDOT) && is_dot(got->d_name))
            continue;
        size_t len = strlen(got->d_name);
        FTSENT *e = entry_new(f, got->d_name, len);
        if (!e || !path_room(f, end + len + 2, dir, first)) {
            failed = e ? errno : ENOMEM;
            free(e);
            break;
        }
        e->fts_path = f->fts_path;
        e->fts_parent = dir;
        e->fts_level = (short)(dir->fts_level + 1);
        e->fts_pathlen = (unsigned short)(end + 1 + len);
        f->fts_path[end] = '/';
        memcpy(f->fts_path + end + 1, e->fts_name, len + 1);
        fill(f, dir, e, got->d_type, why, lost);
        *last = e;
        last = &e->fts_link;
        n++;
    }
    /* glibc's way with a slash at the end of the path of an empty directory. */
    f->fts_path[!n && has(f, FTS_NOCHDIR) ? end : dir->fts_pathlen] = 0;
    ur_dir_close(d);
    if (failed) {
        list_free(first);
        dir->fts_info = FTS_ERR;
        errno = failed;
        return stop(f);
    }
    if (entered && (why == FOR_CHILDREN || !n) && go_up(f, dir, why == FOR_CHILDREN) < 0) {
        list_free(first);
        dir->fts_info = FTS_ERR;
        return stop(f);
    }
    if (!n && why == FOR_READ)
        dir->fts_info = FTS_DP;
    return sorted(f, first, n);
}

/* --- the public functions ------------------------------------------------------------------------------------ */

/* musl has no fts. Who calls it there has it from another library, with structures of its own; that lists directories
   by way of our hooks. */
#define OF_ANOTHER_LIBRARY(name, failure, ...)                                                                         \
    if (!ur_in_glibc()) {                                                                                              \
        static _Atomic(void *) next;                                                                                   \
        __typeof(&(name)) theirs = (__typeof(&(name)))ur_next(&next, #name);                                           \
        if (theirs)                                                                                                    \
            return theirs(__VA_ARGS__);                                                                                \
        errno = ENOSYS;                                                                                                \
        return failure;                                                                                                \
    }

UR_EXPORT FTS *fts_open(char *const *roots, int options, int (*compar)(const FTSENT **, const FTSENT **)) {
    OF_ANOTHER_LIBRARY(fts_open, NULL, roots, options, compar)
    if (options & ~FTS_OPTIONMASK) {
        errno = EINVAL;
        return NULL;
    }
    FTS *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->fts_options = options | (options & FTS_LOGICAL ? FTS_NOCHDIR : 0);
    f->fts_compar = (int (*)(const void *, const void *))(void (*)(void))compar;
    f->fts_rfd = -1;
    size_t room = UR_PATH_MAX, n = 0;
    for (char *const *r = roots; *r; r++)
        if (strlen(*r) + 2 > room)
            room = strlen(*r) + 2;
    f->fts_path = malloc(room);
    f->fts_pathlen = (int)room;
    FTSENT *top = entry_new(f, "", 0), *first = NULL, **last = &first;
    int failed = !f->fts_path || !top ? ENOMEM : 0;
    if (top)
        top->fts_level = FTS_ROOTPARENTLEVEL;
    for (char *const *r = roots; !failed && *r; r++, n++) {
        FTSENT *e = **r ? entry_new(f, *r, strlen(*r)) : NULL;
        if (!e) {
            failed = **r ? ENOMEM : ENOENT;
            break;
        }
        e->fts_level = FTS_ROOTLEVEL;
        e->fts_parent = top;
        e->fts_accpath = e->fts_name;
        e->fts_info = classify(f, e, has(f, FTS_COMFOLLOW));
        if (e->fts_info == FTS_DOT) /* "." and ".." are directories like others here */
            e->fts_info = FTS_D;
        *last = e;
        last = &e->fts_link;
    }
    /* Where the first fts_read starts from: an entry before the first root. */
    FTSENT *before = failed ? NULL : entry_new(f, "", 0);
    if (!before) {
        list_free(first);
        free(top);
        free(f->fts_path);
        free(f);
        errno = failed ? failed : ENOMEM;
        return NULL;
    }
    before->fts_link = sorted(f, first, n);
    before->fts_parent = top;
    before->fts_level = FTS_ROOTLEVEL;
    before->fts_info = FTS_INIT;
    f->fts_cur = before;
    if (!has(f, FTS_NOCHDIR)) {
        int saved = errno;
        f->fts_rfd = open_here();
        if (f->fts_rfd < 0)
            f->fts_options |= FTS_NOCHDIR;
        errno = saved;
    }
    return f;
}

/* `e`, read before, is current now: its name ends the path. */
static FTSENT *arrive(FTS *f, FTSENT *e) {
    size_t end = path_end(f, e->fts_parent);
    f->fts_path[end] = '/';
    memmove(f->fts_path + end + 1, e->fts_name, e->fts_namelen + 1U);
    return f->fts_cur = e;
}

/* The directory `e` was told; now its first child, or itself again. */
static FTSENT *descend(FTS *f, FTSENT *e, int instr) {
    if (instr == FTS_SKIP || (has(f, FTS_XDEV) && e->fts_dev != f->fts_dev)) {
        if (e->fts_flags & FTS_SYMFOLLOW)
            ur_close(e->fts_symfd);
        e->fts_flags &= (unsigned short)~FTS_SYMFOLLOW;
        list_free(f->fts_child);
        f->fts_child = NULL;
        e->fts_info = FTS_DP;
        return e;
    }
    if (f->fts_child && has(f, FTS_NAMEONLY)) { /* only names were read: read it again */
        f->fts_options &= ~FTS_NAMEONLY;
        list_free(f->fts_child);
        f->fts_child = NULL;
    }
    if (f->fts_child) {
        if (go(f, e, -1, e->fts_accpath) < 0) {
            e->fts_errno = errno;
            e->fts_flags |= FTS_DONTCHDIR;
            for (FTSENT *c = f->fts_child; c; c = c->fts_link)
                c->fts_accpath = e->fts_accpath;
        }
    } else if (!(f->fts_child = read_directory(f, FOR_READ)))
        return has(f, FTS_STOP) ? NULL : e;
    FTSENT *child = f->fts_child;
    f->fts_child = NULL;
    return arrive(f, child);
}

UR_EXPORT FTSENT *fts_read(FTS *f) {
    OF_ANOTHER_LIBRARY(fts_read, NULL, f)
    FTSENT *e = f->fts_cur;
    if (!e || has(f, FTS_STOP))
        return NULL;
    int instr = e->fts_instr;
    e->fts_instr = FTS_NOINSTR;
    if (instr == FTS_AGAIN) {
        e->fts_info = classify(f, e, false);
        return e;
    }
    if (instr == FTS_FOLLOW && (e->fts_info == FTS_SL || e->fts_info == FTS_SLNONE)) {
        follow(f, e);
        return e;
    }
    if (e->fts_info == FTS_D)
        return descend(f, e, instr);

    FTSENT *parent = e->fts_parent;
    for (FTSENT *next; (next = e->fts_link); e = next) {
        free(e);
        f->fts_cur = next;
        if (next->fts_level == FTS_ROOTLEVEL) {
            if (go_fd(f, f->fts_rfd) < 0)
                return stop(f);
            load_root(f, next);
            return next;
        }
        if (next->fts_instr == FTS_SKIP)
            continue;
        if (next->fts_instr == FTS_FOLLOW) {
            follow(f, next);
            next->fts_instr = FTS_NOINSTR;
        }
        return arrive(f, next);
    }
    free(e);
    f->fts_cur = parent;
    if (parent->fts_level == FTS_ROOTPARENTLEVEL) {
        free(parent);
        f->fts_cur = NULL;
        errno = 0; /* how the end is told from an error */
        return NULL;
    }
    f->fts_path[parent->fts_pathlen] = 0;
    if (go_up(f, parent, false) < 0)
        return stop(f);
    parent->fts_info = parent->fts_errno ? FTS_ERR : FTS_DP;
    return parent;
}

UR_EXPORT FTSENT *fts_children(FTS *f, int instr) {
    OF_ANOTHER_LIBRARY(fts_children, NULL, f, instr)
    if (instr != 0 && instr != FTS_NAMEONLY) {
        errno = EINVAL;
        return NULL;
    }
    FTSENT *e = f->fts_cur;
    errno = 0; /* no children is no error */
    if (!e || has(f, FTS_STOP))
        return NULL;
    if (e->fts_info == FTS_INIT)
        return e->fts_link;
    if (e->fts_info != FTS_D)
        return NULL;
    list_free(f->fts_child);
    f->fts_child = NULL;
    if (instr == FTS_NAMEONLY)
        f->fts_options |= FTS_NAMEONLY;
    return f->fts_child = read_directory(f, instr == FTS_NAMEONLY ? FOR_NAMES : FOR_CHILDREN);
}

UR_EXPORT int fts_set(FTS *f, FTSENT *e, int instr) {
    OF_ANOTHER_LIBRARY(fts_set, -1, f, e, instr)
    if (instr != 0 && instr != FTS_AGAIN && instr != FTS_FOLLOW && instr != FTS_NOINSTR && instr != FTS_SKIP) {
        errno = EINVAL;
        return 1;
    }
    e->fts_instr = (unsigned short)instr;
    return 0;
}

UR_EXPORT int fts_close(FTS *f) {
    OF_ANOTHER_LIBRARY(fts_close, -1, f)
    FTSENT *e = f->fts_cur;
    while (e && e->fts_level >= FTS_ROOTLEVEL) { /* the rest of each level, then up */
        FTSENT *next = e->fts_link ? e->fts_link : e->fts_parent;
        if (e->fts_flags & FTS_SYMFOLLOW)
            ur_close(e->fts_symfd);
        free(e);
        e = next;
    }
    free(e);
    list_free(f->fts_child);
    free(f->fts_array);
    free(f->fts_path);
    long ret = 0;
    if (f->fts_rfd >= 0) {
        ret = ur_fchdir(UR_SELF, f->fts_rfd);
        ur_close(f->fts_rfd);
    }
    free(f);
    return (int)ur_edge(ret);
}

UR_TWIN(fts64_open, fts_open)
UR_TWIN(fts64_read, fts_read)
UR_TWIN(fts64_children, fts_children)
UR_TWIN(fts64_set, fts_set)
UR_TWIN(fts64_close, fts_close)
