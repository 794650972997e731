/*
 * A layer tar into a directory of its own; see unpack.h.
 *
 * Parents are opened one by one, O_NOFOLLOW. A parent that is a symlink in this layer is refused; one that is a
 * symlink in a layer beneath, and not in this one, is followed within the union's root, as it would be by who
 * unpacks all layers into one tree. What is there already is replaced only if it is a whiteout of ours.
 */
#include "layers/exchange/unpack.h"
#include "config/text.h"
#include "layers/layers.h"

#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { FOLLOW_MAX = 40, XATTRS_MAX = 1000 };

struct job {
    struct ur_unpack *u;
    struct ur_blob *blob;
    char parent[PATH_MAX]; /* the path that parent_fd is at */
    int parent_fd;
    struct directory {
        char *path;
        struct ur_meta meta;
    } * directories;
    size_t count;
};

static bool refuse(const struct job *job, const char *path, const char *why) {
    UR_AUTO_TEXT name = ur_quoted(path);
    say("%s: %s: %s", job->u->what, name, why);
    return false;
}

static bool failed(const struct job *job, const char *path, int error) {
    return refuse(job, path, strerror(error));
}

/* "./a//b/" into "a/b"; "" is the root. NULL: it is no path inside; `why` tells. */
static char *inside(const char *name, const char **why) {
    if (!name) {
        *why = "a name that cannot be read";
        return NULL;
    }
    char *path = ur_allocate(strlen(name) + 1), *out = path;
    *why = name[0] == '/' ? "an absolute name" : strlen(name) >= PATH_MAX - 64 ? "too long a name" : NULL;
    for (const char *at = name; *at && !*why;) {
        size_t n = strcspn(at, "/");
        if (n == 2 && at[0] == '.' && at[1] == '.')
            *why = "a name that leads out by \"..\"";
        else if (n > NAME_MAX)
            *why = "too long a name";
        else if (n && !(n == 1 && at[0] == '.')) {
            if (out > path)
                *out++ = '/';
            memcpy(out, at, n);
            out += n;
        }
        at += n + (at[n] == '/');
    }
    *out = '\0';
    if (!*why)
        return path;
    free(path);
    return NULL;
}

static char *parent_of(const char *path, const char **last) {
    const char *slash = strrchr(path, '/');
    *last = slash ? slash + 1 : path;
    return ur_copy(path, slash ? (size_t)(slash - path) : 0);
}

static bool make_opaque(const struct job *job, int fd) {
    long ret = ur_put_opaque(job->u->forms, fd);
    errno = (int)-ret;
    return ret == 0;
}

static bool count_file(const struct job *job) {
    if (*job->u->files_left == 0) {
        say("%s: more files than the limit allows; --max-files sets another", job->u->what);
        return false;
    }
    --*job->u->files_left;
    return true;
}

static void remember(struct job *job, const char *path, const struct ur_meta *meta) {
    job->directories = ur_grow(job->directories, job->count, sizeof *job->directories);
    job->directories[job->count++] = (struct directory){ur_format("%s", path), *meta};
}

/* A directory that the archive does not describe looks like the one beneath, `host`; NULL: there is none. */
static bool imply(struct job *job, int fd, const char *path, const char *host, const struct timespec *mtime) {
    char record[64];
    struct stat st;
    struct ur_meta meta = {.mode = 0755, .mtime = *mtime};
    if (host && lstat(host, &st) == 0 && S_ISDIR(st.st_mode)) {
        ssize_t size = lgetxattr(host, UR_OVERRIDE_STAT, record, sizeof record);
        ur_meta_of(&st, size > 0 ? record : NULL, size > 0 ? (size_t)size : 0, &meta);
        ur_pass_xattrs(host, fd, "");
    }
    remember(job, path, &meta);
    long ret = ur_keep_directory_begin(fd, &meta, NULL, 0, &job->u->lost);
    return ret == 0 || failed(job, path, (int)-ret);
}

