/*
 * Where the caller is, and what a path leads to: told in the union's names, in libc's several ways of handing
 * back a string.
 */
#include "shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

char *__getcwd_chk(char *buf, size_t size, size_t room);
char *__getwd_chk(char *buf, size_t room);
char *__realpath_chk(const char *path, char *buf, size_t room);

/* getcwd(NULL, 0) allocates what is needed, getcwd(NULL, n) n bytes. */
static char *getcwd_any(char *buf, size_t size) {
    if (buf) {
        if (size == 0) {
            errno = EINVAL;
            return NULL;
        }
        return ur_edge(ur_getcwd(UR_SELF, buf, size)) < 0 ? NULL : buf;
    }
    size_t room = size ? size : UR_PATH_MAX;
    char *at = malloc(room);
    if (!at)
        return NULL;
    long n = ur_getcwd(UR_SELF, at, room);
    if (n < 0) {
        free(at);
        errno = (int)-n;
        return NULL;
    }
    char *fit = size ? NULL : realloc(at, (size_t)n);
    return fit ? fit : at;
}

UR_EXPORT char *getcwd(char *buf, size_t size) {
    return getcwd_any(buf, size);
}

UR_EXPORT char *__getcwd_chk(char *buf, size_t size, size_t room) {
    if (size > room)
        ur_chk_fail();
    return getcwd_any(buf, size);
}

UR_EXPORT char *getwd(char *buf) {
    if (!buf) {
        errno = EINVAL;
        return NULL;
    }
    UR_PATH_BUFFER(text);
    long n = text ? ur_getcwd(UR_SELF, text, UR_PATH_MAX) : -ENOMEM;
    if (n < 0) { /* the old interface: the buffer tells why */
        errno = (int)-n;
        const char *why = strerror((int)-n);
        memcpy(buf, why, strlen(why) + 1);
        return NULL;
    }
    memcpy(buf, text, (size_t)n);
    return buf;
}

UR_EXPORT char *__getwd_chk(char *buf, size_t room) {
    char *ret = getcwd_any(buf, room);
    if (!ret && errno == ERANGE)
        ur_chk_fail();
    return ret;
}

/* $PWD if it is right, with its symlinks. */
UR_EXPORT char *get_current_dir_name(void) {
    const char *pwd = getenv("PWD");
    struct stat here, there;
    int saved = errno;
    if (pwd && ur_stat(UR_SELF, AT_FDCWD, ".", &here, 0) == 0 && ur_stat(UR_SELF, AT_FDCWD, pwd, &there, 0) == 0 &&
        here.st_dev == there.st_dev && here.st_ino == there.st_ino)
        return strdup(pwd);
    errno = saved;
    return getcwd_any(NULL, 0);
}

/* On failure a caller's buffer gets the text as far as it could be had: nothing, here. */
static char *realpath_any(const char *path, char *buf) {
    if (!path) {
        errno = EINVAL;
        return NULL;
    }
    static _Atomic(void *) next;
    char *(*libc_realpath)(const char *, char *);
    if (ur_filtered() && (libc_realpath = (__typeof(libc_realpath))ur_next(&next, "realpath")))
        return libc_realpath(ur_name(path), buf); /* of its own filter it can expect libc's calls */
    UR_PATH_BUFFER(text);
    long n = !*path ? -ENOENT : text ? ur_canonical(UR_SELF, AT_FDCWD, ur_name(path), 0, text) : -ENOMEM;
    if (n < 0) {
        errno = (int)-n;
        return NULL;
    }
    char *out = buf ? buf : malloc((size_t)n + 1);
    if (out) {
        memcpy(out, text, (size_t)n);
        out[n] = 0;
    }
    return out;
}

UR_EXPORT char *realpath(const char *path, char *buf) {
    return realpath_any(path, buf);
}

UR_EXPORT char *__realpath_chk(const char *path, char *buf, size_t room) {
    if (room < UR_PATH_MAX)
        ur_chk_fail();
    return realpath_any(path, buf);
}

UR_EXPORT char *canonicalize_file_name(const char *path) {
    return realpath_any(path, NULL);
}
