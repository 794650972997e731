/*
 * Names that go: unlink, rmdir. Over what a lower still has, a whiteout must come in the same step.
 * overlayfs.rst, "whiteouts and opaque directories".
 */
#include "index.h"
#include "union.h"

#include <dirent.h>
#include <unistd.h>

struct looking {
    const struct ur_union *u;
    const struct ur_dir *d;
};

static long if_shown(void *arg, const char *name, unsigned char type) {
    struct looking *l = arg;
    struct ur_entry e;
    long ret = ur_lookup(l->u, l->d, name, &e);
    if (ret == -EACCES) /* a directory that can be read and not searched: only the listing can tell */
        return type == DT_CHR || ur_is_marker_name(name, strlen(name)) ? 0 : -ENOTEMPTY;
    return ret < 0 ? ret : e.kind == UR_ABSENT ? 0 : -ENOTEMPTY;
}

long ur_dir_is_empty(const struct ur_union *u, const struct ur_dir *d) {
    UR_SCRATCH(s);
    struct looking l = {u, d};
    for (unsigned i = 0; i < d->spots; i++) {
        long ret = ur_spot_path(u, d, d->spot[i], NULL, s->real[0]);
        if (ret == 0)
            ret = ur_for_names(s->real[0], if_shown, &l);
        if (ret == -ENOENT && ur_lower_lost(u, d, d->spot[i], s->real[0]) < 0)
            ret = -EIO;
        /* Who may remove a directory need not be able to read it: then the kernel's own word must do. */
        if (ret == -EACCES && d->spots == 1 && i == 0 && d->spot[0].layer == 0 && ur_has_upper(d->mount))
            return 0;
        if (ret < 0)
            return ret;
    }
    return 0;
}

struct purging {
    struct looking in;
    char *host; /* the upper's directory, with room for a name */
};

static long drop_whiteout(void *arg, const char *name, unsigned char type) {
    (void)type;
    struct purging *p = arg;
    size_t dir = strlen(p->host);
    char *end = p->host + UR_PATH_MAX, *at = ur_put(p->host + dir, end, "/", 1);
    struct stat st;
    long ret = ur_put(at, end, name, strlen(name)) ? sys_lstat(p->host, &st) : -ENAMETOOLONG;
    if (ret == 0) {
        bool marker = ur_is_marker_name(name, strlen(name));
        if (marker && strcmp(name, ".wh..wh..opq") == 0) { /* while it is seen: it is what covers all */
            p->host[dir] = 0;
            return 0;
        }
        UR_NAME_CHANGES_UNSEEN(p->in.u, p->in.d, marker && name[4] ? name + 4 : name);
        ret = marker ? 1 : ur_is_whiteout(p->host, &st);
        if (ret >= 0)
            ret = ret ? sys_unlink(p->host) : -ENOTEMPTY;
    }
    p->host[dir] = 0;
    return ret == -ENOENT ? 0 : ret;
}

/*
 * The upper's directory may hold whiteouts. It is made opaque first: all that the lowers had is covered, so nothing
 * changes for who looks; then nothing needs the whiteouts. At each point between, the view is the same.
 */
long ur_dir_purge(const struct ur_union *u, const struct ur_dir *d) {
    UR_SCRATCH(s);
    char *host = s->real[0];
    long ret = ur_upper_path(u, d, NULL, host);
    if (ret == 0 && d->spots > 1)
        ret = ur_mark_opaque(host);
    if (ret == 0 && d->spots > 1)
        ret = ur_sync_dir(u, d->mount, host);
    struct purging p = {{u, d}, host};
    return ret < 0 ? ret : ur_for_names(host, drop_whiteout, &p);
}

long ur_whiteout_put(const struct ur_union *u, const struct ur_dir *d, const char *name, bool over) {
    UR_SCRATCH(s);
    char *host = s->real[0], *tmp = s->real[1];
    long ret = ur_upper_path(u, d, NULL, host);
    if (ret == 0)
        ret = ur_mark_whiteouts(d->mount, host);
    if (ret == 0)
        ret = ur_upper_path(u, d, name, host);
    if (ret < 0)
        return ret;
    if (!over && d->mount->caps & UR_CAP_CHARDEV) {
        ret = ur_whiteout_make(d->mount, host);
        ur_count(u, whiteouts, ret == 0);
        return ret;
    }
    ret = ur_work_path(u, d->mount, "/tmp/", NULL, tmp);
    if (ret == 0)
        ret = ur_whiteout_make(d->mount, tmp);
    if (ret < 0)
        return ret;
    ret = over ? sys_rename(tmp, host, 0) : ur_rename_new(u, d->mount, tmp, host);
    if (ret < 0)
        sys_unlink(tmp);
    ur_count(u, whiteouts, ret == 0);
    return ret;
}

