/*
 * Answers: execve. The engine plans, as for the shim (ur_exec_plan); where the plan is other than what the kernel
 * would do with the caller's own arguments, the caller executes the plan.
 */
#include "config/table.h"
#include "config/text.h"
#include "engine/root.h"
#include "engine/sys.h"
#include "launch/guard/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGUMENTS_MAX = 1 << 20, PAGE = 4096 };

/* The caller's argument vector: addresses, NULL-terminated, to be freed. `count` without the end. */
static long read_vector(struct call *q, uint64_t at, uint64_t **out, size_t *count) {
    size_t room = 0, n = 0;
    uint64_t *list = NULL;
    for (;;) {
        if (n >= room) {
            size_t more = room ? 2 * room : 64;
            uint64_t *grown = more > 2 * ARGUMENTS_MAX ? NULL : realloc(list, more * sizeof *list);
            if (!grown) {
                free(list);
                return -E2BIG;
            }
            list = grown;
            room = more;
        }
        /* As much as there is room for, and is in one page. */
        uint64_t from = at + n * sizeof *list, got = (PAGE - from % PAGE) / sizeof *list;
        got = got > room - n ? room - n : got ? got : 1;
        long ret = at ? peer_read(q, from, &list[n], got * sizeof *list) : 0;
        if (ret < 0) {
            free(list);
            return ret;
        }
        size_t end = n + (at ? got : 0);
        while (n < end && list[n])
            n++;
        if (n < end || !at)
            break;
    }
    list[n] = 0;
    *out = list;
    *count = n;
    return 0;
}

/* The new arguments: what the plan puts before them, then the caller's own from the second on. */
static uint64_t put_arguments(struct inject *i, const struct ur_exec *x, const uint64_t *own, size_t count) {
    const char *first[UR_EXEC_FIRST];
    size_t before = ur_exec_first(x, first), n = 0;
    uint64_t *list = calloc(before + count + 1, sizeof *list);
    if (!list)
        return 0;
    for (; n < before; n++)
        list[n] =
            !first[n] && count ? own[0] : inject_put(i, first[n] ? first[n] : "", first[n] ? strlen(first[n]) + 1 : 1);
    for (size_t k = 1; k < count; k++)
        list[n++] = own[k];
    uint64_t at = inject_put(i, list, (n + 1) * sizeof *list);
    free(list);
    return at;
}

/* --- the environment: what the run needs is put back, whatever the program made of it --- */

struct environment {
    uint64_t *list; /* the caller's, to be freed */
    size_t count;
    size_t session, preload;      /* where they stand; == count: nowhere */
    bool keep_session, keep_shim; /* they are right as they are */
    bool stale;                   /* it has names that the shim gave another program, and this one hands on */
    char others[UR_PATH_MAX];     /* what LD_PRELOAD names beside the shim */
};

/* The beginnings of variables, of as many at once as can be. One that is the last thing in its memory may be shorter.
 */
enum { HEADS = 32, HEAD = sizeof "UNIONRUN_SESSION=" - 1 };
struct heads {
    size_t first, count;
    char text[HEADS][HEAD];
};

static void read_heads(struct call *q, const struct environment *e, size_t first, struct heads *h) {
    size_t count = e->count - first;
    h->first = first;
    h->count = peer_read_each(q, e->list + first, count < HEADS ? count : HEADS, h->text, HEAD);
}

/* The value of variable `i` if it is NAME=; the length, or < 0 if it is another. */
static long value_of(struct call *q, const struct environment *e, const struct heads *h, size_t i, const char *name,
                     char *value, size_t size) {
    char own[HEAD];
    const char *head = h->text[i - h->first];
    size_t len = strlen(name);
    if (i - h->first >= h->count) {
        if (peer_read(q, e->list[i], own, len) < 0)
            return -ENOENT;
        head = own;
    }
    return memcmp(head, name, len) == 0 ? peer_string(q, e->list[i] + len, value, size) : -ENOENT;
}

/* Is `own` one of a list? */
static bool lists(const char *list, const char *own) {
    size_t len = strlen(own);
    for (const char *p = list; (p = strstr(p, own)); p += len)
        if ((p == list || p[-1] == ':' || p[-1] == ' ') && (!p[len] || p[len] == ':' || p[len] == ' '))
            return true;
    return false;
}

