/* Does a path lead out of the root? Asked on the plain side only, and answered by walking the path as the
 * kernel would, so that the union sees no look-up but the operation's own. The answers are written to the
 * marks file, which the union's side heeds. */
#include "differ.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool beneath_root(const char *path) {
    return strncmp(path, self.root, self.root_length) == 0 &&
           (path[self.root_length] == '/' || path[self.root_length] == '\0');
}

/* Where a relative path starts: the physical name of the cwd or the dirfd, even of a removed one. */
static bool start_of(const struct place *place, char start[PATH_ROOM]) {
    char link[64];
    int fd = at(place);
    if (place->base == OF_DIRFD && fd >= 0)
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    else
        snprintf(link, sizeof link, "/proc/self/cwd");
    ssize_t length = readlink(link, start, PATH_ROOM - 1);
    if (length < 0)
        return false;
    start[length] = '\0';
    static const char removed[] = " (deleted)";
    size_t tail = sizeof removed - 1;
    if ((size_t)length > tail && strcmp(start + length - tail, removed) == 0) {
        start[length - (ssize_t)tail] = '\0';
        return !left_out("removed");
    }
    return true;
}

/* Invariant: `where` is a physical path beneath the root, `rest` what is still to be walked from there. */
static bool walk_leaves(char *where, char *rest) {
    char name[PATH_ROOM], target[PATH_ROOM], joined[2 * PATH_ROOM];
    int links = 0;

    while (*rest) {
        size_t length = strcspn(rest, "/");
        memcpy(name, rest, length);
        name[length] = '\0';
        rest += length + strspn(rest + length, "/");
        if (!length || strcmp(name, ".") == 0)
            continue;
        if (strcmp(name, "..") == 0) {
            if (strlen(where) <= self.root_length)
                return true;
            *strrchr(where, '/') = '\0';
            continue;
        }
        size_t end = strlen(where);
        if (length > NAME_MAX || end + length + 2 > PATH_ROOM)
            return false; /* ENAMETOOLONG, wherever */
        where[end] = '/';
        memcpy(where + end + 1, name, length + 1);
        struct stat status;
        if (lstat(where, &status) < 0)
            return false; /* the walk ends here */
        if (!S_ISLNK(status.st_mode))
            continue;
        ssize_t got = readlink(where, target, sizeof target - 1);
        if (got < 0 || ++links > 40)
            return false;
        target[got] = '\0';
        where[end] = '\0';
        if (target[0] == '/') {
            if (!beneath_root(target))
                return true;
            where[self.root_length] = '\0';
            memmove(target, target + self.root_length, (size_t)got - self.root_length + 1);
        }
        snprintf(joined, sizeof joined, "%s/%s", target, rest);
        rest = strcpy(self.scratch, joined);
        rest += strspn(rest, "/");
    }
    return false;
}

static bool walk_from_base(const struct place *place) {
    char where[PATH_ROOM], path[PATH_ROOM];
    const char *rest = place->path;
    if (place->base == ABSOLUTE) {
        strcpy(where, self.root);
        rest += self.root_length;
    } else if (!start_of(place, where)) {
        return true;
    }
    if (!beneath_root(where))
        return true;
    strcpy(path, rest + strspn(rest, "/"));
    return walk_leaves(where, path);
}

bool leaves_root(const struct place *place) {
    bool leaves = self.heeded && self.heeded[self.index];
    if (self.marks >= 0 && walk_from_base(place)) {
        leaves = true;
        dprintf(self.marks, "%u\n", self.index);
    }
    if (leaves)
        say(" leaves the root, left out");
    return leaves;
}
