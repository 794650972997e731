/*
 * The gate page (engine/gate.h), mapped into this process before its first engine call; and left for good when the
 * program sets a filter of its own.
 *
 * Any thread, signal handler or forked child may come in between: so the page is made ready elsewhere and then moved to
 * its place, which is one step. Whoever comes at the same moment does the same; his page takes the place of the
 * other's, and nobody can tell them apart. Nobody waits, and nobody goes without.
 *
 * A program that sets a seccomp filter knows what it will call itself, not what the engine calls: a filter that allows
 * open, and kills for readlink, would kill at an open in a union. So where a guard serves the run the shim gives way:
 * every hook becomes the plain system call of its name, with the program's own path, from outside the gate, and the
 * guard answers what the filter lets through. That holds for the process, its forks and (UNIONRUN_FILTERED) the
 * programs that it starts. A call which another thread is in the middle of at that moment may fail with ENOENT.
 * Without a guard nobody would answer, and the shim goes on as before.
 */
#include "../engine/gate.h"
#include "shim.h"

#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>

static void *page(void) {
    return (void *)(uintptr_t)UR_GATE; // NOLINT(performance-no-int-to-ptr): that is where it is
}

/* Is what lies there the gate, made by the guard or by another copy of the shim? The kernel is asked whether it can be
   read: it copies a signal mask in before it looks at the first argument, which is no operation. */
static bool is_ours(void) {
    enum { NO_OPERATION = 99 };
    return UR_PLAIN(SYS_rt_sigprocmask, NO_OPERATION, page(), NULL, 8, 0, 0) == -EINVAL &&
           memcmp(page(), ur_gate_code, sizeof ur_gate_code) == 0;
}

static bool is_free(void) {
    unsigned char resident;
    return UR_PLAIN(SYS_mincore, page(), UR_GATE_SIZE, &resident, 0, 0, 0) == -ENOMEM;
}

static bool put(void) {
    char *aside = ur_pages_get(UR_GATE_SIZE);
    if (!aside)
        return false;
    memcpy(aside, ur_gate_code, sizeof ur_gate_code);
    __builtin___clear_cache(aside, aside + sizeof ur_gate_code);
    if (UR_PLAIN(SYS_mprotect, aside, UR_GATE_SIZE, PROT_READ | PROT_EXEC, 0, 0, 0) == 0 &&
        UR_PLAIN(SYS_mremap, aside, UR_GATE_SIZE, UR_GATE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, page(), 0) ==
            (long)UR_GATE)
        return true;
    ur_pages_put(aside, UR_GATE_SIZE);
    return false;
}

bool ur_gate_map(void) {
    enum { NOT_YET, MAPPED, IMPOSSIBLE, PATIENCE = 1000 };
    static _Atomic int state;
    int seen = atomic_load(&state);
    if (seen == NOT_YET && is_free())
        seen = put() ? MAPPED : IMPOSSIBLE;
    for (int i = 0; seen == NOT_YET && i < PATIENCE; i++) { /* the guard puts it there word by word (inject.c) */
        if (is_ours())
            seen = MAPPED;
        else
            UR_PLAIN(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
    }
    if (seen == NOT_YET)
        seen = IMPOSSIBLE;
    atomic_store(&state, seen);
    return seen == MAPPED;
}

void ur_gate_open(bool open) {
    atomic_store(&ur_gate, open ? page() : NULL);
}

/* --- a filter of the program's own -------------------------------------------------------------------------------- */

/* Makes the call that sets a filter. The shim gives way before it: another thread may be bound by the filter as soon
   as it is set (TSYNC). If it was not set, all is as before. */
static long giving_way(long nr, const long a[5], bool sets, unsigned long flags) {
    const struct ur_caller *was = UR_SELF;
    sets = sets && ur_guarded();
    if (sets) {
        ur_gate_open(false);
        ur_self_set(NULL);
    }
    long ret = UR_PLAIN(nr, a[0], a[1], a[2], a[3], a[4], 0);
    /* More than 0 is a listener, or else the thread that did not take part. */
    if (sets && (ret < 0 || (ret > 0 && !(flags & SECCOMP_FILTER_FLAG_NEW_LISTENER)))) {
        ur_self_set(was);
        ur_gate_open(true);
    }
    return ret;
}

long ur_seccomp(unsigned op, unsigned flags, const void *program) {
    bool sets = op == SECCOMP_SET_MODE_STRICT || (op == SECCOMP_SET_MODE_FILTER && program);
    return giving_way(SYS_seccomp, (const long[5]){op, flags, (long)program}, sets, flags);
}

long ur_prctl(int option, const long a[4]) {
    bool sets = option == PR_SET_SECCOMP && (a[0] == SECCOMP_MODE_STRICT || (a[0] == SECCOMP_MODE_FILTER && a[1]));
    return giving_way(SYS_prctl, (const long[5]){option, a[0], a[1], a[2], a[3]}, sets, 0);
}

/* From another root the engine's paths lead nowhere: who goes there gives way as well, and the guard lets him be.
   Without a guard nobody would see to what he changes. A directory of a union is refused, or is the root already. */
long ur_chroot(const char *path) {
    if (ur_in_session() && !ur_guarded())
        return -EPERM;
    bool leaves = !ur_in_session() || ur_is_native(UR_SELF, AT_FDCWD, path, 0) == 1;
    return giving_way(SYS_chroot, (const long[5]){(long)path}, leaves, 0);
}

/* All options take at most four more, each a register wide. */
UR_EXPORT int prctl(int option, ...) {
    long a[4];
    va_list args;
    va_start(args, option);
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    return (int)ur_edge(ur_prctl(option, a));
}
