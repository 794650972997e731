/*
 * What killed processes left. Done under the work directory's lock, before any process of the run starts and after the
 * last has ended: nobody else is at work in it. At the end because people look at an upper then, or mount it, and at
 * the start because the whole run may have been killed: then work/session tells where its shared memory is, if it is.
 */
#include "union.h"

#include <dirent.h>
#include <linux/stat.h>

/* All that a directory holds, by its host path. */
struct all {
    const struct ur_union *u;
    const struct ur_table_mount *m;
    const char *dir;
    long (*each)(const struct all *all, const char *path, unsigned char type);
    long done;
};

static long one_of_all(void *arg, const char *name, unsigned char type) {
    struct all *all = arg;
    UR_SCRATCH(s);
    char *end = s->text + UR_PATH_MAX, *p = ur_put(s->text, end, all->dir, strlen(all->dir));
    p = ur_put(p, end, "/", 1);
    if (ur_put(p, end, name, strlen(name)))
        all->done += all->each(all, s->text, type);
    return 0;
}

/* Returns how often `each` said 1, or -errno. */
static long for_all(const struct ur_union *u, const struct ur_table_mount *m, const char *dir,
                    long (*each)(const struct all *all, const char *path, unsigned char type)) {
    struct all all = {u, m, dir, each, 0};
    long ret = ur_for_names(dir, one_of_all, &all);
    return ret < 0 ? ret : all.done;
}

static long remove_all(const struct all *all, const char *path, unsigned char type) {
    if (type == DT_DIR || sys_unlink(path) == -EISDIR) {
        sys_chmod(path, 0700);
        for_all(all->u, all->m, path, remove_all);
        sys_rmdir(path);
    }
    return 1;
}

/* Opens a directory of the upper or of tmp/, and no other, without following a symlink: the programs of a run can write
   to the journal, too, and what they write there is not to be done to others' directories. */
