/* `unionrun discard` and `unionrun undo`: the lowers' word counts again, for all or for some paths. */
#include "layers/drop.h"
#include "layers/select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct request {
    struct layers *layers;
    struct changes all;
    bool *chosen; /* of `all` */
    char **include, **exclude;
    bool dry_run, undo;
    bool refused; /* by who was asked */
};

static const struct ur_plan_mount *mount_of(const struct request *r, const struct change *change) {
    return &r->layers->plan.mounts[change->mount];
}

static bool is_at(const char *path, char *const *paths, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (path && ur_path_is_in(path, paths[i]))
            return true;
    return false;
}

static bool same_copy(const struct change *a, const struct change *b) {
    return (a->origin.linked || a->linked) && a->now.there && b->now.there && a->now.st.st_ino == b->now.st.st_ino &&
           a->now.st.st_dev == b->now.st.st_dev;
}

static void choose(struct request *r) {
    for (size_t i = 0; i < r->all.count; i++) {
        const struct change *change = &r->all.change[i];
        r->chosen[i] = is_at(change->path, r->layers->path, r->layers->paths) ||
                       (r->undo && is_at(change->from, r->layers->path, r->layers->paths));
    }
    /* All names of one file of the lowers go back together. */
    for (size_t i = 0; i < r->all.count; i++)
        for (size_t k = 0; k < r->all.count && r->chosen[i]; k++)
            r->chosen[k] = r->chosen[k] || same_copy(&r->all.change[i], &r->all.change[k]);
}

/* What goes with a directory that is thrown away as a whole, and is not to go, keeps that directory; and a name that
   stays the other names of its file. */
static void keep_around(const struct request *r) {
    for (size_t i = r->all.count; i-- > 0;) {
        const struct change *change = &r->all.change[i];
        bool whole = change->now.there && S_ISDIR(change->now.st.st_mode) && change->kind != CHANGE_METADATA;
        for (size_t k = 0; k < r->all.count && r->chosen[i]; k++) {
            const struct change *other = &r->all.change[k];
            bool within = whole && (ur_path_is_in(other->path, change->path) ||
                                    (other->from && ur_path_is_in(other->from, change->path)));
            if (!r->chosen[k] && (within || same_copy(change, other)))
                r->chosen[i] = false;
        }
    }
}

/* Leaves of what is chosen what the patterns mean. */
static void filter(const struct request *r) {
    if (!r->include && !r->exclude)
        return;
    for (size_t i = 0; i < r->all.count; i++)
        r->chosen[i] = r->chosen[i] && select_by_pattern(r->layers, &r->all.change[i], r->include, r->exclude);
    keep_around(r);
}

/* Why nothing is changed at a path: it lies in what was changed as a whole. */
static bool explain_none(const struct request *r, const char *path) {
    UR_AUTO_TEXT quoted = ur_quoted(path);
    for (size_t i = 0; i < r->all.count; i++) {
        const struct change *change = &r->all.change[i];
        const char *old = change->from ? change->from : change->path;
        if (!ur_path_is_in(path, old) || change->kind == CHANGE_METADATA || change->kind == CHANGE_ADDED)
            continue;
        UR_AUTO_TEXT whole = ur_quoted(old);
        static const char *const how[CHANGE_KINDS] = {
            [CHANGE_DELETED] = "was deleted", [CHANGE_RENAMED] = "was renamed", [CHANGE_REPLACED] = "was made anew"};
        if (how[change->kind]) {
            say("%s: %s %s as a whole; undo that", quoted, whole, how[change->kind]);
            return false;
        }
    }
    say("%s: nothing is changed there", quoted);
    return false;
}

static bool check_paths(const struct request *r) {
    bool right = true;
    for (size_t i = 0; i < r->layers->paths; i++) {
        bool any = false;
        for (size_t k = 0; k < r->all.count && !any; k++)
            any = is_at(r->all.change[k].path, r->layers->path + i, 1) ||
                  (r->undo && is_at(r->all.change[k].from, r->layers->path + i, 1));
        right = (any || explain_none(r, r->layers->path[i])) && right;
    }
    return right;
}

/* Renamed directories and files have a whiteout at their old place, which goes with them. */
static bool drop_change(const struct request *r, const struct change *change) {
    const struct ur_plan_mount *mount = mount_of(r, change);
    UR_AUTO_TEXT host = drop_place(mount, change->path);
    bool old_too = change->left && (r->undo || is_at(change->from, r->layers->path, r->layers->paths));
    UR_AUTO_TEXT old = old_too ? drop_place(mount, change->from) : NULL;
    if (strcmp(change->path, mount->target) == 0) { /* its root alone has other metadata */
        ur_layer_same_xattrs(mount->lower[0], mount->upper);
        ur_layer_finish(&change->was.st, mount->upper);
        return true;
    }
    if (change->linked && !change->origin.linked)
        return true; /* the upper has no entry for it */
    bool right = change->kind == CHANGE_METADATA && S_ISDIR(change->now.st.st_mode) ? true : drop_path(mount, host);
    if (right && change->kind == CHANGE_METADATA && S_ISDIR(change->now.st.st_mode)) {
        ur_layer_same_xattrs(change->was.host, host);
        ur_layer_finish(&change->was.st, host);
    }
    if (right && old_too)
        right = drop_path(mount, old);
    drop_link(mount, change);
    return right;
}

