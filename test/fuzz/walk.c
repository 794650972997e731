/*
 * walk ROUNDS SEED FILE...: each file as it is, and in ROUNDS variations, to a fuzz target. A change of a tar that
 * keeps its header's checksum wrong gets no further than that, so it is often put right.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t state;

static uint64_t next(uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return below ? state % below : 0;
}

static void sum_header(uint8_t *header) {
    unsigned sum = 0;
    memset(header + 148, ' ', 8);
    for (unsigned i = 0; i < 512; i++)
        sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
}

static size_t change(uint8_t *data, size_t size) {
    for (uint64_t n = 1 + next(4); size && n--;) {
        size_t at = next(size);
        switch (next(5)) {
        case 0:
            data[at] ^= (uint8_t)(1 << next(8));
            break;
        case 1:
            data[at] = "/.\0"
                       "0127xL"[next(9)];
            break;
        case 2: /* a name's beginning */
            data[at - at % 512] = "/.ab"[next(4)];
            break;
        case 3:
            if (next(8) == 0)
                size = at;
            break;
        default: /* one block over another */
            if (size >= 1024)
                memmove(data + next(size / 512) * 512, data + next(size / 512) * 512, 512);
        }
    }
    for (size_t at = 0; at + 512 <= size; at += 512)
        if (memcmp(data + at + 257, "ustar", 5) == 0 && next(8))
            sum_header(data + at);
    return size;
}

static uint8_t *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) < 0) {
        perror(path);
        exit(2);
    }
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(*size + 1);
    if (!data || fread(data, 1, *size, file) != *size)
        exit(2);
    fclose(file);
    return data;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fputs("usage: walk ROUNDS SEED FILE...\n", stderr);
        return 2;
    }
    uint64_t rounds = strtoull(argv[1], NULL, 10), seed = strtoull(argv[2], NULL, 10), runs = 0;
    for (int i = 3; i < argc; i++) {
        size_t size;
        uint8_t *data = read_file(argv[i], &size), *copy = malloc(size + 1);
        if (!copy)
            return 2;
        LLVMFuzzerTestOneInput(data, size);
        for (uint64_t round = 0; round < rounds; round++, runs++) {
            memcpy(copy, data, size);
            state = (seed * 1000003 + (uint64_t)i) * 1000003 + round + 1;
            next(0);
            LLVMFuzzerTestOneInput(copy, change(copy, size));
        }
        free(data);
        free(copy);
    }
    fprintf(stderr, "%" PRIu64 " variations of %d files\n", runs, argc - 3);
    return 0;
}
