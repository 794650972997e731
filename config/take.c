/*
 * What a checked plan needs on disk before anybody may work on it: uppers and works that were missing are made,
 * each upper and work is taken by this process alone, and each upper's filesystem is probed.
 *
 * Invariant: nothing that was there is changed, but for unionrun's own directory in a work directory, and that only
 * under its lock.
 */
#include "config/take.h"
#include "config/probe.h"
#include "config/table.h"
#include "config/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* A new upper looks like the directory that it covers: the union's root keeps its mode, owner and times, and the record
   of an owner that an import could not give it. */
static void look_like(const char *upper, const char *lower) {
    struct stat st;
    if (stat(lower, &st) < 0)
        return;
    if (chown(upper, st.st_uid, st.st_gid) < 0 && chown(upper, (uid_t)-1, st.st_gid) < 0)
        st.st_mode &= ~(mode_t)S_ISGID;
    chmod(upper, st.st_mode & 07777);
    char record[64];
    ssize_t size = getxattr(lower, UR_OVERRIDE_STAT, record, sizeof record);
    if (size > 0)
        setxattr(upper, UR_OVERRIDE_STAT, record, (size_t)size, 0);
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    utimensat(AT_FDCWD, upper, times, 0);
}

/* What was made is there after a power cut, too: what the run will keep in it is. A filesystem that syncs no directory
   does without. */
static void sync_place(const struct ur_plan *plan, const char *path) {
    if (plan->durability == UR_DURABLE_VOLATILE)
        return;
    const char *slash = strrchr(path, '/');
    UR_AUTO_TEXT parent = slash == path ? ur_format("/") : ur_copy(path, (size_t)(slash - path));
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

static bool make_directory(struct ur_plan *plan, struct ur_said_at where, const char *path, mode_t mode, bool *made) {
    *made = mkdir(path, mode) == 0;
    if (*made)
        sync_place(plan, path);
    if (*made || errno == EEXIST)
        return true;
    return ur_plan_fail(plan, where, "%s: cannot be made: %s", path, strerror(errno));
}

/* Complete from the first moment: one that a killed run left half made would keep another's mode and times for good. */
static bool make_upper(struct ur_plan *plan, struct ur_said_at where, const char *upper, const char *lower) {
    struct stat st;
    if (lstat(upper, &st) == 0)
        return true;
    UR_AUTO_TEXT fresh = ur_format("%s.new", upper);
    rmdir(fresh); /* that run's */
    if (mkdir(fresh, 0755) == 0) {
        look_like(fresh, lower);
        if (rename(fresh, upper) == 0) {
            sync_place(plan, upper);
            return true;
        }
        int error = errno;
        rmdir(fresh);
        errno = error;
    }
    return ur_plan_fail(plan, where, "%s: cannot be made: %s", upper, strerror(errno));
}

static void keep_lock(struct ur_locks *locks, int fd) {
    locks->fd = ur_grow(locks->fd, locks->count, sizeof *locks->fd);
    locks->fd[locks->count++] = fd;
}

/* `lock` names the process that keeps the other run, if it could be opened. */
static bool in_use(struct ur_plan *plan, struct ur_said_at where, const char *path, int lock) {
    char keeper[16] = "";
    ssize_t got = lock < 0 ? 0 : pread(lock, keeper, sizeof keeper - 1, 0);
    keeper[got > 0 ? strspn(keeper, "0123456789") : 0] = '\0';
    return ur_plan_fail(plan, where,
                        "%s is in use by another unionrun, or by processes that one has left running%s%s; wait for "
                        "them to end, or name another",
                        path, *keeper ? ": see the children of process " : "", keeper);
}

static struct flock upper_lock(short type) {
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = 0x756e696f6e, .l_len = 1};
}

/*
 * The upper is taken by an open-file-description lock on the directory itself, so that a second run is refused
 * even if it names another work directory. On a directory only a read lock can be had, and those do not exclude
 * each other; but a lock that would be in the way of a write lock can be asked for. So: take the read lock, then
 * look whether somebody else has one too; of two that start at once, one at least sees the other. A program in the
 * union can neither make such a conflict nor meet one, as it could with flock(2), for it too can have read locks
 * only. Where the filesystem knows no such lock (NFS), the work directory's must do.
 */
static bool lock_upper(struct ur_plan *plan, struct ur_locks *locks, struct ur_said_at where, const char *upper) {
    int fd = open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) /* a 0311 upper, say */
        return true;
    keep_lock(locks, fd);
    struct flock lock = upper_lock(F_RDLCK);
    if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
        return true;
    lock.l_type = F_WRLCK;
    if (fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
        return true;
    return in_use(plan, where, upper, -1);
}

