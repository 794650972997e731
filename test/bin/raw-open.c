/* Opens: each call and flag, /proc/self, O_PATH, O_TMPFILE, FIFOs, whose umask, cwd and ids count. */
#include "raw.h"

#include <linux/openat2.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/uio.h>

static const char *const all[] = {"low",        "high",         "up",       "both",     "gone",     "dead", "dir",
                                  "opaque",     "bottom",       "link",     "dlink",    "hard2",    "loop", "abs",
                                  "dangling",   "opaque/hid",   "dir/gone", "dir/dead", "dlink/up", "low/", "low/no",
                                  "none/no",    "dlink/",       "dir/",     "link/",    ".",        "..",   "./dir//.",
                                  "dir/../low", "dlink/../low", "shut",     "foreign"};

/* Each name by `opens`, which gives a descriptor or -errno. */
static void each_name(const char *what, long (*opens)(const char *)) {
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        long fd = opens(all[i]);
        say("%s %s = %s", what, all[i], result(fd));
        if (fd < 0)
            continue;
        struct stat st = {0};
        RAW(fstat, fd, &st);
        say_stat(&st);
        if (S_ISREG(st.st_mode))
            say_text(fd);
        say_fd_link(fd);
        close((int)fd);
    }
}

static void writes(long fd, const char *text) {
    if (fd >= 0)
        say("  write: %s", result(RAW(write, fd, text, strlen(text))));
}
static void done(long fd) {
    if (fd >= 0)
        close((int)fd);
}

/* A creation, appending and truncation by some open call. */
#define CREATES(opens)                                                                                                 \
    do {                                                                                                               \
        long fd_ = opens("new", O_RDWR | O_CREAT | O_EXCL, 0640);                                                      \
        say("new: %s", result(fd_));                                                                                   \
        writes(fd_, "fresh");                                                                                          \
        done(fd_);                                                                                                     \
        say("again: %s", result(opens("new", O_RDWR | O_CREAT | O_EXCL, 0640)));                                       \
        say_path("new");                                                                                               \
        fd_ = opens("low", O_WRONLY | O_APPEND, 0);                                                                    \
        writes(fd_, "more");                                                                                           \
        done(fd_);                                                                                                     \
        say_file("low");                                                                                               \
        fd_ = opens("both", O_RDWR | O_TRUNC, 0);                                                                      \
        writes(fd_, "T");                                                                                              \
        done(fd_);                                                                                                     \
        say_file("both");                                                                                              \
        fd_ = opens("gone", O_RDWR | O_CREAT, 0604);                                                                   \
        writes(fd_, "back");                                                                                           \
        done(fd_);                                                                                                     \
        say_path("gone");                                                                                              \
        fd_ = opens("dir/dead", O_WRONLY | O_CREAT | O_TRUNC, 0600);                                                   \
        writes(fd_, "back");                                                                                           \
        done(fd_);                                                                                                     \
        fd_ = opens("bottom/a", O_RDWR, 0);                                                                            \
        writes(fd_, "A");                                                                                              \
        done(fd_);                                                                                                     \
        say_file("bottom/a");                                                                                          \
        fd_ = opens("bottom/in/new", O_RDWR | O_CREAT, 0666);                                                          \
        done(fd_);                                                                                                     \
        say_dir("bottom/in");                                                                                          \
        say("dir: %s", result(opens("dir", O_RDWR, 0)));                                                               \
        say("dir/ made: %s", result(opens("dir/", O_RDONLY | O_CREAT, 0600)));                                         \
        say("none/x made: %s", result(opens("none/x", O_RDONLY | O_CREAT, 0600)));                                     \
        say("new/ made: %s", result(opens("new2/", O_RDONLY | O_CREAT, 0600)));                                        \
        say("foreign: %s", result(opens("foreign", O_RDONLY, 0)));                                                     \
        say_dir(".");                                                                                                  \
        say_dir("dir");                                                                                                \
    } while (0)

static long by_open(const char *path) {
    return RAW(open, path, O_RDONLY);
}
static long by_openat(const char *path) {
    long dir = RAW(openat, AT_FDCWD, ".", O_PATH | O_DIRECTORY), got = RAW(openat, dir, path, O_RDONLY);
    close((int)dir);
    return got;
}
static long openat2_(const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    return RAW(openat2, AT_FDCWD, path, &how, sizeof how);
}
static long by_openat2(const char *path) {
    return openat2_(path, O_RDONLY, 0, 0);
}

TEST(open) {
    each_name("open", by_open);
#define OPEN(path, flags, mode) RAW(open, path, flags, mode)
    CREATES(OPEN);
}
TEST(openat) {
    each_name("openat", by_openat);
#define OPENAT(path, flags, mode) RAW(openat, AT_FDCWD, path, flags, mode)
    CREATES(OPENAT);
}
TEST(openat2) {
    each_name("openat2", by_openat2);
#define OPENAT2(path, flags, mode) openat2_(path, flags, ((flags)&O_CREAT) ? (mode) : 0, 0)
    CREATES(OPENAT2);
}
TEST(creat) {
    static const char *const names[] = {"low", "up",   "new",      "gone",     "dead",
                                        "dir", "link", "dangling", "dir/high", "bottom/in/deep"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        long fd = RAW(creat, names[i], 0624);
        say("creat %s = %s", names[i], result(fd));
        writes(fd, names[i]);
        done(fd);
    }
    say_file("low");
    say_path("low");
    say_path("new");
    say_path("gone");
    say_file("nowhere");
    say_dir(".");
}

