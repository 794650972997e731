/* The walk through an upper: see changes.h. */
#include "layers/changes.h"
#include "layers/names.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const change_metadata_names[4] = {"mode", "owner", "time", "xattr"};

struct finder {
    const struct layers *layers;
    struct changes *changes;
    unsigned mount;
    uid_t upper_owner; /* of copies that cannot keep another; 0: root's, which can */
};

static bool failed(const char *path, long ret) {
    UR_AUTO_TEXT quoted = ur_quoted(path);
    say("%s: %s", quoted, layers_error(ret));
    return false;
}

static struct change *add(struct finder *f, enum change_kind kind, const struct ur_place *place, const char *name) {
    struct changes *changes = f->changes;
    changes->change = ur_grow(changes->change, changes->count, sizeof *changes->change);
    struct change *change = &changes->change[changes->count++];
    change->kind = kind;
    change->path = *name ? ur_path_join(ur_place_path(place), name) : ur_format("%s", ur_place_path(place));
    change->mount = f->mount;
    return change;
}

static void drop(struct change *change) {
    free(change->path);
    free(change->from);
    free(change->was.host);
    free(change->was.data);
    free(change->now.host);
    free(change->now.data);
}

static struct change_side side_of(const struct ur_found *found) {
    if (!found->there)
        return (struct change_side){0};
    return (struct change_side){true, ur_format("%s", found->host), found->apart ? ur_format("%s", found->data) : NULL,
                                found->st};
}

/* Of the upper's own file. */
static struct change_side own_side(const struct ur_place *place, const char *name, const struct ur_view *view) {
    struct ur_found own;
    if (S_ISREG(view->st.st_mode) && ur_find(place, name, 0, &own) == 0 && own.in_upper && own.apart)
        return side_of(&own);
    return (struct change_side){true, ur_format("%s", view->host), NULL, view->st};
}

static void note_sides(struct change *change, const struct ur_found *below, const struct stat *mark) {
    change->was = side_of(below);
    change->covers = below->there;
    change->covered = below->st;
    change->mark = *mark;
}

static bool same_type(const struct stat *a, const struct stat *b) {
    return (a->st_mode & S_IFMT) == (b->st_mode & S_IFMT);
}

/* Both sides are there and of one type: what differs? Taken back if nothing does. */
static bool compare(struct finder *f, struct change *change) {
    long ret = changes_compare(&change->was, &change->now, f->upper_owner, &change->content, &change->metadata);
    if (ret == -EACCES) /* what its owner cannot read was never copied up: it is another file */
        change->content = true;
    else if (ret < 0)
        return failed(change->path, ret);
    change->kind = change->content ? CHANGE_CONTENT : CHANGE_METADATA;
    if (!change->content && !change->metadata) {
        drop(change);
        f->changes->count--;
    }
    return true;
}

static bool find_in(struct finder *f, const struct ur_place *place);

/* A directory that was moved: `from` is its place in the lowers, to be matched with what was deleted there. */
static void note_redirect(struct change *change, const struct ur_place *place, const struct ur_place *child,
                          const char *text) {
    char host[UR_PATH_MAX];
    struct stat st;
    change->kind = CHANGE_RENAMED;
    change->redirect = true;
    change->from = *text == '/' ? NULL : ur_path_join(ur_place_path(place), text);
    if (!change->from) {
        const struct ur_table_mount *mount = ur_place_mount(place);
        UR_AUTO_TEXT target = ur_copy(ur_place_path(place), mount->target.len > 1 ? mount->target.len : 0);
        change->from = ur_format("%s%s", target, text);
    }
    free(change->was.host);
    free(change->was.data);
    change->was = (struct change_side){0};
    if (ur_place_spots(child) > 1 && ur_place_spot(child, 1, host, NULL) > 0 && stat(host, &st) == 0)
        change->was = (struct change_side){true, ur_format("%s", host), NULL, st};
}

static bool find_directory(struct finder *f, const struct ur_place *place, const char *name, const struct ur_view *view,
                           const struct ur_found *below) {
    struct ur_place *child;
    long ret = ur_place_enter(place, name, &child);
    if (ret < 0)
        return failed(view->host, ret);
    struct change *change = add(f, CHANGE_ADDED, place, name);
    note_sides(change, below, &view->st);
    change->now = (struct change_side){true, ur_format("%s", view->host), NULL, view->st};
    change->opaque = view->opaque && below->there;
    bool right = true;
    if (*view->redirect && !view->opaque) {
        note_redirect(change, place, child, view->redirect);
        if (change->was.there)
            right =
                changes_compare(&change->was, &change->now, f->upper_owner, &change->content, &change->metadata) >= 0;
        else
            change->kind = below->there ? CHANGE_REPLACED : CHANGE_ADDED;
    } else if (below->there && (change->opaque || !S_ISDIR(below->st.st_mode)))
        change->kind = CHANGE_REPLACED;
    else if (below->there)
        right = compare(f, change);
    right = right && find_in(f, child);
    ur_place_close(child);
    return right;
}

