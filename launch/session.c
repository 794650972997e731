/*
 * The session directory: the files of one run, in memory where the host offers that.
 *
 *     shared      the memory that all processes of the run share (engine/shared.h); the first to come and the last to
 * go table       the layer table (config/table.h) skeleton/   empty directories that lead to targets which the host has
 * not
 *
 * It lives from here until the last process of the run has ended, or if nobody was left to see that, until the next run
 * (leftover.c).
 */
#include "config/compile.h"
#include "config/table.h"
#include "config/text.h"
#include "engine/engine.h"
#include "engine/shared.h"
#include "launch/launch.h"
#include "launch/remove.h"
#include "launch/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where a session directory may be made, canonical; NULL: not in `base`. What root starts may become another user
   later, and has to get in. */
static char *place_in(const char *base) {
    struct stat st;
    if (!base || base[0] != '/' || stat(base, &st) < 0 || (geteuid() == 0 && !(st.st_mode & S_IXOTH)))
        return NULL;
    return realpath(base, NULL);
}

enum { BASES = 3 };

static const char *base(unsigned number) {
    const char *temporary = getenv("TMPDIR");
    const char *const bases[BASES] = {getenv("XDG_RUNTIME_DIR"), "/dev/shm", temporary ? temporary : "/tmp"};
    return bases[number];
}

char *session_place(void) {
    char *place = NULL;
    for (unsigned i = 0; i < BASES && !place; i++) {
        place = place_in(base(i));
        if (place && access(place, W_OK | X_OK) < 0) {
            free(place);
            place = NULL;
        }
    }
    return place;
}

static char *make_in(const char *directory) {
    bool root = geteuid() == 0;
    UR_AUTO_TEXT real = place_in(directory);
    if (!real)
        return NULL;
    char *session = ur_path_join(real, "unionrun-XXXXXX");
    bool made = mkdtemp(session);
    if (made && (!root || chmod(session, 0711) == 0))
        return session;
    if (made)
        rmdir(session);
    free(session);
    return NULL;
}

static bool failed(const char *path) {
    say("%s: %s", path, strerror(errno));
    return false;
}

static bool make_directory(const char *path) {
    return mkdir(path, 0755) == 0 || failed(path);
}

static bool make_skeleton(struct launch *launch, struct ur_plan_mount *mount, size_t number) {
    char *root = ur_format("%s/skeleton/%zu", launch->session, number);
    struct stat st;
    ur_plan_add_lower(mount, root);
    if (!make_directory(root) || stat(root, &st) < 0)
        return false;
    mount->dev[0] = st.st_dev;
    for (size_t i = 0; i < mount->makes; i++) {
        UR_AUTO_TEXT path = ur_path_join(root, mount->made[i]);
        if (!make_directory(path))
            return false;
    }
    return true;
}

static bool make_skeletons(struct launch *launch) {
    bool first = true;
    for (size_t i = 0; i < launch->plan.count; i++) {
        if (launch->plan.mounts[i].kind != UR_PLAN_SKELETON)
            continue;
        UR_AUTO_TEXT parent = ur_path_join(launch->session, "skeleton");
        if (first && !make_directory(parent))
            return false;
        first = false;
        if (!make_skeleton(launch, &launch->plan.mounts[i], i))
            return false;
    }
    return true;
}

static bool write_table(const struct launch *launch, const char *preload) {
    UR_AUTO_TEXT path = ur_path_join(launch->session, "table");
    struct ur_table *table = ur_compile(&launch->plan, launch->session, preload);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    ssize_t written = fd < 0 ? -1 : write(fd, table, table->size);
    bool whole = written == (ssize_t)table->size;
    if (written >= 0 && !whole)
        errno = ENOSPC;
    free(table);
    bool right = whole || failed(path);
    if (fd >= 0)
        close(fd);
    return right;
}

/* What is written to without asking has its memory from the first: on a full filesystem a page that is missing would
   be a SIGBUS in somebody's program. The index and the listings behind it ask as they grow. */
static bool size_shared(int fd, size_t index) {
    index = index / UR_INDEX_LEAST * UR_INDEX_LEAST;
    if (fallocate(fd, 0, 0, offsetof(struct ur_shared, moves) + UR_MOVES_CHUNK) < 0 && errno != EOPNOTSUPP)
        return false;
    return ftruncate(fd, (off_t)(UR_SHARED_SIZE + 3 * index)) == 0;
}

static bool make_shared(struct launch *launch) {
    const struct ur_plan *plan = &launch->plan;
    UR_AUTO_TEXT path = ur_path_join(launch->session, "shared");
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, geteuid() == 0 ? 0666 : 0600);
    bool right = fd >= 0 && size_shared(fd, plan->index_said ? plan->index : UR_INDEX_BYTES);
    if (!right)
        failed(path);
    launch->shared = fd;
    return right;
}

/* The shim's path as LD_PRELOAD can hold it. ld.so parts the list at colons and spaces, and knows no quotes. */
static char *preload_path(const struct launch *launch) {
    char *shim = ur_path_join(launch->parts, "unionrun.so");
    if (access(shim, R_OK) < 0) {
        say("%s: %s; build or install unionrun completely", shim, strerror(errno));
    } else if (!strpbrk(shim, ": ")) {
        return shim;
    } else {
        UR_AUTO_TEXT link = ur_path_join(launch->session, "unionrun.so");
        if (symlink(shim, link) == 0) {
            free(shim);
            return ur_format("%s", link);
        }
        failed(link);
    }
    free(shim);
    return NULL;
}

