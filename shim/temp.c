/*
 * Temporary names: six letters of the template's end are drawn at random until nobody has the name. What makes
 * it safe is O_EXCL (or mkdir), not the draw.
 */
#include "shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum kind { A_FILE, A_DIRECTORY, A_NAME };
enum { XS = 6, ATTEMPTS = 62 * 62 * 62 };

static uint64_t draw(void) {
    uint64_t bits;
    struct timespec now;
    if (sys_getrandom(&bits, sizeof bits) == sizeof bits)
        return bits;
    UR_SYS(SYS_clock_gettime, CLOCK_MONOTONIC, &now, 0, 0, 0, 0);
    return ((uint64_t)now.tv_nsec << 20 ^ (uint64_t)now.tv_sec ^ (uint64_t)sys_gettid() << 40) * 0x9e3779b97f4a7c15U;
}

/* Tries names until one is free: a descriptor, 0, or -errno. */
static long make(char *template, int suffix, int flags, enum kind kind) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t len = strlen(template);
    if (suffix < 0 || len < (size_t)suffix + XS || memcmp(template + len - (size_t)suffix - XS, "XXXXXX", XS) != 0)
        return -EINVAL;
    char *x = template + len - (size_t)suffix - XS;
    for (int i = 0; i < ATTEMPTS; i++) {
        uint64_t bits = draw();
        for (int j = 0; j < XS; j++, bits /= 62)
            x[j] = letters[bits % 62];
        long ret;
        struct stat st;
        switch (kind) {
        case A_FILE:
            ret = ur_cancel_open(AT_FDCWD, template, (flags & ~O_ACCMODE) | O_RDWR | O_CREAT | O_EXCL, 0600);
            break;
        case A_DIRECTORY:
            ret = ur_mkdir(UR_SELF, AT_FDCWD, template, 0700);
            break;
        default:
            ret = ur_stat(UR_SELF, AT_FDCWD, template, &st, AT_SYMLINK_NOFOLLOW);
            ret = ret == -ENOENT ? 0 : ret == 0 ? -EEXIST : ret;
        }
        if (ret != -EEXIST)
            return ret;
    }
    return -EEXIST;
}

long ur_temp_file(char *template) {
    return make(template, 0, 0, A_FILE);
}

UR_EXPORT int mkstemp(char *template) {
    return (int)ur_edge(make(template, 0, 0, A_FILE));
}
UR_TWIN(mkstemp64, mkstemp)

UR_EXPORT int mkostemp(char *template, int flags) {
    return (int)ur_edge(make(template, 0, flags, A_FILE));
}
UR_TWIN(mkostemp64, mkostemp)

UR_EXPORT int mkstemps(char *template, int suffix) {
    return (int)ur_edge(make(template, suffix, 0, A_FILE));
}
UR_TWIN(mkstemps64, mkstemps)

UR_EXPORT int mkostemps(char *template, int suffix, int flags) {
    return (int)ur_edge(make(template, suffix, flags, A_FILE));
}
UR_TWIN(mkostemps64, mkostemps)

UR_EXPORT char *mkdtemp(char *template) {
    return ur_edge(make(template, 0, 0, A_DIRECTORY)) < 0 ? NULL : template;
}

/* An empty string tells of failure. */
UR_EXPORT char *mktemp(char *template) {
    if (ur_edge(make(template, 0, 0, A_NAME)) < 0)
        *template = 0;
    return template;
}

static bool usable(const char *dir) {
    struct stat st;
    return dir && *dir && ur_stat(UR_SELF, AT_FDCWD, dir, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

/* $TMPDIR (glibc's alone), the caller's directory, P_tmpdir, /tmp: the first that is there. */
UR_EXPORT char *tempnam(const char *dir, const char *prefix) {
    int saved = errno;
    const char *env = ur_in_glibc() ? secure_getenv("TMPDIR") : NULL;
    const char *in = usable(env)        ? env
                     : usable(dir)      ? dir
                     : usable(P_tmpdir) ? P_tmpdir
                     : usable("/tmp")   ? "/tmp"
                                        : NULL;
    if (!in) {
        errno = ENOENT;
        return NULL;
    }
    int n = (int)strlen(in), p = prefix && *prefix ? (int)strnlen(prefix, 5) : 4;
    while (n > 1 && in[n - 1] == '/')
        n--;
    char *name = malloc((size_t)n + (size_t)p + XS + 2);
    if (!name)
        return NULL;
    sprintf(name, "%.*s/%.*sXXXXXX", n, in, p, prefix && *prefix ? prefix : "file");
    long ret = make(name, 0, 0, A_NAME);
    if (ret < 0) {
        free(name);
        errno = (int)-ret;
        return NULL;
    }
    errno = saved;
    return name;
}

static char *a_name(char buf[L_tmpnam]) {
    strcpy(buf, P_tmpdir "/fileXXXXXX");
    return ur_edge(make(buf, 0, 0, A_NAME)) < 0 ? NULL : buf;
}

UR_EXPORT char *tmpnam(char buf[L_tmpnam]) {
    static char last[L_tmpnam];
    char fresh[L_tmpnam];
    char *name = a_name(fresh);
    return name ? strcpy(buf ? buf : last, name) : NULL;
}

UR_EXPORT char *tmpnam_r(char buf[L_tmpnam]) {
    return buf ? a_name(buf) : NULL;
}
