/*
 * `unionrun check`: what is left over or leads nowhere in uppers and their work directories, and in the place of a
 * lower where a commit is prepared. Each finding is a line; --repair mends what can be mended without a change of what
 * the union shows.
 */
#include "layers/drop.h"
#include "layers/fold.h"
#include "layers/names.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum finding_kind { LITTER, JOURNAL, COMMIT, STAGE, WHITEOUT, REDIRECT, ORIGIN, DATA, LOWER_CHANGED, FINDING_KINDS };

static const struct {
    const char *key, *text;
} said[FINDING_KINDS] = {
    [LITTER] = {"litter", "left by a run that was killed"},
    [JOURNAL] = {"journal", "a step that a killed run did not finish"},
    [COMMIT] = {"commit", "a commit that was interrupted"},
    [STAGE] = {"stage", "left by a commit that was interrupted before it was ready"},
    [WHITEOUT] = {"whiteout", "a whiteout of what no lower has"},
    [REDIRECT] = {"redirect", "a redirect to what no lower has"},
    [ORIGIN] = {"origin", "tells of a file that the upper does not have any more"},
    [DATA] = {"data", "its data are to be in a lower, and none has them"},
    [LOWER_CHANGED] = {"lower_changed", "its lower has changed since it was copied up"},
};

struct finding {
    enum finding_kind kind;
    char *host;  /* owned */
    bool covers; /* of a redirect: a lower has something at its own path */
    const struct ur_plan_mount *mount;
};

struct checker {
    struct layers *layers;
    const struct ur_plan_mount *mount;
    struct finding *finding;
    size_t findings;
    ino_t *inode; /* of the upper's files, sorted when all are known */
    size_t inodes;
};

static bool failed(const char *path, long ret) {
    UR_AUTO_TEXT quoted = ur_quoted(path);
    say("%s: %s", quoted, layers_error(ret));
    return false;
}

static struct finding *add(struct checker *c, enum finding_kind kind, const char *host) {
    c->finding = ur_grow(c->finding, c->findings, sizeof *c->finding);
    struct finding *finding = &c->finding[c->findings++];
    *finding = (struct finding){.kind = kind, .host = ur_format("%s", host), .mount = c->mount};
    return finding;
}

static bool check_in(struct checker *c, const struct ur_place *place);

static bool check_directory(struct checker *c, const struct ur_place *place, const char *name,
                            const struct ur_view *view, const struct ur_found *below) {
    struct ur_place *child;
    long ret = ur_place_enter(place, name, &child);
    if (ret < 0)
        return failed(view->host, ret);
    if (*view->redirect && !view->opaque && ur_place_spots(child) < 2)
        add(c, REDIRECT, view->host)->covers = below->there;
    bool right = check_in(c, child);
    ur_place_close(child);
    return right;
}

/* A file whose data are a lower's: are they there, and those that it was made with? */
static void check_data(struct checker *c, const struct ur_found *found, const struct ur_origin *origin) {
    struct stat st;
    if (lstat(found->data, &st) < 0)
        add(c, DATA, found->host);
    else if (origin && (origin->size != (uint64_t)st.st_size || origin->time != ur_origin_time(&st)))
        add(c, LOWER_CHANGED, found->host);
}

static void check_file(struct checker *c, const struct ur_place *place, const char *name, const struct ur_view *view,
                       const struct ur_found *below) {
    struct ur_origin origin;
    struct ur_found own;
    c->inode = ur_grow(c->inode, c->inodes, sizeof *c->inode);
    c->inode[c->inodes++] = view->st.st_ino;
    bool recorded = ur_origin_of(place, view->host, &view->st, &origin) && origin.recorded;
    if (ur_find(place, name, 0, &own) == 0 && own.there && own.in_upper && own.apart) {
        check_data(c, &own, recorded ? &origin : NULL);
        return;
    }
    if (!recorded || !below->there)
        return;
    if (origin.ino == ur_origin_number(place, below->layer, &below->st) &&
        (origin.size != (uint64_t)below->st.st_size || origin.time != ur_origin_time(&below->st)))
        add(c, LOWER_CHANGED, view->host);
}

