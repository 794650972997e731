/*
 * The shim: libc's path-taking functions, each turned into one engine call.
 *
 * Everything in here runs inside somebody else's program, so: a hook makes raw system calls (through the
 * engine), calls no other hooked name, changes errno only when it fails, and holds no descriptor.
 * errno is set here and nowhere below. Nothing but the hooks is visible to the program.
 *
 * symbols.def is the list of all hooks. A hook that is one engine call is a row there; one that needs code is a
 * function in the file that its row names.
 */
#ifndef UNIONRUN_SHIM_SHIM_H
#define UNIONRUN_SHIM_SHIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#undef _FORTIFY_SOURCE /* its inline definitions would be of the very names that are defined here */
#undef _FILE_OFFSET_BITS

/* The headers promise that no path is NULL. Whoever calls us promised nothing: keep the checks. */
#include <sys/cdefs.h>
#undef __nonnull
#define __nonnull(params)
#undef __attribute_nonnull__
#define __attribute_nonnull__(params)

#include "../engine/engine.h"
#include "../engine/root.h"
#include "../engine/shared.h"
#include "../engine/sys.h"
#include "../engine/trace.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#define UR_EXPORT __attribute__((visibility("default")))

/* A second public name of a function of the same file. The types may differ where LP64 makes them one (struct
   stat and struct stat64). */
#if defined __clang__
#define UR_TWIN_QUIETLY
#else
#define UR_TWIN_QUIETLY                                                                                                \
    _Pragma("GCC diagnostic ignored \"-Wattribute-alias\"") _Pragma("GCC diagnostic ignored \"-Wmissing-attributes\"")
