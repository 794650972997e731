/* Files as a simulated root sees and changes them: root.h. */
#include "root.h"
#include "union.h"

#include <sys/sysmacros.h>

static bool can_hold(mode_t mode) {
    return S_ISREG(mode) || S_ISDIR(mode);
}

/* The text of the record: its length, or -errno. */
static long get(int fd, const char *host, char text[UR_RECORD_MAX]) {
    char proc[40];
    if (fd < 0)
        return sys_lgetxattr(host, UR_OVERRIDE_STAT, text, UR_RECORD_MAX);
    long n = sys_fgetxattr(fd, UR_OVERRIDE_STAT, text, UR_RECORD_MAX);
    if (n != -EBADF) /* an O_PATH */
        return n;
    char *p = ur_put(proc, proc + sizeof proc, "/proc/thread-self/fd/", 21);
    ur_put_number(p, proc + sizeof proc, (uint64_t)fd, 10);
    return UR_SYS(SYS_getxattr, proc, UR_OVERRIDE_STAT, text, UR_RECORD_MAX, 0, 0);
}

void ur_root_tell(const struct ur_union *u, int fd, const char *host, struct stat *st) {
    char text[UR_RECORD_MAX];
    struct ur_record r;
    long n = can_hold(st->st_mode) ? get(fd, host, text) : -ENODATA;
    if (n > 0 && ur_record_read(text, (size_t)n, &r))
        ur_record_tell(&r, st);
    else if (st->st_uid == u->table->uid)
        st->st_uid = st->st_gid = 0;
}

bool ur_root_is_device(int fd) {
    char text[UR_RECORD_MAX];
    struct ur_record r;
    long n = get(fd, NULL, text);
    return n > 0 && ur_record_read(text, (size_t)n, &r) && r.type;
}

static long raw_stat(int fd, const char *host, struct stat *st) {
    return fd >= 0 ? sys_fstat(fd, st) : sys_lstat(host, st);
}

long ur_root_put(int fd, const char *host, const struct stat *now, const struct stat *as) {
    bool device = S_ISBLK(as->st_mode) || S_ISCHR(as->st_mode);
    mode_t mode = as->st_mode & 07777, own = ur_record_own_mode(now->st_mode & S_IFMT, mode);
    long ret = 0;
    if ((now->st_mode & 07777) != own)
        ret = fd >= 0 ? sys_fchmod(fd, own) : ur_set_mode(host, own);
    if (ret < 0)
        return ret;
    /* Each change may be a question to the guard; to look is none. */
    char had[UR_RECORD_MAX], text[UR_RECORD_MAX];
    long had_size = get(fd, host, had);
    if (!as->st_uid && !as->st_gid && mode == own && !device) {
        if (had_size == -ENODATA || had_size == -EOPNOTSUPP)
            return 0;
        ret = fd >= 0 ? sys_fremovexattr(fd, UR_OVERRIDE_STAT) : ur_drop_xattr(host, UR_OVERRIDE_STAT);
        return ret == -ENODATA ? 0 : ret;
    }
    const struct ur_record r = {as->st_uid, as->st_gid, mode, device ? as->st_mode & S_IFMT : 0, as->st_rdev};
    size_t size = ur_record_write(&r, text);
    if (had_size == (long)size && memcmp(had, text, size) == 0)
        return 0;
    return fd >= 0 ? sys_fsetxattr(fd, UR_OVERRIDE_STAT, text, size, 0)
                   : ur_set_xattr(host, UR_OVERRIDE_STAT, text, size, 0);
}

long ur_root_made(const struct ur_caller *c, int fd, const char *host, const char *parent, const struct stat *wanted) {
    struct stat now;
    struct ur_ids ids;
    struct ur_record above;
    char text[UR_RECORD_MAX];
    long ret = raw_stat(fd, host, &now);
    if (ret < 0 || !can_hold(now.st_mode))
        return ret;
    ur_ids_of(c, &ids);
    struct stat as = wanted ? *wanted : now;
    as.st_uid = ids.uid[UR_FILESYSTEM];
    as.st_gid = ids.gid[UR_FILESYSTEM];
    long n = get(-1, parent, text);
    if (n > 0 && ur_record_read(text, (size_t)n, &above) && above.mode & S_ISGID) {
        as.st_gid = above.gid;
        if (S_ISDIR(now.st_mode))
            as.st_mode |= S_ISGID;
    }
    return ur_root_put(fd, host, &now, &as);
}

