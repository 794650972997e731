/* The file of --trace: made before anybody is to write to it. Who writes what: engine/trace.c. */
#include "config/text.h"
#include "launch/launch.h"
#include "launch/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool refuse(const struct launch *launch, const char *why) {
    say("--trace=%s: %s", launch->options.trace, why);
    return false;
}

static bool is_in(const char *path, const char *root) {
    UR_AUTO_TEXT real = realpath(root, NULL);
    return real && strcmp(real, "/") != 0 && ur_path_is_in(path, real);
}

/* Whose files are the union's business alone. (With "/" as target any place is in one: the file is the host's.) */
static const char *why_not(const struct ur_plan *plan, const char *path) {
    for (size_t i = 0; i < plan->count; i++) {
        const struct ur_plan_mount *mount = &plan->mounts[i];
        if (mount->kind != UR_PLAN_UNION)
            continue;
        for (size_t k = 0; k < mount->lowers; k++)
            if (is_in(path, mount->lower[k]))
                return "it lies in a lower, which stays as it is; give another place";
        if (is_in(path, mount->target))
            return "it lies in a union; give another place";
        if (mount->upper && (is_in(path, mount->upper) || is_in(path, mount->work)))
            return "it lies in an upper or a work directory; give another place";
    }
    return NULL;
}

bool trace_prepare(struct launch *launch) {
    const char *file = launch->options.trace;
    if (!file)
        return true;
    const char *suffix = strrchr(file, '.');
    launch->plan.trace_json = suffix && strcmp(suffix, ".jsonl") == 0;
    UR_AUTO_TEXT dir = ur_copy(file, (size_t)(strrchr(file, '/') - file));
    UR_AUTO_TEXT real = realpath(*dir ? dir : "/", NULL);
    const char *why = real ? why_not(&launch->plan, real) : strerror(errno);
    if (why)
        return refuse(launch, why);
    struct stat st;
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666 & ~launch->umask);
    bool right = fd >= 0 && fstat(fd, &st) == 0 && (!S_ISREG(st.st_mode) || ftruncate(fd, 0) == 0);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (!right)
        return refuse(launch, strerror(error));
    if (!S_ISREG(st.st_mode))
        return refuse(launch, "it is no regular file");
    launch->plan.trace = realpath(file, NULL);
    why = launch->plan.trace ? why_not(&launch->plan, launch->plan.trace) : strerror(errno);
    return !why || refuse(launch, why);
}
