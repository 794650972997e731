/* open, stat, access, names made and removed, metadata, extended attributes, times. */
#include "calls.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <utime.h>

int __open(const char *path, int flags, ...);
int __open64(const char *path, int flags, ...);
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dirfd, const char *path, int flags);
int __openat64_2(int dirfd, const char *path, int flags);
int __xstat(int v, const char *path, struct stat *st);
int __xstat64(int v, const char *path, struct stat *st);
int __lxstat(int v, const char *path, struct stat *st);
int __lxstat64(int v, const char *path, struct stat *st);
int __fxstat(int v, int fd, struct stat *st);
int __fxstat64(int v, int fd, struct stat *st);
int __fxstatat(int v, int dirfd, const char *path, struct stat *st, int flags);
int __fxstatat64(int v, int dirfd, const char *path, struct stat *st, int flags);
int __xmknod(int v, const char *path, mode_t mode, dev_t *dev);
int __xmknodat(int v, int dirfd, const char *path, mode_t mode, dev_t *dev);
int __statfs(const char *path, struct statfs *st);

/* --- open ---------------------------------------------------------------------------------------------------- */

#define OPENS(symbol, ...)                                                                                             \
    TEST(symbol) {                                                                                                     \
        say_text((int)CALL(symbol(__VA_ARGS__ p->file, O_RDONLY)));                                                    \
        CALL(symbol(__VA_ARGS__ p->absent, O_RDONLY));                                                                 \
        CALL(symbol(__VA_ARGS__ p->dir, O_RDWR));                                                                      \
        int fd = (int)CALL(symbol(__VA_ARGS__ p->link, O_RDWR | O_APPEND));                                            \
        say("%zd", write(fd, "more\n", 5));                                                                            \
        say_text(fd);                                                                                                  \
        say_file(p->file);                                                                                             \
    }
#define CREATES(symbol, ...)                                                                                           \
    OPENS(symbol, __VA_ARGS__)                                                                                         \
    TEST(symbol##_creates) {                                                                                           \
        int fd = (int)CALL(symbol(__VA_ARGS__ p->fresh, O_RDWR | O_CREAT | O_EXCL, 0640));                             \
        say("%zd", write(fd, "fresh", 5));                                                                             \
        say_text(fd);                                                                                                  \
        say_path(p->fresh);                                                                                            \
        CALL(symbol(__VA_ARGS__ p->fresh, O_RDWR | O_CREAT | O_EXCL, 0640));                                           \
        close((int)CALL(symbol(__VA_ARGS__ "n", O_RDWR | O_TMPFILE, 0600)));                                           \
    }
CREATES(open, )
CREATES(open64, )
CREATES(__open, )
CREATES(__open64, )
CREATES(openat, AT_FDCWD, )
CREATES(openat64, AT_FDCWD, )
OPENS(__open_2, )
OPENS(__open64_2, )
OPENS(__openat_2, AT_FDCWD, )
OPENS(__openat64_2, AT_FDCWD, )

TEST(openat_by_descriptor) {
    int dir = open("d/openat", O_RDONLY | O_DIRECTORY);
    say_text((int)CALL(openat(dir, "low", O_RDONLY)));
    say_text((int)CALL(openat(dir, "high", O_RDONLY)));
    int fd = (int)CALL(openat(dir, "new", O_RDWR | O_CREAT, 0600));
    say("%zd", write(fd, "new", 3));
    close(fd);
    close(dir);
    dir = open("d/openat", O_PATH);
    say_text((int)CALL(openat(dir, "../openat/new", O_RDONLY)));
    close(dir);
}

#define CREATS(symbol)                                                                                                 \
    TEST(symbol) {                                                                                                     \
        close((int)CALL(symbol(p->file, 0600)));                                                                       \
        say_file(p->file);                                                                                             \
        say_path(p->file);                                                                                             \
        close((int)CALL(symbol(p->fresh, 0600)));                                                                      \
        say_path(p->fresh);                                                                                            \
    }
CREATS(creat)
CREATS(creat64)

