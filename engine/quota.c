/*
 * The limit on what a run's uppers hold: `max_upper`.
 *
 * How much they hold is one number in the shared memory. The launcher measures it (launch/measure.c), before the
 * command starts and now and then while it runs; in between it is counted: here what is copied up, removed and
 * truncated, by the guard what is written (launch/guard/writes.c). What nobody counts (a page of a mapped file that is
 * written for the first time, a file that is removed and open still) the next measuring sets right.
 *
 * It is a hint as all of the shared memory is, and keeps nobody who means ill from anything.
 */
#include "union.h"

enum { BLOCK = 4096 };

uint64_t ur_quota_blocks(off_t size) {
    return ((uint64_t)size + BLOCK - 1) / BLOCK * BLOCK;
}

long ur_quota_take(const struct ur_union *u, uint64_t bytes) {
    if (!u->limit || !u->shared)
        return 0;
    struct ur_quota *q = &u->shared->quota;
    int64_t had = atomic_fetch_add_explicit(&q->bytes, (int64_t)bytes, memory_order_relaxed);
    bool fits = had < (int64_t)u->limit && bytes <= u->limit - (uint64_t)(had > 0 ? had : 0);
    if (fits)
        return 0;
    atomic_fetch_sub_explicit(&q->bytes, (int64_t)bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&q->refused, 1, memory_order_relaxed);
    return -EDQUOT;
}

void ur_quota_give(const struct ur_union *u, uint64_t bytes) {
    if (u->limit && u->shared)
        atomic_fetch_sub_explicit(&u->shared->quota.bytes, (int64_t)bytes, memory_order_relaxed);
}

void ur_quota_removed(const struct ur_union *u, const struct stat *st) {
    if (u->limit && S_ISREG(st->st_mode) && st->st_nlink < 2)
        ur_quota_give(u, (uint64_t)st->st_blocks * 512);
}

void ur_quota_truncated(const struct ur_union *u, const struct stat *was, off_t size) {
    uint64_t had = (uint64_t)was->st_blocks * 512, has = ur_quota_blocks(size);
    if (u->limit && S_ISREG(was->st_mode) && had > has)
        ur_quota_give(u, had - has);
}

uint64_t ur_quota_left(const struct ur_union *u) {
    int64_t bytes = u->shared ? atomic_load_explicit(&u->shared->quota.bytes, memory_order_relaxed) : 0;
    return bytes >= (int64_t)u->limit ? 0 : u->limit - (uint64_t)(bytes > 0 ? bytes : 0);
}

bool ur_quota_counts(const struct ur_union *u, dev_t dev, const char *host, size_t len) {
    const struct ur_table_mount *m;
    unsigned layer;
    size_t rel;
    if (host)
        return ur_work_of(u, host, len) ||
               (ur_layer_of(u, host, len, &m, &layer, &rel) && layer == 0 && ur_has_upper(m));
    for (uint32_t i = 0; i < u->table->mounts; i++) {
        m = &ur_table_mounts(u->table)[i];
        if (ur_has_upper(m) && ur_layer(u, m, 0)->dev == dev)
            return true;
    }
    return false;
}
