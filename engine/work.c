/*
 * The work directory: where what is to become visible by one step is prepared. Its parts:
 *   tmp/      things under way; what a killed run leaves here is litter, and the next run empties it
 *   links/    hard links of the lowers that were copied up (links.c)
 *   origin/   origins of what can hold no xattr (identity.c)
 *   journal/  modes to be given back (below), and the lock for that; what else needs two steps (links.c, halfway.c)
 */
#include "union.h"

#include <sys/file.h>

long ur_work_path(const struct ur_union *u, const struct ur_table_mount *m, const char *sub, const char *name,
                  char *out) {
    char *end = out + UR_PATH_MAX;
    char *p = ur_put(out, end, ur_table_text(u->table, m->work), m->work.len);
    p = ur_put(p, end, sub, strlen(sub));
    if (name)
        p = ur_put(p, end, name, strlen(name));
    else {
        uint64_t random = 0;
        long ret = sys_getrandom(&random, sizeof random);
        if (ret < 0)
            return ret;
        p = ur_put_number(p, end, random, 16);
    }
    return p ? 0 : -ENAMETOOLONG;
}

/* Does `host` hand anything down to what is made in it but the maker's own ids? */
static bool hands_down(const char *host, const struct stat *st) {
    char acl[4];
    long n = sys_lgetxattr(host, "system.posix_acl_default", acl, sizeof acl);
    return st->st_mode & S_ISGID || n == -ERANGE || n > 0;
}

long ur_stage(const struct ur_union *u, const struct ur_table_mount *m, const char *parent, struct ur_stage *stage) {
    struct stat st;
    stage->own = 0;
    long ret = sys_lstat(parent, &st);
    if (ret == 0)
        ret = ur_work_path(u, m, "/tmp/", NULL, stage->path);
    if (ret < 0 || !hands_down(parent, &st))
        return ret;
    ret = ur_create_dir(stage->path, 0700);
    if (ret < 0)
        return ret;
    stage->own = strlen(stage->path);
    char acl[1024];
    long n = sys_lgetxattr(parent, "system.posix_acl_default", acl, sizeof acl);
    if (n > 0)
        ur_set_xattr(stage->path, "system.posix_acl_default", acl, (size_t)n, 0);
    ur_set_owner(stage->path, (uid_t)-1, st.st_gid);
    ur_set_mode(stage->path, 0700 | (st.st_mode & S_ISGID));
    return ur_put(stage->path + stage->own, stage->path + UR_PATH_MAX, "/x", 2) ? 0 : -ENAMETOOLONG;
}

void ur_stage_drop(struct ur_stage *stage) {
    if (sys_unlink(stage->path) == -EISDIR)
        sys_rmdir(stage->path);
    if (stage->own) {
        stage->path[stage->own] = 0;
        sys_rmdir(stage->path);
    }
}

/* Under the name's lock. The exchange shows what stood there: were it no whiteout, it is put back. */
static long over_whiteout(const struct ur_union *u, const struct ur_table_mount *m, struct ur_stage *stage,
                          const char *host) {
    struct stat st;
    long ret = sys_lstat(host, &st);
    if (ret == 0)
        ret = ur_is_whiteout(host, &st);
    if (ret <= 0)
        return ret == 0 || ret == -ENOENT ? UR_AGAIN : ret;
    ret = sys_rename(host, stage->path, RENAME_EXCHANGE); /* so that a watch tells last what comes (watch.c) */
    if (ret == -ENOENT)
        return UR_AGAIN;
    if (ret == -EINVAL) {
        /* A filesystem that cannot exchange. A directory cannot take a whiteout's name in one step there. */
        ret = sys_lstat(stage->path, &st);
        if (ret < 0 || !S_ISDIR(st.st_mode))
            return ret < 0 ? ret : sys_rename(stage->path, host, 0);
        UR_SCRATCH(s);
        struct ur_halfway k;
        ret = ur_whiteout_aside(u, m, host, s->real[0], &k);
        if (ret < 0)
            return ret;
        ret = ur_rename_new(u, m, stage->path, host);
        ur_whiteout_aside_end(u, m, host, s->real[0], &k, ret == 0);
        return ret;
    }
    if (ret < 0)
        return ret;
    if (sys_lstat(stage->path, &st) == 0 && ur_is_whiteout(stage->path, &st) > 0)
        return 0;
    sys_rename(stage->path, host, RENAME_EXCHANGE);
    return UR_AGAIN;
}

