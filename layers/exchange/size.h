/* Sizes as people write them: 4096, 64K, 1.5 is none, 2G. */
#ifndef UNIONRUN_LAYERS_EXCHANGE_SIZE_H
#define UNIONRUN_LAYERS_EXCHANGE_SIZE_H

#include <stdbool.h>
#include <stdint.h>

/* Digits, and K, M, G or T for powers of 1024. False: has been said, with `option`'s name. */
bool ur_read_size(const char *option, const char *text, uint64_t *size);

#endif
