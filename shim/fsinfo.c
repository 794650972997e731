/*
 * What a filesystem says of itself: statvfs is statfs in other words, pathconf is libc's fpathconf of a
 * descriptor that names the file and opens nothing (O_PATH).
 */
#include "shim.h"

#include <stdio.h>
#include <sys/ipc.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { ST_VALID = 0x20 }; /* in f_flags: the kernel filled them in */

static void to_statvfs(const struct statfs *from, struct statvfs *to) {
    memset(to, 0, sizeof *to);
    to->f_bsize = (unsigned long)from->f_bsize;
    to->f_frsize = (unsigned long)(from->f_frsize ? from->f_frsize : from->f_bsize);
    to->f_blocks = from->f_blocks;
    to->f_bfree = from->f_bfree;
    to->f_bavail = from->f_bavail;
    to->f_files = from->f_files;
    to->f_ffree = from->f_ffree;
    to->f_favail = from->f_ffree;
    to->f_fsid = (unsigned)from->f_fsid.__val[0] | (unsigned long)(unsigned)from->f_fsid.__val[1] << 32;
    to->f_namemax = (unsigned long)from->f_namelen;
    to->f_flag = (unsigned long)from->f_flags & ~(unsigned long)ST_VALID;
}

/* A descriptor's filesystem is that of its path: in a union, what can be written counts. */
long ur_fstatfs(int fd, struct statfs *st) {
    struct stat file;
    long ret = UR_SYS(SYS_fstatfs, fd, st, 0, 0, 0, 0);
    if (ret < 0 || !ur_in_session() || sys_fstat(fd, &file) < 0 || S_ISSOCK(file.st_mode) || S_ISFIFO(file.st_mode))
        return ret;
    char name[40];
    struct statfs in_union;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    if (ur_statfs(UR_SELF, name, &in_union) == 0)
        *st = in_union;
    return ret;
}

UR_EXPORT int fstatfs(int fd, struct statfs *st) {
    return (int)ur_edge(ur_fstatfs(fd, st));
}
UR_TWIN(fstatfs64, fstatfs)

UR_EXPORT int statvfs(const char *path, struct statvfs *st) {
    struct statfs raw;
    long ret = ur_statfs(UR_SELF, path, &raw);
    if (ret == 0)
        to_statvfs(&raw, st);
    return (int)ur_edge(ret);
}
UR_TWIN(statvfs64, statvfs)

UR_EXPORT int fstatvfs(int fd, struct statvfs *st) {
    struct statfs raw;
    long ret = ur_fstatfs(fd, &raw);
    if (ret == 0)
        to_statvfs(&raw, st);
    return (int)ur_edge(ret);
}
UR_TWIN(fstatvfs64, fstatvfs)

/* What libc tells of any path, be it there or not: musl all. */
static bool is_constant(int name) {
    return !ur_in_glibc() || name == _PC_PATH_MAX || name == _PC_PIPE_BUF || name == _PC_MAX_CANON ||
           name == _PC_MAX_INPUT || name == _PC_NO_TRUNC || name == _PC_VDISABLE;
}

UR_EXPORT long pathconf(const char *path, int name) {
    if (is_constant(name) && (*path || !ur_in_glibc()))
        return fpathconf(0, name);
    long fd = *path ? ur_open(UR_SELF, AT_FDCWD, path, O_PATH | O_CLOEXEC, 0) : -ENOENT;
    if (fd < 0)
        return ur_edge(fd);
    long value = fpathconf((int)fd, name);
    sys_close((int)fd);
    return value;
}

UR_EXPORT key_t ftok(const char *path, int id) {
    struct stat st;
    if (ur_edge(ur_stat(UR_SELF, AT_FDCWD, path, &st, 0)) < 0)
        return -1;
    return (key_t)((st.st_ino & 0xffff) | ((st.st_dev & 0xff) << 16) | ((unsigned)(id & 0xff) << 24));
}
