/* Modes, owners, times, sizes, extended attributes: by path, by directory, by descriptor, through /proc/self/fd. */
#include "raw.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <utime.h>

static const char *const all[] = {"low",      "high",      "up",      "both",   "gone",  "dead",     "dir",
                                  "bottom/a", "bottom/in", "opaque",  "link",   "dlink", "dangling", "loop",
                                  "hard1",    "fifo",      "none/x",  "low/x",  "low/",  "dir/",     "dir/low",
                                  "dlink/up", "shut",      "foreign", "script", "empty", ".",        "abs"};
#define EACH(path) for (size_t i_ = 0; i_ < sizeof all / sizeof *all && (path = all[i_]); i_++)
static void say_state(void) {
    static const char *const shown[] = {"low", "high", "up", "dir", "bottom/a", "bottom", "link", "hard2", "fifo", "."};
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        say_path(shown[i]);
}
/* One statement for each kind of descriptor; `fd` is it. */
#define EACH_FD(...)                                                                                                   \
    do {                                                                                                               \
        static const char *const names_[] = {"low", "up", "bottom/a", "dir", "bottom", "hard1", "both", "link"};       \
        for (size_t k_ = 0; k_ < 8; k_++)                                                                              \
            for (int how_ = 0; how_ < 3; how_++) {                                                                     \
                static const int flags_[] = {O_RDONLY | O_NONBLOCK, O_RDWR | O_NONBLOCK, O_PATH | O_NOFOLLOW};         \
                const char *name = names_[k_];                                                                         \
                long fd = RAW(open, name, flags_[how_]);                                                               \
                say("%s by %o: %s", name, flags_[how_], result(fd));                                                   \
                if (fd < 0)                                                                                            \
                    continue;                                                                                          \
                __VA_ARGS__;                                                                                           \
                close((int)fd);                                                                                        \
            }                                                                                                          \
    } while (0)

TEST(chmod) {
    const char *path;
    EACH(path) say("%s = %s", path, result(RAW(chmod, path, 0711)));
    say_state();
    CALL(chmod, "low", 07777);
    say_path("low");
    CALL(chmod, "low", 0170000 | 0600);
    say_path("low");
    CALL(chmod, "dir", 01777);
    say_path("dir");
    CALL(chmod, ".", 0755);
}
TEST(fchmod) {
    EACH_FD({
        say("  %s", result(RAW(fchmod, fd, 0640 + (long)how_)));
        say_path(name);
        struct stat st = {0};
        RAW(fstat, fd, &st);
        say("  by the descriptor %o", st.st_mode);
    });
    CALL(fchmod, 99, 0600);
}
TEST(fchmodat) {
    long dir = RAW(open, "dir", O_PATH), here = RAW(open, ".", O_RDONLY);
    const char *path;
    EACH(path) say("%s = %s", path, result(RAW(fchmodat, here, path, 0715)));
    CALL(fchmodat, dir, "high", 0600);
    CALL(fchmodat, dir, "../high", 0601);
    CALL(fchmodat, dir, "", 0601);
    say_state();
    CALL(chmod, ".", 0755);
}
TEST(fchmodat2) {
    long dir = RAW(open, "dir", O_PATH), low = RAW(open, "low", O_PATH), link = RAW(open, "link", O_PATH | O_NOFOLLOW);
    CALL(fchmodat2, dir, "high", 0600, 0);
    CALL(fchmodat2, dir, "up", 0600, AT_SYMLINK_NOFOLLOW);
    CALL(fchmodat2, AT_FDCWD, "link", 0600, AT_SYMLINK_NOFOLLOW);
    CALL(fchmodat2, AT_FDCWD, "link", 0604, 0);
    CALL(fchmodat2, low, "", 0620, AT_EMPTY_PATH);
    say_path("low");
    CALL(fchmodat2, link, "", 0620, AT_EMPTY_PATH);
    CALL(fchmodat2, dir, "", 0711, AT_EMPTY_PATH);
    CALL(fchmodat2, dir, "high", 0600, 0x10000);
    CALL(fchmodat2, AT_FDCWD, "gone", 0600, 0);
    say_state();
}

