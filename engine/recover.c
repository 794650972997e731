/*
 * What a killed run left in the work directory. Done by the launcher, under the work directory's lock, before any
 * process of the run starts: nobody else is at work in it.
 */
#include "union.h"

#include <dirent.h>
#include <linux/stat.h>

/* All that a directory holds, by its host path. */
struct all {
    const struct ur_union *u;
    const struct ur_table_mount *m;
    const char *dir;
    long (*each)(const struct all *all, const char *path, unsigned char type);
    long done;
};

static long one_of_all(void *arg, const char *name, unsigned char type) {
    struct all *all = arg;
    UR_SCRATCH(s);
    char *end = s->text + UR_PATH_MAX, *p = ur_put(s->text, end, all->dir, strlen(all->dir));
    p = ur_put(p, end, "/", 1);
    if (ur_put(p, end, name, strlen(name)))
        all->done += all->each(all, s->text, type);
    return 0;
}

/* Returns how often `each` said 1, or -errno. */
static long for_all(const struct ur_union *u, const struct ur_table_mount *m, const char *dir,
                    long (*each)(const struct all *all, const char *path, unsigned char type)) {
    struct all all = {u, m, dir, each, 0};
    long ret = ur_for_names(dir, one_of_all, &all);
    return ret < 0 ? ret : all.done;
}

static long remove_all(const struct all *all, const char *path, unsigned char type) {
    if (type == DT_DIR || sys_unlink(path) == -EISDIR) {
        sys_chmod(path, 0700);
        for_all(all->u, all->m, path, remove_all);
        sys_rmdir(path);
    }
    return 1;
}

/* Opens a directory of the upper or of tmp/, and no other, without following a symlink: the programs of a run can write
   to the journal, too, and what they write there is not to be done to others' directories. */
static long open_own(const struct all *all, const char *path) {
    const struct ur_table_string *upper = &ur_layer(all->u, all->m, 0)->root, *work = &all->m->work;
    size_t len = strlen(path);
    const struct ur_table_string *root =
        ur_path_below(path, len, ur_table_text(all->u->table, *upper), upper->len) ? upper
        : ur_path_below(path, len, ur_table_text(all->u->table, *work), work->len) ? work
                                                                                   : NULL;
    if (!root)
        return -EXDEV;
    long fd = sys_open(ur_table_text(all->u->table, *root), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    for (const char *at = path + root->len; fd >= 0 && *at;) {
        at += strspn(at, "/");
        size_t n = strcspn(at, "/");
        char name[UR_NAME_MAX + 1];
        if (n == 0)
            break;
        if (!ur_put(name, name + sizeof name, at, n) || ur_is_dot(name)) {
            sys_close((int)fd);
            return -EXDEV;
        }
        long next = sys_openat((int)fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
        sys_close((int)fd);
        fd = next;
        at += n;
    }
    return fd;
}

/* A journal note is a symlink "MODE PATH": the directory's mode is given back (work.c). */
static long give_back_mode(const struct all *all, const char *path, unsigned char type) {
    (void)type;
    UR_SCRATCH(s);
    long n = sys_readlink(path, s->text, UR_PATH_MAX - 1), done = 0;
    if (n <= 0) /* the lock */
        return 0;
    s->text[n] = 0;
    const char *at = s->text;
    mode_t mode = (mode_t)ur_get_number(&at, 8);
    long fd = *at == ' ' ? open_own(all, at + 1) : -EINVAL;
    if (fd >= 0) {
        char link[40], *end = link + sizeof link, *p = ur_put(link, end, "/proc/self/fd/", 14);
        ur_put_number(p, end, (uint64_t)fd, 10);
        done = sys_chmod(link, mode & 07777) == 0;
        sys_close((int)fd);
    }
    sys_unlink(path);
    return done;
}

static long count(const struct all *all, const char *path, unsigned char type) {
    (void)all, (void)path, (void)type;
    return 1;
}

/* links/ and origin/ speak of the upper that they were made for: "INO BIRTH" of its root, in the symlink `upper`. Of
   another upper that stands there now they are not true. */
static long check_upper(const struct ur_union *u, const struct ur_table_mount *m, struct ur_scratch *s) {
    struct statx x;
    const struct ur_table_layer *l = ur_layer(u, m, 0);
    long ret = sys_statx(AT_FDCWD, ur_table_text(u->table, l->root), 0, STATX_INO | STATX_BTIME, &x);
    if (ret < 0)
        return ret;
    char now[64], *end = now + sizeof now, *p = ur_put_number(now, end, x.stx_ino, 10);
    p = ur_put(p, end, " ", 1);
    p = ur_put_number(p, end, (uint64_t)x.stx_btime.tv_sec, 10);
    p = ur_put(p, end, ".", 1);
    ur_put_number(p, end, x.stx_btime.tv_nsec, 10);
    ret = ur_work_path(u, m, "/upper", "", s->real[1]);
    if (ret < 0)
        return ret;
    long n = sys_readlink(s->real[1], s->text, UR_PATH_MAX - 1);
    if (n > 0) {
        s->text[n] = 0;
        if (strcmp(s->text, now) == 0)
            return 0;
        static const char *const parts[] = {"/links", "/origin"};
        for (int i = 0; i < 2; i++)
            if (ur_work_path(u, m, parts[i], "", s->text) == 0)
                for_all(u, m, s->text, remove_all);
        sys_unlink(s->real[1]);
    }
    return sys_symlink(now, s->real[1]);
}

long ur_work_recover(const struct ur_union *u, uint32_t mount) {
    const struct ur_table_mount *m = &ur_table_mounts(u->table)[mount];
    UR_SCRATCH(s);
    if (!ur_has_upper(m))
        return 0;
    long mended = check_upper(u, m, s);
    if (mended == 0)
        mended = ur_work_path(u, m, "/journal", "", s->real[0]);
    if (mended == 0)
        mended = for_all(u, m, s->real[0], give_back_mode);
    if (mended < 0)
        return mended;
    long ret = ur_work_path(u, m, "/tmp", "", s->real[0]);
    if (ret == 0)
        ret = for_all(u, m, s->real[0], remove_all);
    if (ret < 0)
        return ret;
    mended += ret;
    if (u->shared) {
        ret = ur_work_path(u, m, "/links", "", s->real[0]);
        if (ret == 0 && for_all(u, m, s->real[0], count) > 0)
            atomic_store(&u->shared->links, 1);
        ret = ur_work_path(u, m, "/origin", "", s->real[0]);
        if (ret == 0 && for_all(u, m, s->real[0], count) > 0)
            atomic_store(&u->shared->origins, 1);
    }
    return mended;
}
