/*
 * The plan: what the layer file or the command line says, as plain data between the steps
 *
 *     layerfile.c or options.c   fill it         (what was said)
 *     check.c                    makes it true   (canonical paths, devices, skeletons; changes nothing on disk)
 *     take.c                     acts on it      (makes uppers and works, takes the locks, probes)
 *     compile.c                  writes it down  (the layer table)
 *
 * A plan owns all of its strings. The first thing found wrong is kept in `error`, and every step that
 * returns false has set it.
 */
#ifndef UNIONRUN_CONFIG_PLAN_H
#define UNIONRUN_CONFIG_PLAN_H

#include "config/resolve.h"
#include "config/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum ur_plan_kind { UR_PLAN_UNION, UR_PLAN_PASS, UR_PLAN_SKELETON };

struct ur_plan_mount {
    enum ur_plan_kind kind;
    int said; /* its index in "mounts", or in "pass"; -1 if nobody said it */
    char *target;

    char **lower; /* topmost first; of a skeleton the one directory, once the launcher has made it */
    dev_t *dev;   /* st_dev of each, after the check */
    size_t lowers;

    char *upper; /* NULL: read-only */
    char *work;  /* after the check never NULL where there is an upper */
    dev_t upper_dev;
    uint32_t caps; /* enum ur_upper_caps, after the probe */
    bool wide;     /* after the check: a lower is the target itself, or holds it (or is "/") */

    char **made; /* of a skeleton: the directories beneath its target to be made, parents first, relative */
    size_t makes;
};

/* A path that programs of the run may write to, though no union covers it. */
struct ur_plan_writable {
    char *path; /* after the check canonical, and there */
    int said;   /* its index in "writable"; -1: nobody said it */
    int option; /* which --writable it was; -1: none */
};

struct ur_plan {
    char *file; /* the layer file as it was named; NULL: the command line */
    char *text; /* its contents, kept to find the line of a mistake */
    size_t size;
    char *base; /* absolute; where relative paths begin */

    struct ur_plan_mount *mounts;
    size_t count;
    char **pass; /* as said; the check makes mounts of them */
    size_t passes;
    bool pass_said;

    struct ur_plan_writable *writable; /* the check adds the usual ones, if the file names none */
    size_t writables;
    bool writable_said; /* by the file */
    enum ur_raw raw;
    size_t index; /* bytes of the run's shared index (engine/index.c), if index_said; 0: none */
    bool index_said;
    enum ur_durability durability;
    bool durability_said;
    size_t metacopy; /* as in the table, if metacopy_said */
    bool metacopy_said;
    bool root; /* it is simulated (engine/root.h) */

    uint64_t max_upper; /* what the uppers may hold together, in bytes; 0: nobody said */

    char *trace; /* where calls are told: a file that is there, canonical; NULL: nowhere */
    bool trace_json;

    char **environment; /* "NAME=VALUE", as said */
    size_t variables;
    char *user;      /* who the command is: NAME or UID, :GROUP or :GID; NULL: who starts it */
    char *directory; /* where the command starts, absolute; NULL: where one is */
    char **command;  /* if the command line gives none: command[1] is its name, [0] free, NULL behind. NULL: none */
    size_t words;    /* of it, the free one too */

    struct ur_resolved resolved; /* while it is checked */

    char *error; /* what is wrong and what to do about it, without "unionrun: " and newline */
};

/* Where in the layer file a value stands. An index of -1 leaves that part out. */
enum { UR_SAID_OPTION = -2 }; /* as `mount`: not in the file, but the option "--key" of the command line */
struct ur_said_at {
    int mount;       /* "mounts[mount]" */
    const char *key; /* ".key"; NULL for the mount itself */
    int index;       /* "[index]" */
};

/* A mount added at the end; borrowed until the next one is added. */
struct ur_plan_mount *ur_plan_add(struct ur_plan *plan, enum ur_plan_kind kind, int said);

/* Takes over `path`. */
void ur_plan_add_lower(struct ur_plan_mount *mount, char *path);
void ur_plan_add_pass(struct ur_plan *plan, char *path);
void ur_plan_add_writable(struct ur_plan *plan, char *path, int said, int option);

/* "hide", "read-only", "allow". False: it is none of them. */
#define UR_RAW_NAMES "\"hide\", \"read-only\" and \"allow\""
bool ur_raw_named(const char *name, enum ur_raw *raw);
const char *ur_raw_name(enum ur_raw raw);

/* The same for "volatile", "copy-up", "strict". */
#define UR_DURABILITY_NAMES "\"volatile\", \"copy-up\" and \"strict\""
bool ur_durability_named(const char *name, enum ur_durability *durability);
const char *ur_durability_name(enum ur_durability durability);

/* "8M", "512K", "65536", "0" in bytes. False: it is no size, or above 1 GiB. */
#define UR_INDEX_SIZES "a size of at most 1G, such as \"8M\", or \"0\" for no index"
bool ur_index_size(const char *text, size_t *bytes);

/* "on", "off", or the least size of such a file: "64K". The table's number. False: it is none of them. */
#define UR_METACOPY_VALUES "on, off, or a size of at most 1G from which on it is on, such as 1M"
bool ur_metacopy_named(const char *text, size_t *least);

/* "2G", "500M" ... in bytes. False: it is no size, 0, or above 8 EiB. */
#define UR_MAX_UPPER_SIZES "a size such as \"2G\" or \"500M\""
bool ur_max_upper_size(const char *text, uint64_t *bytes);

/* Keeps "FILE:LINE: key KEY: message" as the plan's error, unless there is one. Always false. */
bool ur_plan_fail(struct ur_plan *plan, struct ur_said_at where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a mistake in the file as a whole; line 0 leaves the line out. */
bool ur_plan_fail_file(struct ur_plan *plan, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The line (1 is the first) where the value at `where` stands in `text`, which is well-formed JSON; the line of
   the innermost value around it that can be found, if it cannot. */
int ur_locate(const char *text, size_t size, struct ur_said_at where);

void ur_plan_free(struct ur_plan *plan);

#endif
