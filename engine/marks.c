/*
 * The marks by which a layer says what is not there: overlayfs.rst, "whiteouts and opaque directories",
 * "redirect_dir", "userxattr"; and the OCI image specification, layer.md, "Whiteouts".
 *
 *   whiteout   character device 0:0 | zero-size file with the xattr overlay.whiteout | a file .wh.NAME beside
 *   opaque     directory with overlay.opaque=y | .wh..wh..opq in it
 *   redirect   directory with overlay.redirect: "/path/from/the/layer/root" or another "name" in the same parent
 *   metacopy   regular file with overlay.metacopy: its data are a lower's (metacopy.c), where a redirect says, if any
 *
 * Each xattr is known as user.overlay.* and, where it can be read, as trusted.overlay.*. Who may, writes both: then
 * kernel overlayfs takes the upper with the mount option userxattr and without it.
 */
#include "union.h"

#include <sys/sysmacros.h>

#define OPAQUE "overlay.opaque"
#define REDIRECT "overlay.redirect"
#define WHITEOUT "overlay.whiteout"
#define IMPURE "overlay.impure"
#define METACOPY "overlay.metacopy"
#define OPAQUE_NAME ".wh..wh..opq"              /* where there are no xattrs */
#define HAS_METACOPIES "user.unionrun.metacopy" /* of a layer's root */

static const char *const spaces[] = {"user.", "trusted."};

static bool is_none(long ret) {
    return ret == -ENODATA || ret == -EOPNOTSUPP;
}

/* The value of overlay.NAME in either space; -ENODATA: in neither. */
static long get(const char *host, const char *name, char *value, size_t n) {
    long ret = -ENODATA;
    for (unsigned i = 0; i < 2 && is_none(ret); i++) {
        char full[64];
        char *p = ur_put(full, full + sizeof full, spaces[i], strlen(spaces[i]));
        ur_put(p, full + sizeof full, name, strlen(name));
        ret = sys_lgetxattr(host, full, value, n);
    }
    return is_none(ret) ? -ENODATA : ret;
}

static long put(const char *host, const char *name, const char *value, size_t n) {
    char full[64];
    long ret = 0;
    for (int i = 1; i >= 0; i--) {
        char *p = ur_put(full, full + sizeof full, spaces[i], strlen(spaces[i]));
        ur_put(p, full + sizeof full, name, strlen(name));
        ret = ur_set_xattr(host, full, value, n, 0);
    }
    return ret;
}

static bool ends_in(const char *full, size_t len, const char *name) {
    for (unsigned i = 0; i < 2; i++) {
        size_t space = strlen(spaces[i]);
        if (len == space + strlen(name) && memcmp(full, spaces[i], space) == 0 &&
            memcmp(full + space, name, len - space) == 0)
            return true;
    }
    return false;
}

/* `listed`: they have been seen there a moment ago; -ENOENT if they are not any more. */
static long read_marks(const char *host, unsigned which, bool listed, char *redirect) {
    long marks = 0;
    char value[8];
    if (which & UR_MARK_OPAQUE) {
        long n = get(host, OPAQUE, value, sizeof value);
        if ((n == 1 && value[0] == 'y') || n == -EACCES) /* unreadable to its owner: then it covers, to be safe */
            marks |= UR_MARK_OPAQUE;
        if (n == 1 && value[0] == 'x')
            marks |= UR_MARK_WHITEOUTS;
        if (n == -ENODATA && listed)
            return -ENOENT;
        if (n < 0 && n != -ENODATA && n != -EACCES && n != -ERANGE)
            return n;
    }
    if (which & UR_MARK_REDIRECT) {
        long n = get(host, REDIRECT, redirect, UR_PATH_MAX - 1);
        if (n > 0) {
            redirect[n] = 0;
            marks |= UR_MARK_REDIRECT;
        } else if (n == -ENODATA && listed)
            return -ENOENT;
        else if (n < 0 && n != -ENODATA)
            return n;
    }
    return marks;
}

