/*
 * The engine's own view of a union: what its files share with each other and with nobody else.
 *
 * A directory of the union (struct ur_dir) is its canonical union path and the *stack* of host directories
 * that it merges: spots, topmost first. A spot is a layer and the path of the directory in that layer, its
 * *rel*. The rel is the union path below the target, unless a redirect was met on the way: then the part of
 * the path up to there is replaced. So a rel is a prefix and the place (`cut`) from which the union path goes on
 * unchanged, and descending into a child changes no rel.
 */
#ifndef UNIONRUN_ENGINE_UNION_H
#define UNIONRUN_ENGINE_UNION_H

#include "engine.h"
#include "layer.h"
#include "quota.h"
#include "root.h"
#include "shared.h"
#include "sys.h"

#include <linux/fs.h>
#include <string.h>

enum {
    UR_NAME_MAX = 255,
    UR_LINKS_MAX = 40,             /* path_resolution(7): more symlinks than this is ELOOP */
    UR_REST_MAX = 4 * UR_PATH_MAX, /* a path, with what links put before it */
    UR_RELS_MAX = 24,              /* distinct redirected prefixes in one stack */
    UR_REL_BYTES = 4096            /* their text */
};

struct ur_spot {
    uint16_t layer; /* index within the mount; 0 is the topmost */
    uint16_t rel;
};

struct ur_rel {
    uint16_t at, len; /* prefix: text in rel_text; empty for rel 0 */
    uint16_t cut;     /* offset into the union path of what follows the prefix */
};

struct ur_dir {
    const struct ur_table_mount *mount; /* NULL: a directory of the host, no stack */
    uint16_t len;                       /* of path */
    uint16_t spots;
    uint16_t rels;       /* at least 1: rel 0 is the union path below the target */
    uint16_t rel_used;   /* bytes of rel_text */
    uint16_t lower_rel;  /* the path at which the lowers alone, seen as a union, hold this directory's lower part */
    bool below;          /* the stack of some lowers alone: its path is theirs, and may not be the union's */
    bool special;        /* a target or a hidden directory lies beneath: names must be compared with them */
    bool open;           /* all may search it and all above it, up to the target, in every layer: nobody is refused */
    uint64_t generation; /* when its stack was found, as ur_dcache_begin tells it; 0: it may be out of date already */
    bool even;           /* who may search it, and all above it, in one layer may in all: any may be asked */
    struct ur_rel rel[UR_RELS_MAX];
    struct ur_spot spot[UR_LAYERS_MAX];
    char path[UR_PATH_MAX]; /* canonical; "/" is len 1 */
    char rel_text[UR_REL_BYTES];
};

/* One name in a directory, as the union sees it. */
enum ur_kind {
    UR_ABSENT,
    UR_FILE,      /* anything but a directory: `st` tells */
    UR_DIRECTORY, /* `st` is the topmost's */
};
enum ur_white {
    UR_WHITE_NONE,
    UR_WHITE_NODE, /* a whiteout stands in the name's own place, which a new file must replace */
    UR_WHITE_NAME, /* ".wh.NAME" stands beside it: the place is free, but a new directory must be opaque */
};
struct ur_entry {
    enum ur_kind kind;
    struct ur_spot spot; /* who holds it, if not absent (for a host entry: unused) */
    bool in_upper;       /* the holder is the upper (or the host) */
    enum ur_white white; /* absent: how the upper itself says so */
    bool plain;          /* held by the upper, and known to have no origin */
    bool sole;           /* held by the upper, and the lowers are known to show nothing of it; ur_known's */
    bool recalled;       /* from the index, and the disk was not asked: of st there is only the type */
    bool indexed;        /* who has it, or that nobody does, is from the index */
    bool linked;         /* a lower hard link whose file was copied up by another name: links.c has it */
    uint64_t stamp; /* who begins a change with this entry learns by it if another came first; 0: nothing is known */
    struct stat st; /* raw: as the host tells it */
};

/* A path, resolved. */
enum ur_where {
    UR_AT_HOST,  /* outside every union */
    UR_AT_UNION, /* in one */
    UR_AT_MAGIC, /* a /proc link that leads to no path (a pipe, a deleted file): only the kernel can follow it */
};
enum ur_last { /* what the path ended in, as the kernel's LAST_* */
               UR_LAST_NAME,
               UR_LAST_DOT,
               UR_LAST_DOTDOT,
               UR_LAST_ROOT,
               UR_LAST_TARGET, /* a name at which a union begins: a mount point */
};
struct ur_node {
    enum ur_where where;
    enum ur_last last;
    bool self;        /* the path is `dir` itself (all but UR_LAST_NAME): `name` is empty, `entry` not looked up */
    bool must_be_dir; /* a slash stood behind the name */
    bool lost;        /* UR_AT_MAGIC, and it is a lower's file that the union has no name for: not to be changed */
    int at;           /* with `rel`: the caller's own descriptor, from which it leads to the host's file */
    const char *rel;  /* NULL: only ur_node_path does */
    bool brief;       /* of `dir` only mount and path are known (UR_WALK_BRIEF) */
    bool in_dead;     /* -ENOENT: its directory was removed, and `was` in that mount; UR_AT_MAGIC: so was it itself */
    const struct ur_table_mount *was;
    bool foreign; /* the kernel, given the path as it is, may come to something else; known also on failure */
    struct ur_entry entry;
    char name[UR_NAME_MAX + 1]; /* last: it is not cleared */
};

/* Where something is prepared before it appears (work.c). */
struct ur_stage {
    char path[UR_PATH_MAX];
    size_t own; /* length of the directory in `path` that was made for this; 0: none was needed */
};

/* Working memory for one call: too large for a thread's stack of 16 KiB. */
struct ur_scratch {
    struct ur_dir dir[2];
    struct ur_node node[2];
    char rest[2][UR_REST_MAX]; /* what is still to be walked, when a symlink was expanded */
    char real[2][UR_PATH_MAX + UR_NAME_MAX + 2];
    char text[UR_PATH_MAX + UR_NAME_MAX + 2];
    struct ur_stage stage;
};

/* scratch.c. Never fails for want of a block but by -ENOMEM (NULL). Async-signal-safe. */
struct ur_scratch *ur_scratch_get(void);
void ur_scratch_put(struct ur_scratch *s);
static inline void ur_scratch_cleanup(struct ur_scratch **s) {
    if (*s)
        ur_scratch_put(*s);
}
#define UR_SCRATCH(name)                                                                                               \
    __attribute__((cleanup(ur_scratch_cleanup))) struct ur_scratch *name = ur_scratch_get();                           \
    if (!name)                                                                                                         \
    return -ENOMEM

