/*
 * Copy-up: the upper gets its own copy of what only a lower had. overlayfs.rst, "Upper and lower", "Changes to
 * underlying filesystems".
 *
 * A copy is prepared in the work directory with its data, owner, xattrs, mode and times, and appears in the upper by
 * one system call that fails if the name is there: a kill leaves the old view or the new; of two processes that
 * copy up one file, the slower takes the other's. Parents come first; a directory is copied without its children.
 * What can be seen of the directory that the copy appears in (its mode, its times) stays as it was.
 *
 * Each change of metadata may be a question to the guard, so none is made of what is right already.
 */
#include "union.h"

#include <linux/fs.h>
#include <sys/mman.h>

/* Data in ranges: a hole stays a hole. */
static long copy_range(int from, int to, off_t at, off_t end, bool *no_copy_range, struct ur_copying *copying) {
    for (; at < end; ur_copying_step(copying, at)) {
        long n = -ENOSYS;
        off_t in = at, out = at;
        size_t piece = copying && end - at > UR_COPYING_PIECE ? UR_COPYING_PIECE : (size_t)(end - at);
        if (!*no_copy_range) {
            n = sys_copy_file_range(from, &in, to, &out, piece);
            if (n == -EXDEV || n == -ENOSYS || n == -EOPNOTSUPP || n == -EINVAL || n == -EPERM || n == 0) {
                *no_copy_range = true;
                n = -ENOSYS;
            }
        }
        if (n == -ENOSYS) {
            n = sys_lseek(to, at, SEEK_SET);
            in = at;
            if (n >= 0)
                n = sys_sendfile(to, from, &in, piece);
            if (n == 0)
                return 0; /* the file is shorter than it was: nobody should write to a lower */
        }
        if (n == -EINTR)
            continue;
        if (n < 0)
            return n;
        at += n;
    }
    return 0;
}

/* Does the file have holes? Most have none, and need not be asked where. */
static bool has_holes(int fd, off_t size) {
    struct stat st;
    return sys_fstat(fd, &st) != 0 || (off_t)st.st_blocks * 512 < size;
}

long ur_copyup_data(uint32_t caps, int from, int to, off_t size, struct ur_copying *copying) {
    if (size == 0)
        return 0;
    if (caps & UR_CAP_REFLINK && sys_ioctl(to, FICLONE, from) == 0)
        return 1;
    bool no_copy_range = false;
    off_t at = 0;
    if (!has_holes(from, size)) {
        long ret = copy_range(from, to, 0, size, &no_copy_range, copying);
        return ret < 0 ? ret : sys_ftruncate(to, size);
    }
    while (at < size) {
        off_t data = (off_t)sys_lseek(from, at, SEEK_DATA);
        if (data == -ENXIO) /* only a hole from here on */
            break;
        off_t hole = data < 0 ? -1 : (off_t)sys_lseek(from, data, SEEK_HOLE);
        if (data < 0 || hole < 0) { /* a filesystem without SEEK_DATA */
            data = at;
            hole = size;
        }
        if (hole > size)
            hole = size;
        long ret = copy_range(from, to, data, hole, &no_copy_range, copying);
        if (ret < 0)
            return ret;
        at = hole;
    }
    return sys_ftruncate(to, size);
}

/* What a plain user, or the upper's filesystem, may not set is left out, as cp -a does. */
static bool may_be_refused(const char *name, long ret) {
    return ret == -EOPNOTSUPP || ((ret == -EPERM || ret == -EACCES) && strncmp(name, "user.", 5) != 0);
}

/* Room for the list of names and for a value: kernel limits, xattr(7). */
enum { XATTR_MAX = 65536 };

