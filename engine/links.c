/*
 * Hard links of a lower stay one file. overlayfs.rst: "index=on".
 *
 * A lower file with several names is copied up once, and the copy has, besides the name that asked for it, a
 * name work/links/<st_ino>. Any other of its lower names that is looked up leads there; when that name is itself
 * to be changed, it is linked, not copied. work/links/<st_ino>.n is a symlink whose text counts the names of the
 * lowers that still show the file (not covered by a copy, a whiteout, another file), for st_nlink. It is there before
 * the first one is covered.
 *
 * To cover a name and to count it are two steps, under a lock on the directory. A note in the journal stands
 * meanwhile, "link INO COUNT PATH": what a killed process left half done is finished by who takes the lock next, or by
 * the recovery. Until then st_nlink is one too high.
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

long ur_links_has(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino, struct stat *st) {
    if (none(u))
        return 0;
    UR_SCRATCH(s);
    long ret = ur_links_path(u, m, ino, s->real[0]);
    if (ret == 0)
        ret = sys_lstat(s->real[0], st);
    return ret == 0 ? 1 : ret == -ENOENT ? 0 : ret;
}

static long read_count(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino) {
    UR_SCRATCH(s);
    char text[24];
    const char *at = text;
    long n = count_path(u, m, ino, s->real[0]);
    if (n == 0)
        n = sys_readlink(s->real[0], text, sizeof text - 1);
    if (n < 0)
        return n == -ENOENT ? UR_UNCOUNTED : n;
    text[n] = 0;
    return (long)ur_get_number(&at, 10);
}

long ur_links_count(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino) {
    return none(u) ? UR_UNCOUNTED : read_count(u, m, ino);
}

static long write_count(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino, uint64_t count) {
    UR_SCRATCH(s);
    char text[24];
    ur_put_number(text, text + sizeof text, count, 10);
    long ret = count_path(u, m, ino, s->real[0]);
    if (ret == 0)
        ret = ur_work_path(u, m, "/tmp/", NULL, s->real[1]);
    if (ret == 0)
        ret = sys_symlink(text, s->real[1]);
    if (ret < 0)
        return ret;
    ret = sys_rename(s->real[1], s->real[0], 0);
    if (ret < 0)
        sys_unlink(s->real[1]);
    return ret < 0 ? ret : ur_sync_work(u, m, "/links");
}

long ur_links_settle(const struct ur_union *u, const struct ur_table_mount *m, const char *note) {
    UR_SCRATCH(s);
    long n = sys_readlink(note, s->text, UR_PATH_MAX - 1);
    if (n < 0)
        return n == -ENOENT || n == -EINVAL ? 0 : n;
    s->text[n] = 0;
    if (strncmp(s->text, "link ", 5) != 0)
        return 0;
    const char *at = s->text + 5;
    uint64_t ino = ur_get_number(&at, 10);
    at += *at == ' ';
    uint64_t count = ur_get_number(&at, 10);
    at += *at == ' ';
    struct stat st;
    long ret = sys_lstat(at, &st);
    bool covered = ret == 0;
    if (ret == -ENOENT || ret == -ENOTDIR)
        ret = 0;
    if (covered)
        ret = read_count(u, m, ino);
    if (covered && ret >= 0 && (uint64_t)ret == count && count > 0)
        ret = write_count(u, m, ino, count - 1);
    if (ret < 0 && ret != UR_UNCOUNTED)
        return ret;
    ret = sys_unlink(note);
    return ret < 0 ? ret : 1;
}

struct settling {
    const struct ur_union *u;
    const struct ur_table_mount *m;
};

static long settle_one(void *arg, const char *name, unsigned char type) {
    const struct settling *w = arg;
    (void)type;
    UR_SCRATCH(s);
    long ret = ur_work_path(w->u, w->m, "/journal/", name, s->real[0]);
    if (ret == 0)
        ret = ur_links_settle(w->u, w->m, s->real[0]);
    return ret < 0 ? ret : 0;
}

/* Under the lock. */
static long write_note(const struct ur_union *u, const struct ur_table_mount *m, const char *upper,
                       struct ur_cover *k) {
    UR_SCRATCH(s);
    struct settling w = {u, m};
    long ret = ur_work_path(u, m, "/journal", "", s->real[0]);
    if (ret == 0)
        ret = ur_for_names(s->real[0], settle_one, &w);
    long count = ret < 0 ? ret : read_count(u, m, k->ino);
    if (count == UR_UNCOUNTED) {
        count = (long)k->was;
        ret = write_count(u, m, k->ino, k->was);
    } else if (count < 0)
        ret = count;
    if (ret == 0)
        ret = ur_work_path(u, m, "/journal/", NULL, s->real[0]);
    if (ret < 0)
        return ret;
    size_t dir = m->work.len + strlen("/journal/");
    ur_put(k->note, k->note + sizeof k->note, s->real[0] + dir, strlen(s->real[0] + dir));
    k->count = (uint64_t)count;
    char *end = s->text + UR_PATH_MAX, *p = ur_put(s->text, end, "link ", 5);
    p = ur_put_number(p, end, k->ino, 10);
    p = ur_put(p, end, " ", 1);
    p = ur_put_number(p, end, k->count, 10);
    p = ur_put(p, end, " ", 1);
    p = ur_put(p, end, upper, strlen(upper));
    ret = p ? sys_symlink(s->text, s->real[0]) : -ENAMETOOLONG;
    return ret < 0 ? ret : ur_sync_work(u, m, "/journal");
}

long ur_links_cover_begin(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino, nlink_t was,
                          const char *upper, struct ur_cover *k) {
    *k = (struct ur_cover){.lock = -1, .ino = ino, .was = was};
    UR_SCRATCH(s);
    long ret = ur_work_path(u, m, "/links", "", s->real[0]);
    if (ret < 0)
        return ret;
    long lock = sys_open(s->real[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (lock < 0) /* EACCES: root's, and the caller is root no more; there is nothing that he could count */
        return lock == -EACCES ? 0 : lock;
    while ((ret = sys_flock((int)lock, LOCK_EX)) == -EINTR)
        ;
    if (ret == 0 && u->shared)
        atomic_store(&u->shared->links, 1);
    if (ret == 0)
        ret = write_note(u, m, upper, k);
    if (ret < 0)
        sys_close((int)lock);
    else
        k->lock = (int)lock;
    return ret;
}

void ur_links_cover_end(const struct ur_union *u, const struct ur_table_mount *m, struct ur_cover *k, bool covered) {
    if (k->lock < 0)
        return;
    /* What cannot be counted now is counted by who finds the note. */
    long ret = covered && k->count ? write_count(u, m, k->ino, k->count - 1) : 0;
    struct ur_scratch *s = ret == 0 ? ur_scratch_get() : NULL;
    if (s && ur_work_path(u, m, "/journal/", k->note, s->real[0]) == 0)
        sys_unlink(s->real[0]);
    if (s)
        ur_scratch_put(s);
    sys_close(k->lock);
    k->lock = -1;
}

void ur_links_prune(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino, nlink_t upper_names) {
    if (upper_names > 0 || ur_links_count(u, m, ino) != 0)
        return;
    struct ur_scratch *s = ur_scratch_get();
    if (s && ur_links_path(u, m, ino, s->real[0]) == 0 && sys_unlink(s->real[0]) == 0 &&
        count_path(u, m, ino, s->real[0]) == 0)
        sys_unlink(s->real[0]);
    if (s)
        ur_scratch_put(s);
}
