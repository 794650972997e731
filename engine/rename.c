/*
 * rename: of files and directories, whatever layers hold them.
 *
 * What is moved is copied up first (a directory without its contents), and then goes by one renameat2 in the
 * upper, which leaves a whiteout where a lower name would come back. A directory with lower parts gets a redirect
 * (overlayfs.rst, "redirect_dir") before it goes: while it is still at its old place that says what is so anyway.
 * A directory without lower parts is made opaque if a lower would otherwise join it at its new place.
 */
#include "index.h"
#include "union.h"

#include <unistd.h>

enum { XATTR_FITS = 512 }; /* an xattr that any filesystem with room can hold */

/* One side of a rename. */
struct side {
    struct ur_dir *d;
    struct ur_node *n;
    char host[UR_PATH_MAX]; /* in the upper */
    bool has_lower;         /* a directory with parts in lowers */
    bool travels;           /* it has an origin: the directory that it comes to is impure */
    long below;             /* a lower would show, were the name gone from the upper */
    uint64_t origin;
    bool linked;
};

struct sides {
    struct side from, to;
    struct ur_dir child;
};

static bool is_dir(const struct side *s) {
    return s->n->entry.kind == UR_DIRECTORY;
}
static bool is_there(const struct side *s) {
    return s->n->entry.kind != UR_ABSENT;
}

/* Is `path` of `b` beneath (or the same as) the directory that `a` names? */
static bool beneath(const struct side *a, const struct ur_dir *b) {
    const struct ur_dir *d = a->d;
    if (a->n->self)
        return ur_path_below(b->path, b->len, d->path, d->len);
    size_t dir = d->len > 1 ? d->len : 0, name = strlen(a->n->name);
    return b->len >= dir + 1 + name && memcmp(b->path, d->path, dir) == 0 && b->path[dir] == '/' &&
           memcmp(b->path + dir + 1, a->n->name, name) == 0 &&
           (b->len == dir + 1 + name || b->path[dir + 1 + name] == '/');
}

static bool same_parent(const struct side *a, const struct side *b) {
    return a->d->len == b->d->len && memcmp(a->d->path, b->d->path, a->d->len) == 0;
}

static bool same_name(const struct side *a, const struct side *b) {
    return same_parent(a, b) && strcmp(a->n->name, b->n->name) == 0;
}

/* Of a side that the upper has at `s->host`: fills origin and linked. 0 or -errno. */
static long read_origin(const struct ur_caller *c, struct side *s) {
    const struct ur_entry *e = &s->n->entry;
    return e->plain ? 0 : ur_origin_read(c->u, s->d->mount, -1, s->host, &e->st, &s->origin, &s->linked);
}

/* 1, 0 or -errno. */
static long same_file(const struct ur_caller *c, struct side *a, struct side *b) {
    const struct ur_entry *x = &a->n->entry, *y = &b->n->entry;
    if (x->kind != UR_FILE || y->kind != UR_FILE || x->st.st_dev != y->st.st_dev)
        return 0;
    if (!a->d->mount)
        return x->st.st_ino == y->st.st_ino;
    uint64_t ino[2];
    struct side *both[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        struct side *s = both[i];
        const struct ur_entry *e = &s->n->entry;
        long ret = e->in_upper ? ur_entry_path(c->u, s->d, s->n->name, e, s->host) : 0;
        if (ret == 0 && e->in_upper)
            ret = read_origin(c, s);
        if (ret < 0)
            return ret;
        ino[i] = s->origin ? s->origin : ur_ino(s->d->mount, ur_layer(c->u, s->d->mount, e->spot.layer), e->st.st_ino);
    }
    return ino[0] == ino[1];
}

/* "." of a removed directory, or of one that nobody may search for. */
static bool is_dead(const struct side *s) {
    return s->n->where == UR_AT_MAGIC && s->n->last == UR_LAST_DOT && s->n->was;
}

/* Not a name that could be renamed: ".", "..", "/". A target is a name too, though a mount point. */
static bool is_nameless(const struct side *s) {
    return is_dead(s) || (s->n->self && s->n->last != UR_LAST_TARGET);
}