TEST(openat_dirfd) {
    static const char *const dirs[] = {"dir", "bottom", "opaque", "dlink", "empty", ".", ".."};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        for (int how = 0; how < 2; how++) {
            long dir = RAW(open, dirs[i], how ? O_PATH : O_RDONLY), fd;
            say("%s by %s: %s", dirs[i], how ? "O_PATH" : "O_RDONLY", result(dir));
            say_fd_link(dir);
            static const char *const names[] = {"low",           "up",   "a", "../low",  "../up", "..", "../../low",
                                                "../dir/./high", "none", "",  "sub/deep"};
            for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
                fd = RAW(openat, dir, names[k], O_RDONLY);
                say("  %s = %s", names[k], result(fd));
                if (fd >= 0) {
                    say_fd_link(fd);
                    done(fd);
                }
            }
            fd = RAW(openat, dir, how ? "made.path" : "made", O_CREAT | O_WRONLY, 0600);
            say("  made = %s", result(fd));
            done(fd);
            done(dir);
        }
    say_dir("bottom");
    say_dir("empty");
    long dir = CALL(open, "bottom", O_RDONLY); // copied up meanwhile, renamed, removed
    CALL(rename, "bottom", "moved");
    CALL(openat, dir, "b", O_RDONLY);
    CALL(openat, dir, "fresh", O_CREAT | O_WRONLY, 0600);
    say_fd_link(dir);
    say_dir("moved");
    dir = CALL(open, "empty", O_PATH);
    CALL(unlinkat, dir, "made", 0);
    CALL(unlinkat, dir, "made.path", 0);
    CALL(rmdir, "empty");
    CALL(openat, dir, "x", O_CREAT | O_WRONLY, 0600);
    CALL(openat, dir, ".", O_RDONLY);
}

/* --- openat2's resolve ---------------------------------------------------------------------------------------- */

