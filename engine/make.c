/*
 * New names: mkdir, mknod, symlink, link. In a whiteout's place a new thing is prepared aside and put over it by one
 * step; a directory there is opaque, or the children of the dead one would come back.
 */
#include "index.h"
#include "union.h"

#include <sys/sysmacros.h>
#include <unistd.h>

/* What is to be made; how, at a host path. */
struct making {
    enum { DIRECTORY, NODE, SYMLINK, LINK } kind;
    mode_t mode;
    dev_t dev;
    const char *text; /* the symlink's; the host path to be linked */
    int fd;           /* LINK with no text: this descriptor */
    int flags;        /* LINK: of linkat */
    bool plain;       /* LINK: it is known to have no origin */
    bool again;       /* it was tried before, and may be there */
};

/* How its name is walked to. */
static int walk_to(struct making *w) {
    int flags = w->again ? UR_WALK_PARENT : UR_WALK_PARENT | UR_WALK_NEW;
    w->again = true;
    return flags;
}

static long make_at(const struct making *w, const char *host) {
    switch (w->kind) {
    case DIRECTORY:
        return sys_mkdir(host, w->mode);
    case NODE:
        return sys_mknod(host, w->mode,
                         (minor(w->dev) & 0xffu) | (major(w->dev) << 8) | ((minor(w->dev) & ~0xffu) << 12));
    case SYMLINK:
        return sys_symlink(w->text, host);
    case LINK:
        return sys_linkat(w->fd, w->text, AT_FDCWD, host, w->flags);
    }
    return -EINVAL;
}

/* What was to be linked may have been a whiteout by then, which is nothing. `type`: of what was made; 0: unknown. */
static long make_seen(const struct making *w, const char *host, mode_t *type) {
    struct stat st;
    long ret = make_at(w, host);
    mode_t node = w->mode & S_IFMT ? w->mode & S_IFMT : S_IFREG;
    *type = w->kind == DIRECTORY ? S_IFDIR : w->kind == SYMLINK ? S_IFLNK : w->kind == NODE ? node : 0;
    if (ret < 0 || w->kind != LINK || sys_lstat(host, &st) < 0)
        return ret;
    *type = st.st_mode & S_IFMT;
    if (ur_is_whiteout(host, &st) <= 0)
        return ret;
    sys_unlink(host);
    return UR_AGAIN;
}

/* A device of a simulated root's, which no plain user can make. */
static bool is_recorded(const struct ur_union *u, const struct making *w) {
    return u->root && w->kind == NODE && (S_ISBLK(w->mode) || S_ISCHR(w->mode));
}

static long make_device(const struct ur_caller *c, const struct making *w, const char *host, const char *parent) {
    struct stat now, as = {.st_rdev = w->dev};
    long fd = sys_open(host, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, (w->mode & 0777) | 0600);
    long ret = fd < 0 ? fd : sys_fstat((int)fd, &now);
    if (ret == 0) { /* the umask has seen to the others' bits */
        as.st_mode = (w->mode & (S_IFMT | 07600)) | (now.st_mode & 0177);
        ret = ur_root_made(c, (int)fd, NULL, parent, &as);
    }
    if (fd >= 0)
        sys_close((int)fd);
    if (fd >= 0 && ret < 0)
        sys_unlink(host);
    return ret;
}

/* At a host path; the directory `parent` is where it will be. `type`: as make_seen tells it. */
static long make_in(const struct ur_caller *c, const struct making *w, const char *host, const char *parent,
                    mode_t *type) {
    *type = 0;
    if (is_recorded(c->u, w))
        return make_device(c, w, host, parent);
    long ret = make_seen(w, host, type);
    return ret == 0 && c->u->root && w->kind != LINK ? ur_root_made(c, -1, host, parent, NULL) : ret;
}

long ur_may_change_dir(const struct ur_union *u, const struct ur_dir *d, char *host) {
    if (!ur_has_upper(d->mount))
        return -EROFS;
    if (d->spots && d->spot[0].layer == 0)
        return 0;
    long ret = d->spots ? ur_spot_path(u, d, d->spot[0], NULL, host) : -ENOENT;
    return ret < 0 ? ret : ur_may_access(host, W_OK | X_OK);
}

