/*
 * Two processes meet: the first is held at one of its system calls until the second has done all that it does, and goes
 * on. It must then be as if one had come after the other; of a listing, every name that was there all along is told
 * once, and no other twice.
 *
 * Who waits for the other (for a lock that it holds, or for it to be done) is seen by what it does: it yields again
 * and again, or sleeps in a call that waits. Then the other makes its next step first.
 *
 * All this is in the union. Each point has a directory of its own, all of them alike (world.c): so one run does for
 * many.
 */
#include "sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- listings ----------------------------------------------------------------------------------------------- */

enum { NAMES_BYTES = 1 << 16 };
static char *names; /* what the first has listed: "NAME/TYPE\n" each; shared with it */

static void tell_name(const char *name, char type) {
    size_t len = strlen(names);
    if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
        snprintf(names + len, NAMES_BYTES - len, "%s/%c\n", name, type);
}

static char letter(unsigned char type) {
    return type == DT_REG ? 'f' : type == DT_DIR ? 'd' : type == DT_LNK ? 'l' : type == DT_FIFO ? 'p' : '?';
}

static long by_readdir(const char *path) {
    DIR *stream = opendir(path);
    if (!stream)
        return -1;
    struct dirent *e;
    errno = 0;
    while ((e = readdir(stream)))
        tell_name(e->d_name, letter(e->d_type));
    int error = errno;
    closedir(stream);
    errno = error;
    return error ? -1 : 0;
}

/* A few at a time. */
static long by_getdents(const char *path) {
    struct record {
        uint64_t ino, off;
        unsigned short len;
        unsigned char type;
        char name[];
    };
    _Alignas(8) char room[80];
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    long n = -1;
    while (fd >= 0 && (n = syscall(SYS_getdents64, fd, room, sizeof room)) > 0)
        for (long at = 0; at < n;) {
            const struct record *e = (const void *)(room + at);
            tell_name(e->name, letter(e->type));
            at += e->len;
        }
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return n < 0 && !(fd >= 0 && error == ENOENT) ? -1 : 0; /* readdir(3), too, takes that for the end */
}

static long by_scandir(const char *path) {
    struct dirent **all;
    int n = scandir(path, &all, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        tell_name(all[i]->d_name, letter(all[i]->d_type));
        free(all[i]);
    }
    if (n >= 0)
        free(all);
    return n < 0 ? -1 : 0;
}

static long by_fts(const char *path) {
    char *const roots[] = {(char *)path, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!tree)
        return -1;
    int error = 0;
    for (FTSENT *e; (e = fts_read(tree));) {
        if (e->fts_level == 0 && (e->fts_info == FTS_NS || e->fts_info == FTS_DNR || e->fts_info == FTS_ERR))
            error = e->fts_errno;
        if (e->fts_level != 1 || e->fts_info == FTS_DP)
            continue;
        tell_name(e->fts_name, e->fts_info == FTS_D    ? 'd'
                               : e->fts_info == FTS_F  ? 'f'
                               : e->fts_info == FTS_SL ? 'l'
                                                       : '?');
        fts_set(tree, e, FTS_SKIP);
    }
    fts_close(tree);
    errno = error;
    return error ? -1 : 0;
}

#define LISTINGS(how)                                                                                                  \
    static long how##_m(void) {                                                                                        \
        return by_##how("m");                                                                                          \
    }                                                                                                                  \
    static long how##_d(void) {                                                                                        \
        return by_##how("d");                                                                                          \
    }                                                                                                                  \
    static long how##_here(void) {                                                                                     \
        return by_##how(".");                                                                                          \
    }
LISTINGS(readdir)
LISTINGS(getdents)
LISTINGS(scandir)
LISTINGS(fts)
static long readdir_opaque(void) {
    return by_readdir("opaque");
}

