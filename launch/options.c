/*
 * The command line: options into the plan, by one table that --help and the reader share.
 *
 * Mounts come either from one layer file or from the command line, never from both. On the command line --target
 * opens a mount and what follows belongs to it; as long as there is only one mount, the order is free.
 */
#include "launch/options.h"
#include "config/table.h"
#include "config/text.h"
#include "launch/say.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Usage: unionrun --layers FILE [OPTION...] -- COMMAND [ARGUMENT...]\n"
    "       unionrun --target DIR --lower DIR... [--upper DIR] [OPTION...] -- COMMAND [ARGUMENT...]\n"
    "       unionrun --check ...\n"
    "       unionrun doctor [--json] [--layers FILE]\n"
    "Run COMMAND, and all that it starts, in a union of directories: read-only lowers and one\n"
    "writable upper, seen as one tree. The lowers stay as they are; every change goes to the upper.\n"
    "\n"
    "  --layers FILE   the mounts as JSON\n"
    "\n"
    "or, without a file, for each mount:\n"
    "  --target DIR    where the union is seen; for several mounts, put it before the others\n"
    "  --lower DIR     a read-only layer; give more, the topmost first\n"
    "  --upper DIR     takes the changes; made if missing. Without it the union is read-only\n"
    "  --work DIR      unionrun's own, on the upper's filesystem (UPPER.work if not given)\n"
    "  --pass PATH     leave PATH in a target as the host has it; give more for more paths\n"
    "                  (for the target / these are /proc, /sys and /dev if none is given)\n"
    "\n"
    "  --ephemeral     throw the changes away at the end: a fresh upper under ${TMPDIR:-/tmp} in place\n"
    "                  of each upper of the file, or for each mount of the command line\n"
    "  --writable PATH let programs write to PATH outside the unions as well, beside /tmp and /dev/shm\n"
    "                  (or what the file has as \"writable\" in place of these); give more for more paths\n"
    "  --raw=HOW       the layers' own paths are: hide, not there (if not given, and the file says\n"
    "                  nothing); read-only; allow, as any other\n"
    "  --fence=HOW     keep the lowers, and all but the writable paths, from writes by the kernel\n"
    "                  (Landlock): auto, where it can; require, or do not run; off\n"
    "  --guard=HOW     serve also programs and calls that the shim does not see (seccomp): the same\n"
    "  --no-preload    the guard alone, without the shim; implies --guard=require\n"
    "\n"
    "  --check         only check the mounts and print them; runs nothing, changes nothing\n"
    "  --json          with --check and doctor: print as JSON\n"
    "  --verbose       say more on stderr\n"
    "  --help          print this and exit\n"
    "  --version       print the version and exit\n"
    "\n"
    "unionrun doctor tells what this host offers, and what a run would cover: exit status 0 if nothing\n"
    "is missing, 1 if something is.\n"
    "\n"
    "The exit status is the command's; a signal that ends it ends unionrun too. 125: unionrun itself\n"
    "failed, 126: the command cannot be run, 127: it was not found.\n";

struct reader {
    char **arguments; /* what is left of argv */
    struct options *options;
    struct ur_plan *plan;
    bool target_first; /* the command line's first mount began with --target */
    bool json_said;
};

static enum options_next wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

static enum options_next wrong(const char *format, ...) {
    va_list values;
    char *message = NULL;
    va_start(values, format);
    if (vasprintf(&message, format, values) >= 0)
        say("%s; see unionrun --help", message);
    va_end(values);
    free(message);
    return OPTIONS_WRONG;
}

static char *absolute(const struct reader *reader, const char *path) {
    if (path[0] == '/')
        return ur_format("%s", path);
    return ur_path_join(reader->plan->base, path);
}

/* The mount that a mount's option belongs to; the first one comes with the first option. */
static struct ur_plan_mount *current(struct reader *reader) {
    if (reader->plan->count == 0)
        return ur_plan_add(reader->plan, UR_PLAN_UNION, 0);
    return &reader->plan->mounts[reader->plan->count - 1];
}

