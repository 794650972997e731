/* A layer into a directory of its own; see copy.h. */
#include "layers/exchange/copy.h"
#include "layers/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool failed(const char *path, long error) {
    UR_AUTO_TEXT name = ur_quoted(*path ? path : ".");
    say("%s: %s", name, layers_error(error));
    return false;
}

/* Where copy_file_range(2) cannot, as from one filesystem to another before Linux 5.19. */
static long copy_block(int from, int to, off_t at, size_t size) {
    static char block[1 << 16];
    ssize_t got = pread(from, block, size < sizeof block ? size : sizeof block, at);
    if (got < 0)
        return -errno;
    for (ssize_t done = 0; done < got;) {
        ssize_t written = pwrite(to, block + done, (size_t)(got - done), at + done);
        if (written < 0)
            return -errno;
        done += written;
    }
    return got;
}

static long copy_extent(int from, int to, off_t at, off_t end) {
    bool by_kernel = true;
    while (at < end) {
        off_t in = at, out = at;
        long got = by_kernel ? copy_file_range(from, &in, to, &out, (size_t)(end - at), 0) : -1;
        if (got <= 0) {
            by_kernel = false;
            got = copy_block(from, to, at, (size_t)(end - at));
        }
        if (got <= 0)
            return got;
        at += got;
    }
    return 0;
}

long ur_copy_data(int from, int to, off_t size) {
    if (ioctl(to, FICLONE, from) == 0)
        return 0;
    long ret = 0;
    for (off_t at = 0; ret == 0 && at < size;) {
        off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            break;
        off_t hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
        if (hole < 0) {
            data = at;
            hole = size;
        }
        at = hole < size ? hole : size;
        ret = copy_extent(from, to, data, at);
    }
    return ret == 0 && ftruncate(to, size) < 0 ? -errno : ret;
}

/* By descriptor where there is one, else by name. What only root may is counted. */
static long put_meta(struct ur_copy *copy, int fd, const char *path, const struct stat *st) {
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    bool own = st->st_uid == geteuid() && st->st_gid == getegid();
    int ret = fd >= 0 ? fchown(fd, st->st_uid, st->st_gid)
                      : fchownat(copy->root, path, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW);
    if (ret < 0 && errno != EPERM)
        return -errno;
    copy->owners += ret < 0 && !own;
    if (!S_ISLNK(st->st_mode)) {
        ret = fd >= 0 ? fchmod(fd, st->st_mode & 07777) : fchmodat(copy->root, path, st->st_mode & 07777, 0);
        if (ret < 0)
            return -errno;
    }
    ret = fd >= 0 ? futimens(fd, times) : utimensat(copy->root, path, times, AT_SYMLINK_NOFOLLOW);
    return ret < 0 ? -errno : 0;
}

/* Its mode may forbid its owner to make something in it: that comes at the end. */
static bool add_directory(struct ur_copy *copy, const struct ur_item *item) {
    if (*item->path && mkdirat(copy->root, item->path, 0700) < 0)
        return failed(item->path, -errno);
    int fd = openat(copy->root, *item->path ? item->path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return failed(item->path, -errno);
    long ret = ur_pass_xattrs(item->host, fd, "");
    close(fd);
    copy->directories = ur_grow(copy->directories, copy->count, sizeof *copy->directories);
    copy->directories[copy->count++] = (struct ur_copied){ur_format("%s", item->path), item->st};
    return ret == 0 || failed(item->path, ret);
}

static bool add_file(struct ur_copy *copy, const struct ur_item *item) {
    int from = open(item->data, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    int to = from < 0 ? -1 : openat(copy->root, item->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    long ret = to < 0 ? -errno : ur_copy_data(from, to, item->st.st_size);
    if (ret == 0)
        ret = ur_pass_xattrs(item->host, to, "");
    if (ret == 0)
        ret = put_meta(copy, to, item->path, &item->st);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    copy->bytes += (uint64_t)item->st.st_size;
    return ret == 0 || failed(item->path, ret);
}

static long make_other(struct ur_copy *copy, const struct ur_item *item) {
    char text[UR_PATH_MAX];
    if (!S_ISLNK(item->st.st_mode))
        return mknodat(copy->root, item->path, item->st.st_mode & (S_IFMT | 0700), item->st.st_rdev) < 0 ? -errno : 0;
    ssize_t length = readlink(item->host, text, sizeof text - 1);
    if (length < 0)
        return -errno;
    text[length] = '\0';
    return symlinkat(text, copy->root, item->path) < 0 ? -errno : 0;
}

static bool add_other(struct ur_copy *copy, const struct ur_item *item) {
    long ret = make_other(copy, item);
    if (ret == 0) {
        UR_AUTO_TEXT whole = ur_format("/proc/self/fd/%d/%s", copy->root, item->path);
        ret = ur_pass_xattrs(item->host, -1, whole);
    }
    if (ret == 0)
        ret = put_meta(copy, -1, item->path, &item->st);
    return ret == 0 || failed(item->path, ret);
}

static bool add_mark(struct ur_copy *copy, const struct ur_item *item) {
    const char *slash = strrchr(item->path, '/');
    const char *last = slash ? slash + 1 : item->path;
    bool opaque = item->kind == UR_ITEM_OPAQUE;
    UR_AUTO_TEXT directory = opaque  ? ur_format("%s", *item->path ? item->path : ".")
                             : slash ? ur_copy(item->path, (size_t)(slash - item->path))
                                     : ur_format(".");
    int fd = openat(copy->root, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    long ret = fd < 0 ? -errno : opaque ? ur_put_opaque(copy->forms, fd) : ur_put_whiteout(copy->forms, fd, last);
    if (fd >= 0)
        close(fd);
    return ret == 0 || failed(item->path, ret);
}

bool ur_copy_add(struct ur_copy *copy, const struct ur_item *item) {
    if (!copy->tick(copy->arg))
        return false;
    if (item->kind != UR_ITEM_FILE)
        return add_mark(copy, item);
    copy->files++;
    if (S_ISDIR(item->st.st_mode))
        return add_directory(copy, item);
    if (item->link)
        return linkat(copy->root, item->link, copy->root, item->path, 0) == 0 || failed(item->path, -errno);
    return S_ISREG(item->st.st_mode) ? add_file(copy, item) : add_other(copy, item);
}

bool ur_copy_end(struct ur_copy *copy, bool right) {
    for (size_t i = copy->count; i-- > 0;) {
        struct ur_copied *directory = &copy->directories[i];
        int fd = right ? openat(copy->root, *directory->path ? directory->path : ".",
                                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                       : -1;
        if (right) {
            long ret = fd < 0 ? -errno : put_meta(copy, fd, directory->path, &directory->st);
            right = ret == 0 || failed(directory->path, ret);
        }
        if (fd >= 0)
            close(fd);
        free(directory->path);
    }
    free(copy->directories);
    copy->directories = NULL;
    copy->count = 0;
    return right;
}