long ur_open_own(const struct ur_union *u, const struct ur_table_mount *m, const char *path) {
    const struct ur_table_string *upper = &ur_layer(u, m, 0)->root, *work = &m->work;
    size_t len = strlen(path);
    const struct ur_table_string *root = ur_path_below(path, len, ur_table_text(u->table, *upper), upper->len) ? upper
                                         : ur_path_below(path, len, ur_table_text(u->table, *work), work->len) ? work
                                                                                                               : NULL;
    if (!root)
        return -EXDEV;
    long fd = sys_open(ur_table_text(u->table, *root), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    for (const char *at = path + root->len; fd >= 0 && *at;) {
        at += strspn(at, "/");
        size_t n = strcspn(at, "/");
        char name[UR_NAME_MAX + 1];
        if (n == 0)
            break;
        if (!ur_put(name, name + sizeof name, at, n) || ur_is_dot(name)) {
            sys_close((int)fd);
            return -EXDEV;
        }
        long next = sys_openat((int)fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
        sys_close((int)fd);
        fd = next;
        at += n;
    }
    return fd;
}

static void name_fd(long fd, char link[40]) {
    char *end = link + 40, *p = ur_put(link, end, "/proc/self/fd/", 14);
    ur_put_number(p, end, (uint64_t)fd, 10);
}

/* The note "mode MODE INO PATH": the directory's mode is given back (work.c), if it is that directory, and has the mode
   that it was lent. */
static long give_back_mode(const struct all *all, const char *path, const char *note) {
    const char *at = note;
    mode_t mode = (mode_t)ur_get_number(&at, 8);
    at += *at == ' ';
    uint64_t ino = ur_get_number(&at, 10);
    long fd = *at == ' ' ? ur_open_own(all->u, all->m, at + 1) : -EINVAL;
    struct stat st;
    if (fd >= 0 && sys_fstat((int)fd, &st) == 0 && st.st_ino == ino &&
        (st.st_mode & 07777) == ((mode | 0700) & 07777)) {
        char link[40];
        name_fd(fd, link);
        sys_chmod(link, mode & 07777);
    }
    if (fd >= 0)
        sys_close((int)fd);
    sys_unlink(path);
    return 1;
}

static long settle(const struct all *all, const char *path, unsigned char type) {
    (void)type;
    UR_SCRATCH(s);
    long n = sys_readlink(path, s->text, UR_PATH_MAX - 1);
    if (n <= 0) /* the lock */
        return 0;
    s->text[n] = 0;
    if (strncmp(s->text, "mode ", 5) == 0)
        return give_back_mode(all, path, s->text + 5);
    if (ur_halfway_settle(all->u, all->m, path, s->text) > 0)
        return 1;
    return ur_links_settle(all->u, all->m, path) > 0;
}

static const char *last_slash(const char *path) {
    const char *at = path + strlen(path);
    while (at > path && *at != '/')
        at--;
    return *at == '/' ? at : path + strlen(path);
}

/* A copy of a hard link that no name leads to any more. */
static long drop_link(const struct all *all, const char *path, unsigned char type) {
    struct stat st;
    const char *name = last_slash(path) + 1;
    if (type == DT_LNK || strchr(name, '.') || sys_lstat(path, &st) < 0 || st.st_nlink > 1)
        return 0;
    uint64_t ino = ur_get_number(&name, 16);
    if (ur_links_count(all->u, all->m, ino) != 0)
        return 0;
    ur_links_prune(all->u, all->m, ino, 0);
    return 1;
}

/* Times that were not given back (times.c): the directory has the moment at which the copy got its name, which the
   kernel wrote on both, unless somebody changed it for good since. */
static long give_back_times(const struct all *all, const struct ur_times_slot *slot) {
    UR_SCRATCH(s);
    memcpy(s->text, slot->path, UR_TIMES_PATH);
    s->text[UR_TIMES_PATH - 1] = 0;
    const struct ur_table_string *upper = &ur_layer(all->u, all->m, 0)->root;
    char *name = (char *)last_slash(s->text);
    if (!*name || !ur_path_below(s->text, strlen(s->text), ur_table_text(all->u->table, *upper), upper->len))
        return 0;
    *name++ = 0;
    long fd = ur_open_own(all->u, all->m, s->text);
    if (fd < 0)
        return 0;
    struct stat dir, copy;
    long done = 0;
    if (sys_fstat((int)fd, &dir) == 0 && sys_fstatat((int)fd, name, &copy, AT_SYMLINK_NOFOLLOW) == 0) {
        int64_t apart = (dir.st_mtim.tv_sec - copy.st_ctim.tv_sec) * INT64_C(1000000000) + dir.st_mtim.tv_nsec -
                        copy.st_ctim.tv_nsec;
        struct timespec ts[2] = {{slot->time[0], slot->time[1]}, {slot->time[2], slot->time[3]}};
        enum { TICK = 10000000 };
        char link[40];
        name_fd(fd, link);
        if (apart <= TICK && apart >= -TICK)
            done = sys_utimensat(AT_FDCWD, link, ts, 0) == 0;
    }
    sys_close((int)fd);
    return done;
}

static long all_times(const struct all *all, struct ur_shared *shared) {
    long done = 0;
    for (unsigned i = 0; shared && i < UR_TIMES; i++)
        if (atomic_load(&shared->times_state[i]) == UR_TIMES_SET)
            done += give_back_times(all, &shared->times[i]);
    return done;
}

/* The shared memory of the run that had this work directory last, if it did not end as it should. `place` is the
   symlink that names its session. */
static long times_of_last(const struct all *all, const char *place) {
    UR_SCRATCH(s);
    long n = sys_readlink(place, s->text, UR_PATH_MAX - 1);
    if (n < 0)
        return 0;
    s->text[n] = 0;
    const struct ur_table *t = all->u->table;
    if (strcmp(s->text, ur_table_text(t, t->session)) == 0)
        return all_times(all, all->u->shared);
    struct stat st;
    struct ur_union last = {0};
    long done = 0;
    if (sys_lstat(s->text, &st) < 0 || !S_ISDIR(st.st_mode) ||
        st.st_uid != (uid_t)UR_SYS(SYS_geteuid, 0, 0, 0, 0, 0, 0) || ur_union_open(&last, s->text) < 0)
        return 0;
    ur_root_permits(all->u->root); /* that run's word was the last */
    done = all_times(all, last.shared);
    if (last.shared)
        sys_munmap(last.shared, last.shared_bytes);
    sys_munmap((void *)last.table, last.table->size);
    return done;
}

static long count(const struct all *all, const char *path, unsigned char type) {
    (void)all, (void)path, (void)type;
    return 1;
}

/* links/ and origin/ speak of the upper that they were made for: "INO BIRTH" of its root, in the symlink `upper`. Of
   another upper that stands there now they are not true. */
static long check_upper(const struct ur_union *u, const struct ur_table_mount *m, struct ur_scratch *s) {
    struct statx x;
    const struct ur_table_layer *l = ur_layer(u, m, 0);
    long ret = sys_statx(AT_FDCWD, ur_table_text(u->table, l->root), 0, STATX_INO | STATX_BTIME, &x);
    if (ret < 0)
        return ret;
    char now[64], *end = now + sizeof now, *p = ur_put_number(now, end, x.stx_ino, 10);
    p = ur_put(p, end, " ", 1);
    p = ur_put_number(p, end, (uint64_t)x.stx_btime.tv_sec, 10);
    p = ur_put(p, end, ".", 1);
    ur_put_number(p, end, x.stx_btime.tv_nsec, 10);
    ret = ur_work_path(u, m, "/upper", "", s->real[1]);
    if (ret < 0)
        return ret;
    long n = sys_readlink(s->real[1], s->text, UR_PATH_MAX - 1);
    if (n > 0) {
        s->text[n] = 0;
        if (strcmp(s->text, now) == 0)
            return 0;
        static const char *const parts[] = {"/links", "/origin"};
        for (int i = 0; i < 2; i++)
            if (ur_work_path(u, m, parts[i], "", s->text) == 0)
                for_all(u, m, s->text, remove_all);
        sys_unlink(s->real[1]);
    }
    return sys_symlink(now, s->real[1]);
}

long ur_work_recover(const struct ur_union *u, uint32_t mount, bool end) {
    const struct ur_table_mount *m = &ur_table_mounts(u->table)[mount];
    UR_SCRATCH(s);
    if (!ur_has_upper(m))
        return 0;
    long mended = check_upper(u, m, s);
    if (mended == 0)
        mended = ur_work_path(u, m, "/session", "", s->real[1]);
    if (mended < 0)
        return mended;
    struct all all = {.u = u, .m = m};
    uint32_t links = u->shared ? atomic_exchange(&u->shared->links, 1) : 1; /* to look at all; of other mounts */
    mended = times_of_last(&all, s->real[1]);
    static const struct {
        const char *part;
        long (*each)(const struct all *all, const char *path, unsigned char type);
    } parts[] = {{"/journal", settle}, {"/tmp", remove_all}, {"/links", drop_link}};
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        long ret = ur_work_path(u, m, parts[i].part, "", s->real[0]);
        if (ret == 0)
            ret = for_all(u, m, s->real[0], parts[i].each);
        if (ret < 0)
            return ret;
        mended += ret;
    }
    sys_unlink(s->real[1]);
    if (!end)
        sys_symlink(ur_table_text(u->table, u->table->session), s->real[1]);
    if (u->shared && !end) {
        long ret = for_all(u, m, ur_table_text(u->table, ur_layer(u, m, 0)->root), count);
        if (ret != 0)
            atomic_store(&u->shared->reused, 1);
        ret = ur_work_path(u, m, "/links", "", s->real[0]);
        if (ret == 0 && for_all(u, m, s->real[0], count) == 0)
            atomic_store(&u->shared->links, links);
        else /* copies, which have origins, and perhaps no name in the upper yet */
            atomic_store(&u->shared->reused, 1);
        ret = ur_work_path(u, m, "/origin", "", s->real[0]);
        if (ret == 0 && for_all(u, m, s->real[0], count) > 0)
            atomic_store(&u->shared->origins, 1);
    }
    return mended;
}
