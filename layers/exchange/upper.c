/*
 * What an upper holds; see upper.h.
 *
 * A directory is walked in one of three ways: OWN, what the upper has in it; WHOLE, what the union shows; SEARCHED, the
 * upper has nothing in it, but a lower file may be there that was changed by another of its names.
 */
#include "layers/exchange/upper.h"
#include "config/text.h"
#include "layers/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

enum way { OWN, WHOLE, SEARCHED };

struct level {
    struct level *up;
    struct ur_place *place;
    enum way way;
    char *path;
    bool opaque; /* and that is told with it */
    bool told;
    char host[UR_PATH_MAX];
    struct stat st;
};

struct walk {
    const struct ur_union *u;
    const struct ur_table_mount *mount;
    long (*each)(void *arg, const struct ur_item *item);
    void *arg;
    char *where;
    bool search;   /* some lower file with several names was copied up */
    struct known { /* files with several names: a table by device and number */
        dev_t dev;
        ino_t ino;
        char *path; /* NULL: free */
    } * known;
    size_t known_size, known_count;
};

/* --- hard links ------------------------------------------------------------------------------------------ */

static struct known *find_known(struct known *table, size_t size, dev_t dev, ino_t ino) {
    size_t at = (size_t)((ino ^ dev << 40) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (size - 1);
    while (table[at].path && (table[at].dev != dev || table[at].ino != ino))
        at = (at + 1) & (size - 1);
    return &table[at];
}

static void grow_known(struct walk *walk) {
    size_t size = walk->known_size ? walk->known_size * 2 : 256;
    struct known *table = ur_allocate(size * sizeof *table);
    for (size_t i = 0; i < walk->known_size; i++)
        if (walk->known[i].path)
            *find_known(table, size, walk->known[i].dev, walk->known[i].ino) = walk->known[i];
    free(walk->known);
    walk->known = table;
    walk->known_size = size;
}

/* The item that the same file was told as; NULL: this is the first. */
static const char *first_name(struct walk *walk, const struct stat *st, const char *path) {
    if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
        return NULL;
    if (walk->known_count * 2 >= walk->known_size)
        grow_known(walk);
    struct known *known = find_known(walk->known, walk->known_size, st->st_dev, st->st_ino);
    if (known->path)
        return known->path;
    *known = (struct known){st->st_dev, st->st_ino, ur_format("%s", path)};
    walk->known_count++;
    return NULL;
}

/* --- telling --------------------------------------------------------------------------------------------- */

static long tell(struct walk *walk, struct ur_item *item) {
    return walk->each(walk->arg, item);
}

static long tell_mark(struct walk *walk, enum ur_item_kind kind, const char *path) {
    struct ur_item item = {.kind = kind, .path = path};
    return tell(walk, &item);
}

/* A directory, once, after those that lead to it. */
static long tell_level(struct walk *walk, struct level *level) {
    if (level->told)
        return 0;
    level->told = true;
    long ret = level->up ? tell_level(walk, level->up) : 0;
    if (ret)
        return ret;
    struct ur_item item = {.kind = UR_ITEM_FILE, .path = level->path, .host = level->host, .st = level->st};
    ret = tell(walk, &item);
    return ret || !level->opaque ? ret : tell_mark(walk, UR_ITEM_OPAQUE, level->path);
}

static long tell_file(struct walk *walk, struct level *level, const char *name, const char *host,
                      const struct stat *st) {
    UR_AUTO_TEXT path = ur_format("%s%s%s", level->path, *level->path ? "/" : "", name);
    struct ur_item item = {.kind = UR_ITEM_FILE, .path = path, .host = host, .data = host, .st = *st};
    long ret = tell_level(walk, level);
    if (ret)
        return ret;
    struct ur_found found;
    item.link = first_name(walk, st, path);
    if (S_ISREG(st->st_mode) && !item.link) {
        ret = ur_find(level->place, name, 0, &found);
        if (ret < 0)
            return ret;
        if (found.there && found.apart && strcmp(found.host, host) == 0) {
            if (!*found.data)
                return -ENODATA;
            item.data = found.data;
            item.st = found.st;
        }
    }
    return tell(walk, &item);
}

/* --- walking --------------------------------------------------------------------------------------------- */

static long walk_level(struct walk *walk, struct level *level);

static long descend(struct walk *walk, struct level *up, const char *name, enum way way, bool opaque, const char *host,
                    const struct stat *st) {
    struct level *level = ur_allocate(sizeof *level);
    level->up = up;
    level->way = way;
    level->opaque = opaque;
    level->st = *st;
    snprintf(level->host, sizeof level->host, "%s", host);
    level->path = ur_format("%s%s%s", up->path, *up->path ? "/" : "", name);
    long ret = ur_place_enter(up->place, name, &level->place);
    if (ret < 0)
        snprintf(walk->where, UR_PATH_MAX, "%s", level->path);
    else
        ret = ur_place_mount(level->place) == walk->mount ? walk_level(walk, level) : 0; /* else another target */
    ur_place_close(level->place);
    free(level->path);
    free(level);
    return ret;
}

/* A name that the upper itself has something to say about. */
static long walk_own(struct walk *walk, struct level *level, const char *name, bool whiteouts) {
    struct ur_view *view = ur_allocate(sizeof *view);
    long ret = ur_look(level->place, name, 0, view);
    UR_AUTO_TEXT path = ur_format("%s%s%s", level->path, *level->path ? "/" : "", name);
    if (ret == 0 && whiteouts) {
        if (view->held == UR_HELD_WHITEOUT && !level->opaque) {
            ret = tell_level(walk, level);
            if (ret == 0)
                ret = tell_mark(walk, UR_ITEM_WHITEOUT, path);
        }
    } else if (ret == 0 && view->held == UR_HELD_FILE)
        ret = tell_file(walk, level, name, view->host, &view->st);
    else if (ret == 0 && view->held == UR_HELD_DIRECTORY) {
        bool moved = *view->redirect && !view->opaque;
        ret = descend(walk, level, name, moved ? WHOLE : OWN, view->opaque || moved, view->host, &view->st);
    }
    free(view);
    return ret;
}

/* A name by what the union shows. */
static long walk_shown(struct walk *walk, struct level *level, const char *name) {
    struct ur_found *found = ur_allocate(sizeof *found);
    long ret = ur_find(level->place, name, 0, found);
    if (ret == 0 && found->there) {
        if (S_ISDIR(found->st.st_mode)) {
            if (level->way == WHOLE || !found->in_upper)
                ret =
                    descend(walk, level, name, level->way == WHOLE ? WHOLE : SEARCHED, false, found->host, &found->st);
        } else if (level->way == WHOLE || found->linked)
            ret = tell_file(walk, level, name, found->host, &found->st);
    }
    free(found);
    return ret;
}

static bool upper_has(const struct level *level) {
    return ur_place_spots(level->place) && ur_place_spot(level->place, 0, NULL, NULL) == 0;
}

static long walk_level(struct walk *walk, struct level *level) {
    struct names names = {0};
    bool own = level->way == OWN && upper_has(level);
    bool lowers = level->way == WHOLE || (walk->search && !level->opaque);
    long ret = level->way == SEARCHED ? 0 : tell_level(walk, level);
    if (ret == 0 && (own || lowers))
        ret = names_in(level->place, 0, lowers ? UR_LAYERS_MAX : 0, &names);
    for (size_t i = 0; own && ret == 0 && i < names.count; i++)
        ret = walk_own(walk, level, names.name[i], true);
    for (size_t i = 0; ret == 0 && i < names.count; i++) {
        if (own)
            ret = walk_own(walk, level, names.name[i], false);
        if (ret == 0 && lowers)
            ret = walk_shown(walk, level, names.name[i]);
    }
    if (ret < 0 && !*walk->where)
        snprintf(walk->where, UR_PATH_MAX, "%s", level->path);
    names_free(&names);
    return ret;
}

static long is_there(void *arg, const char *name) {
    (void)arg;
    (void)name;
    return 1;
}

/* links/ in the work directory has what was copied up of lower files with several names. */
static bool has_links(const struct ur_union *u, const struct ur_table_mount *mount) {
    UR_AUTO_TEXT links = ur_path_join(ur_table_text(u->table, mount->work), "links");
    return ur_names(links, is_there, NULL) > 0;
}

long ur_upper_walk(const struct ur_union *u, const struct ur_table_mount *mount,
                   long (*each)(void *arg, const struct ur_item *item), void *arg, char *where) {
    struct walk walk = {.u = u, .mount = mount, .each = each, .arg = arg, .where = where};
    struct level *root = ur_allocate(sizeof *root);
    struct ur_view *view = ur_allocate(sizeof *view);
    walk.search = has_links(u, mount);
    *where = '\0';
    root->path = ur_format("%s", "");
    long ret = ur_place_open(u, ur_table_text(u->table, mount->target), &root->place);
    if (ret == 0)
        ret = ur_place_spot(root->place, 0, root->host, NULL);
    if (ret == 0)
        ret = ur_look_at(root->host, ".", view);
    if (ret == 0 && view->held != UR_HELD_DIRECTORY)
        ret = -ENOENT;
    if (ret == 0) {
        root->st = view->st;
        ret = walk_level(&walk, root);
    }
    ur_place_close(root->place);
    free(root->path);
    free(root);
    free(view);
    for (size_t i = 0; i < walk.known_size; i++)
        free(walk.known[i].path);
    free(walk.known);
    return ret;
}
