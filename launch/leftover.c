/*
 * Sessions that nobody will remove any more: launcher, guard and keeper were killed, all of them.
 *
 * Whoever uses a session has its `shared` open for writing: the launcher from its making on, the keeper for its life,
 * the guard and every program with the shim by their maps. So the kernel tells whether somebody does, in whatever pid
 * namespace, by granting a read lease or not (fcntl(2), F_SETLEASE). That is known to hold on tmpfs, ext4, xfs and
 * btrfs; on overlayfs, say, a map does not count, and there nothing is removed. Who has just called exec has no map
 * yet, and a static program never has: their environment names the session, for their children.
 *
 * `shared` is the first thing that a session has (session.c). One that is not of its size yet, or not there, is being
 * made, or was left so: its age tells. An ephemeral upper bears such a name, too, and has no `shared`: it goes with its
 * session, if each says of the other that it is that one's. What `try` has made does not: it may be wanted.
 */
#include "config/table.h"
#include "config/text.h"
#include "engine/engine.h"
#include "engine/shared.h"
#include "engine/union.h"
#include "launch/launch.h"
#include "launch/remove.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* Who comes while the lease is held waits for its end, and the kernel says so by a signal; this one does nothing. */
static bool is_open(int shared) {
    if (fcntl(shared, F_SETSIG, SIGURG) < 0 || fcntl(shared, F_SETLEASE, F_RDLCK) < 0)
        return true;
    fcntl(shared, F_SETLEASE, F_UNLCK);
    return false;
}

/* A whole environment, however long, by pieces that overlap. */
static bool names_session(const char *pid, const char *words, size_t len) {
    UR_AUTO_TEXT path = ur_format("/proc/%s/environ", pid);
    char text[16384];
    size_t kept = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool found = false;
    for (ssize_t n; fd >= 0 && !found && (n = read(fd, text + kept, sizeof text - kept)) > 0;) {
        size_t have = kept + (size_t)n;
        found = memmem(text, have, words, len);
        kept = have < len ? have : len - 1;
        memmove(text, text + have - kept, kept);
    }
    if (fd >= 0)
        close(fd);
    return found;
}

static bool is_named(const char *session) {
    UR_AUTO_TEXT words = ur_format("UNIONRUN_SESSION=%s", session);
    DIR *proc = opendir("/proc");
    bool named = !proc; /* nobody can say */
    for (const struct dirent *e; proc && !named && (e = readdir(proc));)
        named = e->d_name[0] >= '1' && e->d_name[0] <= '9' && names_session(e->d_name, words, strlen(words) + 1);
    if (proc)
        closedir(proc);
    return named;
}

/* Notes of times that are to be given back to directories. */
static bool has_times(int shared) {
    uint32_t state[UR_TIMES];
    if (pread(shared, state, sizeof state, offsetof(struct ur_shared, times_state)) != sizeof state)
        return true;
    for (size_t i = 0; i < UR_TIMES; i++)
        if (state[i] == UR_TIMES_SET)
            return true;
    return false;
}

/* A work directory says that this session was its last, so that the next run on it will look here. (recover.c) */
static bool is_last(const char *session, const struct ur_table *table) {
    const struct ur_union whole = {.table = table};
    for (uint32_t i = 0; i < table->mounts; i++) {
        const struct ur_table_mount *mount = &ur_table_mounts(table)[i];
        char path[UR_PATH_MAX], text[UR_PATH_MAX];
        if (!ur_has_upper(mount) || ur_work_path(&whole, mount, "/session", "", path) < 0)
            continue;
        ssize_t n = readlink(path, text, sizeof text - 1);
        text[n > 0 ? n : 0] = '\0';
        if (strcmp(text, session) == 0)
            return true;
    }
    return false;
}

static bool is_owed(const char *session, int dir, int shared) {
    struct stat st;
    bool owed = false;
    if (!has_times(shared))
        return false;
    int fd = openat(dir, "table", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false; /* nobody can read it without */
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
        size_t size = (size_t)st.st_size;
        void *table = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        owed = table == MAP_FAILED || (ur_table_valid(table, size) && is_last(session, table));
        if (table != MAP_FAILED)
            munmap(table, size);
    }
    close(fd);
    return owed;
}