/* What one call was found to come to, written down where that is decided, for trace.c. */
enum { UR_NOTE_LAYERS = 16 };
struct ur_note {
    struct ur_note_name {
        const char *given; /* the path as the call has it; NULL: none */
        bool known;        /* it was looked up; it may be absent */
        bool indexed;      /* ur_entry's */
        enum ur_where where;
        enum ur_kind kind;
        const struct ur_table_mount *mount; /* NULL: the host's */
        unsigned layer;
        unsigned walks;
        char *path, *host; /* its canonical path; where it is on the host, or empty. UR_PATH_MAX bytes each */
    } name[2];
    struct ur_counts done;
    bool opaque; /* a directory was made that is */
    struct ur_note_listing {
        const struct ur_table_mount *mount; /* NULL: the host's */
        unsigned layers;                    /* that the directory has; the first of them: */
        unsigned layer[UR_NOTE_LAYERS];
    } listing;
};

/* What a listing is of. */
void ur_note_listing(const struct ur_union *u, const struct ur_dir *d);

static inline void ur_note_opaque(const struct ur_union *u) {
    if (u->note)
        u->note->opaque = true;
}

/* Adds to one of the run's counts (shared.h). */
#define ur_count(u, what, n)                                                                                           \
    do {                                                                                                               \
        if ((u)->shared)                                                                                               \
            atomic_fetch_add_explicit(&(u)->shared->counts.what, (uint64_t)(n), memory_order_relaxed);                 \
        if ((u)->note)                                                                                                 \
            (u)->note->done.what += (uint64_t)(n);                                                                     \
    } while (0)

/* A file's data were copied, or (`cloned`) are shared with the lower's. */
static inline void ur_count_data(const struct ur_union *u, bool cloned, off_t size) {
    if (cloned)
        ur_count(u, cloned, size);
    else
        ur_count(u, bytes, size);
}

/* path.c: strings */
/* Equal or beneath. */
static inline bool ur_path_below(const char *path, size_t len, const char *root, size_t root_len) {
    if (root_len == 1 && root[0] == '/')
        return len > 0 && path[0] == '/';
    return len >= root_len && memcmp(path, root, root_len) == 0 && (len == root_len || path[root_len] == '/');
}
uint64_t ur_get_number(const char **at, unsigned base);
uint32_t ur_hash(const char *text, size_t len);

static inline bool ur_is_dot(const char *name) { /* "." or ".." */
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}
/* names.c: calls `each` for every name that a host directory itself holds, but "." and "..", until it returns other
   than 0. That, 0, or -errno if it cannot be read. */
long ur_for_names(const char *host, long (*each)(void *arg, const char *name, unsigned char type), void *arg);

/* mount.c: the table */
const struct ur_table_mount *ur_mount_of(const struct ur_union *u, const char *path, size_t len);
const struct ur_table_mount *ur_mount_at(const struct ur_union *u, const char *path, size_t len);
bool ur_special_below(const struct ur_union *u, const char *path, size_t len); /* a target or a hidden directory */
bool ur_mounts_below(const struct ur_union *u, const char *path, size_t len);
/* Is it not there for the tree? The layers' own directories and works if UR_RAW_HIDE, the session always. */
bool ur_is_hidden(const struct ur_union *u, const char *path, size_t len);
/* May what is at a host path that is not hidden be changed? 0, or -EROFS: it is in a lower, or UR_RAW_READ_ONLY says
   so. */
long ur_may_change_raw(const struct ur_union *u, const char *path, size_t len);
/* The mount in whose work directory a host path lies; NULL: none. */
const struct ur_table_mount *ur_work_of(const struct ur_union *u, const char *host, size_t len);
const struct ur_table_layer *ur_layer(const struct ur_union *u, const struct ur_table_mount *m, unsigned i);
static inline bool ur_has_upper(const struct ur_table_mount *m) {
    return m && (m->flags & UR_MOUNT_UPPER);
}

/* dir.c: stacks. All return 0 or -errno. */
/* The host path of `name` (or of the directory itself: NULL or "") in a spot. */
long ur_spot_path(const struct ur_union *u, const struct ur_dir *d, struct ur_spot s, const char *name, char *out);
/* Where the upper has, or would have, it. */
long ur_upper_path(const struct ur_union *u, const struct ur_dir *d, const char *name, char *out);
/* The host path of what an entry of `d` names. */
long ur_entry_path(const struct ur_union *u, const struct ur_dir *d, const char *name, const struct ur_entry *e,
                   char *out);
/* Loads the stack of a canonical path. -ENOENT, -ENOTDIR if it is no directory (any more). */
long ur_dir_load(const struct ur_union *u, struct ur_dir *d, const char *path, size_t len);
bool ur_dir_recall(const struct ur_union *u, struct ur_dir *d, const char *path, size_t len);
/* The stack that the layers of a mount from `first` down alone have for the path below the target, as a redirect names
   it. -ENOENT also if that is no directory. */
long ur_dir_below(const struct ur_union *u, struct ur_dir *d, const struct ur_table_mount *m, unsigned first,
                  const char *text, size_t len);
/* From a directory to its child: -ENOENT, -ENOTDIR (then `st` tells what it is: a symlink, say). These two leave
   `d` as it was, other errors leave it unusable. */
long ur_dir_enter(const struct ur_union *u, struct ur_dir *d, const char *name, struct stat *st);
long ur_dir_up(const struct ur_union *u, struct ur_dir *d);
/* Looks one name up. -errno only if the disk cannot tell. */
long ur_lookup(const struct ur_union *u, const struct ur_dir *d, const char *name, struct ur_entry *e);
/* The same for who is about to make it by a call that fails if it is there, and looks then: of a name that nothing is
   known of, in a directory that no lower has, the disk is not asked, and it is said to be absent. */
long ur_lookup_new(const struct ur_union *u, const struct ur_dir *d, const char *name, struct ur_entry *e);
/* The same by the layers from `layer` down alone; `in_upper`, `linked` are left false. */
long ur_lookup_from(const struct ur_union *u, const struct ur_dir *d, const char *name, unsigned layer,
                    struct ur_entry *e);
/* What was found in a spot of `d` is there as long as the run is: it is a lower's, and not of the host "/" as it lives.
 */
bool ur_must_stay(const struct ur_union *u, const struct ur_dir *d, struct ur_spot s);
/* A name was not found in a spot. 0, if that is because it is not there; -EIO: the layer itself, or what it had of `d`,
   is there no more, which says nothing of the name; -errno. Of the upper 0, with no call. `host` is room for a path. */
