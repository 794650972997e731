/*
 * The fence: Landlock, which keeps the tree of a run from writing anywhere but to uppers, works and what may be
 * written (fence.c says what that is).
 *
 *     fence_prepare           in the launcher, once the session is there
 *     fence_enter             in the command's process, as the last but the guard's filter and its exec
 *     fence_enter_unguarded   after it, if a guard was wanted and cannot be had
 *     fence_enter_guard       in the guard's process, before it has threads or children
 *     fence_covers            asked by the guard, for what Landlock does not know: metadata
 *
 * A process that is to read another's memory must be in the same fence or in one around it: the guard's is around the
 * command's, because the command descends from it.
 */
#ifndef UNIONRUN_LAUNCH_FENCE_H
#define UNIONRUN_LAUNCH_FENCE_H

#include <stdbool.h>
#include <stddef.h>

struct launch;
struct ur_plan;

enum fence_ruleset {
    FENCE_COMMAND,
    FENCE_TRUNCATE, /* truncate(2) and O_TRUNC, which otherwise the guard sees */
    FENCE_GUARD,    /* as FENCE_COMMAND, and it may remove the session and the ephemeral uppers */
    FENCES
};

struct fence {
    int ruleset[FENCES];       /* close-on-exec; -1: none */
    struct fence_place *place; /* the longest that holds a path decides about it */
    size_t places;
};

/* Makes the rulesets, or (--fence=auto) says on stderr why there are none, and what they do not cover. False:
   --fence=require, and it cannot be had, or cannot keep all; has been said. */
bool fence_prepare(struct launch *launch);

/* From here on the calling process, and what it starts, is fenced in. For a process of one thread; async-signal-safe.
   0, also where there is no fence, or -errno. */
long fence_enter(const struct launch *launch);
long fence_enter_unguarded(const struct launch *launch);
/* The same for the guard. Where it cannot be entered there is none from here on, which is said; false: none may be
   wanting (--fence=require). */
bool fence_enter_guard(struct launch *launch);

/* May owner, mode, times and attributes of this be changed? `path`: the host's, absolute and canonical. Without a fence
   only what lies in a lower may not. Thread-safe. */
bool fence_covers(const struct launch *launch, const char *path, size_t len);

/* Why no fence can be made with this ABI of Landlock (host.h); NULL: one can. */
const char *fence_wanting(int abi);

/* Which lower of a checked plan the fence cannot keep, and why, owned by the caller; NULL: it keeps all of them. */
char *fence_unkept(const struct ur_plan *plan);

void fence_free(struct launch *launch);

#endif