static bool check_name(struct checker *c, const struct ur_place *place, const char *name) {
    struct ur_view view;
    struct ur_found below;
    long ret = ur_look(place, name, 0, &view);
    if (ret == 0)
        ret = ur_find(place, name, 1, &below);
    if (ret < 0)
        return failed(view.host, ret);
    if (view.held == UR_HELD_WHITEOUT && !below.there)
        add(c, WHITEOUT, view.host);
    if (view.held == UR_HELD_FILE)
        check_file(c, place, name, &view, &below);
    return view.held != UR_HELD_DIRECTORY || check_directory(c, place, name, &view, &below);
}

static bool check_in(struct checker *c, const struct ur_place *place) {
    char host[UR_PATH_MAX];
    struct names names;
    if (!ur_place_mount(place) || ur_place_spot(place, 0, host, NULL) != 0)
        return true;
    long ret = names_of(host, &names);
    bool right = ret >= 0 || failed(host, ret);
    for (size_t i = 0; i < names.count && right; i++)
        right = check_name(c, place, names.name[i]);
    names_free(&names);
    return right;
}

static bool is_lock(const char *name) {
    return strcmp(name, "lock") == 0;
}

/* All that is in a part of the work directory, but for what belongs there. */
static void check_part(struct checker *c, const char *part, enum finding_kind kind, bool (*belongs)(const char *name)) {
    UR_AUTO_TEXT path = ur_path_join(c->mount->work, part);
    DIR *directory = opendir(path);
    for (const struct dirent *e; directory && (e = readdir(directory));) {
        UR_AUTO_TEXT host = ur_path_join(path, e->d_name);
        if (e->d_name[0] != '.' && !(belongs && belongs(e->d_name)))
            add(c, kind, host);
    }
    if (directory)
        closedir(directory);
}

static int by_number(const void *a, const void *b) {
    ino_t left = *(const ino_t *)a, right = *(const ino_t *)b;
    return (left > right) - (left < right);
}

/* Records of origins are named by the inode of the upper's file, in hexadecimal. */
static void check_origins(struct checker *c) {
    UR_AUTO_TEXT path = ur_path_join(c->mount->work, "unionrun/origin");
    DIR *directory = opendir(path);
    if (c->inodes)
        qsort(c->inode, c->inodes, sizeof *c->inode, by_number);
    for (const struct dirent *e; directory && (e = readdir(directory));) {
        UR_AUTO_TEXT host = ur_path_join(path, e->d_name);
        ino_t ino = strtoull(e->d_name, NULL, 16);
        if (e->d_name[0] == '.')
            continue;
        if (!c->inodes || !bsearch(&ino, c->inode, c->inodes, sizeof ino, by_number))
            add(c, ORIGIN, host);
    }
    if (directory)
        closedir(directory);
}

static void check_commit(struct checker *c) {
    UR_AUTO_TEXT mark = ur_commit_mark(c->mount);
    UR_AUTO_TEXT stage = ur_path_join(c->mount->lower[0], ".wh..wh.unionrun");
    UR_AUTO_TEXT ready = ur_path_join(stage, "ready");
    struct stat st;
    if (lstat(ready, &st) == 0)
        add(c, COMMIT, ready);
    else if (lstat(stage, &st) == 0)
        add(c, STAGE, stage);
    else if (lstat(mark, &st) == 0)
        add(c, STAGE, mark);
}

static bool check_mount(struct checker *c) {
    struct ur_place *place;
    long ret = ur_place_open(&c->layers->u, c->mount->target, &place);
    if (ret < 0)
        return failed(c->mount->target, ret);
    c->inodes = 0;
    bool right = check_in(c, place);
    ur_place_close(place);
    if (c->layers->busy) /* what is under way is no litter */
        return right;
    check_part(c, "unionrun/tmp", LITTER, NULL);
    check_part(c, "unionrun/journal", JOURNAL, is_lock);
    check_commit(c);
    check_origins(c);
    return right;
}

