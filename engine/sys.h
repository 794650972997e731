/*
 * Raw system calls: what the engine stands on. Each returns what the kernel returns, -errno for an error;
 * errno itself is never touched. Only calls that every architecture has (the *at family) are used, so that
 * an architecture is one file: sys-ARCH.h. All are async-signal-safe and no cancellation points.
 *
 * In a process that a guard serves they are made from the gate (gate.h): the guard lets them by, raw paths and all. A
 * call with a path that nobody has resolved, the program's own, is made by UR_PLAIN, for the guard to answer.
 */
#ifndef UNIONRUN_ENGINE_SYS_H
#define UNIONRUN_ENGINE_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>

#if defined __x86_64__
#include "sys-x86_64.h"
#elif defined __aarch64__
#include "sys-aarch64.h"
#else
#error "unionrun has no system call layer for this architecture: write engine/sys-ARCH.h"
#endif

#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

struct statx;
struct statfs;

/* What getdents64(2) fills in; libc's struct dirent has a name of fixed size. */
struct sys_dirent {
    uint64_t ino;
    int64_t off;
    uint16_t reclen;
    unsigned char type; /* DT_* */
    char name[];
};

/* A system call from the gate, if it is open; one that never is; and one that always is, for who knows that it is
   mapped (gate.c). */
typedef long ur_way(long nr, long a, long b, long c, long d, long e, long f);
ur_way ur_syscall6 __attribute__((visibility("hidden")));
ur_way ur_plain6 __attribute__((visibility("hidden")));
ur_way ur_gated6 __attribute__((visibility("hidden")));
#define UR_SYS(nr, a, b, c, d, e, f) ur_syscall6((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define UR_PLAIN(nr, a, b, c, d, e, f) ur_plain6((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* A call that is only passed on, of a path from the cwd: by the call of before *at where there is one, as libc makes
   it. Programs that set a filter know their libc's calls. */
#ifdef SYS_unlink
#define UR_AS_LIBC(old, at) (old)
#else
#define UR_AS_LIBC(old, at) (at)
#endif

static inline long sys_openat(int dirfd, const char *path, int flags, mode_t mode) {
    return UR_SYS(SYS_openat, dirfd, path, flags, mode, 0, 0);
}
static inline long sys_open(const char *path, int flags, mode_t mode) {
    return sys_openat(AT_FDCWD, path, flags, mode);
}
static inline long sys_close(int fd) {
    return UR_SYS(SYS_close, fd, 0, 0, 0, 0, 0);
}
static inline long sys_read(int fd, void *buf, size_t n) {
    return UR_SYS(SYS_read, fd, buf, n, 0, 0, 0);
}
static inline long sys_write(int fd, const void *buf, size_t n) {
    return UR_SYS(SYS_write, fd, buf, n, 0, 0, 0);
}
static inline long sys_pread(int fd, void *buf, size_t n, off_t at) {
    return UR_SYS(SYS_pread64, fd, buf, n, at, 0, 0);
}
static inline long sys_lseek(int fd, off_t off, int whence) {
    return UR_SYS(SYS_lseek, fd, off, whence, 0, 0, 0);
}
static inline long sys_fstatat(int dirfd, const char *path, struct stat *st, int flags) {
    return UR_SYS(SYS_newfstatat, dirfd, path, st, flags, 0, 0);
}
static inline long sys_lstat(const char *path, struct stat *st) {
    return sys_fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}
