/*
 * `unionrun explain PATH`: which layer a name comes from, and why. From the target down to the name, each directory on
 * the way is told layer by layer: what the layer has there, and what the union makes of it.
 */
#include "layers/layers.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum role { ROLE_NONE, ROLE_WINS, ROLE_MERGES, ROLE_SHADOWED, ROLE_HIDES, ROLE_NOT_ASKED };
static const char *const role_names[] = {"nothing", "wins", "merges", "shadowed", "hides", "not asked"};

struct row {
    enum role role;
    bool asked; /* it is in the stack of the parent */
    struct ur_view view;
    char *why; /* owned: what took it out of the stack, here or above */
};

/* One name on the way. */
struct step {
    char *path; /* owned */
    bool known; /* `found` was told */
    struct ur_found found;
    struct row *row; /* one a layer */
};

struct explanation {
    const struct ur_table_mount *mount; /* NULL: the host's */
    unsigned layers;
    struct step *step;
    size_t steps;
};

static const char *form(enum ur_form form) {
    static const char *const names[] = {"none", "device 0:0", "xattr", ".wh. file"};
    return names[form];
}

static const char *form_key(enum ur_form form) {
    static const char *const names[] = {NULL, "device", "xattr", "name"};
    return names[form];
}

/* What a layer's own entry does to those below it; NULL: nothing. */
static char *effect(const struct ur_view *view, const char *label, const char *quoted) {
    if (view->held == UR_HELD_WHITEOUT)
        return ur_format("hidden by the whiteout of %s at %s", label, quoted);
    if (view->held == UR_HELD_FILE)
        return ur_format("covered by what %s has at %s", label, quoted);
    if (view->held == UR_HELD_DIRECTORY && view->opaque)
        return ur_format("covered by the opaque directory of %s at %s", label, quoted);
    if (view->held == UR_HELD_DIRECTORY && *view->redirect) {
        UR_AUTO_TEXT to = ur_quoted(view->redirect);
        return ur_format("%s was moved to %s in %s, which looks for it below as %s", to, quoted, label, to);
    }
    return NULL;
}

static bool merges(const struct ur_place *place, unsigned layer) {
    for (unsigned i = 0; i < ur_place_spots(place); i++)
        if (ur_place_spot(place, i, NULL, NULL) == (long)layer)
            return true;
    return false;
}

/* A layer that merges by way of a redirect has the directory at another path. */
static long look_elsewhere(struct step *step, const struct ur_place *child) {
    char host[UR_PATH_MAX];
    for (unsigned i = 0; i < ur_place_spots(child); i++) {
        long layer = ur_place_spot(child, i, host, NULL);
        if (layer < 0)
            return layer;
        struct row *row = &step->row[layer];
        if (row->asked && strcmp(host, row->view.host) == 0)
            continue;
        char *slash = strrchr(host, '/');
        *slash = '\0';
        long ret = ur_look_at(*host ? host : "/", slash + 1, &row->view);
        if (ret < 0)
            return ret;
        row->asked = true;
        row->role = ROLE_MERGES;
        free(row->why);
        row->why = ur_format("by the redirect");
    }
    return 0;
}

/* What the layers of the parent's stack have, and what the engine makes of it. `child`: the directory itself; NULL: the
   name is none. */
static long look(struct explanation *e, struct step *step, const struct ur_place *parent, const struct ur_place *child,
                 const char *name) {
    UR_AUTO_TEXT quoted = ur_quoted(step->path);
    UR_AUTO_TEXT ender = NULL;
    for (unsigned i = 0; i < ur_place_spots(parent); i++) {
        long layer = ur_place_spot(parent, i, NULL, NULL);
        if (layer < 0)
            return layer;
        struct row *row = &step->row[layer];
        row->asked = true;
        free(row->why);
        row->why = NULL;
        long ret = ur_look(parent, name, i, &row->view);
        if (ret < 0)
            return ret;
        UR_AUTO_TEXT label = layers_label(e->mount, (unsigned)layer);
        if (row->view.held == UR_HELD_NOTHING)
            row->role = ROLE_NONE;
        else if (step->found.there && step->found.layer == layer)
            row->role = ROLE_WINS;
        else if (child && merges(child, (unsigned)layer))
            row->role = ROLE_MERGES;
        else if (row->view.held == UR_HELD_WHITEOUT && !ender)
            row->role = ROLE_HIDES;
        else
            row->role = ROLE_SHADOWED;
        if (ender && row->role == ROLE_SHADOWED)
            row->why = ur_format("%s", ender);
        if (!ender)
            ender = effect(&row->view, label, quoted);
    }
    return child ? look_elsewhere(step, child) : 0;
}

