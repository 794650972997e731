/* The names of a directory of a union, as a sorted list, each once. */
#ifndef UNIONRUN_LAYERS_NAMES_H
#define UNIONRUN_LAYERS_NAMES_H

#include "layers/layers.h"

struct names {
    char **name;
    size_t count;
};

/* About which one host directory of a layer says anything (ur_names). 0 or -errno; to be freed in any case. */
long names_of(const char *directory, struct names *names);
/* About which the place's layers `first` to `last` say anything, be it that it is not there. */
long names_in(const struct ur_place *place, unsigned first, unsigned last, struct names *names);
void names_free(struct names *names);

#endif
