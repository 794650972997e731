/* The layer table, from a plan. */
#ifndef UNIONRUN_CONFIG_COMPILE_H
#define UNIONRUN_CONFIG_COMPILE_H

#include "config/plan.h"
#include "config/table.h"

/* The table of a checked and prepared plan (every skeleton has its directory as its lower), owned by the caller;
   `session` and `preload` (which may be "": no shim) are canonical paths, borrowed. `session` "": the table is for this
   process alone, for which the engine has no shared state either. */
struct ur_table *ur_compile(const struct ur_plan *plan, const char *session, const char *preload);

#endif
