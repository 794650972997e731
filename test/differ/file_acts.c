/* Operations on open files: what a name opens, and what is kept open while names change. */
#include "differ.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { BLOCK = 70000 };

static const char *filling(struct rng *rng, size_t *size) {
    static char block[BLOCK];
    *size = ONE_OF(rng, ((const size_t[]){0, 1, 7, 100, 100, 4096, 5000, BLOCK}));
    uint64_t word = draw(rng);
    for (size_t i = 0; i < *size; i++)
        block[i] = (char)(word >> i % 8 * 8);
    return block;
}

/* In this order, on one descriptor: a bit of everything that its flags may allow. */
static void use_opened(struct rng *rng, int fd) {
    char bytes[16];
    size_t size;
    unsigned what = below(rng, 8);
    const char *block = filling(rng, &size);
    struct stat status;
    if (what & 1) {
        ssize_t got = read(fd, bytes, sizeof bytes);
        say(" read");
        say_result(got);
        for (ssize_t i = 0; i < got; i++)
            say("%s%02x", i ? "" : ":", (unsigned char)bytes[i]);
    }
    if (what & 2) {
        say(" write");
        say_result(write(fd, block, size));
    }
    if (what & 4 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        say_content(fd);
    say(" fstat");
    int result = fstat(fd, &status);
    say_result(result);
    if (result == 0)
        say_stat(&status);
}

static void say_flags(int flags) {
    static const struct {
        int flag;
        const char *name;
    } names[] = {{O_CREAT, "CREAT"},       {O_EXCL, "EXCL"},           {O_TRUNC, "TRUNC"}, {O_APPEND, "APPEND"},
                 {O_NOFOLLOW, "NOFOLLOW"}, {O_DIRECTORY, "DIRECTORY"}, {O_PATH, "PATH"}};
    static const char *const modes[] = {"RDONLY", "WRONLY", "RDWR", "3"};
    say(" %s", modes[flags & O_ACCMODE]);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if ((flags & names[i].flag) == names[i].flag)
            say("|%s", names[i].name);
}

static int pick_flags(struct rng *rng) {
    int flags = ONE_OF(rng, ((const int[]){O_RDONLY, O_RDONLY, O_WRONLY, O_RDWR, O_RDWR}));
    flags |= chance(rng, 40) ? O_CREAT : 0;
    flags |= chance(rng, 15) ? O_EXCL & (flags & O_CREAT ? ~0 : 0) : 0; /* alone it is undefined */
    flags |= chance(rng, 20) ? O_TRUNC : 0;
    flags |= chance(rng, 20) ? O_APPEND : 0;
    flags |= chance(rng, 15) ? O_NOFOLLOW : 0;
    flags |= chance(rng, 6) ? O_DIRECTORY : 0;
    flags |= chance(rng, 5) ? O_PATH : 0;
    if (flags & O_CREAT && left_out("creat-directory"))
        flags &= ~O_DIRECTORY;
    if (flags & O_CREAT && left_out("creat-path"))
        flags &= ~O_PATH;
    return flags;
}

static void do_open(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, chance(rng, 60) ? A_LEAF : ANYWHERE);
    int flags = pick_flags(rng);
    mode_t mode = ONE_OF(rng, ((const mode_t[]){0666, 0666, 0600, 0444, 0777, 0}));
    mode_t mask = ONE_OF(rng, ((const mode_t[]){022, 022, 022, 0, 077, 077, 0777}));
    bool plain = chance(rng, 50) && place.base != OF_DIRFD;
    int slot = chance(rng, 30) ? (int)below(rng, KEPT_FILES) : -1;
    say("open");
    say_flags(flags);
    say(" %04o", mode & ~mask);
    say_place(&place);
    if (leaves_root(&place))
        return;
    umask(mask);
    struct watch same = watch(&place, !(flags & O_NOFOLLOW));
    int fd = plain ? open(place.path, flags | O_NONBLOCK | O_NOCTTY, mode)
                   : openat(at(&place), place.path, flags | O_NONBLOCK | O_NOCTTY, mode);
    say_result(fd < 0 ? -1 : 0);
    if (fd < 0) {
        look_after(&place);
        return;
    }
    use_opened(rng, fd);
    watched(&same, &place);
    if (((flags & O_ACCMODE) == O_RDONLY || flags & O_PATH) && left_out("kept-rdonly"))
        slot = -1;
    if (slot >= 0 && place.named) {
        say(" kept as %d", slot);
        keep(slot, fd);
    } else {
        close(fd);
    }
    look_after(&place);
}