long ur_lower_lost(const struct ur_union *u, const struct ur_dir *d, struct ur_spot s, char *host);
/* Whether, were the upper's own entry gone, a lower one would show; `e`: what the name was looked up to mean. 1, 0 or
   -errno. */
long ur_shows_below(const struct ur_union *u, const struct ur_dir *d, const char *name, const struct ur_entry *e);
/* Is it known of what was looked up that it would not? */
static inline bool ur_is_sole(const struct ur_entry *e) {
    return e->sole || (e->kind == UR_ABSENT && e->white == UR_WHITE_NONE);
}
void ur_changing_begin(const struct ur_union *u);
void ur_changing_end(const struct ur_union *u);

/* dcache.c: what this process remembers of stacks */
bool ur_dcache_get(const struct ur_union *u, struct ur_dir *d, const char *path, size_t len);
void ur_dcache_put(const struct ur_union *u, const struct ur_dir *d);
/* The generation + 1, as ur_dir keeps it; 0 if nothing may be kept now. Taken before the disk is asked. */
uint64_t ur_dcache_begin(const struct ur_union *u);

/* index.c: what all processes of the run know of names. A change of what a name in `d` means (who holds it, or that
   nobody does) is made between begin and end, which is when the variable goes:
       UR_NAME_CHANGES(u, d, name);
   or, where the directory's own times are not to tell of it:
       UR_NAME_CHANGES_UNSEEN(u, d, name);
   or, where it will be told what the name means then (ur_change_tell), and `entry` is what it was looked up to mean:
       UR_NAME_BECOMES(change, u, d, name, entry);
   or, of two names at once:
       UR_NAMES_BECOME(change, u, d, name, entry), each an array of two; */
struct ur_change {
    _Atomic uint64_t *state;    /* of the name */
    _Atomic uint64_t *listing;  /* of its directory (listings.c) */
    _Atomic uint64_t *seen;     /* of its directory, if it is one that all see, and no copy (times.c) */
    struct ur_changer *changer; /* its place there; NULL: none */
    uint32_t self;
    _Atomic uint64_t *entry; /* where it is told what the name means then; NULL: it cannot be */
    uint64_t word, hash;     /* what stands there until then; what is to */
};
struct ur_change ur_change_begin(const struct ur_union *u, const struct ur_dir *d, const char *name,
                                 const struct ur_entry *entry, bool seen);
/* The same of two names that change at once, in `change`, which all see. */
void ur_changes_begin(const struct ur_union *u, const struct ur_dir *const d[2], const char *const name[2],
                      const struct ur_entry *const entry[2], struct ur_change change[2]);
void ur_change_end(struct ur_change *change);
static inline void ur_changes_end(struct ur_change (*change)[2]) {
    ur_change_end(&(*change)[1]);
    ur_change_end(&(*change)[0]);
}
#define UR_CONCAT_(a, b) a##b
#define UR_CONCAT(a, b) UR_CONCAT_(a, b)
#define UR_NAME_CHANGES(u, d, name)                                                                                    \
    __attribute__((cleanup(ur_change_end), unused)) struct ur_change UR_CONCAT(change_, __LINE__) =                    \
        ur_change_begin(u, d, name, NULL, true)
#define UR_NAME_CHANGES_UNSEEN(u, d, name)                                                                             \
    __attribute__((cleanup(ur_change_end), unused)) struct ur_change UR_CONCAT(change_, __LINE__) =                    \
        ur_change_begin(u, d, name, NULL, false)
#define UR_NAMES_BECOME(change, u, ...)                                                                                \
    __attribute__((cleanup(ur_changes_end))) struct ur_change change[2];                                               \
    ur_changes_begin(u, __VA_ARGS__, change)
#define UR_NAME_BECOMES(change, u, d, name, entry)                                                                     \
    __attribute__((cleanup(ur_change_end))) struct ur_change change = ur_change_begin(u, d, name, entry, true)
/* All that is known of names is forgotten: called between begin and end of what makes it untrue. */
void ur_epoch_next(const struct ur_union *u);
/* Who may search the directories that one of the union merges. All zero: none yet. */
struct ur_access {
    unsigned count;
    bool closed, uneven, acl;
    mode_t mode; /* of the first: who may search it, and whose it is */
    uid_t uid;
    gid_t gid;
};
void ur_access_add(struct ur_access *a, const struct stat *st, bool acl);
static inline bool ur_access_open(const struct ur_access *a) {
    return a->count && !a->closed;
}
static inline bool ur_access_even(const struct ur_access *a) {
    return a->count && (!a->closed || !a->uneven);
}
void ur_root_access(const struct ur_union *u, const struct ur_table_mount *m, bool *open, bool *even);
/* Who may search a directory is about to change; `path` is the union's. Within ur_changing_begin and _end. */
void ur_access_changes(const struct ur_union *u, const char *path, size_t len);
/* What the index says of a name is not what the disk says. */
void ur_index_forget(const struct ur_union *u, const struct ur_dir *d, const char *name);
/* A name is about to be made by somebody who will not say when it is done: nothing is entered in its place any more. */
void ur_name_unsure(const struct ur_union *u, const struct ur_dir *d, const char *name);
/* A directory was removed; its name is given to something that is none. The latter before that can be seen. */
void ur_gone_add(const struct ur_union *u, const struct ur_dir *d, const char *name);
void ur_gone_taken(const struct ur_union *u, const struct ur_dir *d, const char *name);

/* marks.c: whiteouts, opaque directories, redirects, in all forms */
enum ur_marks {
    UR_MARK_OPAQUE = 1,
    UR_MARK_REDIRECT = 2,
    UR_MARK_WHITEOUTS = 4, /* opaque=x: it may hold whiteouts in the xattr form */
    UR_MARK_IMPURE = 8,
    UR_MARK_ACL = 16,        /* it has a POSIX access ACL, or may have one */
    UR_MARK_METACOPIES = 32, /* a layer's root: beneath it are files without their data */
};
/* The marks of a host directory; `redirect` (UR_PATH_MAX bytes) gets the text if there is one. >= 0 or -errno. */
long ur_marks(const char *host, char *redirect);
long ur_marks_at(int fd, const char *host, char *redirect); /* the same; `fd` is it, open, or -1 */
/* 1, 0, or -errno if the disk cannot tell. */
long ur_is_whiteout(const char *host, const struct stat *st);
bool ur_is_marker_name(const char *name, size_t len);
bool ur_is_marker_xattr(const char *name);
/* Is it a name that the run does not see? Also the record of owners, if it simulates root. */
static inline bool ur_is_hidden_xattr(const struct ur_union *u, const char *name) {
    return ur_is_marker_xattr(name) || (u->root && strcmp(name, UR_OVERRIDE_STAT) == 0);
}
/* Makes a whiteout at a host path, in the form that the mount's upper can hold. */
long ur_whiteout_make(const struct ur_table_mount *m, const char *host);
/* By an xattr, or by a name in it where there are none; that is all that the second takes away. */
long ur_mark_opaque(const char *host);
long ur_drop_opaque_name(const char *host);
long ur_unmark_opaque(const char *host);
long ur_mark_whiteouts(const struct ur_table_mount *m, const char *host); /* the directory now holds one */
long ur_mark_impure(const char *host);
long ur_mark_redirect(const char *host, const char *rel);
/* Is a regular file one without its data? By descriptor or (fd -1) host path. 1, 0 or -errno. */
long ur_has_metacopy(int fd, const char *host);
long ur_mark_metacopy(int fd, const char *redirect);
long ur_unmark_metacopy(int fd);
/* Of a layer's root: beneath it there will be such files. 1; 0: it was so; -errno. */
long ur_mark_metacopies(const char *root);
/* The redirect of a file (UR_PATH_MAX bytes): its length, 0: none, or -errno. */
long ur_redirect_of(const char *host, char *redirect);

