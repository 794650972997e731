/* What is printed of a file, a directory, a tree. */
#include "differ.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { YEAR_2020 = 1577836800 };

static char letter_of(mode_t mode) {
    return S_ISREG(mode)    ? 'f'
           : S_ISDIR(mode)  ? 'd'
           : S_ISLNK(mode)  ? 'l'
           : S_ISFIFO(mode) ? 'p'
           : S_ISSOCK(mode) ? 's'
           : S_ISCHR(mode)  ? 'c'
           : S_ISBLK(mode)  ? 'b'
                            : '?';
}

static unsigned char type_of(mode_t mode) {
    return (unsigned char)IFTODT(mode);
}

void say_stat(const struct stat *status) {
    mode_t mode = status->st_mode;
    if (S_ISDIR(mode) && !status->st_nlink) { /* removed, but open: of a lower's, the README says what is known */
        say(" removed");
        return;
    }
    say(" %c%04o %u:%u", letter_of(mode), mode & 07777u, status->st_uid, status->st_gid);
    if (!S_ISDIR(mode))
        say(" n%lu s%lld", (unsigned long)status->st_nlink, (long long)status->st_size);
    if (S_ISCHR(mode) || S_ISBLK(mode))
        say(" r%u,%u", major(status->st_rdev), minor(status->st_rdev));
    if (status->st_mtim.tv_sec > YEAR_2020)
        say(" recent");
    else
        say(" t%lld.%09ld", (long long)status->st_mtim.tv_sec, status->st_mtim.tv_nsec);
    if (status->st_dev != self.device)
        say(" ANOTHER ST_DEV");
}

void say_kept_as(const struct stat *status) {
    for (int slot = 0; slot < KEPT; slot++) {
        struct stat kept;
        if (self.kept[slot] >= 0 && fstat(self.kept[slot], &kept) == 0 && kept.st_ino == status->st_ino &&
            kept.st_dev == status->st_dev)
            say(" is-kept-%d", slot);
    }
}

/* The hash of all that a descriptor reads, FNV-1a by words. */
void say_content(int fd) {
    static union {
        char bytes[1 << 16];
        uint64_t words[1 << 13];
    } block;
    uint64_t hash = 0xcbf29ce484222325, total = 0;
    for (;;) {
        ssize_t got = pread(fd, block.bytes, sizeof block.bytes, (off_t)total);
        if (got < 0) {
            say(" unreadable:%s", errno_name(errno));
            return;
        }
        if (got == 0)
            break;
        memset(block.bytes + got, 0, (size_t)-got & 7);
        for (ssize_t i = 0; i < (got + 7) / 8; i++)
            hash = (hash ^ block.words[i]) * 0x100000001b3;
        total += (uint64_t)got;
    }
    say(" h%016llx/%llu", (unsigned long long)hash, (unsigned long long)total);
}