/* --- owners: to the caller's own, which everybody may ------------------------------------------------------------ */

TEST(chown) {
    const char *path;
    EACH(path) say("%s = %s", path, result(RAW(chown, path, getuid(), getgid())));
    CALL(chown, "low", -1, -1);
    CALL(chown, "up", 1, 1);
    CALL(chown, "bottom/a", 1, 2);
    CALL(chmod, "script", 06755);
    CALL(chown, "script", -1, getgid());
    say_path("script");
    say_state();
}
TEST(lchown) {
    const char *path;
    EACH(path) say("%s = %s", path, result(RAW(lchown, path, getuid(), getgid())));
    CALL(lchown, "link", 1, 1);
    CALL(lchown, "dangling", 1, 1);
    say_path("dangling");
    say_state();
}
TEST(fchown) {
    EACH_FD({
        say("  %s", result(RAW(fchown, fd, getuid(), getgid())));
        say("  %s", result(RAW(fchown, fd, 1 + how_, 5)));
        say_path(name);
    });
}
TEST(fchownat) {
    long dir = RAW(open, "dir", O_PATH), low = RAW(open, "low", O_RDONLY),
         link = RAW(open, "link", O_PATH | O_NOFOLLOW);
    CALL(fchownat, dir, "low", 1, 1, 0);
    CALL(fchownat, dir, "../link", 2, 2, AT_SYMLINK_NOFOLLOW);
    CALL(fchownat, dir, "../hard2", 3, 3, 0);
    CALL(fchownat, dir, "../hard2", getuid(), getgid(), 0);
    CALL(fchownat, low, "", getuid(), getgid(), AT_EMPTY_PATH);
    CALL(fchownat, low, "", 4, 4, AT_EMPTY_PATH);
    CALL(fchownat, link, "", 5, 5, AT_EMPTY_PATH);
    CALL(fchownat, dir, "", getuid(), getgid(), AT_EMPTY_PATH);
    CALL(fchownat, AT_FDCWD, "", getuid(), getgid(), AT_EMPTY_PATH);
    CALL(fchownat, dir, "gone", -1, -1, 0);
    CALL(fchownat, dir, "high", -1, -1, 0x20);
    say_path("dir/low");
    say_state();
}

/* --- times ---------------------------------------------------------------------------------------------------------
 */