static const struct ur_table_mount *mount_of(const struct side *s) {
    return is_dead(s) || s->n->in_dead ? s->n->was : s->d->mount;
}

/* What the kernel (do_renameat2) checks before it looks at permissions, in its order. 1: nothing is to be done. */
static long check_names(const struct ur_caller *c, struct side *from, struct side *to, unsigned flags) {
    bool exchange = flags & RENAME_EXCHANGE;
    bool target = from->n->last == UR_LAST_TARGET || to->n->last == UR_LAST_TARGET; /* then `d` is what lies on it */
    if ((from->n->where == UR_AT_MAGIC && !is_dead(from)) || (to->n->where == UR_AT_MAGIC && !is_dead(to)) ||
        (!target && mount_of(from) != mount_of(to)))
        return -EXDEV;
    if (is_nameless(from))
        return -EBUSY;
    if (is_nameless(to))
        return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
    if (!is_there(from))
        return -ENOENT;
    if (is_there(to) && flags & RENAME_NOREPLACE)
        return -EEXIST;
    if (!is_there(to) && exchange)
        return -ENOENT;
    if (!is_dir(from) && (from->n->must_be_dir || (to->n->must_be_dir && !exchange)))
        return -ENOTDIR;
    if (exchange && to->n->must_be_dir && !is_dir(to))
        return -ENOTDIR;
    if (is_dir(from) && beneath(from, to->d))
        return -EINVAL;
    if (is_dir(to) && beneath(to, from->d))
        return exchange ? -EINVAL : -ENOTEMPTY;
    if (from->n->self || to->n->self)
        return -EBUSY;
    if (same_name(from, to))
        return 1;
    return is_there(to) ? same_file(c, from, to) : 0;
}

static long check_kinds(const struct side *from, const struct side *to, unsigned flags) {
    if (!is_there(to) || flags & RENAME_EXCHANGE)
        return 0;
    if (is_dir(from) && !is_dir(to))
        return -ENOTDIR;
    return !is_dir(from) && is_dir(to) ? -EISDIR : 0;
}

/* Is it a name that the upper's own directory has for a file, or for nothing? */
static bool is_plain(const struct side *s) {
    const struct ur_entry *e = &s->n->entry;
    return s->d->spots && s->d->spot[0].layer == 0 && (e->kind == UR_FILE ? e->in_upper : ur_is_sole(e));
}

/* May the two names change, were all this plain? In the order of vfs_rename(): the parents, the kinds, and at last
   that to give a directory another parent is to write to it. Where it is plain the kernel will say. */
static long may_rename(const struct ur_caller *c, struct side *from, struct side *to, unsigned flags, char *host) {
    if (ur_has_upper(from->d->mount) && is_plain(from) && is_plain(to) && !is_dir(from) && !is_dir(to))
        return 0;
    long ret = ur_may_take(c->u, from->d, &from->n->entry.st, host);
    if (ret == 0 && (is_there(to) || !same_parent(from, to)))
        ret = ur_may_take(c->u, to->d, is_there(to) ? &to->n->entry.st : NULL, host);
    if (ret == 0)
        ret = check_kinds(from, to, flags);
    struct side *moved[2] = {from, flags & RENAME_EXCHANGE ? to : NULL};
    for (int i = 0; i < 2 && ret == 0 && !same_parent(from, to); i++)
        if (moved[i] && is_dir(moved[i])) {
            ret = ur_entry_path(c->u, moved[i]->d, moved[i]->n->name, &moved[i]->n->entry, host);
            if (ret == 0)
                ret = ur_may_access(host, W_OK);
        }
    return ret;
}

/* Loads the stack of a directory side into `child`. */
static long enter(const struct ur_caller *c, struct side *s, struct ur_dir *child) {
    struct stat st;
    *child = *s->d;
    long ret = ur_dir_enter(c->u, child, s->n->name, &st);
    if (ret == 0 && ur_mounts_below(c->u, child->path, child->len))
        return -EBUSY;
    return ret == -ENOENT || ret == -ENOTDIR ? UR_AGAIN : ret;
}