/* Layers that the child's stack has lost are not asked any further: why. */
static void carry(const struct explanation *e, const struct step *from, struct step *to, const struct ur_place *child) {
    UR_AUTO_TEXT quoted = ur_quoted(from->path);
    for (unsigned i = 0; i < e->layers; i++) {
        const struct row *row = &from->row[i];
        to->row[i].role = ROLE_NOT_ASKED;
        if (merges(child, i))
            continue;
        if (row->why)
            to->row[i].why = ur_format("%s", row->why);
        else if (row->view.held == UR_HELD_WHITEOUT)
            to->row[i].why = ur_format("it has a whiteout at %s", quoted);
        else
            to->row[i].why = ur_format("it has no directory %s", quoted);
    }
}

static struct step *add(struct explanation *e, const char *path) {
    e->step = ur_grow(e->step, e->steps, sizeof *e->step);
    struct step *step = &e->step[e->steps++];
    step->path = ur_format("%s", path);
    step->row = ur_allocate((e->layers + 1) * sizeof *step->row);
    return step;
}

static void release(struct explanation *e) {
    for (size_t i = 0; i < e->steps; i++) {
        for (unsigned k = 0; k < e->layers; k++)
            free(e->step[i].row[k].why);
        free(e->step[i].row);
        free(e->step[i].path);
    }
    free(e->step);
}

/* The target itself: every layer has it. */
static void root_step(struct explanation *e, const struct ur_place *place) {
    struct step *step = add(e, ur_place_path(place));
    step->found.there = true;
    for (unsigned i = 0; i < ur_place_spots(place); i++) {
        struct row *row = &step->row[i];
        row->asked = true;
        row->view.held = UR_HELD_DIRECTORY;
        row->role = i ? ROLE_MERGES : ROLE_WINS;
        if (ur_place_spot(place, i, row->view.host, NULL) < 0 || lstat(row->view.host, &row->view.st) < 0) {
            row->view.held = UR_HELD_NOTHING; /* an upper that no run has made yet */
            row->role = ROLE_NONE;
        } else if (step->found.host[0] == '\0') {
            step->found.layer = i;
            step->found.st = row->view.st;
            strcpy(step->found.host, row->view.host);
            row->role = ROLE_WINS;
        }
    }
}

static long explain_path(const struct layers *layers, const char *path, struct explanation *e) {
    const struct ur_plan_mount *plan = layers_plan_mount(layers, path);
    if (!plan)
        return 0;
    struct ur_place *place;
    long ret = ur_place_open(&layers->u, plan->target, &place);
    if (ret < 0)
        return ret;
    e->mount = ur_place_mount(place);
    e->layers = e->mount->layers;
    root_step(e, place);
    const char *at = path + (strlen(plan->target) > 1 ? strlen(plan->target) : 0);
    while (ret == 0 && *at) {
        at += *at == '/';
        size_t len = strcspn(at, "/");
        if (len == 0)
            break;
        UR_AUTO_TEXT name = ur_copy(at, len);
        UR_AUTO_TEXT here = ur_copy(path, (size_t)(at - path) + len);
        at += len;
        struct step *step = add(e, here);
        carry(e, step - 1, step, place);
        ret = ur_find(place, name, 0, &step->found);
        struct ur_place *child = NULL;
        if (ret == 0 && step->found.there && S_ISDIR(step->found.st.st_mode))
            ret = ur_place_enter(place, name, &child);
        if (ret == 0)
            ret = look(e, step, place, child, name);
        if (!child) /* nothing is below it */
            break;
        ur_place_close(place);
        place = child;
    }
    ur_place_close(place);
    return ret;
}

