/*
 * What was moved in this run.
 *
 * A descriptor of a lower's file or directory, or a cwd, stays where it is when the union's name for that is
 * moved; the kernel tells only the lower's path. The run's log in shared memory says where that is now: it is
 * replayed over the path, oldest entry first. Two kinds of entries:
 *   move    a name of a mount went from one union path to another (or two changed places): a directory, or a file
 *           that came from a lower;
 *   found   a walk came through a redirect that the log does not know: this layer's directory is at that union path.
 * Whoever holds a descriptor beneath a redirect walked through it in this run, so the log knows it. It does from the
 * first time on: who moves it has walked there himself, and moves are noted in the order in which they are made
 * (ur_moving_lock). What a later walk has seen may be out of date by the time that it could be noted.
 * What is being moved stands beside the log before it is: of who is killed before he could note it, that is done by who
 * takes his lock, or wants to know where something is.
 * It is appended to under a spin lock held for a copy of a few hundred bytes; a reader takes no lock. A
 * process killed inside leaves the lock taken: whoever waits too long goes on without (-EBUSY is not an answer a
 * rename has), and the log is marked full, so descriptors are told by where they lie. Every process of the run can
 * write to it, by a wild pointer too; who reads it, the guard above all, trusts no length in it.
 */
#include "union.h"

enum { MOVE, EXCHANGE, FOUND };

struct move {
    uint32_t size; /* of this record, a multiple of 8 */
    uint32_t mount;
    uint16_t kind;
    uint16_t first_layer; /* FOUND: of this layer and those below that have the same rel */
    uint16_t from_len, to_len;
    char text[]; /* from, to; no NULs; each begins with "/" or is empty (the root) */
};

/* How much of the log has memory: the first chunk from the start (session.c). Once there was none for more, nothing is
   appended any more: a log with a gap is not true. */
static uint32_t has_room(const struct ur_shared *sh) {
    uint32_t had = atomic_load(&sh->moves_had);
    return had ? had : UR_MOVES_CHUNK;
}

/* Not under the lock: who is killed in a system call would keep it. */
static void more_room(const struct ur_union *u, uint32_t had) {
    struct ur_shared *sh = u->shared;
    uint32_t before = atomic_load(&sh->moves_had), want = had + UR_MOVES_CHUNK;
    if (had != (before ? before : UR_MOVES_CHUNK)) /* another was faster */
        return;
    bool right =
        want <= UR_MOVES_BYTES && ur_shared_room(u, offsetof(struct ur_shared, moves) + had, UR_MOVES_CHUNK) == 0;
    atomic_compare_exchange_strong(&sh->moves_had, &before, right ? want : UR_MOVES_FULL);
}

enum { ANYWHERE = UINT32_MAX };

/* 0; 1: the log is not `at` long any more; UR_AGAIN: there was no memory for it in the first `had` bytes. */
static long append_once(const struct ur_union *u, const struct ur_table_mount *m, unsigned kind, unsigned layer,
                        const char *from, size_t from_len, const char *to, size_t to_len, uint32_t at, uint32_t *had) {
    struct ur_shared *sh = u->shared;
    size_t size = (sizeof(struct move) + from_len + to_len + 7) / 8 * 8;
    uint32_t free = 0;
    for (unsigned spin = 0; !atomic_compare_exchange_weak(&sh->moves_lock, &free, 1); spin++, free = 0)
        if (spin > 100000000)
            return 0;
    uint32_t used = atomic_load(&sh->moves_used);
    *had = has_room(sh);
    bool fits = *had != UR_MOVES_FULL && used + size <= *had, late = at != ANYWHERE && at != used;
    if (fits && !late) {
        struct move *e = (struct move *)(sh->moves + used);
        *e = (struct move){(uint32_t)size,     (uint32_t)(m - ur_table_mounts(u->table)),
                           (uint16_t)kind,     (uint16_t)layer,
                           (uint16_t)from_len, (uint16_t)to_len};
        memcpy(e->text, from, from_len);
        memcpy(e->text + from_len, to, to_len);
        atomic_store(&sh->moves_used, (uint32_t)(used + size));
    }
    atomic_store(&sh->moves_lock, 0);
    if (late)
        return 1;
    return fits || *had == UR_MOVES_FULL ? 0 : UR_AGAIN;
}

/* False: the log is not `at` long any more. */
static bool append(const struct ur_union *u, const struct ur_table_mount *m, unsigned kind, unsigned layer,
                   const char *from, size_t from_len, const char *to, size_t to_len, uint32_t at) {
    uint32_t had;
    long ret = 0;
    while (u->shared && (ret = append_once(u, m, kind, layer, from, from_len, to, to_len, at, &had)) == UR_AGAIN)
        more_room(u, had);
    return ret == 0;
}

