/* One point of an act: it is killed there, or that call fails; then everybody looks. */
#include "sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What one run in the union has said (inside.c), and what a fresh one shows after it. */
struct said {
    char *text, *errors;
    char *before, *warm, *cold, *then, *fresh, *mended;
    struct outcome out;
    bool again;
    long again_result;
    int again_error;
    unsigned left, left_after; /* litter in work: before and after the fresh run */
    bool whole;
};

char *section(const char *text, const char *name) {
    char mark[32];
    snprintf(mark, sizeof mark, "=== %s\n", name);
    const char *at = strstr(text, mark);
    if (!at)
        return NULL;
    at += strlen(mark);
    const char *end = strstr(at, "=== ");
    return strndup(at, end ? (size_t)(end - at) : strlen(at));
}

char *look_afresh(char **errors) {
    char *own = NULL;
    errors = errors ? errors : &own;
    const char *const look[] = {"--look", world.target, NULL};
    int status;
    char *view = NULL;
    for (int tries = 0; tries < 1000; tries++) { /* what was killed may take a moment to die */
        view = run_in_union(look, errors, &status);
        if (status == 0 || !strstr(*errors, "in use"))
            break;
        free(view);
        free(*errors);
        usleep(10000);
    }
    if (status != 0) {
        fprintf(stderr, "sweep: a fresh run ended with status %#x: %s\n", (unsigned)status, *errors);
        free(view);
        free(own);
        return NULL;
    }
    free(own);
    return view;
}

