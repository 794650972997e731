/*
 * musl's functions where musl is unlike glibc: other structures, other constants, other ways; and one of each family
 * beside them. Used as the programs of bin/calls.h are, with the fixture that test/calls.bash makes.
 */
#include "test/bin/calls.h"

#include <dlfcn.h>
#include <fnmatch.h>
#include <ftw.h>
#include <glob.h>
#include <link.h>
#include <linux/fs.h>
#include <mntent.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <utime.h>
#include <wordexp.h>

extern char **environ;

/* The last name: a socket is bound by its whole path where only the guard sees it, a library is loaded by it where
   there is none. */
static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* --- files ------------------------------------------------------------------------------------------------------ */

TEST(open) {
    say_file(p->file);
    say_file(p->link);
    int fd = (int)CALL(open(p->file, O_RDWR | O_APPEND));
    CALL(write(fd, "more\n", 5));
    close(fd);
    say_file(p->file);
    CALL(open(p->file, O_CREAT | O_EXCL, 0600));
    CALL(open(p->absent, O_RDONLY));
    close((int)CALL(open(p->fresh, O_CREAT | O_WRONLY, 0640)));
    say_path(p->fresh);
}
TEST(stat) {
    struct stat st;
    CALL(stat(p->link, &st));
    say_stat(&st);
    CALL(lstat(p->link, &st));
    say_stat(&st);
    CALL(stat(p->absent, &st));
    CALL(fstatat(AT_FDCWD, p->dir, &st, 0));
    say_stat(&st);
}
TEST(statvfs) {
    struct statvfs of;
    CALL(statvfs(p->file, &of));
    say("  names of %lu", of.f_namemax);
}
TEST(access) {
    CALL(access(p->file, R_OK));
    CALL(access(p->absent, F_OK));
    CALL(faccessat(AT_FDCWD, p->file, W_OK, AT_EACCESS));
}
TEST(rename) {
    CALL(rename(p->file, p->fresh));
    say_file(p->fresh);
    say_path(p->file);
    CALL(rename(p->dir, "n/moved"));
    say_file("n/moved/low");
    CALL(unlink(p->fresh));
    CALL(remove("n/moved"));
    CALL(mkdir(p->fresh, 0700));
    CALL(rmdir(p->fresh));
}
TEST(link) {
    struct stat st;
    CALL(link(p->file, p->fresh));
    stat(p->fresh, &st);
    say("  %ld names", (long)st.st_nlink);
    CALL(symlink("somewhere", "n/link-symlink"));
    char text[64] = "";
    CALL(readlink("n/link-symlink", text, sizeof text - 1));
    say("  %s", text);
}
TEST(chmod) {
    CALL(chmod(p->file, 0751));
    CALL(fchmodat(AT_FDCWD, p->link, 0700, AT_SYMLINK_NOFOLLOW));
    say_path(p->file);
}
TEST(utimensat) {
    struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
    struct stat st;
    CALL(utimensat(AT_FDCWD, p->file, times, 0));
    int fd = open(p->file, O_RDONLY);
    times[1].tv_sec = 3000;
    CALL(utimensat(fd, NULL, times, 0)); /* futimens, here */
    close(fd);
    stat(p->file, &st);
    say("  %ld", (long)st.st_mtime);
    CALL(utime(p->file, &(struct utimbuf){.modtime = 4000}));
    stat(p->file, &st);
    say("  %ld", (long)st.st_mtime);
}
/* By the descriptor's name in /proc. */
TEST(o_path) {
    int fd = open(p->file, O_PATH);
    CALL(fchmod(fd, 0640));
    CALL(fchown(fd, geteuid(), getegid()));
    close(fd);
    say_path(p->file);
    CALL(fchmod(fd, 0640));
}
TEST(pathconf) {
    CALL(pathconf(p->absent, _PC_NAME_MAX));
    CALL(pathconf("", _PC_LINK_MAX));
}
TEST(setxattr) {
    char value[16] = "";
    CALL(setxattr(p->file, "user.name", "value", 5, 0));
    CALL(getxattr(p->link, "user.name", value, sizeof value));
    say("  %s", value);
}
TEST(truncate) {
    CALL(truncate(p->file, 3));
    say_file(p->file);
}
/* The number of the request is an int here, and this one is negative. */
TEST(ioctl) {
    int fd = open(p->file, O_RDONLY), flags = 0;
    CALL(ioctl(fd, (int)FS_IOC_GETFLAGS, &flags) == -1 && errno != ENOTTY);
    CALL(ioctl(fd, (int)FIONREAD, &flags));
    say("  %d", flags);
    close(fd);
}
TEST(syscall) {
    struct stat st;
    CALL(syscall(SYS_newfstatat, AT_FDCWD, p->file, &st, 0));
    say_stat(&st);
    CALL(syscall(SYS_unlinkat, AT_FDCWD, p->file, 0));
    say_path(p->file);
}