static const struct act listings[] = {
    {"readdir of a merged directory", NULL, readdir_m},
    {"readdir of a lower directory", NULL, readdir_d},
    {"readdir of the directory above", NULL, readdir_here},
    {"readdir of an opaque directory", NULL, readdir_opaque},
    {"getdents of a merged directory", NULL, getdents_m},
    {"getdents of a lower directory", NULL, getdents_d},
    {"getdents of the directory above", NULL, getdents_here},
    {"scandir of a merged directory", NULL, scandir_m},
    {"scandir of a lower directory", NULL, scandir_d},
    {"scandir of the directory above", NULL, scandir_here},
    {"fts of a merged directory", NULL, fts_m},
    {"fts of a lower directory", NULL, fts_d},
    {"fts of the directory above", NULL, fts_here},
};

/* What changes the names of a merged directory, beside the acts that every sweep has. */
static void has_m_new(void) {
    int fd = open("m/new", O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0)
        fail("m/new");
    close(fd);
}
static long rename_in_m(void) {
    return rename("m/f", "m/other");
}
static long rename_bottom_in_m(void) {
    return rename("m/bottom", "m/aaa");
}
static long rename_over_in_m(void) {
    return rename("m/top", "m/bottom");
}
static long rename_new_in_m(void) {
    return rename("m/new", "m/newer");
}
static long rename_new_over_in_m(void) {
    return rename("m/new", "m/f");
}
static long exchange_in_m(void) {
    return renameat2(AT_FDCWD, "m/top", AT_FDCWD, "m/bottom", RENAME_EXCHANGE);
}
static long unlink_in_m(void) {
    return unlink("m/f");
}
static long unlink_new_in_m(void) {
    return unlink("m/new");
}
static long create_in_m(void) {
    int fd = open("m/new", O_WRONLY | O_CREAT | O_EXCL, 0644);
    return fd < 0 ? -1 : close(fd);
}
static long mkdir_in_m(void) {
    return mkdir("m/sub", 0755);
}
static long copy_up_in_m(void) {
    int fd = open("m/bottom", O_WRONLY | O_APPEND);
    return fd < 0 ? -1 : close(fd);
}
static long rename_in_d(void) {
    return rename("d/a", "d/aa");
}
static long rename_dir_in_d(void) {
    return rename("d/sub", "d/bus");
}
static long rename_in_opaque(void) {
    return rename("opaque/alive", "opaque/dead");
}

static const struct act changes[] = {
    {"rename in a merged directory", NULL, rename_in_m},
    {"rename of the lowest's in a merged directory", NULL, rename_bottom_in_m},
    {"rename over another in a merged directory", NULL, rename_over_in_m},
    {"rename of a new one in a merged directory", has_m_new, rename_new_in_m},
    {"rename of a new one over another in a merged directory", has_m_new, rename_new_over_in_m},
    {"exchange in a merged directory", NULL, exchange_in_m},
    {"unlink in a merged directory", NULL, unlink_in_m},
    {"unlink of a new one in a merged directory", has_m_new, unlink_new_in_m},
    {"create in a merged directory", NULL, create_in_m},
    {"mkdir in a merged directory", NULL, mkdir_in_m},
    {"copy-up in a merged directory", NULL, copy_up_in_m},
    {"rename in a lower directory", NULL, rename_in_d},
    {"rename of a directory in a lower one", NULL, rename_dir_in_d},
    {"rename in an opaque directory", NULL, rename_in_opaque},
};
enum { LISTINGS = sizeof listings / sizeof *listings, CHANGES = sizeof changes / sizeof *changes };

/* --- two processes ------------------------------------------------------------------------------------------ */

struct told {
    bool done;
    long result;
    int error;
};

struct meeter {
    pid_t pid;
    bool ended, running; /* it was let go, and has not stopped since */
    bool entry;
    long stops, call;
    unsigned yields;
    struct told *told;
};

enum { PATIENCE = 4 /* yields */, STEPS_MAX = 100000 };

static struct told *two; /* shared */

