/* Taking something out of an upper, so that the lowers' word counts again: each by one step that is seen. */
#ifndef UNIONRUN_LAYERS_DROP_H
#define UNIONRUN_LAYERS_DROP_H

#include "layers/changes.h"

/* Removes what the upper has at a host path, whiteouts of each form, too; directories with all that is in them. Its
   parent keeps its times. What is not there is no error. False: has been said. */
bool drop_path(const struct ur_plan_mount *mount, const char *host);

/* Removes a directory of the upper if it is empty. */
void drop_empty(const char *host);

/* Where the upper has, or would have, what a change is about: owned by the caller. */
char *drop_place(const struct ur_plan_mount *mount, const char *path);

/* Forgets the kept copy of a lower's hard link (links/) that this change was about, if no name in the upper is left. */
void drop_link(const struct ur_plan_mount *mount, const struct change *change);

/* Empties the upper and what the work directory keeps about it; the upper's root comes to look like the topmost
 * lower's. */
bool drop_everything(const struct ur_plan_mount *mount);

#endif