static void resolves(uint64_t resolve) {
    static const char *const names[] = {
        "low",    "dir/up",     "link",          "dlink/low",    "abs",          "dangling", "loop", "..",
        "../bin", "dir/../low", "dir/../../bin", "dir/back/low", "dir/root/low", "none",     "gone", "bottom/a"};
    CALL(symlink, "..", "dir/back");
    CALL(symlink, "/", "dir/root");
    CALL(symlink, "../../low", "dir/out");
    long here = RAW(open, ".", O_PATH), dir = RAW(open, "dir", O_RDONLY);
    struct open_how how = {.flags = O_RDONLY, .resolve = resolve};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        long fd = RAW(openat2, here, names[i], &how, sizeof how);
        say("%s = %s", names[i], result(fd));
        if (fd >= 0) {
            say_fd_link(fd);
            done(fd);
        }
    }
    static const char *const below[] = {"low",         "/low", "../low",    "back/low",     "root/up",
                                        "root/dir/up", "out",  "sub/../up", "/sub/../../up"};
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        long fd = RAW(openat2, dir, below[i], &how, sizeof how);
        say("dir: %s = %s", below[i], result(fd));
        if (fd >= 0) {
            say_fd_link(fd);
            done(fd);
        }
    }
    say("absolute: %s", result(openat2_(absolute("low"), O_RDONLY, 0, resolve)));
    say("/proc/self/fd/3: %s", result(openat2_("/proc/self/fd/3", O_RDONLY | O_DIRECTORY, 0, resolve)));
    how = (struct open_how){.flags = O_CREAT | O_WRONLY, .mode = 0640, .resolve = resolve};
    CALL(openat2, dir, "made", &how, sizeof how);
    CALL(openat2, dir, "back/made", &how, sizeof how);
    CALL(openat2, dir, "/made2", &how, sizeof how);
    how = (struct open_how){.flags = O_RDWR, .resolve = resolve};
    long fd = CALL(openat2, here, "bottom/a", &how, sizeof how);
    writes(fd, "changed");
    say_file("bottom/a");
    say_dir("dir");
    say_dir(".");
}
TEST(openat2_beneath) {
    resolves(RESOLVE_BENEATH);
}
TEST(openat2_in_root) {
    resolves(RESOLVE_IN_ROOT);
}
TEST(openat2_no_symlinks) {
    resolves(RESOLVE_NO_SYMLINKS);
}
TEST(openat2_no_magiclinks) {
    resolves(RESOLVE_NO_MAGICLINKS);
}
TEST(openat2_beneath_no_symlinks) {
    resolves(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}
TEST(openat2_wrong) {
    struct {
        struct open_how how;
        uint64_t more[4];
    } big = {.how = {.flags = O_RDONLY}};
    say("%s", result(openat2_("low", O_RDONLY, 0644, 0)));
    say("%s", result(openat2_("low", O_RDONLY, 0, 0x1000)));
    say("%s", result(openat2_("low", O_RDONLY | (1UL << 40), 0, 0)));
    say("%s", result(openat2_("low", O_CREAT | O_RDWR, 0170644, 0)));
    say("%s", result(openat2_("low", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT)));
    say("%s", result(openat2_("low", O_PATH | O_RDWR, 0, 0)));
    say("%s", result(openat2_(".", O_TMPFILE | O_RDONLY, 0600, 0)));
    CALL(openat2, AT_FDCWD, "low", &big, 8);
    CALL(openat2, AT_FDCWD, "low", &big, 0);
    CALL(openat2, AT_FDCWD, "low", &big, sizeof big.how + 8);
    big.more[1] = 1;
    CALL(openat2, AT_FDCWD, "low", &big, sizeof big);
    CALL(openat2, AT_FDCWD, "low", &big, 100000);
    CALL(openat2, AT_FDCWD, "low", 8, sizeof big.how);
}

/* --- flags ---------------------------------------------------------------------------------------------------- */

static void flags(const char *path, int how) {
    long fd = RAW(open, path, how, 0600);
    say("%s %o = %s", path, how, result(fd));
    if (fd >= 0) {
        say("  F_GETFL %o, F_GETFD %o", fcntl((int)fd, F_GETFL) & ~O_NOFOLLOW, fcntl((int)fd, F_GETFD));
        say("  at %ld", (long)lseek((int)fd, 0, SEEK_CUR));
        done(fd);
    }
}
TEST(flags) {
    static const char *const names[] = {"low", "up", "dir", "link", "dlink", "dangling", "fifo", "none"};
    static const int how[] = {O_RDONLY,
                              O_RDONLY | O_CLOEXEC,
                              O_RDWR | O_APPEND | O_NONBLOCK,
                              O_RDONLY | O_NONBLOCK | O_DIRECTORY,
                              O_RDONLY | O_NONBLOCK | O_NOFOLLOW,
                              O_RDWR | O_SYNC,
                              O_RDWR | O_DSYNC | O_NONBLOCK,
                              O_PATH,
                              O_PATH | O_NOFOLLOW | O_CLOEXEC,
                              O_PATH | O_DIRECTORY,
                              O_WRONLY | O_NONBLOCK | O_TRUNC,
                              O_RDONLY | O_NONBLOCK | O_TRUNC,
                              O_RDONLY | O_NONBLOCK | O_CREAT | O_EXCL,
                              O_RDONLY | O_CREAT | O_DIRECTORY,
                              O_ACCMODE | O_NONBLOCK,
                              O_RDWR | O_NONBLOCK | O_NOATIME,
                              O_RDONLY | O_NONBLOCK | O_NOCTTY,
                              O_PATH | O_RDWR | O_TRUNC};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t k = 0; k < sizeof how / sizeof *how; k++)
            if (strcmp(names[i], "fifo") != 0 || (how[k] & O_NONBLOCK) || (how[k] & O_PATH))
                flags(names[i], how[k]);
    CALL(open, "low", O_TMPFILE | O_RDWR);
    CALL(open, "low", 0x40000000);
    CALL(open, "low", -1);
}
TEST(excl_dangling) {
    CALL(open, "dangling", O_RDWR | O_CREAT | O_EXCL, 0600);
    CALL(open, "dangling", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    CALL(open, "dangling", O_RDWR);
    CALL(open, "loop", O_RDWR | O_CREAT, 0600);
    CALL(open, "loop", O_RDWR | O_CREAT | O_EXCL, 0600);
    say_dir(".");
    CALL(open, "dangling", O_RDWR | O_CREAT, 0600);
    say_path("nowhere");
    CALL(symlink, "dir/by-link", "to-dir");
    CALL(open, "to-dir", O_RDWR | O_CREAT, 0600);
    say_dir("dir");
    CALL(symlink, absolute("dir/by-absolute"), "to-absolute");
    CALL(open, "to-absolute", O_RDWR | O_CREAT, 0600);
    CALL(symlink, "none/by-link", "to-none");
    CALL(open, "to-none", O_RDWR | O_CREAT, 0600);
    say_dir("dir");
}
TEST(read_only_root) { // a truncation by a read-only open, a write to what may only be read
    CALL(chmod, "low", 0444);
    CALL(open, "low", O_RDWR);
    CALL(open, "low", O_RDONLY | O_TRUNC);
    say_file("low");
    CALL(chmod, "up", 0);
    CALL(open, "up", O_RDONLY);
    CALL(open, "up", O_WRONLY);
    CALL(chmod, "dir", 0500);
    CALL(open, "dir/new", O_CREAT | O_WRONLY, 0600);
    CALL(open, "dir/low", O_RDWR);
    CALL(chmod, "dir", 0600);
    CALL(open, "dir/low", O_RDONLY);
    CALL(chmod, "dir", 0755);
}
TEST(descriptors) { // the lowest free number, and none left open
    CALL(open, "low", O_RDONLY);
    CALL(open, "dir", O_RDONLY);
    CALL(open, "none", O_RDONLY);
    CALL(open, "up", O_PATH);
    close(4);
    CALL(open, "both", O_RDWR | O_CLOEXEC);
    CALL(open, "new", O_RDWR | O_CREAT, 0600);
    say_dir("/proc/self/fd");
    struct rlimit few = {6, 6};
    setrlimit(RLIMIT_NOFILE, &few);
    close(5);
    CALL(open, "both", O_RDONLY);
    CALL(open, "both", O_RDONLY);
    CALL(open, "bottom/a", O_RDWR);
    CALL(open, "made", O_RDWR | O_CREAT, 0600);
    CALL(open, "dir", O_PATH);
    say_dir(".");
}
TEST(closed_at_once) { // nobody else has kept the file open for writing: a lease is given (and exec would go well)
    long reader = RAW(open, "new", O_RDONLY | O_CREAT, 0600);
    int late = 0;
    for (int i = 0; i < 1000; i++) {
        long writer = RAW(open, "new", O_WRONLY, 0);
        close((int)writer);
        late += writer < 0 || RAW(fcntl, reader, F_SETLEASE, F_RDLCK) != 0;
        RAW(fcntl, reader, F_SETLEASE, F_UNLCK);
    }
    say("not closed: %d", late);
}
TEST(umask) {
    static const mode_t masks[] = {0, 022, 077, 0777, 0027};
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        char name[32];
        umask(masks[i]);
        snprintf(name, sizeof name, "f%zu", i);
        RAW(open, name, O_CREAT | O_WRONLY, 0666);
        say_path(name);
        snprintf(name, sizeof name, "x%zu", i);
        RAW(open, name, O_CREAT | O_WRONLY, 07777);
        say_path(name);
        snprintf(name, sizeof name, "acl/a%zu", i);
        RAW(open, name, O_CREAT | O_WRONLY, 0666);
        say_path(name);
        snprintf(name, sizeof name, "d%zu", i);
        RAW(mkdir, name, 0777);
        say_path(name);
        snprintf(name, sizeof name, "acl/d%zu", i);
        RAW(mkdir, name, 0777);
        say_path(name);
        snprintf(name, sizeof name, "p%zu", i);
        RAW(mknod, name, S_IFIFO | 0666, 0);
        say_path(name);
        snprintf(name, sizeof name, "bottom/c%zu", i);
        RAW(creat, name, 0666);
        say_path(name);
    }
    umask(0777);
    RAW(open, "low", O_RDWR); // a copy-up has the lower's mode, whatever the umask
    say_path("low");
    say_path("bottom");
}
static int own_umask_and_cwd(void *arg) {
    (void)arg;
    umask(077);
    say("the thread goes to dir: %s", result(RAW(chdir, "dir")));
    say_file("up");
    say("makes: %s", result(RAW(open, "by-thread", O_CREAT | O_WRONLY, 0666)));
    say_path("by-thread");
    char cwd[PATH_MAX] = "";
    RAW(getcwd, cwd, sizeof cwd);
    say("is in %s", cwd);
    return 0;
}
TEST(thread_of_its_own) { // a thread that shares no cwd and umask, but descriptors and memory
    static char stack[1 << 20] __attribute__((aligned(16)));
    umask(002);
    pid_t pid = clone(own_umask_and_cwd, stack + sizeof stack, CLONE_VM | CLONE_FILES | CLONE_SIGHAND | SIGCHLD, NULL);
    say_child(pid);
    CALL(open, "by-us", O_CREAT | O_WRONLY, 0666);
    say_path("by-us");
    say_dir(".");
    CALL(openat, 3, "", O_RDONLY);
    pid = clone(own_umask_and_cwd, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
    say_child(pid);
    pid = clone(own_umask_and_cwd, stack + sizeof stack, CLONE_FS | SIGCHLD, NULL);
    say_child(pid);
    say_file("by-us");
    say_file("by-thread");
}
TEST(given_up_ids) { // root's ids are given up: the files of others are others'
    CALL(open, "new", O_CREAT | O_WRONLY, 0600);
    CALL(chmod, "low", 0600);
    CALL(chmod, ".", 0777);
    CALL(chmod, "dir", 0755);
    long kept = CALL(open, "low", O_RDONLY);
    say("%s", result(RAW(setgroups, 0, NULL)));
    say("%s", result(RAW(setresgid, 65533, 65533, 65533)));
    long changed = RAW(setresuid, 65534, 65534, 65534);
    say("%s", result(changed));
    CALL(open, "new", O_RDONLY);
    CALL(open, "low", O_RDONLY);
    CALL(open, "/proc/self/fd/4", O_RDONLY);
    say_text(kept);
    CALL(open, "both", O_RDONLY);
    CALL(open, "dir/both", O_RDWR);
    CALL(open, "dir/x", O_CREAT | O_WRONLY, 0600);
    CALL(chmod, "both", 0600);
    CALL(unlink, "dir/low");
    CALL(mkdir, "made", 0755);
    say_path("made");
    CALL(open, "made/file", O_CREAT | O_WRONLY, 0600);
    if (changed == 0)
        say_path("made/file");
    CALL(access, "new", R_OK);
}
TEST(effective_ids) { // open goes by the effective ids, access by the real ones
    CALL(chmod, "low", 0600);
    say("%s", result(RAW(setresuid, -1, 65534, -1)));
    CALL(open, "low", O_RDONLY);
    CALL(access, "low", R_OK);
    CALL(faccessat2, AT_FDCWD, "low", R_OK, AT_EACCESS);
    say("%s", result(RAW(setresuid, 65534, 0, 0)));
    CALL(open, "low", O_RDONLY);
    CALL(access, "low", R_OK);
    CALL(faccessat2, AT_FDCWD, "low", R_OK, AT_EACCESS);
    CALL(open, "made", O_CREAT | O_WRONLY, 0600);
    say_path("made");
}
TEST(limits) { // a file's size limit is the caller's
    struct rlimit small = {10, 10};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    CALL(truncate, "low", 11);
    CALL(truncate, "low", 3);
    say_path("low");
    long fd = CALL(open, "big", O_RDWR); // a copy-up is not the caller's writing
    say("write: %s", result(RAW(write, fd, "x", 1)));
    say("write: %s", result(RAW(pwrite64, fd, "x", 1, 20)));
    say_path("big");
    CALL(open, "new", O_CREAT | O_RDWR, 0600);
    say("write: %s", result(RAW(write, 4, "12345678901234", 14)));
    CALL(truncate, "new", 100);
    CALL(ftruncate, 4, 100);
}

/* --- what the data is ----------------------------------------------------------------------------------------- */

TEST(data) {
    long fd = CALL(open, "big", O_RDONLY);
    char *map = mmap(NULL, 300000, PROT_READ, MAP_SHARED, (int)fd, 0);
    unsigned sum = 0;
    for (int i = 0; map != MAP_FAILED && i < 300000; i++)
        sum = sum * 31 + (unsigned char)map[i];
    say("big, mapped: %u", sum);
    done(fd);
    fd = CALL(open, "big", O_RDWR);
    char *shared = mmap(NULL, 300000, PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
    memcpy(shared + 100000, "CHANGED", 7);
    munmap(shared, 300000);
    sum = 0;
    static char text[300000];
    say("%s", result(RAW(pread64, fd, text, sizeof text, 0)));
    for (int i = 0; i < 300000; i++)
        sum = sum * 31 + (unsigned char)text[i];
    say("changed: %u", sum);
    say_path("big");
    long ro = CALL(open, "low", O_RDONLY);
    say("write to a read-only one: %s", result(RAW(write, ro, "x", 1)));
    say("mapped writable: %s", result(RAW(mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0)));
    say("ftruncate: %s", result(RAW(ftruncate, ro, 0)));
    say("fallocate: %s", result(RAW(fallocate, ro, 0, 0, 100)));
    long two[2] = {CALL(open, "up", O_RDWR), CALL(open, "up", O_RDONLY)};
    writes(two[0], "seen by both");
    say_text(two[1]);
    CALL(unlink, "up");
    say_text(two[1]);
    writes(two[0], ", still");
    say_text(two[1]);
    say_fd_link(two[1]);
}
TEST(unlinked_lower) { // open, then unlinked: the descriptor goes on
    long fd = CALL(open, "low", O_RDWR);
    CALL(unlink, "low");
    writes(fd, "LOW");
    say_text(fd);
    struct stat st = {0};
    CALL(fstat, fd, &st);
    say_stat(&st);
    say_fd_link(fd);
    CALL(open, "/proc/self/fd/3", O_RDONLY);
    say_text(4);
    CALL(open, "low", O_RDONLY);
    long ro = CALL(open, "both", O_RDONLY);
    CALL(unlink, "both");
    say_text(ro);
    say_fd_link(ro);
}
TEST(tmpfile) {
    long fd = CALL(open, ".", O_TMPFILE | O_RDWR, 0640);
    writes(fd, "nameless");
    struct stat st = {0};
    CALL(fstat, fd, &st);
    say_stat(&st);
    CALL(linkat, AT_FDCWD, "/proc/self/fd/3", AT_FDCWD, "named", AT_SYMLINK_FOLLOW);
    say_file("named");
    say_path("named");
    CALL(open, "bottom/in", O_TMPFILE | O_WRONLY, 0600);
    writes(4, "second");
    CALL(linkat, 4, "", AT_FDCWD, "bottom/in/second", AT_EMPTY_PATH); // root, or the opener's own since 6.10
    CALL(linkat, AT_FDCWD, "/proc/self/fd/4", AT_FDCWD, "bottom/in/third", AT_SYMLINK_FOLLOW);
    CALL(linkat, AT_FDCWD, "/proc/self/fd/4", AT_FDCWD, "low", AT_SYMLINK_FOLLOW);
    say_dir("bottom/in");
    CALL(open, ".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
    CALL(linkat, AT_FDCWD, "/proc/self/fd/5", AT_FDCWD, "excl", AT_SYMLINK_FOLLOW);
    CALL(open, "low", O_TMPFILE | O_RDWR, 0600);
    CALL(open, "none", O_TMPFILE | O_RDWR, 0600);
    CALL(open, ".", O_TMPFILE | O_RDONLY, 0600);
    say_dir(".");
}

/* --- /proc and /dev ------------------------------------------------------------------------------------------- */

TEST(proc_fd) {
    CALL(open, "low", O_RDONLY);
    CALL(open, "dir", O_RDONLY);
    CALL(open, "link", O_PATH | O_NOFOLLOW);
    CALL(open, "both", O_PATH);
    for (int fd = 3; fd <= 6; fd++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        say_link(path);
        long again = RAW(open, path, O_RDONLY);
        say("  opened: %s", result(again));
        if (again >= 0) {
            say_fd_link(again);
            say_text(again);
            done(again);
        }
        say("  O_NOFOLLOW: %s", result(RAW(open, path, O_RDONLY | O_NOFOLLOW)));
        again = RAW(open, path, O_PATH | O_NOFOLLOW);
        say("  O_PATH: %s", result(again));
        done(again);
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), fd);
        again = RAW(open, path, O_RDONLY);
        say("  by number: %s", result(again));
        done(again);
        snprintf(path, sizeof path, "/proc/thread-self/fd/%d", fd);
        again = RAW(open, path, O_RDONLY);
        say("  by thread-self: %s", result(again));
        done(again);
        snprintf(path, sizeof path, "/dev/fd/%d", fd);
        again = RAW(open, path, O_RDONLY);
        say("  by /dev/fd: %s", result(again));
        done(again);
    }
    CALL(open, "/proc/self/fd/4/up", O_RDONLY);
    say_text(7);
    CALL(open, "/proc/self/fd/4/../low", O_RDONLY);
    CALL(open, "/proc/self/fd/4/new", O_RDWR | O_CREAT, 0600);
    CALL(open, "/proc/self/fd/3/x", O_RDONLY);
    CALL(open, "/proc/self/fd/99", O_RDONLY);
    CALL(open, "/dev/fd/4/high", O_RDONLY);
    say_dir("dir");
    say_dir("/proc/self/fd");
}
TEST(proc_fd_for_writing) { // a read-only descriptor of a lower's file, opened anew for writing
    CALL(open, "low", O_RDONLY);
    long fd = CALL(open, "/proc/self/fd/3", O_RDWR);
    writes(fd, "L");
    say_file("low");
    CALL(open, "bottom/a", O_PATH);
    fd = CALL(open, "/proc/self/fd/5", O_WRONLY | O_TRUNC);
    writes(fd, "new a");
    say_file("bottom/a");
    CALL(open, "high", O_RDONLY);
    fd = CALL(open, "/dev/fd/7", O_WRONLY | O_APPEND);
    writes(fd, "more");
    say_file("high");
    say_path("high");
}
TEST(proc_self) {
    say_link("/proc/self/cwd");
    CALL(open, "/proc/self/cwd/low", O_RDONLY);
    say_text(3);
    CALL(open, "/proc/self/cwd", O_RDONLY | O_DIRECTORY);
    say_fd_link(4);
    CALL(open, "/proc/self/cwd/../bin/prog", O_RDONLY);
    CALL(open, "/proc/self/root", O_PATH);
    say_link("/proc/self/root");
    char path[2 * PATH_MAX];
    snprintf(path, sizeof path, "/proc/self/root%s", absolute("dir/up"));
    say("through root: %s", result(RAW(open, path, O_RDONLY)));
    say_text(7);
    snprintf(path, sizeof path, "/proc/%d/cwd/up", (int)getpid());
    say("by number: %s", result(RAW(open, path, O_RDWR)));
    snprintf(path, sizeof path, "/proc/self/task/%d/cwd/both", (int)getpid());
    say("by task: %s", result(RAW(open, path, O_RDWR)));
    CALL(chdir, "dir/sub");
    say_link("/proc/self/cwd");
    CALL(open, "/proc/self/cwd/../up", O_RDONLY);
    say_text(10);
    pid_t pid = IN_CHILD(pause_ms(60000)); // another process
    snprintf(path, sizeof path, "/proc/%d/cwd/deep", (int)pid);
    CALL(chdir, "/");
    say("another's: %s", result(RAW(open, path, O_RDWR)));
    snprintf(path, sizeof path, "/proc/%d/cwd", (int)pid);
    char text[PATH_MAX] = "";
    RAW(readlink, path, text, sizeof text - 1);
    say("another's cwd: %s", text);
    snprintf(path, sizeof path, "/proc/%d/fd/3", (int)pid);
    memset(text, 0, sizeof text);
    RAW(readlink, path, text, sizeof text - 1);
    say("another's descriptor: %s", text);
    say("%s", result(RAW(open, path, O_RDWR)));
    kill(pid, SIGKILL);
    say_child(pid);
}
TEST(proc_exe) {
    char text[PATH_MAX] = "", argv0[PATH_MAX] = "";
    say("%s", RAW(readlink, "/proc/self/exe", text, sizeof text - 1) > 0 ? "it has one" : "it has none");
    TRUE(realpath(self_argv0, argv0) && strcmp(text, argv0) == 0);
    CALL(open, "/proc/self/exe", O_RDONLY);
    TRUE(RAW(pread64, 3, text, 4, 0) == 4 && memcmp(text, "\177ELF", 4) == 0);
    struct stat a, b;
    CALL(fstat, 3, &a);
    CALL(stat, "/proc/self/exe", &b);
    TRUE(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
    CALL(open, "/proc/self/exe", O_RDWR);
}
TEST(dev_stdin) {
    long fd = RAW(open, "low", O_RDONLY);
    dup2((int)fd, 0);
    CALL(open, "/dev/stdin", O_RDONLY);
    say_text(4);
    say_fd_link(4);
    say_link("/dev/fd/0");
    int pair[2];
    TRUE(pipe(pair) == 0 && dup2(pair[0], 0) == 0);
    TRUE(write(pair[1], "piped\n", 6) == 6);
    long again = CALL(open, "/dev/stdin", O_RDONLY | O_NONBLOCK);
    char text[16] = "";
    say("%s", result(RAW(read, again, text, 15)));
    CALL(open, "/dev/null", O_RDWR);
    CALL(open, "/dev/zero", O_RDONLY);
    CALL(open, "/proc/self/status", O_RDONLY);
    CALL(open, "/dev/tty-none", O_RDONLY);
    CALL(open, "/dev/stdout/x", O_RDONLY);
}

TEST(o_path) {
    static const char *const names[] = {"low",  "up",   "dir",  "link",      "dangling",
                                        "fifo", "shut", "gone", "bottom/in", "opaque"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        long fd = RAW(open, names[i], O_PATH | O_NOFOLLOW);
        say("%s = %s", names[i], result(fd));
        if (fd < 0)
            continue;
        struct stat st = {0}, by_name_, empty = {0};
        char text[300] = "", path[64];
        say("  fstat %s", result(RAW(fstat, fd, &st)));
        say_stat(&st);
        by_name_ = stat_of(names[i]);
        TRUE(st.st_ino == by_name_.st_ino && st.st_dev == by_name_.st_dev);
        say("  fstatat \"\" %s", result(RAW(newfstatat, fd, "", &empty, AT_EMPTY_PATH)));
        TRUE(empty.st_ino == st.st_ino && empty.st_dev == st.st_dev && empty.st_mode == st.st_mode);
        say("  readlinkat \"\" %s", result(RAW(readlinkat, fd, "", text, sizeof text - 1)));
        say("  text \"%s\"", text);
        say("  read %s, write %s, getdents64 %s", result(RAW(read, fd, text, 1)), result(RAW(write, fd, text, 1)),
            result(RAW(getdents64, fd, text, sizeof text)));
        say("  fchmod %s", result(RAW(fchmod, fd, 0700)));
        say("  fchown %s", result(RAW(fchown, fd, -1, -1)));
        say("  ftruncate %s", result(RAW(ftruncate, fd, 0)));
        say("  fgetxattr %s", result(RAW(fgetxattr, fd, "user.x", text, sizeof text)));
        say("  fsetxattr %s", result(RAW(fsetxattr, fd, "user.x", "1", 1, 0)));
        say("  utimensat %s", result(RAW(utimensat, fd, NULL, NULL, 0)));
        struct {
            long room[32];
        } fs;
        say("  fstatfs %s", result(RAW(fstatfs, fd, &fs)));
        say("  openat . %s", result(RAW(openat, fd, ".", O_RDONLY)));
        say("  openat up %s", result(RAW(openat, fd, "up", O_RDONLY)));
        snprintf(path, sizeof path, "/proc/self/fd/%ld", fd);
        long again = RAW(open, path, O_RDONLY | O_NONBLOCK);
        say("  reopened %s", result(again));
        if (again >= 0 && S_ISREG(st.st_mode))
            say_text(again);
        say("  chmod through /proc %s", result(RAW(chmod, path, 0640)));
        say_path(names[i]);
        say("  fchdir %s", result(RAW(fchdir, fd)));
        say_link("/proc/self/cwd");
        RAW(chdir, absolute(""));
        close_range(3, ~0U, 0);
    }
}

/* --- FIFOs ---------------------------------------------------------------------------------------------------- */

TEST(fifo_blocks) {
    for (int i = 0; i < 3; i++) { // of a lower, of the upper, one that has just been made
        static const char *const names[] = {"fifo", "upfifo", "newfifo"};
        if (i)
            say("mknod: %s", result(RAW(mknod, names[i], S_IFIFO | 0600, 0)));
        pid_t pid = IN_CHILD({
            pause_ms(100);
            long fd = RAW(open, names[i], O_WRONLY);
            writes(fd, "through the fifo");
        });
        long fd = RAW(open, names[i], O_RDONLY);
        char text[64] = "";
        say_child(pid);
        say("%s: %s", names[i], result(fd));
        say("%s: %s", result(RAW(read, fd, text, 63)), text);
        say("%s", result(RAW(read, fd, text, 63)));
        done(fd);
        pid = IN_CHILD({
            pause_ms(100);
            long rd = RAW(openat, AT_FDCWD, names[i], O_RDONLY);
            char got[64] = "";
            say("child reads %s: %s", result(RAW(read, rd, got, 63)), got);
        });
        fd = RAW(open, names[i], O_WRONLY);
        say("%s for writing: %s", names[i], result(fd));
        long n = fd < 0 ? fd : RAW(write, fd, "back", 4);
        say_child(pid);
        say("written: %s", result(n));
        done(fd);
        say("nobody reads: %s", result(RAW(open, names[i], O_WRONLY | O_NONBLOCK)));
        fd = RAW(open, names[i], O_RDWR);
        say("both ends: %s", result(fd));
        done(fd);
    }
}
static volatile sig_atomic_t caught;
static int heard[2] = {-1, -1};
static void on_signal(int sig) {
    (void)sig;
    caught++;
    if (heard[1] >= 0)
        (void)!write(heard[1], "", 1);
}
/* In a child. Two of one signal that wait are one: the next is sent when the last one has been caught. */
static void send_signals(pid_t to, int times) {
    for (int i = 0; i < times; i++) {
        pause_ms(150);
        kill(to, SIGUSR1);
        if (heard[0] >= 0)
            (void)!read(heard[0], &(char){0}, 1);
    }
}
static pid_t signal_us(void) {
    pid_t us = getpid();
    return IN_CHILD(send_signals(us, 1));
}
TEST(fifo_interrupted) {
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &sa, NULL);
    pid_t pid = signal_us();
    CALL(open, "fifo", O_RDONLY);
    say("caught %d", (int)caught);
    say_child(pid);
    pid = signal_us();
    CALL(openat, AT_FDCWD, "fifo", O_WRONLY);
    say("caught %d", (int)caught);
    say_child(pid);
    say_dir("/proc/self/fd");
    // by SIGALRM
    sa.sa_handler = on_signal;
    sigaction(SIGALRM, &sa, NULL);
    struct itimerval soon = {.it_value = {.tv_usec = 150000}}, whole = {.it_value = {.tv_sec = 60}};
    setitimer(ITIMER_REAL, &soon, NULL);
    CALL(open, "fifo", O_RDONLY);
    say("caught %d", (int)caught);
    signal(SIGALRM, SIG_DFL);
    setitimer(ITIMER_REAL, &whole, NULL);
}
TEST(fifo_restarted) {
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &sa, NULL);
    pid_t us = getpid();
    if (pipe(heard) < 0)
        return;
    pid_t pid = IN_CHILD({
        send_signals(us, 2);
        pause_ms(150);
        long fd = RAW(open, "fifo", O_WRONLY);
        if (fd >= 0)
            RAW(write, fd, "after the signals", 17);
    });
    long fd = CALL(open, "fifo", O_RDONLY);
    say("caught %d", (int)caught);
    say_child(pid);
    close(heard[0]);
    close(heard[1]);
    heard[0] = heard[1] = -1;
    char text[64] = "";
    say("%s: %s", result(RAW(read, fd, text, 63)), text);
    say_dir("/proc/self/fd");
}
TEST(fifo_killed) { // who waits can be killed, and be stopped and continued
    pid_t pid = IN_CHILD(RAW(open, "fifo", O_RDONLY));
    pause_ms(150);
    kill(pid, SIGTERM);
    say_child(pid);
    pid = IN_CHILD(RAW(open, "fifo", O_WRONLY));
    pause_ms(150);
    kill(pid, SIGKILL);
    say_child(pid);
    pid = IN_CHILD({
        long fd = RAW(open, "fifo", O_RDONLY);
        say("opened in the end: %s", result(fd));
    });
    pause_ms(100);
    kill(pid, SIGSTOP);
    int status;
    TRUE(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    kill(pid, SIGCONT);
    pause_ms(50);
    long fd = RAW(open, "fifo", O_WRONLY);
    say_child(pid);
    say("and for writing: %s", result(fd));
    done(fd);
}
static void called_amid_signals(int flags) {
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = flags};
    sigaction(SIGUSR1, &sa, NULL);
    pid_t us = getpid(), pid = IN_CHILD(while (kill(us, SIGUSR1) == 0) {
                             struct timespec t = {0, 50000};
                             nanosleep(&t, NULL);
                         });
    static const char *const calls[] = {"create", "stat", "rename", "unlink", "open none"};
    long failed[5] = {0}, last[5] = {0}, n = 0;
    for (; n < 300 || caught < 300; n++) { /* however slow the machine is */
        struct stat st = {0};
        char name[32];
        snprintf(name, sizeof name, "dir/n%ld", n % 10);
        long got[] = {RAW(open, name, O_CREAT | O_RDWR, 0600), RAW(stat, "low", &st), RAW(rename, name, "dir/other"),
                      RAW(unlink, "dir/other"), RAW(open, "none", O_RDONLY)};
        if (got[0] >= 0)
            close((int)got[0]);
        for (int i = 0; i < 5; i++)
            if (i == 4 ? got[i] != -ENOENT : got[i] < 0) {
                failed[i]++;
                last[i] = got[i];
            }
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    for (int i = 0; i < 5; i++)
        say("%s failed %ld times, the last time %s", calls[i], failed[i], result(last[i]));
    say_dir("dir");
}
TEST(interrupted_calls) { // many signals: no call but the blocking ones tells EINTR
    called_amid_signals(0);
}
TEST(restarted_calls) { // as most programs have it, and Go's runtime
    called_amid_signals(SA_RESTART);
}
TEST(flock_and_leases) {
    long a = CALL(open, "low", O_RDWR), b = CALL(open, "low", O_RDWR);
    say("%s", result(RAW(flock, a, 6)));
    say("%s", result(RAW(flock, b, 6)));
    struct flock lock = {.l_type = F_WRLCK};
    say("%s", result(RAW(fcntl, a, F_SETLK, &lock)));
    pid_t pid = IN_CHILD({
        lock.l_pid = 0;
        long c = RAW(open, "low", O_RDWR);
        say("child: %s", result(RAW(fcntl, c, F_SETLK, &lock)));
    });
    say_child(pid);
}