static long read_environment(struct call *q, uint64_t at, struct environment *e) {
    const struct ur_table *t = q->guard->whole.table;
    char value[UR_PATH_MAX];
    struct heads heads;
    long ret = read_vector(q, at, &e->list, &e->count);
    if (ret < 0)
        return ret;
    e->session = e->preload = e->count;
    e->keep_session = e->keep_shim = e->stale = false;
    for (size_t i = 0; i < e->count; i++) {
        if (i % HEADS == 0)
            read_heads(q, e, i, &heads);
        if (e->session == e->count && value_of(q, e, &heads, i, "UNIONRUN_SESSION=", value, sizeof value) >= 0) {
            e->session = i;
            e->keep_session = value[0] == '/'; /* this run's, or that of a union within it */
        } else if (e->preload == e->count && value_of(q, e, &heads, i, "LD_PRELOAD=", value, sizeof value) >= 0) {
            e->preload = i;
            e->keep_shim = lists(value, ur_table_text(t, t->preload));
            memcpy(e->others, value, strlen(value) + 1);
        } else if (value_of(q, e, &heads, i, "UNIONRUN_EXE=", value, sizeof value) >= 0 ||
                   value_of(q, e, &heads, i, "UNIONRUN_EXECFN=", value, sizeof value) >= 0 ||
                   value_of(q, e, &heads, i, "UNIONRUN_COMM=", value, sizeof value) >= 0) {
            e->stale = true;
            e->list[i] = 0;
        }
    }
    return 0;
}

/* Writes what is missing, and the vector, to the caller. 0: no room. */
static uint64_t put_environment(struct inject *i, struct environment *e, const struct ur_exec *x, const char *name) {
    const struct ur_table *t = i->call->guard->whole.table;
    uint64_t *list = calloc(e->count + 5, sizeof *list);
    UR_AUTO_TEXT session = ur_format("UNIONRUN_SESSION=%s", ur_table_text(t, t->session));
    UR_AUTO_TEXT preload =
        ur_format("LD_PRELOAD=%s%s%s", e->others, *e->others ? ":" : "", ur_table_text(t, t->preload));
    UR_AUTO_TEXT exe = ur_format("UNIONRUN_EXE=%s", x->program);
    UR_AUTO_TEXT execfn = ur_format("UNIONRUN_EXECFN=%s", name);
    if (!list)
        return 0;
    size_t n = e->count;
    memcpy(list, e->list, n * sizeof *list);
    if (!e->keep_session)
        list[e->session < e->count ? e->session : n++] = inject_put(i, session, strlen(session) + 1);
    if (!e->keep_shim)
        list[e->preload < e->count ? e->preload : n++] = inject_put(i, preload, strlen(preload) + 1);
    if (x->loader) {
        list[n++] = inject_put(i, exe, strlen(exe) + 1);
        list[n++] = inject_put(i, execfn, strlen(execfn) + 1);
    }
    size_t kept = 0;
    for (size_t k = 0; k < n; k++)
        if (list[k])
            list[kept++] = list[k];
    list[kept] = 0;
    uint64_t at = inject_put(i, list, (kept + 1) * sizeof *list);
    free(list);
    return at;
}

/* What AT_EXECFN tells: what was said of the program, of a script too. */
static void tell_name(char *to, size_t size, int dirfd, const char *path) {
    if (dirfd == AT_FDCWD || *path == '/')
        snprintf(to, size, "%s", path);
    else
        snprintf(to, size, "/dev/fd/%d%s%s", dirfd, *path ? "/" : "", path);
}

/* The kernel copies the path that it is given to the new stack: there is to be room for `name`, which takes its place.
   False: it does not fit. */
static bool make_room(char path[UR_PATH_MAX], const char *name) {
    size_t len = strlen(path), wanted = strlen(name);
    if (wanted >= UR_PATH_MAX)
        return false;
    if (len >= wanted)
        return true;
    char *slash = strrchr(path, '/');
    memmove(slash + (wanted - len), slash, len - (size_t)(slash - path) + 1);
    memset(slash, '/', wanted - len);
    return true;
}