/* libraries.c: `size` bytes from `at` of a file, open at `fd`, whose first `n` are `first`. False: it has no such. */
bool ur_elf_read(int fd, const char *first, long n, void *to, size_t size, uint64_t at);
/* May this program, which lies in a union, need libraries that do? */
bool ur_needs_libraries(int fd, const char *first, long n);

/* programs.c: ur_exec_known is to tell that `path`, of whose file `st` is (raw), needs no plan; `audit`: as in the
   plan. `in_union`: it is a file in a union, which the kernel is to be given by the path in its layer. */
void ur_program_keep(const struct ur_caller *c, const char *path, const struct stat *st, bool in_union, bool audit);

/* What the disk said of an entry that the index has told of: -EIO where that says that a lower has lost it. */
static inline long ur_if_lost(const struct ur_union *u, const struct ur_dir *d, const struct ur_entry *e, long ret) {
    bool gone = ret == -ENOENT || ret == -ENOTDIR;
    return gone && d->mount && e->recalled && e->kind != UR_ABSENT && ur_must_stay(u, d, e->spot) ? -EIO : ret;
}

/* walk.c: paths */
enum ur_walk_flags {
    UR_WALK_NOFOLLOW = 1, /* the last name is not followed if it is a symlink */
    UR_WALK_TEXTUAL = 8,  /* ".." asks for no permission to search, as realpath(3) does not */
    UR_WALK_CREATE = 4,   /* open's O_CREAT: a slash behind the last name is -EISDIR, whatever is there */
    UR_WALK_BRIEF = 16,   /* of the directory nothing will be asked but the path of the entry: it need not be loaded */
    UR_WALK_TYPE = 32,    /* with BRIEF: of an entry's st nothing will be asked but the type */
    UR_WALK_NEW = 64,     /* the last name is looked up as ur_lookup_new does it */
    UR_WALK_PARENT = 2,   /* nor if a slash stands behind it: the calls that make or remove a name */
};
/* Fills dir (the parent, or the directory itself if node->self) and node of slot `slot`. 0 or -errno. An absent last
   name is no error: node->entry.kind tells. */
long ur_walk(const struct ur_caller *c, int dirfd, const char *path, int flags, struct ur_scratch *s, int slot);
/* Of a walk that returned `ret`: what ur_is_native_on tells of the name. */
dev_t ur_host_dev(const struct ur_dir *d, const struct ur_node *n, long ret);
/* The same after ur_brief was of no use (index.h). */
struct ur_begun;
long ur_walk_on(const struct ur_caller *c, int dirfd, const char *path, int flags, struct ur_scratch *s, int slot,
                const struct ur_begun *begun);
/* trace.c: a path was walked, with this result. */
void ur_note_walk(const struct ur_union *u, const char *path, const struct ur_dir *d, const struct ur_node *n,
                  long ret);
/* The host path of what a node names. */
long ur_node_path(const struct ur_union *u, const struct ur_dir *d, const struct ur_node *n, char *out);
/* Where a system call finds it, by the shortest way: `path` from `fd`. `host` is room for it. */
struct ur_reach {
    int fd;
    const char *path;
};
static inline long ur_node_reach(const struct ur_union *u, const struct ur_dir *d, const struct ur_node *n, char *host,
                                 struct ur_reach *r) {
    *r = n->rel ? (struct ur_reach){n->at, n->rel} : (struct ur_reach){AT_FDCWD, host};
    return n->rel ? 0 : ur_node_path(u, d, n, host);
}
/* base.c. The canonical union path of a directory that the caller has open, or of its cwd (AT_FDCWD). Length or -errno.
   `dead`: it was removed, and `out` is where it was (with dead NULL that is -ENOENT). */
enum ur_dead_dir { UR_ALIVE, UR_DEAD_UPPER, UR_DEAD_LOWER /* which the host still has: nothing in it is to be seen */ };
long ur_base_path(const struct ur_caller *c, int dirfd, char *out, enum ur_dead_dir *dead);
/* Where the host has a directory of the union. */
struct ur_layer_at {
    const struct ur_table_mount *mount; /* NULL: unknown, or in no layer */
    unsigned layer;
    bool plain; /* the layer has it by the very path that it has in the union */
};
/* The same; all zero if it had to be asked for another. */
long ur_base_find(const struct ur_caller *c, int dirfd, char *out, enum ur_dead_dir *dead, struct ur_layer_at *at);
/* The same of a descriptor of a directory of which the caller (pid 0, with shared state) has the stat, and not raw. */
long ur_base_at(const struct ur_caller *c, int dirfd, const struct stat *st, char *out, enum ur_dead_dir *dead,
                struct ur_layer_at *at);
/* Does this thread or this process remember which directory of the union `dirfd` or the cwd is? Then its path, of
   UR_BASE_MAX bytes at most, and its length; or -ENOENT. *asked: `st` is its raw stat. */
long ur_base_recall(const struct ur_caller *c, int dirfd, struct stat *st, bool *asked, char *out,
                    struct ur_layer_at *at);
/* The same of the directory of which a descriptor's `st` is. */
enum { UR_BASE_MAX = 204 };
long ur_base_known(const struct ur_union *u, const struct stat *st, char *out, struct ur_layer_at *at);
/* `fd` was opened at `path`, which was found at `generation` (ur_dcache_begin): what ur_base_path will be asked. */
void ur_base_note(const struct ur_caller *c, int fd, const char *path, size_t len, struct ur_layer_at at,
                  uint64_t generation);

