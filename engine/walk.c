/*
 * Paths, resolved in the union's own namespace: path_resolution(7), with the union where a target is.
 *
 * The walk holds a canonical directory (no symlink in its path) and the text still to go. A symlink puts
 * its text before that; ".." goes to the canonical parent; a name at which a target lies enters its union. The
 * names of a path whose directory is known already are not walked (jump).
 */
#include "index.h"
#include "union.h"

#include <unistd.h>

/* If `rest`, from `d`, leads by plain names to a directory that the cache knows, goes there at once. Returns the rest.
 */
static const char *jump(const struct ur_union *u, struct ur_dir *d, const char *rest, char *text) {
    char *end = text + UR_PATH_MAX;
    size_t base = d->len > 1 ? d->len : 0;
    char *p = ur_put(text, end, d->path, base), *dir_end = NULL;
    const char *last = rest;
    for (const char *at = rest; *at;) {
        if (*at == '/') {
            at++;
            continue;
        }
        size_t n = strcspn(at, "/");
        if (at[0] == '.' && (n == 1 || (n == 2 && at[1] == '.')))
            return rest;
        dir_end = p;
        last = at;
        p = ur_put(p, end, "/", 1);
        p = ur_put(p, end, at, n);
        if (!p)
            return rest;
        at += n;
    }
    if (!dir_end || dir_end == text + base || dir_end == text)
        return rest;
    return ur_dir_recall(u, d, text, (size_t)(dir_end - text)) ? last : rest;
}

/* Where a magic link's target, as the kernel tells it, is in the union: rewrites `text`. Its length; 0: it has no path,
 *and lost if that is because the union has removed what the lower still has. */
static long magic_path(const struct ur_caller *c, char *text, bool *lost, struct ur_scratch *s) {
    struct stat raw, now;
    struct ur_fdinfo info = {.known = true};
    size_t rel, len = strlen(text);
    if (text[0] != '/' || sys_lstat(text, &raw) < 0)
        return 0;
    bool inside = ur_layer_of(c->u, text, len, &info.mount, &info.layer, &rel);
    if (S_ISLNK(raw.st_mode)) { /* opened by O_PATH | O_NOFOLLOW: the link itself, which is not followed once more */
        *lost = inside && ur_fd_is_lower(&info);
        return 0;
    }
    uint32_t seen;
    long n;
    do {
        seen = ur_moves_seen(c->u);
        n = ur_union_path(c, text, s->real[0]);
        if (n < 0)
            return n;
        if (ur_work_of(c->u, s->real[0], (size_t)n)) /* a hard link of a lower, copied up under another name */
            return 0;
        *lost = inside && ur_fd_is_lower(&info) && ur_fd_named(c, &info, s->real[0], &raw, &now) == 0;
    } while (*lost && ur_moves_more(c->u, seen));
    if (*lost)
        return 0;
    memcpy(text, s->real[0], (size_t)n + 1);
    return n;
}

/* The links of /proc that the kernel does not follow by their text: proc(5). */
static bool is_magic(const struct ur_dir *d, const char *name) {
    if (d->mount || !ur_path_below(d->path, d->len, "/proc", 5) || d->len <= 5)
        return false;
    size_t n = d->len;
    const char *tail = d->path + n;
    while (tail > d->path && tail[-1] != '/')
        tail--;
    return strcmp(name, "cwd") == 0 || strcmp(name, "exe") == 0 || strcmp(name, "root") == 0 ||
           strcmp(tail, "fd") == 0 || strcmp(tail, "map_files") == 0 || strcmp(tail, "ns") == 0;
}

/*
 * Puts what the symlink `name` of `d` says before `rest`. Returns the new rest in `out` (UR_REST_MAX), or -errno;
 * 1: it is a magic link to no path, which ends the walk.
 */
