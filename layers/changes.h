/*
 * What an upper changes, found out by walking the upper alone: a list of changes, in the order of their paths, that
 * diff prints and commit, discard and undo act on. What the lowers say of a name the engine tells.
 *
 * An upper's entry that equals the lower's in every respect is no change, nor is a directory that was only copied up
 * for what is in it (its time follows its entries).
 */
#ifndef UNIONRUN_LAYERS_CHANGES_H
#define UNIONRUN_LAYERS_CHANGES_H

#include "layers/layers.h"

#include <sys/stat.h>

enum change_kind {
    CHANGE_ADDED,
    CHANGE_CONTENT,  /* and perhaps metadata */
    CHANGE_METADATA, /* nothing else */
    CHANGE_DELETED,
    CHANGE_RENAMED,  /* `from`; `content` and `metadata` tell what else */
    CHANGE_REPLACED, /* by another type of file, or a directory made anew in a deleted one's place */
    CHANGE_KINDS
};

enum change_metadata { META_MODE = 1, META_OWNER = 2, META_TIME = 4, META_XATTR = 8 };
extern const char *const change_metadata_names[4];

/* One side of a change. */
struct change_side {
    bool there;
    char *host; /* owned */
    char *data; /* owned: where the data of a file are, if not at `host`; empty: nowhere. Else NULL */
    struct stat st;
};

struct change {
    enum change_kind kind;
    char *path;   /* the union's, owned */
    char *from;   /* where it was, if renamed; owned */
    bool left;    /* the upper hides `from` by a whiteout, which belongs to the rename; else something new is there */
    bool content; /* the data, the symlink's text or the device are others */
    unsigned metadata;
    bool opaque;   /* a directory that covers what the lowers have at `path` */
    bool redirect; /* a renamed directory, whose lower parts are at another path */
    bool linked;   /* changed under another name: a hard link of the lower's */
    struct change_side was, now;
    uint64_t key;            /* of a deleted file: its number (ur_origin_number) */
    struct ur_origin origin; /* of an upper's file */
    struct stat mark;        /* raw, of what the upper itself has: a file, a directory, a whiteout */
    bool covers;             /* a lower has something at `path`: `covered` */
    struct stat covered;
    unsigned mount; /* index in the plan */
};

struct changes {
    struct change *change;
    size_t count;
};

/* Those of every upper, or of the mounts at `mount` alone if that is not NULL. False: has been said. */
bool changes_find(const struct layers *layers, const struct ur_plan_mount *mount, struct changes *changes);
void changes_free(struct changes *changes);

/* Drops those that are neither at nor beneath one of the paths (all stay if there is none). */
void changes_keep(struct changes *changes, char *const *paths, size_t count);

/* A line of `diff`: a letter (with `words` a word, coloured), the name, what else; with `sizes` these, too. */
void changes_print(const struct change *change, bool sizes, bool words);

/* Compares two sides that are both there: whether the contents differ, and what of the metadata. `upper_owner`: the
   user whose copies cannot keep another owner (0 if they can). -errno if they cannot be read. */
long changes_compare(const struct change_side *was, const struct change_side *now, uid_t upper_owner, bool *content,
                     unsigned *metadata);

#endif
