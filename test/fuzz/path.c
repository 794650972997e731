/*
 * Random trees and paths, resolved by the engine in a union of two layers and by the kernel in a plain directory of the
 * same: the same file at the end, or the same errno. A union of the two halves of a tree and the whole tree are
 * made of the same bytes of input. Paths that lead out of the tree are left out: they would not be alike.
 *
 * The work is done in the directory that FUZZ_DIR names (default /dev/shm).
 */
#include "config/compile.h"
#include "config/text.h"
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *at, *end;
static unsigned next(unsigned below) {
    return at < end ? *at++ % below : 0;
}

/* A tree is made of directories, files and symlinks with these names, at most so deep. */
static const char *const names[] = {"a", "b", "c", "dd"};
enum { DEEP = 3, PIECES = 6 };

static char base[256], plain[300], layers[2][300], target[300];

static void make_text(char *text, size_t room, bool root) {
    text[0] = 0;
    for (unsigned n = 1 + next(PIECES); n; n--) {
        unsigned piece = next(8);
        const char *word = piece < 4 ? names[piece] : piece == 4 ? "." : piece == 5 ? "" : "..";
        if (piece > 5 && root)
            word = names[piece - 6];
        size_t len = strlen(text);
        snprintf(text + len, room - len, "%s%s", word, n > 1 ? "/" : "");
    }
    if (next(6) == 0) {
        size_t len = strlen(text);
        snprintf(text + len, room - len, "/");
    }
    if (!*text)
        snprintf(text, room, ".");
}

/* The same entry in the plain tree and in one layer, or in both. */
static void make_entry(const char *path) {
    char full[900], text[200];
    unsigned kind = next(5), where = next(3);
    if (kind >= 3)
        make_text(text, sizeof text, false);
    for (unsigned i = 0; i < 3; i++) {
        if (i < 2 && where != 2 && where != i)
            continue;
        snprintf(full, sizeof full, "%s/%s", i < 2 ? layers[i] : plain, path);
        if (kind < 2)
            mkdir(full, 0755);
        else if (kind == 2)
            close(open(full, O_WRONLY | O_CREAT | O_EXCL, 0644));
        else if (symlink(text, full) < 0)
            continue;
    }
}

/* A layer has the directories above what it holds, or nothing of it. False: they are none in the plain tree, but a
   symlink, by which the trees would come to differ. */
static bool make_parents(const char *path) {
    char full[900];
    for (unsigned i = 0; i < 2; i++)
        for (const char *slash = path; (slash = strchr(slash, '/')); slash++) {
            struct stat st;
            snprintf(full, sizeof full, "%s/%.*s", plain, (int)(slash - path), path);
            if (lstat(full, &st) < 0 || !S_ISDIR(st.st_mode))
                return false;
            snprintf(full, sizeof full, "%s/%.*s", layers[i], (int)(slash - path), path);
            mkdir(full, 0755);
        }
    return true;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where) {
    (void)st, (void)type, (void)where;
    return remove(path);
}

static void clean(const char *dir) {
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (mkdir(dir, 0755) < 0)
        abort();
}

static struct ur_union the_union;

static void set_up(void) {
    const char *dir = getenv("FUZZ_DIR");
    snprintf(base, sizeof base, "%s/fuzz-path-XXXXXX", dir ? dir : "/dev/shm");
    if (!mkdtemp(base))
        abort();
    snprintf(plain, sizeof plain, "%s/plain", base);
    snprintf(target, sizeof target, "%s/target", base);
    for (int i = 0; i < 2; i++)
        snprintf(layers[i], sizeof layers[i], "%s/layer%d", base, i);
    struct ur_plan plan = {0};
    struct ur_plan_mount *mount = ur_plan_add(&plan, UR_PLAN_UNION, -1);
    struct stat st;
    if (stat(base, &st) < 0)
        abort();
    mount->target = ur_format("%s", target);
    for (int i = 0; i < 2; i++) {
        ur_plan_add_lower(mount, ur_format("%s", layers[i]));
        mount->dev[i] = st.st_dev;
    }
    the_union.table = ur_compile(&plan, "/session", "");
    ur_plan_free(&plan);
}

static void tear_down(void) {
    clean(base);
    rmdir(base);
}

/* Where the plain one ends, by its path below the root; false: it leads out, or is none of its own. */
static bool plain_end(const char *path, char *out, size_t room, int *error) {
    char full[1300], *real;
    snprintf(full, sizeof full, "%s/%s", plain, path);
    real = realpath(full, NULL);
    *error = errno;
    size_t len = strlen(plain);
    bool inside = !real || (strncmp(real, plain, len) == 0 && (!real[len] || real[len] == '/'));
    snprintf(out, room, "%s", real && inside ? real + len : "");
    if (real)
        *error = 0;
    free(real);
    return inside;
}

/* Does a walk of the path, by any of its prefixes, come out of the tree? Then the rest depends on what lies around. */
static bool leaves(const char *path) {
    char prefix[600], out[900];
    int error;
    for (size_t i = 0; i <= strlen(path); i++) {
        if (path[i] != '/' && path[i])
            continue;
        snprintf(prefix, sizeof prefix, "%.*s", (int)i, path);
        if (*prefix && !plain_end(prefix, out, sizeof out, &error))
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!base[0]) {
        set_up();
        atexit(tear_down);
    }
    at = data;
    end = data + size;
    clean(plain);
    clean(layers[0]);
    clean(layers[1]);
    char path[600], union_path[1300], expected[1300], got[UR_PATH_MAX];
    for (unsigned n = 2 + next(10); n; n--) {
        path[0] = 0;
        for (unsigned k = 1 + next(DEEP); k; k--) {
            size_t len = strlen(path);
            snprintf(path + len, sizeof path - len, "%s%s", names[next(4)], k > 1 ? "/" : "");
        }
        struct stat st;
        char full[1000];
        snprintf(full, sizeof full, "%s/%s", plain, path);
        if (lstat(full, &st) == 0)
            continue;
        if (make_parents(path))
            make_entry(path);
    }
    struct ur_caller caller = {&the_union, 0};
    for (unsigned n = 1 + next(8); n; n--) {
        make_text(path, sizeof path, false);
        int error;
        if (leaves(path))
            continue;
        /* A symlink may have led out and come back only where it dangles; the kernel then says ENOENT as we do. */
        plain_end(path, expected, sizeof expected, &error);
        snprintf(union_path, sizeof union_path, "%s/%s", target, path);
        long ret = ur_canonical(&caller, AT_FDCWD, union_path, 0, got);
        bool same = error ? ret == -error : ret > 0 && strcmp(got + strlen(target), expected) == 0;
        if (!same && error == ENOENT && ret == -ENOENT)
            same = true;
        if (!same) {
            fprintf(stderr, "path %s: the kernel %s %s, the union %ld %s\n", path,
                    error ? strerrorname_np(error) : "has", expected, ret, ret > 0 ? got : "");
            abort();
        }
    }
    return 0;
}