long ur_may_take(const struct ur_union *u, const struct ur_dir *d, const struct stat *victim, char *host) {
    struct stat parent;
    long ret = ur_may_change_dir(u, d, host);
    if (ret == 0)
        ret = ur_spot_path(u, d, d->spot[0], NULL, host);
    if (ret == 0)
        ret = sys_lstat(host, &parent);
    if (ret == 0 && d->spot[0].layer == 0)
        ret = sys_faccessat(AT_FDCWD, host, W_OK | X_OK, AT_EACCESS);
    if (ret == 0 && victim)
        ret = ur_may_delete(&parent, victim);
    return ret;
}

long ur_new_place(const struct ur_caller *c, struct ur_dir *d, const char *name, char *host) {
    if (ur_is_marker_name(name, strlen(name)))
        return -EPERM;
    long ret = ur_may_change_dir(c->u, d, host);
    if (ret == 0)
        ret = ur_copyup_dir(c, d);
    return ret < 0 ? ret : ur_upper_path(c->u, d, name, host);
}

long ur_new_stage(const struct ur_union *u, const struct ur_dir *d, struct ur_stage *stage, char *parent) {
    long ret = ur_upper_path(u, d, NULL, parent);
    if (ret == 0)
        ret = sys_faccessat(AT_FDCWD, parent, W_OK | X_OK, AT_EACCESS);
    return ret < 0 ? ret : ur_stage(u, d->mount, parent, stage);
}

/* Is there a place for it? 0, or what the kernel would say. */
static long may_make(const struct ur_node *n, const struct making *w) {
    if (n->where == UR_AT_MAGIC || n->self || n->entry.kind != UR_ABSENT)
        return -EEXIST;
    if (n->must_be_dir && w->kind != DIRECTORY)
        return -ENOENT;
    return 0;
}

static void tell(const struct ur_caller *c, const struct ur_dir *d, const struct ur_node *n, const struct making *w,
                 mode_t type, struct ur_change *change) {
    ur_change_tell(c->u, d, change,
                   &(struct ur_known){
                       .kind = ur_known_kind_of(type),
                       .plain = w->kind != LINK, /* what is linked may have an origin */
                       .sole = ur_is_sole(&n->entry),
                   });
}

