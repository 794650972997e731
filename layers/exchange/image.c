/* An image's manifest and configuration; see image.h. */
#include "layers/exchange/image.h"
#include "config/text.h"
#include "launch/say.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
    TEXT_MAX = 4 << 20, /* as the registries have it for a manifest */
    LAYERS_MAX = 500,   /* lowers of one mount: config/table.h */
    INDEX_DEPTH = 4
};

static bool wrong(const struct ur_image *image, const char *what) {
    say("%s: %s", image->source->path, what);
    return false;
}

/* "sha256:HEX" into hex. */
static bool read_digest(const struct ur_image *image, const json_t *value, char hex[UR_SHA256_HEX + 1]) {
    const char *text = json_string_value(value);
    if (text && strncmp(text, "sha256:", 7) == 0 && strspn(text + 7, "0123456789abcdef") == UR_SHA256_HEX &&
        !text[7 + UR_SHA256_HEX]) {
        memcpy(hex, text + 7, UR_SHA256_HEX + 1);
        return true;
    }
    say("%s: %s: no sha256 digest", image->source->path, text ? text : "(nothing)");
    return false;
}

/* All of a small member, with a NUL behind it: the caller's. `hex`: what it must hash to; NULL or "": anything. */
static char *read_text(const struct ur_image *image, const char *name, const char *hex) {
    int fd = ur_source_get(image->source, name);
    struct stat st;
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) < 0 || st.st_size > TEXT_MAX) {
        say("%s: %s: larger than a manifest or a configuration may be", image->source->path, name);
        close(fd);
        return NULL;
    }
    size_t size = (size_t)st.st_size, used = 0;
    char *text = ur_allocate(size + 1);
    ssize_t got = 1;
    while (used < size && (got = read(fd, text + used, size - used)) > 0)
        used += (size_t)got;
    close(fd);
    char sum[UR_SHA256_HEX + 1];
    struct ur_sha256 sha;
    ur_sha256_begin(&sha);
    ur_sha256_add(&sha, text, used);
    ur_sha256_end(&sha, sum);
    bool right = used == size && strlen(text) == size && (!hex || !*hex || strcmp(sum, hex) == 0);
    if (right)
        return text;
    say("%s: %s: %s", image->source->path, name,
        used < size            ? "cannot be read"
        : strlen(text) != size ? "no text"
                               : "its content is not what its digest says");
    free(text);
    return NULL;
}

static json_t *read_json(const struct ur_image *image, const char *name, const char *hex, char **text) {
    json_error_t error;
    char *read = read_text(image, name, hex);
    json_t *value = read ? json_loads(read, JSON_REJECT_DUPLICATES, &error) : NULL;
    if (read && !value)
        say("%s: %s: not JSON: %s", image->source->path, name, error.text);
    if (text && value)
        *text = read;
    else
        free(read);
    return value;
}

static char *blob_name(const char *hex) {
    return ur_format("blobs/sha256/%s", hex);
}

/* A descriptor's digest, if the blob is there and as large as it says. */
static bool read_descriptor(const struct ur_image *image, const json_t *descriptor, char hex[UR_SHA256_HEX + 1]) {
    struct stat st;
    if (!read_digest(image, json_object_get(descriptor, "digest"), hex))
        return false;
    UR_AUTO_TEXT name = blob_name(hex);
    int fd = ur_source_get(image->source, name);
    if (fd < 0)
        return false;
    const json_t *size = json_object_get(descriptor, "size");
    bool right = fstat(fd, &st) == 0 && json_is_integer(size) && json_integer_value(size) == st.st_size;
    close(fd);
    if (!right)
        say("%s: %s: not of the size that its descriptor tells; the image is not whole", image->source->path, name);
    return right;
}

static struct ur_image_layer *add_layer(struct ur_image *image) {
    image->layers = ur_grow(image->layers, image->count, sizeof *image->layers);
    return &image->layers[image->count++];
}

