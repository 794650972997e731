/* Host paths for calls that the engine has no operation for. */
#include "union.h"

#include <unistd.h>

/* The file that `n` names is to be read or executed, and its data are another's: that one, if its own mode lets the
   caller. */
static long data_path(const struct ur_caller *c, const struct ur_dir *d, const struct ur_node *n, int flags,
                      char *out) {
    if (n->self || n->entry.kind != UR_FILE || !ur_may_lack_data(c->u, d->mount, n->entry.spot.layer))
        return 0;
    UR_SCRATCH(t);
    struct ur_data data = {.host = t->text};
    long ret = ur_data_find(c->u, d, n->name, &n->entry, &data);
    if (ret <= 0 || sys_faccessat(AT_FDCWD, out, flags & UR_REAL_EXEC ? X_OK : R_OK, AT_EACCESS) < 0)
        return ret < 0 ? ret : 0;
    ur_data_known(c->u, d, n->name, &data);
    return ur_put(out, out + UR_PATH_MAX, data.host, strlen(data.host)) ? 0 : -ENAMETOOLONG;
}

static long real_path(const struct ur_caller *c, int dirfd, const char *path, int flags, char *out) {
    UR_SCRATCH(s);
    struct ur_dir *d = &s->dir[0];
    struct ur_node *n = &s->node[0];
    int how = flags & UR_REAL_CREATE ? UR_WALK_PARENT : flags & UR_REAL_NOFOLLOW ? UR_WALK_NOFOLLOW : 0;
    long ret = ur_walk(c, dirfd, path, how, s, 0);
    if (ret < 0)
        return ret;
    if (n->where == UR_AT_UNION) {
        bool absent = !n->self && n->entry.kind == UR_ABSENT;
        if (absent && (!(flags & UR_REAL_CREATE) || n->must_be_dir))
            return -ENOENT;
        if (absent) {
            if (ur_is_marker_name(n->name, strlen(n->name)))
                return -EPERM;
            ret = ur_may_change_dir(c->u, d, out);
            if (ret == 0)
                ret = ur_copyup_dir(c, d);
            if (ret == 0)
                ret = ur_upper_path(c->u, d, n->name, out);
            /* The call that is to come (bind) wants the place free, and can be given no other. So for a moment a
               lower's file of that name may be seen. */
            if (ret == 0)
                ur_name_unsure(c->u, d, n->name);
            if (ret == 0 && n->entry.white == UR_WHITE_NODE)
                ret = sys_unlink(out);
            return ret < 0 ? ret : (long)strlen(out);
        }
        if (flags & UR_REAL_WRITE)
            ret = n->self ? ur_copyup_dir(c, d) : ur_copyup(c, d, n->name, &n->entry);
        if (ret < 0)
            return ret;
    }
    bool absent = n->where == UR_AT_HOST && !n->self && n->entry.kind == UR_ABSENT;
    if (absent && !(flags & UR_REAL_CREATE)) /* hidden, perhaps */
        return -ENOENT;
    if (n->lost && flags & UR_REAL_WRITE)
        return -EROFS;
    ret = ur_node_path(c->u, d, n, out);
    if (ret == 0 && n->where == UR_AT_UNION && !(flags & (UR_REAL_WRITE | UR_REAL_OWN)))
        ret = data_path(c, d, n, flags, out);
    if (ret == 0 && absent && ur_is_hidden(c->u, out, strlen(out)))
        return -EACCES;
    if (ret == 0 && n->where == UR_AT_HOST && flags & (UR_REAL_WRITE | UR_REAL_CREATE))
        ret = ur_may_change_raw(c->u, out, strlen(out));
    return ret < 0 ? ret : (long)strlen(out);
}

/* Without a union a path is its own, but for the descriptor that it may begin at. */
static long host_path(const struct ur_caller *c, int dirfd, const char *path, char *out) {
    char *end = out + UR_PATH_MAX, *p = out;
    if (path[0] != '/' && dirfd != AT_FDCWD) {
        p = ur_proc_path(c, "/fd/", dirfd, out, UR_PATH_MAX);
        p = ur_put(p, end, "/", 1);
    }
    p = ur_put(p, end, path, strlen(path));
    return p ? p - out : -ENAMETOOLONG;
}

long ur_real(const struct ur_caller *c, int dirfd, const char *path, int flags, char *out) {
    if (!ur_active(c))
        return host_path(c, dirfd, path, out);
    return UR_RETRY(real_path(c, dirfd, path, flags, out));
}
