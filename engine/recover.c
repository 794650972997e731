/*
 * What a killed run left in the work directory. Done by the launcher, under the work directory's lock, before any
 * process of the run starts: nobody else is at work in it.
 */
#include "union.h"

#include <dirent.h>
#include <linux/stat.h>

/* All that a directory holds, by its host path. */
struct all {
    const char *dir;
    long (*each)(const char *path, unsigned char type);
    long done;
};

static long one_of_all(void *arg, const char *name, unsigned char type) {
    struct all *all = arg;
    UR_SCRATCH(s);
    char *end = s->text + UR_PATH_MAX, *p = ur_put(s->text, end, all->dir, strlen(all->dir));
    p = ur_put(p, end, "/", 1);
    if (ur_put(p, end, name, strlen(name)))
        all->done += all->each(s->text, type);
    return 0;
}

/* Returns how often `each` said 1, or -errno. */
static long for_all(const char *dir, long (*each)(const char *path, unsigned char type)) {
    struct all all = {dir, each, 0};
    long ret = ur_for_names(dir, one_of_all, &all);
    return ret < 0 ? ret : all.done;
}

static long remove_all(const char *path, unsigned char type) {
    if (type == DT_DIR || sys_unlink(path) == -EISDIR) {
        sys_chmod(path, 0700);
        for_all(path, remove_all);
        sys_rmdir(path);
    }
    return 1;
}

/* A journal note is a symlink "MODE PATH": the directory's mode is given back (work.c). */
static long give_back_mode(const char *path, unsigned char type) {
    (void)type;
    UR_SCRATCH(s);
    long n = sys_readlink(path, s->text, UR_PATH_MAX - 1), done = 0;
    if (n <= 0) /* the lock */
        return 0;
    s->text[n] = 0;
    const char *at = s->text;
    mode_t mode = (mode_t)ur_get_number(&at, 8);
    if (*at == ' ') {
        sys_chmod(at + 1, mode);
        done = 1;
    }
    sys_unlink(path);
    return done;
}

static long count(const char *path, unsigned char type) {
    (void)path, (void)type;
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
                for_all(s->text, remove_all);
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
        mended = for_all(s->real[0], give_back_mode);
    if (mended < 0)
        return mended;
    long ret = ur_work_path(u, m, "/tmp", "", s->real[0]);
    if (ret == 0)
        ret = for_all(s->real[0], remove_all);
    if (ret < 0)
        return ret;
    mended += ret;
    if (u->shared) {
        ret = ur_work_path(u, m, "/links", "", s->real[0]);
        if (ret == 0 && for_all(s->real[0], count) > 0)
            atomic_store(&u->shared->links, 1);
        ret = ur_work_path(u, m, "/origin", "", s->real[0]);
        if (ret == 0 && for_all(s->real[0], count) > 0)
            atomic_store(&u->shared->origins, 1);
    }
    return mended;
}