static bool find_name(struct finder *f, const struct ur_place *place, const char *name) {
    struct ur_view view;
    struct ur_found below;
    long ret = ur_look(place, name, 0, &view);
    if (ret == 0)
        ret = ur_find(place, name, 1, &below);
    if (ret < 0)
        return failed(view.host, ret);
    if (view.held == UR_HELD_NOTHING || (view.held == UR_HELD_WHITEOUT && !below.there))
        return true;
    if (view.held == UR_HELD_DIRECTORY)
        return find_directory(f, place, name, &view, &below);
    struct change *change = add(f, CHANGE_ADDED, place, name);
    note_sides(change, &below, &view.st);
    if (below.there && !S_ISDIR(below.st.st_mode))
        change->key = ur_origin_number(place, below.layer, &below.st);
    if (view.held == UR_HELD_WHITEOUT) {
        change->kind = CHANGE_DELETED;
        return true;
    }
    change->now = own_side(place, name, &view);
    ur_origin_of(place, view.host, &view.st, &change->origin);
    if (!below.there)
        return true;
    if (same_type(&below.st, &view.st))
        return compare(f, change);
    change->kind = CHANGE_REPLACED;
    return true;
}

static bool find_in(struct finder *f, const struct ur_place *place) {
    char host[UR_PATH_MAX];
    struct names names;
    if (!ur_place_mount(place) || ur_place_spot(place, 0, host, NULL) != 0)
        return true; /* the upper does not have it */
    long ret = names_of(host, &names);
    bool right = ret >= 0 || failed(host, ret);
    for (size_t i = 0; i < names.count && right; i++)
        right = find_name(f, place, names.name[i]);
    names_free(&names);
    return right;
}

/* The root of the upper, which stands for the topmost lower's. */
static bool find_root(struct finder *f, const struct ur_place *place) {
    char host[2][UR_PATH_MAX];
    struct stat st[2];
    for (unsigned i = 0; i < 2; i++)
        if (ur_place_spot(place, i, host[i], NULL) < 0 || stat(host[i], &st[i]) < 0)
            return true;
    struct change *change = add(f, CHANGE_METADATA, place, "");
    change->was = (struct change_side){true, ur_format("%s", host[1]), NULL, st[1]};
    change->now = (struct change_side){true, ur_format("%s", host[0]), NULL, st[0]};
    return compare(f, change);
}

/* A lower's file that shows the copy of another of its names is changed, too, and the upper has no entry for it: only
   the whole union can be asked. */
static bool find_linked(struct finder *f, const struct ur_place *place) {
    struct names names;
    long ret = names_in(place, 0, UR_LAYERS_MAX, &names);
    bool right = ret >= 0 || failed(ur_place_path(place), ret);
    for (size_t i = 0; i < names.count && right; i++) {
        struct ur_found found, below;
        ret = ur_find(place, names.name[i], 0, &found);
        if (ret < 0) {
            right = failed(ur_place_path(place), ret);
        } else if (found.linked && ur_find(place, names.name[i], 1, &below) == 0 && below.there) {
            struct change *change = add(f, CHANGE_CONTENT, place, names.name[i]);
            change->linked = true;
            change->was = side_of(&below);
            change->now = side_of(&found);
            right = compare(f, change);
        } else if (found.there && S_ISDIR(found.st.st_mode)) {
            struct ur_place *child;
            if (ur_place_enter(place, names.name[i], &child) == 0) {
                right = ur_place_mount(child) != ur_place_mount(place) || find_linked(f, child);
                ur_place_close(child);
            }
        }
    }
    names_free(&names);
    return right;
}

static bool links_are_kept(const struct ur_plan_mount *mount) {
    UR_AUTO_TEXT path = ur_path_join(mount->work, "unionrun/links");
    DIR *directory = opendir(path);
    bool kept = false;
    for (const struct dirent *e; directory && !kept && (e = readdir(directory));)
        kept = e->d_name[0] != '.';
    if (directory)
        closedir(directory);
    return kept;
}