static void start(struct meeter *p, const struct act *act, struct told *told) {
    *told = (struct told){0};
    *p = (struct meeter){.told = told, .call = -1};
    fflush(stdout);
    p->pid = fork();
    if (p->pid < 0)
        fail("fork");
    if (p->pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        errno = 0;
        told->result = act->perform();
        told->error = told->result < 0 ? errno : 0;
        told->done = true;
        _exit(0);
    }
    int status;
    if (waitpid(p->pid, &status, 0) < 0)
        fail("waitpid");
    ptrace(PTRACE_SETOPTIONS, p->pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
}

static bool may_wait(long call) {
    return call == SYS_flock || call == SYS_fcntl || call == SYS_futex;
}

static bool sleeps(pid_t pid) {
    char path[32], text[256];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
    const char *at = strrchr(text, ')');
    return at && at[1] == ' ' && at[2] == 'S';
}

/* To its next stop. False: it sleeps in a call that waits for somebody. */
static bool step(struct meeter *p) {
    int status;
    if (!p->running)
        ptrace(PTRACE_SYSCALL, p->pid, NULL, NULL);
    p->running = true;
    bool waits = p->entry && may_wait(p->call);
    for (;;) {
        pid_t pid = waitpid(p->pid, &status, waits ? WNOHANG : 0);
        if (pid > 0)
            break;
        if (pid == 0 && sleeps(p->pid))
            return false;
    }
    p->running = false;
    if (!WIFSTOPPED(status)) {
        p->ended = true;
        return true;
    }
    if (WSTOPSIG(status) != (SIGTRAP | 0x80))
        return true;
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, p->pid, sizeof info, &info) < 0)
        fail("PTRACE_GET_SYSCALL_INFO");
    p->stops++;
    p->entry = info.op == PTRACE_SYSCALL_INFO_ENTRY;
    if (!p->entry)
        return true;
    p->call = (long)info.entry.nr;
    p->yields += p->call == SYS_sched_yield || p->call == SYS_nanosleep;
    return true;
}

/* Until it has ended, or waits. */
static void go_on(struct meeter *p) {
    p->yields = 0;
    while (!p->ended && p->yields < PATIENCE && p->stops < STEPS_MAX)
        if (!step(p))
            return;
}

static void end(struct meeter *p) {
    if (p->ended)
        return;
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
}

/* The first is held at its stop (0: before its first; more than it has: after its last). Tells how many stops it had
   and at which call it was held; false: both wait for each other. */
static bool meet(const struct act *first, const struct act *second, long stop, long *stops, long *call) {
    struct meeter a, b;
    start(&a, first, &two[0]);
    start(&b, second, &two[1]);
    while (!a.ended && a.stops < stop)
        step(&a);
    *call = a.call;
    for (long rounds = 0; rounds < STEPS_MAX && !b.ended; rounds++) {
        go_on(&b);
        if (!b.ended && !a.ended)
            step(&a);
    }
    while (b.ended && !a.ended && a.stops < STEPS_MAX)
        step(&a);
    *stops = a.stops;
    bool both = a.ended && b.ended;
    end(&a);
    end(&b);
    return both;
}

/* --- the verdict -------------------------------------------------------------------------------------------- */

static const char *target;
static unsigned next_copy;

/* What one meeting came to. */
struct meeting {
    bool whole;
    long stops, call;
    struct told told[2];
    char *names, *view;
};

static char *see(const char *root) {
    char *text = NULL;
    size_t size;
    FILE *was = stdout, *now = open_memstream(&text, &size);
    if (!now)
        fail("open_memstream");
    fflush(was);
    stdout = now;
    print_view(root);
    stdout = was;
    fclose(now);
    return text;
}

static struct meeting in_new_copy(const struct act *first, const struct act *second, bool warm, long stop) {
    char dir[600];
    struct meeting m = {0};
    snprintf(dir, sizeof dir, "%s/%03u", target, next_copy++);
    if (chdir(dir) < 0)
        fail(dir);
    if (first->prepare)
        first->prepare();
    if (second->prepare && second->prepare != first->prepare)
        second->prepare();
    if (warm) {
        free(see(dir));
        look_for_nothing();
    }
    *names = 0;
    if (stop < 0) { /* the second is first */
        m.whole = meet(second, first, STEPS_MAX, &m.stops, &m.call);
        m.told[0] = two[1];
        m.told[1] = two[0];
    } else {
        m.whole = meet(first, second, stop, &m.stops, &m.call);
        memcpy(m.told, two, sizeof m.told);
    }
    m.names = strdup(names);
    m.view = see(dir);
    return m;
}

