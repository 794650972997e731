/* The layers beneath; see below.h. */
#include "layers/exchange/below.h"
#include "config/compile.h"
#include "config/plan.h"
#include "config/text.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool ur_below_open(struct ur_below *below, char *const *layers, size_t count) {
    *below = (struct ur_below){0};
    if (!count)
        return true;
    struct ur_plan plan = {.raw = UR_RAW_ALLOW};
    struct ur_plan_mount *mount = ur_plan_add(&plan, UR_PLAN_UNION, 0);
    mount->target = ur_format("/");
    bool right = true;
    for (size_t i = 0; i < count; i++) {
        struct stat st;
        right = right && stat(layers[i], &st) == 0;
        ur_plan_add_lower(mount, ur_format("%s", layers[i]));
        if (right)
            mount->dev[i] = st.st_dev;
    }
    if (right) {
        /* There is no session; its name must be one that no image has. */
        below->table = ur_compile(&plan, "/.unionrun-import/none", "");
        below->seen.table = below->table;
        below->caller.u = &below->seen;
    }
    ur_plan_free(&plan);
    return right;
}

static bool absolute(const char *path, char *out) {
    size_t length = strlen(path);
    if (length + 2 > UR_PATH_MAX)
        return false;
    out[0] = '/';
    memcpy(out + 1, path, length + 1);
    return true;
}

bool ur_below_find(const struct ur_below *below, const char *path, char *host) {
    char full[UR_PATH_MAX];
    return below->table && absolute(path, full) && ur_real(&below->caller, AT_FDCWD, full, UR_REAL_NOFOLLOW, host) >= 0;
}

bool ur_below_real(const struct ur_below *below, const char *path, char *real) {
    char full[UR_PATH_MAX];
    struct stat st;
    if (!below->table || !absolute(path, full) || ur_stat(&below->caller, AT_FDCWD, full, &st, 0) < 0 ||
        !S_ISDIR(st.st_mode))
        return false;
    long length = ur_canonical(&below->caller, AT_FDCWD, full, 0, real);
    if (length < 1)
        return false;
    memmove(real, real + 1, (size_t)length);
    return true;
}

void ur_below_close(struct ur_below *below) {
    free(below->table);
    below->table = NULL;
}
