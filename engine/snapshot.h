/* The names of a directory, read whole: what list.c makes and tells, and listings.c keeps. */
#ifndef UNIONRUN_ENGINE_SNAPSHOT_H
#define UNIONRUN_ENGINE_SNAPSHOT_H

#include "union.h"

/*
 * Packed entries from the start of an area, each aligned for its number, and from its end downwards their offsets. The
 * area is the caller's room while that is enough, then mapped memory.
 */
struct ur_packed {
    uint64_t ino;
    uint16_t len;
    unsigned char type; /* DT_WHT: covered */
    bool upper : 1;     /* the upper holds it */
    bool ask : 1;       /* its st_ino is to be asked for */
    char name[];        /* NUL-terminated */
};

static inline size_t ur_packed_size(size_t len) {
    return (sizeof(struct ur_packed) + len + 1 + 7) / 8 * 8;
}

/* Where the offset of entry `i` stands. */
static inline uint32_t *ur_packed_offset(const struct ur_snapshot *p, size_t i) {
    return (uint32_t *)(p->area + p->size) - (i + 1);
}

static inline struct ur_packed *ur_packed_at(const struct ur_snapshot *p, size_t i) {
    return (struct ur_packed *)(p->area + *ur_packed_offset(p, i));
}

/* Makes room for `size` bytes more, and one offset. False: there is no memory. */
bool ur_snapshot_reserve(struct ur_list *l, size_t size);
void ur_snapshot_free(struct ur_list *l);

/*
 * listings.c. Merged directories as they were read last, for all processes of the run. Of `d` the stack is known.
 * Async-signal-safe, no lock. A place is reserved before the layers are read, and what was read put there afterwards.
 */
struct ur_listing {
    _Atomic uint64_t *place; /* NULL: nothing can be kept now */
    uint64_t word, key, generation;
};
/* Fills the snapshot of `l`, which has none. */
bool ur_listing_get(const struct ur_union *u, const struct ur_dir *d, struct ur_list *l);
struct ur_listing ur_listing_reserve(const struct ur_union *u, const struct ur_dir *d);
/* `l` NULL: it was not read, or is not for everybody. Both once. */
void ur_listing_put(const struct ur_union *u, struct ur_listing *r, const struct ur_list *l);

#endif
