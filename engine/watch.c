/*
 * Watches: inotify and fanotify mark inodes, and a copy-up gives a file another. So the copy is made when the watch is
 * set, and then all that happens to the file happens to it.
 *
 * Of a directory that layers share, the upper's is watched, where every change happens; and its subdirectories are
 * copied up with it (without what is in them), so that none seems to come when it is watched, too. What in the upper is
 * the union's own business, a watch is told as well. So it is done in such an order that the last word of a name
 * is right: a file that is copied up comes (IN_CREATE) before it is changed; what is deleted comes as its whiteout, and
 * goes (IN_MOVED_FROM, remove.c); what takes a whiteout's place is moved to it (IN_MOVED_TO). That somebody reads a
 * lower's file is told by a watch on the file alone.
 */
#include "union.h"

#include <dirent.h>
#include <sys/inotify.h>
#include <unistd.h>

/* fanotify has the same bits for the same events. */
enum {
    ARRIVALS = IN_CREATE | IN_MOVED_TO,
    CHANGES =
        ARRIVALS | IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF
};

struct bringing {
    const struct ur_caller *c;
    struct ur_dir *d;
};

/* What cannot be brought is left: it will come when something in it is changed. */
static long bring_directory(void *arg, const char *name, unsigned char type) {
    struct bringing *b = arg;
    struct ur_entry e;
    if ((type == DT_DIR || type == DT_UNKNOWN) && ur_lookup(b->c->u, b->d, name, &e) == 0 && e.kind == UR_DIRECTORY)
        ur_copyup(b->c, b->d, name, &e);
    return 0;
}

static long bring_directories(const struct ur_caller *c, int dirfd, const char *path) {
    UR_SCRATCH(s);
    struct ur_dir *d = &s->dir[0];
    struct ur_node *n = &s->node[0];
    struct bringing b = {c, d};
    struct stat st;
    long ret = ur_walk(c, dirfd, path, 0, s, 0);
    if (ret == 0 && n->where != UR_AT_UNION)
        return 0;
    if (ret == 0 && !n->self)
        ret = ur_dir_enter(c->u, d, n->name, &st);
    for (unsigned i = 0; ret == 0 && i < d->spots; i++)
        if (d->spot[i].layer > 0 && ur_spot_path(c->u, d, d->spot[i], NULL, s->real[0]) == 0)
            ur_for_names(s->real[0], bring_directory, &b);
    return ret;
}

long ur_watched(const struct ur_caller *c, int dirfd, const char *path, int flags, uint64_t mask,
                const struct ur_replacer *r, char *out) {
    struct stat st, was, now;
    int at = flags & UR_REAL_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0;
    if (ur_active(c) && mask & CHANGES && ur_stat(c, dirfd, path, &st, at) == 0 &&
        (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)) && ur_access(c, dirfd, path, W_OK, at | AT_EACCESS) == 0) {
        bool file = S_ISREG(st.st_mode) && ur_real(c, dirfd, path, flags, out) >= 0 && sys_lstat(out, &was) == 0;
        long ret = ur_real(c, dirfd, path, flags | UR_REAL_WRITE, out);
        /* Who follows a log (tail -f) opens it first, and then watches it. */
        if (ret >= 0 && file && sys_lstat(out, &now) == 0 && (now.st_ino != was.st_ino || now.st_dev != was.st_dev))
            ur_fd_follow(c, &was, out, r);
        if (ret >= 0 && S_ISDIR(st.st_mode)) {
            if (c->u->shared)
                atomic_store(&c->u->shared->watched, 1);
            if (mask & ARRIVALS)
                bring_directories(c, dirfd, path);
        }
        if (ret >= 0)
            return ret;
    }
    return ur_real(c, dirfd, path, mask & CHANGES ? flags | UR_REAL_OWN : flags, out);
}
