/*
 * st_dev, st_ino and st_nlink: one filesystem's, whatever the layers lie on.
 *
 * A file keeps the st_ino of the lower that it came from: a copied-up file says so in its xattr user.unionrun.origin
 * ("INO SIZE TIME", or "INOl SIZE TIME" if the lower one has more names, see links.c; SIZE and TIME, that at which it
 * was last changed, tell whether it is still the file that was copied, and are left out for directories). What can hold
 * no user xattr (symlinks, FIFOs, sockets, devices; anything where there are none), or whose owner may not read it, has
 * a symlink work/origin/<its own st_ino> with the text "INO BIRTH SIZE TIME", BIRTH being the time the upper's inode
 * was born: a number used anew for another file is told by it. Directories all have st_nlink 1, as btrfs has it and
 * overlayfs for merged ones: "not counted". Layers on several devices: bits 56 to 62 tell the device. xino in
 * overlayfs.rst is the model.
 */
#include "union.h"

#include <linux/stat.h>

#define ORIGIN "user.unionrun.origin"

uint64_t ur_ino(const struct ur_table_mount *m, const struct ur_table_layer *l, uint64_t ino) {
    if (!(m->flags & UR_MOUNT_MIXED_DEV) || l->fs == 0)
        return ino;
    uint64_t high = ino >> 56;
    if (high || l->fs > 126) /* no room for the device: mixed in, unlikely to meet another */
        return (ino * UINT64_C(0x9e3779b97f4a7c15) + l->fs) >> 8 | UINT64_C(127) << 56;
    return ino | (uint64_t)l->fs << 56;
}

/* Is it known that origin/ is empty? */
static bool none(const struct ur_union *u) {
    return u->shared && !atomic_load(&u->shared->origins);
}

static uint64_t filter_hash(uint64_t dev, uint64_t ino) {
    uint64_t h = (ino ^ dev << 40) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static void filter_add(struct ur_files *filter, uint64_t dev, uint64_t ino) {
    uint64_t h = filter_hash(dev, ino);
    atomic_store(&filter->any, 1);
    for (int i = 0; i < 3; i++, h >>= 20)
        atomic_fetch_or(&filter->bits[h % UR_COVERED_BITS / 64], UINT64_C(1) << h % 64);
}

static bool filter_has(const struct ur_files *filter, uint64_t dev, uint64_t ino) {
    uint64_t h = filter_hash(dev, ino);
    if (!atomic_load_explicit(&filter->any, memory_order_relaxed))
        return false;
    for (int i = 0; i < 3; i++, h >>= 20)
        if (!(atomic_load_explicit(&filter->bits[h % UR_COVERED_BITS / 64], memory_order_relaxed) >> h % 64 & 1))
            return false;
    return true;
}

void ur_covered_add(const struct ur_union *u, uint64_t dev, uint64_t ino) {
    if (u->shared)
        filter_add(&u->shared->covered, dev, ino);
}

bool ur_covered_maybe(const struct ur_union *u, uint64_t dev, uint64_t ino) {
    return !u->shared || filter_has(&u->shared->covered, dev, ino);
}

bool ur_origin_given(const struct ur_union *u, const struct stat *st) {
    return u->shared && filter_has(&u->shared->originated, st->st_dev, st->st_ino);
}

bool ur_origin_maybe(const struct ur_union *u, const struct stat *st) {
    return !u->shared || atomic_load_explicit(&u->shared->reused, memory_order_relaxed) || ur_origin_given(u, st);
}

static bool holds_xattr(const struct stat *st) {
    return S_ISREG(st->st_mode) || S_ISDIR(st->st_mode);
}

/* When the inode of an upper file was born, as one number; 0: unknown. */
static uint64_t birth(int fd, const char *host) {
    struct statx x;
    long ret = fd >= 0 ? sys_statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &x)
                       : sys_statx(AT_FDCWD, host, AT_SYMLINK_NOFOLLOW, STATX_BTIME, &x);
    if (ret < 0 || !(x.stx_mask & STATX_BTIME))
        return 0;
    return (uint64_t)x.stx_btime.tv_sec * 1000000000u + x.stx_btime.tv_nsec;
}

