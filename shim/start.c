/*
 * Finding the session, and small services that every family needs.
 *
 * The session directory is named by UNIONRUN_SESSION. It is mapped at the first path call, which may come
 * before any constructor of ours (another preloaded object's constructor opens a file), from any thread and from a
 * signal handler; and at the latest in our constructor, before the program can clear its environment. Whoever
 * comes first maps it into a place of his own and publishes that by one compare-and-swap; one who loses the race
 * leaves his map unused. So there is no lock, nobody waits, and `ur_me` once set does not change (but see gate.c).
 *
 * Where a guard serves the run the session can be seen from the gate only. If there is no gate, the session is not
 * found, and every hook is the plain system call with the program's own path, which the guard answers.
 */
#include "shim.h"

#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { RACERS = 2 }; /* more than that come at once so rarely that they may take a page each */

static const struct ur_union no_union;
static const struct ur_caller outside = {.u = &no_union};

/* What is published. */
struct place {
    struct ur_union u;
    struct ur_caller caller;
};

_Atomic(const struct ur_caller *) ur_me;
static _Atomic bool filtered;
const char *ur_exe;

/* What the environment said when we were loaded. Only `taken` is looked at by others while it is written. Where it lies
   each start writes (layout.ld). */
static __attribute__((section(".start"))) struct {
    _Atomic bool taken;
    bool gives_way;
    char session[512];
} at_start;

/* Of our variables the values, or NULL. */
struct variables {
    const char *session, *filtered, *exe, *comm, *execfn;
};

/* Behind `name`, if the text begins with it and there was none before. */
static const char *first(const char *before, const char *text, const char *name) {
    while (!before && *name && *text == *name)
        text++, name++;
    return before || *name ? before : text;
}

/* No function of libc's up to the first call of a path: it would be looked up at each start. */
static struct variables read_environment(void) {
    struct variables v = {NULL};
    for (char **e = environ; e && *e; e++) {
        const char *name = first(NULL, *e, "UNIONRUN_");
        if (!name)
            continue;
        v.session = first(v.session, name, "SESSION=");
        v.filtered = first(v.filtered, name, "FILTERED=");
        v.exe = first(v.exe, name, "EXE=");
        v.comm = first(v.comm, name, "COMM=");
        v.execfn = first(v.execfn, name, "EXECFN=");
    }
    return v;
}

/* Maps the session, by way of the gate. One that cannot be found so may be one in another union, whose guard knows
   where it is. 0 or -errno; *gated: the engine's calls are to be made from the gate. */
static long open_session(struct ur_union *u, const char *session, bool gate, bool *gated) {
    long ret = gate ? ur_union_open_by(ur_gated6, u, session) : -ENOENT;
    *gated = ret == 0 && (!u->shared || ur_guard_serves(u->shared));
    return ret == 0 ? 0 : ur_union_open_by(ur_plain6, u, session);
}

/* A place for one who maps the session. NULL: there is no memory. */
static struct place *place_get(void) {
    static struct place places[RACERS];
    static _Atomic unsigned racers;
    unsigned i = atomic_fetch_add(&racers, 1);
    return i < RACERS ? &places[i] : ur_pages_get(sizeof(struct place));
}

const struct ur_caller *ur_self_start(void) {
    if (!environ) /* libc itself has not started: too early to know */
        return &outside;
    const struct ur_caller *mine = &outside, *none = NULL;
    bool taken = atomic_load(&at_start.taken);
    struct variables v = {NULL};
    if (!taken)
        v = read_environment();
    const char *session = taken ? at_start.session : v.session;
    if (session) {
        bool gives_way = taken ? at_start.gives_way : v.filtered != NULL, gated = false;
        struct place *p = place_get();
        long ret = p ? open_session(&p->u, session, !gives_way && ur_gate_map(), &gated) : -ENOMEM;
        if (ret == -ENOMEM || ret == -EMFILE || ret == -ENFILE) /* not for ever */
            return &outside;
        if (ret == 0) {
            p->caller.u = &p->u;
            mine = &p->caller;
        }
        if (gives_way && (mine == &outside || ur_guard_serves(mine->u->shared))) { /* there is one to give way to */
            mine = &outside;
            atomic_store(&filtered, true);
        }
        if (gated)
            ur_gate_open(true);
    }
    return atomic_compare_exchange_strong(&ur_me, &none, mine) ? mine : none;
}

void ur_self_set(const struct ur_caller *c) {
    atomic_store(&filtered, !c);
    atomic_store(&ur_me, c ? c : &outside);
}

bool ur_filtered(void) {
    return atomic_load(&filtered);
}

/* AT_EXECFN tells the host path that the kernel was given. Behind the environment that a program starts with lies what
   getauxval(3) tells: there it becomes the union's. */
