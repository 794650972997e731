/*
 * A layer into a directory of its own, with the marks in one form: what a tool for exchange puts where another
 * filesystem, or another program, is to use it. Metadata stays as it is on the disk, records of owners too.
 */
#ifndef UNIONRUN_LAYERS_EXCHANGE_COPY_H
#define UNIONRUN_LAYERS_EXCHANGE_COPY_H

#include "layers/exchange/marks.h"
#include "layers/exchange/upper.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ur_copy {
    int root; /* the new directory, empty; borrowed */
    struct ur_forms forms;
    bool (*tick)(void *arg); /* false: stop */
    void *arg;
    uint64_t files, bytes, owners; /* counted; owners: those that could not be kept */
    struct ur_copied {
        char *path;
        struct stat st;
    } * directories; /* to be given their modes and times at the end */
    size_t count;
};

/* False: has been said, or `tick` did. */
bool ur_copy_add(struct ur_copy *copy, const struct ur_item *item);

/* If all was right, what only the end can do; frees. False: has been said. */
bool ur_copy_end(struct ur_copy *copy, bool right);

/* The data of an open file to another that is empty: shared where the filesystem can, holes left out. 0 or -errno. */
long ur_copy_data(int from, int to, off_t size);

#endif
