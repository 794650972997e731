/*
 * What a descriptor number, or the cwd, was last found to be. Asking the kernel for it (an fstat) costs as much as the
 * call that follows, so each thread remembers the few that it asked for last: as long as nothing was done to them.
 *
 * Nothing is kept open, and nothing must be told to end it: it is dropped by whatever may give the number, or the cwd,
 * another meaning. That is what closes a number or opens a directory on it (the shim's hooks), a change of the
 * directory, and what the guard does of both for calls that no hook sees. Each adds 1 to a count; what was remembered
 * holds for the count at which it was. Not seen is who makes both by system calls of his own where no guard serves.
 *
 * A thread remembers for itself, so that neither a child of vfork, which runs in its parent's memory with descriptors
 * and a cwd of its own, nor a thread that has unshared them tells others what is only so with it. The child shares the
 * memory of the one thread that waits for it, too: so only who is the process itself notes anything.
 */
#include "shared.h"
#include "union.h"

#include <fcntl.h>

enum { NUMBERS = 256, RECENT = 4 };

/* Of the numbers that are the same modulo NUMBERS; the last is the cwd's. 0: nobody remembers anything of them. */
static _Atomic uint32_t changes[NUMBERS + 1];
/* Who may note anything. Each start of a program writes it: where it lies, others are written, too (shim/layout.ld). */
static __attribute__((section(".start"))) _Atomic pid_t process;

/* `busy`: a signal came in the middle of a note. */
static _Thread_local __attribute__((tls_model("initial-exec"))) struct {
    _Atomic bool busy;
    struct recent {
        _Atomic uint64_t whose; /* the count, then the number */
        _Atomic uint64_t what;
    } of[RECENT + 1];
} recent;

static _Atomic uint32_t *changes_of(int fd) {
    return &changes[fd == AT_FDCWD ? NUMBERS : (unsigned)fd % NUMBERS];
}

static struct recent *recent_of(int fd) {
    return &recent.of[fd == AT_FDCWD ? RECENT : (unsigned)fd % RECENT];
}

static uint64_t whose(const struct ur_union *u, int fd) {
    uint32_t count = atomic_load_explicit(changes_of(fd), memory_order_acquire) +
                     atomic_load_explicit(&u->shared->given, memory_order_acquire);
    return (uint64_t)count << 32 | (uint32_t)fd;
}

/* The audit object has no libc, and no threads of one. */
static inline bool is_kept(const struct ur_caller *c, int fd) {
    return __STDC_HOSTED__ && !c->pid && c->u->shared && (fd >= 0 || fd == AT_FDCWD) && ur_is_thread();
}

uint64_t ur_descriptor_recall(const struct ur_caller *c, int fd) {
    if (!is_kept(c, fd) || atomic_load_explicit(&recent.busy, memory_order_relaxed))
        return 0;
    const struct recent *r = recent_of(fd);
    uint64_t now = whose(c->u, fd);
    if (atomic_load_explicit(&r->whose, memory_order_relaxed) != now)
        return 0;
    uint64_t what = atomic_load_explicit(&r->what, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    return atomic_load_explicit(&r->whose, memory_order_relaxed) == now ? what : 0;
}

uint64_t ur_descriptor_begin(const struct ur_caller *c, int fd) {
    if (!is_kept(c, fd) || c->u->table->raw != UR_RAW_HIDE)
        return 0;
    uint32_t none = 0;
    atomic_compare_exchange_strong(changes_of(fd), &none, 1);
    return whose(c->u, fd);
}

void ur_descriptor_note(int fd, uint64_t begun, uint64_t what) {
    if (!__STDC_HOSTED__ || !begun || atomic_load_explicit(&recent.busy, memory_order_relaxed) ||
        sys_getpid() != atomic_load_explicit(&process, memory_order_relaxed))
        return;
    struct recent *r = recent_of(fd);
    atomic_store_explicit(&recent.busy, true, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&r->whose, begun, memory_order_relaxed);
    atomic_store_explicit(&r->what, what, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&recent.busy, false, memory_order_relaxed);
}

void ur_descriptor_changes(int fd) {
    _Atomic uint32_t *n = changes_of(fd);
    if (atomic_load_explicit(n, memory_order_relaxed))
        atomic_fetch_add(n, 1);
}

void ur_descriptors_change(unsigned from, unsigned to) {
    if (from > to)
        return;
    unsigned numbers = to - from < NUMBERS ? to - from + 1 : NUMBERS;
    for (unsigned i = 0; i < numbers; i++)
        ur_descriptor_changes((int)((from + i) % NUMBERS));
}

void ur_descriptor_given(const struct ur_union *u) {
    if (u->shared)
        atomic_fetch_add(&u->shared->given, 1);
}

void ur_process_begins(void) {
    atomic_store(&process, (pid_t)sys_getpid());
}

void ur_descriptors_shared(void) {
    atomic_store(&process, -1);
    ur_descriptor_changes(AT_FDCWD);
    ur_descriptors_change(0, NUMBERS - 1);
}
