/*
 * Streams on files of the union. libc's fopen opens inside itself, so the file is opened here and libc makes a
 * stream of the descriptor.
 *
 * Two cases need more than fdopen: a mode with ",ccs=" (fdopen ignores it), and freopen, which must keep the
 * FILE and its descriptor's number. There libc's own function opens /dev/null with that mode, which sets up all
 * of the stream's state, and then the file's descriptor is put in the place of /dev/null's.
 */
#include "shim.h"

#include <mntent.h>
#include <paths.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <unistd.h>

/* open's flags for a mode, read as libc reads it (at most seven letters); -1: not a mode. */
static int mode_flags(const char *mode) {
    int access = 0, flags = 0;
    switch (*mode) {
    case 'r':
        access = O_RDONLY;
        break;
    case 'w':
        access = O_WRONLY;
        flags = O_CREAT | O_TRUNC;
        break;
    case 'a':
        access = O_WRONLY;
        flags = O_CREAT | O_APPEND;
        break;
    default:
        return -1;
    }
    for (int i = 1; i < 7 && mode[i] && mode[i] != ','; i++)
        switch (mode[i]) {
        case '+':
            access = O_RDWR;
            break;
        case 'x':
            flags |= O_EXCL;
            break;
        case 'e':
            flags |= O_CLOEXEC;
            break;
        default:
            break;
        }
    return access | flags;
}

/* The same mode without what must not happen to /dev/null, and append without its seek. */
static void mode_for_null(const char *mode, char *out, size_t room) {
    size_t n = 0;
    for (; *mode && n + 1 < room; mode++)
        if (*mode != 'x')
            out[n++] = *mode;
    out[n] = 0;
}

/* Is the stream's opening a cancellation point? */
static bool is_point(const char *mode) {
    for (int i = 1; i < 7 && mode[i] && mode[i] != ','; i++)
        if (mode[i] == 'c')
            return false;
    return true;
}

/* "a", not "a+": libc goes to the end at once. */
static bool at_end(int flags) {
    return (flags & O_APPEND) && (flags & O_ACCMODE) == O_WRONLY;
}

/* Puts `fd` in the place of the stream's descriptor, and `fd` itself away. */
static void take_over(FILE *f, int fd, int flags) {
    int saved = errno;
    int at = fileno(f);
    long ret;
    do
        ret = UR_SYS(SYS_dup3, fd, at, flags & O_CLOEXEC, 0, 0, 0);
    while (ret == -EINTR || ret == -EBUSY);
    sys_close(fd);
    if (ret >= 0 && at_end(flags))
        fseeko(f, 0, SEEK_END); /* the stream believes that it stands there: of /dev/null */
    errno = saved;
}

FILE *ur_file_open(const char *path, const char *mode) {
    static _Atomic(void *) next;
    FILE *(*libc_fopen)(const char *, const char *);
    if (ur_filtered() && (libc_fopen = (__typeof(libc_fopen))ur_next(&next, "fopen")))
        return libc_fopen(ur_name(path), mode); /* fdopen makes a call more than that, which its filter may not know */
    int flags = mode_flags(mode);
    if (flags < 0) {
        errno = EINVAL;
        return NULL;
    }
    int fd = is_point(mode) ? ur_edge_open(AT_FDCWD, path, flags, 0666)
                            : (int)ur_edge(ur_open(UR_SELF, AT_FDCWD, ur_name(path), flags, 0666));
    if (fd < 0)
        return NULL;
    FILE *f;
    if (strstr(mode, ",ccs=") && (libc_fopen = (__typeof(libc_fopen))ur_next(&next, "fopen"))) {
        char plain[128];
        mode_for_null(mode, plain, sizeof plain);
        f = libc_fopen(_PATH_DEVNULL, plain);
        if (f) {
            take_over(f, fd, flags);
            return f;
        }
    } else {
        if (at_end(flags))
            sys_lseek(fd, 0, SEEK_END);
        f = fdopen(fd, mode);
    }
    if (!f) {
        int saved = errno;
        sys_close(fd);
        errno = saved;
    }
    return f;
}

UR_EXPORT FILE *fopen(const char *path, const char *mode) {
    return ur_file_open(path, mode);
}
UR_TWIN(fopen64, fopen)
FILE *_IO_fopen(const char *path, const char *mode);
UR_TWIN(_IO_fopen, fopen)

static void unlock(void *f) {
    funlockfile(f);
}

/* path NULL: the same file in another mode. The kernel's name of the descriptor leads to it, and the engine
   sees there what it is: a lower file that is to be written is copied up. */
UR_EXPORT FILE *freopen(const char *path, const char *mode, FILE *f) {
    static _Atomic(void *) next;
    FILE *(*libc_freopen)(const char *, const char *, FILE *) = (__typeof(libc_freopen))ur_next(&next, "freopen");
    if (!libc_freopen) {
        errno = ENOSYS;
        return NULL;
    }
    if (ur_filtered())
        return libc_freopen(ur_name(path), mode, f);
    int flags = mode_flags(mode), old = fileno(f), fd = -1;
    char self[40];
    if (!path) {
        snprintf(self, sizeof self, "/proc/self/fd/%d", old);
        path = self;
    }
    flockfile(f);
    struct ur_cleanup cleanup;
    ur_cleanup_push(&cleanup, unlock, f);
    fflush(f); /* before the file is opened anew, perhaps truncated: libc's order is flush, close, open */
    if (flags < 0)
        errno = EINVAL;
    else
        fd = ur_edge_open(AT_FDCWD, path, flags, 0666);
    ur_cleanup_pop(&cleanup);
    char plain[128];
    mode_for_null(mode, plain, sizeof plain);
    int saved = errno;
    /* If there is no file, libc is to fail in its own way, which closes the stream. */
    FILE *g = libc_freopen(fd < 0 ? "" : _PATH_DEVNULL, flags < 0 ? "r" : plain, f);
    if (fd < 0)
        errno = saved;
    else if (g)
        take_over(g, fd, flags);
    else
        sys_close(fd);
    if (g || ur_in_glibc()) /* in musl a stream that could not be opened again is gone */
        funlockfile(f);
    return g;
}
UR_TWIN(freopen64, freopen)

UR_EXPORT FILE *tmpfile(void) {
    int saved = errno;
    long fd = ur_edge_open(AT_FDCWD, P_tmpdir, O_TMPFILE | O_RDWR | O_EXCL, 0600);
    if (fd < 0) {
        char name[] = P_tmpdir "/tmpfXXXXXX";
        fd = ur_edge(ur_temp_file(name));
        if (fd < 0)
            return NULL;
        ur_unlink(UR_SELF, AT_FDCWD, name, 0);
    }
    errno = saved;
    FILE *f = fdopen((int)fd, "w+");
    if (!f)
        sys_close((int)fd);
    return f;
}
UR_TWIN(tmpfile64, tmpfile)

/* getmntent and endmntent take the stream as it is. */
UR_EXPORT FILE *setmntent(const char *path, const char *mode) {
    char plain[64];
    if (strlen(mode) + 3 > sizeof plain) {
        errno = EINVAL;
        return NULL;
    }
    strcat(strcpy(plain, mode), "ce");
    FILE *f = ur_file_open(path, plain);
    if (f)
        __fsetlocking(f, FSETLOCKING_BYCALLER);
    return f;
}
FILE *__setmntent(const char *path, const char *mode);
UR_TWIN(__setmntent, setmntent)
