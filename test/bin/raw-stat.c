/* What tells of a name: the stat family, access, readlink, statfs; and that all of them mean the same file. */
#include "raw.h"

#include <sys/statfs.h>
#include <sys/sysmacros.h>

static const char *const all[] = {"low",
                                  "high",
                                  "up",
                                  "both",
                                  "gone",
                                  "dead",
                                  "dir",
                                  "opaque",
                                  "bottom",
                                  "link",
                                  "dlink",
                                  "hard2",
                                  "loop",
                                  "abs",
                                  "dangling",
                                  "opaque/hid",
                                  "opaque/hidden",
                                  "dir/gone",
                                  "dir/dead",
                                  "dlink/up",
                                  "low/",
                                  "low/no",
                                  "none/no",
                                  "dlink/",
                                  "dir/",
                                  "link/",
                                  ".",
                                  "..",
                                  "./dir//.",
                                  "dir/../low",
                                  "dlink/../low",
                                  "shut",
                                  "foreign",
                                  "fifo",
                                  "dangling/",
                                  "loop/x",
                                  "/",
                                  "/dev/null",
                                  "/proc/self/cwd/up",
                                  "/proc/self/cwd/../bin",
                                  "bottom/in/deep"};
#define EACH(path) for (size_t i_ = 0; i_ < sizeof all / sizeof *all && (path = all[i_]); i_++)

static void say_outcome(const char *path, long got, const struct stat *st) {
    if (got < 0)
        say("%s = %s", path, result(got));
    else {
        say("%s = %s: mode %o", path, result(got), st->st_mode);
        if (path[0] != '/')
            say_stat(st);
    }
}
TEST(stat) {
    const char *path;
    EACH(path) {
        struct stat st = {0};
        long got = RAW(stat, path, &st);
        say_outcome(path, got, &st);
    }
}
TEST(lstat) {
    const char *path;
    EACH(path) {
        struct stat st = {0};
        long got = RAW(lstat, path, &st);
        say_outcome(path, got, &st);
    }
}
TEST(newfstatat) {
    const char *path;
    long dir = RAW(open, "dir", O_RDONLY), here = RAW(open, ".", O_PATH);
    for (int i = 0; i < 4; i++)
        EACH(path) {
            struct stat st = {0};
            static const int flags[] = {0, AT_SYMLINK_NOFOLLOW, AT_NO_AUTOMOUNT | AT_EMPTY_PATH, 0};
            long got = RAW(newfstatat, i == 3 ? dir : i ? here : AT_FDCWD, path, &st, flags[i]);
            say_outcome(path, got, &st);
        }
    struct stat st;
    CALL(newfstatat, AT_FDCWD, "low", &st, 0x8000);
    CALL(newfstatat, dir, "", &st, 0);
}
TEST(fstat_and_empty_paths) {
    static const char *const names[] = {"low", "up", "dir", "bottom", "opaque", "fifo", "shut"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int how = 0; how < 2; how++) {
            long fd = RAW(open, names[i], how ? O_PATH : O_RDONLY | O_NONBLOCK);
            say("%s by %s: %s", names[i], how ? "O_PATH" : "O_RDONLY", result(fd));
            if (fd < 0)
                continue;
            struct stat st = {0}, empty = {0}, null = {0}, name = stat_of(names[i]);
            struct statx x = {0};
            say("fstat %s", result(RAW(fstat, fd, &st)));
            say_stat(&st);
            say("by \"\" %s", result(RAW(newfstatat, fd, "", &empty, AT_EMPTY_PATH)));
            say_stat(&empty);
            say("by NULL %s", result(RAW(newfstatat, fd, NULL, &null, AT_EMPTY_PATH)));
            say_stat(&null);
            say("statx by \"\" %s", result(RAW(statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x)));
            TRUE(st.st_ino == empty.st_ino && st.st_ino == name.st_ino && st.st_ino == x.stx_ino);
            TRUE(st.st_dev == empty.st_dev && st.st_dev == name.st_dev);
            memset(&x, 0, sizeof x);
            say("statx by NULL %s", result(RAW(statx, fd, NULL, AT_EMPTY_PATH, STATX_BASIC_STATS, &x)));
            say("  mode %o", x.stx_mode);
            close((int)fd);
        }
    struct stat st = {0}, dot = stat_of(".");
    CALL(newfstatat, AT_FDCWD, "", &st, AT_EMPTY_PATH);
    TRUE(st.st_ino == dot.st_ino && st.st_dev == dot.st_dev);
    CALL(newfstatat, AT_FDCWD, NULL, &st, AT_EMPTY_PATH);
    CALL(newfstatat, AT_FDCWD, NULL, &st, 0);
    CALL(newfstatat, 99, "", &st, AT_EMPTY_PATH);
    CALL(fstat, 99, &st);
}
TEST(statx) {
    const char *path;
    for (int i = 0; i < 2; i++)
        EACH(path) {
            struct statx x = {0};
            long got = RAW(statx, AT_FDCWD, path, i ? AT_SYMLINK_NOFOLLOW : 0, STATX_BASIC_STATS | STATX_BTIME, &x);
            if (got < 0 || path[0] == '/')
                say("%s = %s", path, result(got));
            else
                say("%s = %s, mask %x: mode %o, links %u, uid %u, gid %u, size %llu, modified %lld.%09u", path,
                    result(got), x.stx_mask & STATX_BASIC_STATS, x.stx_mode, S_ISDIR(x.stx_mode) ? 0 : x.stx_nlink,
                    x.stx_uid, x.stx_gid, S_ISDIR(x.stx_mode) ? 0 : x.stx_size,
                    x.stx_mtime.tv_sec < 1577836800 ? (long long)x.stx_mtime.tv_sec : 0,
                    x.stx_mtime.tv_sec < 1577836800 ? x.stx_mtime.tv_nsec : 0);
        }
    struct statx x = {0};
    CALL(statx, AT_FDCWD, "low", AT_STATX_FORCE_SYNC, STATX_SIZE, &x);
    say("%llu", x.stx_size);
    CALL(statx, AT_FDCWD, "low", AT_STATX_DONT_SYNC, 0, &x);
    CALL(statx, AT_FDCWD, "low", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, STATX_SIZE, &x);
    CALL(statx, AT_FDCWD, "low", 0, STATX__RESERVED, &x);
    CALL(statx, AT_FDCWD, "low", 0x20000, STATX_SIZE, &x);
}

