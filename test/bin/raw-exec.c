/* exec of programs and scripts in the union, by each call; what they are told of themselves. */
#include "raw.h"

#include <sched.h>

extern char **environ;

static char *const argv_[] = {(char *)(size_t) "name", (char *)(size_t) "one", (char *)(size_t) "two words", NULL};
static char *const envp_[] = {(char *)(size_t) "RAW_TELL=1", (char *)(size_t) "PATH=/usr/bin:/bin", NULL};

/* What ../bin/prog, a copy of this very program, does when it is run by one of the tests. */
__attribute__((constructor(101))) static void tell(int argc, char **argv, char **envp) {
    bool wanted = false;
    for (char **e = envp; *e; e++)
        wanted = wanted || strcmp(*e, "RAW_TELL=1") == 0;
    if (!wanted)
        return;
    now = "prog";
    for (int i = 0; i < argc; i++)
        say("argument %d: %s", i, argv[i]);
    char text[PATH_MAX] = "";
    RAW(readlink, "/proc/self/exe", text, sizeof text - 1);
    say("exe: %s", text);
    memset(text, 0, sizeof text);
    long fd = RAW(open, "/proc/self/comm", O_RDONLY);
    RAW(read, fd, text, sizeof text - 1);
    text[strcspn(text, "\n")] = 0;
    say("comm: %s", text);
    close((int)fd);
    fd = RAW(open, "/proc/self/exe", O_RDONLY);
    memset(text, 0, 4);
    RAW(read, fd, text, 4);
    say("exe is a program: %d", memcmp(text, "\177ELF", 4) == 0);
    close((int)fd);
    memset(text, 0, sizeof text);
    fd = RAW(open, "/proc/self/cmdline", O_RDONLY);
    long n = RAW(read, fd, text, sizeof text - 1);
    for (long i = 0; i < n; i++)
        text[i] = text[i] ? text[i] : '|';
    say("cmdline: %s", text);
    close((int)fd);
    RAW(getcwd, text, sizeof text);
    say("cwd: %s", text);
    say_dir("/proc/self/fd");
    say_file("up");
    _exit(7);
}

