/* See drop.h. A directory goes to the work directory by one rename, and is removed there: a kill leaves litter that the
   next run, or `check`, takes away. */
#include "layers/drop.h"
#include "launch/remove.h"
#include "layers/names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool failed(const char *path, int error) {
    UR_AUTO_TEXT quoted = ur_quoted(path);
    say("%s: %s", quoted, strerror(error));
    return false;
}

char *drop_place(const struct ur_plan_mount *mount, const char *path) {
    return ur_format("%s%s", mount->upper, path + (mount->target[1] ? strlen(mount->target) : 0));
}

/* A parent for a change that its mode may forbid, and as it was again. */
struct parent {
    char *path;
    struct stat st;
    bool there, opened;
};

static void parent_open(struct parent *parent, const char *host) {
    parent->path = ur_copy(host, (size_t)(strrchr(host, '/') - host));
    parent->opened = false;
    parent->there = lstat(parent->path, &parent->st) == 0;
    if (parent->there && (parent->st.st_mode & 0300) != 0300)
        parent->opened = chmod(parent->path, (parent->st.st_mode & 07777) | 0700) == 0;
}

static void parent_close(struct parent *parent) {
    if (parent->there) {
        const struct timespec times[2] = {parent->st.st_atim, parent->st.st_mtim};
        utimensat(AT_FDCWD, parent->path, times, AT_SYMLINK_NOFOLLOW);
    }
    if (parent->opened)
        chmod(parent->path, parent->st.st_mode & 07777);
    free(parent->path);
}

static int drop_directory(const struct ur_plan_mount *mount, const char *host, const struct stat *st) {
    static unsigned number;
    UR_AUTO_TEXT name = ur_format("unionrun/tmp/drop-%d-%u", (int)getpid(), number++);
    UR_AUTO_TEXT tmp = ur_path_join(mount->work, name);
    if (!(st->st_mode & S_IWUSR)) /* to move a directory is to write to it */
        chmod(host, 0700);
    if (rename(host, tmp) < 0)
        return errno == ENOENT ? 0 : errno;
    return -remove_tree(tmp);
}

bool drop_path(const struct ur_plan_mount *mount, const char *host) {
    struct stat st;
    struct parent parent;
    int error = 0;
    parent_open(&parent, host);
    if (lstat(host, &st) < 0)
        error = errno == ENOENT || errno == ENOTDIR ? 0 : errno;
    else if (S_ISDIR(st.st_mode))
        error = drop_directory(mount, host, &st);
    else
        error = unlink(host) < 0 ? errno : 0;
    UR_AUTO_TEXT mark = ur_format("%s/.wh.%s", parent.path, strrchr(host, '/') + 1);
    unlink(mark);
    parent_close(&parent);
    return error == 0 || failed(host, error);
}

void drop_empty(const char *host) {
    struct parent parent;
    parent_open(&parent, host);
    rmdir(host);
    parent_close(&parent);
}

void drop_link(const struct ur_plan_mount *mount, const struct change *change) {
    if (!change->origin.linked)
        return;
    UR_AUTO_TEXT name = ur_format("unionrun/links/%llx", (unsigned long long)change->origin.ino);
    UR_AUTO_TEXT path = ur_path_join(mount->work, name);
    UR_AUTO_TEXT count = ur_format("%s.n", path);
    struct stat st;
    if (lstat(path, &st) == 0 && st.st_nlink == 1) {
        unlink(path);
        unlink(count);
    }
}

/* Everything in a directory, but not the directory. */
static bool empty_directory(const struct ur_plan_mount *mount, const char *directory) {
    DIR *stream = opendir(directory);
    if (!stream)
        return errno == ENOENT || failed(directory, errno);
    bool right = true;
    for (const struct dirent *e; right && (e = readdir(stream));) {
        UR_AUTO_TEXT path = ur_path_join(directory, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            right = drop_path(mount, path);
    }
    closedir(stream);
    return right;
}

bool drop_everything(const struct ur_plan_mount *mount) {
    static const char *const kept[] = {"unionrun/links", "unionrun/origin"};
    struct stat st;
    bool right = empty_directory(mount, mount->upper);
    for (size_t i = 0; i < sizeof kept / sizeof *kept && right; i++) {
        UR_AUTO_TEXT path = ur_path_join(mount->work, kept[i]);
        right = empty_directory(mount, path);
    }
    if (!right || stat(mount->lower[0], &st) < 0)
        return right;
    ur_layer_unopaque(mount->upper);
    ur_layer_same_xattrs(mount->lower[0], mount->upper);
    ur_layer_finish(&st, mount->upper);
    return true;
}
