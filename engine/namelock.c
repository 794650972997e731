/*
 * Names that have to do with a whiteout, one change at a time.
 *
 * In the upper a name is changed by one system call, and the kernel sees to it that two of them do not mix. But a
 * whiteout is a file to the kernel: of two unlinks that both saw the name, the second would put a whiteout over the
 * first one's, and both would have removed it; a rename would carry a whiteout away. So who replaces a whiteout, or a
 * name by one, takes the name's lock and looks once more.
 *
 * The locks are words in shared memory that hold the owner's thread id. One whose owner has died is taken from him, and
 * one that is held too long (the number may be another's by now).
 */
#include "union.h"

void ur_let_others(int tries) {
    enum { AT_ONCE = 20, YIELDS = 1000 };
    const struct timespec moment = {.tv_nsec = 1000000};
    if (tries >= YIELDS)
        UR_SYS(SYS_nanosleep, &moment, NULL, 0, 0, 0, 0);
    else if (tries >= AT_ONCE)
        UR_SYS(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

static _Atomic uint32_t *lock_of(struct ur_shared *sh, const char *host) {
    uint32_t h = 2166136261u;
    for (; *host; host++)
        h = (h ^ (unsigned char)*host) * 16777619u;
    return &sh->names[(h ^ h >> 15) % UR_NAMES];
}

/* False: this thread has it already, in a call that a signal has interrupted. */
static bool take(struct ur_shared *sh, _Atomic uint32_t *lock, uint32_t self) {
    enum { SPINS = 200, LONG = 200000 };
    for (unsigned tries = 0;; tries++) {
        uint32_t owner = 0;
        if (atomic_compare_exchange_strong(lock, &owner, self))
            return true;
        if (owner == self)
            return false;
        if (tries < SPINS)
            continue;
        bool dead = tries % SPINS == 0 && UR_SYS(SYS_kill, owner, 0, 0, 0, 0, 0) == -ESRCH;
        if ((dead || tries > LONG) && atomic_compare_exchange_strong(lock, &owner, self)) {
            atomic_store(&sh->names_left, 1);
            return true;
        }
        UR_SYS(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
    }
}

void ur_names_lock(const struct ur_union *u, const char *host, const char *other, struct ur_names_held *k) {
    k->lock[0] = k->lock[1] = NULL;
    if (!u->shared)
        return;
    _Atomic uint32_t *a = lock_of(u->shared, host), *b = other ? lock_of(u->shared, other) : a;
    uint32_t self = (uint32_t)UR_SYS(SYS_gettid, 0, 0, 0, 0, 0, 0);
    _Atomic uint32_t *const order[2] = {a < b ? a : b, a < b ? b : a};
    for (int i = 0; i < (a == b ? 1 : 2); i++)
        if (take(u->shared, order[i], self))
            k->lock[i] = order[i];
    if (!atomic_load_explicit(&u->shared->names_left, memory_order_relaxed))
        return;
    ur_halfway_of(u, host);
    if (other)
        ur_halfway_of(u, other);
}

void ur_names_unlock(struct ur_names_held *k) {
    for (int i = 1; i >= 0; i--)
        if (k->lock[i])
            atomic_store(k->lock[i], 0);
    k->lock[0] = k->lock[1] = NULL;
}

bool ur_moving_lock(const struct ur_union *u) {
    return u->shared && take(u->shared, &u->shared->moving, (uint32_t)UR_SYS(SYS_gettid, 0, 0, 0, 0, 0, 0));
}

void ur_moving_unlock(const struct ur_union *u, bool held) {
    if (held)
        atomic_store(&u->shared->moving, 0);
}

long ur_is_still(const char *host, const struct stat *st) {
    struct stat now;
    long ret = sys_lstat(host, &now);
    if (ret < 0)
        return ret == -ENOENT ? UR_AGAIN : ret;
    return now.st_ino == st->st_ino && (now.st_mode & S_IFMT) == (st->st_mode & S_IFMT) ? 0 : UR_AGAIN;
}