TEST(name_to_handle_at) {
    struct {
        struct file_handle h;
        char room[128];
    } h;
    int mount;
    h.h.handle_bytes = sizeof h.room;
    long ret = name_to_handle_at(AT_FDCWD, p->file, &h.h, &mount, 0);
    say("%s", ret == 0 || errno == EOPNOTSUPP ? "ok" : strerrorname_np(errno));
    h.h.handle_bytes = sizeof h.room;
    CALL(name_to_handle_at(AT_FDCWD, p->absent, &h.h, &mount, 0));
}

/* --- stat ------------------------------------------------------------------------------------------------------ */

#define STATS(symbol, before, after)                                                                                   \
    TEST(symbol) {                                                                                                     \
        struct stat st;                                                                                                \
        CALL(symbol(before p->file, (void *)&st after));                                                               \
        say_stat(&st);                                                                                                 \
        CALL(symbol(before p->link, (void *)&st after));                                                               \
        say_stat(&st);                                                                                                 \
        CALL(symbol(before p->dir, (void *)&st after));                                                                \
        say_stat(&st);                                                                                                 \
        CALL(symbol(before p->absent, (void *)&st after));                                                             \
        CALL(symbol(before "", (void *)&st after));                                                                    \
    }
#define NONE
#define COMMA ,
#ifdef __x86_64__
#define LINUX_VERSION 1 /* the kernel's is 0 */
#else
#define LINUX_VERSION 0
#endif
STATS(stat, NONE, NONE)
STATS(stat64, NONE, NONE)
STATS(lstat, NONE, NONE)
STATS(lstat64, NONE, NONE)
STATS(fstatat, AT_FDCWD COMMA, COMMA 0)
STATS(fstatat64, AT_FDCWD COMMA, COMMA AT_SYMLINK_NOFOLLOW)
STATS(__xstat, LINUX_VERSION COMMA, NONE)
STATS(__xstat64, LINUX_VERSION COMMA, NONE)
STATS(__lxstat, 0 COMMA, NONE)
STATS(__lxstat64, LINUX_VERSION COMMA, NONE)
STATS(__fxstatat, LINUX_VERSION COMMA AT_FDCWD COMMA, COMMA 0)
STATS(__fxstatat64, LINUX_VERSION COMMA AT_FDCWD COMMA, COMMA AT_SYMLINK_NOFOLLOW)

#define FSTATS(symbol, before)                                                                                         \
    TEST(symbol) {                                                                                                     \
        struct stat st, by_path;                                                                                       \
        int fd = open(p->file, O_RDONLY);                                                                              \
        CALL(symbol(before fd, (void *)&st));                                                                          \
        say_stat(&st);                                                                                                 \
        stat(p->file, &by_path);                                                                                       \
        say("the same as by path: %d", st.st_dev == by_path.st_dev && st.st_ino == by_path.st_ino);                    \
        close(open(p->file, O_RDWR));                                                                                  \
        stat(p->file, &by_path);                                                                                       \
        say("after a copy-up: %d", st.st_dev == by_path.st_dev && st.st_ino == by_path.st_ino);                        \
        close(fd);                                                                                                     \
        CALL(symbol(before fd, (void *)&st));                                                                          \
    }
FSTATS(fstat, NONE)
FSTATS(fstat64, NONE)
FSTATS(__fxstat, LINUX_VERSION COMMA)
FSTATS(__fxstat64, 0 COMMA)

TEST(statx) {
    struct statx stx;
    struct stat st;
    CALL(statx(AT_FDCWD, p->file, 0, STATX_BASIC_STATS, &stx));
    stat(p->file, &st);
    say("mode %o, size %lld, the same as stat: %d", stx.stx_mode, stx.stx_size, stx.stx_ino == st.st_ino);
    CALL(statx(AT_FDCWD, p->link, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx));
    say("mode %o", stx.stx_mode);
    CALL(statx(AT_FDCWD, p->absent, 0, STATX_BASIC_STATS, &stx));
}

TEST(ftok) {
    say("the same key: %d", ftok(p->file, 7) == ftok(p->link, 7));
    CALL(ftok(p->absent, 7));
}

#define STATFS(symbol)                                                                                                 \
    TEST(symbol) {                                                                                                     \
        struct statfs st;                                                                                              \
        CALL(symbol(p->file, (void *)&st));                                                                            \
        say("%ld", (long)st.f_namelen);                                                                                \
        CALL(symbol(p->absent, (void *)&st));                                                                          \
    }
