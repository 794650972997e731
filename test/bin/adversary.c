/*
 * Hostile code in a union: each way to change a lower layer, or to write outside of the writable places.
 *
 *   adversary list
 *   adversary LOWER UPPER TARGET OUTSIDE CASE
 *
 * The paths are absolute: the raw directories of a lower and of the upper, the union's target, and a directory outside
 * of all that may be written. LOWER and OUTSIDE each hold `victim` and dir/inner; the union shows LOWER's.
 *
 * One line an attempt: an errno; "done", where the union may do it (on its copy); "CHANGED", where it must not be
 * done. Whether a lower or OUTSIDE did change is for test/adversary.bats to see.
 */
#define RAW_OWN_MAIN
#include "raw.h"

#include "engine/gate.h"

#include <dirent.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/user.h>

static const char *lower, *upper, *target, *outside;

/* in(lower, "victim"): a path; eight of them at a time */
static char *in(const char *dir, const char *name) {
    static __thread char text[8][2 * PATH_MAX];
    static __thread int which;
    which = (which + 1) % 8;
    snprintf(text[which], sizeof text[which], "%s/%s", dir, name);
    return text[which];
}

/* An attempt that must fail; what it opened is written to. */
static void must_fail(const char *what, long got) {
    say("%s: %s", what, got < 0 ? result(got) : "CHANGED");
}
/* An attempt that may succeed, on the union's copy. */
static void may(const char *what, long got) {
    say("%s: %s", what, got < 0 ? result(got) : "done");
}
static void scribble_on(long fd) {
    if (fd >= 0) {
        long n = RAW(pwrite64, fd, "CHANGED", 7, 0);
        (void)n;
        close((int)fd);
    }
}
static const struct timespec times[2] = {{1, 1}, {2, 2}};
static const struct {
    uint64_t value;
    uint32_t size, flags;
} xattr_args = {(uintptr_t) "x", 1, 0};

/* --- every call that changes something, at one path
 * -------------------------------------------------------------------- */

typedef long (*caller)(long nr, long a, long b, long c, long d, long e, long f);
#define BY(call, nr, ...) BY_PICK(__VA_ARGS__, BY_6, BY_5, BY_4, BY_3, BY_2, BY_1, )(call, SYS_##nr, __VA_ARGS__)
#define BY_PICK(_1, _2, _3, _4, _5, _6, which, ...) which
#define BY_1(by, n, a) by(n, (long)(a), 0, 0, 0, 0, 0)
#define BY_2(by, n, a, b) by(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define BY_3(by, n, a, b, c) by(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define BY_4(by, n, a, b, c, d) by(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define BY_5(by, n, a, b, c, d, e) by(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define BY_6(by, n, a, b, c, d, e, f) by(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* `victim` a file in `dir`, both raw; `ours` a file that may be written. */
static void changes(const char *form, caller by, const char *dir, const char *victim, const char *ours) {
    char fresh[PATH_MAX], other[PATH_MAX];
    snprintf(fresh, sizeof fresh, "%s/fresh", dir);
    snprintf(other, sizeof other, "%s/other", dir);
    long fd;
#define TRY(what, ...)                                                                                                 \
    do {                                                                                                               \
        long got_ = BY(by, __VA_ARGS__);                                                                               \
        say("%s, %s: %s", form, what, got_ < 0 ? result(got_) : "CHANGED");                                            \
    } while (0)
#define TRY_OPEN(what, ...)                                                                                            \
    do {                                                                                                               \
        fd = BY(by, __VA_ARGS__);                                                                                      \
        say("%s, %s: %s", form, what, fd < 0 ? result(fd) : "CHANGED");                                                \
        scribble_on(fd);                                                                                               \
    } while (0)
    struct open_how {
        uint64_t flags, mode, resolve;
    } how = {O_WRONLY, 0, 0};
    TRY_OPEN("open O_WRONLY", open, victim, O_WRONLY);
    TRY_OPEN("open O_RDWR", open, victim, O_RDWR | O_APPEND);
    TRY_OPEN("open O_WRONLY|O_TRUNC", openat, AT_FDCWD, victim, O_WRONLY | O_TRUNC);
    TRY_OPEN("openat2", openat2, AT_FDCWD, victim, &how, sizeof how);
    TRY_OPEN("creat", creat, victim, 0600);
    TRY_OPEN("open O_CREAT", open, fresh, O_CREAT | O_WRONLY, 0666);
    TRY_OPEN("open O_TMPFILE", open, dir, O_TMPFILE | O_RDWR, 0600);
    long before = RAW(access, victim, F_OK);
    fd = BY(by, open, victim, O_RDONLY | O_TRUNC);
    if (fd >= 0)
        say("%s, open O_RDONLY|O_TRUNC: %s", form,
            lseek((int)fd, 0, SEEK_END) == 0 && before == 0 ? "CHANGED" : "done");
    else
        say("%s, open O_RDONLY|O_TRUNC: %s", form, result(fd));
    if (fd >= 0)
        close((int)fd);
    TRY("truncate", truncate, victim, 1);
    TRY("chmod", chmod, victim, 0777);
    TRY("fchmodat", fchmodat, AT_FDCWD, victim, 0777);
    TRY("fchmodat2", fchmodat2, AT_FDCWD, victim, 0777, 0);
    TRY("chown", chown, victim, getuid(), getgid());
    TRY("lchown", lchown, victim, getuid(), getgid());
    TRY("fchownat", fchownat, AT_FDCWD, victim, getuid(), getgid(), 0);
    TRY("utime", utime, victim, NULL);
    TRY("utimes", utimes, victim, NULL);
    TRY("futimesat", futimesat, AT_FDCWD, victim, NULL);
    TRY("utimensat", utimensat, AT_FDCWD, victim, times, 0);
    TRY("utimensat of the directory", utimensat, AT_FDCWD, dir, times, 0);
    TRY("chmod of the directory", chmod, dir, 0777);
    TRY("setxattr", setxattr, victim, "user.changed", "x", 1, 0);
    TRY("lsetxattr", lsetxattr, victim, "user.changed", "x", 1, 0);
    TRY("setxattrat", setxattrat, AT_FDCWD, victim, 0, "user.changed", &xattr_args, sizeof xattr_args);
    TRY("removexattr", removexattr, victim, "user.note");
    TRY("lremovexattr", lremovexattr, victim, "user.note");
    TRY("mkdir", mkdir, fresh, 0777);
    TRY("mkdirat", mkdirat, AT_FDCWD, fresh, 0777);
    TRY("mknod", mknod, fresh, S_IFIFO | 0666, 0);
    TRY("mknod of a file", mknodat, AT_FDCWD, fresh, S_IFREG | 0666, 0);
    TRY("symlink", symlink, "x", fresh);
    TRY("symlinkat", symlinkat, "x", AT_FDCWD, fresh);
    TRY("link in", link, ours, fresh);
    TRY("link within", linkat, AT_FDCWD, victim, AT_FDCWD, fresh, 0);
    TRY("rename in", rename, ours, fresh);
    TRY("rename over", rename, ours, victim);
    TRY("rename within", renameat, AT_FDCWD, victim, AT_FDCWD, other);
    TRY("exchange", renameat2, AT_FDCWD, victim, AT_FDCWD, ours, RENAME_EXCHANGE);
    TRY("unlink", unlink, victim);
    TRY("unlinkat", unlinkat, AT_FDCWD, victim, 0);
    TRY("rename out", rename, victim, ours);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strlen(fresh) < sizeof un.sun_path) {
        strcpy(un.sun_path, fresh);
        TRY("bind", bind, s, &un, sizeof un);
    }
    close(s);
    char moved[PATH_MAX];
    snprintf(moved, sizeof moved, "%s/dir", dir);
    TRY("rmdir", rmdir, moved);
    TRY("rename of a directory", rename, moved, fresh);
}

static char *make_ours(void) {
    char *path = in(target, "ours");
    long fd = RAW(open, path, O_CREAT | O_WRONLY, 0600);
    if (fd >= 0)
        close((int)fd);
    return path;
}

