/* Streams and temporary names. */
#include "calls.h"

#include <dlfcn.h>
#include <mntent.h>
#include <wchar.h>

FILE *_IO_fopen(const char *path, const char *mode);
FILE *__setmntent(const char *path, const char *mode);

static void say_stream(FILE *f) {
    char line[256] = "";
    if (!f) {
        say("  %s", strerrorname_np(errno));
        return;
    }
    int flags = fcntl(fileno(f), F_GETFL);
    say("  flags %o, cloexec %d, at %ld", flags & (O_ACCMODE | O_APPEND), fcntl(fileno(f), F_GETFD) & FD_CLOEXEC,
        ftell(f));
    if ((flags & O_ACCMODE) != O_RDONLY)
        say("  wrote %d, at %ld", fprintf(f, "written"), ftell(f));
    if ((flags & O_ACCMODE) != O_WRONLY) {
        rewind(f);
        say("  read %s", fgets(line, sizeof line, f) ? line : "nothing");
    }
    say("  closed %d", fclose(f));
}

#define STREAMS(symbol)                                                                                                \
    TEST(symbol) {                                                                                                     \
        const char *modes[] = {                                                                                        \
            "r", "r+", "a", "a+", "re", "rb", "w", "w+x", "wx", "w+", "", "z", "rm", "r,ccs=UTF-8"};                   \
        for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {                                                    \
            say("%s", modes[i]);                                                                                       \
            say_stream(symbol(p->file, modes[i]));                                                                     \
            say_file(p->file);                                                                                         \
        }                                                                                                              \
        say_stream(symbol(p->fresh, "wxe"));                                                                           \
        say_path(p->fresh);                                                                                            \
        say_stream(symbol(p->absent, "w"));                                                                            \
        say_stream(symbol(p->dir, "w"));                                                                               \
        say_stream(symbol(p->dir, "r"));                                                                               \
        say_stream(symbol(p->link, "a"));                                                                              \
    }
STREAMS(fopen)
STREAMS(fopen64)
STREAMS(_IO_fopen)

TEST(fopen_ccs) {
    FILE *f = fopen("n/fopen_ccs", "w,ccs=UTF-8");
    say("%d", f && fputwc(0xe4, f) == 0xe4);
    say("wide: %d", f && fwide(f, 0) > 0);
    say("%d", f ? fclose(f) : -1);
    say_path("n/fopen_ccs");
    f = fopen("n/fopen_ccs", "a,ccs=UTF-8");
    say("%d", f && fputwc(0xf6, f) == 0xf6);
    say("%ld", ftell(f));
    fclose(f);
    f = fopen("n/fopen_ccs", "r,ccs=UTF-8");
    say("%x", (unsigned)fgetwc(f));
    say("%x", (unsigned)fgetwc(f));
    fclose(f);
}

#define REOPENS(symbol)                                                                                                \
    TEST(symbol) {                                                                                                     \
        const char *modes[] = {"r", "r+", "a", "a+", "w", "w+", "re"};                                                 \
        for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {                                                    \
            FILE *f = fopen(p->fresh, "w");                                                                            \
            fputs("before", f);                                                                                        \
            int fd = fileno(f);                                                                                        \
            FILE *g = symbol(p->file, modes[i], f);                                                                    \
            say("%s: the same stream: %d, the same descriptor: %d", modes[i], f == g, g && fd == fileno(g));           \
            say_stream(g);                                                                                             \
            say_file(p->fresh);                                                                                        \
            say_file(p->file);                                                                                         \
        }                                                                                                              \
        FILE *f = fopen(p->file, "r");                                                                                 \
        FILE *g = symbol(NULL, "r+", f);                                                                               \
        say("another mode: %s", g == f ? "ok" : strerrorname_np(errno));                                               \
        say_stream(g);                                                                                                 \
        say_file(p->file);                                                                                             \
        f = fopen(p->file, "r");                                                                                       \
        int fd = fileno(f);                                                                                            \
        g = symbol(p->absent, "r", f);                                                                                 \
        say("absent: %s, closed: %d", g ? "ok" : strerrorname_np(errno), fcntl(fd, F_GETFD));                          \
    }
REOPENS(freopen)
REOPENS(freopen64)

TEST(freopen_stdout) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("n/freopen_stdout", "w", stdout))
            _exit(1);
        printf("by stdout\n");
        fflush(stdout);
        execl("/bin/echo", "echo", "by a child", (char *)NULL);
        _exit(2);
    }
    say_child(pid);
    say_file("n/freopen_stdout");
}

#define TEMPORARY_STREAMS(symbol)                                                                                      \
    TEST(symbol) {                                                                                                     \
        FILE *f = symbol();                                                                                            \
        struct stat st;                                                                                                \
        say("%d, nlink %d, mode %o", f &&fstat(fileno(f), &st) == 0, (int)st.st_nlink, st.st_mode);                    \
        say_stream(f);                                                                                                 \
    }
TEMPORARY_STREAMS(tmpfile)
TEMPORARY_STREAMS(tmpfile64)