/* One call tells that there is nothing, which is nearly always so. */
long ur_marks_at(int fd, const char *host, char *redirect) {
    char list[512];
    long n = fd >= 0 ? sys_flistxattr(fd, list, sizeof list) : -EBADF;
    if (n == -EBADF) /* none, or O_PATH */
        n = sys_llistxattr(host, list, sizeof list);
    if (n == 0 || n == -EOPNOTSUPP)
        return 0;
    if (n == -ERANGE || n == -E2BIG) {
        long marks = read_marks(host, UR_MARK_OPAQUE | UR_MARK_REDIRECT, false, redirect);
        return marks < 0 ? marks : marks | UR_MARK_ACL;
    }
    if (n < 0)
        return n;
    unsigned which = 0;
    long others = 0;
    for (const char *name = list; name < list + n; name += strlen(name) + 1) {
        size_t len = strlen(name);
        if (ends_in(name, len, OPAQUE))
            which |= UR_MARK_OPAQUE;
        else if (ends_in(name, len, REDIRECT))
            which |= UR_MARK_REDIRECT;
        else if (ends_in(name, len, IMPURE))
            others |= UR_MARK_IMPURE;
        else if (strcmp(name, "system.posix_acl_access") == 0)
            others |= UR_MARK_ACL;
        else if (strcmp(name, HAS_METACOPIES) == 0)
            others |= UR_MARK_METACOPIES;
    }
    long marks = which ? read_marks(host, which, true, redirect) : 0;
    return marks < 0 ? marks : marks | others;
}

long ur_marks(const char *host, char *redirect) {
    return ur_marks_at(-1, host, redirect);
}

long ur_is_whiteout(const char *host, const struct stat *st) {
    if (S_ISCHR(st->st_mode))
        return st->st_rdev == 0;
    if (!S_ISREG(st->st_mode) || st->st_size)
        return 0;
    char value[8];
    long n = get(host, WHITEOUT, value, sizeof value);
    if (n >= 0 || n == -ERANGE)
        return 1;
    /* Ours can be read by us. Gone or replaced since it was looked at: no whiteout now. */
    return n == -ENODATA || n == -EACCES || n == -ENOENT ? 0 : n;
}

/* Whole families of names are set aside, as aufs does: what is not ours today may be tomorrow. */
bool ur_is_marker_name(const char *name, size_t len) {
    return len >= 4 && memcmp(name, ".wh.", 4) == 0;
}

