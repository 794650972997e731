/*
 * Layers at rest: the upper as a thing that people keep. One invocation of a tool:
 *
 *     main.c      finds the tool by its name in commands.def
 *     options.c   argv -> options; the mounts are read as a run reads them (config/options.c)
 *     mounts.c    plan -> union: what the tool asks the engine about; locks
 *     show.c      text, names and JSON for people and programs
 *
 * A tool is a function layers_NAME(), a row in commands.def and a file of that name. What a union means it asks the
 * engine (engine/layer.h), which knows no tool.
 */
#ifndef UNIONRUN_LAYERS_LAYERS_H
#define UNIONRUN_LAYERS_LAYERS_H

#include "config/options.h"
#include "config/plan.h"
#include "config/take.h"
#include "config/text.h"
#include "engine/engine.h"
#include "engine/layer.h"
#include "launch/say.h"

#include <stdbool.h>

/* Exit statuses, beside 0 and EXIT_OURS: what a tool was asked to look for is there (its --help says so). */
enum { EXIT_DIFFERENT = 1 };

struct layers {
    const char *command;
    struct ur_mount_options mounts;
    struct ur_plan plan; /* after layers_open checked; the skeletons left out */
    char **path;         /* the arguments that are no options; borrowed from argv */
    size_t paths;
    bool json;      /* --json, which every tool has that tells something */
    bool unmounted; /* the tool takes no mounts: said by it before it reads its options */

    struct ur_union u; /* after layers_open; `shared` is NULL */
    struct ur_caller caller;
    struct ur_locks locks;
    bool busy; /* a run is going on in one of the uppers */
};

#define COMMAND(name, arguments, help) int layers_##name(struct layers *layers, int argc, char **argv);
#include "layers/commands.def"
#undef COMMAND

/* --- options.c ------------------------------------------------------------------------------------------- */

/* An option of a tool's own. Lists end with one without a name. */
struct layers_option {
    const char *name;  /* "--stat" */
    const char *value; /* what --help calls its value; NULL: a flag */
    const char *help;
    bool *flag;        /* set by a flag */
    const char **text; /* set by a value, borrowed from argv; twice is a mistake */
    char ***list; /* or appended to this NULL-terminated list (NULL at first; freed by the caller, not its texts) */
};

enum layers_next { LAYERS_GO, LAYERS_DONE /* --help: exit status 0 */, LAYERS_WRONG /* has been said */ };

/* Reads what follows the tool's name. `most`: that many paths are taken, at least `least`. `usage` (several lines,
   without "Usage:") and `about` are for --help. */
enum layers_next layers_read(struct layers *layers, int argc, char **argv, const struct layers_option *options,
                             size_t least, size_t most, const char *about);

/* --- mounts.c -------------------------------------------------------------------------------------------- */

enum layers_use {
    LAYERS_LOOK,  /* nothing is changed; if a run is going on in an upper, that is said, and `busy` set */
    LAYERS_CHANGE /* uppers are made if missing and taken, as by a run, and are no run's lowers; what a killed run left
                     is mended */
};

/* From the options to the union. False: has been said. */
bool layers_open(struct layers *layers, enum layers_use use);
void layers_close(struct layers *layers);
/* After layers_open(LAYERS_LOOK): takes the uppers for a change, and mends. False: has been said. */
bool layers_take(struct layers *layers);
/* Keeps the mount's topmost lower for a change. False: has been said, a run uses it. */
bool layers_claim_lower(struct layers *layers, const struct ur_plan_mount *mount);

/* Finishes the commits of its uppers that were interrupted (commit.c). False: has been said. */
bool layers_finish_commit(struct layers *layers);

/* The mount of the plan, and of the table, at or above a union path; NULL: none, or one without layers. */
struct ur_plan_mount *layers_plan_mount(const struct layers *layers, const char *path);

/* The canonical union path of what a user called `path`: relative to the cwd, symlinks but the last one followed in the
   union. One whose parents are not there is taken as it is written. Owned by the caller. */
char *layers_locate(const struct layers *layers, const char *path);

/* "upper", "lower 1" (the topmost) ...: owned by the caller. */
char *layers_label(const struct ur_table_mount *mount, unsigned layer);

/* --- show.c ---------------------------------------------------------------------------------------------- */

/* Of an -errno, for say(). */
const char *layers_error(long ret);

/* What a mode says of a file: "regular", "directory", "symlink", "fifo", "socket", "block device", "character device".
 */
const char *layers_type(mode_t mode);

/* "1,234 bytes": owned by the caller. */
char *layers_size(uint64_t bytes);
/* "1 file", "2,000 files": owned by the caller. */
char *layers_count(uint64_t count, const char *one, const char *more);

/* Are colours wanted on stdout: a terminal, not TERM=dumb, and no NO_COLOR? */
bool layers_colours(void);

/* A JSON string. JSON holds nothing but UTF-8; of another name `key` gets an approximation and key_base64 the bytes. */
struct json_t;
void layers_json_name(struct json_t *object, const char *key, const char *name);
/* {"format": 1, KEY: LIST}: what a tool that tells a list prints. The list is the root's. */
struct json_t *layers_json_root(const char *key, struct json_t **list);
/* Prints and releases it. The exit status. */
int layers_json_print(struct json_t *root);

/* Flushes stdout: `status`, or EXIT_OURS if what was printed did not get out (has been said). */
int layers_end(int status);

#endif
