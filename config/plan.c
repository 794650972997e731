/* The plan's memory and its error message; see plan.h. */
#include "config/plan.h"
#include "config/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ur_plan_mount *ur_plan_add(struct ur_plan *plan, enum ur_plan_kind kind, int said) {
    plan->mounts = ur_grow(plan->mounts, plan->count, sizeof *plan->mounts);
    struct ur_plan_mount *mount = &plan->mounts[plan->count++];
    mount->kind = kind;
    mount->said = said;
    return mount;
}

void ur_plan_add_lower(struct ur_plan_mount *mount, char *path) {
    mount->lower = ur_grow(mount->lower, mount->lowers, sizeof *mount->lower);
    mount->dev = ur_grow(mount->dev, mount->lowers, sizeof *mount->dev);
    mount->lower[mount->lowers++] = path;
}

void ur_plan_add_pass(struct ur_plan *plan, char *path) {
    plan->pass = ur_grow(plan->pass, plan->passes, sizeof *plan->pass);
    plan->pass[plan->passes++] = path;
}

void ur_plan_add_writable(struct ur_plan *plan, char *path, int said, int option) {
    plan->writable = ur_grow(plan->writable, plan->writables, sizeof *plan->writable);
    plan->writable[plan->writables++] = (struct ur_plan_writable){path, said, option};
}

static const char *const raw_names[] = {"hide", "read-only", "allow"};
static const char *const durability_names[] = {"copy-up", "volatile", "strict"};

/* Its place among three; -1: it is none of them. */
static int place_of(const char *name, const char *const names[3]) {
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}

bool ur_raw_named(const char *name, enum ur_raw *raw) {
    int place = place_of(name, raw_names);
    if (place >= 0)
        *raw = (enum ur_raw)place;
    return place >= 0;
}

bool ur_durability_named(const char *name, enum ur_durability *durability) {
    int place = place_of(name, durability_names);
    if (place >= 0)
        *durability = (enum ur_durability)place;
    return place >= 0;
}

const char *ur_durability_name(enum ur_durability durability) {
    return durability_names[durability];
}

const char *ur_raw_name(enum ur_raw raw) {
    return raw_names[raw];
}

static bool size_of(const char *text, uint64_t most, uint64_t *bytes) {
    static const char units[] = "KMGT";
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (errno || (*end && (!unit || end[1])) || n > most >> shift)
        return false;
    *bytes = n << shift;
    return true;
}

bool ur_index_size(const char *text, size_t *bytes) {
    uint64_t n;
    if (!size_of(text, UINT64_C(1) << 30, &n))
        return false;
    *bytes = (size_t)n;
    return true;
}

bool ur_max_upper_size(const char *text, uint64_t *bytes) {
    return size_of(text, INT64_MAX, bytes) && *bytes > 0;
}

bool ur_metacopy_named(const char *text, size_t *least) {
    bool on = strcmp(text, "on") == 0;
    if (on || strcmp(text, "off") == 0) {
        *least = on ? UR_METACOPY_BYTES : 0;
        return true;
    }
    return ur_index_size(text, least) && *least > 0;
}

/* A path in a message may hold anything; a terminal is not to obey it, and a message stays one line. */
static void keep(struct ur_plan *plan, char *message) {
    for (char *c = message; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
    if (plan->error)
        free(message);
    else
        plan->error = message;
}

static char *message_of(const char *format, va_list values) __attribute__((format(printf, 1, 0)));

static char *message_of(const char *format, va_list values) {
    char *text = NULL;
    return vasprintf(&text, format, values) < 0 ? ur_format("out of memory") : text;
}

static char *key_of(struct ur_said_at where) {
    UR_AUTO_TEXT mount = where.mount < 0 ? ur_format("%s", "") : ur_format("mounts[%d]", where.mount);
    UR_AUTO_TEXT index = where.index < 0 ? ur_format("%s", "") : ur_format("[%d]", where.index);
    const char *dot = where.mount >= 0 && where.key ? "." : "";
    return ur_format("%s%s%s%s", mount, dot, where.key ? where.key : "", index);
}

static size_t unions(const struct ur_plan *plan) {
    size_t count = 0;
    for (size_t i = 0; i < plan->count; i++)
        count += plan->mounts[i].kind == UR_PLAN_UNION;
    return count;
}

/* "--lower 2 of mount 3": what the command line calls the same thing. */
static char *option_of(const struct ur_plan *plan, struct ur_said_at where) {
    UR_AUTO_TEXT index = where.index <= 0 ? ur_format("%s", "") : ur_format(" %d", where.index + 1);
    UR_AUTO_TEXT mount =
        where.mount < 0 || unions(plan) < 2 ? ur_format("%s", "") : ur_format(" of mount %d", where.mount + 1);
    return ur_format("--%s%s%s", where.key ? where.key : "target", index, mount);
}

bool ur_plan_fail(struct ur_plan *plan, struct ur_said_at where, const char *format, ...) {
    va_list values;
    va_start(values, format);
    UR_AUTO_TEXT message = message_of(format, values);
    va_end(values);
    if (!plan->file || where.mount == UR_SAID_OPTION) {
        UR_AUTO_TEXT option = option_of(plan, where);
        keep(plan, ur_format("%s: %s", option, message));
    } else {
        UR_AUTO_TEXT key = key_of(where);
        keep(plan, ur_format("%s:%d: key %s: %s", plan->file, ur_locate(plan->text, plan->size, where), key, message));
    }
    return false;
}

bool ur_plan_fail_file(struct ur_plan *plan, int line, const char *format, ...) {
    va_list values;
    va_start(values, format);
    UR_AUTO_TEXT message = message_of(format, values);
    va_end(values);
    if (line > 0)
        keep(plan, ur_format("%s:%d: %s", plan->file, line, message));
    else
        keep(plan, ur_format("%s: %s", plan->file, message));
    return false;
}

static void free_list(char **list, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

void ur_plan_free(struct ur_plan *plan) {
    for (size_t i = 0; i < plan->count; i++) {
        struct ur_plan_mount *mount = &plan->mounts[i];
        free_list(mount->lower, mount->lowers);
        free_list(mount->made, mount->makes);
        free(mount->dev);
        free(mount->target);
        free(mount->upper);
        free(mount->work);
    }
    free(plan->mounts);
    free_list(plan->pass, plan->passes);
    for (size_t i = 0; i < plan->writables; i++)
        free(plan->writable[i].path);
    free(plan->writable);
    free_list(plan->environment, plan->variables);
    free_list(plan->command, plan->words);
    free(plan->trace);
    free(plan->directory);
    free(plan->user);
    free(plan->file);
    free(plan->text);
    free(plan->base);
    free(plan->error);
    *plan = (struct ur_plan){0};
}
