/* What the engine's lookups and changes know of the index (index.c). Async-signal-safe, no lock; all of it does nothing
   where there is no index. */
#ifndef UNIONRUN_ENGINE_INDEX_H
#define UNIONRUN_ENGINE_INDEX_H

#include "union.h"

enum ur_known_kind {
    UR_KNOWN_FILE = 1,
    UR_KNOWN_DIRECTORY,
    UR_KNOWN_SYMLINK,
    UR_KNOWN_ABSENT,      /* and the upper has no whiteout for it */
    UR_KNOWN_ABSENT_NODE, /* enum ur_white */
    UR_KNOWN_ABSENT_NAME,
    UR_KNOWN_RESERVED, /* index.c alone */
};
struct ur_known {
    enum ur_known_kind kind;
    uint16_t layer; /* who holds it, by the union path below the target */
    bool plain;     /* held by the upper, and it has no origin: its st_ino is its own */
    bool sole;      /* held by the upper, and the lowers show nothing of this name, nor have part of the directory */
};
/* UR_KNOWN_RESERVED: of no kind that is entered. */
static inline enum ur_known_kind ur_known_kind_of(mode_t mode) {
    return S_ISREG(mode)   ? UR_KNOWN_FILE
           : S_ISDIR(mode) ? UR_KNOWN_DIRECTORY
           : S_ISLNK(mode) ? UR_KNOWN_SYMLINK
                           : UR_KNOWN_RESERVED;
}
static inline bool ur_is_known_absent(const struct ur_known *known) {
    return known->kind >= UR_KNOWN_ABSENT && known->kind < UR_KNOWN_RESERVED;
}

/* What it is of a name that was taken away, with a whiteout or (not `white`) without. */
static inline struct ur_known ur_known_removed(const struct ur_table_mount *m, bool white) {
    return (struct ur_known){.kind = !white                     ? UR_KNOWN_ABSENT
                                     : m->caps & UR_CAP_CHARDEV ? UR_KNOWN_ABSENT_NODE
                                                                : UR_KNOWN_RESERVED};
}

/* A name's place. Valid while nothing is said of the epoch: for one lookup. */
struct ur_key {
    const struct ur_union *u;
    _Atomic uint64_t *home, *away; /* the entries of its first two buckets */
    uint64_t hash;                 /* in this epoch */
    uint64_t stack;                /* of the directory of this name, in this epoch */
    uint64_t name;                 /* in any */
};

/* A hash of the run's own: others have another. */
uint64_t ur_index_hash(const struct ur_union *u, const char *text, size_t len);

/* The key of `name` in the canonical directory `dir`. False: there is no index, or no memory for it there. */
bool ur_index_key(const struct ur_union *u, const char *dir, size_t dir_len, const char *name, size_t len,
                  struct ur_key *k);
bool ur_index_get(const struct ur_key *k, struct ur_known *known);
/* What stands there is not what the disk says. */
void ur_index_drop(const struct ur_key *k);
/* The upper's file was found to have no origin. */
void ur_index_plain(const struct ur_union *u, const struct ur_dir *d, const char *name);
void ur_index_plain_at(const struct ur_key *k);

/* To enter a name: reserved before the disk is asked, put afterwards (known NULL: nothing can be entered). Both once.
 */
struct ur_reservation {
    _Atomic uint64_t *entry; /* NULL: nothing may be entered now */
    uint64_t word;
};
struct ur_reservation ur_index_reserve(const struct ur_key *k);
/* Of what is looked up from here on: for ur_entry's stamp. */
uint64_t ur_index_stamp(const struct ur_key *k);
/* The same where that is 0, for nobody was there yet. */
uint64_t ur_index_first_stamp(const struct ur_key *k);
void ur_index_put(const struct ur_key *k, struct ur_reservation *r, const struct ur_known *known);

/* A change that was begun with an entry was made: what its name means by it. The index takes it if nobody else has
   begun one of that name since the entry was looked up; false: it did not. To be told once, before the end of the
   change. */
bool ur_change_tell(const struct ur_union *u, const struct ur_dir *d, struct ur_change *change,
                    const struct ur_known *now);
/* Has nobody, so far? */
bool ur_change_is_alone(const struct ur_change *change);

/* The same of the directory's stack: of `d` the spots, `open` and `even` are put or got. */
void ur_index_put_stack(const struct ur_key *k, struct ur_reservation *r, const struct ur_dir *d);
bool ur_index_get_stack(const struct ur_key *k, struct ur_dir *d);

/* dir.c. What the index knows, put into `e`; of its st only the type. */
void ur_recall(const struct ur_dir *d, const struct ur_known *known, struct ur_entry *e);
/* The rest of st, by the disk. 1; 0: the index was wrong, and the entry is taken out; -errno. */
struct ur_reach;
long ur_recall_stat(const struct ur_union *u, const struct ur_dir *d, const struct ur_key *k, const struct ur_reach *r,
                    struct ur_entry *e);

/* brief.c: what a path leads to, if the index knows and the path says no more than names. Of use where the answer is
   that of one system call, of `at` and `path` in the layer that holds it (AT_SYMLINK_NOFOLLOW). It takes no working
   memory but this. */
enum { UR_BRIEF_ROOT = 256, UR_BRIEF_PATH = 512 };
struct ur_brief {
    const struct ur_table_mount *mount;
    struct ur_known known;
    struct ur_key key;
    int at;
    const char *path; /* NULL of what is absent */
    /* The union's path. If it is in the room, the layer's root may have taken the place of its target. */
    const char *text, *name;
    size_t len, dir_len; /* of all of it; of its directory */
    char room[UR_BRIEF_ROOT + UR_BRIEF_PATH];
};
/* What trying has cost: for who must walk then. */
struct ur_begun {
    bool tried;     /* the index was asked, and does not know */
    bool known;     /* of the directory that a relative path is from: `st` is its */
    bool made;      /* it was tried to make it (open.c), and it may be there */
    struct stat st; /* raw */
};
/* Where a relative path begins. */
struct ur_base {
    const char *path;
    size_t len;
    int fd; /* the caller's own descriptor */
    struct ur_layer_at at;
};
/* False: it must be walked. `nofollow`: a symlink is meant itself. */
bool ur_brief(const struct ur_caller *c, int dirfd, const char *path, bool nofollow, struct ur_begun *begun,
              struct ur_brief *b);
/* The same of `len` bytes that can be read; `base` NULL: an absolute path. */
bool ur_brief_from(const struct ur_union *u, const struct ur_base *base, const char *path, size_t len, bool nofollow,
                   struct ur_brief *b);
/* The path from the root, for what knows no other. */
const char *ur_brief_host(const struct ur_union *u, struct ur_brief *b);
/* Has a regular file its data where it is, as far as is known without a call? */
static inline bool ur_brief_whole(const struct ur_union *u, const struct ur_brief *b) {
    return b->known.plain || !ur_may_lack_data(u, b->mount, b->known.layer);
}

/* listings.c: a name in `d` is about to change, as ur_change_begin has it. The state to be counted down; or NULL. */
_Atomic uint64_t *ur_listing_changes(const struct ur_union *u, const struct ur_dir *d);

#endif
