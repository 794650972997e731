/* See build.h. */
#include "layers/build.h"
#include "config/compile.h"
#include "config/probe.h"
#include "layers/names.h"
#include "layers/progress.h"
#include "layers/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file with more names, and the first that it got. */
struct build_link {
    dev_t dev;
    ino_t ino;
    char *to; /* owned */
};

/* How a directory goes in. */
enum how {
    HOW_MERGES, /* what it has goes in, over what the layers below have at the same path */
    HOW_ALONE,  /* the layers below have nothing to do with it */
    HOW_WHOLE,  /* all that it shows goes in: it looks for its lower parts at another path */
};

static bool failed(const char *path, long ret) {
    UR_AUTO_TEXT quoted = ur_quoted(path);
    say("%s: %s", quoted, layers_error(ret));
    return false;
}

struct ur_union union_of(const struct ur_plan_mount *mount, bool upper, size_t first, size_t lowers) {
    struct ur_plan_mount part = {.kind = UR_PLAN_UNION, .target = mount->target, .caps = mount->caps};
    part.lower = mount->lower + first;
    part.dev = mount->dev + first;
    part.lowers = lowers;
    if (upper) {
        part.upper = mount->upper;
        part.work = mount->work;
        part.upper_dev = mount->upper_dev;
    }
    struct ur_plan plan = {.mounts = &part, .count = 1};
    return (struct ur_union){.table = ur_compile(&plan, "", "")};
}

void union_free(struct ur_union *u) {
    free((void *)u->table);
    u->table = NULL;
}

void build_forms(const char *directory, enum ur_form *whiteout, enum ur_form *opaque) {
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint32_t caps = fd < 0 ? 0 : ur_probe_caps(fd);
    if (fd >= 0)
        close(fd);
    *whiteout = caps & UR_CAP_CHARDEV ? UR_FORM_DEVICE : caps & UR_CAP_XATTR ? UR_FORM_XATTR : UR_FORM_NAME;
    *opaque = caps & UR_CAP_XATTR ? UR_FORM_XATTR : UR_FORM_NAME;
}

static bool wanted(const struct build *b, const char *path) {
    return !b->wanted || b->wanted(b->arg, path);
}

static int by_inode(const void *a, const void *b) {
    const struct build_link *left = a, *right = b;
    if (left->dev != right->dev)
        return left->dev < right->dev ? -1 : 1;
    return left->ino < right->ino ? -1 : left->ino > right->ino;
}

/* Where the file went under another name; else notes this one, and is NULL. */
static const char *linked(struct build *b, const struct stat *st, const char *to) {
    struct build_link wanted_link = {st->st_dev, st->st_ino, NULL};
    size_t low = 0, high = b->links;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = by_inode(&wanted_link, &b->link[middle]);
        if (order == 0)
            return b->link[middle].to;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    b->link = ur_grow(b->link, b->links, sizeof *b->link);
    memmove(b->link + low + 1, b->link + low, (b->links - low) * sizeof *b->link);
    b->links++;
    wanted_link.to = ur_format("%s", to);
    b->link[low] = wanted_link;
    return NULL;
}

static bool put_file(struct build *b, const struct ur_found *found, const char *to) {
    const char *from = found->host;
    const struct stat *st = &found->st;
    const char *other = st->st_nlink > 1 ? linked(b, st, to) : NULL;
    long ret = -EXDEV;
    if (other)
        ret = link(other, to) < 0 ? -errno : 0;
    else if (b->may_link && found->in_upper && st->st_nlink == 1 && !found->apart)
        ret = linkat(AT_FDCWD, from, AT_FDCWD, to, 0) < 0 ? -errno : 0;
    if (ret < 0)
        ret = ur_layer_copy(from, found->data, st, to);
    if (ret < 0)
        return failed(from, ret);
    b->files++;
    b->bytes += S_ISREG(st->st_mode) && !other ? (uint64_t)st->st_size : 0;
    if (b->progress)
        progress_step(b->progress, b->files, b->bytes);
    return true;
}

/* The layers of `place` that stay below: are they those that the layers below alone have at its path? */
static enum how how_of(const struct build *b, const struct ur_place *place, const struct ur_place *rest) {
    char host[2][UR_PATH_MAX];
    unsigned spots = ur_place_spots(place), i = 0, k = 0;
    while (i < spots && ur_place_spot(place, i, NULL, NULL) <= (long)b->last)
        i++;
    if (i == spots)
        return HOW_ALONE;
    for (; i < spots && rest && k < ur_place_spots(rest); i++, k++) {
        ur_place_spot(place, i, host[0], NULL);
        ur_place_spot(rest, k, host[1], NULL);
        if (strcmp(host[0], host[1]) != 0)
            return HOW_WHOLE;
    }
    return i == spots && rest && k == ur_place_spots(rest) ? HOW_MERGES : HOW_WHOLE;
}

static bool build_in(struct build *b, const struct ur_place *place, const struct ur_place *rest, bool whole,
                     const char *to);

/* A directory that is complete gets what it is to look like. */
static long finish(const struct build *b, const struct stat *st, const char *to) {
    if (b->made)
        b->made(b->made_arg, to, st);
    return ur_layer_finish(st, to);
}