STATFS(statfs)
STATFS(statfs64)
STATFS(__statfs)

#define FSTATFS(symbol, type, field)                                                                                   \
    TEST(symbol) {                                                                                                     \
        struct type st;                                                                                                \
        int fd = open(p->file, O_RDONLY);                                                                              \
        CALL(symbol(fd, (void *)&st));                                                                                 \
        say("%ld", (long)st.field);                                                                                    \
        close(fd);                                                                                                     \
        CALL(symbol(fd, (void *)&st));                                                                                 \
    }
FSTATFS(fstatfs, statfs, f_namelen)
FSTATFS(fstatfs64, statfs, f_namelen)
FSTATFS(fstatvfs, statvfs, f_namemax)
FSTATFS(fstatvfs64, statvfs, f_namemax)

#define STATVFS(symbol)                                                                                                \
    TEST(symbol) {                                                                                                     \
        struct statvfs st;                                                                                             \
        CALL(symbol(p->file, (void *)&st));                                                                            \
        say("%lu, read-only %d", st.f_namemax, (st.f_flag & ST_RDONLY) != 0);                                          \
        CALL(symbol(p->absent, (void *)&st));                                                                          \
    }
STATVFS(statvfs)
STATVFS(statvfs64)

TEST(pathconf) {
    say("%ld %ld %ld", pathconf(p->file, _PC_NAME_MAX), pathconf(p->dir, _PC_PATH_MAX),
        pathconf(p->link, _PC_PIPE_BUF));
    CALL(pathconf(p->absent, _PC_NAME_MAX));
    CALL(pathconf(p->file, -7));
}

/* --- access ------------------------------------------------------------------------------------------------------ */

#define ACCESSES(symbol, before, after)                                                                                \
    TEST(symbol) {                                                                                                     \
        CALL(symbol(before p->file, R_OK after));                                                                      \
        CALL(symbol(before p->file, W_OK after));                                                                      \
        CALL(symbol(before p->file, X_OK after));                                                                      \
        CALL(symbol(before p->dir, X_OK after));                                                                       \
        CALL(symbol(before p->absent, F_OK after));                                                                    \
        CALL(symbol(before p->file, 0777 after));                                                                      \
    }
ACCESSES(access, NONE, NONE)
ACCESSES(faccessat, AT_FDCWD COMMA, COMMA AT_EACCESS)
ACCESSES(euidaccess, NONE, NONE)
ACCESSES(eaccess, NONE, NONE)

/* --- names ---------------------------------------------------------------------------------------------------------
 */

#define MAKES(symbol, ...)                                                                                             \
    TEST(symbol) {                                                                                                     \
        CALL(symbol(__VA_ARGS__));                                                                                     \
        say_path(p->fresh);                                                                                            \
        CALL(symbol(__VA_ARGS__));                                                                                     \
    }
MAKES(mkdir, p->fresh, 0750)
MAKES(mkdirat, AT_FDCWD, p->fresh, 0750)
MAKES(mknod, p->fresh, S_IFREG | 0640, 0)
MAKES(mknodat, AT_FDCWD, p->fresh, S_IFREG | 0640, 0)
MAKES(__xmknod, 0, p->fresh, S_IFIFO | 0640, &(dev_t){0})
MAKES(__xmknodat, 0, AT_FDCWD, p->fresh, S_IFREG | 0640, &(dev_t){0})
MAKES(mkfifo, p->fresh, 0640)
MAKES(mkfifoat, AT_FDCWD, p->fresh, 0640)
MAKES(symlink, "some/where", p->fresh)
MAKES(symlinkat, "some/where", AT_FDCWD, p->fresh)
MAKES(link, p->file, p->fresh)
MAKES(linkat, AT_FDCWD, p->link, AT_FDCWD, p->fresh, AT_SYMLINK_FOLLOW)

#define REMOVES(symbol, name, ...)                                                                                     \
    TEST(symbol) {                                                                                                     \
        CALL(symbol(__VA_ARGS__));                                                                                     \
        say_path(name);                                                                                                \
        CALL(symbol(__VA_ARGS__));                                                                                     \
    }