static long make_node(const struct ur_caller *c, struct ur_scratch *s, struct ur_dir *d, const struct ur_node *n,
                      const struct making *w) {
    char *host = s->real[0], *parent = s->real[1];
    long ret = may_make(n, w);
    if (ret < 0)
        return ret;
    if (n->where != UR_AT_UNION) {
        ret = ur_node_path(c->u, d, n, host);
        if (ret == 0 && ur_is_hidden(c->u, host, strlen(host)))
            ret = -EACCES;
        if (ret == 0)
            ret = ur_may_change_raw(c->u, host, strlen(host));
        if (ret < 0)
            return ret;
        bool redirects = w->kind == SYMLINK || w->kind == LINK; /* or may, if it is one to a symlink */
        if (redirects)
            ur_changing_begin(c->u);
        ret = make_at(w, host);
        if (redirects)
            ur_changing_end(c->u);
        return ret;
    }
    if (w->kind == NODE && S_ISCHR(w->mode) && w->dev == 0)
        return -EPERM; /* that is a whiteout */
    ret = w->kind == LINK ? 0 : ur_quota_take(c->u, 0);
    if (ret == 0)
        ret = ur_new_place(c, d, n->name, host);
    if (ret < 0)
        return ret;
    mode_t type;
    UR_NAME_BECOMES(change, c->u, d, n->name, &n->entry);
    if (w->kind != DIRECTORY)
        ur_gone_taken(c->u, d, n->name);
    bool aside = is_recorded(c->u, w) || n->entry.white == UR_WHITE_NODE ||
                 (n->entry.white == UR_WHITE_NAME && w->kind == DIRECTORY);
    if (!aside) {
        ret = c->u->root ? ur_upper_path(c->u, d, NULL, parent) : 0;
        if (ret == 0)
            ret = make_in(c, w, host, parent, &type);
        if (ret == 0) {
            tell(c, d, n, w, type, &change);
            return ur_sync_names(c->u, d);
        }
        /* Of a link -ENOENT is the final word: what was to be linked has gone. */
        return ret == -EEXIST || ret == -ENOTDIR || (ret == -ENOENT && w->kind != LINK) ? UR_AGAIN : ret;
    }
    ret = ur_new_stage(c->u, d, &s->stage, parent);
    if (ret < 0)
        return ret;
    ret = make_in(c, w, s->stage.path, parent, &type);
    if (ret == 0 && w->kind == DIRECTORY) {
        /* A mode that keeps its owner out also keeps him from marking it, and from moving it. */
        struct ur_unlocked k;
        ret = ur_dir_unlock(c->u, d->mount, s->stage.path, host, NULL, &k);
        if (ret == 0)
            ret = ur_mark_opaque(s->stage.path);
        if (ret == 0)
            ret = ur_sync_dir(c->u, d->mount, s->stage.path);
        if (ret == 0)
            ret = n->entry.white == UR_WHITE_NODE ? ur_stage_over_whiteout(c->u, d->mount, &s->stage, host)
                                                  : ur_rename_new(c->u, d->mount, s->stage.path, host);
        ur_dir_relock(c->u, d->mount, ret == 0 ? host : s->stage.path, &k);
        ur_note_opaque(c->u);
    } else if (ret == 0)
        ret = n->entry.white == UR_WHITE_NODE ? ur_stage_over_whiteout(c->u, d->mount, &s->stage, host)
                                              : ur_rename_new(c->u, d->mount, s->stage.path, host);
    ur_stage_drop(&s->stage);
    if (ret == 0) {
        tell(c, d, n, w, type, &change);
        return ur_sync_names(c->u, d);
    }
    return ret == -EEXIST || ret == -ENOTDIR ? UR_AGAIN : ret;
}

/* A copy of a lower's file that gets a name where that lower has none: who lists the directory must ask for its
   st_ino. */
static long note_link(const struct ur_caller *c, struct ur_scratch *s, const struct making *w) {
    struct ur_dir *d = &s->dir[1];
    struct stat st;
    uint64_t ino = 1; /* of a descriptor's file: it may have one */
    if (s->node[1].where != UR_AT_UNION || w->plain)
        return 0;
    if (w->fd == AT_FDCWD && !(w->flags & AT_SYMLINK_FOLLOW)) {
        long ret = sys_lstat(w->text, &st);
        if (ret == 0)
            ret = ur_origin_read(c->u, d->mount, -1, w->text, &st, &ino, NULL);
        if (ret < 0)
            return ret;
    }
    if (!ino)
        return 0;
    long ret = ur_may_change_dir(c->u, d, s->real[0]);
    if (ret == 0)
        ret = ur_copyup_dir(c, d);
    if (ret == 0)
        ret = ur_upper_path(c->u, d, NULL, s->real[0]);
    return ret < 0 ? ret : ur_mark_impure(s->real[0]);
}

/* Gives what `w` says the name that slot 1 holds. */
static long make_link(const struct ur_caller *c, struct ur_scratch *s, const struct making *w) {
    long ret = may_make(&s->node[1], w);
    if (ret == 0)
        ret = note_link(c, s, w);
    return ret < 0 ? ret : make_node(c, s, &s->dir[1], &s->node[1], w);
}

static long make_once(const struct ur_caller *c, int dirfd, const char *path, struct making *w) {
    UR_SCRATCH(s);
    long ret = ur_walk(c, dirfd, path, walk_to(w), s, 0);
    return ret < 0 ? ret : make_node(c, s, &s->dir[0], &s->node[0], w);
}

long ur_mkdir(const struct ur_caller *c, int dirfd, const char *path, mode_t mode) {
    if (!ur_active(c))
        return dirfd == AT_FDCWD ? UR_AS_LIBC(UR_SYS(SYS_mkdir, path, mode, 0, 0, 0, 0), sys_mkdir(path, mode))
                                 : UR_SYS(SYS_mkdirat, dirfd, path, mode, 0, 0, 0);
    struct making w = {.kind = DIRECTORY, .mode = mode};
    return UR_RETRY(make_once(c, dirfd, path, &w));
}

