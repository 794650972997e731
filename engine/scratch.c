/*
 * Working memory for a call. A thread may have a stack of 16 KiB and a call needs more than 70, so blocks come
 * from a static pool, taken and given back by one atomic operation: no lock, no malloc, safe in a signal handler
 * (which takes another block than the call it interrupted) and in a vfork child. When all are taken, a block
 * is mapped and unmapped for the one call. A block that a fork caught in the hands of another thread stays taken
 * in the child: a little less pool, nothing worse.
 */
#include "union.h"

#include <sys/mman.h>

enum { BLOCKS = 64 };

static struct ur_scratch pool[BLOCKS];
static _Atomic uint64_t taken;

struct ur_scratch *ur_scratch_get(void) {
    uint64_t seen = atomic_load_explicit(&taken, memory_order_relaxed);
    while (~seen) {
        int i = __builtin_ctzll(~seen);
        if (atomic_compare_exchange_weak_explicit(&taken, &seen, seen | UINT64_C(1) << i, memory_order_acquire,
                                                  memory_order_relaxed))
            return &pool[i];
    }
    long at = sys_mmap(NULL, sizeof(struct ur_scratch), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at < 0 && at > -4096 ? NULL : (struct ur_scratch *)at;
}

void ur_scratch_put(struct ur_scratch *s) {
    if (s >= pool && s < pool + BLOCKS)
        atomic_fetch_and_explicit(&taken, ~(UINT64_C(1) << (s - pool)), memory_order_release);
    else
        sys_munmap(s, sizeof *s);
}
