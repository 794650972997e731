/*
 * What a run has done: counted in the memory that its processes share (engine/shared.h), whose file the launcher keeps
 * open beyond the session's end. It is read and not mapped: programs of the run could cut it short, which is a SIGBUS.
 * The report is written beside FILE and renamed to it, so that nobody reads half of it.
 *
 * Its form: README.md, at --report. Fields are added, and never given another meaning.
 */
#include "launch/report.h"
#include "config/text.h"
#include "engine/numbers.h"
#include "engine/shared.h"
#include "launch/say.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct report {
    struct timespec begun; /* CLOCK_MONOTONIC */
    time_t started;
    char *temporary; /* beside options.report; NULL: there is none */
    int fd, shared;  /* of it, and of the session's shared memory; -1 */
    struct ur_counts counts;
    struct ur_quota quota;
    struct ur_answers answers[UR_ANSWERS];
};

/* The calls that the guard has a say in, by name. */
static const struct call_name {
    int number;
    const char *name;
} call_names[] = {
#define GUARD(call, class, answer) {CALL_##call, #call},
#include "launch/guard/calls.def"
};
enum { CALLS = sizeof call_names / sizeof *call_names };

static bool in_a_layer(const struct ur_plan *plan, const char *dir) {
    for (size_t i = 0; i < plan->count; i++)
        for (size_t k = 0; k < plan->mounts[i].lowers; k++) {
            UR_AUTO_TEXT lower = realpath(plan->mounts[i].lower[k], NULL);
            if (lower && strcmp(lower, "/") != 0 && ur_path_is_in(dir, lower))
                return true;
        }
    return false;
}

static bool make_file(struct launch *launch, struct report *r) {
    const char *file = launch->options.report;
    UR_AUTO_TEXT dir = ur_copy(file, (size_t)(strrchr(file, '/') - file));
    UR_AUTO_TEXT real = realpath(*dir ? dir : "/", NULL);
    if (real && in_a_layer(&launch->plan, real)) {
        say("--report=%s: it lies in a lower, which stays as it is; give another place", file);
        return false;
    }
    r->temporary = ur_format("%s.%d", file, (int)getpid());
    r->fd = open(r->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666 & ~launch->umask);
    if (r->fd >= 0)
        return true;
    say("--report=%s: %s", file, strerror(errno));
    free(r->temporary);
    r->temporary = NULL;
    return false;
}

static bool begin_counting(struct launch *launch, struct report *r) {
    UR_AUTO_TEXT path = ur_path_join(launch->session, "shared");
    const uint32_t on = 1;
    r->shared = open(path, O_RDWR | O_CLOEXEC);
    if (r->shared >= 0 && pwrite(r->shared, &on, sizeof on, offsetof(struct ur_shared, answers_wanted)) == sizeof on)
        return true;
    say("%s: %s", path, strerror(errno));
    return false;
}

static void read_counts(struct report *r) {
    struct ur_counts counts;
    if (pread(r->shared, &counts, sizeof counts, offsetof(struct ur_shared, counts)) == sizeof counts)
        r->counts = counts;
    struct ur_quota quota;
    if (pread(r->shared, &quota, sizeof quota, offsetof(struct ur_shared, quota)) == sizeof quota)
        r->quota = quota;
    if (pread(r->shared, r->answers, sizeof r->answers, offsetof(struct ur_shared, answers)) != sizeof r->answers)
        memset(r->answers, 0, sizeof r->answers);
}

bool report_prepare(struct launch *launch) {
    const struct options *options = &launch->options;
    if (!options->stats && !options->report)
        return true;
    launch->report = ur_grow(NULL, 0, sizeof *launch->report);
    struct report *r = launch->report;
    r->fd = r->shared = -1;
    if ((options->report && !make_file(launch, r)) || !begin_counting(launch, r))
        return false;
    r->started = time(NULL);
    clock_gettime(CLOCK_MONOTONIC, &r->begun);
    return true;
}

void report_descriptors(const struct launch *launch, int fd[2]) {
    fd[0] = launch->report ? launch->report->fd : -1;
    fd[1] = launch->report ? launch->report->shared : -1;
}

static double seconds(uint64_t nanoseconds) {
    return (double)(nanoseconds / 1000) / 1e6;
}

static double duration(const struct report *r) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ns = (int64_t)(now.tv_sec - r->begun.tv_sec) * 1000000000 + now.tv_nsec - r->begun.tv_nsec;
    return seconds((uint64_t)ns);
}

static uint64_t time_of(const struct report *r, const struct call_name *c) {
    return c->number < 0 || c->number >= UR_ANSWERS ? 0 : atomic_load(&r->answers[c->number].time);
}

static const struct report *compared;
static int by_time(const void *a, const void *b) {
    uint64_t x = time_of(compared, *(const struct call_name *const *)a),
             y = time_of(compared, *(const struct call_name *const *)b);
    return (x < y) - (x > y);
}

/* Those that were asked for, the slowest in all first: how many. */
static size_t answered(const struct report *r, const struct call_name *list[CALLS]) {
    size_t n = 0;
    for (size_t i = 0; i < CALLS; i++)
        if (time_of(r, &call_names[i]))
            list[n++] = &call_names[i];
    compared = r;
    qsort(list, n, sizeof *list, by_time);
    return n;
}

static json_int_t number(const _Atomic uint64_t *count) {
    return (json_int_t)atomic_load(count);
}

