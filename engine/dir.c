/*
 * Directories of the union: which host directories each one merges, and what a name in one means.
 *
 * overlayfs.rst, "Upper and lower", "Multiple lower layers", "whiteouts and opaque directories",
 * "redirect_dir": from the top down, the first layer that has the name decides; directories go on merging with
 * the directories of that name below until a non-directory, a whiteout or an opaque directory ends it.
 */
#include "index.h"
#include "union.h"

/* The text that a rel stands for, put to `at`. */
static char *put_rel(char *at, const char *end, const struct ur_dir *d, unsigned rel) {
    const struct ur_rel *r = &d->rel[rel];
    at = ur_put(at, end, d->rel_text + r->at, r->len);
    return ur_put(at, end, d->path + r->cut, d->len - r->cut);
}

long ur_spot_path(const struct ur_union *u, const struct ur_dir *d, struct ur_spot s, const char *name, char *out) {
    const struct ur_table_layer *l = ur_layer(u, d->mount, s.layer);
    char *end = out + UR_PATH_MAX, *p = out;
    if (l->root.len > 1)
        p = ur_put(p, end, ur_table_text(u->table, l->root), l->root.len);
    p = put_rel(p, end, d, s.rel);
    if (p && p > out && p[-1] == '/') /* the target "/" itself */
        *--p = 0;
    if (name && *name) {
        p = ur_put(p, end, "/", 1);
        p = ur_put(p, end, name, strlen(name));
    } else if (p == out)
        p = ur_put(p, end, "/", 1);
    return p ? 0 : -ENAMETOOLONG;
}

long ur_upper_path(const struct ur_union *u, const struct ur_dir *d, const char *name, char *out) {
    return ur_spot_path(u, d, (struct ur_spot){0, 0}, name, out);
}

static long host_path(const struct ur_dir *d, const char *name, char *out) {
    char *end = out + UR_PATH_MAX;
    char *p = ur_put(out, end, d->path, d->len);
    if (name && *name) {
        if (d->len > 1)
            p = ur_put(p, end, "/", 1);
        p = ur_put(p, end, name, strlen(name));
    }
    return p ? 0 : -ENAMETOOLONG;
}

long ur_entry_path(const struct ur_union *u, const struct ur_dir *d, const char *name, const struct ur_entry *e,
                   char *out) {
    if (!d->mount)
        return host_path(d, name, out);
    if (e->linked)
        return ur_links_path(u, d->mount, ur_ino(d->mount, ur_layer(u, d->mount, e->spot.layer), e->st.st_ino), out);
    return ur_spot_path(u, d, e->spot, name, out);
}

static void start(const struct ur_union *u, struct ur_dir *d, const struct ur_table_mount *m, unsigned first) {
    d->generation = ur_dcache_begin(u);
    ur_root_access(u, m, &d->open, &d->even);
    d->mount = m;
    d->below = false;
    d->rels = 1;
    d->rel_used = 0;
    d->lower_rel = 0;
    d->spots = 0;
    d->rel[0] = (struct ur_rel){.cut = m->target.len > 1 ? (uint16_t)m->target.len : 0};
    memcpy(d->path, ur_table_text(u->table, m->target), m->target.len + 1);
    d->len = (uint16_t)m->target.len;
    for (unsigned i = first; i < m->layers; i++)
        d->spot[d->spots++] = (struct ur_spot){(uint16_t)i, 0};
}

static long add_rel(struct ur_dir *d, const char *text, size_t len, size_t cut) {
    if (d->rels == UR_RELS_MAX || d->rel_used + len > UR_REL_BYTES)
        return -ENAMETOOLONG;
    memcpy(d->rel_text + d->rel_used, text, len);
    d->rel[d->rels] = (struct ur_rel){d->rel_used, (uint16_t)len, (uint16_t)cut};
    d->rel_used = (uint16_t)(d->rel_used + len);
    return d->rels++;
}

static bool append(struct ur_dir *d, const char *name) {
    size_t len = strlen(name);
    size_t slash = d->len > 1;
    if (d->len + slash + len >= UR_PATH_MAX)
        return false;
    if (slash)
        d->path[d->len++] = '/';
    memcpy(d->path + d->len, name, len + 1);
    d->len = (uint16_t)(d->len + len);
    return true;
}

/* Can a layer hold ".wh." names? One that was empty when the run began cannot: they are made only where there are no
   xattrs. */
