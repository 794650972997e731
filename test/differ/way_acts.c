/* The same operations by other ways: descriptors of names (O_PATH), links of /proc, raw system calls; and what is rare:
 * locks, holes, ACLs, programs that cannot be run. */
#include "differ.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

static char *link_of(int fd, const char *tail) {
    static char name[PATH_ROOM];
    snprintf(name, sizeof name, "/proc/self/fd/%d%s%s", fd, *tail ? "/" : "", tail);
    return name;
}

static void say_found(int result, const struct stat *status) {
    say_result(result);
    if (result == 0)
        say_stat(status);
}

/* --- what O_PATH opens: the name's file itself, and not its content --- */

static void by_descriptor(struct rng *rng, int fd, bool shut_out) {
    static const char *const names[] = {"fstat",     "fstatat",  "faccessat", "readlinkat", "fchownat",
                                        "utimensat", "fchmod",   "ftruncate", "fgetxattr",  "fsetxattr",
                                        "fchdir",    "getdents", "flock",     "read"};
    unsigned how = below(rng, sizeof names / sizeof *names);
    if ((how == 8 || how == 9) && left_out("xattrs"))
        how = 0;
    const struct timespec times[2] = {{800000000, 5}, {700000000 + below(rng, 1000), 7}};
    char text[PATH_ROOM] = "";
    struct stat status;
    long result;
    say(" %s", names[how]);
    switch (how) {
    case 0:
        result = fstat(fd, &status);
        say_found((int)result, &status);
        return;
    case 1:
        result = fstatat(fd, "", &status, AT_EMPTY_PATH);
        say_found((int)result, &status);
        return;
    case 2:
        result = syscall(SYS_faccessat2, fd, "", (int)below(rng, 8), AT_EMPTY_PATH);
        break;
    case 3:
        result = readlinkat(fd, "", text, sizeof text - 1);
        break;
    case 4:
        result = shut_out ? 0 : fchownat(fd, "", getuid(), getgid(), AT_EMPTY_PATH);
        break;
    case 5:
        result = shut_out ? 0 : utimensat(fd, "", times, AT_EMPTY_PATH);
        break;
    case 6:
        result = fchmod(fd, 0600);
        break;
    case 7:
        result = ftruncate(fd, 0);
        break;
    case 8:
        result = fgetxattr(fd, "user.q1", text, sizeof text);
        break;
    case 9:
        result = fsetxattr(fd, "user.q1", "path", 4, 0);
        break;
    case 10:
        result = fchdir(fd);
        if (result == 0 && chdir(self.root) < 0)
            abort();
        break;
    case 11:
        result = syscall(SYS_getdents64, fd, text, sizeof text);
        break;
    case 12:
        result = flock(fd, LOCK_SH | LOCK_NB);
        break;
    default:
        result = read(fd, text, 1);
        break;
    }
    say_result(result);
    if (how == 3 && result >= 0)
        say_text(text);
}

static void by_link(struct rng *rng, int fd) {
    static const char *const names[] = {"stat",     "lstat",    "access",    "open",   "chmod",
                                        "truncate", "setxattr", "listxattr", "utimens"};
    unsigned how = below(rng, sizeof names / sizeof *names);
    if (how == 6 && left_out("xattrs"))
        how = 0;
    const struct timespec times[2] = {{800000000, 5}, {700000000 + below(rng, 1000), 7}};
    const char *link = link_of(fd, "");
    struct stat status;
    say(" link:%s", names[how]);
    int result = 0;
    switch (how) {
    case 0:
        result = stat(link, &status);
        say_found(result, &status);
        return;
    case 1:
        result = lstat(link, &status);
        say(" %d", result == 0 && S_ISLNK(status.st_mode));
        return;
    case 2:
        result = access(link, (int)below(rng, 8));
        break;
    case 3:
        result = open(link, ONE_OF(rng, ((const int[]){O_RDONLY, O_RDWR, O_WRONLY | O_TRUNC, O_PATH})) | O_NONBLOCK);
        if (result >= 0)
            close(result), result = 0;
        break;
    case 4:
        result = chmod(link, 0755);
        break;
    case 5:
        result = truncate(link, 20);
        break;
    case 6:
        result = setxattr(link, "user.q2", "link", 4, 0);
        break;
    case 7:
        say_xattrs(link, -1, true);
        return;
    default:
        result = utimensat(AT_FDCWD, link, times, 0);
        break;
    }
    say_result(result);
}

