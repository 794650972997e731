/*
 * Paths of the host's of which the guard knows that the kernel comes to the same: nearly all that ld.so asks is of few
 * such, again and again, and to walk them is most of what an answer costs.
 *
 * A path stays one of these as long as no symlink comes into it: by symlink, link or rename, each of which the run's
 * generation counts (shared.h), of the host's names, too; also one that nothing is at. Nothing is known of /proc,
 * where a link leads where the kernel likes.
 */
#include "engine/shared.h"
#include "launch/guard/guard.h"

#include <string.h>

enum { KNOWN = 512, KNOWN_LEN = 112 };

static struct known {
    uint64_t generation; /* of shared.h, and 1 */
    uint16_t len;
    bool nofollow;
    char path[KNOWN_LEN];
} all[KNOWN];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned slot_of(const char *path, size_t len) {
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)path[i]) * 16777619u;
    return hash % KNOWN;
}

/* 0: nothing that is learnt now would last. */
static uint64_t now(const struct guard *g) {
    const struct ur_shared *shared = g->whole.shared;
    if (!shared || g->whole.traced || atomic_load(&shared->changing) || atomic_load(&g->roots_vary))
        return 0;
    return atomic_load(&shared->generation) + 1;
}

bool known_native(const struct call *q, const char *path, bool nofollow, struct known_key *k) {
    size_t len = strlen(path);
    *k = (struct known_key){0};
    if (path[0] != '/' || len > KNOWN_LEN)
        return false;
    k->generation = now(q->guard);
    if (!k->generation)
        return false;
    k->slot = slot_of(path, len);
    const struct known *known = &all[k->slot];
    pthread_mutex_lock(&lock);
    bool is = known->generation == k->generation && known->len == len && known->nofollow == nofollow &&
              memcmp(known->path, path, len) == 0;
    pthread_mutex_unlock(&lock);
    return is;
}

void known_add(const struct call *q, const char *path, bool nofollow, const struct known_key *k, dev_t dev) {
    if (!k->generation || !dev || dev == q->guard->proc || now(q->guard) != k->generation)
        return;
    struct known *known = &all[k->slot];
    pthread_mutex_lock(&lock);
    known->generation = k->generation;
    known->len = (uint16_t)strlen(path);
    known->nofollow = nofollow;
    memcpy(known->path, path, known->len);
    pthread_mutex_unlock(&lock);
}
