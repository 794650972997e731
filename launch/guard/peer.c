/*
 * The asking process, seen from here: process_vm_readv(2), pidfd_getfd(2), proc(5).
 *
 * All that is read of it is copied once, and the copy is what is judged and done.
 */
#include "engine/numbers.h"
#include "engine/sys.h"
#include "launch/guard/guard.h"

#include <linux/capability.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

enum { PAGE = 4096, GROUPS = 1024, READ_EACH = 32 };

static void *remote(uint64_t at) {
    return (void *)(uintptr_t)at; // NOLINT(performance-no-int-to-ptr): an address in the other process
}

long peer_read(const struct call *q, uint64_t at, void *to, size_t size) {
    struct iovec here = {to, size}, there = {remote(at), size};
    ssize_t n = size ? process_vm_readv(q->pid, &here, 1, &there, 1, 0) : 0;
    if (n < 0)
        return errno == EPERM || errno == ENOMEM ? -errno : -EFAULT;
    return (size_t)n == size ? 0 : -EFAULT;
}

long peer_write(const struct call *q, uint64_t at, const void *from, size_t size) {
    struct iovec here = {(void *)from, size}, there = {remote(at), size};
    ssize_t n = size ? process_vm_writev(q->pid, &here, 1, &there, 1, 0) : 0;
    if (n < 0)
        return errno == EPERM || errno == ENOMEM ? -errno : -EFAULT;
    return (size_t)n == size ? 0 : -EFAULT;
}

size_t peer_read_each(const struct call *q, const uint64_t *at, size_t count, void *to, size_t size) {
    struct iovec here = {to, count * size}, there[READ_EACH];
    if (count > READ_EACH)
        here.iov_len = (count = READ_EACH) * size;
    for (size_t i = 0; i < count; i++)
        there[i] = (struct iovec){remote(at[i]), size};
    ssize_t n = count ? process_vm_readv(q->pid, &here, 1, there, count, 0) : 0;
    return n < 0 ? 0 : (size_t)n / size;
}

static long still_waits(const struct call *q) {
    return ioctl(q->guard->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &q->id) == 0 ? 0 : GIVEN;
}

/* The next page may not be there: each is read by itself. */
long peer_string(const struct call *q, uint64_t at, char *to, size_t size) {
    for (size_t got = 0; got < size;) {
        size_t part = PAGE - (at + got) % PAGE;
        if (part > size - got)
            part = size - got;
        long ret = peer_read(q, at + got, to + got, part);
        if (ret < 0) {
            long gone = still_waits(q);
            return gone ? gone : ret;
        }
        char *end = memchr(to + got, 0, part);
        if (end) {
            ret = still_waits(q);
            return ret ? ret : end - to;
        }
        got += part;
    }
    return -ENAMETOOLONG;
}

/* One number of /proc/TID/status. */
static const char *field(const char *status, const char *name) {
    const char *at = strstr(status, name);
    return at ? at + strlen(name) : "";
}

static long read_status(const struct call *q, char *text, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)q->pid);
    long fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd == -ENOENT ? -ESRCH : fd;
    long n = sys_read((int)fd, text, size - 1);
    sys_close((int)fd);
    if (n <= 0)
        return n < 0 ? n : -ESRCH;
    text[n] = 0;
    return 0;
}

/* pidfd_open takes a thread group's leader only, before Linux 6.9. */
static long open_process(const struct call *q) {
    long fd = UR_SYS(SYS_pidfd_open, q->pid, 0, 0, 0, 0, 0);
    if (fd != -EINVAL && fd != -ENOENT)
        return fd;
    fd = UR_SYS(SYS_pidfd_open, q->pid, O_EXCL /* PIDFD_THREAD */, 0, 0, 0, 0);
    if (fd != -EINVAL)
        return fd;
    char status[4096];
    long ret = read_status(q, status, sizeof status);
    return ret < 0 ? ret : UR_SYS(SYS_pidfd_open, atol(field(status, "\nTgid:")), 0, 0, 0, 0, 0);
}

/*
 * The umask is the thread's own (serve.c). Where it cannot be (unshare(2) is refused in docker's containers), it is the
 * process', and those that make something take turns: at once may only be who has the same. A thread has it until its
 * call is answered.
 */
static pthread_mutex_t umask_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t umask_free = PTHREAD_COND_INITIALIZER;
static unsigned umask_users;
static _Thread_local bool umask_used;

