/*
 * --trace: a line for each call of the engine, when it has been done.
 *
 * Who made the call writes its line, by open, one write and close. So nothing is kept from one call to the next: no
 * descriptor that a program could close or come upon, no memory that a kill would take along. O_APPEND keeps lines
 * whole and in the order in which the calls ended. What cannot be written is counted, and the launcher says how many
 * are missing.
 *
 * What a call came to is a note that hangs on a copy of the union, which the operation is given in place of its own.
 */
#define UR_TELLS
#include "trace.h"
#include "trace_line.h"

#include <sys/mman.h>
#include <sys/resource.h>

/* Working memory of one line, which pages take that are mapped for it. */
struct room {
    char line[UR_LINE];
    char path[2][UR_PATH_MAX], host[2][UR_PATH_MAX];
    char text[UR_PATH_MAX];
};

struct trace {
    struct ur_line line;
    struct ur_union u;
    struct ur_caller me;
    struct ur_note note;
    struct timespec begun;
    struct room *room; /* NULL: no memory */
};

static void clock_of(clockid_t clock, struct timespec *t) {
    UR_SYS(SYS_clock_gettime, clock, t, 0, 0, 0, 0);
}

static const struct ur_caller *begin(struct trace *t, const struct ur_caller *c, const char *call,
                                     const struct ur_told *told, unsigned count) {
    long at = sys_mmap(NULL, sizeof *t->room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *t = (struct trace){.room = at < 0 && at > -4096 ? NULL : (struct room *)at};
    t->line = (struct ur_line){.c = c, .call = c->call ? c->call : call, .told = told, .count = count};
    t->u = *c->u;
    t->u.traced = false;
    t->me = *c;
    t->me.u = &t->u;
    if (t->room) {
        t->u.note = &t->note;
        t->line.note = &t->note;
        t->line.room = t->room->text;
        for (unsigned i = 0, path = 0; i < count && path < 2; i++)
            if (told[i].kind == UR_TOLD_PATH) {
                t->note.name[path].path = t->room->path[path];
                t->note.name[path].host = t->room->host[path];
                t->note.name[path++].given = (const char *)told[i].value; // NOLINT(performance-no-int-to-ptr)
            }
    }
    clock_of(CLOCK_REALTIME, &t->line.at);
    clock_of(CLOCK_MONOTONIC, &t->begun);
    return &t->me;
}

/* A program's limit on the size of files is not to end it for what it does not know of. */
static bool fits(int fd, size_t n) {
    struct rlimit limit;
    struct stat st;
    return UR_SYS(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, &limit, 0, 0) < 0 || limit.rlim_cur == RLIM_INFINITY ||
           (sys_fstat(fd, &st) == 0 && (rlim_t)st.st_size < limit.rlim_cur &&
            limit.rlim_cur - (rlim_t)st.st_size > n + (1 << 20));
}

static bool append(const char *file, const char *line, size_t n) {
    long fd = sys_open(file, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
    if (fd < 0)
        return false;
    long written = fits((int)fd, n) ? sys_write((int)fd, line, n) : -EFBIG;
    if (written > 0 && (size_t)written < n) /* the disk is full; let the next line be one */
        sys_write((int)fd, "\n", 1);
    sys_close((int)fd);
    return written == (long)n;
}

static void tell(struct trace *t) {
    const struct ur_union *u = t->line.c->u;
    bool written = false;
    if (t->room) {
        size_t n = u->table->trace_json ? ur_line_json(&t->line, t->room->line) : ur_line_text(&t->line, t->room->line);
        written = append(ur_table_text(u->table, u->table->trace), t->room->line, n);
        sys_munmap(t->room, sizeof *t->room);
    }
    if (!written && u->shared)
        atomic_fetch_add_explicit(&u->shared->trace_missed, 1, memory_order_relaxed);
}

/* What an operation has left to others has no result: -errno, or so. False: whoever it was left to tells. */
static bool settle(struct ur_line *l) {
    for (unsigned i = 0; i < l->count; i++) {
        const struct ur_elsewhere *e = (const void *)l->told[i].value; // NOLINT(performance-no-int-to-ptr)
        enum ur_told_kind kind = l->told[i].kind;
        if (kind == UR_TOLD_EXEC && l->result >= 0)
            l->by_itself = true;
        if ((kind == UR_TOLD_BEGUN || kind == UR_TOLD_LISTING) && l->result >= 0)
            l->begun = true;
        if (l->told[i].kind == UR_TOLD_ELSEWHERE && l->result >= 0)
            l->handed_over = l->c->pid;
        if (l->told[i].kind != UR_TOLD_ELSEWHERE || l->result != UR_ELSEWHERE)
            continue;
        l->passed = e->native && !(e->error && !l->c->pid);
        l->by_itself = !e->native;
        if (!l->passed && e->error)
            l->result = e->error;
        return true;
    }
    l->passed = l->result == UR_NATIVE;
    return l->result != UR_ELSEWHERE;
}

static void end(struct trace *t, long result) {
    struct timespec now;
    struct ur_line *l = &t->line;
    clock_of(CLOCK_MONOTONIC, &now);
    l->nanoseconds =
        (uint64_t)(now.tv_sec - t->begun.tv_sec) * 1000000000 + (uint64_t)now.tv_nsec - (uint64_t)t->begun.tv_nsec;
    l->pid = l->c->pid ? l->c->pid : l->c->behind ? l->c->behind : sys_gettid();
    l->result = result;
    if (settle(l))
        tell(t);
    else if (t->room)
        sys_munmap(t->room, sizeof *t->room);
}

void ur_note_walk(const struct ur_union *u, const char *path, const struct ur_dir *d, const struct ur_node *n,
                  long ret) {
    for (unsigned i = 0; i < 2; i++) {
        struct ur_note_name *name = &u->note->name[i];
        if (!path || name->given != path)
            continue;
        bool indexed = ret == 0 && !n->self && n->entry.indexed;
        name->indexed = name->walks++ == 0 ? indexed : name->indexed && indexed;
        name->known = ret == 0;
        if (ret < 0)
            continue;
        name->where = n->where;
        name->kind = n->self ? UR_DIRECTORY : n->entry.kind;
        name->mount = n->where == UR_AT_UNION ? d->mount : NULL;
        name->layer = n->self ? (d->spots ? d->spot[0].layer : 0) : n->entry.linked ? 0 : n->entry.spot.layer;
        char *end = name->path + UR_PATH_MAX, *p = ur_put(name->path, end, d->path, d->len);
        if (!n->self) {
            p = ur_put(p, end, "/", d->len > 1);
            p = ur_put(p, end, n->name, strlen(n->name));
        }
        if (!p)
            *name->path = 0;
        if (name->kind == UR_ABSENT || ur_node_path(u, d, n, name->host) < 0)
            *name->host = 0;
    }
}

void ur_note_listing(const struct ur_union *u, const struct ur_dir *d) {
    struct ur_note_listing *n = &u->note->listing;
    n->mount = d->mount;
    n->layers = d->spots;
    for (unsigned i = 0; i < d->spots && i < UR_NOTE_LAYERS; i++)
        n->layer[i] = d->spot[i].layer;
}

#define TOLD(what, key, value)                                                                                         \
    { UR_TOLD_##what, (key), (long)(value) }
#define DIRFD(fd) TOLD(DIRFD, NULL, fd)
#define PATH(path) TOLD(PATH, NULL, path)
#define TEXT(key, text) TOLD(TEXT, key, text)
#define FD(fd) TOLD(FD, NULL, fd)
#define OPEN(flags) TOLD(OPEN, "flags", flags)
#define AT(flags) TOLD(AT, "flags", flags)
#define ACCESS(mode) TOLD(ACCESS, "access", mode)
#define REMOVE(flags) TOLD(REMOVE, "flags", flags)
#define RENAME(flags) TOLD(RENAME, "flags", flags)
#define MODE(mode) TOLD(MODE, "mode", mode)
#define MODE_IF(any, mode)                                                                                             \
    { (any) ? UR_TOLD_MODE : UR_TOLD_NOTHING, "mode", (long)(mode) }
#define NUMBER(key, n) TOLD(NUMBER, key, n)
#define ID(key, id) TOLD(ID, key, id)
#define NOFOLLOW(nofollow) TOLD(NOFOLLOW, NULL, nofollow)
#define ELSEWHERE(e) TOLD(ELSEWHERE, NULL, e)
#define EXEC(x) TOLD(EXEC, NULL, x)
#define BEGUN() TOLD(BEGUN, NULL, 0)
#define LISTING(l) TOLD(LISTING, NULL, l)
#define GOT(key, path) TOLD(GOT, key, path)
#define MASK(mask) TOLD(MASK, "mask", mask)

static bool ur_open_makes(int flags) {
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
}

#define UR_TRACED(name, call, parameters, arguments, ...)                                                              \
    long ur_traced_##name parameters {                                                                                 \
        const struct ur_told told[] = {__VA_ARGS__};                                                                   \
        struct trace t;                                                                                                \
        c = begin(&t, c, call, told, sizeof told / sizeof *told);                                                      \
        long ret = ur_##name arguments;                                                                                \
        end(&t, ret);                                                                                                  \
        return ret;                                                                                                    \
    }
#include "trace.def"

void ur_trace_passed(const struct ur_caller *c, int dirfd, const char *path) {
    if (!c->u->traced)
        return;
    const struct ur_told told[] = {DIRFD(dirfd), PATH(path)};
    struct trace t;
    begin(&t, c, "", told, sizeof told / sizeof *told);
    end(&t, UR_NATIVE);
}
