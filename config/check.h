/* Whether the plan fits this host. */
#ifndef UNIONRUN_CONFIG_CHECK_H
#define UNIONRUN_CONFIG_CHECK_H

#include "config/plan.h"

/* Makes every path canonical, fills in devices and the default work directories, adds the pass-through and
   skeleton mounts; false with plan->error if anything does not fit. Only reads the disk. */
bool ur_check(struct ur_plan *plan);

/* The steps of it that have files of their own. */
bool ur_check_overlap(struct ur_plan *plan);
void ur_check_skeletons(struct ur_plan *plan);

#endif
