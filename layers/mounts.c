/*
 * From the options to a union that the engine can be asked about: the plan is made and checked as for a run, and
 * compiled to a table that stays in this process. Nobody shares it, so nothing is remembered between two questions, and
 * what changes on disk is seen.
 */
#include "config/check.h"
#include "config/compile.h"
#include "config/lowers.h"
#include "layers/layers.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The directories that a run makes to lead to a target that the host has not: here nobody walks there. */
static void drop_skeletons(struct ur_plan *plan) {
    size_t kept = 0;
    for (size_t i = 0; i < plan->count; i++) {
        struct ur_plan_mount *mount = &plan->mounts[i];
        if (mount->kind != UR_PLAN_SKELETON) {
            plan->mounts[kept++] = *mount;
            continue;
        }
        for (size_t k = 0; k < mount->makes; k++)
            free(mount->made[k]);
        free(mount->made);
        free(mount->target);
    }
    plan->count = kept;
}

static bool take_uppers(struct layers *layers) {
    return ur_take_uppers(&layers->plan, &layers->locks) && ur_claim_uppers(&layers->plan, &layers->locks);
}

static bool take(struct layers *layers, enum layers_use use) {
    if (use == LAYERS_CHANGE)
        return take_uppers(layers);
    for (size_t i = 0; i < layers->plan.count; i++) {
        const char *upper = layers->plan.mounts[i].upper;
        if (upper && ur_is_taken(upper)) {
            layers->busy = true;
            say("%s: a run is going on in it; what is told may have changed meanwhile", upper);
        }
    }
    return true;
}

static bool mend(const struct layers *layers) {
    for (uint32_t i = 0; i < layers->u.table->mounts; i++) {
        long ret = ur_work_recover(&layers->u, i, false);
        if (ret < 0) {
            const struct ur_table_mount *mount = &ur_table_mounts(layers->u.table)[i];
            say("%s: %s", ur_table_text(layers->u.table, mount->work), layers_error(ret));
            return false;
        }
    }
    return true;
}

bool layers_open(struct layers *layers, enum layers_use use) {
    struct ur_plan *plan = &layers->plan;
    if (use == LAYERS_CHANGE)
        umask(0);
    if (!ur_mount_options_load(&layers->mounts, plan) || !ur_check(plan) || !take(layers, use)) {
        say("%s", plan->error);
        return false;
    }
    drop_skeletons(plan);
    if (plan->raw == UR_RAW_READ_ONLY) /* no program is to be held off */
        plan->raw = UR_RAW_ALLOW;
    layers->u.table = ur_compile(plan, "", "");
    layers->caller.u = &layers->u;
    return use == LAYERS_LOOK || mend(layers);
}

bool layers_take(struct layers *layers) {
    umask(0);
    if (take_uppers(layers))
        return mend(layers);
    say("%s", layers->plan.error);
    return false;
}

bool layers_claim_lower(struct layers *layers, const struct ur_plan_mount *mount) {
    if (ur_claim_layer(&layers->plan, &layers->locks, (struct ur_said_at){mount->said, "lower", 0}, mount->lower[0]))
        return true;
    say("%s", layers->plan.error);
    return false;
}

void layers_close(struct layers *layers) {
    free((void *)layers->u.table);
    free(layers->path);
    ur_locks_free(&layers->locks);
    ur_plan_free(&layers->plan);
    *layers = (struct layers){0};
}

struct ur_plan_mount *layers_plan_mount(const struct layers *layers, const char *path) {
    struct ur_plan_mount *mount = ur_check_covering(&layers->plan, path);
    return mount && mount->kind == UR_PLAN_UNION ? mount : NULL;
}

/* An absolute path without ".", ".." and doubled slashes, by its text alone. */
static char *tidy(const char *path) {
    char *out = ur_allocate(strlen(path) + 2);
    size_t len = 0;
    for (const char *at = path; *at;) {
        at += strspn(at, "/");
        size_t n = strcspn(at, "/");
        if (n == 2 && memcmp(at, "..", 2) == 0) {
            while (len && out[--len] != '/')
                ;
        } else if (n && !(n == 1 && *at == '.')) {
            out[len++] = '/';
            memcpy(out + len, at, n);
            len += n;
        }
        at += n;
    }
    if (!len)
        out[len++] = '/';
    out[len] = '\0';
    return out;
}

char *layers_locate(const struct layers *layers, const char *path) {
    UR_AUTO_TEXT cwd = path[0] == '/' ? NULL : getcwd(NULL, 0);
    UR_AUTO_TEXT whole = path[0] == '/' ? ur_format("%s", path) : ur_path_join(cwd ? cwd : "/", path);
    char out[UR_PATH_MAX];
    if (strlen(whole) < UR_PATH_MAX &&
        ur_canonical(&layers->caller, AT_FDCWD, whole, UR_REAL_NOFOLLOW | UR_REAL_CREATE, out) > 0)
        return ur_format("%s", out);
    return tidy(whole);
}

char *layers_label(const struct ur_table_mount *mount, unsigned layer) {
    bool upper = mount->flags & UR_MOUNT_UPPER;
    return upper && layer == 0 ? ur_format("upper") : ur_format("lower %u", layer + !upper);
}
