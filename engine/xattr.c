/* Extended attributes, read. Names that hold the union's own state are not there (marks.c, identity.c). */
#include "union.h"

#include <linux/limits.h>
#include <sys/mman.h>

enum { LIST_MAX = 65536 /* XATTR_LIST_MAX, xattr(7) */ };

/* Drops our names from a list in place. */
static long filter(const struct ur_union *u, char *list, long n) {
    char *to = list;
    for (char *name = list; name < list + n;) {
        size_t len = strlen(name) + 1;
        if (!ur_is_hidden_xattr(u, name)) {
            memmove(to, name, len);
            to += len;
        }
        name += len;
    }
    return to - list;
}

/* What is read: a descriptor's (`host` NULL), or what has a host path. A magic link is for the kernel to follow. */
struct source {
    const char *host;
    int fd;
    bool magic;
};

static long get_raw(const struct source *from, const char *name, void *value, size_t n) {
    return !from->host   ? sys_fgetxattr(from->fd, name, value, n)
           : from->magic ? UR_SYS(SYS_getxattr, from->host, name, value, n, 0, 0)
                         : sys_lgetxattr(from->host, name, value, n);
}

static long list_raw(const struct source *from, char *list, size_t n) {
    return !from->host   ? sys_flistxattr(from->fd, list, n)
           : from->magic ? UR_SYS(SYS_listxattr, from->host, list, n, 0, 0, 0)
                         : sys_llistxattr(from->host, list, n);
}

/* A list whose size is asked, or does not fit as it is, is read whole to see what is left of it. */
static long list_of(const struct ur_union *u, const struct source *from, char *list, size_t size) {
    long n = list_raw(from, list, size);
    if (n == 0 || (n < 0 && n != -ERANGE))
        return n;
    if (size && n > 0)
        return filter(u, list, n);
    long room = sys_mmap(NULL, LIST_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room < 0 && room > -4096)
        return -ENOMEM;
    char *all = (char *)room;
    n = list_raw(from, all, LIST_MAX);
    if (n > 0)
        n = filter(u, all, n);
    if (n > 0 && size) {
        if ((size_t)n > size)
            n = -ERANGE;
        else
            memcpy(list, all, (size_t)n);
    }
    sys_munmap(all, LIST_MAX);
    return n;
}

/* `host`: room for a path, which is the source's then. */
static long reach(const struct ur_caller *c, const char *path, bool nofollow, char *host, struct source *from) {
    UR_SCRATCH(s);
    struct ur_node *n = &s->node[0];
    long ret = ur_walk(c, AT_FDCWD, path, UR_WALK_BRIEF | UR_WALK_TYPE | (nofollow ? UR_WALK_NOFOLLOW : 0), s, 0);
    if (ret == 0 && n->where != UR_AT_MAGIC && !n->self && n->entry.kind == UR_ABSENT)
        ret = -ENOENT;
    if (ret == 0)
        ret = ur_node_path(c->u, &s->dir[0], n, host);
    *from = (struct source){host, -1, n->where == UR_AT_MAGIC};
    return ret < 0 ? ret : 0;
}

/* What is wrong with a name is told before anything of the path. */
long ur_xattr_name(const struct ur_caller *c, const char *name) {
    long len = ur_length_within(c, name, XATTR_NAME_MAX + 1);
    return len == 0 || len > XATTR_NAME_MAX ? -ERANGE : len;
}

long ur_getxattr(const struct ur_caller *c, const char *path, const char *name, void *value, size_t n, bool nofollow) {
    if (!ur_active(c))
        return UR_SYS(nofollow ? SYS_lgetxattr : SYS_getxattr, path, name, value, n, 0, 0);
    UR_SCRATCH(s);
    struct source from;
    long ret = ur_xattr_name(c, name);
    if (ret >= 0)
        ret = reach(c, path, nofollow, s->text, &from);
    if (ret < 0)
        return ret;
    return ur_is_hidden_xattr(c->u, name) ? -ENODATA : get_raw(&from, name, value, n);
}

long ur_listxattr(const struct ur_caller *c, const char *path, char *list, size_t n, bool nofollow) {
    if (!ur_active(c))
        return UR_SYS(nofollow ? SYS_llistxattr : SYS_listxattr, path, list, n, 0, 0, 0);
    UR_SCRATCH(s);
    struct source from;
    long ret = reach(c, path, nofollow, s->text, &from);
    return ret < 0 ? ret : list_of(c->u, &from, list, n);
}

/* A lower file that was copied up after it was opened has the copy's attributes now. Its union path in `path`, or 0. */
static bool moved_up(const struct ur_caller *c, int fd, char *path) {
    struct stat st, now;
    struct ur_fdinfo info;
    if (sys_flistxattr(fd, NULL, 0) == -EBADF || sys_fstat(fd, &st) < 0 ||
        !ur_covered_maybe(c->u, st.st_dev, st.st_ino))
        return false;
    return ur_fd_find(c, fd, &info, path, &st, &now) > 0;
}

long ur_fgetxattr(const struct ur_caller *c, int fd, const char *name, void *value, size_t n) {
    if (!ur_active(c))
        return sys_fgetxattr(fd, name, value, n);
    if (ur_xattr_name(c, name) >= 0 && ur_is_hidden_xattr(c->u, name)) {
        long ret = sys_fgetxattr(fd, name, value, 0);
        return ret < 0 ? ret : -ENODATA;
    }
    UR_SCRATCH(s);
    return moved_up(c, fd, s->text) ? ur_getxattr(c, s->text, name, value, n, true) : sys_fgetxattr(fd, name, value, n);
}

long ur_flistxattr(const struct ur_caller *c, int fd, char *list, size_t n) {
    if (!ur_active(c))
        return sys_flistxattr(fd, list, n);
    UR_SCRATCH(s);
    const struct source from = {.fd = fd};
    return moved_up(c, fd, s->text) ? ur_listxattr(c, s->text, list, n, true) : list_of(c->u, &from, list, n);
}
