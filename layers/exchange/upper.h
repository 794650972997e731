/*
 * What an upper holds, as a layer that stands for itself: told item by item, parents first, names in the order of their
 * bytes, whiteouts before what is there.
 *
 * The upper's own directory may tell only half of it. What is told here is whole: a renamed directory (a redirect) with
 * all that it shows, as an opaque one; every name of a lower file with several that was changed by one of them; a
 * file of which kernel overlayfs has copied up the metadata alone, with the data of the lower.
 */
#ifndef UNIONRUN_LAYERS_EXCHANGE_UPPER_H
#define UNIONRUN_LAYERS_EXCHANGE_UPPER_H

#include "engine/layer.h"

#include <stdbool.h>
#include <sys/stat.h>

enum ur_item_kind {
    UR_ITEM_WHITEOUT, /* `path` is gone */
    UR_ITEM_OPAQUE,   /* of the directory `path`, told just before, nothing from beneath shows */
    UR_ITEM_FILE      /* directories too */
};

struct ur_item {
    enum ur_item_kind kind;
    const char *path; /* below the target, without a slash at its start; "": the root */
    const char *host; /* UR_ITEM_FILE: where its metadata is */
    const char *data; /* of a regular file: where its data is */
    const char *link; /* it is another name of this item, told before; NULL: its first */
    struct stat st;   /* of `host`; the size is that of `data` */
};

/* Calls `each` until it returns other than 0; that, 0, or -errno: then `where` (UR_PATH_MAX bytes) tells the path. */
long ur_upper_walk(const struct ur_union *u, const struct ur_table_mount *mount,
                   long (*each)(void *arg, const struct ur_item *item), void *arg, char *where);

#endif
