/*
 * The options that say what the mounts are: --layers, or --target and what belongs to it. Whoever takes them, a run or
 * a tool that looks at layers, reads them here.
 */
#ifndef UNIONRUN_CONFIG_OPTIONS_H
#define UNIONRUN_CONFIG_OPTIONS_H

#include "config/plan.h"

/*
 * A row of --help. The options' tables are made of them, and --help is what completions and the manual are made of
 * (scripts/options), so a row is all that an option needs to be told everywhere.
 */
struct ur_option {
    const char *name;  /* "--layers"; NULL ends a table */
    const char *value; /* NULL: a flag. FILE, DIR, PATH: completed as such; "auto|off": one of these words */
    const char *help;  /* without the last newline */
};

void ur_option_print(const struct ur_option *option);

struct ur_mount_options {
    const char *layers; /* the layer file, borrowed; NULL: the plan holds the mounts of the command line */
    bool target_first;  /* the command line's first mount began with --target */
};

/* The first is --layers. */
extern const struct ur_option ur_mount_options[];

/* Prints the lines of --help about them. */
void ur_mount_options_print(void);

/* Is it one of them? Each takes a value. */
bool ur_is_mount_option(const char *name);

/* The functions that return text: NULL, or what is wrong, owned by the caller. */

/* Reads one into `options` and `plan`, whose base is set. */
char *ur_mount_option(struct ur_mount_options *options, struct ur_plan *plan, const char *name, const char *value);

/* Are they whole? `needed`: none at all is a mistake. */
char *ur_mount_options_check(const struct ur_mount_options *options, const struct ur_plan *plan, bool needed);

/* What is wrong with `value` as a path, for the option `name`. */
char *ur_path_option_check(const char *name, const char *value);

/* Sets where the relative paths of a command line begin: the working directory. */
void ur_plan_begin_here(struct ur_plan *plan);

/* An absolute path, owned by the caller. */
char *ur_plan_absolute(const struct ur_plan *plan, const char *path);

/* The plan of the options: the layer file's, if there is one. False: plan->error. */
bool ur_mount_options_load(const struct ur_mount_options *options, struct ur_plan *plan);

#endif