static const struct utimbuf seconds = {1000000001, 1000000002};
static const struct timeval micros[2] = {{1000000003, 123456}, {1000000004, 654321}};
static const struct timespec nanos[2] = {{1000000005, 123456789}, {1000000006, 987654321}};
static void say_all_times(void) {
    static const char *const shown[] = {"low",  "high",     "up",    "dir",  "bottom/a", "bottom",
                                        "link", "dangling", "hard2", "both", "fifo"};
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        say_times(shown[i]);
}
TEST(utime) {
    const char *path;
    EACH(path) say("%s = %s", path, result(RAW(utime, path, &seconds)));
    say_all_times();
    CALL(utime, "low", NULL);
    say_times("low");
    CALL(utime, "low", 8);
}
TEST(utimes) {
    const char *path;
    EACH(path) say("%s = %s", path, result(RAW(utimes, path, micros)));
    say_all_times();
    static const struct timeval wrong[2] = {{1, 1000000}, {1, 0}};
    CALL(utimes, "low", wrong);
    CALL(utimes, "up", NULL);
    say_times("up");
}
TEST(futimesat) {
    long dir = RAW(open, "dir", O_RDONLY), low = RAW(open, "low", O_RDONLY);
    CALL(futimesat, dir, "low", micros);
    CALL(futimesat, dir, "../link", micros);
    CALL(futimesat, dir, "../bottom/a", micros);
    CALL(futimesat, low, NULL, micros);
    CALL(futimesat, dir, NULL, micros);
    CALL(futimesat, dir, "", micros);
    CALL(futimesat, 99, NULL, micros);
    CALL(futimesat, dir, "gone", micros);
    say_times("dir/low");
    say_all_times();
}
TEST(utimensat) {
    const char *path;
    EACH(path) say("%s = %s", path, result(RAW(utimensat, AT_FDCWD, path, nanos, AT_SYMLINK_NOFOLLOW)));
    say_all_times();
    static const struct timespec omit[2] = {{0, UTIME_OMIT}, {900000000, 5}},
                                 now_[2] = {{1, UTIME_NOW}, {1, UTIME_OMIT}},
                                 both[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}}, wrong[2] = {{0, 1000000000}, {0, 0}},
                                 old[2] = {{-5, 5}, {-7, 7}};
    CALL(utimensat, AT_FDCWD, "link", omit, 0);
    CALL(utimensat, AT_FDCWD, "high", now_, 0);
    CALL(utimensat, AT_FDCWD, "none", both, 0);
    CALL(utimensat, AT_FDCWD, "low", both, 0);
    CALL(utimensat, AT_FDCWD, "low", wrong, 0);
    CALL(utimensat, AT_FDCWD, "up", old, 0);
    CALL(utimensat, AT_FDCWD, "low", nanos, 0x20);
    CALL(utimensat, AT_FDCWD, NULL, nanos, 0);
    CALL(utimensat, AT_FDCWD, "", nanos, 0);
    CALL(utimensat, AT_FDCWD, "", nanos, AT_EMPTY_PATH);
    say_times(".");
    say_all_times();
}
TEST(utimensat_descriptor) {
    EACH_FD({
        struct timespec t[2] = {{1000000000 + how_, 5}, {1000000010 + how_, 6}};
        say("  %s", result(RAW(utimensat, fd, NULL, t, 0)));
        say_times(name);
        t[0].tv_sec += 100;
        say("  \"\": %s", result(RAW(utimensat, fd, "", t, AT_EMPTY_PATH)));
        say_times(name);
        say("  now: %s", result(RAW(utimensat, fd, NULL, NULL, 0)));
    });
    CALL(utimensat, 99, NULL, nanos, 0);
}

/* --- sizes ------------------------------------------------------------------------------------------------------- */

TEST(truncate) {
    const char *path;
    EACH(path) say("%s = %s", path, result(RAW(truncate, path, 2)));
    say_file("low");
    say_file("hard2");
    say_file("bottom/a");
    CALL(truncate, "low", 100);
    say_path("low");
    CALL(truncate, "big", 200001);
    say_path("big");
    CALL(truncate, "low", -1);
    CALL(truncate, "low", 1L << 60);
    CALL(truncate, "up", 0);
    say_path("up");
}
TEST(ftruncate) {
    EACH_FD({
        say("  %s", result(RAW(ftruncate, fd, 5 + how_)));
        if (name[0] != 'd' && strcmp(name, "bottom") != 0 && name[0] != 'l')
            say_file(name);
        say("  fallocate %s", result(RAW(fallocate, fd, 0, 0, 9)));
        say_path(name);
    });
}

/* --- extended attributes --------------------------------------------------------------------------------------- */

