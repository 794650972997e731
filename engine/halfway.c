/*
 * A rename by two steps, where the kernel leaves no whiteout: what is at FROM comes to TO, then FROM gets its whiteout.
 * A note in the journal stands meanwhile, "move INO WITH PARENT LENGTH FROM/TO" (LENGTH is FROM's; WITH is what changes
 * places with INO, or 0; PARENT is FROM's directory; paths from the upper's root). Who is killed between the two steps
 * leaves it, and the recovery makes the second; so does who takes a lock of one of these names from the dead, and who
 * looks at any name meanwhile does that: a place in shared memory says whose notes there are.
 *
 * That the first was made shows in the upper. FROM had a lower's name beneath it, so while its directory is the same,
 * nothing takes it away but this without leaving something there. And of what has changed places each is at the
 * other's name: nothing else does that without both names' locks, and who takes these comes here first.
 *
 * Both paths must fit into a symlink. A rename of longer ones has no note.
 */
#include "union.h"

static char *put_host(char *p, const char *end, const char *host, size_t root) {
    return ur_put(p, end, host + root, strlen(host + root));
}

static size_t root_of(const struct ur_union *u, const struct ur_table_mount *m) {
    size_t root = ur_layer(u, m, 0)->root.len;
    return root > 1 ? root : 0;
}

static size_t parent_of(const char *path, size_t len) {
    while (len > 0 && path[len - 1] != '/')
        len--;
    return len;
}

/* That others may see that it was cut. With no place free they do when they change one of the names. */
static void claim(const struct ur_union *u, const struct ur_table_mount *m, struct ur_halfway *k) {
    uint32_t self = ur_self();
    for (int i = 0; u->shared && i < UR_HALFWAY; i++) {
        struct ur_halfway_place *place = &u->shared->halfway[i];
        uint32_t nobody = 0;
        if (!atomic_compare_exchange_strong(&place->owner, &nobody, self))
            continue;
        place->mount = (uint32_t)(m - ur_table_mounts(u->table));
        memcpy(place->note, k->note, sizeof place->note);
        atomic_fetch_add(&u->shared->halfway_any, 1);
        k->place = i;
        return;
    }
}

/* A place that a killed one has left is counted, or was not yet: too many is no harm, and 0 is the least. */
static void leave(struct ur_shared *sh, struct ur_halfway_place *place, uint32_t owner) {
    if (!atomic_compare_exchange_strong(&place->owner, &owner, 0))
        return;
    for (uint32_t any = atomic_load(&sh->halfway_any);
         any && !atomic_compare_exchange_weak(&sh->halfway_any, &any, any - 1);)
        ;
}

long ur_halfway_begin(const struct ur_union *u, const struct ur_table_mount *m, const char *from, const char *to,
                      bool exchanges, struct ur_halfway *k) {
    k->note[0] = 0;
    k->place = -1;
    UR_SCRATCH(s);
    struct stat st, with = {0}, parent;
    const size_t root = root_of(u, m), dir = parent_of(from, strlen(from));
    char *end = s->real[0] + UR_PATH_MAX, *p = ur_put(s->real[0], end, from, dir);
    p = ur_put(p, end, ".", 1);
    if (!p)
        return 0;
    long ret = sys_lstat(from, &st);
    if (ret == 0 && exchanges)
        ret = sys_lstat(to, &with);
    if (ret == 0)
        ret = sys_lstat(s->real[0], &parent);
    if (ret == 0)
        ret = ur_work_path(u, m, "/journal/", NULL, s->real[0]);
    if (ret < 0)
        return ret;
    const uint64_t numbers[] = {st.st_ino, with.st_ino, parent.st_ino, strlen(from + root)};
    end = s->text + UR_PATH_MAX - 1;
    p = ur_put(s->text, end, "move ", 5);
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        p = ur_put_number(p, end, numbers[i], 10);
        p = ur_put(p, end, " ", 1);
    }
    p = put_host(p, end, from, root);
    p = put_host(p, end, to, root);
    ret = p ? sys_symlink(s->text, s->real[0]) : -ENAMETOOLONG;
    if (ret == -ENAMETOOLONG || ret == -EACCES) /* EACCES: root's, and the caller is root no more */
        return 0;
    if (ret == 0) {
        ret = ur_sync_work(u, m, "/journal");
        if (ret < 0)
            sys_unlink(s->real[0]);
    }
    if (ret < 0)
        return ret;
    const char *name = s->real[0] + m->work.len + strlen("/journal/");
    ur_put(k->note, k->note + sizeof k->note, name, strlen(name));
    claim(u, m, k);
    return 0;
}

void ur_halfway_end(const struct ur_union *u, const struct ur_table_mount *m, struct ur_halfway *k) {
    struct ur_scratch *s = k->note[0] ? ur_scratch_get() : NULL;
    if (s && ur_work_path(u, m, "/journal/", k->note, s->real[0]) == 0)
        sys_unlink(s->real[0]);
    if (s)
        ur_scratch_put(s);
    if (k->place >= 0)
        leave(u->shared, &u->shared->halfway[k->place], ur_self());
}

