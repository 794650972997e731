/*
 * Metadata by host path, with no symlink followed at its end: the last step of every such change, whoever makes it.
 *
 * A plain process makes the system call. The guard may do what its callers may not, and those can put a symlink in
 * the place of a directory between its look and this step: so it opens what is there, has that judged (ur_judge), and
 * changes that and nothing else.
 */
#include "union.h"

long (*ur_judge)(int fd);

struct attribute {
    int fd; /* O_PATH */
    char path[40];
};

static void shut(struct attribute *a) {
    if (a->fd >= 0)
        sys_close(a->fd);
}

/* A name for what is at `host` now, and what may be changed. 0 or -errno. */
static long grasp(const char *host, struct attribute *a) {
    a->fd = -1;
    long fd = sys_open(host, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    a->fd = (int)fd;
    char *end = a->path + sizeof a->path, *p = ur_put(a->path, end, "/proc/thread-self/fd/", 21);
    ur_put_number(p, end, (uint64_t)fd, 10);
    return ur_judge(a->fd);
}

/* Other threads have the caller's umask, too: it cannot be changed for a moment. */
long ur_create(const char *host, int flags, mode_t mode) {
    long fd = sys_open(host, flags | O_CLOEXEC, mode);
    struct stat st;
    if (fd >= 0 && sys_fstat((int)fd, &st) == 0 && mode & ~st.st_mode & S_IRWXU)
        sys_fchmod((int)fd, (st.st_mode & 07777) | (mode & S_IRWXU));
    return fd;
}

long ur_create_dir(const char *host, mode_t mode) {
    struct stat st;
    long ret = sys_mkdir(host, mode);
    if (ret == 0 && sys_lstat(host, &st) == 0 && mode & ~st.st_mode & S_IRWXU)
        ret = ur_set_mode(host, (st.st_mode & 07777) | (mode & S_IRWXU));
    return ret;
}

#define GRASPED(host, call)                                                                                            \
    __attribute__((cleanup(shut))) struct attribute a;                                                                 \
    long ret = grasp(host, &a);                                                                                        \
    return ret < 0 ? ret : (call)

long ur_set_mode(const char *host, mode_t mode) {
    if (!ur_judge)
        return sys_chmod(host, mode);
    GRASPED(host, sys_chmod(a.path, mode));
}

long ur_set_owner(const char *host, uid_t uid, gid_t gid) {
    if (!ur_judge)
        return sys_fchownat(AT_FDCWD, host, uid, gid, AT_SYMLINK_NOFOLLOW);
    GRASPED(host, sys_fchownat(a.fd, "", uid, gid, AT_EMPTY_PATH));
}

long ur_set_times(const char *host, const struct timespec ts[2]) {
    if (!ur_judge)
        return sys_utimensat(AT_FDCWD, host, ts, AT_SYMLINK_NOFOLLOW);
    GRASPED(host, sys_utimensat(AT_FDCWD, a.path, ts, 0));
}

long ur_set_length(const char *host, off_t len) {
    if (!ur_judge)
        return sys_truncate(host, len);
    GRASPED(host, sys_truncate(a.path, len));
}

long ur_set_xattr(const char *host, const char *name, const void *value, size_t n, int flags) {
    if (!ur_judge)
        return sys_lsetxattr(host, name, value, n, flags);
    GRASPED(host, UR_SYS(SYS_setxattr, a.path, name, value, n, flags, 0));
}

long ur_drop_xattr(const char *host, const char *name) {
    if (!ur_judge)
        return sys_lremovexattr(host, name);
    GRASPED(host, UR_SYS(SYS_removexattr, a.path, name, 0, 0, 0, 0));
}
