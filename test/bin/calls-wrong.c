/*
 * Pointers that lead nowhere: each call is made in a child, which tells what errno or what signal came of it.
 */
#include "calls.h"

#include <spawn.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <utime.h>

extern int execveat(int fd, const char *path, char *const argv[], char *const envp[], int flags);

static char *page; /* of five: the second cannot be read, the third and the fifth only read */
static const struct pointer {
    const char *name;
    uintptr_t value; /* SHUT: into the pages */
} pointers[] = {{"NULL", 0},
                {"1", 1},
                {"-1", UINTPTR_MAX},
                {"the kernel's", 0xffff800000000000},
                {"no address", 0x0123456789abcdef},
                {"shut", 4096},
                {"to be read only", 8192 + 64},
                {"to be read only, from a page before", 12288 + 4096 - 8},
                {"without an end", 4096 - 7},
                {"a name without an end", 4096 - 300}};
enum { SHUT = 5, OUT = 8 /* to these results are asked, too */ };

static void make_pages(void) {
    page = mmap(NULL, 20480, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(page, 'x', 4096);
    mprotect(page + 4096, 4096, PROT_NONE);
    mprotect(page + 8192, 4096, PROT_READ);
    mprotect(page + 16384, 4096, PROT_READ);
}

static void *at(int i) {
    return i < SHUT ? (void *)pointers[i].value : page + pointers[i].value; // NOLINT
}

/* The call, in a child. */
#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        pid_t child_ = fork();                                                                                         \
        if (child_ == 0) {                                                                                             \
            errno = 0;                                                                                                 \
            long ret_ = (long)(call);                                                                                  \
            _exit(ret_ == -1 || errno ? errno : 200);                                                                  \
        }                                                                                                              \
        int status_;                                                                                                   \
        waitpid(child_, &status_, 0);                                                                                  \
        if (WIFSIGNALED(status_))                                                                                      \
            say("%s, %s: signal %d", pointers[i].name, #call, WTERMSIG(status_));                                      \
        else                                                                                                           \
            say("%s, %s: %s", pointers[i].name, #call,                                                                 \
                WEXITSTATUS(status_) == 200 ? "done" : strerrorname_np(WEXITSTATUS(status_)));                         \
    } while (0)

TEST(paths) {
    make_pages();
    struct stat st;
    struct statx stx;
    struct statfs fs;
    struct statvfs vfs;
    char text[64];
    char *argv[] = {(char *)"x", NULL}, *envp[] = {NULL};
    pid_t pid;
    int fd = inotify_init1(0), dir = open("d", O_RDONLY);
    for (int i = 0; i < (int)(sizeof pointers / sizeof *pointers); i++) {
        char *bad = at(i);
        TRY(open(bad, O_RDONLY));
        TRY(open(bad, O_WRONLY | O_CREAT, 0600));
        TRY(openat(dir, bad, O_RDONLY));
        TRY(creat(bad, 0600));
        TRY(stat(bad, &st));
        TRY(lstat(bad, &st));
        TRY(fstatat(dir, bad, &st, 0));
        TRY(fstatat(dir, bad, &st, AT_SYMLINK_NOFOLLOW));
        TRY(statx(AT_FDCWD, bad, 0, STATX_ALL, &stx));
        TRY(statfs(bad, &fs));
        TRY(statvfs(bad, &vfs));
        TRY(access(bad, R_OK));
        TRY(faccessat(dir, bad, R_OK, 0));
        TRY(euidaccess(bad, R_OK));
        TRY(readlink(bad, text, sizeof text));
        TRY(readlinkat(dir, bad, text, sizeof text));
        TRY(unlink(bad));
        TRY(unlinkat(dir, bad, 0));
        TRY(rmdir(bad));
        TRY(remove(bad));
        TRY(rename(bad, p->fresh));
        TRY(rename(p->file, bad));
        TRY(renameat2(dir, bad, dir, "x", RENAME_NOREPLACE));
        TRY(link(bad, p->fresh));
        TRY(link(p->file, bad));
        TRY(symlink(bad, p->fresh));
        TRY(symlink("x", bad));
        TRY(mkdir(bad, 0755));
        TRY(mknod(bad, S_IFREG | 0600, 0));
        TRY(mkfifo(bad, 0600));
        TRY(chmod(bad, 0600));
        TRY(fchmodat(dir, bad, 0600, 0));
        TRY(chown(bad, getuid(), getgid()));
        TRY(lchown(bad, getuid(), getgid()));
        TRY(fchownat(dir, bad, getuid(), getgid(), 0));
        TRY(truncate(bad, 0));
        TRY(utime(bad, NULL));
        TRY(utimes(bad, NULL));
        TRY(utimensat(dir, bad, NULL, AT_SYMLINK_NOFOLLOW));
        TRY(getxattr(bad, "user.x", text, sizeof text));
        TRY(getxattr(p->file, bad, text, sizeof text));
        TRY(setxattr(bad, "user.x", "y", 1, 0));
        TRY(setxattr(p->file, bad, "y", 1, 0));
        TRY(setxattr(p->file, "user.x", bad, 100, 0));
        TRY(listxattr(bad, text, sizeof text));
        TRY(removexattr(bad, "user.x"));
        TRY(removexattr(p->file, bad));
        TRY(fgetxattr(dir, bad, text, sizeof text));
        TRY(fremovexattr(dir, bad));
        TRY(chdir(bad));
        TRY(execve(bad, argv, envp));
        TRY((errno = posix_spawn(&pid, bad, NULL, NULL, argv, envp)));
        TRY(fopen(bad, "r") ? 0 : -1);
        TRY(fopen(bad, "w") ? 0 : -1);
        TRY(inotify_add_watch(fd, bad, IN_MODIFY));
        TRY(inotify_add_watch(-1, bad, IN_MODIFY));
        TRY(syscall(SYS_openat, AT_FDCWD, bad, O_RDONLY));
        TRY(syscall(SYS_faccessat2, dir, bad, R_OK, 0));
        TRY(syscall(SYS_readlinkat, AT_FDCWD, bad, text, sizeof text));
        TRY(connect(dir, (struct sockaddr *)bad, 20));
    }
    close(fd);
    close(dir);
}

TEST(results) {
    make_pages();
    int dir = open(p->dir, O_RDONLY), own = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un name = {AF_UNIX, "n/results"};
    socklen_t len = sizeof name;
    say("%d", bind(own, (struct sockaddr *)&name, sizeof name));
    for (int i = 0; i < OUT; i++) {
        char *bad = at(i);
        TRY(stat(p->file, (struct stat *)bad));
        TRY(stat(p->dir, (struct stat *)bad));
        TRY(stat(p->absent, (struct stat *)bad));
        TRY(lstat(p->link, (struct stat *)bad));
        TRY(fstat(dir, (struct stat *)bad));
        TRY(fstatat(dir, "low", (struct stat *)bad, 0));
        TRY(statx(AT_FDCWD, p->file, 0, STATX_ALL, (struct statx *)bad));
        TRY(statfs(p->file, (struct statfs *)bad));
        TRY(fstatfs(dir, (struct statfs *)bad));
        TRY(readlink(p->link, bad, 10));
        TRY(readlink("/proc/self/cwd", bad, 10));
        TRY(getxattr(p->file, "user.none", bad, 10));
        TRY(listxattr(p->file, bad, 10));
        TRY(flistxattr(dir, bad, 10));
        TRY(syscall(SYS_getcwd, bad, 4096));
        TRY(syscall(SYS_getdents64, dir, bad, 4096));
        TRY(utimensat(AT_FDCWD, p->file, (struct timespec *)bad, 0));
        TRY(futimens(dir, (struct timespec *)bad));
        TRY(getsockname(own, (struct sockaddr *)bad, &len));
        TRY(getsockname(own, (struct sockaddr *)&name, (socklen_t *)bad));
        TRY(recvfrom(own, bad, 1, MSG_DONTWAIT, (struct sockaddr *)bad, &len));
        TRY(name_to_handle_at(AT_FDCWD, p->file, (struct file_handle *)bad, (int *)bad, 0));
    }
}

TEST(newer) { /* numbers that not every kernel has */
    make_pages();
    char *argv[] = {(char *)"x", NULL}, *envp[] = {NULL};
    int dir = open("d", O_RDONLY);
    for (int i = 0; i < (int)(sizeof pointers / sizeof *pointers); i++) {
        char *bad = at(i);
        TRY(execveat(dir, bad, argv, envp, 0));
        TRY(syscall(SYS_openat2, dir, bad, bad, 24));
    }
    close(dir);
}

TEST(arguments) {
    make_pages();
    for (int i = 0; i < OUT; i++) {
        char *bad = at(i);
        TRY(execve("bin/program", (char **)bad, environ));
        TRY(execve("bin/program", (char *[]){bad, NULL}, environ));
        TRY(execve("bin/program", (char *[]){(char *)"x", NULL}, (char **)bad));
    }
}