static long copy_xattrs(const char *from, int to_fd, const char *to, char *list, char *value) {
    long n = sys_llistxattr(from, list, XATTR_MAX);
    if (n == -EOPNOTSUPP)
        return 0;
    if (n < 0)
        return n;
    for (const char *name = list; name < list + n; name += strlen(name) + 1) {
        if (ur_is_marker_xattr(name))
            continue;
        long len = sys_lgetxattr(from, name, value, XATTR_MAX);
        if (len == -ENODATA)
            continue;
        long ret = len;
        if (len >= 0)
            ret = to_fd >= 0 ? sys_fsetxattr(to_fd, name, value, (size_t)len, 0)
                             : ur_set_xattr(to, name, value, (size_t)len, 0);
        if (ret < 0 && !may_be_refused(name, ret))
            return ret;
    }
    return 0;
}

long ur_copy_xattrs(const char *from, int to_fd, const char *to) {
    char probe[1];
    long n = sys_llistxattr(from, probe, 0);
    if (n == 0 || n == -EOPNOTSUPP)
        return 0;
    long room = sys_mmap(NULL, 2 * XATTR_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room < 0 && room > -4096)
        return -ENOMEM;
    long ret = copy_xattrs(from, to_fd, to, (char *)room, (char *)room + XATTR_MAX);
    sys_munmap((void *)room, 2 * XATTR_MAX);
    return ret;
}

static bool refused(long ret) {
    return ret == -EPERM || ret == -EINVAL;
}

/* Owner as far as it is allowed: a plain user's copies are his own. */
long ur_give_owner(int fd, const char *host, const struct stat *st) {
    struct stat made;
    long ret = fd >= 0 ? sys_fstat(fd, &made) : sys_lstat(host, &made);
    if (ret < 0)
        return ret;
    if (made.st_uid != st->st_uid)
        ret = fd >= 0 ? sys_fchown(fd, st->st_uid, st->st_gid) : ur_set_owner(host, st->st_uid, st->st_gid);
    if ((made.st_uid == st->st_uid || refused(ret)) && made.st_gid != st->st_gid)
        ret = fd >= 0 ? sys_fchown(fd, (uid_t)-1, st->st_gid) : ur_set_owner(host, (uid_t)-1, st->st_gid);
    return refused(ret) ? 0 : ret;
}

/* A copy that could not keep its owner must not lend the owner's powers to another: no set-id bits then. */
mode_t ur_kept_mode(const struct stat *lower, const struct stat *copy) {
    mode_t mode = lower->st_mode & 07777;
    if (copy->st_uid != lower->st_uid)
        mode &= ~(mode_t)S_ISUID;
    if (copy->st_gid != lower->st_gid && !S_ISDIR(lower->st_mode))
        mode &= ~(mode_t)S_ISGID;
    return mode;
}

static bool has_mode(const struct stat *copy, mode_t mode) {
    return (copy->st_mode & 07777) == mode;
}

/* How the caller wants the copy opened; `fd` is -1 until it is. */
struct opening {
    int flags;
    long fd;
};

/* What of a regular file is copied. */
struct source {
    const char *host;         /* its metadata are this one's */
    const char *data;         /* and its data: often the same */
    const char *redirect;     /* the data stay there, and are at this path in the union of the lowers; NULL: not */
    const struct ur_dir *dir; /* it is `name` of this directory of the union */
    const char *name;
};

/* What the copy will take of the limit; none, if it is to have no data. */
static uint64_t room_for(const struct source *source, const struct stat *st, const struct opening *o) {
    uint64_t whole = ur_quota_blocks(st->st_size), has = (uint64_t)st->st_blocks * 512;
    return o || source->redirect ? 0 : source->data == source->host && has < whole ? has : whole;
}

/* A regular file, complete but for its name: an open descriptor; `tmp` is its name in tmp/, or empty if it has none.
   One that is to be opened has a name, and no data. */