#define MOUNTS(symbol)                                                                                                 \
    TEST(symbol) {                                                                                                     \
        int fd = creat(p->file, 0644);                                                                                 \
        const char *text = "/dev/x /mnt ext4 rw,noatime 0 0\n";                                                        \
        say("%zd", write(fd, text, strlen(text)));                                                                     \
        close(fd);                                                                                                     \
        FILE *f = symbol(p->file, "r");                                                                                \
        struct mntent *m = f ? getmntent(f) : NULL;                                                                    \
        say("%s", m ? m->mnt_opts : "nothing");                                                                        \
        say("%d", endmntent(f));                                                                                       \
        POINTER(symbol(p->absent, "r"));                                                                               \
    }
MOUNTS(setmntent)
MOUNTS(__setmntent)

/* Called without their names: the linker warns of them. */
#define QUIETLY(type, symbol, parameters)                                                                              \
    type(*symbol##_) parameters = (__typeof(symbol##_))dlsym(RTLD_DEFAULT, #symbol)

/* --- temporary names ------------------------------------------------------------------------------------------- */

/* The name that was drawn, with its six letters hidden again. */
static void say_name(char *name, const char *template) {
    const char *x = strstr(template, "XXXXXX");
    struct stat st;
    long got = lstat(name, &st);
    if (x && strlen(name) == strlen(template)) {
        size_t at = (size_t)(x - template);
        say("  drawn: %d", strncmp(name + at, "XXXXXX", 6) != 0);
        memcpy(name + at, "XXXXXX", 6);
    }
    say("  %s: %s", name, got == 0 ? "is there" : strerrorname_np(errno));
    if (got == 0)
        say_stat(&st);
}

#define DRAWS(symbol, suffix, ...)                                                                                     \
    TEST(symbol) {                                                                                                     \
        char name[128], given[128];                                                                                    \
        snprintf(given, sizeof given, "%s/XXXXXX%s", p->dir, suffix);                                                  \
        strcpy(name, given);                                                                                           \
        int fd = (int)CALL(symbol(name __VA_ARGS__));                                                                  \
        say("  cloexec %d, append %d", fcntl(fd, F_GETFD) & FD_CLOEXEC, fcntl(fd, F_GETFL) & O_APPEND);                \
        say_name(name, given);                                                                                         \
        close(fd);                                                                                                     \
        strcpy(name, "n/XXXXX" suffix);                                                                                \
        CALL(symbol(name __VA_ARGS__));                                                                                \
        strcpy(name, "none/XXXXXX" suffix);                                                                            \
        CALL(symbol(name __VA_ARGS__));                                                                                \
    }
DRAWS(mkstemp, "")
DRAWS(mkstemp64, "")
DRAWS(mkostemp, "", , O_CLOEXEC | O_APPEND)
DRAWS(mkostemp64, "", , O_CLOEXEC)
DRAWS(mkstemps, ".txt", , 4)
DRAWS(mkstemps64, ".txt", , 4)
DRAWS(mkostemps, ".txt", , 4, O_APPEND)
DRAWS(mkostemps64, ".txt", , 4, O_CLOEXEC)

TEST(mkdtemp) {
    char name[] = "n/XXXXXX", wrong[] = "n/XXXXX";
    POINTER(mkdtemp(name));
    say_name(name, "n/XXXXXX");
    POINTER(mkdtemp(wrong));
}

TEST(mktemp) {
    QUIETLY(char *, mktemp, (char *));
    char name[] = "n/XXXXXX", wrong[] = "n/XXXXX";
    POINTER(mktemp_(name));
    say_name(name, "n/XXXXXX");
    say("empty: %d", *mktemp_(wrong) == 0);
}
TEST(tempnam) {
    QUIETLY(char *, tempnam, (const char *, const char *));
    unsetenv("TMPDIR");
    char *name = tempnam_(p->dir, "prefix");
    say("%d", name && strncmp(name, "d/tempnam/prefi", 15) == 0 && strlen(name) == 21 && access(name, F_OK) < 0);
    free(name);
    setenv("TMPDIR", "n", 1);
    name = tempnam_(p->dir, NULL);
    say("%.6s %zu", name ? name : "none", name ? strlen(name) : 0);
    free(name);
    setenv("TMPDIR", "none", 1);
    name = tempnam_("none", NULL);
    say("%.9s", name ? name : "none");
    free(name);
}

TEST(tmpnam) {
    QUIETLY(char *, tmpnam, (char *));
    char buf[L_tmpnam];
    const char *name = tmpnam_(NULL);
    say("%.9s %zu, absent: %d", name, strlen(name), access(name, F_OK) < 0);
    say("%d", tmpnam_(buf) == buf);
}

TEST(tmpnam_r) {
    QUIETLY(char *, tmpnam_r, (char *));
    char buf[L_tmpnam];
    say("%d %d", tmpnam_r_(buf) == buf, tmpnam_r_(NULL) == NULL);
    say("%.9s", buf);
}
