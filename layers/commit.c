/* `unionrun commit`: the upper's changes become the topmost lower's, or a layer of their own; `squash`: several layers
 * one. */
#include "launch/remove.h"
#include "layers/build.h"
#include "layers/conflict.h"
#include "layers/fold.h"
#include "layers/names.h"
#include "layers/progress.h"
#include "layers/select.h"
#include "layers/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct request {
    const char *to;
    bool dry_run, force, interactive;
    char **include, **exclude;
};

static bool failed(const char *path, int error) {
    UR_AUTO_TEXT quoted = ur_quoted(path);
    say("%s: %s", quoted, strerror(error));
    return false;
}

/* The one mount that is meant: with several uppers, PATHs tell which. NULL: has been said. */
static struct ur_plan_mount *the_mount(const struct layers *layers) {
    struct ur_plan_mount *only = NULL;
    size_t uppers = 0;
    for (size_t i = 0; i < layers->plan.count; i++)
        if (layers->plan.mounts[i].upper) {
            only = &layers->plan.mounts[i];
            uppers++;
        }
    if (!uppers)
        say("no mount has an upper");
    if (uppers < 2)
        return only;
    only = NULL;
    for (size_t i = 0; i < layers->paths; i++) {
        struct ur_plan_mount *mount = layers_plan_mount(layers, layers->path[i]);
        if (!mount || !mount->upper || (only && mount != only)) {
            say("PATHs in the target of one mount with an upper are wanted");
            return NULL;
        }
        only = mount;
    }
    if (!only)
        say("several mounts have an upper: give a PATH, the target of the one that is meant");
    return only;
}

/* Names of a lower's hard link that show the copy of another get an entry of their own in the upper: it shows the same.
 */
static bool own_links(struct layers *layers, const struct changes *changes, const bool *chosen) {
    char host[UR_PATH_MAX];
    for (size_t i = 0; i < changes->count; i++) {
        if (!chosen[i] || !changes->change[i].linked)
            continue;
        long ret = ur_real(&layers->caller, AT_FDCWD, changes->change[i].path, UR_REAL_NOFOLLOW | UR_REAL_WRITE, host);
        if (ret < 0)
            return failed(changes->change[i].path, (int)-ret);
    }
    return true;
}

/* What the upper has of a file without its data it will have with them: they are in a lower that is about to change. */
static bool fill_in(struct layers *layers, const struct ur_place *place) {
    char host[UR_PATH_MAX];
    struct names names;
    if (!ur_place_mount(place) || ur_place_spot(place, 0, host, NULL) != 0)
        return true;
    long ret = names_of(host, &names);
    bool right = ret >= 0 || failed(host, (int)-ret);
    for (size_t i = 0; i < names.count && right; i++) {
        struct ur_found found;
        struct ur_place *child;
        UR_AUTO_TEXT path = ur_path_join(ur_place_path(place), names.name[i]);
        ret = ur_find(place, names.name[i], 0, &found);
        if (ret == 0 && found.there && found.in_upper && found.apart)
            ret = ur_real(&layers->caller, AT_FDCWD, path, UR_REAL_NOFOLLOW | UR_REAL_WRITE, host);
        right = ret >= 0 || failed(path, (int)-ret);
        if (right && found.there && found.in_upper && S_ISDIR(found.st.st_mode) &&
            ur_place_enter(place, names.name[i], &child) == 0) {
            right = ur_place_mount(child) != ur_place_mount(place) || fill_in(layers, child);
            ur_place_close(child);
        }
    }
    names_free(&names);
    return right;
}

static bool fill_upper(struct layers *layers, const struct ur_plan_mount *mount) {
    struct ur_place *place;
    long ret = ur_place_open(&layers->u, mount->target, &place);
    bool right = ret == 0 ? fill_in(layers, place) : failed(mount->target, (int)-ret);
    ur_place_close(place);
    return right;
}

static void append(char **list, size_t *size, char what, const char *path) {
    size_t length = strlen(path) + 2;
    char *longer = realloc(*list, *size + length);
    if (!longer) {
        say("out of memory");
        exit(EXIT_OURS);
    }
    longer[*size] = what;
    memcpy(longer + *size + 1, path, length - 1);
    *list = longer;
    *size += length;
}

/* What leaves the upper, children before their directories. */
static char *drop_list(const struct ur_plan_mount *mount, const struct changes *changes, const bool *chosen,
                       size_t *size) {
    char *list = NULL;
    size_t skip = mount->target[1] ? strlen(mount->target) : 0;
    *size = 0;
    for (size_t i = changes->count; i-- > 0;) {
        const struct change *change = &changes->change[i];
        if (!chosen[i] || strcmp(change->path, mount->target) == 0)
            continue;
        bool directory = change->now.there && S_ISDIR(change->now.st.st_mode);
        bool whole = change->redirect || change->kind == CHANGE_REPLACED;
        append(&list, size, directory && !whole ? 'e' : 'r', change->path + skip);
        if (change->left)
            append(&list, size, 'r', change->from + skip);
    }
    return list;
}

