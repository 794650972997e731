/*
 * Answers: what a directory holds.
 *
 * A listing that was begun is kept until its end: a directory that is one layer's when a program begins to remove what
 * is in it is merged before it has read the rest, and then the places of the names would be others. What is kept goes
 * by the open file (kcmp(2)), which dup and fork share, and so is the place: the file's own offset.
 */
#include "engine/sys.h"
#include "launch/guard/guard.h"

#include <linux/kcmp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEPT = 32 };

static struct kept {
    bool used;
    struct ur_list list; /* its descriptor is ours: a duplicate, which keeps the file open */
    uint64_t age;
} kept[KEPT];
static uint64_t clock_of_kept;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Are these one open file? If the kernel does not tell (kcmp is refused, or `other` is no duplicate): one inode, and
   the same place, which is not the beginning. */
static bool is_same(const struct call *q, int kept_fd, int other) {
    pid_t self = getpid();
    long differ = q->guard->fetches_none ? -EPERM : UR_SYS(SYS_kcmp, self, self, KCMP_FILE, kept_fd, other, 0);
    if (differ >= 0)
        return differ == 0;
    struct stat a, b;
    long at = sys_lseek(other, 0, SEEK_CUR);
    return at > 0 && sys_lseek(kept_fd, 0, SEEK_CUR) == at && sys_fstat(kept_fd, &a) == 0 &&
           sys_fstat(other, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* Takes the listing that was begun on this open file out of those that are kept. */
static bool take(const struct call *q, int fd, struct ur_list *list) {
    bool found = false;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < KEPT && !found; i++)
        if (kept[i].used && is_same(q, kept[i].list.fd, fd)) {
            *list = kept[i].list;
            kept[i].used = false;
            found = true;
        }
    pthread_mutex_unlock(&lock);
    return found;
}

static void drop(struct ur_list *list) {
    ur_list_close(list);
    sys_close(list->fd);
}

/* Keeps it; the one that has been left longest goes for it. */
static void keep_listing(const struct ur_list *list) {
    pthread_mutex_lock(&lock);
    struct kept *place = kept;
    for (int i = 0; i < KEPT && place->used; i++)
        if (!kept[i].used || kept[i].age < place->age)
            place = &kept[i];
    struct kept old = *place;
    *place = (struct kept){.used = true, .list = *list, .age = ++clock_of_kept};
    pthread_mutex_unlock(&lock);
    if (old.used)
        drop(&old.list);
}

/* `place`: where the directory is now. */
static long list(struct call *q, off_t *place) {
    int fd = dirfd_of(q, 0);
    long ret = ur_fd_is_native(&q->caller, fd);
    if (ret)
        return ret == 1 ? PASS : ret;
    long own = peer_fd(q, fd);
    if (own < 0)
        return own == -EPERM ? PASS : own;
    struct stat st;
    char *to = thread_room();
    if (sys_fstat((int)own, &st) < 0 || !S_ISDIR(st.st_mode) || !to)
        return PASS;
    struct ur_list l;
    if (!take(q, (int)own, &l)) {
        long duplicate = UR_SYS(SYS_fcntl, own, F_DUPFD_CLOEXEC, 0, 0, 0, 0);
        if (duplicate < 0)
            return duplicate;
        ur_list_init(&l, (int)duplicate);
    }
    struct ur_caller here = here_for(q);
    size_t size = (unsigned)q->arg[2];
    ret = peer_become(q, false);
    if (ret == 0)
        ret = ur_list_getdents(&here, &l, to, size < THREAD_ROOM ? size : THREAD_ROOM);
    *place = (off_t)sys_lseek(l.fd, 0, SEEK_CUR);
    if (ret > 0 || ret == -EINVAL) /* room for not even one */
        keep_listing(&l);
    else
        drop(&l);
    return ret;
}

/* Where the open file is not ours, too, only the caller can move its place. */
static long move_to(struct call *q, off_t place, long n) {
    struct inject i;
    long ret = inject_begin(&i, q, 1);
    if (ret < 0)
        return ret;
    const uint64_t arg[6] = {q->arg[0], (uint64_t)place, SEEK_SET};
    ret = inject_do(&i, false, SYS_lseek, arg);
    inject_end(&i, ret < 0 ? ret : n);
    return GIVEN;
}

static long give_listing(struct call *q, long n, off_t place) {
    long ret = n > 0 ? peer_write(q, q->arg[1], thread_room(), (size_t)n) : 0;
    if (ret < 0)
        return ret;
    return n >= 0 && q->guard->fetches_none ? move_to(q, place, n) : n;
}

long answer_getdents64(struct call *q) {
    off_t place = 0;
    long n = list(q, &place);
    return give_listing(q, n, place);
}

long answer_getdents(struct call *q) {
    off_t place = 0;
    long n = list(q, &place);
    if (n > 0)
        ur_old_dirents(thread_room(), n);
    return give_listing(q, n, place);
}
