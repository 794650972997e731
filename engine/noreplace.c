/*
 * A name for what has another, if nothing has it yet: rename with RENAME_NOREPLACE. Network filesystems and most of
 * FUSE's refuse its flags (EINVAL). There a file gets the name by link(2), which replaces nothing either, and loses the
 * old one then; who is killed in between leaves both, and the recovery removes what is in tmp/. A directory can have no
 * second name: it is looked first, under the name's lock. rename(2) itself puts a directory over nothing but an empty
 * one, and where directories come to names that may be taken, all take that lock.
 */
#include "union.h"

static bool is_directory(const char *host) {
    struct stat st;
    return sys_lstat(host, &st) == 0 && S_ISDIR(st.st_mode);
}

static long look_and_move(const struct ur_union *u, const char *from, const char *to) {
    struct stat st;
    struct ur_names_held k;
    ur_names_lock(u, to, NULL, &k);
    long ret = sys_lstat(to, &st);
    if (ret == -ENOENT)
        ret = sys_rename(from, to, 0);
    else if (ret == 0)
        ret = -EEXIST;
    ur_names_unlock(&k);
    /* What has come all the same is no empty directory. That it has gone is told by what comes next. */
    return ret == -ENOTEMPTY || (ret == -ENOTDIR && sys_lstat(to, &st) == 0) ? -EEXIST : ret;
}

long ur_rename_new(const struct ur_union *u, const struct ur_table_mount *m, const char *from, const char *to) {
    if (m->caps & UR_CAP_RENAME_NOREPLACE)
        return sys_rename(from, to, RENAME_NOREPLACE);
    if (is_directory(from))
        return look_and_move(u, from, to);
    long ret = sys_link(from, to);
    if (ret == 0)
        sys_unlink(from);
    /* No hard links there. */
    return ret == -EPERM || ret == -EOPNOTSUPP || ret == -EMLINK ? look_and_move(u, from, to) : ret;
}