static void do_opath(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, NAMED);
    bool nofollow = chance(rng, 60), link = chance(rng, 50);
    say("O_PATH%s", nofollow ? " nofollow" : "");
    say_place(&place);
    if (leaves_root(&place))
        return;
    struct watch same = watch(&place, !nofollow);
    int fd = openat(at(&place), place.path, O_PATH | O_CLOEXEC | (nofollow ? O_NOFOLLOW : 0));
    say_result(fd < 0 ? -1 : 0);
    if (fd < 0)
        return;
    struct stat root, status = {0};
    bool is_root = stat(self.root, &root) == 0 && fstat(fd, &status) == 0 && root.st_ino == status.st_ino;
    if (link && !is_root && !S_ISLNK(status.st_mode)) /* of a symlink the README says what is not there */
        by_link(rng, fd);
    else
        by_descriptor(rng, fd, is_root);
    watched(&same, &place);
    close(fd);
    look_after(&place);
}

/* --- names by way of /proc --- */

static void do_through(struct rng *rng) {
    int slot = KEPT_FILES + (int)below(rng, KEPT_DIRS);
    char path[PATH_ROOM], other[PATH_ROOM];
    const char *name = pick_name(rng), *second = pick_name(rng);
    static const char *const names[] = {"stat",  "list",   "open",    "mkdir", "unlink",
                                        "rmdir", "rename", "symlink", "chmod", "readlink"};
    unsigned how = below(rng, sizeof names / sizeof *names);
    bool cwd = chance(rng, 20);
    say("through %s %d", names[how], cwd ? -1 : slot);
    say_text(name);
    say_text(second);
    struct place there = {.base = cwd ? OF_CWD : OF_DIRFD, .slot = slot, .named = true};
    snprintf(there.path, sizeof there.path, "%s", name);
    if ((!cwd && self.kept[slot] < 0) || leaves_root(&there))
        return;
    snprintf(path, sizeof path, cwd ? "/proc/self/cwd/%s" : "%s", cwd ? name : link_of(self.kept[slot], name));
    snprintf(other, sizeof other, cwd ? "/proc/self/cwd/%s" : "%s", cwd ? second : link_of(self.kept[slot], second));
    umask(022);
    struct stat status;
    DIR *stream;
    int result = 0;
    char text[PATH_ROOM] = "";
    switch (how) {
    case 0:
        result = lstat(path, &status);
        say_found(result, &status);
        break;
    case 1:
        stream = opendir(path);
        say_result(stream ? 0 : -1);
        if (stream) {
            say_listing(stream);
            closedir(stream);
        }
        break;
    case 2:
        result = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
        say_result(result < 0 ? -1 : 0);
        if (result >= 0) {
            say_content(result);
            close(result);
        }
        break;
    case 3:
        say_result(mkdir(path, 0755));
        break;
    case 4:
        say_result(unlink(path));
        break;
    case 5:
        say_result(rmdir(path));
        break;
    case 6:
        say_result(rename(path, other));
        break;
    case 7:
        say_result(symlink(second, path));
        break;
    case 8:
        say_result(fchmodat(AT_FDCWD, path, 0755, AT_SYMLINK_NOFOLLOW));
        break;
    default:
        say_result(readlink(path, text, sizeof text - 1));
        say_text(text);
        break;
    }
    look_after(&there);
}

/* --- raw system calls --- */

static void do_openat2(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, ANYWHERE);
    struct open_how how = {.flags = O_CLOEXEC | O_NONBLOCK};
    how.flags |= ONE_OF(rng, ((const unsigned[]){O_RDONLY, O_RDWR, O_WRONLY | O_CREAT, O_PATH, O_PATH | O_NOFOLLOW,
                                                 O_DIRECTORY, O_RDWR | O_CREAT | O_EXCL, O_PATH | O_CREAT}));
    how.mode = how.flags & O_CREAT || chance(rng, 5) ? 0644 : 0;
    say("openat2 %#llx %llo", how.flags, how.mode);
    say_place(&place);
    if (leaves_root(&place))
        return;
    umask(022);
    int fd = (int)syscall(SYS_openat2, at(&place), place.path, &how, sizeof how);
    struct stat status;
    say_result(fd < 0 ? -1 : 0);
    if (fd >= 0 && fstat(fd, &status) == 0)
        say_stat(&status);
    close(fd);
    look_after(&place);
}