static void do_fopen(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, NO_DIRFD | A_LEAF);
    const char *mode = ONE_OF(rng, ((const char *const[]){"r", "w", "a", "a", "r+", "w+", "a+", "wx"}));
    say("fopen %s", mode);
    say_place(&place);
    if (leaves_root(&place))
        return;
    struct stat status;
    if (stat(place.path, &status) == 0 && S_ISFIFO(status.st_mode)) {
        say(" a fifo would block");
        return;
    }
    umask(022);
    FILE *stream = fopen(place.path, mode);
    say_result(stream ? 0 : -1);
    if (stream) {
        char line[32] = "";
        if (mode[0] == 'r')
            say(" read %zu", fread(line, 1, sizeof line, stream));
        if (mode[0] != 'r' || mode[1])
            say(" seek %d wrote %d", fseek(stream, 0, SEEK_END), fprintf(stream, "%u\n", self.index));
        say(" at %ld", ftell(stream));
        int result = fclose(stream);
        say_result(result);
    }
    look_after(&place);
}

static void do_tmpfile(struct rng *rng) {
    struct place place, name;
    pick_place(rng, &place, A_DIRECTORY);
    pick_place(rng, &name, NAMED | NEW);
    size_t size;
    const char *block = filling(rng, &size);
    bool linked = chance(rng, 60);
    say("O_TMPFILE");
    say_place(&place);
    if (linked)
        say_place(&name);
    if (leaves_root(&place) || (linked && leaves_root(&name)))
        return;
    umask(022);
    int fd = openat(at(&place), place.path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
    say_result(fd < 0 ? -1 : 0);
    if (fd < 0)
        return;
    struct stat status;
    if (write(fd, block, size) >= 0 && fstat(fd, &status) == 0)
        say_stat(&status);
    if (linked) {
        char self_fd[64];
        snprintf(self_fd, sizeof self_fd, "/proc/self/fd/%d", fd);
        say(" link");
        say_result(linkat(AT_FDCWD, self_fd, at(&name), name.path, AT_SYMLINK_FOLLOW));
        if (fstat(fd, &status) == 0)
            say_stat(&status);
        look_after(&name);
    }
    close(fd);
}

static void do_mkstemp(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, NAMED | NO_DIRFD | A_DIRECTORY);
    bool directory = chance(rng, 40);
    size_t length = strlen(place.path);
    snprintf(place.path + length, sizeof place.path - length, "/qXXXXXX");
    say("%s", directory ? "mkdtemp" : "mkstemp");
    say_place(&place);
    if (leaves_root(&place))
        return;
    struct stat status;
    int fd = -1;
    if (directory ? !mkdtemp(place.path) : (fd = mkostemp(place.path, O_CLOEXEC)) < 0) {
        say_result(-1);
        return;
    }
    say_result(lstat(place.path, &status));
    say_stat(&status);
    close(fd);
    say_result(directory ? rmdir(place.path) : unlink(place.path));
}

static bool copy_bytes(unsigned how, int from, int to, off_t size) {
    static char block[BLOCK];
    ssize_t moved;
    switch (how) {
    case 0:
        return sendfile(to, from, NULL, (size_t)size) >= 0;
    case 1:
        return copy_file_range(from, NULL, to, NULL, (size_t)size, 0) >= 0;
    default:
        while ((moved = read(from, block, sizeof block)) > 0)
            if (write(to, block, (size_t)moved) < 0)
                return false;
        return moved == 0;
    }
}