static long expand(const struct ur_caller *c, struct ur_dir *d, struct ur_node *node, const char *rest, char *out,
                   struct ur_scratch *s) {
    char *host = s->real[0], *text = s->text;
    long ret = ur_entry_path(c->u, d, node->name, &node->entry, host);
    if (ret < 0)
        return ret;
    long n = ur_proc_self(c, d, node->name, text);
    if (n == 0)
        n = sys_readlink(host, text, UR_PATH_MAX - 1);
    if (n < 0)
        return n;
    if (n == 0)
        return -ENOENT;
    text[n] = 0;
    if (is_magic(d, node->name)) {
        size_t rel;
        const struct ur_table_mount *m;
        unsigned layer;
        if (text[0] == '/' &&
            (ur_layer_of(c->u, text, (size_t)n, &m, &layer, &rel) || ur_work_of(c->u, text, (size_t)n)))
            node->foreign = true;
        n = magic_path(c, text, &node->lost, s);
        if (n <= 0)
            return n < 0 ? n : 1;
    }
    char *end = out + UR_REST_MAX;
    char *p = ur_put(out, end, text, (size_t)n);
    p = ur_put(p, end, rest, strlen(rest));
    if (!p) /* links within links: the kernel counts them, and has no such bound */
        return -ELOOP;
    return text[0] == '/' ? ur_dir_load(c->u, d, "/", 1) : 0;
}

/* What is asked for beneath a magic link to no path: a removed directory has nothing in it. */
static long beneath_magic(const struct ur_caller *c, const struct ur_dir *d, const struct ur_node *node, char *host) {
    struct stat st;
    long ret = ur_entry_path(c->u, d, node->name, &node->entry, host);
    if (ret == 0)
        ret = sys_fstatat(AT_FDCWD, host, &st, 0);
    return ret < 0 ? ret : S_ISDIR(st.st_mode) ? -ENOENT : -ENOTDIR;
}

static long may_search(const struct ur_union *u, const struct ur_dir *d, char *host) {
    static const struct ur_node here = {.self = true};
    long ret = ur_node_path(u, d, &here, host);
    return ret < 0 ? ret : sys_faccessat(AT_FDCWD, host, X_OK, AT_EACCESS);
}

static long finish_self(struct ur_dir *d, struct ur_node *node, enum ur_last last) {
    node->self = true;
    node->last = last;
    node->name[0] = 0;
    node->where = d->mount ? UR_AT_UNION : UR_AT_HOST;
    node->entry = (struct ur_entry){.kind = UR_DIRECTORY};
    return 0;
}

/* The last name of a path. 0: done; 1: it is a symlink to be followed; -errno. */
static long finish(const struct ur_caller *c, struct ur_dir *d, struct ur_node *node, int flags) {
    if (flags & UR_WALK_CREATE && node->must_be_dir)
        return -EISDIR;
    if (d->special) {
        size_t len = d->len;
        struct stat st;
        if (len + strlen(node->name) + 1 < UR_PATH_MAX) {
            char *p = ur_put(d->path + len, d->path + UR_PATH_MAX, len > 1 ? "/" : "", len > 1);
            p = ur_put(p, d->path + UR_PATH_MAX, node->name, strlen(node->name));
            bool target = ur_mount_at(c->u, d->path, (size_t)(p - d->path)) != NULL;
            d->path[len] = 0;
            if (target) {
                long ret = ur_dir_enter(c->u, d, node->name, &st);
                return ret < 0 ? ret : finish_self(d, node, UR_LAST_TARGET);
            }
        }
    }
    node->where = d->mount ? UR_AT_UNION : UR_AT_HOST;
    node->last = UR_LAST_NAME;
    bool is_new = flags & UR_WALK_NEW && !node->must_be_dir;
    long ret = (is_new ? ur_lookup_new : ur_lookup)(c->u, d, node->name, &node->entry);
    if (ret < 0 || node->entry.kind == UR_ABSENT)
        return ret;
    if (S_ISLNK(node->entry.st.st_mode) && !(flags & UR_WALK_PARENT) &&
        (node->must_be_dir || !(flags & UR_WALK_NOFOLLOW)))
        return 1;
    if (node->must_be_dir && node->entry.kind != UR_DIRECTORY && !(flags & UR_WALK_PARENT))
        return -ENOTDIR;
    return 0;
}