static char *holds(const struct row *row) {
    const struct ur_view *view = &row->view;
    if (!row->asked)
        return ur_format("not asked");
    if (view->held == UR_HELD_WHITEOUT)
        return ur_format("whiteout (%s)", form(view->whiteout));
    if (view->held == UR_HELD_NOTHING)
        return ur_format("nothing");
    if (view->held == UR_HELD_DIRECTORY) {
        UR_AUTO_TEXT to = *view->redirect ? ur_quoted(view->redirect) : NULL;
        UR_AUTO_TEXT opaque = view->opaque ? ur_format(", opaque (%s)", form(view->opaque)) : ur_format("%s", "");
        return ur_format("directory%s%s%s", opaque, to ? ", redirect to " : "", to ? to : "");
    }
    if (S_ISREG(view->st.st_mode)) {
        UR_AUTO_TEXT size = layers_size((uint64_t)view->st.st_size);
        return ur_format("file, %s", size);
    }
    return ur_format("%s", layers_type(view->st.st_mode));
}

static void print_row(const struct explanation *e, const struct row *row, unsigned layer) {
    static const char *const said[] = {"", "wins", "merges", "shadowed", "hides it", ""};
    UR_AUTO_TEXT label = layers_label(e->mount, layer);
    UR_AUTO_TEXT what = holds(row);
    UR_AUTO_TEXT host = ur_quoted(row->view.host);
    bool there = row->asked && row->view.held != UR_HELD_NOTHING;
    UR_AUTO_TEXT line = ur_format("  %-10s %-9s %s%s%s%s%s", label, said[row->role], what, there ? "  " : "",
                                  there ? host : "", row->why ? ": " : "", row->why ? row->why : "");
    puts(line);
}

static void print_outcome(const struct explanation *e, const char *path) {
    UR_AUTO_TEXT quoted = ur_quoted(path);
    const struct step *last = &e->step[e->steps - 1];
    if (!last->found.there || strcmp(last->path, path) != 0) {
        UR_AUTO_TEXT where = ur_quoted(last->path);
        bool file = last->found.there;
        printf("%s: not in the union%s%s%s\n", quoted, strcmp(last->path, path) != 0 ? ": " : "",
               strcmp(last->path, path) != 0 ? where : "",
               strcmp(last->path, path) == 0 ? ""
               : file                        ? " is no directory"
                                             : " is not there");
        return;
    }
    UR_AUTO_TEXT label = layers_label(e->mount, last->found.layer);
    UR_AUTO_TEXT host = ur_quoted(last->found.host);
    bool nowhere = last->found.apart && !*last->found.data;
    UR_AUTO_TEXT data = ur_quoted(nowhere ? "nowhere" : last->found.data);
    UR_AUTO_TEXT apart = last->found.apart ? ur_format(" (metadata alone; its data: %s)", data) : ur_format("%s", "");
    printf("%s: %s of %s, %s%s%s\n", quoted, layers_type(last->found.st.st_mode), label, host,
           last->found.linked ? " (a hard link of it was changed under another name; this is the copy)" : "", apart);
}

static void print_text(const struct explanation *e, const char *path) {
    print_outcome(e, path);
    for (size_t i = 0; i < e->steps; i++) {
        UR_AUTO_TEXT quoted = ur_quoted(e->step[i].path);
        printf("\n%s\n", quoted);
        for (unsigned k = 0; k < e->layers; k++)
            print_row(e, &e->step[i].row[k], k);
    }
}

