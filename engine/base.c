/*
 * Where a relative path begins: the union path of a directory descriptor or of the cwd.
 *
 * The kernel knows it (getcwd, /proc/self/fd/N), and asking costs more than the stat that follows. So this process
 * remembers which union path the directory with a given st_dev and st_ino has. That holds as long as no directory of
 * the union was moved, removed or copied up: the run's generation, as in dcache.c. Directories of
 * the host are not remembered: others may move them. Slots are written under a sequence count.
 */
#include "union.h"

enum { SLOTS = 256, PATH_BYTES = UR_BASE_MAX };

struct slot {
    _Atomic uint32_t sequence; /* odd while it is written */
    uint16_t len, layer;
    uint64_t generation, dev, ino;
    const struct ur_table_mount *mount; /* struct ur_layer_at */
    bool plain;
    char path[PATH_BYTES];
};

static struct slot slots[SLOTS];

static struct slot *slot_of(const struct stat *st) {
    return &slots[(st->st_ino ^ st->st_ino >> 8 ^ st->st_dev) % SLOTS];
}

/* What a slot says, as it is at `sequence`; -ENOENT: not now, or no longer. */
static long read_slot(const struct ur_union *u, const struct slot *s, uint32_t sequence, char *out,
                      struct ur_layer_at *at) {
    if (s->len >= PATH_BYTES || s->generation != atomic_load(&u->shared->generation) + 1)
        return -ENOENT;
    size_t len = s->len;
    *at = (struct ur_layer_at){s->mount, s->layer, s->plain};
    memcpy(out, s->path, len);
    out[len] = 0;
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&s->sequence, memory_order_relaxed) == sequence ? (long)len : -ENOENT;
}

/* *place: which slot it was, and when. */
static long recall(const struct ur_union *u, const struct stat *st, char *out, struct ur_layer_at *at,
                   uint64_t *place) {
    const struct slot *s = slot_of(st);
    uint32_t sequence = atomic_load_explicit(&s->sequence, memory_order_acquire);
    if (sequence % 2 || s->ino != st->st_ino || s->dev != st->st_dev)
        return -ENOENT;
    *place = (uint64_t)(s - slots) << 32 | sequence;
    return read_slot(u, s, sequence, out, at);
}

/* The same without the stat, of a place that was noted. */
static long recall_place(const struct ur_union *u, uint64_t place, char *out, struct ur_layer_at *at) {
    const struct slot *s = &slots[place >> 32];
    uint32_t sequence = (uint32_t)place;
    if (!place || atomic_load_explicit(&s->sequence, memory_order_acquire) != sequence)
        return -ENOENT;
    return read_slot(u, s, sequence, out, at);
}

static void keep(const struct ur_union *u, const struct stat *st, const char *path, size_t len, struct ur_layer_at at,
                 uint64_t generation) {
    struct slot *s = slot_of(st);
    uint32_t sequence = atomic_load_explicit(&s->sequence, memory_order_relaxed);
    if (!generation || len >= PATH_BYTES || !at.mount || !ur_mount_of(u, path, len) ||
        ur_dcache_begin(u) != generation || sequence % 2 ||
        !atomic_compare_exchange_strong(&s->sequence, &sequence, sequence + 1))
        return;
    atomic_thread_fence(memory_order_release);
    s->generation = generation;
    s->dev = st->st_dev;
    s->ino = st->st_ino;
    s->len = (uint16_t)len;
    s->layer = (uint16_t)at.layer;
    s->mount = at.mount;
    s->plain = at.plain;
    memcpy(s->path, path, len);
    atomic_store_explicit(&s->sequence, sequence + 2, memory_order_release);
}

/* Is the host directory that the kernel named still one of those that the union has at `path`? Beneath one that must
   not be searched nobody can tell, and it is taken to be. */
