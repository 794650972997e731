/*
 * What the processes of a run share, by threads under ThreadSanitizer, and an oracle.
 *
 *   shared SECONDS
 *
 * The disk is an array: `truth` counts the changes of each name, and the layer that holds it is that number. A changer
 * does as the engine does (UR_NAME_CHANGES); a looker asks the index, and enters what the disk says where it knows
 * nothing. Half of the changers know, by what they looked up before, what comes of their change, and tell the index.
 * What the index says must have been true while it was asked. The index is small, so that entries push each other out.
 * Further: name locks exclude, and the log of moves is read while it grows. Ends with "N lookups, N known, N wrong".
 * ThreadSanitizer follows one mapping; that processes have others changes nothing of the order of accesses.
 */
#include "engine/index.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum { NAMES = 512, OFTEN = 8, LOOKERS = 3, CHANGERS = 2, LAYER_NUMBERS = UR_LAYERS_MAX, INDEX = 64 << 6 };

static struct ur_union u;
static struct ur_dir dir;
static char names[NAMES][16];
static _Atomic uint64_t truth[NAMES];
static _Atomic unsigned long lookups, known, told, wrong;
static _Atomic bool stop;
static unsigned long guarded[NAMES]; /* by the locks of their names alone */
static struct {
    struct ur_table table;
    struct ur_table_mount mount;
    struct ur_table_layer layers[2];
    char text[16];
} t = {.text = "/t\0/u\0/l"};

static unsigned draw(uint64_t *seed, unsigned below) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (unsigned)(*seed % below);
}

/* The chance that two names share a hash apart, all that is known must be of the name. */
static void look(unsigned name) {
    struct ur_key k;
    struct ur_known is;
    uint64_t before = atomic_load(&truth[name]);
    ur_index_key(&u, dir.path, dir.len, names[name], strlen(names[name]), &k);
    atomic_fetch_add(&lookups, 1);
    if (ur_index_get(&k, &is)) {
        uint64_t after = atomic_load(&truth[name]), behind = (after - is.layer) % LAYER_NUMBERS;
        atomic_fetch_add(&known, 1);
        if (behind > after - before)
            atomic_fetch_add(&wrong, 1);
        return;
    }
    struct ur_reservation r = ur_index_reserve(&k);
    is = (struct ur_known){.kind = UR_KNOWN_FILE, .layer = (uint16_t)(atomic_load(&truth[name]) % LAYER_NUMBERS)};
    ur_index_put(&k, &r, &is);
}

static void *looks(void *arg) {
    uint64_t seed = (uint64_t)(uintptr_t)arg + 1;
    while (!atomic_load(&stop)) {
        look(draw(&seed, NAMES));
        if (draw(&seed, 1000) == 0) {
            char rel[UR_PATH_MAX] = "/d/x";
            ur_moves_apply(&u, &t.mount, 1, rel, 4);
        }
    }
    return NULL;
}

static void moves(void) {
    const struct ur_move move = {&t.mount, "/d", "/e", true, 1};
    uint64_t lock = ur_moving_lock(&u);
    ur_moves_begin(&u, &move, lock);
    ur_moves_end(&u, &move, lock, true);
    ur_moving_unlock(&u, lock);
}

/* As the disk was when it was looked up, and once more: if nobody else came between. */
static void change(unsigned name, bool yields) {
    struct ur_key k;
    struct ur_entry e = {0};
    ur_index_key(&u, dir.path, dir.len, names[name], strlen(names[name]), &k);
    e.stamp = ur_index_stamp(&k);
    uint64_t before = atomic_load(&truth[name]);
    if (yields)
        sched_yield();
    UR_NAME_BECOMES(change, &u, &dir, names[name], &e);
    atomic_fetch_add(&truth[name], 1);
    if (yields)
        sched_yield();
    if (ur_change_tell(&u, &dir, &change,
                       &(struct ur_known){.kind = UR_KNOWN_FILE, .layer = (before + 1) % LAYER_NUMBERS}))
        atomic_fetch_add(&told, 1);
}

static void *changes(void *arg) {
    uint64_t seed = (uint64_t)(uintptr_t)arg + 100;
    while (!atomic_load(&stop)) {
        unsigned name = draw(&seed, NAMES), other = draw(&seed, NAMES);
        struct ur_names_held held;
        change(draw(&seed, OFTEN), draw(&seed, 20) == 0);
        ur_names_lock(&u, names[name], names[other], &held);
        guarded[name]++;
        guarded[other]++;
        {
            UR_NAME_CHANGES(&u, &dir, names[name]);
            atomic_fetch_add(&truth[name], 1);
        }
        ur_names_unlock(&held);
        if (draw(&seed, 200) == 0)
            ur_epoch_next(&u);
        if (draw(&seed, 200) == 0)
            moves();
        if (draw(&seed, 20) == 0)
            sched_yield();
    }
    return NULL;
}

int main(int argc, char **argv) {
    long seconds = argc == 2 ? atol(argv[1]) : 0;
    if (seconds <= 0) {
        fprintf(stderr, "usage: shared SECONDS\n");
        return 2;
    }
    void *memory = mmap(NULL, UR_SHARED_SIZE + INDEX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 2;
    t.table.mounts_at = offsetof(__typeof__(t), mount);
    t.table.layers_at = offsetof(__typeof__(t), layers);
    t.table.mounts = 1;
    t.mount.layers = t.table.layers = 2;
    t.mount.flags = UR_MOUNT_UPPER;
    u = (struct ur_union){.table = &t.table,
                          .shared = memory,
                          .index = (char *)memory + UR_SHARED_SIZE,
                          .index_bytes = INDEX,
                          .index_part_shift = 16};
    u.shared->seed = 42;
    u.shared->moves_had = UR_MOVES_BYTES; /* it is no file that could be given memory */
    for (unsigned i = 0; i < UR_INDEX_PARTS; i++)
        u.shared->index_part[i] = UR_PART_READY;
    dir.mount = &t.mount;
    dir.rels = 1;
    dir.len = 2;
    dir.even = true;
    dir.generation = ur_dcache_begin(&u);
    memcpy(dir.path, "/t", 3);
    for (unsigned i = 0; i < NAMES; i++)
        snprintf(names[i], sizeof names[i], "name%u", i);
    pthread_t threads[LOOKERS + CHANGERS];
    for (uintptr_t i = 0; i < LOOKERS + CHANGERS; i++)
        if (pthread_create(&threads[i], NULL, i < LOOKERS ? looks : changes, (void *)i) != 0)
            return 2;
    nanosleep(&(struct timespec){.tv_sec = seconds}, NULL);
    atomic_store(&stop, true);
    for (int i = 0; i < LOOKERS + CHANGERS; i++)
        pthread_join(threads[i], NULL);
    unsigned long sum = 0;
    for (unsigned i = 0; i < NAMES; i++)
        sum += guarded[i];
    printf("%lu changes, %lu lookups, %lu told, %lu known, %lu wrong\n", sum / 2, lookups, told, known, wrong);
    return wrong > 0 || !known || !told || !sum;
}
