/*
 * Programs that the kernel may be given as they are: what ur_exec_plan has found out once, and all processes of the run
 * share.
 *
 * A build starts the same few programs thousands of times, and each start is in a fresh child, which remembers nothing
 * and pays for every page that it touches. So a program is known by its path and by who it is (st_dev, st_ino,
 * st_ctime, st_size): where the kernel's own stat of the path comes to the very same file, all that the plan said still
 * holds. A file that was changed has another st_ctime, but for one that was changed just now: that is not kept, for it
 * may be changed once more within the same tick of the clock. Of a program in a union the index tells in which layer it
 * is, and it is the file there that must be the same.
 *
 * What a process may not know better it must not be told wrong: the guard, which starts for others, does not ask here.
 */
#include "index.h"
#include "union.h"

#include <time.h>

enum { SETTLED = 2 /* seconds */ };

static bool is_sharing(const struct ur_caller *c) {
    return ur_active(c) && c->u->shared && !c->pid;
}

/* Where `path` is kept, and its length; NULL: nowhere. It can be read. */
static struct ur_program *slot_of(const struct ur_caller *c, const char *path, size_t *len) {
    static const char proc[] = "/proc/"; /* where a path leads elsewhere for others */
    for (*len = 0; path[*len]; ++*len)
        if (*len == UR_PROGRAM_PATH - 1)
            return NULL;
    size_t own = 0;
    while (proc[own] && path[own] == proc[own])
        own++;
    return own && proc[own] ? &c->u->shared->programs[ur_hash(path, *len) % UR_PROGRAMS] : NULL;
}

static bool is_of(const struct ur_program *p, const char *path) {
    size_t n = 0;
    while (n < UR_PROGRAM_PATH && path[n] && p->path[n] == path[n])
        n++;
    return n < UR_PROGRAM_PATH && p->path[n] == path[n];
}

/* Where a program is that lies in a union; false: only a walk can tell. */
static __attribute__((noinline)) bool find_host(const struct ur_union *u, const char *path, size_t len, char *host) {
    struct ur_brief b;
    if (!u->index || !ur_brief_from(u, NULL, path, len, false, &b) || b.known.kind != UR_KNOWN_FILE ||
        !ur_brief_whole(u, &b))
        return false;
    for (size_t i = 0; i < UR_KNOWN_HOST; i++)
        if (!(host[i] = b.path[i]))
            return true;
    return false;
}

bool ur_exec_known(const struct ur_caller *c, const char *path, struct ur_known_program *k) {
    struct stat st;
    size_t len;
    if (!is_sharing(c))
        return false;
    /* Asked first: if it knows of no fault, the path can be read. To ask for that alone, and to remember it, would cost
       a child the page where it is remembered. */
    long ret = sys_fstatat(AT_FDCWD, path, &st, 0);
    if (ret == -EFAULT)
        return false;
    const struct ur_program *p = slot_of(c, path, &len);
    uint32_t sequence = p ? atomic_load_explicit(&p->sequence, memory_order_acquire) : 1;
    if (sequence % 2 || !is_of(p, path))
        return false;
    uint64_t dev = p->dev, ino = p->ino;
    int64_t ctime = p->ctime, ctime_ns = p->ctime_ns, size = p->size;
    bool in_union = p->in_union;
    k->audit = p->audit;
    k->host = in_union ? k->room : path;
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&p->sequence, memory_order_relaxed) != sequence)
        return false;
    if (in_union)
        ret = find_host(c->u, path, len, k->room) ? sys_fstatat(AT_FDCWD, k->room, &st, AT_SYMLINK_NOFOLLOW) : -ENOENT;
    return ret == 0 && st.st_dev == dev && st.st_ino == ino && st.st_ctim.tv_sec == ctime &&
           st.st_ctim.tv_nsec == ctime_ns && st.st_size == size;
}

void ur_program_keep(const struct ur_caller *c, const char *path, const struct stat *st, bool in_union, bool audit) {
    struct timespec now;
    size_t len;
    struct ur_program *p = is_sharing(c) ? slot_of(c, path, &len) : NULL;
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
    p->in_union = in_union;
    p->audit = audit;
    memcpy(p->path, path, len + 1);
    atomic_store_explicit(&p->sequence, sequence + 2, memory_order_release);
}
