/*
 * What is on disk, and when: a power cut takes what only the page cache has. What programs write is theirs to fsync, as
 * in a plain directory; here is what a plain directory would not need.
 *
 *   volatile   nothing is synced.
 *
 *   copy-up    (as overlayfs has it) a copy is fsynced with its data and attributes before it gets its name. Else the
 *              upper could have the name without the data, over a lower's file that was whole for years. A copy with
 *              no data (a directory, a symlink, an empty file) is not: like all names it is as safe as the upper's
 *              filesystem keeps the order of its own metadata (ext4, xfs and btrfs do). Nor is a clone (FICLONE).
 *
 *   strict     also that order is not relied on, and each name that a call has made, moved, covered or removed is on
 *              disk before it returns (as under mount -o dirsync). In this order:
 *                  a note in journal/              before the step that it is about
 *                  a copy, a new directory         before its name
 *                  an opaque mark or a redirect    before the whiteouts that it stands for go, and the directory
 *                  the directory                   after the step that is seen
 *              An error of the last comes after the change was seen: it is told, and the change stays.
 *
 * In none of them is anything synced at the end of a run.
 */
#include "union.h"

static enum ur_durability durability(const struct ur_union *u) {
    return (enum ur_durability)u->table->durability;
}

long ur_sync_copy(const struct ur_union *u, int fd, bool data) {
    return durability(u) == UR_DURABLE_STRICT || (durability(u) == UR_DURABLE_COPY_UP && data) ? sys_fsync(fd) : 0;
}

/* A directory that its caller may not read: the whole filesystem then, by a file that all may make. */
static long sync_all(const struct ur_union *u, const struct ur_table_mount *m) {
    UR_SCRATCH(s);
    long ret = ur_work_path(u, m, "/tmp/", NULL, s->real[0]);
    long fd = ret < 0 ? ret : sys_open(s->real[0], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fd;
    sys_unlink(s->real[0]);
    ret = sys_syncfs((int)fd);
    sys_close((int)fd);
    return ret;
}

long ur_sync_dir(const struct ur_union *u, const struct ur_table_mount *m, const char *host) {
    if (durability(u) != UR_DURABLE_STRICT)
        return 0;
    long fd = sys_open(host, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd == -EACCES)
        return sync_all(u, m);
    if (fd < 0) /* it has gone since, or is a whiteout by now: by a call that has synced that itself */
        return ur_is_gone(fd) || fd == -ELOOP ? 0 : fd;
    long ret = sys_fsync((int)fd);
    sys_close((int)fd);
    return ret;
}

long ur_sync_names(const struct ur_union *u, const struct ur_dir *d) {
    if (durability(u) != UR_DURABLE_STRICT || !d->mount)
        return 0;
    UR_SCRATCH(s);
    long ret = ur_upper_path(u, d, NULL, s->real[0]);
    return ret < 0 ? ret : ur_sync_dir(u, d->mount, s->real[0]);
}

long ur_sync_work(const struct ur_union *u, const struct ur_table_mount *m, const char *part) {
    if (durability(u) != UR_DURABLE_STRICT)
        return 0;
    UR_SCRATCH(s);
    long ret = ur_work_path(u, m, part, "", s->real[0]);
    return ret < 0 ? ret : ur_sync_dir(u, m, s->real[0]);
}