/* Under root the run's processes may change their ids (a daemon, su) and still have to copy up: they must reach tmp/,
   where all names are random, and be able to make them; what root keeps in the others is root's. */
static mode_t work_mode(void) {
    return geteuid() == 0 ? 0711 : 0700;
}

/* unionrun's own directory in the work directory: locked, and with its parts. Its descriptor, or -1. */
static int open_own(struct ur_plan *plan, struct ur_locks *locks, struct ur_said_at where, const char *work) {
    static const char *const parts[] = {"tmp", "links", "origin", "journal"};
    UR_AUTO_TEXT own = ur_path_join(work, "unionrun");
    bool made;
    if (!make_directory(plan, where, own, work_mode(), &made))
        return -1;
    int fd = open(own, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int lock = fd < 0 ? -1 : openat(fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (lock < 0) {
        ur_plan_fail(plan, where, "%s: %s; name a work directory of this user's own", own, strerror(errno));
    } else {
        keep_lock(locks, lock);
        if (flock(lock, LOCK_EX | LOCK_NB) == 0) {
            /* A failure shows in the probe, or at the first use. */
            for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
                mkdirat(fd, parts[i], 0700);
            struct stat st;
            if (geteuid() == 0 &&
                (fstatat(fd, parts[0], &st, AT_SYMLINK_NOFOLLOW) < 0 || (st.st_mode & 07777) != 01733))
                (void)!fchmodat(fd, parts[0], 01733, 0);
            return fd;
        }
        in_use(plan, where, work, lock);
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool probe(struct ur_plan *plan, struct ur_plan_mount *mount, int own) {
    int tmp = openat(own, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (tmp >= 0) {
        mount->caps = ur_probe_caps(tmp);
        close(tmp);
    }
    if (mount->caps & (UR_CAP_CHARDEV | UR_CAP_XATTR))
        return true;
    return ur_plan_fail(
        plan, (struct ur_said_at){mount->said, "upper", -1},
        "%s: its filesystem can hold no whiteout (neither a 0:0 device nor a user xattr); put the upper "
        "on another filesystem",
        mount->upper);
}

static bool prepare_upper(struct ur_plan *plan, struct ur_locks *locks, struct ur_plan_mount *mount) {
    struct ur_said_at upper = {mount->said, "upper", -1}, work = {mount->said, "work", -1};
    bool made;
    if (!make_upper(plan, upper, mount->upper, mount->lower[0]))
        return false;
    if (!make_directory(plan, work, mount->work, work_mode(), &made))
        return false;
    int own = open_own(plan, locks, work, mount->work);
    if (own < 0)
        return false;
    bool right = lock_upper(plan, locks, upper, mount->upper) && probe(plan, mount, own);
    close(own);
    return right;
}

bool ur_take_uppers(struct ur_plan *plan, struct ur_locks *locks) {
    for (size_t i = 0; i < plan->count; i++)
        if (plan->mounts[i].upper && !prepare_upper(plan, locks, &plan->mounts[i]))
            return false;
    locks->uppers = locks->count;
    return true;
}

void ur_locks_free(struct ur_locks *locks) {
    for (size_t i = 0; i < locks->count; i++)
        close(locks->fd[i]);
    free(locks->fd);
    *locks = (struct ur_locks){0};
}

char *ur_commit_mark(const struct ur_plan_mount *mount) {
    return ur_path_join(mount->work, "unionrun/commit");
}

bool ur_commit_unfinished(struct ur_plan *plan) {
    for (size_t i = 0; i < plan->count; i++) {
        const struct ur_plan_mount *mount = &plan->mounts[i];
        UR_AUTO_TEXT mark = mount->upper ? ur_commit_mark(mount) : NULL;
        char ready[4096];
        ssize_t n = mark ? readlink(mark, ready, sizeof ready - 1) : -1;
        if (n <= 0)
            continue;
        ready[n] = '\0';
        struct stat st;
        if (lstat(ready, &st) == 0) {
            ur_plan_fail(plan, (struct ur_said_at){mount->said, "upper", -1},
                         "%s: a commit of it was interrupted; unionrun commit finishes it", mount->upper);
            return true;
        }
        unlink(mark); /* it came to nothing */
    }
    return false;
}

bool ur_is_taken(const char *upper) {
    int fd = open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    struct flock lock = upper_lock(F_WRLCK);
    bool taken = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return taken;
}
