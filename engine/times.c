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

#include <signal.h>

static int claim(struct ur_shared *sh, uint32_t pid) {
    for (unsigned i = 0; i < UR_TIMES; i++) {
        unsigned slot = (pid + i) % UR_TIMES;
        uint32_t seen = UR_TIMES_FREE;
        if (atomic_load_explicit(&sh->times_state[slot], memory_order_relaxed) == UR_TIMES_FREE &&
            atomic_compare_exchange_strong(&sh->times_state[slot], &seen, UR_TIMES_TAKEN))
            return (int)slot;
    }
    return -1;
}

/* The times that another is about to give back to the same directory. */
static bool borrow(struct ur_shared *sh, const struct ur_times_slot *own, size_t parent_len, struct ur_times *t) {
    for (unsigned i = 0; i < UR_TIMES; i++) {
        const struct ur_times_slot *s = &sh->times[i];
        if (atomic_load(&sh->times_state[i]) != UR_TIMES_SET || s == own || s->hash != own->hash ||
            memcmp(s->path, own->path, parent_len) != 0 || s->path[parent_len] != '/' ||
            UR_SYS(SYS_kill, s->pid, 0, 0, 0, 0, 0) == -ESRCH)
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

_Atomic uint64_t *ur_names_changed(const struct ur_union *u, const struct ur_dir *d) {
    return u->shared && d->mount ? &u->shared->names_changed[ur_hash(d->path, d->len) % UR_DIRS] : NULL;
}

/* Has another changed a name in the directory since, or is he about to? */
static bool is_changed(const struct ur_times *t) {
    return t->changed && ((uint32_t)t->before > t->own || atomic_load(t->changed) >> 32 != t->before >> 32);
}

void ur_times_take(const struct ur_union *u, const struct ur_dir *d, unsigned own, const char *host, size_t parent_len,
                   struct ur_times *t) {
    struct ur_shared *sh = u->shared;
    uint32_t pid = (uint32_t)sys_getpid();
    t->taken = false;
    t->changed = ur_names_changed(u, d);
    t->own = own;
    t->before = t->changed ? atomic_load(t->changed) : 0;
    t->slot = sh ? claim(sh, pid) : -1;
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
    s->pid = pid;
    s->hash = ur_hash(host, parent_len);
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
