/*
 * A futex lock of four bytes: 0 free, 1 held, 2 held and somebody sleeps. For directory streams and the few lists
 * that the shim keeps, where libc locks too. Never taken on the way to a mere system call, and not in calls that
 * POSIX wants async-signal-safe.
 */
#include "shim.h"

#include <linux/futex.h>

void ur_lock(_Atomic int *l) {
    int seen = 0;
    if (atomic_compare_exchange_strong_explicit(l, &seen, 1, memory_order_acquire, memory_order_relaxed))
        return;
    while (atomic_exchange_explicit(l, 2, memory_order_acquire) != 0)
        UR_SYS(SYS_futex, l, FUTEX_WAIT_PRIVATE, 2, 0, 0, 0);
}

void ur_unlock(_Atomic int *l) {
    if (atomic_exchange_explicit(l, 0, memory_order_release) == 2)
        UR_SYS(SYS_futex, l, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}
