/*
 * Programs: exec, posix_spawn, system, popen, dlopen. Beside the usual fixture there is bin/, in the lowest layer:
 *   hello     a script of /bin/sh that tells its name, arguments and $SHIM_TEST
 *   inner     the same, its interpreter by bin/sh of this directory
 *   sh        a copy of /bin/sh
 *   program   a copy of /bin/echo
 *   text      like hello, without the #! line
 *   denied    like hello, not executable
 *   lib.so    a library with the function `answer`
 */
#include "calls.h"

#include <dlfcn.h>
#include <link.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

extern char **environ;

static char here[PATH_MAX];
static const char *absolute(const char *path) {
    static char text[2 * PATH_MAX];
    snprintf(text, sizeof text, "%s/%s", getcwd(here, sizeof here), path);
    return text;
}

#define ARGV(...)                                                                                                      \
    (char *[]) {                                                                                                       \
        __VA_ARGS__, NULL                                                                                              \
    }
static char *argv_[] = {(char *)(size_t) "name", (char *)(size_t) "one", (char *)(size_t) "two words", NULL};
static char *envp_[] = {(char *)(size_t) "SHIM_TEST=given", (char *)(size_t) "PATH=/usr/bin:/bin", NULL};

/* The exec in a child; says how it ended, or why it did not start. Its output goes where ours goes. */
#define EXEC(call)                                                                                                     \
    do {                                                                                                               \
        say("%s", #call);                                                                                              \
        fflush(stdout);                                                                                                \
        pid_t pid_ = fork();                                                                                           \
        if (pid_ == 0) {                                                                                               \
            setenv("SHIM_TEST", "inherited", 1);                                                                       \
            int ret_ = (int)(call);                                                                                    \
            say("  = %d %s", ret_, strerrorname_np(errno));                                                            \
            _exit(9);                                                                                                  \
        }                                                                                                              \
        say_child(pid_);                                                                                               \
    } while (0)

TEST(execve) {
    EXEC(execve("bin/hello", argv_, envp_));
    EXEC(execve("bin/inner", argv_, envp_));
    EXEC(execve("bin/program", argv_, envp_));
    EXEC(execve("bin/text", argv_, envp_));
    EXEC(execve("bin/denied", argv_, envp_));
    EXEC(execve("bin/none", argv_, envp_));
    EXEC(execve("bin/hello/no", argv_, envp_));
    EXEC(execve("bin", argv_, envp_));
    EXEC(execve("", argv_, envp_));
    EXEC(execve(absolute("bin/hello"), argv_, envp_));
    EXEC(execve("/bin/echo", argv_, NULL));
    unlink("bin/none");
    symlink("hello", "bin/by-link");
    EXEC(execve("bin/by-link", argv_, envp_));
}
TEST(execv) {
    EXEC(execv("bin/hello", argv_));
    EXEC(execv("bin/none", argv_));
}
static void with_path(const char *path) {
    setenv("PATH", path, 1);
}
#define SEARCHES(symbol, ...)                                                                                          \
    TEST(symbol) {                                                                                                     \
        char old[4096];                                                                                                \
        snprintf(old, sizeof old, "%s", getenv("PATH"));                                                               \
        with_path("/none:bin:/bin");                                                                                   \
        EXEC(symbol("hello", __VA_ARGS__));                                                                            \
        EXEC(symbol("text", __VA_ARGS__));                                                                             \
        EXEC(symbol("denied", __VA_ARGS__));                                                                           \
        EXEC(symbol("none-such", __VA_ARGS__));                                                                        \
        EXEC(symbol("bin/hello", __VA_ARGS__));                                                                        \
        EXEC(symbol("", __VA_ARGS__));                                                                                 \
        with_path(":");                                                                                                \
        EXEC(symbol("hello", __VA_ARGS__));                                                                            \
        EXEC((chdir("bin"), symbol("hello", __VA_ARGS__)));                                                            \
        unsetenv("PATH");                                                                                              \
        EXEC(symbol("echo", __VA_ARGS__));                                                                             \
        with_path(old);                                                                                                \
    }
SEARCHES(execvp, argv_)
SEARCHES(execvpe, argv_, envp_)
SEARCHES(execlp, "name", "one", "two words", (char *)NULL)
TEST(execl) {
    EXEC(execl("bin/hello", "name", "one", "two words", (char *)NULL));
    EXEC(execl("bin/none", "name", (char *)NULL));
}
TEST(execle) {
    EXEC(execle("bin/hello", "name", "one", "two words", (char *)NULL, envp_));
}
TEST(fexecve) {
    EXEC(fexecve(open("bin/program", O_RDONLY | O_CLOEXEC), argv_, envp_));
    EXEC(fexecve(open("bin/program", O_PATH | O_CLOEXEC), argv_, envp_));
    EXEC(fexecve(-1, argv_, envp_));
    EXEC(fexecve(open("bin/denied", O_RDONLY), argv_, envp_));
}
TEST(execveat) {
    EXEC(execveat(AT_FDCWD, "bin/hello", argv_, envp_, 0));
    EXEC(execveat(open("bin", O_RDONLY | O_DIRECTORY), "program", argv_, envp_, 0));
    EXEC(execveat(open("bin", O_PATH), "program", argv_, envp_, 0));
    EXEC(execveat(open("bin/program", O_PATH), "", argv_, envp_, AT_EMPTY_PATH));
    symlink("program", "bin/at-link");
    EXEC(execveat(AT_FDCWD, "bin/at-link", argv_, envp_, AT_SYMLINK_NOFOLLOW));
}

/* --- vfork ------------------------------------------------------------------------------------------------------ */

TEST(fork) {
    pid_t pid = fork();
    if (pid == 0) {
        say_file(p->file);
        EXEC(execve("bin/hello", argv_, envp_));
        _exit(7);
    }
    int status;
    say("%d", waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
}
TEST(vfork) {
    for (volatile int i = 0; i < 3; i++) {
        fflush(stdout);
        pid_t pid = vfork();
        if (pid == 0) {
            execve(i == 1 ? "bin/none" : "bin/hello", argv_, envp_);
            _exit(7);
        }
        say_child(pid);
    }
}

/* --- posix_spawn ---------------------------------------------------------------------------------------------------
 */

#define SPAWN(symbol, file, actions, attr, argv, envp)                                                                 \
    do {                                                                                                               \
        pid_t pid_ = -5;                                                                                               \
        fflush(stdout);                                                                                                \
        errno = EXFULL;                                                                                                \
        int ret_ = symbol(&pid_, file, actions, attr, argv, envp);                                                     \
        bool told_ = !ret_ || errno == ret_;                                                                           \
        if (ret_ == 0)                                                                                                 \
            say_child(pid_);                                                                                           \
        else                                                                                                           \
            say("  pid untouched: %d, nobody left: %d", pid_ == -5, waitpid(-1, NULL, WNOHANG) == -1);                 \
        say("%s %s: %s, errno too: %d", #symbol, file, ret_ ? strerrorname_np(ret_) : "ok", told_);                    \
    } while (0)

TEST(posix_spawn) {
    SPAWN(posix_spawn, "bin/hello", NULL, NULL, argv_, envp_);
    SPAWN(posix_spawn, "bin/inner", NULL, NULL, argv_, environ);
    SPAWN(posix_spawn, "bin/program", NULL, NULL, argv_, envp_);
    SPAWN(posix_spawn, "bin/text", NULL, NULL, argv_, envp_);
    SPAWN(posix_spawn, "bin/denied", NULL, NULL, argv_, envp_);
    SPAWN(posix_spawn, "bin/none", NULL, NULL, argv_, envp_);
}
TEST(posix_spawnp) {
    char old[4096];
    snprintf(old, sizeof old, "%s", getenv("PATH"));
    with_path("/none:bin:/bin");
    SPAWN(posix_spawnp, "hello", NULL, NULL, argv_, envp_);
    SPAWN(posix_spawnp, "text", NULL, NULL, argv_, envp_);
    SPAWN(posix_spawnp, "denied", NULL, NULL, argv_, envp_);
    SPAWN(posix_spawnp, "none-such", NULL, NULL, argv_, envp_);
    SPAWN(posix_spawnp, "bin/hello", NULL, NULL, argv_, envp_);
    with_path(old);
}

static char *script(const char *line) {
    return (char *)(size_t)line;
}
#define SHELL(line) ARGV(script("sh"), script("-c"), script(line))

TEST(posix_spawn_file_actions_addopen) {
    posix_spawn_file_actions_t a;
    say("%d", posix_spawn_file_actions_init(&a));
    say("%d", posix_spawn_file_actions_addopen(&a, 5, p->file, O_RDONLY, 0));
    say("%d", posix_spawn_file_actions_addopen(&a, 6, p->fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    say("%d", posix_spawn_file_actions_addopen(&a, -1, p->fresh, O_WRONLY, 0600));
    SPAWN(posix_spawn, "/bin/sh", &a, NULL, SHELL("cat <&5; echo through >&6"), environ);
    say_file(p->fresh);
    say_path(p->fresh);
    say("%d", posix_spawn_file_actions_addopen(&a, 7, p->absent, O_RDONLY, 0));
    SPAWN(posix_spawn, "/bin/true", &a, NULL, argv_, environ);
    say("%d", posix_spawn_file_actions_destroy(&a));
}
TEST(posix_spawn_file_actions_addclose) {
    posix_spawn_file_actions_t a;
    int fd = dup2(0, 20);
    posix_spawn_file_actions_init(&a);
    say("%d", posix_spawn_file_actions_addclose(&a, fd));
    say("%d", posix_spawn_file_actions_addclose(&a, 21));
    say("%d", posix_spawn_file_actions_addclose(&a, -1));
    SPAWN(posix_spawn, "/bin/sh", &a, NULL, SHELL("test ! -e /proc/self/fd/20"), environ);
    posix_spawn_file_actions_destroy(&a);
    close(fd);
}
TEST(posix_spawn_file_actions_adddup2) {
    posix_spawn_file_actions_t a;
    int fd = open(p->file, O_RDONLY | O_CLOEXEC);
    dup3(fd, 22, O_CLOEXEC);
    posix_spawn_file_actions_init(&a);
    say("%d", posix_spawn_file_actions_adddup2(&a, 22, 23));
    say("%d", posix_spawn_file_actions_adddup2(&a, 22, 22));
    say("%d", posix_spawn_file_actions_adddup2(&a, -1, 22));
    SPAWN(posix_spawn, "/bin/sh", &a, NULL, SHELL("cat <&23; test -e /proc/self/fd/22"), environ);
    say("%d", posix_spawn_file_actions_adddup2(&a, 99, 23));
    SPAWN(posix_spawn, "/bin/true", &a, NULL, argv_, environ);
    posix_spawn_file_actions_destroy(&a);
    close(fd);
    close(22);
}
TEST(posix_spawn_file_actions_addchdir_np) {
    posix_spawn_file_actions_t a;
    posix_spawn_file_actions_init(&a);
    say("%d", posix_spawn_file_actions_addchdir_np(&a, p->dir));
    say("%d", posix_spawn_file_actions_addopen(&a, 5, "low", O_RDONLY, 0));
    SPAWN(posix_spawn, "/bin/sh", &a, NULL, SHELL("cat <&5; cat high; pwd; ls"), environ);
    SPAWN(posix_spawn, "../../bin/hello", &a, NULL, argv_, environ);
    say("%d", posix_spawn_file_actions_addchdir_np(&a, "none"));
    SPAWN(posix_spawn, "/bin/true", &a, NULL, argv_, environ);
    posix_spawn_file_actions_destroy(&a);
    say("here still: %d", access(p->dir, F_OK));
}
TEST(posix_spawn_file_actions_addfchdir_np) {
    posix_spawn_file_actions_t a;
    int fd = open(p->dir, O_RDONLY | O_CLOEXEC);
    posix_spawn_file_actions_init(&a);
    say("%d", posix_spawn_file_actions_addfchdir_np(&a, fd));
    SPAWN(posix_spawn, "/bin/sh", &a, NULL, SHELL("cat low high; pwd"), environ);
    say("%d", posix_spawn_file_actions_addfchdir_np(&a, 98));
    SPAWN(posix_spawn, "/bin/true", &a, NULL, argv_, environ);
    posix_spawn_file_actions_destroy(&a);
    close(fd);
}
TEST(posix_spawn_file_actions_addclosefrom_np) {
    posix_spawn_file_actions_t a;
    dup2(0, 30);
    dup2(0, 50);
    posix_spawn_file_actions_init(&a);
    say("%d", posix_spawn_file_actions_addclosefrom_np(&a, 3));
    SPAWN(posix_spawn, "/bin/sh", &a, NULL, SHELL("test ! -e /proc/self/fd/30 && test ! -e /proc/self/fd/50"), environ);
    posix_spawn_file_actions_destroy(&a);
    close(30);
    close(50);
}
TEST(posix_spawn_file_actions_addtcsetpgrp_np) { /* without a terminal */
    posix_spawn_file_actions_t a;
    int fd = open("/dev/null", O_RDONLY);
    posix_spawn_file_actions_init(&a);
    say("%d", posix_spawn_file_actions_addtcsetpgrp_np(&a, fd));
    say("%d", posix_spawn_file_actions_addtcsetpgrp_np(&a, -1));
    SPAWN(posix_spawn, "/bin/true", &a, NULL, argv_, environ);
    posix_spawn_file_actions_destroy(&a);
    close(fd);
}
TEST(posix_spawn_file_actions_init) {
    posix_spawn_file_actions_t a;
    memset(&a, 0x55, sizeof a);
    say("%d", posix_spawn_file_actions_init(&a));
    SPAWN(posix_spawn, "/bin/true", &a, NULL, argv_, environ);
    say("%d", posix_spawn_file_actions_destroy(&a));
}
TEST(posix_spawn_file_actions_destroy) {
    posix_spawn_file_actions_t a;
    posix_spawn_file_actions_init(&a);
    for (int i = 0; i < 100; i++)
        posix_spawn_file_actions_addopen(&a, 40, p->file, O_RDONLY, 0);
    SPAWN(posix_spawn, "/bin/true", &a, NULL, argv_, environ);
    say("%d", posix_spawn_file_actions_destroy(&a));
}

static void nothing(int sig) {
    (void)sig;
}
TEST(posix_spawn_attributes) {
    posix_spawnattr_t attr;
    sigset_t set, empty;
    sigemptyset(&set);
    sigemptyset(&empty);
    sigaddset(&set, SIGUSR1);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attr, &set);
    SPAWN(posix_spawn, "/bin/grep", NULL, &attr, ARGV(script("grep"), script("SigBlk"), script("/proc/self/status")),
          environ);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGHUP, nothing);
    posix_spawnattr_setflags(&attr, 0);
    SPAWN(posix_spawn, "/bin/grep", NULL, &attr, ARGV(script("grep"), script("SigIgn"), script("/proc/self/status")),
          environ);
    sigaddset(&set, SIGUSR2);
    posix_spawnattr_setsigdefault(&attr, &set);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
    SPAWN(posix_spawn, "/bin/grep", NULL, &attr, ARGV(script("grep"), script("SigIgn"), script("/proc/self/status")),
          environ);
    signal(SIGUSR2, SIG_DFL);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attr, 0);
    SPAWN(posix_spawn, "/bin/sh", NULL, &attr, SHELL("read -r _ _ _ _ group _ </proc/$$/stat; test $group = $$"),
          environ);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID);
    SPAWN(posix_spawn, "/bin/sh", NULL, &attr, SHELL("read -r _ _ _ _ _ session _ </proc/$$/stat; test $session = $$"),
          environ);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_RESETIDS | POSIX_SPAWN_USEVFORK);
    SPAWN(posix_spawn, "/bin/true", NULL, &attr, argv_, environ);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attr, 1);
    SPAWN(posix_spawn, "/bin/true", NULL, &attr, argv_, environ);
    posix_spawnattr_destroy(&attr);
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    say("mask as it was: %d, handler too: %d", memcmp(&mask, &empty, 8) == 0, signal(SIGHUP, SIG_DFL) == nothing);
}