static long origin_file(const struct ur_union *u, const struct ur_table_mount *m, const struct stat *st, char *out) {
    char name[24];
    ur_put_number(name, name + sizeof name, st->st_ino, 16);
    return ur_work_path(u, m, "/origin/", name, out);
}

enum { VALUE_MAX = 112 }; /* bytes of what is written of an origin */

static char *put_origin(char *p, const char *end, const struct ur_origin *origin) {
    p = ur_put_number(p, end, origin->ino, 10);
    return origin->linked ? ur_put(p, end, "l", 1) : p;
}

static char *put_state(char *p, const char *end, const struct ur_origin *origin) {
    if (!origin->recorded)
        return p;
    p = ur_put(p, end, " ", 1);
    p = ur_put_number(p, end, origin->size, 16);
    p = ur_put(p, end, " ", 1);
    return ur_put_number(p, end, origin->time, 16);
}

/* The record in origin/: of what can hold no xattr, or has one that cannot be read. */
static long write_record(const struct ur_union *u, const struct ur_table_mount *m, int fd, const char *host,
                         const struct stat *upper, const struct ur_origin *origin) {
    char value[VALUE_MAX], *end = value + sizeof value, *p = put_origin(value, end, origin);
    p = ur_put(p, end, " ", 1);
    p = ur_put_number(p, end, birth(fd, host), 10);
    put_state(p, end, origin);
    UR_SCRATCH(s);
    long ret = origin_file(u, m, upper, s->real[0]);
    if (ret < 0)
        return ret;
    sys_unlink(s->real[0]);
    if (u->shared)
        atomic_store(&u->shared->origins, 1);
    ret = sys_symlink(value, s->real[0]);
    return ret < 0 ? ret : ur_sync_work(u, m, "/origin");
}