/* One number for a file, by whatever call, before and after it is copied up. */
static uint64_t listed(const char *name) {
    static struct listing l;
    long fd = RAW(open, ".", O_RDONLY | O_DIRECTORY);
    l.n = 0;
    read_entries(fd, &l, 32768);
    close((int)fd);
    for (size_t i = 0; i < l.n; i++)
        if (strcmp(l.names[i] + 2, name) == 0)
            return l.inos[i];
    return 0;
}
TEST(numbers) {
    static const char *const names[] = {"low",  "high", "up",    "both",  "dir",   "bottom", "opaque",
                                        "link", "fifo", "hard1", "hard2", "empty", "..",     "."};
    struct stat target = stat_of("..");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct stat before = stat_of(names[i]);
        struct statx x = {0};
        RAW(statx, AT_FDCWD, names[i], AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &x);
        TRUE(before.st_ino == x.stx_ino && before.st_dev == target.st_dev);
        TRUE(makedev(x.stx_dev_major, x.stx_dev_minor) == before.st_dev);
        say("%s: as listed: %d", names[i], listed(names[i]) == before.st_ino);
        say("changed: %s", result(RAW(utimensat, AT_FDCWD, names[i], NULL, AT_SYMLINK_NOFOLLOW)));
        struct stat after = stat_of(names[i]);
        TRUE(before.st_ino == after.st_ino && before.st_dev == after.st_dev);
        say("%s: as listed: %d", names[i], listed(names[i]) == before.st_ino);
    }
    struct stat one = stat_of("hard1"), two = stat_of("hard2");
    TRUE(one.st_ino == two.st_ino && one.st_nlink == 2);
    long fd = CALL(open, "hard1", O_WRONLY | O_APPEND);
    say("%s", result(RAW(write, fd, "x", 1)));
    one = stat_of("hard1"), two = stat_of("hard2");
    TRUE(one.st_ino == two.st_ino && one.st_size == two.st_size && two.st_nlink == 2);
    uint64_t moved = stat_of("bottom/a").st_ino;
    CALL(rename, "bottom/a", "dir/a");
    TRUE(stat_of("dir/a").st_ino == moved);
    moved = stat_of("bottom").st_ino;
    CALL(rename, "bottom", "dir/moved");
    TRUE(stat_of("dir/moved").st_ino == moved);
    // numbers of two files are two
    TRUE(stat_of("low").st_ino != stat_of("high").st_ino && stat_of("low").st_ino != stat_of("up").st_ino);
}
TEST(times) { // kept by a copy-up, changed by a change
    say_times("low");
    RAW(chmod, "low", 0600);
    say_times("low");
    long fd = RAW(open, "low", O_WRONLY);
    say_times("low");
    RAW(write, fd, "x", 1);
    say_times("low");
    say_times("bottom");
    RAW(creat, "bottom/new", 0600);
    say_times("bottom");
    say_times("dir");
    say_times("dir/sub");
    RAW(unlink, "dir/sub/deep");
    say_times("dir");
    say_times("dir/sub");
    RAW(symlink, "x", "y");
    say_times("y");
    say_times("link");
    RAW(rename, "both", "both2");
    say_times("both2");
    RAW(link, "hard1", "hard3");
    say_times("hard2");
}

