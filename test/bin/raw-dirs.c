/* Directories: chdir, fchdir, getcwd; listings by both calls, in small pieces, with the place kept where the kernel
 * keeps it. */
#include "raw.h"

#include <sched.h>

struct old_entry { // of getdents, whose type is the last byte
    unsigned long ino, off;
    unsigned short len;
    char name[];
};

static void say_cwd(void) {
    char text[PATH_MAX] = "";
    long got = RAW(getcwd, text, sizeof text);
    say("  in %s", got < 0 ? result(got) : text);
}

/* --- the current directory ------------------------------------------------------------------------------------- */

TEST(chdir) {
    static const char *const names[] = {"dir",  "bottom/in", "opaque",   "dlink",      "empty",
                                        "low",  "gone",      "dangling", "loop",       "none",
                                        "shut", "",          ".",        "dir/sub/..", "link"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        say("%s = %s", names[i], result(RAW(chdir, names[i])));
        say_cwd();
        say_link("/proc/self/cwd");
        say_file("up");
        say_file("../low");
        CALL(access, "..", F_OK);
        RAW(chdir, absolute(""));
    }
    CALL(chdir, "dir/sub");
    CALL(chdir, "../../bottom");
    say_cwd();
    CALL(chdir, "../..");
    say_cwd();
    CALL(chdir, "..");
    say_dir("/proc/self/cwd/../t");
    CALL(chdir, "/");
    say_cwd();
    CALL(chdir, absolute("dir"));
    say_cwd();
    CALL(chmod, ".", 0);
    say_cwd();
    CALL(open, "low", O_RDONLY);
    CALL(chdir, "..");
    CALL(chdir, "dir");
    CALL(chmod, absolute("dir"), 0755);
}
TEST(fchdir) {
    static const char *const names[] = {"dir", "bottom/in", "opaque", "dlink", "low", "."};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int how = 0; how < 2; how++) {
            long fd = RAW(open, names[i], how ? O_PATH : O_RDONLY);
            say("%s = %s", names[i], result(RAW(fchdir, fd)));
            say_cwd();
            say_file("up");
            say("made: %s", result(RAW(mkdir, how ? "p" : "r", 0755)));
            say_dir(".");
            RAW(chdir, absolute(""));
            close((int)fd);
        }
    CALL(fchdir, 99);
}
TEST(getcwd) {
    char text[PATH_MAX];
    size_t n = strlen(absolute("")) + 1;
    CALL(getcwd, text, n);
    CALL(getcwd, text, n - 1);
    CALL(getcwd, text, 0);
    CALL(getcwd, text, 1UL << 40);
    CALL(getcwd, 8, 4096);
    CALL(getcwd, NULL, 4096);
    text[n] = '#';
    CALL(getcwd, text, sizeof text);
    TRUE(text[n] == '#' && strcmp(text, absolute("")) == 0);
}
TEST(cwd_moved) { // the directory that one is in is copied up, renamed, removed
    CALL(chdir, "bottom/in");
    CALL(open, "new", O_CREAT | O_WRONLY, 0600);
    say_cwd();
    CALL(rename, "../../bottom", "../../moved");
    say_cwd();
    say_link("/proc/self/cwd");
    CALL(open, "newer", O_CREAT | O_WRONLY, 0600);
    say_dir(".");
    say_dir("..");
    say_file("deep");
    CALL(rename, ".", "../y");
    CALL(rename, absolute("moved/in"), absolute("dir/in"));
    say_cwd();
    say_dir("..");
    CALL(chdir, "..");
    say_cwd();
    CALL(mkdir, "short", 0755);
    CALL(chdir, "short");
    CALL(rmdir, "../short");
    say_cwd();
    say_link("/proc/self/cwd");
    CALL(open, "x", O_CREAT | O_WRONLY, 0600);
    CALL(mkdir, "x", 0755);
    CALL(open, ".", O_RDONLY);
    say_dir(".");
    CALL(access, "x", F_OK);
    CALL(chdir, "..");
    say_cwd();
    CALL(chdir, absolute("empty"));
    CALL(rmdir, absolute("empty"));
    CALL(mkdir, absolute("empty"), 0755);
    say_cwd();
    CALL(open, "x", O_CREAT | O_WRONLY, 0600);
    CALL(open, absolute("empty/x"), O_CREAT | O_WRONLY, 0600);
    CALL(open, "x", O_RDONLY);
}
TEST(cwd_of_a_child) { // it is the child's own, and comes with fork
    CALL(chdir, "dir");
    pid_t pid = IN_CHILD({
        say_cwd();
        CALL(chdir, "sub");
        say_cwd();
        say_file("deep");
        say_file("../up");
    });
    say_child(pid);
    say_cwd();
    CALL(unshare, CLONE_FS);
    CALL(chdir, "..");
    say_cwd();
}

/* --- listings ---------------------------------------------------------------------------------------------------- */

