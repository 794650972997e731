/* Uppers and their works, taken for one user at a time: a run, or a tool that changes them. */
#ifndef UNIONRUN_CONFIG_TAKE_H
#define UNIONRUN_CONFIG_TAKE_H

#include "config/plan.h"

struct ur_locks {
    int *fd; /* owned; an upper stays taken until every copy of its descriptors is closed */
    size_t count;
    size_t uppers; /* of them, the first so many are uppers' and their works' */
};

/* Makes what is missing of the plan's uppers and works, takes them and probes the uppers. False: plan->error. What was
   taken until then is in `locks` also on failure. */
bool ur_take_uppers(struct ur_plan *plan, struct ur_locks *locks);

/* Closes the descriptors and frees the list. */
void ur_locks_free(struct ur_locks *locks);

/* Where the work directory notes that a commit of the upper is under way: a symlink to what says that it has to be
   finished, if that is there. Owned by the caller. */
char *ur_commit_mark(const struct ur_plan_mount *mount);
/* Is a commit of one of the uppers unfinished? Then plan->error says so. */
bool ur_commit_unfinished(struct ur_plan *plan);

/* Has somebody taken this upper? Leaves no trace, and never stands in another's way. False also where it cannot be
   told (a filesystem without locks, an upper that is not there). */
bool ur_is_taken(const char *upper);

#endif