/* --- directories ---------------------------------------------------------------------------------------------------
 */

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

/* In order: that of a directory is nobody's promise. */
static void say_notes(void) {
    qsort(lines, lines_used, sizeof *lines, by_name);
    for (size_t i = 0; i < lines_used; i++) {
        say("  %s", lines[i]);
        free(lines[i]);
    }
    lines_used = 0;
}

TEST(readdir) {
    DIR *d = POINTER(opendir(p->dir));
    struct dirent *e;
    while ((e = readdir(d)))
        note("%s type %d", e->d_name, e->d_type);
    say_notes();
    rewinddir(d);
    close(creat("d/readdir/fresh", 0644));
    long at = telldir(d);
    e = readdir(d);
    char first[256];
    strcpy(first, e ? e->d_name : "");
    seekdir(d, at);
    e = readdir(d);
    say("  the same again: %d", e && strcmp(e->d_name, first) == 0);
    struct stat a, b;
    say("  dirfd: %d", fstat(dirfd(d), &a) == 0 && stat(p->dir, &b) == 0 && a.st_ino == b.st_ino);
    CALL(closedir(d));
    POINTER(opendir(p->file));
    d = POINTER(fdopendir(open(p->dir, O_RDONLY | O_DIRECTORY)));
    struct dirent one, *got;
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    while (readdir_r(d, &one, &got) == 0 && got)
        note("%s", one.d_name);
    say_notes();
    closedir(d);
}
TEST(getdents) {
    char buf[4096];
    int fd = open(p->dir, O_RDONLY | O_DIRECTORY), n;
    while ((n = getdents(fd, (struct dirent *)(void *)buf, sizeof buf)) > 0)
        for (int at = 0; at < n;) {
            struct dirent *e = (struct dirent *)(void *)(buf + at);
            note("%s", e->d_name);
            at += e->d_reclen;
        }
    say_notes();
    close(fd);
    CALL(getdents(-1, (struct dirent *)(void *)buf, sizeof buf));
}
static int no_high(const struct dirent *e) {
    return strcmp(e->d_name, "high") != 0;
}
TEST(scandir) {
    struct dirent **found;
    int n = scandir(p->dir, &found, no_high, alphasort);
    for (int i = 0; i < n; i++) {
        say("  %s", found[i]->d_name);
        free(found[i]);
    }
    free(found);
    CALL(scandir(p->absent, &found, NULL, NULL));
}