/* Makes one in tmp/ that is to come into `d`: its path in `tmp`. */
static long stage_whiteout(const struct ur_union *u, const struct ur_dir *d, char *tmp) {
    long ret = ur_upper_path(u, d, NULL, tmp);
    if (ret == 0)
        ret = ur_mark_whiteouts(d->mount, tmp);
    if (ret == 0)
        ret = ur_work_path(u, d->mount, "/tmp/", NULL, tmp);
    return ret < 0 ? ret : ur_whiteout_make(d->mount, tmp);
}

long ur_whiteout_instead(const struct ur_union *u, const struct ur_dir *d, const char *name, const struct stat *was) {
    UR_SCRATCH(s);
    char *host = s->real[0], *tmp = s->real[1];
    struct stat st;
    long ret = ur_upper_path(u, d, name, host);
    if (ret == 0)
        ret = stage_whiteout(u, d, tmp);
    if (ret < 0)
        return ret;
    ret = sys_rename(tmp, host, RENAME_EXCHANGE);
    long seen = ret < 0 ? ret : sys_lstat(tmp, &st), back = 0;
    bool other = seen == 0 && st.st_ino != was->st_ino;
    if (ret == 0 && (seen < 0 || other))
        back = sys_rename(tmp, host, RENAME_EXCHANGE);
    if (back == 0)
        sys_unlink(tmp);
    ur_count(u, whiteouts, seen == 0 && !other);
    return seen < 0 ? seen : back;
}

long ur_cover_begin(const struct ur_union *u, const struct ur_dir *d, const char *name, const struct ur_entry *e,
                    struct ur_cover *k) {
    k->lock = -1;
    if (!d->mount || e->in_upper || e->kind != UR_FILE || e->st.st_nlink < 2)
        return 0;
    UR_SCRATCH(s);
    long ret = ur_upper_path(u, d, name, s->real[0]);
    if (ret < 0)
        return ret;
    uint64_t ino = ur_ino(d->mount, ur_layer(u, d->mount, e->spot.layer), e->st.st_ino);
    return ur_links_cover_begin(u, d->mount, ino, e->st.st_nlink, s->real[0], k);
}

void ur_forget_name(const struct ur_union *u, const struct ur_dir *d, const struct ur_entry *e, uint64_t origin,
                    bool linked) {
    const struct ur_table_mount *m = d->mount;
    if (!m)
        return;
    if (!e->in_upper)
        ur_covered_add(u, e->st.st_dev, e->st.st_ino);
    if (e->kind == UR_DIRECTORY && e->in_upper && !(m->caps & UR_CAP_XATTR))
        ur_origin_drop(u, m, &e->st);
    if (e->kind != UR_FILE)
        return;
    if (!e->in_upper) {
        if (e->st.st_nlink > 1) {
            uint64_t ino = ur_ino(m, ur_layer(u, m, e->spot.layer), e->st.st_ino);
            struct stat st;
            if (ur_links_has(u, m, ino, &st) > 0)
                ur_links_prune(u, m, ino, st.st_nlink - 1);
        }
        return;
    }
    if (linked && e->st.st_nlink >= 2)
        ur_links_prune(u, m, origin, e->st.st_nlink - 2);
    ur_origin_drop(u, m, &e->st);
}

static long whiteout_over(const struct ur_union *u, const struct ur_dir *d, const char *name, const struct stat *st,
                          const char *host) {
    struct ur_names_held k;
    ur_names_lock(u, host, NULL, &k);
    long ret = ur_is_still(host, st);
    if (ret == 0)
        ret = ur_whiteout_put(u, d, name, true);
    ur_names_unlock(&k);
    return ret;
}

/*
 * A whiteout has come for a name, which whoever watches the directory takes for the name's coming (IN_CREATE). So that
 * it is told to have gone, the whiteout is moved out; what the kernel puts in its place in the same step, it tells
 * nobody of. What goes wrong with it is no matter.
 */
