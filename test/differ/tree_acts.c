/* Operations on directories: listings, walks, the working directory, directories kept open. */
#include "differ.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static DIR *open_directory(const struct place *place, bool plain) {
    if (plain)
        return opendir(place->path);
    int fd = openat(at(place), place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? NULL : fdopendir(fd);
}

static void do_list(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, A_DIRECTORY);
    bool plain = chance(rng, 50) && place.base != OF_DIRFD;
    say("list");
    say_place(&place);
    if (leaves_root(&place))
        return;
    DIR *stream = open_directory(&place, plain);
    say_result(stream ? 0 : -1);
    if (!stream)
        return;
    say_listing(stream);
    closedir(stream);
}

/* A listing before and after a change in the directory, by one stream. */
static void do_relist(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, A_DIRECTORY);
    const char *name = pick_name(rng), *other = pick_name(rng);
    bool made = chance(rng, 50);
    say("relist %s", made ? "mkdir" : "unlink");
    say_text(name);
    say_text(other);
    say_place(&place);
    if (leaves_root(&place))
        return;
    DIR *stream = open_directory(&place, false);
    say_result(stream ? 0 : -1);
    if (!stream)
        return;
    say_listing(stream);
    say_result(made ? mkdirat(dirfd(stream), name, 0755) : unlinkat(dirfd(stream), name, 0));
    say_result(unlinkat(dirfd(stream), other, AT_REMOVEDIR));
    rewinddir(stream);
    say_listing(stream);
    closedir(stream);
}

static void do_seek(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, NO_DIRFD | A_DIRECTORY);
    unsigned skip = below(rng, 6);
    say("seekdir");
    say_place(&place);
    if (leaves_root(&place))
        return;
    DIR *stream = opendir(place.path);
    say_result(stream ? 0 : -1);
    if (!stream)
        return;
    while (skip-- && readdir(stream))
        ;
    long position = telldir(stream);
    struct dirent *entry = readdir(stream);
    char *first = strdup(entry ? entry->d_name : "");
    while (readdir(stream))
        ;
    seekdir(stream, position);
    entry = readdir(stream);
    if (strcmp(first, entry ? entry->d_name : "") != 0)
        say(" elsewhere");
    free(first);
    closedir(stream);
}

/* --- walks: all that they find, sorted --- */

static char *found[1 << 16];
static size_t found_count;

static void note(const char *path, char kind) {
    if (found_count == sizeof found / sizeof *found)
        return;
    size_t room = strlen(path) + 3;
    found[found_count] = malloc(room);
    snprintf(found[found_count++], room, "%s %c", path, kind);
}