static int glob_error;
static int failed(const char *path, int error) {
    say("  failed at %s: %s", path, strerror(error));
    return glob_error;
}
static void globs(const char *pattern, int flags, glob_t *g) {
    int ret = glob(pattern, flags, failed, g);
    say("%s, flags %x: %d", pattern, flags, ret);
    if (ret != 0 && ret != GLOB_ABORTED)
        return;
    say("  %zu", g->gl_pathc);
    for (size_t i = 0; i < g->gl_pathc + g->gl_offs; i++)
        say("  %s", g->gl_pathv[i] ? g->gl_pathv[i] : "(none)");
}
TEST(glob) {
    glob_t g;
    close(creat("d/glob/.hidden", 0600));
    close(creat("d/glob/a[b", 0600));
    close(creat("d/glob/a*b", 0600));
    close(creat("d/glob/x\\y", 0600));
    symlink("nowhere", "d/glob/dangling");
    symlink("../glob", "d/glob/circle");
    static const char *const patterns[] = {"d/glob/*",
                                           "d/glob/[hl]*",
                                           "d/glob/none*",
                                           "d/glob/../glob/low",
                                           "./d*/gl?b/b?th",
                                           "*/glob",
                                           "d//glob/*ow",
                                           "/none*/x",
                                           "d/glob/.*",
                                           "d/glob/a[b",
                                           "d/glob/a\\*b",
                                           "d/glob/a*b",
                                           "d/glob/x\\\\y",
                                           "d/glob/dangling",
                                           "d/glob/dangling/",
                                           "d/glob/low/",
                                           "d/glob/*/",
                                           "d/glob/circle/*",
                                           "d/gl\\ob/*gh",
                                           "d/glob\\/low",
                                           "d/glob/[!hl]*",
                                           "d/glob/low*/x",
                                           "f/glob/*",
                                           "d/glob/lo\\",
                                           "",
                                           "d/glob",
                                           "~/*",
                                           "~/"};
    static const int flags[] = {0, GLOB_MARK | GLOB_PERIOD, GLOB_NOCHECK | GLOB_NOESCAPE};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        for (size_t j = 0; j < sizeof flags / sizeof *flags; j++) {
            globs(patterns[i], flags[j], &g);
            globfree(&g);
        }
    char home[PATH_MAX];
    setenv("HOME", getcwd(home, sizeof home), 1);
    say("at home: %d", glob("~/d/glob/l?w", GLOB_TILDE, NULL, &g));
    say("  %s", g.gl_pathv[0] + strlen(home));
    globfree(&g);
    say("of nobody: %d", glob("~none-such/*", GLOB_TILDE_CHECK, NULL, &g));
    g.gl_offs = 2;
    globs("d/glob/lo*", GLOB_DOOFFS, &g);
    globs("d/glob/hi*", GLOB_DOOFFS | GLOB_APPEND, &g);
    globs("f/glo*", GLOB_DOOFFS | GLOB_APPEND, &g);
    globfree(&g);
    mkdir("d/glob/shut", 0);
    if (getuid() != 0) /* root reads it */
        for (glob_error = 0; glob_error < 2; glob_error++) {
            globs("d/glob/shut/*w", 0, &g);
            globfree(&g);
        }
    rmdir("d/glob/shut");
}

TEST(wordexp) {
    wordexp_t w;
    int ret = wordexp("d/wordexp/* '*' $NONE$((1 + 1))", &w, 0);
    say("%d", ret);
    for (size_t i = 0; ret == 0 && i < w.we_wordc; i++)
        say("  %s", w.we_wordv[i]);
    if (ret == 0)
        wordfree(&w);
}

static void grow_tree(void) {
    mkdir("d/nftw/sub", 0755);
    mkdir("d/nftw/sub/deeper", 0755);
    close(creat("d/nftw/sub/file", 0644));
    symlink("..", "d/nftw/sub/deeper/up");
    symlink("nowhere", "d/nftw/sub/dangling");
    symlink("sub/deeper", "d/nftw/again");
    mkdir("d/nftw/shut", 0);
}
static int seen(const char *path, const struct stat *st, int kind) {
    note("%s kind %d mode %o", path, kind, kind == FTW_NS ? 0 : st->st_mode);
    return 0;
}
static int visited(const char *path, const struct stat *st, int kind, struct FTW *f) {
    note("%s base %d level %d kind %d mode %o", path, f->base, f->level, kind, kind == FTW_NS ? 0 : st->st_mode);
    return strcmp(path, "d/nftw/high") == 0 && (st->st_mode & 1) ? 7 : 0;
}
TEST(nftw) {
    static const int flags[] = {0, FTW_PHYS, FTW_DEPTH, FTW_CHDIR, FTW_PHYS | FTW_DEPTH, FTW_MOUNT | FTW_PHYS, 0x4000};
    static const char *const tops[] = {"d/nftw", "d/nftw/", "d/nftw/sub//", "f/nftw", "l/nftw", "d/nftw/sub/dangling"};
    grow_tree();
    for (size_t i = 0; i < sizeof tops / sizeof *tops; i++)
        for (size_t j = 0; j < sizeof flags / sizeof *flags; j++) {
            say("%s, flags %x: %d", tops[i], flags[j], nftw(tops[i], visited, 20, flags[j]));
            say_notes();
        }
    CALL(nftw(p->absent, visited, 3, 0));
    CALL(nftw("d/nftw/none", visited, 3, 0));
    say("%d", ftw("d/nftw", seen, 20));
    say_notes();
    chmod("d/nftw/high", 0755);
    say("stopped: %d", nftw("d/nftw", visited, 3, 0));
    lines_used = 0;
}
TEST(realpath) {
    char home[PATH_MAX], text[PATH_MAX];
    getcwd(home, sizeof home);
    static const char *const paths[] = {"l/realpath", "d/../f/realpath",  "none", "f/realpath/x",
                                        "",           "d//realpath/./low"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char *got = realpath(paths[i], text);
        say("%s: %s", paths[i], got ? got : strerror(errno));
    }
    CALL(chdir("d/realpath"));
    say("  %s", getcwd(text, sizeof text));
    POINTER(getcwd(text, 3));
    char *own = getcwd(NULL, 0);
    say("  %s", own);
    free(own);
    CALL(chdir(home));
}