TEST(raw_lower_path) {
    changes("raw", raw6, lower, in(lower, "victim"), make_ours());
}
TEST(raw_upper_path) {
    changes("raw upper", raw6, upper, in(upper, "of-upper"), make_ours());
    must_fail("remove the upper's own", RAW(rmdir, upper));
    char work[PATH_MAX];
    snprintf(work, sizeof work, "%s.work", upper);
    must_fail("write to the work directory", RAW(open, in(work, "x"), O_CREAT | O_WRONLY, 0600));
    must_fail("rename the work directory", RAW(rename, work, in(target, "w")));
}
TEST(outside_path) {
    changes("outside", raw6, outside, in(outside, "victim"), make_ours());
}
TEST(roundabout_paths) { // the same by other spellings
    char path[4 * PATH_MAX], dir[4 * PATH_MAX];
    const char *const forms[] = {"/proc/self/root%s", "/proc/thread-self/root%s",
                                 "/../..%s",          "/proc/1/root%s",
                                 "//.//%s",           "/proc/self/cwd/../../../../../../../../../../..%s",
                                 "/dev/fd/../root%s", "/tmp/../%s"};
    char *ours = make_ours();
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(path, sizeof path, forms[i], in(lower, "victim"));
        snprintf(dir, sizeof dir, forms[i], lower);
#pragma GCC diagnostic pop
        changes(forms[i], raw6, dir, path, ours);
    }
    RAW(chdir, target);
    char up[PATH_MAX * 2] = "";
    for (int i = 0; i < 30; i++)
        strcat(up, "../");
    snprintf(path, sizeof path, "%s%s/victim", up, lower);
    snprintf(dir, sizeof dir, "%s%s", up, lower);
    changes("dots", raw6, dir, path, ours);
}
TEST(hidden) { // raw paths cannot even be read, so that what was deleted stays so
    struct stat st;
    char text[64];
    static const char *const names[] = {"victim", "dir", "dir/inner", ""};
    for (int up = 0; up < 2; up++)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            char path[PATH_MAX];
            snprintf(path, sizeof path, "%s%s%s", up ? upper : lower, *names[i] ? "/" : "", names[i]);
            say("%s/%s", up ? "upper" : "lower", names[i]);
            must_fail("  open", RAW(open, path, O_RDONLY));
            must_fail("  O_PATH", RAW(open, path, O_PATH));
            must_fail("  stat", RAW(stat, path, &st));
            must_fail("  lstat", RAW(lstat, path, &st));
            must_fail("  access", RAW(access, path, F_OK));
            must_fail("  readlink", RAW(readlink, path, text, sizeof text));
            must_fail("  getxattr", RAW(getxattr, path, "user.note", text, sizeof text));
            must_fail("  listxattr", RAW(listxattr, path, text, sizeof text));
            must_fail("  statfs", RAW(statfs, path, text));
            must_fail("  chdir", RAW(chdir, path));
            must_fail("  inotify", RAW(inotify_add_watch, RAW(inotify_init1, 0), path, 2));
            must_fail("  execve", RAW(execve, path, NULL, NULL));
        }
}

/* --- links
 * ------------------------------------------------------------------------------------------------------------- */

TEST(symlinks) {
    char chain[PATH_MAX * 2] = "", path[PATH_MAX];
    for (int i = 0; i < 30; i++)
        strcat(chain, "../");
    strcat(chain, lower);
    may("a link to the lower's file", RAW(symlink, in(lower, "victim"), in(target, "s1")));
    may("a link to the lower", RAW(symlink, lower, in(target, "s2")));
    may("a link by dots", RAW(symlink, chain, in(target, "s3")));
    may("a link to a link", RAW(symlink, "s2", in(target, "s4")));
    may("a link through /proc", RAW(symlink, "/proc/self/root", in(target, "s5")));
    may("a link outside", RAW(symlink, in(outside, "victim"), in(target, "s6")));
    may("a link outside, to what is not there", RAW(symlink, in(outside, "fresh"), in(target, "s7")));
    scribble_on(RAW(open, in(target, "s1"), O_WRONLY));
    char *ours = make_ours();
    static const char *const dirs[] = {"s2", "s3", "s4"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s/victim", target, dirs[i]);
        changes(dirs[i], raw6, in(target, dirs[i]), path, ours);
    }
    snprintf(path, sizeof path, "%s/s5%s/victim", target, lower);
    must_fail("s5", RAW(open, path, O_WRONLY));
    must_fail("s1", RAW(open, in(target, "s1"), O_WRONLY));
    must_fail("s1 truncated", RAW(truncate, in(target, "s1"), 0));
    must_fail("s1 chmod", RAW(chmod, in(target, "s1"), 0777));
    must_fail("s6", RAW(open, in(target, "s6"), O_WRONLY));
    must_fail("s6 chmod", RAW(chmod, in(target, "s6"), 0777));
    must_fail("s6 utimensat", RAW(utimensat, AT_FDCWD, in(target, "s6"), times, 0));
    must_fail("s7", RAW(open, in(target, "s7"), O_CREAT | O_WRONLY, 0600));
    // A link outside of the union, in a place that may be written
    snprintf(path, sizeof path, "/tmp/adversary-%d", (int)getpid());
    may("a link in /tmp", RAW(symlink, lower, path));
    char through[2 * PATH_MAX];
    snprintf(through, sizeof through, "%s/victim", path);
    changes("from /tmp", raw6, path, through, ours);
    RAW(unlink, path);
}
TEST(hard_links_out) { // a lower's file under a name where it may be written
    char out[PATH_MAX], fresh[PATH_MAX];
    long ro = RAW(open, in(target, "victim"), O_RDONLY), path = RAW(open, in(target, "dir/inner"), O_PATH);
    snprintf(out, sizeof out, "/tmp/adversary-%d", (int)getpid());
    snprintf(fresh, sizeof fresh, "%s/fresh", outside);
    char by_proc[64];
    for (int i = 0; i < 2; i++) {
        const char *to = i ? fresh : out;
        long fd = i ? path : ro;
        snprintf(by_proc, sizeof by_proc, "/proc/self/fd/%ld", fd);
        struct {
            const char *what;
            long got;
        } tries[] = {
            {"linkat AT_EMPTY_PATH", RAW(linkat, fd, "", AT_FDCWD, to, AT_EMPTY_PATH)},
            {"linkat through /proc", RAW(linkat, AT_FDCWD, by_proc, AT_FDCWD, to, AT_SYMLINK_FOLLOW)},
            {"link of the name", RAW(link, in(target, i ? "dir/inner" : "victim"), to)},
            {"link of the raw path", RAW(link, in(lower, i ? "dir/inner" : "victim"), to)},
            {"rename of the name", RAW(rename, in(target, i ? "dir/inner" : "victim"), to)},
            {"rename of the raw path", RAW(rename, in(lower, i ? "dir/inner" : "victim"), to)},
        };
        for (size_t k = 0; k < sizeof tries / sizeof *tries; k++) {
            say("%s to %s: %s", tries[k].what, i ? "outside" : "/tmp",
                tries[k].got < 0 ? result(tries[k].got)
                : i              ? "CHANGED"
                                 : "done");
            if (tries[k].got >= 0) {
                scribble_on(RAW(open, to, O_WRONLY));
                RAW(chmod, to, 0777);
                RAW(unlink, to);
            }
        }
    }
    // The reverse: from outside into the union, then written
    must_fail("a link from outside in", RAW(link, in(outside, "victim"), in(target, "from-outside")));
    scribble_on(RAW(open, in(target, "from-outside"), O_WRONLY));
    RAW(chmod, in(target, "from-outside"), 0777);
    RAW(utimensat, AT_FDCWD, in(target, "from-outside"), times, 0);
    must_fail("a rename from outside in", RAW(rename, in(outside, "victim"), in(target, "moved-in")));
    long o = RAW(open, in(outside, "victim"), O_RDONLY);
    must_fail("linkat of an outside's descriptor in", RAW(linkat, o, "", AT_FDCWD, in(target, "o1"), AT_EMPTY_PATH));
    scribble_on(RAW(open, in(target, "o1"), O_WRONLY));
    snprintf(by_proc, sizeof by_proc, "/proc/self/fd/%ld", o);
    must_fail("linkat of an outside's descriptor to /tmp",
              RAW(linkat, AT_FDCWD, by_proc, AT_FDCWD, out, AT_SYMLINK_FOLLOW));
    scribble_on(RAW(open, out, O_WRONLY));
    RAW(chmod, out, 0777);
    RAW(unlink, out);
    long t = RAW(open, target, O_TMPFILE | O_RDWR, 0600);
    must_fail("a nameless file named outside", RAW(linkat, t, "", AT_FDCWD, fresh, AT_EMPTY_PATH));
    RAW(unlink, in(target, "victim")); // gone from the union, its descriptor is not
    may("linkat of a deleted one", RAW(linkat, ro, "", AT_FDCWD, in(target, "again"), AT_EMPTY_PATH));
    scribble_on(RAW(open, in(target, "again"), O_WRONLY));
}

