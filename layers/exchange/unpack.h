/*
 * A layer tar into a directory of its own.
 *
 * Invariant: whatever the archive holds, nothing outside the directory is made, changed or read, and no name in it is
 * reached through a symlink. What an honest archive cannot hold ends the unpacking.
 */
#ifndef UNIONRUN_LAYERS_EXCHANGE_UNPACK_H
#define UNIONRUN_LAYERS_EXCHANGE_UNPACK_H

#include "layers/exchange/below.h"
#include "layers/exchange/blob.h"
#include "layers/exchange/keep.h"
#include "layers/exchange/marks.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ur_unpack {
    const char *what;             /* the blob's name, for what is said; borrowed, as all here */
    int root;                     /* the layer's directory, empty */
    const struct ur_below *below; /* it, and the layers beneath it */
    const char *beneath;          /* the directory of the next one; NULL: it is the bottom */
    struct ur_forms forms;        /* which marks can be made */
    uint64_t max_size;            /* of one file */
    uint64_t *files_left;         /* how many more entries there may be, shared by all layers */
    bool (*tick)(void *arg);      /* called for each entry and each part of a file; false: stop */
    void *arg;
    struct ur_lost lost; /* filled */
    uint64_t entries, bytes;
};

/* False: has been said, or `tick` did. */
bool ur_unpack(struct ur_unpack *unpack, struct ur_blob *blob);

#endif
