/* How much the uppers of a run may hold: quota.c. Nothing is done where there is no limit. Async-signal-safe. */
#ifndef UNIONRUN_ENGINE_QUOTA_H
#define UNIONRUN_ENGINE_QUOTA_H

#include "engine.h"

/* What a file of this size takes. */
uint64_t ur_quota_blocks(off_t size);
/* Room for so many bytes more, which are taken; of 0 bytes: whether there is any at all. 0 or -EDQUOT. */
long ur_quota_take(const struct ur_union *u, uint64_t bytes);
void ur_quota_give(const struct ur_union *u, uint64_t bytes);
/* The upper's file of which `st` was is gone by this name; or has this size now. */
void ur_quota_removed(const struct ur_union *u, const struct stat *st);
void ur_quota_truncated(const struct ur_union *u, const struct stat *was, off_t size);
uint64_t ur_quota_left(const struct ur_union *u);
/* Is a host path in an upper or a work directory? It may be of a file that has gone, as /proc tells it. NULL: may one
   on this device be? */
bool ur_quota_counts(const struct ur_union *u, dev_t dev, const char *host, size_t len);

#endif
