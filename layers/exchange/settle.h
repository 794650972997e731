/*
 * An upper that says everything itself: no redirects, no file whose other names are the lowers', no metadata without
 * its data. In place.
 *
 * Invariant: between any two steps the union shows the same, but for the time of a directory, which is given back by a
 * step of its own. What a renamed directory shows is copied up beneath it, file by file; then it is made opaque, which
 * is one step and hides nothing any more; then what it says of other places is taken away.
 */
#ifndef UNIONRUN_LAYERS_EXCHANGE_SETTLE_H
#define UNIONRUN_LAYERS_EXCHANGE_SETTLE_H

#include "engine/layer.h"

#include <stdbool.h>
#include <stdint.h>

struct ur_settled {
    uint64_t moved, names, data; /* directories, names of lower files, files that had no data */
};

/* The mount's work directory must be this process' own. `tick` false: stop (-ECANCELED). 0 or -errno: then `where`
   (UR_PATH_MAX bytes) tells the path. */
long ur_settle(const struct ur_caller *caller, const struct ur_table_mount *mount, bool (*tick)(void *arg), void *arg,
               struct ur_settled *settled, char *where);

#endif