static long still_there(const struct ur_caller *c, const char *host, const char *path, size_t len) {
    const struct ur_table_mount *m;
    unsigned layer;
    size_t rel;
    if (!ur_layer_of(c->u, host, strlen(host), &m, &layer, &rel) || (layer == 0 && ur_has_upper(m)))
        return 0;
    UR_SCRATCH(s);
    long ret = ur_dir_load(c->u, &s->dir[0], path, len);
    if (ret < 0)
        return ur_is_fault(ret) ? ret : ret == -EACCES ? 0 : -ENOENT;
    for (unsigned i = 0; i < s->dir[0].spots; i++)
        if (s->dir[0].spot[i].layer == layer &&
            ur_spot_path(c->u, &s->dir[0], s->dir[0].spot[i], NULL, s->real[0]) == 0 && strcmp(s->real[0], host) == 0)
            return 0;
    return -ENOENT;
}

/* Where the host has a directory, whose union path is `path`. */
static struct ur_layer_at layer_at(const struct ur_union *u, const char *host, const char *path) {
    struct ur_layer_at at = {0};
    size_t rel;
    if (!ur_layer_of(u, host, strlen(host), &at.mount, &at.layer, &rel))
        return (struct ur_layer_at){0};
    size_t target = at.mount->target.len > 1 ? at.mount->target.len : 0;
    at.plain = ur_path_below(path, strlen(path), ur_table_text(u->table, at.mount->target), at.mount->target.len) &&
               strcmp(host + rel, path + target) == 0;
    return at;
}

static long ask_kernel(const struct ur_caller *c, int dirfd, char *out, enum ur_dead_dir *dead,
                       struct ur_layer_at *at) {
    static const char deleted[] = " (deleted)";
    UR_SCRATCH(s);
    char *host = s->rest[0], link[64];
    bool gone = false;
    long n;
    if (dirfd == AT_FDCWD) {
        n = c->pid ? -ENOENT : sys_getcwd(host, UR_PATH_MAX) - 1;
        if (n < 0) { /* it was removed, then /proc still tells where it was */
            ur_proc_path(c, "/cwd", -1, link, sizeof link);
            n = sys_readlink(link, host, UR_PATH_MAX);
        }
    } else
        n = dirfd < 0 ? -EBADF : ur_fd_host_path(c, dirfd, host);
    if (n < 0)
        return n;
    struct stat of;
    if (dirfd != AT_FDCWD && c->pid && ur_proc_path(c, "/fd/", dirfd, link, sizeof link) &&
        sys_fstatat(AT_FDCWD, link, &of, 0) == 0 && !S_ISDIR(of.st_mode))
        return -ENOTDIR;
    if (n >= UR_PATH_MAX)
        return -ENAMETOOLONG;
    host[n] = 0;
    if (host[0] != '/')
        return dirfd == AT_FDCWD ? -ENOENT : -ENOTDIR;
    size_t tail = sizeof deleted - 1;
    struct stat st;
    if ((size_t)n > tail && memcmp(host + n - tail, deleted, tail) == 0 && sys_lstat(host, &st) < 0) {
        host[n - (long)tail] = 0;
        gone = true;
    }
    long len = ur_union_path(c, host, out);
    if (len < 0)
        return len;
    *at = layer_at(c->u, host, out);
    long ret = gone ? -ENOENT : still_there(c, host, out, (size_t)len);
    if (dead && ret == -ENOENT) {
        *dead = gone ? UR_DEAD_UPPER : UR_DEAD_LOWER;
        return len;
    }
    return ret < 0 ? ret : len;
}

/* Of a directory that was opened by a layer's own path. */
static long raw_path(const struct ur_caller *c, int dirfd, char *out) {
    struct stat st;
    long n = ur_fd_host_path(c, dirfd, out);
    long ret = n < 0 ? n : sys_lstat(out, &st);
    if (ret < 0)
        return ret;
    return S_ISDIR(st.st_mode) ? n : -ENOTDIR;
}