static void say_gone(const struct ur_union *u, const struct ur_dir *d, const char *name) {
    const uint32_t need = UR_CAP_CHARDEV | UR_CAP_RENAME_WHITEOUT;
    if (!u->shared || !atomic_load_explicit(&u->shared->watched, memory_order_relaxed) ||
        (d->mount->caps & need) != need)
        return;
    struct ur_scratch *s = ur_scratch_get();
    if (!s)
        return;
    char *host = s->real[0], *tmp = s->real[1];
    if (ur_upper_path(u, d, name, host) == 0 && ur_work_path(u, d->mount, "/tmp/", NULL, tmp) == 0) {
        struct ur_names_held k;
        struct stat st;
        ur_names_lock(u, host, NULL, &k); /* nobody puts anything into its place */
        if (sys_lstat(host, &st) == 0 && ur_is_whiteout(host, &st) > 0 && sys_rename(host, tmp, RENAME_WHITEOUT) == 0)
            sys_unlink(tmp);
        ur_names_unlock(&k);
    }
    ur_scratch_put(s);
}

static long unlink_union(const struct ur_caller *c, struct ur_scratch *s, struct ur_dir *d, struct ur_node *n) {
    char *host = s->real[0];
    struct ur_entry *e = &n->entry;
    /* Of a file in the upper the kernel will say. */
    long ret = e->in_upper && e->kind == UR_FILE ? 0 : ur_may_take(c->u, d, &e->st, host);
    if (ret == 0 && e->kind == UR_DIRECTORY)
        ret = -EISDIR;
    long below = ret < 0 ? ret : !e->in_upper ? 1 : ur_shows_below(c->u, d, n->name, e);
    if (below < 0)
        return below;
    uint64_t origin = 0;
    bool linked = false;
    ret = e->in_upper ? 0 : ur_copyup_dir(c, d);
    UR_NAME_BECOMES(change, c->u, d, n->name, e);
    if (e->in_upper) {
        ret = ur_upper_path(c->u, d, n->name, host);
        if (ret == 0 && e->st.st_nlink > 1)
            ret = ur_origin_read(c->u, d->mount, -1, host, &e->st, &origin, &linked);
        if (ret == 0 && below)
            ret = whiteout_over(c->u, d, n->name, &e->st, host);
        else if (ret == 0)
            ret = sys_unlink(host);
        if (ur_is_gone(ret))
            ret = UR_AGAIN;
    } else {
        struct ur_cover k;
        if (ret == 0)
            ret = ur_cover_begin(c->u, d, n->name, e, &k);
        if (ret == 0) {
            ret = ur_whiteout_put(c->u, d, n->name, false);
            ur_links_cover_end(c->u, d->mount, &k, ret == 0);
        }
        if (ret == -EEXIST || ur_is_gone(ret))
            ret = UR_AGAIN;
    }
    if (ret == 0 && below)
        say_gone(c->u, d, n->name);
    if (ret == 0) {
        struct ur_known now = ur_known_removed(d->mount, below);
        ur_change_tell(c->u, d, &change, &now);
        if (e->in_upper)
            ur_quota_removed(c->u, &e->st);
        ret = ur_sync_names(c->u, d);
        ur_forget_name(c->u, d, e, origin, linked);
    }
    return ret;
}

/* A purged directory that nobody sees any more. -ENOTEMPTY: somebody has made something in it, and it is as it was. */
static long remove_aside(const char *aside) {
    long ret = sys_rmdir(aside);
    if (ret != -ENOTEMPTY || ur_drop_opaque_name(aside) < 0)
        return ret;
    ret = sys_rmdir(aside);
    if (ret == -ENOTEMPTY)
        ur_mark_opaque(aside);
    return ret;
}

/* A directory and a whiteout that cannot change places: it goes to `aside` first. Who is killed then leaves a note
   (halfway.c). */
static long remove_and_cover(const struct ur_union *u, const struct ur_dir *d, const char *host, const char *tmp,
                             const char *aside) {
    struct ur_halfway k;
    long ret = ur_halfway_begin(u, d->mount, host, host, false, &k), back = 0;
    if (ret == 0)
        ret = sys_rename(host, aside, 0);
    if (ret == 0) {
        ret = ur_rename_new(u, d->mount, tmp, host);
        if (ret == -EEXIST && ur_halfway_settled(u, d->mount, &k))
            ret = sys_unlink(tmp);
        if (ret == 0 && remove_aside(aside) == -ENOTEMPTY) {
            sys_unlink(host);
            ret = -ENOTEMPTY;
        }
        if (ret < 0)
            back = ur_rename_new(u, d->mount, aside, host);
    }
    if (back == 0) /* else the recovery covers it */
        ur_halfway_end(u, d->mount, &k);
    return ret;
}

/* The upper's own directory gives way to a whiteout by one step; who was quick enough to make something in it
   meanwhile gets it back. */
