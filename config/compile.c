/*
 * The layer table, from a plan.
 *
 * The block is laid out as header, mounts, layers, hidden, then all strings; each part is sized before a byte is
 * written, so nothing moves. Invariant: ur_table_valid() accepts what comes out.
 */
#include "config/compile.h"
#include "config/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct block {
    char *bytes;
    uint32_t strings; /* where the next string goes */
};

static struct ur_table_string put(struct block *block, const char *text) {
    struct ur_table_string at = {block->strings, (uint32_t)strlen(text)};
    memcpy(block->bytes + at.at, text, at.len + 1);
    block->strings += at.len + 1;
    return at;
}

/* Longest target first; of one length, by name, so that the same plan gives the same table. */
static int by_target(const void *a, const void *b) {
    const char *left = (*(const struct ur_plan_mount *const *)a)->target;
    const char *right = (*(const struct ur_plan_mount *const *)b)->target;
    size_t l = strlen(left), r = strlen(right);
    return l != r ? (l < r ? 1 : -1) : strcmp(left, right);
}

/* True if some target, or a layer's root other than this one, lies in `root`: it cannot be hidden without them. */
static bool holds_more(const struct ur_plan *plan, const char *root) {
    if (strcmp(root, "/") == 0)
        return true;
    for (size_t i = 0; i < plan->count; i++) {
        const struct ur_plan_mount *mount = &plan->mounts[i];
        if (ur_path_is_in(mount->target, root))
            return true;
    }
    return false;
}

struct hidden {
    const char **path;
    size_t count;
};

static void hide(struct hidden *hidden, const char *path) {
    hidden->path = ur_grow(hidden->path, hidden->count, sizeof *hidden->path);
    hidden->path[hidden->count++] = path;
}

static struct hidden hidden_of(const struct ur_plan *plan, const char *session) {
    struct hidden hidden = {0};
    for (size_t i = 0; i < plan->count && plan->raw != UR_RAW_ALLOW; i++) {
        const struct ur_plan_mount *mount = &plan->mounts[i];
        if (mount->kind != UR_PLAN_UNION)
            continue;
        if (mount->upper) {
            hide(&hidden, mount->upper);
            hide(&hidden, mount->work);
        }
        for (size_t k = 0; k < mount->lowers; k++)
            if (!holds_more(plan, mount->lower[k]))
                hide(&hidden, mount->lower[k]);
    }
    if (*session)
        hide(&hidden, session);
    return hidden;
}

static size_t layer_count(const struct ur_plan_mount *mount) {
    return mount->lowers + (mount->upper != NULL);
}

static const char *layer_root(const struct ur_plan_mount *mount, size_t layer) {
    if (mount->upper && layer-- == 0)
        return mount->upper;
    return mount->lower[layer];
}

static dev_t layer_dev(const struct ur_plan_mount *mount, size_t layer) {
    if (mount->upper && layer-- == 0)
        return mount->upper_dev;
    return mount->dev[layer];
}

/* Numbers the mount's devices in the order in which they come; returns how many there are. */
static uint32_t number_devices(struct ur_table_layer *layers, size_t count) {
    uint32_t devices = 0;
    for (size_t i = 0; i < count; i++) {
        size_t same = 0;
        while (layers[same].dev != layers[i].dev)
            same++;
        layers[i].fs = same < i ? layers[same].fs : devices++;
    }
    return devices;
}

static uint32_t flags_of(const struct ur_plan_mount *mount) {
    switch (mount->kind) {
    case UR_PLAN_PASS:
        return UR_MOUNT_PASS;
    case UR_PLAN_SKELETON:
        return UR_MOUNT_SKELETON;
    default:
        return mount->upper ? UR_MOUNT_UPPER : 0;
    }
}