static int by_path(const void *a, const void *b) {
    return ur_path_compare(((const struct change *)a)->path, ((const struct change *)b)->path);
}

/* Deleted here and there again under another name: one change. `deleted` sorted by key, files before directories. */
static int by_key(const void *a, const void *b) {
    const struct change *left = *(const struct change *const *)a, *right = *(const struct change *const *)b;
    if (left->key != right->key)
        return left->key < right->key ? -1 : 1;
    return left->key ? 0 : strcmp(left->was.host, right->was.host);
}

static struct change *deleted_as(struct change **deleted, size_t count, const struct change *change) {
    struct change wanted = {.key = change->redirect ? 0 : change->origin.ino, .was.host = change->was.host};
    const struct change *key = &wanted;
    struct change **found = count ? bsearch(&key, deleted, count, sizeof *deleted, by_key) : NULL;
    return found && (*found)->kind == CHANGE_DELETED ? *found : NULL;
}

static bool is_candidate(const struct change *change) {
    if (change->redirect)
        return change->was.there;
    return change->now.there && !change->linked && change->origin.ino && change->origin.ino != change->key;
}

static bool match_renames(struct finder *f) {
    struct changes *changes = f->changes;
    struct change **deleted = ur_allocate((changes->count + 1) * sizeof(void *));
    size_t count = 0;
    for (size_t i = 0; i < changes->count; i++)
        if (changes->change[i].kind == CHANGE_DELETED)
            deleted[count++] = &changes->change[i];
    if (count)
        qsort(deleted, count, sizeof *deleted, by_key);
    bool right = true;
    for (size_t i = 0; i < changes->count && right; i++) {
        struct change *change = &changes->change[i];
        struct change *other = is_candidate(change) ? deleted_as(deleted, count, change) : NULL;
        if (!other || (!change->redirect && !same_type(&other->was.st, &change->now.st)))
            continue;
        free(change->from);
        change->from = other->path;
        other->path = NULL;
        other->kind = CHANGE_KINDS; /* taken */
        change->left = true;
        if (change->redirect)
            continue;
        change->kind = CHANGE_RENAMED;
        free(change->was.host);
        free(change->was.data);
        change->was = other->was;
        other->was = (struct change_side){0};
        right = changes_compare(&change->was, &change->now, f->upper_owner, &change->content, &change->metadata) >= 0;
    }
    size_t kept = 0;
    for (size_t i = 0; i < changes->count; i++)
        if (changes->change[i].kind == CHANGE_KINDS)
            drop(&changes->change[i]);
        else
            changes->change[kept++] = changes->change[i];
    changes->count = kept;
    free(deleted);
    return right;
}

static bool find_mount(struct finder *f, const struct ur_plan_mount *mount) {
    struct ur_place *place;
    struct stat st;
    long ret = ur_place_open(&f->layers->u, mount->target, &place);
    if (ret < 0)
        return failed(mount->target, ret);
    f->upper_owner = stat(mount->upper, &st) == 0 ? st.st_uid : 0;
    bool right = find_root(f, place) && find_in(f, place) && (!links_are_kept(mount) || find_linked(f, place));
    ur_place_close(place);
    return right;
}

bool changes_find(const struct layers *layers, const struct ur_plan_mount *mount, struct changes *changes) {
    *changes = (struct changes){0};
    struct finder f = {.layers = layers, .changes = changes};
    bool right = true;
    for (size_t i = 0; i < layers->plan.count && right; i++) {
        const struct ur_plan_mount *one = &layers->plan.mounts[i];
        f.mount = (unsigned)i;
        if (one->upper && (!mount || mount == one))
            right = find_mount(&f, one);
    }
    right = right && match_renames(&f);
    if (changes->count)
        qsort(changes->change, changes->count, sizeof *changes->change, by_path);
    return right;
}

void changes_free(struct changes *changes) {
    for (size_t i = 0; i < changes->count; i++)
        drop(&changes->change[i]);
    free(changes->change);
    *changes = (struct changes){0};
}

void changes_keep(struct changes *changes, char *const *paths, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < changes->count; i++) {
        struct change *change = &changes->change[i];
        bool in = count == 0;
        for (size_t k = 0; k < count && !in; k++)
            in = ur_path_is_in(change->path, paths[k]) || (change->from && ur_path_is_in(change->from, paths[k]));
        if (in)
            changes->change[kept++] = *change;
        else
            drop(change);
    }
    changes->count = kept;
}