static int by_text(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static void say_found(void) {
    if (found_count)
        qsort(found, found_count, sizeof *found, by_text);
    for (size_t i = 0; i < found_count; i++) {
        say(" ");
        say_text(found[i]);
        free(found[i]);
    }
    found_count = 0;
}

static int by_nftw(const char *path, const struct stat *status, int kind, struct FTW *where) {
    (void)status;
    (void)where;
    note(path, (char)('0' + kind));
    return 0;
}

static void by_fts(char *path) {
    FTS *walk = fts_open((char *const[]){path, NULL}, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    FTSENT *entry;
    while (walk && (entry = fts_read(walk)))
        note(entry->fts_path, (char)('a' + entry->fts_info));
    if (walk)
        fts_close(walk);
}

static void by_scandir(const char *path) {
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    say_result(count);
    for (int i = 0; i < count; i++) {
        note(entries[i]->d_name, (char)('a' + entries[i]->d_type));
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static void by_glob(const char *path) {
    char pattern[PATH_ROOM + 8];
    glob_t matches;
    snprintf(pattern, sizeof pattern, "%s/q?/*", path);
    int result = glob(pattern, 0, NULL, &matches);
    say(" = %d", result);
    for (size_t i = 0; !result && i < matches.gl_pathc; i++)
        note(matches.gl_pathv[i], 'g');
    if (!result)
        globfree(&matches);
}

static void do_walk(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, NAMED | NO_DIRFD | A_DIRECTORY);
    unsigned how = below(rng, 4);
    say("walk %u", how);
    say_place(&place);
    if (leaves_root(&place))
        return;
    if (how == 0)
        say_result(nftw(place.path, by_nftw, 20, FTW_PHYS));
    else if (how == 1)
        by_fts(place.path);
    else if (how == 2)
        by_scandir(place.path);
    else
        by_glob(place.path);
    say_found();
}

/* rm -r, of names of the vocabulary only, and sometimes without the last rmdir. */
static void clear(int parent, const char *name, unsigned depth) {
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    while (stream && (entry = readdir(stream))) {
        if (!in_vocabulary(entry->d_name))
            continue;
        if (depth && entry->d_type == DT_DIR)
            clear(fd, entry->d_name, depth - 1);
        if (unlinkat(fd, entry->d_name, entry->d_type == DT_DIR ? AT_REMOVEDIR : 0) < 0)
            note(entry->d_name, '!');
    }
    if (stream)
        closedir(stream);
}

static void do_clear(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, NAMED | A_DIRECTORY);
    unsigned depth = below(rng, 4);
    bool removed = chance(rng, 70);
    say("clear");
    say_place(&place);
    if (leaves_root(&place) || strcmp(place.path, self.root) == 0)
        return;
    clear(at(&place), place.path, depth);
    say_found();
    if (removed)
        say_result(unlinkat(at(&place), place.path, AT_REMOVEDIR));
    look_after(&place);
}

/* --- where we are --- */

static void say_cwd(void) {
    char *cwd = getcwd(NULL, 0);
    if (cwd)
        say_text(cwd);
    else
        say_result(-1);
    free(cwd);
}

static void do_getcwd(struct rng *rng) {
    unsigned how = below(rng, 3);
    say("getcwd ");
    say_cwd();
    if (how == 0) {
        char target[PATH_ROOM];
        ssize_t length = readlink("/proc/self/cwd", target, sizeof target - 1);
        if (length >= 0) {
            target[length] = '\0';
            say_text(target);
        }
    }
    if (how == 1)
        say_object(AT_FDCWD, ".");
}

static void do_chdir(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, NO_DIRFD | A_DIRECTORY);
    if (chance(rng, 25)) { /* home: else it would end up in some removed directory for long */
        place.base = ABSOLUTE;
        strcpy(place.path, self.root);
    }
    say("chdir");
    say_place(&place);
    if (leaves_root(&place))
        return;
    int result = chdir(place.path);
    say_result(result);
    if (result == 0)
        set_home(KEPT, &place);
    if (self.look_after)
        say_cwd();
}

static void do_fchdir(struct rng *rng) {
    int slot = chance(rng, 80) ? KEPT_FILES + (int)below(rng, KEPT_DIRS) : (int)below(rng, KEPT);
    say("fchdir %d", slot);
    if (self.kept[slot] < 0) {
        say(" none");
        return;
    }
    struct place there = {.base = OF_DIRFD, .slot = slot, .path = "."};
    if (leaves_root(&there))
        return;
    int result = fchdir(self.kept[slot]);
    say_result(result);
    if (result == 0)
        set_home(KEPT, &there);
    if (self.look_after)
        say_cwd();
}

static void do_opendirfd(struct rng *rng) {
    struct place place;
    pick_place(rng, &place, A_DIRECTORY);
    int slot = KEPT_FILES + (int)below(rng, KEPT_DIRS);
    int flags = O_DIRECTORY | ONE_OF(rng, ((const int[]){O_RDONLY, O_RDONLY, O_PATH, O_RDONLY | O_NOFOLLOW}));
    say("open directory %d", slot);
    say_place(&place);
    if (leaves_root(&place))
        return;
    int fd = openat(at(&place), place.path, flags);
    say_result(fd < 0 ? -1 : 0);
    if (fd >= 0) {
        set_home(slot, &place);
        keep(slot, fd);
    }
}

static void do_kept_list(struct rng *rng) {
    int slot = KEPT_FILES + (int)below(rng, KEPT_DIRS);
    bool look = chance(rng, 30);
    say("list %d", slot);
    if (self.kept[slot] < 0) {
        say(" none");
        return;
    }
    int fd = openat(self.kept[slot], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    say_result(stream ? 0 : -1);
    if (stream) {
        say_listing(stream);
        closedir(stream);
    }
    if (look)
        say_object(self.kept[slot], ".");
}

const struct kind tree_kinds[] = {
    {"list", 30, do_list},           {"relist", 8, do_relist},        {"seekdir", 5, do_seek}, {"walk", 8, do_walk},
    {"clear", 12, do_clear},         {"getcwd", 10, do_getcwd},       {"chdir", 26, do_chdir}, {"fchdir", 8, do_fchdir},
    {"opendirfd", 22, do_opendirfd}, {"kept-list", 10, do_kept_list}, {NULL, 0, NULL},
};
