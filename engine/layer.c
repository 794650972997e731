/*
 * Layers at rest. The facts (what a layer itself has) come from marks.c, the judgement (who wins, what merges) from
 * dir.c; here nothing is decided.
 */
#include "union.h"

#include <stdlib.h>

struct ur_place {
    const struct ur_union *u;
    struct ur_dir d;
};

static long place_new(const struct ur_union *u, struct ur_place **place) {
    *place = malloc(sizeof **place);
    if (!*place)
        return -ENOMEM;
    (*place)->u = u;
    return 0;
}

/* Frees it on failure. */
static long place_done(struct ur_place **place, long ret) {
    if (ret < 0) {
        free(*place);
        *place = NULL;
    }
    return ret;
}

long ur_place_open(const struct ur_union *u, const char *path, struct ur_place **place) {
    long ret = place_new(u, place);
    if (ret < 0)
        return ret;
    ret = ur_dir_load(u, &(*place)->d, path, strlen(path));
    struct stat st;
    if (ret == 0 && !(*place)->d.mount) {
        ret = sys_lstat(path, &st);
        if (ret == 0 && !S_ISDIR(st.st_mode))
            ret = -ENOTDIR;
    }
    return place_done(place, ret);
}

long ur_place_enter(const struct ur_place *parent, const char *name, struct ur_place **place) {
    long ret = place_new(parent->u, place);
    if (ret < 0)
        return ret;
    struct stat st;
    (*place)->d = parent->d;
    return place_done(place, ur_dir_enter(parent->u, &(*place)->d, name, &st));
}

void ur_place_close(struct ur_place *place) {
    free(place);
}

const char *ur_place_path(const struct ur_place *place) {
    return place->d.path;
}

const struct ur_table_mount *ur_place_mount(const struct ur_place *place) {
    return place->d.mount;
}

const char *ur_place_below(const struct ur_place *place) {
    const struct ur_table_mount *m = place->d.mount;
    if (place->d.len == 1)
        return "";
    return place->d.path + (m && m->target.len > 1 ? m->target.len : 0);
}

unsigned ur_place_spots(const struct ur_place *place) {
    return place->d.spots;
}

long ur_place_spot(const struct ur_place *place, unsigned i, char *host, bool *plain) {
    struct ur_spot spot = place->d.spot[i];
    if (plain)
        *plain = spot.rel == 0;
    long ret = host ? ur_spot_path(place->u, &place->d, spot, NULL, host) : 0;
    return ret < 0 ? ret : spot.layer;
}

/* Where the data of what was found are. */
static long find_data(const struct ur_place *place, const char *name, const struct ur_entry *e,
                      struct ur_found *found) {
    struct ur_data data = {.host = found->data};
    long ret = ur_data_find(place->u, &place->d, name, e, &data);
    found->apart = ret > 0 || ret == -EIO;
    if (ret > 0)
        ur_data_tell(&data, found->host, &found->st);
    else if (found->apart)
        found->data[0] = 0;
    else
        ur_put(found->data, found->data + UR_PATH_MAX, found->host, strlen(found->host));
    return ret < 0 && !found->apart ? ret : 0;
}

long ur_find(const struct ur_place *place, const char *name, unsigned from, struct ur_found *found) {
    struct ur_entry e;
    *found = (struct ur_found){0};
    long ret = from ? ur_lookup_from(place->u, &place->d, name, from, &e) : ur_lookup(place->u, &place->d, name, &e);
    if (ret < 0 || e.kind == UR_ABSENT)
        return ret;
    found->there = true;
    found->in_upper = e.in_upper;
    found->linked = e.linked;
    found->layer = e.spot.layer;
    found->st = e.st;
    ret = ur_entry_path(place->u, &place->d, name, &e, found->host);
    if (ret == 0 && e.linked)
        ret = sys_lstat(found->host, &found->st);
    return ret < 0 ? ret : find_data(place, name, &e, found);
}

static enum ur_form whiteout_form(const struct stat *st) {
    return S_ISCHR(st->st_mode) ? UR_FORM_DEVICE : UR_FORM_XATTR;
}