static bool drop_chosen(const struct request *r) {
    bool right = true;
    for (size_t i = 0; i < r->all.count && right; i++)
        if (r->chosen[i]) {
            changes_print(&r->all.change[i], false, layers_colours());
            right = r->dry_run || drop_change(r, &r->all.change[i]);
        }
    return right;
}

static bool ask(struct request *r, bool yes) {
    size_t count = 0;
    for (size_t i = 0; i < r->all.count; i++)
        count += r->chosen[i];
    if (yes || r->dry_run || count == 0)
        return true;
    if (!isatty(STDIN_FILENO)) {
        say("this would throw away %zu changes; give --yes, or PATHs", count);
        return false;
    }
    fprintf(stderr, "Throw away %zu changes (unionrun diff shows them)? [y/N] ", count);
    char *line = NULL;
    size_t room = 0;
    bool ended = getline(&line, &room, stdin) < 0;
    r->refused = ended || (strcasecmp(line, "y\n") != 0 && strcasecmp(line, "yes\n") != 0);
    free(line);
    if (ended)
        fputc('\n', stderr);
    if (r->refused)
        say("nothing is thrown away");
    return !r->refused;
}

static bool drop_all(struct request *r, bool yes) {
    if (!ask(r, yes))
        return false;
    bool right = true;
    if (r->dry_run || r->include || r->exclude)
        return drop_chosen(r);
    for (size_t i = 0; i < r->layers->plan.count && right; i++)
        if (r->layers->plan.mounts[i].upper)
            right = drop_everything(&r->layers->plan.mounts[i]);
    return right;
}

static int run(struct layers *layers, struct request *r, bool yes) {
    if (!layers_open(layers, r->dry_run ? LAYERS_LOOK : LAYERS_CHANGE))
        return EXIT_OURS;
    for (size_t i = 0; i < layers->paths; i++)
        layers->path[i] = layers_locate(layers, layers->path[i]);
    bool right = changes_find(layers, NULL, &r->all);
    r->chosen = ur_allocate(r->all.count + 1);
    if (right && layers->paths) {
        choose(r);
        filter(r);
        right = check_paths(r) && drop_chosen(r);
    } else if (right) {
        memset(r->chosen, 1, r->all.count);
        filter(r);
        right = drop_all(r, yes);
    }
    changes_free(&r->all);
    free(r->chosen);
    free(r->include);
    free(r->exclude);
    for (size_t i = 0; i < layers->paths; i++)
        free(layers->path[i]);
    return right ? 0 : r->refused ? EXIT_DIFFERENT : EXIT_OURS;
}

static const char about_include[] = "only what PATTERN names; give more for more";
static const char about_exclude[] = "but what PATTERN names, and the new directories that hold it; a pattern with a\n"
                                    "slash is a path below the target, one without any name in it";

static const char about_discard[] =
    "Throw away what the uppers changed, all of it or what is at and beneath PATHs. On a terminal it asks\n"
    "before all is thrown away (exit status 1 if it is not to be); elsewhere it wants --yes. A renamed file whose\n"
    "new name is discarded stays deleted under the old one: undo takes both.\n";

int layers_discard(struct layers *layers, int argc, char **argv) {
    struct request r = {.layers = layers};
    bool yes = false;
    const struct layers_option options[] = {{"--dry-run", NULL, "only tell what would go", &r.dry_run, NULL, NULL},
                                            {"--yes", NULL, "do not ask", &yes, NULL, NULL},
                                            {"--include", "PATTERN", about_include, NULL, NULL, &r.include},
                                            {"--exclude", "PATTERN", about_exclude, NULL, NULL, &r.exclude},
                                            {0}};
    enum layers_next next = layers_read(layers, argc, argv, options, 0, SIZE_MAX, about_discard);
    return next == LAYERS_GO ? run(layers, &r, yes) : next == LAYERS_DONE ? 0 : EXIT_OURS;
}

static const char about_undo[] =
    "Make PATHs, with what is beneath them, again what the lowers have: what was added goes, what was deleted\n"
    "or changed comes back, what was renamed is where it was, be PATH its old name or its new one.\n";

int layers_undo(struct layers *layers, int argc, char **argv) {
    struct request r = {.layers = layers, .undo = true};
    const struct layers_option options[] = {
        {"--dry-run", NULL, "only tell what would be undone", &r.dry_run, NULL, NULL},
        {"--include", "PATTERN", about_include, NULL, NULL, &r.include},
        {"--exclude", "PATTERN", about_exclude, NULL, NULL, &r.exclude},
        {0}};
    enum layers_next next = layers_read(layers, argc, argv, options, 1, SIZE_MAX, about_undo);
    return next == LAYERS_GO ? run(layers, &r, true) : next == LAYERS_DONE ? 0 : EXIT_OURS;
}
