/* The checked plan as --check prints it, for people or as JSON. */
#include "config/text.h"
#include "launch/launch.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *kind(const struct ur_plan_mount *mount) {
    switch (mount->kind) {
    case UR_PLAN_PASS:
        return "pass";
    case UR_PLAN_SKELETON:
        return "skeleton";
    default:
        return "union";
    }
}

/* What the layer file says of the command; a word a line. */
static void show_command(const struct ur_plan *plan) {
    for (size_t i = 0; i < plan->variables; i++)
        printf("%-12s%s\n", i ? "" : "environment", plan->environment[i]);
    if (plan->user)
        printf("%-12s%s\n", "user", plan->user);
    if (plan->directory)
        printf("%-12s%s\n", "directory", plan->directory);
    for (size_t i = 1; i < plan->words; i++)
        printf("%-12s%s\n", i > 1 ? "" : "command", plan->command[i]);
}

static void show_nets(const struct launch *launch) {
    const struct ur_plan *plan = &launch->plan;
    for (size_t i = 0; i < plan->writables; i++)
        printf("%-10s%s\n", i ? "" : "writable", plan->writable[i].path);
    if (plan->max_upper)
        printf("max_upper %llu\n", (unsigned long long)plan->max_upper);
    if (plan->root)
        puts("root simulated");
    printf("raw       %s\nguard     %s%s\nfence     %s\n", ur_raw_name(plan->raw), choice_name(launch->options.guard),
           launch->options.no_preload ? ", alone" : "", choice_name(launch->options.fence));
}

bool show_text(const struct launch *launch) {
    const struct ur_plan *plan = &launch->plan;
    static const char *const what[] = {"a union", "the host's own", "made, to lead to a target"};
    for (size_t i = 0; i < plan->count; i++) {
        const struct ur_plan_mount *mount = &plan->mounts[i];
        bool read_only = mount->kind == UR_PLAN_UNION && !mount->upper;
        printf("%s  (%s%s)\n", mount->target, what[mount->kind], read_only ? ", read-only" : "");
        if (mount->upper)
            printf("    upper  %s\n", mount->upper);
        for (size_t k = 0; k < mount->lowers; k++)
            printf("    lower  %s\n", mount->lower[k]);
        if (mount->upper)
            printf("    work   %s\n", mount->work);
    }
    show_command(plan);
    show_nets(launch);
    return !ferror(stdout);
}

/* Takes over nothing; false if `text` is not UTF-8, which JSON cannot hold. */
static bool set(json_t *object, const char *key, const char *text) {
    return json_object_set_new(object, key, json_string(text)) == 0;
}

static json_t *mount_value(const struct ur_plan_mount *mount) {
    json_t *value = json_object(), *lower = json_array();
    bool right = set(value, "target", mount->target) && set(value, "kind", kind(mount));
    for (size_t i = 0; i < mount->lowers; i++)
        right = json_array_append_new(lower, json_string(mount->lower[i])) == 0 && right;
    if (mount->kind == UR_PLAN_UNION)
        right = json_object_set(value, "lower", lower) == 0 && right;
    if (mount->upper)
        right = set(value, "upper", mount->upper) && set(value, "work", mount->work) && right;
    json_decref(lower);
    if (right)
        return value;
    json_decref(value);
    return NULL;
}

static bool add_command(json_t *root, const struct ur_plan *plan) {
    json_t *environment = json_object(), *command = json_array();
    bool right = true;
    for (size_t i = 0; i < plan->variables; i++) {
        const char *value = strchr(plan->environment[i], '=') + 1;
        UR_AUTO_TEXT name = ur_copy(plan->environment[i], (size_t)(value - plan->environment[i]) - 1);
        right = set(environment, name, value) && right;
    }
    for (size_t i = 1; i < plan->words; i++)
        right = json_array_append_new(command, json_string(plan->command[i])) == 0 && right;
    if (plan->variables)
        right = json_object_set(root, "environment", environment) == 0 && right;
    if (plan->directory)
        right = set(root, "directory", plan->directory) && right;
    if (plan->words)
        right = json_object_set(root, "command", command) == 0 && right;
    json_decref(environment);
    json_decref(command);
    return right;
}

bool show_json(const struct launch *launch) {
    const struct ur_plan *plan = &launch->plan;
    json_t *root = json_object(), *mounts = json_array(), *writable = json_array();
    bool right = json_object_set_new(root, "mounts", mounts) == 0;
    right = json_object_set_new(root, "writable", writable) == 0 && right;
    right = set(root, "raw", ur_raw_name(plan->raw)) && right;
    right = set(root, "guard", choice_name(launch->options.guard)) && right;
    right = set(root, "fence", choice_name(launch->options.fence)) && right;
    right = json_object_set_new(root, "preload", json_boolean(!launch->options.no_preload)) == 0 && right;
    if (plan->max_upper)
        right = json_object_set_new(root, "max_upper", json_integer((json_int_t)plan->max_upper)) == 0 && right;
    if (plan->root)
        right = json_object_set_new(root, "root", json_true()) == 0 && right;
    if (plan->user)
        right = set(root, "user", plan->user) && right;
    right = add_command(root, plan) && right;
    for (size_t i = 0; i < plan->writables; i++)
        right = json_array_append_new(writable, json_string(plan->writable[i].path)) == 0 && right;
    for (size_t i = 0; i < plan->count && right; i++)
        right = json_array_append_new(mounts, mount_value(&plan->mounts[i])) == 0;
    if (!right)
        errno = EILSEQ;
    right = right && json_dumpf(root, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF;
    json_decref(root);
    return right;
}
