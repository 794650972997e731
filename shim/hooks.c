/*
 * The hooks that are one engine call each: symbols.def, made into functions.
 *
 * Under a row stands one function, so a debugger's step shows the row. What a row needs beside the call are the
 * few small functions here.
 */
#include "shim.h"

#include "../engine/numbers.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/acct.h>
#include <sys/mount.h>
#include <sys/quota.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/swap.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Of headers that no longer declare them. */
int __xstat(int v, const char *path, struct stat *st);
int __xstat64(int v, const char *path, struct stat64 *st);
int __lxstat(int v, const char *path, struct stat *st);
int __lxstat64(int v, const char *path, struct stat64 *st);
int __fxstat(int v, int fd, struct stat *st);
int __fxstat64(int v, int fd, struct stat64 *st);
int __fxstatat(int v, int dirfd, const char *path, struct stat *st, int flags);
int __fxstatat64(int v, int dirfd, const char *path, struct stat64 *st, int flags);
int __xmknod(int v, const char *path, mode_t mode, dev_t *dev);
int __xmknodat(int v, int dirfd, const char *path, mode_t mode, dev_t *dev);
ssize_t getdents(int fd, void *buf, size_t n); /* musl has it */
int __getgroups_chk(int n, gid_t *list, size_t room);
int pivot_root(const char *root, const char *old);
int __statfs(const char *path, struct statfs *st);
ssize_t __readlink_chk(const char *path, char *buf, size_t n, size_t room);
ssize_t __readlinkat_chk(int dirfd, const char *path, char *buf, size_t n, size_t room);

/* _STAT_VER_KERNEL and _STAT_VER_LINUX: one layout, where there is only one. x86_64 numbers it twice. */
#if defined __x86_64__
#define UR_VERSION(v, call) ((v) == 0 || (v) == 1 ? (call) : -EINVAL)
#else
#define UR_VERSION(v, call) ((v) == 0 ? (call) : -EINVAL)
#endif
/* A fortified call whose buffer is smaller than it says. */
#define UR_ROOM(n, room, call) ((n) > (room) ? (ur_chk_fail(), 0L) : (call))
/* What no run gets. A guard says so itself. */
#define UR_REFUSED(nr, a, b, c, d, e)                                                                                  \
    (ur_in_session() && !ur_guarded() ? ur_refuse(nr, -EPERM) : UR_PLAIN(nr, a, b, c, d, e, 0))

long ur_refuse(long nr, long error) {
    static const int mounts[] = {CALL_mount, CALL_fsopen, CALL_open_tree, CALL_move_mount, CALL_mount_setattr};
    struct ur_shared *shared = UR_SELF->u->shared;
    for (size_t i = 0; shared && i < sizeof mounts / sizeof *mounts; i++) {
        uint32_t nobody = 0;
        if (nr == mounts[i])
            atomic_compare_exchange_strong(&shared->mount_refused, &nobody, (uint32_t)sys_getpid());
    }
    return error;
}

static long ur_remove(const char *path) {
    long ret = ur_unlink(UR_SELF, AT_FDCWD, path, 0);
    return ret == -EISDIR ? ur_unlink(UR_SELF, AT_FDCWD, path, AT_REMOVEDIR) : ret;
}

/* musl's fchmod and fchown take what O_PATH has opened, too: by its name in /proc. `ret`: of the call by the
 * descriptor. */
static bool by_name(long ret, int fd, char name[32]) {
    static const char all[] = "/proc/self/fd/";
    if (ret != -EBADF || ur_in_glibc() || UR_SYS(SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0) < 0)
        return false;
    ur_put_number(ur_put(name, name + 32, all, sizeof all - 1), name + 32, (uint64_t)fd, 10);
    return true;
}

static long ur_fchmod_of(int fd, mode_t mode) {
    char name[32];
    long ret = ur_fchmod(UR_SELF, fd, mode);
    return by_name(ret, fd, name) ? ur_chmod(UR_SELF, AT_FDCWD, name, mode, 0) : ret;
}

static long ur_fchown_of(int fd, uid_t uid, gid_t gid) {
    char name[32];
    long ret = ur_fchown(UR_SELF, fd, uid, gid);
    return by_name(ret, fd, name) ? ur_chown(UR_SELF, AT_FDCWD, name, uid, gid, 0) : ret;
}

long ur_readlink_of(int dirfd, const char *path, char *buf, size_t n) {
    if (!ur_exe || !ur_names_exe(path))
        return ur_readlink(UR_SELF, dirfd, path, buf, n);
    size_t len = strlen(ur_exe);
    if (n == 0 || n > INT_MAX)
        return -EINVAL;
    memcpy(buf, ur_exe, len < n ? len : n);
    return (long)(len < n ? len : n);
}

long ur_handle_of(int dirfd, const char *path, struct file_handle *h, int *mount, int flags) {
    if (!ur_in_session())
        return UR_SYS(SYS_name_to_handle_at, dirfd, path, h, mount, flags, 0);
    UR_PATH_BUFFER(real);
    if (!real)
        return -ENOMEM;
    if (flags & AT_EMPTY_PATH && ur_is_empty(UR_SELF, path))
        return UR_SYS(SYS_name_to_handle_at, dirfd, path, h, mount, flags, 0);
    const struct ur_caller me = ur_asking(UR_SELF, "name_to_handle_at");
    long ret = ur_real(&me, dirfd, path, flags & AT_SYMLINK_FOLLOW ? 0 : UR_REAL_NOFOLLOW, real);
    return ret < 0 ? ret : UR_SYS(SYS_name_to_handle_at, AT_FDCWD, real, h, mount, flags, 0);
}

#define UR_HOOK(type, name, parameters, call)                                                                          \
    UR_EXPORT type name parameters {                                                                                   \
        return (type)ur_edge(call);                                                                                    \
    }
#define UR_ALIAS(name, of) UR_TWIN(name, of)
#define UR_OWN(name, file)
#define UR_NOT(name, reason)
#include "symbols.def"
