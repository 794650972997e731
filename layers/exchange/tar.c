/* A layer as a tar archive; see tar.h. */
#include "layers/exchange/tar.h"
#include "config/text.h"
#include "engine/root.h"
#include "layers/exchange/keep.h"
#include "layers/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { BLOCK = 1 << 17, XATTR_ROOM = 65536 };

static bool failed(const struct ur_tar *tar, const char *path) {
    UR_AUTO_TEXT name = ur_quoted(path);
    say("%s: %s", name, archive_error_string(tar->archive));
    return false;
}

static bool cannot(const char *path) {
    UR_AUTO_TEXT name = ur_quoted(path);
    say("%s: %s", name, strerror(errno));
    return false;
}

/* SOURCE_DATE_EPOCH: reproducible-builds.org/specs/source-date-epoch. */
static bool read_epoch(int64_t *latest) {
    const char *text = getenv("SOURCE_DATE_EPOCH");
    char *end;
    *latest = INT64_MAX;
    if (!text || !*text)
        return true;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || *end || value < 0) {
        say("SOURCE_DATE_EPOCH=%s: a number of seconds is wanted", text);
        return false;
    }
    *latest = value;
    return true;
}

static int add_filter(struct archive *archive, enum ur_packing packing) {
    switch (packing) {
    case UR_PACK_GZIP:
        archive_write_add_filter_gzip(archive);
        return archive_write_set_filter_option(archive, "gzip", "timestamp", NULL);
    case UR_PACK_ZSTD:
        return archive_write_add_filter_zstd(archive);
    default:
        return archive_write_add_filter_none(archive);
    }
}

bool ur_tar_begin(struct ur_tar *tar, int fd, enum ur_packing packing) {
    if (!read_epoch(&tar->latest))
        return false;
    tar->archive = archive_write_new();
    tar->entry = archive_entry_new();
    archive_write_set_format_pax(tar->archive);
    if (add_filter(tar->archive, packing) == ARCHIVE_OK &&
        archive_write_set_format_option(tar->archive, "pax", "xattrheader", "SCHILY") == ARCHIVE_OK &&
        archive_write_set_bytes_in_last_block(tar->archive, 1) == ARCHIVE_OK &&
        archive_write_open_fd(tar->archive, fd) == ARCHIVE_OK)
        return true;
    failed(tar, "the archive");
    ur_tar_end(tar, false);
    return false;
}

static void set_time(const struct ur_tar *tar, const struct timespec *time) {
    if (time->tv_sec < tar->latest)
        archive_entry_set_mtime(tar->entry, time->tv_sec, time->tv_nsec);
    else
        archive_entry_set_mtime(tar->entry, tar->latest, 0);
}

static bool is_exported(const char *name) {
    static const char *const host[] = {"security.selinux", "security.ima", "security.evm"};
    for (size_t i = 0; i < sizeof host / sizeof *host; i++)
        if (strcmp(name, host[i]) == 0)
            return false;
    return !ur_xattr_is_ours(name);
}

/* In the order of their names: the order of the disk is nobody's. */
static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool add_xattrs(struct ur_tar *tar, const struct ur_item *item) {
    ssize_t size = llistxattr(item->host, NULL, 0);
    if (size <= 0)
        return size == 0 || errno == ENOTSUP || cannot(item->path);
    char *list = ur_allocate((size_t)size + 1);
    size = llistxattr(item->host, list, (size_t)size);
    const char **names = NULL;
    size_t count = 0;
    for (const char *name = list; size > 0 && name < list + size; name += strlen(name) + 1)
        if (is_exported(name)) {
            names = ur_grow(names, count, sizeof *names);
            names[count++] = name;
        }
    if (count)
        qsort(names, count, sizeof *names, by_name);
    bool right = size >= 0 || cannot(item->path);
    char *value = ur_allocate(XATTR_ROOM);
    for (size_t i = 0; right && i < count; i++) {
        ssize_t got = lgetxattr(item->host, names[i], value, XATTR_ROOM);
        if (got >= 0)
            archive_entry_xattr_add_entry(tar->entry, names[i], value, (size_t)got);
        else
            right = cannot(item->path);
    }
    free(value);
    free(names);
    free(list);
    return right;
}

static bool write_header(struct ur_tar *tar, const char *path) {
    int status;
    while ((status = archive_write_header(tar->archive, tar->entry)) == ARCHIVE_RETRY)
        ;
    return status >= ARCHIVE_WARN || failed(tar, path);
}

/* Layers know no other mark: a file whose name says it. */
static bool add_mark(struct ur_tar *tar, const struct ur_item *item) {
    const char *slash = strrchr(item->path, '/');
    UR_AUTO_TEXT name = item->kind == UR_ITEM_OPAQUE
                            ? ur_format("%s%s.wh..wh..opq", item->path, *item->path ? "/" : "")
                            : ur_format("%.*s.wh.%s", (int)(slash ? slash - item->path + 1 : 0), item->path,
                                        slash ? slash + 1 : item->path);
    archive_entry_set_pathname(tar->entry, name);
    archive_entry_set_filetype(tar->entry, AE_IFREG);
    archive_entry_set_perm(tar->entry, 0644);
    archive_entry_set_size(tar->entry, 0);
    archive_entry_set_mtime(tar->entry, 0, 0);
    tar->whiteouts += item->kind == UR_ITEM_WHITEOUT;
    return write_header(tar, name);
}

