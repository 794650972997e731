/*
 * Directory streams. DIR is libc's own secret, and what a merged directory lists is not in any one descriptor,
 * so the stream is ours, and every function that takes a DIR is here.
 *
 * Invariants: the descriptor is the stream's and the caller may see it (dirfd); what was read ahead lies in
 * `buf` between `pos` and `end`; `here` is the cookie that leads to the entry that comes next. One lock a
 * stream, as libc has it. The entry that readdir hands out stays until the next call on the stream.
 */
#include "shim.h"

#include <dirent.h>
#include <stdlib.h>

enum { DIR_BUFFER = 32768 };

struct __dirstream {
    int fd;
    _Atomic int lock;
    struct ur_list list;
    size_t pos, end;
    uint64_t here;
    struct dirent entry;
    char buf[DIR_BUFFER] __attribute__((aligned(16)));
};

static DIR *stream_on(int fd) {
    DIR *d = malloc(sizeof *d);
    if (!d)
        return NULL;
    d->fd = fd;
    atomic_init(&d->lock, 0);
    ur_list_init(&d->list, fd);
    d->list.room = d->buf; /* a merged directory is not streamed */
    d->list.room_size = sizeof d->buf;
    d->list.offset_is_free = true;
    d->pos = d->end = 0;
    d->here = 0;
    return d;
}

DIR *ur_dir_open(int dirfd, const char *path) {
    int fd =
        (int)ur_edge(ur_open(UR_SELF, dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK | O_LARGEFILE, 0));
    if (fd < 0)
        return NULL;
    DIR *d = stream_on(fd);
    if (!d) {
        ur_close(fd);
        errno = ENOMEM;
    }
    return d;
}

UR_EXPORT DIR *opendir(const char *path) {
    return ur_dir_open(AT_FDCWD, path);
}

UR_EXPORT DIR *fdopendir(int fd) {
    struct stat st;
    long flags = UR_SYS(SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0);
    long ret = flags < 0 ? flags : sys_fstat(fd, &st);
    if (ret == 0 && !S_ISDIR(st.st_mode))
        ret = -ENOTDIR;
    if (ret == 0 && (flags & O_ACCMODE) == O_WRONLY)
        ret = -EINVAL;
    return ur_edge(ret) < 0 ? NULL : stream_on(fd);
}

int ur_dir_close(DIR *d) {
    if (!d) {
        errno = EINVAL;
        return -1;
    }
    int fd = d->fd;
    ur_list_close(&d->list);
    free(d);
    return (int)ur_edge(ur_close(fd));
}

UR_EXPORT int closedir(DIR *d) {
    return ur_dir_close(d);
}

int ur_dir_fd(DIR *d) {
    return d->fd;
}

UR_EXPORT int dirfd(DIR *d) {
    return d->fd;
}

/* Fills d->entry with the next one: 1, 0 at the end, or -errno. The caller holds the lock. */
static long next_entry(DIR *d) {
    struct ur_list_entry e;
    long ret = ur_list_read(UR_SELF, &d->list, d->buf, sizeof d->buf, &d->pos, &d->end, &e);
    if (ret == -ENOENT) /* removed while it was read: POSIX has no such error */
        ret = 0;
    if (ret <= 0)
        return ret;
    size_t len = e.len < sizeof d->entry.d_name ? e.len : sizeof d->entry.d_name - 1;
    d->entry.d_ino = e.ino;
    d->entry.d_off = (off_t)e.next;
    d->entry.d_type = e.type;
    d->entry.d_reclen = (unsigned short)((offsetof(struct dirent, d_name) + len + 1 + 7) & ~(size_t)7);
    memcpy(d->entry.d_name, e.name, len);
    d->entry.d_name[len] = 0;
    d->here = e.next;
    return 1;
}

struct dirent *ur_dir_read(DIR *d) {
    ur_lock(&d->lock);
    long ret = next_entry(d);
    ur_unlock(&d->lock);
    return ur_edge(ret) > 0 ? &d->entry : NULL;
}

UR_EXPORT struct dirent *readdir(DIR *d) {
    return ur_dir_read(d);
}
UR_TWIN(readdir64, readdir)

UR_EXPORT int readdir_r(DIR *d, struct dirent *entry, struct dirent **result) {
    ur_lock(&d->lock);
    long ret = next_entry(d);
    if (ret > 0)
        memcpy(entry, &d->entry, d->entry.d_reclen < sizeof *entry ? d->entry.d_reclen : sizeof *entry);
    ur_unlock(&d->lock);
    *result = ret > 0 ? entry : NULL;
    return ret < 0 ? (int)-ret : 0;
}
UR_TWIN(readdir64_r, readdir_r)

static void seek_to(DIR *d, uint64_t cookie) {
    ur_lock(&d->lock);
    ur_list_seek(UR_SELF, &d->list, cookie);
    d->pos = d->end = 0;
    d->here = cookie;
    ur_unlock(&d->lock);
}

UR_EXPORT void seekdir(DIR *d, long cookie) {
    seek_to(d, (uint64_t)cookie);
}

UR_EXPORT void rewinddir(DIR *d) {
    seek_to(d, 0);
}

UR_EXPORT long telldir(DIR *d) {
    ur_lock(&d->lock);
    long here = (long)d->here;
    ur_unlock(&d->lock);
    return here;
}

UR_EXPORT ssize_t getdirentries(int fd, char *buf, size_t n, off_t *base) {
    long at = sys_lseek(fd, 0, SEEK_CUR);
    long ret = ur_getdents64(UR_SELF, fd, buf, n > INT_MAX ? INT_MAX : n);
    if (ret >= 0 && base)
        *base = at;
    return ur_edge(ret);
}
UR_TWIN(getdirentries64, getdirentries)
