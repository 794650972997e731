/*
 * A file's metadata on its way to the disk and back, as far as a user can have it there.
 *
 * Root keeps everything. A plain user owns all that he makes: who the file belongs to and its mode are then recorded in
 * user.containers.override_stat ("UID:GID:0MODE"), as fuse-overlayfs and rootless podman do it; the file itself has
 * no set-user-ID bits, and what its owner must have to go on with it (reading; for directories everything).
 * Symlinks and FIFOs can hold no such record: their owner is lost. A device is an empty file with one.
 *
 * Invariant: a file is changed by its descriptor or by its name in an open directory, never followed.
 */
#ifndef UNIONRUN_LAYERS_EXCHANGE_KEEP_H
#define UNIONRUN_LAYERS_EXCHANGE_KEEP_H

#include "config/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

struct ur_meta {
    mode_t mode; /* permission bits alone: 07777 */
    uid_t uid;
    gid_t gid;
    struct timespec mtime;
    mode_t
        device; /* S_IFBLK or S_IFCHR: what a simulated root made (engine/root.h), and its number is `rdev`; else 0 */
    dev_t rdev;
};

struct ur_xattr {
    const char *name;
    const void *value;
    size_t size;
};

/* What could not be kept, counted. */
struct ur_lost {
    uint64_t owners, xattrs, devices, others;
    uint64_t recorded; /* devices that are a record: not lost to a simulated root */
};

/* To a file that was just made, in this order: owner, xattrs, mode, times. `fd`: open on it, also read-only; or -1, and
   it is `name` in `directory` (a symlink, FIFO, device). `type`: S_IFMT of it. 0 or -errno. */
long ur_keep(int fd, int directory, const char *name, mode_t type, const struct ur_meta *meta,
             const struct ur_xattr *xattrs, size_t count, struct ur_lost *lost);

/* Of a directory only what does not hinder making things in it: owner, record, xattrs. The rest by the other when
   all is made. */
long ur_keep_directory_begin(int fd, const struct ur_meta *meta, const struct ur_xattr *xattrs, size_t count,
                             struct ur_lost *lost);
long ur_keep_directory_end(int fd, const struct ur_meta *meta);

/* What the file of `st` and its record (NULL or not well-formed: there is none) stand for: the mode as it is now, if it
   is not any more what was put with the record. */
void ur_meta_of(const struct stat *st, const char *record, size_t size, struct ur_meta *meta);

/* May an archive bring this xattr, or is it a union's own, or this record? */
bool ur_xattr_is_ours(const char *name);

#endif