REMOVES(unlink, p->file, p->file)
REMOVES(unlinkat, p->file, AT_FDCWD, p->file, 0)
REMOVES(remove, p->file, p->file)

TEST(rmdir) {
    char name[128];
    CALL(rmdir(p->dir));
    snprintf(name, sizeof name, "%s/low", p->dir);
    unlink(name);
    snprintf(name, sizeof name, "%s/high", p->dir);
    unlink(name);
    snprintf(name, sizeof name, "%s/both", p->dir);
    unlink(name);
    CALL(rmdir(p->dir));
    say_path(p->dir);
    CALL(rmdir(p->file));
}

TEST(remove_directory) {
    CALL(remove(p->dir));
    mkdir(p->fresh, 0755);
    say("%d", remove(p->fresh));
    say_path(p->fresh);
}

#define RENAMES(symbol, from, to)                                                                                      \
    TEST(symbol) {                                                                                                     \
        char name[128];                                                                                                \
        CALL(symbol from to);                                                                                          \
        say_path(p->file);                                                                                             \
        say_file(p->fresh);                                                                                            \
        CALL(symbol from to);                                                                                          \
        snprintf(name, sizeof name, "%s-dir", p->fresh);                                                               \
        say("%d", rename(p->dir, name));                                                                               \
        snprintf(name, sizeof name, "%s-dir/low", p->fresh);                                                           \
        say_file(name);                                                                                                \
        say_path(p->dir);                                                                                              \
    }
RENAMES(rename, (p->file, p->fresh), )
RENAMES(renameat, (AT_FDCWD, p->file, AT_FDCWD, p->fresh), )
RENAMES(renameat2, (AT_FDCWD, p->file, AT_FDCWD, p->fresh, RENAME_NOREPLACE), )

/* --- metadata --------------------------------------------------------------------------------------------------------
 */

#define CHANGES(symbol, ...)                                                                                           \
    TEST(symbol) {                                                                                                     \
        CALL(symbol(__VA_ARGS__));                                                                                     \
        say_path(p->file);                                                                                             \
        say_file(p->file);                                                                                             \
    }
#define CHANGES_BY_FD(symbol, ...)                                                                                     \
    TEST(symbol) {                                                                                                     \
        int fd = open(p->file, O_RDONLY);                                                                              \
        CALL(symbol(__VA_ARGS__));                                                                                     \
        say_path(p->file);                                                                                             \
        close(fd);                                                                                                     \
        CALL(symbol(__VA_ARGS__));                                                                                     \
    }
CHANGES(chmod, p->link, 0601)
CHANGES(lchmod, p->file, 0601)
CHANGES_BY_FD(fchmod, fd, 0601)
CHANGES(fchmodat, AT_FDCWD, p->link, 0601, 0)
CHANGES(chown, p->link, getuid(), getgid())
CHANGES(lchown, p->link, getuid(), getgid())
CHANGES_BY_FD(fchown, fd, getuid(), getgid())
CHANGES(fchownat, AT_FDCWD, p->link, getuid(), getgid(), AT_SYMLINK_NOFOLLOW)
CHANGES(truncate, p->link, 3)
CHANGES(truncate64, p->link, 30)

