/* realpath(3) for many paths that lie beside each other. */
#ifndef UNIONRUN_CONFIG_RESOLVE_H
#define UNIONRUN_CONFIG_RESOLVE_H

#include <sys/stat.h>

/* What is known of a few directories, the one first that was asked for last. Zeroed: nothing. */
enum { UR_RESOLVED = 8 };
struct ur_resolved {
    struct ur_resolved_directory {
        char *said, *real;
    } directory[UR_RESOLVED];
};

/* As realpath(path, NULL), and `st` (NULL: not wanted) of what is there. Disks may change meanwhile: what is known is
   for one look at a plan. */
char *ur_resolve(struct ur_resolved *known, const char *path, struct stat *st);

void ur_resolved_free(struct ur_resolved *known);

#endif
