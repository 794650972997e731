/*
 * The layer table's check against damage: a good table is accepted, a cut one refused, and one with changed bytes
 * either refused or such that all of it can be read without leaving the block (ASan watches over that).
 */
#include "config/compile.h"
#include "config/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long state = 88172645463325252UL;

static unsigned long chance(unsigned long below) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state % below;
}

static struct ur_plan_mount *add(struct ur_plan *plan, enum ur_plan_kind kind, const char *target) {
    struct ur_plan_mount *mount = ur_plan_add(plan, kind, -1);
    mount->target = ur_format("%s", target);
    return mount;
}

static struct ur_table *example(void) {
    struct ur_plan plan = {0};
    struct ur_plan_mount *mount = add(&plan, UR_PLAN_UNION, "/");
    ur_plan_add_lower(mount, ur_format("/"));
    mount->upper = ur_format("/u");
    mount->work = ur_format("/u.work");
    mount->caps = UR_CAP_CHARDEV | UR_CAP_TMPFILE;
    mount = add(&plan, UR_PLAN_UNION, "/a/b");
    for (int i = 0; i < 20; i++) {
        ur_plan_add_lower(mount, ur_format("/l/%d", i));
        mount->dev[i] = (dev_t)(i % 3);
    }
    add(&plan, UR_PLAN_PASS, "/proc");
    mount = add(&plan, UR_PLAN_SKELETON, "/a");
    ur_plan_add_lower(mount, ur_format("/s/skeleton/3"));
    struct ur_table *table = ur_compile(&plan, "/s", "/p/unionrun.so");
    ur_plan_free(&plan);
    return table;
}

/* Reads all that a reader of a valid table may read. */
static unsigned long follow(const struct ur_table *t) {
    unsigned long sum = strlen(ur_table_text(t, t->session)) + strlen(ur_table_text(t, t->preload)) +
                        strlen(ur_table_text(t, t->trace));
    for (uint32_t i = 0; i < t->mounts; i++) {
        const struct ur_table_mount *mount = &ur_table_mounts(t)[i];
        sum += strlen(ur_table_text(t, mount->target)) + strlen(ur_table_text(t, mount->work));
        for (uint32_t k = 0; k < mount->layers; k++)
            sum += strlen(ur_table_text(t, ur_table_layers(t)[mount->first_layer + k].root));
    }
    for (uint32_t i = 0; i < t->hidden; i++)
        sum += strlen(ur_table_text(t, ur_table_hidden(t)[i]));
    return sum;
}

static void expect(bool right, const char *what) {
    if (right)
        return;
    fprintf(stderr, "table: %s\n", what);
    exit(1);
}

int main(void) {
    struct ur_table *good = example();
    uint32_t size = good->size;
    expect(ur_table_valid(good, size), "a good table is refused");
    expect(strcmp(ur_table_text(good, ur_table_mounts(good)[0].target), "/proc") == 0,
           "the longest target is not first");
    expect(ur_table_mounts(good)[1].flags == UR_MOUNT_MIXED_DEV, "three devices are not told apart");
    for (uint32_t cut = 0; cut < size; cut++) {
        struct ur_table *copy = malloc(cut ? cut : 1);
        memcpy(copy, good, cut);
        expect(!ur_table_valid(copy, cut), "a cut table is accepted");
        free(copy);
    }
    unsigned long accepted = 0, sum = 0;
    for (int round = 0; round < 300000; round++) {
        unsigned char *copy = malloc(size);
        memcpy(copy, good, size);
        for (unsigned long n = 1 + chance(3); n; n--) {
            unsigned long at = chance(chance(2) ? size : 600); /* the header and the arrays get their share */
            copy[at] = chance(2) ? (unsigned char)chance(256) : copy[at] ^ (unsigned char)(1U << chance(8));
        }
        if (ur_table_valid(copy, size)) {
            accepted++;
            sum += follow((struct ur_table *)copy);
        }
        free(copy);
    }
    free(good);
    printf("table: 300000 damaged tables, %lu of them harmless (%lu)\n", accepted, sum);
    return 0;
}
