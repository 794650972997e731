/*
 * A blob of an image on its way from the disk to a tar reader:
 *
 *     descriptor -> digest -> decompression -> digest -> limit -> libarchive's tar
 *
 * Only formats that libarchive reads itself are taken: gzip, zstd, bzip2, xz, or none. No program is ever started.
 */
#ifndef UNIONRUN_LAYERS_EXCHANGE_BLOB_H
#define UNIONRUN_LAYERS_EXCHANGE_BLOB_H

#include "layers/exchange/sha256.h"

#include <archive.h>
#include <stdbool.h>
#include <stdint.h>

struct ur_blob {
    struct archive *tar;
    struct archive *filter;
    int fd;
    struct ur_sha256 packed, plain;
    uint64_t read;      /* bytes of the descriptor so far */
    uint64_t *left;     /* how many more decompressed bytes there may be: the caller's, shared by all blobs */
    uint64_t size;      /* decompressed so far */
    uint64_t zeros;     /* at the end of that */
    bool padded;        /* that was no whole number of tar's blocks: the tar reader was given zeros for the rest */
    bool empty;         /* not a byte */
    bool over;          /* there were more than that */
    char buffer[65536]; /* what the filter reads */
};

struct ur_blob_sums {
    char packed[UR_SHA256_HEX + 1]; /* of the descriptor's bytes */
    char plain[UR_SHA256_HEX + 1];  /* of what they decompress to */
    bool ended;                     /* the tar had its end: two blocks of zeros */
};

/* Takes over `fd`, also on failure. False: has been said, `what` being the blob's name. */
bool ur_blob_open(struct ur_blob *blob, int fd, uint64_t *left, const char *what);

/* Reads what the tar reader left, so that the digests are those of the whole. False: has been said. */
bool ur_blob_end(struct ur_blob *blob, struct ur_blob_sums *sums, const char *what);

/* At the tar's end: were the last entry's data, which end at `end`, all there? What follows them may be missing. */
bool ur_blob_whole(const struct ur_blob *blob, uint64_t end);

/* Why reading the tar failed; borrowed until the next call. */
const char *ur_blob_error(const struct ur_blob *blob);

void ur_blob_close(struct ur_blob *blob);

#endif