/*
 * A relative path from a directory that was removed, and was at d->path: nothing is in it, but ".." still leads to
 * where its parent is. Returns the rest to be walked from `d`; NULL: -ENOENT.
 */
static const char *leave_dead(const struct ur_union *u, struct ur_dir *d, const char *path, size_t at_len, bool *here) {
    bool out = false;
    for (;;) {
        size_t n = strcspn(path, "/");
        const char *next = path + n + strspn(path + n, "/");
        if (n == 2 && path[0] == '.' && path[1] == '.') {
            while (at_len > 1 && d->path[at_len - 1] != '/')
                at_len--;
            at_len = at_len > 1 ? at_len - 1 : 1;
            out = true;
        } else if (n != 1 || path[0] != '.')
            break;
        path = next;
        if (!*path)
            break;
    }
    *here = !out && !*path;
    return out && ur_dir_load(u, d, d->path, at_len) == 0 ? path : NULL;
}

/*
 * The same from a directory (at d->path) beneath one that must not be searched, so that nobody knows what is in it: of
 * it there is itself, and "..". 0: `*path` is walked from `d`; 1: it is the directory itself; -errno.
 */
static long leave_blind(const struct ur_union *u, struct ur_dir *d, const char **path, size_t at_len) {
    const char *at = *path;
    while (at[0] == '.' && (at[1] == '/' || !at[1]))
        at += 1 + strspn(at + 1, "/");
    if (!*at)
        return 1;
    if (at[0] != '.' || at[1] != '.' || (at[2] && at[2] != '/'))
        return -EACCES;
    *path = at + 2;
    while (at_len > 1 && d->path[at_len - 1] != '/')
        at_len--;
    return ur_dir_load(u, d, d->path, at_len > 1 ? at_len - 1 : 1);
}

/* Has it but one name, and "."s before? */
static bool is_one_name(const char *path) {
    while (path[0] == '.' && path[1] == '/')
        path += 1 + strspn(path + 1, "/");
    path += strcspn(path, "/");
    return !path[strspn(path, "/")];
}

/* The directory itself, which has no name, or none that may be used: /proc has one that leads there. */
static long dead_self(const struct ur_caller *c, struct ur_dir *d, struct ur_node *node, int dirfd,
                      enum ur_dead_dir dead) {
    node->was = ur_mount_of(c->u, d->path, strlen(d->path));
    ur_proc_path(c, dirfd == AT_FDCWD ? "" : "/fd", -1, d->path, UR_PATH_MAX);
    long ret = ur_dir_load(c->u, d, d->path, strlen(d->path));
    if (dirfd == AT_FDCWD)
        memcpy(node->name, "cwd", 4);
    else
        ur_put_number(node->name, node->name + sizeof node->name, (uint64_t)dirfd, 10);
    node->where = UR_AT_MAGIC;
    node->last = UR_LAST_DOT;
    node->lost = dead == UR_DEAD_LOWER;
    return ret;
}

static void clear(struct ur_node *node) {
    memset(node, 0, offsetof(struct ur_node, name));
    node->where = UR_AT_HOST;
    node->name[0] = 0;
}

/*
 * What the index alone knows of the path. 1: done, and of `d` nothing is known but mount and path; 0: it must be
 * walked; -errno. Not inline: its room is on the stack.
 */
