/*
 * Where the command starts. With / as a target the directory that the user is in may be one that the union has not:
 * then it starts in /, as it would in a container. Beneath other targets that is a mistake, and shows as one.
 */
#include "config/check.h"
#include "config/text.h"
#include "engine/engine.h"
#include "engine/sys.h"
#include "launch/launch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void start_where_one_is(const struct launch *launch) {
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
