/* The operations that change a union, each on what world.c lays out. The cwd is the target. */
#include "sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static long written(const char *path, int flags, const char *text) {
    int fd = open(path, flags, 0640);
    if (fd < 0)
        return -1;
    size_t n = strlen(text);
    long ret = n && write(fd, text, n) != (ssize_t)n ? -1 : 0;
    int error = errno;
    close(fd);
    errno = error;
    return ret;
}

static void need(long ret) {
    if (ret < 0) {
        perror("sweep: preparing");
        exit(3);
    }
}

static long append(const char *path) {
    return written(path, O_WRONLY | O_APPEND, "more\n");
}
static void made(const char *path) {
    need(written(path, O_WRONLY | O_CREAT | O_EXCL, "upper\n"));
}
static void gone(const char *path) {
    need(unlink(path));
}
static void dir_gone(const char *path) {
    need(rmdir(path));
}
static void copied(const char *path) {
    need(append(path));
}
static long moved(const char *from, const char *to, unsigned flags) {
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}
static long times_of(const char *path, int flags) {
    struct timespec ts[2] = {{1400000000, 1}, {1400000001, 2}};
    return utimensat(AT_FDCWD, path, ts, flags);
}

static void empty_d(void) {
    gone("d/a"), gone("d/b"), gone("d/sub/x"), dir_gone("d/sub");
}
static void empty_m(void) {
    gone("m/f"), gone("m/top"), gone("m/bottom");
}
static void no_d(void) {
    empty_d(), dir_gone("d");
}
static void no_f(void) {
    gone("f");
}
static void no_g(void) {
    gone("g");
}
static void has_new(void) {
    made("new");
}
static void has_new_dir(void) {
    need(mkdir("new", 0755));
}
static void has_new_full_dir(void) {
    need(mkdir("new", 0755)), made("new/u");
}
static void has_f(void) {
    copied("f");
}
static void has_h1(void) {
    copied("h1");
}
static void has_all_h(void) {
    copied("h1"), copied("h2"), copied("m/h3");
}
static void h1_went(void) {
    gone("h1");
}
static void has_d_a(void) {
    copied("d/a");
}
static void d_is_d2(void) {
    need(moved("d", "d2", 0));
}
static void m_is_m2(void) {
    need(moved("m", "m2", 0));
}
static void m_is_empty_m2(void) {
    empty_m(), gone("m/h3"), need(moved("m", "m2", 0));
}
static void m_is_empty(void) {
    empty_m(), gone("m/h3");
}
static void new_dir_no_d(void) {
    has_new_full_dir(), no_d();
}
static void new_no_f(void) {
    has_new(), no_f();
}
static void symlink_again(void) {
    gone("s"), need(symlink("x", "s"));
}
static void e_went(void) {
    dir_gone("e");
}
static int kept = -1;
static void kept_f(void) {
    need(kept = open("f", O_RDONLY));
}
static void kept_d(void) {
    need(kept = open("d", O_RDONLY | O_DIRECTORY));
}

/* What a directory lists: a number that depends on each name, of any order. */
static long listed(const char *path) {
    DIR *stream = opendir(path);
    if (!stream)
        return -1;
    long sum = 0;
    struct dirent *e;
    errno = 0;
    while ((e = readdir(stream))) {
        unsigned long hash = 5381;
        for (const char *at = e->d_name; *at; at++)
            hash = hash * 33 + (unsigned char)*at;
        sum += (long)(hash & 0xffffff);
        errno = 0;
    }
    int error = errno;
    closedir(stream);
    errno = error;
    return error ? -1 : sum;
}

static long content(const char *path) {
    char text[64];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    long sum = 0;
    for (ssize_t i = 0; i < n; i++)
        sum = sum * 31 % 1000003 + text[i];
    return n < 0 ? -1 : sum;
}

static long names_of(const char *path) {
    struct stat st;
    return lstat(path, &st) < 0 ? -1 : (long)st.st_nlink;
}