static __attribute__((noinline)) long brief(const struct ur_union *u, const struct ur_base *base, const char *path,
                                            size_t len, int flags, struct ur_dir *d, struct ur_node *node, char *host) {
    struct ur_brief b;
    if (!ur_brief_from(u, base, path, len, flags & UR_WALK_NOFOLLOW, &b))
        return 0;
    size_t target = b.mount->target.len;
    d->mount = b.mount;
    d->len = (uint16_t)b.dir_len;
    d->spots = 0;
    d->rels = 1;
    d->rel_used = 0;
    d->lower_rel = 0;
    d->rel[0] = (struct ur_rel){.cut = target > 1 ? (uint16_t)target : 0};
    memcpy(d->path, b.text, d->len);
    memcpy(d->path, ur_table_text(u->table, b.mount->target), target);
    d->path[d->len] = 0;
    size_t name = (size_t)(b.text + b.len - b.name);
    memcpy(node->name, b.name, name);
    node->name[name] = 0;
    node->where = UR_AT_UNION;
    node->last = UR_LAST_NAME;
    node->foreign = true;
    node->brief = true;
    ur_recall(d, &b.known, &node->entry);
    if (node->entry.kind == UR_ABSENT)
        return 1;
    if (base && b.path == path) {
        node->at = b.at;
        node->rel = path;
    }
    struct ur_reach r = {AT_FDCWD, host};
    long ret = flags & UR_WALK_TYPE ? 1 : ur_node_reach(u, d, node, host, &r);
    if (ret == 0)
        ret = ur_recall_stat(u, d, &b.key, &r, &node->entry);
    if (ret)
        return ret;
    clear(node);
    d->mount = NULL;
    return 0;
}

static long walk(const struct ur_caller *c, int dirfd, const char *path, size_t path_len, int flags,
                 struct ur_scratch *s, int slot, const struct ur_begun *begun) {
    struct ur_dir *d = &s->dir[slot];
    struct ur_node *node = &s->node[slot];
    unsigned links = 0, buffer = 0;
    long ret;
    enum ur_dead_dir dead = UR_ALIVE;
    bool blind = false;
    bool try_brief = flags & UR_WALK_BRIEF && c->u->index && !(begun && begun->tried);
    if (path[0] == '/') {
        ret = try_brief ? brief(c->u, NULL, path, path_len, flags, d, node, s->real[0]) : 0;
        if (ret)
            return ret < 0 ? ret : 0;
        ret = ur_dir_load(c->u, d, "/", 1);
    } else {
        struct ur_base base = {.path = s->text, .fd = dirfd};
        ret = begun && begun->known ? ur_base_at(c, dirfd, &begun->st, s->text, &dead, &base.at)
                                    : ur_base_find(c, dirfd, s->text, &dead, &base.at);
        if (dead) {
            node->foreign = true;
            memcpy(d->path, s->text, (size_t)ret + 1);
            bool here, one = is_one_name(path);
            path = leave_dead(c->u, d, path, (size_t)ret, &here);
            if (here)
                return dead_self(c, d, node, dirfd, dead);
            if (!path && one) {
                node->in_dead = true;
                node->was = ur_mount_of(c->u, s->text, strlen(s->text));
            }
            ret = path ? 0 : -ENOENT;
        } else if (ret > 0) {
            base.len = (size_t)ret;
            ret = try_brief ? brief(c->u, &base, path, path_len, flags, d, node, s->real[0]) : 0;
            if (ret)
                return ret < 0 ? ret : 0;
            ret = ur_dir_load(c->u, d, s->text, base.len);
            blind = ret == -EACCES;
        }
        if (blind) {
            node->foreign = true;
            memcpy(d->path, s->text, base.len + 1);
            ret = leave_blind(c->u, d, &path, base.len);
            bool upper = base.at.mount && base.at.layer == 0 && ur_has_upper(base.at.mount);
            if (ret == 1)
                return dead_self(c, d, node, dirfd, upper ? UR_DEAD_UPPER : UR_DEAD_LOWER);
        }
    }
    if (ret < 0)
        return ret;
    enum ur_last last = dead || blind ? UR_LAST_DOTDOT : UR_LAST_ROOT;
    const char *rest = jump(c->u, d, path, s->text);
    for (;;) {
        node->foreign |= d->mount != NULL;
        while (*rest == '/')
            rest++;
        if (!*rest) {
            ret = last == UR_LAST_DOT ? may_search(c->u, d, s->text) : 0;
            return ret < 0 ? ret : finish_self(d, node, d->len == 1 ? UR_LAST_ROOT : last);
        }
        size_t n = strcspn(rest, "/");
        const char *after = rest + n, *next = after + strspn(after, "/");
        if (n == 1 && rest[0] == '.') {
            last = UR_LAST_DOT;
            rest = next;
            continue;
        }
        if (n == 2 && rest[0] == '.' && rest[1] == '.') {
            last = UR_LAST_DOTDOT;
            /* Where a name is looked up the lookup itself tells; ".." leads out of d->path without one. */
            ret = flags & UR_WALK_TEXTUAL ? 0 : may_search(c->u, d, s->text);
            if (ret == 0)
                ret = ur_dir_up(c->u, d);
            if (ret < 0)
                return ret;
            rest = next;
            continue;
        }
        if (n > UR_NAME_MAX) {
            ret = may_search(c->u, d, s->text);
            return ret < 0 ? ret : -ENAMETOOLONG;
        }
        memcpy(node->name, rest, n);
        node->name[n] = 0;
        struct ur_entry *e = &node->entry;
        if (*next) {
            ret = ur_dir_enter(c->u, d, node->name, &e->st);
            if (ret == 0) {
                rest = next;
                continue;
            }
            if (ret != -ENOTDIR || !S_ISLNK(e->st.st_mode))
                return ret;
            ret = ur_lookup(c->u, d, node->name, e);
            if (ret < 0)
                return ret;
        } else {
            node->must_be_dir = *after == '/';
            ret = finish(c, d, node, flags);
            if (ret <= 0)
                return ret;
        }
        if (++links > UR_LINKS_MAX)
            return -ELOOP;
        ret = expand(c, d, node, after, s->rest[buffer], s);
        if (ret < 0)
            return ret;
        if (ret == 1) {
            node->where = UR_AT_MAGIC;
            return *next ? beneath_magic(c, d, node, s->real[0]) : 0;
        }
        rest = jump(c->u, d, s->rest[buffer], s->text);
        buffer ^= 1;
        last = UR_LAST_ROOT;
    }
}

