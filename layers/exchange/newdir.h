/*
 * A directory that is there as a whole or not at all.
 *
 * All is made in a directory beside it, which is renamed at the end; one that a killed command has left is removed by
 * the next one that makes the same directory, which knows it by a lock that nobody holds.
 */
#ifndef UNIONRUN_LAYERS_EXCHANGE_NEWDIR_H
#define UNIONRUN_LAYERS_EXCHANGE_NEWDIR_H

#include <stdbool.h>

struct ur_newdir {
    const char *out; /* as it was named; borrowed */
    char *parent, *name;
    int parent_fd;
    char *stage; /* canonical; NULL: there is none (any more) */
    int fd;      /* the stage's */
};

/* `out` must not be there, or be empty. False: has been said. ur_newdir_end in any case. */
bool ur_newdir_begin(struct ur_newdir *newdir, const char *out);

/* The stage becomes `out`: it is on disk before it has that name, and the name at the end. False: has been said. */
bool ur_newdir_commit(struct ur_newdir *newdir);

/* Removes a stage that did not. */
void ur_newdir_end(struct ur_newdir *newdir);

#endif