static long make_regular(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino,
                         const struct source *source, const struct stat *st, const struct opening *o, char *tmp) {
    long from = sys_open(source->data, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
    if (from < 0)
        return from;
    long room = ur_quota_take(u, room_for(source, st, o));
    if (room < 0) {
        sys_close((int)from);
        *tmp = 0;
        return room;
    }
    long to = -EOPNOTSUPP;
    if (m->caps & UR_CAP_TMPFILE && !o) {
        ur_work_path(u, m, "/tmp", "", tmp);
        /* Nobody else can open it, so the mode may be the right one from the first. */
        to = ur_create(tmp, O_RDWR | O_TMPFILE, 0600 | (st->st_mode & 0777));
        *tmp = 0;
    }
    if (to == -EOPNOTSUPP || to == -EISDIR || to == -EINVAL) {
        to = ur_work_path(u, m, "/tmp/", NULL, tmp);
        if (to == 0)
            to = ur_create(tmp, O_RDWR | O_CREAT | O_EXCL, 0600);
    }
    if (to < 0) {
        ur_quota_give(u, room_for(source, st, o));
        sys_close((int)from);
        *tmp = 0;
        return to;
    }
    struct stat copy;
    bool bare = o || source->redirect;
    struct ur_copying *copying = bare ? NULL : ur_copying_begin(u, source->dir, source->name, st->st_size);
    long ret = o                  ? 0
               : source->redirect ? sys_ftruncate((int)to, st->st_size)
                                  : ur_copyup_data(m->caps, (int)from, (int)to, st->st_size, copying);
    bool data = ret == 0 && !bare && st->st_size > 0;
    if (!bare && ret >= 0)
        ur_count_data(u, ret, st->st_size);
    if (ret >= 0)
        ret = ur_give_owner((int)to, NULL, st);
    if (ret == 0)
        ret = ur_copy_xattrs(source->host, (int)to, NULL);
    if (ret == 0) /* before a mode that forbids the owner to write */
        ret = ur_origin_write(u, m, (int)to, NULL, st, ino, st);
    if (source->redirect && ret == 0)
        ret = ur_mark_metacopy((int)to, source->redirect);
    else if (ret == -EOPNOTSUPP)
        ret = 0;
    if (ret == 0)
        ret = sys_fstat((int)to, &copy);
    if (ret == 0 && u->root)
        ret = ur_root_copied(u, (int)to, NULL, &copy, source->host, st);
    else if (ret == 0 && !has_mode(&copy, ur_kept_mode(st, &copy)))
        ret = sys_fchmod((int)to, ur_kept_mode(st, &copy));
    if (ret == 0) {
        struct timespec ts[2] = {st->st_atim, st->st_mtim};
        if (o && st->st_size > 0) /* that is a change */
            ts[1] = (struct timespec){0, UTIME_NOW};
        ret = sys_utimensat((int)to, NULL, ts, 0);
    }
    if (ret == 0)
        ret = ur_sync_copy(u, (int)to, data);
    ur_copying_end(copying);
    sys_close((int)from);
    if (ret == 0)
        return to;
    ur_quota_give(u, room_for(source, st, o));
    if (*tmp)
        sys_unlink(tmp);
    sys_close((int)to);
    return ret;
}

/* What was prepared gets the name `to`. -EEXIST if there is one. */
static long name_copy(const struct ur_union *u, const struct ur_table_mount *m, int fd, char *tmp, const char *to) {
    if (*tmp) {
        long ret = ur_rename_new(u, m, tmp, to);
        if (ret == 0)
            *tmp = 0;
        return ret;
    }
    char proc[40];
    char *p = ur_put(proc, proc + sizeof proc, "/proc/self/fd/", 14);
    ur_put_number(p, proc + sizeof proc, (uint64_t)fd, 10);
    long ret = sys_linkat(AT_FDCWD, proc, AT_FDCWD, to, AT_SYMLINK_FOLLOW);
    return ret == -ENOENT ? sys_linkat(fd, "", AT_FDCWD, to, AT_EMPTY_PATH) : ret;
}

/* Another name of the same lower file was copied up before: this one is linked to that copy. 1 if so. */
static long link_to_copy(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino, const struct stat *st,
                         const char *upper) {
    struct stat other;
    long ret = st->st_nlink < 2 ? 0 : ur_links_has(u, m, ino, &other);
    if (ret <= 0)
        return ret;
    UR_SCRATCH(s);
    struct ur_cover k;
    ret = ur_links_path(u, m, ino, s->text);
    if (ret == 0)
        ret = ur_links_cover_begin(u, m, ino, st->st_nlink, upper, &k);
    if (ret < 0)
        return ret;
    ret = sys_link(s->text, upper);
    ur_links_cover_end(u, m, &k, ret == 0);
    return ret < 0 ? ret : 1;
}

/* A copy that has not come to be seen goes, and what origin/ says of its number: that will be another's. */
static void drop_copy(const struct ur_union *u, const struct ur_table_mount *m, const char *tmp) {
    struct stat st;
    if (!(m->caps & UR_CAP_XATTR) && sys_lstat(tmp, &st) == 0)
        ur_origin_drop(u, m, &st);
    if (sys_unlink(tmp) == -EISDIR)
        sys_rmdir(tmp);
}

/* The one visible step of a copy: by descriptor (tmp empty) or by its name in tmp/. If the lower file has more names
   the copy gets one in links/ first, by which the others will find it. */
static long publish(const struct ur_union *u, const struct ur_table_mount *m, uint64_t ino, const struct stat *st,
                    int fd, char *tmp, const char *upper) {
    if (st->st_nlink < 2)
        return name_copy(u, m, fd, tmp, upper);
    UR_SCRATCH(s);
    struct ur_cover k;
    long ret = ur_links_path(u, m, ino, s->text);
    if (ret == 0)
        ret = ur_links_cover_begin(u, m, ino, st->st_nlink, upper, &k);
    if (ret < 0)
        return ret;
    ret = name_copy(u, m, fd, tmp, s->text);
    if (ret == 0)
        ret = ur_sync_work(u, m, "/links");
    if (ret == 0 || ret == -EEXIST)
        ret = sys_link(s->text, upper);
    ur_links_cover_end(u, m, &k, ret == 0);
    return ret;
}

/* The copy is opened before it appears: if it cannot be, nothing has changed. Its name moves with it, so that the
   kernel tells the right one of the descriptor; where it cannot, it is opened once more by that. */
static long publish_open(const struct ur_union *u, const struct ur_table_mount *m, char *tmp, const char *upper,
                         struct opening *o) {
    long own = sys_open(tmp, o->flags | O_NOFOLLOW, 0);
    if (own < 0)
        return own;
    bool moves = m->caps & UR_CAP_RENAME_NOREPLACE;
    if (!moves)
        sys_close((int)own);
    long ret = name_copy(u, m, -1, tmp, upper);
    if (ret == 0 && moves)
        o->fd = own;
    else if (moves)
        sys_close((int)own);
    return ret;
}

static long copy_regular(const struct ur_union *u, const struct ur_table_mount *m, const struct ur_table_layer *l,
                         const struct source *source, const struct stat *st, const char *upper, struct opening *o) {
    UR_SCRATCH(s);
    char *tmp = s->real[0];
    uint64_t ino = ur_ino(m, l, st->st_ino);
    long ret = link_to_copy(u, m, ino, st, upper);
    if (ret)
        return ret < 0 ? ret : 0;
    long fd = make_regular(u, m, ino, source, st, o, tmp);
    if (fd < 0)
        return fd;
    if (o) { /* shut before it appears: who watches the directory would be told that somebody has written it */
        sys_close((int)fd);
        ret = publish_open(u, m, tmp, upper, o);
    } else
        ret = publish(u, m, ino, st, (int)fd, tmp, upper);
    if (*tmp)
        drop_copy(u, m, tmp);
    if (!o)
        sys_close((int)fd);
    if (ret < 0)
        ur_quota_give(u, room_for(source, st, o));
    if (ret == 0) {
        ur_count(u, files, 1);
        ur_count(u, bare, source->redirect ? 1 : 0);
    }
    return ret;
}

/* Symlinks, FIFOs, sockets, devices. */
static long copy_special(const struct ur_union *u, const struct ur_table_mount *m, const struct ur_table_layer *l,
                         const char *host, const struct stat *st, const char *upper) {
    UR_SCRATCH(s);
    char *tmp = s->real[0];
    uint64_t ino = ur_ino(m, l, st->st_ino);
    long ret = link_to_copy(u, m, ino, st, upper);
    if (ret)
        return ret < 0 ? ret : 0;
    ret = ur_work_path(u, m, "/tmp/", NULL, tmp);
    if (ret < 0)
        return ret;
    if (S_ISLNK(st->st_mode)) {
        long n = sys_readlink(host, s->text, UR_PATH_MAX - 1);
        if (n < 0)
            return n;
        s->text[n] = 0;
        ret = sys_symlink(s->text, tmp);
    } else
        ret = sys_mknod(tmp, (st->st_mode & S_IFMT) | 0600, (unsigned)st->st_rdev);
    if (ret < 0)
        return ret;
    struct stat copy;
    ret = ur_give_owner(-1, tmp, st);
    if (ret == 0)
        ret = ur_copy_xattrs(host, -1, tmp);
    if (ret == 0)
        ret = sys_lstat(tmp, &copy);
    if (ret == 0 && !S_ISLNK(st->st_mode) && !has_mode(&copy, ur_kept_mode(st, &copy)))
        ret = ur_set_mode(tmp, ur_kept_mode(st, &copy));
    struct timespec ts[2] = {st->st_atim, st->st_mtim};
    if (ret == 0)
        ret = ur_set_times(tmp, ts);
    if (ret == 0)
        ret = ur_origin_write(u, m, -1, tmp, &copy, ino, st);
    if (ret == 0)
        ret = publish(u, m, ino, st, -1, tmp, upper);
    if (*tmp)
        drop_copy(u, m, tmp);
    if (ret == 0)
        ur_count(u, files, 1);
    return ret;
}

static long copy_directory(const struct ur_union *u, const struct ur_table_mount *m, const struct ur_table_layer *l,
                           const char *host, const struct stat *st, const char *upper, const struct ur_unlocked *held) {
    UR_SCRATCH(s);
    char *tmp = s->real[0];
    struct stat copy;
    long ret = ur_work_path(u, m, "/tmp/", NULL, tmp);
    if (ret == 0)
        ret = ur_create_dir(tmp, 0700 | (st->st_mode & 0755)); /* so that nobody can make anything in it */
    if (ret < 0)
        return ret;
    ret = ur_give_owner(-1, tmp, st);
    if (ret == 0)
        ret = ur_copy_xattrs(host, -1, tmp);
    if (ret == 0)
        ret = ur_origin_write(u, m, -1, tmp, st, ur_ino(m, l, st->st_ino), st);
    if (ret == -EOPNOTSUPP)
        ret = 0;
    if (ret == 0)
        ret = sys_lstat(tmp, &copy);
    if (ret == 0 && u->root)
        ret = ur_root_copied(u, -1, tmp, &copy, host, st);
    else if (ret == 0 && !has_mode(&copy, ur_kept_mode(st, &copy)))
        ret = ur_set_mode(tmp, ur_kept_mode(st, &copy));
    struct timespec ts[2] = {st->st_atim, st->st_mtim};
    if (ret == 0)
        ret = ur_set_times(tmp, ts);
    if (ret == 0)
        ret = ur_sync_dir(u, m, tmp);
    /* To move a directory is to write to it. */
    struct ur_unlocked k = {.lock = -1};
    if (ret == 0 && !(copy.st_mode & S_IWUSR && st->st_mode & S_IWUSR)) {
        ret = ur_rename_new(u, m, tmp, upper);
        if (ret == -EACCES) {
            ret = ur_dir_unlock(u, m, tmp, upper, held, &k);
            if (ret == 0)
                ret = ur_rename_new(u, m, tmp, upper);
            ur_dir_relock(u, m, ret == 0 ? upper : tmp, &k);
        }
    } else if (ret == 0)
        ret = ur_rename_new(u, m, tmp, upper);
    if (ret < 0)
        drop_copy(u, m, tmp);
    else
        ur_count(u, directories, 1);
    return ret;
}

/* Where the data of a lower's regular file are; and if they may stay there, `after` being the copy's metadata, and the
   upper can say so: with a redirect. `room`, `text`: UR_PATH_MAX bytes for the two. */
static long find_source(const struct ur_union *u, const struct ur_dir *d, const char *name, const struct ur_entry *e,
                        const struct stat *after, struct source *source, char *room, char *text) {
    enum { REDIRECT_FITS = 512 }; /* an xattr that any filesystem with room can hold */
    struct ur_data data = {.host = room};
    long ret = ur_data_find(u, d, name, e, &data);
    if (ret)
        source->data = room;
    if (ret || !after || !u->table->metacopy || (uint64_t)e->st.st_size < u->table->metacopy || e->st.st_nlink > 1 ||
        !(d->mount->caps & UR_CAP_XATTR))
        return ret < 0 ? ret : 0;
    data = (struct ur_data){(char *)source->host, e->spot.layer, e->st};
    if (!ur_data_may_stay(u, d, &data, after, true))
        return 0;
    const char *upper = ur_table_text(u->table, ur_layer(u, d->mount, 0)->root);
    ret = ur_redirect_to(d, name, text, REDIRECT_FITS) ? ur_mark_metacopies(upper) : -ENAMETOOLONG;
    if (ret < 0)
        return 0;
    if (ret > 0 && (ret = ur_sync_dir(u, d->mount, upper)) < 0)
        return ret;
    ur_may_lack_data_now(u, d->mount, 0);
    source->redirect = text;
    return 0;
}

/* `name` of `d`, whose directory the upper has. 0 also if another process was faster. `after`: a regular file need not
   have its data there if that goes with these metadata; NULL: it must. */
static long copy_entry(const struct ur_union *u, const struct ur_dir *d, const char *name, const struct ur_spot spot,
                       const struct stat *st, struct opening *o, const struct stat *after) {
    UR_SCRATCH(s);
    char *host = s->rest[0], *upper = s->rest[1], *parent = s->text;
    const struct ur_table_mount *m = d->mount;
    const struct ur_table_layer *l = ur_layer(u, m, spot.layer);
    long ret = ur_spot_path(u, d, spot, name, host);
    if (ret == 0)
        ret = ur_upper_path(u, d, name, upper);
    if (ret == 0)
        ret = ur_upper_path(u, d, NULL, parent);
    if (ret < 0)
        return ret;
    struct source source = {host, host, NULL, d, name};
    struct ur_entry e = {.kind = UR_FILE, .spot = spot, .st = *st};
    if (S_ISREG(st->st_mode))
        ret = find_source(u, d, name, &e, after, &source, s->real[0], s->real[1]);
    if (ret < 0)
        return ret;
    struct ur_times times;
    struct ur_unlocked k;
    UR_NAME_CHANGES_UNSEEN(u, d, name);
    ret = ur_dir_unlock(u, m, parent, parent, NULL, &k);
    if (ret < 0)
        return ret;
    ur_times_take(u, d, upper, strlen(parent), &times);
    if (S_ISDIR(st->st_mode)) {
        ur_changing_begin(u);
        ret = copy_directory(u, m, l, host, st, upper, &k);
        ur_changing_end(u);
    } else if (S_ISREG(st->st_mode))
        ret = copy_regular(u, m, l, &source, st, upper, o);
    else
        ret = copy_special(u, m, l, host, st, upper);
    if (ret == 0)
        ur_covered_add(u, st->st_dev, st->st_ino);
    ur_times_give(u, parent, &times, ret == 0);
    if (ret == 0)
        ret = ur_sync_dir(u, m, parent);
    ur_dir_relock(u, m, parent, &k);
    struct stat now;
    if (ur_is_gone(ret) && (sys_lstat(parent, &now) < 0 || !S_ISDIR(now.st_mode)))
        return UR_AGAIN;
    return ret == -EEXIST ? 0 : ret;
}

long ur_copyup_dir(const struct ur_caller *c, struct ur_dir *d) {
    const struct ur_table_mount *m = d->mount;
    if (!m)
        return 0;
    if (!ur_has_upper(m))
        return -EROFS;
    if (d->spots && d->spot[0].layer == 0)
        return 0;
    UR_SCRATCH(s);
    struct ur_dir *p = &s->dir[0];
    struct ur_node *n = &s->node[0];
    long ret = ur_dir_load(c->u, p, ur_table_text(c->u->table, m->target), m->target.len);
    for (const char *at = d->path + (m->target.len > 1 ? m->target.len : 0); ret == 0 && *at;) {
        at += *at == '/';
        size_t len = strcspn(at, "/");
        ur_put(n->name, n->name + sizeof n->name, at, len);
        at += len;
        ret = ur_lookup(c->u, p, n->name, &n->entry);
        if (ret == 0 && n->entry.kind != UR_DIRECTORY)
            ret = -ENOENT;
        if (ret == 0 && !n->entry.in_upper)
            ret = copy_entry(c->u, p, n->name, n->entry.spot, &n->entry.st, NULL, NULL);
        if (ret == 0)
            ret = ur_dir_enter(c->u, p, n->name, &n->entry.st);
    }
    if (ret == 0 && !ur_dir_recall(c->u, d, d->path, d->len))
        *d = *p;
    if (ret == 0 && (!d->spots || d->spot[0].layer != 0))
        return UR_AGAIN;
    return ret;
}

static long copy_up(const struct ur_caller *c, struct ur_dir *d, const char *name, struct ur_entry *e,
                    const struct stat *after) {
    long ret = ur_copyup_dir(c, d);
    if (ret == 0)
        ret = copy_entry(c->u, d, name, e->spot, &e->st, NULL, after);
    if (ret < 0)
        return ret;
    ret = ur_lookup(c->u, d, name, e);
    if (ret == 0 && (e->kind == UR_ABSENT || !e->in_upper))
        return UR_AGAIN; /* removed meanwhile */
    return ret;
}

long ur_copyup(const struct ur_caller *c, struct ur_dir *d, const char *name, struct ur_entry *e) {
    long ret = 0;
    if (!d->mount)
        return 0;
    if (!e->in_upper || e->kind == UR_ABSENT)
        ret = copy_up(c, d, name, e, NULL);
    return ret == 0 && e->kind == UR_FILE ? ur_data_fill(c->u, d, name, e, false) : ret;
}

long ur_copyup_meta(const struct ur_caller *c, struct ur_dir *d, const char *name, struct ur_entry *e,
                    const struct stat *after) {
    return d->mount && (!e->in_upper || e->kind == UR_ABSENT) ? copy_up(c, d, name, e, after) : 0;
}

long ur_copyup_emptied(const struct ur_caller *c, struct ur_dir *d, const char *name, const struct ur_entry *e,
                       int open_flags) {
    struct opening o = {.flags = open_flags, .fd = -1};
    long ret = ur_copyup_dir(c, d);
    if (ret == 0)
        ret = copy_entry(c->u, d, name, e->spot, &e->st, &o, NULL);
    return ret < 0 ? ret : o.fd >= 0 ? o.fd : UR_AGAIN;
}