/* descriptors.c. Async-signal-safe. What is remembered of a descriptor or the cwd is a number, not 0; 0: nothing. */
uint64_t ur_descriptor_recall(const struct ur_caller *c, int fd);
/* To note it: begun before the kernel is asked what it is. */
uint64_t ur_descriptor_begin(const struct ur_caller *c, int fd);
void ur_descriptor_note(int fd, uint64_t begun, uint64_t what);

/* The path of a /proc entry of the caller: "/proc/thread-self" or "/proc/PID", then `tail`. */
char *ur_proc_path(const struct ur_caller *c, const char *tail, int number, char *out, size_t n);
/* What the symlinks /proc/self and /proc/thread-self say to a caller that is not this thread: replaces `text` (64
   bytes). Its length; 0: `name` of `d` is neither, or the caller is this thread; -errno. */
long ur_proc_self(const struct ur_caller *c, const struct ur_dir *d, const char *name, char *text);

/* room.c: makes sure that these bytes of the shared file have memory. 0 or -errno. */
long ur_shared_room(const struct ur_union *u, uint64_t at, uint64_t bytes);

/* moves.c: directories that were moved in this run */
struct ur_move {
    const struct ur_table_mount *m;
    const char *from, *to; /* below the target */
    bool exchange;
    uint64_t ino; /* in the upper, of what comes to `to` */
};
/* Under the lock (`held`; 0: without), before the step that moves it, and after: `made`? Who is killed between them is
   finished by who takes the lock from him. */
void ur_moves_begin(const struct ur_union *u, const struct ur_move *w, uint64_t held);
void ur_moves_end(const struct ur_union *u, const struct ur_move *w, uint64_t held, bool made);
void ur_moves_settle(const struct ur_union *u);
void ur_moves_found(const struct ur_union *u, const struct ur_table_mount *m, unsigned first_layer, const char *rel,
                    size_t rel_len, const char *at, size_t at_len);
/* Where the directory `rel` of a layer is now, below the target: rewrites `rel` (UR_PATH_MAX bytes). New length or
 * -errno. */
long ur_moves_apply(const struct ur_union *u, const struct ur_table_mount *m, unsigned layer, char *rel, size_t len);
/* What was not found where the log had it may have been moved since: how much was seen of the log before it was asked;
   and afterwards, is there more? */
uint32_t ur_moves_seen(const struct ur_union *u);
bool ur_moves_more(const struct ur_union *u, uint32_t seen);

/* A directory of the union that goes by way of the work directory's tmp/NAME; and where a path there was. */
void ur_dead_note(const struct ur_union *u, const struct ur_table_mount *m, const char *tmp, const char *path);
long ur_dead_path(const struct ur_union *u, const struct ur_table_mount *m, const char *tmp, char *out);

/* maps.c */
bool ur_is_maps(const char *host);
/* Takes an open /proc/PID/maps; returns a descriptor, that or another, from which union paths are read. */
long ur_maps_open(const struct ur_caller *c, int fd, int flags);

/* perm.c: what the kernel would refuse in a plain directory, asked before a copy-up */
long ur_may_access(const char *host, int mode);
long ur_may_own(const struct stat *st);
bool ur_sees_trusted(void); /* xattrs of that space */
long ur_may_delete(const struct stat *dir, const struct stat *victim);

/* copyup.c */
/* Makes sure the upper has the directory `d` itself (and all above it). After it, spot 0 is the upper. */
long ur_copyup_dir(const struct ur_caller *c, struct ur_dir *d);
/* Makes sure the upper has `name` of `d`, which `e` says is there; `e` is looked up again. */
long ur_copyup(const struct ur_caller *c, struct ur_dir *d, const char *name, struct ur_entry *e);
/* The same, but a regular file need not have its data there. `after`: what its metadata will be. */
long ur_copyup_meta(const struct ur_caller *c, struct ur_dir *d, const char *name, struct ur_entry *e,
                    const struct stat *after);
/* open(O_TRUNC) of a lower's regular file with one name, which `e` says is there: its descriptor, and no data was
   copied. Fails with nothing changed. */
long ur_copyup_emptied(const struct ur_caller *c, struct ur_dir *d, const char *name, const struct ur_entry *e,
                       int open_flags);
/* Of a host path, to a descriptor or (fd -1) a path. Marks are left behind. */
long ur_copy_xattrs(const char *from, int to_fd, const char *to);

/* Holes kept; `caps`: UR_CAP_REFLINK. 0; 1: the two share it, and nothing was written; -errno. Offsets of both are left
   anywhere. `copying`: told how far it is, if it is not NULL. */
long ur_copyup_data(uint32_t caps, int from, int to, off_t size, struct ur_copying *copying);
/* To a descriptor or (fd -1) a path, as far as it is allowed. */
long ur_give_owner(int fd, const char *host, const struct stat *st);
/* The mode that a copy with the owner that it has may have. */
mode_t ur_kept_mode(const struct stat *lower, const struct stat *copy);

/* copying.c: how far a copy of `size` bytes is, which gets `name` of `d`; NULL, which the other two take as well:
   nobody wants to know, or too many do already. It is to be ended. */
struct ur_copying *ur_copying_begin(const struct ur_union *u, const struct ur_dir *d, const char *name, off_t size);
void ur_copying_step(struct ur_copying *copying, off_t done);
void ur_copying_end(struct ur_copying *copying);

/* metacopy.c: files of which a layer has the metadata alone */
static inline unsigned ur_metacopies_bit(const struct ur_table_mount *m, unsigned layer) {
    return (m->first_layer + layer) % UR_METACOPIES;
}
/* May a layer hold any? Nearly always not, and no call is made to know. */
static inline bool ur_may_lack_data(const struct ur_union *u, const struct ur_table_mount *m, unsigned layer) {
    unsigned n = ur_metacopies_bit(m, layer);
    return !u->shared || atomic_load_explicit(&u->shared->metacopies[n / 64], memory_order_relaxed) >> n % 64 & 1;
}
void ur_may_lack_data_now(const struct ur_union *u, const struct ur_table_mount *m, unsigned layer);
/* Where the data of a regular file are. */
struct ur_data {
    char *host;     /* the caller's room, UR_PATH_MAX bytes */
    unsigned layer; /* and in that of which layer */
    struct stat st; /* raw */
};
/* Does the name `name` of `d` (of which mount and path are enough), which `e` says is there, lack its data? 1, and
   `data` tells where they are; 0; -EIO: nowhere; -errno. */
long ur_data_find(const struct ur_union *u, const struct ur_dir *d, const char *name, const struct ur_entry *e,
                  struct ur_data *data);
