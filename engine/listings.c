/*
 * Listings of merged directories, kept for all processes of the run: what one has read of all its layers costs the next
 * a copy from memory.
 *
 *   place    of a directory, and of others, by the hash of its union path: a word of state (how many are changing a
 * name in one of them; a counter), and a word for each of a few listings: 0, a reservation, or where the listing is log
 * a ring of records; where the next one goes is only ever counted up, so that a place in it has one meaning
 *
 * What stands in a place is true, by the protocol of index.c: who changes a name takes the listing of its directory out
 * first and counts himself, and what was read meanwhile cannot be put. Besides, a listing holds in one generation: in
 * another its directory may have other layers, or be another's path. When a place is full, a new one pushes another
 * out.
 *
 * A record may be overwritten while it is read, by one that comes a whole ring later, or by a writer that slept so
 * long: it is copied, and the copy believed by its checksum.
 *
 * The ring's pages are asked for before they are written to (room.c); where there is no room, nothing is kept.
 */
#include "index.h"
#include "snapshot.h"

#define CHANGING UINT64_C(0xffffffff)
#define TICKET (UINT64_C(1) << 32)
/* A word: KEPT, 15 bits of the key, and the record's position; or, not KEPT, the same bits and a reservation's number.
 */
#define KEPT UINT64_C(1)
#define TAG UINT64_C(0xfffe)
enum { POSITION_SHIFT = 16 };

enum { CHUNK = 1 << 20 }; /* of the ring, had at once */

struct record {
    uint64_t sum; /* of all that follows */
    uint64_t position, key, generation;
    uint32_t used, count; /* bytes of entries, then as many offsets */
    uint64_t by_hash;     /* how the offsets are ordered */
};

static struct ur_listing_place *place_of(const struct ur_union *u, uint64_t key) {
    return &u->shared->listing[key % UR_LISTINGS];
}

static uint64_t tag_of(uint64_t key) {
    return key >> 48 & TAG;
}

static uint64_t key_of(const struct ur_union *u, const struct ur_dir *d) {
    return ur_index_hash(u, d->path, d->len);
}

/* Of the others it is not the path alone that says what is in them. */
static bool may_be_kept(const struct ur_union *u, const struct ur_dir *d) {
    return u->listings && d->mount && !d->special && d->rels == 1 && (d->open || u->owner) && d->generation &&
           d->generation == ur_dcache_begin(u);
}

static uint64_t sum_of(const struct ur_union *u, const struct record *r, const void *entries, const void *offsets) {
    uint64_t parts[3] = {
        ur_index_hash(u, (const char *)r + sizeof r->sum, sizeof *r - sizeof r->sum),
        ur_index_hash(u, entries, r->used),
        ur_index_hash(u, offsets, r->count * sizeof(uint32_t)),
    };
    return ur_index_hash(u, (const char *)parts, sizeof parts);
}

/* Programs of the run can write to the ring; what is read out of it by the guard must lie within what was read. */
static bool is_whole(const struct ur_snapshot *p) {
    for (size_t i = 0; i < p->count; i++) {
        uint32_t at = *ur_packed_offset(p, i);
        if (at % 8 || at > p->used || p->used - at < sizeof(struct ur_packed))
            return false;
        const struct ur_packed *e = ur_packed_at(p, i);
        if (p->used - at < ur_packed_size(e->len) || e->name[e->len])
            return false;
    }
    return true;
}

/* The offsets as the entries lie. False: it is not whole. */
static bool reorder(struct ur_snapshot *p) {
    size_t at = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (p->used - at < sizeof(struct ur_packed))
            return false;
        *ur_packed_offset(p, i) = (uint32_t)at;
        size_t size = ur_packed_size(ur_packed_at(p, i)->len);
        if (p->used - at < size)
            return false;
        at += size;
    }
    return true;
}

/* The record at `position`, if it is the one that is meant, and whole. */
static bool read_record(const struct ur_union *u, uint64_t position, uint64_t key, uint64_t generation,
                        struct ur_list *l) {
    uint64_t at = position % u->listings_bytes;
    const unsigned char *from = u->listings + at;
    struct record r;
    if (u->listings_bytes - at < sizeof r)
        return false;
    memcpy(&r, from, sizeof r);
    size_t offsets = (size_t)r.count * sizeof(uint32_t);
    if (r.position != position || r.key != key || r.generation != generation || !r.count || r.used % 8 ||
        (l->by_hash && !r.by_hash) || u->listings_bytes - at - sizeof r < (uint64_t)r.used + offsets ||
        !ur_snapshot_reserve(l, (size_t)r.used + offsets))
        return false;
    struct ur_snapshot *p = &l->snapshot;
    memcpy(p->area, from + sizeof r, r.used);
    memcpy(ur_packed_offset(p, r.count - 1), from + sizeof r + r.used, offsets);
    p->used = r.used;
    p->count = r.count;
    if (sum_of(u, &r, p->area, ur_packed_offset(p, r.count - 1)) == r.sum &&
        (l->by_hash == (bool)r.by_hash || reorder(p)) && is_whole(p))
        return true;
    ur_snapshot_free(l);
    return false;
}

