/* `unionrun tree`: the names of a union, each with the layer that it comes from; as text, JSON or a page. */
#include "layers/tree.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_node(const struct tree_node *node, void *arg) {
    const struct tree *tree = arg;
    UR_AUTO_TEXT name = ur_quoted(node->name);
    UR_AUTO_TEXT label = layers_label(tree->mount, node->layer);
    UR_AUTO_TEXT more = node->layers > 1 ? ur_format(" and %u below", node->layers - 1) : ur_format("%s", "");
    printf("%*s%s%s  [%s%s]\n", 2 * (int)node->depth, "", name, S_ISDIR(node->st.st_mode) && node->depth ? "/" : "",
           label, more);
}

static void add_value(const struct tree_node *node, void *arg) {
    struct tree *tree = arg;
    UR_AUTO_TEXT label = layers_label(tree->mount, node->layer);
    json_t *value = json_object();
    layers_json_name(value, "path", node->path);
    json_object_set_new(value, "type", json_string(layers_type(node->st.st_mode)));
    json_object_set_new(value, "layer", json_string(label));
    layers_json_name(value, "host", node->host);
    if (S_ISREG(node->st.st_mode))
        json_object_set_new(value, "size", json_integer(node->st.st_size));
    if (S_ISDIR(node->st.st_mode))
        json_object_set_new(value, "layers", json_integer(node->layers));
    json_array_append_new(tree->json, value);
}

static int print_json(struct tree *tree) {
    json_t *root = layers_json_root("names", &tree->json);
    layers_json_name(root, "target", tree->plan->target);
    bool right = tree_walk(tree, add_value, tree);
    int status = layers_json_print(root);
    return right ? status : EXIT_OURS;
}

static const char about[] =
    "Print the names of a union, from its target or from PATH down, each with the layer that it comes from (of a "
    "directory\n"
    "the topmost, and how many merge below it). --html FILE writes a page that lays the layers over one another: they\n"
    "can be switched off one by one, and searched. It holds all that it needs.\n";

int layers_tree(struct layers *layers, int argc, char **argv) {
    const char *html = NULL;
    const struct layers_option options[] = {{"--html", "FILE", "write a page", NULL, &html, NULL},
                                            {"--json", NULL, "print as JSON", &layers->json, NULL, NULL},
                                            {0}};
    enum layers_next next = layers_read(layers, argc, argv, options, 0, 1, about);
    if (next != LAYERS_GO)
        return next == LAYERS_DONE ? 0 : EXIT_OURS;
    if (!layers_open(layers, LAYERS_LOOK))
        return EXIT_OURS;
    struct tree tree = {.layers = layers};
    size_t unions = 0;
    for (size_t i = 0; i < layers->plan.count; i++)
        if (layers->plan.mounts[i].kind == UR_PLAN_UNION) {
            tree.plan = &layers->plan.mounts[i];
            unions++;
        }
    if (!layers->paths && unions > 1) {
        say("several mounts: give a PATH, in the target of the one that is meant");
        return EXIT_OURS;
    }
    tree.from = layers->paths ? layers_locate(layers, layers->path[0]) : ur_format("%s", tree.plan->target);
    tree.plan = layers_plan_mount(layers, tree.from);
    int status = EXIT_OURS;
    if (!tree.plan)
        say("%s: in no union", tree.from);
    else if (html && strcmp(tree.from, tree.plan->target) != 0)
        say("--html makes a page of the whole: no PATH but the target");
    else if (html)
        status = tree_page(&tree, html) ? 0 : EXIT_OURS;
    else if (layers->json)
        status = print_json(&tree);
    else
        status = tree_walk(&tree, print_node, &tree) ? 0 : EXIT_OURS;
    free(tree.from);
    return status;
}