uint64_t ur_origin_time(const struct stat *st) {
    return (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
}

long ur_origin_write(const struct ur_union *u, const struct ur_table_mount *m, int fd, const char *host,
                     const struct stat *upper, uint64_t ino, const struct stat *lower) {
    struct ur_origin origin = {.ino = ino, .linked = lower->st_nlink > 1, .recorded = true};
    origin.size = (uint64_t)lower->st_size;
    origin.time = ur_origin_time(lower);
    if (S_ISDIR(lower->st_mode))
        origin.linked = origin.recorded = false;
    struct stat now;
    long ret = fd >= 0 ? sys_fstat(fd, &now) : sys_lstat(host, &now);
    if (ret < 0)
        return ret;
    if (u->shared)
        filter_add(&u->shared->originated, now.st_dev, now.st_ino);
    if (!holds_xattr(upper) || !(m->caps & UR_CAP_XATTR))
        return write_record(u, m, fd, host, &now, &origin);
    char value[VALUE_MAX], *end = value + sizeof value;
    size_t n = (size_t)(put_state(put_origin(value, end, &origin), end, &origin) - value);
    return fd >= 0 ? sys_fsetxattr(fd, ORIGIN, value, n, 0) : ur_set_xattr(host, ORIGIN, value, n, 0);
}

void ur_origin_keep(const struct ur_union *u, const struct ur_table_mount *m, const char *host) {
    struct ur_origin origin;
    struct stat st;
    if (sys_lstat(host, &st) == 0 && holds_xattr(&st) && ur_origin_tell(u, m, -1, host, &st, &origin) == 0 &&
        origin.ino)
        write_record(u, m, -1, host, &st, &origin);
}

static void read_origin(const char **at, struct ur_origin *origin) {
    origin->ino = ur_get_number(at, 10);
    origin->linked = **at == 'l';
    *at += origin->linked;
}

static void read_state(const char *at, struct ur_origin *origin) {
    if (*at != ' ')
        return;
    at++;
    origin->size = ur_get_number(&at, 16);
    if (*at != ' ')
        return;
    at++;
    origin->time = ur_get_number(&at, 16);
    origin->recorded = true;
}

long ur_origin_tell(const struct ur_union *u, const struct ur_table_mount *m, int fd, const char *host,
                    const struct stat *st, struct ur_origin *origin) {
    char value[VALUE_MAX];
    const char *at = value;
    *origin = (struct ur_origin){0};
    if (!ur_origin_maybe(u, st))
        return 0;
    if (holds_xattr(st)) {
        long n = fd >= 0 ? sys_fgetxattr(fd, ORIGIN, value, sizeof value - 1)
                         : sys_lgetxattr(host, ORIGIN, value, sizeof value - 1);
        if (n == -EBADF && fd >= 0) { /* O_PATH */
            char proc[40], *p = ur_put(proc, proc + sizeof proc, "/proc/self/fd/", 14);
            ur_put_number(p, proc + sizeof proc, (uint64_t)fd, 10);
            n = UR_SYS(SYS_getxattr, proc, ORIGIN, value, sizeof value - 1, 0, 0);
        }
        if (n > 0) {
            value[n] = 0;
            read_origin(&at, origin);
            read_state(at, origin);
            return 0;
        }
        if (n != -EACCES && n != -EOPNOTSUPP)
            return n == 0 || n == -ENODATA || n == -ENOENT || n == -ERANGE ? 0 : n;
    }
    if (!m || none(u))
        return 0;
    UR_SCRATCH(s);
    long n = origin_file(u, m, st, s->real[0]);
    if (n == 0)
        n = sys_readlink(s->real[0], value, sizeof value - 1);
    if (n < 0) /* EACCES: root's record, and the caller is root no more */
        return n == -ENOENT || n == -EACCES || n == -EINVAL ? 0 : n;
    value[n] = 0;
    read_origin(&at, origin);
    at += *at == ' ';
    if (ur_get_number(&at, 10) == birth(fd, host))
        read_state(at, origin);
    else
        *origin = (struct ur_origin){0};
    return 0;
}

long ur_origin_read(const struct ur_union *u, const struct ur_table_mount *m, int fd, const char *host,
                    const struct stat *st, uint64_t *ino, bool *linked) {
    struct ur_origin origin;
    long ret = ur_origin_tell(u, m, fd, host, st, &origin);
    *ino = origin.ino;
    if (linked)
        *linked = origin.linked;
    return ret;
}

/* The last name of an upper file went. */
void ur_origin_drop(const struct ur_union *u, const struct ur_table_mount *m, const struct stat *st) {
    if (st->st_nlink > 1 + (nlink_t)S_ISDIR(st->st_mode) || none(u))
        return;
    struct ur_scratch *s = ur_scratch_get();
    if (s && origin_file(u, m, st, s->real[0]) == 0)
        sys_unlink(s->real[0]);
    if (s)
        ur_scratch_put(s);
}

long ur_identify(const struct ur_union *u, const struct ur_table_mount *m, const struct ur_table_layer *l,
                 enum ur_holder holder, const char *host, int fd, struct stat *st) {
    bool linked = false, in_upper = holder != UR_HOLDER_LOWER;
    uint64_t origin = 0;
    long ret = holder == UR_HOLDER_UPPER ? ur_origin_read(u, m, fd, host, st, &origin, &linked) : 0;
    if (ret < 0)
        return ret;
    uint64_t ino = origin ? origin : ur_ino(m, l, st->st_ino);
    if (S_ISDIR(st->st_mode))
        st->st_nlink = st->st_nlink > 0;
    else if (ur_has_upper(m) && (linked || (!in_upper && st->st_nlink > 1))) {
        long below = ur_links_count(u, m, ino);
        if (below < 0 && below != UR_UNCOUNTED)
            return below;
        if (below >= 0)
            st->st_nlink = (nlink_t)below + (linked ? st->st_nlink - 1 : 0);
    }
    st->st_ino = ino;
    st->st_dev = m->dev;
    return !origin;
}
