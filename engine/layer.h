/*
 * Layers at rest: what the tools that look at layers, and change them, ask of the engine. What a union means stays the
 * engine's: who wins, what merges, what a mark says; here it is told layer by layer.
 *
 * None of this is for the shim, and it is not linked there: it uses malloc, and is neither async-signal-safe nor
 * thread-safe. Layers are numbered as in the table, 0 the topmost of the mount. Paths of directories are canonical
 * union paths. Returns are 0 or more, or -errno.
 */
#ifndef UNIONRUN_ENGINE_LAYER_H
#define UNIONRUN_ENGINE_LAYER_H

#include "engine.h"

/* How a mark is written. */
enum ur_form {
    UR_FORM_NONE,
    UR_FORM_DEVICE, /* a whiteout: a 0:0 character device */
    UR_FORM_XATTR,  /* overlay.whiteout, overlay.opaque in the space user. or trusted. */
    UR_FORM_NAME,   /* .wh.NAME, .wh..wh..opq */
};

enum ur_held { UR_HELD_NOTHING, UR_HELD_WHITEOUT, UR_HELD_FILE, UR_HELD_DIRECTORY };

/* What one layer itself has under a name. */
struct ur_view {
    enum ur_held held;
    enum ur_form whiteout;      /* its form; UR_FORM_NAME beside something that is there: the name above all else */
    enum ur_form opaque;        /* of a directory */
    struct stat st;             /* raw; if something or a 0:0 device or an xattr whiteout is there */
    char host[UR_PATH_MAX];     /* where that is, or would be */
    char redirect[UR_PATH_MAX]; /* a directory's, as it is written; empty: none */
};

/* The union's answer for a name, by all its layers or by some of the lower ones. */
struct ur_found {
    bool there;
    bool in_upper;
    bool linked;    /* a lower's hard link that shows the copy made of another name of it; `host` is the copy */
    unsigned layer; /* who holds it; of a `linked` one who held it */
    struct stat st; /* raw, of what is at `host`; blocks and times as the data and the union have them */
    bool apart;     /* a file that has its metadata alone */
    char host[UR_PATH_MAX];
    char data[UR_PATH_MAX]; /* where its data are: `host`, or a file of a layer below; empty: nowhere */
};

/* A directory of a union, with the stack of layers that it merges. */
struct ur_place;

/* Owned by the caller: ur_place_close. -ENOENT, -ENOTDIR. */
long ur_place_open(const struct ur_union *u, const char *path, struct ur_place **place);
/* Its child `name`, which may be what lies on a target. */
long ur_place_enter(const struct ur_place *parent, const char *name, struct ur_place **place);
void ur_place_close(struct ur_place *place);

const char *ur_place_path(const struct ur_place *place);
/* NULL: the host's own, which has no layers. */
const struct ur_table_mount *ur_place_mount(const struct ur_place *place);
/* Its path below the mount's target, "" or "/a/b". */
const char *ur_place_below(const struct ur_place *place);

/* How many layers it merges; the number of the i-th, topmost first, and where that has it (`host` UR_PATH_MAX bytes,
   may be NULL; `plain`, may be NULL: not by way of a redirect). */
unsigned ur_place_spots(const struct ur_place *place);
long ur_place_spot(const struct ur_place *place, unsigned i, char *host, bool *plain);

/* What the union of the layers `from` and below says: 0 for the whole. */
long ur_find(const struct ur_place *place, const char *name, unsigned from, struct ur_found *found);

/* What the i-th layer of the place has. */
long ur_look(const struct ur_place *place, const char *name, unsigned i, struct ur_view *view);
/* The same at a host directory, of whatever layer. */
long ur_look_at(const char *directory, const char *name, struct ur_view *view);

/* Calls `each` for every name about which a host directory of a layer says anything, whiteouts of all forms with the
   name that they cover, each name once or (something and its .wh.) twice; not for the opaque mark. Until it returns
   other than 0; returns that. */
long ur_names(const char *directory, long (*each)(void *arg, const char *name), void *arg);

/* What a copied-up file says of the lower that it was made of. False: nothing. */
struct ur_origin {
    uint64_t ino;
    bool linked;   /* the lower had more names */
    bool recorded; /* what follows is known (older copies, and directories, do not say) */
    uint64_t size; /* of the lower then */
    uint64_t time; /* ur_origin_time of the lower then */
};
/* When a file was last changed, as one number. */
uint64_t ur_origin_time(const struct stat *st);
bool ur_origin_of(const struct ur_place *place, const char *host, const struct stat *st, struct ur_origin *origin);
/* The number that ur_origin.ino has for a file of the i-th layer's filesystem. */
uint64_t ur_origin_number(const struct ur_place *place, unsigned layer, const struct stat *st);

/* Writes a mark of this form about `name` into a host directory: a whiteout, where nothing is; or makes the directory
   itself opaque. -EEXIST, -EOPNOTSUPP, -EPERM: the filesystem, or the user, cannot. */
long ur_layer_whiteout(enum ur_form form, const char *directory, const char *name);
long ur_layer_opaque(enum ur_form form, const char *directory);
/* Takes the opaque mark, in all its forms, from a directory. */
long ur_layer_unopaque(const char *directory);

/* Copies a host file, whose data are in the file `data` (often the same), to a host path where nothing is: data (holes
   kept), xattrs but the union's own, owner as far as it is allowed, mode and times. A directory comes empty, with mode
   0700 until ur_layer_finish gives it what `st` says. */
long ur_layer_copy(const char *from, const char *data, const struct stat *st, const char *to);
long ur_layer_finish(const struct stat *st, const char *directory);
/* Makes the xattrs of a directory, but the union's own, those of another. */
long ur_layer_same_xattrs(const char *from, const char *to);

/* Is it the union's own: .wh.*; user.overlay.*, trusted.overlay.*, user.unionrun.*? */
bool ur_layer_marker_name(const char *name);
bool ur_layer_marker_xattr(const char *name);

#endif
