/* Directory streams, scandir, glob, ftw, nftw, fts; where one is; realpath and readlink. */
#include "calls.h"

#include <dlfcn.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <wordexp.h>

char *__getcwd_chk(char *buf, size_t size, size_t room);
char *__getwd_chk(char *buf, size_t room);
char *__realpath_chk(const char *path, char *buf, size_t room);
ssize_t __readlink_chk(const char *path, char *buf, size_t n, size_t room);
ssize_t __readlinkat_chk(int dirfd, const char *path, char *buf, size_t n, size_t room);

/* Says names in order: that of a directory is nobody's promise. */
static void say_names(char **names, size_t n) {
    char line[4096] = "";
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++) {
        strcat(strcat(line, " "), names[i]);
        free(names[i]);
    }
    say(" %s", line);
}

static bool agrees(const char *dir, const struct dirent *e) {
    char name[512];
    struct stat st;
    snprintf(name, sizeof name, "%s/%s", dir, e->d_name);
    if (strcmp(e->d_name, "..") == 0) /* may be a mount point's */
        return true;
    return lstat(name, &st) == 0 && st.st_ino == e->d_ino &&
           (e->d_type == DT_UNKNOWN || (mode_t)DTTOIF(e->d_type) == (st.st_mode & S_IFMT));
}

static void list(const char *path, DIR *d, struct dirent *(*next)(DIR *)) {
    char *names[100];
    size_t n = 0;
    struct dirent *e;
    errno = EXFULL;
    while ((e = next(d))) {
        if (!agrees(path, e))
            say("%s: d_ino or d_type is not what stat says", e->d_name);
        names[n++] = strdup(e->d_name);
    }
    say("at the end: %s", strerrorname_np(errno));
    say_names(names, n);
}

static struct dirent *next_r(DIR *d) {
    static struct dirent e;
    struct dirent *got;
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    return readdir_r(d, &e, &got) == 0 ? got : NULL;
}

static struct dirent *next64_r(DIR *d) {
    static struct dirent64 e;
    struct dirent64 *got;
    return readdir64_r(d, &e, &got) == 0 ? (struct dirent *)(void *)got : NULL;
}

#define LISTS(symbol, open, next)                                                                                      \
    TEST(symbol) {                                                                                                     \
        DIR *d = POINTER(open);                                                                                        \
        list(p->dir, d, next);                                                                                         \
        CALL(closedir(d));                                                                                             \
    }
LISTS(opendir, opendir(p->dir), readdir)
LISTS(closedir, opendir(p->dir), readdir)
LISTS(readdir, opendir(p->dir), readdir)
LISTS(readdir64, opendir(p->dir), (struct dirent * (*)(DIR *)) readdir64)
LISTS(readdir_r, opendir(p->dir), next_r)
LISTS(readdir64_r, opendir(p->dir), next64_r)
LISTS(fdopendir, fdopendir(open(p->dir, O_RDONLY)), readdir)

TEST(opendir_fails) {
    POINTER(opendir(p->file));
    POINTER(opendir("f/opendir"));
    POINTER(opendir("no"));
    POINTER(opendir(""));
    POINTER(fdopendir(-1));
    POINTER(fdopendir(open("f/opendir", O_RDONLY)));
    POINTER(fdopendir(open("d/opendir", O_PATH)));
}

TEST(dirfd) {
    DIR *d = opendir(p->dir);
    struct stat a, b;
    fstat(dirfd(d), &a);
    stat(p->dir, &b);
    say("the directory: %d, kept over exec: %d", a.st_ino == b.st_ino, !(fcntl(dirfd(d), F_GETFD) & FD_CLOEXEC));
    int fd = openat(dirfd(d), "low", O_RDONLY);
    say_text(fd);
    closedir(d);
}

static void seek(const struct paths *p) {
    DIR *d = opendir(p->dir);
    long at[16];
    char name[16][256];
    int n = 0;
    struct dirent *e;
    for (at[0] = telldir(d); (e = readdir(d)) && n < 15; at[++n] = telldir(d))
        strcpy(name[n], e->d_name);
    bool right = true;
    for (int i = n - 1; i >= 0; i--) {
        seekdir(d, at[i]);
        right = right && telldir(d) == at[i] && (e = readdir(d)) && strcmp(e->d_name, name[i]) == 0;
    }
    say("%d entries, every place is found again: %d", n, right);
    seekdir(d, at[n]);
    say("at the end: %d", readdir(d) == NULL);
    char fresh[128];
    snprintf(fresh, sizeof fresh, "%s/fresh", p->dir);
    close(creat(fresh, 0644));
    rewinddir(d);
    list(p->dir, d, readdir);
    closedir(d);
}
TEST(seekdir) {
    seek(p);
}
TEST(telldir) {
    seek(p);
}
TEST(rewinddir) {
    seek(p);
}