/* Nothing is below it, whatever its redirect says: without, what lies at its own path must not join it. */
static bool drop_redirect(const struct finding *finding) {
    long ret = 0;
    if (finding->covers)
        ret = ur_layer_opaque(UR_FORM_XATTR, finding->host);
    if (ret == 0)
        ret = lremovexattr(finding->host, "user.overlay.redirect") < 0 && errno != ENODATA ? -errno : 0;
    if (lremovexattr(finding->host, "trusted.overlay.redirect") < 0 && errno != ENODATA && errno != EPERM &&
        errno != EOPNOTSUPP && ret == 0)
        ret = -errno;
    return ret == 0 || failed(finding->host, ret);
}

static bool end_stage(const struct ur_plan_mount *mount) {
    struct fold fold;
    UR_AUTO_TEXT mark = ur_commit_mark(mount);
    bool right = fold_begin(&fold, mount) == FOLD_NEW;
    fold_end(&fold);
    if (right)
        unlink(mark);
    return right;
}

static bool repair_one(const struct checker *c, const struct finding *finding) {
    struct stat st;
    switch (finding->kind) {
    case WHITEOUT:
        return drop_path(finding->mount, finding->host);
    case REDIRECT:
        return drop_redirect(finding);
    case COMMIT:
        return layers_finish_commit(c->layers);
    case STAGE:
        return end_stage(finding->mount);
    case ORIGIN:
        return unlink(finding->host) == 0 || errno == ENOENT || failed(finding->host, -errno);
    case DATA:
    case LOWER_CHANGED:
        return false; /* a person must say which of the two counts */
    default:          /* mended when the uppers were taken */
        return lstat(finding->host, &st) < 0 || failed(finding->host, -EEXIST);
    }
}

/* How many are left. */
static size_t repair(struct checker *c) {
    size_t left = 0;
    if (!layers_take(c->layers))
        return c->findings;
    for (size_t i = 0; i < c->findings; i++)
        left += !repair_one(c, &c->finding[i]);
    return left;
}

static void print_text(const struct checker *c) {
    for (size_t i = 0; i < c->findings; i++) {
        UR_AUTO_TEXT host = ur_quoted(c->finding[i].host);
        printf("%s: %s\n", host, said[c->finding[i].kind].text);
    }
}

static int print_json(const struct checker *c) {
    json_t *list, *root = layers_json_root("findings", &list);
    for (size_t i = 0; i < c->findings; i++) {
        json_t *value = json_object();
        json_object_set_new(value, "kind", json_string(said[c->finding[i].kind].key));
        layers_json_name(value, "host", c->finding[i].host);
        json_array_append_new(list, value);
    }
    return layers_json_print(root);
}

static const char about[] =
    "Look whether uppers and work directories are whole: litter and half-done steps of runs that were killed, a\n"
    "commit that was interrupted, whiteouts and redirects that lead to nothing, records of files that are gone,\n"
    "and lowers that have changed since a file was copied up. Exit status 1 if there is anything (with --repair: if\n"
    "anything is left). Repairing changes nothing that the union shows; a changed lower it leaves to you (unionrun\n"
    "diff, undo, commit --force).\n";

int layers_check(struct layers *layers, int argc, char **argv) {
    struct checker c = {.layers = layers};
    bool mend = false;
    const struct layers_option options[] = {{"--repair", NULL, "mend what can be mended", &mend, NULL, NULL},
                                            {"--json", NULL, "print as JSON", &layers->json, NULL, NULL},
                                            {0}};
    enum layers_next next = layers_read(layers, argc, argv, options, 0, 0, about);
    if (next != LAYERS_GO)
        return next == LAYERS_DONE ? 0 : EXIT_OURS;
    if (!layers_open(layers, LAYERS_LOOK))
        return EXIT_OURS;
    bool right = true;
    for (size_t i = 0; i < layers->plan.count && right; i++) {
        c.mount = &layers->plan.mounts[i];
        if (c.mount->upper)
            right = check_mount(&c);
    }
    if (right && layers->json)
        right = print_json(&c) == 0;
    else
        print_text(&c);
    size_t left = right && mend && c.findings ? repair(&c) : c.findings;
    for (size_t i = 0; i < c.findings; i++)
        free(c.finding[i].host);
    free(c.finding);
    free(c.inode);
    return !right ? EXIT_OURS : left ? EXIT_DIFFERENT : 0;
}