/* --- descriptors that were opened for reading
 * ------------------------------------------------------------------------------ */

static void by_descriptor(const char *whose, long fd) {
    char path[64], value[] = "x";
    struct iovec iov = {value, 1};
    int flags = FS_NODUMP_FL | FS_NOATIME_FL;
    struct fsxattr fx = {.fsx_xflags = FS_XFLAG_NODUMP};
    say("%s", whose);
    must_fail("write", RAW(write, fd, "CHANGED", 7));
    must_fail("pwritev2", RAW(pwritev2, fd, &iov, 1, 0, 0, 0));
    must_fail("fallocate", RAW(fallocate, fd, 0, 0, 4096));
    must_fail("a hole", RAW(fallocate, fd, 3, 0, 4096));
    must_fail("ftruncate", RAW(ftruncate, fd, 0));
    must_fail("mmap", (long)RAW(mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) < 0 ? -EACCES : 0);
    long map = RAW(mmap, NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (map > 0 || map < -4095) {
        must_fail("mprotect", RAW(mprotect, map, 4096, PROT_READ | PROT_WRITE));
        long mem = RAW(open, "/proc/self/mem", O_RDWR);
        must_fail("/proc/self/mem", RAW(pwrite64, mem, "CHANGED", 7, map));
        if (mem >= 0)
            close((int)mem);
        struct iovec there = {(void *)map, 1};
        must_fail("process_vm_writev", RAW(process_vm_writev, getpid(), &iov, 1, &there, 1, 0));
        must_fail("MADV_REMOVE", RAW(madvise, map, 4096, 9));
    }
    long from = RAW(open, "/bin/sh", O_RDONLY);
    loff_t zero = 0;
    must_fail("copy_file_range", RAW(copy_file_range, from, NULL, fd, NULL, 100, 0));
    must_fail("sendfile", RAW(sendfile, fd, from, &zero, 100));
    int pair[2];
    if (pipe(pair) == 0 && write(pair[1], "x", 1) == 1)
        must_fail("splice", RAW(splice, pair[0], NULL, fd, NULL, 1, 0));
    must_fail("FICLONE", RAW(ioctl, fd, FICLONE, from));
    may("FS_IOC_SETFLAGS", RAW(ioctl, fd, FS_IOC_SETFLAGS, &flags));
    flags = FS_IMMUTABLE_FL;
    may("FS_IOC_SETFLAGS, immutable", RAW(ioctl, fd, FS_IOC_SETFLAGS, &flags));
    flags = 0;
    RAW(ioctl, fd, FS_IOC_SETFLAGS, &flags);
    may("FS_IOC_FSSETXATTR", RAW(ioctl, fd, FS_IOC_FSSETXATTR, &fx));
    long generation = 7;
    may("FS_IOC_SETVERSION", RAW(ioctl, fd, FS_IOC_SETVERSION, &generation));
    must_fail("EXT4_IOC_MIGRATE", RAW(ioctl, fd, 0x6609, 0));
    must_fail("EXT4_IOC_SWAP_BOOT", RAW(ioctl, fd, 0x6611, 0));
    may("fsync", RAW(fsync, fd));
    may("fchmod", RAW(fchmod, fd, 0777));
    may("fchown", RAW(fchown, fd, getuid(), getgid()));
    may("utimensat", RAW(utimensat, fd, NULL, times, 0));
    may("utimensat AT_EMPTY_PATH", RAW(utimensat, fd, "", times, AT_EMPTY_PATH));
    may("futimesat", RAW(futimesat, fd, NULL, NULL));
    may("fsetxattr", RAW(fsetxattr, fd, "user.changed", "x", 1, 0));
    may("fremovexattr", RAW(fremovexattr, fd, "user.note"));
    may("setxattrat", RAW(setxattrat, fd, "", AT_EMPTY_PATH, "user.changed", &xattr_args, sizeof xattr_args));
    may("removexattrat", RAW(removexattrat, fd, "", AT_EMPTY_PATH, "user.changed"));
    may("fchmodat2 AT_EMPTY_PATH", RAW(fchmodat2, fd, "", 0777, AT_EMPTY_PATH));
    may("fchownat AT_EMPTY_PATH", RAW(fchownat, fd, "", getuid(), getgid(), AT_EMPTY_PATH));
    static const char *const forms[] = {
        "/proc/self/fd/%ld",         "/proc/thread-self/fd/%ld",         "/dev/fd/%ld",
        "/proc/self/task/../fd/%ld", "/proc/self/root/proc/self/fd/%ld", "/proc/%ld/fd/%ld"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (i == 5)
            snprintf(path, sizeof path, "/proc/%d/fd/%ld", (int)getpid(), fd);
        else {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(path, sizeof path, forms[i], fd);
#pragma GCC diagnostic pop
        }
        say("%s", path);
        static const int opens[] = {O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC, O_RDONLY | O_TRUNC, O_RDWR | O_APPEND};
        for (size_t k = 0; k < sizeof opens / sizeof *opens; k++) {
            long again = RAW(open, path, opens[k]);
            may("  open", again);
            scribble_on(again);
        }
        may("  truncate", RAW(truncate, path, 1));
        may("  chmod", RAW(chmod, path, 0700));
        may("  chown", RAW(chown, path, getuid(), getgid()));
        may("  utimensat", RAW(utimensat, AT_FDCWD, path, times, 0));
        may("  setxattr", RAW(setxattr, path, "user.changed", "y", 1, 0));
        may("  removexattr", RAW(removexattr, path, "user.changed"));
        may("  creat", RAW(creat, path, 0600));
        char *const args[] = {(char *)(size_t) "sh", NULL};
        pid_t pid = IN_CHILD(RAW(execve, path, args, NULL));
        say_child(pid);
    }
}
TEST(descriptor_read) {
    by_descriptor("of a lower's file", RAW(open, in(target, "victim"), O_RDONLY));
}
TEST(descriptor_path) {
    by_descriptor("O_PATH of a lower's file", RAW(open, in(target, "victim"), O_PATH));
}
TEST(descriptor_directory) {
    by_descriptor("of a lower's directory", RAW(open, in(target, "dir"), O_RDONLY));
}
TEST(descriptor_program) { // as it is mapped and run
    by_descriptor("of the running program", RAW(open, in(target, "prog"), O_RDONLY));
}
TEST(descriptor_of_deleted) {
    long fd = RAW(open, in(target, "victim"), O_RDONLY);
    may("unlink", RAW(unlink, in(target, "victim")));
    by_descriptor("of a deleted file of a lower", fd);
}
TEST(descriptor_of_copied) {
    long fd = RAW(open, in(target, "victim"), O_RDONLY);
    scribble_on(RAW(open, in(target, "victim"), O_WRONLY));
    by_descriptor("of a file that was copied up meanwhile", fd);
}
TEST(descriptor_of_renamed) {
    long fd = RAW(open, in(target, "dir/inner"), O_RDONLY);
    may("rename", RAW(rename, in(target, "dir"), in(target, "elsewhere")));
    by_descriptor("of a file in a renamed directory", fd);
}
static void must_change_nothing_outside(long fd) {
    must_fail("fchmod", RAW(fchmod, fd, 0777));
    must_fail("utimensat", RAW(utimensat, fd, NULL, times, 0));
    must_fail("fsetxattr", RAW(fsetxattr, fd, "user.changed", "x", 1, 0));
    must_fail("fremovexattr", RAW(fremovexattr, fd, "user.note"));
    must_fail("fchmodat2", RAW(fchmodat2, fd, "", 0777, AT_EMPTY_PATH));
    must_fail("setxattrat", RAW(setxattrat, fd, "", AT_EMPTY_PATH, "user.changed", &xattr_args, sizeof xattr_args));
    int flags = FS_NODUMP_FL;
    must_fail("FS_IOC_SETFLAGS", RAW(ioctl, fd, FS_IOC_SETFLAGS, &flags));
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%ld", fd);
    must_fail("open", RAW(open, path, O_WRONLY));
    must_fail("chmod", RAW(chmod, path, 0777));
    must_fail("truncate", RAW(truncate, path, 0));
}
TEST(descriptor_outside) {
    must_change_nothing_outside(RAW(open, in(outside, "victim"), O_RDONLY));
    must_change_nothing_outside(RAW(open, in(outside, "victim"), O_PATH));
    must_change_nothing_outside(RAW(open, outside, O_RDONLY));
}

/* A descriptor that comes from somebody else: over a socket, or out of him. */
static long received(int s) {
    char control[CMSG_SPACE(sizeof(int))], byte;
    struct iovec iov = {&byte, 1};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    int fd = -1;
    if (recvmsg(s, &m, 0) == 1 && CMSG_FIRSTHDR(&m))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
    return fd;
}
static void sent(int s, long fd) {
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {(char *)(size_t) "d", 1};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    int number = (int)fd;
    memset(control, 0, sizeof control);
    CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
    CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
    CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &number, sizeof number);
    if (sendmsg(s, &m, 0) != 1)
        say("cannot send");
}
TEST(descriptor_passed) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return;
    pid_t pid = IN_CHILD({
        sent(pair[1], RAW(open, in(target, "victim"), O_RDONLY));
        sent(pair[1], RAW(open, in(target, "dir"), O_RDONLY));
        pause_ms(20000);
    });
    by_descriptor("received over a socket", received(pair[0]));
    long dir = received(pair[0]);
    may("openat for writing beneath a received one", RAW(openat, dir, "inner", O_WRONLY));
    may("unlinkat beneath it", RAW(unlinkat, dir, "inner", 0));
    must_fail("its parent's sibling", RAW(openat, dir, "../../lower/victim", O_WRONLY));
    long pidfd = RAW(pidfd_open, pid, 0);
    long stolen = RAW(pidfd_getfd, pidfd, 5, 0);
    if (stolen >= 0)
        by_descriptor("taken by pidfd_getfd", stolen);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* --- the parents of directories
 * -------------------------------------------------------------------------------------------- */