/* What a redirect of an upper's file must say that has its data under the name `name` of the lowers' part of `d`.
   False: it does not fit. */
bool ur_redirect_to(const struct ur_dir *d, const char *name, char *text, size_t size);
/* A descriptor of the data is about to be given to a program: it will be asked what that is in the union. */
void ur_data_known(const struct ur_union *u, const struct ur_dir *d, const char *name, const struct ur_data *data);
/* The blocks of the data, and the times from before they were half copied, into the stat of a file that lacks them. */
void ur_data_tell(const struct ur_data *data, const char *host, struct stat *st);
/* Is the lower's file of which `raw` is the data of what has this union path? 1, 0 or -errno. */
long ur_is_data_of(const struct ur_caller *c, const char *path, const struct stat *raw);
/* May a lower's file be copied up without its data, or a copy go on without them, `after` being its metadata then?
   `making`: from `d`. */
bool ur_data_may_stay(const struct ur_union *u, const struct ur_dir *d, const struct ur_data *data,
                      const struct stat *after, bool making);
/* Sees to it that a file of the upper has its data. `emptied`: it is to have none; 1: it lacked its
   data, and is empty now. 0 or -errno. */
long ur_data_fill(const struct ur_union *u, const struct ur_dir *d, const char *name, const struct ur_entry *e,
                  bool emptied);
/* The times of a file that lacks its data were set. */
void ur_data_times_set(const char *host);

/* What an operation returns to be begun anew: another process changed what it had looked up. Never leaves the engine.
 */
#define UR_AGAIN (-ERESTART)
/* Whom one is waiting for may be waiting for a processor: at first nothing, then it is offered this one, and after that
   slept for, a millisecond each time (namelock.c). `tries`: how often one has tried already. */
enum { UR_TRIES = 2000 };
void ur_let_others(int tries);
/* Does an error tell of a want or of damage, and nothing of what was asked for? */
static inline bool ur_is_fault(long ret) {
    return ret == -EIO || ret == -ENOMEM || ret == -EMFILE || ret == -ENFILE || ret == -EINTR || ret == -ENOSPC ||
           ret == -EDQUOT || ret == -EROFS;
}
/* Of a last step: what was looked up has gone since, or the directory that it lies in (a whiteout is no directory). */
static inline bool ur_is_gone(long ret) {
    return ret == -ENOENT || ret == -ENOTDIR;
}
#define UR_RETRY(call)                                                                                                 \
    ({                                                                                                                 \
        long ret_;                                                                                                     \
        for (int try_ = 0; (ret_ = (call)) == UR_AGAIN && try_ < UR_TRIES; try_++)                                     \
            ur_let_others(try_);                                                                                       \
        ret_ == UR_AGAIN ? -EBUSY : ret_;                                                                              \
    })

/* work.c: the work directory, and steps in the upper */
/* A path in one of the work directory's own: "/tmp/", "/links/", "/origin/", "/journal/"; NULL name: a fresh one. */
long ur_work_path(const struct ur_union *u, const struct ur_table_mount *m, const char *sub, const char *name,
                  char *out);
/* A place in tmp/ to prepare what will stand in the host directory `parent`: made there, it inherits what it would
   in `parent` (the setgid group, the default ACL). `path` is where to make it. */
long ur_stage(const struct ur_union *u, const struct ur_table_mount *m, const char *parent, struct ur_stage *stage);
/* Removes what is still there, if anything is. */
void ur_stage_drop(struct ur_stage *stage);
/* Puts what was staged in the place of the whiteout `host`. UR_AGAIN if that is no whiteout any more. */
long ur_stage_over_whiteout(const struct ur_union *u, const struct ur_table_mount *m, struct ur_stage *stage,
                            const char *host);

/* durable.c: what is on disk, as the run's durability has it. Each 0 or -errno; 0 with no call where nothing is asked.
   A copy, complete but for its name; `data`: it holds data that no other file has. */
long ur_sync_copy(const struct ur_union *u, int fd, bool data);
/* A host directory: its names and its marks. */
long ur_sync_dir(const struct ur_union *u, const struct ur_table_mount *m, const char *host);
/* The upper's directory of `d`, after a change of its names. */
long ur_sync_names(const struct ur_union *u, const struct ur_dir *d);
/* "/journal", "/links" or "/origin". */
long ur_sync_work(const struct ur_union *u, const struct ur_table_mount *m, const char *part);

/* owner.c: who has something in shared memory; never 0 */
uint32_t ur_self(void);
/* Is it known that he has died? Of a zombie it is not. */
bool ur_is_dead(uint32_t owner);
enum ur_fate {
    UR_FATE_LIVES,
    UR_FATE_STOPPED,
    UR_FATE_UNKNOWN, /* he is in another pid namespace, or there is no /proc */
    UR_FATE_DEAD,
};
/* What has become of him, who was there at `taken`, in hundredths of a second since boot; 0: it is not known when. */
enum ur_fate ur_fate_of(uint32_t owner, uint32_t taken);

/* namelock.c: for who makes or replaces a whiteout, by the name's path in the upper; `other`: a second one, or NULL */
struct ur_names_held {
    _Atomic uint64_t *lock[2];
    uint64_t word[2];
};
void ur_names_lock(const struct ur_union *u, const char *host, const char *other, struct ur_names_held *k);
void ur_names_unlock(struct ur_names_held *k);
/* One at a time, so that the log of moves has them in the order in which they were made. Taken before the names' locks;
   what it returns is for the unlock; 0: this thread has it already, or who has it is stopped. */
uint64_t ur_moving_lock(const struct ur_union *u);
void ur_moving_unlock(const struct ur_union *u, uint64_t held);

/* halfway.c: a rename by two steps, whose names the caller has locked */
struct ur_halfway {
    char note[UR_HALFWAY_NOTE]; /* name in journal/; "": none */
    int place;                  /* in shared memory; -1: none */
};
/* Notes that what is at `from` comes to `to`, and a whiteout to `from`; `exchanges`: by RENAME_EXCHANGE with what is at
   `to`. Paths in the upper. 0, or -errno: then it must not begin. */
long ur_halfway_begin(const struct ur_union *u, const struct ur_table_mount *m, const char *from, const char *to,
                      bool exchanges, struct ur_halfway *k);
void ur_halfway_end(const struct ur_union *u, const struct ur_table_mount *m, struct ur_halfway *k);
/* Has another made the second step, who took the names' locks from who was stopped? */
bool ur_halfway_settled(const struct ur_union *u, const struct ur_table_mount *m, const struct ur_halfway *k);
/* Where the two cannot change places, a whiteout goes out of a directory's way, to `tmp` (room for a path): 0, UR_AGAIN
   (there was none) or -errno. Then `replaced`, or it is put back. The same note stands meanwhile: it came from `host`.
 */