static void forget(struct meeting *m) {
    free(m->names);
    free(m->view);
}

static unsigned times_told(const char *list, const char *name, size_t len) {
    unsigned n = 0;
    for (const char *at = list; *at; at += strcspn(at, "\n") + 1)
        n += strncmp(at, name, len) == 0;
    return n;
}

/* `name` with its slash, but not its type. `pieces`: it is read in more calls than one, and what is renamed meanwhile
   may go from behind the place to before it, as on ext4, whose places are hashes, too. */
static const char *wrong_name(const char *before, const char *after, const char *seen, bool pieces, char *said,
                              size_t size) {
    unsigned lost = 0, went = 0, came = 0, fresh = 0;
    for (const char *at = before; *at; at += strcspn(at, "\n") + 1) {
        size_t len = strcspn(at, "/") + 1;
        unsigned now = times_told(seen, at, len);
        bool stays = times_told(after, at, len);
        snprintf(said, size, "%.*s is told %u times", (int)len - 1, at, now);
        if (now > 1 || (stays && !now))
            return said;
        went += !stays;
        lost += !stays && !now;
    }
    for (const char *at = after; *at; at += strcspn(at, "\n") + 1) {
        size_t len = strcspn(at, "/") + 1;
        if (times_told(before, at, len))
            continue;
        snprintf(said, size, "%.*s is told %u times", (int)len - 1, at, times_told(seen, at, len));
        if (times_told(seen, at, len) > 1)
            return said;
        fresh++;
        came += times_told(seen, at, len);
    }
    for (const char *at = seen; *at; at += strcspn(at, "\n") + 1) {
        size_t len = strcspn(at, "\n") + 1, name = strcspn(at, "/") + 1;
        bool typed = at[name] == '?' || times_told(before, at, len) || times_told(after, at, len);
        snprintf(said, size, "%.*s was never there", (int)len - 1, at);
        if (!typed || (!times_told(before, at, name) && !times_told(after, at, name)))
            return said;
    }
    snprintf(said, size, "what was renamed is told by neither name");
    return went == 1 && fresh == 1 && lost && !came && !pieces ? said : NULL;
}

static bool same_told(const struct told *a, const struct told *b) {
    return a->result == b->result && a->error == b->error;
}

static void show_lists(const char *first, const char *second, const char *seen) {
    const char *const all[] = {first, second, seen}, *const what[] = {"before", "after", "seen"};
    for (int i = 0; i < 3; i++) {
        fprintf(stderr, "    %-7s", what[i]);
        for (const char *at = all[i]; *at; at += strcspn(at, "\n") + 1)
            fprintf(stderr, " %.*s", (int)strcspn(at, "\n"), at);
        fputc('\n', stderr);
    }
}

static const char *wrong_listing(const struct act *first, const struct meeting *ab, const struct meeting *ba,
                                 const struct meeting *m, char *said, size_t size) {
    const struct told *list = &m->told[0];
    if (!same_told(&m->told[1], &ab->told[1]) || strcmp(m->view, ab->view) != 0)
        return "a listing was in the way of what the other did";
    if (list->result < 0)
        return same_told(list, &ba->told[0]) || same_told(list, &ab->told[0]) ? NULL
                                                                              : "an error that it has in neither order";
    /* What has gone by its name is listed as it was, or is empty if it was removed. */
    const char *after = ba->told[0].result < 0 ? *ab->names ? ab->names : "" : ba->names;
    bool pieces = strncmp(first->name, "getdents ", 9) == 0;
    return wrong_name(ab->names, after, m->names, pieces, said, size);
}

static bool is_as(const struct meeting *m, const struct meeting *order) {
    return same_told(&m->told[0], &order->told[0]) && same_told(&m->told[1], &order->told[1]) &&
           strcmp(m->view, order->view) == 0;
}

static const char *say_told(const struct told *t, char out[40]) {
    snprintf(out, 40, "%ld %s", t->result, t->result < 0 ? strerrorname_np(t->error) : "");
    return out;
}