/* The configuration has a diff_id for each layer. */
static bool read_diff_ids(struct ur_image *image) {
    const json_t *ids = json_object_get(json_object_get(image->config, "rootfs"), "diff_ids");
    if (json_array_size(ids) != image->count)
        return wrong(image, "the configuration has not one diff_id for each layer");
    for (size_t i = 0; i < image->count; i++)
        if (!read_digest(image, json_array_get(ids, i), image->layers[i].diff_id))
            return false;
    return true;
}

static bool check_layers(const struct ur_image *image, const json_t *layers) {
    if (!json_array_size(layers))
        return wrong(image, "the manifest has no layers");
    if (json_array_size(layers) <= LAYERS_MAX)
        return true;
    say("%s: %zu layers; %d are the most", image->source->path, json_array_size(layers), LAYERS_MAX);
    return false;
}

static bool read_manifest(struct ur_image *image, const json_t *manifest) {
    char hex[UR_SHA256_HEX + 1];
    const json_t *layers = json_object_get(manifest, "layers");
    if (!check_layers(image, layers) || !read_descriptor(image, json_object_get(manifest, "config"), hex))
        return false;
    UR_AUTO_TEXT config = blob_name(hex);
    image->config = read_json(image, config, hex, &image->config_text);
    for (size_t i = 0; image->config && i < json_array_size(layers); i++) {
        struct ur_image_layer *layer = add_layer(image);
        if (!read_descriptor(image, json_array_get(layers, i), layer->digest))
            return false;
        layer->member = blob_name(layer->digest);
    }
    return image->config && read_diff_ids(image);
}

static const char *tag_of(const json_t *descriptor) {
    const json_t *notes = json_object_get(descriptor, "annotations");
    const char *full = json_string_value(json_object_get(notes, "io.containerd.image.name"));
    const char *tag = json_string_value(json_object_get(notes, "org.opencontainers.image.ref.name"));
    return tag ? tag : full;
}

static bool is_called(const json_t *descriptor, const char *wanted) {
    static const char *const keys[] = {"io.containerd.image.name", "org.opencontainers.image.ref.name"};
    const json_t *notes = json_object_get(descriptor, "annotations");
    const char *digest = json_string_value(json_object_get(descriptor, "digest"));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *name = json_string_value(json_object_get(notes, keys[i]));
        if (name && strcmp(name, wanted) == 0)
            return true;
    }
    return digest && strcmp(digest, wanted) == 0;
}

/* As Go names architectures, which is how images do. */
static bool fits_here(const json_t *descriptor) {
    static const char *const names[][2] = {{"x86_64", "amd64"}, {"aarch64", "arm64"}};
    const json_t *platform = json_object_get(descriptor, "platform");
    const char *os = json_string_value(json_object_get(platform, "os"));
    const char *is = json_string_value(json_object_get(platform, "architecture"));
    struct utsname host;
    if (!is || uname(&host) < 0)
        return true;
    const char *ours = host.machine;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(host.machine, names[i][0]) == 0)
            ours = names[i][1];
    return strcmp(is, ours) == 0 && (!os || strcmp(os, "linux") == 0);
}

/* The one descriptor that is meant. NULL: has been said. */
static const json_t *choose(const struct ur_image *image, const json_t *list, const char *wanted) {
    const json_t *found = NULL;
    size_t matches = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        if (wanted ? !is_called(one, wanted) : !fits_here(one))
            continue;
        found = one;
        matches++;
    }
    if (matches == 1)
        return found;
    if (wanted)
        say("%s: %s: %s", image->source->path, wanted, matches ? "several have this name" : "no image of this name");
    else if (!matches)
        say("%s: no image for this machine in it", image->source->path);
    else
        say("%s: %zu images; --image NAME says which", image->source->path, matches);
    for (size_t i = 0; i < json_array_size(list) && (wanted || matches); i++) {
        const char *tag = tag_of(json_array_get(list, i));
        if (tag)
            say("  %s", tag);
    }
    return NULL;
}