/* --- access ---------------------------------------------------------------------------------------------------- */

TEST(access) {
    const char *path;
    EACH(path) for (int mode = 0; mode < 8; mode++) {
        long got = RAW(access, path, mode);
        if (path[0] != '/')
            say("%s %d = %s", path, mode, result(got));
    }
    CALL(access, "low", 8);
    CALL(chmod, "low", 0);
    CALL(access, "low", R_OK);
    CALL(access, "low", F_OK);
    CALL(chmod, "dir", 0);
    CALL(access, "dir/low", F_OK);
    CALL(access, "dir", X_OK);
    CALL(chmod, "dir", 0755);
}
TEST(faccessat) {
    long dir = RAW(open, "dir", O_PATH);
    CALL(faccessat, dir, "low", R_OK);
    CALL(faccessat, dir, "sub", W_OK);
    CALL(faccessat, dir, "gone", F_OK);
    CALL(faccessat, dir, "../link", X_OK);
    CALL(faccessat, dir, "../script", X_OK);
    CALL(faccessat, dir, "../dangling", F_OK);
    CALL(faccessat, dir, "", F_OK);
    CALL(faccessat2, dir, "", F_OK, AT_EMPTY_PATH);
    CALL(faccessat2, dir, "../dangling", F_OK, AT_SYMLINK_NOFOLLOW);
    CALL(faccessat2, dir, "../link", W_OK, AT_SYMLINK_NOFOLLOW);
    CALL(faccessat2, dir, "low", W_OK, AT_EACCESS);
    CALL(faccessat2, dir, "low", X_OK, AT_EACCESS);
    CALL(faccessat2, AT_FDCWD, "", R_OK, AT_EMPTY_PATH);
    CALL(faccessat2, dir, "low", F_OK, 0x10);
    CALL(faccessat2, dir, "low", 9, 0);
    long fd = RAW(open, "script", O_PATH);
    CALL(faccessat2, fd, "", X_OK, AT_EMPTY_PATH);
    CALL(faccessat2, fd, "", R_OK | X_OK, AT_EMPTY_PATH | AT_EACCESS);
}

/* --- readlink -------------------------------------------------------------------------------------------------- */

