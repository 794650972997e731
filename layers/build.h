/*
 * One clean layer out of several: what the topmost layers of a mount say together, over the layers that remain below.
 * Clean means: no redirect (a moved directory comes as what it shows), no whiteout of what is not there, no mark
 * without need, nothing of the union's own but whiteouts and opaque directories. Over the layers below it shows what
 * they showed.
 */
#ifndef UNIONRUN_LAYERS_BUILD_H
#define UNIONRUN_LAYERS_BUILD_H

#include "layers/layers.h"

struct build {
    /* set by the caller */
    const struct ur_plan_mount *mount;
    bool upper;    /* the upper is the topmost of them */
    size_t lowers; /* how many of the mount's lowers go in */
    bool may_link; /* a file of the upper with one name may be linked, not copied: the upper loses it afterwards */
    bool (*wanted)(void *arg, const char *path); /* is this union path to go in? NULL: all */
    void *arg;
    void (*made)(void *arg, const char *path,
                 const struct stat *st); /* told of each directory, below `to`; NULL: nobody */
    void *made_arg;

    /* what was done */
    size_t files, whiteouts;
    uint64_t bytes;

    /* build.c's own */
    struct ur_union full, rest; /* `rest` without a table: nothing remains below */
    unsigned last;
    enum ur_form whiteout, opaque;
    struct build_link *link;
    size_t links;
    struct progress *progress;
};

/* Builds it in `to`, an empty directory. False: has been said, or it has been told to stop (stop.h), and `to` is in any
   state. */
bool build_layer(struct build *build, const char *to);

/* A union of some layers of a mount alone, read-only unless `upper`; to be freed by union_free. */
struct ur_union union_of(const struct ur_plan_mount *mount, bool upper, size_t first, size_t lowers);
void union_free(struct ur_union *u);

/* The forms in which a filesystem can hold whiteouts and opaque marks, tried in an empty directory. */
void build_forms(const char *directory, enum ur_form *whiteout, enum ur_form *opaque);

#endif