long ur_whiteout_aside(const struct ur_union *u, const struct ur_table_mount *m, const char *host, char *tmp,
                       struct ur_halfway *k);
void ur_whiteout_aside_end(const struct ur_union *u, const struct ur_table_mount *m, const char *host, const char *tmp,
                           struct ur_halfway *k, bool replaced);
/* Of a note in the journal: if only its first step was made, the second is. `text` is what it says, and is changed.
   1: it was one of these, and is gone; 0: another. */
long ur_halfway_settle(const struct ur_union *u, const struct ur_table_mount *m, const char *note, char *text);
/* For who looks at names: the same of those who have died. Not while a name is locked. */
void ur_halfway_cut(const struct ur_union *u);
static inline void ur_halfway_look(const struct ur_union *u) {
    if (u->shared && atomic_load_explicit(&u->shared->halfway_any, memory_order_relaxed))
        ur_halfway_cut(u);
}
/* The same of the notes about a name that has been locked: who was about it has died. */
void ur_halfway_of(const struct ur_union *u, const char *host);
/* Opens a directory of the mount's upper or of its tmp/, and no other (O_PATH), without following a symlink. */
long ur_open_own(const struct ur_union *u, const struct ur_table_mount *m, const char *path);

/* noreplace.c: what is at `from` gets the name `to`, where nothing is: 0, -EEXIST or -errno. Host paths in the upper
   and the work directory of `m`; nobody else goes by `from`. */
long ur_rename_new(const struct ur_union *u, const struct ur_table_mount *m, const char *from, const char *to);

/* Is at `host` what was looked up? 0, UR_AGAIN or -errno. */
long ur_is_still(const char *host, const struct stat *st);

/* Opens an upper directory of ours for a change that its mode forbids, and shuts it again. `final`: where it will be
   when that is done (or when a later run does it). `held`: another that this caller has open already, or NULL. */
struct ur_unlocked {
    int lock;      /* descriptor of journal/lock while the mode is changed; -1: it needed no change */
    bool borrowed; /* the lock is another's, who gives it back */
    mode_t mode;
    char note[24]; /* name in journal/ */
};
long ur_dir_unlock(const struct ur_union *u, const struct ur_table_mount *m, const char *host, const char *final,
                   const struct ur_unlocked *held, struct ur_unlocked *k);
void ur_dir_relock(const struct ur_union *u, const struct ur_table_mount *m, const char *host, struct ur_unlocked *k);

/* times.c: a copy-up changes nothing that can be seen, so neither the time at which its directory changed */
struct ur_times {
    bool taken;
    int slot; /* in the shared memory; -1: none */
    struct timespec ts[2];
    _Atomic uint64_t *changed; /* of shared.h's names_changed: its directory's; NULL: none */
    uint64_t before;           /* what it was */
    bool changes;              /* another was changing names then */
};
/* Around a change of a name in `d` that all see. */
void ur_names_change_begin(const struct ur_union *u, const struct ur_dir *d, struct ur_change *change);
void ur_names_change_end(struct ur_change *change);
/* Before a copy appears as `host`, in `d`; `parent_len`: of its directory. */
void ur_times_take(const struct ur_union *u, const struct ur_dir *d, const char *host, size_t parent_len,
                   struct ur_times *t);
/* After it; `appeared`: it did, and the directory gets its times back. */
void ur_times_give(const struct ur_union *u, const char *parent, struct ur_times *t, bool appeared);

/* attributes.c: metadata by host path, a symlink at its end not followed. 0 or -errno. */
long ur_set_mode(const char *host, mode_t mode);
/* A file or directory of our own, in work, that its owner has all of `mode` for, whatever the caller's umask takes.
   `flags`: O_CREAT | O_EXCL or O_TMPFILE, and how it is opened. A descriptor or 0; or -errno. */
long ur_create(const char *host, int flags, mode_t mode);
long ur_create_dir(const char *host, mode_t mode);
long ur_set_owner(const char *host, uid_t uid, gid_t gid);
long ur_set_times(const char *host, const struct timespec ts[2]);
long ur_set_length(const char *host, off_t len);
long ur_set_xattr(const char *host, const char *name, const void *value, size_t n, int flags);
long ur_drop_xattr(const char *host, const char *name);
/* xattr.c: its length, -ERANGE or -EFAULT. */
long ur_xattr_name(const struct ur_caller *c, const char *name);

/* make.c */
/* May a name be made or removed in this directory, were it a plain one? `host` is room for a path. Only a directory
   that the upper does not have yet is asked: for one that it has, the kernel will say. */
long ur_may_change_dir(const struct ur_union *u, const struct ur_dir *d, char *host);

/* Where in the upper a new name will be; all above it is there then. */
long ur_new_place(const struct ur_caller *c, struct ur_dir *d, const char *name, char *host);
/* A place to prepare it, if the kernel would let it be made in the upper's directory `d`. `parent`: room for a path. */
long ur_new_stage(const struct ur_union *u, const struct ur_dir *d, struct ur_stage *stage, char *parent);
/* May a name be taken out of `d`, were it a plain directory? `victim`: what has it; NULL: nothing. */
long ur_may_take(const struct ur_union *u, const struct ur_dir *d, const struct stat *victim, char *host);

struct ur_cover;
/* remove.c */
/* 0 if the union shows nothing in it, -ENOTEMPTY, or another -errno. */
long ur_dir_is_empty(const struct ur_union *u, const struct ur_dir *d);
/* Makes the upper's own directory of one that shows nothing truly empty, with no change of the view. */
long ur_dir_purge(const struct ur_union *u, const struct ur_dir *d);
/* Covers a name of an upper directory with a whiteout; `over`: what the upper itself has there (a non-directory)
   goes. -EEXIST if not `over` and there is something. */
long ur_whiteout_put(const struct ur_union *u, const struct ur_dir *d, const char *name, bool over);
/* The same over the upper's file `was`. Another that has come to the name stays, and no whiteout comes: 0, too. The
   filesystem must know RENAME_EXCHANGE. */
long ur_whiteout_instead(const struct ur_union *u, const struct ur_dir *d, const char *name, const struct stat *was);
/* ur_links_cover_begin for a name of the upper's directory `d`, which `e` says is there. */
long ur_cover_begin(const struct ur_union *u, const struct ur_dir *d, const char *name, const struct ur_entry *e,
                    struct ur_cover *k);
