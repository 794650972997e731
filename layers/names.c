/* The names of a directory of a union, as a sorted list. */
#include "layers/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static long add(void *arg, const char *name) {
    struct names *names = arg;
    names->name = ur_grow(names->name, names->count, sizeof *names->name);
    names->name[names->count++] = ur_format("%s", name);
    return 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(struct names *names) {
    if (names->count)
        qsort(names->name, names->count, sizeof *names->name, by_name);
    size_t kept = 0;
    for (size_t i = 0; i < names->count; i++)
        if (kept && strcmp(names->name[kept - 1], names->name[i]) == 0)
            free(names->name[i]);
        else
            names->name[kept++] = names->name[i];
    names->count = kept;
}

long names_of(const char *directory, struct names *names) {
    *names = (struct names){0};
    long ret = ur_names(directory, add, names);
    sort(names);
    return ret == -ENOENT ? 0 : ret;
}

long names_in(const struct ur_place *place, unsigned first, unsigned last, struct names *names) {
    char host[UR_PATH_MAX];
    *names = (struct names){0};
    long ret = 0;
    for (unsigned i = 0; ret >= 0 && i < ur_place_spots(place); i++) {
        long layer = ur_place_spot(place, i, host, NULL);
        if (layer < 0)
            ret = layer;
        else if (layer >= first && layer <= last)
            ret = ur_names(host, add, names);
        if (ret == -ENOENT) /* an upper that no run has made yet */
            ret = 0;
    }
    sort(names);
    return ret;
}

void names_free(struct names *names) {
    for (size_t i = 0; i < names->count; i++)
        free(names->name[i]);
    free(names->name);
    *names = (struct names){0};
}