static bool read_index(struct ur_image *image, const json_t *index, const char *wanted, int depth) {
    char hex[UR_SHA256_HEX + 1];
    const json_t *descriptor = choose(image, json_object_get(index, "manifests"), wanted);
    if (!descriptor || !read_descriptor(image, descriptor, hex))
        return false;
    if (!image->name && tag_of(descriptor))
        image->name = ur_format("%s", tag_of(descriptor));
    UR_AUTO_TEXT name = blob_name(hex);
    json_t *inner = read_json(image, name, hex, NULL);
    bool right = inner && (json_object_get(inner, "layers")       ? read_manifest(image, inner)
                           : !json_object_get(inner, "manifests") ? wrong(image, "no image manifest in it")
                           : depth < INDEX_DEPTH                  ? read_index(image, inner, NULL, depth + 1)
                                                                  : wrong(image, "indexes in indexes"));
    json_decref(inner);
    return right;
}

static bool has_tag(const json_t *one, const char *wanted) {
    const json_t *tags = json_object_get(one, "RepoTags");
    for (size_t i = 0; i < json_array_size(tags); i++) {
        const char *tag = json_string_value(json_array_get(tags, i));
        if (tag && strcmp(tag, wanted) == 0)
            return true;
    }
    return false;
}

static const json_t *choose_docker(const struct ur_image *image, const json_t *list, const char *wanted) {
    const json_t *found = NULL;
    size_t matches = 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!wanted || has_tag(json_array_get(list, i), wanted)) {
            found = json_array_get(list, i);
            matches++;
        }
    if (matches == 1)
        return found;
    say("%s: %zu images%s%s; --image NAME says which", image->source->path, matches, wanted ? " are called " : "",
        wanted ? wanted : "");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *tag = json_string_value(json_array_get(json_object_get(json_array_get(list, i), "RepoTags"), 0));
        if (tag)
            say("  %s", tag);
    }
    return NULL;
}

/* A configuration's name is its digest: "HEX.json", or "blobs/sha256/HEX". */
static void digest_of_name(const char *name, char hex[UR_SHA256_HEX + 1]) {
    const char *last = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
    hex[0] = '\0';
    if (strspn(last, "0123456789abcdef") == UR_SHA256_HEX)
        memcpy(hex, last, UR_SHA256_HEX);
    hex[UR_SHA256_HEX] = '\0';
}

static bool read_docker(struct ur_image *image, const json_t *list, const char *wanted) {
    char hex[UR_SHA256_HEX + 1];
    const json_t *one = choose_docker(image, list, wanted);
    const json_t *layers = json_object_get(one, "Layers");
    const char *config = json_string_value(json_object_get(one, "Config"));
    const char *tag = json_string_value(json_array_get(json_object_get(one, "RepoTags"), 0));
    if (!one || !check_layers(image, layers))
        return false;
    if (!config)
        return wrong(image, "manifest.json names no Config");
    if (tag)
        image->name = ur_format("%s", tag);
    digest_of_name(config, hex);
    image->config = read_json(image, config, hex, &image->config_text);
    for (size_t i = 0; image->config && i < json_array_size(layers); i++) {
        const char *member = json_string_value(json_array_get(layers, i));
        if (!member)
            return wrong(image, "a layer without a name in manifest.json");
        add_layer(image)->member = ur_format("%s", member);
    }
    return image->config && read_diff_ids(image);
}

bool ur_image_read(struct ur_image *image, const struct ur_source *source, const char *wanted) {
    *image = (struct ur_image){.source = source};
    if (source->kind == UR_SOURCE_LAYER) {
        if (wanted)
            return wrong(image, "one layer, and no image; there is none to choose by --image");
        add_layer(image);
        return true;
    }
    bool oci = source->kind == UR_SOURCE_OCI;
    json_t *top = read_json(image, oci ? "index.json" : "manifest.json", NULL, NULL);
    bool right = top && (oci ? read_index(image, top, wanted, 0) : read_docker(image, top, wanted));
    json_decref(top);
    return right;
}

void ur_image_free(struct ur_image *image) {
    for (size_t i = 0; i < image->count; i++)
        free(image->layers[i].member);
    free(image->layers);
    free(image->name);
    free(image->config_text);
    json_decref(image->config);
}
