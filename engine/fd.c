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

long ur_fd_info(const struct ur_caller *c, int fd, struct ur_fdinfo *info, char *path) {
    *info = (struct ur_fdinfo){0};
    UR_SCRATCH(s);
    if (fd < 0)
        return -EBADF;
    long n = ur_fd_host_path(c, fd, s->real[0]);
    if (n < 0)
        return n;
    size_t rel;
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

bool ur_fd_named(const struct ur_caller *c, const struct ur_fdinfo *info, const char *path, const struct stat *raw,
                 struct stat *now) {
    uint64_t ino = ur_ino(info->mount, ur_layer(c->u, info->mount, info->layer), raw->st_ino);
    return ur_stat(c, AT_FDCWD, path, now, AT_SYMLINK_NOFOLLOW) == 0 && now->st_ino == ino &&
           (now->st_mode & S_IFMT) == (raw->st_mode & S_IFMT);
}
