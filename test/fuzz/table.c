/* A block that is accepted as a layer table can be followed to all its ends. */
#include "config/table.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t length(const struct ur_table *t, struct ur_table_string s) {
    const char *text = ur_table_text(t, s);
    if (strlen(text) != s.len)
        abort();
    return s.len;
}

static size_t follow(const struct ur_table *t) {
    size_t sum = length(t, t->session) + length(t, t->preload) + length(t, t->trace);
    for (uint32_t i = 0; i < t->mounts; i++) {
        const struct ur_table_mount *m = &ur_table_mounts(t)[i];
        sum += length(t, m->target) + length(t, m->work);
        for (uint32_t k = 0; k < m->layers; k++)
            sum += length(t, ur_table_layers(t)[m->first_layer + k].root);
    }
    for (uint32_t i = 0; i < t->hidden; i++)
        sum += length(t, ur_table_hidden(t)[i]);
    return sum;
}

/* The first bytes are the magic, the version and the size: what the fuzzer gives comes behind them, too. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static volatile size_t sum;
    if (size < sizeof(struct ur_table))
        return 0;
    struct ur_table *copy = malloc(size);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    if (ur_table_valid(copy, size))
        sum += follow(copy);
    memcpy(copy->magic, UR_TABLE_MAGIC, sizeof copy->magic);
    copy->version = UR_TABLE_VERSION;
    copy->size = (uint32_t)size;
    if (ur_table_valid(copy, size))
        sum += follow(copy);
    free(copy);
    return 0;
}