static inline long sys_fstat(int fd, struct stat *st) {
    return UR_SYS(SYS_fstat, fd, st, 0, 0, 0, 0);
}
static inline long sys_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *st) {
    return UR_SYS(SYS_statx, dirfd, path, flags, mask, st, 0);
}
static inline long sys_statfs(const char *path, struct statfs *st) {
    return UR_SYS(SYS_statfs, path, st, 0, 0, 0, 0);
}
/* faccessat2 (Linux 5.8) takes flags; older kernels know only the real ids and no flags. */
static inline long sys_faccessat(int dirfd, const char *path, int mode, int flags) {
    long ret = UR_SYS(SYS_faccessat2, dirfd, path, mode, flags, 0, 0);
    if (ret == -ENOSYS)
        ret = UR_SYS(SYS_faccessat, dirfd, path, mode, 0, 0, 0);
    return ret;
}
static inline long sys_readlinkat(int dirfd, const char *path, char *buf, size_t n) {
    return UR_SYS(SYS_readlinkat, dirfd, path, buf, n, 0, 0);
}
static inline long sys_readlink(const char *path, char *buf, size_t n) {
    return sys_readlinkat(AT_FDCWD, path, buf, n);
}
static inline long sys_unlink(const char *path) {
    return UR_SYS(SYS_unlinkat, AT_FDCWD, path, 0, 0, 0, 0);
}
static inline long sys_rmdir(const char *path) {
    return UR_SYS(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR, 0, 0, 0);
}
static inline long sys_rename(const char *from, const char *to, unsigned flags) {
    return UR_SYS(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags, 0);
}
static inline long sys_link(const char *from, const char *to) {
    return UR_SYS(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0, 0);
}
static inline long sys_linkat(int fromfd, const char *from, int tofd, const char *to, int flags) {
    return UR_SYS(SYS_linkat, fromfd, from, tofd, to, flags, 0);
}
static inline long sys_symlink(const char *text, const char *path) {
    return UR_SYS(SYS_symlinkat, text, AT_FDCWD, path, 0, 0, 0);
}
static inline long sys_mkdir(const char *path, mode_t mode) {
    return UR_SYS(SYS_mkdirat, AT_FDCWD, path, mode, 0, 0, 0);
}
static inline long sys_mknod(const char *path, mode_t mode, unsigned dev) {
    return UR_SYS(SYS_mknodat, AT_FDCWD, path, mode, dev, 0, 0);
}
static inline long sys_chmod(const char *path, mode_t mode) {
    return UR_SYS(SYS_fchmodat, AT_FDCWD, path, mode, 0, 0, 0);
}
static inline long sys_fchmod(int fd, mode_t mode) {
    return UR_SYS(SYS_fchmod, fd, mode, 0, 0, 0, 0);
}
static inline long sys_fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags) {
    return UR_SYS(SYS_fchownat, dirfd, path, uid, gid, flags, 0);
}
static inline long sys_fchown(int fd, uid_t uid, gid_t gid) {
    return UR_SYS(SYS_fchown, fd, uid, gid, 0, 0, 0);
}
static inline long sys_utimensat(int dirfd, const char *path, const struct timespec ts[2], int flags) {
    return UR_SYS(SYS_utimensat, dirfd, path, ts, flags, 0, 0);
}
static inline long sys_truncate(const char *path, off_t len) {
    return UR_SYS(SYS_truncate, path, len, 0, 0, 0, 0);
}
static inline long sys_ftruncate(int fd, off_t len) {
    return UR_SYS(SYS_ftruncate, fd, len, 0, 0, 0, 0);
}
static inline long sys_fsync(int fd) {
    return UR_SYS(SYS_fsync, fd, 0, 0, 0, 0, 0);
}
static inline long sys_syncfs(int fd) {
    return UR_SYS(SYS_syncfs, fd, 0, 0, 0, 0, 0);
}
static inline long sys_chdir(const char *path) {
    return UR_SYS(SYS_chdir, path, 0, 0, 0, 0, 0);
}
static inline long sys_fchdir(int fd) {
    return UR_SYS(SYS_fchdir, fd, 0, 0, 0, 0, 0);
}
/* Returns the length with the NUL. */
static inline long sys_getcwd(char *buf, size_t n) {
    return UR_SYS(SYS_getcwd, buf, n, 0, 0, 0, 0);
}
static inline long sys_getdents64(int fd, void *buf, size_t n) {
    return UR_SYS(SYS_getdents64, fd, buf, n, 0, 0, 0);
}
static inline long sys_lgetxattr(const char *path, const char *name, void *value, size_t n) {
    return UR_SYS(SYS_lgetxattr, path, name, value, n, 0, 0);
}
static inline long sys_fgetxattr(int fd, const char *name, void *value, size_t n) {
    return UR_SYS(SYS_fgetxattr, fd, name, value, n, 0, 0);
}
static inline long sys_lsetxattr(const char *path, const char *name, const void *value, size_t n, int flags) {
    return UR_SYS(SYS_lsetxattr, path, name, value, n, flags, 0);
}
static inline long sys_fsetxattr(int fd, const char *name, const void *value, size_t n, int flags) {
    return UR_SYS(SYS_fsetxattr, fd, name, value, n, flags, 0);
}
static inline long sys_llistxattr(const char *path, char *list, size_t n) {
    return UR_SYS(SYS_llistxattr, path, list, n, 0, 0, 0);
}
static inline long sys_flistxattr(int fd, char *list, size_t n) {
    return UR_SYS(SYS_flistxattr, fd, list, n, 0, 0, 0);
}
static inline long sys_lremovexattr(const char *path, const char *name) {
    return UR_SYS(SYS_lremovexattr, path, name, 0, 0, 0, 0);
}
static inline long sys_fremovexattr(int fd, const char *name) {
    return UR_SYS(SYS_fremovexattr, fd, name, 0, 0, 0, 0);
}
static inline long sys_ioctl(int fd, unsigned long request, long arg) {
    return UR_SYS(SYS_ioctl, fd, request, arg, 0, 0, 0);
}
static inline long sys_copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t n) {
    return UR_SYS(SYS_copy_file_range, in, in_at, out, out_at, n, 0);
}
static inline long sys_sendfile(int out, int in, off_t *at, size_t n) {
    return UR_SYS(SYS_sendfile, out, in, at, n, 0, 0);
}
static inline long sys_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t at) {
    return UR_SYS(SYS_mmap, addr, len, prot, flags, fd, at);
}
static inline long sys_munmap(void *addr, size_t len) {
    return UR_SYS(SYS_munmap, addr, len, 0, 0, 0, 0);
}
static inline long sys_getpid(void) {
    return UR_SYS(SYS_getpid, 0, 0, 0, 0, 0, 0);
}
static inline long sys_gettid(void) {
    return UR_SYS(SYS_gettid, 0, 0, 0, 0, 0, 0);
}
static inline uid_t sys_geteuid(void) {
    return (uid_t)UR_SYS(SYS_geteuid, 0, 0, 0, 0, 0, 0);
}
static inline gid_t sys_getegid(void) {
    return (gid_t)UR_SYS(SYS_getegid, 0, 0, 0, 0, 0, 0);
}
static inline long sys_getgroups(int n, gid_t *list) {
    return UR_SYS(SYS_getgroups, n, list, 0, 0, 0, 0);
}
static inline long sys_getrandom(void *buf, size_t n) {
    return UR_SYS(SYS_getrandom, buf, n, 0, 0, 0, 0);
}
static inline long sys_flock(int fd, int op) {
    return UR_SYS(SYS_flock, fd, op, 0, 0, 0, 0);
}

#endif
