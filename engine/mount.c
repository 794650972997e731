/* The layer table, asked. Mounts are sorted by descending target length, so the first that fits is the longest. */
#include "union.h"

#include <sys/mman.h>

static bool below(const struct ur_union *u, const char *path, size_t len, struct ur_table_string root) {
    return ur_path_below(path, len, ur_table_text(u->table, root), root.len);
}

/* The union that a canonical path lies in. NULL: the host's, be it outside all targets or passed through. */
const struct ur_table_mount *ur_mount_of(const struct ur_union *u, const char *path, size_t len) {
    const struct ur_table_mount *m = ur_table_mounts(u->table);
    for (uint32_t i = 0; i < u->table->mounts; i++)
        if (below(u, path, len, m[i].target))
            return m[i].flags & UR_MOUNT_PASS ? NULL : &m[i];
    return NULL;
}

/* The mount whose target is just this path, also a pass-through. */
const struct ur_table_mount *ur_mount_at(const struct ur_union *u, const char *path, size_t len) {
    const struct ur_table_mount *m = ur_table_mounts(u->table);
    for (uint32_t i = 0; i < u->table->mounts; i++)
        if (m[i].target.len == len && memcmp(path, ur_table_text(u->table, m[i].target), len) == 0)
            return &m[i];
    return NULL;
}

bool ur_mounts_below(const struct ur_union *u, const char *path, size_t len) {
    const struct ur_table_mount *m = ur_table_mounts(u->table);
    for (uint32_t i = 0; i < u->table->mounts && m[i].target.len > len; i++)
        if (ur_path_below(ur_table_text(u->table, m[i].target), m[i].target.len, path, len))
            return true;
    return false;
}

static bool is_raw(const struct ur_union *u, const char *path, size_t len) {
    const struct ur_table_string *h = ur_table_hidden(u->table);
    for (uint32_t i = 0; i < u->table->hidden; i++)
        if (below(u, path, len, h[i]))
            return true;
    return false;
}

bool ur_is_hidden(const struct ur_union *u, const char *path, size_t len) {
    return u->table->raw == UR_RAW_READ_ONLY ? below(u, path, len, u->table->session) : is_raw(u, path, len);
}

long ur_may_change_raw(const struct ur_union *u, const char *path, size_t len) {
    const struct ur_table_mount *m;
    unsigned layer;
    size_t rel;
    if (u->table->raw == UR_RAW_READ_ONLY && is_raw(u, path, len))
        return -EROFS;
    return ur_layer_of(u, path, len, &m, &layer, &rel) && !(layer == 0 && ur_has_upper(m)) ? -EROFS : 0;
}

bool ur_special_below(const struct ur_union *u, const char *path, size_t len) {
    const struct ur_table_string *h = ur_table_hidden(u->table);
    for (uint32_t i = 0; i < u->table->hidden; i++)
        if (ur_path_below(ur_table_text(u->table, h[i]), h[i].len, path, len))
            return true;
    return ur_mounts_below(u, path, len);
}

const struct ur_table_mount *ur_work_of(const struct ur_union *u, const char *host, size_t len) {
    const struct ur_table_mount *m = ur_table_mounts(u->table);
    for (uint32_t i = 0; i < u->table->mounts; i++)
        if (ur_has_upper(&m[i]) && below(u, host, len, m[i].work))
            return &m[i];
    return NULL;
}

const struct ur_table_layer *ur_layer(const struct ur_union *u, const struct ur_table_mount *m, unsigned i) {
    return ur_table_layers(u->table) + m->first_layer + i;
}

static long map(ur_way *way, const char *session, const char *name, int flags, int prot, size_t least, void **at,
                size_t *size) {
    char path[UR_PATH_MAX / 4];
    char *p = ur_put(path, path + sizeof path, session, strlen(session));
    p = ur_put(p, path + sizeof path, name, strlen(name));
    if (!p)
        return -ENAMETOOLONG;
    long fd = way(SYS_openat, AT_FDCWD, (long)path, flags | O_CLOEXEC, 0, 0, 0);
    if (fd < 0)
        return fd;
    struct stat st;
    long ret = way(SYS_fstat, fd, (long)&st, 0, 0, 0, 0);
    if (ret == 0 && (st.st_size <= 0 || (size_t)st.st_size < least))
        ret = -EINVAL;
    if (ret == 0) {
        ret = sys_mmap(NULL, (size_t)st.st_size, prot, MAP_SHARED, (int)fd, 0);
        if (ret > 0 || ret < -4095) {
            *at = (void *)ret;
            *size = (size_t)st.st_size;
            ret = 0;
        }
    }
    sys_close((int)fd);
    return ret;
}

long ur_union_open_by(ur_way *way, struct ur_union *u, const char *session) {
    void *table, *shared;
    size_t size;
    long ret = map(way, session, "/table", O_RDONLY, PROT_READ, 0, &table, &size);
    if (ret < 0)
        return ret;
    if (!ur_table_valid(table, size)) {
        sys_munmap(table, size);
        return -EINVAL;
    }
    if (map(way, session, "/shared", O_RDWR, PROT_READ | PROT_WRITE, UR_SHARED_SIZE, &shared, &size) < 0) {
        shared = NULL;
        size = UR_SHARED_SIZE;
    }
    u->shared = shared;
    u->shared_bytes = size;
    size_t index = (size - UR_SHARED_SIZE) / 3 / UR_INDEX_LEAST * UR_INDEX_LEAST;
    u->index = index ? (char *)shared + UR_SHARED_SIZE : NULL;
    u->index_bytes = index ? (size_t)1 << (63 - __builtin_clzl(index)) : 0;
    u->index_part_shift = 16;
    while (u->index_bytes >> u->index_part_shift > UR_INDEX_PARTS)
        u->index_part_shift++;
    u->listings = index ? (unsigned char *)shared + UR_SHARED_SIZE + index : NULL;
    u->listings_bytes = 2 * index;
    u->table = table;
    u->traced = u->table->trace.len > 0;
    u->limit = u->table->max_upper;
    u->root = u->table->root && u->table->uid;
    /* Under a simulated root nobody is another in truth, and the question itself may be answered so. */
    u->owner = u->table->uid && (u->root || sys_geteuid() == u->table->uid);
    ur_root_permits(u->root);
    return 0;
}

long ur_union_open(struct ur_union *u, const char *session) {
    return ur_union_open_by(ur_syscall6, u, session);
}