static void set_environment(struct launch *launch, const char *preload) {
    if (launch->plan.user)
        unsetenv("HOME"); /* another's; his own is set where it is known (become.c) */
    for (size_t i = 0; i < launch->plan.variables; i++) {
        const char *value = strchr(launch->plan.environment[i], '=') + 1;
        UR_AUTO_TEXT name = ur_copy(launch->plan.environment[i], (size_t)(value - launch->plan.environment[i]) - 1);
        setenv(name, value, 1);
    }
    const char *others = getenv("LD_PRELOAD");
    launch->preload_before = others ? ur_format("%s", others) : NULL;
    UR_AUTO_TEXT all = others && *others ? ur_format("%s:%s", others, preload) : ur_format("%s", preload);
    if (*preload)
        setenv("LD_PRELOAD", all, 1);
    setenv("UNIONRUN_SESSION", launch->session, 1);
}

long session_mend(const struct launch *launch, bool end, void (*word)(void *arg, const char *text), void *arg) {
    struct ur_union whole = {0};
    long mended = ur_union_open(&whole, launch->session);
    if (mended == 0 && !end)
        mended = ur_index_start(&whole);
    for (uint32_t i = 0; mended >= 0 && i < whole.table->mounts; i++) {
        mended = ur_work_recover(&whole, i, end);
        if (mended <= 0 || !launch->options.verbose)
            continue;
        UR_AUTO_TEXT text = ur_format("%s: %ld things that a killed %s had left were mended",
                                      ur_table_text(whole.table, ur_table_mounts(whole.table)[i].work), mended,
                                      end ? "process" : "run");
        word(arg, text);
    }
    return mended < 0 ? mended : 0;
}

static void say_word(void *arg, const char *text) {
    (void)arg;
    say("%s", text);
}

/* Before anybody looks. */
static bool mend_works(const struct launch *launch) {
    long ret = session_mend(launch, false, say_word, NULL);
    errno = (int)-ret;
    return ret == 0 || failed(launch->session);
}

/* Each names the other (leftover.c). */
static bool tie_ephemeral(const struct launch *launch) {
    if (!launch->ephemeral || launch->options.try)
        return true;
    UR_AUTO_TEXT there = ur_path_join(launch->session, EPHEMERAL_LINK);
    UR_AUTO_TEXT back = ur_path_join(launch->ephemeral, EPHEMERAL_SESSION);
    return symlink(launch->session, back) == 0 ? symlink(launch->ephemeral, there) == 0 || failed(there) : failed(back);
}

bool session_make(struct launch *launch) {
    for (unsigned i = 0; i < BASES && !launch->session; i++)
        launch->session = make_in(base(i));
    if (!launch->session) {
        say("no place for the session directory: /dev/shm and %s cannot be written; set TMPDIR", base(BASES - 1));
        return false;
    }
    if (!make_shared(launch))
        return false;
    UR_AUTO_TEXT preload = launch->options.no_preload ? ur_format("%s", "") : preload_path(launch);
    if (!preload || !make_skeletons(launch) || !write_table(launch, preload) || !tie_ephemeral(launch) ||
        !mend_works(launch))
        return false;
    if (!getenv("UNIONRUN_SESSION")) /* in another union that would be the union's change */
        leftover_remove(launch->session);
    if (!measure_prepare(launch))
        return failed(launch->session);
    set_environment(launch, preload);
    return true;
}

/* Of the memory that is shared: `size` bytes at `at`, or zeros. */
static void read_shared(const struct launch *launch, size_t at, void *to, size_t size) {
    UR_AUTO_TEXT path = ur_path_join(launch->session, "shared");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || pread(fd, to, size, (off_t)at) != (ssize_t)size)
        memset(to, 0, size);
    if (fd >= 0)
        close(fd);
}

pid_t session_mount_refused(const struct launch *launch) {
    uint32_t who;
    read_shared(launch, offsetof(struct ur_shared, mount_refused), &who, sizeof who);
    return (pid_t)who;
}

void session_quota(const struct launch *launch, int64_t *bytes, uint64_t *refused) {
    struct ur_quota quota;
    read_shared(launch, offsetof(struct ur_shared, quota), &quota, sizeof quota);
    *bytes = atomic_load(&quota.bytes);
    *refused = atomic_load(&quota.refused);
}

uint64_t session_trace_missed(const struct launch *launch) {
    uint64_t lines;
    read_shared(launch, offsetof(struct ur_shared, trace_missed), &lines, sizeof lines);
    return lines;
}

int remove_session(const char *session) {
    int dir = open(session, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir >= 0) {
        unlinkat(dir, "table", 0);
        unlinkat(dir, "unionrun.so", 0);
        remove_tree_at(dir, "skeleton");
        unlinkat(dir, EPHEMERAL_LINK, 0);
        unlinkat(dir, "shared", 0);
        close(dir);
    }
    /* Of root's run a program may have left something in it. */
    return rmdir(session) == 0 ? 0 : remove_tree(session);
}

bool session_remove(const struct launch *launch, bool uppers) {
    bool removed = true;
    if (launch->session)
        removed = remove_session(launch->session) == 0;
    if (launch->ephemeral && uppers)
        removed = remove_tree(launch->ephemeral) == 0 && removed;
    return removed;
}
