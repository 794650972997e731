/*
 * The guard: what the shim does not see (static programs, Go, inline system calls, ld.so's start, libc's own insides)
 * is answered here, by the same engine, for the process that asks. seccomp_unotify(2), ptrace(2).
 *
 *     calls.def     which system calls, and of which class
 *     filter.c      the BPF program that sends them here, but for those made from the gate
 *     loader.c      what ld.so asks at each start, and nobody needs to answer
 *     serve.c       the process that answers: threads, receiving, sending
 *     peer.c        the asking process: its memory, its descriptors, who it is
 *     inject.c      what only the process itself can do, done by it: a short ptrace
 *     inplace.c     exec where a debugger is in the way
 *     known.c       paths that the kernel itself resolves to the same
 *     names.c       answers: calls that look a name up, make, remove or rename it
 *     files.c       answers: open, and calls on descriptors
 *     writes.c      answers: calls that make a file grow, where that is limited
 *     meta.c        answers: calls that change metadata, and the rule for raw paths
 *     places.c      answers: cwd
 *     listings.c    answers: what a directory holds
 *     programs.c    answers: execve
 *     ids.c         answers: who the caller is, under a simulated root
 *     sockets.c     answers: AF_UNIX names, watches
 *
 * The process tree is launcher - guard - keeper - command: whoever is to read the memory of all the others must be
 * their ancestor (Yama), and who reaps them must not be who traces them, for waitpid(2) tells both by one.
 *
 * Rules: a call whose path the kernel itself would resolve to the same goes on (CONTINUE); what is answered here is
 * decided and done here, on memory that has been copied, so that the asking process cannot change it in between.
 */
#ifndef UNIONRUN_LAUNCH_GUARD_GUARD_H
#define UNIONRUN_LAUNCH_GUARD_GUARD_H

#include "engine/engine.h"
#include "engine/trace.h"
#include "launch/launch.h"

#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

/* --- for the launcher --- */

/* Forks: returns in the child, which goes on as the keeper, and in the guard never returns. `socket` is the keeper's to
   the launcher. False (plan.error or said): the guard could not be made, and a run that requires one must not begin. */
bool guard_start(struct launch *launch, int socket);

/* What is wanting for a guard. */
enum guard_lack {
    LACK_NONE,
    LACK_TRACE, /* it serves, but for what only the process itself can do (inject.c) */
    LACK_LISTENER,
    LACK_MEMORY,
    LACK_DESCRIPTORS, /* nor LACK_TRACE's */
    LACK_THREADS,
    LACK_SESSION,
    LACK_GUARD, /* it has gone, and the filter may be in place: the command must not be run */
};
struct guard_report {
    enum guard_lack what;
    int error;
};

/* In the command's process, just before exec: puts the filter in place and hands its listener to the guard. Where more
   is wanting than ptrace, or anything at all for a run that requires a guard, there is no filter. */
struct guard_report guard_enter(struct launch *launch);

/* --- loader.c --- */

/* What the ld.so that `program` asks for asks of /etc at each start, as the filter can tell it; none: it is not known.
 */
enum { LOADER_CALLS = 4 };
struct loader {
    unsigned accesses, opens;
    struct loader_call {
        uint32_t place;    /* in its page, of what is behind the instruction */
        uint32_t distance; /* from there to the name: the low half */
    } access[LOADER_CALLS], open[LOADER_CALLS];
};
void loader_find(const char *program, struct loader *l);

/* --- filter.c --- */

enum filter_ids {
    FILTER_IDS_REAL, /* nobody can become another */
    FILTER_IDS_VARY, /* calls that change who one is are sent, too */
    FILTER_IDS_TOLD, /* and those that tell it: a simulated root */
};
/* Installs the filter on the calling thread. `shim`: programs have one; `limited`: what makes files grow is sent;
   `loader`: passes. Needs no_new_privs or CAP_SYS_ADMIN. `killable`: what guard.killable is to be. Returns the
   listener's descriptor or -errno. */
long filter_install(enum filter_ids ids, bool shim, bool limited, const struct loader *loader, bool *killable);