/* chattr(1) +i or +a: the kernel's own EPERM. */
static bool is_immutable(const char *host) {
    int flags = 0;
    long fd = sys_open(host, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    long ret = sys_ioctl((int)fd, FS_IOC_GETFLAGS, (long)&flags);
    sys_close((int)fd);
    return ret == 0 && flags & (FS_IMMUTABLE_FL | FS_APPEND_FL);
}

/* A file that lacks its data must say where they are before its name tells no more: kernel overlayfs leaves that out.
   What it says then is so at its old name, too. */
static long redirect_file(const struct ur_caller *c, const struct side *s) {
    if (!ur_may_lack_data(c->u, s->d->mount, 0) || !S_ISREG(s->n->entry.st.st_mode) ||
        !ur_origin_maybe(c->u, &s->n->entry.st))
        return 0;
    UR_SCRATCH(t);
    long ret = ur_has_metacopy(-1, s->host);
    if (ret > 0)
        ret = ur_redirect_of(s->host, t->rest[0]);
    else
        return ret;
    if (ret < 0 || t->rest[0][0] == '/')
        return ret < 0 ? ret : 0;
    bool said = ur_redirect_to(s->d, ret ? t->rest[0] : s->n->name, t->text, UR_PATH_MAX);
    return said ? ur_mark_redirect(s->host, t->text) : -ENAMETOOLONG;
}

/* Brings what is to be moved into the upper, ready to stand in the place of `at`. */
static long prepare(const struct ur_caller *c, struct sides *w, struct side *s, struct side *at) {
    struct ur_entry *e = &s->n->entry;
    bool was_upper = e->in_upper;
    struct stat after = e->st;
    if (!is_dir(s) && !was_upper && sys_geteuid()) /* what a plain user copies is his */
        after.st_uid = sys_geteuid();
    long ret = ur_copyup_meta(c, s->d, s->n->name, e, &after);
    if (ret == 0)
        ret = ur_upper_path(c->u, s->d, s->n->name, s->host);
    if (ret < 0)
        return ret;
    ret = read_origin(c, s);
    if (ret < 0)
        return ret;
    s->travels = !was_upper || s->origin;
    if (!is_dir(s))
        return redirect_file(c, s);
    ret = enter(c, s, &w->child);
    if (ret < 0)
        return ret;
    s->has_lower = w->child.spots > 1;
    long joins = s->has_lower ? 0 : ur_shows_below(c->u, at->d, at->n->name, &at->n->entry);
    if (joins < 0)
        return joins;
    if (!s->has_lower && !joins)
        return 0;
    struct ur_unlocked k;
    ret = ur_dir_unlock(c->u, s->d->mount, s->host, s->host, NULL, &k);
    if (ret < 0)
        return ret;
    if (s->has_lower) {
        const struct ur_rel *r = &w->child.rel[w->child.lower_rel];
        UR_SCRATCH(t);
        char *p = ur_put(t->text, t->text + UR_PATH_MAX, w->child.rel_text + r->at, r->len);
        p = ur_put(p, t->text + UR_PATH_MAX, w->child.path + r->cut, w->child.len - r->cut);
        ret = p ? ur_mark_redirect(s->host, t->text) : -ENAMETOOLONG;
        /* ext4 says so also of what does not fit in its one block of xattrs. */
        if (ret == -ENOSPC && p - t->text > XATTR_FITS)
            ret = -E2BIG;
        if (c->u->shared)
            atomic_store(&c->u->shared->redirects, 1);
    } else {
        ret = ur_mark_opaque(s->host);
        ur_note_opaque(c->u);
    }
    if (ret == 0)
        ret = ur_sync_dir(c->u, s->d->mount, s->host);
    ur_dir_relock(c->u, s->d->mount, s->host, &k);
    /* The mark may have met a whiteout that came in its place, and may have gone again. */
    if (ret == -EPERM && !is_immutable(s->host))
        return UR_AGAIN;
    /* An upper that can hold no redirect: overlayfs' own answer, and mv copies. */
    return ret == -EOPNOTSUPP || ret == -ERANGE || ret == -E2BIG ? -EXDEV : ret;
}

/* An empty directory that is to be replaced, or a whiteout in the way. */
static long clear_target(const struct ur_caller *c, struct sides *w) {
    struct side *to = &w->to;
    if (!is_dir(to))
        return 0;
    long ret = enter(c, to, &w->child);
    if (ret == 0)
        ret = ur_dir_is_empty(c->u, &w->child);
    if (ret == 0 && to->n->entry.in_upper) {
        struct ur_unlocked k;
        ret = ur_dir_unlock(c->u, to->d->mount, to->host, to->host, NULL, &k);
        if (ret == 0)
            ret = ur_dir_purge(c->u, &w->child);
        ur_dir_relock(c->u, to->d->mount, to->host, &k);
        /* What covers a lower's is a name in it, where there are no xattrs: then it is not empty, and goes first. */
        if (ret == 0 && !(to->d->mount->caps & UR_CAP_XATTR) &&
            ur_shows_below(c->u, to->d, to->n->name, &to->n->entry) > 0) {
            ret = ur_unlink(c, AT_FDCWD, w->child.path, AT_REMOVEDIR);
            ret = ret == 0 || ret == -ENOENT ? UR_AGAIN : ret;
        }
    }
    return ret;
}

static bool leaves_whiteout(const struct ur_table_mount *m) {
    return m->caps & UR_CAP_CHARDEV && m->caps & UR_CAP_RENAME_WHITEOUT;
}

/* A file that must not replace anything, where the kernel does not see to that: noreplace.c. */
static bool is_exclusive(const struct side *from, unsigned flags) {
    return !is_dir(from) && flags & RENAME_NOREPLACE && !(from->d->mount->caps & UR_CAP_RENAME_NOREPLACE);
}

/* Where the kernel leaves no whiteout of its own, a new name gets one first, which nobody sees: then the two change
   places by one step. And where it knows no RENAME_NOREPLACE that one replaces nothing. `to` has nothing; a failed move
   takes it away again. */
static long whiteout_before(const struct ur_caller *c, const struct side *from, struct side *to, unsigned flags,
                            bool *made) {
    const struct ur_table_mount *m = from->d->mount;
    *made = !is_there(to) && to->n->entry.white != UR_WHITE_NODE &&
            ((from->below && !leaves_whiteout(m) && m->caps & UR_CAP_RENAME_EXCHANGE) || is_exclusive(from, flags));
    if (!*made)
        return 0;
    UR_SCRATCH(s);
    struct ur_times times;
    long ret = ur_upper_path(c->u, to->d, NULL, s->real[0]);
    if (ret < 0)
        return ret;
    ur_times_take(c->u, to->d, to->host, strlen(s->real[0]), &times);
    ret = ur_whiteout_put(c->u, to->d, to->n->name, false);
    ur_times_give(c->u, s->real[0], &times, ret == 0);
    *made = ret == 0;
    if (ret == 0)
        to->n->entry.white = UR_WHITE_NODE;
    return ret == -EEXIST ? UR_AGAIN : ret;
}

static long move_one(const struct ur_union *u, const struct ur_table_mount *m, const struct side *from,
                     const struct side *to, unsigned flags) {
    return flags & RENAME_NOREPLACE ? ur_rename_new(u, m, from->host, to->host) : sys_rename(from->host, to->host, 0);
}

/* By two steps, where the kernel leaves no whiteout. Should the second fail, the first is taken back: so a file that is
   replaced changes places with the one that comes until that has its whiteout. Who is killed between them leaves a note
   of it (halfway.c), and so does who cannot take it back, since what was replaced is lost. Who was stopped there so
   long that another took the names' locks may find that it was made, and something new at the old name. */
static long move_and_cover(const struct ur_caller *c, const struct side *from, const struct side *to, unsigned flags) {
    const struct ur_table_mount *m = from->d->mount;
    bool white = !is_dir(from) && to->n->entry.white == UR_WHITE_NODE;
    bool replaced = white || (is_there(to) && to->n->entry.in_upper);
    bool exchanges = replaced && !is_dir(from) && m->caps & UR_CAP_RENAME_EXCHANGE;
    struct ur_halfway k;
    long ret = ur_halfway_begin(c->u, m, from->host, to->host, exchanges, &k);
    if (ret < 0)
        return ret;
    struct stat st;
    ret = exchanges ? sys_rename(from->host, to->host, RENAME_EXCHANGE) : move_one(c->u, m, from, to, flags);
    bool moved = ret == 0, back = false;
    if (moved && exchanges)
        ret = sys_lstat(from->host, &st);
    bool settled = ret == 0 && exchanges && ur_halfway_settled(c->u, m, &k);
    if (ret == 0 && !settled)
        ret = exchanges ? ur_whiteout_instead(c->u, from->d, from->n->name, &st)
                        : ur_whiteout_put(c->u, from->d, from->n->name, false);
    if (moved && ret == -EEXIST && ur_halfway_settled(c->u, m, &k))
        ret = 0;
    if (moved && ret < 0 && (exchanges || !replaced))
        back = (exchanges ? sys_rename(to->host, from->host, RENAME_EXCHANGE)
                          : ur_rename_new(c->u, m, to->host, from->host)) == 0;
    if (ret == 0 || !moved || back) /* else the recovery covers it */
        ur_halfway_end(c->u, m, &k);
    return ret;
}

/* Over a whiteout where nothing changes places: a file replaces it, for a directory it must go first. */
static long move_over_whiteout(const struct ur_caller *c, const struct side *from, const struct side *to) {
    const struct ur_table_mount *m = from->d->mount;
    if (!is_dir(from))
        return from->below ? move_and_cover(c, from, to, 0) : sys_rename(from->host, to->host, 0);
    UR_SCRATCH(s);
    struct ur_halfway k;
    long ret = ur_whiteout_aside(c->u, m, to->host, s->real[0], &k);
    if (ret < 0)
        return ret;
    ret = from->below ? move_and_cover(c, from, to, RENAME_NOREPLACE) : ur_rename_new(c->u, m, from->host, to->host);
    ur_whiteout_aside_end(c->u, m, to->host, s->real[0], &k, ret == 0);
    return ret == -EEXIST ? UR_AGAIN : ret;
}

/* The step that is seen. */
static long move_now(const struct ur_caller *c, struct sides *w, unsigned flags) {
    struct side *from = &w->from, *to = &w->to;
    const struct ur_table_mount *m = from->d->mount;
    if (flags & RENAME_EXCHANGE)
        return sys_rename(from->host, to->host, RENAME_EXCHANGE);
    /* A whiteout in the way: a file replaces it as it would any other; a directory changes places with it. So does
       what must not replace anything, since a whiteout is nothing. */
    bool exchange = is_dir(from) || flags & RENAME_NOREPLACE || (from->below && !leaves_whiteout(m));
    if (to->n->entry.white == UR_WHITE_NODE && exchange && !(m->caps & UR_CAP_RENAME_EXCHANGE))
        return move_over_whiteout(c, from, to);
    if (to->n->entry.white == UR_WHITE_NODE && exchange) {
        UR_SCRATCH(s);
        struct stat st;
        long ret = from->below ? ur_upper_path(c->u, from->d, NULL, s->real[0]) : 0;
        if (ret == 0 && from->below)
            ret = ur_mark_whiteouts(m, s->real[0]);
        if (ret == 0)
            ret = sys_rename(to->host, from->host, RENAME_EXCHANGE); /* a watch tells last what comes (watch.c) */
        if (ret < 0)
            return ur_is_gone(ret) ? UR_AGAIN : ret;
        if (sys_lstat(from->host, &st) < 0 || ur_is_whiteout(from->host, &st) <= 0) {
            sys_rename(from->host, to->host, RENAME_EXCHANGE);
            return UR_AGAIN;
        }
        if (!from->below)
            sys_unlink(from->host);
        return 0; /* with the whiteout that was in the way */
    }
    if (!from->below)
        return move_one(c->u, m, from, to, flags);
    if (leaves_whiteout(m)) {
        long ret = sys_rename(from->host, to->host, flags | RENAME_WHITEOUT);
        ur_count(c->u, whiteouts, ret == 0);
        return ret;
    }
    return move_and_cover(c, from, to, flags);
}

/* Where whiteouts are made or replaced nobody else does so to the same names meanwhile. */
static long move(const struct ur_caller *c, struct sides *w, unsigned flags) {
    struct side *from = &w->from, *to = &w->to;
    bool white = to->n->entry.white == UR_WHITE_NODE;
    bool looks = is_dir(from) && !(from->d->mount->caps & UR_CAP_RENAME_NOREPLACE); /* others do: noreplace.c */
    if (!from->below && !white && !(flags & RENAME_EXCHANGE) && !is_exclusive(from, flags) && !looks)
        return move_now(c, w, flags);
    struct ur_names_held k;
    struct stat st;
    ur_names_lock(c->u, from->host, to->host, &k);
    long ret = ur_is_still(from->host, &from->n->entry.st);
    if (ret == 0 && flags & RENAME_EXCHANGE)
        ret = ur_is_still(to->host, &to->n->entry.st);
    if (ret == 0 && white) {
        ret = sys_lstat(to->host, &st);
        if (ret == 0)
            ret = ur_is_whiteout(to->host, &st);
        ret = ret > 0 ? 0 : ret == 0 || ret == -ENOENT ? UR_AGAIN : ret;
    }
    bool made = false;
    if (ret == 0)
        ret = whiteout_before(c, from, to, flags, &made);
    if (ret == 0)
        ret = move_now(c, w, flags);
    if (ret < 0 && made && sys_lstat(to->host, &st) == 0 && ur_is_whiteout(to->host, &st) > 0)
        sys_unlink(to->host);
    ur_names_unlock(&k);
    return ret;
}

/* Only what a descriptor of a lower's file may be asked for. */
static bool is_noted(const struct ur_union *u, const struct sides *w, unsigned flags) {
    const struct side *from = &w->from, *to = &w->to;
    bool dirs = is_dir(from) || (flags & RENAME_EXCHANGE && is_dir(to));
    bool copies = from->travels || (flags & RENAME_EXCHANGE && to->travels);
    return u->shared && (copies || (dirs && atomic_load(&u->shared->redirects)));
}

static long move_and_note(const struct ur_caller *c, struct sides *w, unsigned flags) {
    if (!is_noted(c->u, w, flags))
        return move(c, w, flags);
    const struct ur_table_mount *m = w->from.d->mount;
    size_t root = ur_layer(c->u, m, 0)->root.len; /* the upper's rel is the union's */
    if (root == 1)
        root = 0;
    const struct ur_move moved = {m, w->from.host + root, w->to.host + root, flags & RENAME_EXCHANGE,
                                  w->from.n->entry.st.st_ino};
    uint64_t held = ur_moving_lock(c->u);
    ur_moves_begin(c->u, &moved, held);
    long ret = move(c, w, flags);
    ur_moves_end(c->u, &moved, held, ret == 0);
    ur_moving_unlock(c->u, held);
    return ret;
}

/* What the names of a file have come to mean. What was found of the one that it has left is so of the other, as long as
   nobody else has changed either: else it may be another file; or a link to the very one that had the other name by
   then, and nothing was moved. */
static void tell(const struct ur_union *u, const struct side *from, const struct side *to, struct ur_change *goes,
                 struct ur_change *comes) {
    const struct ur_entry *e = &from->n->entry;
    struct ur_known gone = ur_known_removed(from->d->mount, from->below);
    struct ur_known come = {
        .kind = ur_known_kind_of(e->st.st_mode), .plain = e->plain, .sole = !is_dir(from) && ur_is_sole(&to->n->entry)};
    if (from->below && !leaves_whiteout(from->d->mount)) /* by two steps, of which another may have made one */
        return;
    if (ur_change_is_alone(comes) && ur_change_tell(u, from->d, goes, &gone))
        ur_change_tell(u, to->d, comes, &come);
}

static long rename_union(const struct ur_caller *c, struct ur_scratch *s, struct sides *w, unsigned flags) {
    struct side *from = &w->from, *to = &w->to;
    if (ur_is_marker_name(to->n->name, strlen(to->n->name)))
        return -EPERM;
    long ret = may_rename(c, from, to, flags, s->real[0]);
    if (ret == 0)
        ret = ur_upper_path(c->u, to->d, to->n->name, to->host);
    /* Before anything of a directory changes: from then to the end nothing is learnt (ur_changing_begin). */
    if (ret == 0 && (is_dir(from) || is_dir(to)))
        ur_epoch_next(c->u);
    if (ret == 0 && is_dir(from))
        ret = enter(c, from, &w->child);
    if (ret == 0 && !(flags & RENAME_EXCHANGE))
        ret = clear_target(c, w);
    if (ret == 0)
        ret = ur_copyup_dir(c, to->d);
    if (ret == 0)
        ret = prepare(c, w, from, to);
    if (ret == 0 && flags & RENAME_EXCHANGE)
        ret = prepare(c, w, to, from);
    if (ret < 0)
        return ret;
    const struct ur_dir *const dirs[2] = {from->d, to->d};
    const char *const names[2] = {from->n->name, to->n->name};
    const struct ur_entry *const entries[2] = {&from->n->entry, &to->n->entry};
    UR_NAMES_BECOME(change, c->u, dirs, names, entries);
    if (!is_dir(from) && !is_dir(to))
        ur_gone_taken(c->u, to->d, to->n->name);
    from->below = ur_shows_below(c->u, from->d, from->n->name, &from->n->entry);
    if (from->below < 0)
        return from->below;
    if (is_there(to) && to->n->entry.in_upper && !(flags & RENAME_EXCHANGE))
        ret = read_origin(c, to);
    if (ret < 0)
        return ret;
    const struct side *moved[2] = {from, flags & RENAME_EXCHANGE ? to : NULL};
    for (int i = 0; i < 2 && ret == 0; i++) {
        if (!moved[i] || !moved[i]->travels)
            continue;
        ret = ur_upper_path(c->u, i ? from->d : to->d, NULL, s->real[0]);
        if (ret == 0)
            ret = ur_mark_impure(s->real[0]);
    }
    if (ret < 0)
        return ret;
    struct ur_cover k = {.lock = -1};
    if (is_there(to) && !(flags & RENAME_EXCHANGE))
        ret = ur_cover_begin(c->u, to->d, to->n->name, &to->n->entry, &k);
    if (ret < 0)
        return ret;
    ret = move_and_note(c, w, flags);
    ur_links_cover_end(c->u, to->d->mount, &k, ret == 0);
    if (ret < 0)
        return ur_is_gone(ret) ? UR_AGAIN : ret;
    if (!(flags & RENAME_EXCHANGE))
        tell(c->u, from, to, &change[0], &change[1]);
    if (is_there(to) && to->n->entry.in_upper && !(flags & RENAME_EXCHANGE))
        ur_quota_removed(c->u, &to->n->entry.st);
    /* The new place first: of a name that is at both, nothing is lost. */
    ret = ur_sync_names(c->u, to->d);
    if (ret == 0 && !same_parent(from, to))
        ret = ur_sync_names(c->u, from->d);
    if (!(flags & RENAME_EXCHANGE) && is_there(to))
        ur_forget_name(c->u, to->d, &to->n->entry, to->origin, to->linked);
    return ret;
}

static long rename_host(const struct ur_caller *c, struct sides *w, unsigned flags) {
    struct side *from = &w->from, *to = &w->to;
    long ret = ur_node_path(c->u, from->d, from->n, from->host);
    if (ret == 0)
        ret = ur_node_path(c->u, to->d, to->n, to->host);
    if (ret < 0)
        return ret;
    if (ur_special_below(c->u, from->host, strlen(from->host)) || ur_special_below(c->u, to->host, strlen(to->host)))
        return -EBUSY;
    if (ur_is_hidden(c->u, to->host, strlen(to->host)))
        return -EACCES;
    ret = ur_may_change_raw(c->u, from->host, strlen(from->host));
    if (ret == 0)
        ret = ur_may_change_raw(c->u, to->host, strlen(to->host));
    if (ret < 0)
        return ret;
    ur_changing_begin(c->u);
    ret = sys_rename(from->host, to->host, flags);
    ur_changing_end(c->u);
    return ret;
}

/* One name is looked up after the other: what the second holds, and is in the way, may be what the first has held. Its
   directory, too, may be in another layer by now. */
static bool has_gone(const struct ur_caller *c, const struct side *from, const struct side *to) {
    const struct ur_node *n = from->n;
    struct ur_entry now;
    if (n->where != UR_AT_UNION || to->n->where != UR_AT_UNION || n->self || to->n->self || !is_there(from) ||
        !is_there(to))
        return false;
    struct ur_scratch *s = ur_scratch_get();
    if (!s)
        return false;
    long ret = ur_dir_load(c->u, &s->dir[0], from->d->path, from->d->len);
    if (ret == 0)
        ret = ur_lookup(c->u, &s->dir[0], n->name, &now);
    ur_scratch_put(s);
    return ret < 0 ? ur_is_gone(ret) : now.kind != n->entry.kind || now.st.st_ino != n->entry.st.st_ino;
}

static long rename_once(const struct ur_caller *c, int fromfd, const char *from, int tofd, const char *to,
                        unsigned flags) {
    UR_SCRATCH(s);
    UR_SCRATCH(room);
    _Static_assert(sizeof(struct sides) <= sizeof(struct ur_scratch), "the sides of a rename use a block as room");
    struct sides *w = (void *)room;
    w->from = (struct side){.d = &s->dir[0], .n = &s->node[0]};
    w->to = (struct side){.d = &s->dir[1], .n = &s->node[1]};
    const long from_len = ur_length(c, from), to_len = ur_length(c, to);
    if (from_len < 0 || to_len < 0)
        return -EFAULT;
    if (from_len == UR_PATH_MAX)
        return -ENAMETOOLONG;
    /* Both parents come before either name: one that is too long is told after what is wrong with the other's parent.
     */
    long ret = ur_walk(c, fromfd, from, UR_WALK_PARENT, s, 0);
    const bool in_dead = ret == -ENOENT && s->node[0].in_dead;
    if (ret == 0 || ret == -ENAMETOOLONG || in_dead) {
        long other = ur_walk(c, tofd, to, UR_WALK_PARENT, s, 1);
        /* What has no name is told before a name that is not there. */
        if ((in_dead && other == 0) || (ret == 0 && other == -ENOENT && s->node[1].in_dead)) {
            ret = check_names(c, &w->from, &w->to, flags);
            return ret < 0 ? ret : -ENOENT;
        }
        bool long_name = other == -ENAMETOOLONG && to_len < UR_PATH_MAX;
        if (ret == 0 && long_name && !s->node[0].self && s->node[0].entry.kind == UR_ABSENT)
            other = -ENOENT;
        ret = other < 0 ? other : ret;
    }
    if (ret == 0)
        ret = check_names(c, &w->from, &w->to, flags);
    if (ret)
        return has_gone(c, &w->from, &w->to) ? UR_AGAIN : ret < 0 ? ret : 0;
    if (!w->from.d->mount)
        return rename_host(c, w, flags);
    bool dirs = is_dir(&w->from) || is_dir(&w->to);
    if (dirs)
        ur_changing_begin(c->u);
    ret = rename_union(c, s, w, flags);
    if (dirs)
        ur_changing_end(c->u);
    return ret < 0 && ret != UR_AGAIN && has_gone(c, &w->from, &w->to) ? UR_AGAIN : ret;
}

long ur_rename(const struct ur_caller *c, int fromfd, const char *from, int tofd, const char *to, unsigned flags) {
    if (!ur_active(c))
        return fromfd == AT_FDCWD && tofd == AT_FDCWD && !flags
                   ? UR_AS_LIBC(UR_SYS(SYS_rename, from, to, 0, 0, 0, 0), sys_rename(from, to, 0))
                   : UR_SYS(SYS_renameat2, fromfd, from, tofd, to, flags, 0);
    if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE) || flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
        return -EINVAL;
    return UR_RETRY(rename_once(c, fromfd, from, tofd, to, flags));
}
