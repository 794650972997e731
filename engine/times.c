/*
 * The times of a directory that a copy appears in.
 *
 * To give them back is a second step. That a kill between the two may be mended, they stand in shared memory meanwhile,
 * with the copy's path: no system call is spent on it. Whoever copies up into the same directory at that moment takes
 * them from there, and not the moment's own. If somebody makes, moves or removes a name there at that moment, the
 * directory has changed now. What a killed process leaves is mended at the end of the run or, should
 * that be killed as a whole, by the next one (recover.c).
 */
#include "union.h"

enum { BEGUN = 32 }; /* of names_changed */

_Static_assert(UR_TIMES <= 64, "a bit of times_had each");

static int claim_of(struct ur_shared *sh, uint32_t self, uint64_t which) {
    for (unsigned i = 0; i < UR_TIMES; i++) {
        unsigned slot = (self + i) % UR_TIMES;
        uint32_t seen = UR_TIMES_FREE;
        if (which >> slot & 1 && atomic_load_explicit(&sh->times_state[slot], memory_order_relaxed) == UR_TIMES_FREE &&
            atomic_compare_exchange_strong(&sh->times_state[slot], &seen, UR_TIMES_TAKEN))
            return (int)slot;
    }
    return -1;
}

/* A slot that has memory, if one of them is free; else another is given some. */
static int claim(const struct ur_union *u, uint32_t self) {
    struct ur_shared *sh = u->shared;
    uint64_t had = atomic_load(&sh->times_had);
    int slot = had ? claim_of(sh, self, had) : -1;
    if (slot >= 0)
        return slot;
    slot = claim_of(sh, self, ~had);
    if (slot < 0)
        return -1;
    uint64_t at = offsetof(struct ur_shared, times) + (uint64_t)slot * sizeof *sh->times;
    if (ur_shared_room(u, at, sizeof *sh->times) < 0) {
        atomic_store(&sh->times_state[slot], UR_TIMES_FREE);
        return -1;
    }
    atomic_fetch_or(&sh->times_had, UINT64_C(1) << slot);
    return slot;
}

/* The times that another is about to give back to the same directory; if a name has changed there since, or is about
   to, they are not its any more. */
static bool borrow(struct ur_shared *sh, const struct ur_times_slot *own, size_t parent_len, struct ur_times *t) {
    for (unsigned i = 0; i < UR_TIMES; i++) {
        const struct ur_times_slot *s = &sh->times[i];
        if (atomic_load(&sh->times_state[i]) != UR_TIMES_SET || s == own || s->hash != own->hash ||
            s->begun != own->begun || memcmp(s->path, own->path, parent_len) != 0 || s->path[parent_len] != '/' ||
            ur_is_dead(s->owner))
            continue;
        t->ts[0] = (struct timespec){s->time[0], s->time[1]};
        t->ts[1] = (struct timespec){s->time[2], s->time[3]};
        if (atomic_load(&sh->times_state[i]) == UR_TIMES_SET)
            return true;
    }
    return false;
}

static void look(const char *parent, struct ur_times *t) {
    struct stat st;
    t->taken = sys_lstat(parent, &st) == 0;
    if (t->taken) {
        t->ts[0] = st.st_atim;
        t->ts[1] = st.st_mtim;
    }
}

static _Atomic uint64_t *names_changed(const struct ur_union *u, const struct ur_dir *d) {
    return u->shared && d->mount ? &u->shared->names_changed[ur_hash(d->path, d->len) % UR_DIRS] : NULL;
}