/* The statement in a child, which is then another program; says how that ended, or why it did not start. */
#define EXEC(call, ...)                                                                                                \
    do {                                                                                                               \
        say("%s(%s)", #call, #__VA_ARGS__);                                                                            \
        pid_t pid_ = fork();                                                                                           \
        if (pid_ == 0) {                                                                                               \
            say("  = %s", result(RAW(call, __VA_ARGS__)));                                                             \
            _exit(9);                                                                                                  \
        }                                                                                                              \
        say_child(pid_);                                                                                               \
    } while (0)

static void script(const char *path, const char *text, int mode) {
    long fd = RAW(open, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (RAW(write, fd, text, strlen(text)) != (long)strlen(text))
        say("%s cannot be written", path);
    close((int)fd);
    RAW(chmod, path, mode);
}

TEST(execve) {
    EXEC(execve, "../bin/prog", argv_, envp_);
    EXEC(execve, absolute("../bin/prog"), argv_, envp_);
    EXEC(execve, "script", argv_, envp_);
    EXEC(execve, absolute("script"), argv_, envp_);
    EXEC(execve, "./dir/../script", argv_, envp_);
    EXEC(execve, "low", argv_, envp_);
    EXEC(execve, "dir", argv_, envp_);
    EXEC(execve, "gone", argv_, envp_);
    EXEC(execve, "none", argv_, envp_);
    EXEC(execve, "script/x", argv_, envp_);
    EXEC(execve, "", argv_, envp_);
    EXEC(execve, "dangling", argv_, envp_);
    EXEC(execve, "loop", argv_, envp_);
    EXEC(execve, "fifo", argv_, envp_);
    EXEC(execve, "/bin/echo", argv_, envp_);
    EXEC(execve, "/bin/echo", argv_, NULL);
    EXEC(execve, 8, argv_, envp_);
    EXEC(execve, "../bin/prog", 8, envp_);
    EXEC(execve, "../bin/prog", argv_, 8);
    EXEC(execve, "../bin/prog", NULL, envp_);
    CALL(symlink, "../bin/prog", "by-link");
    EXEC(execve, "by-link", argv_, envp_);
    CALL(symlink, "script", "to-script");
    EXEC(execve, "to-script", argv_, envp_);
}
TEST(changed_programs) { // copied up, made, renamed, whited out
    CALL(chmod, "../bin/prog2", 0711);
    EXEC(execve, "../bin/prog2", argv_, envp_);
    CALL(link, "../bin/prog2", "linked");
    EXEC(execve, "linked", argv_, envp_);
    CALL(rename, "linked", "dir/renamed");
    EXEC(execve, "dir/renamed", argv_, envp_);
    CALL(rename, "dir", "dir2");
    EXEC(execve, "dir2/renamed", argv_, envp_);
    CALL(chmod, "dir2/renamed", 0600);
    EXEC(execve, "dir2/renamed", argv_, envp_);
    CALL(unlink, "script");
    EXEC(execve, "script", argv_, envp_);
    script("script", "#!/bin/sh\necho another script: $0 $#\n", 0755);
    EXEC(execve, "script", argv_, envp_);
    long fd = CALL(open, "script", O_WRONLY);
    EXEC(execve, "script", argv_, envp_);
    close((int)fd);
    script("empty-file", "", 0755);
    EXEC(execve, "empty-file", argv_, envp_);
    script("text", "echo text without a #! line\n", 0755);
    EXEC(execve, "text", argv_, envp_);
    script("broken", "\177ELF and no more", 0755);
    EXEC(execve, "broken", argv_, envp_);
}
TEST(interpreters) {
    char text[3 * PATH_MAX];
    snprintf(text, sizeof text, "#!%s\n", absolute("../bin/prog3"));
    script("by-prog", text, 0755);
    EXEC(execve, "by-prog", argv_, envp_);
    EXEC(execve, absolute("by-prog"), argv_, envp_);
    snprintf(text, sizeof text, "#!%s  one argument  \nrest", absolute("../bin/prog3"));
    script("with-argument", text, 0755);
    EXEC(execve, "with-argument", argv_, envp_);
    script("relative", "#!../bin/prog3\n", 0755);
    EXEC(execve, "relative", argv_, envp_);
    script("spaces", "#! \t/bin/sh -eu\necho spaces: $0 $- $#\n", 0755);
    EXEC(execve, "spaces", argv_, envp_);
    script("env", "#!/usr/bin/env sh\necho env: $0 $#\n", 0755);
    EXEC(execve, "env", argv_, envp_);
    script("none-such", "#!/none/such\n", 0755);
    EXEC(execve, "none-such", argv_, envp_);
    script("directory", "#!/usr\n", 0755);
    EXEC(execve, "directory", argv_, envp_);
    script("no-newline", "#!/bin/true", 0755);
    EXEC(execve, "no-newline", argv_, envp_);
    script("nothing", "#!\n", 0755);
    EXEC(execve, "nothing", argv_, envp_);
    script("blank", "#!   \n", 0755);
    EXEC(execve, "blank", argv_, envp_);
    script("slash", "#!/\n", 0755);
    EXEC(execve, "slash", argv_, envp_);
    script("itself", "#!itself\n", 0755);
    EXEC(execve, "itself", argv_, envp_);
    CALL(rename, "spaces", "bottom/in/spaces");
    CALL(chdir, "bottom");
    EXEC(execve, "in/spaces", argv_, envp_);
    EXEC(execve, "../by-prog", argv_, envp_);
    CALL(chdir, "..");
    CALL(unlink, "../bin/prog3"); // an interpreter that is gone
    EXEC(execve, "by-prog", argv_, envp_);
}
TEST(execveat) {
    long bin = RAW(open, "../bin", O_PATH | O_CLOEXEC), prog = RAW(open, "../bin/prog", O_PATH | O_CLOEXEC),
         read = RAW(open, "../bin/prog", O_RDONLY | O_CLOEXEC), text = RAW(open, "script", O_RDONLY),
         closes = RAW(open, "script", O_RDONLY | O_CLOEXEC), here = RAW(open, ".", O_RDONLY | O_CLOEXEC);
    EXEC(execveat, bin, "prog", argv_, envp_, 0);
    EXEC(execveat, here, "../bin/prog", argv_, envp_, 0);
    EXEC(execveat, AT_FDCWD, "../bin/prog", argv_, envp_, 0);
    EXEC(execveat, 99, absolute("../bin/prog"), argv_, envp_, 0);
    EXEC(execveat, 99, "prog", argv_, envp_, 0);
    EXEC(execveat, text, "prog", argv_, envp_, 0);
    EXEC(execveat, bin, "", argv_, envp_, 0);
    EXEC(execveat, bin, "", argv_, envp_, AT_EMPTY_PATH);
    EXEC(execveat, bin, "prog", argv_, envp_, 0x20);
    EXEC(execveat, here, "script", argv_, envp_,
         0); // its name is then /dev/fd/N/script: the cwd's descriptor is closed
    long open_ = RAW(open, ".", O_RDONLY);
    EXEC(execveat, open_, "script", argv_, envp_, 0);
    CALL(symlink, "../bin/prog", "by-link");
    EXEC(execveat, here, "by-link", argv_, envp_, AT_SYMLINK_NOFOLLOW);
    EXEC(execveat, closes, "", argv_, envp_, AT_EMPTY_PATH);
    // By descriptor alone the kernel's comm and exe are the file's; only that it runs is compared.
#define RUNS(...)                                                                                                      \
    do {                                                                                                               \
        pid_t pid_ = IN_CHILD({                                                                                        \
            close(1);                                                                                                  \
            RAW(execveat, __VA_ARGS__);                                                                                \
            _exit(9);                                                                                                  \
        });                                                                                                            \
        say("execveat(%s)", #__VA_ARGS__);                                                                             \
        int status_;                                                                                                   \
        waitpid(pid_, &status_, 0);                                                                                    \
        say("  ended as the program does: %d",                                                                         \
            WIFEXITED(status_) && (WEXITSTATUS(status_) == 7 || WEXITSTATUS(status_) == 3));                           \
    } while (0)
    RUNS(prog, "", argv_, envp_, AT_EMPTY_PATH);
    RUNS(read, "", argv_, envp_, AT_EMPTY_PATH);
    EXEC(execveat, text, "", argv_, envp_, AT_EMPTY_PATH); // $0 is /dev/fd/N
    EXEC(execve, "/proc/self/fd/6", argv_, envp_);
    EXEC(execve, "/dev/fd/6", argv_, envp_);
    CALL(unlink, "script");
    EXEC(execveat, text, "", argv_, envp_, AT_EMPTY_PATH);
}
TEST(what_is_kept) { // descriptors, cwd, umask, ignored signals, and what is closed
    long kept = RAW(open, "dir/high", O_RDONLY), closes = RAW(open, "low", O_RDONLY | O_CLOEXEC);
    say("%ld %ld", kept, closes);
    umask(037);
    signal(SIGUSR2, SIG_IGN);
    CALL(chdir, "dir");
    script("shows",
           "#!/bin/sh\npwd; umask; read -r line <&3; echo \"$line\"; (: <&4) 2>/dev/null && echo open || echo "
           "closed\ncat up; "
           "echo made >made; ls\n",
           0755);
    EXEC(execve, "shows", argv_, envp_);
    say_file("made");
    say_path("made");
    EXEC(execve, "../../bin/prog", argv_, envp_);
}
TEST(big_arguments) {
    static char *many[3002];
    static char word[32];
    memset(word, 'w', 31);
    many[0] = (char *)(size_t) "sh";
    many[1] = (char *)(size_t) "-c";
    many[2] = (char *)(size_t) "echo $#; echo ${#1}";
    for (int i = 3; i < 3001; i++)
        many[i] = word;
    EXEC(execve, "/bin/sh", many, envp_);
    script("counts", "#!/bin/sh\necho $#\n", 0755);
    EXEC(execve, "counts", many, envp_);
    static char huge[200000];
    memset(huge, 'h', sizeof huge - 1);
    char *const too_big[] = {huge, NULL};
    EXEC(execve, "counts", too_big, envp_);
}
static char *page_that_ends(void) { // at its end there is no memory
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(page + 4096, 4096, PROT_NONE);
    return page;
}
TEST(where_memory_ends) {
    static char path[] = "PATH=/usr/bin:/bin", other[] = "OTHER=x";
    char *text = page_that_ends() + 4096, **vector = (char **)(page_that_ends() + 4096);
    char *last[] = {text - 2, text - 10, text - 40};
    memcpy(text - 40, "ENDS=39 bytes", 14);
    memcpy(text - 10, "LAST=it", 8);
    memcpy(text - 2, "E", 2);
    for (size_t i = 0; i < sizeof last / sizeof *last; i++) {
        char *const vars[] = {path, last[i], other, NULL};
        EXEC(execve, "script", argv_, vars);
        EXEC(execve, "../bin/prog", argv_, vars);
    }
    memcpy(vector - 4, (char *[]){path, last[1], other, NULL}, 4 * sizeof *vector);
    EXEC(execve, "script", argv_, vector - 4);
    EXEC(execve, "script", vector - 2, envp_);
    vector[-1] = other;
    EXEC(execve, "script", argv_, vector - 4);
    EXEC(execve, "script", vector - 2, envp_);
}
static int in_vfork(void *arg) {
    (void)arg;
    RAW(execve, "script", argv_, envp_);
    return 8;
}
TEST(vforked) {
    static char stack[1 << 16] __attribute__((aligned(16)));
    for (int i = 0; i < 3; i++) {
        pid_t pid = clone(in_vfork, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
        say_child(pid);
    }
    CALL(unlink, "script");
    pid_t pid = clone(in_vfork, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
    say_child(pid);
}
static int in_thread(void *arg) {
    (void)arg;
    RAW(execve, "script", argv_, envp_);
    _exit(8);
}
TEST(exec_by_a_thread) { // another thread than the first one: the program keeps the first one's number
    static char stack[1 << 16] __attribute__((aligned(16)));
    pid_t pid = IN_CHILD({
        clone(in_thread, stack + sizeof stack,
              CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, NULL);
        pause_ms(10000);
        _exit(1);
    });
    say_child(pid);
}
TEST(many_execs) {
    int good = 0;
    for (int i = 0; i < 100; i++) {
        pid_t pid = IN_CHILD({
            RAW(dup2, RAW(open, "/dev/null", O_WRONLY), 1);
            RAW(execve, i % 2 ? "script" : "../bin/prog", argv_, envp_);
            _exit(9);
        });
        int status = 0;
        waitpid(pid, &status, 0);
        good += WIFEXITED(status) && WEXITSTATUS(status) == (i % 2 ? 5 : 7);
    }
    say("%d of 100", good);
}
TEST(traced) { // by another process of the run: exec stops it, and it goes on
    pid_t pid = IN_CHILD({
        RAW(ptrace, 0, 0, 0, 0); // PTRACE_TRACEME
        RAW(execve, "script", argv_, envp_);
        _exit(9);
    });
    int status = 0;
    TRUE(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
    RAW(ptrace, 17, pid, 0, 0); // PTRACE_DETACH
    say_child(pid);
}