#define ACT(name, call)                                                                                                \
    static long name(void) {                                                                                           \
        return call;                                                                                                   \
    }
ACT(append_file, append("f"))
ACT(append_upper, append("new"))
ACT(append_big, append("big"))
ACT(append_deep, append("deep/1/2/f"))
ACT(append_linked, append("h1"))
ACT(append_other_link, append("h2"))
ACT(append_closed, append("ro/f"))
ACT(open_trunc, written("f", O_WRONLY | O_TRUNC, ""))
ACT(open_trunc_linked, written("h1", O_WRONLY | O_TRUNC, ""))
ACT(open_rdwr, written("g", O_RDWR | O_CREAT, ""))
ACT(create, written("d/new", O_WRONLY | O_CREAT | O_EXCL, ""))
ACT(create_again, written("f", O_WRONLY | O_CREAT, ""))
ACT(unlink_f, unlink("f"))
ACT(unlink_new, unlink("new"))
ACT(unlink_h1, unlink("h1"))
ACT(unlink_deep, unlink("deep/1/2/f"))
ACT(unlink_s, unlink("s"))
ACT(rmdir_e, rmdir("e"))
ACT(rmdir_d, rmdir("d"))
ACT(rmdir_m, rmdir("m"))
ACT(rmdir_m2, rmdir("m2"))
ACT(rmdir_new, rmdir("new"))
ACT(rename_f, moved("f", "moved", 0))
ACT(rename_f_over_g, moved("f", "g", 0))
ACT(rename_f_over_new, moved("f", "new", 0))
ACT(rename_new_over_f, moved("new", "f", 0))
ACT(rename_new_back, moved("new", "f", RENAME_NOREPLACE))
ACT(rename_f_away, moved("f", "m/f", 0))
ACT(rename_f_to_g, moved("f", "g", RENAME_NOREPLACE))
ACT(rename_f_to_e, moved("f", "e", 0))
ACT(rename_h1, moved("h1", "moved", 0))
ACT(rename_h1_over_f, moved("h1", "f", 0))
ACT(rename_f_over_h1, moved("f", "h1", 0))
ACT(rename_s, moved("s", "moved", 0))
ACT(rename_p, moved("p", "e/p", 0))
ACT(rename_d, moved("d", "moved", 0))
ACT(rename_d_away, moved("d", "m/d", 0))
ACT(rename_d2, moved("d2", "moved", 0))
ACT(rename_d2_back, moved("d2", "d", 0))
ACT(rename_m, moved("m", "moved", 0))
ACT(rename_m2_over_e, moved("m2", "e", 0))
ACT(rename_d_over_e, moved("d", "e", 0))
ACT(rename_d_over_m, moved("d", "m", 0))
ACT(rename_d_to_g, moved("d", "g", 0))
ACT(rename_new_to_d, moved("new", "d", 0))
ACT(exchange_files, moved("f", "m/f", RENAME_EXCHANGE))
ACT(exchange_dirs, moved("d", "m", RENAME_EXCHANGE))
ACT(exchange_both, moved("f", "d", RENAME_EXCHANGE))
ACT(exchange_upper, moved("new", "m", RENAME_EXCHANGE))
ACT(link_f, link("f", "other"))
ACT(link_f_to_g, link("f", "g"))
ACT(link_h1, link("h1", "other"))
ACT(link_s, link("s", "other"))
ACT(link_new, link("new", "d/other"))
ACT(link_kept, linkat(kept, "", AT_FDCWD, "other", AT_EMPTY_PATH))
ACT(mkdir_new, mkdir("new", 0755))
ACT(mkdir_in_d, mkdir("d/sub/new", 0755))
ACT(mkdir_d, mkdir("d", 0750))
ACT(mkdir_closed_d, mkdir("d", 0500))
ACT(mkdir_f, mkdir("f", 0755))
ACT(symlink_new, symlink("text", "m/new"))
ACT(symlink_f, symlink("text", "f"))
ACT(mkfifo_new, mkfifo("d/new", 0640))
ACT(mkfifo_f, mkfifo("f", 0640))
ACT(chmod_f, chmod("f", 0600))
ACT(chmod_f_shut, chmod("f", 0))
ACT(chmod_h1, chmod("h1", 0600))
ACT(chmod_p, chmod("p", 0600))
ACT(chmod_d, chmod("d", 0700))
ACT(chmod_sub, chmod("d/sub", 0700))
ACT(chmod_closed, chmod("ro/sub", 0700))
ACT(chmod_ro, chmod("ro", 0755))
ACT(fchmod_kept, fchmod(kept, 0600))
ACT(fchmod_kept_d, fchmod(kept, 0700))
ACT(chown_f, chown("f", geteuid() ? geteuid() : 12345, getegid() ? getegid() : 12346))
ACT(lchown_s, lchown("s", geteuid() ? geteuid() : 12345, getegid() ? getegid() : 12346))
ACT(times_f, times_of("f", 0))
ACT(times_d, times_of("d", 0))
ACT(times_s, times_of("s", AT_SYMLINK_NOFOLLOW))
ACT(times_kept, futimens(kept, (struct timespec[2]){{1400000000, 0}, {1400000000, 0}}))
ACT(truncate_0, truncate("f", 0))
ACT(truncate_shorter, truncate("f", 3))
ACT(truncate_longer, truncate("big", 900000))
ACT(setxattr_f, setxattr("f", "user.sweep", "value", 5, 0))
ACT(setxattr_d, setxattr("d", "user.sweep", "value", 5, 0))
ACT(setxattr_closed, setxattr("ro/f", "user.sweep", "value", 5, 0))
ACT(removexattr_x, removexattr("x", "user.own"))
ACT(access_covered, access("covered", F_OK))
ACT(access_dead, access("opaque/dead", F_OK))
ACT(access_f, access("f", F_OK))
ACT(create_covered, written("covered", O_WRONLY | O_CREAT, ""))
ACT(mkdir_covered, mkdir("covered", 0755))
ACT(list_m, listed("m"))
ACT(list_opaque, listed("opaque"))
ACT(list_root, listed("."))
ACT(list_d, listed("d"))
ACT(read_h2, content("h2"))
ACT(stat_h2, names_of("h2"))
ACT(rmdir_opaque, rmdir("opaque"))
ACT(rename_opaque, moved("opaque", "moved", 0))
ACT(chmod_big, chmod("big", 0600))
ACT(chmod_big_x, chmod("big", 0700))
ACT(rename_big, moved("big", "moved", 0))
ACT(trunc_big, written("big", O_WRONLY | O_TRUNC, ""))
ACT(truncate_big_0, truncate("big", 0))
ACT(times_big, times_of("big", 0))
ACT(setxattr_big, setxattr("big", "user.sweep", "value", 5, 0))
ACT(link_big, link("big", "m/new"))
ACT(append_moved, append("moved"))
static void has_no_data(void) {
    need(chmod("big", 0640));
}
static void moved_has_no_data(void) {
    need(moved("big", "moved", 0));
}
static void empty_opaque(void) {
    gone("opaque/alive");
}
static void in_d(void) {
    gone("d/a"), made("d/new");
}

