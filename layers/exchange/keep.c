/* Metadata as far as a user can have it; see keep.h. */
#include "layers/exchange/keep.h"
#include "engine/union.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool is_root(void) {
    return geteuid() == 0;
}

/* The mode that a plain user's file gets. */
static mode_t own_mode(mode_t type, mode_t mode) {
    if (S_ISDIR(type))
        return (mode & 01777) | 0700;
    return S_ISREG(type) ? (mode & 0777) | 0400 : mode & 0777;
}

bool ur_xattr_is_ours(const char *name) {
    static const char *const prefixes[] = {"user.fuseoverlayfs.", "user.containers.override_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return ur_is_marker_xattr(name);
}

static bool is_refusal(int error) {
    return error == EPERM || error == ENOTSUP || error == EACCES || error == EINVAL;
}

static long put_xattr(int fd, int directory, const char *name, const struct ur_xattr *xattr) {
    char path[64 + 256];
    if (fd >= 0)
        return fsetxattr(fd, xattr->name, xattr->value, xattr->size, 0) == 0 ? 0 : -errno;
    snprintf(path, sizeof path, "/proc/self/fd/%d/%s", directory, name);
    return lsetxattr(path, xattr->name, xattr->value, xattr->size, 0) == 0 ? 0 : -errno;
}

static long put_xattrs(int fd, int directory, const char *name, const struct ur_xattr *xattrs, size_t count,
                       struct ur_lost *lost) {
    for (size_t i = 0; i < count; i++) {
        long ret = ur_xattr_is_ours(xattrs[i].name) ? 0 : put_xattr(fd, directory, name, &xattrs[i]);
        if (ret < 0 && !is_refusal((int)-ret))
            return ret;
        lost->xattrs += ret < 0;
    }
    return 0;
}

/* Also of what can be seen: to a simulated root a file without one is 0:0. */
static long put_record(int fd, mode_t type, const struct ur_meta *meta, struct ur_lost *lost) {
    char text[UR_RECORD_MAX];
    const struct ur_record record = {meta->uid, meta->gid, meta->mode, meta->device, meta->rdev};
    size_t size = ur_record_write(&record, text);
    int error = 0;
    if (fd < 0 || !(S_ISREG(type) || S_ISDIR(type)))
        error = EPERM;
    else if (fsetxattr(fd, UR_OVERRIDE_STAT, text, size, 0) < 0)
        error = errno;
    if (error && !is_refusal(error))
        return -error;
    lost->owners += error != 0;
    return 0;
}

static long put_owner(int fd, int directory, const char *name, mode_t type, const struct ur_meta *meta,
                      struct ur_lost *lost) {
    if (!is_root())
        return put_record(fd, type, meta, lost);
    int ret = fd >= 0 ? fchown(fd, meta->uid, meta->gid)
                      : fchownat(directory, name, meta->uid, meta->gid, AT_SYMLINK_NOFOLLOW);
    return ret == 0 ? 0 : -errno;
}

static long put_mode(int fd, int directory, const char *name, mode_t type, mode_t mode) {
    if (S_ISLNK(type))
        return 0;
    if (!is_root())
        mode = own_mode(type, mode);
    return (fd >= 0 ? fchmod(fd, mode) : fchmodat(directory, name, mode, 0)) == 0 ? 0 : -errno;
}

static long put_times(int fd, int directory, const char *name, const struct ur_meta *meta) {
    const struct timespec times[2] = {meta->mtime, meta->mtime};
    int ret = fd >= 0 ? futimens(fd, times) : utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW);
    return ret == 0 || errno == EINVAL ? 0 : -errno; /* a time that no filesystem can hold */
}

long ur_keep(int fd, int directory, const char *name, mode_t type, const struct ur_meta *meta,
             const struct ur_xattr *xattrs, size_t count, struct ur_lost *lost) {
    long ret = put_owner(fd, directory, name, type, meta, lost);
    if (ret == 0)
        ret = put_xattrs(fd, directory, name, xattrs, count, lost);
    if (ret == 0)
        ret = put_mode(fd, directory, name, type, meta->mode);
    return ret == 0 ? put_times(fd, directory, name, meta) : ret;
}

long ur_keep_directory_begin(int fd, const struct ur_meta *meta, const struct ur_xattr *xattrs, size_t count,
                             struct ur_lost *lost) {
    long ret = put_owner(fd, -1, "", S_IFDIR, meta, lost);
    return ret == 0 ? put_xattrs(fd, -1, "", xattrs, count, lost) : ret;
}

long ur_keep_directory_end(int fd, const struct ur_meta *meta) {
    long ret = put_mode(fd, -1, "", S_IFDIR, meta->mode);
    return ret == 0 ? put_times(fd, -1, "", meta) : ret;
}

void ur_meta_of(const struct stat *st, const char *record, size_t size, struct ur_meta *meta) {
    struct ur_record r;
    struct stat as = *st;
    bool recorded = ur_record_read(record, size, &r);
    if (recorded)
        ur_record_tell(&r, &as);
    *meta = (struct ur_meta){as.st_mode & 07777, as.st_uid, as.st_gid, as.st_mtim, 0, 0};
    if (recorded && (as.st_mode & S_IFMT) != (st->st_mode & S_IFMT)) {
        meta->device = as.st_mode & S_IFMT;
        meta->rdev = as.st_rdev;
    }
}