long ur_stage_over_whiteout(const struct ur_union *u, const struct ur_table_mount *m, struct ur_stage *stage,
                            const char *host) {
    struct ur_names_held k;
    ur_names_lock(u, host, NULL, &k);
    long ret = over_whiteout(u, m, stage, host);
    ur_names_unlock(&k);
    return ret;
}

static long open_lock(const char *host) {
    long fd = sys_open(host, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd == -EACCES && ur_set_mode(host, 0600) == 0) /* made under a umask that took it from its owner */
        fd = sys_open(host, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd;
}

/*
 * A directory whose owner may not write to it (0555) is no obstacle to a copy-up in a plain directory's eyes:
 * nothing is made there. So its mode is changed for the step and given back. The journal has a symlink
 * "mode MODE INO PATH" meanwhile; who is killed leaves it, and the recovery gives the mode back (recover.c). One at a
 * time, by the journal's lock, so that nobody takes the changed mode for the true one.
 */
long ur_dir_unlock(const struct ur_union *u, const struct ur_table_mount *m, const char *host, const char *final,
                   const struct ur_unlocked *held, struct ur_unlocked *k) {
    k->lock = -1;
    k->borrowed = held && held->lock >= 0;
    long ret = sys_faccessat(AT_FDCWD, host, 3 /* W_OK | X_OK */, AT_EACCESS);
    if (ret != -EACCES) /* one that has gone shows in the step itself */
        return ur_is_gone(ret) ? 0 : ret;
    UR_SCRATCH(s);
    struct stat st;
    ret = ur_work_path(u, m, "/journal/", "lock", s->real[0]);
    if (ret < 0)
        return ret;
    long lock = k->borrowed ? held->lock : open_lock(s->real[0]);
    if (lock < 0)
        return lock;
    while (!k->borrowed && (ret = sys_flock((int)lock, LOCK_EX)) == -EINTR)
        ;
    if (ret == 0)
        ret = sys_lstat(host, &st);
    if (ret == 0)
        ret = ur_work_path(u, m, "/journal/", NULL, s->real[0]);
    if (ret == 0) {
        size_t dir = m->work.len + strlen("/journal/");
        ur_put(k->note, k->note + sizeof k->note, s->real[0] + dir, strlen(s->real[0] + dir));
        k->mode = st.st_mode & 07777;
        char *end = s->text + UR_PATH_MAX, *p = ur_put(s->text, end, "mode ", 5);
        p = ur_put_number(p, end, k->mode, 8);
        p = ur_put(p, end, " ", 1);
        p = ur_put_number(p, end, st.st_ino, 10);
        p = ur_put(p, end, " ", 1);
        p = ur_put(p, end, final, strlen(final));
        ret = p ? sys_symlink(s->text, s->real[0]) : -ENAMETOOLONG;
    }
    if (ret == 0) {
        ret = ur_sync_work(u, m, "/journal");
        if (ret < 0)
            sys_unlink(s->real[0]);
    }
    if (ret == 0) {
        ret = ur_set_mode(host, k->mode | 0700);
        if (ret < 0)
            sys_unlink(s->real[0]);
    }
    if (ret < 0 && !k->borrowed)
        sys_close((int)lock);
    else if (ret == 0)
        k->lock = (int)lock;
    return ret == -EPERM ? -EACCES : ret;
}

void ur_dir_relock(const struct ur_union *u, const struct ur_table_mount *m, const char *host, struct ur_unlocked *k) {
    if (k->lock < 0)
        return;
    /* What cannot be given back now is left to the recovery. */
    struct ur_scratch *s = ur_set_mode(host, k->mode) == 0 ? ur_scratch_get() : NULL;
    if (s && ur_work_path(u, m, "/journal/", k->note, s->real[0]) == 0)
        sys_unlink(s->real[0]);
    if (s)
        ur_scratch_put(s);
    if (!k->borrowed)
        sys_close(k->lock);
    k->lock = -1;
}