TEST(getdents64) {
    static const char *const names[] = {".", "dir", "dir/sub", "bottom", "opaque", "empty", "dlink", "../bin", "acl"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        static struct listing l;
        long fd = RAW(open, names[i], O_RDONLY);
        l.n = 0;
        say("%s: %s", names[i], result(read_entries(fd, &l, 32768)));
        say("at the end: %s", result(read_entries(fd, &l, 32768)));
        for (size_t k = 0; k < l.n; k++) { // ".." may be another filesystem's
            char path[700];
            snprintf(path, sizeof path, "%s/%s", names[i], l.names[k] + 2);
            if (stat_of(path).st_ino != l.inos[k])
                say("%s: another number than stat's", path);
        }
        say_entries(names[i], &l); // sorts the names
        close((int)fd);
    }
    long fd = RAW(open, "low", O_RDONLY), path = RAW(open, "dir", O_PATH);
    char buffer[1000];
    CALL(getdents64, fd, buffer, sizeof buffer);
    CALL(getdents64, path, buffer, sizeof buffer);
    CALL(getdents64, 99, buffer, sizeof buffer);
    fd = RAW(open, "dir", O_RDONLY);
    CALL(getdents64, fd, buffer, 0);
    CALL(getdents64, fd, buffer, 5);
    CALL(getdents64, fd, buffer, 20);
    CALL(getdents64, fd, 8, 1000);
    say_dir("dir");
    long rdwr = CALL(open, "dir", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOATIME);
    say("%s", RAW(getdents64, rdwr, buffer, sizeof buffer) > 0 ? "reads" : "does not");
}
TEST(getdents) {
    static const char *const names[] = {".", "dir", "bottom", "opaque", "empty"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        static struct listing l;
        static char buffer[400] __attribute__((aligned(8)));
        long fd = RAW(open, names[i], O_RDONLY), n;
        l.n = 0;
        while ((n = RAW(getdents, fd, buffer, sizeof buffer)) > 0)
            for (long at = 0; at < n;) {
                const struct old_entry *e = (const void *)(buffer + at);
                static const char types[] = "?pc?d?b?-?l?s???";
                l.inos[l.n] = e->ino;
                snprintf(l.names[l.n++], 300, "%c %s", types[buffer[at + e->len - 1] & 15], e->name);
                at += e->len;
            }
        say("%s: %s", names[i], result(n));
        say_entries(names[i], &l);
        close((int)fd);
    }
    char buffer[8];
    long fd = RAW(open, "dir", O_RDONLY);
    CALL(getdents, fd, buffer, sizeof buffer);
    CALL(getdents, 99, buffer, sizeof buffer);
}

