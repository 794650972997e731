/*
 * What an image is: its layers, bottom first, what they must hash to, and its configuration.
 *
 * OCI image-spec: image-layout.md, image-index.md, manifest.md, config.md; of `docker save` the manifest.json.
 * Everything that is read here comes from somebody else, and is checked before it is used: digests are
 * 64 hexadecimal digits, sizes what the blobs have, texts no longer than they may be.
 */
#ifndef UNIONRUN_LAYERS_EXCHANGE_IMAGE_H
#define UNIONRUN_LAYERS_EXCHANGE_IMAGE_H

#include "layers/exchange/sha256.h"
#include "layers/exchange/source.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ur_image {
    const struct ur_source *source;
    char *name; /* as the image itself has it; NULL: it has none */
    struct ur_image_layer {
        char *member;                    /* NULL: the source itself is the layer */
        char digest[UR_SHA256_HEX + 1];  /* of the blob; "": not told */
        char diff_id[UR_SHA256_HEX + 1]; /* of what it decompresses to; "": not told */
    } * layers;
    size_t count;
    char *config_text; /* the image configuration as it was; NULL: a plain layer has none */
    json_t *config;
};

/* `wanted`: the name or tag of the one that is meant, if the source has several; NULL. The source must outlive it.
   False: has been said. */
bool ur_image_read(struct ur_image *image, const struct ur_source *source, const char *wanted);

void ur_image_free(struct ur_image *image);

#endif