bool ur_halfway_settled(const struct ur_union *u, const struct ur_table_mount *m, const struct ur_halfway *k) {
    struct ur_scratch *s = k->note[0] ? ur_scratch_get() : NULL;
    struct stat st;
    bool settled =
        s && ur_work_path(u, m, "/journal/", k->note, s->real[0]) == 0 && sys_lstat(s->real[0], &st) == -ENOENT;
    if (s)
        ur_scratch_put(s);
    return settled;
}

long ur_whiteout_aside(const struct ur_union *u, const struct ur_table_mount *m, const char *host, char *tmp,
                       struct ur_halfway *k) {
    struct stat st;
    long ret = ur_work_path(u, m, "/tmp/", NULL, tmp);
    if (ret == 0)
        ret = ur_halfway_begin(u, m, host, host, false, k);
    if (ret < 0)
        return ur_is_gone(ret) ? UR_AGAIN : ret;
    ret = sys_rename(host, tmp, 0);
    if (ret < 0) {
        ur_halfway_end(u, m, k);
        return ur_is_gone(ret) ? UR_AGAIN : ret;
    }
    ret = sys_lstat(tmp, &st);
    if (ret == 0)
        ret = ur_is_whiteout(tmp, &st);
    if (ret > 0)
        return 0;
    if (ur_rename_new(u, m, tmp, host) == 0)
        ur_halfway_end(u, m, k);
    return ret < 0 ? ret : UR_AGAIN;
}

void ur_whiteout_aside_end(const struct ur_union *u, const struct ur_table_mount *m, const char *host, const char *tmp,
                           struct ur_halfway *k, bool replaced) {
    long ret = replaced ? 0 : ur_rename_new(u, m, tmp, host);
    if (replaced || ret == -EEXIST)
        sys_unlink(tmp);
    if (ret == 0 || ret == -EEXIST) /* else the recovery puts one there */
        ur_halfway_end(u, m, k);
}

struct note {
    uint64_t ino, with, parent;
    size_t length;
    char *from, *to;
};

static bool parse(char *text, struct note *n) {
    if (strncmp(text, "move ", 5) != 0)
        return false;
    const char *at = text + 5;
    uint64_t numbers[4];
    for (unsigned i = 0; i < 4; i++) {
        numbers[i] = ur_get_number(&at, 10);
        if (*at++ != ' ')
            return false;
    }
    if (numbers[3] == 0 || numbers[3] >= strlen(at))
        return false;
    *n = (struct note){numbers[0], numbers[1], numbers[2], numbers[3], (char *)at, (char *)at + numbers[3]};
    return n->from[0] == '/' && n->to[0] == '/';
}

/* Opens the directory of a path in the upper, `name` is its end. */
static long open_parent(const struct ur_union *u, const struct ur_table_mount *m, const char *path, size_t len,
                        struct ur_scratch *s, char *name, struct stat *st) {
    const struct ur_table_string *upper = &ur_layer(u, m, 0)->root;
    size_t dir = parent_of(path, len);
    char *end = s->real[0] + UR_PATH_MAX, *p = ur_put(s->real[0], end, ur_table_text(u->table, *upper), root_of(u, m));
    p = ur_put(p, end, path, dir);
    if (!p || dir == len || !ur_put(name, name + UR_NAME_MAX + 1, path + dir, len - dir) || ur_is_dot(name))
        return -EINVAL;
    long fd = ur_open_own(u, m, s->real[0]);
    long ret = fd < 0 ? fd : sys_fstat((int)fd, st);
    if (fd >= 0 && ret < 0)
        sys_close((int)fd);
    return ret < 0 ? ret : fd;
}

/* Is `ino` at the other name? */
static bool is_there(const struct ur_union *u, const struct ur_table_mount *m, const struct note *n,
                     struct ur_scratch *s) {
    char name[UR_NAME_MAX + 1];
    struct stat st;
    long fd = open_parent(u, m, n->to, strlen(n->to), s, name, &st);
    if (fd < 0)
        return false;
    long ret = sys_fstatat((int)fd, name, &st, AT_SYMLINK_NOFOLLOW);
    sys_close((int)fd);
    return ret == 0 && st.st_ino == n->ino;
}

static long cover(const struct ur_union *u, const struct ur_table_mount *m, int dir, const char *name, bool over,
                  struct ur_scratch *s) {
    char *end = s->real[0] + UR_PATH_MAX, *p = ur_put(s->real[0], end, "/proc/self/fd/", 14);
    p = ur_put_number(p, end, (uint64_t)dir, 10);
    char *at = p = ur_put(p, end, "/", 1);
    ur_put(p, end, ".", 1);
    long ret = ur_mark_whiteouts(m, s->real[0]);
    if (ret == 0)
        ret = ur_work_path(u, m, "/tmp/", NULL, s->real[1]);
    if (ret == 0)
        ret = ur_whiteout_make(m, s->real[1]);
    if (ret < 0)
        return ret;
    ur_put(at, end, name, strlen(name));
    ret = over ? sys_rename(s->real[1], s->real[0], 0) : ur_rename_new(u, m, s->real[1], s->real[0]);
    if (ret < 0)
        sys_unlink(s->real[1]);
    return ret;
}

