/* See fold.h. */
#include "layers/fold.h"
#include "config/take.h"
#include "launch/remove.h"
#include "layers/build.h"
#include "layers/drop.h"
#include "layers/names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool failed(const char *path, int error) {
    UR_AUTO_TEXT quoted = ur_quoted(path);
    say("%s: %s", quoted, strerror(error));
    return false;
}

static char *part(const struct fold *fold, const char *name) {
    return ur_path_join(fold->stage, name);
}

/* 1: a commit of this upper is ready, 0: none is, -1: one of another upper is. */
static int ready_state(const struct fold *fold) {
    char text[UR_PATH_MAX];
    UR_AUTO_TEXT ready = part(fold, "ready");
    ssize_t n = readlink(ready, text, sizeof text - 1);
    if (n < 0)
        return 0;
    text[n] = '\0';
    if (strcmp(text, fold->mount->upper) == 0)
        return 1;
    UR_AUTO_TEXT upper = ur_quoted(text);
    say("a commit of %s into %s was interrupted; finish that one first", upper, fold->mount->lower[0]);
    return -1;
}

static bool clear_stage(const struct fold *fold) {
    static const char *const parts[] = {"layer", "trash"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        UR_AUTO_TEXT path = part(fold, parts[i]);
        int ret = remove_tree(path);
        if (ret < 0 && ret != -ENOENT)
            return failed(path, -ret);
    }
    UR_AUTO_TEXT list = part(fold, "drop");
    UR_AUTO_TEXT directories = part(fold, "directories");
    unlink(list);
    unlink(directories);
    return true;
}

/* Makes it, if it is not there. 1: it was made; -1: it cannot be, with errno. */
static int make_stage(struct fold *fold, const char *parent, const char *name) {
    free(fold->stage);
    fold->stage = ur_path_join(parent, name);
    if (mkdir(fold->stage, 0700) == 0)
        return 1;
    /* Another user's is of no use: root's commit to the host, say, that is going on. */
    return errno == EEXIST && faccessat(AT_FDCWD, fold->stage, R_OK | W_OK | X_OK, AT_EACCESS) == 0 ? 0 : -1;
}

enum fold_state fold_begin(struct fold *fold, const struct ur_plan_mount *mount) {
    *fold = (struct fold){.mount = mount, .lock = -1};
    struct stat st;
    bool timed = stat(mount->lower[0], &st) == 0;
    int made = make_stage(fold, mount->lower[0], ".wh..wh.unionrun");
    if (made > 0 && timed) {
        const struct timespec times[2] = {st.st_atim, st.st_mtim};
        utimensat(AT_FDCWD, mount->lower[0], times, 0);
    } else if (made < 0 && (errno == EACCES || errno == EROFS)) {
        UR_AUTO_TEXT own = ur_path_join(mount->work, "unionrun");
        made = make_stage(fold, own, "fold");
    }
    if (made < 0) {
        failed(mount->lower[0], errno);
        return FOLD_FAILED;
    }
    fold->layer = part(fold, "layer");
    fold->lock = open(fold->stage, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fold->lock < 0 || flock(fold->lock, LOCK_EX | LOCK_NB) < 0) {
        if (fold->lock >= 0 && errno == EWOULDBLOCK)
            say("%s: another commit into it is going on", mount->lower[0]);
        else
            failed(fold->stage, errno);
        return FOLD_FAILED;
    }
    int state = ready_state(fold);
    if (state)
        return state < 0 ? FOLD_FAILED : FOLD_UNFINISHED;
    if (!clear_stage(fold))
        return FOLD_FAILED;
    if (mkdir(fold->layer, 0700) == 0)
        return FOLD_NEW;
    failed(fold->layer, errno);
    return FOLD_FAILED;
}

static bool write_file(const char *path, const char *bytes, size_t size) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    while (fd >= 0 && size) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0)
            break;
        bytes += n;
        size -= (size_t)n;
    }
    int error = errno;
    if (fd >= 0)
        close(fd);
    return (fd >= 0 && !size) || failed(path, error);
}