static void free_said(struct said *s) {
    char *all[] = {s->text, s->errors, s->before, s->warm, s->cold, s->then, s->fresh, s->mended};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static struct said run_point(const struct act *act, const struct fate *fate) {
    struct said s = {0};
    char number[24], error[24], index[24];
    snprintf(index, sizeof index, "%d", (int)(act - acts));
    snprintf(number, sizeof number, "%ld", fate->stop);
    snprintf(error, sizeof error, "%d", fate->what == FAULT_KILL_ALL ? (int)getpid() : fate->error);
    static const char *const words[] = {"none", "kill", "all", "fail"};
    const char *what = words[fate->what];
    bool all = fate->what == FAULT_KILL_ALL;
    const char *const arguments[] = {"--inside", world.target, index, what, number, error, fate->show ? "show" : NULL,
                                     NULL};
    int status;
    world_renew();
    s.text = run_in_union(arguments, &s.errors, &status);
    if (fate->show)
        fputs(s.errors, stderr);
    s.before = section(s.text, "before");
    s.warm = section(s.text, "warm");
    s.cold = section(s.text, "cold");
    s.then = section(s.text, "then");
    char *outcome = section(s.text, "outcome"), *again = section(s.text, "again");
    int met = 0, done = 0;
    bool told = outcome && sscanf(outcome, "%ld %d %ld %d %ld %d %95[^\n]", &s.out.stops, &met, &s.out.call, &done,
                                  &s.out.result, &s.out.error, s.out.path) >= 6;
    s.out.met = met;
    s.out.done = done;
    s.again = again && sscanf(again, "%ld %d", &s.again_result, &s.again_error) == 2;
    free(outcome);
    free(again);
    s.left = work_litter();
    char *session = all ? last_session() : NULL;
    s.fresh = look_afresh(&s.mended);
    s.left_after = work_litter();
    if (session)
        remove_session(session);
    s.whole = told && s.before && s.fresh && (all || (status == 0 && s.warm && s.cold && strstr(s.text, "=== end\n")));
    if (!s.whole)
        fprintf(stderr, "sweep: %s: a run ended with status %#x\n%s%s\n", act->name, (unsigned)status, s.text,
                s.errors);
    return s;
}

static char *loosened(const char *view) {
    char *copy = strdup(view);
    loosen(copy);
    return copy;
}

bool alike(const char *a, const char *b) {
    char *x = loosened(a), *y = loosened(b);
    bool same = strcmp(x, y) == 0;
    free(x);
    free(y);
    return same;
}

/* The first line in which they differ. */
void show_difference(const char *named, const char *expected, const char *other) {
    while (*expected || *other) {
        size_t n = strcspn(expected, "\n"), m = strcspn(other, "\n");
        if (n != m || memcmp(expected, other, n) != 0) {
            fprintf(stderr, "    %-7s %.*s\n    %-7s %.*s\n", named, (int)n, expected, "seen", (int)m, other);
            return;
        }
        expected += n + (expected[n] != 0);
        other += m + (other[m] != 0);
    }
}

/* A point is wrong for the first reason that is found. */
static void wrong(struct sum *sum, const struct act *act, long stop, const struct outcome *out, const char *fate,
                  const char *why) {
    sum->wrong++;
    fprintf(stderr, "%s, stop %ld: %s %s(%s): %s\n", act->name, stop, fate, call_name(out->call), out->path, why);
}

static char *original;

bool plain_run(const struct act *act, struct plain *plain) {
    if (!original)
        lowers_changed();
    struct said s = run_point(act, &(struct fate){0});
    bool right = s.whole && s.out.done;
    *plain = (struct plain){.act = act, .stops = s.out.stops, .result = s.out.result, .error = s.out.error};
    if (right) {
        plain->before = strdup(s.before);
        plain->after = strdup(s.fresh);
        if (strcmp(s.warm, s.fresh) != 0 || strcmp(s.cold, s.fresh) != 0) {
            fprintf(stderr, "%s: without a fault the views differ\n", act->name);
            show_difference("fresh", s.fresh, strcmp(s.warm, s.fresh) != 0 ? s.warm : s.cold);
            right = false;
        }
    }
    free_said(&s);
    return right;
}

void plain_free(struct plain *plain) {
    free(plain->before);
    free(plain->after);
}

bool lowers_changed(void) {
    char *now = lowers_view();
    if (!original) {
        original = now;
        return false;
    }
    bool changed = strcmp(now, original) != 0;
    free(now);
    return changed;
}

void kill_at(const struct plain *plain, long stop, bool all, struct sum *sum) {
    struct said s = run_point(plain->act, &(struct fate){.what = all ? FAULT_KILL_ALL : FAULT_KILL, .stop = stop});
    const char *fate = all        ? stop % 2 ? "all killed before" : "all killed after"
                       : stop % 2 ? "killed before"
                                  : "killed after";
    sum->points++;
    const char *why = NULL, *expected = plain->before, *seen = s.fresh;
    if (!s.whole)
        why = "the run did not end well";
    else if (strcmp(s.before, plain->before) != 0) {
        why = "the view before is not what it was";
        seen = s.before;
    } else if (strcmp(s.fresh, plain->before) != 0 && strcmp(s.fresh, plain->after) != 0) {
        why = "the next run sees neither the view before nor the one after";
    } else if (!all && strcmp(s.warm, s.cold) != 0) {
        why = "a process that remembers and one that does not see two views";
        expected = s.cold;
        seen = s.warm;
    } else if (!all && !alike(s.warm, plain->before) && !alike(s.warm, plain->after)) {
        why = "others of the run see neither the view before nor the one after";
        seen = s.warm;
    } else if (s.left_after) {
        why = "the next run leaves litter in the work directory";
    } else if (!all && s.left) {
        why = "the end of the run leaves litter in the work directory";
    } else if (s.left && !strstr(s.mended, "mended")) {
        why = "the next run does not say what it mended";
    } else if (!all && strstr(s.mended, "mended")) {
        why = "the next run says that it mended, and had not to";
    } else if (lowers_changed()) {
        why = "A LOWER CHANGED";
    }
    if (why) {
        wrong(sum, plain->act, stop, &s.out, fate, why);
        if (s.whole) {
            show_difference("before", expected, seen);
            if (expected == plain->before)
                show_difference("after", plain->after, seen);
        }
    }
    free_said(&s);
}

void fail_at(const struct plain *plain, long stop, int error, struct sum *sum) {
    struct said s = run_point(plain->act, &(struct fate){.what = FAULT_ERROR, .stop = stop, .error = error});
    if (s.whole && !s.out.met) { /* a call that cannot fail */
        free_said(&s);
        return;
    }
    char fate[32], reason[160];
    snprintf(fate, sizeof fate, "%s from", strerrorname_np(error));
    sum->points++;
    const char *why = NULL, *expected = plain->before, *seen = NULL;
    bool as_plain = s.out.result == plain->result && (s.out.result >= 0 || s.out.error == plain->error);
    bool failed = !as_plain;
    if (!s.whole)
        why = "the run did not end well";
    else if (!s.out.done)
        why = "the program did not go on";
    else if (failed && (s.out.result >= 0 || s.out.error != error)) {
        snprintf(reason, sizeof reason, "the program gets %ld %s", s.out.result, strerrorname_np(s.out.error));
        why = reason;
    } else {
        expected = failed ? plain->before : plain->after;
        seen = !alike(s.warm, expected) ? s.warm : !alike(s.cold, expected) ? s.cold : NULL;
        if (seen)
            why = failed ? "it fails, and the view has changed" : "it succeeds, and the view is not right";
        else if (!alike(s.fresh, failed && s.again ? plain->after : expected)) {
            why = "the next run sees something else";
            seen = s.fresh;
            expected = failed && s.again ? plain->after : expected;
        } else if (failed && (!s.again || s.again_result != plain->result)) {
            snprintf(reason, sizeof reason, "it fails, and once more with nothing in the way: %s",
                     s.again ? strerrorname_np(s.again_error) : "?");
            why = reason;
        } else if (failed && !alike(s.then, plain->after)) {
            why = "it fails, and once more does not do it";
            expected = plain->after;
            seen = s.then;
        } else if (s.left_after) {
            why = "the next run leaves litter in the work directory";
        } else if (lowers_changed()) {
            why = "A LOWER CHANGED";
        }
    }
    if (why) {
        wrong(sum, plain->act, stop, &s.out, fate, why);
        if (seen)
            show_difference("right", expected, seen);
    }
    free_said(&s);
}