static bool may_have_wh(const struct ur_union *u, const struct ur_dir *d, struct ur_spot s) {
    return s.layer != 0 || !ur_has_upper(d->mount) || !u->shared || !(d->mount->caps & UR_CAP_XATTR) ||
           atomic_load_explicit(&u->shared->reused, memory_order_relaxed);
}

/* Is there ".wh.NAME" in a spot? 1, 0 or -errno. */
static long has_wh(const struct ur_union *u, const struct ur_dir *d, struct ur_spot s, const char *name, char *host) {
    char wh[UR_NAME_MAX + 1];
    char *p = ur_put(wh, wh + sizeof wh, ".wh.", 4);
    p = ur_put(p, wh + sizeof wh, name, strlen(name));
    struct stat st;
    if (!p || !may_have_wh(u, d, s) || ur_spot_path(u, d, s, wh, host) < 0) /* no such name can be there */
        return 0;
    long ret = sys_lstat(host, &st);
    return ret == 0 ? 1 : ret == -ENOENT || ret == -ENOTDIR || ret == -ENAMETOOLONG ? 0 : ret;
}

static long any_name(void *arg, const char *name, unsigned char type) {
    (void)arg, (void)name, (void)type;
    return 1;
}

/* Is the filesystem that was mounted at a layer's root there no more? Mounted anew it may have another number. */
static bool is_unmounted(const struct ur_table_layer *l, const char *root, const struct stat *st) {
    return st->st_dev != l->dev && ur_for_names(root, any_name, NULL) == 0;
}

bool ur_must_stay(const struct ur_union *u, const struct ur_dir *d, struct ur_spot s) {
    return !(s.layer == 0 && ur_has_upper(d->mount)) && ur_layer(u, d->mount, s.layer)->root.len > 1;
}

long ur_lower_lost(const struct ur_union *u, const struct ur_dir *d, struct ur_spot s, char *host) {
    const struct ur_table_layer *l = ur_layer(u, d->mount, s.layer);
    struct stat st;
    if (!ur_must_stay(u, d, s))
        return 0;
    long ret = ur_spot_path(u, d, s, NULL, host);
    if (ret == 0)
        ret = sys_lstat(host, &st);
    if (ret == 0)
        return strlen(host) == l->root.len && is_unmounted(l, host, &st) ? -EIO : 0;
    return ur_is_gone(ret) ? -EIO : ret;
}

static long step(const struct ur_union *u, struct ur_dir *d, const char *name, unsigned n, struct stat *st);

long ur_dir_below(const struct ur_union *u, struct ur_dir *d, const struct ur_table_mount *m, unsigned first,
                  const char *text, size_t len) {
    start(u, d, m, first);
    d->below = true;
    for (const char *at = text, *end = text + len; at < end;) {
        at += strspn(at, "/");
        size_t n = strcspn(at, "/");
        if (at >= end || n == 0)
            break;
        char name[UR_NAME_MAX + 1];
        struct stat st;
        if (n > UR_NAME_MAX)
            return -ENAMETOOLONG;
        memcpy(name, at, n);
        name[n] = 0;
        if (ur_is_dot(name)) /* would lead out of the layer */
            return -ENOENT;
        long ret = step(u, d, name, d->spots, &st);
        if (ret < 0)
            return ret == -ENOTDIR ? -ENOENT : ret;
        at += n;
    }
    return 0;
}

/*
 * A redirect: the lower layers hold this directory at another path. `text` is that path in the union of the layers
 * below `above`, and is walked there from its root. The spots that it leads to are added to `d`, whose path is
 * already the child's.
 */
static long redirect(const struct ur_union *u, struct ur_dir *d, unsigned above, const char *text) {
    UR_SCRATCH(s);
    struct ur_dir *t = &s->dir[0];
    long ret = ur_dir_below(u, t, d->mount, above + 1, text, strlen(text));
    if (ret < 0) /* a dangling redirect: no lower part (overlayfs has it so) */
        return ret == -ENOENT ? 0 : ret;
    long id = -1;
    for (unsigned i = 0; i < t->spots; i++) {
        if (i == 0 || t->spot[i].rel != t->spot[i - 1].rel) {
            char *end = put_rel(s->text, s->text + sizeof s->text, t, t->spot[i].rel);
            if (!end)
                return -ENAMETOOLONG;
            size_t len = (size_t)(end - s->text);
            while (len && s->text[len - 1] == '/')
                len--;
            id = add_rel(d, s->text, len, d->len);
            if (id < 0)
                return id;
            size_t cut = d->rel[0].cut;
            if (!d->below)
                ur_moves_found(u, d->mount, t->spot[i].layer, s->text, len, d->path + cut, d->len - cut);
        }
        d->spot[d->spots++] = (struct ur_spot){t->spot[i].layer, (uint16_t)id};
    }
    return 0;
}

