/*
 * The mounts of a command line.
 *
 * They come either from one layer file or from the command line, never from both. On the command line --target
 * opens a mount and what follows belongs to it; as long as there is only one mount, the order is free.
 */
#include "config/options.h"
#include "config/layerfile.h"
#include "config/text.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Where --help's text stands beside the names. */
enum { HELP_COLUMN = 18 };

const struct ur_option ur_mount_options[] = {
    {"--layers", "FILE", "the mounts as JSON"},
    {"--target", "DIR", "where the union is seen; for several mounts, put it before the others"},
    {"--lower", "DIR", "a read-only layer; give more, the topmost first"},
    {"--upper", "DIR", "takes the changes; made if missing. Without it the union is read-only"},
    {"--work", "DIR", "unionrun's own, on the upper's filesystem (UPPER.work if not given)"},
    {"--pass", "PATH",
     "leave PATH in a target as the host has it; give more for more paths\n"
     "(for the target / these are /proc, /sys and /dev if none is given)"},
    {0}};

void ur_option_print(const struct ur_option *option) {
    int width = printf("  %s%s%s", option->name, option->value ? " " : "", option->value ? option->value : "");
    printf("%*s", width < HELP_COLUMN ? HELP_COLUMN - width : 0, "");
    if (width >= HELP_COLUMN)
        printf("\n%*s", HELP_COLUMN, "");
    for (const char *c = option->help; *c; c++) {
        putchar(*c);
        if (*c == '\n')
            printf("%*s", HELP_COLUMN, "");
    }
    putchar('\n');
}

void ur_mount_options_print(void) {
    ur_option_print(ur_mount_options); /* --layers */
    puts("\nor, without a file, for each mount:");
    for (const struct ur_option *option = ur_mount_options + 1; option->name; option++)
        ur_option_print(option);
}

bool ur_is_mount_option(const char *name) {
    for (const struct ur_option *option = ur_mount_options; option->name; option++)
        if (strcmp(name, option->name) == 0)
            return true;
    return false;
}

void ur_plan_begin_here(struct ur_plan *plan) {
    plan->base = getcwd(NULL, 0);
    if (!plan->base)
        plan->base = ur_format("/"); /* a removed directory; only relative paths would have needed it */
}

char *ur_plan_absolute(const struct ur_plan *plan, const char *path) {
    if (path[0] == '/')
        return ur_format("%s", path);
    return ur_path_join(plan->base, path);
}

/* The mount that a mount's option belongs to; the first one comes with the first option. */
static struct ur_plan_mount *current(struct ur_plan *plan) {
    if (plan->count == 0)
        return ur_plan_add(plan, UR_PLAN_UNION, 0);
    return &plan->mounts[plan->count - 1];
}

static char *read_target(struct ur_mount_options *options, struct ur_plan *plan, const char *value) {
    if (plan->count == 0)
        options->target_first = true;
    else if (current(plan)->target && !options->target_first)
        return ur_format("a second --target: with several mounts, each --target stands before its --lower and --upper");
    struct ur_plan_mount *mount = current(plan);
    if (mount->target) {
        if (plan->count == UR_MOUNTS_MAX)
            return ur_format("more than %d mounts", UR_MOUNTS_MAX);
        mount = ur_plan_add(plan, UR_PLAN_UNION, (int)plan->count);
    }
    mount->target = ur_plan_absolute(plan, value);
    return NULL;
}

static char *read_lower(struct ur_plan *plan, const char *value) {
    struct ur_plan_mount *mount = current(plan);
    if (mount->lowers == UR_LAYERS_MAX - 1)
        return ur_format("more than %d --lower in a mount", UR_LAYERS_MAX - 1);
    ur_plan_add_lower(mount, ur_plan_absolute(plan, value));
    return NULL;
}

static char *read_once(const struct ur_plan *plan, const char *name, char **place, const char *value) {
    if (*place)
        return ur_format("%s twice in a mount", name);
    *place = ur_plan_absolute(plan, value);
    return NULL;
}

char *ur_path_option_check(const char *name, const char *value) {
    if (!*value)
        return ur_format("%s: an empty path", name);
    if (strlen(value) >= PATH_MAX)
        return ur_format("%s: a path longer than %d bytes", name, PATH_MAX - 1);
    return NULL;
}

char *ur_mount_option(struct ur_mount_options *options, struct ur_plan *plan, const char *name, const char *value) {
    char *wrong = ur_path_option_check(name, value);
    if (wrong)
        return wrong;
    if (strcmp(name, "--layers") == 0) {
        if (options->layers)
            return ur_format("--layers twice");
        options->layers = value;
        return NULL;
    }
    if (strcmp(name, "--target") == 0)
        return read_target(options, plan, value);
    if (strcmp(name, "--lower") == 0)
        return read_lower(plan, value);
    if (strcmp(name, "--upper") == 0)
        return read_once(plan, name, &current(plan)->upper, value);
    if (strcmp(name, "--work") == 0)
        return read_once(plan, name, &current(plan)->work, value);
    plan->pass_said = true; /* --pass */
    ur_plan_add_pass(plan, ur_plan_absolute(plan, value));
    return NULL;
}

char *ur_mount_options_check(const struct ur_mount_options *options, const struct ur_plan *plan, bool needed) {
    if (options->layers && (plan->count || plan->pass_said))
        return ur_format("--layers and the options of a mount exclude each other");
    if (!options->layers && plan->count == 0 && needed)
        return ur_format("no --layers FILE, and no --target and --lower");
    for (size_t i = 0; i < plan->count; i++) {
        if (!plan->mounts[i].target)
            return ur_format("no --target: where is the union to be seen?");
        if (!plan->mounts[i].lowers)
            return ur_format("--target %s has no --lower", plan->mounts[i].target);
    }
    return NULL;
}

bool ur_mount_options_load(const struct ur_mount_options *options, struct ur_plan *plan) {
    if (!options->layers)
        return true;
    ur_plan_free(plan);
    return ur_layerfile_load(plan, options->layers);
}
