/*
 * Removing a tree of our own: a session, an ephemeral upper.
 *
 * A program may have left anything in it: directories without permissions, trees deeper than there are descriptors
 * or bytes in PATH_MAX. So the walk holds one directory at a time, goes down by openat and up by "..", and gives
 * itself the permissions it needs. Invariant: it is always in the directory that `names` leads to.
 */
#include "launch/remove.h"
#include "config/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct walk {
    DIR *here;
    char **names; /* from the top to here */
    size_t depth;
};

/* Opens a directory in which entries can be listed and removed. -1 with errno. */
static int open_own(int at, const char *name) {
    enum { FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
    int fd = openat(at, name, FLAGS);
    if (fd < 0 && errno == EACCES && fchmodat(at, name, 0700, 0) == 0)
        fd = openat(at, name, FLAGS);
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700)
        fchmod(fd, 0700);
    return fd;
}

static bool enter(struct walk *walk, int fd) {
    DIR *next = fd < 0 ? NULL : fdopendir(fd);
    if (!next) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    if (walk->here)
        closedir(walk->here);
    walk->here = next;
    return true;
}

static bool is_directory(int at, const struct dirent *entry) {
    struct stat st;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return fstatat(at, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Removes the entries of this directory; 1: went down into one of them instead, 0: it is empty, or -errno. */
static int empty_here(struct walk *walk) {
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(walk->here))) {
        int at = dirfd(walk->here);
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (!is_directory(at, entry)) {
            if (unlinkat(at, entry->d_name, 0) < 0 && errno != ENOENT)
                return -errno;
            continue;
        }
        if (unlinkat(at, entry->d_name, AT_REMOVEDIR) == 0)
            continue;
        char *name = ur_format("%s", entry->d_name);
        if (!enter(walk, open_own(at, name))) {
            free(name);
            return -errno;
        }
        walk->names = ur_grow(walk->names, walk->depth, sizeof *walk->names);
        walk->names[walk->depth++] = name;
        return 1;
    }
    return -errno;
}

/* Up to the parent, and the emptied child is removed from it. */
static int leave(struct walk *walk) {
    UR_AUTO_TEXT name = walk->names[--walk->depth];
    if (!enter(walk, openat(dirfd(walk->here), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)))
        return -errno;
    return unlinkat(dirfd(walk->here), name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int remove_tree_at(int at, const char *directory) {
    struct walk walk = {0};
    if (!enter(&walk, open_own(at, directory)))
        return -errno;
    int result;
    do {
        while ((result = empty_here(&walk)) == 1)
            continue;
    } while (result == 0 && walk.depth && (result = leave(&walk)) == 0);
    closedir(walk.here);
    while (walk.depth)
        free(walk.names[--walk.depth]);
    free(walk.names);
    if (result == 0 && unlinkat(at, directory, AT_REMOVEDIR) < 0)
        result = -errno;
    return result;
}

int remove_tree(const char *directory) {
    return remove_tree_at(AT_FDCWD, directory);
}
