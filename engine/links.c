/*
 * Hard links of a lower stay one file. overlayfs.rst: "index=on".
 *
 * A lower file with several names is copied up once, and the copy has, besides the name that asked for it, a
 * name work/links/<st_ino>. Any other of its lower names that is looked up leads there; when that name is itself
 * to be changed, it is linked, not copied. work/links/<st_ino>.n is a symlink whose text counts the names of the
 * lowers that still show the file (not covered by a copy, a whiteout, another file), for st_nlink. It is kept
 * from the first time that one is covered, under a lock on the directory. A kill between a change and the count
 * leaves a count one too high: st_nlink, and nothing else, is wrong then.
 */
#include "union.h"

#include <sys/file.h>

long ur_links_path(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino, char *out) {
    char name[24];
    ur_put_number(name, name + sizeof name, ino, 16);
    return ur_work_path(u, m, "/links/", name, out);
}

static long count_path(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino, char *out) {
    long ret = ur_links_path(u, m, ino, out);
    size_t len = ret ? 0 : strlen(out);
    return ret || !ur_put(out + len, out + UR_PATH_MAX, ".n", 2) ? -ENAMETOOLONG : 0;
}

static bool none(const struct ur_union *u) {
    return u->shared && !atomic_load_explicit(&u->shared->links, memory_order_relaxed);
}

bool ur_links_has(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino, struct stat *st) {
    if (none(u))
        return false;
    struct ur_scratch *s = ur_scratch_get();
    bool has = s && ur_links_path(u, m, ino, s->real[0]) == 0 && sys_lstat(s->real[0], st) == 0;
    if (s)
        ur_scratch_put(s);
    return has;
}

long ur_links_count(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino) {
    if (none(u))
        return -1;
    struct ur_scratch *s = ur_scratch_get();
    char text[24];
    const char *at = text;
    long n = s && count_path(u, m, ino, s->real[0]) == 0 ? sys_readlink(s->real[0], text, sizeof text - 1) : -1;
    if (s)
        ur_scratch_put(s);
    if (n <= 0)
        return -1;
    text[n] = 0;
    return (long)ur_get_number(&at, 10);
}

void ur_links_cover(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino, nlink_t was) {
    struct ur_scratch *s = ur_scratch_get();
    if (!s)
        return;
    long lock = -1;
    if (ur_work_path(u, m, "/links", "", s->real[0]) == 0)
        lock = sys_open(s->real[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (lock >= 0) {
        while (sys_flock((int)lock, LOCK_EX) == -EINTR)
            ;
        if (u->shared)
            atomic_store(&u->shared->links, 1);
        long count = ur_links_count(u, m, ino);
        if (count < 0)
            count = (long)was;
        char text[24];
        ur_put_number(text, text + sizeof text, (uint64_t)(count > 0 ? count - 1 : 0), 10);
        if (count_path(u, m, ino, s->real[0]) == 0 && ur_work_path(u, m, "/tmp/", NULL, s->real[1]) == 0 &&
            sys_symlink(text, s->real[1]) == 0 && sys_rename(s->real[1], s->real[0], 0) < 0)
            sys_unlink(s->real[1]);
        sys_close((int)lock);
    }
    ur_scratch_put(s);
}

void ur_links_prune(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino, nlink_t upper_names) {
    if (upper_names > 0 || ur_links_count(u, m, ino) > 0)
        return;
    struct ur_scratch *s = ur_scratch_get();
    if (s && ur_links_path(u, m, ino, s->real[0]) == 0) {
        sys_unlink(s->real[0]);
        if (count_path(u, m, ino, s->real[0]) == 0)
            sys_unlink(s->real[0]);
    }
    if (s)
        ur_scratch_put(s);
}
