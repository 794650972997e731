/* The marks of a layer that is being made; see marks.h. */
#include "layers/exchange/marks.h"
#include "engine/union.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum { SELF_MAX = 64 + NAME_MAX + 1 };

/* The engine's marks are put by path; this one leads through nothing but the descriptor. */
static void self_path(int directory, const char *name, char out[SELF_MAX]) {
    snprintf(out, SELF_MAX, "/proc/self/fd/%d/%s", directory, name);
}

struct ur_forms ur_forms_of(uint32_t caps) {
    return (struct ur_forms){caps & UR_CAP_CHARDEV ? UR_FORM_DEVICE
                             : caps & UR_CAP_XATTR ? UR_FORM_XATTR
                                                   : UR_FORM_NAME,
                             caps & UR_CAP_XATTR ? UR_FORM_XATTR : UR_FORM_NAME};
}

static long make_empty(int directory, const char *name) {
    long fd = sys_openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    return fd < 0 ? fd : sys_close((int)fd);
}

static bool wh_name(const char *name, char wh[NAME_MAX + 8]) {
    return snprintf(wh, NAME_MAX + 8, ".wh.%s", name) <= NAME_MAX;
}

long ur_put_whiteout(struct ur_forms forms, int directory, const char *name) {
    char wh[NAME_MAX + 8], path[SELF_MAX];
    if (forms.whiteout == UR_FORM_NAME)
        return wh_name(name, wh) ? make_empty(directory, wh) : -ENAMETOOLONG;
    const struct ur_table_mount mount = {.caps = forms.whiteout == UR_FORM_DEVICE ? UR_CAP_CHARDEV : UR_CAP_XATTR};
    self_path(directory, name, path);
    long ret = ur_whiteout_make(&mount, path);
    self_path(directory, ".", path);
    return ret == 0 ? ur_mark_whiteouts(&mount, path) : ret;
}

long ur_put_opaque(struct ur_forms forms, int directory) {
    char path[SELF_MAX];
    if (forms.opaque == UR_FORM_NAME) {
        long ret = make_empty(directory, ".wh..wh..opq");
        return ret == -EEXIST ? 0 : ret;
    }
    self_path(directory, ".", path);
    return ur_mark_opaque(path);
}

bool ur_is_whiteout_at(int directory, const char *name, const struct stat *st) {
    char path[SELF_MAX];
    self_path(directory, name, path);
    return ur_is_whiteout(path, st);
}

bool ur_drop_whiteout(struct ur_forms forms, int directory, const char *name) {
    char wh[NAME_MAX + 8];
    struct stat st;
    if (sys_fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return ur_is_whiteout_at(directory, name, &st) && unlinkat(directory, name, 0) == 0;
    return forms.whiteout == UR_FORM_NAME && wh_name(name, wh) && unlinkat(directory, wh, 0) == 0;
}

long ur_pass_xattrs(const char *host, int fd, const char *path) {
    return ur_copy_xattrs(host, fd, path);
}
