/*
 * Programs of the host that the kernel may be given as they are: what ur_exec_plan has found out once, and all
 * processes of the run share.
 *
 * A build starts the same few programs thousands of times, and each start is in a fresh child, which remembers nothing
 * and pays for every page that it touches. So a program is known by its path and by who it is (st_dev, st_ino,
 * st_ctime, st_size): where the kernel's own stat of the path comes to the very same file, all that the plan said still
 * holds. A file that was changed has another st_ctime, but for one that was changed just now: that is not kept, for it
 * may be changed once more within the same tick of the clock.
 *
 * What a process may not know better it must not be told wrong: the guard, which starts for others, does not ask here.
 */
#include "union.h"

#include <time.h>

enum { SETTLED = 2 /* seconds */ };

/* Where `path` is kept, and its length; NULL: nowhere. */
static struct ur_program *slot_of(const struct ur_caller *c, const char *path, long *len) {
    static const char proc[] = "/proc/"; /* where a path leads elsewhere for others */
    if (!ur_active(c) || !c->u->shared || c->pid)
        return NULL;
    *len = ur_length_within(c, path, UR_PROGRAM_PATH);
    if (*len <= 0 || *len == UR_PROGRAM_PATH || path[0] != '/')
        return NULL;
    size_t own = 0;
    while (proc[own] && path[own] == proc[own])
        own++;
    return proc[own] ? &c->u->shared->programs[ur_hash(path, (size_t)*len) % UR_PROGRAMS] : NULL;
}

static bool is_of(const struct ur_program *p, const char *path) {
    size_t n = 0;
    while (n < UR_PROGRAM_PATH && path[n] && p->path[n] == path[n])
        n++;
    return n < UR_PROGRAM_PATH && p->path[n] == path[n];
}

bool ur_exec_known(const struct ur_caller *c, const char *path, bool *audit) {
    long len;
    const struct ur_program *p = slot_of(c, path, &len);
    uint32_t sequence = p ? atomic_load_explicit(&p->sequence, memory_order_acquire) : 1;
    if (sequence % 2 || !is_of(p, path))
        return false;
    uint64_t dev = p->dev, ino = p->ino;
    int64_t ctime = p->ctime, ctime_ns = p->ctime_ns, size = p->size;
    *audit = p->audit;
    atomic_thread_fence(memory_order_acquire);
    struct stat st;
    return atomic_load_explicit(&p->sequence, memory_order_relaxed) == sequence &&
           sys_fstatat(AT_FDCWD, path, &st, 0) == 0 && st.st_dev == dev && st.st_ino == ino &&
           st.st_ctim.tv_sec == ctime && st.st_ctim.tv_nsec == ctime_ns && st.st_size == size;
}

void ur_program_keep(const struct ur_caller *c, const char *path, const struct stat *st, bool audit) {
    struct timespec now;
    long len;
    struct ur_program *p = slot_of(c, path, &len);
    if (!p || UR_SYS(SYS_clock_gettime, CLOCK_REALTIME, &now, 0, 0, 0, 0) < 0 ||
        st->st_ctim.tv_sec > now.tv_sec - SETTLED)
        return;
    uint32_t sequence = atomic_load_explicit(&p->sequence, memory_order_relaxed);
    if (sequence % 2 || !atomic_compare_exchange_strong(&p->sequence, &sequence, sequence + 1))
        return;
    atomic_thread_fence(memory_order_release);
    p->dev = st->st_dev;
    p->ino = st->st_ino;
    p->ctime = st->st_ctim.tv_sec;
    p->ctime_ns = st->st_ctim.tv_nsec;
    p->size = st->st_size;
    p->audit = audit;
    memcpy(p->path, path, (size_t)len + 1);
    atomic_store_explicit(&p->sequence, sequence + 2, memory_order_release);
}
