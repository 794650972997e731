/*
 * A run has locks on its lowers, so that a tool that would change one beneath it can be refused.
 *
 * They are open-file-description locks on the directories themselves, as uppers have one (take.c): nothing is written,
 * so a lower may be another's or on a read-only filesystem. On a directory there are read locks only; who announces
 * himself at one byte therefore looks at the other's byte afterwards, and of two that come at once one at least sees
 * the other. Any number of runs share a lower.
 *
 * A lower goes without where it cannot be: it may not be read, its filesystem knows no such locks (NFS, some FUSE), or
 * there are more lowers than half the descriptors that a process may have. "/" always does: the host changes beneath
 * its runs whatever a tool does.
 */
#include "config/lowers.h"
#include "config/text.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum lower_byte { BYTE_USED = 1, BYTE_CHANGED = 2 }; /* after the uppers' own */

static struct flock lock_of(enum lower_byte byte, short type) {
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = 0x756e696f6e + byte, .l_len = 1};
}

/* Locks one byte of the directory. True: somebody else has the other one. */
static bool meets(struct ur_locks *locks, const char *path, enum lower_byte ours, enum lower_byte theirs) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct flock lock = lock_of(ours, F_RDLCK), other = lock_of(theirs, F_WRLCK);
    if (fd < 0)
        return false;
    if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
        close(fd);
        return false;
    }
    locks->fd = ur_grow(locks->fd, locks->count, sizeof *locks->fd);
    locks->fd[locks->count++] = fd;
    return fcntl(fd, F_OFD_GETLK, &other) == 0 && other.l_type != F_UNLCK;
}

bool ur_use_lowers(struct ur_plan *plan, struct ur_locks *locks) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return true;
    for (size_t i = 0; i < plan->count; i++) {
        const struct ur_plan_mount *mount = &plan->mounts[i];
        for (size_t k = 0; mount->kind == UR_PLAN_UNION && k < mount->lowers; k++) {
            if (strcmp(mount->lower[k], "/") == 0)
                continue;
            if (locks->count >= limit.rlim_cur / 2)
                return true;
            if (meets(locks, mount->lower[k], BYTE_USED, BYTE_CHANGED))
                return ur_plan_fail(plan, (struct ur_said_at){mount->said, "lower", (int)k},
                                    "%s is being changed by a unionrun commit, discard or undo; wait for its end",
                                    mount->lower[k]);
        }
    }
    return true;
}

bool ur_claim_layer(struct ur_plan *plan, struct ur_locks *locks, struct ur_said_at where, const char *path) {
    if (!meets(locks, path, BYTE_CHANGED, BYTE_USED))
        return true;
    return ur_plan_fail(plan, where,
                        "%s would be changed, and is a lower of a run that goes on, or that has left processes; wait "
                        "for its end",
                        path);
}

bool ur_claim_uppers(struct ur_plan *plan, struct ur_locks *locks) {
    for (size_t i = 0; i < plan->count; i++) {
        const struct ur_plan_mount *mount = &plan->mounts[i];
        if (mount->upper && !ur_claim_layer(plan, locks, (struct ur_said_at){mount->said, "upper", -1}, mount->upper))
            return false;
    }
    return true;
}
