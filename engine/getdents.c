/*
 * getdents64(2) by descriptor, for a caller who keeps no listing himself.
 *
 * Of a merged directory all is read at the first call, and that is kept for the next one: by the descriptor of the same
 * number, in the same directory, at the place where the last call left it. Nothing is lost if that is not found: a
 * place is a name's own (list.c), and the directory is read anew. It is kept until it was told to its end, some
 * directory was moved, removed or got other layers, or four others were begun since.
 */
#include "union.h"

enum { KEPT = 4 };

static struct kept {
    _Atomic bool busy; /* a thread or a signal handler is at it; one that never comes back leaves it so */
    uint32_t age;
    long place;
    dev_t dev;
    ino_t ino;
    uint64_t generation; /* when it was begun, as ur_dcache_begin tells it; 0: nothing is kept here */
    struct ur_list list;
} kept[KEPT];
static _Atomic uint32_t last_age; /* 0: nothing was ever kept */

static bool take(struct kept *k) {
    return !atomic_exchange_explicit(&k->busy, true, memory_order_acquire);
}

static void give(struct kept *k) {
    atomic_store_explicit(&k->busy, false, memory_order_release);
}

/* Into `l`, which has the descriptor, the listing that goes on where that is now. Another of this number has ended. */
static bool find(struct ur_list *l, const struct stat *st, uint64_t generation) {
    bool found = false;
    if (!atomic_load_explicit(&last_age, memory_order_relaxed))
        return false;
    long place = sys_lseek(l->fd, 0, SEEK_CUR);
    for (struct kept *k = kept; k < kept + KEPT && !found; k++) {
        if (!take(k))
            continue;
        if (k->generation && k->list.fd == l->fd) {
            found = place > 0 && k->place == place && k->dev == st->st_dev && k->ino == st->st_ino &&
                    k->generation == generation;
            if (found)
                *l = k->list;
            else
                ur_list_close(&k->list);
            k->generation = 0;
        }
        give(k);
    }
    return found;
}

static bool is_better(const struct kept *k, const struct kept *than) {
    return !than || (than->generation && (!k->generation || k->age < than->age));
}

/* Takes `l` over, in the place of the oldest if all are taken; or closes it. */
static void keep(struct ur_list *l, const struct stat *st, uint64_t generation) {
    struct kept *best = NULL;
    for (struct kept *k = kept; k < kept + KEPT; k++) {
        if (!take(k))
            continue;
        struct kept *worse = k;
        if (is_better(k, best)) {
            worse = best;
            best = k;
        }
        if (worse)
            give(worse);
    }
    if (!best) {
        ur_list_close(l);
        return;
    }
    if (best->generation)
        ur_list_close(&best->list);
    best->age = atomic_fetch_add_explicit(&last_age, 1, memory_order_relaxed) + 1;
    best->place = sys_lseek(l->fd, 0, SEEK_CUR);
    best->dev = st->st_dev;
    best->ino = st->st_ino;
    best->generation = generation;
    best->list = *l;
    give(best);
}

long ur_getdents64(const struct ur_caller *c, int fd, void *buf, size_t n) {
    struct ur_list l;
    ur_list_init(&l, fd);
    struct stat st;
    if (!ur_active(c) || sys_fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
        return sys_getdents64(fd, buf, n);
    if (!ur_can_write(c, buf, n))
        return -EFAULT;
    const uint64_t generation = c->pid || c->u->traced || !st.st_nlink ? 0 : ur_dcache_begin(c->u);
    if (generation)
        find(&l, &st, generation);
    long ret = ur_list_getdents(c, &l, buf, n);
    if (generation && l.merged && ret > 0)
        keep(&l, &st, generation);
    else
        ur_list_close(&l);
    return ret;
}

/* The older record has the same size: the name stands where the type was, the type in the last byte. */
void ur_old_dirents(void *buf, long n) {
    enum { LENGTH = 16, TYPE = 18, NAME = 19 };
    for (char *record = buf, *end = record + n; record < end;) {
        unsigned short len;
        memcpy(&len, record + LENGTH, sizeof len);
        char type = record[TYPE];
        memmove(record + TYPE, record + NAME, len - (size_t)NAME);
        record[len - 1] = type;
        record += len;
    }
}
