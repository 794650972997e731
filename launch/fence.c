/*
 * The fence: what the tree of a run may write to, as Landlock rulesets. landlock(7)
 *
 *     uppers, works       all, including moves from one directory to another
 *     the writable paths  the same; a file among them: to write to it
 *     `shared`            of the session: to write to it; every process maps it
 *     --trace's file      to write to it
 *     devices             that keep nothing (null, zero, random ...), and terminals: to write to them
 *     /proc               to write to it, but not if root runs: /proc/sys is there, too
 *
 * All else, above all what lies in a lower, can be neither written nor made, renamed, linked or removed, whatever
 * system call, library or program tries; and a process in the fence can mount nothing. Rules only add: a lower beneath
 * something writable is not kept, and that is said.
 *
 * Not Landlock's to refuse are changes of metadata, which the guard sees. truncate(2) and O_TRUNC it knows since ABI 3,
 * but at 0.9 us for every open: these the guard sees, too, and only a run that has none gets the second ruleset.
 *
 * The guard answers with its own rights. So that nobody can talk it into a write outside (a directory of the upper
 * that becomes a symlink between its look and its step), it is in a fence of its own: the tree's, and what it takes to
 * clean up. The tree descends from it, and is in both. So what files may be written to is said in the guard's alone,
 * for that is the same, and the devices have one rule each.
 */
#include "launch/fence.h"
#include "config/text.h"
#include "engine/sys.h"
#include "launch/host.h"
#include "launch/launch.h"
#include "launch/say.h"

#include <dirent.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

enum {
    MAKES = LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
            LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
            LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM |
            LANDLOCK_ACCESS_FS_REFER,
    WRITES = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE,
};

/* A path, and whether what is beneath it may change. Borrowed of the plan or the session, or static. */
struct fence_place {
    const char *path;
    size_t len;
    bool open;
};

/* While the rules are added. */
struct building {
    struct launch *launch;
    uint64_t handled[FENCES];
    const char *failed; /* where the first rule failed; NULL: none has */
    int error;
};

static void fail(struct building *b, const char *what) {
    b->error = errno;
    b->failed = what;
}

