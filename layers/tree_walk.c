/* See tree.h. */
#include "layers/names.h"
#include "layers/tree.h"

#include <errno.h>
#include <string.h>

struct walk {
    struct tree *tree;
    void (*each)(const struct tree_node *node, void *arg);
    void *arg;
};

static bool failed(const char *path, long ret) {
    UR_AUTO_TEXT quoted = ur_quoted(path);
    say("%s: %s", quoted, layers_error(ret));
    return false;
}

static bool walk_in(const struct walk *w, const struct ur_place *place, unsigned depth);

static bool walk_name(const struct walk *w, const struct ur_place *place, const char *name, unsigned depth) {
    struct ur_found found;
    UR_AUTO_TEXT path = ur_path_join(ur_place_path(place), name);
    long ret = ur_find(place, name, 0, &found);
    if (ret < 0)
        return failed(path, ret);
    if (!found.there)
        return true;
    struct tree_node node = {path, name, depth, found.layer, 1, found.host, found.st};
    if (!S_ISDIR(found.st.st_mode)) {
        w->each(&node, w->arg);
        return true;
    }
    struct ur_place *child;
    ret = ur_place_enter(place, name, &child);
    if (ret < 0)
        return failed(path, ret);
    bool right = true;
    if (ur_place_mount(child) == ur_place_mount(place)) {
        node.layers = ur_place_spots(child);
        w->each(&node, w->arg);
        right = walk_in(w, child, depth + 1);
    }
    ur_place_close(child);
    return right;
}

static bool walk_in(const struct walk *w, const struct ur_place *place, unsigned depth) {
    struct names names;
    long ret = names_in(place, 0, UR_LAYERS_MAX, &names);
    bool right = ret >= 0 || failed(ur_place_path(place), ret);
    for (size_t i = 0; i < names.count && right; i++)
        right = walk_name(w, place, names.name[i], depth);
    names_free(&names);
    return right;
}

bool tree_walk(struct tree *tree, void (*each)(const struct tree_node *node, void *arg), void *arg) {
    struct walk w = {tree, each, arg};
    struct ur_place *place;
    char host[UR_PATH_MAX];
    long ret = ur_place_open(&tree->layers->u, tree->from, &place);
    if (ret < 0)
        return failed(tree->from, ret);
    tree->mount = ur_place_mount(place);
    struct tree_node node = {tree->from, tree->from, 0, 0, ur_place_spots(place), host, {0}};
    bool known = false;
    for (unsigned i = 0; i < ur_place_spots(place) && !known; i++) {
        ret = ur_place_spot(place, i, host, NULL);
        known = ret >= 0 && stat(host, &node.st) == 0; /* an upper need not be there yet */
        node.layer = known ? (unsigned)ret : 0;
    }
    if (known)
        each(&node, arg);
    bool right = walk_in(&w, place, 1);
    ur_place_close(place);
    return right;
}