/* Where the file has data, if it has holes worth it. False with errno. */
static bool find_holes(struct ur_tar *tar, int fd, const struct stat *st) {
    if (st->st_blocks * 512 >= st->st_size)
        return true;
    off_t at = 0;
    while (at < st->st_size) {
        off_t data = lseek(fd, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            break;
        off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
        if (hole < 0)
            return errno == EINVAL;
        archive_entry_sparse_add_entry(tar->entry, data, hole - data);
        at = hole;
    }
    if (at == 0) /* nothing but a hole */
        archive_entry_sparse_add_entry(tar->entry, st->st_size, 0);
    return true;
}

static bool write_data(struct ur_tar *tar, int fd, const struct ur_item *item) {
    static char block[BLOCK];
    for (off_t left = item->st.st_size; left > 0;) {
        ssize_t got = read(fd, block, (size_t)(left < BLOCK ? left : BLOCK));
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0) {
            say("%s: became shorter while it was read", item->path);
            return false;
        }
        if (got < 0)
            return cannot(item->path);
        if (archive_write_data(tar->archive, block, (size_t)got) < 0)
            return failed(tar, item->path);
        left -= got;
        tar->bytes += (uint64_t)got;
        if (!tar->tick(tar->arg))
            return false;
    }
    return true;
}

static bool add_file(struct ur_tar *tar, const struct ur_item *item) {
    int fd = open(item->data, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return cannot(item->path);
    archive_entry_set_size(tar->entry, item->st.st_size);
    bool right = (find_holes(tar, fd, &item->st) && lseek(fd, 0, SEEK_SET) == 0) || cannot(item->path);
    right = right && write_header(tar, item->path) && write_data(tar, fd, item);
    close(fd);
    return right;
}

static bool set_link(struct ur_tar *tar, const struct ur_item *item) {
    char text[UR_PATH_MAX];
    ssize_t length = readlink(item->host, text, sizeof text - 1);
    if (length < 0)
        return cannot(item->path);
    text[length] = '\0';
    archive_entry_set_symlink(tar->entry, text);
    return true;
}

/* Returns S_IFBLK or S_IFCHR of a device that a simulated root made, else 0. */
static mode_t set_meta(struct ur_tar *tar, const struct ur_item *item) {
    char record[UR_RECORD_MAX];
    struct ur_meta meta;
    ssize_t size = lgetxattr(item->host, UR_OVERRIDE_STAT, record, sizeof record);
    ur_meta_of(&item->st, size > 0 ? record : NULL, size > 0 ? (size_t)size : 0, &meta);
    bool forced = tar->owned && size <= 0;
    archive_entry_set_perm(tar->entry, meta.mode);
    archive_entry_set_uid(tar->entry, forced ? tar->uid : meta.uid);
    archive_entry_set_gid(tar->entry, forced ? tar->gid : meta.gid);
    set_time(tar, &meta.mtime);
    if (meta.device) {
        archive_entry_set_filetype(tar->entry, meta.device);
        archive_entry_set_rdev(tar->entry, meta.rdev);
    }
    return meta.device;
}

static bool add(struct ur_tar *tar, const struct ur_item *item) {
    mode_t type = item->st.st_mode & S_IFMT;
    UR_AUTO_TEXT name =
        type == S_IFDIR ? ur_format("%s/", *item->path ? item->path : ".") : ur_format("%s", item->path);
    archive_entry_set_pathname(tar->entry, name);
    archive_entry_set_filetype(tar->entry, type);
    mode_t device = set_meta(tar, item);
    if (item->link) {
        archive_entry_set_hardlink(tar->entry, item->link);
        return write_header(tar, item->path);
    }
    if (!add_xattrs(tar, item) || (type == S_IFLNK && !set_link(tar, item)))
        return false;
    if (type == S_IFREG && !device)
        return add_file(tar, item);
    if (type == S_IFCHR || type == S_IFBLK)
        archive_entry_set_rdev(tar->entry, item->st.st_rdev);
    return write_header(tar, item->path);
}

bool ur_tar_add(struct ur_tar *tar, const struct ur_item *item) {
    if (!tar->tick(tar->arg))
        return false;
    archive_entry_clear(tar->entry);
    if (item->kind != UR_ITEM_FILE)
        return add_mark(tar, item);
    if (S_ISSOCK(item->st.st_mode)) { /* tar has no such kind, and a socket nobody listens at is of no use */
        tar->sockets++;
        return true;
    }
    tar->files++;
    return add(tar, item);
}

bool ur_tar_end(struct ur_tar *tar, bool right) {
    if (right && archive_write_close(tar->archive) != ARCHIVE_OK)
        right = failed(tar, "the archive");
    if (!right)
        archive_write_fail(tar->archive);
    archive_write_free(tar->archive);
    archive_entry_free(tar->entry);
    tar->archive = NULL;
    tar->entry = NULL;
    return right;
}