bool ur_is_marker_xattr(const char *name) {
    static const char *const prefixes[] = {"user.overlay.", "trusted.overlay.", "user.unionrun."};
    for (unsigned i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

long ur_whiteout_make(const struct ur_table_mount *m, const char *host) {
    if (m->caps & UR_CAP_CHARDEV)
        return sys_mknod(host, S_IFCHR, 0);
    long fd = ur_create(host, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return fd;
    long ret = sys_fsetxattr((int)fd, "user." WHITEOUT, "y", 1, 0);
    sys_close((int)fd);
    if (ret < 0)
        sys_unlink(host);
    return ret;
}

static char *opaque_name(const char *host, char *out) {
    char *end = out + UR_PATH_MAX, *p = ur_put(out, end, host, strlen(host));
    return ur_put(p, end, "/" OPAQUE_NAME, strlen("/" OPAQUE_NAME));
}

long ur_mark_opaque(const char *host) {
    long ret = put(host, OPAQUE, "y", 1);
    if (ret != -EOPNOTSUPP)
        return ret;
    UR_SCRATCH(s);
    struct stat st;
    ret = opaque_name(host, s->text) ? sys_lstat(host, &st) : -ENAMETOOLONG;
    long fd = ret < 0 ? ret : ur_create(s->text, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return fd == -EEXIST ? 0 : fd;
    sys_close((int)fd);
    const struct timespec ts[2] = {st.st_atim, st.st_mtim}; /* no name has come that could be seen */
    ur_set_times(host, ts);
    return 0;
}

long ur_drop_opaque_name(const char *host) {
    UR_SCRATCH(s);
    long ret = opaque_name(host, s->text) ? sys_unlink(s->text) : -ENAMETOOLONG;
    return ret == -ENOENT ? 0 : ret;
}

long ur_unmark_opaque(const char *host) {
    long ret = 0;
    for (unsigned i = 0; i < 2 && (ret == 0 || ret == -ENODATA || ret == -EOPNOTSUPP || ret == -EPERM); i++) {
        char full[64];
        char *p = ur_put(full, full + sizeof full, spaces[i], strlen(spaces[i]));
        ur_put(p, full + sizeof full, OPAQUE, strlen(OPAQUE));
        ret = ur_drop_xattr(host, full);
    }
    return ret == -ENODATA || ret == -EOPNOTSUPP || ret == -EPERM ? 0 : ret;
}

/* overlayfs.rst: whiteouts in the xattr form are looked for only where the directory says so. */
long ur_mark_whiteouts(const struct ur_table_mount *m, const char *host) {
    char value[8];
    if (m->caps & UR_CAP_CHARDEV || get(host, OPAQUE, value, sizeof value) > 0)
        return 0;
    return put(host, OPAQUE, "x", 1);
}

/* Before what has an origin gets a name there: d_ino of it must be asked for. Where that cannot be said, it may differ.
 */
long ur_mark_impure(const char *host) {
    char value[8];
    if (get(host, IMPURE, value, sizeof value) > 0)
        return 0;
    long ret = put(host, IMPURE, "y", 1);
    return ret == -EOPNOTSUPP || ret == -EPERM || ret == -EACCES ? 0 : ret;
}

long ur_mark_redirect(const char *host, const char *rel) {
    return put(host, REDIRECT, rel, strlen(rel));
}

static long fget(int fd, const char *host, const char *full, char *value, size_t size) {
    long n = fd >= 0 ? sys_fgetxattr(fd, full, value, size) : sys_lgetxattr(host, full, value, size);
    if (n != -EBADF || fd < 0)
        return n;
    char proc[40], *p = ur_put(proc, proc + sizeof proc, "/proc/self/fd/", 14); /* O_PATH */
    ur_put_number(p, proc + sizeof proc, (uint64_t)fd, 10);
    return UR_SYS(SYS_getxattr, proc, full, value, size, 0, 0);
}

/*
 * Who may, writes both marks. The one in the space user. counts, which all can see. But kernel overlayfs, if it gives a
 * file its data, takes away the other alone: so who can see that looks whether it is there, where the value says
 * so. A mark in the space trusted. alone is the kernel's own, or left by one of us who could not take it away.
 */
#define BOTH "t"

long ur_has_metacopy(int fd, const char *host) {
    char value[8];
    long n = fget(fd, host, "user." METACOPY, value, sizeof value);
    if (n != 1 && (n >= 0 || n == -ERANGE))
        return 1;
    if (n != 1 && !is_none(n))
        return n == -EACCES ? 0 : n;
    long other = fget(fd, host, "trusted." METACOPY, NULL, 0);
    if (n == 1)
        return !is_none(other) || value[0] != *BOTH || !ur_sees_trusted();
    return other >= 0 ? is_none(fget(fd, host, "user.unionrun.origin", NULL, 0)) : is_none(other) ? 0 : other;
}

long ur_mark_metacopy(int fd, const char *redirect) {
    long ret = sys_fsetxattr(fd, "trusted." REDIRECT, redirect, strlen(redirect), 0);
    if (ret == 0)
        ret = sys_fsetxattr(fd, "trusted." METACOPY, "", 0, 0);
    bool both = ret == 0;
    ret = sys_fsetxattr(fd, "user." REDIRECT, redirect, strlen(redirect), 0);
    return ret < 0 ? ret : sys_fsetxattr(fd, "user." METACOPY, BOTH, both ? 1 : 0, 0);
}

long ur_unmark_metacopy(int fd) {
    long ret = sys_fremovexattr(fd, "user." METACOPY); /* the one that counts */
    if (ret < 0 && !is_none(ret))
        return ret;
    long other = sys_fremovexattr(fd, "trusted." METACOPY);
    if (ret < 0 && other < 0 && !is_none(other) && other != -EPERM) /* it was the only one */
        return other;
    sys_fremovexattr(fd, "trusted." REDIRECT);
    sys_fremovexattr(fd, "user." REDIRECT);
    return 0;
}

long ur_redirect_of(const char *host, char *redirect) {
    long n = get(host, REDIRECT, redirect, UR_PATH_MAX - 1);
    redirect[n > 0 ? n : 0] = 0;
    return n == -ENODATA ? 0 : n;
}

long ur_mark_metacopies(const char *root) {
    char value[4];
    if (sys_lgetxattr(root, HAS_METACOPIES, value, sizeof value) > 0)
        return 0;
    long ret = ur_set_xattr(root, HAS_METACOPIES, "y", 1, 0);
    return ret < 0 ? ret : 1;
}
