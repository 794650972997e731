/*
 * How far the long copy-ups are, for a person who waits for one at a terminal: launch/progress.c reads it.
 *
 * Only where somebody reads is anything written, and only of a file that takes more than one piece. A slot is its
 * thread's from `begin` to `end`; what a killed one leaves the reader frees, and nobody else takes it.
 */
#include "union.h"

static uint64_t now(void) {
    struct timespec t = {0};
    UR_SYS(SYS_clock_gettime, CLOCK_MONOTONIC, &t, 0, 0, 0, 0);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct ur_copying *claim(struct ur_shared *sh) {
    uint32_t own = (uint32_t)sys_gettid();
    for (unsigned i = 0; i < UR_COPYING; i++) {
        uint32_t nobody = 0;
        if (atomic_compare_exchange_strong(&sh->copying[i].owner, &nobody, own))
            return &sh->copying[i];
    }
    return NULL;
}

/* The union path, or as much of its end as there is room for. */
static void put_path(char *out, const struct ur_dir *d, const char *name) {
    char *end = out + UR_COPYING_PATH;
    size_t len = strlen(name), slash = d->len > 1, whole = d->len + slash + len;
    size_t over = whole < UR_COPYING_PATH ? 0 : whole - UR_COPYING_PATH + 1;
    size_t of_dir = over < d->len ? over : d->len;
    over -= of_dir;
    char *p = ur_put(out, end, d->path + of_dir, d->len - of_dir);
    if (over == 0)
        p = ur_put(p, end, "/", slash);
    else
        over -= slash;
    ur_put(p, end, name + over, len - over);
}

struct ur_copying *ur_copying_begin(const struct ur_union *u, const struct ur_dir *d, const char *name, off_t size) {
    if (size <= UR_COPYING_PIECE || !u->shared ||
        !atomic_load_explicit(&u->shared->copying_wanted, memory_order_relaxed))
        return NULL;
    struct ur_copying *c = claim(u->shared);
    if (!c)
        return NULL;
    put_path(c->path, d, name);
    c->begun = now();
    atomic_store(&c->shown, 0);
    atomic_store(&c->done, 0);
    atomic_store(&c->size, (uint64_t)size);
    return c;
}

void ur_copying_step(struct ur_copying *c, off_t done) {
    if (c)
        atomic_store_explicit(&c->done, (uint64_t)done, memory_order_relaxed);
}

/* What the program writes next is not to come to stand behind the line: it is taken away first. But a reader that does
   not come (it may be stopped) keeps nobody. */
static void wait_unshown(const struct ur_copying *c) {
    static const struct timespec pause = {0, 5000000};
    for (int tries = 0; tries < 60 && atomic_load(&c->shown); tries++)
        UR_SYS(SYS_nanosleep, &pause, NULL, 0, 0, 0, 0);
}

void ur_copying_end(struct ur_copying *c) {
    if (!c)
        return;
    atomic_store(&c->size, 0);
    wait_unshown(c);
    atomic_store(&c->owner, 0);
}