static void note(const struct ur_union *u, const struct ur_move *w) {
    append(u, w->m, w->exchange ? EXCHANGE : MOVE, 0, w->from, strlen(w->from), w->to, strlen(w->to), ANYWHERE);
}

void ur_moves_begin(const struct ur_union *u, const struct ur_move *w, uint64_t held) {
    struct ur_under_way *n = &u->shared->under_way;
    size_t from_len = strlen(w->from), to_len = strlen(w->to);
    if (!held || from_len + to_len > sizeof n->text)
        return;
    n->ino = w->ino;
    n->mount = (uint32_t)(w->m - ur_table_mounts(u->table));
    n->seen = atomic_load(&u->shared->moves_used);
    n->kind = w->exchange ? EXCHANGE : MOVE;
    n->from_len = (uint16_t)from_len;
    n->to_len = (uint16_t)to_len;
    memcpy(n->text, w->from, from_len);
    memcpy(n->text + from_len, w->to, to_len);
    atomic_store(&n->owner, held);
}

void ur_moves_end(const struct ur_union *u, const struct ur_move *w, uint64_t held, bool made) {
    if (made)
        note(u, w);
    if (held)
        atomic_compare_exchange_strong(&u->shared->under_way.owner, &held, 0);
}

/* Was it noted, and he was killed then? */
static bool is_told(const struct ur_shared *sh, const struct ur_under_way *n) {
    uint32_t used = atomic_load(&sh->moves_used);
    struct move e;
    used = used > UR_MOVES_BYTES ? UR_MOVES_BYTES : used;
    for (uint32_t at = n->seen; at < used && used - at >= sizeof e; at += e.size) {
        const struct move *record = (const void *)(sh->moves + at);
        e = *record;
        if (e.size % 8 || e.size > used - at || e.size < sizeof e + e.from_len + e.to_len)
            break;
        if (e.kind == n->kind && e.mount == n->mount && e.from_len == n->from_len && e.to_len == n->to_len &&
            memcmp(record->text, n->text, (size_t)e.from_len + e.to_len) == 0)
            return true;
    }
    return false;
}

/* The caller has the lock, and so whoever has left this will not go on. That it was moved shows in the upper. */
void ur_moves_settle(const struct ur_union *u) {
    struct ur_under_way *n = &u->shared->under_way;
    struct ur_scratch *s = atomic_load(&n->owner) ? ur_scratch_get() : NULL;
    if (!s)
        return;
    size_t from_len = n->from_len, to_len = n->to_len;
    const struct ur_table_mount *m = &ur_table_mounts(u->table)[n->mount % u->table->mounts];
    struct stat st;
    char *end = s->real[0] + UR_PATH_MAX, *p = NULL;
    if (from_len + to_len <= sizeof n->text && n->seen % 8 == 0 && ur_has_upper(m)) {
        const struct ur_table_string *upper = &ur_layer(u, m, 0)->root;
        p = ur_put(s->real[0], end, ur_table_text(u->table, *upper), upper->len > 1 ? upper->len : 0);
        p = ur_put(p, end, n->text + from_len, to_len);
    }
    if (p && sys_lstat(s->real[0], &st) == 0 && st.st_ino == n->ino && !is_told(u->shared, n))
        append(u, m, n->kind, 0, n->text, from_len, n->text + from_len, to_len, ANYWHERE);
    ur_scratch_put(s);
    atomic_store(&n->owner, 0);
}

uint32_t ur_moves_seen(const struct ur_union *u) {
    return u->shared ? atomic_load(&u->shared->moves_used) : 0;
}

bool ur_moves_more(const struct ur_union *u, uint32_t seen) {
    if (!u->shared)
        return false;
    /* Who has moved something and not yet noted it holds the lock. */
    ur_moving_unlock(u, ur_moving_lock(u));
    return atomic_load(&u->shared->moves_used) != seen;
}

/* path := to + what follows from in path. False if it would not fit. */
static bool replace(char *path, size_t *len, size_t from_len, const char *to, size_t to_len) {
    if (*len - from_len + to_len >= UR_PATH_MAX)
        return false;
    memmove(path + to_len, path + from_len, *len - from_len);
    memcpy(path, to, to_len);
    *len = *len - from_len + to_len;
    path[*len] = 0;
    return true;
}