long ur_mknod(const struct ur_caller *c, int dirfd, const char *path, mode_t mode, dev_t dev) {
    struct making w = {.kind = NODE, .mode = mode, .dev = dev, .again = S_ISCHR(mode)}; /* which may be refused */
    if (!ur_active(c))
        return UR_SYS(SYS_mknodat, dirfd, path, mode,
                      (minor(dev) & 0xffu) | (major(dev) << 8) | ((minor(dev) & ~0xffu) << 12), 0, 0);
    return UR_RETRY(make_once(c, dirfd, path, &w));
}

long ur_symlink(const struct ur_caller *c, const char *text, int dirfd, const char *path) {
    if (!ur_active(c))
        return dirfd == AT_FDCWD ? UR_AS_LIBC(UR_SYS(SYS_symlink, text, path, 0, 0, 0, 0), sys_symlink(text, path))
                                 : UR_SYS(SYS_symlinkat, text, dirfd, path, 0, 0, 0);
    long len = ur_length(c, text);
    if (len <= 0)
        return len < 0 ? len : -ENOENT;
    struct making w = {.kind = SYMLINK, .text = text};
    return UR_RETRY(make_once(c, dirfd, path, &w));
}

/* fs.protected_hardlinks (proc(5)): what is not one's own, nor open to one, is not to be linked. */
static long may_link(const struct ur_entry *e, const char *host) {
    if (ur_may_own(&e->st) == 0)
        return 0;
    return S_ISREG(e->st.st_mode) && ur_may_access(host, R_OK | W_OK) == 0 ? 0 : -EPERM;
}

/* Opens what the upper has at `host` (O_PATH), if it is the file that has this number in the union. */
static long open_numbered(const struct ur_caller *c, const struct ur_dir *d, const char *host, uint64_t ino) {
    struct stat st, named;
    long fd = sys_open(host, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0)
        return ur_is_gone(fd) ? UR_AGAIN : fd;
    long ret = sys_fstat((int)fd, &st);
    if (ret == 0)
        ret = sys_lstat(host, &named);
    bool same = ret == 0 && named.st_ino == st.st_ino;
    if (same)
        ret = ur_identify(c->u, d->mount, ur_layer(c->u, d->mount, 0), UR_HOLDER_UPPER, host, -1, &named);
    if (ret >= 0 && same && named.st_ino == ino)
        return fd;
    sys_close((int)fd);
    return ret >= 0 || ur_is_gone(ret) ? UR_AGAIN : ret;
}

/* `from` is resolved in slot 0, `to` in slot 1. `ino`: it must be the file of that number; 0: what has the name. */
static long link_nodes(const struct ur_caller *c, struct ur_scratch *s, uint64_t ino) {
    struct ur_dir *d = &s->dir[0];
    struct ur_node *n = &s->node[0];
    char *host = s->rest[0];
    struct making w = {.kind = LINK, .fd = AT_FDCWD, .text = host};
    long ret;
    if (n->where == UR_AT_MAGIC) {
        ret = may_make(&s->node[1], &w);
        if (ret == 0 && n->lost)
            ret = -ENOENT;
        if (ret < 0)
            return ret;
        w.flags = AT_SYMLINK_FOLLOW;
        ret = ur_node_path(c->u, d, n, host);
        return ret < 0 ? ret : make_link(c, s, &w);
    }
    ret = may_make(&s->node[1], &w);
    if (ret < 0)
        return ret;
    if (d->mount != s->dir[1].mount)
        return -EXDEV;
    if (n->self || n->entry.kind == UR_DIRECTORY) {
        if (s->node[1].where == UR_AT_UNION)
            ret = ur_may_take(c->u, &s->dir[1], NULL, host);
        return ret < 0 ? ret : -EPERM;
    }
    ret = ur_entry_path(c->u, d, n->name, &n->entry, host);
    if (ret == 0 && n->where == UR_AT_HOST && ur_may_change_raw(c->u, host, strlen(host)) < 0)
        return -EXDEV;
    if (ret == 0 && n->where == UR_AT_UNION) {
        if (!n->entry.in_upper)
            ret = may_link(&n->entry, host);
        if (ret == 0)
            ret = ur_may_change_dir(c->u, &s->dir[1], s->real[0]);
        if (ret == 0)
            ret = ur_copyup(c, d, n->name, &n->entry);
        if (ret == 0)
            ret = ur_entry_path(c->u, d, n->name, &n->entry, host);
    }
    if (ret < 0)
        return ret;
    if (!ino) {
        w.plain = n->entry.plain;
        return make_link(c, s, &w);
    }
    long fd = open_numbered(c, d, host, ino);
    if (fd < 0)
        return fd;
    char proc[40], *p = ur_put(proc, proc + sizeof proc, "/proc/self/fd/", 14);
    ur_put_number(p, proc + sizeof proc, (uint64_t)fd, 10);
    w.text = proc;
    w.flags = AT_SYMLINK_FOLLOW;
    ret = make_link(c, s, &w);
    sys_close((int)fd);
    return ret;
}

