/*
 * What is refused in a union, to root too: calls that would lead past it. Not to be run outside of one, and not
 * compared with a plain directory. What a host does not have is ENOSYS anyway; what only root may is refused to others
 * by the kernel.
 */
#include "raw.h"

#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif

#define REFUSED(call, ...)                                                                                             \
    do {                                                                                                               \
        pid_t pid_ = IN_CHILD({                                                                                        \
            long got_ = RAW(call, __VA_ARGS__);                                                                        \
            say("%s %s", #call, got_ >= 0 ? "SUCCEEDED" : result(got_));                                               \
        });                                                                                                            \
        int status_ = 0;                                                                                               \
        waitpid(pid_, &status_, 0);                                                                                    \
        if (WIFSIGNALED(status_))                                                                                      \
            say("%s signal %d", #call, WTERMSIG(status_));                                                             \
    } while (0)

TEST(mounts) {
    REFUSED(mount, "low", "dir", NULL, 4096, NULL);
    REFUSED(mount, "none", "dir", "tmpfs", 0, NULL);
    REFUSED(umount2, "/proc", 2);
    REFUSED(pivot_root, ".", "dir");
    REFUSED(chroot, "dir");
    REFUSED(open_tree, AT_FDCWD, "dir", 1);
    REFUSED(open_tree, AT_FDCWD, "dir", 0);
    REFUSED(open_tree_attr, AT_FDCWD, "dir", 0, NULL, 0);
    REFUSED(move_mount, AT_FDCWD, "dir", AT_FDCWD, "empty", 0);
    REFUSED(fsopen, "tmpfs", 0);
    REFUSED(fspick, AT_FDCWD, "/", 0);
    REFUSED(fsconfig, 0, 0, NULL, NULL, 0);
    REFUSED(fsmount, 0, 0, 0);
    REFUSED(mount_setattr, AT_FDCWD, "/", 0, NULL, 0);
    REFUSED(swapon, "low", 0);
    REFUSED(swapoff, "low");
    REFUSED(acct, "low");
    REFUSED(quotactl, 0x800002 << 8, "/dev/none", 0, NULL);
}
TEST(handles) {
    struct {
        struct file_handle h;
        char room[128];
    } h;
    int mount = 0;
    memset(&h, 0, sizeof h);
    h.h.handle_bytes = sizeof h.room;
    RAW(name_to_handle_at, AT_FDCWD, "low", &h.h, &mount, 0);
    long dir = RAW(open, ".", O_RDONLY);
    REFUSED(open_by_handle_at, dir, &h.h, O_RDONLY);
    REFUSED(open_by_handle_at, AT_FDCWD, &h.h, O_RDWR);
}
TEST(io_uring) {
    char params[256];
    memset(params, 0, sizeof params);
    REFUSED(io_uring_setup, 4, params);
    REFUSED(io_uring_enter, 0, 0, 0, 0, NULL, 0);
    REFUSED(io_uring_register, 0, 0, NULL, 0);
}
#ifndef RAW_BY_LIBC
static long int80(long nr, long a, long b, long c) { // a system call of 32 bits from 64-bit code
    long got;
    __asm__ volatile("int $0x80" : "=a"(got) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
    return (int)got;
}
TEST(other_numbers) { // those of i386, and of x32
    char *low = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    strcpy(low, "low");
    static const struct {
        const char *name;
        long nr, b, c;
    } of32[] = {{"open", 5, O_RDWR, 0}, {"openat", 295, -100, 0}, {"chmod", 15, 0600, 0},
                {"unlink", 10, 0, 0},   {"execve", 11, 0, 0},     {"getpid", 20, 0, 0}};
    for (size_t i = 0; i < sizeof of32 / sizeof *of32; i++) {
        pid_t pid = IN_CHILD({
            long got = int80(of32[i].nr, (long)(uintptr_t)low, of32[i].b, of32[i].c);
            say("i386 %s %s", of32[i].name, got >= 0 ? "SUCCEEDED" : result(got));
        });
        int status = 0;
        waitpid(pid, &status, 0);
        if (WIFSIGNALED(status))
            say("i386 %s signal %d", of32[i].name, WTERMSIG(status));
    }
    for (size_t i = 0; i < 2; i++) {
        pid_t pid = IN_CHILD({
            long got = raw6(0x40000000 | (i ? SYS_unlink : SYS_open), (long)low, O_RDWR, 0, 0, 0, 0);
            say("x32 %s %s", i ? "unlink" : "open", got >= 0 ? "SUCCEEDED" : result(got));
        });
        int status = 0;
        waitpid(pid, &status, 0);
        if (WIFSIGNALED(status))
            say("x32 signal %d", WTERMSIG(status));
    }
}
#endif
