/*
 * A copy-up notes the lower's size and time (user.unionrun.origin): if the lower has others now, somebody else has
 * changed it. What came without a copy (a new file over a lower one, a whiteout) has no note; there a lower that was
 * changed later than the upper's entry conflicts. A directory's time follows its entries, so of a deleted one the
 * newest file counts.
 */
#include "layers/conflict.h"
#include "layers/build.h"
#include "layers/names.h"

#include <stdlib.h>
#include <string.h>

static bool later(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/* Is there a file in the directory that was changed after `since`? */
static bool any_later(const struct ur_place *place, const struct timespec *since) {
    struct names names;
    bool found_one = false;
    names_in(place, 0, UR_LAYERS_MAX, &names);
    for (size_t i = 0; i < names.count && !found_one; i++) {
        struct ur_found found;
        struct ur_place *child;
        if (ur_find(place, names.name[i], 0, &found) < 0 || !found.there)
            continue;
        found_one = later(&found.st.st_mtim, since);
        if (!found_one && S_ISDIR(found.st.st_mode) && ur_place_enter(place, names.name[i], &child) == 0) {
            found_one = any_later(child, since);
            ur_place_close(child);
        }
    }
    names_free(&names);
    return found_one;
}

static bool deleted_changed(const struct layers *layers, const struct change *change) {
    const struct ur_plan_mount *mount = &layers->plan.mounts[change->mount];
    struct ur_union lowers = union_of(mount, false, 0, mount->lowers);
    struct ur_place *place;
    bool changed = false;
    if (ur_place_open(&lowers, change->path, &place) == 0) {
        changed = any_later(place, &change->mark.st_ctim);
        ur_place_close(place);
    }
    union_free(&lowers);
    return changed;
}

static bool noted(const struct ur_origin *origin, const struct stat *lower) {
    return origin->size == (uint64_t)lower->st_size && origin->time == ur_origin_time(lower);
}

/* What conflicts, for "its lower was ..."; NULL: nothing. */
static const char *conflict(const struct layers *layers, const struct change *change) {
    if (change->linked || change->redirect)
        return NULL;
    const struct stat *was = &change->was.st;
    bool file = change->was.there && !S_ISDIR(was->st_mode);
    if (change->kind == CHANGE_RENAMED) {
        if (file && change->origin.recorded && !noted(&change->origin, was))
            return "changed under its old name";
        return change->covers && later(&change->covered.st_mtim, &change->mark.st_ctim) ? "made under its new name"
                                                                                        : NULL;
    }
    if (!change->was.there)
        return NULL;
    if (file && change->now.there && change->origin.recorded) {
        if (noted(&change->origin, was))
            return NULL;
        /* Of another file: moved here, or the lower's was replaced. */
        bool same = change->origin.ino == change->key;
        return same || later(&was->st_ctim, &change->mark.st_ctim) ? "changed" : NULL;
    }
    if (!file && change->kind == CHANGE_DELETED)
        return deleted_changed(layers, change) ? "changed" : NULL;
    return file && later(&was->st_mtim, &change->mark.st_ctim) ? "changed" : NULL;
}

size_t conflicts_tell(const struct layers *layers, const struct changes *changes, const bool *chosen) {
    size_t count = 0;
    for (size_t i = 0; i < changes->count; i++) {
        const struct change *change = &changes->change[i];
        const char *what = chosen[i] ? conflict(layers, change) : NULL;
        if (!what)
            continue;
        UR_AUTO_TEXT quoted = ur_quoted(change->path);
        say("conflict: %s: its lower was %s since", quoted, what);
        count++;
    }
    return count;
}