static bool is_in_layer(const struct ur_union *u, const char *path, size_t len) {
    const struct ur_table_mount *m;
    unsigned layer;
    size_t rel;
    return ur_work_of(u, path, len) || ur_layer_of(u, path, len, &m, &layer, &rel);
}

long ur_walk_on(const struct ur_caller *c, int dirfd, const char *path, int flags, struct ur_scratch *s, int slot,
                const struct ur_begun *begun) {
    struct ur_dir *d = &s->dir[slot];
    struct ur_node *node = &s->node[slot];
    long len = ur_length(c, path);
    clear(node);
    if (len <= 0)
        return len < 0 ? len : -ENOENT;
    if (len == UR_PATH_MAX)
        return -ENAMETOOLONG;
    d->mount = NULL;
    d->special = false;
    long ret = walk(c, dirfd, path, (size_t)len, flags, s, slot, begun);
    if (ret == 0 && node->self && d->mount && !ur_has_upper(d->mount) && d->len == d->mount->target.len)
        ret = ur_lower_lost(c->u, d, d->spot[0], s->text);
    /* What is not there may be a hidden name that the host has. */
    bool absent = ret < 0 || (!node->self && node->entry.kind == UR_ABSENT);
    node->foreign |= d->mount || node->lost || (absent && d->special);
    if (c->u->table->raw != UR_RAW_HIDE && (d->special || is_in_layer(c->u, d->path, d->len)))
        node->foreign = true; /* changes may be refused, and descriptors are marked */
    if (__builtin_expect(c->u->note != NULL, 0))
        ur_note_walk(c->u, path, d, node, ret);
    return ret;
}

long ur_walk(const struct ur_caller *c, int dirfd, const char *path, int flags, struct ur_scratch *s, int slot) {
    return ur_walk_on(c, dirfd, path, flags, s, slot, NULL);
}

/* Of a name that the index knows it is known without a walk that a union has it. */
static __attribute__((noinline)) bool is_indexed(const struct ur_caller *c, int dirfd, const char *path) {
    struct ur_begun begun;
    struct ur_brief b;
    return ur_brief(c, dirfd, path, true, &begun, &b);
}

