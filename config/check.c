/*
 * The plan held against this host.
 *
 * Invariant: when ur_check() has returned true, every target, lower, upper and work is canonical (no symlink,
 * no "." or "..", no doubled or trailing slash); every lower is a directory that can be read and searched; every
 * upper and work either is a writable directory or can be made in a directory that is there, both on one
 * filesystem; and no two of them overlap in a way that would let one change under the other (overlap.c); every
 * writable path is there, and lies neither in a lower nor where a union covers it. Nothing has been changed on disk.
 */
#include "config/check.h"
#include "config/table.h"
#include "config/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static bool fail_directory(struct ur_plan *plan, struct ur_said_at where, const char *path, int error) {
    switch (error) {
    case ENOENT:
        return ur_plan_fail(plan, where, "%s: No such directory; make it or correct the path", path);
    case ENOTDIR:
        return ur_plan_fail(plan, where, "%s: Not a directory; name a directory", path);
    case ELOOP:
        return ur_plan_fail(plan, where, "%s: its symlinks lead in a circle; mend them or name another path", path);
    case EACCES:
        return ur_plan_fail(plan, where, "%s: Permission denied; make it readable and searchable for this user", path);
    default:
        return ur_plan_fail(plan, where, "%s: %s; correct the path", path, strerror(error));
    }
}

static bool is_dots(const char *name, size_t length) {
    return length == 2 && name[0] == '.' && name[1] == '.';
}

/* `path` canonical though its end may not exist: realpath of the longest part that does, then the rest as it is
   written. NULL with the plan's error. */
static char *canonical(struct ur_plan *plan, struct ur_said_at where, const char *path) {
    char *whole = ur_resolve(&plan->resolved, path, NULL);
    if (whole)
        return whole;
    UR_AUTO_TEXT begin = ur_format("%s", path);
    size_t cut = strlen(begin);
    char *there = NULL;
    while (!there) {
        if (errno != ENOENT) {
            fail_directory(plan, where, path, errno);
            return NULL;
        }
        while (cut > 1 && begin[cut - 1] == '/')
            cut--;
        while (cut > 1 && begin[cut - 1] != '/')
            cut--;
        begin[cut] = '\0';
        there = ur_resolve(&plan->resolved, begin, NULL);
    }
    char *result = there;
    for (const char *name = path + cut; *name; name += strspn(name, "/")) {
        size_t length = strcspn(name, "/");
        if (is_dots(name, length)) {
            ur_plan_fail(plan, where, "%s: \"..\" after a directory that is not there; write the path without it",
                         path);
            free(result);
            return NULL;
        }
        if (length && !(length == 1 && *name == '.')) {
            UR_AUTO_TEXT one = ur_copy(name, length);
            char *longer = ur_path_join(result, one);
            free(result);
            result = longer;
            struct stat st;
            if (lstat(result, &st) == 0) {
                ur_plan_fail(plan, where, "%s: a symlink that leads nowhere; mend it or name another path", result);
                free(result);
                return NULL;
            }
        }
        name += length;
    }
    if (strlen(result) < PATH_MAX)
        return result;
    fail_directory(plan, where, path, ENAMETOOLONG);
    free(result);
    return NULL;
}

static bool check_target(struct ur_plan *plan, struct ur_plan_mount *mount) {
    struct ur_said_at where = {mount->said, "target", -1};
    char *target = canonical(plan, where, mount->target);
    if (!target)
        return false;
    free(mount->target);
    mount->target = target;
    struct stat st;
    if (stat(target, &st) == 0 && !S_ISDIR(st.st_mode))
        return fail_directory(plan, where, target, ENOTDIR);
    return true;
}

static bool check_lower(struct ur_plan *plan, struct ur_plan_mount *mount, size_t number) {
    struct ur_said_at where = {mount->said, "lower", (int)number};
    const char *said = mount->lower[number];
    struct stat st;
    char *root = ur_resolve(&plan->resolved, said, &st);
    if (!root)
        return fail_directory(plan, where, said, errno);
    free(mount->lower[number]);
    mount->lower[number] = root;
    if (!S_ISDIR(st.st_mode))
        return fail_directory(plan, where, root, ENOTDIR);
    if (faccessat(AT_FDCWD, root, R_OK | X_OK, AT_EACCESS) < 0)
        return fail_directory(plan, where, root, errno);
    mount->dev[number] = st.st_dev;
    if (ur_path_is_in(mount->target, root))
        mount->wide = true;
    return true;
}

