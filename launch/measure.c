/*
 * How much a run's uppers and work directories hold, where that is limited (max_upper): measured once before the
 * command starts, and then by a thread of the keeper, again and again. What happens in between the engine and the guard
 * count (engine/quota.c), in the same number of the shared memory.
 *
 * A measuring asks for every file. So that it takes no more than a twentieth of one processor, the pause after it is as
 * long as twenty of it; and it grows while nothing changes.
 *
 * Shared memory is read and written, not mapped: programs of the run could cut its file short.
 */
#include "config/text.h"
#include "engine/shared.h"
#include "launch/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Files with more names than one, each counted once: an open hash of their numbers. */
struct linked {
    struct id {
        dev_t dev;
        ino_t ino;
    } * slot; /* ino 0: free */
    size_t size, used;
};

static bool put(struct linked *l, struct id id) {
    size_t at = (id.ino * 0x9e3779b97f4a7c15u ^ id.dev) % l->size;
    while (l->slot[at].ino && (l->slot[at].ino != id.ino || l->slot[at].dev != id.dev))
        at = (at + 1) % l->size;
    bool fresh = !l->slot[at].ino;
    l->slot[at] = id;
    l->used += fresh;
    return fresh;
}

static bool is_first(struct linked *l, const struct stat *st) {
    if (2 * l->used >= l->size) {
        struct linked larger = {.size = l->size ? 4 * l->size : 1024};
        larger.slot = ur_allocate(larger.size * sizeof *larger.slot);
        for (size_t i = 0; i < l->size; i++)
            if (l->slot[i].ino)
                put(&larger, l->slot[i]);
        free(l->slot);
        *l = larger;
    }
    return put(l, (struct id){st->st_dev, st->st_ino});
}

static int64_t measure_tree(const char *root, struct linked *linked) {
    char *roots[] = {(char *)root, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    int64_t bytes = 0;
    for (const FTSENT *e; tree && (e = fts_read(tree));)
        if (e->fts_info != FTS_DP && e->fts_info != FTS_NS && e->fts_info != FTS_ERR &&
            (e->fts_statp->st_nlink < 2 || S_ISDIR(e->fts_statp->st_mode) || is_first(linked, e->fts_statp)))
            bytes += (int64_t)e->fts_statp->st_blocks * 512;
    if (tree)
        fts_close(tree);
    return bytes;
}

static int64_t measure(const struct launch *launch) {
    struct linked linked = {0};
    int64_t bytes = 0;
    for (size_t i = 0; i < launch->plan.count; i++) {
        const struct ur_plan_mount *mount = &launch->plan.mounts[i];
        if (mount->upper)
            bytes += measure_tree(mount->upper, &linked) + measure_tree(mount->work, &linked);
    }
    free(linked.slot);
    return bytes;
}

enum { PLACE = offsetof(struct ur_shared, quota) + offsetof(struct ur_quota, bytes) };

static int open_shared(const struct launch *launch) {
    UR_AUTO_TEXT path = ur_path_join(launch->session, "shared");
    return open(path, O_RDWR | O_CLOEXEC);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *keep_measuring(void *arg) {
    static const double least = 0.1, most = 3.2, share = 20;
    enum { patience = 20 };
    const struct launch *launch = arg;
    int fd = open_shared(launch);
    int64_t was = -1, counted, since;
    double pause = least;
    nanosleep(&(struct timespec){.tv_nsec = (long)(least * 1e9)}, NULL);
    for (int busy = 0; fd >= 0 && pread(fd, &counted, sizeof counted, PLACE) == sizeof counted;) {
        double begun = now();
        int64_t bytes = measure(launch);
        double took = now() - begun;
        if (pread(fd, &since, sizeof since, PLACE) != sizeof since)
            break;
        /* What was counted meanwhile may have been measured, or not: then the count goes on, for a while. */
        if (since != counted && busy++ < patience)
            bytes = since;
        else
            busy = 0;
        if (bytes != since && pwrite(fd, &bytes, sizeof bytes, PLACE) != sizeof bytes)
            break;
        pause = bytes != was || counted != was ? least : pause < most ? 2 * pause : pause;
        was = bytes;
        double seconds = pause > share * took ? pause : share * took;
        nanosleep(&(struct timespec){(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)}, NULL);
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

bool measure_prepare(const struct launch *launch) {
    if (!launch->plan.max_upper)
        return true;
    int fd = open_shared(launch);
    int64_t bytes = measure(launch);
    bool right = fd >= 0 && pwrite(fd, &bytes, sizeof bytes, PLACE) == sizeof bytes;
    if (fd >= 0)
        close(fd);
    return right;
}

void measure_start(struct launch *launch) {
    pthread_t thread;
    if (launch->plan.max_upper && pthread_create(&thread, NULL, keep_measuring, launch) == 0)
        pthread_detach(thread);
}