static enum options_next read_target(struct reader *reader, const char *value) {
    if (reader->plan->count == 0)
        reader->target_first = true;
    else if (current(reader)->target && !reader->target_first)
        return wrong("a second --target: with several mounts, each --target stands before its --lower and --upper");
    struct ur_plan_mount *mount = current(reader);
    if (mount->target) {
        if (reader->plan->count == UR_MOUNTS_MAX)
            return wrong("more than %d mounts", UR_MOUNTS_MAX);
        mount = ur_plan_add(reader->plan, UR_PLAN_UNION, (int)reader->plan->count);
    }
    mount->target = absolute(reader, value);
    return OPTIONS_RUN;
}

static enum options_next read_lower(struct reader *reader, const char *value) {
    struct ur_plan_mount *mount = current(reader);
    if (mount->lowers == UR_LAYERS_MAX - 1)
        return wrong("more than %d --lower in a mount", UR_LAYERS_MAX - 1);
    ur_plan_add_lower(mount, absolute(reader, value));
    return OPTIONS_RUN;
}

static enum options_next read_once(struct reader *reader, const char *name, char **place, const char *value) {
    if (*place)
        return wrong("%s twice in a mount", name);
    *place = absolute(reader, value);
    return OPTIONS_RUN;
}

static const char *const choices[] = {"auto", "require", "off"};

const char *choice_name(enum choice choice) {
    return choices[choice];
}

static enum options_next read_choice(const char *name, const char *value, enum choice *choice) {
    for (unsigned i = 0; i < sizeof choices / sizeof *choices; i++)
        if (strcmp(value, choices[i]) == 0) {
            *choice = (enum choice)i;
            return OPTIONS_RUN;
        }
    return wrong("%s=%s: it is auto, require or off", name, value);
}

static enum options_next read_raw(struct options *options, const char *value) {
    if (!ur_raw_named(value, &options->raw))
        return wrong("--raw=%s: it is hide, read-only or allow", value);
    options->raw_said = true;
    return OPTIONS_RUN;
}

static enum options_next read_value(struct reader *reader, const char *name, const char *value) {
    if (strcmp(name, "--fence") == 0)
        return read_choice(name, value, &reader->options->fence);
    if (strcmp(name, "--guard") == 0)
        return read_choice(name, value, &reader->options->guard);
    if (strcmp(name, "--raw") == 0)
        return read_raw(reader->options, value);
    if (!*value)
        return wrong("%s: an empty path", name);
    if (strlen(value) >= PATH_MAX)
        return wrong("%s: a path longer than %d bytes", name, PATH_MAX - 1);
    if (strcmp(name, "--layers") == 0) {
        if (reader->options->layers)
            return wrong("--layers twice");
        reader->options->layers = value;
        return OPTIONS_RUN;
    }
    if (strcmp(name, "--target") == 0)
        return read_target(reader, value);
    if (strcmp(name, "--lower") == 0)
        return read_lower(reader, value);
    if (strcmp(name, "--upper") == 0)
        return read_once(reader, name, &current(reader)->upper, value);
    if (strcmp(name, "--work") == 0)
        return read_once(reader, name, &current(reader)->work, value);
    if (strcmp(name, "--writable") == 0) {
        struct options *options = reader->options;
        options->writable = ur_grow(options->writable, options->writables, sizeof *options->writable);
        options->writable[options->writables++] = absolute(reader, value);
        return OPTIONS_RUN;
    }
    reader->plan->pass_said = true; /* --pass */
    ur_plan_add_pass(reader->plan, absolute(reader, value));
    return OPTIONS_RUN;
}

