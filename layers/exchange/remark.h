/*
 * The marks of an upper, from one form to another, where they stand.
 *
 * Invariant: between any two steps the union shows the same, but for the time of a directory, which is given back by a
 * step of its own. So a mark in the new form is there before the old one goes, or takes its place by a rename; what
 * must be told of it first (opaque=x) is told first.
 */
#ifndef UNIONRUN_LAYERS_EXCHANGE_REMARK_H
#define UNIONRUN_LAYERS_EXCHANGE_REMARK_H

#include "layers/exchange/marks.h"

#include <stdint.h>

/* Of all directories beneath `host`, a host directory of the mount's upper, and itself. `*changed` counts; `where`
   (UR_PATH_MAX bytes) gets the path of what failed. 0 or -errno. */
long ur_remark(const struct ur_union *u, const struct ur_table_mount *mount, const char *host, struct ur_forms forms,
               uint64_t *changed, char *where);

/* A directory from which nothing beneath shows any more: takes its redirect away, and all whiteouts in it and in
   what it holds. Opaque before. */
long ur_unmark_moved(const struct ur_union *u, const struct ur_table_mount *mount, const char *host);

#endif
