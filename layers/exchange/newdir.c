/* A directory that is there as a whole or not at all; see newdir.h. */
#include "layers/exchange/newdir.h"
#include "config/text.h"
#include "launch/remove.h"
#include "launch/say.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool failed(const char *path) {
    say("%s: %s", path, strerror(errno));
    return false;
}

static char *stage_prefix(const struct ur_newdir *newdir) {
    return ur_format(".%s.unionrun-", newdir->name);
}

/* Under a lock of the parent nobody has a stage that is not locked yet. */
static void remove_stale(const struct ur_newdir *newdir) {
    UR_AUTO_TEXT prefix = stage_prefix(newdir);
    int fd = openat(newdir->parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        int stale = openat(newdir->parent_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        UR_AUTO_TEXT path = ur_path_join(newdir->parent, entry->d_name);
        if (stale >= 0 && flock(stale, LOCK_EX | LOCK_NB) == 0)
            remove_tree(path);
        if (stale >= 0)
            close(stale);
    }
    if (directory)
        closedir(directory);
    else if (fd >= 0)
        close(fd);
}

static bool is_free(const struct ur_newdir *newdir) {
    int fd = openat(newdir->parent_fd, newdir->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return true;
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    bool empty = directory;
    struct dirent *entry;
    while (empty && (entry = readdir(directory)))
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (directory)
        closedir(directory);
    else if (fd >= 0)
        close(fd);
    if (!empty)
        say("%s: is there already; name a directory that is not, or is empty", newdir->out);
    return empty;
}

bool ur_newdir_begin(struct ur_newdir *newdir, const char *where) {
    *newdir = (struct ur_newdir){.out = where, .parent_fd = -1, .fd = -1};
    size_t length = strlen(newdir->out);
    while (length > 1 && newdir->out[length - 1] == '/')
        length--;
    UR_AUTO_TEXT out = ur_copy(newdir->out, length);
    const char *slash = strrchr(out, '/');
    UR_AUTO_TEXT parent = !slash ? ur_format(".") : slash == out ? ur_format("/") : ur_copy(out, (size_t)(slash - out));
    newdir->name = ur_format("%s", slash ? slash + 1 : out);
    newdir->parent = realpath(parent, NULL);
    if (!newdir->parent)
        return failed(parent);
    if (!*newdir->name || strcmp(newdir->name, ".") == 0 || strcmp(newdir->name, "..") == 0) {
        say("%s: name a directory to be made", newdir->out);
        return false;
    }
    newdir->parent_fd = open(newdir->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (newdir->parent_fd < 0)
        return failed(newdir->parent);
    if (!is_free(newdir))
        return false;
    UR_AUTO_TEXT prefix = stage_prefix(newdir);
    UR_AUTO_TEXT stage = ur_format("%s/%sXXXXXX", strcmp(newdir->parent, "/") == 0 ? "" : newdir->parent, prefix);
    flock(newdir->parent_fd, LOCK_EX);
    remove_stale(newdir);
    bool right = mkdtemp(stage);
    if (right) {
        newdir->stage = ur_format("%s", stage);
        newdir->fd = open(stage, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        right = newdir->fd >= 0;
        if (right)
            flock(newdir->fd, LOCK_EX | LOCK_NB);
    }
    flock(newdir->parent_fd, LOCK_UN);
    return right || failed(stage);
}

bool ur_newdir_commit(struct ur_newdir *newdir) {
    /* Full disks and broken ones of others (NFS, thin volumes) tell only now. */
    if (syncfs(newdir->fd) < 0)
        return failed(newdir->stage);
    if (renameat(AT_FDCWD, newdir->stage, newdir->parent_fd, newdir->name) < 0)
        return failed(newdir->out);
    fsync(newdir->parent_fd); /* a filesystem that syncs no directory does without */
    free(newdir->stage);
    newdir->stage = NULL;
    return true;
}

void ur_newdir_end(struct ur_newdir *newdir) {
    if (newdir->stage)
        remove_tree(newdir->stage);
    if (newdir->parent_fd >= 0)
        close(newdir->parent_fd);
    if (newdir->fd >= 0)
        close(newdir->fd);
    free(newdir->parent);
    free(newdir->name);
    free(newdir->stage);
}
