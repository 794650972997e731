/*
 * Listings. overlayfs.rst, "Merged directories": the names of all layers, each once, less what is covered.
 *
 * A directory that one layer alone holds is streamed: the kernel's records, less markers. One that more layers
 * hold, or beneath which a target lies, is read whole when reading begins (snapshot.h), unless another process has done
 * so before and nothing has changed in it (listings.c). While it is built there is a hash table of its names. d_ino
 * agrees with what stat says.
 *
 * Who reads one by getdents64(2) has no snapshot that lasts for sure (getdents.c): his place in it is the offset of his
 * descriptor, and what he goes on with may have been read anew, when names had come and gone. So he is told the names
 * by their hashes, and his place is one. A name that is there all along is told once.
 */
#define UR_TELLS /* it asks itself */
#include "snapshot.h"
#include "trace.h"

#include <dirent.h>
#include <sys/mman.h>

enum { RECORD_HEAD = offsetof(struct sys_dirent, name) };

/* A snapshot under construction. Of the table's slots, each of which holds a number of an entry + 1, the first part is
   used: as much as there are entries for. */
enum { SLOTS_LEAST = 2048 /* bytes */ };
struct building {
    const struct ur_caller *c;
    const struct ur_dir *d;
    struct ur_list *l;
    struct ur_snapshot *p; /* of `l` */
    int own;               /* the spot that l->fd itself is; -1: none, or who knows */
    bool everybody;        /* may read all of its layers' parts, so far */
    uint32_t *slots;
    size_t slots_size, slots_room; /* bytes */
    bool slots_mapped;
};

static uint32_t *slot_of(const struct building *b, const char *name, size_t len) {
    size_t mask = b->slots_size / sizeof *b->slots - 1;
    for (size_t i = ur_hash(name, len) & mask;; i = (i + 1) & mask) {
        const struct ur_packed *e = b->slots[i] ? ur_packed_at(b->p, b->slots[i] - 1) : NULL;
        if (!e || (e->len == len && memcmp(e->name, name, len) == 0))
            return &b->slots[i];
    }
}