static void by_records(const struct paths *p, ssize_t (*read)(int, char *, size_t)) {
    char buf[1024] __attribute__((aligned(8)));
    char *names[100];
    size_t count_ = 0;
    int fd = open(p->dir, O_RDONLY | O_DIRECTORY);
    ssize_t n;
    while ((n = CALL(read(fd, buf, sizeof buf))) > 0)
        for (ssize_t at = 0; at < n; at += ((struct dirent64 *)(void *)(buf + at))->d_reclen)
            names[count_++] = strdup(((struct dirent64 *)(void *)(buf + at))->d_name);
    say_names(names, count_);
    close(fd);
    CALL(read(fd, buf, sizeof buf));
}
static ssize_t entries(int fd, char *buf, size_t n) {
    off_t base;
    return getdirentries(fd, buf, n, &base);
}
static ssize_t entries64(int fd, char *buf, size_t n) {
    off64_t base;
    return getdirentries64(fd, buf, n, &base);
}
static ssize_t dents(int fd, char *buf, size_t n) {
    return getdents64(fd, buf, n);
}
TEST(getdents64) {
    by_records(p, dents);
}
TEST(getdents) { /* in musl only */
    void *symbol = dlsym(RTLD_DEFAULT, "getdents");
    ssize_t (*function)(int, char *, size_t) = dents;
    if (symbol)
        memcpy(&function, &symbol, sizeof symbol);
    by_records(p, function);
}
TEST(getdirentries) {
    by_records(p, entries);
}
TEST(getdirentries64) {
    by_records(p, entries64);
}

static int no_high(const struct dirent *e) {
    return strcmp(e->d_name, "high") != 0;
}
static int no_high64(const struct dirent64 *e) {
    return strcmp(e->d_name, "high") != 0;
}
#define SCANS(symbol, type, filter, order, ...)                                                                        \
    TEST(symbol) {                                                                                                     \
        struct type **found;                                                                                           \
        int n = symbol(__VA_ARGS__ p->dir, &found, filter, order);                                                     \
        char line[1024] = "";                                                                                          \
        for (int i = 0; i < n; i++) {                                                                                  \
            strcat(strcat(line, " "), found[i]->d_name);                                                               \
            free(found[i]);                                                                                            \
        }                                                                                                              \
        free(found);                                                                                                   \
        say("%d%s", n, line);                                                                                          \
        CALL(symbol(__VA_ARGS__ p->absent, &found, NULL, NULL));                                                       \
    }
SCANS(scandir, dirent, no_high, alphasort, )
SCANS(scandir64, dirent64, no_high64, alphasort64, )
SCANS(scandirat, dirent, no_high, versionsort, AT_FDCWD, )
SCANS(scandirat64, dirent64, no_high64, versionsort64, AT_FDCWD, )

#define GLOBS(symbol, type, free_it)                                                                                   \
    TEST(symbol) {                                                                                                     \
        type g;                                                                                                        \
        char pattern[128];                                                                                             \
        const char *forms[] = {"%s/*",      "%s/[hl]*", "%s/{low,high,none}", "%s/none*", "%s/../" #symbol "/low",     \
                               "./%s*/b?th"};                                                                          \
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {                                                    \
            _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wformat-nonliteral\"")                   \
                snprintf(pattern, sizeof pattern, forms[i], p->dir);                                                   \
            _Pragma("GCC diagnostic pop") int ret = symbol(pattern, GLOB_BRACE | GLOB_MARK, NULL, &g);                 \
            say("%s = %d", pattern, ret);                                                                              \
            for (size_t j = 0; ret == 0 && j < g.gl_pathc; j++)                                                        \
                say("  %s", g.gl_pathv[j]);                                                                            \
            if (ret == 0)                                                                                              \
                free_it(&g);                                                                                           \
        }                                                                                                              \
    }
GLOBS(glob, glob_t, globfree)
GLOBS(glob64, glob64_t, globfree64)

