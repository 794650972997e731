/*
 * Folding a clean layer (build.h) into the lower that it lies over, so that a kill at any point can be mended:
 *
 *     stage     the layer is built in LOWER/.wh..wh.unionrun/layer: a name that no union shows; nothing else has
 * changed ready     a symlink there, with the upper's path: from here on the commit happens, if need be by the next one
 *     fold      one entry after the other goes by rename to its place in the lower. The union shows the same all the
 *               time, since the upper still has everything
 *     drop      what was committed is taken out of the upper (the list of it was staged, too)
 *     end       the stage is removed
 *
 * Where the lower itself cannot be written (a plain user's commit to the host's root) the stage is in the work
 * directory. What lies on another filesystem than the stage goes by a copy that is renamed, which asks for a lower with
 * nothing below. Directories of others keep what they look like: their owner alone could have changed that.
 *
 * Each step can be done again from its beginning. While a commit is ready and not ended, WORK/unionrun/commit leads to
 * it, and runs on that upper are refused.
 */
#ifndef UNIONRUN_LAYERS_FOLD_H
#define UNIONRUN_LAYERS_FOLD_H

#include "layers/layers.h"

#include <sys/stat.h>

struct fold_directory {
    char *path; /* below the layer: "", "/a"; owned */
    struct stat st;
};

struct fold {
    const struct ur_plan_mount *mount;
    struct fold_directory
        *directory; /* what each directory of the layer is to look like in the end: folding changes that */
    size_t directories;
    char *stage; /* owned */
    char *layer; /* owned: where to build; empty after fold_begin */
    int lock;    /* the stage is ours alone */
    bool across; /* something was copied to another filesystem */
};

enum fold_state { FOLD_FAILED, FOLD_NEW, FOLD_UNFINISHED /* a commit that was interrupted: fold_finish it */ };

/* Takes the topmost lower's stage; what a commit left there before it was ready is removed. */
enum fold_state fold_begin(struct fold *fold, const struct ur_plan_mount *mount);

/* To be told of the layer's directories as they are built (struct build); `fold` is a struct fold. */
void fold_note(void *fold, const char *path, const struct stat *st);

/* What is to leave the upper afterwards: everything, or a list of "rPATH" (remove) and "ePATH" (a directory, if it is
   empty then), each relative to the upper and ended by a NUL. False: has been said. */
bool fold_ready(struct fold *fold, const char *list, size_t size, bool everything);

/* From ready to the end. False: has been said, and the next commit goes on. */
bool fold_finish(struct fold *fold);

/* Removes the stage if it is not ready, and gives it up. */
void fold_end(struct fold *fold);

#endif