/* --- streams and names
 * ------------------------------------------------------------------------------------------------ */

static void say_stream(FILE *f) {
    char text[64] = "";
    if (!f) {
        say("  %s", strerror(errno));
        return;
    }
    size_t n = fread(text, 1, sizeof text - 1, f);
    say("  %zu bytes at %ld", n, ftell(f));
    fclose(f);
}
TEST(fopen) {
    static const char *const modes[] = {"r", "a+", "r+", "wx", "re", "rb", "x", "w"};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        say("%s", modes[i]);
        say_stream(fopen(p->file, modes[i]));
    }
    say_stream(fopen(p->absent, "r"));
    FILE *f = fopen(p->fresh, "w+");
    fprintf(f, "written");
    rewind(f);
    say_stream(f);
}
TEST(freopen) {
    FILE *f = fopen(p->file, "r");
    int fd = fileno(f);
    FILE *g = freopen("f/fopen", "a+", f);
    say("the same stream %d, descriptor %d", g == f, fileno(g) == fd);
    fprintf(g, "appended");
    g = freopen(p->link, "r", g);
    say_stream(g);
    say_file("f/fopen");
    f = fopen(p->link, "r");
    POINTER(freopen(p->absent, "r", f));
}
TEST(tmpfile) {
    FILE *f = POINTER(tmpfile());
    fprintf(f, "text");
    rewind(f);
    say_stream(f);
}
TEST(setmntent) {
    int fd = open(p->fresh, O_CREAT | O_WRONLY, 0644);
    dprintf(fd, "device /place type options 1 2\n");
    close(fd);
    FILE *f = POINTER(setmntent(p->fresh, "r"));
    struct mntent *m = getmntent(f);
    say("  %s %d", m ? m->mnt_dir : "none", m ? m->mnt_passno : 0);
    endmntent(f);
}
TEST(mkstemp) {
    char file[] = "n/mkstempXXXXXX", dir[] = "n/mkdtempXXXXXX", wrong[] = "n/wrong", suffix[] = "n/XXXXXX.c";
    struct stat st;
    close((int)CALL(mkstemp(file)));
    say_path(file);
    POINTER(mkdtemp(dir));
    say_path(dir);
    CALL(mkstemp(wrong));
    close((int)CALL(mkostemps(suffix, 2, O_CLOEXEC)));
    say("  %d", stat(suffix, &st) == 0 && strcmp(suffix + 8, ".c") == 0);
    setenv("TMPDIR", "n", 1);
    char *name = tempnam("d", "pre");
    say("  %.2s", name);
    free(name);
}

/* --- programs
 * ----------------------------------------------------------------------------------------------------------- */

#define ARGV(...)                                                                                                      \
    (char *[]) {                                                                                                       \
        __VA_ARGS__, NULL                                                                                              \
    }
static char *argv_[] = {(char *)(size_t) "name", (char *)(size_t) "one", (char *)(size_t) "two words", NULL};
static char *envp_[] = {(char *)(size_t) "SHIM_TEST=given", (char *)(size_t) "PATH=/usr/bin:/bin", NULL};