/* Does what is below the new layer show anything under the name? */
static long shows(const struct ur_place *rest, const char *name) {
    struct ur_found found;
    long ret = rest ? ur_find(rest, name, 0, &found) : 0;
    return ret < 0 ? ret : rest && found.there;
}

static bool put_directory(struct build *b, const struct ur_place *place, const struct ur_place *rest, bool whole,
                          const char *name, const struct ur_found *found, const char *to) {
    struct ur_place *child = NULL, *below = NULL;
    long ret = ur_place_enter(place, name, &child);
    if (ret < 0)
        return failed(found->host, ret);
    if (rest && !whole && ur_place_enter(rest, name, &below) < 0)
        below = NULL;
    enum how how = whole ? HOW_WHOLE : how_of(b, child, below);
    bool mine = wanted(b, ur_place_path(child));
    long covers = whole || how == HOW_MERGES ? 0 : shows(rest, name);
    if (covers < 0 || (!whole && !mine && (how == HOW_WHOLE || covers))) { /* what goes as a whole does not go at all */
        ur_place_close(child);
        ur_place_close(below);
        return covers >= 0 || failed(found->host, covers);
    }
    struct stat st = found->st;
    const char *like = found->host;
    struct ur_found was;
    if (!mine && rest && ur_find(rest, name, 0, &was) == 0 && was.there && S_ISDIR(was.st.st_mode)) {
        st = was.st; /* only on the way to what is wanted: as it was */
        like = was.host;
    }
    ret = ur_layer_copy(like, like, &st, to);
    if (ret == 0 && covers)
        ret = ur_layer_opaque(b->opaque, to);
    bool right = ret >= 0 || failed(to, ret);
    right = right && build_in(b, child, how == HOW_MERGES ? below : NULL, how == HOW_WHOLE, to);
    if (right && !mine && rmdir(to) == 0) {
        ur_place_close(child);
        ur_place_close(below);
        return true;
    }
    if (right) {
        ret = finish(b, &st, to);
        right = ret >= 0 || failed(to, ret);
    }
    ur_place_close(child);
    ur_place_close(below);
    return right;
}

static bool put_name(struct build *b, const struct ur_place *place, const struct ur_place *rest, bool whole,
                     const char *name, const char *directory) {
    struct ur_found found;
    UR_AUTO_TEXT to = ur_path_join(directory, name);
    UR_AUTO_TEXT path = ur_path_join(ur_place_path(place), name);
    long ret = ur_find(place, name, 0, &found);
    if (ret < 0)
        return failed(path, ret);
    if (!found.there) {
        ret = whole ? 0 : shows(rest, name);
        if (ret > 0 && wanted(b, path)) {
            ret = ur_layer_whiteout(b->whiteout, directory, name);
            b->whiteouts++;
        }
        return ret >= 0 || failed(to, ret);
    }
    if (!whole && found.layer > b->last && !found.linked)
        return true; /* what is below shows through */
    if (S_ISDIR(found.st.st_mode))
        return put_directory(b, place, rest, whole, name, &found, to);
    return !(whole || wanted(b, path)) || put_file(b, &found, to);
}

/* `rest`: the same directory in the layers below; NULL: they have nothing that it merges with. */
static bool build_in(struct build *b, const struct ur_place *place, const struct ur_place *rest, bool whole,
                     const char *to) {
    struct names names;
    long ret = names_in(place, 0, whole ? UR_LAYERS_MAX : b->last, &names);
    bool right = ret >= 0 || failed(ur_place_path(place), ret);
    for (size_t i = 0; i < names.count && right; i++)
        right = put_name(b, place, rest, whole, names.name[i], to) && !stop_wanted();
    names_free(&names);
    return right;
}

static bool build_root(struct build *b, const char *to) {
    struct ur_place *place = NULL, *rest = NULL;
    char host[UR_PATH_MAX];
    struct stat st;
    long ret = ur_place_open(&b->full, b->mount->target, &place);
    if (ret == 0 && b->rest.table)
        ret = ur_place_open(&b->rest, b->mount->target, &rest);
    bool right = ret == 0 || failed(b->mount->target, ret);
    right = right && build_in(b, place, rest, false, to);
    unsigned like = b->upper && !wanted(b, b->mount->target) ? 1 : 0;
    if (right && ur_place_spot(place, like, host, NULL) >= 0 && stat(host, &st) == 0) {
        ret = ur_layer_same_xattrs(host, to);
        if (ret == 0)
            ret = finish(b, &st, to);
        right = ret == 0 || failed(to, ret);
    }
    ur_place_close(place);
    ur_place_close(rest);
    return right;
}

bool build_layer(struct build *b, const char *to) {
    size_t below = b->mount->lowers - b->lowers;
    b->full = union_of(b->mount, b->upper, 0, b->mount->lowers);
    if (below)
        b->rest = union_of(b->mount, false, b->lowers, below);
    b->last = (unsigned)(b->lowers + b->upper) - 1;
    build_forms(to, &b->whiteout, &b->opaque);
    bool right = build_root(b, to);
    for (size_t i = 0; i < b->links; i++)
        free(b->link[i].to);
    free(b->link);
    union_free(&b->full);
    union_free(&b->rest);
    return right;
}