/* From a directory upwards; wherever it comes out, LOWER's and UPPER's last components are tried beneath. */
static void climb(const char *from, long fd) {
    const char *ln = strrchr(lower, '/') + 1, *un = strrchr(upper, '/') + 1;
    char path[PATH_MAX];
    int opened = 0;
    for (int i = 0; i < 40 && fd >= 0; i++) {
        static const char *const beneath[] = {"victim",       "../%s/victim",    "%s/victim",     "../lower/victim",
                                              "lower/victim", "../upper/victim", "../upper.work", "../../lower/victim"};
        for (size_t k = 0; k < sizeof beneath / sizeof *beneath; k++)
            for (int which = 0; which < 2; which++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                snprintf(path, sizeof path, beneath[k], which ? un : ln);
#pragma GCC diagnostic pop
                long got = RAW(openat, fd, path, O_WRONLY);
                if (got >= 0) {
                    opened++;
                    char link[64], text[PATH_MAX] = "";
                    snprintf(link, sizeof link, "/proc/self/fd/%ld", got);
                    RAW(readlink, link, text, sizeof text - 1);
                    if (strncmp(text, target, strlen(target)) != 0)
                        say("%s, %d up, %s: CHANGED (%s)", from, i, path, text);
                    scribble_on(got);
                }
                RAW(fchmodat, fd, path, 0777);
                RAW(utimensat, fd, path, times, 0);
                RAW(unlinkat, fd, k > 0 && which ? path : "none", 0);
            }
        long next = RAW(openat, fd, "..", i % 2 ? O_RDONLY : O_PATH);
        close((int)fd);
        fd = next;
    }
    say("%s: came to the end, opened %d in the union", from, opened > 0);
}
TEST(dotdot) {
    static const char *const names[] = {"dir", "dir/deep", ".", "dir/.."};
    for (size_t i = 0; i < 4; i++)
        for (int how = 0; how < 2; how++)
            climb(names[i], RAW(open, in(target, names[i]), how ? O_PATH : O_RDONLY));
}
TEST(dotdot_of_cwd) {
    static const char *const names[] = {"dir", "dir/deep", "dir/../dir"};
    for (size_t i = 0; i < 3; i++) {
        may("chdir", RAW(chdir, in(target, names[i])));
        climb("cwd", RAW(open, ".", O_RDONLY));
        climb("cwd's parent", RAW(open, "..", O_PATH));
        climb("/proc/self/cwd", RAW(open, "/proc/self/cwd", O_PATH));
        climb("/proc/self/cwd/..", RAW(open, "/proc/self/cwd/..", O_PATH));
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/cwd/../..", (int)getpid());
        climb("/proc/PID/cwd/../..", RAW(open, path, O_PATH));
        must_fail("../lower/victim", RAW(open, "../lower/victim", O_WRONLY));
        must_fail("../../lower/victim", RAW(open, "../../lower/victim", O_WRONLY));
        must_fail("../lower/victim chmod", RAW(chmod, "../lower/victim", 0777));
        long fd = RAW(open, "..", O_PATH);
        may("fchdir", RAW(fchdir, fd));
        climb("after fchdir", RAW(open, ".", O_RDONLY));
    }
}
TEST(dotdot_through_proc) {
    long fd = RAW(open, in(target, "dir"), O_PATH);
    char path[128];
    snprintf(path, sizeof path, "/proc/self/fd/%ld/..", fd);
    climb("/proc/self/fd/N/..", RAW(open, path, O_PATH));
    snprintf(path, sizeof path, "/proc/self/fd/%ld/../../lower/victim", fd);
    must_fail("open", RAW(open, path, O_WRONLY));
    must_fail("chmod", RAW(chmod, path, 0777));
    snprintf(path, sizeof path, "/dev/fd/%ld/../lower/victim", fd);
    must_fail("by /dev/fd", RAW(open, path, O_WRONLY));
    struct {
        uint64_t flags, mode, resolve;
    } how = {O_PATH, 0, 0};
    for (uint64_t resolve = 0; resolve < 0x40; resolve++) {
        how.resolve = resolve;
        long got = RAW(openat2, fd, "..", &how, sizeof how);
        if (got >= 0)
            climb("openat2", got);
    }
}
TEST(dotdot_after_rename) { // the directory is moved while it is held
    long fd = RAW(open, in(target, "dir/deep"), O_RDONLY);
    may("rename", RAW(rename, in(target, "dir/deep"), in(target, "moved")));
    climb("renamed", fd);
    fd = RAW(open, in(target, "dir"), O_PATH);
    RAW(unlink, in(target, "dir/inner"));
    RAW(rmdir, in(target, "dir"));
    climb("removed", fd);
    RAW(chdir, in(target, "moved"));
    RAW(rmdir, in(target, "moved"));
    climb("removed cwd", RAW(open, ".", O_PATH));
}

/* --- mounts, namespaces
 * ------------------------------------------------------------------------------------------------------ */