enum step { STEP_FAILED = -1, STEP_FOLLOW = -2 };

/* The child directory of `fd`, made if it is missing. Its descriptor, or enum step: `path` is what leads to it.
   `*beneath`: may the layers beneath have it? It becomes false where they have not. */
static int step_down(struct job *job, int fd, const char *path, const char *name, const struct timespec *mtime,
                     bool *beneath) {
    enum { FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
    char host[UR_PATH_MAX];
    struct stat st;
    int child = openat(fd, name, FLAGS);
    if (child >= 0)
        return child;
    if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
        return failed(job, path, errno), STEP_FAILED;
    bool white = ur_drop_whiteout(job->u->forms, fd, name);
    if (!white && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return refuse(job, path,
                      S_ISLNK(st.st_mode) ? "a symlink of the same layer, and the archive writes through it"
                                          : "no directory, and the archive puts something in it"),
               STEP_FAILED;
    bool known = *beneath && !white && ur_below_find(job->u->below, path, host);
    *beneath = known;
    if (known && lstat(host, &st) == 0 && S_ISLNK(st.st_mode))
        return STEP_FOLLOW;
    if (!count_file(job))
        return STEP_FAILED;
    if (mkdirat(fd, name, 0700) < 0 || (child = openat(fd, name, FLAGS)) < 0)
        return failed(job, path, errno), STEP_FAILED;
    if ((white && !make_opaque(job, child) && !failed(job, path, errno)) ||
        !imply(job, child, path, known ? host : NULL, mtime)) {
        close(child);
        return STEP_FAILED;
    }
    return child;
}

/* Makes job->parent_fd the directory of this path, which `*path` is changed to if it leads through symlinks beneath.
   False: has been said. */
static bool enter(struct job *job, char **path, const struct timespec *mtime) {
    if (job->parent_fd >= 0 && strcmp(job->parent, *path) == 0)
        return true;
    for (int follow = 0; follow < FOLLOW_MAX; follow++) {
        int fd = openat(job->u->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char *at = *path, *follows = NULL;
        bool beneath = job->u->beneath;
        while (fd >= 0 && *at && !follows) {
            size_t n = strcspn(at, "/");
            UR_AUTO_TEXT so_far = ur_copy(*path, (size_t)(at - *path) + n);
            UR_AUTO_TEXT name = ur_copy(at, n);
            int child = step_down(job, fd, so_far, name, mtime, &beneath);
            close(fd);
            fd = child;
            at += n + (at[n] == '/');
            char real[UR_PATH_MAX];
            if (child == STEP_FOLLOW) {
                if (!ur_below_real(job->u->below, so_far, real))
                    return refuse(job, so_far, "a symlink beneath that leads to no directory");
                follows = ur_format("%s%s%s", real, *real && *at ? "/" : "", at);
            }
        }
        if (!follows) {
            if (fd < 0)
                return false;
            if (job->parent_fd >= 0)
                close(job->parent_fd);
            job->parent_fd = fd;
            snprintf(job->parent, sizeof job->parent, "%s", *path);
            return true;
        }
        free(*path);
        *path = follows;
        if (strlen(follows) >= PATH_MAX)
            break;
    }
    return refuse(job, *path, "too many symlinks beneath");
}

/* --- one entry ------------------------------------------------------------------------------------------- */

struct item {
    struct archive_entry *entry;
    char *path, *dir;
    const char *name; /* in dir; borrowed from path */
    mode_t type;
    struct ur_meta meta;
    struct ur_xattr xattrs[XATTRS_MAX];
    size_t count;
};

static bool read_item(struct job *job, struct archive_entry *entry, struct item *item) {
    const char *why = NULL, *name = archive_entry_pathname(entry);
    item->entry = entry;
    item->path = inside(name, &why);
    if (!item->path)
        return refuse(job, name ? name : "(no name)", why);
    item->dir = parent_of(item->path, &item->name);
    item->type = archive_entry_filetype(entry);
    la_int64_t uid = archive_entry_uid(entry), gid = archive_entry_gid(entry);
    if (uid < 0 || gid < 0 || uid >= UINT32_MAX || gid >= UINT32_MAX)
        return refuse(job, item->path, "an owner that there cannot be");
    item->meta = (struct ur_meta){.mode = archive_entry_perm(entry) & 07777, .uid = (uid_t)uid, .gid = (gid_t)gid};
    if (archive_entry_mtime_is_set(entry)) {
        item->meta.mtime.tv_sec = archive_entry_mtime(entry);
        item->meta.mtime.tv_nsec = archive_entry_mtime_nsec(entry);
        if (item->meta.mtime.tv_nsec < 0 || item->meta.mtime.tv_nsec > 999999999)
            item->meta.mtime.tv_nsec = 0;
    }
    item->count = 0;
    struct ur_xattr xattr;
    archive_entry_xattr_reset(entry);
    while (archive_entry_xattr_next(entry, &xattr.name, &xattr.value, &xattr.size) == ARCHIVE_OK)
        if (item->count < XATTRS_MAX)
            item->xattrs[item->count++] = xattr;
        else
            job->u->lost.xattrs++;
    job->u->lost.xattrs += archive_entry_acl_types(entry) != 0;
    return true;
}

static bool exists(struct job *job, const struct item *item) {
    if (errno != EEXIST)
        return failed(job, item->path, errno);
    return refuse(job, item->path, "twice in the layer");
}

/* Opaque, if the name had a whiteout: so a directory that took the place of another shows nothing of it. */
static bool add_directory(struct job *job, struct item *item) {
    int parent = *item->path ? job->parent_fd : job->u->root;
    const char *name = *item->path ? item->name : ".";
    struct stat st;
    bool white = *item->path && ur_drop_whiteout(job->u->forms, parent, name);
    if (mkdirat(parent, name, 0700) < 0 &&
        (errno != EEXIST || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)))
        return exists(job, item);
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return failed(job, item->path, errno);
    remember(job, item->path, &item->meta);
    bool right = !white || make_opaque(job, fd);
    long ret = right ? ur_keep_directory_begin(fd, &item->meta, item->xattrs, item->count, &job->u->lost) : -errno;
    close(fd);
    return ret == 0 || failed(job, item->path, (int)-ret);
}

static bool write_at(int fd, const char *bytes, size_t size, off_t at) {
    while (size) {
        ssize_t written = pwrite(fd, bytes, size, at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        size -= (size_t)written;
        at += written;
    }
    return true;
}

static bool add_data(struct job *job, const struct item *item, int fd, la_int64_t whole) {
    const void *bytes;
    size_t size;
    la_int64_t at;
    int status;
    while ((status = archive_read_data_block(job->blob->tar, &bytes, &size, &at)) != ARCHIVE_EOF) {
        if (status == ARCHIVE_RETRY)
            continue;
        if (status < ARCHIVE_WARN)
            return refuse(job, item->path, ur_blob_error(job->blob));
        if (at < 0 || at > whole || size > (uint64_t)(whole - at))
            return refuse(job, item->path, "more data than its size");
        if (!write_at(fd, bytes, size, at))
            return failed(job, item->path, errno);
        job->u->bytes += size;
        if (!job->u->tick(job->u->arg))
            return false;
    }
    return ftruncate(fd, whole) == 0 || failed(job, item->path, errno);
}

static bool add_file(struct job *job, struct item *item) {
    la_int64_t whole = archive_entry_size_is_set(item->entry) ? archive_entry_size(item->entry) : 0;
    if (whole < 0 || (uint64_t)whole > job->u->max_size)
        return refuse(job, item->path, "larger than the limit allows; --max-size sets another");
    ur_drop_whiteout(job->u->forms, job->parent_fd, item->name);
    int fd = openat(job->parent_fd, item->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return exists(job, item);
    bool right = add_data(job, item, fd, whole);
    long ret = right ? ur_keep(fd, -1, "", S_IFREG, &item->meta, item->xattrs, item->count, &job->u->lost) : 0;
    close(fd);
    return right && (ret == 0 || failed(job, item->path, (int)-ret));
}

static bool add_symlink(struct job *job, struct item *item) {
    const char *text = archive_entry_symlink(item->entry);
    if (!text || !*text || strlen(text) >= PATH_MAX)
        return refuse(job, item->path, "a symlink to nothing");
    ur_drop_whiteout(job->u->forms, job->parent_fd, item->name);
    if (symlinkat(text, job->parent_fd, item->name) < 0)
        return exists(job, item);
    return true;
}

static bool add_whiteout(struct job *job, const struct item *item, const char *name);

/* A plain user's device: its record, which a simulated root sees as one (engine/root.h). `recorded`: or it is left out,
   since no such xattr can be had here. */
static bool add_device_record(struct job *job, struct item *item, dev_t dev, bool *recorded) {
    struct ur_lost lost = {0};
    int fd = openat(job->parent_fd, item->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return exists(job, item);
    item->meta.device = item->type;
    item->meta.rdev = dev;
    long ret = ur_keep(fd, -1, "", S_IFREG, &item->meta, item->xattrs, item->count, &lost);
    close(fd);
    *recorded = ret == 0 && !lost.owners;
    if (!*recorded && unlinkat(job->parent_fd, item->name, 0) < 0 && ret == 0)
        ret = -errno;
    job->u->lost.xattrs += lost.xattrs;
    return ret == 0 || failed(job, item->path, (int)-ret);
}

/* A device may need more rights than one has, or than a container gives: then it is left out, and counted. */
static bool add_node(struct job *job, struct item *item) {
    dev_t dev = item->type == AE_IFIFO ? 0 : archive_entry_rdev(item->entry);
    if (item->type == AE_IFCHR && dev == 0)
        return add_whiteout(job, item, item->name);
    ur_drop_whiteout(job->u->forms, job->parent_fd, item->name);
    if (mknodat(job->parent_fd, item->name, item->type | 0600, dev) == 0)
        return true;
    if (errno == EPERM && item->type != AE_IFIFO) {
        bool recorded = false;
        bool right = geteuid() == 0 || add_device_record(job, item, dev, &recorded);
        job->u->lost.devices += !recorded;
        job->u->lost.recorded += recorded;
        item->type = 0;
        return right;
    }
    return exists(job, item);
}

/* A lower file's copy: a second name for it in this layer can only be a file of its own. */
static bool copy_below(struct job *job, struct item *item, const char *host) {
    char record[64];
    struct stat st;
    int from = open(host, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (from < 0 || fstat(from, &st) < 0 || !S_ISREG(st.st_mode)) {
        if (from >= 0)
            close(from);
        return refuse(job, item->path, "a hard link to what is no regular file beneath");
    }
    ur_drop_whiteout(job->u->forms, job->parent_fd, item->name);
    int to = openat(job->parent_fd, item->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool right = to >= 0 || exists(job, item);
    if (right && (uint64_t)st.st_size > *job->blob->left)
        right = refuse(job, item->path, "more than the limit allows; --max-size sets another");
    for (off_t left = st.st_size; right && left > 0;) {
        ssize_t n = copy_file_range(from, NULL, to, NULL, (size_t)(left < 1 << 24 ? left : 1 << 24), 0);
        if (n <= 0)
            right = failed(job, item->path, n < 0 ? errno : EIO);
        else {
            left -= n;
            *job->blob->left -= (uint64_t)n;
            job->u->bytes += (uint64_t)n;
            right = job->u->tick(job->u->arg);
        }
    }
    if (right) {
        ssize_t size = fgetxattr(from, UR_OVERRIDE_STAT, record, sizeof record);
        ur_meta_of(&st, size > 0 ? record : NULL, size > 0 ? (size_t)size : 0, &item->meta);
        ur_pass_xattrs(host, to, "");
        long ret = ur_keep(to, -1, "", S_IFREG, &item->meta, NULL, 0, &job->u->lost);
        right = ret == 0 || failed(job, item->path, (int)-ret);
    }
    if (to >= 0)
        close(to);
    close(from);
    return right;
}

/* The target's directory, opened without following anything. -1 with errno. */
static int open_inside(int root, const char *dir) {
    int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (const char *at = dir; fd >= 0 && *at;) {
        size_t n = strcspn(at, "/");
        UR_AUTO_TEXT name = ur_copy(at, n);
        int child = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int error = errno;
        close(fd);
        errno = error;
        fd = child;
        at += n + (at[n] == '/');
    }
    return fd;
}

static bool add_hardlink(struct job *job, struct item *item, const char *target) {
    const char *why = NULL, *last;
    char host[UR_PATH_MAX];
    struct stat st;
    UR_AUTO_TEXT to = inside(target, &why);
    if (!to || !*to)
        return refuse(job, item->path, why ? "a hard link that leads out of the layer" : "a hard link to the root");
    UR_AUTO_TEXT dir = parent_of(to, &last);
    int fd = open_inside(job->u->root, dir);
    if (fd >= 0 && fstatat(fd, last, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        bool right = false;
        if (S_ISDIR(st.st_mode) || ur_is_whiteout_at(fd, last, &st))
            refuse(job, item->path, "a hard link to a directory or to what was removed");
        else {
            ur_drop_whiteout(job->u->forms, job->parent_fd, item->name);
            right = linkat(fd, last, job->parent_fd, item->name, 0) == 0 || exists(job, item);
        }
        close(fd);
        return right;
    }
    if (fd >= 0)
        close(fd);
    if (errno == ENOENT && ur_below_find(job->u->below, to, host))
        return copy_below(job, item, host);
    return refuse(job, item->path, "a hard link to what is not there");
}

/* Whiteouts hide what the layers beneath have, nothing of the same layer: layer.md. */
static bool add_whiteout(struct job *job, const struct item *item, const char *name) {
    struct stat st;
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return refuse(job, item->path, "a whiteout of no name");
    if (fstatat(job->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (!S_ISDIR(st.st_mode))
            return true;
        int fd = openat(job->parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        bool right = fd >= 0 && make_opaque(job, fd);
        int error = errno;
        if (fd >= 0)
            close(fd);
        return right || failed(job, item->path, error);
    }
    long ret = ur_put_whiteout(job->u->forms, job->parent_fd, name);
    const struct timespec times[2] = {item->meta.mtime, item->meta.mtime}; /* so that two imports are alike */
    UR_AUTO_TEXT wh = ur_format(".wh.%s", name);
    utimensat(job->parent_fd, job->u->forms.whiteout == UR_FORM_NAME ? wh : name, times, AT_SYMLINK_NOFOLLOW);
    return ret == 0 || ret == -EEXIST || failed(job, item->path, (int)-ret);
}

static bool is_reserved(const char *name) {
    return strncmp(name, ".wh.", 4) == 0;
}

/* "plnk" and the like in ".wh..wh.plnk": aufs' own, and nobody else's. */
static bool in_reserved(const char *dir) {
    return is_reserved(dir) || strstr(dir, "/.wh.");
}

/* The directory may have been found elsewhere. */
static void settle(struct item *item) {
    char *path = ur_format("%s%s%s", item->dir, *item->dir ? "/" : "", item->name);
    free(item->path);
    item->path = path;
    item->name = path + strlen(item->dir) + (*item->dir != 0);
}

static bool add_item(struct job *job, struct item *item) {
    const char *hard = archive_entry_hardlink(item->entry);
    if (in_reserved(item->dir))
        return job->u->lost.others++, true;
    if (!enter(job, &item->dir, &item->meta.mtime))
        return false;
    settle(item);
    if (!*item->path)
        return item->type == AE_IFDIR && !hard ? add_directory(job, item) : refuse(job, "/", "no directory");
    if (strcmp(item->name, ".wh..wh..opq") == 0)
        return make_opaque(job, job->parent_fd) || failed(job, item->path, errno);
    if (is_reserved(item->name)) {
        if (!is_reserved(item->name + 4))
            return add_whiteout(job, item, item->name + 4);
        return job->u->lost.others++, true;
    }
    if (hard)
        return add_hardlink(job, item, hard);
    switch (item->type) {
    case AE_IFDIR:
        return add_directory(job, item);
    case AE_IFREG:
        return add_file(job, item);
    case AE_IFLNK:
        if (!add_symlink(job, item))
            return false;
        break;
    case AE_IFIFO:
    case AE_IFCHR:
    case AE_IFBLK:
        if (!add_node(job, item))
            return false;
        if (!item->type || (item->type == AE_IFCHR && archive_entry_rdev(item->entry) == 0))
            return true;
        break;
    default:
        return job->u->lost.others++, true;
    }
    long ret =
        ur_keep(-1, job->parent_fd, item->name, item->type, &item->meta, item->xattrs, item->count, &job->u->lost);
    return ret == 0 || failed(job, item->path, (int)-ret);
}

/* Where the data end of an entry of which the header was read. Of a sparse file nobody tells. */
static uint64_t end_of(const struct job *job, struct archive_entry *entry) {
    la_int64_t size = archive_entry_size(entry);
    return size < 0 || archive_entry_sparse_count(entry)
               ? 0
               : (uint64_t)archive_filter_bytes(job->blob->tar, 0) + (uint64_t)size;
}

static bool add_all(struct job *job) {
    struct archive_entry *entry;
    uint64_t end = 0;
    struct item *item = ur_allocate(sizeof *item);
    bool right = true;
    while (right) {
        int status = archive_read_next_header(job->blob->tar, &entry);
        if (status == ARCHIVE_EOF) {
            right = ur_blob_whole(job->blob, end);
            if (!right)
                say("%s: cut short", job->u->what);
            break;
        }
        if (status == ARCHIVE_RETRY)
            continue;
        if (status < ARCHIVE_WARN) {
            say("%s: %s", job->u->what, ur_blob_error(job->blob));
            right = false;
        } else {
            job->u->entries++;
            end = end_of(job, entry);
            right = count_file(job) && job->u->tick(job->u->arg) && read_item(job, entry, item) && add_item(job, item);
            free(item->path);
            free(item->dir);
            item->path = item->dir = NULL;
        }
    }
    free(item);
    return right;
}

static bool end_directories(struct job *job) {
    for (size_t i = 0; i < job->count; i++) {
        int fd = open_inside(job->u->root, job->directories[i].path);
        long ret = fd < 0 ? -errno : 0;
        if (fd >= 0) { /* O_PATH: not for fchmod */
            int real = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            ret = real < 0 ? -errno : ur_keep_directory_end(real, &job->directories[i].meta);
            if (real >= 0)
                close(real);
            close(fd);
        }
        if (ret < 0)
            return failed(job, job->directories[i].path, (int)-ret);
    }
    return true;
}

bool ur_unpack(struct ur_unpack *unpack, struct ur_blob *blob) {
    struct job *job = ur_allocate(sizeof *job);
    job->u = unpack;
    job->blob = blob;
    job->parent_fd = -1;
    const struct timespec epoch = {0};
    bool right = imply(job, unpack->root, "", unpack->beneath, &epoch) && add_all(job) && end_directories(job);
    for (size_t i = 0; i < job->count; i++)
        free(job->directories[i].path);
    free(job->directories);
    if (job->parent_fd >= 0)
        close(job->parent_fd);
    free(job);
    return right;
}
