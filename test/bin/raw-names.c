/* Names made, removed and moved. */
#include "raw.h"

#include <linux/fs.h>

static const char *const removed[] = {
    "low",    "high",     "up",    "both",       "gone",      "dead",  "dir/low",        "dir/both", "dir/gone",
    "link",   "dangling", "loop",  "hard1",      "fifo",      "dir",   "bottom",         "empty",    "opaque",
    "none/x", "low/x",    "up",    "empty/",     "bottom/a/", "link/", "bottom/in/deep", "shut",     "foreign",
    ".",      "..",       "dir/.", "dlink/high", "dlink/"};

static void say_all(void) {
    say_dir(".");
    say_dir("dir");
    say_dir("bottom");
}

TEST(unlink) {
    for (size_t i = 0; i < sizeof removed / sizeof *removed; i++)
        say("%s = %s", removed[i], result(RAW(unlink, removed[i])));
    say_all();
    say_path("hard2");
    say_file("both");
}
TEST(unlinkat) {
    long here = RAW(open, ".", O_RDONLY), dir = RAW(open, "dir", O_PATH);
    for (size_t i = 0; i < sizeof removed / sizeof *removed; i++)
        say("%s = %s", removed[i], result(RAW(unlinkat, here, removed[i], 0)));
    CALL(unlinkat, dir, "high", 0);
    CALL(unlinkat, dir, "../script", 0);
    CALL(unlinkat, dir, "sub", 0);
    CALL(unlinkat, dir, "sub", AT_REMOVEDIR);
    CALL(unlinkat, dir, "sub/deep", 0);
    CALL(unlinkat, dir, "sub", AT_REMOVEDIR);
    CALL(unlinkat, dir, "", AT_REMOVEDIR);
    CALL(unlinkat, dir, "up", 0x400);
    CALL(unlinkat, here, "empty", AT_REMOVEDIR);
    CALL(unlinkat, here, "opaque", AT_REMOVEDIR);
    CALL(unlinkat, here, "opaque/seen", 0);
    CALL(unlinkat, here, "opaque", AT_REMOVEDIR);
    CALL(mkdirat, here, "opaque", 0700);
    say_dir("opaque");
    say_all();
}
TEST(rmdir) {
    for (size_t i = 0; i < sizeof removed / sizeof *removed; i++)
        say("%s = %s", removed[i], result(RAW(rmdir, removed[i])));
    static const char *const emptied[] = {"dir/low", "dir/high", "dir/up", "dir/both", "dir/sub/deep"};
    for (size_t i = 0; i < sizeof emptied / sizeof *emptied; i++)
        RAW(unlink, emptied[i]);
    CALL(rmdir, "dir/sub/");
    CALL(rmdir, "dir");
    CALL(open, "dir", O_RDONLY);
    say_dir(".");
    CALL(mkdir, "dir", 0750);
    say_dir("dir");
    CALL(rmdir, "dir");
    CALL(rmdir, "dir");
    CALL(symlink, "x", "dir");
    CALL(rmdir, "dir");
}
TEST(mkdir) {
    static const char *const names[] = {
        "new",   "new/in", "low",   "dir",         "dangling",   "gone",         "dead",        "none/x",
        "low/x", "link",   "loop",  "bottom/made", "dir/dead",   "slash/",       "new/slash//", "dlink/by-link",
        ".",     "..",     "new/.", "empty/e",     "opaque/hid", "opaque/hidden"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        say("%s = %s", names[i], result(RAW(mkdir, names[i], 0751)));
    say_path("new");
    say_path("gone");
    CALL(mkdir, "sticky", 07777);
    say_path("sticky");
    CALL(chmod, "new", 02775);
    CALL(mkdir, "new/setgid", 0700);
    say_path("new/setgid");
    CALL(mkdir, "acl/d", 0777);
    say_path("acl/d");
    say_all();
    say_dir("opaque/hid");
}
TEST(mkdirat) {
    long dir = RAW(open, "dir", O_PATH), bottom = RAW(open, "bottom/in", O_RDONLY);
    CALL(mkdirat, dir, "made", 0700);
    CALL(mkdirat, dir, "gone", 0700);
    CALL(mkdirat, dir, "low", 0700);
    CALL(mkdirat, bottom, "made", 0700);
    CALL(mkdirat, bottom, "../../by-dots", 0700);
    CALL(mkdirat, bottom, "", 0700);
    say_all();
    say_dir("bottom/in");
}
TEST(mknod) {
    CALL(mknod, "p", S_IFIFO | 0640, 0);
    CALL(mknod, "f", S_IFREG | 0640, 0);
    CALL(mknod, "plain", 0640, 0);
    CALL(mknod, "s", S_IFSOCK | 0640, 0);
    CALL(mknod, "d", S_IFDIR | 0640, 0);
    CALL(mknod, "l", S_IFLNK | 0640, 0);
    CALL(mknod, "null", S_IFCHR | 0640, 0x103);
    CALL(mknod, "block", S_IFBLK | 0640, 0x700);
    CALL(mknod, "odd", 0150000 | 0640, 0);
    CALL(mknod, "low", S_IFIFO | 0640, 0);
    CALL(mknod, "gone", S_IFIFO | 0640, 0);
    CALL(mknod, "dangling", S_IFIFO | 0640, 0);
    CALL(mknod, "none/x", S_IFIFO | 0640, 0);
    CALL(mknod, "bottom/p", S_IFIFO | 0640, 0);
    CALL(mknod, "x/", S_IFIFO | 0640, 0);
    say_path("p");
    say_path("f");
    say_path("s");
    say_path("gone");
    say_all();
}
TEST(mknodat) {
    long dir = RAW(open, "dir", O_PATH);
    CALL(mknodat, dir, "p", S_IFIFO | 0604, 0);
    CALL(mknodat, dir, "dead", S_IFREG | 0604, 0);
    CALL(mknodat, dir, "up", S_IFREG | 0604, 0);
    CALL(mknodat, dir, "../s", S_IFSOCK | 0604, 0);
    say_path("dir/p");
    say_all();
}
TEST(symlink) {
    static const char *const names[] = {"s",      "low",      "dir",      "gone",   "dead", "dangling",
                                        "none/x", "bottom/s", "dir/dead", "slash/", "link", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        say("%s = %s", names[i], result(RAW(symlink, "../text", names[i])));
    CALL(symlink, "", "empty-text");
    CALL(symlink, absolute("up"), "absolute");
    say_file("absolute");
    say_path("s");
    say_link("s");
    say_link("gone");
    say_link("bottom/s");
    say_all();
}
TEST(symlinkat) {
    long dir = RAW(open, "dir", O_RDONLY);
    CALL(symlinkat, "low", dir, "s");
    CALL(symlinkat, "low", dir, "high");
    CALL(symlinkat, "../up", dir, "gone");
    say_file("dir/s");
    say_file("dir/gone");
    CALL(symlinkat, "x", dir, "");
    say_all();
}

/* --- rename --------------------------------------------------------------------------------------------------- */

static const char *const moves[][2] = {{"low", "moved"},
                                       {"high", "low"},
                                       {"up", "dir/up"},
                                       {"both", "bottom/a"},
                                       {"gone", "x"},
                                       {"x", "gone"},
                                       {"bottom/b", "gone"},
                                       {"dir", "dir2"},
                                       {"dir2", "dir2/sub/in"},
                                       {"dir2", "empty"},
                                       {"empty", "bottom"},
                                       {"dir2/sub", "bottom/in"},
                                       {"bottom", "none/x"},
                                       {"opaque", "bottom/in"},
                                       {"opaque", "dir"},
                                       {"dir", "opaque"},
                                       {"hard1", "hard2"},
                                       {"link", "link2"},
                                       {"dangling", "dir3"},
                                       {"fifo", "opaque/fifo"},
                                       {"low", "opaque"},
                                       {"opaque", "low"},
                                       {"low", "low"},
                                       {"low/", "y"},
                                       {"low", "y/"},
                                       {"opaque/", "z/"},
                                       {"z", "."},
                                       {"z", ".."},
                                       {".", "zz"},
                                       {"z/..", "zz"},
                                       {"low", ""},
                                       {"", "low"},
                                       {"shut", "shut2"},
                                       {"script", "z/script"},
                                       {"bottom", "bottom2"},
                                       {"bottom2/in", "in"},
                                       {"in", "bottom2"},
                                       {"bottom2", "acl/b"},
                                       {"acl", "acl2"},
                                       {"acl2/b", "b"},
                                       {"b", "acl"},
                                       {"hard2", "acl/h"}};

TEST(rename) {
    for (size_t i = 0; i < sizeof moves / sizeof *moves; i++)
        say("%s to %s = %s", moves[i][0], moves[i][1], result(RAW(rename, moves[i][0], moves[i][1])));
    say_all();
    say_dir("z");
    say_dir("acl");
    say_dir("acl/in");
    say_file("bottom/a");
    say_file("low");
}
TEST(renameat) {
    long here = RAW(open, ".", O_PATH), dir = RAW(open, "dir", O_RDONLY), bottom = RAW(open, "bottom/in", O_PATH);
    for (size_t i = 0; i < 12; i++)
        say("%s to %s = %s", moves[i][0], moves[i][1], result(RAW(renameat, here, moves[i][0], AT_FDCWD, moves[i][1])));
    CALL(renameat, dir, "low", bottom, "from-dir");
    CALL(renameat, bottom, "deep", dir, "from-bottom");
    CALL(renameat, bottom, "../../link", dir, "../link3");
    CALL(renameat, 99, "x", dir, "y");
    CALL(renameat, dir, "high", 99, "y");
    say_all();
    say_dir("dir2");
    say_fd_link(dir);
    say_fd_link(bottom);
}
TEST(renameat2) {
    static const unsigned flags[] = {RENAME_NOREPLACE, RENAME_EXCHANGE, 0};
    static const char *const pairs[][2] = {
        {"low", "new"},        {"new", "low"},       {"high", "both"},       {"both", "gone"},  {"up", "dir"},
        {"dir", "bottom"},     {"empty", "opaque"},  {"opaque", "dir/deep"}, {"link", "hard1"}, {"dangling", "none"},
        {"fifo", "bottom/x"},  {"bottom/in", "in2"}, {"script", "script"},   {"dead", "gone"},  {"low/", "up/"},
        {"empty", "empty/in"}, {"dir/sub", "dir"}};
    for (size_t k = 0; k < sizeof flags / sizeof *flags; k++)
        for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
            say("%s %s, %u = %s", pairs[i][0], pairs[i][1], flags[k],
                result(RAW(renameat2, AT_FDCWD, pairs[i][0], AT_FDCWD, pairs[i][1], flags[k])));
    CALL(renameat2, AT_FDCWD, "low", AT_FDCWD, "x", RENAME_NOREPLACE | RENAME_EXCHANGE);
    CALL(renameat2, AT_FDCWD, "low", AT_FDCWD, "x", 8);
    CALL(renameat2, AT_FDCWD, "low", AT_FDCWD, "x", RENAME_WHITEOUT | RENAME_EXCHANGE);
    say_all();
    say_dir("opaque");
    say_dir("empty");
}
TEST(trees_moved) { // what is beneath moves along, whichever layer has it
    CALL(rename, "dir", "d1");
    say_dir("d1");
    say_dir("d1/sub");
    say_file("d1/both");
    CALL(mkdir, "dir", 0755);
    say_dir("dir");
    CALL(rename, "d1", "dir");
    say_dir("dir");
    CALL(rename, "dir/sub", "sub");
    CALL(mkdir, "dir/sub", 0700);
    say_dir("dir/sub");
    say_dir("sub");
    CALL(rename, "bottom", "dir/bottom");
    CALL(rename, "dir", "opaque/dir");
    say_file("opaque/dir/bottom/in/deep");
    CALL(unlink, "opaque/dir/bottom/in/deep");
    CALL(rmdir, "opaque/dir/bottom/in");
    say_dir("opaque/dir/bottom");
    CALL(renameat2, AT_FDCWD, "opaque/dir", AT_FDCWD, "empty", RENAME_EXCHANGE);
    say_dir("empty");
    say_dir("opaque/dir");
    say_dir(".");
}

/* --- link ----------------------------------------------------------------------------------------------------- */

TEST(link) {
    static const char *const pairs[][2] = {
        {"low", "l1"},      {"high", "dir/l2"},  {"up", "bottom/l3"}, {"both", "gone"},  {"hard1", "hard3"},
        {"link", "l4"},     {"dangling", "l5"},  {"dir", "l6"},       {"fifo", "l7"},    {"none", "l8"},
        {"low", "high"},    {"low", "dangling"}, {"l1", "l9"},        {"low", "none/x"}, {"shut", "l10"},
        {"foreign", "l11"}, {"low/", "l12"},     {"low", "l13/"},     {"", "l14"},       {"low", ""}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        say("%s as %s = %s", pairs[i][0], pairs[i][1], result(RAW(link, pairs[i][0], pairs[i][1])));
    say_path("low");
    say_path("l9");
    say_path("hard2");
    say_path("link");
    TRUE(stat_of("low").st_ino == stat_of("l9").st_ino && stat_of("hard3").st_ino == stat_of("hard2").st_ino);
    long fd = CALL(open, "l9", O_WRONLY | O_TRUNC);
    say("%s", result(RAW(write, fd, "all three", 9)));
    say_file("low");
    say_file("l1");
    CALL(unlink, "low");
    say_path("l1");
    say_all();
}
TEST(linkat) {
    long dir = RAW(open, "dir", O_RDONLY), bottom = RAW(open, "bottom", O_PATH);
    CALL(linkat, dir, "low", bottom, "low", 0);
    CALL(linkat, bottom, "a", dir, "a", 0);
    CALL(linkat, bottom, "../link", dir, "the-link", 0);
    CALL(linkat, bottom, "../link", dir, "the-file", AT_SYMLINK_FOLLOW);
    CALL(linkat, bottom, "../dangling", dir, "dangling", AT_SYMLINK_FOLLOW);
    CALL(linkat, bottom, "b", dir, "x", 0x100);
    CALL(linkat, 99, "b", dir, "x", 0);
    say_path("dir/the-link");
    say_path("dir/the-file");
    say_path("bottom/a");
    say_all();
}
TEST(linkat_descriptor) {
    long low = CALL(open, "low", O_RDONLY), up = CALL(open, "up", O_RDWR), path = CALL(open, "bottom/a", O_PATH),
         link = CALL(open, "link", O_PATH | O_NOFOLLOW), dir = CALL(open, "dir", O_RDONLY);
    CALL(linkat, low, "", AT_FDCWD, "l1", AT_EMPTY_PATH);
    CALL(linkat, up, "", AT_FDCWD, "l2", AT_EMPTY_PATH);
    CALL(linkat, path, "", AT_FDCWD, "l3", AT_EMPTY_PATH);
    CALL(linkat, link, "", AT_FDCWD, "l4", AT_EMPTY_PATH);
    CALL(linkat, dir, "", AT_FDCWD, "l5", AT_EMPTY_PATH);
    CALL(linkat, low, "", AT_FDCWD, "l6", 0);
    CALL(linkat, AT_FDCWD, "/proc/self/fd/3", AT_FDCWD, "m1", AT_SYMLINK_FOLLOW);
    CALL(linkat, AT_FDCWD, "/proc/self/fd/4", AT_FDCWD, "m2", AT_SYMLINK_FOLLOW);
    CALL(linkat, AT_FDCWD, "/proc/self/fd/5", AT_FDCWD, "m3", AT_SYMLINK_FOLLOW);
    CALL(linkat, AT_FDCWD, "/proc/self/fd/6", AT_FDCWD, "m4", AT_SYMLINK_FOLLOW);
    CALL(linkat, AT_FDCWD, "/proc/self/fd/7", AT_FDCWD, "m5", AT_SYMLINK_FOLLOW);
    CALL(linkat, AT_FDCWD, "/proc/self/fd/3", AT_FDCWD, "m6", 0);
    CALL(linkat, AT_FDCWD, "/proc/self/fd/3", AT_FDCWD, "high", AT_SYMLINK_FOLLOW);
    static const char *const made[] = {"low", "up", "bottom/a", "link"};
    for (size_t i = 0; i < 4; i++)
        say_path(made[i]);
    CALL(unlink, "m2");
    CALL(unlink, "l2");
    CALL(unlink, "up");
    CALL(linkat, AT_FDCWD, "/proc/self/fd/4", AT_FDCWD, "back", AT_SYMLINK_FOLLOW);
    say_all();
}
TEST(shut_directory) { // who may not write in a directory changes no name
    CALL(chmod, "dir", 0555);
    CALL(unlink, "dir/low");
    CALL(rename, "dir/low", "x");
    CALL(rename, "low", "dir/x");
    CALL(mkdir, "dir/x", 0755);
    CALL(link, "low", "dir/x");
    CALL(symlink, "low", "dir/x");
    CALL(mknod, "dir/x", S_IFIFO | 0600, 0);
    CALL(rename, "dir/sub", "sub");
    CALL(rename, "dir", "dir.moved");
    CALL(rename, "dir.moved", "bottom/dir");
    say_dir(".");
    CALL(chmod, "bottom", 0);
    CALL(unlink, "bottom/a");
    CALL(mkdir, "bottom/x", 0755);
    CALL(rename, "bottom/a", "a");
    CALL(rmdir, "bottom");
    CALL(chmod, "bottom", 0700);
}
TEST(churn) { // the same names again and again, in one directory of a lower
    for (int i = 0; i < 20; i++) {
        long got[] = {RAW(unlink, "bottom/a"),
                      RAW(symlink, "b", "bottom/a"),
                      RAW(rename, "bottom/a", "bottom/c"),
                      RAW(mkdir, "bottom/a", 0755),
                      RAW(rmdir, "bottom/a"),
                      RAW(rename, "bottom/b", "bottom/a"),
                      RAW(link, "bottom/a", "bottom/b"),
                      RAW(unlink, "bottom/c"),
                      RAW(rename, "bottom/in", "bottom/in2"),
                      RAW(rename, "bottom/in2", "bottom/in")};
        for (int k = 0; k < 10; k++)
            if (got[k])
                say("round %d, call %d: %s", i, k, result(got[k]));
    }
    say_all();
    say_file("bottom/a");
    say_path("bottom/b");
}
