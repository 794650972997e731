/*
 * Permissions that the kernel cannot check for us, because the file that it will be asked to change is a copy of
 * ours: what it would have said of the lower one is asked before the copy-up. inode_permission(), may_delete()
 * and setattr_prepare() in the kernel are what these follow.
 */
#include "union.h"

#include <linux/capability.h>
#include <unistd.h>

static bool root_permits;

void ur_root_permits(bool all) {
    root_permits = all;
}

static bool capable(int cap) {
    if (root_permits && (cap == CAP_FOWNER || cap == CAP_DAC_OVERRIDE))
        return true;
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    if (UR_SYS(SYS_capget, &head, data, 0, 0, 0, 0) < 0)
        return sys_geteuid() == 0;
    return data[cap / 32].effective >> (cap % 32) & 1;
}

bool ur_sees_trusted(void) {
    return capable(CAP_SYS_ADMIN);
}

static bool in_group(gid_t gid) {
    if (sys_getegid() == gid)
        return true;
    gid_t list[256];
    long n = sys_getgroups(256, list);
    for (long i = 0; i < n; i++)
        if (list[i] == gid)
            return true;
    return false;
}

/* The mode bits alone: for a file on a read-only filesystem, of which faccessat says EROFS before it looks at them. */
static long by_mode(const struct stat *st, int mode) {
    unsigned granted;
    if (capable(CAP_DAC_OVERRIDE))
        return 0;
    if (st->st_uid == sys_geteuid())
        granted = st->st_mode >> 6;
    else if (in_group(st->st_gid))
        granted = st->st_mode >> 3;
    else
        granted = st->st_mode;
    return (granted & 7 & (unsigned)mode) == (unsigned)mode ? 0 : -EACCES;
}

/* access(2) with the effective ids, to a file that a lower holds: a read-only lower filesystem does not matter. */
long ur_may_access(const char *host, int mode) {
    long ret = sys_faccessat(AT_FDCWD, host, mode, AT_EACCESS | AT_SYMLINK_NOFOLLOW);
    if (ret == -EACCES && root_permits) { /* the copy will be the user's own; to read, he must read this one */
        mode &= ~W_OK;
        return mode ? sys_faccessat(AT_FDCWD, host, mode, AT_EACCESS | AT_SYMLINK_NOFOLLOW) : 0;
    }
    if (ret != -EROFS)
        return ret;
    struct stat st;
    ret = sys_lstat(host, &st);
    return ret < 0 ? ret : by_mode(&st, mode);
}

/* To chmod, utimens: the owner, or CAP_FOWNER. */
long ur_may_own(const struct stat *st) {
    return st->st_uid == sys_geteuid() || capable(CAP_FOWNER) ? 0 : -EPERM;
}

/* The sticky bit of `dir` (its write permission is another question). */
long ur_may_delete(const struct stat *dir, const struct stat *victim) {
    if (!(dir->st_mode & S_ISVTX))
        return 0;
    uid_t uid = sys_geteuid();
    return victim->st_uid == uid || dir->st_uid == uid || capable(CAP_FOWNER) ? 0 : -EPERM;
}
