/*
 * Which directories of a plan may lie in one another.
 *
 * All of them are sorted so that whatever lies in a directory follows it at once; a walk with a stack of the
 * directories that one is in meets every pair (outer, inner) in n log n, and forbidden() says for each pair what
 * is wrong with it. So all the rules stand in one place. They keep three promises:
 *   - what is a lower never changes during a run (no upper or work in a lower that is seen whole);
 *   - what unionrun keeps for itself is nobody else's (no overlap of uppers and works);
 *   - a descriptor's real path tells which target it belongs to (no layer of one mount in that of another).
 * A *wide* lower holds its own target (the target itself, as an in-place union has it, or "/"): what lies in it is
 * hidden from the tree or is told apart by the longer prefix, so it may hold anything.
 */
#include "config/check.h"
#include "config/text.h"

#include <stdlib.h>
#include <string.h>

enum place_kind { TARGET, LOWER, UPPER, WORK };

struct place {
    const char *path;
    const struct ur_plan_mount *mount;
    int index; /* of a lower */
    enum place_kind kind;
};

static struct ur_said_at where_of(const struct place *place) {
    static const char *const keys[] = {"target", "lower", "upper", "work"};
    if (place->mount->kind == UR_PLAN_PASS)
        return (struct ur_said_at){-1, "pass", place->mount->said};
    return (struct ur_said_at){place->mount->said, keys[place->kind], place->kind == LOWER ? place->index : -1};
}

static bool is_wide(const struct place *lower) {
    return ur_path_is_in(lower->mount->target, lower->path);
}

/* What is wrong with `inner` being `outer` or lying in it; NULL if nothing is. */
static const char *forbidden(const struct place *outer, const struct place *inner, bool same) {
    bool one_mount = outer->mount == inner->mount;
    bool kept = inner->kind == UPPER || inner->kind == WORK; /* what unionrun writes to */
    switch (outer->kind) {
    case TARGET:
        if (inner->kind == TARGET && same)
            return "is given twice as a target; give it once";
        if (kept && outer->mount->kind == UR_PLAN_UNION && !outer->mount->wide && strcmp(outer->path, "/") != 0)
            return same ? "is a target too, which would cover it; name another directory"
                        : "lies in a target, which would cover it; name a directory outside";
        return NULL;
    case LOWER:
        if (kept && (same || !is_wide(outer)))
            return same ? "is a lower too, which must not change; name another directory"
                        : "lies in a lower, which must not change; name a directory outside";
        if (inner->kind != LOWER)
            return NULL;
        if (same && one_mount)
            return "is given twice in one mount; give it once";
        if (same)
            return "is a lower of two mounts: a descriptor in it could not be told to belong to one target; "
                   "give each mount directories of its own";
        if (is_wide(outer))
            return NULL;
        return one_mount ? "lies in another lower of its mount; lowers may not overlap"
                         : "lies in a lower of another mount: a descriptor in it could not be told to belong to one "
                           "target; give each mount directories of its own";
    case UPPER:
        if (inner->kind == LOWER)
            return "is a lower that lies in an upper, where it would change; name a directory outside";
        if (inner->kind == TARGET)
            return "is a target that lies in an upper; name a directory outside";
        if (inner->kind == UPPER)
            return same ? "is the upper of two mounts; give each its own" : "lies in another upper; give each its own";
        return "is a work directory that lies in an upper; put it beside the upper";
    case WORK:
        if (inner->kind == WORK)
            return same ? "is the work directory of two mounts; give each its own"
                        : "lies in another work directory; give each its own";
        return inner->kind == TARGET ? "is a target that lies in a work directory; name a directory outside"
                                     : "lies in a work directory, which is unionrun's own; name a directory outside";
    }
    return NULL;
}

static int by_path(const void *a, const void *b) {
    const struct place *left = a, *right = b;
    int order = ur_path_compare(left->path, right->path);
    return order ? order : (left->kind > right->kind) - (left->kind < right->kind);
}

static bool refuse(struct ur_plan *plan, const struct place *outer, const struct place *inner, const char *why) {
    if (strcmp(outer->path, inner->path) == 0)
        return ur_plan_fail(plan, where_of(inner), "%s %s", inner->path, why);
    return ur_plan_fail(plan, where_of(inner), "%s (in %s) %s", inner->path, outer->path, why);
}

static bool check_pair(struct ur_plan *plan, const struct place *outer, const struct place *inner) {
    bool same = strcmp(outer->path, inner->path) == 0;
    const char *why = forbidden(outer, inner, same);
    if (why)
        return refuse(plan, outer, inner, why);
    if (same && (why = forbidden(inner, outer, true)))
        return refuse(plan, inner, outer, why);
    return true;
}

/* A target that already is its own lower says nothing new about the pair; the lower does. */
static size_t gather(const struct ur_plan *plan, struct place *places) {
    size_t count = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct ur_plan_mount *mount = &plan->mounts[i];
        places[count++] = (struct place){mount->target, mount, -1, TARGET};
        for (size_t k = 0; k < mount->lowers; k++)
            places[count++] = (struct place){mount->lower[k], mount, (int)k, LOWER};
        if (mount->upper) {
            places[count++] = (struct place){mount->upper, mount, -1, UPPER};
            places[count++] = (struct place){mount->work, mount, -1, WORK};
        }
    }
    return count;
}

bool ur_check_overlap(struct ur_plan *plan) {
    size_t most = 0;
    for (size_t i = 0; i < plan->count; i++)
        most += plan->mounts[i].lowers + 3;
    struct place *places = ur_allocate(most * sizeof *places);
    const struct place **around = ur_allocate(most * sizeof *around);
    size_t count = gather(plan, places), depth = 0;
    qsort(places, count, sizeof *places, by_path);
    bool right = true;
    for (size_t i = 0; i < count && right; i++) {
        while (depth && !ur_path_is_in(places[i].path, around[depth - 1]->path))
            depth--;
        for (size_t k = 0; k < depth && right; k++)
            right = check_pair(plan, around[k], &places[i]);
        around[depth++] = &places[i];
    }
    free(around);
    free(places);
    return right;
}