/* Owned by the caller, a NUL behind it; NULL with errno. */
static char *read_file(const char *path, size_t *size) {
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    char *bytes = NULL;
    if (fd >= 0 && fstat(fd, &st) == 0) {
        bytes = ur_allocate((size_t)st.st_size + 1);
        ssize_t n = 1;
        for (*size = 0; *size < (size_t)st.st_size && n > 0; *size += n > 0 ? (size_t)n : 0)
            n = read(fd, bytes + *size, (size_t)st.st_size - *size);
    }
    if (fd >= 0)
        close(fd);
    return bytes;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct fold_directory *)a)->path, ((const struct fold_directory *)b)->path);
}

static void add_directory(struct fold *fold, const char *path, const struct stat *st) {
    fold->directory = ur_grow(fold->directory, fold->directories, sizeof *fold->directory);
    fold->directory[fold->directories++] = (struct fold_directory){ur_format("%s", path), *st};
}

void fold_note(void *arg, const char *path, const struct stat *st) {
    struct fold *fold = arg;
    add_directory(fold, path + strlen(fold->layer), st);
}

static void sort_directories(struct fold *fold) {
    if (fold->directories)
        qsort(fold->directory, fold->directories, sizeof *fold->directory, by_path);
}

/* A line and its path, ended by a NUL, for each. */
static bool write_directories(struct fold *fold) {
    UR_AUTO_TEXT path = part(fold, "directories");
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    for (size_t i = 0; stream && i < fold->directories; i++) {
        const struct fold_directory *d = &fold->directory[i];
        fprintf(stream, "%o %u %u %lld %ld %lld %ld %s%c", (unsigned)d->st.st_mode, (unsigned)d->st.st_uid,
                (unsigned)d->st.st_gid, (long long)d->st.st_atim.tv_sec, d->st.st_atim.tv_nsec,
                (long long)d->st.st_mtim.tv_sec, d->st.st_mtim.tv_nsec, d->path, 0);
    }
    bool right = stream && fclose(stream) == 0 && write_file(path, text, size);
    free(text);
    return right;
}

static bool read_directories(struct fold *fold) {
    UR_AUTO_TEXT path = part(fold, "directories");
    size_t size = 0;
    UR_AUTO_TEXT text = read_file(path, &size);
    if (!text)
        return failed(path, errno);
    for (const char *at = text; at < text + size; at += strlen(at) + 1) {
        unsigned mode, uid, gid;
        long long seconds[2];
        long rest[2];
        int used = 0;
        if (sscanf(at, "%o %u %u %lld %ld %lld %ld %n", &mode, &uid, &gid, &seconds[0], &rest[0], &seconds[1], &rest[1],
                   &used) != 7 ||
            at[used - 1] != ' ')
            return failed(path, EINVAL);
        struct stat st = {.st_mode = mode, .st_uid = uid, .st_gid = gid};
        st.st_atim = (struct timespec){seconds[0], rest[0]};
        st.st_mtim = (struct timespec){seconds[1], rest[1]};
        add_directory(fold, at + used, &st);
    }
    return true;
}

static const struct stat *directory_of(const struct fold *fold, const char *path) {
    const struct fold_directory wanted = {.path = (char *)path + strlen(fold->layer)};
    const struct fold_directory *found =
        fold->directories ? bsearch(&wanted, fold->directory, fold->directories, sizeof wanted, by_path) : NULL;
    return found ? &found->st : NULL;
}

bool fold_ready(struct fold *fold, const char *list, size_t size, bool everything) {
    UR_AUTO_TEXT path = part(fold, "drop");
    UR_AUTO_TEXT ready = part(fold, "ready");
    UR_AUTO_TEXT mark = ur_commit_mark(fold->mount);
    sort_directories(fold);
    if (!write_directories(fold) || !write_file(path, everything ? "*" : list, everything ? 2 : size))
        return false;
    syncfs(fold->lock); /* what is staged is safe before anything goes */
    unlink(mark);
    if (symlink(ready, mark) < 0)
        return failed(mark, errno);
    return symlink(fold->mount->upper, ready) == 0 || failed(ready, errno);
}