static long link_once(const struct ur_caller *c, int fromfd, const char *from, int tofd, const char *to, int flags) {
    UR_SCRATCH(s);
    long ret = ur_walk(c, fromfd, from, flags & AT_SYMLINK_FOLLOW ? 0 : UR_WALK_NOFOLLOW, s, 0);
    if (ret == 0 && s->node[0].where != UR_AT_MAGIC && !s->node[0].self && s->node[0].entry.kind == UR_ABSENT)
        ret = -ENOENT;
    if (ret == 0)
        ret = ur_walk(c, tofd, to, UR_WALK_PARENT, s, 1);
    return ret < 0 ? ret : link_nodes(c, s, 0);
}

/* A descriptor is linked as it is, unless it is a lower's file: that one is linked by its union name. */
static long link_fd(const struct ur_caller *c, int fd, int tofd, const char *to) {
    UR_SCRATCH(s);
    struct ur_fdinfo info;
    struct stat st, now;
    struct making w = {.kind = LINK, .fd = fd, .text = "", .flags = AT_EMPTY_PATH};
    long ret = sys_fstat(fd, &st);
    if (ret < 0)
        return ret;
    long named = ur_fd_find(c, fd, &info, s->rest[0], &st, &now);
    if (named < 0)
        return named;
    if (named) { /* which may be another's by now, or nobody's */
        ret = ur_walk(c, AT_FDCWD, s->rest[0], UR_WALK_NOFOLLOW, s, 0);
        const struct ur_node *n = &s->node[0];
        bool absent = !n->self && n->entry.kind == UR_ABSENT, dir = n->self || n->entry.kind == UR_DIRECTORY;
        if (ur_is_gone(ret) || (ret == 0 && (absent || dir != S_ISDIR(st.st_mode))))
            return UR_AGAIN;
    }
    if (ret == 0)
        ret = ur_walk(c, tofd, to, UR_WALK_PARENT, s, 1);
    if (ret < 0)
        return ret;
    if (named)
        return link_nodes(c, s, now.st_ino);
    if (ur_fd_is_lower(&info)) {
        ret = may_make(&s->node[1], &w);
        return ret < 0 ? ret : -ENOENT; /* removed: linkat(2) */
    }
    if (ur_fd_is_raw(c, fd) && ur_may_change_raw(c->u, s->rest[0], strlen(s->rest[0])) < 0)
        return -EXDEV;
    return make_link(c, s, &w);
}

long ur_link(const struct ur_caller *c, int fromfd, const char *from, int tofd, const char *to, int flags) {
    if (!ur_active(c))
        return fromfd == AT_FDCWD && tofd == AT_FDCWD && !flags
                   ? UR_AS_LIBC(UR_SYS(SYS_link, from, to, 0, 0, 0, 0), sys_link(from, to))
                   : sys_linkat(fromfd, from, tofd, to, flags);
    if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if (flags & AT_EMPTY_PATH && ur_is_empty(c, from))
        return UR_RETRY(link_fd(c, fromfd, tofd, to));
    return UR_RETRY(link_once(c, fromfd, from, tofd, to, flags));
}