static long ask_and_keep(const struct ur_caller *c, int dirfd, const struct stat *st, char *out, enum ur_dead_dir *dead,
                         struct ur_layer_at *at) {
    enum ur_dead_dir is_dead = UR_ALIVE;
    uint64_t generation = ur_dcache_begin(c->u);
    long len = ask_kernel(c, dirfd, out, &is_dead, at);
    if (len > 0 && !is_dead)
        keep(c->u, st, out, (size_t)len, *at, generation);
    if (is_dead && !dead)
        return -ENOENT;
    if (dead)
        *dead = is_dead;
    return len;
}

long ur_base_at(const struct ur_caller *c, int dirfd, const struct stat *st, char *out, enum ur_dead_dir *dead,
                struct ur_layer_at *at) {
    uint64_t place;
    long len = recall(c->u, st, out, at, &place);
    return len > 0 ? len : ask_and_keep(c, dirfd, st, out, dead, at);
}

/* Since Linux 6.11 the empty path need not be there to be read, which is a tenth cheaper. */
static long stat_cwd(struct stat *st) {
    static _Atomic bool older;
    long ret = -EFAULT;
    if (!atomic_load_explicit(&older, memory_order_relaxed))
        ret = sys_fstatat(AT_FDCWD, NULL, st, AT_EMPTY_PATH);
    if (ret != -EFAULT)
        return ret;
    atomic_store_explicit(&older, true, memory_order_relaxed);
    return sys_fstatat(AT_FDCWD, "", st, AT_EMPTY_PATH);
}

/* The raw stat of a directory descriptor or the cwd. False: it must be asked in another way. */
static bool stat_base(const struct ur_caller *c, int dirfd, struct stat *st) {
    if (c->pid || !c->u->shared || (dirfd != AT_FDCWD && (dirfd < 0 || ur_fd_is_raw(c, dirfd))))
        return false;
    long ret = dirfd == AT_FDCWD ? stat_cwd(st) : sys_fstat(dirfd, st);
    return ret == 0 && S_ISDIR(st->st_mode);
}

long ur_base_recall(const struct ur_caller *c, int dirfd, struct stat *st, bool *asked, char *out,
                    struct ur_layer_at *at) {
    uint64_t place = ur_descriptor_recall(c, dirfd);
    *asked = false;
    long len = recall_place(c->u, place, out, at);
    if (len > 0)
        return len;
    uint64_t begun = ur_descriptor_begin(c, dirfd);
    *asked = stat_base(c, dirfd, st);
    len = *asked ? recall(c->u, st, out, at, &place) : -ENOENT;
    if (len > 0)
        ur_descriptor_note(dirfd, begun, place);
    return len;
}

long ur_base_find(const struct ur_caller *c, int dirfd, char *out, enum ur_dead_dir *dead, struct ur_layer_at *at) {
    struct stat st;
    bool asked;
    *at = (struct ur_layer_at){0};
    if (dirfd != AT_FDCWD && ur_fd_is_raw(c, dirfd))
        return raw_path(c, dirfd, out);
    long len = ur_base_recall(c, dirfd, &st, &asked, out, at);
    if (len > 0)
        return len;
    if (asked)
        return ask_and_keep(c, dirfd, &st, out, dead, at);
    struct ur_layer_at others;
    return ask_kernel(c, dirfd, out, dead, &others);
}

void ur_base_note(const struct ur_caller *c, int fd, const char *path, size_t len, struct ur_layer_at at,
                  uint64_t generation) {
    struct stat st;
    if (!c->pid && c->u->shared && generation && sys_fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        keep(c->u, &st, path, len, at, generation);
}

long ur_base_path(const struct ur_caller *c, int dirfd, char *out, enum ur_dead_dir *dead) {
    struct ur_layer_at at;
    return ur_base_find(c, dirfd, out, dead, &at);
}

long ur_base_known(const struct ur_union *u, const struct stat *st, char *out, struct ur_layer_at *at) {
    uint64_t place;
    return u->shared ? recall(u, st, out, at, &place) : -ENOENT;
}