static void after_escape(const char *what) {
    say("%s", what);
    must_fail("bind mount of the lower", RAW(mount, lower, target, NULL, 4096, NULL));
    must_fail("bind mount of /", RAW(mount, "/", target, NULL, 4096 | 16384, NULL));
    must_fail("tmpfs", RAW(mount, "none", target, "tmpfs", 0, NULL));
    must_fail("remount", RAW(mount, NULL, target, NULL, 32 | 4096, NULL));
    must_fail("umount", RAW(umount2, target, 2));
    must_fail("chroot", RAW(chroot, lower));
    must_fail("chroot to the target", RAW(chroot, target));
    must_fail("pivot_root", RAW(pivot_root, ".", "."));
    must_fail("open_tree", RAW(open_tree, AT_FDCWD, lower, 0));
    must_fail("open_tree of the target", RAW(open_tree, AT_FDCWD, in(target, "dir"), 1 | AT_RECURSIVE));
    must_fail("fsopen", RAW(fsopen, "tmpfs", 0));
    must_fail("move_mount", RAW(move_mount, AT_FDCWD, lower, AT_FDCWD, target, 0));
    must_fail("mount_setattr", RAW(mount_setattr, AT_FDCWD, target, 0, NULL, 0));
    must_fail("open", RAW(open, in(lower, "victim"), O_WRONLY));
    must_fail("chmod", RAW(chmod, in(lower, "victim"), 0777));
    must_fail("outside", RAW(open, in(outside, "victim"), O_WRONLY));
    must_fail("outside chmod", RAW(chmod, in(outside, "victim"), 0777));
}
TEST(mounts) {
    after_escape("as we are");
}
TEST(namespaces) {
    static const struct {
        const char *name;
        int flags;
    } kinds[] = {{"mount", CLONE_NEWNS},
                 {"user and mount", CLONE_NEWUSER | CLONE_NEWNS},
                 {"user", CLONE_NEWUSER},
                 {"pid", CLONE_NEWUSER | CLONE_NEWPID}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        pid_t pid = IN_CHILD({
            say("unshare %s: %s", kinds[i].name, result(RAW(unshare, kinds[i].flags)));
            if (kinds[i].flags & CLONE_NEWUSER) {
                char map[64];
                snprintf(map, sizeof map, "0 %d 1", (int)getuid());
                long fd = RAW(open, "/proc/self/uid_map", O_WRONLY);
                say("uid_map: %s", result(fd < 0 ? fd : RAW(write, fd, map, strlen(map))));
            }
            after_escape(kinds[i].name);
        });
        say_child(pid);
    }
    long ns = RAW(open, "/proc/1/ns/mnt", O_RDONLY);
    may("setns", RAW(setns, ns, CLONE_NEWNS));
    must_fail("open", RAW(open, in(lower, "victim"), O_WRONLY));
    must_fail("chmod", RAW(chmod, in(lower, "victim"), 0777));
}
TEST(handles) { // a lower's file by its handle, past all names
    struct {
        struct file_handle h;
        char room[128];
    } h;
    int mount = 0;
    const char *const paths[] = {in(target, "victim"), in(target, "dir"), in(lower, "victim"), in(outside, "victim")};
    long at[] = {RAW(open, target, O_RDONLY), RAW(open, "/", O_RDONLY), AT_FDCWD};
    for (size_t i = 0; i < 4; i++) {
        memset(&h, 0, sizeof h);
        h.h.handle_bytes = sizeof h.room;
        may("name_to_handle_at", RAW(name_to_handle_at, AT_FDCWD, paths[i], &h.h, &mount, 0));
        for (size_t k = 0; k < 3; k++) {
            long fd = RAW(open_by_handle_at, at[k], &h.h, O_WRONLY);
            must_fail("open_by_handle_at", fd);
            scribble_on(fd);
            must_fail("open_by_handle_at O_RDONLY", RAW(open_by_handle_at, at[k], &h.h, O_RDONLY));
        }
    }
}
TEST(watched_by_fanotify) { // whose events come with descriptors of their own
    long fan = RAW(fanotify_init, FAN_CLASS_CONTENT | FAN_NONBLOCK, O_RDWR);
    may("fanotify_init", fan);
    if (fan < 0)
        fan = RAW(fanotify_init, FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDWR);
    may("fanotify_mark", RAW(fanotify_mark, fan, FAN_MARK_ADD, FAN_OPEN | FAN_ACCESS, AT_FDCWD, in(target, "victim")));
    may("fanotify_mark of the mount",
        RAW(fanotify_mark, fan, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN | FAN_ACCESS, AT_FDCWD, in(target, "victim")));
    may("fanotify_mark of the filesystem",
        RAW(fanotify_mark, fan, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN | FAN_ACCESS, AT_FDCWD, target));
    pid_t pid = IN_CHILD({
        char c;
        long fd = RAW(open, in(target, "victim"), O_RDONLY);
        RAW(read, fd, &c, 1);
        fd = RAW(open, in(outside, "victim"), O_RDONLY);
        RAW(read, fd, &c, 1);
    });
    waitpid(pid, NULL, 0);
    static char buffer[65536] __attribute__((aligned(8)));
    long n = RAW(read, fan, buffer, sizeof buffer);
    int opened = 0;
    for (const struct fanotify_event_metadata *e = (const void *)buffer; n > 0 && FAN_EVENT_OK(e, n);
         e = FAN_EVENT_NEXT(e, n)) {
        char link[64], text[PATH_MAX] = "";
        snprintf(link, sizeof link, "/proc/self/fd/%d", e->fd);
        RAW(readlink, link, text, sizeof text - 1);
        if (e->fd >= 0 && strstr(text, "victim")) {
            opened++;
            scribble_on(e->fd);
        }
    }
    say("events: %s, victims opened for writing: %s", n < 0 ? result(n) : "some", opened ? "CHANGED" : "none");
}

/* --- other processes
 * --------------------------------------------------------------------------------------------------------- */

