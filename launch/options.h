/* The command line. */
#ifndef UNIONRUN_LAUNCH_OPTIONS_H
#define UNIONRUN_LAUNCH_OPTIONS_H

#include "config/options.h"

/* Of the nets beneath the shim: where it can be had; or not at all without it; or not. */
enum choice { CHOICE_AUTO, CHOICE_REQUIRE, CHOICE_OFF };

struct options {
    struct ur_mount_options mounts;
    bool check, json, ephemeral, verbose;
    bool doctor; /* the subcommand: tell what this host offers, with or without mounts */
    bool try;    /* the subcommand: the host itself is the lower, and afterwards it is asked what is to become of it */
    bool yes, no;
    bool stats;
    char *report; /* absolute, owned: where the report goes; NULL: nowhere */
    char *trace;  /* the same: where calls are told */
    char *keep;   /* absolute, owned: where try leaves the upper; NULL: nowhere */
    enum choice guard, fence;
    bool no_preload; /* the guard alone, which then is required */
    enum ur_raw raw; /* counts if raw_said; else the layer file */
    bool raw_said;
    size_t index; /* counts if index_said; else the layer file */
    bool index_said;
    enum ur_durability durability; /* counts if durability_said; else the layer file */
    bool durability_said;
    bool root;       /* it is simulated, whatever the layer file says */
    size_t metacopy; /* counts if metacopy_said; else the layer file */
    bool metacopy_said;
    uint64_t max_upper; /* 0: not said; else the layer file */
    char **writable;    /* absolute, owned: added to those of the layer file, or to the usual ones */
    size_t writables;
    double timeout;    /* seconds, after which the run is ended; 0: it may take as long as it does */
    double kill_after; /* from SIGTERM to SIGKILL, where the run's processes are ended */
    bool end_all;      /* what the command leaves running is ended with it */
    char **command;    /* NULL-terminated, in argv or the plan; the element before it may be overwritten */
};

/* What to do after the options have been read. */
enum options_next { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_WRONG };

/* Reads argv into `options` and, without --layers, into `plan`. DONE after --help and --version, WRONG after a
   mistake; both have said what there is to say. */
enum options_next options_read(int argc, char **argv, struct options *options, struct ur_plan *plan);

void options_free(struct options *options);

/* "auto", "require", "off". */
const char *choice_name(enum choice choice);

#endif