static long rehash(struct building *b) {
    size_t want = b->slots_size ? b->slots_size * 4 : SLOTS_LEAST;
    if (want > b->slots_room) {
        long more = sys_mmap(NULL, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (more < 0 && more > -4096)
            return -ENOMEM;
        if (b->slots_mapped)
            sys_munmap(b->slots, b->slots_room);
        b->slots = (uint32_t *)more;
        b->slots_room = want;
        b->slots_mapped = true;
    } else
        memset(b->slots, 0, want);
    b->slots_size = want;
    for (size_t i = 0; i < b->p->count; i++) {
        const struct ur_packed *e = ur_packed_at(b->p, i);
        *slot_of(b, e->name, e->len) = (uint32_t)i + 1;
    }
    return 0;
}

/* Adds a name, or finds the one that is there: *was. */
static long add(struct building *b, const char *name, size_t len, uint64_t ino, unsigned char type,
                struct ur_packed **was) {
    struct ur_snapshot *p = b->p;
    if ((p->count + 1) * 2 * sizeof *b->slots > b->slots_size && rehash(b) < 0)
        return -ENOMEM;
    uint32_t *slot = slot_of(b, name, len);
    if (*slot) {
        if (was)
            *was = ur_packed_at(p, *slot - 1);
        return 0;
    }
    size_t size = ur_packed_size(len);
    if (!ur_snapshot_reserve(b->l, size))
        return -ENOMEM;
    struct ur_packed *e = (struct ur_packed *)(p->area + p->used);
    *e = (struct ur_packed){.ino = ino, .len = (uint16_t)len, .type = type};
    memcpy(e->name, name, len);
    e->name[len] = 0;
    *ur_packed_offset(p, p->count++) = (uint32_t)p->used;
    p->used += size;
    *slot = (uint32_t)p->count;
    if (was)
        *was = NULL;
    return 0;
}

static unsigned char type_of(mode_t mode) {
    return (unsigned char)(mode >> 12 & 15); /* IFTODT */
}

/* Is the name `e` in the host directory `dir` a whiteout? `dir` has room for the name. 1, 0 or -errno. */
static long covered(char *dir, const struct sys_dirent *e, bool xattr_whiteouts, unsigned char *type) {
    if (e->type != DT_CHR && e->type != DT_UNKNOWN && !(e->type == DT_REG && xattr_whiteouts))
        return false;
    size_t len = strlen(dir);
    struct stat st;
    char *p = ur_put(dir + len, dir + UR_PATH_MAX, "/", 1);
    long ret = ur_put(p, dir + UR_PATH_MAX, e->name, strlen(e->name)) ? sys_lstat(dir, &st) : -ENAMETOOLONG;
    long is = ret;
    if (ret == 0)
        is = ur_is_whiteout(dir, &st);
    else if (ret == -EACCES || ret == -ENOENT || ret == -ENAMETOOLONG)
        /* In a directory that may be read and not searched, what looks like a whiteout is one: no program makes
           devices. */
        is = e->type == DT_CHR;
    if (ret == 0 && *type == DT_UNKNOWN)
        *type = type_of(st.st_mode);
    dir[len] = 0;
    return is;
}

/* May a directory with these marks hold whiteouts in the xattr form? An opaque one, too: a directory that is emptied is
   made opaque before its whiteouts go, and a kill comes in between. But not where they are devices. */
static bool holds_xattr_whiteouts(const struct ur_table_mount *m, unsigned layer, long marks) {
    bool devices = layer == 0 && ur_has_upper(m) && m->caps & UR_CAP_CHARDEV;
    return marks & (devices ? UR_MARK_WHITEOUTS : UR_MARK_WHITEOUTS | UR_MARK_OPAQUE);
}

/* Where it cannot be said that a directory is impure, each may be. */
static long with_impure(const struct ur_table_mount *m, unsigned layer, long marks) {
    bool unsaid = marks >= 0 && layer == 0 && ur_has_upper(m) && !(m->caps & UR_CAP_XATTR);
    return unsaid ? marks | UR_MARK_IMPURE : marks;
}

/* One host directory that is read into a snapshot. */
struct reading {
    int fd;
    char *host; /* its path, with room for a name */
    const struct ur_table_layer *layer;
    bool upper;
    long marks;
    bool has_wh; /* it holds names that begin with ".wh." */
};

static long add_name(struct building *b, struct reading *r, const struct sys_dirent *e) {
    size_t len = strlen(e->name);
    unsigned char type = e->type;
    struct ur_packed *was;
    if (b->d->mount && ur_is_marker_name(e->name, len)) {
        r->has_wh = true;
        return 0;
    }
    long white =
        b->d->mount ? covered(r->host, e, holds_xattr_whiteouts(b->d->mount, r->upper ? 0 : 1, r->marks), &type) : 0;
    if (white < 0)
        return white;
    uint64_t ino = r->layer ? ur_ino(b->d->mount, r->layer, e->ino) : e->ino;
    long ret = add(b, e->name, len, ino, white ? DT_WHT : type, &was);
    if (ret < 0)
        return ret;
    if (!was) {
        was = ur_packed_at(b->p, b->p->count - 1);
        was->upper = r->upper;
        was->ask = r->upper && r->marks & UR_MARK_IMPURE;
    } else if (was->upper && was->type != DT_WHT)
        was->ask = true; /* it may be a copy of this one */
    return 0;
}

/* ".wh.NAME" covers what lies below, not what its own layer has: so it comes after all of that layer's names. */
static long add_wh(struct building *b, struct reading *r, const struct sys_dirent *e) {
    (void)r;
    size_t len = strlen(e->name);
    return ur_is_marker_name(e->name, len) && len > 4 ? add(b, e->name + 4, len - 4, 0, DT_WHT, NULL) : 0;
}

static long read_all(struct building *b, struct reading *r,
                     long (*each)(struct building *, struct reading *, const struct sys_dirent *), char *buf,
                     size_t size) {
    long n, ret = 0;
    while (ret == 0 && (n = sys_getdents64(r->fd, buf, size)) != 0) {
        if (n < 0)
            return n;
        for (long at = 0; ret == 0 && at < n;) {
            const struct sys_dirent *e = (const void *)(buf + at);
            at += e->reclen;
            if (!ur_is_dot(e->name))
                ret = each(b, r, e);
        }
    }
    return ret;
}

static bool is_root(const struct ur_dir *d) {
    return d->mount && d->len == d->mount->target.len;
}

/* Names of a lower that has gone would be missing from the list. */
static bool is_lost(const struct building *b, struct ur_spot spot, long ret, char *room) {
    return ur_is_gone(ret) && ur_lower_lost(b->c->u, b->d, spot, room) < 0;
}

static long add_layer(struct building *b, struct ur_scratch *s, unsigned i) {
    const struct ur_dir *d = b->d;
    struct reading r = {.host = s->real[0]};
    long ret;
    if (d->mount) {
        ret = ur_spot_path(b->c->u, d, d->spot[i], NULL, r.host);
        r.upper = d->spot[i].layer == 0 && ur_has_upper(d->mount);
        r.layer = ur_layer(b->c->u, d->mount, d->spot[i].layer);
        r.marks = ret < 0 ? ret : ur_marks_at((int)i == b->own ? b->l->fd : -1, r.host, s->text);
        r.marks = with_impure(d->mount, d->spot[i].layer, r.marks);
    } else
        ret = ur_put(r.host, r.host + UR_PATH_MAX, d->path, d->len) ? 0 : -ENAMETOOLONG;
    if (ret == 0)
        ret = r.marks;
    if (ret < 0)
        return d->mount && is_lost(b, d->spot[i], ret, s->real[1]) ? -EIO : ret;
    if (is_root(d))
        ret = ur_lower_lost(b->c->u, d, d->spot[i], s->real[1]);
    if (ret < 0)
        return ret;
    bool through = (int)i == b->own && b->l->offset_is_free;
    long fd = through ? b->l->fd : sys_open(r.host, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return d->mount && is_lost(b, d->spot[i], fd, s->real[1]) ? -EIO : fd;
    r.fd = (int)fd;
    struct stat st;
    if (d->mount && !b->c->u->owner)
        b->everybody &= sys_fstat(r.fd, &st) == 0 && (st.st_mode & 0444) == 0444 && !(r.marks & UR_MARK_ACL);
    if (through)
        sys_lseek(r.fd, 0, SEEK_SET);
    ret = read_all(b, &r, add_name, s->rest[0], sizeof s->rest[0]);
    if (ret == 0 && r.has_wh) {
        ret = sys_lseek(r.fd, 0, SEEK_SET);
        if (ret == 0)
            ret = read_all(b, &r, add_wh, s->rest[0], sizeof s->rest[0]);
    }
    if (through)
        sys_lseek(r.fd, 0, SEEK_SET);
    else
        sys_close(r.fd);
    return ret;
}

/* The targets that begin in this directory, and what must not be seen in it. */
static long add_special(struct building *b) {
    const struct ur_union *u = b->c->u;
    const struct ur_dir *d = b->d;
    const struct ur_table_mount *m = ur_table_mounts(u->table);
    for (uint32_t i = 0; i < u->table->mounts; i++) {
        const char *target = ur_table_text(u->table, m[i].target);
        size_t dir = d->len > 1 ? d->len : 0;
        if (m[i].target.len <= dir + 1 || !ur_path_below(target, m[i].target.len, d->path, d->len) ||
            strchr(target + dir + 1, '/'))
            continue;
        struct ur_packed *e;
        struct stat st;
        long ret = add(b, target + dir + 1, m[i].target.len - dir - 1, 0, DT_DIR, &e);
        if (ret < 0)
            return ret;
        if (!e)
            e = ur_packed_at(b->p, b->p->count - 1);
        e->type = DT_DIR;
        e->ask = false;
        if (ur_stat(b->c, AT_FDCWD, target, &st, 0) == 0)
            e->ino = st.st_ino;
    }
    for (size_t i = 0; i < b->p->count; i++) {
        struct ur_packed *e = ur_packed_at(b->p, i);
        UR_SCRATCH(s);
        char *end = s->text + UR_PATH_MAX, *p = ur_put(s->text, end, d->path, d->len > 1 ? d->len : 0);
        p = ur_put(p, end, "/", 1);
        p = ur_put(p, end, e->name, e->len);
        if (p && ur_is_hidden(u, s->text, (size_t)(p - s->text)))
            e->type = DT_WHT;
    }
    return 0;
}

static long ask_numbers(struct building *b, char *host) {
    const struct ur_dir *d = b->d;
    for (size_t i = 0; i < b->p->count; i++) {
        struct ur_packed *e = ur_packed_at(b->p, i);
        struct ur_entry found;
        if (!e->ask || e->type == DT_WHT)
            continue;
        long ret = ur_lookup(b->c->u, d, e->name, &found);
        if (ret == -EACCES || (ret == 0 && found.kind == UR_ABSENT))
            continue;
        if (ret == 0)
            ret = ur_entry_path(b->c->u, d, e->name, &found, host);
        if (ret == 0)
            ret = ur_identify(b->c->u, d->mount, ur_layer(b->c->u, d->mount, found.spot.layer), found.in_upper, host,
                              -1, &found.st);
        if (ret < 0)
            return ret;
        e->ino = found.st.st_ino;
        e->type = type_of(found.st.st_mode);
    }
    return 0;
}

/* st_ino of the directory at the first `len` bytes of d->path: by its name, for it need not be searchable itself. */
static uint64_t number_of(const struct ur_caller *c, const struct ur_dir *d, size_t len, char *path) {
    struct stat st;
    char *p = ur_put(path, path + UR_PATH_MAX, d->path, len);
    return p && ur_stat(c, AT_FDCWD, path, &st, 0) == 0 ? st.st_ino : 0;
}

static size_t parent_len(const struct ur_dir *d) {
    size_t len = d->len;
    while (len > 1 && d->path[len - 1] != '/')
        len--;
    return len > 1 ? len - 1 : 1;
}

/*
 * The number of "..": the directory's siblings have just asked for the same one. It is kept as base.c keeps paths, and
 * holds as long: no directory was moved, removed or copied up.
 */
static struct parent {
    _Atomic uint32_t sequence; /* odd while it is written */
    uint16_t len;
    uint64_t generation, ino;
    char path[200];
} parents[16];

static uint64_t parent_number(const struct ur_caller *c, const struct ur_dir *d, char *room) {
    size_t len = parent_len(d);
    struct parent *s = &parents[ur_hash(d->path, len) % (sizeof parents / sizeof *parents)];
    uint64_t generation = c->pid ? 0 : ur_dcache_begin(c->u), ino;
    uint32_t sequence = atomic_load_explicit(&s->sequence, memory_order_acquire);
    if (sequence % 2 == 0 && generation && s->generation == generation && s->len == len &&
        memcmp(s->path, d->path, len) == 0) {
        ino = s->ino;
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&s->sequence, memory_order_relaxed) == sequence)
            return ino;
    }
    ino = number_of(c, d, len, room);
    if (!generation || len > sizeof s->path || ur_dcache_begin(c->u) != generation ||
        !ur_mount_of(c->u, d->path, len) || sequence % 2 ||
        !atomic_compare_exchange_strong(&s->sequence, &sequence, sequence + 1))
        return ino;
    atomic_thread_fence(memory_order_release);
    s->generation = generation;
    s->len = (uint16_t)len;
    s->ino = ino;
    memcpy(s->path, d->path, len);
    atomic_store_explicit(&s->sequence, sequence + 2, memory_order_release);
    return ino;
}