static int by_text(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* In pieces; and once more from some place on, which must tell what came after it. */
static void do_getdents(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, A_DIRECTORY);
    size_t room = ONE_OF(rng, ((const size_t[]){280, 280, 600, 4096}));
    unsigned mark = below(rng, 12);
    say("getdents64 %zu", room);
    say_place(&place);
    if (leaves_root(&place))
        return;
    int fd = openat(at(&place), place.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    say_result(fd < 0 ? -1 : 0);
    if (fd < 0)
        return;
    struct record {
        uint64_t inode;
        int64_t next;
        uint16_t length;
        uint8_t type;
        char name[];
    };
    char buffer[4096], after[300] = "";
    char *names[512];
    size_t count = 0;
    int64_t from = -1;
    long got;
    while ((got = syscall(SYS_getdents64, fd, buffer, room)) > 0)
        for (long i = 0; i < got;) {
            struct record *record = (void *)(buffer + i);
            i += record->length;
            if (from >= 0 && !*after)
                snprintf(after, sizeof after, "%s", record->name);
            if (count == mark)
                from = record->next;
            if (count < 512 && asprintf(&names[count], "%s/%u", record->name, record->type) >= 0)
                count++;
        }
    say_result(got);
    if (count)
        qsort(names, count, sizeof *names, by_text);
    for (size_t i = 0; i < count; i++) {
        say_text(names[i]);
        free(names[i]);
    }
    if (*after) {
        lseek(fd, from, SEEK_SET);
        got = syscall(SYS_getdents64, fd, buffer, sizeof buffer);
        if (got <= 0 || strcmp(((struct record *)(void *)buffer)->name, after) != 0)
            say(" ANOTHER COMES AFTER");
    }
    close(fd);
}

static void do_old_times(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, NAMED | NO_DIRFD);
    unsigned how = below(rng, 4);
    time_t second = 700000000 + below(rng, 500000000);
    const struct timeval times[2] = {{second, 1}, {second, (long)below(rng, 2) * 999999}};
    say("%s", how == 0 ? "utime" : how == 1 ? "utimes" : how == 2 ? "lutimes" : "futimesat");
    say_place(&place);
    if (leaves_root(&place))
        return;
    say_result(how == 0   ? utime(place.path, &(struct utimbuf){second, second})
               : how == 1 ? utimes(place.path, times)
               : how == 2 ? lutimes(place.path, times)
                          : futimesat(AT_FDCWD, place.path, times));
    look_after(&place);
}

/* --- what is told of filesystems --- */

static void do_filesystem(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, ANYWHERE);
    unsigned how = below(rng, 3);
    bool follow = chance(rng, 50);
    say("%s", how == 0 ? "statvfs" : how == 1 ? "pathconf" : "statx");
    say_place(&place);
    if (leaves_root(&place))
        return;
    struct statvfs room, root_room;
    struct statx full, root_full;
    if (how == 0) {
        int result = place.base == OF_DIRFD ? 0 : statvfs(place.path, &room);
        say_result(result);
        if (place.base != OF_DIRFD && result == 0 && statvfs(self.root, &root_room) == 0 &&
            (room.f_fsid != root_room.f_fsid || room.f_namemax != root_room.f_namemax ||
             room.f_flag != root_room.f_flag))
            say(" another filesystem");
    } else if (how == 1) {
        errno = 0;
        say_result(place.base == OF_DIRFD
                       ? 0
                       : pathconf(place.path, ONE_OF(rng, ((const int[]){_PC_NAME_MAX, _PC_PATH_MAX, _PC_LINK_MAX}))));
    } else {
        int result =
            statx(at(&place), place.path, follow ? 0 : AT_SYMLINK_NOFOLLOW, STATX_ALL | 0x1000 /* MNT_ID */, &full);
        say_result(result);
        if (result == 0 && statx(AT_FDCWD, self.root, 0, STATX_ALL | 0x1000, &root_full) == 0)
            say(" %#x %#llx%s%s", full.stx_mask & STATX_ALL, (unsigned long long)full.stx_attributes_mask,
                full.stx_mnt_id != root_full.stx_mnt_id ? " another mount" : "",
                full.stx_blksize != root_full.stx_blksize ? " another block size" : "");
    }
}

/* --- locks and holes --- */

static void do_lock(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, NAMED | A_LEAF);
    int flags = ONE_OF(rng, ((const int[]){O_RDONLY, O_RDWR, O_WRONLY}));
    bool whole = chance(rng, 50);
    say("%s", whole ? "flock" : "fcntl lock");
    say_place(&place);
    if (leaves_root(&place))
        return;
    int first = openat(at(&place), place.path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    say_result(first < 0 ? -1 : 0);
    int second = first < 0 ? -1 : openat(at(&place), place.path, flags | O_NONBLOCK | O_CLOEXEC);
    say_result(second < 0 ? -1 : 0);
    if (first >= 0 && second >= 0) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10}, mine = lock;
        mine.l_type = flags == O_RDONLY ? F_RDLCK : F_WRLCK;
        say_result(whole ? flock(first, LOCK_EX | LOCK_NB) : fcntl(first, F_OFD_SETLK, &lock));
        say_result(whole ? flock(second, LOCK_SH | LOCK_NB) : fcntl(second, F_OFD_SETLK, &mine));
    }
    close(first);
    close(second);
}

