/*
 * What this host offers to the guard and the fence: found out by trying, for no version number knows what a container's
 * seccomp profile, a security module or a sysctl takes away.
 *
 * Shared by `unionrun doctor` and by whoever builds the nets. Each part alone costs well under a millisecond, leaves
 * nothing behind and changes nothing in the calling process.
 */
#ifndef UNIONRUN_LAUNCH_HOST_H
#define UNIONRUN_LAUNCH_HOST_H

#include <stdbool.h>

/* seccomp user notification, as a child of ours could have it. */
struct host_listener {
    int error;          /* 0: it can be had. EBUSY: who started us has one already; else what seccomp(2) said */
    bool wait_killable; /* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19: signals do not tear a call */
    bool addfd_send;    /* SECCOMP_ADDFD_FLAG_SEND, Linux 5.14: a descriptor and its answer in one step */
    bool sync_wake_up;  /* SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6: answers in a third of the time */
};

/* What we may do with a child of our own. 0 or an errno each. */
struct host_reach {
    int read, write; /* process_vm_readv, process_vm_writev */
    int getfd;       /* pidfd_getfd */
    int trace;       /* PTRACE_SEIZE; EPERM may also mean that a tracer (gdb, strace) is there already */
    int thread;      /* make threads: glibc's clone3, which older profiles refuse by EPERM */
};

struct host {
    char kernel[65];
    int landlock; /* the ABI; -errno: there is none */
    struct host_listener listener;
    struct host_reach reach;
    int yama;             /* kernel.yama.ptrace_scope; -1: no Yama */
    int gate;             /* 0, or why the gate's page cannot be mapped at its address: EEXIST, EACCES ... */
    bool io_uring;        /* programs could use it (in a run the guard refuses it) */
    bool bits32;          /* 32-bit programs could be run */
    long user_namespaces; /* how many may be made; nobody needs one. -1: not told */
};

/* The type of the filesystem at `path` ("ext4"): owned by the caller; "?" if that cannot be told. */
char *host_filesystem(const char *path);
int host_landlock(void);
void host_listener(struct host_listener *listener);
void host_reach(struct host_reach *reach);
int host_gate(void);

/* All of it. */
void host_look(struct host *host);

/* The name of this architecture if the guard was never run on one like it; NULL: it was. It handles registers and
   machine code, so compiling is no proof: it is used there only by who requires it. */
const char *host_untried(void);

/* Why a fence, or a guard, cannot be had, as the second half of a sentence; NULL: it can be. */
const char *host_landlock_reason(int landlock);
const char *host_guard_reason(const struct host_listener *listener, const struct host_reach *reach);

#endif