/* A place for what the lower has and will not have any more. */
static char *trash(const struct fold *fold) {
    static unsigned number;
    UR_AUTO_TEXT directory = part(fold, "trash");
    mkdir(directory, 0700);
    UR_AUTO_TEXT name = ur_format("%d-%u", (int)getpid(), number++);
    return ur_path_join(directory, name);
}

/* A rename that a directory's mode may forbid: to move a directory is to write to it. */
static int move(const char *from, const char *to) {
    struct stat st;
    if (rename(from, to) == 0)
        return 0;
    if (errno != EACCES || lstat(from, &st) < 0 || !S_ISDIR(st.st_mode) || chmod(from, st.st_mode | 0700) < 0)
        return errno;
    int error = rename(from, to) < 0 ? errno : 0;
    chmod(error ? from : to, st.st_mode & 07777);
    return error;
}

/* A name beside `to`, the same each time, so that what a kill leaves there is met again. */
static char *beside(const struct fold *fold, const char *to) {
    struct stat st;
    UR_AUTO_TEXT directory = ur_copy(to, (size_t)(strrchr(to, '/') - to) + 1);
    UR_AUTO_TEXT name = ur_format(".wh..wh.unionrun.%llx", fstat(fold->lock, &st) == 0 ? (long long)st.st_ino : 0LL);
    return ur_path_join(directory, name);
}

/* 0 or an errno. */
static int copy_whole(const struct fold *fold, const char *from, const char *to) {
    struct stat st;
    if (lstat(from, &st) < 0)
        return errno;
    const struct stat *final = S_ISDIR(st.st_mode) ? directory_of(fold, from) : &st;
    long ret = final ? ur_layer_copy(from, from, final, to) : -EINVAL;
    if (!S_ISDIR(st.st_mode) || ret < 0)
        return (int)-ret;
    struct names names;
    ret = names_of(from, &names);
    int error = ret < 0 ? (int)-ret : 0;
    for (size_t i = 0; i < names.count && !error; i++) {
        UR_AUTO_TEXT one = ur_path_join(from, names.name[i]);
        UR_AUTO_TEXT other = ur_path_join(to, names.name[i]);
        error = copy_whole(fold, one, other);
    }
    names_free(&names);
    return error ? error : (int)-ur_layer_finish(final, to);
}

/* A file or a directory with all in it: 0 or an errno. */
static int remove_all(const char *path) {
    if (unlink(path) == 0 || errno == ENOENT)
        return 0;
    return errno == EISDIR ? -remove_tree(path) : errno;
}

/* To another filesystem: what is seen of it is one rename, too. 0 or an errno. */
static int move_across(struct fold *fold, const char *from, const char *to) {
    UR_AUTO_TEXT copy = beside(fold, to);
    int error = remove_all(copy);
    if (!error)
        error = copy_whole(fold, from, copy);
    if (!error)
        error = move(copy, to);
    remove_all(error ? copy : from);
    fold->across = true;
    return error;
}

static bool throw_away(const struct fold *fold, const char *path) {
    UR_AUTO_TEXT to = trash(fold);
    int error = move(path, to);
    if (error == EXDEV)
        error = remove_all(path);
    return error == 0 || error == ENOENT || failed(path, error);
}

/* Puts `from` in the place of `to`. Files by one step; what a rename cannot replace goes to the trash first. */
static bool put(struct fold *fold, const char *from, const char *to) {
    struct stat st;
    if (lstat(to, &st) == 0) {
        struct stat mine;
        if (lstat(from, &mine) < 0)
            return failed(from, errno);
        if ((S_ISDIR(st.st_mode) || S_ISDIR(mine.st_mode)) && !throw_away(fold, to))
            return false;
    }
    int error = move(from, to);
    if (error == EXDEV && fold->mount->lowers == 1)
        error = move_across(fold, from, to);
    return error == 0 || failed(to, error);
}

