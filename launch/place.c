/*
 * Where the command starts: in the layer file's "directory", or where the user is. With / as a target the directory
 * that the user is in may be one that the union has not: then it starts in /, as it would in a container. Beneath other
 * targets that is a mistake, and shows as one.
 */
#include "config/check.h"
#include "config/text.h"
#include "engine/engine.h"
#include "engine/sys.h"
#include "launch/launch.h"
#include "launch/say.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void start_where_one_is(const struct launch *launch) {
    char root[UR_PATH_MAX];
    struct stat st;
    UR_AUTO_TEXT cwd = getcwd(NULL, 0);
    const struct ur_plan_mount *mount = cwd ? ur_check_covering(&launch->plan, cwd) : NULL;
    if (!mount || mount->kind != UR_PLAN_UNION || strcmp(mount->target, "/") != 0)
        return;
    struct ur_union whole = {0};
    const struct ur_caller caller = {.u = &whole};
    if (ur_union_open(&whole, launch->session) < 0)
        return;
    if (ur_stat(&caller, AT_FDCWD, cwd, &st, 0) == -ENOENT && ur_real(&caller, AT_FDCWD, "/", 0, root) > 0 &&
        sys_chdir(root) == 0)
        setenv("PWD", "/", 1);
}

/* By the union's view, of which the kernel knows the real directory alone. */
static long enter(const struct launch *launch, const char *directory) {
    char real[UR_PATH_MAX];
    struct stat st;
    struct ur_union whole = {0};
    const struct ur_caller caller = {.u = &whole};
    long ret = ur_union_open(&whole, launch->session);
    if (ret >= 0)
        ret = ur_stat(&caller, AT_FDCWD, directory, &st, 0);
    if (ret >= 0 && !S_ISDIR(st.st_mode))
        return -ENOTDIR;
    if (ret >= 0)
        ret = ur_real(&caller, AT_FDCWD, directory, 0, real);
    if (ret < 0)
        return ret;
    return sys_chdir(ret > 0 ? real : directory);
}

bool start_in_place(const struct launch *launch) {
    const char *directory = launch->plan.directory;
    if (!directory) {
        start_where_one_is(launch);
        return true;
    }
    long ret = enter(launch, directory);
    if (ret < 0)
        say("%s: the layer file's \"directory\": %s", directory, strerror((int)-ret));
    else
        setenv("PWD", directory, 1);
    return ret >= 0;
}