/* Makes a stopped child do one call, by `at`: the address of a `syscall` instruction. */
static long in_tracee(pid_t pid, unsigned long at, long nr, long a, long b, long c) {
    struct user_regs_struct r, before;
    int status;
    if (ptrace(PTRACE_GETREGS, pid, 0, &before) < 0)
        return -errno;
    r = before;
    r.rip = at;
    r.rax = (unsigned long)nr;
    r.orig_rax = (unsigned long)-1;
    r.rdi = (unsigned long)a;
    r.rsi = (unsigned long)b;
    r.rdx = (unsigned long)c;
    if (ptrace(PTRACE_SETREGS, pid, 0, &r) < 0 || ptrace(PTRACE_SINGLESTEP, pid, 0, 0) < 0)
        return -errno;
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
        return -ECHILD;
    if (ptrace(PTRACE_GETREGS, pid, 0, &r) < 0)
        return -errno;
    ptrace(PTRACE_SETREGS, pid, 0, &before);
    return WSTOPSIG(status) == SIGTRAP ? (long)r.rax : -ECANCELED;
}
static unsigned long find_syscall(const unsigned char *page, size_t size) {
    for (size_t i = 0; page && i + 1 < size; i++)
        if (page[i] == 0x0f && page[i + 1] == 0x05)
            return (unsigned long)(uintptr_t)(page + i);
    return 0;
}
static bool gate_is_mapped(void) {
    unsigned char here;
    return RAW(mincore, UR_GATE, UR_GATE_SIZE, &here) == 0;
}
TEST(ptrace_of_a_sibling) {
    static char victim[PATH_MAX];
    strcpy(victim, in(lower, "victim"));
    pid_t pid = fork();
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    unsigned long own = find_syscall((const unsigned char *)(uintptr_t)raw6, 400);
    must_fail("open", in_tracee(pid, own, SYS_open, (long)victim, O_WRONLY, 0));
    must_fail("chmod", in_tracee(pid, own, SYS_chmod, (long)victim, 0777, 0));
    must_fail("unlink", in_tracee(pid, own, SYS_unlink, (long)victim, 0, 0));
    must_fail("truncate", in_tracee(pid, own, SYS_truncate, (long)victim, 0, 0));
    if (gate_is_mapped()) {
        unsigned long gate = find_syscall((const unsigned char *)(uintptr_t)UR_GATE, UR_GATE_SIZE);
        must_fail("open by the gate", in_tracee(pid, gate, SYS_open, (long)victim, O_WRONLY, 0));
        must_fail("chmod by the gate", in_tracee(pid, gate, SYS_chmod, (long)victim, 0777, 0));
        must_fail("unlink by the gate", in_tracee(pid, gate, SYS_unlink, (long)victim, 0, 0));
    }
    // a filter that is suspended for a tracee
    must_fail("PTRACE_O_SUSPEND_SECCOMP", ptrace(PTRACE_SETOPTIONS, pid, 0, 1 << 21) < 0 ? -errno : 0);
    must_fail("open", in_tracee(pid, own, SYS_open, (long)victim, O_WRONLY, 0));
    // a call that is exchanged for another one after the filter has seen it: at the entry stop
    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
    struct user_regs_struct r;
    ptrace(PTRACE_GETREGS, pid, 0, &r);
    struct user_regs_struct call = r;
    call.rip = own;
    call.rax = SYS_getppid;
    call.orig_rax = (unsigned long)-1;
    ptrace(PTRACE_SETREGS, pid, 0, &call);
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    int status;
    waitpid(pid, &status, 0);
    ptrace(PTRACE_GETREGS, pid, 0, &call);
    call.orig_rax = SYS_chmod;
    call.rdi = (unsigned long)victim;
    call.rsi = 0777;
    ptrace(PTRACE_SETREGS, pid, 0, &call);
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    waitpid(pid, &status, 0);
    ptrace(PTRACE_GETREGS, pid, 0, &call);
    must_fail("exchanged at the entry", (long)call.rax);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
TEST(supervisor) { // the processes that we descend from
    pid_t pid = getppid();
    static char room[4096];
    int found = 0;
    while (pid > 1 && found < 10) {
        char path[PATH_MAX], text[PATH_MAX] = "", name[64] = "";
        snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
        long fd = RAW(open, path, O_RDONLY);
        if (fd < 0 || RAW(read, fd, name, sizeof name - 1) < 0)
            break;
        close((int)fd);
        name[strcspn(name, "\n")] = 0;
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        fd = RAW(open, path, O_RDONLY);
        if (fd < 0 || RAW(read, fd, text, sizeof text - 1) < 0)
            break;
        close((int)fd);
        pid_t parent = (pid_t)atoi(strrchr(text, ')') + 4);
        if (strncmp(name, "unionrun", 8) == 0 && pid != getpid()) {
            found++;
            say("%s", name);
            struct iovec here = {room, sizeof room}, there = {(void *)UR_GATE, 16};
            must_fail("PTRACE_ATTACH", RAW(ptrace, 16, pid, 0, 0));
            must_fail("PTRACE_SEIZE", RAW(ptrace, 0x4206, pid, 0, 0));
            must_fail("process_vm_readv", RAW(process_vm_readv, pid, &here, 1, &there, 1, 0) == -EFAULT ? 0 : -EPERM);
            must_fail("process_vm_writev", RAW(process_vm_writev, pid, &here, 1, &there, 1, 0) == -EFAULT ? 0 : -EPERM);
            snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
            must_fail("its memory", RAW(open, path, O_RDWR));
            snprintf(path, sizeof path, "/proc/%d/root%s/victim", (int)pid, lower);
            must_fail("through its root", RAW(open, path, O_WRONLY));
            snprintf(path, sizeof path, "/proc/%d/cwd/victim", (int)pid);
            must_fail("through its cwd", RAW(open, path, O_WRONLY));
            long pidfd = RAW(pidfd_open, pid, 0);
            for (int n = 3; n < 100; n++) {
                long stolen = RAW(pidfd_getfd, pidfd, n, 0);
                if (stolen >= 0)
                    say("descriptor %d by pidfd_getfd: CHANGED", n);
                snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, n);
                static const int flags[] = {O_RDONLY, O_RDWR, O_PATH};
                for (int k = 0; k < 3; k++) {
                    stolen = RAW(open, path, flags[k]);
                    if (stolen >= 0) { // his pipes and files in memory lead nowhere
                        char leads[PATH_MAX] = "", link[64];
                        snprintf(link, sizeof link, "/proc/self/fd/%ld", stolen);
                        RAW(readlink, link, leads, sizeof leads - 1);
                        say("descriptor %d by /proc, %o: %s (%s)", n, flags[k],
                            leads[0] == '/' && strncmp(leads, target, strlen(target)) != 0 ? "CHANGED" : "done", leads);
                    }
                }
            }
            snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)pid);
            may("oom_score_adj", RAW(open, path, O_WRONLY)); // he can be ended as well: that ends the run, no more
            struct rlimit none = {0, 0};
            may("prlimit", RAW(prlimit64, pid, RLIMIT_CORE, &none, NULL));
        }
        pid = parent;
    }
    say("seen: %d", found > 0);
}

/* --- past the filter
 * ------------------------------------------------------------------------------------------------------------ */