static json_t *calls_json(const struct report *r) {
    const struct call_name *list[CALLS];
    size_t n = answered(r, list);
    json_t *calls = json_array();
    for (size_t i = 0; i < n; i++) {
        const struct ur_answers *a = &r->answers[list[i]->number];
        json_array_append_new(calls, json_pack("{s:s, s:I, s:f, s:f}", "call", list[i]->name, "count",
                                               number(&a->count), "seconds", seconds(atomic_load(&a->time)), "longest",
                                               seconds(atomic_load(&a->longest))));
    }
    return calls;
}

static json_t *command_json(char *const *command) {
    json_t *words = json_array();
    for (; *command; command++) { /* what is no UTF-8 is not JSON's */
        json_t *word = json_string(*command);
        json_array_append_new(words, word ? word : json_null());
    }
    return words;
}

static json_t *limit_json(const struct launch *launch) {
    const struct ur_quota *q = &launch->report->quota;
    return launch->plan.max_upper
               ? json_pack("{s:I, s:I, s:I}", "limit", (json_int_t)launch->plan.max_upper, "bytes",
                           (json_int_t)atomic_load(&q->bytes), "refused", (json_int_t)atomic_load(&q->refused))
               : json_null();
}

static bool write_file(struct launch *launch, const struct keeper_report *end, double taken) {
    struct report *r = launch->report;
    const struct ur_counts *c = &r->counts;
    char started[32];
    struct tm tm;
    strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&r->started, &tm));
    bool exited = WIFEXITED(end->status);
    json_t *json = json_pack(
        "{s:s, s:o, s:s, s:f, s:o, s:o, s:b, s:b, s:b, s:{s:I, s:I, s:I, s:I, s:I}, s:I, s:o, s:o}", "unionrun",
        UNIONRUN_VERSION, "command", command_json(launch->options.command), "started", started, "seconds", taken,
        "status", exited ? json_integer(WEXITSTATUS(end->status)) : json_null(), "signal",
        exited ? json_null() : json_integer(WTERMSIG(end->status)), "timed_out", end->late, "guard_killed",
        end->unguarded, "processes_left", end->left, "copied_up", "files", number(&c->files), "directories",
        number(&c->directories), "bytes", number(&c->bytes), "bytes_shared", number(&c->cloned), "files_without_data",
        number(&c->bare), "whiteouts", number(&c->whiteouts), "max_upper", limit_json(launch), "guard", calls_json(r));
    bool right = json && json_dumpfd(json, r->fd, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) == 0 &&
                 write(r->fd, "\n", 1) == 1 && fsync(r->fd) == 0 && rename(r->temporary, launch->options.report) == 0;
    if (!right)
        say("--report=%s: %s", launch->options.report, strerror(errno));
    json_decref(json);
    if (right) {
        free(r->temporary);
        r->temporary = NULL;
    }
    return right;
}

static const char *plural(uint64_t n, const char *one, const char *many) {
    return n == 1 ? one : many;
}

static void say_stats(const struct launch *launch, double taken) {
    const struct report *r = launch->report;
    const struct ur_counts *c = &r->counts;
    uint64_t files = atomic_load(&c->files), directories = atomic_load(&c->directories), bare = atomic_load(&c->bare),
             bytes = atomic_load(&c->bytes), cloned = atomic_load(&c->cloned), whiteouts = atomic_load(&c->whiteouts);
    say("%.3f s; copied up: %llu %s of %llu bytes%s and %llu %s; %llu %s", taken, (unsigned long long)files,
        plural(files, "file", "files"), (unsigned long long)(bytes + cloned),
        cloned ? " (some shared with the lower's)" : "", (unsigned long long)directories,
        plural(directories, "directory", "directories"), (unsigned long long)whiteouts,
        plural(whiteouts, "whiteout", "whiteouts"));
    if (bare)
        say("of the files %llu had only their metadata copied", (unsigned long long)bare);
    if (launch->plan.max_upper)
        say("the uppers hold %lld bytes of %llu; %llu %s refused for want of room",
            (long long)atomic_load(&r->quota.bytes), (unsigned long long)launch->plan.max_upper,
            (unsigned long long)atomic_load(&r->quota.refused),
            plural(atomic_load(&r->quota.refused), "call was", "calls were"));
    const struct call_name *list[CALLS];
    size_t n = answered(r, list);
    uint64_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += atomic_load(&r->answers[list[i]->number].count);
    if (!count)
        return;
    say("the guard was asked %llu times; most time went to:", (unsigned long long)count);
    enum { TOLD = 5 };
    for (size_t i = 0; i < n && i < TOLD; i++) {
        const struct ur_answers *a = &r->answers[list[i]->number];
        say("  %-17s %8llu  %8.4f s, longest %.4f s", list[i]->name, (unsigned long long)atomic_load(&a->count),
            seconds(atomic_load(&a->time)), seconds(atomic_load(&a->longest)));
    }
}

bool report_finish(struct launch *launch, const struct keeper_report *end) {
    if (!launch->report)
        return true;
    double taken = duration(launch->report);
    read_counts(launch->report);
    if (launch->options.stats)
        say_stats(launch, taken);
    return !launch->options.report || write_file(launch, end, taken);
}

void report_free(struct launch *launch) {
    struct report *r = launch->report;
    if (!r)
        return;
    if (r->temporary)
        unlink(r->temporary);
    free(r->temporary);
    if (r->fd >= 0)
        close(r->fd);
    if (r->shared >= 0)
        close(r->shared);
    free(r);
    launch->report = NULL;
}