/* Who is killed before the end leaves his place, by which he is known to be dead. */
void ur_names_change_begin(const struct ur_union *u, const struct ur_dir *d, struct ur_change *change) {
    struct ur_shared *sh = u->shared;
    change->seen = names_changed(u, d);
    change->changer = NULL;
    if (!change->seen)
        return;
    change->self = ur_self();
    for (unsigned i = 0; i < UR_CHANGERS && !change->changer; i++) {
        struct ur_changer *place = &sh->changers[(change->self + i) % UR_CHANGERS];
        uint32_t nobody = 0;
        if (atomic_load_explicit(&place->owner, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&place->owner, &nobody, change->self))
            change->changer = place;
    }
    if (change->changer)
        atomic_store(&change->changer->dir, (uint32_t)(change->seen - sh->names_changed));
    atomic_fetch_add(change->seen, (UINT64_C(1) << BEGUN) + !change->changer);
}

void ur_names_change_end(struct ur_change *change) {
    if (change->changer)
        atomic_compare_exchange_strong(&change->changer->owner, &change->self, 0);
    else if (change->seen)
        atomic_fetch_sub(change->seen, 1);
}

/* Is anybody else about to change a name there? A change of one's own is still to be made, and sets the time then. */
static bool others_change(struct ur_shared *sh, const _Atomic uint64_t *changed, uint32_t self) {
    if ((uint32_t)atomic_load(changed))
        return true;
    for (unsigned i = 0; i < UR_CHANGERS; i++) {
        struct ur_changer *place = &sh->changers[i];
        uint32_t owner = atomic_load(&place->owner);
        if (!owner || owner == self || atomic_load(&place->dir) != (uint32_t)(changed - sh->names_changed))
            continue;
        if (ur_fate_of(owner, 0) != UR_FATE_DEAD)
            return true;
        atomic_compare_exchange_strong(&place->owner, &owner, 0);
    }
    return false;
}

/* Has another changed a name in the directory since, or is he about to? */
static bool is_changed(const struct ur_times *t) {
    return t->changed && (t->changes || atomic_load(t->changed) >> BEGUN != t->before >> BEGUN);
}

void ur_times_take(const struct ur_union *u, const struct ur_dir *d, const char *host, size_t parent_len,
                   struct ur_times *t) {
    struct ur_shared *sh = u->shared;
    uint32_t self = ur_self();
    t->taken = false;
    t->changed = names_changed(u, d);
    t->before = t->changed ? atomic_load(t->changed) : 0;
    t->changes = t->changed && others_change(sh, t->changed, self);
    t->slot = sh ? claim(u, self) : -1;
    struct ur_scratch *room = ur_scratch_get();
    if (!room)
        return;
    ur_put(room->text, room->text + UR_PATH_MAX, host, parent_len);
    if (t->slot < 0) {
        look(room->text, t);
        ur_scratch_put(room);
        return;
    }
    struct ur_times_slot *s = &sh->times[t->slot];
    s->owner = self;
    s->hash = ur_hash(host, parent_len);
    s->begun = (uint32_t)(t->before >> BEGUN);
    ur_put(s->path, s->path + UR_TIMES_PATH, host, strlen(host));
    for (int tries = 0; tries < 4; tries++) {
        uint32_t given = atomic_load(&sh->times_given);
        look(room->text, t);
        if (borrow(sh, s, parent_len, t) || atomic_load(&sh->times_given) == given)
            break;
    }
    ur_scratch_put(room);
    s->time[0] = t->ts[0].tv_sec, s->time[1] = t->ts[0].tv_nsec;
    s->time[2] = t->ts[1].tv_sec, s->time[3] = t->ts[1].tv_nsec;
    if (t->taken)
        atomic_store(&sh->times_state[t->slot], UR_TIMES_SET);
}

void ur_times_give(const struct ur_union *u, const char *parent, struct ur_times *t, bool appeared) {
    long ret = t->taken && appeared ? ur_set_times(parent, t->ts) : 0;
    if (t->taken && appeared && ret == 0 && is_changed(t)) { /* asked after they were given back */
        const struct timespec now[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
        ret = ur_set_times(parent, now);
    }
    if (t->slot < 0 || ret < 0) /* then it is left to the recovery */
        return;
    atomic_fetch_add(&u->shared->times_given, 1);
    atomic_store(&u->shared->times_state[t->slot], UR_TIMES_FREE);
}
