/* The layer file: JSON, read by jansson into a plan. */
#ifndef UNIONRUN_CONFIG_LAYERFILE_H
#define UNIONRUN_CONFIG_LAYERFILE_H

#include "config/plan.h"

enum { UR_LAYERFILE_MAX = 1 << 20 /* bytes */ };

/* Fills an empty plan from the file; false with plan->error. Paths come out absolute, but not yet looked at. */
bool ur_layerfile_load(struct ur_plan *plan, const char *file);

/* The same from text in memory (for the fuzzer, and for whoever has it already). Takes over `text`; copies `file`,
   which is what the messages call it, and `base`, where relative paths begin. */
bool ur_layerfile_parse(struct ur_plan *plan, const char *file, const char *base, char *text, size_t size);

/* Is it a variable that a run sets itself, and a layer file therefore must not? */
bool ur_run_sets(const char *name);

#endif
