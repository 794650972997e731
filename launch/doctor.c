/*
 * `unionrun doctor`: what this host offers, and what a run would then cover. It tries what a run would do, with the
 * mounts that it is given or without any, starts no command and leaves nothing behind.
 */
#include "config/check.h"
#include "config/probe.h"
#include "config/table.h"
#include "config/text.h"
#include "launch/host.h"
#include "launch/launch.h"
#include "launch/say.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum verdict { OK, NO, TOLD };

struct check {
    const char *name;
    enum verdict verdict;
    char *found;
};

/* What a run would have. */
struct net {
    const char *name;
    bool missing;
    char *why; /* NULL: it covers all that it should */
};

struct report {
    struct check *check;
    size_t checks;
    struct net shim, guard, fence;
};

static void note(struct report *report, const char *name, enum verdict verdict, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void note(struct report *report, const char *name, enum verdict verdict, const char *format, ...) {
    va_list values;
    char *text = NULL;
    va_start(values, format);
    if (vasprintf(&text, format, values) < 0)
        text = ur_format("out of memory");
    va_end(values);
    for (char *c = text; *c; c++) /* paths may hold anything, a terminal is not to obey it */
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
    report->check = ur_grow(report->check, report->checks, sizeof *report->check);
    report->check[report->checks++] = (struct check){name, verdict, text};
}

static void lacks(struct net *net, bool missing, const char *why) {
    if (net->why && (net->missing || !missing))
        return;
    free(net->why);
    net->why = ur_format("%s", why);
    net->missing = missing;
}

static bool is_noexec(const char *path) {
    struct statvfs fs;
    return statvfs(path, &fs) == 0 && fs.f_flag & ST_NOEXEC;
}

static void look_at_parts(struct report *report, const struct launch *launch) {
    static const char *const parts[] = {"unionrun.so", "unionrun-audit.so", "unionrun-exec"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        UR_AUTO_TEXT path = ur_path_join(launch->parts, parts[i]);
        if (access(path, R_OK) < 0) {
            note(report, "parts", NO, "%s: %s; build or install unionrun completely", path, strerror(errno));
            lacks(&report->shim, true, "a part of unionrun is missing");
            return;
        }
    }
    if (is_noexec(launch->parts)) {
        note(report, "parts", NO, "%s is mounted noexec; install unionrun elsewhere", launch->parts);
        lacks(&report->shim, true, "unionrun.so is on a filesystem that is mounted noexec");
        return;
    }
    note(report, "parts", OK, "%s", launch->parts);
}

static void look_at_session(struct report *report) {
    UR_AUTO_TEXT place = session_place();
    if (place) {
        note(report, "session", OK, "%s%s", place, is_noexec(place) ? " (noexec, which does not matter)" : "");
        return;
    }
    note(report, "session", NO, "neither XDG_RUNTIME_DIR nor /dev/shm nor TMPDIR can be written; set TMPDIR");
    lacks(&report->shim, true, "there is no place for the session directory");
}

/* "a, b, c" of the names whose bit is not in `caps`; empty: all are. */
static char *missing_caps(uint32_t caps) {
    static const struct {
        uint32_t cap;
        const char *name;
    } all[] = {{UR_CAP_CHARDEV, "0:0 devices"},
               {UR_CAP_XATTR, "user xattrs"},
               {UR_CAP_TMPFILE, "O_TMPFILE"},
               {UR_CAP_RENAME_WHITEOUT, "RENAME_WHITEOUT"},
               {UR_CAP_RENAME_EXCHANGE, "RENAME_EXCHANGE"},
               {UR_CAP_RENAME_NOREPLACE, "RENAME_NOREPLACE"},
               {UR_CAP_REFLINK, "reflinks"}};
    char *list = ur_format("%s", "");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (caps & all[i].cap)
            continue;
        char *longer = ur_format("%s%s%s", list, *list ? ", " : "", all[i].name);
        free(list);
        list = longer;
    }
    return list;
}