/* Puts "/", `prefix` and `name` behind the directory in `host`. False: too long. */
static bool put_name(char *host, size_t directory, const char *prefix, const char *name) {
    const char *end = host + UR_PATH_MAX;
    char *p = host + directory;
    if (directory > 1)
        p = ur_put(p, end, "/", 1);
    p = ur_put(p, end, prefix, strlen(prefix));
    return ur_put(p, end, name, strlen(name));
}

static long look_directory(struct ur_view *view) {
    long marks = ur_marks(view->host, view->redirect);
    if (marks < 0)
        return marks;
    if (!(marks & UR_MARK_REDIRECT))
        view->redirect[0] = 0;
    if (marks & UR_MARK_OPAQUE)
        view->opaque = UR_FORM_XATTR;
    size_t len = strlen(view->host);
    struct stat st;
    if (!view->opaque && put_name(view->host, len, "", ".wh..wh..opq") && sys_lstat(view->host, &st) == 0)
        view->opaque = UR_FORM_NAME;
    view->host[len] = 0;
    return 0;
}

long ur_look_at(const char *directory, const char *name, struct ur_view *view) {
    size_t len = strlen(directory);
    view->held = UR_HELD_NOTHING;
    view->whiteout = view->opaque = UR_FORM_NONE;
    view->redirect[0] = 0;
    if (!ur_put(view->host, view->host + UR_PATH_MAX, directory, len) || !put_name(view->host, len, ".wh.", name))
        return -ENAMETOOLONG;
    if (sys_lstat(view->host, &view->st) == 0)
        view->whiteout = UR_FORM_NAME;
    view->host[len] = 0;
    put_name(view->host, len, "", name);
    long ret = sys_lstat(view->host, &view->st);
    if (ret == -ENOENT || ret == -ENOTDIR) {
        view->held = view->whiteout ? UR_HELD_WHITEOUT : UR_HELD_NOTHING;
        return 0;
    }
    if (ret < 0)
        return ret;
    ret = ur_is_whiteout(view->host, &view->st);
    if (ret < 0)
        return ret;
    if (ret) {
        view->held = UR_HELD_WHITEOUT;
        view->whiteout = whiteout_form(&view->st);
        return 0;
    }
    view->held = S_ISDIR(view->st.st_mode) ? UR_HELD_DIRECTORY : UR_HELD_FILE;
    return view->held == UR_HELD_DIRECTORY ? look_directory(view) : 0;
}

long ur_look(const struct ur_place *place, const char *name, unsigned i, struct ur_view *view) {
    char host[UR_PATH_MAX];
    long ret = ur_place_spot(place, i, host, NULL);
    return ret < 0 ? ret : ur_look_at(host, name, view);
}

struct naming {
    long (*each)(void *arg, const char *name);
    void *arg;
};

static long one_name(void *arg, const char *name, unsigned char type) {
    const struct naming *naming = arg;
    (void)type;
    if (ur_is_marker_name(name, strlen(name))) {
        name += strlen(".wh.");
        if (!*name || ur_is_marker_name(name, strlen(name))) /* about the directory, or somebody's own */
            return 0;
    }
    return naming->each(naming->arg, name);
}

long ur_names(const char *directory, long (*each)(void *arg, const char *name), void *arg) {
    struct naming naming = {each, arg};
    return ur_for_names(directory, one_name, &naming);
}

bool ur_origin_of(const struct ur_place *place, const char *host, const struct stat *st, struct ur_origin *origin) {
    return ur_origin_tell(place->u, place->d.mount, -1, host, st, origin) == 0 && origin->ino;
}

uint64_t ur_origin_number(const struct ur_place *place, unsigned layer, const struct stat *st) {
    return ur_ino(place->d.mount, ur_layer(place->u, place->d.mount, layer), st->st_ino);
}

