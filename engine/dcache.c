/*
 * What this process remembers of directories: the stack of a canonical path. It spares the walk, never the
 * question for the name itself. An entry holds as long as the run's generation is the one that was current before
 * the disk was asked (shared.h). Slots are written under a sequence count: a reader that meets a writer, or a
 * writer another, simply goes without. No allocation, no lock: async-signal-safe.
 */
#include "union.h"

/* Those of the host's directories lie together: a page that is touched costs more than a lookup. They are few, but each
   walk needs all that lead to a target: where two share a slot, one of the next ones serves. The few that merge many
   layers have slots of their own, behind the others. */
enum { SLOTS = 1024, HOST_SLOTS = 32, HOST_WAYS = 16, PATH_BYTES = 196, SPOTS = 12, WIDE = 64 };

struct slot {
    _Atomic uint32_t sequence; /* odd while it is written */
    uint32_t hash;
    uint64_t generation;
    const struct ur_table_mount *mount;
    uint16_t len, spots;
    bool special, open, even;
    struct ur_spot spot[SPOTS];
    char path[PATH_BYTES];
};

static struct slot slots[SLOTS + WIDE];
static struct ur_spot wide[WIDE][UR_LAYERS_MAX];

static struct ur_spot *spots_of(struct slot *s) {
    return s < slots + SLOTS ? s->spot : wide[s - (slots + SLOTS)];
}

static struct slot *slot_of(uint32_t hash, bool is_wide) {
    return is_wide ? &slots[SLOTS + hash % WIDE] : &slots[HOST_SLOTS + hash % (SLOTS - HOST_SLOTS)];
}

static struct slot *host_slot(uint32_t hash, unsigned way) {
    return &slots[(hash + way) % HOST_SLOTS];
}

/* One that holds nothing of this generation, if there is one. */
static struct slot *free_host_slot(uint32_t hash, uint64_t generation) {
    for (unsigned way = 0; way < HOST_WAYS; way++) {
        struct slot *s = host_slot(hash, way);
        if (s->hash == hash || s->generation != generation)
            return s;
    }
    return host_slot(hash, 0);
}

uint64_t ur_dcache_begin(const struct ur_union *u) {
    if (!u->shared || atomic_load(&u->shared->changing))
        return 0;
    return atomic_load(&u->shared->generation) + 1;
}

/* `spot` is room for `room` of them: `d` is left alone until all is known to be whole. */
static bool get(const struct ur_union *u, struct slot *s, uint32_t hash, struct ur_dir *d, const char *path, size_t len,
                struct ur_spot *spot, uint16_t room) {
    uint32_t sequence = atomic_load_explicit(&s->sequence, memory_order_acquire);
    if (sequence % 2 || s->hash != hash || s->len != len || s->generation != atomic_load(&u->shared->generation) + 1 ||
        memcmp(s->path, path, len) != 0)
        return false;
    const struct ur_table_mount *mount = s->mount;
    uint16_t spots = s->spots <= room ? s->spots : room;
    uint64_t generation = s->generation;
    bool special = s->special, open = s->open, even = s->even;
    memcpy(spot, spots_of(s), spots * sizeof spot[0]);
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&s->sequence, memory_order_relaxed) != sequence)
        return false;
    d->mount = mount;
    d->len = (uint16_t)len;
    d->spots = spots;
    d->rels = 1;
    d->rel_used = 0;
    d->lower_rel = 0;
    d->special = special;
    d->below = false;
    d->open = open;
    d->even = even;
    d->generation = generation;
    d->rel[0] = (struct ur_rel){.cut = mount && mount->target.len > 1 ? (uint16_t)mount->target.len : 0};
    memcpy(d->spot, spot, spots * sizeof spot[0]);
    memmove(d->path, path, len);
    d->path[len] = 0;
    return true;
}

bool ur_dcache_get(const struct ur_union *u, struct ur_dir *d, const char *path, size_t len) {
    if (!u->shared || len > PATH_BYTES)
        return false;
    uint32_t hash = ur_hash(path, len);
    const struct ur_table_mount *m = ur_mount_of(u, path, len);
    struct ur_spot few[SPOTS];
    for (unsigned way = 0; !m && way < HOST_WAYS; way++)
        if (get(u, host_slot(hash, way), hash, d, path, len, few, SPOTS))
            return true;
    if (!m)
        return false;
    if (get(u, slot_of(hash, false), hash, d, path, len, few, SPOTS))
        return true;
    struct ur_scratch *s = m->layers > SPOTS ? ur_scratch_get() : NULL;
    bool got = s && get(u, slot_of(hash, true), hash, d, path, len, s->dir[0].spot, UR_LAYERS_MAX);
    if (s)
        ur_scratch_put(s);
    return got;
}

/* Only stacks without redirects are kept: they are nearly all, and need no text of their own. What some may not search
   must be asked for each time where the process may become somebody else. */
void ur_dcache_put(const struct ur_union *u, const struct ur_dir *d) {
    uint64_t generation = d->generation;
    if (d->mount && !d->open && !u->owner)
        return;
    if (!generation || ur_dcache_begin(u) != generation || d->rels > 1 || d->len > PATH_BYTES)
        return;
    uint32_t hash = ur_hash(d->path, d->len);
    struct slot *s = d->mount ? slot_of(hash, d->spots > SPOTS) : free_host_slot(hash, generation);
    uint32_t sequence = atomic_load_explicit(&s->sequence, memory_order_relaxed);
    if (sequence % 2 || !atomic_compare_exchange_strong(&s->sequence, &sequence, sequence + 1))
        return;
    atomic_thread_fence(memory_order_release);
    s->hash = hash;
    s->generation = generation;
    s->mount = d->mount;
    s->len = d->len;
    s->spots = d->spots;
    s->special = d->special;
    s->open = d->open;
    s->even = d->even;
    memcpy(spots_of(s), d->spot, d->spots * sizeof d->spot[0]);
    memcpy(s->path, d->path, d->len);
    atomic_store_explicit(&s->sequence, sequence + 2, memory_order_release);
}
