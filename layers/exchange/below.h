/*
 * The layer that is being unpacked and those beneath it, seen as a union: what an entry means that says only half (a
 * parent that is not in the archive, a hard link to a lower file, a way through a lower symlink).
 */
#ifndef UNIONRUN_LAYERS_EXCHANGE_BELOW_H
#define UNIONRUN_LAYERS_EXCHANGE_BELOW_H

#include "engine/engine.h"

#include <stdbool.h>
#include <stddef.h>

struct ur_below {
    struct ur_table *table; /* NULL: there are none */
    struct ur_union seen;
    struct ur_caller caller;
};

/* The union of `count` directories, the topmost first, by canonical paths, borrowed for the call. */
bool ur_below_open(struct ur_below *below, char *const *layers, size_t count);

/* The host path of `path` (relative to the root, no symlink followed at its end), into `host` (UR_PATH_MAX bytes).
   True if the union has it. */
bool ur_below_find(const struct ur_below *below, const char *path, char *host);

/* Where a directory is, all symlinks resolved within the union's root: relative to it, "" for itself, into `real`
   (UR_PATH_MAX bytes). False: there is none. */
bool ur_below_real(const struct ur_below *below, const char *path, char *real);

void ur_below_close(struct ur_below *below);

#endif