/* May what it looks like be changed? */
static bool is_ours(const char *directory) {
    struct stat st;
    return geteuid() == 0 || (lstat(directory, &st) == 0 && st.st_uid == geteuid());
}

static bool fold_in(struct fold *fold, const struct ur_place *place, const char *from, const char *to);

static bool opaque_as(const char *directory, bool wanted, bool is) {
    enum ur_form whiteout, opaque;
    if (wanted == is)
        return true;
    chmod(directory, 0700); /* what it is to be in the end it is given afterwards */
    if (!wanted)
        return ur_layer_unopaque(directory) == 0 || failed(directory, EIO);
    UR_AUTO_TEXT room = ur_format("%s/.wh..wh.probe", directory);
    if (mkdir(room, 0700) < 0)
        return failed(room, errno);
    build_forms(room, &whiteout, &opaque);
    rmdir(room);
    long ret = ur_layer_opaque(opaque, directory);
    return ret == 0 || failed(directory, (int)-ret);
}

static bool merge_directory(struct fold *fold, const struct ur_place *place, const char *name, const char *from,
                            const char *to) {
    struct ur_place *child;
    const struct stat *st = directory_of(fold, from);
    long ret = st ? ur_place_enter(place, name, &child) : -EINVAL;
    if (ret < 0)
        return failed(to, (int)-ret);
    bool ours = is_ours(to);
    chmod(from, 0700);
    if (ours)
        chmod(to, 0700 | (st->st_mode & 07777));
    bool right = fold_in(fold, child, from, to);
    ur_place_close(child);
    if (!right)
        return false;
    if (ours)
        ret = ur_layer_same_xattrs(from, to);
    if (ours && ret == 0)
        ret = ur_layer_finish(st, to);
    if (ret < 0)
        return failed(to, (int)-ret);
    return rmdir(from) == 0 || failed(from, errno);
}

static bool put_directory(struct fold *fold, const struct ur_place *place, const char *name, const struct ur_view *mine,
                          const struct ur_view *theirs, bool shows) {
    bool directory = theirs->held == UR_HELD_DIRECTORY;
    const struct stat *st = directory_of(fold, mine->host);
    if (!mine->opaque && directory)
        return merge_directory(fold, place, name, mine->host, theirs->host);
    /* It stands over the layers below the lower alone from now on. */
    bool covers = mine->opaque || theirs->held != UR_HELD_NOTHING || theirs->whiteout;
    if (!st)
        return failed(mine->host, EINVAL);
    if (!opaque_as(mine->host, covers && shows, mine->opaque) || ur_layer_finish(st, mine->host) < 0)
        return failed(mine->host, EIO);
    return put(fold, mine->host, theirs->host);
}

static bool fold_name(struct fold *fold, const struct ur_place *place, const char *from, const char *to,
                      const char *name) {
    struct ur_view mine, theirs;
    struct ur_found below;
    long ret = ur_look_at(from, name, &mine);
    if (ret == 0)
        ret = ur_look_at(to, name, &theirs);
    if (ret == 0)
        ret = ur_find(place, name, 1, &below);
    if (ret < 0)
        return failed(to, (int)-ret);
    UR_AUTO_TEXT my_mark = ur_format("%s/.wh.%s", from, name);
    UR_AUTO_TEXT their_mark = ur_format("%s/.wh.%s", to, name);
    if (mine.held == UR_HELD_WHITEOUT) {
        const char *mark = mine.whiteout == UR_FORM_NAME ? my_mark : mine.host;
        if (!below.there) {
            if (theirs.held != UR_HELD_NOTHING && !throw_away(fold, theirs.host))
                return false;
            unlink(their_mark);
            return unlink(mark) == 0 || failed(mark, errno);
        }
        if (mine.whiteout != UR_FORM_NAME)
            return put(fold, mark, theirs.host);
        return put(fold, mark, their_mark) && throw_away(fold, theirs.host);
    }
    bool right = true;
    if (mine.held == UR_HELD_DIRECTORY)
        right = put_directory(fold, place, name, &mine, &theirs, below.there);
    else if (mine.held == UR_HELD_FILE)
        right = put(fold, mine.host, theirs.host);
    if (right && theirs.whiteout == UR_FORM_NAME)
        unlink(their_mark);
    return right;
}