#define EXEC(call)                                                                                                     \
    do {                                                                                                               \
        say("%s", #call);                                                                                              \
        fflush(stdout);                                                                                                \
        pid_t pid_ = fork();                                                                                           \
        if (pid_ == 0) {                                                                                               \
            setenv("SHIM_TEST", "inherited", 1);                                                                       \
            int ret_ = (int)(call);                                                                                    \
            say("  = %d %s", ret_, strerror(errno));                                                                   \
            _exit(9);                                                                                                  \
        }                                                                                                              \
        say_child(pid_);                                                                                               \
    } while (0)

/* bin/program, bin/sh and the interpreters are glibc's, bin/musl is this program. */
TEST(execve) {
    EXEC(execve("bin/hello", argv_, envp_));
    EXEC(execve("bin/inner", argv_, envp_));
    EXEC(execve("bin/program", argv_, envp_));
    EXEC(execve("bin/musl", ARGV(argv_[0], (char *)(size_t) "access"), envp_));
    EXEC(execve("bin/musl", ARGV(argv_[0], (char *)(size_t) "access"), NULL));
    EXEC(execve("bin/by-musl", argv_, envp_));
    EXEC(execve("bin/text", argv_, envp_));
    EXEC(execve("bin/denied", argv_, envp_));
    EXEC(execve("bin/none", argv_, envp_));
    EXEC(execv("bin/hello", argv_));
    EXEC(execl("bin/hello", "name", "one", (char *)NULL));
    EXEC(execle("bin/hello", "name", "one", (char *)NULL, envp_));
    EXEC(fexecve(open("bin/program", O_RDONLY | O_CLOEXEC), argv_, envp_));
}
TEST(execvp) {
    setenv("PATH", "/none:bin:/bin:/usr/bin", 1);
    EXEC(execvp("hello", argv_));
    EXEC(execvp("text", argv_)); /* musl knows no shell for it */
    EXEC(execvp("denied", argv_));
    EXEC(execvp("none-such", argv_));
    EXEC(execlp("hello", "name", (char *)NULL));
    EXEC(execvpe("hello", argv_, envp_));
}
TEST(vfork) {
    for (volatile int i = 0; i < 3; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            execve(i == 1 ? "bin/none" : "bin/hello", argv_, envp_);
            _exit(7);
        }
        say_child(pid);
    }
}
static void spawned(int ret, const pid_t *pid) {
    if (ret)
        say("spawn: %s", strerror(ret));
    else
        say_child(*pid);
}
TEST(posix_spawn) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t set;
    pid_t pid = 0;
    spawned(posix_spawn(&pid, "bin/hello", NULL, NULL, argv_, envp_), &pid);
    spawned(posix_spawn(&pid, "bin/none", NULL, NULL, argv_, envp_), &pid);
    CALL(posix_spawn_file_actions_init(&actions));
    CALL(posix_spawn_file_actions_addopen(&actions, 1, p->fresh, O_WRONLY | O_CREAT | O_TRUNC, 0640));
    CALL(posix_spawn_file_actions_adddup2(&actions, 1, 2));
    CALL(posix_spawn_file_actions_addchdir_np(&actions, "bin"));
    CALL(posix_spawn_file_actions_addclose(&actions, 77));
    CALL(posix_spawnattr_init(&attr));
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CALL(posix_spawnattr_setsigmask(&attr, &set));
    CALL(posix_spawnattr_setsigdefault(&attr, &set));
    CALL(posix_spawnattr_setpgroup(&attr, 0));
    CALL(posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
    char *script[] = {argv_[0], (char *)(size_t) "-c",
                      (char *)(size_t) "ls text; grep SigBlk /proc/self/status; cd /; ps -o pgid= $$ >/dev/null", NULL};
    spawned(posix_spawn(&pid, "/bin/sh", &actions, &attr, script, environ), &pid);
    say_file(p->fresh);
    CALL(posix_spawn_file_actions_destroy(&actions));
    CALL(posix_spawnattr_destroy(&attr));
    setenv("PATH", "bin:/usr/bin:/bin", 1);
    spawned(posix_spawnp(&pid, "hello", NULL, NULL, argv_, environ), &pid);
    spawned(posix_spawnp(&pid, "text", NULL, NULL, argv_, environ), &pid);
}
TEST(system) {
    CALL(system("cat f/system; exit 3") >> 8);
    CALL(system(NULL));
    FILE *f = POINTER(popen("bin/hello", "r"));
    char text[256] = "";
    fgets(text, sizeof text, f);
    say("  %s", text);
    say("  %d", pclose(f) >> 8);
    f = POINTER(popen("cat >n/system", "w"));
    fprintf(f, "by a pipe");
    pclose(f);
    say_file("n/system");
    POINTER(popen("true", "z"));
}
static int has_main(struct dl_phdr_info *info, size_t size, void *arg) {
    (void)size;
    *(int *)arg += info->dlpi_phnum > 0;
    return 0;
}
TEST(dlopen) {
    void *lib = POINTER(dlopen("./bin/musl-lib.so", RTLD_NOW));
    int (*answer)(void) = lib ? (int (*)(void))dlsym(lib, "answer") : NULL;
    Dl_info info;
    say("  %d", answer ? answer() : 0);
    say("  from %s", answer && dladdr((void *)answer, &info) ? base_name(info.dli_fname) : "nowhere");
    POINTER(dlopen("./bin/none.so", RTLD_NOW));
    void *(*spaces)(long, const char *, int) = (void *(*)(long, const char *, int))dlsym(RTLD_DEFAULT, "dlmopen");
    say("  none of it: %d", !spaces || !spaces(0, "./bin/musl-lib.so", RTLD_NOW));
    int objects = 0;
    dl_iterate_phdr(has_main, &objects);
    say("  %d", objects > 1);
}

