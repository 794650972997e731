/*
 * Files of which a layer has the metadata alone: overlayfs.rst, "Metadata only copy up".
 *
 * Where only metadata of a lower's file change, or its name, the copy in the upper is a file of that length in which
 * there is nothing, marked overlay.metacopy, and overlay.redirect says at which path the layers below have the data.
 * The mark is the truth: while it is there nobody reads or executes the file itself, but the data where they are, and
 * before anybody opens it to write, it is filled in place (or emptied, if that is what was asked) and the mark goes. So
 * a kill at any point leaves it as it was. The times that filling changes stand in an xattr meanwhile.
 *
 * The kernel checks who may read and execute the lower's file by the lower's owner and mode, not by those that the
 * union shows. So data stay where they are only if whoever may read or execute the copy may do so with the lower's
 * file, and whoever may write to the copy may set its times (ur_data_may_stay); in every other case they are copied.
 *
 * To know that a file has its data must cost nothing: a layer that holds others says so at its root, where a run reads
 * it once, and in an upper that was empty only what was given an origin in this run is asked.
 */
#include "union.h"

#include <sys/file.h>

#define TIMES "user.unionrun.times" /* "ATIME NS MTIME NS" of a file that is being filled */

void ur_may_lack_data_now(const struct ur_union *u, const struct ur_table_mount *m, unsigned layer) {
    unsigned n = ur_metacopies_bit(m, layer);
    if (u->shared && !ur_may_lack_data(u, m, layer)) {
        atomic_fetch_or(&u->shared->metacopies[n / 64], UINT64_C(1) << n % 64);
        atomic_store(&u->shared->metacopies_any, 1);
    }
}

/* A file at a host path of a layer that may hold such ones. 1, 0 or -errno. */
static long is_marked(const struct ur_union *u, const struct ur_table_mount *m, unsigned layer, const char *host,
                      const struct stat *st) {
    bool upper = layer == 0 && ur_has_upper(m);
    if (!S_ISREG(st->st_mode) || !ur_may_lack_data(u, m, layer) || (upper && !ur_origin_maybe(u, st)))
        return 0;
    return ur_has_metacopy(-1, host);
}

/* One that is empty has all its data: somebody was killed when he had emptied it. */
static long lacks(const struct ur_union *u, const struct ur_table_mount *m, unsigned layer, const char *host,
                  const struct stat *st) {
    return st->st_size ? is_marked(u, m, layer, host, st) : 0;
}

/* From a file that lacks its data to the next below that may have them: `at` is its directory and `last` (UR_PATH_MAX
   bytes) its name, and then those of the other. */
static long go_below(const struct ur_union *u, const struct ur_table_mount *m, struct ur_dir *at, char *last,
                     struct ur_data *data, char *text) {
    unsigned below = data->layer + 1;
    struct ur_entry e;
    long ret = ur_redirect_of(data->host, text);
    if (ret > 0) {
        const char *name = text;
        for (const char *slash = text; *text == '/' && *slash; slash++)
            if (*slash == '/')
                name = slash + 1;
        ur_put(last, last + UR_PATH_MAX, name, strlen(name));
        ret = *text == '/' ? ur_dir_below(u, at, m, below, text, (size_t)(name - 1 - text)) : 0;
    }
    if (ret == 0 && (!*last || ur_is_dot(last) || strchr(last, '/') || strlen(last) > UR_NAME_MAX))
        ret = -ENOENT;
    if (ret == 0)
        ret = ur_lookup_from(u, at, last, below, &e);
    if (ret == -ENOENT || (ret == 0 && (e.kind != UR_FILE || !S_ISREG(e.st.st_mode))))
        return -EIO; /* as overlayfs has it */
    if (ret < 0)
        return ret;
    data->layer = e.spot.layer;
    data->st = e.st;
    return ur_spot_path(u, at, e.spot, last, data->host);
}

long ur_data_find(const struct ur_union *u, const struct ur_dir *d, const char *name, const struct ur_entry *e,
                  struct ur_data *data) {
    const struct ur_table_mount *m = d->mount;
    if (!m || e->kind != UR_FILE || e->linked || e->plain || !S_ISREG(e->st.st_mode) ||
        !ur_may_lack_data(u, m, e->spot.layer))
        return 0;
    data->layer = e->spot.layer;
    data->st = e->st;
    long ret = ur_entry_path(u, d, name, e, data->host);
    if (ret == 0 && e->recalled)
        ret = sys_lstat(data->host, &data->st);
    if (ret == 0)
        ret = lacks(u, m, data->layer, data->host, &data->st);
    if (ret <= 0)
        return ret;
    UR_SCRATCH(s);
    ur_put(s->rest[0], s->rest[0] + UR_PATH_MAX, name, strlen(name));
    ret = ur_dir_load(u, &s->dir[0], d->path, d->len);
    while (ret >= 0) {
        ret = go_below(u, m, &s->dir[0], s->rest[0], data, s->text);
        if (ret == 0)
            ret = lacks(u, m, data->layer, data->host, &data->st);
        if (ret == 0)
            return 1;
    }
    return ret;
}