/* One of the two orders alone (`stop` 0: the second first; else the first). */
static void judge(const struct act *first, const struct act *second, bool listing, const struct meeting *ab,
                  const struct meeting *ba, const struct meeting *m, long stop, struct sum *sum) {
    char said[300];
    const char *why = NULL;
    sum->points++;
    if (!m->whole)
        why = "they wait for each other, or for ever";
    else if (listing)
        why = wrong_listing(first, ab, ba, m, said, sizeof said);
    else if (!is_as(m, ab) && !is_as(m, ba))
        why = "it is as in neither order";
    if (!why)
        return;
    sum->wrong++;
    fprintf(stderr, "%s, stop %ld, %s %s, meets %s: %s\n", first->name, stop, stop % 2 ? "before" : "after",
            call_name(m->call), second->name, why);
    if (listing && m->whole)
        show_lists(ab->names, ba->names, m->names);
    const struct meeting *const all[] = {ab, ba, m};
    static const char *const what[] = {"first", "second", "both"};
    char a[40], b[40];
    for (int i = 0; i < 3; i++)
        fprintf(stderr, "    %-7s %s; %s\n", what[i], say_told(&all[i]->told[0], a), say_told(&all[i]->told[1], b));
    show_difference("first", ab->view, m->view);
    show_difference("second", ba->view, m->view);
}

/* --- pairs -------------------------------------------------------------------------------------------------- */

static bool is_listing(const struct act *act) {
    return act >= listings && act < listings + LISTINGS;
}

static const struct act *nth_change(size_t i) {
    return i < CHANGES ? &changes[i] : acts[i - CHANGES].name ? &acts[i - CHANGES] : NULL;
}

/* Acts that go together: what one has prepared is nothing that the other misses. */
static bool go_together(const struct act *a, const struct act *b) {
    return (!a->prepare || !b->prepare || a->prepare == b->prepare) && strncmp(a->name, "list ", 5) != 0 &&
           strncmp(b->name, "list ", 5) != 0;
}

struct pair {
    int first, second;
};

static size_t count_changes(void) {
    size_t count = 0;
    while (nth_change(count))
        count++;
    return count;
}

static const struct act *nth_first(size_t i) {
    return i < LISTINGS ? &listings[i] : nth_change(i - LISTINGS);
}

/* Allocated. */
static struct pair *choose_pairs(const char *first, const char *second, size_t *count) {
    size_t n = count_changes();
    struct pair *pairs = calloc((LISTINGS + n) * n, sizeof *pairs);
    *count = 0;
    for (size_t i = 0; i < LISTINGS + n; i++)
        for (size_t k = 0; k < n; k++) {
            const struct act *a = nth_first(i), *b = nth_change(k);
            if (go_together(a, b) && (!first || strstr(a->name, first)) && (!second || strstr(b->name, second)))
                pairs[(*count)++] = (struct pair){(int)i, (int)k};
        }
    return pairs;
}

/* Points of one pair: `sample` of all, or, from `from` on, as many as there are copies. Returns how many there are. */
static long meet_pair(const struct pair *pair, bool warm, long from, long sample, uint64_t seed, struct sum *sum) {
    const struct act *a = nth_first((size_t)pair->first), *b = nth_change((size_t)pair->second);
    struct meeting ab = in_new_copy(a, b, warm, STEPS_MAX), ba = in_new_copy(a, b, warm, -1);
    long stops = ab.stops;
    for (long i = 0; (sample ? i < sample : from + i <= stops) && next_copy < COPIES; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        long stop = sample ? 1 + (long)((seed >> 33) % (uint64_t)stops) : from + i;
        struct meeting m = in_new_copy(a, b, warm, stop);
        judge(a, b, is_listing(a), &ab, &ba, &m, stop, sum);
        forget(&m);
    }
    forget(&ab);
    forget(&ba);
    return stops;
}

