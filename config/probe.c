/*
 * What the filesystem of an upper can do, found out by doing it: no table of filesystem names knows what a
 * container's kernel, an NFS server or a stacked mount allows.
 *
 * Invariant: every name that a probe makes is gone when it returns; names left by a killed probe are in its way
 * no more than for one run, for each begins by removing its own.
 */
#include "config/probe.h"
#include "config/table.h"

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
    int clone = make_file(directory, second);
    if (clone >= 0) {
        /* a whole block: some filesystems keep less in the inode, and refuse to clone that */
        static const char block[4096];
        if (write(file, block, sizeof block) == sizeof block && ioctl(clone, FICLONE, file) == 0)
            caps |= UR_CAP_REFLINK;
        close(clone);
    }
    close(file);
    unlinkat(directory, second, 0);
    if (renameat2(directory, first, directory, second, RENAME_NOREPLACE) == 0) {
        caps |= UR_CAP_RENAME_NOREPLACE;
        renameat(directory, second, directory, first);
    }
    int other = make_file(directory, second);
    if (other >= 0)
        close(other);
    if (renameat2(directory, first, directory, second, RENAME_EXCHANGE) == 0)
        caps |= UR_CAP_RENAME_EXCHANGE;
    if (renameat2(directory, first, directory, second, RENAME_WHITEOUT) == 0 && is_whiteout(directory, first))
        caps |= UR_CAP_RENAME_WHITEOUT;

    clean(directory);
    if (mknodat(directory, first, S_IFCHR, makedev(0, 0)) == 0 && is_whiteout(directory, first))
        caps |= UR_CAP_CHARDEV;
    clean(directory);
    return caps;
}
