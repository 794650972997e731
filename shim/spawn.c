/*
 * posix_spawn: a child that shares the parent's memory, with a stack of its own, until its exec.
 *
 * The parent maps one block (stack, call, memory for the exec) and waits; so the child can neither lose it nor see
 * it go. In the child only raw system calls are made: errno, locks and libc's state are the parent's. All signals
 * are blocked and all handlers reset before any can be let through, or a handler of the parent's would run in
 * its memory in another process. Errors come back as posix_spawn's return value, and then the child is reaped.
 */
#include "spawn_actions.h"

#include <asm/ioctls.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum { GUARD = 4096, STACK = 64 << 10, SIGNALS = 64, SIGNAL_BYTES = SIGNALS / 8 };

/* The kernel's, not libc's. */
struct kernel_sigaction {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

struct call {
    const char *file;
    const posix_spawn_file_actions_t *actions;
    const posix_spawnattr_t *attr;
    char *const *argv, *const *envp;
    const char *search; /* PATH; NULL: the file is a path */
    uint64_t mask;      /* the parent's signal mask */
    struct ur_launch *launch;
    long error; /* what the child failed with: -errno */
};

static void reset_signals(const struct call *c, int flags) {
    uint64_t defaults = 0;
    if (flags & POSIX_SPAWN_SETSIGDEF)
        memcpy(&defaults, &c->attr->__sd, sizeof defaults);
    for (int sig = 1; sig <= SIGNALS; sig++) {
        struct kernel_sigaction act = {.handler = SIG_DFL};
        if (!(defaults >> (sig - 1) & 1)) {
            if (sig == 32 || sig == 33) /* libc's own */
                act.handler = SIG_IGN;
            else if (UR_SYS(SYS_rt_sigaction, sig, NULL, &act, SIGNAL_BYTES, 0, 0) < 0 || act.handler == SIG_DFL ||
                     act.handler == SIG_IGN)
                continue;
            else
                act = (struct kernel_sigaction){.handler = SIG_DFL};
        }
        UR_SYS(SYS_rt_sigaction, sig, &act, NULL, SIGNAL_BYTES, 0, 0);
    }
}

static long apply_attributes(const struct call *c, int flags) {
    long ret = 0;
    if (flags & POSIX_SPAWN_SETSCHEDULER)
        ret = UR_SYS(SYS_sched_setscheduler, 0, c->attr->__policy, &c->attr->__sp, 0, 0, 0);
    else if (flags & POSIX_SPAWN_SETSCHEDPARAM)
        ret = UR_SYS(SYS_sched_setparam, 0, &c->attr->__sp, 0, 0, 0, 0);
    if (ret >= 0 && (flags & POSIX_SPAWN_SETSID))
        ret = UR_SYS(SYS_setsid, 0, 0, 0, 0, 0, 0);
    if (ret >= 0 && (flags & POSIX_SPAWN_SETPGROUP))
        ret = UR_SYS(SYS_setpgid, 0, c->attr->__pgrp, 0, 0, 0, 0);
    if (ret >= 0 && (flags & POSIX_SPAWN_RESETIDS)) {
        ret = UR_SYS(SYS_setresuid, -1, UR_SYS(SYS_getuid, 0, 0, 0, 0, 0, 0), -1, 0, 0, 0);
        if (ret >= 0)
            ret = UR_SYS(SYS_setresgid, -1, UR_SYS(SYS_getgid, 0, 0, 0, 0, 0, 0), -1, 0, 0, 0);
    }
    return ret;
}

static long open_at(const struct __spawn_action *a) {
    sys_close(a->fd); /* so that the open, if it can, lands there */
    long fd = ur_open(UR_SELF, AT_FDCWD, a->path, a->flags, a->mode);
    if (fd < 0 || fd == a->fd)
        return fd;
    long ret = UR_SYS(SYS_dup3, fd, a->fd, 0, 0, 0, 0);
    sys_close((int)fd);
    return ret;
}

static long close_one(int fd) {
    struct rlimit limit;
    if (sys_close(fd) == 0)
        return 0;
    /* Not open is no error, impossible is. */
    if (UR_SYS(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit, 0, 0) < 0)
        return 0;
    return (rlim_t)fd >= limit.rlim_cur ? -EBADF : 0;
}

static long close_from(int from) {
    long ret = UR_SYS(SYS_close_range, from, ~0U, 0, 0, 0, 0);
    if (ret != -ENOSYS)
        return ret;
    struct rlimit limit; /* Linux before 5.9 */
    ret = UR_SYS(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit, 0, 0);
    for (int fd = from; ret >= 0 && (rlim_t)fd < limit.rlim_cur; fd++)
        sys_close(fd);
    return ret;
}

static long act(const struct __spawn_action *a) {
    switch (a->what) {
    case UR_ACTION_OPEN:
        return open_at(a);
    case UR_ACTION_CLOSE:
        return close_one(a->fd);
    case UR_ACTION_DUP2:
        if (a->fd != a->to)
            return UR_SYS(SYS_dup3, a->fd, a->to, 0, 0, 0, 0);
        return UR_SYS(SYS_fcntl, a->fd, F_SETFD, 0, 0, 0, 0); /* onto itself: it is to live on in the program */
    case UR_ACTION_CHDIR:
        return ur_chdir(UR_SELF, a->path);
    case UR_ACTION_FCHDIR:
        return ur_fchdir(UR_SELF, a->fd);
    case UR_ACTION_CLOSEFROM:
        return close_from(a->fd);
    case UR_ACTION_TCSETPGRP: {
        pid_t group = (pid_t)UR_SYS(SYS_getpgid, 0, 0, 0, 0, 0, 0);
        return sys_ioctl(a->fd, TIOCSPGRP, (long)&group);
    }
    }
    return -EINVAL;
}

static int child(void *arg) {
    struct call *c = arg;
    int flags = c->attr ? c->attr->__flags : 0;
    reset_signals(c, flags);
    long ret = apply_attributes(c, flags);
    for (int i = 0; ret >= 0 && c->actions && i < c->actions->__used; i++)
        ret = act(&c->actions->__actions[i]);
    if (ret >= 0) {
        uint64_t mask = c->mask;
        if (flags & POSIX_SPAWN_SETSIGMASK)
            memcpy(&mask, &c->attr->__ss, sizeof mask);
        UR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, SIGNAL_BYTES, 0, 0);
        ret = c->search ? ur_launch_search(c->launch, c->file, c->argv, c->envp, c->search, false)
                        : ur_launch_exec(c->launch, AT_FDCWD, c->file, c->argv, c->envp, 0);
    }
    c->error = ret;
    UR_SYS(SYS_exit, 127, 0, 0, 0, 0, 0);
    __builtin_unreachable();
}

