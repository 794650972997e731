/* Lowers in use: runs announce them, and a tool that is about to change one asks. */
#ifndef UNIONRUN_CONFIG_LOWERS_H
#define UNIONRUN_CONFIG_LOWERS_H

#include "config/take.h"

/* For a run: announces each lower of the plan, as long as `locks` are held. False: plan->error, a tool is changing one.
 */
bool ur_use_lowers(struct ur_plan *plan, struct ur_locks *locks);

/* For a tool: keeps `path` for a change, as long as `locks` are held. False: plan->error, a run uses it as a lower. */
bool ur_claim_layer(struct ur_plan *plan, struct ur_locks *locks, struct ur_said_at where, const char *path);

/* For a tool that changes uppers, after ur_take_uppers: ur_claim_layer of each. */
bool ur_claim_uppers(struct ur_plan *plan, struct ur_locks *locks);

#endif
