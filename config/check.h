/* Whether the plan fits this host. */
#ifndef UNIONRUN_CONFIG_CHECK_H
#define UNIONRUN_CONFIG_CHECK_H

#include "config/plan.h"

/* Makes every path canonical, fills in devices, the default work directories and the usual writable paths, adds the
   pass-through and skeleton mounts; false with plan->error if anything does not fit. Only reads the disk. */
bool ur_check(struct ur_plan *plan);

/* The steps of it that have files of their own. */
bool ur_check_overlap(struct ur_plan *plan);
bool ur_check_writables(struct ur_plan *plan); /* pass-through mounts are there already */
bool ur_check_skeletons(struct ur_plan *plan);

/* The mount with the longest target that holds `path`; NULL: the host. */
struct ur_plan_mount *ur_check_covering(const struct ur_plan *plan, const char *path);

#endif