/* A rule in each ruleset from `first` on, of a path that was opened, and is closed. A type of 0 is asked for. */
static void add_open(struct building *b, unsigned first, int fd, mode_t type, const char *path, uint64_t rights) {
    struct landlock_path_beneath_attr rule = {.parent_fd = fd};
    struct stat st = {.st_mode = type};
    if (!b->failed && (fd < 0 || (!type && fstat(fd, &st) < 0)))
        fail(b, path);
    for (unsigned i = first; i < FENCES && !b->failed; i++) {
        rule.allowed_access = rights & b->handled[i] & (S_ISDIR(st.st_mode) ? ~UINT64_C(0) : WRITES);
        if (rule.allowed_access &&
            syscall(SYS_landlock_add_rule, b->launch->fence.ruleset[i], LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
            fail(b, path);
    }
    if (fd >= 0)
        close(fd);
}

static void add_from(struct building *b, unsigned first, const char *path, uint64_t rights) {
    if (!b->failed)
        add_open(b, first, open(path, O_PATH | O_CLOEXEC), 0, path, rights);
}

static void add(struct building *b, const char *path, uint64_t rights) {
    add_from(b, 0, path, rights);
}

/* A device has no data to truncate, so there is none of these in the ruleset of that. Terminals are many where root
   runs: what each costs is seen in the start. So root is not asked whether he may; the mode decides all the same. */
static void add_devices(struct building *b) {
    static const char *const devices[] = {"/dev/null",    "/dev/zero", "/dev/full", "/dev/random",
                                          "/dev/urandom", "/dev/ptmx", "/dev/pts",  "/dev/console"};
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        int fd = open(devices[i], O_PATH | O_CLOEXEC);
        if (fd >= 0 || (errno != ENOENT && errno != ENOTDIR && errno != EACCES)) /* a container may have few */
            add_open(b, 0, fd, S_IFCHR, devices[i], LANDLOCK_ACCESS_FS_WRITE_FILE);
    }
    DIR *all = opendir("/dev");
    const struct dirent *entry;
    bool root = geteuid() == 0;
    while (all && (entry = readdir(all)))
        if (strncmp(entry->d_name, "tty", 3) == 0 && (root || faccessat(dirfd(all), entry->d_name, W_OK, 0) == 0))
            add_open(b, 0, openat(dirfd(all), entry->d_name, O_PATH | O_CLOEXEC), DTTOIF(entry->d_type), "/dev/tty*",
                     LANDLOCK_ACCESS_FS_WRITE_FILE);
    if (all)
        closedir(all);
}

/* For who removes it at the end: a directory of ours, and its name in another. */
static void add_removal(struct building *b, const char *directory) {
    UR_AUTO_TEXT parent = ur_copy(directory, (size_t)(strrchr(directory, '/') - directory) + 1);
    add_from(b, FENCE_GUARD, directory, LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE);
    add_from(b, FENCE_GUARD, parent, LANDLOCK_ACCESS_FS_REMOVE_DIR);
}

static void add_rules(struct building *b) {
    const struct launch *launch = b->launch;
    for (size_t i = 0; i < launch->plan.count; i++) {
        const struct ur_plan_mount *mount = &launch->plan.mounts[i];
        if (mount->upper) {
            add(b, mount->upper, WRITES | MAKES);
            add(b, mount->work, WRITES | MAKES);
        }
    }
    for (size_t i = 0; i < launch->plan.writables; i++)
        add(b, launch->plan.writable[i].path, WRITES | MAKES);
    UR_AUTO_TEXT shared = ur_path_join(launch->session, "shared");
    add(b, shared, WRITES);
    if (launch->plan.trace)
        add(b, launch->plan.trace, LANDLOCK_ACCESS_FS_WRITE_FILE);
    add_devices(b);
    if (geteuid() != 0 && access("/proc", F_OK) == 0)
        add(b, "/proc", WRITES);
    add_removal(b, launch->session);
    if (launch->ephemeral)
        add_removal(b, launch->ephemeral);
}

const char *fence_wanting(int abi) {
    if (abi < 0)
        return host_landlock_reason(abi);
    return abi < 2 ? "Landlock of this kernel (before Linux 5.19) forbids every move between directories" : NULL;
}

char *fence_unkept(const struct ur_plan *plan) {
    const char *first = NULL, *in = NULL;
    size_t count = 0;
    for (size_t i = 0; i < plan->count; i++)
        for (size_t k = 0; k < plan->mounts[i].lowers && plan->mounts[i].kind == UR_PLAN_UNION; k++)
            for (size_t w = 0; w < plan->writables; w++)
                if (ur_path_is_in(plan->mounts[i].lower[k], plan->writable[w].path)) {
                    if (count++ == 0) {
                        first = plan->mounts[i].lower[k];
                        in = plan->writable[w].path;
                    }
                    break;
                }
    if (!count)
        return NULL;
    UR_AUTO_TEXT more = count > 1 ? ur_format(" (and %zu more)", count - 1) : ur_format("%s", "");
    return ur_format("the lower %s%s lies in %s, which programs may write to", first, more, in);
}

#define UNFENCED "programs that pass the union by can write wherever their user can"

/* There is to be no fence, or a partial one: true if the run may do without. */
static bool do_without(const struct launch *launch, const char *why, const char *so) {
    if (launch->options.fence == CHOICE_REQUIRE) {
        say("--fence=require: %s", why);
        return false;
    }
    say("%s: %s (--fence=off runs without a fence, and without this word)", why, so);
    return true;
}

static void close_rulesets(struct fence *fence) {
    for (unsigned i = 0; i < FENCES; i++) {
        if (fence->ruleset[i] >= 0)
            close(fence->ruleset[i]);
        fence->ruleset[i] = -1;
    }
}

static bool build(struct launch *launch, int abi) {
    struct building b = {.launch = launch};
    bool guarded = launch->options.guard != CHOICE_OFF;
    b.handled[FENCE_COMMAND] = guarded ? MAKES : LANDLOCK_ACCESS_FS_WRITE_FILE | MAKES;
    /* A ruleset that does not know of moves between directories forbids them. */
    b.handled[FENCE_TRUNCATE] = abi >= 3 ? LANDLOCK_ACCESS_FS_TRUNCATE | LANDLOCK_ACCESS_FS_REFER : 0;
    b.handled[FENCE_GUARD] = guarded ? LANDLOCK_ACCESS_FS_WRITE_FILE | MAKES : 0;
    for (unsigned i = 0; i < FENCES && !b.failed; i++) {
        struct landlock_ruleset_attr attributes = {.handled_access_fs = b.handled[i]};
        if (!b.handled[i])
            continue;
        launch->fence.ruleset[i] = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
        if (launch->fence.ruleset[i] < 0)
            fail(&b, "Landlock");
    }
    add_rules(&b);
    if (!b.failed)
        return true;
    UR_AUTO_TEXT why = ur_format("no fence can be made: %s: %s", b.failed, strerror(b.error));
    close_rulesets(&launch->fence);
    return do_without(launch, why, "programs that pass the union by can write wherever their user can");
}

static void note(struct fence *fence, const char *path, bool open) {
    fence->place = ur_grow(fence->place, fence->places, sizeof *fence->place);
    fence->place[fence->places++] = (struct fence_place){path, strlen(path), open};
}

static void note_places(struct launch *launch) {
    struct fence *fence = &launch->fence;
    const struct ur_plan *plan = &launch->plan;
    bool fenced = fence->ruleset[FENCE_COMMAND] >= 0;
    for (size_t i = 0; i < plan->writables && fenced; i++)
        note(fence, plan->writable[i].path, true);
    if (fenced) /* who opens a terminal for another owns it, and gives it away */
        note(fence, "/dev/pts", true);
    else
        note(fence, "/", true);
    for (size_t i = 0; i < plan->count; i++) {
        const struct ur_plan_mount *mount = &plan->mounts[i];
        if (mount->kind == UR_PLAN_PASS && !fenced)
            note(fence, mount->target, true);
        for (size_t k = 0; k < mount->lowers && mount->kind == UR_PLAN_UNION; k++)
            note(fence, mount->lower[k], false);
        if (mount->upper) {
            note(fence, mount->upper, true);
            note(fence, mount->work, true);
        }
    }
    note(fence, launch->session, false); /* nobody needs to */
}

bool fence_prepare(struct launch *launch) {
    bool right = true;
    if (launch->options.fence != CHOICE_OFF) {
        int abi = host_landlock();
        const char *why = fence_wanting(abi);
        UR_AUTO_TEXT lower = fence_unkept(&launch->plan);
        if (why)
            right = do_without(launch, why, UNFENCED);
        else if (lower && !do_without(launch, lower, "the fence cannot keep it from those that pass the union by"))
            right = false;
        else
            right = build(launch, abi);
    }
    note_places(launch);
    return right;
}

static long enter(const struct launch *launch, enum fence_ruleset which) {
    int ruleset = launch->fence.ruleset[which];
    if (ruleset < 0)
        return 0;
    long ret = UR_SYS(SYS_landlock_restrict_self, ruleset, 0, 0, 0, 0, 0);
    if (ret != -EPERM) /* with CAP_SYS_ADMIN set-user-ID programs go on working */
        return ret;
    ret = UR_SYS(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
    return ret < 0 ? ret : UR_SYS(SYS_landlock_restrict_self, ruleset, 0, 0, 0, 0, 0);
}

long fence_enter(const struct launch *launch) {
    long ret = enter(launch, FENCE_COMMAND);
    return ret == 0 && launch->options.guard == CHOICE_OFF ? fence_enter_unguarded(launch) : ret;
}

long fence_enter_unguarded(const struct launch *launch) {
    return enter(launch, FENCE_TRUNCATE);
}

/* What was made and cannot be entered is as if there were no Landlock, for those too that start from here. */
bool fence_enter_guard(struct launch *launch) {
    long ret = enter(launch, FENCE_GUARD);
    if (ret == 0)
        return true;
    UR_AUTO_TEXT why = ur_format("the fence cannot be set (%s)", strerror((int)-ret));
    close_rulesets(&launch->fence);
    launch->fence.places = 0;
    note_places(launch);
    return do_without(launch, why, UNFENCED);
}

bool fence_covers(const struct launch *launch, const char *path, size_t len) {
    const struct fence_place *best = NULL;
    for (size_t i = 0; i < launch->fence.places; i++) {
        const struct fence_place *place = &launch->fence.place[i];
        bool holds = place->len == 1 || (len >= place->len && memcmp(path, place->path, place->len) == 0 &&
                                         (len == place->len || path[place->len] == '/'));
        /* Of one and the same path the lower counts. */
        if (holds && (!best || place->len > best->len || (place->len == best->len && !place->open)))
            best = place;
    }
    return best && best->open;
}

void fence_free(struct launch *launch) {
    close_rulesets(&launch->fence);
    free(launch->fence.place);
    launch->fence.place = NULL;
    launch->fence.places = 0;
}