/* --- sockets
 * ------------------------------------------------------------------------------------------------------------- */

/* A structure whose padding holds what was there before: musl's functions do not mind. */
static void message(struct msghdr *m, struct iovec *iov, struct sockaddr_un *name, void *control, size_t n) {
    memset(m, 0xa5, sizeof *m);
    m->msg_name = name;
    m->msg_namelen = name ? sizeof *name : 0;
    m->msg_iov = iov;
    m->msg_iovlen = 1;
    m->msg_control = control;
    m->msg_controllen = n;
    m->msg_flags = 0;
}
TEST(sendmsg) {
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "n/sendmsg"},
                       b = {.sun_family = AF_UNIX, .sun_path = "n/sender"};
    int to = socket(AF_UNIX, SOCK_DGRAM, 0), from = socket(AF_UNIX, SOCK_DGRAM, 0);
    CALL(bind(to, (struct sockaddr *)&a, sizeof a));
    CALL(bind(from, (struct sockaddr *)&b, sizeof b));
    say_path("n/sendmsg");
    char text[32] = "";
    struct iovec out = {.iov_base = (char[]){"message"}, .iov_len = 8}, in = {.iov_base = text, .iov_len = sizeof text};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr m;
    memset(&control, 0xa5, sizeof control);
    message(&m, &out, &a, &control, sizeof control);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    int given = open(p->file, O_RDONLY);
    memcpy(CMSG_DATA(c), &given, sizeof given);
    CALL(sendmsg(from, &m, 0));
    struct sockaddr_un who = {.sun_family = 0};
    message(&m, &in, &who, &control, sizeof control);
    CALL(recvmsg(to, &m, 0));
    c = CMSG_FIRSTHDR(&m);
    int got = -1;
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(&got, CMSG_DATA(c), sizeof got);
    say("  %s from %s, %u", text, base_name(who.sun_path), (unsigned)m.msg_controllen);
    say_text(got);

    CALL(connect(from, (struct sockaddr *)&a, sizeof a));
    message(&m, &out, NULL, NULL, 0);
    CALL(sendmsg(from, &m, 0));
    message(&m, &in, NULL, NULL, 0);
    CALL(recvmsg(to, &m, 0));
    struct mmsghdr two[2];
    message(&two[0].msg_hdr, &out, &a, NULL, 0);
    message(&two[1].msg_hdr, &out, NULL, NULL, 0);
    say("  %d of two", sendmmsg(from, two, 2, 0));
    message(&two[0].msg_hdr, &in, &who, NULL, 0);
    message(&two[1].msg_hdr, &in, NULL, NULL, 0);
    say("  %d of two", recvmmsg(to, two, 2, MSG_DONTWAIT, NULL));
    say("  %u bytes from %s, %u", two[0].msg_len, base_name(who.sun_path), two[1].msg_len);
    socklen_t n = sizeof who;
    CALL(getpeername(from, (struct sockaddr *)&who, &n));
    say("  %s", base_name(who.sun_path));
    a.sun_path[2] = 'x';
    message(&m, &out, &a, NULL, 0);
    CALL(sendmsg(from, &m, 0));
}