/* Runs the plan in the caller, unless that is just what it asked for: PASS. `same`: the plan's path is. */
static long execute(struct call *q, struct ur_exec *x, bool same, const char *name, uint64_t arguments,
                    uint64_t environment) {
    uint64_t *own = NULL;
    size_t count = 0;
    struct environment e = {.keep_session = true, .keep_shim = true};
    bool changed = x->interp[0] || x->loader, preloads = q->guard->whole.table->preload.len;
    long ret = changed ? read_vector(q, arguments, &own, &count) : 0;
    if (ret == 0 && preloads)
        ret = read_environment(q, environment, &e);
    bool completes = preloads && (!e.keep_session || !e.keep_shim || e.stale || x->loader);
    struct inject i;
    if (ret == 0 && same && !changed && !completes)
        ret = PASS;
    if (ret == 0)
        ret = inject_begin(&i, q, sizeof *x + 5 * UR_PATH_MAX + (count + e.count + 64) * sizeof *own);
    if (ret == 0) {
        bool told = !x->loader && make_room(x->path, name); /* a loader changes it: the shim is told */
        uint64_t arg[6] = {inject_put(&i, x->path, strlen(x->path) + 1), arguments, environment};
        if (changed)
            arg[1] = put_arguments(&i, x, own, count);
        if (completes)
            arg[2] = put_environment(&i, &e, x, name);
        bool whole = arg[0] && (arg[1] || !changed) && (arg[2] || !completes);
        ret = whole ? inject_exec(&i, arg, x->path, told ? name : NULL) : -ENOMEM;
        if (ret != GIVEN)
            inject_end(&i, ret);
        ret = GIVEN;
    }
    free(own);
    free(e.list);
    return ret;
}

/* Does one of the arguments lie in the memory of the path, as $0 often does? It would change with it. */
static bool is_argument(struct call *q, uint64_t path, size_t len, uint64_t arguments) {
    uint64_t *list = NULL;
    size_t count = 0;
    bool is = read_vector(q, arguments, &list, &count) < 0;
    for (size_t i = 0; i < count && !is; i++)
        is = list[i] >= path && list[i] <= path + len;
    free(list);
    return is;
}

/* Where a tracer is in the way (gdb, strace) the arguments cannot be others: no script, and no other loader. */
static long execute_traced(struct call *q, const struct ur_exec *x, int at, size_t len, uint64_t arguments) {
    long ret =
        x->interp[0] || x->loader || is_argument(q, q->arg[at], len, arguments) ? -EPERM : inplace_exec(q, at, x->path);
    if (ret == -EPERM && !q->guard->traces_none)
        guard_say(q->guard, "%s: a program that is traced and has no shim cannot start this; it got EPERM",
                  x->script[0] ? x->script : x->path);
    return ret;
}

static long exec_at(struct call *q, int dirfd, int at, int flags, uint64_t arguments, uint64_t environment) {
    char path[UR_PATH_MAX], name[UR_PATH_MAX + 24];
    struct ur_exec x;
    long ret = path_of(q, at, path);
    if (ret)
        return ret;
    if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
        return PASS; /* the kernel's to refuse, or to know */
    ret = peer_become(q, false);
    if (ret == 0)
        ret = ur_exec_plan(&q->caller, dirfd, path, flags, &x);
    if (ret < 0)
        return ret;
    bool here = *path && ur_is_native(&q->caller, dirfd, path, flags & AT_SYMLINK_NOFOLLOW ? UR_REAL_NOFOLLOW : 0) == 1;
    tell_name(name, sizeof name, dirfd, path);
    long before = q->caller.u->root ? ur_ids_exec(&q->caller, &x) : -1;
    ret = execute(q, &x, here, name, arguments, environment);
    if (ret == -EPERM)
        ret = execute_traced(q, &x, at, strlen(path), arguments);
    if (ret != PASS && ret != GIVEN) /* an error */
        ur_ids_back(&q->caller, before);
    return ret;
}

long answer_execve(struct call *q) {
    return exec_at(q, AT_FDCWD, 0, 0, q->arg[1], q->arg[2]);
}
long answer_execveat(struct call *q) {
    return exec_at(q, dirfd_of(q, 0), 1, (int)q->arg[4], q->arg[2], q->arg[3]);
}
