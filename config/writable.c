/*
 * The paths outside the unions that programs may write to.
 *
 * Where a union covers a path, programs see the union's and write to the upper: to let them at the host's own there
 * would only open a way past the union. And what lies in a lower must not change. So both are refused, and of the
 * usual paths those are left out for which one of these holds.
 */
#include "config/check.h"
#include "config/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct ur_plan_mount *union_over(const struct ur_plan *plan, const char *path) {
    const struct ur_plan_mount *mount = ur_check_covering(plan, path);
    return mount && mount->kind == UR_PLAN_UNION ? mount : NULL;
}

/* The lower that holds `path`; NULL: none. One that is its own target does not hold what is passed through in it. */
static const char *lower_around(const struct ur_plan *plan, const char *path) {
    for (size_t i = 0; i < plan->count; i++) {
        const struct ur_plan_mount *mount = &plan->mounts[i];
        for (size_t k = 0; k < mount->lowers; k++) {
            bool in_place = strcmp(mount->lower[k], mount->target) == 0;
            if (ur_path_is_in(path, mount->lower[k]) && (!in_place || union_over(plan, path)))
                return mount->lower[k];
        }
    }
    return NULL;
}

static bool check_one(struct ur_plan *plan, struct ur_plan_writable *writable) {
    struct ur_said_at where = {-1, "writable", writable->said};
    if (writable->option >= 0)
        where = (struct ur_said_at){UR_SAID_OPTION, "writable", writable->option};
    char *path = ur_resolve(&plan->resolved, writable->path, NULL);
    if (!path)
        return ur_plan_fail(plan, where, "%s: %s; make it before the run, correct it or take it out", writable->path,
                            strerror(errno));
    free(writable->path);
    writable->path = path;
    const char *lower = lower_around(plan, path);
    if (lower)
        return ur_plan_fail(plan, where, "%s lies in the lower %s, which must not change; name a path outside", path,
                            lower);
    const struct ur_plan_mount *mount = union_over(plan, path);
    if (mount)
        return ur_plan_fail(plan, where,
                            "%s lies in the target %s, where writes go to the upper; take it out, or name it in "
                            "\"pass\" too, which leaves it to the host",
                            path, mount->target);
    return true;
}

bool ur_check_writables(struct ur_plan *plan) {
    static const char *const usual[] = {"/tmp", "/dev/shm"};
    for (size_t i = 0; i < plan->writables; i++)
        if (!check_one(plan, &plan->writable[i]))
            return false;
    for (size_t i = 0; i < sizeof usual / sizeof *usual && !plan->writable_said; i++) {
        char *path = ur_resolve(&plan->resolved, usual[i], NULL);
        if (path && !union_over(plan, path) && !lower_around(plan, path))
            ur_plan_add_writable(plan, path, -1, -1);
        else
            free(path);
    }
    return true;
}