static void take_umask(const struct call *q, mode_t mask) {
    static mode_t now;
    if (!q->guard->umask_shared) {
        umask(mask);
        return;
    }
    if (umask_used)
        return;
    pthread_mutex_lock(&umask_lock);
    while (umask_users && now != mask)
        pthread_cond_wait(&umask_free, &umask_lock);
    umask(now = mask);
    umask_users++;
    umask_used = true;
    pthread_mutex_unlock(&umask_lock);
}

static void give_umask(void) {
    if (!umask_used)
        return;
    pthread_mutex_lock(&umask_lock);
    umask_used = false;
    if (--umask_users == 0)
        pthread_cond_broadcast(&umask_free);
    pthread_mutex_unlock(&umask_lock);
}

static long hold(struct call *q, long fd) {
    if (fd >= 0)
        q->held[q->held_count++] = (int)fd;
    return fd;
}

long peer_fd_place(const struct call *q, int fd, off_t *at) {
    char path[48], text[128];
    unsigned flags;
    long long pos;
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)q->pid, fd);
    long info = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
    if (info < 0)
        return info == -ENOENT ? -EBADF : info == -EACCES ? -EPERM : info;
    long n = sys_read((int)info, text, sizeof text - 1);
    sys_close((int)info);
    if (n < 0)
        return n;
    text[n] = 0;
    if (sscanf(text, "pos:%lld flags:%o", &pos, &flags) != 2)
        return -EBADF;
    *at = (off_t)pos;
    return (long)flags;
}

/* The second best: another open file of the same inode, at the same place. A pipe, a device and a socket are not to be
   opened anew: O_PATH. */