static void say_names(const char *what, const char *names, long n) {
    static const char *sorted[32];
    size_t found = 0;
    char line[1000] = "";
    for (long at = 0; at < n && found < 32; at += (long)strlen(names + at) + 1)
        if (strncmp(names + at, "security.", 9) != 0)
            sorted[found++] = names + at;
    for (size_t i = 0; i < found; i++) // few
        for (size_t k = i + 1; k < found; k++)
            if (strcmp(sorted[i], sorted[k]) > 0) {
                const char *swap = sorted[i];
                sorted[i] = sorted[k];
                sorted[k] = swap;
            }
    for (size_t i = 0; i < found; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), " %s", sorted[i]);
    say("  %s: %s%s", what, n < 0 ? result(n) : "", line);
}
#define ATTRIBUTES(set, get, list, remove, what)                                                                       \
    do {                                                                                                               \
        char value[64] = "", names[512] = "";                                                                          \
        say("  note: %s %s", result(RAW(get, what, "user.note", value, sizeof value)), value);                         \
        memset(value, 0, sizeof value);                                                                                \
        say("  none: %s", result(RAW(get, what, "user.t", value, sizeof value)));                                      \
        say("  set: %s", result(RAW(set, what, "user.t", "text", 4, 0)));                                              \
        say("  created: %s", result(RAW(set, what, "user.t", "text", 4, XATTR_CREATE_)));                              \
        say("  replaced: %s", result(RAW(set, what, "user.t", "longer", 6, XATTR_REPLACE_)));                          \
        say("  replaced none: %s", result(RAW(set, what, "user.u", "longer", 6, XATTR_REPLACE_)));                     \
        say("  get: %s %s", result(RAW(get, what, "user.t", value, sizeof value)), value);                             \
        say("  size: %s", result(RAW(get, what, "user.t", value, 0)));                                                 \
        say("  small: %s", result(RAW(get, what, "user.t", value, 3)));                                                \
        say_names("list", names, RAW(list, what, names, sizeof names));                                                \
        say("  small list: %s", result(RAW(list, what, names, 1)));                                                    \
        say("  removed: %s", result(RAW(remove, what, "user.t")));                                                     \
        say("  again: %s", result(RAW(remove, what, "user.t")));                                                       \
        say("  a class that is not: %s", result(RAW(set, what, "nope.t", "x", 1, 0)));                                 \
        say("  flags that are not: %s", result(RAW(set, what, "user.t", "x", 1, 8)));                                  \
        say("  no name: %s", result(RAW(set, what, "", "x", 1, 0)));                                                   \
        say("  trusted: %s", result(RAW(get, what, "trusted.t", value, sizeof value)));                                \
        say("  empty value: %s", result(RAW(set, what, "user.empty", NULL, 0, 0)));                                    \
        say_names("list", names, RAW(list, what, names, sizeof names));                                                \
    } while (0)
enum { XATTR_CREATE_ = 1, XATTR_REPLACE_ = 2 };