static struct listing parts;
static void finish(const char *what, long fd, size_t room) {
    long got = read_entries(fd, &parts, room);
    say("%s: %s", what, result(got));
    say_entries(what, &parts);
    parts.n = 0;
}
/* A few entries; how many fit is the filesystem's business, that is: of the names' lengths. */
static void some(long fd, size_t room) {
    char buffer[2000] __attribute__((aligned(8)));
    long n = RAW(getdents64, fd, buffer, room);
    if (n < 0)
        say("getdents64: %s", result(n));
    else
        add_entries(&parts, buffer, n);
}
TEST(small_buffers) {
    for (size_t room = 24; room < 400; room += room < 60 ? 4 : 37) {
        long fd = RAW(open, "../many", O_RDONLY);
        parts.n = 0;
        long got = read_entries(fd, &parts, room);
        say("room %zu: %s, %zu entries", room, result(got), parts.n);
        qsort(parts.names, parts.n, sizeof parts.names[0], by_name);
        for (size_t i = 1; i < parts.n; i++)
            if (strcmp(parts.names[i], parts.names[i - 1]) == 0)
                say("twice: %s", parts.names[i]);
        close((int)fd);
    }
}
TEST(place_in_dup_and_fork) {
    long fd = RAW(open, "../many", O_RDONLY), copy;
    some(fd, 500);
    copy = dup((int)fd);
    some(copy, 500);
    some(fd, 500);
    pid_t pid = IN_CHILD({ some(fd, 500); }); // what it reads is not read by us
    say_child(pid);
    parts.n = 0;
    char buffer[500] __attribute__((aligned(8)));
    long before = 0, n;
    while ((n = RAW(getdents64, copy, buffer, sizeof buffer)) > 0)
        before += n;
    say("nothing more by either: %s", result(RAW(getdents64, fd, buffer, sizeof buffer)));
    lseek((int)fd, 0, SEEK_SET);
    pid = IN_CHILD(lseek((int)fd, 0, SEEK_SET); while (RAW(getdents64, fd, buffer, sizeof buffer) > 0););
    say_child(pid);
    say("the child has read all: %s", result(RAW(getdents64, copy, buffer, sizeof buffer)));
    long other = RAW(open, "../many", O_RDONLY); // another description has a place of its own
    finish("another", other, 700);
    lseek((int)copy, 0, SEEK_SET);
    finish("all again", fd, 700);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%ld", fd);
    finish("opened through /proc", RAW(open, path, O_RDONLY), 700);
}
TEST(rewound) { // lseek to 0 reads anew
    long fd = RAW(open, "dir", O_RDONLY);
    finish("first", fd, 4096);
    RAW(creat, "dir/new", 0600);
    RAW(unlink, "dir/low");
    RAW(unlink, "dir/up");
    say("lseek: %ld", (long)lseek((int)fd, 0, SEEK_SET));
    finish("second", fd, 4096);
    RAW(unlink, "dir/new");
    lseek((int)fd, 0, SEEK_SET);
    finish("third", fd, 100);
    fd = RAW(open, "bottom", O_RDONLY); // of a lower alone, copied up meanwhile
    finish("bottom", fd, 4096);
    RAW(creat, "bottom/new", 0600);
    RAW(unlink, "bottom/a");
    lseek((int)fd, 0, SEEK_SET);
    finish("bottom again", fd, 4096);
    RAW(rename, "bottom", "renamed");
    RAW(creat, "renamed/newer", 0600);
    lseek((int)fd, 0, SEEK_SET);
    finish("bottom renamed", fd, 4096);
    say_fd_link(fd);
    fd = RAW(open, "empty", O_RDONLY);
    RAW(rmdir, "empty");
    lseek((int)fd, 0, SEEK_SET);
    finish("removed", fd, 4096);
}
TEST(sought) { // each entry's d_off leads to what follows it
    long fd = RAW(open, "../many", O_RDONLY);
    static char names[300][300];
    static int64_t offs[300];
    size_t n = 0;
    char buffer[600] __attribute__((aligned(8)));
    long got;
    while ((got = RAW(getdents64, fd, buffer, sizeof buffer)) > 0)
        for (long at = 0; at < got && n < 300;) {
            const struct entry *e = (const void *)(buffer + at);
            snprintf(names[n], 300, "%s", e->name);
            offs[n++] = e->off;
            at += e->len;
        }
    say("%zu entries", n);
    int wrong = 0;
    for (size_t i = 0; i + 1 < n; i += 7) {
        if (lseek((int)fd, offs[i], SEEK_SET) != offs[i])
            wrong += 1000;
        got = RAW(getdents64, fd, buffer, sizeof buffer);
        const struct entry *e = (const void *)buffer;
        if (got <= 0 || strcmp(e->name, names[i + 1]) != 0)
            wrong++;
    }
    say("wrong: %d", wrong);
    lseek((int)fd, offs[n - 1], SEEK_SET);
    say("after the last: %s", result(RAW(getdents64, fd, buffer, sizeof buffer)));
    lseek((int)fd, offs[0], SEEK_SET);
    say("the place: %d", lseek((int)fd, 0, SEEK_CUR) == offs[0]);
    say("negative: %d", lseek((int)fd, -5, SEEK_SET) == -1 && errno == EINVAL);
}
TEST(removed_while_listed) { // each entry is removed as soon as it is told, as rm -r does
    for (int i = 0; i < 100; i++) {
        char name[64];
        snprintf(name, sizeof name, "dir/file%d", i);
        RAW(creat, name, 0600);
    }
    long fd = RAW(open, "dir", O_RDONLY), n;
    char buffer[300] __attribute__((aligned(8)));
    int removed = 0, failed = 0;
    while ((n = RAW(getdents64, fd, buffer, sizeof buffer)) > 0)
        for (long at = 0; at < n;) {
            const struct entry *e = (const void *)(buffer + at);
            if (e->type == 8) {
                if (RAW(unlinkat, fd, e->name, 0) == 0)
                    removed++;
                else
                    failed++;
            }
            at += e->len;
        }
    say("removed %d, failed %d, the end %s", removed, failed, result(n));
    say_dir("dir");
    lseek((int)fd, 0, SEEK_SET);
    finish("rewound", fd, 4096);
}
TEST(unsearchable) { // that may be read, but not searched: the names can be told
    static const char *const dirs[] = {"dir", "bottom", "dir/sub", "empty"};
    for (int i = 3; i >= 0; i--) {
        long before = RAW(open, dirs[i], O_RDONLY);
        RAW(chmod, dirs[i], 0640);
        finish("opened before", before, 4096);
        long fd = RAW(open, dirs[i], O_RDONLY);
        say("%s: %s", dirs[i], result(fd));
        finish("opened after", fd, 200);
    }
    RAW(chmod, "dir", 0755);
    RAW(chmod, "dir/sub", 0755);
    RAW(chmod, "bottom", 0755);
}
TEST(listed_by_descriptor) { // of O_PATH, reopened, of the cwd, of a directory in a lower only
    long fd = RAW(open, "dir", O_PATH), again = RAW(openat, fd, ".", O_RDONLY);
    finish("reopened", again, 300);
    RAW(chdir, "bottom");
    finish("the cwd", RAW(open, ".", O_RDONLY), 300);
    finish("its parent", RAW(open, "..", O_RDONLY), 300);
    finish("by descriptor and dots", RAW(openat, fd, "../opaque", O_RDONLY), 300);
    int pair[2];
    TRUE(pipe(pair) == 0);
    say("%s", result(RAW(getdents64, pair[0], parts.names, 300)));
}