/* An upper or a work: a writable directory, or one to be made in a writable directory. Leaves its (to be) device. */
static bool check_writable(struct ur_plan *plan, struct ur_said_at where, char **path, dev_t *dev) {
    char *place = canonical(plan, where, *path);
    if (!place)
        return false;
    free(*path);
    *path = place;
    struct stat st;
    UR_AUTO_TEXT parent = NULL;
    if (stat(place, &st) < 0) {
        parent = ur_copy(place, (size_t)(strrchr(place, '/') - place) + (strrchr(place, '/') == place));
        if (stat(parent, &st) < 0)
            return ur_plan_fail(plan, where, "%s: No such directory; make %s or correct the path", place, parent);
    }
    if (!S_ISDIR(st.st_mode))
        return fail_directory(plan, where, parent ? parent : place, ENOTDIR);
    *dev = st.st_dev;
    const char *tried = parent ? parent : place;
    if (faccessat(AT_FDCWD, tried, R_OK | W_OK | X_OK, AT_EACCESS) == 0)
        return true;
    if (errno == EROFS)
        return ur_plan_fail(plan, where, "%s is on a read-only filesystem; name a directory that can be written",
                            tried);
    if (errno == EACCES && !parent && st.st_uid == geteuid())
        return true; /* of a 0555 directory that was copied up; its owner may still work on it */
    return ur_plan_fail(plan, where, "%s: %s; name a directory that this user can write", tried, strerror(errno));
}

static bool check_upper(struct ur_plan *plan, struct ur_plan_mount *mount) {
    struct ur_said_at upper = {mount->said, "upper", -1}, work = {mount->said, "work", -1};
    if (!mount->upper)
        return !mount->work || ur_plan_fail(plan, work, "is of no use without an upper; name one, or take it out");
    if (!check_writable(plan, upper, &mount->upper, &mount->upper_dev))
        return false;
    bool default_work = !mount->work;
    if (default_work) {
        mount->work = ur_format("%s.work", mount->upper);
        work = upper;
    }
    dev_t dev = 0;
    if (!check_writable(plan, work, &mount->work, &dev))
        return false;
    if (dev != mount->upper_dev)
        return ur_plan_fail(
            plan, work, "%s%s and the upper %s are on different filesystems; name two directories on one filesystem",
            default_work ? "the work directory " : "", mount->work, mount->upper);
    return true;
}

/* The longest union target that holds `path`. */
static bool in_a_union(const struct ur_plan *plan, const char *path) {
    for (size_t i = 0; i < plan->count; i++)
        if (plan->mounts[i].kind == UR_PLAN_UNION && ur_path_is_in(path, plan->mounts[i].target))
            return true;
    return false;
}

static bool root_is_a_target(const struct ur_plan *plan) {
    for (size_t i = 0; i < plan->count; i++)
        if (strcmp(plan->mounts[i].target, "/") == 0)
            return true;
    return false;
}

static bool check_pass(struct ur_plan *plan) {
    static const char *const usual[] = {"/proc", "/sys", "/dev"};
    if (!plan->pass_said && root_is_a_target(plan))
        for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
            ur_plan_add_pass(plan, ur_format("%s", usual[i]));
    for (size_t i = 0; i < plan->passes; i++) {
        struct ur_said_at where = {-1, "pass", (int)i};
        char *target = canonical(plan, where, plan->pass[i]);
        if (!target)
            return false;
        if (in_a_union(plan, target))
            ur_plan_add(plan, UR_PLAN_PASS, plan->pass_said ? (int)i : -1)->target = target;
        else
            free(target); /* the host's own already */
    }
    return true;
}

static bool check(struct ur_plan *plan) {
    for (size_t i = 0; i < plan->count; i++)
        if (!check_target(plan, &plan->mounts[i]))
            return false;
    for (size_t i = 0; i < plan->count; i++) {
        struct ur_plan_mount *mount = &plan->mounts[i];
        for (size_t k = 0; k < mount->lowers; k++)
            if (!check_lower(plan, mount, k))
                return false;
        if (!check_upper(plan, mount))
            return false;
    }
    if (!check_pass(plan) || !ur_check_overlap(plan) || !ur_check_writables(plan) || !ur_check_skeletons(plan))
        return false;
    if (plan->count > UR_MOUNTS_MAX) {
        struct ur_said_at where = {-1, "mounts", -1};
        return ur_plan_fail(plan, where, "%zu mounts with those that are added; %d are the most", plan->count,
                            UR_MOUNTS_MAX);
    }
    return true;
}

bool ur_check(struct ur_plan *plan) {
    bool right = check(plan);
    ur_resolved_free(&plan->resolved);
    return right;
}