static unsigned long gate_at;
__attribute__((noinline)) static long by_gate(long nr, long a, long b, long c, long d, long e, long f) {
    long got;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("sub $128, %%rsp\n\tcall *%[at]\n\tadd $128, %%rsp"
                     : "=a"(got)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9), [at] "b"(gate_at)
                     : "rcx", "r11", "memory");
    return got;
}
static void through_the_gate(void) {
    char *ours = make_ours();
    pid_t pid = IN_CHILD(must_fail("a harmless call", by_gate(SYS_getppid, 0, 0, 0, 0, 0, 0) > 0 ? -EXFULL : 0));
    say_child(pid); // EXFULL: the page works as we think it does
    changes("gate, lower", by_gate, lower, in(lower, "victim"), ours);
    changes("gate, outside", by_gate, outside, in(outside, "victim"), ours);
    long fd = RAW(open, in(target, "victim"), O_RDONLY);
    may("fchmod", by_gate(SYS_fchmod, fd, 0777, 0, 0, 0, 0));
    may("fchown", by_gate(SYS_fchown, fd, getuid(), getgid(), 0, 0, 0));
    may("utimensat", by_gate(SYS_utimensat, fd, 0, (long)times, 0, 0, 0));
    may("fsetxattr", by_gate(SYS_fsetxattr, fd, (long)"user.changed", (long)"x", 1, 0, 0));
    may("fremovexattr", by_gate(SYS_fremovexattr, fd, (long)"user.note", 0, 0, 0, 0));
    may("fchmodat2", by_gate(SYS_fchmodat2, fd, (long)"", 0777, AT_EMPTY_PATH, 0, 0));
    int flags = FS_NODUMP_FL;
    may("FS_IOC_SETFLAGS", by_gate(SYS_ioctl, fd, FS_IOC_SETFLAGS, (long)&flags, 0, 0, 0));
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%ld", fd);
    long again = by_gate(SYS_open, (long)path, O_WRONLY, 0, 0, 0, 0);
    must_fail("open through /proc", again);
    scribble_on(again);
    must_fail("chmod through /proc", by_gate(SYS_chmod, (long)path, 0777, 0, 0, 0, 0));
    must_fail("linkat to /tmp",
              by_gate(SYS_linkat, AT_FDCWD, (long)in(lower, "victim"), AT_FDCWD, (long)"/tmp/adversary-gate", 0, 0));
    scribble_on(RAW(open, "/tmp/adversary-gate", O_WRONLY));
    RAW(chmod, "/tmp/adversary-gate", 0777);
    RAW(unlink, "/tmp/adversary-gate");
    must_fail("mount", by_gate(SYS_mount, (long)lower, (long)target, 0, 4096, 0, 0));
    must_fail("chroot", by_gate(SYS_chroot, (long)lower, 0, 0, 0, 0, 0));
    must_fail("open_by_handle_at", by_gate(SYS_open_by_handle_at, AT_FDCWD, (long)path, O_RDWR, 0, 0, 0));
    char params[256] = "";
    must_fail("io_uring_setup", by_gate(SYS_io_uring_setup, 4, (long)params, 0, 0, 0, 0));
}
TEST(gate_of_the_shim) {
    if (!gate_is_mapped()) {
        say("no gate here");
        return;
    }
    gate_at = find_syscall((const unsigned char *)(uintptr_t)UR_GATE, UR_GATE_SIZE);
    say("found: %d", gate_at != 0);
    if (gate_at)
        through_the_gate();
}
TEST(gate_of_ones_own) { // a page of our own in its place
    static const unsigned char code[] = {0x0f, 0x05, 0xc3};
    RAW(munmap, UR_GATE, UR_GATE_SIZE);
    long at = RAW(mmap, UR_GATE, UR_GATE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    say("mmap: %s", at < 0 && at > -4096 ? result(at) : "done");
    if (at < 0 && at > -4096)
        return;
    memcpy((void *)at, code, sizeof code);
    long exec = RAW(mprotect, at, UR_GATE_SIZE, PROT_READ | PROT_EXEC);
    say("mprotect: %s", result(exec));
    if (exec < 0)
        return;
    gate_at = (unsigned long)at;
    through_the_gate();
}
static long int80(long nr, long a, long b, long c) {
    long got;
    __asm__ volatile("int $0x80" : "=a"(got) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
    return (int)got;
}
TEST(other_numbers) { // i386's from 64-bit code, and x32's
    char *low = mmap((void *)0x10000000, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    strcpy(low, in(lower, "victim"));
    strcpy(low + 4096, in(lower, "fresh"));
    static const struct {
        const char *name;
        long nr, b, c;
    } of32[] = {{"open", 5, O_WRONLY, 0},
                {"creat", 8, 0600, 0},
                {"chmod", 15, 0777, 0},
                {"truncate", 92, 0, 0},
                {"utime", 30, 0, 0},
                {"unlink", 10, 0, 0},
                {"rename", 38, 0x10001000, 0},
                {"link", 9, 0x10001000, 0},
                {"setxattr", 226, 0x10001000, 0x10001000},
                {"chown32", 212, 0, 0},
                {"mount", 21, 0x10001000, 0},
                {"io_uring_setup", 425, 0x10001000, 0},
                {"open by socketcall", 102, 0x10001000, 0}};
    for (size_t i = 0; i < sizeof of32 / sizeof *of32; i++) {
        pid_t pid = IN_CHILD({
            long got = int80(of32[i].nr, 0x10000000, of32[i].b, of32[i].c);
            say("i386 %s: %s", of32[i].name, got < 0 ? result(got) : "CHANGED");
            if (of32[i].nr <= 8)
                scribble_on(got);
        });
        int status = 0;
        waitpid(pid, &status, 0);
        if (WIFSIGNALED(status))
            say("i386 %s: signal %d", of32[i].name, WTERMSIG(status));
    }
    static const long of_x32[] = {SYS_open, SYS_unlink, SYS_chmod, SYS_truncate, SYS_rename, SYS_creat};
    for (size_t i = 0; i < sizeof of_x32 / sizeof *of_x32; i++) {
        pid_t pid = IN_CHILD({
            long got = raw6(0x40000000 | of_x32[i], (long)low, i == 4 ? (long)(low + 4096) : O_WRONLY, 0, 0, 0, 0);
            say("x32 %ld: %s", of_x32[i], got < 0 ? result(got) : "CHANGED");
        });
        int status = 0;
        waitpid(pid, &status, 0);
        if (WIFSIGNALED(status))
            say("x32 %ld: signal %d", of_x32[i], WTERMSIG(status));
    }
    // The upper half of the number's register counts for nothing
    must_fail("high bits", raw6(SYS_chmod | (1L << 32), (long)low, 0777, 0, 0, 0, 0));
}
TEST(io_uring) {
    char params[256] = "";
    must_fail("io_uring_setup", RAW(io_uring_setup, 4, params));
}
TEST(another_filter) { // of our own: on top of the guard's, never in its place
    struct {
        unsigned short code;
        unsigned char jt, jf;
        unsigned k;
    } allow[] = {{6, 0, 0, 0x7fff0000}};
    struct {
        unsigned short len;
        void *filter;
    } program = {1, allow};
    RAW(prctl, 38, 1, 0, 0, 0);
    may("a filter", RAW(seccomp, 1, 0, &program));
    must_fail("a listener", RAW(seccomp, 1, 8, &program));
    must_fail("open", RAW(open, in(lower, "victim"), O_WRONLY));
    must_fail("chmod", RAW(chmod, in(lower, "victim"), 0777));
    must_fail("outside", RAW(open, in(outside, "victim"), O_WRONLY));
}

/* A root of one's own, from which the layers have other names */
TEST(root_of_ones_own) {
    char base[PATH_MAX], inner[PATH_MAX];
    snprintf(base, sizeof base, "%s", lower);
    *strrchr(base, '/') = 0;
    snprintf(inner, sizeof inner, "%s/victim", strrchr(lower, '/'));
    may("unshare", RAW(unshare, CLONE_NEWUSER));
    may("chroot", RAW(chroot, base));
    may("chdir", RAW(chdir, "/"));
    must_fail("open", RAW(open, inner, O_WRONLY));
    must_fail("open that truncates", RAW(open, inner, O_RDONLY | O_TRUNC));
    must_fail("openat that truncates", RAW(openat, AT_FDCWD, inner + 1, O_RDONLY | O_TRUNC));
    must_fail("truncate", RAW(truncate, inner, 3));
    must_fail("chmod", RAW(chmod, inner, 0777));
    must_fail("chown", RAW(chown, inner, 1, 1));
    must_fail("utimensat", RAW(utimensat, AT_FDCWD, inner, times, 0));
    must_fail("setxattr", RAW(setxattr, inner, "user.changed", "x", 1, 0));
    must_fail("unlink", RAW(unlink, inner));
    must_fail("rename", RAW(rename, inner, "/taken"));
    long fd = RAW(open, inner, O_RDONLY);
    must_fail("fchmod", RAW(fchmod, fd, 0777));
}

/* --- places that may not be written
 * ------------------------------------------------------------------------------------------------- */

TEST(elsewhere) {
    static const char *const files[] = {
        "/etc/unionrun-adversary",  "/unionrun-adversary",      "/var/tmp/unionrun-adversary",
        "/usr/unionrun-adversary",  "/root/unionrun-adversary", "/var/unionrun-adversary",
        "/home/unionrun-adversary", "/run/unionrun-adversary",  "/dev/unionrun-adversary"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        say("%s", files[i]);
        must_fail("  open", RAW(open, files[i], O_CREAT | O_WRONLY, 0600));
        must_fail("  mkdir", RAW(mkdir, files[i], 0700));
        must_fail("  symlink", RAW(symlink, "x", files[i]));
        must_fail("  mknod", RAW(mknod, files[i], S_IFIFO | 0600, 0));
        RAW(unlink, files[i]);
        RAW(rmdir, files[i]);
    }
    const char *home = getenv("HOME");
    if (home && *home == '/')
        must_fail("HOME", RAW(open, in(home, "unionrun-adversary"), O_CREAT | O_WRONLY, 0600));
    static const char *const existing[] = {
        "/etc/passwd",         "/etc/shadow", "/etc/hostname", "/bin/sh",           "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger", "/dev/mem",    "/dev/kmsg",     "/dev/loop-control", "/proc/self/oom_score_adj"};
    for (size_t i = 0; i < sizeof existing / sizeof *existing; i++) {
        say("%s", existing[i]);
        bool own = i == 9; // its own process is its own business
        long got = RAW(open, existing[i], O_WRONLY);
        if (own)
            may("  open", got);
        else {
            must_fail("  open", got);
            struct stat st; // to what they are: nothing changes even if it works
            if (RAW(stat, existing[i], &st) == 0 && S_ISREG(st.st_mode) && strncmp(existing[i], "/proc", 5) != 0) {
                must_fail("  chmod", RAW(chmod, existing[i], st.st_mode & 07777));
                must_fail("  chown", RAW(chown, existing[i], st.st_uid, st.st_gid));
                const struct timespec omit[2] = {{0, UTIME_OMIT}, st.st_mtim};
                must_fail("  utimensat", RAW(utimensat, AT_FDCWD, existing[i], omit, 0));
                must_fail("  setxattr", RAW(setxattr, existing[i], "user.unionrun-adversary", "", 0, 0));
                RAW(removexattr, existing[i], "user.unionrun-adversary");
            }
        }
    }
    // The disk itself, by a device of our own making
    struct stat root;
    char path[PATH_MAX];
    static const char *const dirs[] = {"/tmp", "/dev/shm"};
    if (RAW(stat, "/", &root) == 0)
        for (int i = 0; i < 3; i++) {
            snprintf(path, sizeof path, "%s/adversary-disk-%d", i < 2 ? dirs[i] : target, (int)getpid());
            say("mknod of the disk: %s",
                result(RAW(mknod, path, S_IFBLK | 0600, makedev(major(root.st_dev), minor(root.st_dev)))));
            must_fail("the disk for writing", RAW(open, path, O_WRONLY));
            RAW(unlink, path);
        }
    must_fail("/proc/self/root as a place", RAW(mkdir, "/proc/self/root/unionrun-adversary", 0700));
}

/* --- time of check, time of use
 * ------------------------------------------------------------------------------------------------------ */

static _Atomic bool stop;
static char shared_path[PATH_MAX];
static char allowed[PATH_MAX], forbidden[PATH_MAX];
static void *flips_bytes(void *arg) {
    (void)arg;
    while (!stop) {
        memcpy(shared_path, forbidden, sizeof shared_path);
        memcpy(shared_path, allowed, sizeof shared_path);
    }
    return NULL;
}
static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
static void hammer(const char *what) {
    long rounds = 0, good = 0;
    for (double end = seconds() + 1; seconds() < end; rounds++) {
        long fd = RAW(open, shared_path, O_WRONLY);
        good += fd >= 0;
        if (fd >= 0) {
            char link[64], text[PATH_MAX] = "";
            snprintf(link, sizeof link, "/proc/self/fd/%ld", fd);
            RAW(readlink, link, text, sizeof text - 1);
            scribble_on(fd);
            if (strncmp(text, target, strlen(target)) != 0) {
                say("%s, round %ld: CHANGED (%s)", what, rounds, text);
                break;
            }
        }
        RAW(chmod, shared_path, 0700 | (rounds & 7));
        RAW(truncate, shared_path, 3);
        RAW(utimensat, AT_FDCWD, shared_path, times, 0);
        RAW(setxattr, shared_path, "user.changed", "x", 1, 0);
        fd = RAW(open, shared_path, O_RDWR | O_TRUNC);
        scribble_on(fd);
    }
    say("%s: some of them in the union: %d, rounds: %d", what, good > 0, rounds > 50);
}
TEST(path_that_flips) {
    strcpy(allowed, make_ours());
    strcpy(forbidden, in(lower, "victim"));
    strcpy(shared_path, allowed);
    pthread_t t;
    for (int i = 0; i < 2; i++) {
        if (i)
            strcpy(forbidden, in(outside, "victim"));
        stop = false;
        pthread_create(&t, NULL, flips_bytes, NULL);
        hammer(i ? "outside" : "lower");
        stop = true;
        pthread_join(t, NULL);
    }
}
static void *flips_links(void *arg) {
    (void)arg;
    char a[PATH_MAX], b[PATH_MAX], there[PATH_MAX];
    strcpy(a, in(target, "flip-a"));
    strcpy(b, in(target, "flip-b"));
    strcpy(there, in(target, "flip"));
    while (!stop) {
        RAW(symlink, forbidden, a);
        RAW(rename, a, there);
        RAW(symlink, allowed, b);
        RAW(rename, b, there);
    }
    return NULL;
}
TEST(link_that_flips) {
    strcpy(allowed, make_ours());
    strcpy(forbidden, in(lower, "victim"));
    strcpy(shared_path, in(target, "flip"));
    pthread_t t;
    stop = false;
    pthread_create(&t, NULL, flips_links, NULL);
    hammer("a symlink");
    stop = true;
    pthread_join(t, NULL);
}
static void *flips_directories(void *arg) { // a directory of the union's and a link to the lower
    (void)arg;
    char d[PATH_MAX], l[PATH_MAX];
    strcpy(d, in(target, "d"));
    strcpy(l, in(target, "l"));
    while (!stop)
        RAW(renameat2, AT_FDCWD, d, AT_FDCWD, l, RENAME_EXCHANGE);
    return NULL;
}
TEST(directory_that_flips) {
    RAW(mkdir, in(target, "d"), 0700);
    RAW(symlink, lower, in(target, "l"));
    long fd = RAW(open, in(target, "d/victim"), O_CREAT | O_WRONLY, 0600);
    close((int)fd);
    strcpy(shared_path, in(target, "d/victim"));
    pthread_t t;
    stop = false;
    pthread_create(&t, NULL, flips_directories, NULL);
    hammer("a directory");
    stop = true;
    pthread_join(t, NULL);
}
static _Atomic int fd_that_flips = -1;
static void *flips_descriptors(void *arg) { // one number, now ours, now the lower's, now outside
    (void)arg;
    long a = RAW(open, in(target, "ours"), O_RDONLY), b = RAW(open, in(target, "victim"), O_RDONLY),
         c = RAW(open, in(outside, "victim"), O_RDONLY);
    while (!stop) {
        dup2((int)b, fd_that_flips);
        dup2((int)a, fd_that_flips);
        dup2((int)c, fd_that_flips);
    }
    return NULL;
}
TEST(descriptor_that_flips) {
    make_ours();
    fd_that_flips = 200;
    pthread_t t;
    stop = false;
    pthread_create(&t, NULL, flips_descriptors, NULL);
    long rounds = 0;
    for (double end = seconds() + 1; seconds() < end; rounds++) {
        RAW(fchmod, 200, 0700 | (rounds & 7));
        RAW(utimensat, 200, NULL, times, 0);
        RAW(fsetxattr, 200, "user.changed", "x", 1, 0);
        RAW(fchown, 200, getuid(), getgid());
        scribble_on(RAW(open, "/proc/self/fd/200", O_WRONLY));
        int flags = FS_NODUMP_FL;
        RAW(ioctl, 200, FS_IOC_SETFLAGS, &flags);
    }
    stop = true;
    pthread_join(t, NULL);
    say("rounds: %d", rounds > 50);
}
TEST(cwd_that_flips) { // by another thread, between the naming and the doing
    make_ours();
    RAW(mkdir, in(target, "d"), 0700);
    scribble_on(RAW(open, in(target, "d/victim"), O_CREAT | O_WRONLY, 0600));
    strcpy(allowed, in(target, "d"));
    strcpy(forbidden, outside);
    pid_t pid = IN_CHILD({
        pthread_t t;
        stop = false;
        pthread_create(&t, NULL, flips_links, NULL);
        for (double end = seconds() + 1; seconds() < end;) {
            RAW(chdir, outside);
            RAW(chmod, "victim", 0777);
            RAW(chdir, allowed);
            scribble_on(RAW(open, "victim", O_WRONLY));
        }
        stop = true;
        pthread_join(t, NULL);
    });
    say_child(pid);
}
TEST(shared_memory) { // what all processes of the run share: nonsense in it may confuse us, never the lowers
    char line[600];
    FILE *f = fopen("/proc/self/maps", "r");
    int found = 0;
    while (f && fgets(line, sizeof line, f)) {
        unsigned long from, to;
        char mode[8];
        if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) != 3 || strcmp(mode, "rw-s") != 0)
            continue;
        found++;
        for (unsigned long at = from; at < to; at += 8)
            *(volatile unsigned long *)at = at * 2654435761UL;
    }
    say("%s", found ? "scribbled over it" : "none to be seen");
    pid_t pid = IN_CHILD({
        alarm(15);
        scribble_on(RAW(open, in(target, "victim"), O_WRONLY));
        scribble_on(open(in(target, "dir/inner"), O_WRONLY));
        RAW(chmod, in(target, "dir"), 0777);
        RAW(rename, in(target, "dir"), in(target, "moved"));
        RAW(unlink, in(target, "moved/inner"));
    });
    int status;
    waitpid(pid, &status, 0);
    say("the calls after it came back");
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        for (size_t i = 0; i < count; i++)
            puts(tests[i].name);
        return 0;
    }
    if (argc != 6) {
        fprintf(stderr, "usage: %s list | LOWER UPPER TARGET OUTSIDE CASE\n", argv[0]);
        return 2;
    }
    lower = argv[1];
    upper = argv[2];
    target = self_dir = argv[3];
    outside = argv[4];
    self_argv0 = argv[0];
    close_range(3, ~0U, 0);
    umask(022);
    for (size_t i = 0; i < count; i++)
        if (strcmp(argv[5], tests[i].name) == 0) {
            pid_t pid = fork();
            if (pid == 0) {
                now = tests[i].name;
                alarm(60);
                tests[i].run();
                _exit(0);
            }
            int status = 0;
            waitpid(pid, &status, 0);
            now = tests[i].name;
            if (status)
                say("ended by signal %d", WTERMSIG(status));
            return status != 0;
        }
    fprintf(stderr, "%s: no such case\n", argv[5]);
    return 2;
}