static int by_name(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

bool no_xattrs;

void say_xattrs(const char *path, int fd, bool follow) {
    static char names[65536];
    static char value[65536];
    struct stat removed;
    if (no_xattrs ||
        ((path ? stat(path, &removed) : fstat(fd, &removed)) == 0 && S_ISDIR(removed.st_mode) && !removed.st_nlink))
        return;
    ssize_t length = !path    ? flistxattr(fd, names, sizeof names)
                     : follow ? listxattr(path, names, sizeof names)
                              : llistxattr(path, names, sizeof names);
    if (length < 0) {
        say(" xattrs:%s", errno_name(errno));
        return;
    }
    char *sorted[256] = {NULL};
    size_t count = 0;
    for (char *name = names; name < names + length && count < 256; name += strlen(name) + 1)
        sorted[count++] = name;
    qsort(sorted, count, sizeof *sorted, by_name);
    for (size_t i = 0; i < count; i++) {
        ssize_t got = !path    ? fgetxattr(fd, sorted[i], value, sizeof value)
                      : follow ? getxattr(path, sorted[i], value, sizeof value)
                               : lgetxattr(path, sorted[i], value, sizeof value);
        if (got < 0) {
            say(" %s:%s", sorted[i], errno_name(errno));
            continue;
        }
        uint32_t sum = 2166136261;
        for (ssize_t k = 0; k < got; k++)
            sum = (sum ^ (unsigned char)value[k]) * 16777619;
        say(" %s=%zd/%08x", sorted[i], got, sum);
    }
}

static void say_link(int dirfd, const char *path) {
    char target[PATH_ROOM];
    ssize_t length = readlinkat(dirfd, path, target, sizeof target - 1);
    if (length < 0) {
        say(" readlink:%s", errno_name(errno));
        return;
    }
    target[length] = '\0';
    say(" ->");
    say_text(target);
}

/* All that a file without its name is. */
static void say_inside(int dirfd, const char *path, const struct stat *status) {
    if (S_ISLNK(status->st_mode)) {
        say_link(dirfd, path);
    } else if (S_ISREG(status->st_mode) || S_ISDIR(status->st_mode)) {
        int fd = openat(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) {
            say(" open:%s", errno_name(errno));
            return;
        }
        if (S_ISREG(status->st_mode))
            say_content(fd);
        say_xattrs(NULL, fd, false);
        close(fd);
    }
}

void say_object(int dirfd, const char *path) {
    struct stat status;
    if (fstatat(dirfd, path, &status, AT_SYMLINK_NOFOLLOW) < 0) {
        say(" %s", errno_name(errno));
        return;
    }
    say_stat(&status);
    say_inside(dirfd, path, &status);
}

void look_after(const struct place *place) {
    if (!self.look_after)
        return;
    say(" ;");
    say_object(at(place), place->path);
}

struct watch watch(const struct place *place, bool follow) {
    struct watch watch = {.follow = follow};
    watch.on =
        self.look_before && fstatat(at(place), place->path, &watch.before, follow ? 0 : AT_SYMLINK_NOFOLLOW) == 0;
    return watch;
}

void watched(const struct watch *watch, const struct place *place) {
    struct stat now;
    if (!watch->on)
        return;
    if (fstatat(at(place), place->path, &now, watch->follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
        say(" gone:%s", errno_name(errno));
    else if (now.st_ino != watch->before.st_ino)
        say(" other-inode");
    else
        say(" same-inode");
}

struct entry {
    char *name;
    ino_t inode;
    unsigned char type;
};

struct entries {
    struct entry *all;
    size_t count;
};

static int by_entry_name(const void *left, const void *right) {
    return strcmp(((const struct entry *)left)->name, ((const struct entry *)right)->name);
}

static struct entries read_entries(DIR *stream) {
    struct entries entries = {0};
    size_t room = 0;
    struct dirent *read;
    errno = 0;
    while ((read = readdir(stream))) {
        if (entries.count == room) {
            room = room ? 2 * room : 32;
            struct entry *more = realloc(entries.all, room * sizeof *more);
            if (!more)
                abort();
            entries.all = more;
        }
        entries.all[entries.count++] = (struct entry){strdup(read->d_name), read->d_ino, read->d_type};
    }
    if (errno)
        say(" readdir:%s", errno_name(errno));
    if (entries.count)
        qsort(entries.all, entries.count, sizeof *entries.all, by_entry_name);
    return entries;
}

static void free_entries(struct entries *entries) {
    for (size_t i = 0; i < entries->count; i++)
        free(entries->all[i].name);
    free(entries->all);
}

static bool is_dots(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Says what a listing must not: a name twice, a d_ino or d_type that lstat does not have. */
static void say_faults(int dirfd, const struct entries *entries) {
    struct stat root = {0};
    unsigned dots = 0;
    stat(self.root, &root);
    for (size_t i = 0; i < entries->count; i++) {
        const struct entry *entry = &entries->all[i];
        struct stat status;
        if (i && strcmp(entry->name, entry[-1].name) == 0) {
            say(" TWICE:");
            say_text(entry->name);
        }
        dots += is_dots(entry->name);
        if (fstatat(dirfd, entry->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
            continue; /* no right to search it, or a name that went away: the listing itself tells */
        struct stat here;
        if (strcmp(entry->name, "..") == 0 && fstat(dirfd, &here) == 0 && here.st_ino == root.st_ino)
            continue; /* that one is outside */
        if (entry->inode != status.st_ino) {
            say(" D_INO:");
            say_text(entry->name);
        }
        if (entry->type != type_of(status.st_mode)) {
            say(" D_TYPE:");
            say_text(entry->name);
        }
    }
    if (dots != 2)
        say(" DOTS:%u", dots);
}

void say_listing(void *stream) {
    struct entries entries = read_entries(stream);
    say(" [");
    for (size_t i = 0; i < entries.count; i++) {
        if (is_dots(entries.all[i].name))
            continue;
        say(" %u", entries.all[i].type);
        say_text(entries.all[i].name);
    }
    say(" ]");
    say_faults(dirfd(stream), &entries);
    free_entries(&entries);
}

/* --- the whole tree --- */

struct group {
    ino_t inode;
    char *first;
};
static struct group *groups;
static size_t group_count;

static const char *first_of_group(ino_t inode, const char *path) {
    for (size_t i = 0; i < group_count; i++)
        if (groups[i].inode == inode)
            return groups[i].first;
    struct group *more = realloc(groups, (group_count + 1) * sizeof *groups);
    if (!more)
        abort();
    groups = more;
    groups[group_count++] = (struct group){inode, strdup(path)};
    return NULL;
}

/* `name` as seen from dirfd, `shown` in the log. Directories are walked by descriptors: no path gets long. */
static void dump_entry(int parent, const char *name, const char *shown) {
    say("%u ", self.index);
    say_text(shown);
    struct stat status;
    if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
        say(" %s\n", errno_name(errno));
        return;
    }
    say_stat(&status);
    say_inside(parent, name, &status);
    if (!S_ISDIR(status.st_mode)) {
        const char *first = status.st_nlink > 1 ? first_of_group(status.st_ino, shown) : NULL;
        if (first) {
            say(" same as ");
            say_text(first);
        }
        say("\n");
        return;
    }
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        say("\n");
        return;
    }
    struct entries entries = read_entries(stream);
    say_faults(fd, &entries);
    say("\n");
    for (size_t i = 0; i < entries.count; i++) {
        if (is_dots(entries.all[i].name))
            continue;
        size_t room = strlen(shown) + strlen(entries.all[i].name) + 2;
        char *below = malloc(room);
        snprintf(below, room, "%s/%s", shown, entries.all[i].name);
        dump_entry(fd, entries.all[i].name, below);
        free(below);
    }
    free_entries(&entries);
    closedir(stream);
}

int dump(const char *path) {
    dump_entry(AT_FDCWD, path, path);
    for (size_t i = 0; i < group_count; i++)
        free(groups[i].first);
    free(groups);
    groups = NULL;
    group_count = 0;
    return 0;
}