TEST(readlink) {
    static const char *const names[] = {"link",   "dlink", "dangling",       "loop", "abs",
                                        "low",    "dir",   "gone",           "none", "link/",
                                        "dlink/", "",      "/proc/self/cwd", "fifo"};
    char text[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        memset(text, '#', 300);
        text[300] = 0;
        long got = RAW(readlink, names[i], text, 300);
        say("%s = %s: %.*s", names[i], result(got), got < 0 ? 0 : (int)got + 1, text);
    }
    memset(text, 0, sizeof text);
    CALL(readlink, "dangling", text, 3);
    say("%s", text);
    CALL(readlink, "dangling", text, 0);
    CALL(readlink, "dangling", text, -1);
    CALL(readlink, "dangling", 8, 100);
    memset(text, 'a', 4095);
    text[4095] = 0;
    CALL(symlink, text, "long");
    memset(text, 0, sizeof text);
    CALL(readlink, "long", text, sizeof text);
    TRUE(strspn(text, "a") == 4095);
    CALL(open, "long", O_RDONLY);
}
TEST(readlinkat) {
    char text[300] = "";
    long dir = RAW(open, "dir", O_PATH);
    CALL(readlinkat, dir, "../link", text, 299);
    say("%s", text);
    CALL(symlink, "inside", "dir/fresh");
    CALL(readlinkat, dir, "fresh", text, 299);
    CALL(readlinkat, dir, "low", text, 299);
    CALL(readlinkat, dir, "", text, 299);
    CALL(readlinkat, AT_FDCWD, "", text, 299);
    long fd = CALL(open, "link", O_PATH | O_NOFOLLOW);
    memset(text, 0, sizeof text);
    CALL(readlinkat, fd, "", text, 299);
    say("%s", text);
    CALL(rename, "link", "dir/link");
    CALL(readlinkat, fd, "", text, 299);
    CALL(readlinkat, dir, "link", text, 299);
    fd = CALL(open, "dir/fresh", O_PATH | O_NOFOLLOW);
    CALL(unlink, "dir/fresh");
    memset(text, 0, sizeof text);
    CALL(readlinkat, fd, "", text, 299);
    say("%s", text);
}

/* --- statfs ---------------------------------------------------------------------------------------------------- */

TEST(statfs) {
    static const char *const names[] = {"low", "dir", "up", ".", "link", "dangling", "none", "", "low/x"};
    struct statfs s, here;
    RAW(statfs, "..", &here);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        memset(&s, 0, sizeof s);
        long got = RAW(statfs, names[i], &s);
        say("%s = %s: type %lx, names of %ld, blocks of %ld, the target's %d", names[i], result(got), s.f_type,
            s.f_namelen, s.f_bsize, memcmp(&s.f_fsid, &here.f_fsid, sizeof s.f_fsid) == 0);
        long fd = RAW(open, names[i], O_PATH);
        if (fd >= 0) {
            memset(&s, 0, sizeof s);
            say("  fstatfs %s, type %lx", result(RAW(fstatfs, fd, &s)), s.f_type);
            close((int)fd);
        }
    }
    CALL(statfs, "/proc", &s);
    say("%lx", s.f_type);
    CALL(fstatfs, 99, &s);
    CALL(statfs, "low", 8);
}
TEST(name_to_handle_at) {
    struct {
        struct file_handle h;
        char room[128];
    } h, after;
    int mount = 0;
    memset(&h, 0, sizeof h);
    memset(&after, 0, sizeof after);
    h.h.handle_bytes = sizeof h.room;
    CALL(name_to_handle_at, AT_FDCWD, "low", &h.h, &mount, 0);
    h.h.handle_bytes = sizeof h.room;
    CALL(name_to_handle_at, AT_FDCWD, "link", &h.h, &mount, AT_SYMLINK_FOLLOW);
    long dir = RAW(open, "dir", O_PATH);
    h.h.handle_bytes = sizeof h.room;
    CALL(name_to_handle_at, dir, "up", &h.h, &mount, 0);
    h.h.handle_bytes = sizeof h.room;
    CALL(name_to_handle_at, dir, "", &h.h, &mount, AT_EMPTY_PATH);
    h.h.handle_bytes = sizeof h.room;
    CALL(name_to_handle_at, AT_FDCWD, "gone", &h.h, &mount, 0);
    h.h.handle_bytes = 0;
    CALL(name_to_handle_at, AT_FDCWD, "low", &h.h, &mount, 0);
    TRUE(h.h.handle_bytes > 0);
    CALL(name_to_handle_at, AT_FDCWD, "low", 8, &mount, 0);
    h.h.handle_bytes = sizeof h.room;
    CALL(name_to_handle_at, AT_FDCWD, "low", &h.h, &mount, 0x40);
}
