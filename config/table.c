/*
 * Whether a layer table can be followed: see table.h.
 *
 * Every wrapped process asks this once, before its first path. The block is trusted in nothing: each number is
 * compared before it is used, in an order that cannot overflow. Uses no function of libc and no system call.
 */
#include "config/table.h"

enum { MOUNT_FLAGS = UR_MOUNT_UPPER | UR_MOUNT_PASS | UR_MOUNT_SKELETON | UR_MOUNT_MIXED_DEV };
enum {
    UPPER_CAPS = UR_CAP_CHARDEV | UR_CAP_XATTR | UR_CAP_TMPFILE | UR_CAP_RENAME_WHITEOUT | UR_CAP_RENAME_EXCHANGE |
                 UR_CAP_REFLINK | UR_CAP_RENAME_NOREPLACE
};

/* `count` elements of `size` bytes at `at`, aligned for 64 bits, behind the header and within the block. */
static bool array_valid(const struct ur_table *t, uint32_t at, uint32_t count, size_t size) {
    return at >= sizeof *t && at <= t->size && at % 8 == 0 && count <= (t->size - at) / size;
}

static bool text_valid(const struct ur_table *t, struct ur_table_string s) {
    return s.at >= sizeof *t && s.at < t->size && s.len < t->size - s.at && ur_table_text(t, s)[s.len] == '\0';
}

/* One component of a path, which ends at a slash or at the end; its length, or 0 if it may not be there. */
static uint32_t component(const char *name, uint32_t most) {
    uint32_t length = 0;
    while (length < most && name[length] != '/') {
        if (name[length] == '\0')
            return 0;
        length++;
    }
    bool dot = length == 1 && name[0] == '.';
    bool dots = length == 2 && name[0] == '.' && name[1] == '.';
    return dot || dots ? 0 : length;
}

static bool path_valid(const struct ur_table *t, struct ur_table_string s) {
    if (!text_valid(t, s) || s.len == 0)
        return false;
    const char *path = ur_table_text(t, s);
    if (path[0] != '/')
        return false;
    if (s.len == 1)
        return true;
    for (uint32_t at = 0; at < s.len;) {
        if (path[at] != '/')
            return false;
        uint32_t length = component(path + at + 1, s.len - at - 1);
        if (length == 0)
            return false;
        at += 1 + length;
    }
    return true;
}

static bool layer_valid(const struct ur_table *t, const struct ur_table_mount *mount, uint32_t number,
                        const struct ur_table_layer *layer, bool first) {
    return path_valid(t, layer->root) && layer->mount == number && layer->fs < mount->layers &&
           (!first || (layer->fs == 0 && layer->dev == mount->dev));
}

static bool mount_valid(const struct ur_table *t, uint32_t number) {
    const struct ur_table_mount *mount = &ur_table_mounts(t)[number];
    bool upper = mount->flags & UR_MOUNT_UPPER, pass = mount->flags & UR_MOUNT_PASS;
    bool skeleton = mount->flags & UR_MOUNT_SKELETON;
    if (!path_valid(t, mount->target) || mount->flags & ~(uint32_t)MOUNT_FLAGS || mount->caps & ~(uint32_t)UPPER_CAPS)
        return false;
    if (upper ? !path_valid(t, mount->work) : !text_valid(t, mount->work) || mount->work.len != 0)
        return false;
    if (upper + pass + skeleton > 1 || mount->layers > UR_LAYERS_MAX)
        return false;
    if (pass ? mount->layers != 0 : mount->layers < 1U + upper)
        return false;
    if (skeleton && mount->layers != 1)
        return false;
    if (mount->first_layer > t->layers || mount->layers > t->layers - mount->first_layer)
        return false;
    const struct ur_table_layer *layers = ur_table_layers(t) + mount->first_layer;
    for (uint32_t i = 0; i < mount->layers; i++)
        if (!layer_valid(t, mount, number, &layers[i], i == 0))
            return false;
    return true;
}

bool ur_table_valid(const void *table, size_t size) {
    static const char magic[8] = UR_TABLE_MAGIC;
    const struct ur_table *t = table;
    if ((uintptr_t)table % 8 != 0 || size < sizeof *t || t->size < sizeof *t || t->size > size)
        return false;
    for (size_t i = 0; i < sizeof magic; i++)
        if (t->magic[i] != magic[i])
            return false;
    if (t->version != UR_TABLE_VERSION || t->mounts > UR_MOUNTS_MAX || t->raw > UR_RAW_ALLOW ||
        t->durability > UR_DURABLE_STRICT || t->root > 1)
        return false;
    if (!array_valid(t, t->mounts_at, t->mounts, sizeof(struct ur_table_mount)) ||
        !array_valid(t, t->layers_at, t->layers, sizeof(struct ur_table_layer)) ||
        !array_valid(t, t->hidden_at, t->hidden, sizeof(struct ur_table_string)))
        return false;
    uint32_t next_layer = 0, longest = UINT32_MAX;
    for (uint32_t i = 0; i < t->mounts; i++) {
        const struct ur_table_mount *mount = &ur_table_mounts(t)[i];
        if (mount->first_layer != next_layer || mount->target.len > longest || !mount_valid(t, i))
            return false;
        next_layer += mount->layers;
        longest = mount->target.len;
    }
    for (uint32_t i = 0; i < t->hidden; i++)
        if (!path_valid(t, ur_table_hidden(t)[i]))
            return false;
    bool preload = t->preload.len ? path_valid(t, t->preload) : text_valid(t, t->preload);
    bool trace = t->trace.len ? path_valid(t, t->trace) : text_valid(t, t->trace);
    return next_layer == t->layers && path_valid(t, t->session) && preload && trace && t->trace_json <= 1 &&
           t->max_upper <= INT64_MAX;
}