/* `used`: of the log. *known: it has an entry of this very directory, not only of those above. */
static long apply(const struct ur_union *u, const struct ur_table_mount *m, unsigned layer, char *rel, size_t len,
                  uint32_t used, bool *known) {
    *known = false;
    if (!used)
        return (long)len;
    if (used > UR_MOVES_BYTES)
        used = UR_MOVES_BYTES;
    UR_SCRATCH(s);
    char *original = s->text;
    size_t original_len = len;
    memcpy(original, rel, len);
    uint32_t mount = (uint32_t)(m - ur_table_mounts(u->table));
    struct move e;
    for (uint32_t at = 0; at < used && used - at >= sizeof e; at += e.size) {
        const struct move *record = (const void *)(u->shared->moves + at);
        e = *record;
        const char *from = record->text, *to = from + e.from_len;
        if (e.size % 8 || e.size > used - at || e.size < sizeof e + e.from_len + e.to_len)
            break;
        if (e.mount != mount)
            continue;
        bool fits = true;
        if (e.kind == FOUND) {
            if (layer >= e.first_layer && ur_path_below(original, original_len, from, e.from_len)) {
                *known |= original_len == e.from_len;
                memcpy(rel, original, original_len);
                len = original_len;
                fits = replace(rel, &len, e.from_len, to, e.to_len);
            }
        } else if (ur_path_below(rel, len, from, e.from_len)) {
            *known |= len == e.from_len;
            fits = replace(rel, &len, e.from_len, to, e.to_len);
        } else if (e.kind == EXCHANGE && ur_path_below(rel, len, to, e.to_len)) {
            *known |= len == e.to_len;
            fits = replace(rel, &len, e.to_len, from, e.from_len);
        }
        if (!fits)
            return -ENAMETOOLONG;
    }
    return (long)len;
}

long ur_moves_apply(const struct ur_union *u, const struct ur_table_mount *m, unsigned layer, char *rel, size_t len) {
    bool known;
    uint64_t owner = u->shared ? atomic_load_explicit(&u->shared->under_way.owner, memory_order_relaxed) : 0;
    if (owner && ur_is_dead((uint32_t)owner))
        ur_moving_unlock(u, ur_moving_lock(u));
    return apply(u, m, layer, rel, len, u->shared ? atomic_load(&u->shared->moves_used) : 0, &known);
}

void ur_moves_found(const struct ur_union *u, const struct ur_table_mount *m, unsigned first_layer, const char *rel,
                    size_t rel_len, const char *at, size_t at_len) {
    if (!u->shared)
        return;
    atomic_store(&u->shared->redirects, 1);
    struct ur_scratch *s = ur_scratch_get();
    if (!s)
        return;
    uint32_t used;
    bool told;
    do {
        used = atomic_load(&u->shared->moves_used);
        memcpy(s->text, rel, rel_len);
        s->text[rel_len] = 0;
        long len = apply(u, m, first_layer, s->text, rel_len, used, &told);
        told |= len == (long)at_len && memcmp(s->text, at, at_len) == 0;
    } while (!told && !append(u, m, FOUND, first_layer, rel, rel_len, at, at_len, used));
    ur_scratch_put(s);
}

/* What stands in tmp/ has a random number in hexadecimal for its name: its key. `rest`: what follows in the path. */
static uint64_t dead_key(const struct ur_table_mount *m, const char *tmp, const char **rest) {
    size_t prefix = m->work.len + strlen("/tmp/");
    if (strlen(tmp) < prefix)
        return 0;
    *rest = tmp + prefix;
    uint64_t key = ur_get_number(rest, 16);
    return **rest && **rest != '/' && **rest != ' ' /* " (deleted)" */ ? 0 : key;
}

void ur_dead_note(const struct ur_union *u, const struct ur_table_mount *m, const char *tmp, const char *path) {
    if (!u->shared || strlen(path) >= UR_DEAD_PATH)
        return;
    struct ur_dead *e = &u->shared->dead[atomic_fetch_add(&u->shared->dead_next, 1) % UR_DEAD];
    uint32_t ticket = atomic_load(&e->ticket);
    if (ticket % 2 || !atomic_compare_exchange_strong(&e->ticket, &ticket, ticket + 1))
        return;
    const char *rest;
    e->mount = (uint32_t)(m - ur_table_mounts(u->table));
    e->key = dead_key(m, tmp, &rest);
    memcpy(e->path, path, strlen(path) + 1);
    atomic_store(&e->ticket, ticket + 2);
}

long ur_dead_path(const struct ur_union *u, const struct ur_table_mount *m, const char *tmp, char *out) {
    const char *rest = "";
    uint64_t key = dead_key(m, tmp, &rest);
    for (unsigned i = 0; key && u->shared && i < UR_DEAD; i++) {
        struct ur_dead *e = &u->shared->dead[i];
        uint32_t ticket = atomic_load(&e->ticket);
        if (ticket % 2 || !ticket || e->key != key || e->mount != (uint32_t)(m - ur_table_mounts(u->table)))
            continue;
        UR_SCRATCH(s);
        char *p = ur_put(s->text, s->text + UR_PATH_MAX, e->path, strnlen(e->path, UR_DEAD_PATH - 1));
        p = ur_put(p, s->text + UR_PATH_MAX, rest, strlen(rest));
        if (!p)
            return -ENAMETOOLONG;
        if (atomic_load(&e->ticket) == ticket) {
            memcpy(out, s->text, (size_t)(p - s->text) + 1);
            return p - s->text;
        }
    }
    return -ENOENT;
}