TEST(xattrs) {
    const char *path;
    EACH(path) {
        say("%s", path);
        ATTRIBUTES(setxattr, getxattr, listxattr, removexattr, path);
    }
    say_state();
}
TEST(lxattrs) {
    const char *path;
    EACH(path) {
        say("%s", path);
        ATTRIBUTES(lsetxattr, lgetxattr, llistxattr, lremovexattr, path);
    }
    say_state();
}
TEST(fxattrs) {
    EACH_FD({
        ATTRIBUTES(fsetxattr, fgetxattr, flistxattr, fremovexattr, fd);
        char names[512];
        say_names("by name", names, RAW(listxattr, name, names, sizeof names));
    });
}
TEST(xattrat) { // Linux 6.13
    struct {
        uint64_t value;
        uint32_t size, flags;
    } args = {(uintptr_t) "text", 4, 0};
    char value[64] = "", names[512];
    long dir = RAW(open, "dir", O_PATH), low = RAW(open, "low", O_RDONLY);
    CALL(setxattrat, AT_FDCWD, "low", 0, "user.t", &args, sizeof args);
    CALL(setxattrat, dir, "high", 0, "user.t", &args, sizeof args);
    CALL(setxattrat, dir, "../link", AT_SYMLINK_NOFOLLOW, "user.t", &args, sizeof args);
    CALL(setxattrat, dir, "", AT_EMPTY_PATH, "user.t", &args, sizeof args);
    CALL(setxattrat, low, "", AT_EMPTY_PATH, "user.u", &args, sizeof args);
    CALL(setxattrat, dir, "gone", 0, "user.t", &args, sizeof args);
    CALL(setxattrat, dir, "high", 0x10, "user.t", &args, sizeof args);
    args.value = (uintptr_t)value;
    args.size = sizeof value;
    CALL(getxattrat, AT_FDCWD, "bottom/a", 0, "user.t", &args, sizeof args);
    CALL(getxattrat, AT_FDCWD, "link", 0, "user.t", &args, sizeof args);
    say("%s", value);
    CALL(getxattrat, dir, "high", 0, "user.t", &args, sizeof args);
    CALL(getxattrat, low, "", AT_EMPTY_PATH, "user.u", &args, sizeof args);
    say_names("listxattrat", names, RAW(listxattrat, AT_FDCWD, "low", 0, names, sizeof names));
    say_names("listxattrat", names, RAW(listxattrat, dir, "", AT_EMPTY_PATH, names, sizeof names));
    CALL(removexattrat, AT_FDCWD, "low", 0, "user.t");
    CALL(removexattrat, dir, "../low", 0, "user.note");
    CALL(removexattrat, low, "", AT_EMPTY_PATH, "user.u");
    CALL(removexattrat, low, "", AT_EMPTY_PATH, "user.u");
    say_names("listxattr", names, RAW(listxattr, "low", names, sizeof names));
}
TEST(acls) { // an ACL that is set changes the mode, and the reverse
    static const struct {
        uint32_t version;
        struct {
            uint16_t tag, perm;
            uint32_t id;
        } e[5];
    } acl = {2, {{1, 6, ~0U}, {2, 7, 12345}, {4, 4, ~0U}, {16, 7, ~0U}, {32, 0, ~0U}}};
    CALL(setxattr, "low", "system.posix_acl_access", &acl, sizeof acl, 0);
    say_path("low");
    CALL(chmod, "low", 0640);
    char value[128];
    CALL(getxattr, "low", "system.posix_acl_access", value, sizeof value);
    CALL(setxattr, "dir", "system.posix_acl_default", &acl, sizeof acl, 0);
    CALL(mkdir, "dir/new", 0777);
    say_path("dir/new");
    CALL(getxattr, "dir/new", "system.posix_acl_default", value, sizeof value);
    CALL(creat, "dir/file", 0666);
    say_path("dir/file");
    CALL(removexattr, "dir/new", "system.posix_acl_default");
    CALL(removexattr, "low", "system.posix_acl_access");
    say_path("low");
    CALL(getxattr, "acl", "system.posix_acl_default", value, sizeof value);
}

/* Through /proc/self/fd, as shells and coreutils do it. */
TEST(through_proc) {
    EACH_FD({
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%ld", fd);
        say("  chmod %s", result(RAW(chmod, path, 0600 + 8 * (long)how_)));
        say("  chown %s", result(RAW(chown, path, getuid(), getgid())));
        say("  lchown of the link itself %s", result(RAW(lchown, path, -1, -1)));
        say("  utimensat %s", result(RAW(utimensat, AT_FDCWD, path, nanos, 0)));
        say("  setxattr %s", result(RAW(setxattr, path, "user.p", "p", 1, 0)));
        say("  truncate %s", result(RAW(truncate, path, 3)));
        say("  access %s", result(RAW(access, path, W_OK)));
        say_path(name);
        say_times(name);
    });
    CALL(unlink, "/proc/self/fd/0");
    CALL(rename, "/proc/self/fd/0", "x");
    CALL(mkdir, "/proc/self/fd/x", 0700);
}
TEST(inode_flags) {
    int flags = 0;
    long fd = RAW(open, "low", O_RDONLY), got = RAW(ioctl, fd, FS_IOC_GETFLAGS, &flags);
    say("%s", result(got));
    flags |= FS_NODUMP_FL;
    say("set: %s", result(RAW(ioctl, fd, FS_IOC_SETFLAGS, &flags)));
    long again = RAW(open, "low", O_RDONLY);
    flags = 0;
    RAW(ioctl, again, FS_IOC_GETFLAGS, &flags);
    say("kept: %d", !!(flags & FS_NODUMP_FL));
    struct fsxattr x = {0};
    say("%s", result(RAW(ioctl, again, FS_IOC_FSGETXATTR, &x)));
    say_path("low");
}
