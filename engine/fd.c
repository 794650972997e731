/*
 * From the host's paths to the union's: what a descriptor, the cwd, a line of /proc/self/maps is in the union.
 *
 * Nothing is kept per descriptor: programs close, duplicate, pass and reuse them as they like. The kernel
 * always knows the path; here it is turned back. A path in the upper is where the union has it. A path in a lower is
 * where the union has it unless directories were moved since (moves.c). The longest layer root wins.
 */
#include "union.h"

bool ur_layer_of(const struct ur_union *u, const char *host, size_t len, const struct ur_table_mount **m,
                 unsigned *layer, size_t *rel) {
    const struct ur_table_layer *layers = ur_table_layers(u->table), *best = NULL;
    const struct ur_table_mount *mounts = ur_table_mounts(u->table);
    for (uint32_t i = 0; i < u->table->layers; i++) {
        const struct ur_table_layer *l = &layers[i];
        if ((!best || l->root.len > best->root.len) &&
            ur_path_below(host, len, ur_table_text(u->table, l->root), l->root.len))
            best = l;
    }
    if (!best)
        return false;
    *m = &mounts[best->mount];
    *layer = (unsigned)(best - layers) - (*m)->first_layer;
    *rel = best->root.len > 1 ? best->root.len : 0;
    /* A path in a lower that is a target's own ("in-place"), but that the union shows from elsewhere. */
    const struct ur_table_mount *shown = ur_mount_of(u, host, len);
    bool in_place =
        best->root.len == (*m)->target.len &&
        memcmp(ur_table_text(u->table, best->root), ur_table_text(u->table, (*m)->target), best->root.len) == 0;
    return !in_place || shown == *m;
}

char *ur_proc_path(const struct ur_caller *c, const char *tail, int number, char *out, size_t n) {
    char *end = out + n, *p = ur_put(out, end, "/proc/", 6);
    p = c->pid ? ur_put_number(p, end, (uint64_t)c->pid, 10) : ur_put(p, end, "thread-self", 11);
    p = ur_put(p, end, tail, strlen(tail));
    if (number >= 0)
        p = ur_put_number(p, end, (uint64_t)number, 10);
    return p;
}

