/* SHA-256 (FIPS 180-4): the digests of images. */
#ifndef UNIONRUN_LAYERS_EXCHANGE_SHA256_H
#define UNIONRUN_LAYERS_EXCHANGE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { UR_SHA256_HEX = 64 };

struct ur_sha256 {
    uint32_t state[8];
    uint64_t bytes;
    unsigned char block[64]; /* the first bytes % 64 of it are waiting */
};

void ur_sha256_begin(struct ur_sha256 *sha);
void ur_sha256_add(struct ur_sha256 *sha, const void *data, size_t size);
/* Lower-case hexadecimal digits and a NUL. */
void ur_sha256_end(struct ur_sha256 *sha, char hex[UR_SHA256_HEX + 1]);

#endif
