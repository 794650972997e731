/* Walking a union, name by name, for `unionrun tree`. */
#ifndef UNIONRUN_LAYERS_TREE_H
#define UNIONRUN_LAYERS_TREE_H

#include "layers/layers.h"

#include <sys/stat.h>

struct json_t;

struct tree {
    const struct layers *layers;
    const struct ur_plan_mount *plan;
    char *from;                         /* the union path where it begins */
    const struct ur_table_mount *mount; /* set by the walk */
    struct json_t *json;
};

/* One name as the union shows it. All is borrowed. */
struct tree_node {
    const char *path, *name;
    unsigned depth;
    unsigned layer;  /* who holds it */
    unsigned layers; /* of a directory: how many merge */
    const char *host;
    struct stat st;
};

/* Calls `each` for `from` and all that is beneath it, directories before what is in them, by name. Other mounts'
   targets are left out. False: has been said. */
bool tree_walk(struct tree *tree, void (*each)(const struct tree_node *node, void *arg), void *arg);

/* The page: what every layer has on its own, so that the page can lay them over one another. */
bool tree_page(struct tree *tree, const char *file);

#endif
