/*
 * glob: glibc's own, told to look through our functions (GLOB_ALTDIRFUNC), unless the caller has functions of
 * its own. Those fields of glob_t are the caller's, so they are put back. musl's cannot be told, and there the search
 * is ours (glob_search.c), and so is what is to be freed.
 */
#include "glob_search.h"

static void *list_open(const char *path) {
    return ur_dir_open(AT_FDCWD, path);
}

static struct dirent *list_read(void *d) {
    return ur_dir_read(d);
}

static void list_close(void *d) {
    ur_dir_close(d);
}

static int stat_follow(const char *path, struct stat *st) {
    return (int)ur_edge(ur_stat(UR_SELF, AT_FDCWD, path, st, 0));
}

static int stat_link(const char *path, struct stat *st) {
    return (int)ur_edge(ur_stat(UR_SELF, AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW));
}

int ur_glob(const char *pattern, int flags, int (*failed)(const char *, int), glob_t *g) {
    if (!ur_in_glibc())
        return ur_glob_search(pattern, flags, failed, g);
    static _Atomic(void *) next;
    int (*libc_glob)(const char *, int, int (*)(const char *, int), glob_t *) =
        (__typeof(libc_glob))ur_next(&next, "glob");
    if (!libc_glob)
        return GLOB_NOSYS;
    if (!ur_in_session() || (flags & GLOB_ALTDIRFUNC))
        return libc_glob(pattern, flags, failed, g);
    glob_t theirs = *g;
    g->gl_opendir = list_open;
    g->gl_readdir = list_read;
    g->gl_closedir = list_close;
    g->gl_stat = stat_follow;
    g->gl_lstat = stat_link;
    int ret = libc_glob(pattern, flags | GLOB_ALTDIRFUNC, failed, g);
    g->gl_flags &= ~GLOB_ALTDIRFUNC;
    g->gl_opendir = theirs.gl_opendir;
    g->gl_readdir = theirs.gl_readdir;
    g->gl_closedir = theirs.gl_closedir;
    g->gl_stat = theirs.gl_stat;
    g->gl_lstat = theirs.gl_lstat;
    return ret;
}
UR_EXPORT int glob(const char *pattern, int flags, int (*failed)(const char *, int), glob_t *g) {
    return ur_glob(pattern, flags, failed, g);
}
UR_TWIN(glob64, glob)

UR_EXPORT void globfree(glob_t *g) {
    static _Atomic(void *) next;
    void (*libc_globfree)(glob_t *) = ur_in_glibc() ? (__typeof(libc_globfree))ur_next(&next, "globfree") : NULL;
    if (libc_globfree)
        libc_globfree(g);
    else
        ur_glob_free(g);
}
UR_TWIN(globfree64, globfree)