static void do_copy(struct rng *rng) {
    struct place from, to;
    pick_place(rng, &from, A_LEAF);
    pick_place(rng, &to, ANYWHERE);
    unsigned how = below(rng, 3);
    say("copy");
    say_place(&from);
    say_place(&to);
    if (leaves_root(&from) || leaves_root(&to))
        return;
    umask(022);
    struct stat status = {0};
    int in = openat(at(&from), from.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    say_result(in < 0 ? -1 : 0);
    if (in < 0 || fstat(in, &status) < 0 || !S_ISREG(status.st_mode)) {
        close(in);
        return;
    }
    /* Onto itself, as cp refuses: what is read after the copy-up is the README's to say, not this test's. */
    struct stat other;
    if (fstatat(at(&to), to.path, &other, 0) == 0 && other.st_ino == status.st_ino) {
        say(" the same");
        close(in);
        return;
    }
    int out = openat(at(&to), to.path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_CLOEXEC, status.st_mode & 0777);
    say_result(out < 0 ? -1 : 0);
    if (out >= 0 && fstat(out, &status) == 0 && S_ISREG(status.st_mode)) {
        fstat(in, &status);
        say_result(copy_bytes(how, in, out, status.st_size) ? 0 : -1);
    }
    close(in);
    close(out);
    look_after(&to);
}

static void scribble(struct rng *rng, int fd) {
    struct stat status;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size == 0) {
        say(" nothing to map");
        return;
    }
    size_t size = (size_t)status.st_size;
    char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    say_result(bytes == MAP_FAILED ? -1 : 0);
    if (bytes == MAP_FAILED)
        return;
    for (unsigned i = 0; i < 3; i++)
        bytes[below(rng, (unsigned)size)] ^= 0x55;
    msync(bytes, size, MS_SYNC);
    munmap(bytes, size);
    say_content(fd);
}

static void do_mmap(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, NAMED | A_LEAF);
    say("mmap");
    say_place(&place);
    if (leaves_root(&place))
        return;
    int fd = openat(at(&place), place.path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    say_result(fd < 0 ? -1 : 0);
    if (fd >= 0)
        scribble(rng, fd);
    close(fd);
    look_after(&place);
}

/* --- what is kept open --- */

static void look_at_kept(int fd) {
    struct stat status;
    if (!self.look_after)
        return;
    int result = fstat(fd, &status);
    say(" ; fstat");
    say_result(result);
    if (result == 0)
        say_stat(&status);
}

static int kept_file(struct rng *rng, const char *what) {
    int slot = (int)below(rng, KEPT_FILES);
    say("%s %d", what, slot);
    if (self.kept[slot] < 0)
        say(" none");
    return self.kept[slot];
}

static void do_kept_io(struct rng *rng) {
    unsigned how = below(rng, 6);
    static const char *const names[] = {"read", "write", "pread", "pwrite", "lseek", "content"};
    size_t size;
    const char *block = filling(rng, &size);
    off_t offset = below(rng, 20000);
    int whence = (int)below(rng, 3);
    char bytes[32];
    int fd = kept_file(rng, names[how]);
    if (fd < 0)
        return;
    ssize_t result = 0;
    if (how == 5)
        say_content(fd);
    else
        result = how == 0   ? read(fd, bytes, sizeof bytes)
                 : how == 1 ? write(fd, block, size)
                 : how == 2 ? pread(fd, bytes, sizeof bytes, offset % 100)
                 : how == 3 ? pwrite(fd, block, size, offset)
                            : lseek(fd, whence == SEEK_END ? 0 : offset, whence);
    say_result(result);
    if (how % 2 == 0 && how < 4)
        for (ssize_t i = 0; i < result; i++)
            say("%s%02x", i ? "" : ":", (unsigned char)bytes[i]);
    look_at_kept(fd);
}

static void do_kept_change(struct rng *rng) {
    static const char *const names[] = {"ftruncate", "fchmod",       "fchown",    "futimens",
                                        "fsetxattr", "fremovexattr", "fallocate", "fsync"};
    unsigned how = below(rng, 8);
    if ((how == 4 || how == 5) && left_out("xattrs"))
        how = 7;
    mode_t mode = ONE_OF(rng, ((const mode_t[]){0644, 0600, 0444, 0755, 04755}));
    off_t size = below(rng, 3) * 5000;
    const struct timespec times[2] = {{800000000, 0}, {700000000 + below(rng, 1000), below(rng, 1000000000)}};
    uid_t owner = chance(rng, 70) ? getuid() : 12345;
    int fd = kept_file(rng, names[how]);
    if (fd < 0)
        return;
    struct stat status;
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
        mode |= 0700;
    say_result(how == 0   ? ftruncate(fd, size)
               : how == 1 ? fchmod(fd, mode)
               : how == 2 ? fchown(fd, owner, (gid_t)-1)
               : how == 3 ? futimens(fd, times)
               : how == 4 ? fsetxattr(fd, "user.q1", "kept", 4, 0)
               : how == 5 ? fremovexattr(fd, "user.q1")
               : how == 6 ? fallocate(fd, 0, 0, size + 1)
                          : fsync(fd));
    look_at_kept(fd);
}