long ur_root_copied(const struct ur_union *u, int fd, const char *host, const struct stat *now, const char *from,
                    const struct stat *st) {
    struct stat as = *st;
    ur_root_tell(u, -1, from, &as);
    return ur_root_put(fd, host, now, &as);
}

static bool in_groups(const struct ur_ids *ids, gid_t gid) {
    bool is = ids->gid[UR_FILESYSTEM] == gid;
    for (uint32_t i = 0; i < ids->count; i++)
        is |= ids->group[i] == gid;
    return is;
}

long ur_root_may_chmod(const struct ur_caller *c, int fd, const char *host, const struct stat *st) {
    struct ur_ids ids;
    ur_ids_of(c, &ids);
    if (!ids.uid[UR_FILESYSTEM])
        return 0;
    struct stat as = *st;
    ur_root_tell(c->u, fd, host, &as);
    return as.st_uid == ids.uid[UR_FILESYSTEM] ? 0 : -EPERM;
}

/* chown_common() and setattr_should_drop_suidgid() in the kernel: of who is root, too. */
static mode_t without_set_ids(mode_t mode) {
    if (S_ISDIR(mode))
        return mode;
    mode_t kept = mode & ~(mode_t)S_ISUID;
    return mode & S_IXGRP ? kept & ~(mode_t)S_ISGID : kept;
}

long ur_root_may_chown(const struct ur_caller *c, int fd, const char *host, const struct stat *st, uid_t uid, gid_t gid,
                       bool *nothing) {
    struct ur_ids ids;
    struct stat as = *st;
    ur_root_tell(c->u, fd, host, &as);
    ur_ids_of(c, &ids);
    bool same_uid = uid == UR_SAME || uid == as.st_uid, same_gid = gid == UR_SAME || gid == as.st_gid;
    *nothing = !can_hold(st->st_mode) || (same_uid && same_gid && without_set_ids(as.st_mode) == as.st_mode);
    if (!ids.uid[UR_FILESYSTEM] || (uid == UR_SAME && gid == UR_SAME))
        return 0;
    return same_uid && as.st_uid == ids.uid[UR_FILESYSTEM] && (same_gid || in_groups(&ids, gid)) ? 0 : -EPERM;
}

long ur_root_chmod(const struct ur_caller *c, int fd, const char *host, mode_t mode) {
    struct stat now;
    long ret = raw_stat(fd, host, &now);
    if (ret == 0)
        ret = ur_root_may_chmod(c, fd, host, &now);
    if (ret < 0)
        return ret;
    if (!can_hold(now.st_mode))
        return fd >= 0 ? sys_fchmod(fd, mode) : ur_set_mode(host, mode);
    struct stat as = now;
    ur_root_tell(c->u, fd, host, &as);
    as.st_mode = (as.st_mode & S_IFMT) | (mode & 07777);
    return ur_root_put(fd, host, &now, &as);
}

long ur_root_chown(const struct ur_caller *c, int fd, const char *host, uid_t uid, gid_t gid) {
    struct stat now;
    bool nothing = true;
    long ret = raw_stat(fd, host, &now);
    if (ret == 0)
        ret = ur_root_may_chown(c, fd, host, &now, uid, gid, &nothing);
    if (ret < 0 || nothing)
        return ret;
    struct stat as = now;
    ur_root_tell(c->u, fd, host, &as);
    if (uid != UR_SAME)
        as.st_uid = uid;
    if (gid != UR_SAME)
        as.st_gid = gid;
    as.st_mode = without_set_ids(as.st_mode);
    return ur_root_put(fd, host, &now, &as);
}

long ur_root_may_access(const struct ur_caller *c, int fd, const char *host, int mode, int flags, long ret) {
    struct ur_ids ids;
    struct stat st;
    if (ret != -EACCES)
        return ret;
    ur_ids_of(c, &ids);
    if (ids.uid[flags & AT_EACCESS ? UR_EFFECTIVE : UR_REAL] || raw_stat(fd, host, &st) < 0)
        return ret;
    ur_root_tell(c->u, fd, host, &st);
    return mode & 1 && !S_ISDIR(st.st_mode) && !(st.st_mode & 0111) ? ret : 0;
}