/* --- by hash ----------------------------------------------------------------------------------------------------- */

/*
 * A place is a number of 32 bits, which is what the offset of a directory can hold on every filesystem: the hash, and
 * how many of the names with this hash were told. Those are told at once, if they all fit. "." and ".." are the first.
 */
enum { HASH_SHIFT = 4, SAME_HASH_MOST = (1 << HASH_SHIFT) - 1 };

static uint32_t hash_of(const struct ur_packed *e) {
    if (ur_is_dot(e->name))
        return e->len - 1u;
    uint32_t h = ur_hash(e->name, e->len);
    h = (h ^ h >> 16) * 0x7feb352du;
    h = (h ^ h >> 15) * 0x846ca68bu;
    h ^= h >> 16;
    const uint32_t least = 2u << HASH_SHIFT, most = UINT32_MAX - (2u << HASH_SHIFT);
    return h < least ? least : h > most ? most : h;
}

static uint32_t group_of(const struct ur_packed *e) {
    return ur_is_dot(e->name) ? e->len - 1u : hash_of(e) >> HASH_SHIFT;
}

static void sift(uint64_t *key, size_t at, size_t n) {
    uint64_t down = key[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && key[child] < key[child + 1];
        if (key[child] <= down)
            break;
        key[at] = key[child];
    }
    key[at] = down;
}

