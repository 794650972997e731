/* What a point needs on disk, and the programs that are started on it. */
#include "sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

struct world world;

void fail(const char *what) {
    fprintf(stderr, "sweep: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* What a killed run has left in a place of all, another run may be removing as well. */
static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

static int open_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)at;
    if (type == FTW_D || type == FTW_DNR)
        chmod(path, st->st_mode | 0700);
    return 0;
}

static void remove_all(const char *path) {
    struct stat st;
    if (lstat(path, &st) < 0)
        return;
    if (geteuid() != 0)
        nftw(path, open_one, 16, FTW_PHYS);
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
        fail(path);
}

static const char *in(const char *root, const char *name) {
    static char path[600];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void must(long ret, const char *what) {
    if (ret < 0)
        fail(what);
}

static void file(const char *root, const char *name, const char *text, mode_t mode) {
    const char *path = in(root, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        fail(path);
    close(fd);
}

static void directory(const char *root, const char *name, mode_t mode) {
    must(mkdir(in(root, name), mode), name);
}

static void big(const char *root, const char *name) {
    static char block[70000];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)(i % 251);
    int fd = open(in(root, name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, block, sizeof block) < 0 || pwrite(fd, block, sizeof block, 400000) < 0)
        fail(name);
    close(fd);
}

static void link_in(const char *root, const char *from, const char *to) {
    char path[600];
    snprintf(path, sizeof path, "%s", in(root, from));
    must(link(path, in(root, to)), to);
}

/* Times of long ago, a different one for each. */
static time_t then;
static int age_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    struct timespec ts[2] = {{then, 0}, {then, 5}};
    then += 1000;
    return utimensat(AT_FDCWD, path, ts, AT_SYMLINK_NOFOLLOW);
}

/* What the two lowers hold, or a directory of theirs. */
static void lay(const char *top, const char *bottom) {
    directory(top, "m", 0755);
    file(top, "m/top", "top\n", 0644);
    file(top, "m/f", "the top's f\n", 0644);
    file(bottom, "f", "f of the bottom\n", 0644);
    file(bottom, "g", "g of the bottom\n", 0600);
    file(bottom, "x", "with an xattr\n", 0644);
    if (setxattr(in(bottom, "x"), "user.own", "kept", 4, 0) < 0 && errno != EOPNOTSUPP)
        fail("setxattr");
    big(bottom, "big");
    must(symlink("nowhere", in(bottom, "s")), "s");
    must(mkfifo(in(bottom, "p"), 0644), "p");
    directory(bottom, "d", 0755);
    file(bottom, "d/a", "d/a\n", 0644);
    file(bottom, "d/b", "d/b\n", 0644);
    directory(bottom, "d/sub", 0755);
    file(bottom, "d/sub/x", "d/sub/x\n", 0644);
    directory(bottom, "e", 0755);
    directory(bottom, "m", 0750);
    file(bottom, "m/f", "hidden by the top's\n", 0644);
    file(bottom, "m/bottom", "bottom\n", 0644);
    file(bottom, "h1", "three names\n", 0644);
    link_in(bottom, "h1", "h2");
    link_in(bottom, "h1", "m/h3");
    directory(bottom, "deep", 0755);
    directory(bottom, "deep/1", 0755);
    directory(bottom, "deep/1/2", 0700);
    file(bottom, "deep/1/2/f", "deep\n", 0644);
    file(top, ".wh.covered", "", 0644);
    file(bottom, "covered", "covered by the top\n", 0644);
    directory(top, "opaque", 0755);
    file(top, "opaque/.wh..wh..opq", "", 0644);
    file(top, "opaque/alive", "alive\n", 0644);
    directory(bottom, "opaque", 0755);
    file(bottom, "opaque/dead", "dead\n", 0644);
    directory(bottom, "ro", 0755);
    file(bottom, "ro/f", "in a closed directory\n", 0644);
    directory(bottom, "ro/sub", 0755);
    must(chmod(in(bottom, "ro"), 0555), "ro");
    then = 1300000000;
    must(nftw(top, age_one, 16, FTW_DEPTH | FTW_PHYS), "lower");
    must(nftw(bottom, age_one, 16, FTW_DEPTH | FTW_PHYS), "lower");
}

void world_make(const char *dir) {
    umask(022);
    snprintf(world.dir, sizeof world.dir, "%s", dir);
    must(mkdir(dir, 0755), dir);
    for (int i = 0; i < 2; i++) {
        snprintf(world.lower[i], sizeof world.lower[i], "%s/lower%d", dir, i);
        must(mkdir(world.lower[i], 0755), "lower");
    }
    snprintf(world.target, sizeof world.target, "%s/t", dir);
    must(mkdir(world.target, 0755), "target");
    snprintf(world.own, sizeof world.own, "%s/up", dir);
    must(mkdir(world.own, 0755), "up");
    snprintf(world.upper, sizeof world.upper, "%s/up/upper", dir);
    snprintf(world.work, sizeof world.work, "%s/up/work", dir);
    snprintf(world.own, sizeof world.own, "%s/up/work/unionrun", dir);
    snprintf(world.sessions, sizeof world.sessions, "%s/sessions", dir);
    must(mkdir(world.sessions, 0711), "sessions"); /* root's must be searchable */
    lay(world.lower[0], world.lower[1]);
}