static long exchange_for_whiteout(const struct ur_union *u, const struct ur_dir *d, const struct ur_dir *child,
                                  const struct stat *st, const char *host, char *tmp) {
    long ret = stage_whiteout(u, d, tmp);
    if (ret < 0)
        return ret;
    const bool exchanges = d->mount->caps & UR_CAP_RENAME_EXCHANGE;
    UR_SCRATCH(s);
    char *aside = s->real[0];
    if (!exchanges)
        ret = ur_work_path(u, d->mount, "/tmp/", NULL, aside);
    ur_dead_note(u, d->mount, exchanges ? tmp : aside, child->path);
    struct ur_names_held k;
    ur_names_lock(u, host, NULL, &k);
    if (ret == 0)
        ret = ur_is_still(host, st);
    if (ret == 0)
        ret = exchanges ? sys_rename(tmp, host, RENAME_EXCHANGE) : remove_and_cover(u, d, host, tmp, aside);
    if (ret == 0 && exchanges && remove_aside(tmp) == -ENOTEMPTY) {
        sys_rename(tmp, host, RENAME_EXCHANGE);
        ret = -ENOTEMPTY;
    }
    ur_names_unlock(&k);
    /* What else may be wrong with a directory that nobody sees any more is not this call's: it is left to the recovery.
     */
    if (ret < 0)
        sys_unlink(tmp);
    ur_count(u, whiteouts, ret == 0);
    return ret;
}

/* One that no lower has any part of. UR_AGAIN also if it must be looked into. */
static long rmdir_sole(const struct ur_caller *c, struct ur_scratch *s, struct ur_dir *d, const struct ur_node *n) {
    char *host = s->real[0];
    long ret = ur_upper_path(c->u, d, n->name, host);
    if (ret < 0)
        return ret;
    UR_NAME_BECOMES(change, c->u, d, n->name, &n->entry);
    if (!ur_change_is_alone(&change)) /* it may be another by now */
        return UR_AGAIN;
    ur_changing_begin(c->u);
    ur_gone_add(c->u, d, n->name);
    ret = sys_rmdir(host);
    ur_changing_end(c->u);
    if (ret < 0)
        return ret == -ENOTEMPTY || ur_is_gone(ret) ? UR_AGAIN : ret;
    const struct ur_known now = ur_known_removed(d->mount, false);
    ur_change_tell(c->u, d, &change, &now);
    return 0;
}

/* One that only lowers have. */
static long cover_dir(const struct ur_caller *c, const struct ur_dir *d, const struct ur_node *n) {
    long ret = ur_whiteout_put(c->u, d, n->name, false);
    if (ret < 0)
        return ret == -EEXIST || ur_is_gone(ret) ? UR_AGAIN : ret;
    say_gone(c->u, d, n->name);
    ur_forget_name(c->u, d, &n->entry, 0, false);
    return 0;
}

/* The upper's own; `below`: a whiteout is to come in its place. */
static long remove_dir(const struct ur_caller *c, struct ur_scratch *s, const struct ur_dir *d, const struct ur_node *n,
                       bool below) {
    char *host = s->real[0];
    const struct ur_dir *child = &s->dir[1];
    long ret = ur_upper_path(c->u, d, n->name, host);
    if (ret < 0)
        return ret;
    struct ur_unlocked k = {.lock = -1};
    if (child->spots > 1 || below) {
        ret = ur_dir_unlock(c->u, d->mount, host, host, NULL, &k);
        if (ret == 0)
            ret = ur_dir_purge(c->u, child);
    }
    if (ret == 0)
        ret = below ? exchange_for_whiteout(c->u, d, child, &n->entry.st, host, s->real[1]) : sys_rmdir(host);
    if (ret == -ENOTEMPTY && !below && child->spots == 1) {
        /* Whiteouts of an earlier life may lie in an opaque directory. */
        ret = ur_dir_unlock(c->u, d->mount, host, host, NULL, &k);
        if (ret == 0)
            ret = ur_dir_purge(c->u, child);
        if (ret == 0)
            ret = ur_drop_opaque_name(host);
        if (ret == 0)
            ret = sys_rmdir(host);
    }
    ur_dir_relock(c->u, d->mount, host, &k);
    if (ret == 0)
        ur_forget_name(c->u, d, &n->entry, 0, false);
    /* Marks that were for the directory may have met what has come in its place. */
    if (ret < 0 && ret != -ENOTEMPTY && ur_is_still(host, &n->entry.st) == UR_AGAIN)
        return UR_AGAIN;
    return ur_is_gone(ret) ? UR_AGAIN : ret;
}