int meet_inside(const char *root, char **arguments) {
    struct sum sum = {0};
    target = root;
    names = mmap(NULL, NAMES_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    two = mmap(NULL, 2 * sizeof *two, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (names == MAP_FAILED || two == MAP_FAILED)
        fail("mmap");
    long from = atol(arguments[0]), sample = atol(arguments[1]), stops = 0;
    uint64_t seed = strtoull(arguments[2], NULL, 10);
    for (char **at = arguments + 3; *at; at++) {
        struct pair pair;
        int warm;
        if (sscanf(*at, "%d,%d,%d", &pair.first, &pair.second, &warm) == 3)
            stops = meet_pair(&pair, warm, from, sample, seed + (uint64_t)(at - arguments), &sum);
    }
    printf("=== sum\n%lu %lu %ld\n=== warm\n", sum.points, sum.wrong, stops);
    print_view(root);
    return 0;
}

/* --- outside ------------------------------------------------------------------------------------------------ */

/* One run in the union does for as many points as there are copies. Returns how many the last pair has. */
static long one_run(const char **words, struct sum *sum) {
    char *errors, *mended;
    int status;
    world_renew();
    char *text = run_in_union(words, &errors, &status), *numbers = section(text, "sum"), *warm = section(text, "warm");
    struct sum there = {0};
    long stops = 0;
    bool whole =
        status == 0 && numbers && warm && sscanf(numbers, "%lu %lu %ld", &there.points, &there.wrong, &stops) == 3;
    fputs(errors, stderr);
    char *fresh = look_afresh(&mended);
    const char *why = !whole                               ? "the run did not end well"
                      : !fresh || strcmp(warm, fresh) != 0 ? "the next run sees something else"
                      : work_litter() || strstr(mended, "mended")
                          ? "the end of the run leaves litter in the work directory"
                      : lowers_changed() ? "A LOWER CHANGED"
                                         : NULL;
    if (why) {
        there.wrong++;
        fprintf(stderr, "meetings of %s: %s\n", words[5], why);
        if (whole && fresh)
            show_difference("warm", warm, fresh);
    }
    sum->points += there.points;
    sum->wrong += there.wrong;
    free(text);
    free(numbers);
    free(warm);
    free(fresh);
    free(errors);
    free(mended);
    return stops;
}

/* A sample is of a few points of so many pairs. */
enum { PAIRS_A_RUN = 15, POINTS_A_PAIR = 4, POINTS_A_RUN = PAIRS_A_RUN * POINTS_A_PAIR };
_Static_assert(PAIRS_A_RUN *(POINTS_A_PAIR + 2) <= COPIES, "each pair has two more, for the two orders");

struct asked {
    char numbers[3][24], pairs[PAIRS_A_RUN][40];
    const char *words[PAIRS_A_RUN + 6];
    size_t count;
};

static void ask(struct asked *q, long from, long sample, uint64_t seed) {
    *q = (struct asked){.words = {"--meet", world.target, q->numbers[0], q->numbers[1], q->numbers[2]}};
    snprintf(q->numbers[0], sizeof *q->numbers, "%ld", from);
    snprintf(q->numbers[1], sizeof *q->numbers, "%ld", sample);
    snprintf(q->numbers[2], sizeof *q->numbers, "%llu", (unsigned long long)seed);
}

static void ask_for(struct asked *q, const struct pair *pair, bool warm) {
    char *word = q->pairs[q->count];
    snprintf(word, sizeof *q->pairs, "%d,%d,%d", pair->first, pair->second, warm);
    q->words[5 + q->count++] = word;
}

void meet_sweep(const char *first, const char *second, long one, long sample, uint64_t seed, struct sum *sum) {
    size_t count;
    struct pair *pairs = choose_pairs(first, second, &count);
    struct asked q;
    world_make_copies();
    lowers_changed(); /* as they are from here on */
    for (size_t i = 0; !sample && i < 2 * count; i++) {
        long from = one ? one : 1, stops;
        do {
            ask(&q, from, 0, 0);
            ask_for(&q, &pairs[i / 2], i % 2);
            stops = one_run(q.words, sum);
            from += COPIES - 2;
        } while (!one && from <= stops);
    }
    for (long done = 0; count && done < sample; done += POINTS_A_RUN) {
        ask(&q, 0, POINTS_A_PAIR, seed);
        for (long n = 0; n < PAIRS_A_RUN && done + n * POINTS_A_PAIR < sample; n++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            ask_for(&q, &pairs[(seed >> 33) % count], seed >> 32 & 1);
        }
        one_run(q.words, sum);
    }
    free(pairs);
}
