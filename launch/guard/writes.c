/*
 * Answers: what makes a file of an upper grow, where there is a limit on that (max_upper). Only then are these calls
 * sent here at all. What fits is counted and goes on; what does not is refused whole, with EDQUOT and no signal.
 */
#include "engine/quota.h"
#include "engine/sys.h"
#include "launch/guard/guard.h"

#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

/* A descriptor of the caller's that leads to a file of an upper, and can be written. */
struct target {
    struct stat st;
    off_t at; /* its place; where it is written to */
};

static bool find(const struct call *q, int fd, struct target *t) {
    const struct ur_union *u = q->caller.u;
    char link[48], host[UR_PATH_MAX];
    snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)q->pid, fd);
    if (fd < 0 || sys_fstatat(AT_FDCWD, link, &t->st, 0) < 0 || !S_ISREG(t->st.st_mode) ||
        !ur_quota_counts(u, t->st.st_dev, NULL, 0))
        return false;
    long n = sys_readlink(link, host, sizeof host - 1);
    if (n <= 0)
        return false;
    host[n] = 0;
    long flags = ur_quota_counts(u, t->st.st_dev, host, (size_t)n) ? peer_fd_place(q, fd, &t->at) : -1;
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
        return false;
    if (flags & O_APPEND)
        t->at = t->st.st_size;
    return true;
}

/* `count` bytes are about to be written to it. */
static long grow(const struct call *q, const struct target *t, uint64_t count) {
    uint64_t at = (uint64_t)t->at;
    if (count > INT64_MAX - at || at + count <= (uint64_t)t->st.st_size)
        return PASS; /* the kernel's to refuse; or it does not grow */
    uint64_t had = ur_quota_blocks(t->st.st_size);
    if (at > (uint64_t)t->st.st_size) /* a hole comes before it */
        had = at / 4096 * 4096;
    uint64_t needs = ur_quota_blocks((off_t)(at + count));
    return needs > had && ur_quota_take(q->caller.u, needs - had) < 0 ? -EDQUOT : PASS;
}

static uint64_t vector_length(const struct call *q, uint64_t at, uint64_t count) {
    struct iovec v[64];
    uint64_t sum = 0;
    while (count > 0 && count <= UIO_MAXIOV) {
        uint64_t some = count < 64 ? count : 64;
        if (peer_read(q, at, v, some * sizeof *v) < 0)
            return sum;
        for (uint64_t i = 0; i < some; i++)
            sum += v[i].iov_len;
        at += some * sizeof *v;
        count -= some;
    }
    return sum;
}

static long write_to(struct call *q, uint64_t count, bool positioned, off_t at) {
    struct target t;
    if (!find(q, dirfd_of(q, 0), &t))
        return PASS;
    if (positioned && at >= 0)
        t.at = at;
    return grow(q, &t, count);
}
long answer_write(struct call *q) {
    return write_to(q, q->arg[2], false, 0);
}
long answer_pwrite64(struct call *q) {
    return write_to(q, q->arg[2], true, (off_t)q->arg[3]);
}
long answer_writev(struct call *q) {
    return write_to(q, vector_length(q, q->arg[1], q->arg[2]), false, 0);
}
long answer_pwritev(struct call *q) { /* pwritev2 too: there -1 is the descriptor's own place */
    return write_to(q, vector_length(q, q->arg[1], q->arg[2]), true, (off_t)q->arg[3]);
}

/* How much a file can give from its place, or from the one at an address of the caller's; of others who knows. */
static uint64_t can_give(const struct call *q, int fd, uint64_t place, uint64_t count) {
    char link[48];
    struct stat st;
    off_t at;
    snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)q->pid, fd);
    if (sys_fstatat(AT_FDCWD, link, &st, 0) < 0 || !S_ISREG(st.st_mode))
        return count < 65536 ? count : 65536;
    if (place ? peer_read(q, place, &at, sizeof at) < 0 : peer_fd_place(q, fd, &at) < 0)
        return 0;
    uint64_t rest = at < st.st_size ? (uint64_t)(st.st_size - at) : 0;
    return count < rest ? count : rest;
}

static long copy_to(struct call *q, int in, uint64_t in_place, int out, uint64_t out_place, uint64_t count) {
    struct target t;
    off_t at;
    if (!find(q, out, &t))
        return PASS;
    if (out_place) {
        if (peer_read(q, out_place, &at, sizeof at) < 0 || at < 0)
            return PASS;
        t.at = at;
    }
    return grow(q, &t, can_give(q, in, in_place, count));
}
long answer_sendfile(struct call *q) {
    return copy_to(q, dirfd_of(q, 1), q->arg[2], dirfd_of(q, 0), 0, q->arg[3]);
}
long answer_copy_file_range(struct call *q) {
    return copy_to(q, dirfd_of(q, 0), q->arg[1], dirfd_of(q, 2), q->arg[3], q->arg[4]);
}

long answer_ftruncate(struct call *q) {
    struct target t;
    if ((off_t)q->arg[1] >= 0 && find(q, dirfd_of(q, 0), &t)) /* longer: by a hole */
        ur_quota_truncated(q->caller.u, &t.st, (off_t)q->arg[1]);
    return PASS;
}

long answer_fallocate(struct call *q) {
    struct target t;
    uint64_t mode = q->arg[1], at = q->arg[2], count = q->arg[3];
    if (mode & ~(uint64_t)(FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE | FALLOC_FL_UNSHARE_RANGE) || count > INT64_MAX ||
        at > INT64_MAX - count || !find(q, dirfd_of(q, 0), &t))
        return PASS;
    uint64_t has = (uint64_t)t.st.st_blocks * 512, needs = ur_quota_blocks((off_t)(at + count)) - at / 4096 * 4096;
    bool all = at == 0 && needs <= has;
    if (at == 0 && needs > has)
        needs -= has;
    return !all && ur_quota_take(q->caller.u, needs) < 0 ? -EDQUOT : PASS;
}
