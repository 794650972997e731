/*
 * The page of `unionrun tree --html`: page.html with the layers put in as JSON. Each layer goes in as it is, and the
 * page lays them over one another again each time that one is switched on or off.
 */
#include "layers/names.h"
#include "layers/tree.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__asm__(".pushsection .rodata\n"
        ".global layers_page, layers_page_end\n"
        "layers_page: .incbin \"layers/page.html\"\n"
        "layers_page_end: .byte 0\n"
        ".popsection\n");
extern const char layers_page[], layers_page_end[];

static bool failed(const char *path, long ret) {
    UR_AUTO_TEXT quoted = ur_quoted(path);
    say("%s: %s", quoted, layers_error(ret));
    return false;
}

static json_t *children(const char *directory);

static json_t *value_of(const char *directory, const char *name) {
    struct ur_view view;
    if (ur_look_at(directory, name, &view) < 0 || view.held == UR_HELD_NOTHING)
        return NULL;
    json_t *value = json_object();
    layers_json_name(value, "n", name);
    static const char *const kinds[] = {NULL, "w", "f", "d"};
    json_object_set_new(value, "k", json_string(kinds[view.held]));
    if (view.held == UR_HELD_FILE && S_ISREG(view.st.st_mode))
        json_object_set_new(value, "s", json_integer(view.st.st_size));
    else if (view.held == UR_HELD_FILE)
        json_object_set_new(value, "t", json_string(layers_type(view.st.st_mode)));
    if (view.held != UR_HELD_DIRECTORY)
        return value;
    if (view.opaque)
        json_object_set_new(value, "o", json_true());
    if (*view.redirect)
        layers_json_name(value, "r", view.redirect);
    json_object_set_new(value, "c", children(view.host));
    return value;
}

static json_t *children(const char *directory) {
    struct names names;
    json_t *list = json_array();
    long ret = names_of(directory, &names);
    if (ret < 0)
        failed(directory, ret); /* the page has what could be read */
    for (size_t i = 0; i < names.count; i++) {
        json_t *value = value_of(directory, names.name[i]);
        if (value)
            json_array_append_new(list, value);
    }
    names_free(&names);
    return list;
}

static json_t *page_data(struct tree *tree) {
    struct ur_place *place;
    char host[UR_PATH_MAX];
    long ret = ur_place_open(&tree->layers->u, tree->from, &place);
    if (ret < 0) {
        failed(tree->from, ret);
        return NULL;
    }
    json_t *data = json_object(), *layers = json_array();
    layers_json_name(data, "target", tree->from);
    json_object_set_new(data, "layers", layers);
    for (unsigned i = 0; i < ur_place_spots(place); i++) {
        long number = ur_place_spot(place, i, host, NULL);
        UR_AUTO_TEXT label = layers_label(ur_place_mount(place), number < 0 ? 0 : (unsigned)number);
        json_t *layer = json_object(), *root = json_object();
        json_object_set_new(layer, "label", json_string(label));
        layers_json_name(layer, "host", host);
        json_object_set_new(layer, "root", root);
        json_object_set_new(root, "c", children(host));
        json_array_append_new(layers, layer);
    }
    ur_place_close(place);
    return data;
}

/* Within a script nothing may look like its end. */
static void write_data(FILE *stream, const char *text) {
    for (; *text; text++)
        if (*text == '<')
            fputs("\\u003c", stream);
        else
            putc(*text, stream);
}

bool tree_page(struct tree *tree, const char *file) {
    static const char place[] = "/*DATA*/null";
    json_t *data = page_data(tree);
    if (!data)
        return false;
    char *text = json_dumps(data, JSON_COMPACT);
    json_decref(data);
    const char *at = strstr(layers_page, place);
    FILE *stream = text && at ? fopen(file, "we") : NULL;
    if (stream) {
        fwrite(layers_page, 1, (size_t)(at - layers_page), stream);
        write_data(stream, text);
        at += strlen(place);
        fwrite(at, 1, (size_t)(layers_page_end - at), stream);
    }
    free(text);
    bool right = stream && !ferror(stream);
    if (stream && fclose(stream) != 0)
        right = false;
    return right || failed(file, -errno);
}
