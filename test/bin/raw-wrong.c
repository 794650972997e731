/*
 * What is wrong about an argument, in each call that takes a path: pointers that lead nowhere, no end to a string,
 * names too long, empty, descriptors that are none, flags that are none; and results that cannot be written.
 */
#include "raw.h"

#include <sys/statfs.h>
#include <sys/time.h>

/* P a path to try, D a descriptor to try, B a buffer of results; others are as they are. */
enum { P = -1001, D = -1002, B = -1003, OTHER = -1004, LINK = -1005, NAME = -1006, OF = -1007 };
static char result_room[8192];
static const struct timespec now_[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
static const struct call {
    const char *name;
    long nr;
    long args[6];
} calls[] = {
    {"open", SYS_open, {P, O_RDONLY | O_NONBLOCK}},
    {"open for writing", SYS_open, {P, O_WRONLY | O_CREAT | O_NONBLOCK, 0600}},
    {"open O_PATH", SYS_open, {P, O_PATH}},
    {"openat", SYS_openat, {D, P, O_RDONLY | O_NONBLOCK}},
    {"creat", SYS_creat, {P, 0600}},
    {"stat", SYS_stat, {P, B}},
    {"lstat", SYS_lstat, {P, B}},
    {"newfstatat", SYS_newfstatat, {D, P, B, 0}},
    {"statx", SYS_statx, {D, P, 0, 0x7ff, B}},
    {"access", SYS_access, {P, R_OK}},
    {"faccessat", SYS_faccessat, {D, P, R_OK}},
    {"faccessat2", SYS_faccessat2, {D, P, R_OK, AT_EACCESS}},
    {"readlink", SYS_readlink, {P, B, 100}},
    {"readlinkat", SYS_readlinkat, {D, P, B, 100}},
    {"unlink", SYS_unlink, {P}},
    {"unlinkat", SYS_unlinkat, {D, P, 0}},
    {"unlinkat dir", SYS_unlinkat, {D, P, AT_REMOVEDIR}},
    {"rmdir", SYS_rmdir, {P}},
    {"rename from", SYS_rename, {P, OTHER}},
    {"rename to", SYS_rename, {NAME, P}},
    {"renameat from", SYS_renameat, {D, P, AT_FDCWD, OTHER}},
    {"renameat to", SYS_renameat, {AT_FDCWD, NAME, D, P}},
    {"renameat2 to", SYS_renameat2, {AT_FDCWD, NAME, D, P, 1}},
    {"link from", SYS_link, {P, OTHER}},
    {"link to", SYS_link, {NAME, P}},
    {"linkat from", SYS_linkat, {D, P, AT_FDCWD, OTHER, 0}},
    {"linkat to", SYS_linkat, {AT_FDCWD, NAME, D, P, 0}},
    {"symlink text", SYS_symlink, {P, OTHER}},
    {"symlink at", SYS_symlink, {NAME, P}},
    {"symlinkat at", SYS_symlinkat, {NAME, D, P}},
    {"mkdir", SYS_mkdir, {P, 0755}},
    {"mkdirat", SYS_mkdirat, {D, P, 0755}},
    {"mknod", SYS_mknod, {P, S_IFIFO | 0600, 0}},
    {"mknodat", SYS_mknodat, {D, P, S_IFIFO | 0600, 0}},
    {"chmod", SYS_chmod, {P, 0600}},
    {"fchmodat", SYS_fchmodat, {D, P, 0600}},
    {"fchmodat2", SYS_fchmodat2, {D, P, 0600, 0}},
    {"chown", SYS_chown, {P, -1, -1}},
    {"lchown", SYS_lchown, {P, -1, -1}},
    {"fchownat", SYS_fchownat, {D, P, -1, -1, 0}},
    {"utime", SYS_utime, {P, 0}},
    {"utimes", SYS_utimes, {P, 0}},
    {"futimesat", SYS_futimesat, {D, P, 0}},
    {"utimensat", SYS_utimensat, {D, P, 0, 0}},
    {"truncate", SYS_truncate, {P, 1}},
    {"setxattr", SYS_setxattr, {P, OF, OF, 1, 0}},
    {"lsetxattr", SYS_lsetxattr, {P, OF, OF, 1, 0}},
    {"setxattr name", SYS_setxattr, {NAME, P, OF, 1, 0}},
    {"setxattr value", SYS_setxattr, {NAME, OF, P, 20, 0}},
    {"getxattr", SYS_getxattr, {P, OF, B, 100}},
    {"lgetxattr", SYS_lgetxattr, {P, OF, B, 100}},
    {"getxattr name", SYS_getxattr, {NAME, P, B, 100}},
    {"listxattr", SYS_listxattr, {P, B, 100}},
    {"llistxattr", SYS_llistxattr, {P, B, 100}},
    {"removexattr", SYS_removexattr, {P, OF}},
    {"lremovexattr", SYS_lremovexattr, {P, OF}},
    {"removexattr name", SYS_removexattr, {NAME, P}},
    {"statfs", SYS_statfs, {P, B}},
    {"chdir", SYS_chdir, {P}},
    {"execve", SYS_execve, {P, 0, 0}},
    {"execveat", SYS_execveat, {D, P, 0, 0, 0}},
};

static long make(const struct call *c, const void *path, long dirfd, const void *buffer) {
    long a[6];
    for (int i = 0; i < 6; i++)
        switch (c->args[i]) {
        case P:
            a[i] = (long)path;
            break;
        case D:
            a[i] = dirfd;
            break;
        case B:
            a[i] = (long)buffer;
            break;
        case OTHER:
            a[i] = (long)"other";
            break;
        case NAME:
            a[i] = (long)"low";
            break;
        case OF:
            a[i] = (long)"user.note";
            break;
        default:
            a[i] = c->args[i];
        }
    return raw6(c->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}
static bool takes(const struct call *c, long what) {
    for (int i = 0; i < 6; i++)
        if (c->args[i] == what)
            return true;
    return false;
}
/* Every call with one path; what it made or changed is told by the listing. */
static void every(const char *what, const void *path, long dirfd) {
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (dirfd != AT_FDCWD && !takes(&calls[i], D))
            continue;
        pid_t pid = IN_CHILD({
            alarm(10);
            long got = make(&calls[i], path, dirfd, result_room);
            say("%s, %s = %s", what, calls[i].name, got >= 0 ? "ok" : result(got));
        });
        int status = 0;
        waitpid(pid, &status, 0);
        if (WIFSIGNALED(status))
            say("%s, %s: signal %d", what, calls[i].name, WTERMSIG(status));
    }
}

/* Two pages, the second one without access; and a page that can only be read. */
static char *pages(void) {
    static char *at;
    if (!at) {
        at = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        mprotect(at + 8192, 4096, PROT_NONE);
    }
    return at;
}

TEST(pointers_to_nowhere) {
    every("NULL", NULL, AT_FDCWD);
    every("8", (void *)8, AT_FDCWD);
    every("no access", pages() + 8192, AT_FDCWD);
    every("the kernel's", (void *)(uintptr_t)0xffff888000000000ULL, AT_FDCWD);
    every("not canonical", (void *)(uintptr_t)0x8000000000000000ULL, AT_FDCWD);
    say_dir(".");
}
TEST(no_end) { // a string that runs into a page without access
    char *page = pages();
    memset(page, 'x', 8192);
    every("3 bytes, then nothing", page + 8192 - 3, AT_FDCWD);
    memcpy(page + 8192 - 4, "low", 3);
    every("low, then nothing", page + 8192 - 3, AT_FDCWD);
    say_dir(".");
}
TEST(end_at_the_page) { // the last byte of a page is the string's end: nothing beyond is read
    char *page = pages();
    memcpy(page + 8192 - 8, "nothere", 8);
    every("nothere", page + 8192 - 8, AT_FDCWD);
    memcpy(page + 8192 - 6, "low/x", 6);
    every("low/x", page + 8192 - 6, AT_FDCWD);
    memcpy(page + 4096 - 2, "none/no", 8); // over two pages
    every("none/no", page + 4096 - 2, AT_FDCWD);
    say_dir(".");
}
TEST(too_long) {
    static char text[10000];
    memset(text, 'x', sizeof text - 1);
    text[256] = 0;
    every("a name of 256", text, AT_FDCWD);
    memset(text, 'x', sizeof text - 1);
    text[4096] = 0;
    every("a path of 4096", text, AT_FDCWD);
    for (size_t i = 0; i < 4095; i++)
        text[i] = i % 2 ? '/' : '.';
    text[4095] = 0;
    every("a path of 4095, for the cwd", text, AT_FDCWD);
    text[4094] = '/';
    text[4095] = 'x';
    text[4096] = 0;
    every("a path of 4096, full of dots", text, AT_FDCWD);
    memset(text, '/', sizeof text);
    text[9999] = 0;
    every("10000 slashes", text, AT_FDCWD);
    say_dir(".");
}
TEST(empty_path) {
    every("empty", "", AT_FDCWD);
    long dir = RAW(open, "dir", O_RDONLY);
    every("empty, beneath dir", "", dir);
    say_dir(".");
}
TEST(bad_descriptors) {
    long file = RAW(open, "high", O_RDONLY), path = RAW(open, "both", O_PATH);
    int pair[2];
    TRUE(pipe(pair) == 0);
    every("99: nothere", "nothere", 99);
    every("-1: nothere", "nothere", -1);
    every("-200: nothere", "nothere", -200);
    every("a file: nothere", "nothere", file);
    every("an O_PATH file: nothere", "nothere", path);
    every("a pipe: nothere", "nothere", pair[0]);
    every("a file: ..", "..", file);
    every("99: absolute", absolute("nothere/x"), 99);
    every("a file: absolute", absolute("nothere/x"), file);
    every("INT_MIN: nothere", "nothere", INT_MIN);
    // The upper half of the register counts for nothing
    long dir = RAW(open, "dir", O_RDONLY);
    every("high bits: nothere/x", "nothere/x", dir | (0x7fL << 32));
    say_dir(".");
}
TEST(kinds) { // paths that are there, but not as the call would have them
    every("low/x", "low/x", AT_FDCWD);
    every("none/x", "none/x", AT_FDCWD);
    every("loop", "loop", AT_FDCWD);
    every("loop/x", "loop/x", AT_FDCWD);
    every("dangling/", "dangling/", AT_FDCWD);
    every("low/.", "low/.", AT_FDCWD);
    every("gone/", "gone/", AT_FDCWD);
    say_dir(".");
}
TEST(results) { // the buffer for the result: none, without access, for reading only
    char *page = pages();
    static const char *const names[] = {"low", "link"};
    mprotect(page + 12288, 4096, PROT_READ);
    for (size_t n = 0; n < 2; n++)
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
            if (!takes(&calls[i], B) || !takes(&calls[i], P) || strcmp(calls[i].name, "getxattr name") == 0)
                continue;
            say("%s of %s: NULL %s", calls[i].name, names[n], result(make(&calls[i], names[n], AT_FDCWD, NULL)));
            say("  no access %s", result(make(&calls[i], names[n], AT_FDCWD, page + 8192)));
            say("  for reading %s", result(make(&calls[i], names[n], AT_FDCWD, page + 12288)));
            say("  over the end %s", result(make(&calls[i], names[n], AT_FDCWD, page + 8192 - 1)));
        }
    long fd = RAW(open, "low", O_RDONLY), dir = RAW(open, "dir", O_RDONLY);
    CALL(fstat, fd, 8);
    CALL(fstat, fd, page + 12288);
    CALL(newfstatat, fd, "", page + 12288, AT_EMPTY_PATH);
    CALL(getdents64, dir, page + 12288, 4096);
    CALL(getdents64, dir, page + 8192 - 40, 4096);
    CALL(getcwd, page + 12288, 4096);
    CALL(getcwd, page + 8192 - 3, 4096);
    CALL(fgetxattr, fd, "user.note", page + 12288, 100);
    CALL(flistxattr, fd, page + 12288, 100);
    CALL(statx, fd, "", AT_EMPTY_PATH, 0x7ff, page + 12288);
    say_dir("dir");
}
TEST(flags_that_are_none) {
    CALL(openat, AT_FDCWD, "low", O_RDONLY | 0x10000000);
    CALL(newfstatat, AT_FDCWD, "low", result_room, 0x4);
    CALL(statx, AT_FDCWD, "low", 0x4, 0x7ff, result_room);
    CALL(faccessat2, AT_FDCWD, "low", R_OK, 0x4);
    CALL(faccessat2, AT_FDCWD, "low", 0x100, 0);
    CALL(access, "low", -1);
    CALL(unlinkat, AT_FDCWD, "low", 0x4);
    CALL(renameat2, AT_FDCWD, "low", AT_FDCWD, "x", 0x40);
    CALL(linkat, AT_FDCWD, "low", AT_FDCWD, "x", 0x4);
    CALL(fchmodat2, AT_FDCWD, "low", 0600, 0x4);
    CALL(fchownat, AT_FDCWD, "low", -1, -1, 0x4);
    CALL(utimensat, AT_FDCWD, "low", now_, 0x4);
    CALL(setxattr, "low", "user.x", "x", 1, 0x10);
    CALL(setxattr, "low", "user.x", "x", 1 << 20, 0);
    CALL(mknod, "x", 0170000, 0);
    CALL(truncate, "low", -5);
    CALL(execveat, AT_FDCWD, "low", 0, 0, 0x4);
    CALL(inotify_add_watch, 99, "low", 0);
    CALL(readlink, "link", result_room, -5);
    CALL(open, "low", O_RDONLY | O_TMPFILE);
    CALL(mkdir, "sticky", 0xffffffff);
    say_path("sticky");
    CALL(chmod, "low", 0xffffffff);
    say_path("low");
    say_dir(".");
}
