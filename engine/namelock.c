/*
 * Names that have to do with a whiteout, one change at a time.
 *
 * In the upper a name is changed by one system call, and the kernel sees to it that two of them do not mix. But a
 * whiteout is a file to the kernel: of two unlinks that both saw the name, the second would put a whiteout over the
 * first one's, and both would have removed it; a rename would carry a whiteout away. So who replaces a whiteout, or a
 * name by one, takes the name's lock and looks once more.
 *
 * The locks are words in shared memory that hold their owner (owner.c), and when he took it. One whose owner has died
 * is taken from him, also while he is a zombie or if his number is another's by now. A living one is waited for, unless
 * he is stopped: that may be for ever. So may be he of whom nothing is known, and it is taken from him after a while.
 * What he does when he goes on must be no harm then: he gives up only what is his still, and the second step of a
 * rename looks at what it covers (rename.c).
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

static _Atomic uint64_t *lock_of(struct ur_shared *sh, const char *host) {
    uint32_t h = 2166136261u;
    for (; *host; host++)
        h = (h ^ (unsigned char)*host) * 16777619u;
    return &sh->names[(h ^ h >> 15) % UR_NAMES];
}

#define OWNER UINT64_C(0xffffffff)
#define TAKEN_SHIFT 32 /* in hundredths of a second since boot, as /proc tells when a thread began */

static uint32_t hundredths(void) {
    struct timespec now = {0};
    UR_SYS(SYS_clock_gettime, CLOCK_BOOTTIME, &now, 0, 0, 0, 0);
    return (uint32_t)(now.tv_sec * 100 + now.tv_nsec / 10000000);
}

/* What to unlock it with; 0: this thread has it already, in a call that a signal has interrupted. From who is stopped
   it is taken only if `from_stopped`; else this is 0, too. */
static uint64_t take(struct ur_shared *sh, _Atomic uint64_t *lock, uint32_t self, bool from_stopped) {
    enum { SPINS = 200, LOOKS = 20000, LONG = 200000, PATIENCE = 500 /* hundredths */ };
    const uint64_t mine = (uint64_t)hundredths() << TAKEN_SHIFT | self;
    for (unsigned tries = 0;; tries += tries < LONG) {
        uint64_t word = 0;
        if (atomic_compare_exchange_strong(lock, &word, mine))
            return mine;
        if ((word & OWNER) == self)
            return 0;
        if (tries < SPINS)
            continue;
        bool dead = tries % SPINS == 0 && ur_is_dead(word & OWNER);
        if (!dead && tries % LOOKS == 0) {
            uint32_t taken = (uint32_t)(word >> TAKEN_SHIFT);
            enum ur_fate fate = ur_fate_of(word & OWNER, taken);
            if (tries == LONG && fate == UR_FATE_STOPPED && !from_stopped)
                return 0;
            dead = fate == UR_FATE_DEAD || (tries == LONG && fate == UR_FATE_STOPPED) ||
                   (tries == LONG && fate == UR_FATE_UNKNOWN && hundredths() - taken > PATIENCE);
        }
        if (dead && atomic_compare_exchange_strong(lock, &word, mine)) {
            atomic_store(&sh->names_left, 1);
            return mine;
        }
        ur_let_others(tries == LONG ? INT32_MAX : SPINS);
    }
}

static void give(_Atomic uint64_t *lock, uint64_t mine) {
    atomic_compare_exchange_strong(lock, &mine, 0); /* it may have been taken meanwhile */
}

void ur_names_lock(const struct ur_union *u, const char *host, const char *other, struct ur_names_held *k) {
    k->lock[0] = k->lock[1] = NULL;
    if (!u->shared)
        return;
    _Atomic uint64_t *a = lock_of(u->shared, host), *b = other ? lock_of(u->shared, other) : a;
    uint32_t self = ur_self();
    _Atomic uint64_t *const order[2] = {a < b ? a : b, a < b ? b : a};
    for (int i = 0; i < (a == b ? 1 : 2); i++)
        if ((k->word[i] = take(u->shared, order[i], self, true)))
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
            give(k->lock[i], k->word[i]);
    k->lock[0] = k->lock[1] = NULL;
}

uint64_t ur_moving_lock(const struct ur_union *u) {
    uint32_t self = ur_self();
    uint64_t held = u->shared ? take(u->shared, &u->shared->moving, self, false) : 0;
    if (held)
        ur_moves_settle(u);
    return held;
}

void ur_moving_unlock(const struct ur_union *u, uint64_t held) {
    if (held)
        give(&u->shared->moving, held);
}

long ur_is_still(const char *host, const struct stat *st) {
    struct stat now;
    long ret = sys_lstat(host, &now);
    if (ret < 0)
        return ret == -ENOENT ? UR_AGAIN : ret;
    return now.st_ino == st->st_ino && (now.st_mode & S_IFMT) == (st->st_mode & S_IFMT) ? 0 : UR_AGAIN;
}
