/* The command line. */
#ifndef UNIONRUN_LAUNCH_OPTIONS_H
#define UNIONRUN_LAUNCH_OPTIONS_H

#include "config/plan.h"

struct options {
    const char *layers; /* the layer file; NULL: the plan holds the mounts of the command line */
    bool check, json, ephemeral, verbose;
    char **command; /* NULL-terminated, in argv; the element before it may be overwritten */
};

/* What to do after the options have been read. */
enum options_next { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_WRONG };

/* Reads argv into `options` and, without --layers, into `plan`. DONE after --help and --version, WRONG after a
   mistake; both have said what there is to say. */
enum options_next options_read(int argc, char **argv, struct options *options, struct ur_plan *plan);

#endif