/* Where the lowers have what a redirect of spot `i` of `d` (the parent) names. */
static long redirect_text(const struct ur_dir *d, unsigned i, bool upper, const char *value, char *out) {
    char *end = out + UR_PATH_MAX;
    if (value[0] == '/')
        return ur_put(out, end, value, strlen(value)) ? 0 : -ENAMETOOLONG;
    if (!upper && i + 1u >= d->spots)
        return -ENOENT;
    char *p = put_rel(out, end, d, upper ? d->lower_rel : d->spot[i + 1].rel);
    p = ur_put(p, end, "/", 1);
    p = ur_put(p, end, value, strlen(value));
    return p ? 0 : -ENAMETOOLONG;
}

/*
 * The marks of an upper's directory, whose stat is `here`. Between the two another process may have moved it and put a
 * whiteout in its place, which has no marks: then what was read is nothing. `generation`: as ur_dcache_begin told it
 * before the stat; as long as that holds no directory was moved. UR_AGAIN: the stat, too, must be taken anew.
 */
static long settled_marks(const struct ur_union *u, const char *host, const struct stat *here, uint64_t generation,
                          char *value) {
    long marks = ur_marks(host, value);
    if (generation && generation == ur_dcache_begin(u))
        return marks == -ENOENT || marks == -ENOTDIR ? UR_AGAIN : marks;
    /* Then of the very directory, held open; one that cannot be read, by its name. */
    long fd = sys_open(host, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    struct stat now;
    long ret = fd >= 0 ? sys_fstat((int)fd, &now) : sys_lstat(host, &now);
    if (fd >= 0) {
        marks = ur_marks_at((int)fd, host, value);
        sys_close((int)fd);
    }
    if (ret < 0 || !S_ISDIR(now.st_mode) || now.st_ino != here->st_ino || marks == -ENOENT || marks == -ENOTDIR)
        return UR_AGAIN;
    return marks;
}

/* From the stack of a directory to that of its child `name`, by the disk. `n`: of the first spots alone, for in the
   others there is nothing to be seen of it. */
static long step(const struct ur_union *u, struct ur_dir *d, const char *name, unsigned n, struct stat *st) {
    UR_SCRATCH(s);
    char *host = s->real[0], *value = s->rest[0], *to = s->rest[1];
    unsigned found = 0;
    bool follow = false;
    unsigned from = 0, tries = 0;
    struct ur_access access = {0};
    for (unsigned i = 0; i < n; i++) {
        struct stat here;
        struct ur_spot spot = d->spot[i];
        bool upper = spot.layer == 0 && ur_has_upper(d->mount);
        bool bottom = spot.layer + 1u == d->mount->layers;
        uint64_t generation = upper ? ur_dcache_begin(u) : 0;
        long ret = ur_spot_path(u, d, spot, name, host);
        if (ret == 0)
            ret = sys_lstat(host, &here);
        if (ret == -ENOTDIR && upper) /* what was the directory has gone */
            return -ENOENT;
        if (ur_is_gone(ret)) {
            ret = i + 1 < n ? has_wh(u, d, spot, name, host) : 0;
            if (ret == 0)
                ret = ur_lower_lost(u, d, spot, host);
            if (ret < 0)
                return ret;
            if (ret)
                break;
            continue;
        }
        if (ret == 0)
            ret = ur_is_whiteout(host, &here);
        if (ret < 0)
            return ret;
        if (ret)
            break;
        if (!found)
            *st = here;
        if (!S_ISDIR(here.st_mode)) {
            if (!found)
                return -ENOTDIR;
            break;
        }
        long marks = upper ? settled_marks(u, host, &here, generation, value) : ur_marks(host, value);
        if (marks == UR_AGAIN && tries++ < 1000) {
            i--;
            continue;
        }
        if (marks == -ENOENT && ur_lower_lost(u, d, spot, host) < 0)
            return -EIO;
        if (marks < 0)
            return marks == UR_AGAIN ? -EBUSY : marks;
        if (bottom) /* nothing lies beneath it that they could speak of */
            marks &= UR_MARK_ACL;
        if (marks & UR_MARK_REDIRECT) {
            ret = redirect_text(d, i, upper, value, to);
            if (ret == -ENAMETOOLONG)
                return ret;
            follow = ret == 0;
        }
        bool opaque = marks & UR_MARK_OPAQUE;
        if (!opaque && i + 1 < n && may_have_wh(u, d, spot)) {
            ret = ur_spot_path(u, d, spot, name, s->real[1]);
            char *p = ret ? NULL : s->real[1] + strlen(s->real[1]);
            struct stat opq;
            p = ur_put(p, s->real[1] + sizeof s->real[1], "/.wh..wh..opq", 13);
            ret = p ? sys_lstat(s->real[1], &opq) : -ENOENT;
            if (ret < 0 && ret != -ENOENT && ret != -EACCES) /* not to be searched: nothing in it can be named */
                return ret;
            opaque = ret == 0;
        }
        if (opaque)
            follow = false;
        ur_access_add(&access, &here, marks & UR_MARK_ACL);
        d->spot[found++] = spot;
        from = spot.layer;
        if (opaque || marks & UR_MARK_REDIRECT)
            break;
    }
    if (!found)
        return -ENOENT;
    d->open = d->open && ur_access_open(&access);
    d->even = d->even && ur_access_even(&access);
    d->spots = (uint16_t)found;
    if (!append(d, name))
        return -ENAMETOOLONG;
    if (!follow)
        return 0;
    if (from == 0 && ur_has_upper(d->mount)) {
        long id = add_rel(d, to, strlen(to), d->len);
        if (id < 0)
            return id;
        d->lower_rel = (uint16_t)id;
    }
    return redirect(u, d, from, to);
}

static void start_host(const struct ur_union *u, struct ur_dir *d, const char *path, size_t len) {
    d->generation = ur_dcache_begin(u);
    d->open = d->even = d->below = false;
    d->mount = NULL;
    d->spots = 0;
    d->rels = 1;
    d->rel_used = 0;
    d->lower_rel = 0;
    d->rel[0] = (struct ur_rel){0};
    memmove(d->path, path, len);
    d->path[len] = 0;
    d->len = (uint16_t)len;
}

static long load_target(const struct ur_union *u, struct ur_dir *d, const struct ur_table_mount *m) {
    if (m->flags & UR_MOUNT_PASS)
        start_host(u, d, ur_table_text(u->table, m->target), m->target.len);
    else
        start(u, d, m, 0);
    d->special = ur_special_below(u, d->path, d->len);
    return 0;
}

/* Has the upper alone the directory? */
static bool is_uppers(const struct ur_dir *d) {
    return d->spots == 1 && d->spot[0].layer == 0 && ur_has_upper(d->mount);
}

/* Are names of `d` in the index? */
static bool is_indexed(const struct ur_union *u, const struct ur_dir *d) {
    return u->index && d->mount && !d->special && d->rels == 1;
}

/* The stack of a path, as this process or the run remembers it. Leaves `d` as it was if neither does. */
bool ur_dir_recall(const struct ur_union *u, struct ur_dir *d, const char *path, size_t len) {
    const struct ur_table_mount *m = u->index ? ur_mount_of(u, path, len) : NULL;
    if (!m || len == m->target.len)
        return ur_dcache_get(u, d, path, len);
    size_t name = len;
    while (path[name - 1] != '/')
        name--;
    uint64_t generation = ur_dcache_begin(u);
    struct ur_key k;
    if (!ur_index_key(u, path, name > 1 ? name - 1 : 1, path + name, len - name, &k) || !ur_index_get_stack(&k, d))
        return ur_dcache_get(u, d, path, len);
    d->generation = generation;
    d->mount = m;
    d->special = d->below = false;
    d->len = (uint16_t)len;
    memmove(d->path, path, len);
    d->path[len] = 0;
    d->rels = 1;
    d->rel_used = 0;
    d->lower_rel = 0;
    d->rel[0] = (struct ur_rel){.cut = m->target.len > 1 ? (uint16_t)m->target.len : 0};
    return true;
}

long ur_dir_enter(const struct ur_union *u, struct ur_dir *d, const char *name, struct stat *st) {
    size_t old = d->len;
    if (!append(d, name))
        return -ENAMETOOLONG;
    size_t len = d->len;
    if (d->special) {
        const struct ur_table_mount *m = ur_mount_at(u, d->path, len);
        if (m)
            return load_target(u, d, m);
    }
    bool hidden = d->special && ur_is_hidden(u, d->path, len);
    if (!hidden && ur_dir_recall(u, d, d->path, len))
        return 0;
    /* What is found now is found from this directory's stack, which must be of now, too. */
    if (d->generation != ur_dcache_begin(u))
        d->generation = 0;
    long ret;
    d->path[old] = 0;
    d->len = (uint16_t)old;
    memset(st, 0, sizeof *st);
    if (hidden || (d->mount && ur_is_marker_name(name, strlen(name))))
        return -ENOENT;
    struct ur_key k;
    struct ur_reservation r = {NULL};
    if (d->mount) {
        struct ur_known known = {0};
        bool indexed = is_indexed(u, d) && ur_index_key(u, d->path, old, name, strlen(name), &k);
        if (indexed && ur_index_get(&k, &known) && ur_is_known_absent(&known))
            return -ENOENT;
        bool sole = known.kind == UR_KNOWN_DIRECTORY && known.sole && d->spots && d->spot[0].layer == 0;
        /* Asked after the reservation: of a stack that may be out of date nothing can be learnt. */
        if (indexed) {
            r = ur_index_reserve(&k);
            if (!d->generation || d->generation != ur_dcache_begin(u))
                ur_index_put(&k, &r, NULL);
        }
        ret = step(u, d, name, sole ? 1 : d->spots, st);
        /* What the upper alone has is asked for by the upper's path, which asks who may search it, too. */
        if (ret == 0 && (d->open || u->owner || is_uppers(d)) && r.entry)
            ur_index_put_stack(&k, &r, d);
        else
            ur_index_put(&k, &r, NULL);
        /* A compiler asks for it again and again: bits/ and sys/ of each directory of headers. */
        if (ret == -ENOENT && indexed && (d->open || u->owner)) {
            struct ur_entry e;
            ur_lookup(u, d, name, &e);
        }
    } else {
        append(d, name);
        ret = sys_lstat(d->path, st);
        if (ret == 0 && !S_ISDIR(st->st_mode))
            ret = -ENOTDIR;
        if (ret < 0) {
            d->path[old] = 0;
            d->len = (uint16_t)old;
        }
    }
    if (ret < 0)
        return ret;
    if (d->special)
        d->special = ur_special_below(u, d->path, d->len);
    /* What /proc shows changes by itself. */
    if (d->mount || !ur_path_below(d->path, d->len, "/proc", 5))
        ur_dcache_put(u, d);
    return 0;
}

long ur_dir_load(const struct ur_union *u, struct ur_dir *d, const char *path, size_t len) {
    if (ur_dir_recall(u, d, path, len))
        return 0;
    const struct ur_table_mount *m = ur_mount_of(u, path, len);
    if (!m) {
        start_host(u, d, path, len);
        d->special = ur_special_below(u, d->path, d->len);
        return 0;
    }
    /* `path` may be d->path itself, which entering rewrites. */
    UR_SCRATCH(s);
    memcpy(s->text, path, len);
    s->text[len] = 0;
    load_target(u, d, m);
    for (const char *at = s->text + (m->target.len > 1 ? m->target.len : 0); *at;) {
        at += *at == '/';
        size_t n = strcspn(at, "/");
        char name[UR_NAME_MAX + 1];
        struct stat st;
        if (n == 0)
            break;
        if (n > UR_NAME_MAX)
            return -ENAMETOOLONG;
        memcpy(name, at, n);
        name[n] = 0;
        long ret = ur_dir_enter(u, d, name, &st);
        if (ret < 0)
            return ret;
        at += n;
    }
    return 0;
}

long ur_dir_up(const struct ur_union *u, struct ur_dir *d) {
    size_t len = d->len;
    while (len > 1 && d->path[len - 1] != '/')
        len--;
    return ur_dir_load(u, d, d->path, len > 1 ? len - 1 : 1);
}

/* From spot `from` on, who holds the name? Fills kind, spot, st; `white` if a whiteout ended it. */
static long look(const struct ur_union *u, const struct ur_dir *d, const char *name, unsigned from, struct ur_entry *e,
                 char *host) {
    e->kind = UR_ABSENT;
    e->white = UR_WHITE_NONE;
    for (unsigned i = from; i < d->spots; i++) {
        long ret = ur_spot_path(u, d, d->spot[i], name, host);
        if (ret == 0)
            ret = sys_lstat(host, &e->st);
        bool upper = d->spot[i].layer == 0 && ur_has_upper(d->mount);
        if (ret == -ENOTDIR &&
            upper) /* what was the directory has gone, and all in it: what lies below is not to be seen */
            return 0;
        if (ur_is_gone(ret)) {
            ret = i + 1u < d->spots ? has_wh(u, d, d->spot[i], name, host) : 0;
            if (ret == 0)
                ret = ur_lower_lost(u, d, d->spot[i], host);
            if (ret < 0)
                return ret;
            if (ret) {
                e->spot = d->spot[i];
                e->white = UR_WHITE_NAME;
                return 0;
            }
            continue;
        }
        if (ret == 0)
            ret = ur_is_whiteout(host, &e->st);
        if (ret < 0)
            return ret;
        e->spot = d->spot[i];
        if (ret)
            e->white = UR_WHITE_NODE;
        else
            e->kind = S_ISDIR(e->st.st_mode) ? UR_DIRECTORY : UR_FILE;
        return 0;
    }
    return 0;
}

void ur_recall(const struct ur_dir *d, const struct ur_known *known, struct ur_entry *e) {
    *e = (struct ur_entry){.kind = UR_ABSENT, .indexed = true};
    if (ur_is_known_absent(known)) {
        e->white = known->kind == UR_KNOWN_ABSENT_NODE   ? UR_WHITE_NODE
                   : known->kind == UR_KNOWN_ABSENT_NAME ? UR_WHITE_NAME
                                                         : UR_WHITE_NONE;
        e->in_upper = e->white;
        return;
    }
    e->kind = known->kind == UR_KNOWN_DIRECTORY ? UR_DIRECTORY : UR_FILE;
    e->spot.layer = known->layer;
    e->in_upper = known->layer == 0 && ur_has_upper(d->mount);
    e->plain = known->plain;
    e->sole = known->sole;
    e->recalled = true;
    e->st.st_mode = known->kind == UR_KNOWN_DIRECTORY ? S_IFDIR : known->kind == UR_KNOWN_SYMLINK ? S_IFLNK : S_IFREG;
}

long ur_recall_stat(const struct ur_union *u, const struct ur_dir *d, const struct ur_key *k, const struct ur_reach *r,
                    struct ur_entry *e) {
    mode_t type = e->st.st_mode;
    long ret = ur_if_lost(u, d, e, sys_fstatat(r->fd, r->path, &e->st, AT_SYMLINK_NOFOLLOW));
    e->recalled = false;
    if (ret == 0 && (e->st.st_mode & S_IFMT) == type)
        return 1;
    if (ret < 0 && !ur_is_gone(ret))
        return ret;
    ur_index_drop(k); /* somebody else was at the layers */
    return 0;
}

/* What of a lookup's answer holds for whoever asks. False: nothing. */
static bool worth_knowing(const struct ur_union *u, const struct ur_dir *d, const struct ur_entry *e,
                          struct ur_known *known) {
    *known = (struct ur_known){.layer = e->spot.layer};
    if (e->kind == UR_ABSENT) {
        known->kind = e->white == UR_WHITE_NODE   ? UR_KNOWN_ABSENT_NODE
                      : e->white == UR_WHITE_NAME ? UR_KNOWN_ABSENT_NAME
                                                  : UR_KNOWN_ABSENT;
        return d->open || u->owner;
    }
    known->kind = ur_known_kind_of(e->st.st_mode);
    bool many = e->kind == UR_FILE && !e->in_upper && e->st.st_nlink > 1;
    return known->kind != UR_KNOWN_RESERVED && !many && d->even;
}

/* By the disk. */
static long look_up(const struct ur_union *u, const struct ur_dir *d, const char *name, struct ur_entry *e,
                    char *host) {
    long ret = look(u, d, name, 0, e, host);
    if (ret < 0)
        return ret;
    e->in_upper = e->spot.layer == 0 && ur_has_upper(d->mount) && (e->kind != UR_ABSENT || e->white);
    if (!e->in_upper)
        e->white = UR_WHITE_NONE;
    /* A lower file with other names may have been copied up by one of them. */
    if (e->kind == UR_FILE && !e->in_upper && e->st.st_nlink > 1 && ur_has_upper(d->mount)) {
        const struct ur_table_layer *l = ur_layer(u, d->mount, e->spot.layer);
        struct stat st;
        ret = ur_links_has(u, d->mount, ur_ino(d->mount, l, e->st.st_ino), &st);
        if (ret < 0)
            return ret;
        e->linked = ret;
    }
    return 0;
}

long ur_lookup_from(const struct ur_union *u, const struct ur_dir *d, const char *name, unsigned layer,
                    struct ur_entry *e) {
    *e = (struct ur_entry){.kind = UR_ABSENT};
    if (ur_is_marker_name(name, strlen(name)))
        return 0;
    UR_SCRATCH(s);
    unsigned from = 0;
    while (from < d->spots && d->spot[from].layer < layer)
        from++;
    return look(u, d, name, from, e, s->real[0]);
}

static long lookup(const struct ur_union *u, const struct ur_dir *d, const char *name, struct ur_entry *e, bool guess) {
    *e = (struct ur_entry){.kind = UR_ABSENT};
    size_t len = strlen(name);
    if (len > UR_NAME_MAX)
        return -ENAMETOOLONG;
    UR_SCRATCH(s);
    char *host = s->real[0];
    if (d->special && host_path(d, name, s->text) == 0 && ur_is_hidden(u, s->text, strlen(s->text)))
        return 0;
    if (!d->mount) {
        long ret = host_path(d, name, host);
        if (ret == 0)
            ret = sys_lstat(host, &e->st);
        e->in_upper = true;
        if (ret == 0)
            e->kind = S_ISDIR(e->st.st_mode) ? UR_DIRECTORY : UR_FILE;
        return ret == -ENOENT ? 0 : ret;
    }
    if (ur_is_marker_name(name, len))
        return 0;
    ur_halfway_look(u);
    struct ur_key k;
    if (!is_indexed(u, d) || !ur_index_key(u, d->path, d->len, name, len, &k))
        return look_up(u, d, name, e, host);
    struct ur_known known;
    uint64_t stamp = ur_index_stamp(&k);
    if (ur_index_get(&k, &known)) {
        ur_recall(d, &known, e);
        e->stamp = stamp;
        long ret = e->kind == UR_ABSENT ? 1 : ur_spot_path(u, d, e->spot, name, host);
        if (ret == 0)
            ret = ur_recall_stat(u, d, &k, &(struct ur_reach){AT_FDCWD, host}, e);
        if (ret)
            return ret < 0 ? ret : 0;
    } else if (guess && is_uppers(d) && d->generation && d->generation == ur_dcache_begin(u)) {
        e->stamp = stamp ? stamp : ur_index_first_stamp(&k);
        return 0;
    }
    struct ur_reservation r = ur_index_reserve(&k);
    e->stamp = ur_index_stamp(&k);
    /* Of a stack that may be out of date nothing can be learnt. Asked after the reservation. */
    if (!d->generation || d->generation != ur_dcache_begin(u))
        ur_index_put(&k, &r, NULL);
    long ret = look_up(u, d, name, e, host);
    ur_index_put(&k, &r, ret == 0 && worth_knowing(u, d, e, &known) ? &known : NULL);
    return ret;
}

long ur_lookup(const struct ur_union *u, const struct ur_dir *d, const char *name, struct ur_entry *e) {
    return lookup(u, d, name, e, false);
}

long ur_lookup_new(const struct ur_union *u, const struct ur_dir *d, const char *name, struct ur_entry *e) {
    return lookup(u, d, name, e, !u->limit && !u->root && !u->note);
}

long ur_shows_below(const struct ur_union *u, const struct ur_dir *d, const char *name, const struct ur_entry *e) {
    struct ur_entry below;
    if (ur_is_sole(e))
        return 0;
    long ret = ur_lookup_from(u, d, name, ur_has_upper(d->mount), &below);
    return ret < 0 ? ret : below.kind != UR_ABSENT;
}

void ur_changing_begin(const struct ur_union *u) {
    if (u->shared) {
        atomic_fetch_add(&u->shared->changing, 1);
        atomic_fetch_add(&u->shared->generation, 1);
    }
}

void ur_changing_end(const struct ur_union *u) {
    if (u->shared) {
        atomic_fetch_add(&u->shared->generation, 1);
        atomic_fetch_sub(&u->shared->changing, 1);
    }
}