static void do_hole(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, NAMED | A_LEAF);
    bool punch = chance(rng, 40);
    off_t start = below(rng, 20) * 4096, length = (1 + below(rng, 5)) * 4096;
    say("holes%s", punch ? " punched" : "");
    say_place(&place);
    if (leaves_root(&place))
        return;
    int fd = openat(at(&place), place.path, (punch ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_CLOEXEC);
    struct stat status;
    say_result(fd < 0 ? -1 : 0);
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        if (punch)
            say_result(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start, length));
        for (off_t where = 0, data; (data = lseek(fd, where, SEEK_DATA)) >= 0;) {
            where = lseek(fd, data, SEEK_HOLE);
            say(" %lld-%lld", (long long)data, (long long)where);
        }
        say_content(fd);
    }
    close(fd);
    look_after(&place);
}

/* --- ACLs, and xattrs that are refused --- */

struct acl_entry {
    uint16_t tag, permissions;
    uint32_t id;
};
struct acl {
    uint32_t version;
    struct acl_entry entry[5];
};

static struct acl pick_acl(struct rng *rng) {
    return (struct acl){2,
                        {{1, 7, (uint32_t)-1},
                         {2, (uint16_t)below(rng, 8), 12345},
                         {4, (uint16_t)below(rng, 8), (uint32_t)-1},
                         {16, (uint16_t)below(rng, 8), (uint32_t)-1},
                         {32, (uint16_t)below(rng, 8), (uint32_t)-1}}};
}

static void do_acl(struct rng *rng) {
    struct place place;
    bool of_new = chance(rng, 60), removed = chance(rng, 20);
    pick_place(rng, &place, NAMED | NO_DIRFD | (of_new ? A_DIRECTORY : 0));
    struct acl acl = pick_acl(rng);
    const char *name = of_new ? "system.posix_acl_default" : "system.posix_acl_access";
    say("%s %s", removed ? "remove" : "set", name);
    say_place(&place);
    if (leaves_root(&place) || strcmp(place.path, self.root) == 0)
        return;
    struct watch same = watch(&place, true);
    say_result(removed ? removexattr(place.path, name) : setxattr(place.path, name, &acl, sizeof acl, 0));
    watched(&same, &place);
    look_after(&place);
}

static void do_odd_xattr(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, NAMED | NO_DIRFD);
    static char longest[300], value[1 << 17];
    static const char *const names[] = {"user.",         "user",       "",         "bogus.q",
                                        "trusted.q",     "security.q", "system.q", "user.overlay",
                                        "user.overlayq", longest};
    memset(longest, 'q', sizeof longest - 1);
    memcpy(longest, "user.", 5);
    const char *name = ONE_OF(rng, names);
    unsigned how = below(rng, 4);
    size_t size = ONE_OF(rng, ((const size_t[]){0, 5, 65536, sizeof value}));
    say("xattr %u %zu", how, how == 1 ? size : 0);
    say_text(name);
    say_place(&place);
    if (leaves_root(&place))
        return;
    if (how == 1 && strncmp(name, "user.", 5) != 0) /* no privilege is this test's */
        size = 5;
    say_result(how == 0   ? getxattr(place.path, name, value, sizeof value)
               : how == 1 ? setxattr(place.path, name, value, size, 0)
               : how == 2 ? removexattr(place.path, name)
                          : setxattr(place.path, name, value, 3, 8 /* no flag */));
    if (how == 1)
        removexattr(place.path, name);
    look_after(&place);
}

/* --- programs: no file here can be run, and why not is told --- */

static void do_exec(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, A_LEAF);
    int flags = ONE_OF(rng, ((const int[]){0, 0, AT_SYMLINK_NOFOLLOW}));
    bool plain = chance(rng, 50) && place.base != OF_DIRFD;
    say("execve%s", !plain && flags ? " nofollow" : "");
    say_place(&place);
    if (leaves_root(&place))
        return;
    fflush(stdout);
    char *const arguments[] = {(char[]){"q"}, NULL};
    pid_t child = fork();
    if (child == 0) {
        if (plain)
            execve(place.path, arguments, environ);
        else
            syscall(SYS_execveat, at(&place), place.path, arguments, environ, flags);
        _exit(errno);
    }
    int status = 0;
    waitpid(child, &status, 0);
    errno = WEXITSTATUS(status);
    say_result(-1);
}

const struct kind way_kinds[] = {
    {"opath", 30, do_opath},
    {"through", 20, do_through},
    {"openat2", 12, do_openat2},
    {"getdents", 12, do_getdents},
    {"old-times", 6, do_old_times},
    {"filesystem", 10, do_filesystem},
    {"lock", 8, do_lock},
    {"hole", 10, do_hole},
    {"acl", 14, do_acl},
    {"odd-xattr", 10, do_odd_xattr},
    {"exec", 8, do_exec},
    {NULL, 0, NULL},
};