static void do_kept_look(struct rng *rng) {
    unsigned how = below(rng, 2);
    int fd = kept_file(rng, how ? "fgetxattrs" : "fstat");
    if (fd < 0)
        return;
    struct stat status;
    int result = fstat(fd, &status);
    say_result(result);
    if (how)
        say_xattrs(NULL, fd, false);
    else if (result == 0)
        say_stat(&status);
}

static void do_kept_map(struct rng *rng) {
    int fd = kept_file(rng, "map");
    if (fd >= 0)
        scribble(rng, fd);
}

static void do_kept_reopen(struct rng *rng) {
    char name[64];
    int flags = pick_flags(rng) & (O_ACCMODE | O_TRUNC | O_APPEND | O_PATH);
    int fd = kept_file(rng, "reopen");
    say_flags(flags);
    if (fd < 0)
        return;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    int again = open(name, flags | O_NONBLOCK | O_CLOEXEC);
    say_result(again < 0 ? -1 : 0);
    if (again >= 0)
        use_opened(rng, again);
    close(again);
    look_at_kept(fd);
}

static void do_kept_link(struct rng *rng) {
    struct place place;
    char name[64];
    pick_place(rng, &place, NEW);
    int fd = kept_file(rng, "linkat");
    say_place(&place);
    if (fd < 0 || leaves_root(&place))
        return;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    say_result(linkat(AT_FDCWD, name, at(&place), place.path, AT_SYMLINK_FOLLOW));
    look_at_kept(fd);
    look_after(&place);
}

/* Of what is kept open: the root-relative name, as /proc tells it. */
static void do_kept_name(struct rng *rng) {
    char name[64], target[PATH_ROOM];
    int slot = (int)below(rng, KEPT);
    say("fdlink %d", slot);
    struct stat status;
    if (self.kept[slot] < 0 || (fstat(self.kept[slot], &status) == 0 && !status.st_nlink))
        return; /* of what has no name any more, where it was is told, be that moved since or not */
    snprintf(name, sizeof name, "/proc/self/fd/%d", self.kept[slot]);
    ssize_t length = readlink(name, target, sizeof target - 1);
    if (length < 0) {
        say_result(-1);
        return;
    }
    target[length] = '\0';
    say_text(target);
}

static void do_kept_close(struct rng *rng) {
    int slot = (int)below(rng, KEPT);
    say("close %d", slot);
    say_result(self.kept[slot] < 0 ? 0 : close(self.kept[slot]));
    self.kept[slot] = -1;
}

static void do_kept_dup(struct rng *rng) {
    int from = (int)below(rng, KEPT),
        to = from < KEPT_FILES ? (int)below(rng, KEPT_FILES) : KEPT_FILES + (int)below(rng, KEPT_DIRS);
    bool over = chance(rng, 50);
    say("dup %d %d", from, to);
    if (self.kept[from] < 0 || from == to)
        return;
    strcpy(self.home[to], self.home[from]);
    if (over && self.kept[to] >= 0)
        say_result(dup2(self.kept[from], self.kept[to]) < 0 ? -1 : 0);
    else
        keep(to, dup(self.kept[from]));
}

const struct kind file_kinds[] = {
    {"open", 130, do_open},
    {"fopen", 20, do_fopen},
    {"tmpfile", 12, do_tmpfile},
    {"mkstemp", 8, do_mkstemp},
    {"copy", 24, do_copy},
    {"mmap", 14, do_mmap},
    {"kept-io", 40, do_kept_io},
    {"kept-change", 34, do_kept_change},
    {"kept-look", 14, do_kept_look},
    {"kept-map", 5, do_kept_map},
    {"kept-reopen", 10, do_kept_reopen},
    {"kept-link", 6, do_kept_link},
    {"kept-name", 8, do_kept_name},
    {"kept-close", 10, do_kept_close},
    {"kept-dup", 8, do_kept_dup},
    {NULL, 0, NULL},
};
