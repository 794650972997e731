/*
 * Layers lie in one directory, or in one each that lie in one, and 500 of them would have each part of that path asked
 * for 500 times. So a path is its directory's, which may be known, and one name; where the name is no plain one, or
 * anything is not as it should be, the path is left to realpath(3).
 */
#include "config/resolve.h"
#include "config/text.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static char *resolve_whole(const char *path, struct stat *st) {
    char *real = realpath(path, NULL);
    if (!real || !st || lstat(real, st) == 0)
        return real;
    int error = errno;
    free(real);
    errno = error;
    return NULL;
}

/* Borrowed until the next directory is asked for; NULL: it cannot be had. */
static const char *directory(struct ur_resolved *known, const char *said, size_t length) {
    struct ur_resolved_directory at = {0}, *all = known->directory;
    size_t i = 0;
    while (i < UR_RESOLVED && all[i].said && (strncmp(all[i].said, said, length) != 0 || all[i].said[length]))
        i++;
    if (i < UR_RESOLVED && all[i].said) {
        at = all[i];
    } else {
        UR_AUTO_TEXT path = ur_copy(said, length);
        char *real = ur_resolve(known, path, NULL);
        if (!real)
            return NULL;
        at = (struct ur_resolved_directory){ur_copy(said, length), real};
        i = UR_RESOLVED - 1; /* the one that was asked for longest ago, or none */
        free(all[i].said);
        free(all[i].real);
    }
    memmove(all + 1, all, i * sizeof *all);
    all[0] = at;
    return at.real;
}

char *ur_resolve(struct ur_resolved *known, const char *path, struct stat *st) {
    struct stat found;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (path[0] != '/' || !*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return resolve_whole(path, st);
    const char *parent = slash == path ? "/" : directory(known, path, (size_t)(slash - path));
    char *real = parent ? ur_path_join(parent, name) : NULL;
    if (!real || strlen(real) >= PATH_MAX || lstat(real, &found) < 0 || S_ISLNK(found.st_mode)) {
        free(real);
        return resolve_whole(path, st);
    }
    if (st)
        *st = found;
    return real;
}

void ur_resolved_free(struct ur_resolved *known) {
    for (size_t i = 0; i < UR_RESOLVED; i++) {
        free(known->directory[i].said);
        free(known->directory[i].real);
    }
    *known = (struct ur_resolved){0};
}
