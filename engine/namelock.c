/*
 * Names that have to do with a whiteout, one change at a time.
 *
 * In the upper a name is changed by one system call, and the kernel sees to it that two of them do not mix. But a
 * whiteout is a file to the kernel: of two unlinks that both saw the name, the second would put a whiteout over the
 * first one's, and both would have removed it; a rename would carry a whiteout away. So who replaces a whiteout, or a
 * name by one, takes the name's lock and looks once more.
 *
 * The locks are words in shared memory that hold the owner's thread id, and when he took it. One whose owner has died
 * is taken from him, also while he is a zombie or if his number is another's by now. A living one is waited for, unless
 * he is stopped: that may be for ever. What he does when he goes on must be no harm then: he gives up only what is his
 * still, and the second step of a rename looks at what it covers (rename.c).
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

static uint64_t word_of(uint32_t owner) {
    struct timespec now = {0};
    UR_SYS(SYS_clock_gettime, CLOCK_BOOTTIME, &now, 0, 0, 0, 0);
    return (uint64_t)(uint32_t)(now.tv_sec * 100 + now.tv_nsec / 10000000) << TAKEN_SHIFT | owner;
}

enum fate { LIVES, STOPPED, UNKNOWN, DEAD };

/* What has become of the thread that left this word? */
static enum fate fate_of(uint64_t word) {
    enum { STATE = 1, BEGUN = 20 }; /* of stat's fields, counted from the name's end */
    char text[512], path[40], *end = path + sizeof path, *p = ur_put(path, end, "/proc/", 6);
    p = ur_put_number(p, end, word & OWNER, 10);
    ur_put(p, end, "/stat", 5);
    long fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
    long n = fd < 0 ? fd : UR_SYS(SYS_read, fd, text, sizeof text - 1, 0, 0, 0);
    if (fd >= 0)
        sys_close((int)fd);
    const char *at = NULL;
    for (long i = n; i > 0 && !at; i--)
        at = text[i - 1] == ')' ? text + i : NULL;
    if (at)
        text[n] = 0;
    if (!at || !at[0] || !at[STATE])
        return UNKNOWN;
    if (strchr("ZXx", at[STATE]))
        return DEAD;
    char state = at[STATE];
    for (int field = 0; field < BEGUN && *at; at++)
        field += *at == ' ';
    int32_t after = (int32_t)((uint32_t)ur_get_number(&at, 10) - (uint32_t)(word >> TAKEN_SHIFT));
    return after > 1 ? DEAD : state == 'T' || state == 't' ? STOPPED : LIVES;
}

/* What to unlock it with; 0: this thread has it already, in a call that a signal has interrupted. From who is stopped
   it is taken only if `from_stopped`; else this is 0, too. */
static uint64_t take(struct ur_shared *sh, _Atomic uint64_t *lock, uint32_t self, bool from_stopped) {
    enum { SPINS = 200, LOOKS = 20000, LONG = 200000 };
    const uint64_t mine = word_of(self);
    for (unsigned tries = 0;; tries += tries < LONG) {
        uint64_t word = 0;
        if (atomic_compare_exchange_strong(lock, &word, mine))
            return mine;
        if ((word & OWNER) == self)
            return 0;
        if (tries < SPINS)
            continue;
        bool dead = tries % SPINS == 0 && UR_SYS(SYS_kill, word & OWNER, 0, 0, 0, 0, 0) == -ESRCH;
        if (!dead && tries % LOOKS == 0) {
            enum fate fate = fate_of(word);
            if (tries == LONG && fate == STOPPED && !from_stopped)
                return 0;
            dead = fate == DEAD || (tries == LONG && fate != LIVES);
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
    uint32_t self = (uint32_t)UR_SYS(SYS_gettid, 0, 0, 0, 0, 0, 0);
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
    uint32_t self = (uint32_t)UR_SYS(SYS_gettid, 0, 0, 0, 0, 0, 0);
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
