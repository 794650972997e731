/* An image's parts by their names; see source.h. */
#include "layers/exchange/source.h"
#include "config/text.h"
#include "launch/say.h"
#include "layers/stop.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MEMBERS_MAX = 100000, /* a layer has some three */
    LINKS_MAX = 8
};

static const char *plain_name(const char *name) {
    while (name && name[0] == '.' && name[1] == '/')
        name += 2 + strspn(name + 2, "/");
    return name;
}

/* The outer tar: its bytes are nobody's digest, so libarchive may seek in it. */
static struct archive *open_outer(const struct ur_source *source) {
    struct archive *outer = archive_read_new();
    if (!outer)
        return NULL;
    archive_read_support_filter_gzip(outer);
    archive_read_support_filter_zstd(outer);
    archive_read_support_filter_bzip2(outer);
    archive_read_support_filter_xz(outer);
    archive_read_support_format_tar(outer);
    archive_read_support_format_empty(outer);
    if (lseek(source->file, 0, SEEK_SET) == 0 && archive_read_open_fd(outer, source->file, 65536) == ARCHIVE_OK)
        return outer;
    const char *why = archive_error_string(outer);
    say("%s: no tar archive%s%s", source->path, why ? ": " : "", why ? why : "");
    archive_read_free(outer);
    return NULL;
}

/* 1: there is one; 0: the end; -1: has been said. What is skipped may be compressed: it is counted, too. */
static int next_member(const struct ur_source *source, struct archive *outer, struct archive_entry **entry,
                       uint64_t *left) {
    int status;
    while ((status = archive_read_next_header(outer, entry)) == ARCHIVE_RETRY)
        ;
    if (status == ARCHIVE_EOF)
        return 0;
    if (status < ARCHIVE_WARN) {
        say("%s: %s", source->path, archive_error_string(outer));
        return -1;
    }
    la_int64_t size = archive_entry_size(*entry);
    if (size < 0 || (uint64_t)size > *left) {
        say("%s: more than the limit allows; --max-size sets another", source->path);
        return -1;
    }
    *left -= (uint64_t)size;
    return 1;
}

/* By the names that only an image has. */
static bool find_kind(struct ur_source *source, uint64_t left) {
    struct archive_entry *entry;
    struct archive *outer = open_outer(source);
    bool index = false, layout = false, manifest = false;
    int more = -1;
    while (outer && (more = next_member(source, outer, &entry, &left)) > 0) {
        const char *name = plain_name(archive_entry_pathname(entry));
        if (!name || archive_entry_filetype(entry) != AE_IFREG)
            continue;
        index |= strcmp(name, "index.json") == 0;
        layout |= strcmp(name, "oci-layout") == 0;
        manifest |= strcmp(name, "manifest.json") == 0;
        if (index && layout)
            break;
    }
    archive_read_free(outer);
    source->kind = index && layout ? UR_SOURCE_OCI : manifest ? UR_SOURCE_DOCKER : UR_SOURCE_LAYER;
    return more >= 0;
}

static bool write_all(int fd, const char *bytes, size_t size) {
    while (size) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        size -= (size_t)written;
    }
    return true;
}

