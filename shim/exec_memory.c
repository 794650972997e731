/*
 * Memory for an exec hook, which needs some 30 KiB and may run where nobody can give it back.
 *
 * A child of vfork runs in its parent's memory. If its exec succeeds, nothing of ours runs there any more: what
 * was mapped stays in the parent for good, one block an exec. malloc is out of the question too (POSIX: exec is
 * async-signal-safe), and so is the stack (16 KiB). So blocks are held in slots, and a slot whose holder is
 * gone is taken over with its memory by the next one who needs it.
 *
 * A slot is one atomic word: the tid of its holder, and which thread's memory the holder runs in (`place`: the address
 * of errno, which a vfork child has in common with the thread that made it). Who finds a slot taken asks:
 *   - by my own tid: a signal handler interrupted a hook of mine. Not free.
 *   - in my own place, by another tid: a thread and its vfork child never run at once, so that was a child of
 *     mine, which has left this memory, and the slot is free; unless I am the child and the tid is my
 *     parent's thread, which waits for me in the middle of a hook (a signal handler there did the vfork).
 *   - in another place: free if no such thread exists in the system. While a child that has long since
 *     exec'ed runs on, its slot stays taken; the thread that made it takes it over, nobody else.
 * If no slot is free, the memory is mapped for this one exec, and a vfork child's success loses it to the parent.
 */
#include "exec_memory.h"

#include <signal.h>

enum { SLOTS = 64, KEEP = 256 << 10, TID_BITS = 22 /* PID_MAX_LIMIT */ };

static struct slot {
    _Atomic uint64_t holder; /* place << 22 | tid; 0: free */
    void *at;
    size_t size;
} slots[SLOTS];

static uint64_t my_place(void) {
    return (uint64_t)(uintptr_t)&errno >> 6; /* threads' own areas are further apart than that */
}

static bool left_behind(uint64_t holder, uint64_t place) {
    pid_t tid = (pid_t)(holder & ((1U << TID_BITS) - 1));
    if (tid == sys_gettid())
        return false;
    if (holder >> TID_BITS == (place & (UINT64_MAX >> TID_BITS))) {
        long parent = UR_SYS(SYS_getppid, 0, 0, 0, 0, 0, 0);
        return UR_SYS(SYS_tgkill, parent, tid, 0, 0, 0, 0) == -ESRCH;
    }
    return UR_SYS(SYS_kill, tid, 0, 0, 0, 0, 0) == -ESRCH;
}

void *ur_exec_memory_get(size_t size, int *held) {
    *held = -1;
    if (ur_filtered()) /* its own filter may not let it ask who is who */
        return ur_pages_get((size + 4095) & ~(size_t)4095);
    uint64_t place = my_place(), me = place << TID_BITS | (uint64_t)sys_gettid();
    size = (size + 4095) & ~(size_t)4095;
    for (int i = 0; i < SLOTS; i++) {
        struct slot *s = &slots[i];
        uint64_t seen = atomic_load_explicit(&s->holder, memory_order_relaxed);
        if (seen && !left_behind(seen, place))
            continue;
        if (!atomic_compare_exchange_strong_explicit(&s->holder, &seen, me, memory_order_acquire, memory_order_relaxed))
            continue;
        if (s->size < size) {
            ur_pages_put(s->at, s->size);
            s->at = ur_pages_get(size);
            s->size = s->at ? size : 0;
        }
        if (!s->at) {
            atomic_store_explicit(&s->holder, 0, memory_order_release);
            return NULL;
        }
        *held = i;
        return s->at;
    }
    return ur_pages_get(size);
}

void ur_exec_memory_put(void *at, size_t size, int held) {
    if (held < 0) {
        ur_pages_put(at, (size + 4095) & ~(size_t)4095);
        return;
    }
    struct slot *s = &slots[held];
    if (s->size > KEEP) {
        ur_pages_put(s->at, s->size);
        s->at = NULL;
        s->size = 0;
    }
    atomic_store_explicit(&s->holder, 0, memory_order_release);
}