static void put_mount(struct block *block, struct ur_table *table, uint32_t number, const struct ur_plan_mount *from) {
    struct ur_table_mount *mount = (struct ur_table_mount *)(block->bytes + table->mounts_at) + number;
    struct ur_table_layer *layers = (struct ur_table_layer *)(block->bytes + table->layers_at) + mount->first_layer;
    mount->target = put(block, from->target);
    UR_AUTO_TEXT own = from->upper ? ur_path_join(from->work, "unionrun") : ur_format("%s", "");
    mount->work = put(block, own);
    mount->layers = (uint32_t)layer_count(from);
    mount->flags = flags_of(from);
    mount->caps = from->caps;
    for (uint32_t i = 0; i < mount->layers; i++) {
        layers[i].root = put(block, layer_root(from, i));
        layers[i].dev = layer_dev(from, i);
        layers[i].mount = number;
    }
    if (mount->layers) {
        mount->dev = layers[0].dev;
        if (number_devices(layers, mount->layers) > 1)
            mount->flags |= UR_MOUNT_MIXED_DEV;
    }
}

static size_t text_size(const struct ur_plan *plan) {
    size_t size = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct ur_plan_mount *mount = &plan->mounts[i];
        size += strlen(mount->target) + 1 + (mount->upper ? strlen(mount->work) + sizeof "/unionrun" : 1);
        for (size_t k = 0; k < layer_count(mount); k++)
            size += strlen(layer_root(mount, k)) + 1;
    }
    return size;
}

struct ur_table *ur_compile(const struct ur_plan *plan, const char *session, const char *preload) {
    struct hidden hidden = hidden_of(plan, session);
    const struct ur_plan_mount **order = ur_allocate(plan->count * sizeof(void *));
    size_t layers = 0, text = text_size(plan) + strlen(session) + strlen(preload) + 2;
    const char *trace = plan->trace ? plan->trace : "";
    text += strlen(trace) + 1;
    for (size_t i = 0; i < plan->count; i++) {
        order[i] = &plan->mounts[i];
        layers += layer_count(order[i]);
    }
    for (size_t i = 0; i < hidden.count; i++)
        text += strlen(hidden.path[i]) + 1;
    qsort(order, plan->count, sizeof *order, by_target);

    struct ur_table head = {.magic = UR_TABLE_MAGIC,
                            .version = UR_TABLE_VERSION,
                            .raw = (uint16_t)plan->raw,
                            .durability = (uint8_t)plan->durability,
                            .root = plan->root && geteuid() != 0,
                            .uid = geteuid()};
    head.metacopy = plan->metacopy_said ? plan->metacopy : UR_METACOPY_BYTES;
    size_t at = sizeof head;
    head.mounts_at = (uint32_t)at;
    head.mounts = (uint32_t)plan->count;
    at += plan->count * sizeof(struct ur_table_mount);
    head.layers_at = (uint32_t)at;
    head.layers = (uint32_t)layers;
    at += layers * sizeof(struct ur_table_layer);
    head.hidden_at = (uint32_t)at;
    head.hidden = (uint32_t)hidden.count;
    at += hidden.count * sizeof(struct ur_table_string);
    struct block block = {ur_allocate(at + text + 8), (uint32_t)at};
    head.size = (uint32_t)(at + text);

    struct ur_table *table = (struct ur_table *)block.bytes;
    *table = head;
    uint32_t first = 0;
    for (uint32_t i = 0; i < head.mounts; i++) {
        ((struct ur_table_mount *)(block.bytes + head.mounts_at))[i].first_layer = first;
        first += (uint32_t)layer_count(order[i]);
        put_mount(&block, table, i, order[i]);
    }
    for (uint32_t i = 0; i < head.hidden; i++)
        ((struct ur_table_string *)(block.bytes + head.hidden_at))[i] = put(&block, hidden.path[i]);
    table->session = put(&block, session);
    table->preload = put(&block, preload);
    table->trace = put(&block, trace);
    table->trace_json = plan->trace_json;
    table->max_upper = plan->max_upper;
    free(order);
    free(hidden.path);
    return table;
}