long ur_layer_whiteout(enum ur_form form, const char *directory, const char *name) {
    char host[UR_PATH_MAX];
    size_t len = strlen(directory);
    if (!ur_put(host, host + UR_PATH_MAX, directory, len) ||
        !put_name(host, len, form == UR_FORM_NAME ? ".wh." : "", name))
        return -ENAMETOOLONG;
    if (form != UR_FORM_NAME) {
        struct ur_table_mount as = {.caps = form == UR_FORM_DEVICE ? UR_CAP_CHARDEV : 0};
        long ret = ur_mark_whiteouts(&as, directory);
        return ret < 0 ? ret : ur_whiteout_make(&as, host);
    }
    long fd = sys_open(host, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd >= 0)
        sys_close((int)fd);
    return fd < 0 ? fd : 0;
}

long ur_layer_opaque(enum ur_form form, const char *directory) {
    if (form != UR_FORM_NAME)
        return ur_mark_opaque(directory);
    long ret = ur_layer_whiteout(UR_FORM_NAME, directory, ".wh..opq");
    return ret == -EEXIST ? 0 : ret;
}

long ur_layer_unopaque(const char *directory) {
    char host[UR_PATH_MAX];
    size_t len = strlen(directory);
    if (!ur_put(host, host + UR_PATH_MAX, directory, len) || !put_name(host, len, "", ".wh..wh..opq"))
        return -ENAMETOOLONG;
    sys_unlink(host);
    return ur_unmark_opaque(directory);
}

static long copy_regular(const char *from, const struct stat *st, const char *to) {
    long in = sys_open(from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (in < 0)
        return in;
    long out = ur_create(to, O_RDWR | O_CREAT | O_EXCL, 0600);
    long ret = out < 0 ? out : ur_copyup_data(UR_CAP_REFLINK, (int)in, (int)out, st->st_size, NULL);
    if (ret > 0)
        ret = 0;
    sys_close((int)in);
    if (out >= 0)
        sys_close((int)out);
    return ret;
}

static long copy_link(const char *from, const char *to) {
    char text[UR_PATH_MAX];
    long n = sys_readlink(from, text, sizeof text - 1);
    if (n < 0)
        return n;
    text[n] = 0;
    return sys_symlink(text, to);
}

long ur_layer_finish(const struct stat *st, const char *host) {
    struct stat copy;
    long ret = ur_give_owner(-1, host, st);
    if (ret == 0)
        ret = sys_lstat(host, &copy);
    if (ret == 0 && !S_ISLNK(st->st_mode))
        ret = ur_set_mode(host, ur_kept_mode(st, &copy));
    const struct timespec ts[2] = {st->st_atim, st->st_mtim};
    return ret < 0 ? ret : ur_set_times(host, ts);
}

long ur_layer_copy(const char *from, const char *data, const struct stat *st, const char *to) {
    long ret;
    if (S_ISREG(st->st_mode))
        ret = copy_regular(data, st, to);
    else if (S_ISLNK(st->st_mode))
        ret = copy_link(from, to);
    else if (S_ISDIR(st->st_mode))
        ret = ur_create_dir(to, 0700);
    else
        ret = sys_mknod(to, (st->st_mode & S_IFMT) | 0600, (unsigned)st->st_rdev);
    if (ret == 0)
        ret = ur_copy_xattrs(from, -1, to);
    return ret < 0 || S_ISDIR(st->st_mode) ? ret : ur_layer_finish(st, to);
}

/* Xattrs of `to` that `from` has not, nor are the union's own. */
static long drop_xattrs(const char *from, const char *to) {
    char *list = malloc(65536), value[1];
    long n = list ? sys_llistxattr(to, list, 65536) : -ENOMEM;
    for (const char *name = list; n > 0 && name < list + n; name += strlen(name) + 1)
        if (!ur_is_marker_xattr(name) && sys_lgetxattr(from, name, value, 0) == -ENODATA)
            ur_drop_xattr(to, name);
    free(list);
    return n < 0 && n != -EOPNOTSUPP ? n : 0;
}

long ur_layer_same_xattrs(const char *from, const char *to) {
    long ret = drop_xattrs(from, to);
    return ret < 0 ? ret : ur_copy_xattrs(from, -1, to);
}

bool ur_layer_marker_name(const char *name) {
    return ur_is_marker_name(name, strlen(name));
}

bool ur_layer_marker_xattr(const char *name) {
    return ur_is_marker_xattr(name);
}
