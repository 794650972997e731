/*
 * A layer as a tar archive: OCI image-spec, layer.md, in pax form, by libarchive.
 *
 * The same layer gives the same bytes: no names of owners, no atime and ctime, no inode numbers; times not after
 * SOURCE_DATE_EPOCH, if that is set.
 */
#ifndef UNIONRUN_LAYERS_EXCHANGE_TAR_H
#define UNIONRUN_LAYERS_EXCHANGE_TAR_H

#include "layers/exchange/upper.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum ur_packing { UR_PACK_NONE, UR_PACK_GZIP, UR_PACK_ZSTD };

struct ur_tar {
    struct archive *archive;
    struct archive_entry *entry;
    int64_t latest; /* no time after it */
    bool owned;     /* all belong to `uid` and `gid`, but for what has a record of its owner */
    uid_t uid;
    gid_t gid;
    uint64_t files, whiteouts, bytes, sockets;
    bool (*tick)(void *arg); /* false: stop */
    void *arg;
};

/* To an open descriptor, the caller's. False: has been said. */
bool ur_tar_begin(struct ur_tar *tar, int fd, enum ur_packing packing);

/* False: has been said, or `tick` did. */
bool ur_tar_add(struct ur_tar *tar, const struct ur_item *item);

/* The end of the archive, if all before was right; frees. False: has been said. */
bool ur_tar_end(struct ur_tar *tar, bool right);

#endif