#endif
#define UR_TWIN(name, of)                                                                                              \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wdeprecated-declarations\"")                     \
        UR_TWIN_QUIETLY extern UR_EXPORT __typeof(name) name __attribute__((alias(#of)));                              \
    _Pragma("GCC diagnostic pop")

/* --- who asks (start.c) ---------------------------------------------------------------------------------- */

extern _Atomic(const struct ur_caller *) ur_me;
const struct ur_caller *ur_self_start(void);

/* This process as the engine's caller; its table is NULL if there is no session, and then every engine call is
   the plain system call. Async-signal-safe. */
static inline const struct ur_caller *ur_self(void) {
    const struct ur_caller *c = atomic_load_explicit(&ur_me, memory_order_acquire);
    return c ? c : ur_self_start();
}
#define UR_SELF ur_self()

static inline bool ur_in_session(void) {
    return ur_self()->u->table != NULL;
}

/* True where a guard serves the run: what libc and ld.so do by themselves is answered in the union's namespace, and
   must be told union paths, not the host's. */
static inline bool ur_guarded(void) {
    return ur_guard_serves(ur_self()->u->shared);
}

/* `error`, for a call that no run gets; of the first mount the launcher is to tell (a guard says it itself). */
long ur_refuse(long nr, long error);

/* What ur_self tells from now on; NULL: that there is no session. For gate.c alone. */
void ur_self_set(const struct ur_caller *c);
/* The program, or one that started it, has set a seccomp filter of its own, and the guard answers in our stead. */
bool ur_filtered(void);

/* --- the gate (gate.c) ------------------------------------------------------------------------------------ */

/* Maps the gate if it is not there. False: there can be none. Async-signal-safe. */
bool ur_gate_map(void);
/* From now on UR_SYS goes by it, which is mapped; or no longer does. */
void ur_gate_open(bool open);

/* Set if the loader was run to run us: /proc/self/exe is the loader then, and this is the program's own path. */
extern const char *ur_exe;
bool ur_names_exe(const char *path);
/* The path to use for `path`: itself, or the program's where it names /proc/self/exe. */
static inline const char *ur_name(const char *path) {
    return __builtin_expect(ur_exe && ur_names_exe(path), 0) ? ur_exe : path;
}

/* --- the edge -------------------------------------------------------------------------------------------- */

/* A raw result as libc tells it: -errno becomes errno and -1, and else errno is left alone. */
static inline long ur_edge_of(long ret) {
    if (__builtin_expect(ret < 0, 0)) {
        errno = (int)-ret;
        return -1;
    }
    return ret;
}

/* --- which libc this is (libc.c) -------------------------------------------------------------------------- */

/* glibc or musl. The object is built with glibc's headers and loads in both: what it needs of libc both have, and where
   their structures or their ways differ a hook asks here. */
extern struct _IO_FILE_plus _IO_2_1_stdout_ __attribute__((weak));
static inline bool ur_in_glibc(void) {
    return &_IO_2_1_stdout_ != NULL;
}

/* Ends the program: a fortified call was given more than its buffer holds. */
__attribute__((noreturn)) void ur_chk_fail(void);

/* --- cancellation (cancel.c) ------------------------------------------------------------------------------ */

/* From here on nobody cancels this thread but at a cancellation point, as if the type were deferred; and back to what
   ur_cancel_hold returned. */
int ur_cancel_hold(void);
void ur_cancel_release(int was);
/* The call, and its raw result as libc tells it. Were the thread cancelled in the middle (PTHREAD_CANCEL_ASYNCHRONOUS),
   what the engine holds would be lost: memory, and in a change the lock that others wait for. */
#define ur_edge(call)                                                                                                  \
    ({                                                                                                                 \
        int edge_was_ = ur_cancel_hold();                                                                              \
        long edge_ret_ = (call);                                                                                       \
        ur_cancel_release(edge_was_);                                                                                  \
        ur_edge_of(edge_ret_);                                                                                         \
    })

/* A cancellation point. */
void ur_cancel_point(void);
/* A system call that may wait, and is one: cancelled in it the thread is gone. By the gate (ur_syscall6) or not
   (ur_plain6). No unwinder knows the gate's page: a thread that is cancelled there runs C's clean-up handlers, not
   C++'s. */
long ur_cancel_wait(ur_way *way, long nr, long a, const void *b, long c, long d, const void *e, long f);
/* Open as libc's: a cancellation point, also while it waits for the other end of a FIFO. -errno comes back. */
long ur_cancel_open(int dirfd, const char *path, int flags, mode_t mode);

/* What is to be done if the thread is cancelled before ur_cleanup_pop: libc's own list of such things, which it keeps
   in the frames concerned. */
struct ur_cleanup {
    void *libc[4];
};
void ur_cleanup_push(struct ur_cleanup *c, void (*routine)(void *), void *arg);
void ur_cleanup_pop(struct ur_cleanup *c);

/* --- memory that needs no malloc (exec.c and start.c say why) --------------------------------------------- */

/* Zeroed pages from the kernel; NULL for want of memory. errno is not touched. */
void *ur_pages_get(size_t bytes);
void ur_pages_put(void *at, size_t bytes);
/* UR_PATH_MAX bytes; NULL for want of memory. */
char *ur_path_get(void);
void ur_path_put(char *path);
static inline void ur_path_cleanup(char **p) {
    ur_path_put(*p);
}
/* Such a buffer for the block, or NULL. */
#define UR_PATH_BUFFER(name) __attribute__((cleanup(ur_path_cleanup))) char *name = ur_path_get()

/* --- a lock of four bytes (lock.c): no pthread; all zeros is unlocked -------------------------------------- */

void ur_lock(_Atomic int *l);
void ur_unlock(_Atomic int *l);

/* --- libc's own function of a name that is hooked here (next.c) -------------------------------------------- */

/* The next definition of `name`, remembered in `*slot`; NULL if there is none. Never on the way to a system
   call: dlsym may allocate. */
void *ur_next(_Atomic(void *) *slot, const char *name);
/* libc's dlerror, which has not forgotten what it is to tell; but in musl it must be asked for before there is
   something. NULL if there is none. */
void *ur_next_dlerror(void);

/* --- starting programs (exec.c), for those who start one in their own way ----------------------------------- */

enum { UR_COMM = 16 }; /* TASK_COMM_LEN */

/* Memory for one exec: sized and taken before, so that a child that shares its parent's memory can use it. A page that
   is touched costs a child more than a system call: what every exec needs lies together, in front. */
struct ur_launch {
    size_t size;                       /* of the whole block */
    char **argv, **shell_argv, **envp; /* room for the new arrays */
    char *text;                        /* what the environment's new strings take */
    char *candidate;                   /* PATH search: the file that is tried; UR_PATH_MAX bytes */
    struct ur_launch_plan *plan;
};
struct ur_launch_plan {
    char comm[16 + UR_COMM];       /* UNIONRUN_COMM=..., or empty */
    char exe[UR_PATH_MAX + 16];    /* UNIONRUN_EXE=... */
    char execfn[UR_PATH_MAX + 48]; /* UNIONRUN_EXECFN=..., or empty */
    struct ur_exec exec;
};
/* Can these arguments, or this environment, be gone through? Else it is -EFAULT. NULL is none. */
bool ur_is_vector(char *const v[]);
/* Bytes that a ur_launch for these takes; then lay it out in a block of that size (aligned for pointers). */
size_t ur_launch_size(char *const argv[], char *const envp[]);
struct ur_launch *ur_launch_init(void *block, char *const argv[], char *const envp[]);
/* execveat: returns only if it fails, with -errno. Async-signal-safe, changes only `l`. */
long ur_launch_exec(struct ur_launch *l, int dirfd, const char *path, char *const argv[], char *const envp[],
                    int flags);
/* The search of execvp. `search` is the value of PATH (NULL: the default). `shell`: run by /bin/sh what the kernel says
   ENOEXEC to. */
long ur_launch_search(struct ur_launch *l, const char *file, char *const argv[], char *const envp[], const char *search,
                      bool shell);

/* The PATH of who has none. */
const char *ur_default_path(void);

/* posix_spawn without its public face (spawn.c), for system and popen. `search`: the PATH to look in, NULL if `file`
   is a path. Returns 0 or an errno value. */
#include <spawn.h>
int ur_spawn(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
             char *const argv[], char *const envp[], const char *search);

/* --- what one family lends another, under names that are not hooked ----------------------------------------- */

#include <dirent.h>
#include <stdio.h>

/* As the hooks of these names: errno is set. */
pid_t ur_fork(void);
int ur_edge_open(int dirfd, const char *path, int flags, mode_t mode);
DIR *ur_dir_open(int dirfd, const char *path);
struct dirent *ur_dir_read(DIR *d);
int ur_dir_close(DIR *d);
int ur_dir_fd(DIR *d);
FILE *ur_file_open(const char *path, const char *mode);
#include <glob.h>
int ur_glob(const char *pattern, int flags, int (*failed)(const char *, int), glob_t *g);

/* As the system calls: -errno comes back. */
struct file_handle;
struct sockaddr;
struct timeval;
struct utimbuf;
void ur_clones(unsigned long flags);
long ur_close(int fd);
long ur_close_range(unsigned from, unsigned to, int flags);
long ur_dup2(int from, int to);
long ur_dup3(int from, int to, int flags);
long ur_exec_at(int dirfd, const char *path, char *const argv[], char *const envp[], int flags);
long ur_readlink_of(int dirfd, const char *path, char *buf, size_t n);
long ur_handle_of(int dirfd, const char *path, struct file_handle *h, int *mount, int flags);
long ur_ioctl(int fd, unsigned long request, long arg);
long ur_temp_file(char *template); /* mkstemp */
long ur_utime(const char *path, const struct utimbuf *times);
long ur_utimes(int dirfd, const char *path, const struct timeval tv[2], int flags);
long ur_watch(int fd, const char *path, uint32_t mask);
long ur_fanotify_mark(int fd, unsigned flags, uint64_t mask, int dirfd, const char *path);
long ur_fstatfs(int fd, struct statfs *st);
long ur_seccomp(unsigned op, unsigned flags, const void *program);
long ur_id(long nr, bool group, int which);
long ur_three_ids(long nr, bool group, unsigned *real, unsigned *effective, unsigned *saved);
struct __user_cap_header_struct;
long ur_capabilities(long nr, struct __user_cap_header_struct *head, struct __user_cap_data_struct *data);
long ur_limit(pid_t of, unsigned what, const struct rlimit *to, struct rlimit *was); /* prlimit */
long ur_groups(int size, unsigned *list);
long ur_chroot(const char *path);
long ur_prctl(int option, const long a[4]);
long ur_bind(int fd, const struct sockaddr *addr, unsigned len);
long ur_connect(int fd, const struct sockaddr *addr, unsigned len);

#endif