static json_t *row_value(const struct explanation *e, const struct row *row, unsigned layer) {
    static const char *const held[] = {"nothing", "whiteout", "file", "directory"};
    UR_AUTO_TEXT label = layers_label(e->mount, layer);
    json_t *value = json_pack("{s:s, s:s}", "layer", label, "role", role_names[row->role]);
    if (row->asked) {
        json_object_set_new(value, "holds", json_string(held[row->view.held]));
        if (row->view.held != UR_HELD_NOTHING)
            layers_json_name(value, "host", row->view.host);
        if (row->view.held >= UR_HELD_FILE)
            json_object_set_new(value, "type", json_string(layers_type(row->view.st.st_mode)));
        if (row->view.held == UR_HELD_FILE)
            json_object_set_new(value, "size", json_integer(row->view.st.st_size));
        if (row->view.whiteout)
            json_object_set_new(value, "whiteout", json_string(form_key(row->view.whiteout)));
        if (row->view.opaque)
            json_object_set_new(value, "opaque", json_string(form_key(row->view.opaque)));
        if (*row->view.redirect)
            layers_json_name(value, "redirect", row->view.redirect);
    }
    if (row->why)
        layers_json_name(value, "because", row->why);
    return value;
}

static json_t *value_of(const struct explanation *e, const char *path) {
    json_t *value = json_object();
    layers_json_name(value, "path", path);
    if (!e->mount) {
        json_object_set_new(value, "in", json_string("host"));
        return value;
    }
    const struct step *last = &e->step[e->steps - 1];
    bool there = last->found.there && strcmp(last->path, path) == 0;
    json_object_set_new(value, "in", json_string("union"));
    layers_json_name(value, "target", e->step[0].path);
    json_object_set_new(value, "there", json_boolean(there));
    if (there) {
        UR_AUTO_TEXT label = layers_label(e->mount, last->found.layer);
        json_object_set_new(value, "layer", json_string(label));
        json_object_set_new(value, "type", json_string(layers_type(last->found.st.st_mode)));
        layers_json_name(value, "host", last->found.host);
        if (last->found.apart)
            layers_json_name(value, "data", last->found.data);
        json_object_set_new(value, "linked", json_boolean(last->found.linked));
    }
    json_t *steps = json_array();
    json_object_set_new(value, "steps", steps);
    for (size_t i = 0; i < e->steps; i++) {
        json_t *step = json_object(), *rows = json_array();
        layers_json_name(step, "path", e->step[i].path);
        json_object_set_new(step, "layers", rows);
        json_array_append_new(steps, step);
        for (unsigned k = 0; k < e->layers; k++)
            json_array_append_new(rows, row_value(e, &e->step[i].row[k], k));
    }
    return value;
}

static bool explain(const struct layers *layers, const char *said, json_t *all, bool first) {
    UR_AUTO_TEXT path = layers_locate(layers, said);
    struct explanation e = {0};
    long ret = explain_path(layers, path, &e);
    if (ret < 0) {
        UR_AUTO_TEXT quoted = ur_quoted(path);
        say("%s: %s", quoted, layers_error(ret));
    } else if (all) {
        json_array_append_new(all, value_of(&e, path));
    } else {
        UR_AUTO_TEXT quoted = ur_quoted(path);
        if (!first)
            putchar('\n');
        if (e.mount)
            print_text(&e, path);
        else
            printf("%s: the host's own, in no union\n", quoted);
    }
    release(&e);
    return ret == 0;
}

static const char about[] =
    "Tell which layer each PATH, a path in the union, comes from, and why: from the target down,\n"
    "what each layer has (lower 1 is the topmost), and which wins, merges, hides or is shadowed.\n";

int layers_explain(struct layers *layers, int argc, char **argv) {
    const struct layers_option options[] = {{"--json", NULL, "print as JSON", &layers->json, NULL, NULL}, {0}};
    enum layers_next next = layers_read(layers, argc, argv, options, 1, SIZE_MAX, about);
    if (next != LAYERS_GO)
        return next == LAYERS_DONE ? 0 : EXIT_OURS;
    if (!layers_open(layers, LAYERS_LOOK))
        return EXIT_OURS;
    json_t *all = layers->json ? json_array() : NULL;
    bool right = true;
    for (size_t i = 0; i < layers->paths; i++)
        right = explain(layers, layers->path[i], all, i == 0) && right;
    if (all && layers_json_print(all) != 0)
        return EXIT_OURS;
    return right ? 0 : EXIT_OURS;
}
