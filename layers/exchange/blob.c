/* A blob's bytes on their way; see blob.h. */
#include "layers/exchange/blob.h"
#include "launch/say.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { TAR_BLOCK = 512 };

static la_ssize_t read_packed(struct archive *a, void *data, const void **buffer) {
    struct ur_blob *blob = data;
    ssize_t got;
    do
        got = read(blob->fd, blob->buffer, sizeof blob->buffer);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        archive_set_error(a, errno, "%s", strerror(errno));
        return -1;
    }
    ur_sha256_add(&blob->packed, blob->buffer, (size_t)got);
    blob->read += (size_t)got;
    *buffer = blob->buffer;
    return got;
}

static void count_zeros(struct ur_blob *blob, const char *bytes, size_t size) {
    size_t zeros = 0;
    while (zeros < size && zeros < 1024 && !bytes[size - 1 - zeros])
        zeros++;
    blob->zeros = zeros == size ? blob->zeros + zeros : zeros;
}

/* `umoci insert` ends a tar with the last file's data, and who reads it by Go's archive/tar does not notice. */
static la_ssize_t pad(struct ur_blob *blob, const void **buffer) {
    static const char zeros[TAR_BLOCK];
    size_t over = blob->size % TAR_BLOCK;
    if (over == 0 || blob->padded)
        return 0;
    blob->padded = true;
    *buffer = zeros;
    return (la_ssize_t)(TAR_BLOCK - over);
}

bool ur_blob_whole(const struct ur_blob *blob, uint64_t end) {
    return !blob->padded || (blob->size >= end && blob->size - end < TAR_BLOCK);
}

/* The bytes that the tar reader sees. */
static la_ssize_t read_plain(struct archive *a, void *data, const void **buffer) {
    struct ur_blob *blob = data;
    size_t size = 0;
    la_int64_t offset;
    int status;
    if (blob->empty)
        return 0;
    do
        status = archive_read_data_block(blob->filter, buffer, &size, &offset);
    while (status == ARCHIVE_RETRY || (status == ARCHIVE_OK && !size));
    if (status == ARCHIVE_EOF)
        return pad(blob, buffer);
    if (status < ARCHIVE_WARN) {
        archive_set_error(a, archive_errno(blob->filter), "%s", archive_error_string(blob->filter));
        return -1;
    }
    if (size > *blob->left) {
        blob->over = true;
        archive_set_error(a, EFBIG, "more than the limit");
        return -1;
    }
    *blob->left -= size;
    blob->size += size;
    ur_sha256_add(&blob->plain, *buffer, size);
    count_zeros(blob, *buffer, size);
    return (la_ssize_t)size;
}

/* Everything is libarchive's "raw" format here: the decompression alone. */
static bool open_filter(struct ur_blob *blob, const char *what) {
    struct archive_entry *entry;
    archive_read_support_filter_gzip(blob->filter);
    archive_read_support_filter_zstd(blob->filter);
    archive_read_support_filter_bzip2(blob->filter);
    archive_read_support_filter_xz(blob->filter);
    archive_read_support_format_raw(blob->filter);
    archive_read_support_format_empty(blob->filter);
    if (archive_read_open(blob->filter, blob, NULL, read_packed, NULL) == ARCHIVE_OK) {
        int status = archive_read_next_header(blob->filter, &entry);
        blob->empty = status == ARCHIVE_EOF;
        if (status == ARCHIVE_OK || blob->empty)
            return true;
    }
    say("%s: cannot be read: %s", what, archive_error_string(blob->filter));
    return false;
}

bool ur_blob_open(struct ur_blob *blob, int fd, uint64_t *left, const char *what) {
    blob->fd = fd;
    blob->read = blob->size = blob->zeros = 0;
    blob->left = left;
    blob->over = blob->empty = blob->padded = false;
    ur_sha256_begin(&blob->packed);
    ur_sha256_begin(&blob->plain);
    blob->filter = archive_read_new();
    blob->tar = archive_read_new();
    bool right = blob->filter && blob->tar && open_filter(blob, what);
    if (right) {
        archive_read_support_filter_none(blob->tar);
        archive_read_support_format_tar(blob->tar);
        archive_read_support_format_empty(blob->tar);
        right = archive_read_open(blob->tar, blob, NULL, read_plain, NULL) == ARCHIVE_OK;
        if (!right)
            say("%s: no tar archive: %s", what, ur_blob_error(blob));
    }
    if (!right)
        ur_blob_close(blob);
    return right;
}

const char *ur_blob_error(const struct ur_blob *blob) {
    if (blob->over)
        return "it decompresses to more than the limit allows; --max-size sets another";
    const char *text = archive_error_string(blob->tar);
    return text ? text : "no tar archive";
}

bool ur_blob_end(struct ur_blob *blob, struct ur_blob_sums *sums, const char *what) {
    const void *buffer;
    la_ssize_t got;
    while ((got = read_plain(blob->tar, blob, &buffer)) > 0)
        ;
    if (got == 0) /* behind what the decompression took: not looked at, but of the digest */
        while ((got = read_packed(blob->tar, blob, &buffer)) > 0)
            ;
    if (got < 0) {
        say("%s: %s", what, ur_blob_error(blob));
        return false;
    }
    ur_sha256_end(&blob->packed, sums->packed);
    ur_sha256_end(&blob->plain, sums->plain);
    sums->ended = blob->zeros >= 1024;
    return true;
}

void ur_blob_close(struct ur_blob *blob) {
    archive_read_free(blob->tar);
    archive_read_free(blob->filter);
    blob->tar = blob->filter = NULL;
    if (blob->fd >= 0)
        close(blob->fd);
    blob->fd = -1;
}
