/*
 * Watches: inotify and fanotify mark inodes, and a copy-up gives a file another. So the copy is made when the watch is
 * set, and then all that happens to the file happens to it.
 *
 * Of a directory that layers share, what happens in the upper is told, which is every change; a file of a lower that is
 * copied up appears there first (IN_CREATE). That somebody reads a lower's file is told by a watch on the file alone.
 */
#include "union.h"

#include <sys/inotify.h>
#include <unistd.h>

/* fanotify has the same bits for the same events. */
enum {
    CHANGES = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVE | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF
};

long ur_watched(const struct ur_caller *c, int dirfd, const char *path, int flags, uint64_t mask, char *out) {
    struct stat st;
    int at = flags & UR_REAL_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0;
    if (ur_active(c) && mask & CHANGES && ur_stat(c, dirfd, path, &st, at) == 0 &&
        (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)) && ur_access(c, dirfd, path, W_OK, at | AT_EACCESS) == 0) {
        long ret = ur_real(c, dirfd, path, flags | UR_REAL_WRITE, out);
        if (ret >= 0)
            return ret;
    }
    return ur_real(c, dirfd, path, flags, out);
}