#define FREES(symbol, type, find)                                                                                      \
    TEST(symbol) {                                                                                                     \
        type g;                                                                                                        \
        for (int i = 0; i < 2; i++) {                                                                                  \
            say("%d", find("d/" #symbol "/*", 0, NULL, &g));                                                           \
            say("  %zu, the first %s", g.gl_pathc, g.gl_pathv[0]);                                                     \
            symbol(&g);                                                                                                \
            say("  %d", g.gl_pathv == NULL);                                                                           \
        }                                                                                                              \
    }
FREES(globfree, glob_t, glob)
FREES(globfree64, glob64_t, glob64)

/* --- wordexp -------------------------------------------------------------------------------------------------------
 */

static void expand(const char *words, int flags) {
    wordexp_t we = {.we_offs = 2};
    int ret = wordexp(words, &we, flags);
    say("%s, %d = %d", words, flags, ret);
    if (ret)
        return;
    size_t before = flags & WRDE_DOOFFS ? 2 : 0;
    for (size_t i = 0; i < before + we.we_wordc; i++)
        say("  [%s]", we.we_wordv[i] ? we.we_wordv[i] : "(null)");
    say("  %zu words, ended: %d", we.we_wordc, we.we_wordv[before + we.we_wordc] == NULL);
    wordfree(&we);
}
TEST(wordexp) {
    static const char *const words[] = {
        "",
        "d/wordexp/*",
        "d/wordexp/[bh]* d/wordexp/l?w",
        "d/wordexp/none*",
        "'d/wordexp/*' \"d/wordexp/*\" d/wordexp/\\*",
        "~/x*",
        "$PATTERN \"$PATTERN\" '$PATTERN'",
        "${PATTERN} ${NONE:-d/wordexp/h*} \"${NONE-a  b}\" ${#PATTERN}",
        "$NONE",
        "\"$NONE\"",
        "$(ls d/wordexp) \"$(ls d/wordexp)\"",
        "`cat d/wordexp/low` d/wordexp/l*",
        "$(echo ')' \"(\") *",
        "$((1 + 2 * 3)) d/*exp",
        "$SPACED",
        "a\\ b* c",
        "a*|b",
        "a* &",
        "a* ;b",
        "a*(){}",
        "a*;b",
        "a*<b",
        "a*>b",
        "(a*)",
        "{a*}",
        "a*\nb",
        "'a*",
        "\"a*",
        "$(a*",
        "`a*",
        "a*\\",
        "${a*",
    };
    setenv("PATTERN", "d/wordexp/*", 1);
    setenv("SPACED", " d/wordexp/l*  and  more ", 1);
    setenv("HOME", "/home/of", 1);
    unsetenv("NONE");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        expand(words[i], 0);
    expand("d/wordexp/* $NONE", WRDE_UNDEF);
    expand("d/wordexp/* $(echo b)", WRDE_NOCMD);
    expand("d/wordexp/* \"`echo b`\"", WRDE_NOCMD);
    expand("d/wordexp/* '$(echo b)' $((1 + 1))", WRDE_NOCMD);
    expand("d/wordexp/b* c", WRDE_DOOFFS);
    wordexp_t we = {.we_offs = 1};
    for (int i = 0; i < 3; i++) {
        static const int flags[] = {WRDE_DOOFFS, WRDE_DOOFFS | WRDE_APPEND, WRDE_DOOFFS | WRDE_REUSE};
        say("%d", wordexp(i == 2 ? "d/wordexp/l*" : "d/wordexp/b* x", &we, flags[i]));
        for (size_t w = 0; w <= we.we_wordc; w++)
            say("  [%s]", we.we_wordv[w] ? we.we_wordv[w] : "(null)");
    }
    wordfree(&we);
    fflush(stdout);
    int saved = dup(STDERR_FILENO);
    dup2(STDOUT_FILENO, STDERR_FILENO);
    expand("d/wordexp/l* $(echo said >&2)", WRDE_SHOWERR);
    expand("d/wordexp/l* $(echo unsaid >&2)", 0);
    dup2(saved, STDERR_FILENO);
    close(saved);
}

/* --- walks ----------------------------------------------------------------------------------------------------- */

static char *lines[4000];
static size_t lines_used;

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...) {
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    lines[lines_used++] = strdup(line);
}

/* The order of siblings is the filesystem's. */
static void say_notes(void) {
    qsort(lines, lines_used, sizeof *lines, by_name);
    for (size_t i = 0; i < lines_used; i++) {
        say("  %s", lines[i]);
        free(lines[i]);
    }
    lines_used = 0;
}

static void grow_tree(const char *dir) {
    char name[256];
    snprintf(name, sizeof name, "%s/sub", dir);
    mkdir(name, 0755);
    snprintf(name, sizeof name, "%s/sub/deeper", dir);
    mkdir(name, 0755);
    snprintf(name, sizeof name, "%s/sub/file", dir);
    close(creat(name, 0644));
    snprintf(name, sizeof name, "%s/sub/deeper/up", dir);
    symlink("..", name);
    snprintf(name, sizeof name, "%s/sub/dangling", dir);
    symlink("nowhere", name);
}

static int seen(const char *path, const struct stat *st, int kind) {
    note("%s kind %d mode %o", path, kind, kind == FTW_NS ? 0 : st->st_mode);
    return 0;
}
static int seen64(const char *path, const struct stat64 *st, int kind) {
    return seen(path, (const struct stat *)(const void *)st, kind);
}
TEST(ftw) {
    grow_tree(p->dir);
    say("%d", ftw(p->dir, seen, 3));
    say_notes();
    CALL(ftw(p->absent, seen, 3));
}
TEST(ftw64) {
    grow_tree(p->dir);
    say("%d", ftw64(p->dir, seen64, 1));
    say_notes();
    CALL(ftw64(p->absent, seen64, 3));
}

static int walk_flags;
static int visited(const char *path, const struct stat *st, int kind, struct FTW *f) {
    struct stat here;
    bool at = stat(walk_flags & FTW_CHDIR ? path + f->base : path, &here) == 0 || kind == FTW_SLN || kind == FTW_SL;
    note("%s base %d level %d kind %d mode %o%s", path, f->base, f->level, kind, kind == FTW_NS ? 0 : st->st_mode,
         at ? "" : " not here");
    size_t n = strlen(path);
    if ((walk_flags & FTW_ACTIONRETVAL) && n > 4 && strcmp(path + n - 4, "/sub") == 0)
        return FTW_SKIP_SUBTREE;
    return 0;
}
static int visited64(const char *path, const struct stat64 *st, int kind, struct FTW *f) {
    return visited(path, (const struct stat *)(const void *)st, kind, f);
}
static const int all_flags[] = {0,
                                FTW_PHYS,
                                FTW_DEPTH,
                                FTW_CHDIR,
                                FTW_PHYS | FTW_DEPTH | FTW_CHDIR,
                                FTW_MOUNT | FTW_PHYS,
                                FTW_PHYS | FTW_ACTIONRETVAL};
#define WALKS(symbol, call, descriptors)                                                                               \
    TEST(symbol) {                                                                                                     \
        char cwd[4096];                                                                                                \
        grow_tree(p->dir);                                                                                             \
        for (size_t i = 0; i < sizeof all_flags / sizeof *all_flags; i++) {                                            \
            walk_flags = all_flags[i];                                                                                 \
            say("flags %d: %d", walk_flags, symbol(p->dir, call, descriptors, walk_flags));                            \
            say_notes();                                                                                               \
            say("back: %d", getcwd(cwd, sizeof cwd) && access(p->dir, F_OK) == 0);                                     \
        }                                                                                                              \
        CALL(symbol(p->absent, call, 3, FTW_PHYS));                                                                    \
        CALL(symbol(p->dir, call, 3, 0x4000));                                                                         \
    }
WALKS(nftw, visited, 10)
WALKS(nftw64, visited64, 1)

static int order(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}
static int order64(const FTSENT64 **a, const FTSENT64 **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

#define FTS_WALK(NAME, STREAM, ENTRY, OPEN, READ, CHILDREN, SET, CLOSE, ORDER)                                         \
    static void NAME(const struct paths *p, int options, int children) {                                               \
        char *roots[] = {(char *)(size_t)p->dir, (char *)(size_t)p->link, NULL};                                       \
        STREAM *f = OPEN(roots, options, ORDER);                                                                       \
        ENTRY *e;                                                                                                      \
        say("options %d: %s", options, f ? "ok" : strerrorname_np(errno));                                             \
        if (children == 3)                                                                                             \
            for (e = CHILDREN(f, 0); e; e = e->fts_link)                                                               \
                say("  root %s", e->fts_name);                                                                         \
        while ((e = READ(f))) {                                                                                        \
            struct stat here;                                                                                          \
            bool at = e->fts_info == FTS_DP || e->fts_info == FTS_D || lstat(e->fts_accpath, &here) == 0;              \
            say("  %.*s %s level %d info %d errno %d pathlen %d namelen %d instr %d%s", e->fts_pathlen, e->fts_path,   \
                e->fts_name, e->fts_level, e->fts_info, e->fts_errno, e->fts_pathlen, e->fts_namelen, e->fts_instr,    \
                at ? "" : " not here");                                                                                \
            if (e->fts_info == FTS_D && children && children != 3)                                                     \
                for (ENTRY *c = CHILDREN(f, children == 2 ? FTS_NAMEONLY : 0); c; c = c->fts_link)                     \
                    say("    child %s info %d level %d", c->fts_name, c->fts_info, c->fts_level);                      \
            if (children == 4 && e->fts_info == FTS_SL)                                                                \
                SET(f, e, FTS_FOLLOW);                                                                                 \
            if (children == 5 && e->fts_info == FTS_D && strcmp(e->fts_name, "sub") == 0)                              \
                SET(f, e, FTS_SKIP);                                                                                   \
            if (children == 6 && e->fts_info == FTS_F && e->fts_number++ == 0)                                         \
                SET(f, e, FTS_AGAIN);                                                                                  \
        }                                                                                                              \
        say("  end: %s", strerrorname_np(errno));                                                                      \
        CALL(CLOSE(f));                                                                                                \
        say("back: %d", access(p->dir, F_OK) == 0);                                                                    \
    }
FTS_WALK(fts_walk, FTS, FTSENT, fts_open, fts_read, fts_children, fts_set, fts_close, order)
FTS_WALK(fts64_walk, FTS64, FTSENT64, fts64_open, fts64_read, fts64_children, fts64_set, fts64_close, order64)

static const int fts_options_[] = {FTS_PHYSICAL,
                                   FTS_LOGICAL,
                                   FTS_PHYSICAL | FTS_NOCHDIR,
                                   FTS_PHYSICAL | FTS_NOSTAT,
                                   FTS_PHYSICAL | FTS_SEEDOT | FTS_XDEV,
                                   FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR};
#define FTS_TESTS(prefix)                                                                                              \
    TEST(prefix##_open) {                                                                                              \
        grow_tree(p->dir);                                                                                             \
        for (size_t i = 0; i < sizeof fts_options_ / sizeof *fts_options_; i++)                                        \
            prefix##_walk(p, fts_options_[i], 0);                                                                      \
        char *empty[] = {(char *)(size_t) "", NULL}, *none[] = {(char *)(size_t) "no", NULL};                          \
        POINTER(prefix##_open(empty, FTS_PHYSICAL, NULL));                                                             \
        POINTER(prefix##_open(none, 0x4000, NULL));                                                                    \
        POINTER(prefix##_read(prefix##_open(none, FTS_PHYSICAL, NULL)));                                               \
        char *hollow[] = {(char *)(size_t) "hollow//", NULL};                                                          \
        mkdir("hollow", 0755);                                                                                         \
        for (int nochdir = 0; nochdir < 2; nochdir++) {                                                                \
            __typeof(prefix##_open(NULL, 0, NULL)) f =                                                                 \
                prefix##_open(hollow, nochdir ? FTS_PHYSICAL | FTS_NOCHDIR : FTS_PHYSICAL, NULL);                      \
            for (__typeof(prefix##_read(f)) e; (e = prefix##_read(f));)                                                \
                say("  %s", e->fts_path);                                                                              \
            prefix##_close(f);                                                                                         \
        }                                                                                                              \
        rmdir("hollow");                                                                                               \
    }                                                                                                                  \
    TEST(prefix##_read) {                                                                                              \
        grow_tree(p->dir);                                                                                             \
        prefix##_walk(p, FTS_PHYSICAL, 0);                                                                             \
    }                                                                                                                  \
    TEST(prefix##_children) {                                                                                          \
        grow_tree(p->dir);                                                                                             \
        for (int how = 1; how <= 3; how++) {                                                                           \
            prefix##_walk(p, FTS_PHYSICAL, how);                                                                       \
            prefix##_walk(p, FTS_PHYSICAL | FTS_NOCHDIR, how);                                                         \
        }                                                                                                              \
    }                                                                                                                  \
    TEST(prefix##_set) {                                                                                               \
        grow_tree(p->dir);                                                                                             \
        for (int how = 4; how <= 6; how++) {                                                                           \
            prefix##_walk(p, FTS_PHYSICAL, how);                                                                       \
            prefix##_walk(p, FTS_PHYSICAL | FTS_NOCHDIR, how);                                                         \
        }                                                                                                              \
    }                                                                                                                  \
    TEST(prefix##_close) {                                                                                             \
        char *roots[] = {(char *)(size_t)p->dir, NULL};                                                                \
        for (int n = 0; n < 4; n++) {                                                                                  \
            __typeof(prefix##_open(NULL, 0, NULL)) f = prefix##_open(roots, FTS_PHYSICAL, NULL);                       \
            for (int i = 0; i < n; i++)                                                                                \
                prefix##_read(f);                                                                                      \
            CALL(prefix##_close(f));                                                                                   \
            say("back: %d", access(p->dir, F_OK) == 0);                                                                \
        }                                                                                                              \
    }
FTS_TESTS(fts)
FTS_TESTS(fts64)

/* --- where one is ------------------------------------------------------------------------------------------------ */

static void in_dir(const struct paths *p, void (*what)(void)) {
    int home = open(".", O_RDONLY);
    CALL(chdir(p->dir));
    what();
    CALL(fchdir(home));
    close(home);
}

TEST(fchdir) {
    int home = open(".", O_RDONLY | O_DIRECTORY), fd = open("d", O_RDONLY | O_DIRECTORY);
    CALL(fchdir(fd));
    CALL(fchdir(home));
    CALL(fchdir(-1));
    close(fd);
    close(home);
}

static char told[PATH_MAX];
static void say_told(const char *path) {
    say("  %s", path ? path : strerrorname_np(errno));
}
static void cwd_plain(void) {
    say_told(getcwd(told, sizeof told));
    say_told(getcwd(told, 3));
    say_told(getcwd(told, 0));
    char *own = getcwd(NULL, 0);
    say_told(own);
    free(own);
    own = getcwd(NULL, 2000);
    say_told(own);
    free(own);
}
static void cwd_chk(void) {
    say_told(__getcwd_chk(told, sizeof told, sizeof told));
}
static void cwd_wd(void) {
    char *(*getwd_)(char *) = (__typeof(getwd_))dlsym(RTLD_DEFAULT, "getwd"); /* the linker warns of the name */
    say_told(getwd_(told));
}
static void cwd_wd_chk(void) {
    say_told(__getwd_chk(told, sizeof told));
}
static void cwd_name(void) {
    setenv("PWD", "../../d/get_current_dir_name", 1);
    char *own = get_current_dir_name();
    say_told(own);
    free(own);
    setenv("PWD", "/", 1);
    own = get_current_dir_name();
    say_told(own);
    free(own);
}
TEST(getcwd) {
    in_dir(p, cwd_plain);
}
TEST(__getcwd_chk) {
    in_dir(p, cwd_chk);
}
TEST(getwd) {
    in_dir(p, cwd_wd);
}
TEST(__getwd_chk) {
    in_dir(p, cwd_wd_chk);
}
TEST(get_current_dir_name) {
    in_dir(p, cwd_name);
}
static void list_here(void) {
    DIR *d = opendir(".");
    list(".", d, readdir);
    closedir(d);
    say_file("low");
    say_file("../chdir/high");
}
TEST(chdir) {
    in_dir(p, list_here);
    CALL(chdir(p->file));
    CALL(chdir(p->absent));
}

static void real(const struct paths *p, char *(*resolve)(const char *)) {
    const char *paths[] = {p->file,          p->link, p->dir, p->absent, ".", "/", "l/../f/./realpath",
                           "/proc/self/cwd", "",      "no/"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char *got = resolve(paths[i]);
        say("%s -> %s", paths[i], got ? got : strerrorname_np(errno));
    }
}
static char *real_plain(const char *path) {
    return realpath(path, told);
}
static char *real_alloc(const char *path) {
    return realpath(path, NULL);
}
static char *real_chk(const char *path) {
    return __realpath_chk(path, told, sizeof told);
}
static char *real_name(const char *path) {
    return canonicalize_file_name(path);
}
TEST(realpath) {
    real(p, real_plain);
    real(p, real_alloc);
}
TEST(__realpath_chk) {
    real(p, real_chk);
}
TEST(canonicalize_file_name) {
    real(p, real_name);
}

#define READS(symbol, before, after)                                                                                   \
    TEST(symbol) {                                                                                                     \
        char text[PATH_MAX];                                                                                           \
        ssize_t n = symbol(before p->link, text, sizeof text after);                                                   \
        say("%.*s", (int)n, text);                                                                                     \
        n = symbol(before p->link, text, 4 after);                                                                     \
        say("%.*s", (int)n, text);                                                                                     \
        n = symbol(before "/proc/self/exe", text, sizeof text after);                                                  \
        say("%.*s", (int)n, text);                                                                                     \
        int fd = open(p->file, O_RDONLY);                                                                              \
        char name[64];                                                                                                 \
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);                                                           \
        n = symbol(before name, text, sizeof text after);                                                              \
        say("%.*s", (int)n, text);                                                                                     \
        close(fd);                                                                                                     \
        CALL(symbol(before p->file, text, sizeof text after));                                                         \
        CALL(symbol(before p->absent, text, sizeof text after));                                                       \
    }
#define NONE
#define COMMA ,
READS(readlink, NONE, NONE)
READS(readlinkat, AT_FDCWD COMMA, NONE)
READS(__readlink_chk, NONE, COMMA sizeof text)
READS(__readlinkat_chk, AT_FDCWD COMMA, COMMA sizeof text)

/* What a descriptor number means: a directory that has `both`, one that has not, and nothing. */
static void means(int fd) {
    struct stat st;
    for (int i = 0; i < 3; i++)
        CALL(fstatat(fd, "both", &st, 0));
}
static int two_of(const struct paths *p, int *other) {
    int fd = open(p->dir, O_RDONLY);
    *other = open("n", O_RDONLY);
    means(fd);
    means(*other);
    return fd;
}
TEST(close) {
    int other, fd = two_of(p, &other);
    CALL(close(fd));
    means(fd);
    CALL(close(fd));
    CALL(close(-1));
}
TEST(dup2) {
    int other, fd = two_of(p, &other);
    CALL(dup2(other, fd));
    means(fd);
    CALL(dup2(fd, fd));
    CALL(dup2(-1, fd));
    CALL(dup2(fd, -1));
}
TEST(dup3) {
    int other, fd = two_of(p, &other);
    CALL(dup3(other, fd, O_CLOEXEC));
    means(fd);
    say("%d", fcntl(fd, F_GETFD));
    CALL(dup3(fd, fd, 0));
    CALL(dup3(other, fd, O_APPEND));
    CALL(dup3(-1, fd, 0));
}
TEST(close_range) {
    int other, fd = two_of(p, &other);
    CALL(close_range((unsigned)fd, (unsigned)fd, 0));
    means(fd);
    means(other);
    CALL(close_range(9, 8, 0));
    CALL(close_range(900, ~0u, 1));
}
TEST(closefrom) {
    int other, fd = two_of(p, &other);
    closefrom(fd < other ? fd : other);
    means(fd);
    means(other);
}
TEST(daemon) {
    struct stat st;
    int status, way[2];
    means(AT_FDCWD);
    fflush(stdout);
    if (pipe(way) < 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        char there = "ny"[daemon(0, 0) == 0 && stat("f", &st) < 0 && stat("tmp", &st) == 0 && fstat(0, &st) == 0 &&
                          S_ISCHR(st.st_mode) && getsid(0) == getpid()];
        _exit(write(way[1], &there, 1) != 1);
    }
    char there = '?';
    CALL(waitpid(pid, &status, 0));
    CALL(read(way[0], &there, 1));
    say("%d %c", WEXITSTATUS(status), there);
    means(AT_FDCWD);
}

/* A child that shares descriptors and cwd, but no memory. */
static int cloned(void *dir) {
    return dup2(open("n", O_RDONLY), *(int *)dir) < 0 || chdir("n") < 0;
}
TEST(clone) {
    static char stack[65536] __attribute__((aligned(16)));
    int status, fd = open(p->dir, O_RDONLY);
    means(fd);
    means(AT_FDCWD);
    pid_t pid = clone(cloned, stack + sizeof stack, CLONE_FILES | CLONE_FS | SIGCHLD, &fd);
    CALL(waitpid(pid, &status, 0));
    say("%d", WEXITSTATUS(status));
    means(fd);
    say("%d", access("both", F_OK) == 0 || access("f", F_OK) == 0);
    CALL(chdir(".."));
    CALL(access("f", F_OK));
}