/* --- system and popen ------------------------------------------------------------------------------------------------
 */

TEST(system) {
    fflush(stdout);
    say("%x", (unsigned)system("bin/hello one; cat d/system/low d/system/high; exit 3"));
    say("%x", (unsigned)system("kill -9 $$"));
    say("%d", system(NULL) != 0);
    signal(SIGINT, nothing);
    say("%x", (unsigned)system("kill -INT $$; exit 1"));
    say("%d", signal(SIGINT, SIG_DFL) == nothing);
    unsetenv("LD_PRELOAD");
    say("%x", (unsigned)system("cd d/system && ls"));
}

#define POPENS(symbol)                                                                                                 \
    TEST(symbol) {                                                                                                     \
        char line[256] = "";                                                                                           \
        FILE *f = POINTER(symbol("cat f/" #symbol "; exit 5", "r"));                                                   \
        say("%s", fgets(line, sizeof line, f) ? line : "nothing");                                                     \
        say("cloexec %d", fcntl(fileno(f), F_GETFD));                                                                  \
        FILE *g = POINTER(symbol("cat >n/" #symbol, "we"));                                                            \
        say("cloexec %d", fcntl(fileno(g), F_GETFD));                                                                  \
        fputs("written", g);                                                                                           \
        say("%x", (unsigned)pclose(g));                                                                                \
        say("%x", (unsigned)pclose(f));                                                                                \
        say_file("n/" #symbol);                                                                                        \
        POINTER(symbol("true", "rw"));                                                                                 \
        POINTER(symbol("true", ""));                                                                                   \
        POINTER(symbol("true", "x"));                                                                                  \
    }
FILE *_IO_popen(const char *line, const char *mode);
POPENS(popen)
POPENS(_IO_popen)
TEST(pclose) { /* the second child holds no end of the first's pipe: or the first would wait for it */
    FILE *a = popen("cat >n/pclose", "w"), *b = popen("echo $$; exec sleep 100", "r");
    char line[32];
    fputs("text", a);
    say("%x", (unsigned)pclose(a));
    pid_t second = fgets(line, sizeof line, b) ? atoi(line) : 0;
    say("%d", second > 0 ? kill(second, SIGTERM) : -1);
    say("%x", (unsigned)pclose(b));
    say_file("n/pclose");
}

/* --- prctl ------------------------------------------------------------------------------------------------------- */

TEST(prctl) {
    char own[16] = "", name[16] = "";
    CALL(prctl(PR_GET_NAME, own));
    CALL(prctl(PR_SET_NAME, "of-mine"));
    CALL(prctl(PR_GET_NAME, name));
    CALL(prctl(PR_SET_NAME, own));
    say("%s, not %s", name, own);
    CALL(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL));
    CALL(prctl(PR_SET_MM, 0, 0, 1, 1));
    CALL(prctl(-1, 0, 0, 0, 0));
}

/* --- dlopen
 * ------------------------------------------------------------------------------------------------------------- */

static void use(void *lib) {
    int (*answer)(void) = NULL;
    void *symbol = lib ? dlsym(lib, "answer") : NULL;
    memcpy(&answer, &symbol, sizeof answer);
    say("  %d %s", answer ? answer() : -1, lib ? "" : "failed");
    if (lib)
        dlclose(lib);
}
TEST(dlopen) {
    use(dlopen("./bin/lib.so", RTLD_NOW));
    use(dlopen(absolute("bin/lib.so"), RTLD_LAZY));
    void *c = dlopen("libc.so.6", RTLD_NOW), *self = dlopen(NULL, RTLD_NOW);
    say("by name: %d, the program: %d", c != NULL, self != NULL);
    use(dlopen("./bin/none.so", RTLD_NOW));
    const char *why = dlerror();
    say("%s", why ? why : "no reason");
    use(dlopen("./bin/hello", RTLD_NOW));
    void *twice = dlopen("./bin/lib.so", RTLD_NOW);
    say("once loaded: %d", twice == dlopen(absolute("bin/../bin/lib.so"), RTLD_NOW));
}
TEST(dlmopen) {
    use(dlmopen(LM_ID_BASE, "./bin/lib.so", RTLD_NOW));
    use(dlmopen(LM_ID_NEWLM, absolute("bin/lib.so"), RTLD_NOW));
    use(dlmopen(LM_ID_BASE, "./bin/none.so", RTLD_NOW));
}

/* The function `answer` of a copy of the library, loaded by its whole path. */
static void *answer(void) {
    if (access("n/told.so", F_OK) < 0 && system("cp bin/lib.so n/told.so") != 0)
        return NULL;
    void *lib = dlopen(absolute("n/told.so"), RTLD_NOW);
    return lib ? dlsym(lib, "answer") : NULL;
}
static void say_origin(int found, const Dl_info *info) {
    say("%d %s %s", found, found ? info->dli_fname : "", found && info->dli_sname ? info->dli_sname : "");
}
TEST(dladdr) {
    Dl_info info;
    say_origin(dladdr(answer(), &info), &info);
    say_origin(dladdr(&info, &info), &info);
}
TEST(dladdr1) {
    Dl_info info;
    void *map = NULL;
    say_origin(dladdr1(answer(), &info, &map, RTLD_DL_LINKMAP), &info);
    say("%d", map != NULL);
}
TEST(dlinfo) {
    char origin[4096];
    struct link_map *map = NULL;
    answer();
    void *lib = dlopen(absolute("n/told.so"), RTLD_NOW | RTLD_NOLOAD);
    say("loaded: %d", lib != NULL);
    if (!lib) /* bin/gate.c answers nothing */
        return;
    CALL(dlinfo(lib, RTLD_DI_ORIGIN, origin));
    say("%s", origin);
    CALL(dlinfo(lib, RTLD_DI_LINKMAP, &map));
    say("%d", map == lib);
    CALL(dlinfo(lib, -1, origin));
}
TEST(dlerror) {
    answer();
    void *lib = dlopen(absolute("n/told.so"), RTLD_NOW | RTLD_NOLOAD);
    say("nothing: %d", dlerror() == NULL);
    say("%d", dlsym(lib, "question") == NULL);
    say("%s", dlerror());
    say("told once: %d", dlerror() == NULL);
    say("%d", dlopen(absolute("bin/hello"), RTLD_NOW) == NULL);
    say("%s", dlerror());
    say("%d", dlopen(absolute("bin/none"), RTLD_NOW) == NULL);
    say("%s", dlerror());
}
static int object(struct dl_phdr_info *info, size_t size, void *found) {
    const char *slash = strrchr(info->dlpi_name, '/');
    if (slash && strcmp(slash, "/told.so") == 0)
        say("%s %d", info->dlpi_name, size >= sizeof *info);
    *(int *)found += info->dlpi_phnum > 0;
    return 0;
}
TEST(dl_iterate_phdr) {
    int found = 0;
    say("%d", answer() != NULL);
    say("%d", dl_iterate_phdr(object, &found));
    say("more than one: %d", found > 1);
}
