/*
 * What the filesystem of an upper can do, found out by doing it: no table of filesystem names knows what a
 * container's kernel, an NFS server or a stacked mount allows.
 *
 * Invariant: every name that a probe makes is gone when it returns; names left by a killed probe are in its way
 * no more than for one run, for each begins by removing its own.
 */
#include "config/probe.h"
#include "config/table.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char first[] = "probe.a", second[] = "probe.b";

static void clean(int directory) {
    unlinkat(directory, first, 0);
    unlinkat(directory, second, 0);
}

static int make_file(int directory, const char *name) {
    return openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static bool is_whiteout(int directory, const char *name) {
    struct stat st;
    return fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0;
}

static bool linked(int directory, int file) {
    char self[32];
    snprintf(self, sizeof self, "/proc/self/fd/%d", file);
    return linkat(AT_FDCWD, self, directory, first, AT_SYMLINK_FOLLOW) == 0;
}

/* Can the file be cloned to another? Where its filesystem knows nothing of that, it says so of the file and itself. */
static bool clones(int directory, int file, const char *name) {
    if (ioctl(file, FICLONE, file) < 0 && errno == EOPNOTSUPP)
        return false;
    /* a whole block: some filesystems keep less in the inode, and refuse to clone that */
    static const char block[4096];
    int clone = make_file(directory, name);
    if (clone < 0)
        return false;
    bool cloned = write(file, block, sizeof block) == sizeof block && ioctl(clone, FICLONE, file) == 0;
    close(clone);
    unlinkat(directory, name, 0);
    return cloned;
}

static void swap(const char **a, const char **b) {
    const char *was = *a;
    *a = *b;
    *b = was;
}

/* Each thing that is made costs a start as much as all of the checks: what one question has made, the next is asked of.
 */
uint32_t ur_probe_caps(int directory) {
    uint32_t caps = 0;
    clean(directory);

    int file = openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file >= 0 && linked(directory, file)) {
        caps |= UR_CAP_TMPFILE;
    } else {
        if (file >= 0)
            close(file);
        file = make_file(directory, first);
    }
    if (file < 0)
        return caps;
    if (fsetxattr(file, "user.overlay.probe", "y", 1, 0) == 0)
        caps |= UR_CAP_XATTR;
    if (clones(directory, file, second))
        caps |= UR_CAP_REFLINK;
    close(file);

    const char *name = first, *free_name = second;
    if (renameat2(directory, name, directory, free_name, RENAME_NOREPLACE) == 0) {
        caps |= UR_CAP_RENAME_NOREPLACE;
        swap(&name, &free_name);
    }
    int other = -1;
    if (mknodat(directory, free_name, S_IFCHR, makedev(0, 0)) == 0 && is_whiteout(directory, free_name))
        caps |= UR_CAP_CHARDEV;
    else
        other = make_file(directory, free_name);
    if (other >= 0)
        close(other);
    if (renameat2(directory, name, directory, free_name, RENAME_EXCHANGE) == 0) {
        caps |= UR_CAP_RENAME_EXCHANGE;
        swap(&name, &free_name);
    }
    if (renameat2(directory, name, directory, free_name, RENAME_WHITEOUT) == 0 && is_whiteout(directory, name))
        caps |= UR_CAP_RENAME_WHITEOUT;
    clean(directory);
    return caps;
}
