/*
 * Where an image's parts are read from, by their names: a directory (an OCI image layout, or an unpacked
 * `docker save`), a tar of one, or a tar that is itself one layer.
 *
 * Invariant: no name that an archive holds is ever used as a name on the disk. A tar's members are put, numbered,
 * into a directory of ours.
 */
#ifndef UNIONRUN_LAYERS_EXCHANGE_SOURCE_H
#define UNIONRUN_LAYERS_EXCHANGE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ur_source_kind { UR_SOURCE_LAYER, UR_SOURCE_OCI, UR_SOURCE_DOCKER };

struct ur_source {
    enum ur_source_kind kind;
    const char *path; /* as it was named; borrowed */
    int directory;    /* -1: the members are stashed */
    int stash;        /* the numbered members; -1 */
    int file;         /* of UR_SOURCE_LAYER: the tar; -1 */
    struct ur_source_member {
        char *name;
        char *link;    /* it is the member of this name; NULL: it is its own */
        size_t number; /* its name in the stash */
    } * members;
    size_t count;
};

/* Opens `path`; "-" is the standard input. What has to be put on the disk goes into `stage`, a directory of the
   caller's, and is counted off `*left`. `path` must outlive it. False: has been said. */
bool ur_source_open(struct ur_source *source, const char *path, int stage, uint64_t *left);

/* A regular file, opened for reading: the caller's. -1: has been said. */
int ur_source_get(const struct ur_source *source, const char *name);

void ur_source_close(struct ur_source *source);

#endif