/* --- one call that is answered --- */

struct guard {
    const struct launch *launch;
    struct ur_union whole;
    int listener;
    bool killable;     /* a call that has been heard is torn by no signal but a kill */
    bool fetches_none; /* pidfd_getfd is refused here: see peer_fd */
    _Atomic bool umask_shared;
    bool traces_none;        /* ptrace is refused here, which has been said */
    dev_t proc;              /* st_dev of /proc */
    bool root;               /* the run is root's: its processes may be others */
    _Atomic bool ids_vary;   /* and one may be another by now */
    _Atomic bool roots_vary; /* one has called chroot */
    _Atomic bool mount_said;
    _Atomic int untold; /* times in a row that poll(2) failed us */

    /* Who waits for the next call (serve.c). */
    int processors;
    _Atomic int waiters;    /* how many of the threads are to wait */
    _Atomic uint64_t calls; /* how many have come */
    _Atomic uint64_t pace;  /* ns that an answer takes, of late */
    _Atomic int waiting;    /* threads that wait, or are about to */
    pthread_mutex_t lock;   /* of what follows */
    pthread_cond_t called;  /* `vacant` */
    int vacant;             /* threads that are to wait, of `waiting` */
    int idle, threads;
};

struct call {
    struct guard *guard;
    uint64_t id;
    pid_t pid; /* the thread */
    int number;
    bool gate;      /* from the gate: paths are raw */
    bool elsewhere; /* its root is another directory: it sees the host from there, and no union (places.c) */
    bool answered;
    uint64_t arg[6];
    struct ur_caller caller; /* for paths: cwd and descriptors of the thread */
    int held[8];             /* descriptors to be closed before the caller goes on */
    int held_count;
};

/* What an answer returns beside a value or -errno. */
#define PASS (-5000L)  /* let the kernel do it as it was asked */
#define GIVEN (-5001L) /* has been answered, or nobody waits for it any more */

typedef long answer_fn(struct call *q);
#define GUARD(call, class, answer) answer_fn answer;
#define REFUSE(call, error)
#include "launch/guard/calls.def"

/* An ioctl of the listener. It is interrupted by what is no signal to us, too, a cgroup that is frozen say; then it has
   done nothing. Its result or -errno. */
long listener_do(const struct guard *g, unsigned long request, void *argument);

/* --- peer.c --- */

/* Copies from and to the caller's memory: 0, or -EFAULT; -EPERM if this process may not look into it; -ENOMEM. */
long peer_read(const struct call *q, uint64_t at, void *to, size_t size);
long peer_write(const struct call *q, uint64_t at, const void *from, size_t size);
/* `size` bytes from each of `count` places, one after the other, by one call: how many of them could be read up to the
   first that could not, which may be none. */
size_t peer_read_each(const struct call *q, const uint64_t *at, size_t count, void *to, size_t size);
/* A string with its NUL into `to`: its length, what peer_read says, or -ENAMETOOLONG if it does not fit. Afterwards the
   caller was still waiting, so what was read is its own; else GIVEN. */
long peer_string(const struct call *q, uint64_t at, char *to, size_t size);
/* A duplicate here of the caller's descriptor, closed with the call; -EBADF, or -EPERM. Where none can be had
   (guard.fetches_none) another open file of the same inode: its place and its flags are its own. */
long peer_fd(struct call *q, int fd);
/* The flags of the caller's descriptor, and its place; -EBADF, or -EPERM. */
long peer_fd_place(const struct call *q, int fd, off_t *at);
/* Closes what this call has opened here and got from the caller. It comes before the caller goes on, who may close his
   own and expect it to be the last: the other end of a socket, a lock, exec of what was written (ETXTBSY) tell. */