static bool stash(const struct ur_source *source, struct archive *outer, size_t number) {
    char name[24];
    snprintf(name, sizeof name, "%zu", number);
    int fd = openat(source->stash, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool right = fd >= 0 && archive_read_data_into_fd(outer, fd) >= ARCHIVE_WARN;
    if (!right)
        say("%s: %s", source->path, fd < 0 ? strerror(errno) : archive_error_string(outer));
    if (fd >= 0)
        close(fd);
    return right;
}

/* "dir/name" and "../other" make "other": a symlink's text, taken from where it stands. */
static char *follow(const char *name, const char *text) {
    char *path = text[0] == '/'
                     ? ur_format("%s", text + 1)
                     : ur_format("%.*s%s", (int)(strrchr(name, '/') ? strrchr(name, '/') - name + 1 : 0), name, text);
    char *out = path;
    for (const char *at = path; *at;) {
        size_t n = strcspn(at, "/");
        const char *next = at + n + (at[n] == '/');
        if (n == 2 && at[0] == '.' && at[1] == '.') {
            while (out > path && *--out != '/')
                ;
        } else if (n && !(n == 1 && at[0] == '.')) {
            if (out > path)
                *out++ = '/';
            memmove(out, at, n);
            out += n;
        }
        at = next;
    }
    *out = '\0';
    return path;
}

static bool add_member(struct ur_source *source, struct archive *outer, struct archive_entry *entry) {
    const char *name = plain_name(archive_entry_pathname(entry));
    const char *hard = plain_name(archive_entry_hardlink(entry)), *soft = archive_entry_symlink(entry);
    mode_t type = archive_entry_filetype(entry);
    if (!name || !*name || (!hard && type != AE_IFREG && !(type == AE_IFLNK && soft)))
        return true;
    if (source->count == MEMBERS_MAX) {
        say("%s: more than %d members; is it an image?", source->path, MEMBERS_MAX);
        return false;
    }
    source->members = ur_grow(source->members, source->count, sizeof *source->members);
    struct ur_source_member *member = &source->members[source->count];
    member->number = source->count++;
    member->name = ur_format("%s", name);
    if (hard || soft)
        member->link = hard ? ur_format("%s", hard) : follow(name, soft);
    return member->link || stash(source, outer, member->number);
}

static bool stash_all(struct ur_source *source, int stage, uint64_t *left) {
    struct archive_entry *entry;
    if (mkdirat(stage, "members", 0700) == 0)
        source->stash = openat(stage, "members", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (source->stash < 0) {
        say("%s: no place for its members: %s", source->path, strerror(errno));
        return false;
    }
    struct archive *outer = open_outer(source);
    int more = -1;
    while (outer && (more = next_member(source, outer, &entry, left)) > 0)
        if (!add_member(source, outer, entry))
            more = -1, archive_read_free(outer), outer = NULL;
    archive_read_free(outer);
    return more == 0;
}

/* What can be read only once (a pipe) goes to the disk first. */
static bool keep_input(struct ur_source *source, int stage, uint64_t left) {
    struct stat st;
    char buffer[65536];
    if (fstat(source->file, &st) == 0 && S_ISREG(st.st_mode))
        return true;
    int copy = openat(stage, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (copy < 0 && (copy = openat(stage, "input", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) >= 0)
        unlinkat(stage, "input", 0);
    ssize_t got = copy < 0 ? -1 : 1;
    while (got > 0) {
        got = read(source->file, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR && !stop_wanted())
            got = 1;
        else if (got > 0 && (uint64_t)got > left) {
            errno = EFBIG;
            got = -1;
        } else if (got > 0) {
            left -= (uint64_t)got;
            if (!write_all(copy, buffer, (size_t)got))
                got = -1;
        }
    }
    if (got < 0)
        say("%s: %s", source->path, errno == EFBIG ? "more than --max-size allows" : strerror(errno));
    close(source->file);
    source->file = copy;
    return got == 0;
}

static bool has(int directory, const char *name) {
    return faccessat(directory, name, F_OK, 0) == 0;
}

static bool open_directory(struct ur_source *source) {
    if (has(source->directory, "index.json"))
        source->kind = UR_SOURCE_OCI;
    else if (has(source->directory, "manifest.json"))
        source->kind = UR_SOURCE_DOCKER;
    else {
        say("%s: neither an OCI image layout (it has no index.json) nor a docker save (no manifest.json)",
            source->path);
        return false;
    }
    return true;
}

bool ur_source_open(struct ur_source *source, const char *path, int stage, uint64_t *left) {
    *source = (struct ur_source){.path = path, .directory = -1, .stash = -1, .file = -1};
    source->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (source->directory >= 0)
        return open_directory(source);
    bool input = strcmp(path, "-") == 0;
    source->file = input ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (source->file < 0) {
        say("%s: %s", path, strerror(errno));
        return false;
    }
    if (!keep_input(source, stage, *left) || !find_kind(source, *left))
        return false;
    if (source->kind == UR_SOURCE_LAYER)
        return lseek(source->file, 0, SEEK_SET) == 0;
    return stash_all(source, stage, left);
}

static const struct ur_source_member *find(const struct ur_source *source, const char *name) {
    for (size_t i = source->count; i-- > 0;) /* of two of one name, the later one */
        if (strcmp(source->members[i].name, name) == 0)
            return &source->members[i];
    return NULL;
}

static int get_stashed(const struct ur_source *source, const char *name) {
    char number[24];
    const struct ur_source_member *member = find(source, name);
    for (int links = 0; member && member->link; links++)
        member = links < LINKS_MAX ? find(source, member->link) : NULL;
    if (!member) {
        errno = ENOENT;
        return -1;
    }
    snprintf(number, sizeof number, "%zu", member->number);
    return openat(source->stash, number, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

/* A name with ".." in it, or an absolute one, is no member's. */
static bool is_plain(const char *name) {
    if (*name == '/' || !*name)
        return false;
    for (const char *at = name; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL)
        if (strcmp(at, "..") == 0 || strncmp(at, "../", 3) == 0)
            return false;
    return true;
}

int ur_source_get(const struct ur_source *source, const char *name) {
    struct stat st;
    int fd = -1;
    errno = ENOENT;
    if (source->directory < 0)
        fd = get_stashed(source, name);
    else if (is_plain(name))
        fd = openat(source->directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return fd;
    say("%s: %s: %s", source->path, name, fd >= 0 ? "no regular file" : strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

void ur_source_close(struct ur_source *source) {
    for (size_t i = 0; i < source->count; i++) {
        free(source->members[i].name);
        free(source->members[i].link);
    }
    free(source->members);
    int *fds[] = {&source->directory, &source->stash, &source->file};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}