/* `place` is the directory `to` as the lowers show it, and `to` the topmost lower's. */
static bool fold_in(struct fold *fold, const struct ur_place *place, const char *from, const char *to) {
    struct names names;
    long ret = names_of(from, &names);
    bool right = ret >= 0 || failed(from, (int)-ret);
    for (size_t i = 0; i < names.count && right; i++)
        right = fold_name(fold, place, from, to, names.name[i]);
    names_free(&names);
    return right;
}

static bool fold_all(struct fold *fold) {
    struct ur_union lowers = union_of(fold->mount, false, 0, fold->mount->lowers);
    struct ur_place *place;
    const char *to = fold->mount->lower[0];
    const struct stat *st = directory_of(fold, fold->layer);
    long ret = st ? ur_place_open(&lowers, fold->mount->target, &place) : -EINVAL;
    bool right = ret == 0 && fold_in(fold, place, fold->layer, to);
    if (ret == 0)
        ur_place_close(place);
    bool ours = is_ours(to);
    if (ret == 0 && right && ours)
        ret = ur_layer_same_xattrs(fold->layer, to);
    if (ret == 0 && right && ours)
        ret = ur_layer_finish(st, to);
    union_free(&lowers);
    return ret == 0 ? right : failed(to, (int)-ret);
}

static bool drop_committed(const struct fold *fold) {
    UR_AUTO_TEXT path = part(fold, "drop");
    size_t size = 0;
    UR_AUTO_TEXT list = read_file(path, &size);
    if (!list)
        return failed(path, errno);
    if (strcmp(list, "*") == 0)
        return drop_everything(fold->mount);
    bool right = true;
    for (const char *at = list; at < list + size && right; at += strlen(at) + 1) {
        UR_AUTO_TEXT host = ur_format("%s%s", fold->mount->upper, at + 1);
        if (*at == 'e')
            drop_empty(host);
        else
            right = drop_path(fold->mount, host);
    }
    return right;
}

bool fold_finish(struct fold *fold) {
    UR_AUTO_TEXT ready = part(fold, "ready");
    UR_AUTO_TEXT mark = ur_commit_mark(fold->mount);
    if (!fold->directories && !read_directories(fold))
        return false;
    if (!fold_all(fold))
        return false;
    /* What was folded is safe before the upper loses it. */
    if (fold->across)
        sync();
    else
        syncfs(fold->lock);
    if (!drop_committed(fold))
        return false;
    unlink(ready);
    unlink(mark);
    return true;
}

void fold_end(struct fold *fold) {
    struct stat st;
    UR_AUTO_TEXT ready = fold->lock >= 0 ? part(fold, "ready") : NULL;
    if (ready && lstat(ready, &st) < 0 && clear_stage(fold) && stat(fold->mount->lower[0], &st) == 0) {
        const struct timespec times[2] = {st.st_atim, st.st_mtim};
        rmdir(fold->stage);
        utimensat(AT_FDCWD, fold->mount->lower[0], times, 0);
    }
    if (fold->lock >= 0)
        close(fold->lock);
    for (size_t i = 0; i < fold->directories; i++)
        free(fold->directory[i].path);
    free(fold->directory);
    free(fold->stage);
    free(fold->layer);
    *fold = (struct fold){.lock = -1};
}