/* `key` has room for as many as there are names. */
static void sort_by_hash(struct ur_snapshot *p, uint64_t *key) {
    for (size_t i = 0; i < p->count; i++)
        key[i] = (uint64_t)hash_of(ur_packed_at(p, i)) << 32 | *ur_packed_offset(p, i);
    for (size_t i = p->count / 2; i-- > 0;)
        sift(key, i, p->count);
    for (size_t n = p->count; n-- > 1;) {
        uint64_t last = key[n];
        key[n] = key[0];
        key[0] = last;
        sift(key, 0, n);
    }
    for (size_t i = 0; i < p->count; i++)
        *ur_packed_offset(p, i) = (uint32_t)key[i];
}

/* The first of the group, or of the next. */
static size_t first_of(const struct ur_snapshot *p, uint64_t group) {
    size_t low = 0, high = p->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (group_of(ur_packed_at(p, middle)) < group)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static long build(const struct ur_caller *c, const struct ur_dir *d, int own, struct ur_list *l) {
    UR_SCRATCH(s);
    struct building b = {.c = c, .d = d, .l = l, .p = &l->snapshot, .own = own, .everybody = true};
    struct ur_listing kept = ur_listing_reserve(c->u, d);
    b.slots = (uint32_t *)(void *)s->rest[1];
    b.slots_room = sizeof s->rest[1];
    uint64_t self = l->filter.self ? l->filter.self : number_of(c, d, d->len, s->text);
    long ret = add(&b, ".", 1, self, DT_DIR, NULL);
    if (ret == 0)
        ret = add(&b, "..", 2, parent_number(c, d, s->text), DT_DIR, NULL);
    unsigned spots = d->mount ? d->spots : 1;
    for (unsigned i = 0; ret == 0 && i < spots; i++)
        ret = add_layer(&b, s, i);
    if (ret == 0 && d->mount)
        ret = ask_numbers(&b, s->real[0]);
    if (ret == 0 && d->special)
        ret = add_special(&b);
    if (ret == 0 && l->by_hash)
        sort_by_hash(b.p, (uint64_t *)b.slots); /* the table is no more of use, and large enough */
    if (b.slots_mapped)
        sys_munmap(b.slots, b.slots_room);
    ur_listing_put(c->u, &kept, ret == 0 && b.everybody ? l : NULL);
    if (ret < 0)
        ur_snapshot_free(l);
    return ret;
}

void ur_list_init(struct ur_list *l, int fd) {
    *l = (struct ur_list){.fd = fd};
}

/* st_ino of a directory that is open, in spot 0 of its stack, from its own stat. */
static long own_number(const struct ur_caller *c, const struct ur_dir *d, int fd, struct stat *st, uint64_t *ino) {
    bool upper = d->spot[0].layer == 0 && ur_has_upper(d->mount);
    long ret = ur_identify(c->u, d->mount, ur_layer(c->u, d->mount, d->spot[0].layer),
                           upper ? UR_HOLDER_UPPER : UR_HOLDER_LOWER, NULL, fd, st);
    *ino = st->st_ino;
    return ret < 0 ? ret : 0;
}

/*
 * A lower's directory, opened when no other layer had it: once the upper has it, too, the place of who has begun to
 * read it is that filesystem's own, and he goes on as he has begun. Who begins now leaves a mark that lives as long as
 * the place does, on the open file: O_APPEND, which means nothing there.
 */
static bool goes_on_streaming(const struct ur_dir *d, const struct ur_list *l, int own) {
    if (!d->mount || d->special || own != 1 || d->spots != 2)
        return false;
    long flags = UR_SYS(SYS_fcntl, l->fd, F_GETFL, 0, 0, 0, 0);
    if (flags < 0)
        return false;
    if (sys_lseek(l->fd, 0, SEEK_CUR) != 0)
        return !(flags & O_APPEND);
    if (!(flags & O_APPEND))
        UR_SYS(SYS_fcntl, l->fd, F_SETFL, flags | O_APPEND, 0, 0, 0);
    return false;
}

/* How is the directory behind the descriptor to be read? Fills `d` if it is to be merged, and `own`: the spot that the
   descriptor is, or -1. */
static long decide(const struct ur_caller *c, struct ur_list *l, struct ur_scratch *s, int *own) {
    struct ur_dir *d = &s->dir[0];
    l->decided = true;
    l->merged = false;
    l->filter = (struct ur_list_filter){0};
    *own = -1;
    struct stat st;
    long ret = sys_fstat(l->fd, &st);
    if (!ur_active(c) || (ret == 0 && (st.st_nlink == 0 || !S_ISDIR(st.st_mode))))
        return 0; /* raw getdents says what is wrong */
    struct ur_layer_at at = {0};
    bool cached = ret == 0 && !c->pid && c->u->shared && !ur_fd_is_raw(c, l->fd);
    long len = cached ? ur_base_at(c, l->fd, &st, s->text, NULL, &at) : ur_base_path(c, l->fd, s->text, NULL);
    if (len < 0)
        return len == -ENOTDIR ? 0 : len;
    len = ur_dir_load(c->u, d, s->text, (size_t)len);
    if (len < 0)
        return len;
    if (!d->mount && !d->special)
        return 0;
    if (c->u->note)
        ur_note_listing(c->u, d);
    l->merged = d->special || d->spots > 1;
    if (!at.mount && (!l->merged || l->by_hash)) {
        struct ur_fdinfo info;
        len = ur_fd_info(c, l->fd, &info, s->text);
        if (len == 0 && info.known)
            at = (struct ur_layer_at){.mount = info.mount, .layer = info.layer};
    }
    for (unsigned i = 0; at.mount && at.mount == d->mount && *own < 0 && i < d->spots; i++)
        if (d->spot[i].layer == at.layer)
            *own = (int)i;
    l->merged |= *own != 0;
    l->merged &= !l->by_hash || !goes_on_streaming(d, l, *own);
    if (l->merged && ur_listing_get(c->u, d, l))
        return 0;
    ret = *own == 0 ? own_number(c, d, l->fd, &st, &l->filter.self) : 0;
    if (ret < 0 || l->merged)
        return ret < 0 ? ret : 0;
    if (*own != 0)
        l->filter.self = number_of(c, d, d->len, s->text);
    const struct ur_spot spot = d->spot[d->spots - 1];
    len = is_root(d) ? ur_lower_lost(c->u, d, spot, s->real[0]) : 0;
    if (len == 0)
        len = ur_spot_path(c->u, d, spot, NULL, s->real[0]);
    long marks = len < 0 ? len : with_impure(d->mount, at.layer, ur_marks_at(l->fd, s->real[0], s->text));
    if (marks < 0)
        return marks;
    l->filter.mount = d->mount;
    l->filter.layer = at.layer;
    l->filter.whiteouts = holds_xattr_whiteouts(d->mount, at.layer, marks);
    l->filter.impure = at.layer == 0 && ur_has_upper(d->mount) && marks & UR_MARK_IMPURE;
    l->filter.parent = parent_number(c, d, s->text);
    return 0;
}

/* Was the directory moved since its path was asked for? 1, 0 or -errno. */
static long was_moved(const struct ur_caller *c, const struct ur_list *l, const struct ur_scratch *s) {
    UR_SCRATCH(now);
    const struct ur_dir *d = &s->dir[0];
    long len = ur_base_path(c, l->fd, now->text, NULL);
    return len < 0 ? len : len != d->len || memcmp(now->text, d->path, d->len) != 0;
}

/* Of a lower's directory that was removed the host has everything yet; the union says what the kernel does. */
static long start_dead(const struct ur_caller *c, struct ur_list *l, struct ur_scratch *s) {
    struct ur_fdinfo info;
    l->merged = false;
    return ur_fd_info(c, l->fd, &info, s->text) == 0 && info.known ? -ENOENT : 0;
}

/* While directories are moved a path may lead nowhere, or elsewhere, by the time that it is used: then once more. */
long ur_list_start(const struct ur_caller *c, struct ur_list *l) {
    UR_SCRATCH(s);
    struct ur_shared *shared = ur_active(c) ? c->u->shared : NULL;
    long ret;
    int own;
    if (shared)
        ur_halfway_look(c->u);
    for (int tries = 0;; tries++) {
        uint64_t generation = shared ? atomic_load(&shared->generation) : 0;
        ret = decide(c, l, s, &own);
        if (ret == 0 && l->merged && !l->snapshot.count)
            ret = build(c, &s->dir[0], own, l);
        bool calm = !shared || (atomic_load(&shared->generation) == generation && !atomic_load(&shared->changing));
        if (ret == 0 && l->merged && !calm)
            ret = was_moved(c, l, s);
        if (ret == 0 || (ret < 0 && ret != -ENOENT && ret != -ENOTDIR))
            break;
        ur_snapshot_free(l);
        if (calm || tries == UR_TRIES) {
            ret = ret == -ENOENT ? start_dead(c, l, s) : ret > 0 ? -EBUSY : ret;
            break;
        }
        ur_let_others(tries);
    }
    if (ret < 0) {
        ur_snapshot_free(l);
        l->decided = false;
    }
    return ret;
}

/* A streamed record, made the union's. False: it is not to be seen. */
static bool filter(const struct ur_caller *c, const struct ur_list *l, struct sys_dirent *e) {
    const struct ur_list_filter *f = &l->filter;
    if (!f->mount)
        return true;
    if (ur_is_dot(e->name)) {
        e->ino = e->name[1] ? f->parent : f->self;
        return true;
    }
    if (ur_is_marker_name(e->name, strlen(e->name)))
        return false;
    bool may_cover = e->type == DT_CHR || e->type == DT_UNKNOWN || (e->type == DT_REG && f->whiteouts);
    struct stat st;
    if (!may_cover && !f->impure) {
        e->ino = ur_ino(f->mount, ur_layer(c->u, f->mount, f->layer), e->ino);
        return true;
    }
    /* Only an empty regular file can be a whiteout: ask for the size before all else. */
    if (sys_fstatat(l->fd, e->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return e->type != DT_CHR;
    if (e->type == DT_REG && st.st_size > 0 && !f->impure) {
        e->ino = ur_ino(f->mount, ur_layer(c->u, f->mount, f->layer), e->ino);
        return true;
    }
    long ret = ur_stat(c, l->fd, e->name, &st, AT_SYMLINK_NOFOLLOW);
    if (ret < 0)
        return ret != -ENOENT;
    e->ino = st.st_ino;
    e->type = type_of(st.st_mode);
    return true;
}

/* A device may be a regular file in truth (root.h), and only stat tells. */
static unsigned char told(const struct ur_caller *c, unsigned char type) {
    return c->u->root && type == DT_REG ? DT_UNKNOWN : type;
}

long ur_list_read(const struct ur_caller *c, struct ur_list *l, void *buf, size_t size, size_t *pos, size_t *end,
                  struct ur_list_entry *entry) {
    if (!l->decided) {
        long ret = ur_maybe_list_start(c, l);
        if (ret < 0)
            return ret;
    }
    if (l->merged) {
        struct ur_snapshot *p = &l->snapshot;
        while (p->at < p->count) {
            const struct ur_packed *e = ur_packed_at(p, p->at++);
            if (e->type == DT_WHT)
                continue;
            *entry = (struct ur_list_entry){e->ino, p->at, told(c, e->type), e->len, e->name};
            return 1;
        }
        return 0;
    }
    for (;;) {
        if (*pos >= *end) {
            long n = sys_getdents64(l->fd, buf, size);
            if (n <= 0)
                return n;
            *pos = 0;
            *end = (size_t)n;
        }
        struct sys_dirent *e = (void *)((char *)buf + *pos);
        *pos += e->reclen;
        if (!filter(c, l, e))
            continue;
        *entry = (struct ur_list_entry){e->ino, (uint64_t)e->off, told(c, e->type), (uint16_t)strlen(e->name), e->name};
        return 1;
    }
}

long ur_list_seek(const struct ur_caller *c, struct ur_list *l, uint64_t cookie) {
    (void)c;
    if (cookie == 0) {
        ur_snapshot_free(l);
        l->decided = false;
        return sys_lseek(l->fd, 0, SEEK_SET);
    }
    if (l->merged) {
        l->snapshot.at = cookie < l->snapshot.count ? (size_t)cookie : l->snapshot.count;
        return 0;
    }
    return sys_lseek(l->fd, (off_t)cookie, SEEK_SET);
}

void ur_list_close(struct ur_list *l) {
    ur_snapshot_free(l);
}

static size_t record_size(const struct ur_packed *e) {
    return (RECORD_HEAD + e->len + 1u + 7) / 8 * 8;
}

/* Emits from a snapshot as the kernel would; the place is the descriptor's own offset, so dup and fork share it. */
static long emit(const struct ur_caller *c, struct ur_list *l, char *buf, size_t size) {
    const struct ur_snapshot *p = &l->snapshot;
    long at = sys_lseek(l->fd, 0, SEEK_CUR);
    if (at < 0)
        return at;
    size_t used = 0, i = first_of(p, (uint64_t)at >> HASH_SHIFT);
    bool full = false;
    for (size_t end; i < p->count && !full; i = end) {
        uint32_t group = group_of(ur_packed_at(p, i));
        size_t need = 0, k = i + (group == (uint64_t)at >> HASH_SHIFT ? (size_t)at & SAME_HASH_MOST : 0);
        for (end = i; end < p->count && group_of(ur_packed_at(p, end)) == group; end++)
            if (end >= k && ur_packed_at(p, end)->type != DT_WHT)
                need += record_size(ur_packed_at(p, end));
        full = need > size - used;
        if (full && (used || end - i > SAME_HASH_MOST))
            break;
        for (; k < end; k++) {
            const struct ur_packed *e = ur_packed_at(p, k);
            bool shown = e->type != DT_WHT;
            if (shown && record_size(e) > size - used)
                break;
            at =
                (long)(k + 1 < end ? (uint64_t)group << HASH_SHIFT | (k + 1 - i) : (group + UINT64_C(1)) << HASH_SHIFT);
            if (!shown)
                continue;
            struct sys_dirent *r = (void *)(buf + used);
            r->ino = e->ino;
            r->off = at;
            r->reclen = (uint16_t)record_size(e);
            r->type = told(c, e->type);
            memcpy(r->name, e->name, e->len + 1u);
            used += r->reclen;
        }
    }
    if (!used && full)
        return -EINVAL;
    long ret = sys_lseek(l->fd, at, SEEK_SET);
    return ret < 0 ? ret : (long)used;
}

/* Streamed records, filtered: until one is left to be told, or the end. */
static long stream(const struct ur_caller *c, struct ur_list *l, char *buf, size_t n) {
    long ret;
    do {
        ret = sys_getdents64(l->fd, buf, n);
        size_t kept = 0;
        for (long at = 0; at < ret;) {
            struct sys_dirent *e = (void *)(buf + at);
            uint16_t len = e->reclen;
            at += len;
            if (filter(c, l, e)) {
                e->type = told(c, e->type);
                memmove(buf + kept, e, len);
                kept += len;
            }
        }
        if (ret > 0 && kept)
            return (long)kept;
    } while (ret > 0);
    return ret;
}

long ur_list_getdents(const struct ur_caller *c, struct ur_list *l, void *buf, size_t n) {
    l->by_hash = true;
    if (l->decided && sys_lseek(l->fd, 0, SEEK_CUR) == 0) /* rewound, or another's first */
        ur_list_seek(c, l, 0);
    long ret = l->decided ? 0 : ur_maybe_list_start(c, l);
    if (ret < 0)
        return ret;
    return l->merged ? emit(c, l, buf, n) : stream(c, l, buf, n);
}
