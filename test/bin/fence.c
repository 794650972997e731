/*
 * One change of a file by the kernel's own call, made by an instruction of this program's: neither the shim nor libc
 * has a part in it.
 *
 *     fence CALL PATH [PATH2]     "done", or the error's text and exit 1
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static long call(long number, long a, long b, long c, long d, long e) {
#if defined __x86_64__
    long ret;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
#elif defined __aarch64__
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = 0;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#endif
}

static long open_for(const char *path, int flags) {
    return call(SYS_openat, AT_FDCWD, (long)path, flags, 0600, 0);
}

/* Opens it for reading, and by /proc for writing. */
static long reopen(const char *path) {
    char link[32];
    long fd = open_for(path, O_RDONLY);
    snprintf(link, sizeof link, "/proc/self/fd/%ld", fd);
    return fd < 0 ? fd : open_for(link, O_WRONLY);
}

static long set_flags(const char *path) {
    long flags = 0, fd = open_for(path, O_RDONLY);
    long ret = fd < 0 ? fd : call(SYS_ioctl, fd, FS_IOC_GETFLAGS, (long)&flags, 0, 0);
    flags ^= FS_NODUMP_FL;
    return ret < 0 ? ret : call(SYS_ioctl, fd, FS_IOC_SETFLAGS, (long)&flags, 0, 0);
}

static long change(const char *what, const char *path, const char *other) {
    long a = (long)path, b = (long)other;
    const struct {
        const char *name;
        long number, args[5];
    } calls[] = {
        {"write", SYS_openat, {AT_FDCWD, a, O_WRONLY}},
        {"update", SYS_openat, {AT_FDCWD, a, O_RDWR | O_APPEND}},
        {"make", SYS_openat, {AT_FDCWD, a, O_WRONLY | O_CREAT, 0600}},
        {"read-trunc", SYS_openat, {AT_FDCWD, a, O_RDONLY | O_TRUNC}},
        {"tmpfile", SYS_openat, {AT_FDCWD, a, O_RDWR | O_TMPFILE, 0600}},
        {"truncate", SYS_truncate, {a, 0}},
        {"mkdir", SYS_mkdirat, {AT_FDCWD, a, 0700}},
        {"mkfifo", SYS_mknodat, {AT_FDCWD, a, S_IFIFO | 0600}},
        {"symlink", SYS_symlinkat, {(long)"x", AT_FDCWD, a}},
        {"unlink", SYS_unlinkat, {AT_FDCWD, a, 0}},
        {"rmdir", SYS_unlinkat, {AT_FDCWD, a, AT_REMOVEDIR}},
        {"link", SYS_linkat, {AT_FDCWD, a, AT_FDCWD, b, 0}},
        {"rename", SYS_renameat2, {AT_FDCWD, a, AT_FDCWD, b, 0}},
        {"exchange", SYS_renameat2, {AT_FDCWD, a, AT_FDCWD, b, 2}},
        {"chmod", SYS_fchmodat, {AT_FDCWD, a, 0777}},
        {"chown", SYS_fchownat, {AT_FDCWD, a, -1, -1, 0}},
        {"touch", SYS_utimensat, {AT_FDCWD, a, 0, 0}},
        {"setxattr", SYS_setxattr, {a, (long)"user.x", (long)"y", 1, 0}},
    };
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(what, calls[i].name) == 0)
            return call(calls[i].number, calls[i].args[0], calls[i].args[1], calls[i].args[2], calls[i].args[3],
                        calls[i].args[4]);
    if (strcmp(what, "reopen") == 0)
        return reopen(path);
    return strcmp(what, "set-flags") == 0 ? set_flags(path) : -ENOSYS;
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    long ret = change(argv[1], argv[2], argc > 3 ? argv[3] : "");
    puts(ret < 0 ? strerror((int)-ret) : "done");
    return ret < 0;
}