bool ur_redirect_to(const struct ur_dir *d, const char *name, char *text, size_t size) {
    const struct ur_rel *rel = &d->rel[d->lower_rel];
    char *end = text + size, *p = ur_put(text, end, d->rel_text + rel->at, rel->len);
    p = ur_put(p, end, d->path + rel->cut, d->len - rel->cut);
    p = ur_put(p, end, "/", p && p > text && p[-1] == '/' ? 0 : 1); /* the target "/" */
    return ur_put(p, end, name, strlen(name));
}

void ur_data_known(const struct ur_union *u, const struct ur_dir *d, const char *name, const struct ur_data *data) {
    if (!ur_covered_maybe(u, data->st.st_dev, data->st.st_ino))
        ur_covered_add(u, data->st.st_dev, data->st.st_ino);
    struct ur_scratch *s = ur_scratch_get();
    if (!s)
        return;
    size_t root = ur_layer(u, d->mount, data->layer)->root.len, target = d->mount->target.len;
    const char *rel = data->host + (root > 1 ? root : 0);
    char *end = s->text + UR_PATH_MAX, *p = ur_put(s->text, end, d->path, d->len);
    if (d->len > 1)
        p = ur_put(p, end, "/", 1);
    p = ur_put(p, end, name, strlen(name));
    const char *at = s->text + (target > 1 ? target : 0);
    if (p && strcmp(rel, at) != 0)
        ur_moves_found(u, d->mount, data->layer, rel, strlen(rel), at, strlen(at));
    ur_scratch_put(s);
}

/* 1, 0: there are none, or -errno. */
static long read_times(int fd, const char *host, struct timespec ts[2]) {
    char value[100];
    long n = fd >= 0 ? sys_fgetxattr(fd, TIMES, value, sizeof value - 1)
                     : sys_lgetxattr(host, TIMES, value, sizeof value - 1);
    if (n <= 0)
        return n == -ENODATA || n == -EOPNOTSUPP ? 0 : n;
    value[n] = 0;
    const char *at = value;
    for (int i = 0; i < 2; i++) {
        ts[i].tv_sec = (time_t)ur_get_number(&at, 16);
        at += *at == ' ';
        ts[i].tv_nsec = (long)ur_get_number(&at, 16);
        at += *at == ' ';
    }
    return 1;
}

static long write_times(int fd, const char *host, const struct stat *st, int flags) {
    const struct timespec *ts[2] = {&st->st_atim, &st->st_mtim};
    char value[100], *end = value + sizeof value, *p = value;
    for (int i = 0; i < 2; i++) {
        p = ur_put_number(p, end, (uint64_t)ts[i]->tv_sec, 16);
        p = ur_put(p, end, " ", 1);
        p = ur_put_number(p, end, (uint64_t)ts[i]->tv_nsec, 16);
        p = ur_put(p, end, " ", 1);
    }
    size_t n = (size_t)(p - value);
    return fd >= 0 ? sys_fsetxattr(fd, TIMES, value, n, flags) : ur_set_xattr(host, TIMES, value, n, flags);
}

/* Somebody may be filling it, or was killed when he did: then it is those times that count. */
void ur_data_times_set(const char *host) {
    struct stat st;
    if (sys_lgetxattr(host, TIMES, NULL, 0) >= 0 && sys_lstat(host, &st) == 0)
        write_times(-1, host, &st, 2 /* XATTR_REPLACE */);
}

void ur_data_tell(const struct ur_data *data, const char *host, struct stat *st) {
    struct timespec ts[2];
    st->st_blocks = data->st.st_blocks;
    if (read_times(-1, host, ts) > 0) {
        st->st_atim = ts[0];
        st->st_mtim = ts[1];
    }
}

long ur_is_data_of(const struct ur_caller *c, const char *path, const struct stat *raw) {
    if (!S_ISREG(raw->st_mode))
        return 0;
    UR_SCRATCH(s);
    UR_SCRATCH(t);
    struct ur_data data = {.host = t->text};
    long ret = ur_walk(c, AT_FDCWD, path, UR_WALK_NOFOLLOW, s, 0);
    if (ret < 0 || s->node[0].where != UR_AT_UNION || s->node[0].self)
        return 0;
    ret = ur_data_find(c->u, &s->dir[0], s->node[0].name, &s->node[0].entry, &data);
    return ret <= 0 ? ret : data.st.st_dev == raw->st_dev && data.st.st_ino == raw->st_ino;
}

static bool has_xattr(const char *host, const char *name) {
    return sys_lgetxattr(host, name, NULL, 0) >= 0;
}

/* In root's run: for whoever in it may come. Only root's own files, which root alone fills. */
static bool may_stay_for_all(const struct ur_dir *d, const struct ur_data *data, const struct stat *after,
                             bool making) {
    mode_t was = data->st.st_mode, now = after->st_mode;
    bool same = data->st.st_gid == after->st_gid && !(now & 0444 & ~was);
    return sys_geteuid() == 0 && after->st_uid == 0 && data->st.st_uid == 0 && !(now & 022) &&
           ((was & 0444) == 0444 || same) && (!(now & 0111) || (was & 0111) == 0111 || same) &&
           !has_xattr(data->host, "system.posix_acl_access") && (d->open || !making) &&
           (!(now & 0111) || ur_may_access(data->host, X_OK) == 0); /* noexec */
}