static bool is_ours(int dir, struct stat *st) {
    mode_t mode = geteuid() == 0 ? 0711 : 0700;
    return fstat(dir, st) == 0 && st->st_uid == geteuid() &&
           ((st->st_mode & 07777) == mode || (st->st_mode & 07777) == 0700);
}

/* Could others move what is ours in this directory? */
static bool is_open_to_others(const char *place) {
    struct stat st;
    return stat(place, &st) < 0 || (st.st_mode & 022 && !(st.st_mode & S_ISVTX));
}

/* The directory of the session's ephemeral uppers; NULL: it has none that is its own. The caller's. */
static char *ephemeral_of(const char *session, int dir) {
    char path[UR_PATH_MAX], back[UR_PATH_MAX];
    struct stat st;
    ssize_t n = readlinkat(dir, EPHEMERAL_LINK, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    const char *name = strrchr(path, '/');
    if (!name)
        return NULL;
    UR_AUTO_TEXT place = ur_copy(path, (size_t)(name - path));
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    n = fd < 0 ? 0 : readlinkat(fd, EPHEMERAL_SESSION, back, sizeof back - 1);
    back[n > 0 ? n : 0] = '\0';
    bool own = fd >= 0 && is_ours(fd, &st) && strcmp(back, session) == 0 && !is_open_to_others(place);
    if (fd >= 0)
        close(fd);
    return own ? ur_format("%s", path) : NULL;
}

static bool is_old(const struct stat *dir) {
    enum { MAKING = 60 };
    return time(NULL) - dir->st_ctim.tv_sec > MAKING;
}

/* `name` in the directory `all`, which is `place`. */
static void look_at(const char *place, int all, const char *name) {
    struct stat st, file;
    UR_AUTO_TEXT session = ur_path_join(place, name);
    int dir = openat(all, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return;
    if (!is_ours(dir, &st)) {
        close(dir);
        return;
    }
    int shared = openat(dir, "shared", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (shared < 0 && is_old(&st))
        unlinkat(all, name, AT_REMOVEDIR); /* if it is empty */
    bool whole = shared >= 0 && fstat(shared, &file) == 0 && S_ISREG(file.st_mode) && file.st_uid == st.st_uid &&
                 (file.st_size >= (off_t)UR_SHARED_SIZE || is_old(&st));
    if (whole && !is_open(shared)) {
        UR_AUTO_TEXT ephemeral = ephemeral_of(session, dir);
        bool left = (ephemeral || !is_owed(session, dir, shared)) && !is_named(session) && !is_open(shared);
        if (left && (!ephemeral || remove_tree(ephemeral) == 0))
            remove_session(session);
    }
    if (shared >= 0)
        close(shared);
    close(dir);
}

/* Is a file on this filesystem open for writing as long as it is mapped so? */
static bool counts_maps(const char *place) {
    struct statfs fs;
    if (statfs(place, &fs) < 0)
        return false;
    switch ((unsigned long)fs.f_type) {
    case TMPFS_MAGIC:
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
        return true;
    }
    return false;
}

void leftover_remove(const char *session) {
    static const char prefix[] = "unionrun-";
    enum { RANDOM = 6 };
    const char *own = strrchr(session, '/') + 1;
    UR_AUTO_TEXT place = ur_copy(session, (size_t)(own - session) - 1);
    if (!counts_maps(place) || is_open_to_others(place))
        return;
    DIR *all = opendir(place);
    for (const struct dirent *e; all && (e = readdir(all));)
        if (strncmp(e->d_name, prefix, sizeof prefix - 1) == 0 && strlen(e->d_name) == sizeof prefix - 1 + RANDOM &&
            strcmp(e->d_name, own) != 0)
            look_at(place, dirfd(all), e->d_name);
    if (all)
        closedir(all);
}
