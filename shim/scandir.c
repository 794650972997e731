/*
 * scandir and scandirat over our own streams: entries that the filter takes are copied to the heap and sorted.
 * The caller's functions may do as they like (open files, throw): nothing is held while they run but the stream.
 */
#include "shim.h"

#include <dirent.h>
#include <stdlib.h>

typedef int filter_fn(const struct dirent *);
typedef int order_fn(const struct dirent **, const struct dirent **);

static int collect(DIR *d, struct dirent ***list, filter_fn *filter, order_fn *order) {
    struct dirent **found = NULL, *e;
    size_t n = 0, room = 0;
    int saved = errno;
    for (errno = 0; (e = ur_dir_read(d)); errno = 0) {
        if (filter && !filter(e))
            continue;
        if (n == room) {
            room = room ? 2 * room : 16;
            struct dirent **more = realloc(found, room * sizeof *found);
            if (!more)
                goto failed;
            found = more;
        }
        struct dirent *copy = malloc(e->d_reclen);
        if (!copy)
            goto failed;
        found[n++] = memcpy(copy, e, e->d_reclen);
    }
    if (errno)
        goto failed;
    ur_dir_close(d);
    if (order && n)
        qsort(found, n, sizeof *found, (int (*)(const void *, const void *))(void (*)(void))order);
    if (!found) /* libc hands out something to free */
        found = malloc(sizeof *found);
    *list = found;
    errno = saved;
    return (int)n;
failed:
    saved = errno;
    ur_dir_close(d);
    while (n)
        free(found[--n]);
    free(found);
    errno = saved;
    return -1;
}

UR_EXPORT int scandir(const char *path, struct dirent ***list, filter_fn *filter, order_fn *order) {
    DIR *d = ur_dir_open(AT_FDCWD, path);
    return d ? collect(d, list, filter, order) : -1;
}
UR_TWIN(scandir64, scandir)

UR_EXPORT int scandirat(int dirfd, const char *path, struct dirent ***list, filter_fn *filter, order_fn *order) {
    DIR *d = ur_dir_open(dirfd, path);
    return d ? collect(d, list, filter, order) : -1;
}
UR_TWIN(scandirat64, scandirat)