static long rmdir_union(const struct ur_caller *c, struct ur_scratch *s, struct ur_dir *d, struct ur_node *n) {
    struct ur_dir *child = &s->dir[1];
    struct stat st;
    long ret = ur_may_take(c->u, d, &n->entry.st, s->real[0]);
    if (ret == 0 && n->entry.kind != UR_DIRECTORY)
        ret = -ENOTDIR;
    if (ret < 0)
        return ret;
    *child = *d;
    ret = ur_dir_enter(c->u, child, n->name, &st);
    if (ret < 0)
        return ret == -ENOENT || ret == -ENOTDIR ? UR_AGAIN : ret;
    if (ur_mounts_below(c->u, child->path, child->len))
        return -EBUSY;
    ret = ur_dir_is_empty(c->u, child);
    long below = ret < 0 ? ret : !n->entry.in_upper ? 1 : ur_shows_below(c->u, d, n->name, &n->entry);
    if (below < 0)
        return ur_is_gone(below) ? UR_AGAIN : below;
    ret = n->entry.in_upper ? 0 : ur_copyup_dir(c, d);
    if (ret < 0)
        return ret;
    UR_NAME_BECOMES(change, c->u, d, n->name, &n->entry);
    ur_changing_begin(c->u);
    ur_gone_add(c->u, d, n->name);
    ret = n->entry.in_upper ? remove_dir(c, s, d, n, below) : cover_dir(c, d, n);
    ur_changing_end(c->u);
    /* By two steps, of which another may have made one, nothing is told. */
    if (ret == 0 && (!below || !n->entry.in_upper || d->mount->caps & UR_CAP_RENAME_EXCHANGE)) {
        const struct ur_known now = ur_known_removed(d->mount, below);
        ur_change_tell(c->u, d, &change, &now);
    }
    return ret;
}

static long rmdir_last(enum ur_last last) {
    switch (last) {
    case UR_LAST_DOT:
        return -EINVAL;
    case UR_LAST_DOTDOT:
        return -ENOTEMPTY;
    default:
        return -EBUSY;
    }
}

static long rmdir_synced(const struct ur_caller *c, struct ur_scratch *s, struct ur_dir *d, struct ur_node *n) {
    const struct ur_entry *e = &n->entry;
    bool sole = e->kind == UR_DIRECTORY && e->in_upper && e->sole && !d->special;
    long ret = sole ? rmdir_sole(c, s, d, n) : UR_AGAIN;
    if (ret == UR_AGAIN)
        ret = rmdir_union(c, s, d, n);
    return ret < 0 ? ret : ur_sync_names(c->u, d);
}

static long unlink_once(const struct ur_caller *c, int dirfd, const char *path, bool dir) {
    UR_SCRATCH(s);
    struct ur_dir *d = &s->dir[0];
    struct ur_node *n = &s->node[0];
    long ret = ur_walk(c, dirfd, path, UR_WALK_PARENT, s, 0);
    if (ret < 0)
        return ret;
    if (n->self || n->last == UR_LAST_DOT) /* the latter of a removed directory */
        return dir ? rmdir_last(n->last) : -EISDIR;
    if (n->entry.kind == UR_ABSENT)
        return -ENOENT;
    if (n->must_be_dir && !dir)
        return n->entry.kind == UR_DIRECTORY ? -EISDIR : -ENOTDIR;
    if (n->where != UR_AT_UNION) {
        ret = ur_node_path(c->u, d, n, s->real[0]);
        if (ret == 0 && n->where == UR_AT_HOST)
            ret = ur_may_change_raw(c->u, s->real[0], strlen(s->real[0]));
        if (ret < 0)
            return ret;
        if (!dir)
            return sys_unlink(s->real[0]);
        if (ur_special_below(c->u, s->real[0], strlen(s->real[0])))
            return -EBUSY;
        ur_changing_begin(c->u);
        ret = sys_rmdir(s->real[0]);
        ur_changing_end(c->u);
        return ret;
    }
    return dir ? rmdir_synced(c, s, d, n) : unlink_union(c, s, d, n);
}

long ur_unlink(const struct ur_caller *c, int dirfd, const char *path, int flags) {
    if (!ur_active(c))
        return dirfd == AT_FDCWD && !flags ? UR_AS_LIBC(UR_SYS(SYS_unlink, path, 0, 0, 0, 0, 0), sys_unlink(path))
               : dirfd == AT_FDCWD && flags == AT_REMOVEDIR
                   ? UR_AS_LIBC(UR_SYS(SYS_rmdir, path, 0, 0, 0, 0, 0), sys_rmdir(path))
                   : UR_SYS(SYS_unlinkat, dirfd, path, flags, 0, 0, 0);
    if (flags & ~AT_REMOVEDIR)
        return -EINVAL;
    return UR_RETRY(unlink_once(c, dirfd, path, flags & AT_REMOVEDIR));
}