const struct act acts[] = {
    {"look for what .wh. covers", NULL, access_covered},
    {"look for what a whiteout covers", no_f, access_f},
    {"look for what is dead in an opaque directory", NULL, access_dead},
    {"list a merged directory", NULL, list_m},
    {"list an opaque directory", NULL, list_opaque},
    {"list the target", no_f, list_root},
    {"list a copied directory", in_d, list_d},
    {"read a hard link copied by another name", has_h1, read_h2},
    {"stat of a hard link copied by another name", has_h1, stat_h2},
    {"create over .wh.", NULL, create_covered},
    {"mkdir over .wh.", NULL, mkdir_covered},
    {"rmdir of an emptied opaque directory", empty_opaque, rmdir_opaque},
    {"rename of an opaque directory", NULL, rename_opaque},
    {"append to a lower file", NULL, append_file},
    {"append to an upper file", has_new, append_upper},
    {"append to a big lower file with a hole", NULL, append_big},
    {"append to a lower file deep down", NULL, append_deep},
    {"append to a lower hard link", NULL, append_linked},
    {"append to the second name of a copied hard link", has_h1, append_other_link},
    {"append to a hard link whose other name is covered", h1_went, append_other_link},
    {"append to a file in a 0555 directory", NULL, append_closed},
    {"open(O_TRUNC) of a lower file", NULL, open_trunc},
    {"open(O_TRUNC) of a lower hard link", NULL, open_trunc_linked},
    {"open(O_RDWR|O_CREAT) of a lower file", NULL, open_rdwr},
    {"create in a lower directory", NULL, create},
    {"create over a whiteout", no_f, create_again},
    {"unlink of a lower file", NULL, unlink_f},
    {"unlink of an upper file", has_new, unlink_new},
    {"unlink of a copied file", has_f, unlink_f},
    {"unlink of a lower file deep down", NULL, unlink_deep},
    {"unlink of a lower symlink", NULL, unlink_s},
    {"unlink of a lower hard link", NULL, unlink_h1},
    {"unlink of a copied hard link", has_h1, unlink_h1},
    {"unlink of a hard link copied by all names", has_all_h, unlink_h1},
    {"rmdir of a lower directory", NULL, rmdir_e},
    {"rmdir of an upper directory", has_new_dir, rmdir_new},
    {"rmdir of an emptied lower directory", empty_d, rmdir_d},
    {"rmdir of an emptied merged directory", m_is_empty, rmdir_m},
    {"rmdir of an emptied renamed directory", m_is_empty_m2, rmdir_m2},
    {"rename of a lower file", NULL, rename_f},
    {"rename of a copied file", has_f, rename_f},
    {"rename of a lower file over a lower one", NULL, rename_f_over_g},
    {"rename of a lower file over an upper one", has_new, rename_f_over_new},
    {"rename of an upper file over a lower one", has_new, rename_new_over_f},
    {"rename of a lower file into a merged directory", NULL, rename_f_away},
    {"rename of a lower file to a whiteout", no_g, rename_f_to_g},
    {"rename of a lower hard link", NULL, rename_h1},
    {"rename of a copied hard link", has_h1, rename_h1},
    {"rename of a lower hard link over a file", NULL, rename_h1_over_f},
    {"rename of a file over a lower hard link", NULL, rename_f_over_h1},
    {"rename of a lower symlink", NULL, rename_s},
    {"rename of a lower fifo", NULL, rename_p},
    {"rename of a lower directory", NULL, rename_d},
    {"rename of a lower directory with a copied file", has_d_a, rename_d},
    {"rename of a lower directory into a merged one", NULL, rename_d_away},
    {"rename of a renamed directory", d_is_d2, rename_d2},
    {"rename of a renamed directory back", d_is_d2, rename_d2_back},
    {"rename of a merged directory", NULL, rename_m},
    {"rename of a renamed merged directory over an empty one", m_is_m2, rename_m2_over_e},
    {"rename of a lower directory over an empty one", NULL, rename_d_over_e},
    {"rename of a lower directory over an emptied one", m_is_empty, rename_d_over_m},
    {"rename of a lower directory to a whiteout", no_g, rename_d_to_g},
    {"rename of an upper directory to a whiteout of a full one", new_dir_no_d, rename_new_to_d},
    {"rename(NOREPLACE) of an upper file to a whiteout", new_no_f, rename_new_back},
    {"rename of a lower file to where a directory was", e_went, rename_f_to_e},
    {"unlink of a symlink that was made over a whiteout", symlink_again, unlink_s},
    {"exchange of files", NULL, exchange_files},
    {"exchange of directories", NULL, exchange_dirs},
    {"exchange of a file and a directory", NULL, exchange_both},
    {"exchange of an upper and a merged directory", has_new_full_dir, exchange_upper},
    {"link of a lower file", NULL, link_f},
    {"link of a lower file to a whiteout", no_g, link_f_to_g},
    {"link of a lower hard link", NULL, link_h1},
    {"link of a lower symlink", NULL, link_s},
    {"link of an upper file into a lower directory", has_new, link_new},
    {"link of a lower file's descriptor", kept_f, link_kept},
    {"mkdir", NULL, mkdir_new},
    {"mkdir in a lower directory", NULL, mkdir_in_d},
    {"mkdir over the whiteout of a directory", no_d, mkdir_d},
    {"mkdir of mode 0500 over a whiteout", no_d, mkdir_closed_d},
    {"mkdir over the whiteout of a file", no_f, mkdir_f},
    {"symlink in a merged directory", NULL, symlink_new},
    {"symlink over a whiteout", no_f, symlink_f},
    {"mknod in a lower directory", NULL, mkfifo_new},
    {"mknod over a whiteout", no_f, mkfifo_f},
    {"chmod of a big lower file", NULL, chmod_big},
    {"chmod +x of a big lower file", NULL, chmod_big_x},
    {"rename of a big lower file", NULL, rename_big},
    {"utimens of a big lower file", NULL, times_big},
    {"append to a file without its data", has_no_data, append_big},
    {"append to a renamed file without its data", moved_has_no_data, append_moved},
    {"open(O_TRUNC) of a file without its data", has_no_data, trunc_big},
    {"truncate to 0 of a file without its data", has_no_data, truncate_big_0},
    {"truncate to more of a file without its data", has_no_data, truncate_longer},
    {"chmod of a file without its data", has_no_data, chmod_big},
    {"chmod +x of a file without its data", has_no_data, chmod_big_x},
    {"rename of a file without its data", has_no_data, rename_big},
    {"utimens of a file without its data", has_no_data, times_big},
    {"setxattr of a file without its data", has_no_data, setxattr_big},
    {"link of a file without its data", has_no_data, link_big},
    {"chmod of a lower file", NULL, chmod_f},
    {"chmod 0 of a lower file", NULL, chmod_f_shut},
    {"chmod of a lower hard link", NULL, chmod_h1},
    {"chmod of a lower fifo", NULL, chmod_p},
    {"chmod of a lower directory", NULL, chmod_d},
    {"chmod of a directory in a lower directory", NULL, chmod_sub},
    {"chmod of a directory in a 0555 directory", NULL, chmod_closed},
    {"chmod of a 0555 directory", NULL, chmod_ro},
    {"fchmod of a lower file", kept_f, fchmod_kept},
    {"fchmod of a lower directory", kept_d, fchmod_kept_d},
    {"chown of a lower file", NULL, chown_f},
    {"lchown of a lower symlink", NULL, lchown_s},
    {"utimens of a lower file", NULL, times_f},
    {"utimens of a lower directory", NULL, times_d},
    {"utimens of a lower symlink", NULL, times_s},
    {"futimens of a lower file", kept_f, times_kept},
    {"truncate of a lower file to nothing", NULL, truncate_0},
    {"truncate of a lower file", NULL, truncate_shorter},
    {"truncate of a lower file to more", NULL, truncate_longer},
    {"setxattr of a lower file", NULL, setxattr_f},
    {"setxattr of a lower directory", NULL, setxattr_d},
    {"setxattr of a file in a 0555 directory", NULL, setxattr_closed},
    {"removexattr of a lower file", NULL, removexattr_x},
    {NULL, NULL, NULL},
};