/* The thread group of a thread: /proc/TID/status. */
static long group_of(const struct ur_caller *c) {
    char text[256], link[64];
    ur_proc_path(c, "/status", -1, link, sizeof link);
    long fd = sys_open(link, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    long n = sys_read((int)fd, text, sizeof text - 1);
    sys_close((int)fd);
    if (n < 0)
        return n;
    static const char key[] = "\nTgid:\t";
    const size_t len = sizeof key - 1;
    text[n] = 0;
    for (const char *at = text; at + len < text + n; at++)
        if (memcmp(at, key, len) == 0) {
            at += len;
            return (long)ur_get_number(&at, 10);
        }
    return -ESRCH;
}

long ur_proc_self(const struct ur_caller *c, const struct ur_dir *d, const char *name, char *text) {
    bool thread = strcmp(name, "thread-self") == 0;
    if (!c->pid || d->mount || d->len != 5 || memcmp(d->path, "/proc", 5) != 0 ||
        (!thread && strcmp(name, "self") != 0))
        return 0;
    long group = group_of(c);
    if (group < 0)
        return group;
    char *end = text + 64, *p = ur_put_number(text, end, (uint64_t)group, 10);
    if (thread) {
        p = ur_put(p, end, "/task/", 6);
        p = ur_put_number(p, end, (uint64_t)c->pid, 10);
    }
    return p - text;
}

long ur_union_path(const struct ur_caller *c, const char *host, char *out) {
    size_t len = strlen(host), rel;
    const struct ur_table_mount *m;
    unsigned layer;
    if (len >= UR_PATH_MAX)
        return -ENAMETOOLONG;
    if (ur_active(c) && (m = ur_work_of(c->u, host, len))) {
        long dead = ur_dead_path(c->u, m, host, out);
        if (dead > 0)
            return dead;
    }
    if (!ur_active(c) || host[0] != '/' || !ur_layer_of(c->u, host, len, &m, &layer, &rel)) {
        memmove(out, host, len + 1);
        return (long)len;
    }
    UR_SCRATCH(s);
    char *tail = s->real[0];
    memcpy(tail, host + rel, len - rel + 1);
    long n = (long)(len - rel);
    if (n == 1) /* the layer's root is "/" and so is the path */
        n = 0;
    if (!(layer == 0 && ur_has_upper(m)))
        n = ur_moves_apply(c->u, m, layer, tail, (size_t)n);
    if (n < 0)
        return n;
    char *end = out + UR_PATH_MAX, *p = out;
    if (m->target.len > 1 || n == 0)
        p = ur_put(p, end, ur_table_text(c->u->table, m->target), m->target.len);
    p = ur_put(p, end, tail, (size_t)n);
    return p ? p - out : -ENAMETOOLONG;
}

/*
 * What the kernel tells of a descriptor is the same whether the union has opened a lower's file or somebody has by its
 * raw path. So where raw paths can be named, such a descriptor carries a mark that lives as long as it does, through
 * dup, fork, exec and SCM_RIGHTS: O_DSYNC, which means nothing for reading. (A cwd cannot be marked, nor an O_PATH.)
 */
int ur_raw_flags(const struct ur_union *u, const char *host, int flags) {
    const struct ur_table_mount *m;
    unsigned layer;
    size_t rel, len = strlen(host);
    if (u->table->raw == UR_RAW_HIDE || (flags & (O_ACCMODE | O_PATH)) != O_RDONLY)
        return 0;
    return ur_layer_of(u, host, len, &m, &layer, &rel) || ur_work_of(u, host, len) ? O_DSYNC : 0;
}

/* /proc/PID/fdinfo/FD begins "pos:\t10\nflags:\t0100000\n". The flags of open, with O_CLOEXEC; `pos`: the offset. */
static long fd_state(const struct ur_caller *c, int fd, uint64_t *pos) {
    static const char first[] = "pos:\t", second[] = "\nflags:\t";
    char link[64], text[128];
    ur_proc_path(c, "/fdinfo/", fd, link, sizeof link);
    long info = sys_open(link, O_RDONLY | O_CLOEXEC, 0);
    if (info < 0)
        return info;
    long n = sys_read((int)info, text, sizeof text - 1);
    sys_close((int)info);
    if (n < 0)
        return n;
    text[n] = 0;
    const char *at = text + sizeof first - 1;
    if (strncmp(text, first, sizeof first - 1) != 0)
        return -EINVAL;
    *pos = ur_get_number(&at, 10);
    if (strncmp(at, second, sizeof second - 1) != 0)
        return -EINVAL;
    at += sizeof second - 1;
    return (long)ur_get_number(&at, 8);
}

static bool is_raw(long flags) {
    return flags >= 0 && (flags & (O_ACCMODE | O_DSYNC | O_PATH)) == (O_RDONLY | O_DSYNC);
}

bool ur_fd_is_raw(const struct ur_caller *c, int fd) {
    uint64_t pos;
    if (!ur_active(c) || c->u->table->raw == UR_RAW_HIDE || fd < 0)
        return false;
    return is_raw(c->pid ? fd_state(c, fd, &pos) : UR_SYS(SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0));
}

struct following {
    const struct ur_caller *c;
    const struct stat *lower;
    const char *copy;
    const struct ur_replacer *r;
};

static long follow(void *arg, const char *name, unsigned char type) {
    (void)type;
    struct following *f = arg;
    struct stat st;
    char link[64];
    uint64_t pos;
    int fd = (int)ur_get_number(&name, 10);
    ur_proc_path(f->c, "/fd/", fd, link, sizeof link);
    if (sys_fstatat(AT_FDCWD, link, &st, 0) < 0 || st.st_dev != f->lower->st_dev || st.st_ino != f->lower->st_ino)
        return 0;
    long flags = fd_state(f->c, fd, &pos);
    if (flags < 0 || flags & (O_ACCMODE | O_PATH) || is_raw(flags))
        return 0;
    long own = sys_open(f->copy, ((int)flags & ~O_CREAT) | O_NOFOLLOW | O_CLOEXEC, 0);
    if (own < 0)
        return 0;
    if (sys_lseek((int)own, (off_t)pos, SEEK_SET) >= 0)
        f->r->put(f->r->arg, fd, (int)own, (int)flags & O_CLOEXEC);
    sys_close((int)own);
    return 0;
}

void ur_fd_follow(const struct ur_caller *c, const struct stat *lower, const char *copy, const struct ur_replacer *r) {
    struct following f = {c, lower, copy, r};
    char dir[64];
    ur_proc_path(c, "/fd", -1, dir, sizeof dir);
    ur_for_names(dir, follow, &f);
}

long ur_fd_host_path(const struct ur_caller *c, int fd, char *out) {
    char link[64];
    ur_proc_path(c, "/fd/", fd, link, sizeof link);
    long n = sys_readlink(link, out, UR_PATH_MAX);
    if (n == -ENOENT)
        return -EBADF;
    if (n >= UR_PATH_MAX)
        return -ENAMETOOLONG;
    if (n >= 0)
        out[n] = 0;
    return n;
}

long ur_fd_is_native(const struct ur_caller *c, int fd) {
    if (!ur_active(c) || fd < 0)
        return 1;
    UR_SCRATCH(s);
    size_t rel;
    const struct ur_table_mount *m;
    unsigned layer;
    long n = ur_fd_host_path(c, fd, s->text);
    if (n < 0 || s->text[0] != '/')
        return !ur_is_fault(n);
    return !ur_layer_of(c->u, s->text, (size_t)n, &m, &layer, &rel) && !ur_work_of(c->u, s->text, (size_t)n) &&
           !ur_special_below(c->u, s->text, (size_t)n);
}

long ur_fd_info(const struct ur_caller *c, int fd, struct ur_fdinfo *info, char *path) {
    *info = (struct ur_fdinfo){0};
    UR_SCRATCH(s);
    if (fd < 0)
        return -EBADF;
    long n = ur_fd_host_path(c, fd, s->real[0]);
    if (n < 0)
        return n;
    size_t rel;
    if (ur_fd_is_raw(c, fd)) {
        memcpy(path, s->real[0], (size_t)n + 1);
        info->len = (size_t)n;
        return 0;
    }
    info->known = s->real[0][0] == '/' && ur_layer_of(c->u, s->real[0], (size_t)n, &info->mount, &info->layer, &rel);
    n = ur_union_path(c, s->real[0], path);
    if (n < 0)
        return n;
    info->len = (size_t)n;
    /* work/links/: a lower hard link that was copied up under another name. It is the upper's file. */
    const struct ur_table_mount *m = info->known ? NULL : ur_work_of(c->u, s->real[0], strlen(s->real[0]));
    if (m) {
        info->known = true;
        info->mount = m;
        info->layer = 0;
    }
    return 0;
}

long ur_fd_named(const struct ur_caller *c, const struct ur_fdinfo *info, const char *path, const struct stat *raw,
                 struct stat *now) {
    uint64_t ino = ur_ino(info->mount, ur_layer(c->u, info->mount, info->layer), raw->st_ino);
    long ret = ur_stat(c, AT_FDCWD, path, now, AT_SYMLINK_NOFOLLOW);
    if (ret < 0)
        return ret == -ENOENT || ret == -ENOTDIR || ret == -EACCES || ret == -ELOOP || ret == -ENAMETOOLONG ? 0 : ret;
    bool device = c->u->root && S_ISREG(raw->st_mode) && (S_ISBLK(now->st_mode) || S_ISCHR(now->st_mode));
    if ((now->st_mode & S_IFMT) != (raw->st_mode & S_IFMT) && !device)
        return 0;
    return now->st_ino == ino ? 1 : ur_is_data_of(c, path, raw);
}

long ur_fd_find(const struct ur_caller *c, int fd, struct ur_fdinfo *info, char *path, const struct stat *raw,
                struct stat *now) {
    for (int tries = 0;; tries++) {
        uint32_t seen = ur_moves_seen(c->u);
        long ret = ur_fd_info(c, fd, info, path);
        if (ret < 0 || !ur_fd_is_lower(info))
            return ret;
        ret = ur_fd_named(c, info, path, raw, now);
        if (ret > 0 || tries == UR_TRIES || !ur_moves_more(c->u, seen))
            return ret;
    }
}