void peer_let_go(struct call *q);
/* A raw path of the caller's: with its /proc/self in place of ours. `path` or `room`. */
const char *peer_own_proc(const struct call *q, const char *path, char room[UR_PATH_MAX]);
/* What the kernel says of a descriptor of ours: its length, or -errno. */
long peer_fd_path(int own, char host[UR_PATH_MAX]);
/* Opens (O_PATH) what a path is to a caller whose root is another: a descriptor, closed with the call, or -errno. */
long peer_open(struct call *q, int dirfd, const char *path, bool nofollow);
/* Is the caller's root another directory than ours? */
bool peer_is_elsewhere(const struct call *q);
/* This thread takes on the caller's ids, where they may differ, and its umask if `creates`. 0 or -errno. */
long peer_become(const struct call *q, bool creates);

/* --- inject.c --- */

struct inject {
    struct call *call;
    pid_t tid;
    uint64_t room, room_size, room_used; /* mapped in the caller */
    uint64_t mask;                       /* of signals, its own */
    long lacks;                          /* why something could not be put there: the next call is not made */
    unsigned char saved[288];            /* its registers */
};
/* Stops the caller where it can be made to do something. From then on its call is answered: inject_end must tell how.
   0; -EPERM if another traces it (nothing has happened yet); GIVEN if it is gone. `room`: bytes of memory wanted. */
long inject_begin(struct inject *i, struct call *q, size_t room);
/* Puts bytes into the caller's room: the address there; 0 if that fails, and the next inject_do says why. */
uint64_t inject_put(struct inject *i, const void *from, size_t size);
/* Makes the caller do a system call, from the gate. `waits`: it may wait, and signals may end it. */
long inject_do(struct inject *i, bool waits, long number, const uint64_t arg[6]);
/* The same for execve: returns only if it failed. GIVEN: it went well, and there is nothing to end. */
long inject_exec(struct inject *i, const uint64_t arg[6], const char *path, const char *name);
void inject_end(struct inject *i, long result);
/* All of it: the caller makes the call `number` with these arguments, of which `which` is this path. Returns GIVEN, or
   -EPERM where it is traced, which has been said. */
long caller_does(struct call *q, int which, const char *path, bool waits, long number, const uint64_t arg[6]);

/* --- inplace.c --- */

/* Puts `host` in the place of the path that an exec has as argument `which`, and lets the call go on. GIVEN, or -EPERM
   if it does not fit. */
long inplace_exec(struct call *q, int which, const char *host);

/* --- room.c --- */

/* The calling thread's own, for as long as it lives and for one call at a time; NULL: no memory. */
enum { THREAD_ROOM = 256 << 10, VALUE_MAX = 65536 /* of it, for XATTR_SIZE_MAX and XATTR_LIST_MAX */ };
char *thread_room(void);

/* --- known.c --- */

struct known_key {
    uint64_t generation; /* 0: it cannot be remembered */
    unsigned slot;
};
/* Is it known of this path, followed or not at its end, that the kernel comes to the same? `k` is for known_add. */
bool known_native(const struct call *q, const char *path, bool nofollow, struct known_key *k);
/* It is so: `dev` is ur_is_native_on's. */
void known_add(const struct call *q, const char *path, bool nofollow, const struct known_key *k, dev_t dev);

/* --- for the answers --- */

/* Reads the path argument `at`; then 0. Or what is to be returned: -errno, GIVEN. */
long path_of(struct call *q, int at, char path[UR_PATH_MAX]);
/* PASS if the kernel comes to the same by itself, else 0. `flags` as ur_is_native. */
long native(struct call *q, int dirfd, const char *path, int flags);

/* The guard itself, by descriptors of its own, in the caller's stead. */
static inline struct ur_caller here_for(const struct call *q) {
    return (struct ur_caller){.u = q->caller.u, .behind = q->pid, .call = q->caller.call};
}

static inline int dirfd_of(const struct call *q, int at) {
    return (int)q->arg[at];
}

/* meta.c: before the first call. */
void meta_start(const struct launch *launch);
/* May the metadata of what this descriptor of ours leads to be changed? 0 or -EACCES. `host`: gets its path. */
long meta_allowed(int own, char host[UR_PATH_MAX]);

/* serve.c: what comes now will take long, so somebody else is to wait for the next call. (What only may is seen to.) */
void guard_step_down(struct call *q);

/* Has the launcher say it, while that is there. */
void guard_say(struct guard *g, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