/* `near`: a directory on the filesystem, or one to be made in its parent. A probe needs a directory for itself. */
static void look_at_upper(struct report *report, const char *upper, const char *near) {
    struct stat st;
    UR_AUTO_TEXT parent = ur_copy(near, (size_t)(strrchr(near, '/') - near) + (strrchr(near, '/') == near));
    UR_AUTO_TEXT own = ur_path_join(stat(near, &st) == 0 ? near : parent, ".unionrun-doctor-XXXXXX");
    if (!mkdtemp(own)) {
        note(report, "upper", NO, "%s: cannot be tried: %s", upper, strerror(errno));
        lacks(&report->shim, true, "an upper cannot be written");
        return;
    }
    int fd = open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint32_t caps = fd < 0 ? 0 : ur_probe_caps(fd);
    if (fd >= 0)
        close(fd);
    rmdir(own);
    UR_AUTO_TEXT missing = missing_caps(caps);
    UR_AUTO_TEXT type = host_filesystem(parent);
    const char *runs = is_noexec(parent) ? ", noexec: what a run makes or changes there it cannot execute" : "";
    if (!(caps & (UR_CAP_CHARDEV | UR_CAP_XATTR))) {
        note(report, "upper", NO, "%s (%s): its filesystem can hold no whiteout (neither 0:0 devices nor user xattrs)",
             upper, type);
        lacks(&report->shim, true, "an upper's filesystem can hold no whiteout");
    } else if (*missing) {
        note(report, "upper", OK, "%s (%s%s): does without %s", upper, type, runs, missing);
    } else {
        note(report, "upper", OK, "%s (%s%s): has all that can be used", upper, type, runs);
    }
}

static void look_at_uppers(struct report *report, const struct launch *launch) {
    const struct ur_plan *plan = &launch->plan;
    const char *temporary = getenv("TMPDIR");
    for (size_t i = 0; i < plan->count; i++)
        if (plan->mounts[i].upper)
            look_at_upper(report, plan->mounts[i].upper, plan->mounts[i].work);
    if (!plan->count)
        look_at_upper(report, temporary && *temporary == '/' ? temporary : "/tmp",
                      temporary && *temporary == '/' ? temporary : "/tmp");
}

static void look_at_guard(struct report *report, const struct host *host) {
    const struct host_listener *listener = &host->listener;
    const struct host_reach *reach = &host->reach;
    if (listener->error) {
        note(report, "listener", NO, "seccomp user notification: %s", strerror(listener->error));
    } else {
        note(report, "listener", OK, "seccomp user notification; wait-killable %s, addfd-send %s, sync-wake-up %s",
             listener->wait_killable ? "yes" : "no", listener->addfd_send ? "yes" : "no",
             listener->sync_wake_up ? "yes" : "no");
        if (!listener->wait_killable)
            lacks(&report->guard, false, "a signal can interrupt a call that would not be (Linux before 5.19)");
    }
    bool reached = !reach->read && !reach->write && !reach->trace && !reach->thread; /* without getfd it is slower */
    note(report, "children", reached ? OK : NO, "a child's memory: %s, its descriptors: %s, ptrace: %s, threads: %s",
         reach->read || reach->write ? strerror(reach->read ? reach->read : reach->write) : "yes",
         reach->getfd ? strerror(reach->getfd) : "yes", reach->trace ? strerror(reach->trace) : "yes",
         reach->thread ? strerror(reach->thread) : "yes");
    if (reach->trace)
        lacks(&report->guard, false,
              "for want of ptrace static programs cannot change their directory in a union, nor start its programs");
    if (host->yama < 0)
        note(report, "yama", TOLD, "none");
    else
        note(report, "yama", host->yama < 2 ? OK : NO, "kernel.yama.ptrace_scope is %d%s", host->yama,
             host->yama < 2 ? "" : "; 0 or 1 would do");
    if (host->gate)
        note(report, "gate", NO,
             "its page cannot be mapped (%s): the shim's calls go through the guard, and are slower",
             strerror(host->gate));
    else
        note(report, "gate", OK, "its address is free");
    const char *untried = host_untried();
    if (untried) {
        note(report, "untried", NO, "the guard has never been tried on %s; --guard=require tries it", untried);
        lacks(&report->guard, true, "it has never been tried on this architecture (--guard=require tries it)");
    }
    const char *why = host_guard_reason(listener, reach);
    if (why)
        lacks(&report->guard, true, why);
}

static void look_at_fence(struct report *report, const struct launch *launch, const struct host *host) {
    const char *why = fence_wanting(host->landlock);
    if (host->landlock < 0)
        note(report, "landlock", NO, "%s", why);
    else
        note(report, "landlock", why ? NO : OK, "ABI %d%s%s", host->landlock, why ? ": " : "", why ? why : "");
    if (why)
        lacks(&report->fence, true, why);
    UR_AUTO_TEXT lower = fence_unkept(&launch->plan);
    if (lower)
        lacks(&report->fence, false, lower);
}