bool ur_listing_get(const struct ur_union *u, const struct ur_dir *d, struct ur_list *l) {
    if (!may_be_kept(u, d))
        return false;
    uint64_t key = key_of(u, d);
    struct ur_listing_place *place = place_of(u, key);
    for (int i = 0; i < UR_LISTINGS_PLACE; i++) {
        uint64_t word = atomic_load_explicit(&place->word[i], memory_order_acquire);
        if ((word & (KEPT | TAG)) == (KEPT | tag_of(key)) &&
            read_record(u, word >> POSITION_SHIFT, key, d->generation, l))
            return true;
    }
    return false;
}

/* Which of a place's words is to be this listing's: its own, a free one, or any. */
static _Atomic uint64_t *word_for(struct ur_listing_place *place, uint64_t tag, uint64_t ticket) {
    _Atomic uint64_t *word = &place->word[ticket % UR_LISTINGS_PLACE];
    for (int i = UR_LISTINGS_PLACE; i-- > 0;) {
        uint64_t now = atomic_load_explicit(&place->word[i], memory_order_relaxed);
        if (now && (now & TAG) == tag)
            return &place->word[i];
        if (!now)
            word = &place->word[i];
    }
    return word;
}

struct ur_listing ur_listing_reserve(const struct ur_union *u, const struct ur_dir *d) {
    struct ur_listing r = {NULL};
    if (!may_be_kept(u, d))
        return r;
    r.key = key_of(u, d);
    r.generation = d->generation;
    struct ur_listing_place *place = place_of(u, r.key);
    uint64_t ticket = (atomic_fetch_add(&place->state, TICKET) >> 32) + 1;
    _Atomic uint64_t *word = word_for(place, tag_of(r.key), ticket);
    r.word = ticket << POSITION_SHIFT | tag_of(r.key);
    atomic_store(word, r.word);
    /* Looked at after the reservation can be seen: who begins a change from here on takes it away. */
    if (atomic_load(&place->state) & CHANGING)
        return r;
    r.place = word;
    return r;
}

/* Room in the ring for `size` bytes: where. */
static bool take_room(const struct ur_union *u, size_t size, uint64_t *position) {
    uint64_t room = u->listings_bytes;
    if (size > room / 8)
        return false;
    do
        *position = atomic_fetch_add(&u->shared->listings_next, size);
    while (*position % room > room - size); /* not over the end */
    uint64_t end = *position % room + size, had = atomic_load(&u->shared->listings_had);
    if (end <= had)
        return true;
    uint64_t want = (end + CHUNK - 1) / CHUNK * CHUNK;
    if (want > room)
        want = room;
    uint64_t start = (uint64_t)(u->listings - (const unsigned char *)u->shared);
    long ret = ur_shared_room(u, start + had, want - had);
    while (ret == 0 && had < want && !atomic_compare_exchange_weak(&u->shared->listings_had, &had, want))
        ;
    return ret == 0;
}

void ur_listing_put(const struct ur_union *u, struct ur_listing *k, const struct ur_list *l) {
    uint64_t mine = k->word, now = 0, position;
    const struct ur_snapshot *p = l ? &l->snapshot : NULL;
    if (!k->place)
        return;
    size_t offsets = p ? p->count * sizeof(uint32_t) : 0;
    size_t size = p ? (sizeof(struct record) + p->used + offsets + 63) / 64 * 64 : 0;
    if (p && k->generation == ur_dcache_begin(u) && take_room(u, size, &position)) {
        struct record r = {.position = position,
                           .key = k->key,
                           .generation = k->generation,
                           .used = (uint32_t)p->used,
                           .count = (uint32_t)p->count,
                           .by_hash = l->by_hash};
        const void *from = ur_packed_offset(p, p->count - 1);
        r.sum = sum_of(u, &r, p->area, from);
        unsigned char *to = u->listings + position % u->listings_bytes;
        memcpy(to, &r, sizeof r);
        memcpy(to + sizeof r, p->area, p->used);
        memcpy(to + sizeof r + p->used, from, offsets);
        now = position << POSITION_SHIFT | tag_of(k->key) | KEPT;
    }
    atomic_compare_exchange_strong(k->place, &mine, now);
    k->place = NULL;
}

/* --- changes ---------------------------------------------------------------------------------------------------- */

_Atomic uint64_t *ur_listing_changes(const struct ur_union *u, const struct ur_dir *d) {
    if (!u->listings)
        return NULL;
    uint64_t key = key_of(u, d);
    struct ur_listing_place *place = place_of(u, key);
    atomic_fetch_add(&place->state, 1);
    for (int i = 0; i < UR_LISTINGS_PLACE; i++) {
        uint64_t word = atomic_load(&place->word[i]);
        while (word && (word & TAG) == tag_of(key) && !atomic_compare_exchange_weak(&place->word[i], &word, 0))
            ;
    }
    return &place->state;
}