static bool takes_value(const char *name) {
    static const char *const names[] = {"--layers", "--target",   "--lower", "--upper", "--work",
                                        "--pass",   "--writable", "--raw",   "--fence", "--guard"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Where a flag is kept; NULL: there is no such flag. */
static bool *flag(struct options *options, const char *name) {
    if (strcmp(name, "--check") == 0)
        return &options->check;
    if (strcmp(name, "--json") == 0)
        return &options->json;
    if (strcmp(name, "--ephemeral") == 0)
        return &options->ephemeral;
    if (strcmp(name, "--verbose") == 0)
        return &options->verbose;
    if (strcmp(name, "--no-preload") == 0)
        return &options->no_preload;
    return NULL;
}

static enum options_next read_option(struct reader *reader) {
    const char *argument = *reader->arguments++;
    size_t length = strcspn(argument, "=");
    UR_AUTO_TEXT name = ur_copy(argument, length);
    const char *value = argument[length] ? argument + length + 1 : NULL;
    if (takes_value(name)) {
        if (!value && !*reader->arguments)
            return wrong("%s wants a value", name);
        return read_value(reader, name, value ? value : *reader->arguments++);
    }
    bool *kept = flag(reader->options, name);
    if (kept && value)
        return wrong("%s takes no value", name);
    if (kept) {
        *kept = true;
        return OPTIONS_RUN;
    }
    if (strcmp(argument, "--help") == 0) {
        fputs(help, stdout);
        return OPTIONS_DONE;
    }
    if (strcmp(argument, "--version") == 0) {
        puts("unionrun " UNIONRUN_VERSION);
        return OPTIONS_DONE;
    }
    if (argument[0] != '-')
        return wrong("%s: not an option; -- stands before the command", argument);
    return wrong("%s: no such option", argument);
}

static enum options_next check_nets(struct options *options) {
    if (options->no_preload && options->guard == CHOICE_OFF)
        return wrong("--no-preload and --guard=off exclude each other: nothing would make the union");
    if (options->no_preload)
        options->guard = CHOICE_REQUIRE;
    return OPTIONS_RUN;
}

static enum options_next check_whole(const struct reader *reader) {
    const struct options *options = reader->options;
    const struct ur_plan *plan = reader->plan;
    if (options->layers && (plan->count || plan->pass_said))
        return wrong("--layers and the options of a mount exclude each other");
    if (!options->layers && plan->count == 0 && !options->doctor)
        return wrong("no --layers FILE, and no --target and --lower");
    for (size_t i = 0; i < plan->count; i++) {
        if (!plan->mounts[i].target)
            return wrong("no --target: where is the union to be seen?");
        if (!plan->mounts[i].lowers)
            return wrong("--target %s has no --lower", plan->mounts[i].target);
    }
    if (options->doctor && (options->check || options->ephemeral || options->command))
        return wrong("doctor runs no command, and takes no --check and no --ephemeral");
    if (options->json && !options->check && !options->doctor)
        return wrong("--json goes with --check and with doctor");
    if (options->check && options->command)
        return wrong("--check runs no command");
    if (!options->check && !options->doctor && !options->command)
        return wrong("no -- COMMAND");
    return check_nets(reader->options);
}

enum options_next options_read(int argc, char **argv, struct options *options, struct ur_plan *plan) {
    struct reader reader = {.arguments = argv + (argc > 0), .options = options, .plan = plan};
    plan->base = getcwd(NULL, 0);
    if (!plan->base)
        plan->base = ur_format("/"); /* a removed directory; only relative paths would have needed it */
    if (*reader.arguments && strcmp(*reader.arguments, "doctor") == 0) {
        options->doctor = true;
        reader.arguments++;
    }
    while (*reader.arguments && strcmp(*reader.arguments, "--") != 0) {
        enum options_next next = read_option(&reader);
        if (next != OPTIONS_RUN)
            return next;
    }
    if (*reader.arguments && reader.arguments[1])
        options->command = reader.arguments + 1;
    return check_whole(&reader);
}

void options_free(struct options *options) {
    for (size_t i = 0; i < options->writables; i++)
        free(options->writable[i]);
    free(options->writable);
    options->writable = NULL;
    options->writables = 0;
}