long ur_halfway_settle(const struct ur_union *u, const struct ur_table_mount *m, const char *note, char *text) {
    struct note n;
    if (!parse(text, &n))
        return 0;
    UR_SCRATCH(s);
    char name[UR_NAME_MAX + 1];
    struct stat st;
    long fd = open_parent(u, m, n.from, n.length, s, name, &st);
    long ret = 0;
    if (fd >= 0 && st.st_ino == n.parent) {
        ret = sys_fstatat((int)fd, name, &st, AT_SYMLINK_NOFOLLOW);
        bool exchanged = ret == 0 && n.with && st.st_ino == n.with && is_there(u, m, &n, s);
        bool moved = ret == -ENOENT;
        ret = exchanged || moved ? cover(u, m, (int)fd, name, exchanged, s) : 0;
    }
    if (fd >= 0)
        sys_close((int)fd);
    if (ret < 0) /* the next recovery tries again */
        return ret;
    sys_unlink(note);
    return 1;
}

struct of_name {
    const struct ur_union *u;
    const struct ur_table_mount *m;
    const char *path;
};

static long one_note(void *arg, const char *name, unsigned char type) {
    const struct of_name *w = arg;
    (void)type;
    UR_SCRATCH(s);
    struct note n;
    size_t len = strlen(w->path);
    long ret = ur_work_path(w->u, w->m, "/journal/", name, s->real[0]);
    ret = ret < 0 ? ret : sys_readlink(s->real[0], s->text, UR_PATH_MAX - 1);
    if (ret <= 0)
        return 0;
    s->text[ret] = 0;
    if (parse(s->text, &n) && ((n.length == len && memcmp(n.from, w->path, len) == 0) || strcmp(n.to, w->path) == 0))
        ur_halfway_settle(w->u, w->m, s->real[0], s->text);
    return 0;
}

void ur_halfway_of(const struct ur_union *u, const char *host) {
    const struct ur_table_mount *all = ur_table_mounts(u->table);
    const uint32_t one_step = UR_CAP_CHARDEV | UR_CAP_RENAME_WHITEOUT | UR_CAP_RENAME_EXCHANGE;
    for (uint32_t i = 0; i < u->table->mounts; i++) {
        const struct ur_table_mount *m = &all[i];
        const struct ur_table_string *upper = ur_has_upper(m) ? &ur_layer(u, m, 0)->root : NULL;
        if (!upper || (m->caps & one_step) == one_step ||
            !ur_path_below(host, strlen(host), ur_table_text(u->table, *upper), upper->len))
            continue;
        struct of_name w = {u, m, host + root_of(u, m)};
        struct ur_scratch *s = ur_scratch_get();
        if (s && ur_work_path(u, m, "/journal", "", s->real[0]) == 0)
            ur_for_names(s->real[0], one_note, &w);
        if (s)
            ur_scratch_put(s);
    }
}

/* Who takes the names' locks from the dead settles it. 0, or -errno: the note stands. */
static long settle_cut(const struct ur_union *u, const struct ur_table_mount *m, const char *name) {
    UR_SCRATCH(s);
    struct note n;
    long ret = ur_work_path(u, m, "/journal/", name, s->real[0]);
    ret = ret < 0 ? ret : sys_readlink(s->real[0], s->text, UR_PATH_MAX - 1);
    if (ret <= 0)
        return ret == -ENOENT ? 0 : ret;
    s->text[ret] = 0;
    if (!parse(s->text, &n))
        return 0;
    const struct ur_table_string *upper = &ur_layer(u, m, 0)->root;
    char *host[2] = {s->real[0], s->real[1]};
    for (int i = 0; i < 2; i++) {
        char *end = host[i] + UR_PATH_MAX, *p = ur_put(host[i], end, ur_table_text(u->table, *upper), root_of(u, m));
        if (!ur_put(p, end, i ? n.to : n.from, i ? strlen(n.to) : n.length))
            return 0;
    }
    struct ur_names_held k;
    ur_names_lock(u, host[0], host[1], &k);
    ur_names_unlock(&k);
    struct stat st;
    ret = ur_work_path(u, m, "/journal/", name, s->real[0]);
    return ret == 0 && sys_lstat(s->real[0], &st) == 0 ? -EEXIST : ret;
}

void ur_halfway_cut(const struct ur_union *u) {
    for (int i = 0; i < UR_HALFWAY; i++) {
        struct ur_halfway_place *place = &u->shared->halfway[i];
        uint32_t owner = atomic_load(&place->owner);
        if (!owner || !ur_is_dead(owner))
            continue;
        const struct ur_table_mount *m = &ur_table_mounts(u->table)[place->mount % u->table->mounts];
        char note[UR_HALFWAY_NOTE];
        memcpy(note, place->note, sizeof note);
        note[sizeof note - 1] = 0;
        if (!note[0] || strchr(note, '/') || !ur_has_upper(m) || settle_cut(u, m, note) == 0)
            leave(u->shared, place, owner);
    }
}