static bool build(struct build *b, const char *to, const char *what) {
    struct progress progress;
    progress_begin(&progress, what);
    b->progress = &progress;
    bool right = build_layer(b, to);
    progress_end(&progress);
    b->progress = NULL;
    return right;
}

/* In the lower itself. One that is told to stop ends before anything has changed, or goes on: what is left then are
   renames. */
static bool commit_into(struct ur_plan_mount *mount, struct selection *selection) {
    struct fold fold;
    stop_begin();
    bool right = fold_begin(&fold, mount) == FOLD_NEW;
    if (right) {
        struct build b = {.mount = mount, .upper = true, .may_link = true, .wanted = select_wants, .arg = selection};
        b.made = fold_note;
        b.made_arg = &fold;
        size_t size = 0;
        right = build(&b, fold.layer, "committing");
        UR_AUTO_TEXT list = drop_list(mount, selection->changes, selection->chosen, &size);
        if (stop_wanted()) {
            say("interrupted: nothing is committed");
            right = false;
        }
        right = right && fold_ready(&fold, list ? list : "", size, selection->all) && fold_finish(&fold);
    }
    fold_end(&fold);
    return right;
}

/* A directory beside `to`, which becomes it when all is done. */
static bool build_new(struct build *b, const char *to, const char *what) {
    UR_AUTO_TEXT tmp = ur_format("%s.XXXXXX", to);
    struct stat st;
    if (lstat(to, &st) == 0 && rmdir(to) < 0)
        return failed(to, errno == ENOTDIR ? EEXIST : errno);
    stop_begin();
    if (!mkdtemp(tmp))
        return failed(tmp, errno);
    bool right = build(b, tmp, what);
    if (right && rename(tmp, to) < 0)
        right = failed(to, errno);
    if (!right)
        remove_tree(tmp);
    stop_end();
    return right;
}

static int commit_changes(struct layers *layers, struct ur_plan_mount *mount, const struct request *r,
                          struct changes *changes, struct selection *selection) {
    if (!selection->paths)
        return 0;
    UR_AUTO_TEXT into = ur_quoted(r->to ? r->to : mount->lower[0]);
    size_t count = 0;
    for (size_t i = 0; i < changes->count; i++)
        count += selection->chosen[i];
    for (size_t i = 0; i < changes->count && r->dry_run; i++)
        if (selection->chosen[i])
            changes_print(&changes->change[i], true, layers_colours());
    size_t conflicts = r->to ? 0 : conflicts_tell(layers, changes, selection->chosen);
    if (conflicts && !r->force) {
        say("%zu conflict%s: nothing is committed; --force takes the upper's, --exclude leaves out", conflicts,
            conflicts == 1 ? "" : "s");
        return EXIT_DIFFERENT;
    }
    if (r->dry_run) {
        say("%zu change%s would be committed to %s", count, count == 1 ? "" : "s", into);
        return 0;
    }
    if (!own_links(layers, changes, selection->chosen) || (!r->to && !fill_upper(layers, mount)))
        return EXIT_OURS;
    bool right;
    if (r->to) {
        struct build b = {.mount = mount, .upper = true, .wanted = select_wants, .arg = selection};
        right = build_new(&b, r->to, "committing");
    } else
        right = commit_into(mount, selection);
    if (!right) {
        stop_end();
        return EXIT_OURS;
    }
    say("%zu change%s committed to %s%s", count, count == 1 ? "" : "s", into,
        r->to ? "; to use it, name it as the first lower, then unionrun discard" : "");
    stop_end();
    return 0;
}

/* A commit that was interrupted goes first. */
static bool finish_old(struct layers *layers, struct ur_plan_mount *mount) {
    UR_AUTO_TEXT mark = ur_commit_mark(mount);
    struct stat st;
    if (lstat(mark, &st) < 0)
        return true;
    if (!layers_claim_lower(layers, mount))
        return false;
    struct fold fold;
    enum fold_state state = fold_begin(&fold, mount);
    bool right = state != FOLD_FAILED;
    if (state == FOLD_UNFINISHED) {
        right = fold_finish(&fold);
        if (right)
            say("the commit into %s that was interrupted is finished", mount->lower[0]);
    } else if (right)
        unlink(mark);
    fold_end(&fold);
    return right;
}

bool layers_finish_commit(struct layers *layers) {
    for (size_t i = 0; i < layers->plan.count; i++)
        if (layers->plan.mounts[i].upper && !finish_old(layers, &layers->plan.mounts[i]))
            return false;
    return true;
}

