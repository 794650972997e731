/* What this host offers, found out by trying: see host.h. */
#include "launch/host.h"
#include "config/text.h"
#include "engine/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND (1UL << 1)
#endif
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

/* By the mount's number, for on btrfs st_dev is no mount's; a line of mountinfo begins with it, and the type is behind
   " - ". */
char *host_filesystem(const char *path) {
    struct statx st;
    char *line = NULL, *type = NULL;
    size_t room = 0;
    FILE *mounts = statx(AT_FDCWD, path, 0, STATX_MNT_ID, &st) == 0 && st.stx_mask & STATX_MNT_ID
                       ? fopen("/proc/self/mountinfo", "re")
                       : NULL;
    while (mounts && !type && getline(&line, &room, mounts) > 0) {
        const char *at = strtoull(line, NULL, 10) == st.stx_mnt_id ? strstr(line, " - ") : NULL;
        if (at)
            type = ur_copy(at + 3, strcspn(at + 3, " \n"));
    }
    if (mounts)
        fclose(mounts);
    free(line);
    return type ? type : ur_copy("?", 1);
}

int host_landlock(void) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi < 0 ? -errno : (int)abi;
}

/* A filter that asks about no call that anybody makes. */
static long install(unsigned long flags) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x7ffffff0, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

/* In a child, for a filter stays. As an unprivileged process, like any command of a run may be. */
static void try_listener(struct host_listener *l) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    long fd = install(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    l->wait_killable = fd >= 0;
    if (fd < 0 && errno == EINVAL)
        fd = install(0);
    if (fd < 0) {
        l->error = errno;
        return;
    }
    l->error = 0;
    /* The kernel looks at the flags first, then for the call with this id, which there is not. */
    struct seccomp_notif_addfd addfd = {.flags = SECCOMP_ADDFD_FLAG_SEND, .srcfd = (uint32_t)fd};
    l->addfd_send = ioctl((int)fd, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd) < 0 && errno == ENOENT;
    l->sync_wake_up = ioctl((int)fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) == 0;
}

static void wait_for(pid_t child) {
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        continue;
}

void host_listener(struct host_listener *listener) {
    *listener = (struct host_listener){.error = EAGAIN};
    pid_t child = vfork(); /* shares our memory, so `listener` can be filled there */
    if (child == 0) {
        try_listener(listener);
        _exit(0);
    }
    if (child > 0)
        wait_for(child);
    else
        listener->error = errno;
}

static int error_of(long ret) {
    return ret < 0 ? errno : 0;
}

static void *nothing(void *arg) {
    return arg;
}

void host_reach(struct host_reach *reach) {
    *reach = (struct host_reach){EAGAIN, EAGAIN, EAGAIN, EAGAIN, EAGAIN};
    pthread_t thread;
    reach->thread = pthread_create(&thread, NULL, nothing, NULL);
    if (!reach->thread)
        pthread_join(thread, NULL);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    if (child < 0)
        return;
    char byte = 0; /* at the same address in the child */
    struct iovec ours = {&byte, 1}, theirs = {reach, 1};
    reach->read = error_of(process_vm_readv(child, &ours, 1, &theirs, 1, 0));
    reach->write = error_of(process_vm_writev(child, &ours, 1, &theirs, 1, 0));
    int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    int copy = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, STDERR_FILENO, 0);
    reach->getfd = copy < 0 && errno != EBADF ? errno : 0; /* EBADF: it has no stderr, and we were let look */
    reach->trace = error_of(ptrace(PTRACE_SEIZE, child, NULL, NULL));
    kill(child, SIGKILL);
    wait_for(child);
    if (copy >= 0)
        close(copy);
    if (pidfd >= 0)
        close(pidfd);
}

int host_gate(void) {
    void *place = (void *)(uintptr_t)UR_GATE;
    void *page =
        mmap(place, UR_GATE_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (page == MAP_FAILED)
        return errno;
    munmap(page, UR_GATE_SIZE);
    return page == place ? 0 : EEXIST;
}

/* The number in a file of one; -1: none. */
static long number_in(const char *path) {
    char text[32];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (got <= 0)
        return -1;
    text[got] = '\0';
    return strtol(text, NULL, 10);
}

static bool has_io_uring(void) {
    char none[120] = {0}; /* struct io_uring_params */
    long fd = syscall(SYS_io_uring_setup, 1, none);
    if (fd >= 0)
        close((int)fd);
    return fd >= 0;
}

static bool has_32_bit(void) {
    static const char *const loaders[] = {"/lib/ld-linux.so.2", "/lib/ld-musl-i386.so.1", "/lib/ld-linux-armhf.so.3",
                                          "/libx32/ld-linux-x32.so.2"};
    for (unsigned i = 0; i < sizeof loaders / sizeof *loaders; i++)
        if (access(loaders[i], F_OK) == 0)
            return true;
    return false;
}

void host_look(struct host *host) {
    struct utsname name;
    *host = (struct host){0};
    if (uname(&name) == 0)
        snprintf(host->kernel, sizeof host->kernel, "%.32s %.31s", name.release, name.machine);
    host->landlock = host_landlock();
    host_listener(&host->listener);
    host_reach(&host->reach);
    host->yama = (int)number_in("/proc/sys/kernel/yama/ptrace_scope");
    host->gate = host_gate();
    host->io_uring = has_io_uring();
    host->bits32 = has_32_bit();
    host->user_namespaces = number_in("/proc/sys/user/max_user_namespaces");
}

const char *host_untried(void) {
#if defined __x86_64__
    return NULL;
#elif defined __aarch64__
    return "aarch64";
#endif
}

const char *host_landlock_reason(int landlock) {
    if (landlock > 0)
        return NULL;
    switch (-landlock) {
    case ENOSYS:
        return "this kernel has no Landlock (it came with Linux 5.13), or a filter hides it";
    case EOPNOTSUPP:
        return "Landlock is not among the security modules that this kernel was started with";
    default:
        return "Landlock is refused here";
    }
}

const char *host_guard_reason(const struct host_listener *listener, const struct host_reach *reach) {
    switch (listener->error) {
    case 0:
        break;
    case EBUSY:
        return "a seccomp listener is there already: the container's runtime, or a program that unionrun runs in, has "
               "it";
    case ENOSYS:
    case EINVAL:
        return "this kernel has no seccomp user notification (it came with Linux 5.0)";
    default:
        return "seccomp filters are refused here";
    }
    if (!listener->addfd_send)
        return "this kernel cannot hand over descriptors in answers (it came with Linux 5.14)";
    if (reach->read || reach->write)
        return "the memory of one's own children may not be read (kernel.yama.ptrace_scope is 2 or 3, or a filter)";
    if (reach->getfd && reach->trace)
        return "neither pidfd_getfd nor ptrace may be used on one's own children (a container's seccomp profile)";
    if (reach->thread)
        return "threads cannot be made (clone3: a container's seccomp profile)";
    return NULL;
}