static void say_times(const char *path) {
    struct stat st;
    if (lstat(path, &st) == 0)
        say("  %ld.%09ld %ld.%09ld", st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}
static const struct timeval microseconds[2] = {{1000000001, 123456}, {1000000002, 654321}};
static const struct timespec nanoseconds[2] = {{1000000003, 123456789}, {1000000004, 987654321}};
#define TIMES(symbol, ...)                                                                                             \
    TEST(symbol) {                                                                                                     \
        int fd = open(p->file, O_RDONLY);                                                                              \
        CALL(symbol(__VA_ARGS__));                                                                                     \
        say_times(p->file);                                                                                            \
        say_file(p->file);                                                                                             \
        close(fd);                                                                                                     \
    }
TIMES(utime, p->link, (&(struct utimbuf){1000000001, 1000000002}))
TIMES(utimes, p->link, microseconds)
TIMES(lutimes, p->file, microseconds)
TIMES(futimes, fd, microseconds)
TIMES(futimesat, AT_FDCWD, p->link, microseconds)
TIMES(futimens, fd, nanoseconds)
TIMES(utimensat, AT_FDCWD, p->file, nanoseconds, AT_SYMLINK_NOFOLLOW)
TEST(utimes_wrong) {
    const struct timeval wrong[2] = {{1, 1000000}, {1, 0}};
    CALL(utimes("f/utimes", wrong));
    CALL(utimes(p->absent, microseconds));
    const char *volatile nothing = NULL;
    CALL(utimensat(AT_FDCWD, nothing, nanoseconds, 0));
    CALL(futimens(-1, nanoseconds));
    CALL(utime("f/utimes", NULL));
}

TEST(ioctl) {
    int flags = 0, fd = open(p->file, O_RDONLY);
    long got = ioctl(fd, FS_IOC_GETFLAGS, &flags);
    flags |= FS_NODUMP_FL;
    long set = ioctl(fd, FS_IOC_SETFLAGS, &flags);
    say("%d", set == got || errno == EOPNOTSUPP || errno == ENOTTY); /* some filesystems have none */
    close(fd);
    fd = open(p->file, O_RDONLY);
    got = ioctl(fd, FS_IOC_GETFLAGS, &flags);
    say("%d", got < 0 || set < 0 || (flags & FS_NODUMP_FL));
    int n = -1;
    CALL(ioctl(fd, FIONREAD, &n));
    say("%d", n);
    CALL(ioctl(-1, FS_IOC_SETFLAGS, &flags));
    say_text(fd);
}

/* --- extended attributes ---------------------------------------------------------------------------------------------
 */

#define XATTRS(set, get, list, remove, what)                                                                           \
    static void xattrs_##set(const struct paths *p) {                                                                  \
        char value[64] = "", names[256] = "";                                                                          \
        int fd = open(p->file, O_RDONLY);                                                                              \
        CALL(get(what, "user.shim", value, sizeof value));                                                             \
        CALL(set(what, "user.shim", "value", 6, 0));                                                                   \
        CALL(set(what, "user.shim", "value", 6, XATTR_CREATE));                                                        \
        CALL(get(what, "user.shim", value, sizeof value));                                                             \
        say("  %s", value);                                                                                            \
        long n = CALL(list(what, names, sizeof names));                                                                \
        say("  %ld %s", n, names);                                                                                     \
        CALL(remove(what, "user.shim"));                                                                               \
        CALL(remove(what, "user.shim"));                                                                               \
        n = CALL(list(what, names, sizeof names));                                                                     \
        say("  %ld", n);                                                                                               \
        say_file(p->file);                                                                                             \
        close(fd);                                                                                                     \
    }                                                                                                                  \
    TEST(set) {                                                                                                        \
        xattrs_##set(p);                                                                                               \
    }                                                                                                                  \
    TEST(get) {                                                                                                        \
        xattrs_##set(p);                                                                                               \
    }                                                                                                                  \
    TEST(list) {                                                                                                       \
        xattrs_##set(p);                                                                                               \
    }                                                                                                                  \
    TEST(remove) {                                                                                                     \
        xattrs_##set(p);                                                                                               \
    }
XATTRS(setxattr, getxattr, listxattr, removexattr, p->link)
XATTRS(lsetxattr, lgetxattr, llistxattr, lremovexattr, p->file)
XATTRS(fsetxattr, fgetxattr, flistxattr, fremovexattr, fd)
TEST(lsetxattr_of_symlinks) {
    char value[64] = "";
    CALL(lsetxattr(p->link, "user.shim", "value", 6, 0));
    CALL(lsetxattr(p->link, "trusted.shim", "value", 6, 0));
    CALL(lsetxattr(p->link, "trusted.shim", "value", 6, XATTR_CREATE));
    CALL(lgetxattr(p->link, "trusted.shim", value, sizeof value));
    say("  %s", value);
    CALL(lremovexattr(p->link, "trusted.shim"));
    CALL(lremovexattr(p->link, "trusted.shim"));
    CALL(lremovexattr(p->link, "user.shim"));
    say_path(p->link);
}
