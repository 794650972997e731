/*
 * Which of the changes are meant: by path, by pattern, by asking. A directory that was renamed or made anew goes as a
 * whole, with all that is in it, and a renamed file with both of its names.
 */
#ifndef UNIONRUN_LAYERS_SELECT_H
#define UNIONRUN_LAYERS_SELECT_H

#include "layers/changes.h"

struct selection {
    const struct changes *changes;
    bool *chosen;      /* of each change */
    bool all;          /* nothing was left out */
    bool quit;         /* by who was asked: nothing is to be done (has been said) */
    const char **path; /* sorted: each name that is meant; borrowed from the changes */
    size_t paths;
    const char **whole; /* directories that go with all that is in them */
    size_t wholes;
};

struct select_by {
    char *const *path; /* in the union; none: all */
    size_t paths;
    char *const *include, *const *exclude; /* NULL-terminated, or NULL */
    bool interactive;
    const char *verb; /* "commit", for the question */
};

/* False: has been said (a whole would be torn apart). */
bool select_changes(struct selection *selection, const struct layers *layers, const struct changes *changes,
                    const struct select_by *by);
void select_free(struct selection *selection);

/* Is this union path meant? `selection` is a struct selection. */
bool select_wants(void *selection, const char *path);

/* Does a pattern name this path (relative to the target)? One without a slash names any component, one with a slash the
   path from its beginning; a directory stands for what is in it. */
bool select_matches(const char *pattern, const char *relative);

/* Do the patterns mean the change: one of `include`, if there are any, and none of `exclude`? Its old name counts, too.
 */
bool select_by_pattern(const struct layers *layers, const struct change *change, char *const *include,
                       char *const *exclude);

#endif