static long open_same(struct call *q, int fd) {
    char path[48];
    struct stat st;
    off_t at;
    long flags = peer_fd_place(q, fd, &at);
    if (flags < 0)
        return flags;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)q->pid, fd);
    long same = hold(q, sys_open(path, O_PATH | O_CLOEXEC, 0));
    if (same < 0)
        return same == -ENOENT ? -EBADF : same == -EACCES ? -EPERM : same;
    if (flags & O_PATH || sys_fstat((int)same, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
        return same;
    snprintf(path, sizeof path, "/proc/thread-self/fd/%ld", same);
    int how = O_CLOEXEC | O_NONBLOCK | (int)(flags & O_DSYNC); /* the mark of a raw one (ur_raw_flags) */
    long open = sys_open(path, how | O_RDONLY, 0);
    if (open == -EACCES)
        open = sys_open(path, how | (int)(flags & O_ACCMODE), 0);
    if (open < 0)
        return same;
    sys_lseek((int)open, at, SEEK_SET);
    return hold(q, open);
}

long peer_fd(struct call *q, int fd) {
    if (fd < 0)
        return -EBADF;
    if (q->guard->fetches_none)
        return open_same(q, fd);
    long process = open_process(q);
    if (process < 0)
        return process;
    long got = UR_SYS(SYS_pidfd_getfd, process, fd, 0, 0, 0, 0);
    sys_close((int)process);
    return hold(q, got);
}

void peer_let_go(struct call *q) {
    give_umask();
    while (q->held_count > 0)
        sys_close(q->held[--q->held_count]);
}

const char *peer_own_proc(const struct call *q, const char *path, char room[UR_PATH_MAX]) {
    static const char *const own[] = {"/proc/self/", "/proc/thread-self/"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strncmp(path, own[i], strlen(own[i])) == 0 &&
            snprintf(room, UR_PATH_MAX, "/proc/%d/%s", (int)q->pid, path + strlen(own[i])) < UR_PATH_MAX)
            return room;
    return path;
}

long peer_fd_path(int own, char host[UR_PATH_MAX]) {
    char link[48];
    snprintf(link, sizeof link, "/proc/thread-self/fd/%d", own);
    long n = sys_readlink(link, host, UR_PATH_MAX - 1);
    if (n >= 0)
        host[n] = 0;
    return n;
}

/* --- a root of its own --- */

bool peer_is_elsewhere(const struct call *q) {
    char path[48], root[4];
    snprintf(path, sizeof path, "/proc/%d/root", (int)q->pid);
    long n = sys_readlink(path, root, sizeof root);
    return n != 1 || root[0] != '/';
}

/* A link that leads to the root leads to the caller's. Where the kernel cannot be told so (before Linux 5.6), it is
   nobody's. */
long peer_open(struct call *q, int dirfd, const char *path, bool nofollow) {
    char base[64];
    if (path[0] == '/')
        snprintf(base, sizeof base, "/proc/%d/root", (int)q->pid);
    else if (dirfd == AT_FDCWD)
        snprintf(base, sizeof base, "/proc/%d/cwd", (int)q->pid);
    else
        snprintf(base, sizeof base, "/proc/%d/fd/%d", (int)q->pid, dirfd);
    long from = sys_open(base, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (from < 0)
        return from;
    struct open_how how = {.flags = (uint64_t)(O_PATH | O_CLOEXEC | (nofollow ? O_NOFOLLOW : 0)),
                           .resolve = path[0] == '/' ? RESOLVE_IN_ROOT : RESOLVE_BENEATH};
    long fd = UR_SYS(CALL_openat2, from, path, &how, sizeof how, 0, 0);
    sys_close((int)from);
    return hold(q, fd);
}

/* --- being the caller: ids and umask are the thread's own (serve.c unshares the umask) --- */

struct identity {
    uid_t uid[4]; /* real, effective, saved, filesystem */
    gid_t gid[4];
    gid_t groups[GROUPS];
    int group_count;
    uint64_t effective; /* capabilities */
};

static void read_ids(const char *at, unsigned id[4]) {
    char *end = (char *)at;
    for (int i = 0; i < 4; i++)
        id[i] = (unsigned)strtoul(end, &end, 10);
}

static void read_identity(const char *status, struct identity *who) {
    read_ids(field(status, "\nUid:"), who->uid);
    read_ids(field(status, "\nGid:"), who->gid);
    char *at = (char *)field(status, "\nGroups:");
    for (who->group_count = 0; who->group_count < GROUPS; who->group_count++) {
        at += strspn(at, " \t");
        if (*at < '0' || *at > '9')
            break;
        who->groups[who->group_count] = (gid_t)strtoul(at, &at, 10);
    }
    who->effective = strtoull(field(status, "\nCapEff:"), NULL, 16);
}

static long set_capabilities(uint64_t effective, uint64_t permitted) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {
        {.effective = (uint32_t)effective, .permitted = (uint32_t)permitted},
        {.effective = (uint32_t)(effective >> 32), .permitted = (uint32_t)(permitted >> 32)},
    };
    return UR_SYS(SYS_capset, &head, data, 0, 0, 0, 0);
}

static uint64_t permitted(void) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    UR_SYS(SYS_capget, &head, data, 0, 0, 0, 0);
    return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

/* Raw calls, so that they change this thread alone. The saved id stays root's: the way back. */
static long take_ids(const struct identity *who) {
    static _Thread_local uint64_t all;
    if (!all)
        all = permitted();
    long ret = UR_SYS(SYS_setresuid, -1, 0, 0, 0, 0, 0); /* back to root, who may do the rest */
    if (ret == 0)
        ret = set_capabilities(all, all);
    if (ret == 0)
        ret = UR_SYS(SYS_setgroups, who->group_count, who->groups, 0, 0, 0, 0);
    if (ret == 0)
        ret = UR_SYS(SYS_setresgid, who->gid[0], who->gid[3], 0, 0, 0, 0);
    if (ret == 0)
        ret = UR_SYS(SYS_setresuid, who->uid[0], who->uid[3], 0, 0, 0, 0);
    /* An effective id other than root's has dropped them; those that the caller has kept are taken back, and the one to
       look into it: after a setuid(2), or if it is not dumpable, equal ids do not do. */
    const uint64_t look = UINT64_C(1) << CAP_SYS_PTRACE;
    return ret == 0 ? set_capabilities((who->effective | look) & all, all) : ret;
}

static bool same(const struct identity *a, const struct identity *b) {
    return memcmp(a->uid, b->uid, sizeof a->uid) == 0 && memcmp(a->gid, b->gid, sizeof a->gid) == 0 &&
           a->effective == b->effective && a->group_count == b->group_count &&
           memcmp(a->groups, b->groups, (size_t)a->group_count * sizeof *a->groups) == 0;
}

long peer_become(const struct call *q, bool creates) {
    static _Thread_local struct identity now; /* all zeros: nobody, yet */
    static _Thread_local bool other;
    bool vary = q->guard->root && atomic_load(&q->guard->ids_vary);
    if (!vary && !creates)
        return 0;
    char status[8192];
    long ret = read_status(q, status, sizeof status);
    if (ret < 0)
        return ret;
    if (creates)
        take_umask(q, (mode_t)strtoul(field(status, "\nUmask:"), NULL, 8));
    if (!vary)
        return 0;
    struct identity who = {0};
    read_identity(status, &who);
    if (other && same(&who, &now))
        return 0;
    ret = take_ids(&who);
    other = ret == 0;
    now = who;
    return ret;
}