static void tell_execfn(char **envp, const char *name) {
    unsigned long host = getauxval(AT_EXECFN);
    char **end = (char **)(host & ~(sizeof *end - 1)); // NOLINT(performance-no-int-to-ptr)
    if ((char *)envp < (char *)&host || envp >= end)   /* another object's constructor has moved it */
        return;
    for (char **at = envp; at + 1 < end; at++)
        if ((unsigned long)at[0] == AT_EXECFN && (unsigned long)at[1] == host) {
            at[1] = (char *)name;
            return;
        }
}

/* Takes UNIONRUN_EXE, _EXECFN and _COMM out of the environment: they were for us, and this process' children have other
   names. `began`: the environment that it started with. */
static void take_names(const struct variables *v, char **began) {
    if (!v->exe && !v->comm && !v->execfn)
        return;
    if (v->execfn)
        tell_execfn(began, v->execfn);
    char **to = environ;
    for (char **from = environ; *from; from++)
        if (strncmp(*from, "UNIONRUN_EXE=", 13) != 0 && strncmp(*from, "UNIONRUN_COMM=", 14) != 0 &&
            strncmp(*from, "UNIONRUN_EXECFN=", 16) != 0)
            *to++ = *from;
    *to = NULL;
    if (v->comm)
        UR_PLAIN(SYS_prctl, PR_SET_NAME, v->comm, 0, 0, 0, 0);
    if (v->exe && ur_in_session() && *v->exe == '/')
        ur_exe = v->exe;
}

/* A name that does not fit is used at once. */
static void take_session(const struct variables *v) {
    const char *session = v->session;
    size_t len = 0;
    while (session && session[len] && len < sizeof at_start.session - 1) {
        at_start.session[len] = session[len];
        len++;
    }
    if (!session || session[len]) {
        ur_self();
        return;
    }
    at_start.session[len] = 0;
    at_start.gives_way = v->filtered;
    atomic_store(&at_start.taken, true);
}

/* musl's has no arguments. */
__attribute__((constructor)) static void start(int argc, char **argv, char **envp) {
    (void)argc;
    (void)argv;
    struct variables v = read_environment();
    take_session(&v);
    if (!v.filtered) /* a filter may know no call that the program does not make */
        ur_process_begins();
    take_names(&v, ur_in_glibc() ? envp : environ);
    if (!ur_in_glibc())
        ur_next_dlerror();
}

static pid_t forked(pid_t pid) {
    if (pid == 0 && ur_in_session())
        ur_process_begins();
    return pid;
}

/* The session is mapped before, once, or each child would do it anew. Of glibc `fork` has this second name. */
pid_t __fork(void) __attribute__((weak));
pid_t ur_fork(void) {
    static _Atomic(void *) next;
    ur_self();
    if (__fork)
        return forked(__fork());
    pid_t (*libc_fork)(void) = ur_next(&next, "fork");
    return libc_fork ? forked(libc_fork()) : (pid_t)ur_edge_of(-ENOSYS);
}

UR_EXPORT pid_t fork(void) {
    return ur_fork();
}

/* "/proc/self/exe", "/proc/thread-self/exe" or "/proc/PID/exe" of our own. */
bool ur_names_exe(const char *path) {
    if (ur_length(UR_SELF, path) < 0 || strncmp(path, "/proc/", 6) != 0)
        return false;
    path += 6;
    if (strcmp(path, "self/exe") == 0 || strcmp(path, "thread-self/exe") == 0)
        return true;
    long pid = 0;
    while (*path >= '0' && *path <= '9' && pid < INT_MAX)
        pid = pid * 10 + (*path++ - '0');
    return pid > 0 && strcmp(path, "/exe") == 0 && pid == sys_getpid();
}

void *ur_pages_get(size_t bytes) {
    long at = sys_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at < 0 && at > -4096 ? NULL : (void *)at; // NOLINT(performance-no-int-to-ptr): the kernel's own form
}

void ur_pages_put(void *at, size_t bytes) {
    if (at)
        sys_munmap(at, bytes);
}

/* Taken and given back as engine/scratch.c's blocks are, for the same reasons. */
enum { PATHS = 8 };
static char paths[PATHS][UR_PATH_MAX];
static _Atomic unsigned paths_taken;

char *ur_path_get(void) {
    unsigned seen = atomic_load_explicit(&paths_taken, memory_order_relaxed);
    while (~seen & ((1u << PATHS) - 1)) {
        int i = __builtin_ctz(~seen);
        if (atomic_compare_exchange_weak_explicit(&paths_taken, &seen, seen | 1u << i, memory_order_acquire,
                                                  memory_order_relaxed))
            return paths[i];
    }
    return ur_pages_get(UR_PATH_MAX);
}

void ur_path_put(char *path) {
    if (path >= paths[0] && path < paths[0] + sizeof paths)
        atomic_fetch_and_explicit(&paths_taken, ~(1u << ((path - paths[0]) / UR_PATH_MAX)), memory_order_release);
    else
        ur_pages_put(path, UR_PATH_MAX);
}