/* A name that a lower or the upper had is gone, or covered (and that is counted): keeps links/ and origin/ true. */
void ur_forget_name(const struct ur_union *u, const struct ur_dir *d, const struct ur_entry *e, uint64_t origin,
                    bool linked);

/* identity.c: st_dev, st_ino, st_nlink */
uint64_t ur_ino(const struct ur_table_mount *m, const struct ur_table_layer *l, uint64_t ino);
/* Makes a raw stat the union's. `host` is where it was taken (or fd >= 0). 0; 1: and it has no origin; -errno. */
enum ur_holder {
    UR_HOLDER_LOWER,
    UR_HOLDER_UPPER,
    UR_HOLDER_UPPER_PLAIN, /* and it is known that it has no origin */
};
long ur_identify(const struct ur_union *u, const struct ur_table_mount *m, const struct ur_table_layer *l,
                 enum ur_holder holder, const char *host, int fd, struct stat *st);
/* The same where only the device differs, of what has no origin; false: it must be asked for. */
static inline bool ur_is_shown(const struct ur_table_mount *m, bool lower, struct stat *st) {
    bool dir = S_ISDIR(st->st_mode);
    if (m->flags & UR_MOUNT_MIXED_DEV || (lower && !dir && st->st_nlink > 1))
        return false;
    if (dir)
        st->st_nlink = st->st_nlink > 0;
    st->st_dev = m->dev;
    return true;
}
/* `upper`: the copy's type and number; `lower`: what was copied, whose number in the union is `ino`. */
long ur_origin_write(const struct ur_union *u, const struct ur_table_mount *m, int fd, const char *host,
                     const struct stat *upper, uint64_t ino, const struct stat *lower);
/* All zero if it says nothing. 0 or -errno. */
long ur_origin_tell(const struct ur_union *u, const struct ur_table_mount *m, int fd, const char *host,
                    const struct stat *st, struct ur_origin *origin);
/* The lower's ino that a copied-up file goes by (`st`: the upper's own) into `ino`; 0: it has none. `linked` may be
 * NULL. 0 or -errno. */
long ur_origin_read(const struct ur_union *u, const struct ur_table_mount *m, int fd, const char *host,
                    const struct stat *st, uint64_t *ino, bool *linked);
/* Can the upper's file have an origin? Most have none, and no call is needed to know. */
bool ur_origin_maybe(const struct ur_union *u, const struct stat *st);
/* Was the file of which `st` is given its origin in this run? True also of a few others. */
bool ur_origin_given(const struct ur_union *u, const struct stat *st);
/* An upper file is about to become unreadable for its owner, and so its xattr: the origin is kept in origin/, too. */
void ur_origin_keep(const struct ur_union *u, const struct ur_table_mount *m, const char *host);
void ur_origin_drop(const struct ur_union *u, const struct ur_table_mount *m, const struct stat *st);
void ur_covered_add(const struct ur_union *u, uint64_t dev, uint64_t ino);
bool ur_covered_maybe(const struct ur_union *u, uint64_t dev, uint64_t ino);

/* links.c: hard links of the lowers stay one file */
long ur_links_path(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino, char *out);
/* Was it copied up? 1 (and the copy's stat), 0, or -errno if the disk cannot tell. */
long ur_links_has(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino, struct stat *st);
/* How many names of the lowers still show it; UR_UNCOUNTED: all of them; or -errno. */
enum { UR_UNCOUNTED = -4300 /* no errno */ };
long ur_links_count(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino);
/* Around the step that covers a lower name of it (a copy, a whiteout, another file gets the name `upper`). `was`: the
   lower's own st_nlink. Between the two nobody else covers one. 0 or -errno, then nothing is to be ended. */
struct ur_cover {
    int lock; /* -1: nothing is counted */
    uint64_t ino, count;
    nlink_t was;
    char note[24]; /* name in journal/ */
};
long ur_links_cover_begin(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino, nlink_t was,
                          const char *upper, struct ur_cover *k);
void ur_links_cover_end(const struct ur_union *u, const struct ur_table_mount *m, struct ur_cover *k, bool covered);
/* Finishes what a note in journal/ tells that was begun: 1; 0 if it is none of ours; or -errno. */
long ur_links_settle(const struct ur_union *u, const struct ur_table_mount *m, const char *note);
/* Drops what is kept if no name is left. `upper_names`: names in the upper, the one in links/ not counted. */
void ur_links_prune(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino, nlink_t upper_names);

/* fd.c: what a descriptor is in the union */
struct ur_fdinfo {
    bool known; /* it is a file of a layer, still at a path */
    const struct ur_table_mount *mount;
    unsigned layer;
    size_t len; /* of the union path */
};
/* Was the descriptor opened by a layer's own path (ur_raw: not hidden)? Then it shows that and not the union. */
bool ur_fd_is_raw(const struct ur_caller *c, int fd);
/* The flags of open(2) that make it so; 0: `host`, opened with `flags`, is no such path. */
int ur_raw_flags(const struct ur_union *u, const char *host, int flags);
/* `lower` (raw) has a copy now: the caller's descriptors of it get that in its place, as far as can be. */
void ur_fd_follow(const struct ur_caller *c, const struct stat *lower, const char *copy, const struct ur_replacer *r);
/* What the kernel says of a descriptor: a path, or "pipe:[1]" and the like. Length or -errno. */
long ur_fd_host_path(const struct ur_caller *c, int fd, char *out);
/* Fills `info`; `path` gets the union path, or what /proc tells (0 also then). */
long ur_fd_info(const struct ur_caller *c, int fd, struct ur_fdinfo *info, char *path);
static inline bool ur_fd_is_lower(const struct ur_fdinfo *info) {
    return info->known && !(info->layer == 0 && info->mount->flags & UR_MOUNT_UPPER);
}
/* A descriptor of a lower's file (`info`, `path` from ur_fd_info): does the union still have the file at `path`, be
   it a copy by now? 1, and `now` is its stat; 0; or -errno. `raw`: what fstat says. */
long ur_fd_named(const struct ur_caller *c, const struct ur_fdinfo *info, const char *path, const struct stat *raw,
                 struct stat *now);
/* Both, wherever the file is moved meanwhile: `info` and `path` are filled. 0 also if it is no lower's. */
long ur_fd_find(const struct ur_caller *c, int fd, struct ur_fdinfo *info, char *path, const struct stat *raw,
                struct stat *now);
/* The layer that a host path lies in: mount, index, and where its rel starts. False: none. */
bool ur_layer_of(const struct ur_union *u, const char *host, size_t len, const struct ur_table_mount **m,
                 unsigned *layer, size_t *rel);

static inline bool ur_active(const struct ur_caller *c) {
    return c->u && c->u->table;
}

#endif