void world_make_copies(void) {
    for (unsigned i = 0; i < COPIES; i++) {
        char copy[2][320];
        for (int k = 0; k < 2; k++) {
            snprintf(copy[k], sizeof copy[k], "%s/%03u", world.lower[k], i);
            must(mkdir(copy[k], 0755), copy[k]);
        }
        lay(copy[0], copy[1]);
    }
}

void world_renew(void) {
    remove_all(world.upper);
    remove_all(world.work);
}

void world_remove(void) {
    remove_all(world.dir);
}

/* Reads both to their ends. */
static void hear(int fds[2], char *texts[2]) {
    size_t used[2] = {0}, room[2] = {0};
    struct pollfd wait[2] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}};
    while (wait[0].fd >= 0 || wait[1].fd >= 0) {
        if (poll(wait, 2, -1) < 0)
            continue;
        for (int i = 0; i < 2; i++) {
            if (wait[i].fd < 0 || !wait[i].revents)
                continue;
            if (room[i] - used[i] < 4096) {
                room[i] = room[i] ? 2 * room[i] : 16384;
                texts[i] = realloc(texts[i], room[i] + 1);
                if (!texts[i])
                    fail("realloc");
            }
            ssize_t n = read(fds[i], texts[i] + used[i], room[i] - used[i]);
            if (n <= 0) {
                close(wait[i].fd);
                wait[i].fd = -1;
            } else
                used[i] += (size_t)n;
        }
    }
    for (int i = 0; i < 2; i++) {
        if (!texts[i])
            texts[i] = malloc(1);
        texts[i][used[i]] = 0;
    }
}

/* Starts `arguments` with stdout and stderr read to the end. */
static char *run(const char *const arguments[], char **errors, int *status) {
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
        fail("pipe");
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(out[1], STDOUT_FILENO);
        dup2(err[1], STDERR_FILENO);
        execv(arguments[0], (char *const *)arguments);
        fprintf(stderr, "%s: %s\n", arguments[0], strerror(errno));
        _exit(127);
    }
    if (child < 0)
        fail("fork");
    close(out[1]);
    close(err[1]);
    char *texts[2] = {NULL};
    hear((int[2]){out[0], err[0]}, texts);
    while (waitpid(child, status, 0) < 0 && errno == EINTR)
        continue;
    if (errors)
        *errors = texts[1];
    else
        free(texts[1]);
    return texts[0];
}

enum { WORDS_MAX = 64 };

static void union_words(const char *all[WORDS_MAX], const char *const arguments[]) {
    size_t n = 0;
    all[n++] = world.unionrun;
    for (size_t i = 0; world.options[i]; i++)
        all[n++] = world.options[i];
    const char *const fixed[] = {"--verbose",  "--lower",   world.lower[0], "--lower",  world.lower[1],
                                 "--upper",    world.upper, "--work",       world.work, "--target",
                                 world.target, "--",        world.self};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        all[n++] = fixed[i];
    while (*arguments && n < WORDS_MAX - 1)
        all[n++] = *arguments++;
    all[n] = NULL;
}

char *run_in_union(const char *const arguments[], char **errors, int *status) {
    const char *all[WORDS_MAX];
    union_words(all, arguments);
    return run(all, errors, status);
}

void exec_in_union(const char *const arguments[]) {
    const char *all[WORDS_MAX];
    union_words(all, arguments);
    execv(all[0], (char *const *)all);
    fail(all[0]);
}

bool world_option(const char *word) {
    for (size_t i = 0; world.options[i]; i++)
        if (strcmp(world.options[i], word) == 0)
            return true;
    return false;
}

char *lowers_view(void) {
    const char *const arguments[] = {world.self, "--look", world.lower[0], world.lower[1], NULL};
    int status;
    return run(arguments, NULL, &status);
}

char *last_session(void) {
    char text[300];
    ssize_t n = readlink(in(world.own, "session"), text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    const char *name = strrchr(text, '/');
    return name && strncmp(name, "/unionrun-", 10) == 0 ? strdup(text) : NULL;
}

void remove_session(char *session) {
    remove_all(session);
    free(session);
}

static unsigned entries(const char *dir, const char *but) {
    DIR *d = opendir(in(world.own, dir));
    unsigned n = 0;
    for (struct dirent *e; d && (e = readdir(d));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && strcmp(e->d_name, but) != 0;
    if (d)
        closedir(d);
    return n;
}

unsigned world_sessions(void) {
    DIR *d = opendir(world.sessions);
    unsigned n = 0;
    for (const struct dirent *e; d && (e = readdir(d));)
        n += strncmp(e->d_name, "unionrun-", 9) == 0;
    if (d)
        closedir(d);
    return n;
}

void world_forget_sessions(void) {
    remove_all(world.sessions);
    must(mkdir(world.sessions, 0711), "sessions"); /* root's must be searchable */
}

unsigned work_litter(void) {
    return entries("tmp", "") + entries("journal", "lock");
}