int ur_spawn(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
             char *const argv[], char *const envp[], const char *search) {
    if (!ur_is_vector(argv) || !ur_is_vector(envp))
        return EFAULT;
    size_t size = GUARD + STACK + sizeof(struct call) + ur_launch_size(argv, envp);
    int held = ur_cancel_hold();
    char *block = ur_pages_get(size);
    if (!block) {
        ur_cancel_release(held);
        return ENOMEM;
    }
    UR_SYS(SYS_mprotect, block, GUARD, PROT_NONE, 0, 0, 0);
    struct call *c = (struct call *)(block + GUARD + STACK);
    *c = (struct call){.file = file, .actions = actions, .attr = attr, .argv = argv, .envp = envp, .search = search};
    c->launch = ur_launch_init(c + 1, argv, envp);

    int saved = errno;
    uint64_t all = ~UINT64_C(0);
    UR_SYS(SYS_rt_sigprocmask, SIG_BLOCK, &all, &c->mask, SIGNAL_BYTES, 0, 0);
    int born = clone(child, block + GUARD + STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, c);
    long error = born < 0 ? -errno : c->error;
    if (born > 0 && error < 0)
        while (UR_SYS(SYS_wait4, born, NULL, 0, NULL, 0, 0) == -EINTR)
            continue;
    UR_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &c->mask, NULL, SIGNAL_BYTES, 0, 0);
    ur_pages_put(block, size);
    ur_cancel_release(held);
    errno = error < 0 ? (int)-error : saved; /* POSIX asks for none; some programs rely on libc's */
    if (error < 0)
        return (int)-error;
    if (pid)
        *pid = born;
    return 0;
}

UR_EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                          const posix_spawnattr_t *attr, char *const argv[], char *const envp[]) {
    return ur_spawn(pid, path, actions, attr, argv, envp, NULL);
}

UR_EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                           const posix_spawnattr_t *attr, char *const argv[], char *const envp[]) {
    const char *search = getenv("PATH");
    return ur_spawn(pid, file, actions, attr, argv, envp, search ? search : ur_default_path());
}