static int commit(struct layers *layers, const struct request *r) {
    if (!layers_open(layers, r->dry_run ? LAYERS_LOOK : LAYERS_CHANGE))
        return EXIT_OURS;
    for (size_t i = 0; i < layers->paths; i++)
        layers->path[i] = layers_locate(layers, layers->path[i]);
    struct ur_plan_mount *mount = the_mount(layers);
    struct changes changes = {0};
    struct selection selection = {0};
    struct select_by by = {layers->path, layers->paths, r->include, r->exclude, r->interactive, "commit"};
    if (by.paths == 1 && mount && strcmp(by.path[0], mount->target) == 0)
        by.paths = 0; /* all of that mount */
    int status = EXIT_OURS;
    bool may = mount && (r->dry_run || r->to || layers_claim_lower(layers, mount));
    if (may && (r->dry_run || layers_finish_commit(layers)) && changes_find(layers, mount, &changes) &&
        select_changes(&selection, layers, &changes, &by))
        status = selection.quit ? EXIT_DIFFERENT : commit_changes(layers, mount, r, &changes, &selection);
    select_free(&selection);
    changes_free(&changes);
    for (size_t i = 0; i < layers->paths; i++)
        free(layers->path[i]);
    return status;
}

static const char about_commit[] =
    "Fold the upper's changes, or those at and beneath PATHs, into its topmost lower, which is changed by that:\n"
    "refused while a run uses it. The union shows the same afterwards, and the upper is free of them. With --to\n"
    "they become a new layer, and upper and lowers stay as they are. Whiteouts and redirects are resolved. If a\n"
    "lower has changed since the upper's copy was made, or --interactive was answered with quit, nothing is\n"
    "committed: exit status 1. A commit that was killed is finished by the next.\n";

int layers_commit(struct layers *layers, int argc, char **argv) {
    struct request r = {0};
    const struct layers_option options[] = {
        {"--to", "DIR", "make a new layer in DIR, which must not exist or be empty", NULL, &r.to, NULL},
        {"--dry-run", NULL, "only tell what would be committed", &r.dry_run, NULL, NULL},
        {"--interactive", NULL, "ask for each change", &r.interactive, NULL, NULL},
        {"--include", "PATTERN", "only what PATTERN names; give more for more", NULL, NULL, &r.include},
        {"--exclude", "PATTERN",
         "but what PATTERN names; a pattern with a slash is a path\nbelow the target, one without "
         "any name in it",
         NULL, NULL, &r.exclude},
        {"--force", NULL, "take the upper's also where a lower has changed since", &r.force, NULL, NULL},
        {0}};
    enum layers_next next = layers_read(layers, argc, argv, options, 0, SIZE_MAX, about_commit);
    int status = next == LAYERS_GO ? commit(layers, &r) : next == LAYERS_DONE ? 0 : EXIT_OURS;
    free(r.include);
    free(r.exclude);
    return status;
}

static const char about_squash[] =
    "Make one new layer of a mount's lowers: it shows what they showed together. The layers stay as they are.\n";

/* The mount of --of, or the only one. */
static struct ur_plan_mount *squashed_mount(const struct layers *layers, const char *of) {
    struct ur_plan_mount *only = NULL;
    size_t unions = 0;
    for (size_t i = 0; i < layers->plan.count; i++)
        if (layers->plan.mounts[i].kind == UR_PLAN_UNION && (!of || strcmp(layers->plan.mounts[i].target, of) == 0)) {
            only = &layers->plan.mounts[i];
            unions++;
        }
    if (unions != 1)
        say(of ? "%s is no target" : "several mounts: --of TARGET tells which", of);
    return unions == 1 ? only : NULL;
}

int layers_squash(struct layers *layers, int argc, char **argv) {
    const char *to = NULL, *top = NULL, *of = NULL;
    bool upper = false;
    const struct layers_option options[] = {
        {"--to", "DIR", "the new layer, which must not exist or be empty", NULL, &to, NULL},
        {"--top", "N", "only the topmost N lowers; what they hide in those below stays hidden", NULL, &top, NULL},
        {"--with-upper", NULL, "the upper, too", &upper, NULL, NULL},
        {"--of", "TARGET", "of several mounts, the one with this target", NULL, &of, NULL},
        {0}};
    enum layers_next next = layers_read(layers, argc, argv, options, 0, 0, about_squash);
    if (next != LAYERS_GO)
        return next == LAYERS_DONE ? 0 : EXIT_OURS;
    if (!to) {
        say("no --to DIR; see unionrun squash --help");
        return EXIT_OURS;
    }
    if (!layers_open(layers, LAYERS_LOOK))
        return EXIT_OURS;
    const struct ur_plan_mount *mount = squashed_mount(layers, of);
    char *end = NULL;
    unsigned long lowers = mount ? mount->lowers : 0;
    if (top)
        lowers = strtoul(top, &end, 10);
    if (!mount)
        return EXIT_OURS;
    if ((top && (!*top || *end)) || lowers < 1 || lowers > mount->lowers || (upper && !mount->upper)) {
        say(upper && !mount->upper ? "there is no upper" : "--top %s: there are %zu lowers", top, mount->lowers);
        return EXIT_OURS;
    }
    struct build b = {.mount = mount, .upper = upper, .lowers = lowers};
    return build_new(&b, to, "squashing") ? 0 : EXIT_OURS;
}
