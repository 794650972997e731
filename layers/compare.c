/* Two files, held against each other: data, and what stat and the xattrs tell. */
#include "layers/changes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, XATTR_MAX = 1 << 16 };

static long read_whole(int fd, char *to) {
    size_t got = 0;
    while (got < CHUNK) {
        ssize_t n = read(fd, to + got, CHUNK - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (long)got;
}

static const char *data_of(const struct change_side *side) {
    return side->data ? side->data : side->host;
}

/* 1: they differ. */
static long compare_data(const char *a, const char *b) {
    if (strcmp(a, b) == 0)
        return 0;
    if (!*a || !*b) /* data that are nowhere are nobody's */
        return 1;
    int fd[2] = {open(a, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), -1};
    if (fd[0] >= 0)
        fd[1] = open(b, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    long ret = fd[1] < 0 ? -errno : 0;
    char *room = ur_allocate(2 * CHUNK);
    for (long n = 1; ret == 0 && n > 0;) {
        n = read_whole(fd[0], room);
        long m = n < 0 ? n : read_whole(fd[1], room + CHUNK);
        ret = m < 0 ? m : n != m || memcmp(room, room + CHUNK, (size_t)n) != 0;
    }
    free(room);
    for (int i = 0; i < 2; i++)
        if (fd[i] >= 0)
            close(fd[i]);
    return ret;
}

static long compare_links(const char *a, const char *b) {
    char text[2][UR_PATH_MAX];
    ssize_t n = readlink(a, text[0], UR_PATH_MAX), m = n < 0 ? -1 : readlink(b, text[1], UR_PATH_MAX);
    return m < 0 ? -errno : n != m || memcmp(text[0], text[1], (size_t)n) != 0;
}

/* Those that a program can see and that are not the host's own affair (labels). */
static bool counts(const char *name) {
    return !ur_layer_marker_xattr(name) &&
           (strncmp(name, "user.", 5) == 0 || strncmp(name, "system.posix_acl_", 17) == 0 ||
            strcmp(name, "security.capability") == 0);
}

/* Is every xattr of `a` that counts the same in `b`? Counts them. */
static long within(const char *a, const char *b, char *list, char *value, size_t *count) {
    ssize_t n = llistxattr(a, list, XATTR_MAX);
    if (n < 0)
        return errno == EOPNOTSUPP ? 1 : -errno;
    for (const char *name = list; name < list + n; name += strlen(name) + 1) {
        if (!counts(name))
            continue;
        ssize_t mine = lgetxattr(a, name, value, XATTR_MAX), other = lgetxattr(b, name, value + XATTR_MAX, XATTR_MAX);
        if (mine != other || (mine > 0 && memcmp(value, value + XATTR_MAX, (size_t)mine) != 0))
            return 0;
        ++*count;
    }
    return 1;
}

static bool same_xattrs(const char *a, const char *b) {
    char *list = ur_allocate(3 * XATTR_MAX);
    size_t left = 0, right = 0;
    bool same = within(a, b, list, list + XATTR_MAX, &left) == 1 && within(b, a, list, list + XATTR_MAX, &right) == 1 &&
                left == right;
    free(list);
    return same;
}

static bool same_owner(const struct stat *was, const struct stat *now, uid_t upper_owner) {
    bool user = was->st_uid == now->st_uid || (upper_owner && now->st_uid == upper_owner);
    return user && (was->st_gid == now->st_gid || (upper_owner && now->st_uid == upper_owner));
}

long changes_compare(const struct change_side *was, const struct change_side *now, uid_t upper_owner, bool *content,
                     unsigned *metadata) {
    const struct stat *a = &was->st, *b = &now->st;
    long differ = 0;
    *content = false;
    *metadata = 0;
    if (S_ISREG(a->st_mode))
        differ = a->st_size != b->st_size ? 1 : a->st_size == 0 ? 0 : compare_data(data_of(was), data_of(now));
    else if (S_ISLNK(a->st_mode))
        differ = compare_links(was->host, now->host);
    else if (S_ISCHR(a->st_mode) || S_ISBLK(a->st_mode))
        differ = a->st_rdev != b->st_rdev;
    if (differ < 0)
        return differ;
    *content = differ;
    mode_t mask = 07777;
    if (upper_owner && (a->st_uid != b->st_uid || a->st_gid != b->st_gid)) /* a copy-up leaves these out then */
        mask &= ~(mode_t)(S_ISUID | S_ISGID);
    if (!S_ISLNK(a->st_mode) && (a->st_mode & mask) != (b->st_mode & mask))
        *metadata |= META_MODE;
    if (!same_owner(a, b, upper_owner))
        *metadata |= META_OWNER;
    if (!S_ISDIR(a->st_mode) && (a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec))
        *metadata |= META_TIME;
    if (!same_xattrs(was->host, now->host))
        *metadata |= META_XATTR;
    return 0;
}
