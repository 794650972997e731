/*
 * sweep: kills an operation at each of its system calls, or makes each of them fail, and looks what is left.
 *
 *     main.c     options, the count, the verdict
 *     world.c    layers to work on, fresh for each point; programs started and heard
 *     acts.c     the operations, each with what must be there before
 *     inside.c   the process in the union: prepares, performs, looks
 *     trace.c    runs an act up to one system call (ptrace)
 *     points.c   one point: killed or failed, then judged
 *     own.c      the same of the run's own processes: launcher, guard, keeper, and the command until its exec
 *     meet.c     one act is held at a stop while another is done
 *     view.c     what a tree shows, as text
 *
 * A *stop* is the entry to a system call or the return from it; they are numbered from 1.
 */
#ifndef SWEEP_H
#define SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* --- acts.c --- */
struct act {
    const char *name;
    void (*prepare)(void); /* NULL: nothing; in the union, not traced */
    long (*perform)(void); /* one change of the union: 0, or -1 and errno */
};
extern const struct act acts[]; /* ends with a NULL name */

/* --- trace.c --- */
enum fault { FAULT_NONE, FAULT_KILL, FAULT_KILL_ALL /* and the whole run with it */, FAULT_ERROR };
struct fate {
    enum fault what;
    long stop;    /* at which stop */
    int error;    /* FAULT_ERROR: what that call returns (the stop is an entry's) */
    pid_t beyond; /* FAULT_KILL_ALL: the parent of the launcher */
    bool show;    /* each stop on stderr */
};
struct outcome {
    long stops;    /* until the end, or the fate */
    bool met;      /* the fate came */
    long call;     /* the number of the system call it came at */
    char path[96]; /* its first argument that is a path, as far as it is known */
    bool done;     /* the act returned; then: */
    long result;
    int error;
};
/* Performs the act in a child process. */
struct outcome trace(const struct act *act, const struct fate *fate);
const char *call_name(long call);
long call_number(const char *name); /* -1: it has none here */
/* The path of a call at its entry, or its end; "": it has none that is known. */
void call_path(pid_t pid, long call, const uint64_t arguments[6], char path[96]);
/* Could it, as it is asked for? What a filesystem or the lack of something can do to it. */
bool can_fail(long call, const uint64_t arguments[6], int error);
/* Of who has stopped at the entry: no call at all. At its return: that result. */
void set_call(pid_t pid, long number);
void set_result(pid_t pid, long result);

/* --- view.c --- */
/* The whole tree, on stdout. */
void print_view(const char *root);
/* In place: without what a killed process leaves to the recovery at the end of the run: times and modes of directories,
   and the count of names. */
void loosen(char *view);

/* --- inside.c --- */
int inside(const char *target, const struct act *act, const struct fate *fate);
/* For names that are not there: a memory of that must not last. */
void look_for_nothing(void);

/* --- world.c --- */
struct world {
    char dir[256], lower[2][300], upper[300], work[300], target[300], own[300]; /* own: unionrun's part of work */
    char sessions[300]; /* where those runs make theirs that own.c starts */
    const char *unionrun;
    const char *self; /* this program */
    const char *options[8];
};
extern struct world world;
void world_make(const char *dir); /* the layers */
enum { COPIES = 90 };
void world_make_copies(void); /* of all that, 000 and so on, beside it */
void world_renew(void);       /* no upper, no work, an empty target */
void world_remove(void);
char *lowers_view(void); /* allocated */
/* Runs unionrun with this program in the union: what it says on stdout, allocated; `errors` (if not NULL) likewise. */
char *run_in_union(const char *const arguments[], char **errors, int *status);
/* This process becomes that. */
void exec_in_union(const char *const arguments[]) __attribute__((noreturn));
bool world_option(const char *word); /* is it given to unionrun? */
/* How many sessions there are in world.sessions; and away with them. */
unsigned world_sessions(void);
void world_forget_sessions(void);
/* The session directory of a run that was killed (allocated; NULL: unknown); and away with it. */
char *last_session(void);
void remove_session(char *session);
/* What lies in tmp/ and in journal/ but the lock. */
unsigned work_litter(void);
void fail(const char *what) __attribute__((noreturn));

/* --- points.c --- */
struct sum {
    unsigned long points, wrong;
};
/* What an act does when nobody interferes. */
struct plain {
    const struct act *act;
    char *before, *after; /* views */
    long stops;
    long result;
    int error;
    long own_stops[4]; /* of the run's own processes, by role; all 0: not counted yet (own.c) */
};
bool plain_run(const struct act *act, struct plain *plain);
void plain_free(struct plain *plain);
void kill_at(const struct plain *plain, long stop, bool all, struct sum *sum);
void fail_at(const struct plain *plain, long stop, int error, struct sum *sum);
/* What the next run sees (allocated; NULL: it failed), and what it says (`errors` may be NULL). */
char *look_afresh(char **errors);
/* A part of what was said (inside.c): allocated; NULL: there is none. */
char *section(const char *text, const char *name);
/* Are two views the same, loosened? */
bool alike(const char *a, const char *b);
/* Since this was asked first. */
bool lowers_changed(void);
void show_difference(const char *named, const char *expected, const char *other);

/* --- own.c --- */
enum role { OWN_LAUNCHER, OWN_GUARD, OWN_KEEPER, OWN_COMMAND, ROLES };
/* Of an act without preparation, in `role` or "all". `call`: of calls of that number alone, if there is no sample; -1:
   of all. `errors`: each call fails with one of them, or if there are none is killed at. `one`: that stop alone, or 0;
   `sample`: as many points, as `draw` tells; 0: all. */
void own_sweep(struct plain *plain, const char *role, long call, const int errors[], long one, long sample,
               uint64_t (*draw)(void), struct sum *sum);
/* In the union: an act, and if it has failed once more. */
enum { PERFORMED = 0, PERFORMED_AGAIN = 101, PERFORMED_NEVER = 102 };
int own_inside(const char *target, const struct act *act);

/* --- meet.c --- */
/* Acts that meet, of which the names have `first` and `second` in them (NULL: any), as options say (main.c). */
void meet_sweep(const char *first, const char *second, long one, long sample, uint64_t seed, struct sum *sum);
/* In the union: what meet_sweep has asked for there. */
int meet_inside(const char *target, char **arguments);

#endif