dev_t ur_host_dev(const struct ur_dir *d, const struct ur_node *n, long ret) {
    if (ret == -ENOENT || (ret == 0 && !n->self && n->entry.kind == UR_ABSENT))
        return n->where == UR_AT_HOST && !ur_path_below(d->path, d->len, "/proc", 5) ? UR_ABSENT_DEV : 0;
    return ret == 0 && n->where == UR_AT_HOST && !n->self ? n->entry.st.st_dev : 0;
}

long ur_is_native_on(const struct ur_caller *c, int dirfd, const char *path, int flags, dev_t *dev) {
    *dev = 0;
    if (!ur_active(c))
        return 1;
    if (is_indexed(c, dirfd, path))
        return 0;
    UR_SCRATCH(s);
    const struct ur_node *n = &s->node[0];
    long ret = ur_walk(c, dirfd, path,
                       flags & UR_REAL_CREATE     ? UR_WALK_PARENT
                       : flags & UR_REAL_NOFOLLOW ? UR_WALK_NOFOLLOW
                                                  : 0,
                       s, 0);
    *dev = ur_host_dev(&s->dir[0], n, ret);
    return ur_is_fault(ret) ? ret : !n->foreign;
}

long ur_is_native(const struct ur_caller *c, int dirfd, const char *path, int flags) {
    dev_t dev;
    return ur_is_native_on(c, dirfd, path, flags, &dev);
}

long ur_node_path(const struct ur_union *u, const struct ur_dir *d, const struct ur_node *n, char *out) {
    if (!n->self)
        return ur_entry_path(u, d, n->name, &n->entry, out);
    if (!d->mount)
        return ur_put(out, out + UR_PATH_MAX, d->path, d->len) ? 0 : -ENAMETOOLONG;
    return d->spots ? ur_spot_path(u, d, d->spot[0], NULL, out) : -ENOENT;
}

/* Without a union the kernel tells where a name leads. From a removed cwd it would still open "." and "..";
   realpath(3) asks for the cwd first. */
static long host_canonical(const struct ur_caller *c, int dirfd, const char *path, int flags, char *out) {
    if (path[0] != '/' && dirfd == AT_FDCWD && !c->pid) {
        long cwd = sys_getcwd(out, UR_PATH_MAX);
        if (cwd < 0)
            return cwd;
    }
    long fd = sys_openat(dirfd, path, O_PATH | O_CLOEXEC | (flags & UR_REAL_NOFOLLOW ? O_NOFOLLOW : 0), 0);
    if (fd < 0)
        return fd;
    long n = ur_fd_host_path(c, (int)fd, out);
    sys_close((int)fd);
    return n;
}

long ur_canonical(const struct ur_caller *c, int dirfd, const char *path, int flags, char *out) {
    if (!ur_active(c))
        return host_canonical(c, dirfd, path, flags, out);
    UR_SCRATCH(s);
    struct ur_dir *d = &s->dir[0];
    struct ur_node *n = &s->node[0];
    long ret = ur_length(c, path);
    if (ret >= 0 && path[0] != '/')
        ret = ur_base_path(c, dirfd, s->text, NULL); /* "..", too, needs a cwd that is there */
    if (ret >= 0)
        ret = ur_walk(c, dirfd, path, UR_WALK_TEXTUAL | (flags & UR_REAL_NOFOLLOW ? UR_WALK_NOFOLLOW : 0), s, 0);
    if (ret < 0)
        return ret;
    if (n->where == UR_AT_MAGIC)
        return -ENOENT;
    if (!n->self && n->entry.kind == UR_ABSENT && !(flags & UR_REAL_CREATE))
        return -ENOENT;
    char *end = out + UR_PATH_MAX, *p = ur_put(out, end, d->path, d->len);
    if (!n->self) {
        if (d->len > 1)
            p = ur_put(p, end, "/", 1);
        p = ur_put(p, end, n->name, strlen(n->name));
    }
    return p ? p - out : -ENAMETOOLONG;
}
