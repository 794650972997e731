/*
 * The directories that lead to a target and are not there.
 *
 * A target may be named where the host has no such directory. Its own absence does not matter, the union stands
 * there; but its missing ancestors must be seen too, or nobody could walk to it. For the topmost missing one
 * this adds a read-only mount over an empty directory which the launcher makes in the session directory, with the
 * further ancestors in it. What is there is asked of the mount that covers the place: the host, or the
 * layers of a union around it (by plain path, topmost first; a symlink on the way counts as there).
 */
#include "config/check.h"
#include "config/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct ur_plan_mount *ur_check_covering(const struct ur_plan *plan, const char *path) {
    struct ur_plan_mount *best = NULL;
    for (size_t i = 0; i < plan->count; i++) {
        struct ur_plan_mount *mount = &plan->mounts[i];
        if (ur_path_is_in(path, mount->target) && (!best || strlen(mount->target) > strlen(best->target)))
            best = mount;
    }
    return best;
}

/* Where the host cannot tell, an empty directory would hide what is there: then the plan fails. */
static bool holds(struct ur_plan *plan, const char *path, struct stat *st) {
    if (lstat(path, st) == 0)
        return true;
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES && errno != ENAMETOOLONG)
        ur_plan_fail(plan, (struct ur_said_at){-1, "mounts", -1}, "%s: %s", path, strerror(errno));
    return false;
}

static bool layer_holds(struct ur_plan *plan, const char *root, const char *rest) {
    UR_AUTO_TEXT path = ur_path_join(root, rest);
    struct stat st;
    return holds(plan, path, &st) && !S_ISCHR(st.st_mode);
}

static bool is_there(struct ur_plan *plan, const char *path) {
    const struct ur_plan_mount *mount = ur_check_covering(plan, path);
    struct stat st;
    if (!mount || mount->kind == UR_PLAN_PASS)
        return holds(plan, path, &st);
    size_t length = strlen(mount->target);
    if (strlen(path) == length)
        return true;
    const char *rest = path + length + (length > 1);
    for (size_t i = 0; i < mount->makes; i++)
        if (strcmp(mount->made[i], rest) == 0)
            return true;
    if (mount->kind == UR_PLAN_SKELETON)
        return false;
    if (mount->upper && layer_holds(plan, mount->upper, rest))
        return true;
    for (size_t i = 0; i < mount->lowers; i++)
        if (layer_holds(plan, mount->lower[i], rest))
            return true;
    return false;
}

static void make(struct ur_plan *plan, const char *path) {
    struct ur_plan_mount *mount = ur_check_covering(plan, path);
    if (mount && mount->kind == UR_PLAN_SKELETON) {
        mount->made = ur_grow(mount->made, mount->makes, sizeof *mount->made);
        mount->made[mount->makes++] = ur_format("%s", path + strlen(mount->target) + 1);
    } else {
        ur_plan_add(plan, UR_PLAN_SKELETON, -1)->target = ur_format("%s", path);
    }
}

static int by_length(const void *a, const void *b) {
    const char *const *left = a, *const *right = b;
    return (strlen(*left) > strlen(*right)) - (strlen(*left) < strlen(*right));
}

bool ur_check_skeletons(struct ur_plan *plan) {
    size_t count = plan->count;
    const char **targets = ur_allocate(count * sizeof *targets);
    for (size_t i = 0; i < count; i++)
        targets[i] = plan->mounts[i].target;
    qsort(targets, count, sizeof *targets, by_length);
    for (size_t i = 0; i < count; i++)
        for (const char *slash = strchr(targets[i] + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
            UR_AUTO_TEXT ancestor = ur_copy(targets[i], (size_t)(slash - targets[i]));
            if (!is_there(plan, ancestor))
                make(plan, ancestor);
        }
    free(targets);
    return !plan->error;
}