static void look_at_rest(struct report *report, const struct host *host) {
    note(report, "io_uring", TOLD, "%s",
         host->io_uring ? "can be used here; in a run the guard refuses it (ENOSYS), for it passes seccomp by"
                        : "cannot be used here");
    note(report, "32-bit", TOLD, "%s",
         host->bits32 ? "there is a loader for such programs; they are not covered" : "no loader for such programs");
    if (host->user_namespaces >= 0)
        note(report, "namespaces", TOLD, "%ld user namespaces may be made; none is needed", host->user_namespaces);
}

static void show_net(const struct net *net, bool colour) {
    const char *how = !net->why ? "full" : net->missing ? "no" : "partly";
    const char *on = !colour ? "" : !net->why ? "\033[32m" : net->missing ? "\033[31m" : "\033[33m";
    printf("    %-7s %s%s%s%s%s\n", net->name, on, how, *on ? "\033[0m" : "", net->why ? ": " : "",
           net->why ? net->why : "");
}

static void show_report_text(const struct report *report) {
    static const char *const words[] = {"ok", "no", "-"}, *const colours[] = {"\033[32m", "\033[31m", ""};
    bool colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    for (size_t i = 0; i < report->checks; i++) {
        const struct check *check = &report->check[i];
        const char *on = colour ? colours[check->verdict] : "";
        printf("%-11s %s%-3s%s %s\n", check->name, on, words[check->verdict], *on ? "\033[0m" : "", check->found);
    }
    puts("\nA run here would cover:");
    show_net(&report->shim, colour);
    show_net(&report->guard, colour);
    show_net(&report->fence, colour);
}

static json_t *net_value(const struct net *net) {
    json_t *value = json_object();
    json_object_set_new(value, "covers", json_string(!net->why ? "full" : net->missing ? "no" : "partly"));
    if (net->why)
        json_object_set_new(value, "reason", json_string(net->why));
    return value;
}

static bool show_report_json(const struct report *report) {
    static const char *const words[] = {"ok", "no", "told"};
    json_t *root = json_object(), *checks = json_array(), *nets = json_object();
    for (size_t i = 0; i < report->checks; i++) {
        const struct check *check = &report->check[i];
        json_t *value = json_object();
        json_object_set_new(value, "name", json_string(check->name));
        json_object_set_new(value, "verdict", json_string(words[check->verdict]));
        if (json_object_set_new(value, "found", json_string(check->found)) < 0) /* a path that is not UTF-8 */
            json_object_set_new(value, "found", json_string(""));
        json_array_append_new(checks, value);
    }
    json_object_set_new(root, "checks", checks);
    json_object_set_new(nets, "shim", net_value(&report->shim));
    json_object_set_new(nets, "guard", net_value(&report->guard));
    json_object_set_new(nets, "fence", net_value(&report->fence));
    json_object_set_new(root, "run", nets);
    bool right = json_dumpf(root, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF;
    json_decref(root);
    return right;
}

static void free_report(struct report *report) {
    for (size_t i = 0; i < report->checks; i++)
        free(report->check[i].found);
    free(report->check);
    free(report->shim.why);
    free(report->guard.why);
    free(report->fence.why);
}

int doctor(struct launch *launch) {
    if (!load_plan(launch) || (launch->plan.count && !ur_check(&launch->plan))) {
        say("%s", launch->plan.error);
        return EXIT_OURS;
    }
    launch->parts = find_parts();
    if (!launch->parts)
        return EXIT_OURS;
    struct report report = {.shim = {.name = "shim"}, .guard = {.name = "guard"}, .fence = {.name = "fence"}};
    struct host host;
    host_look(&host);
    note(&report, "kernel", TOLD, "Linux %s", host.kernel);
    look_at_parts(&report, launch);
    look_at_session(&report);
    look_at_uppers(&report, launch);
    look_at_guard(&report, &host);
    look_at_fence(&report, launch, &host);
    look_at_rest(&report, &host);
    bool shown = true;
    if (launch->options.json)
        shown = show_report_json(&report);
    else
        show_report_text(&report);
    bool missing = report.shim.missing || report.guard.missing || report.fence.missing;
    free_report(&report);
    if (!shown || fflush(stdout) != 0 || ferror(stdout)) {
        say("the report cannot be printed: %s", strerror(errno));
        return EXIT_OURS;
    }
    return missing ? 1 : 0;
}
