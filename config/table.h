/*
 * The layer table: what the layer file says, checked and compiled into one flat block.
 *
 * The launcher writes it once into the session directory; every process of the run maps it read-only.
 * It holds no pointers: strings and arrays are named by their byte offset from the start of the block.
 * All strings are NUL-terminated, absolute and canonical: no symlink, no ".", no "..", no doubled or
 * trailing slash; the root directory is "/" with length 1.
 *
 * Invariants that a reader may rely on (ur_table_valid() in table.c checks them all, so that a damaged
 * or hostile block is refused, never followed):
 *   - every offset and array lies within `size`, every string ends within it;
 *   - mounts are sorted by descending target length, so the first whose target is a prefix is the longest;
 *   - the layers of a mount are consecutive, topmost first; the upper, if any, is the first of them.
 */
#ifndef UNIONRUN_CONFIG_TABLE_H
#define UNIONRUN_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UR_TABLE_MAGIC "URTABLE"

/* The xattr that keeps whose a file is that a plain user made, and its mode: engine/root.h. */
#define UR_OVERRIDE_STAT "user.containers.override_stat"
enum {
    UR_TABLE_VERSION = 7,
    UR_LAYERS_MAX = 501, /* of one mount: 500 lowers and an upper, as overlayfs has it */
    UR_MOUNTS_MAX = 1000,
    UR_METACOPY_BYTES = 128 << 10, /* of `metacopy`, if nothing is said */
};

enum ur_mount_flags {
    UR_MOUNT_UPPER = 1,    /* the first layer is a writable upper; without it the union is read-only */
    UR_MOUNT_PASS = 2,     /* pass-through: the target and what is below is the host's own; no layers */
    UR_MOUNT_SKELETON = 4, /* made by the launcher: the missing directories that lead to a target; read-only */
    UR_MOUNT_MIXED_DEV = 8 /* its layers lie on more than one filesystem: st_ino must be told apart */
};

/* What the upper's filesystem was found to do (probed once, in the launcher, inside the work directory). */
enum ur_upper_caps {
    UR_CAP_CHARDEV = 1,         /* mknod of a 0:0 character device: the kernel's whiteout */
    UR_CAP_XATTR = 2,           /* user.* extended attributes */
    UR_CAP_TMPFILE = 4,         /* O_TMPFILE and linkat of it by /proc/self/fd */
    UR_CAP_RENAME_WHITEOUT = 8, /* renameat2(RENAME_WHITEOUT) */
    UR_CAP_RENAME_EXCHANGE = 16,
    UR_CAP_REFLINK = 32,         /* FICLONE */
    UR_CAP_RENAME_NOREPLACE = 64 /* renameat2(RENAME_NOREPLACE) */
};

/* What the tree may do with the host paths of lowers, uppers and works. The session directory is hidden in any case. */
enum ur_raw {
    UR_RAW_HIDE,      /* they are not there: -ENOENT */
    UR_RAW_READ_ONLY, /* they can be named and read; every change is -EROFS */
    UR_RAW_ALLOW      /* they are host paths as any other */
};

/* What is on disk before anybody can see it: engine/durable.c. */
enum ur_durability {
    UR_DURABLE_COPY_UP, /* what a lower had, once the upper has it */
    UR_DURABLE_VOLATILE,
    UR_DURABLE_STRICT /* also what each call has changed in a directory, before it returns */
};

struct ur_table_string {
    uint32_t at;  /* offset of the first byte */
    uint32_t len; /* without the NUL */
};

struct ur_table_layer {
    struct ur_table_string root; /* the layer's directory on the host */
    uint64_t dev;                /* st_dev of the root */
    uint32_t mount;              /* index of the mount that it belongs to */
    uint32_t fs;                 /* 0 for the mount's first device, then 1, 2 ...: one number a device */
};

struct ur_table_mount {
    struct ur_table_string target; /* where the union is seen */
    struct ur_table_string work; /* with UR_MOUNT_UPPER: the work directory, same filesystem as the upper; else empty */
    uint64_t dev;                /* the st_dev that every file of the target shows */
    uint32_t first_layer;        /* index into the layers */
    uint32_t layers;             /* how many, topmost first */
    uint32_t flags;              /* enum ur_mount_flags */
    uint32_t caps;               /* enum ur_upper_caps */
};

struct ur_table {
    char magic[8];
    uint32_t version;
    uint32_t size; /* of the whole block, bytes */
    uint32_t mounts_at, mounts;
    uint32_t layers_at, layers;
    uint32_t hidden_at, hidden;     /* ur_table_string[]: the host directories that `raw` is about: layers' roots (but
                                       for in-place ones), works; and the session directory. UR_RAW_ALLOW: only that */
    uint16_t raw;                   /* enum ur_raw */
    uint8_t durability;             /* enum ur_durability */
    uint8_t root;                   /* the run simulates root (engine/root.h): 1 or 0 */
    uint32_t uid;                   /* who started the run: his effective user ID */
    uint64_t metacopy;              /* the least size of a file whose data stay in the lower when only its metadata are
                                       changed (engine/metacopy.c); 0: data are always copied */
    struct ur_table_string session; /* directory of the run's own files: "table", "shared" */
    struct ur_table_string preload; /* the shim to be found in every wrapped process' LD_PRELOAD; empty: there is none
                                       (the guard alone), and LD_PRELOAD is the program's own affair */
    struct ur_table_string trace;   /* the file in which calls are told; empty: they are not */
    uint64_t max_upper;             /* what the uppers may hold together, in bytes; 0: as much as there is room for */
    uint64_t trace_json;            /* 1: as JSON lines; 0: in strace's look */
};

/* True if `size` bytes at `table` are a table that can be followed without leaving them.
   Borrows; no allocation, no system call: async-signal-safe. */
bool ur_table_valid(const void *table, size_t size);

static inline const char *ur_table_text(const struct ur_table *t, struct ur_table_string s) {
    return (const char *)t + s.at;
}
static inline const struct ur_table_mount *ur_table_mounts(const struct ur_table *t) {
    return (const void *)((const char *)t + t->mounts_at);
}
static inline const struct ur_table_layer *ur_table_layers(const struct ur_table *t) {
    return (const void *)((const char *)t + t->layers_at);
}
static inline const struct ur_table_string *ur_table_hidden(const struct ur_table *t) {
    return (const void *)((const char *)t + t->hidden_at);
}

#endif