bool ur_data_may_stay(const struct ur_union *u, const struct ur_dir *d, const struct ur_data *data,
                      const struct stat *after, bool making) {
    mode_t was = data->st.st_mode, now = after->st_mode;
    if ((was | now) & (S_ISUID | S_ISGID) || now & 0111 & ~was || has_xattr(data->host, "security.capability"))
        return false;
    if (!u->owner)
        return u->table->uid == 0 && may_stay_for_all(d, data, after, making);
    return (now & 0600) == 0600 && ur_may_access(data->host, now & 0111 ? R_OK | X_OK : R_OK) == 0;
}

/* Nobody else fills it from then on. 1; 0: it has its data. */
static long lock(int fd) {
    for (;;) {
        long ret = ur_has_metacopy(fd, NULL);
        if (ret <= 0)
            return ret;
        ret = sys_flock(fd, LOCK_EX | LOCK_NB);
        if (ret == 0)
            return ur_has_metacopy(fd, NULL);
        if (ret != -EWOULDBLOCK && ret != -EINTR)
            return ret;
        static const struct timespec pause = {0, 1000000};
        UR_SYS(SYS_nanosleep, &pause, NULL, 0, 0, 0, 0);
    }
}

/* If the mark cannot be taken away, it lacks its data as before. */
static long make_empty(int to, const struct stat *st) {
    const struct timespec ts[2] = {st->st_atim, st->st_mtim};
    long ret = sys_ftruncate(to, 0);
    if (ret == 0)
        ret = ur_unmark_metacopy(to);
    if (ret < 0 && sys_ftruncate(to, st->st_size) == 0)
        sys_utimensat(to, NULL, ts, 0);
    return ret;
}

/* What was copied in vain takes no room. */
static void empty(int to, off_t size) {
    UR_SYS(SYS_fallocate, to, 1 | 2 /* FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE */, 0, size, 0, 0);
}

/* Its data are on disk before the mark goes. */
static long fill(const struct ur_union *u, const struct ur_dir *d, const char *name, const struct ur_data *data,
                 int to) {
    struct stat st;
    struct timespec ts[2];
    long ret = sys_fstat(to, &st);
    if (ret == 0)
        ret = read_times(to, NULL, ts);
    if (ret == 0)
        ret = write_times(to, NULL, &st, 0);
    long from = ret < 0 ? ret : sys_open(data->host, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
    if (from < 0)
        return from;
    long room = ur_quota_take(u, ur_quota_blocks(st.st_size));
    if (room < 0) {
        sys_close((int)from);
        return room;
    }
    struct ur_copying *copying = ur_copying_begin(u, d, name, st.st_size);
    long cloned = ur_copyup_data(d->mount->caps, (int)from, to, st.st_size, copying);
    sys_close((int)from);
    if (cloned >= 0)
        ur_count_data(u, cloned, st.st_size);
    ret = cloned < 0 ? cloned : read_times(to, NULL, ts);
    if (ret >= 0)
        ret = ret ? sys_utimensat(to, NULL, ts, 0) : -EIO;
    if (ret == 0)
        ret = ur_sync_copy(u, to, cloned == 0);
    ur_copying_end(copying);
    if (ret == 0)
        ret = ur_unmark_metacopy(to);
    if (ret < 0) {
        empty(to, st.st_size);
        ur_quota_give(u, ur_quota_blocks(st.st_size));
    }
    return ret;
}

long ur_data_fill(const struct ur_union *u, const struct ur_dir *d, const char *name, const struct ur_entry *e,
                  bool emptied) {
    if (!d->mount || !e->in_upper || !ur_may_lack_data(u, d->mount, 0))
        return 0;
    UR_SCRATCH(s);
    UR_SCRATCH(t);
    struct stat st;
    struct ur_data data = {.host = t->text};
    long ret = ur_entry_path(u, d, name, e, s->text);
    if (ret == 0)
        ret = sys_lstat(s->text, &st);
    if (ret == 0)
        ret = is_marked(u, d->mount, 0, s->text, &st);
    if (ret > 0 && st.st_size && !emptied)
        ret = ur_data_find(u, d, name, e, &data);
    if (ret <= 0)
        return ur_is_gone(ret) ? UR_AGAIN : ret;
    long to = sys_open(s->text, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
    if (to < 0)
        return ur_is_gone(to) || to == -ENXIO /* a whiteout */ ? UR_AGAIN : to;
    ret = lock((int)to);
    bool marked = ret > 0;
    if (marked) /* else another has done it */
        ret = emptied      ? make_empty((int)to, &st)
              : st.st_size ? fill(u, d, name, &data, (int)to)
                           : ur_unmark_metacopy((int)to);
    bool done = marked && ret == 0;
    if (done)
        sys_fremovexattr((int)to, TIMES);
    sys_close((int)to);
    return done && emptied ? 1 : ret;
}
