/*
 * The command without a guard, where it may be started as it stands.
 *
 * What a command is, the union says: so it is unionrun-exec, with the shim in it, that looks for it. But most commands
 * are programs of the host's that the kernel may be given by their own path, which the engine can say here as well; and
 * unionrun-exec is a program to be started, which costs as much as the command's own start. Only where there is nothing
 * for a shim to do: its plan is empty, and the environment is what it would make of it. All else is left to
 * unionrun-exec, errors among it.
 */
#include "engine/engine.h"
#include "engine/sys.h"
#include "launch/launch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The shim looks at these, and puts them right. */
static bool is_right(const struct launch *launch) {
    static const char *const more[] = {"LD_LIBRARY_PATH", "GCONV_PATH",      "LD_AUDIT",         "UNIONRUN_EXE",
                                       "UNIONRUN_COMM",   "UNIONRUN_EXECFN", "UNIONRUN_FILTERED"};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        if (getenv(more[i]))
            return false;
    return !launch->options.no_preload && !launch->preload_before && !launch->plan.user;
}

/* As it stands, or it returns. 0 or -errno: what the union has at `path`. */
static long attempt(const struct ur_caller *c, const char *path, char **command) {
    struct ur_exec x;
    struct ur_known_program known;
    long ret = path[0] == '/' ? ur_exec_plan(c, AT_FDCWD, path, 0, &x) : -EINVAL;
    if (ret == 0 && ur_exec_known(c, path, &known) && known.host == path && !known.audit)
        UR_SYS(SYS_execve, path, command, environ, 0, 0, 0);
    return ret;
}

void start_straight(const struct launch *launch) {
    struct ur_union whole = {0};
    const struct ur_caller caller = {.u = &whole};
    char **command = launch->options.command, path[UR_PATH_MAX];
    const char *search = getenv("PATH"), *name = command[0];
    if (!is_right(launch) || ur_union_open(&whole, launch->session) < 0 || whole.root || whole.traced)
        return;
    if (strchr(name, '/')) {
        attempt(&caller, name, command);
        return;
    }
    long ret = -ENOENT;
    for (const char *at = search; at && *name && ret == -ENOENT; at = *at ? at + 1 : NULL) { /* as execvp(3) */
        size_t dir = strcspn(at, ":");
        if (dir + strlen(name) + 2 > sizeof path)
            return;
        memcpy(path, at, dir);
        path[dir] = '/';
        memcpy(path + dir + 1, name, strlen(name) + 1);
        ret = dir ? attempt(&caller, path, command) : -EINVAL;
        at += dir;
    }
}
