/* Answers: where the caller is, and where it goes. */
#include "engine/root.h"
#include "engine/sys.h"
#include "launch/guard/guard.h"
#include "launch/keeper.h"

#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

/* The directory that it is on the host is where the process goes, and only it can. The engine knows from there where
   it is in the union (ur_getcwd). */
static long go_to(struct call *q, const char *host) {
    const uint64_t arg[6] = {0};
    long ret = caller_does(q, 0, host, false, SYS_chdir, arg);
    ur_descriptor_given(q->caller.u);
    return ret;
}

long answer_chdir(struct call *q) {
    char path[UR_PATH_MAX], host[UR_PATH_MAX];
    struct stat st;
    ur_descriptor_given(q->caller.u);
    long ret = path_of(q, 0, path);
    if (ret == 0)
        ret = native(q, AT_FDCWD, path, 0);
    if (ret == 0)
        ret = ur_stat(&q->caller, AT_FDCWD, path, &st, 0);
    if (ret == 0 && !S_ISDIR(st.st_mode))
        ret = -ENOTDIR;
    if (ret == 0)
        ret = (ur_real)(&q->caller, AT_FDCWD, path, 0, host);
    return ret < 0 ? ret : go_to(q, host);
}

/* A lower's directory that was copied up since it was opened: its copy is where the process goes. */
long answer_fchdir(struct call *q) {
    char link[48], host[UR_PATH_MAX], at[UR_PATH_MAX], now[UR_PATH_MAX];
    int fd = dirfd_of(q, 0);
    ur_descriptor_given(q->caller.u);
    if (fd < 0 || ur_fd_is_native(&q->caller, fd))
        return PASS;
    snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)q->pid, fd);
    long n = sys_readlink(link, host, sizeof host - 1);
    if (n < 0)
        return PASS;
    host[n] = 0;
    struct stat st;
    n = peer_become(q, false);
    if (n < 0 || ur_union_path(&q->caller, host, at) < 0 || (ur_stat)(&q->caller, AT_FDCWD, at, &st, 0) < 0 ||
        !S_ISDIR(st.st_mode) || (ur_real)(&q->caller, AT_FDCWD, at, 0, now) < 0 || strcmp(host, now) == 0)
        return PASS;
    struct stat was;
    struct ur_caller here = here_for(q);
    long own = peer_fd(q, fd); /* is it the same directory, or another of that name? */
    if (own < 0 || (ur_fstat)(&here, (int)own, &was) < 0 || was.st_ino != st.st_ino || was.st_dev != st.st_dev)
        return PASS;
    struct inject i;
    if (inject_begin(&i, q, UR_PATH_MAX) == 0) {
        uint64_t to[6] = {inject_put(&i, now, strlen(now) + 1)};
        inject_end(&i, inject_do(&i, false, SYS_chdir, to));
        ur_descriptor_given(q->caller.u);
    }
    return q->answered ? GIVEN : PASS;
}

long answer_getcwd(struct call *q) {
    char path[UR_PATH_MAX];
    uint64_t size = q->arg[1];
    long ret = peer_become(q, false);
    if (ret == 0 && ur_is_native(&q->caller, AT_FDCWD, ".", 0) == 1)
        return PASS;
    long n = ret < 0 ? ret : ur_getcwd(&q->caller, path, size < sizeof path ? size : sizeof path);
    ret = n < 0 ? n : peer_write(q, q->arg[0], path, (size_t)n);
    return ret < 0 ? ret : n;
}

/* --- a root of its own, and mounts --- */

/* The root that there is may be made the root: nothing changes (`chroot --userspec` does so). */
static bool is_root(struct call *q, const char *path) {
    char canonical[UR_PATH_MAX];
    return peer_become(q, false) == 0 && ur_canonical(&q->caller, AT_FDCWD, path, 0, canonical) == 1;
}

static bool may_chroot(const struct call *q) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, q->pid};
    struct __user_cap_data_struct data[2] = {0};
    if (q->caller.u->root)
        ur_capget(&q->caller, data, 2);
    else
        UR_SYS(SYS_capget, &head, data, 0, 0, 0, 0);
    return data[0].effective >> CAP_SYS_CHROOT & 1;
}

/* A directory of the host may become a process's root: then it sees the host from there, and all its calls but those
   that change metadata go on as they are (sshd and chromium shut themselves in so). One of a union cannot: it is in no
   one place. */
long answer_chroot(struct call *q) {
    char path[UR_PATH_MAX];
    long ret = path_of(q, 0, path);
    if (ret == 0)
        ret = native(q, AT_FDCWD, path, 0);
    if (ret == PASS)
        atomic_store(&q->guard->roots_vary, true);
    else if (ret == 0 && is_root(q, path))
        ret = may_chroot(q) ? 0 : -EPERM;
    else if (ret == 0) {
        guard_say(q->guard, "chroot to %s refused: a directory of a union cannot be a root", path);
        ret = -EPERM;
    }
    return ret;
}

/* Mounts would change what paths mean. The fence forbids them too. */
long answer_mount(struct call *q) {
    if (!atomic_exchange(&q->guard->mount_said, true))
        guard_say(q->guard, REFUSED_MOUNT, (int)q->pid);
    return -EPERM;
}
