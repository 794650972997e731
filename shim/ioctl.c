/*
 * ioctl: the few requests that change a file by a descriptor that was opened to read it (chattr, fs-verity). A
 * lower file is copied up first, and the request goes to the copy. All others go through as they are.
 */
#include "shim.h"

#include <linux/fs.h>
#include <linux/fsverity.h>
#include <stdarg.h>
#include <sys/ioctl.h>

static bool changes_file(unsigned long request) {
    return request == FS_IOC_SETFLAGS || request == FS_IOC_FSSETXATTR || request == FS_IOC_SETVERSION ||
           request == FS_IOC_ENABLE_VERITY;
}

static long on_copy(int fd, unsigned long request, long arg) {
    struct stat st;
    long ret = sys_fstat(fd, &st);
    if (ret < 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
        return ret < 0 ? ret : sys_ioctl(fd, request, arg);
    char name[40] = "/proc/self/fd/";
    *ur_put_number(name + 14, name + sizeof name, (unsigned)fd, 10) = 0;
    UR_PATH_BUFFER(real);
    const struct ur_caller me = ur_asking(UR_SELF, "ioctl");
    ret = real ? ur_real(&me, AT_FDCWD, name, UR_REAL_WRITE, real) : -ENOMEM;
    if (ret < 0) /* removed since: there is nobody left to see the change */
        return ret == -ENOENT ? 0 : ret;
    long copy = sys_open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (copy < 0)
        return copy;
    ret = sys_ioctl((int)copy, request, arg);
    sys_close((int)copy);
    return ret;
}

long ur_ioctl(int fd, unsigned long request, long arg) {
    return changes_file(request) && ur_in_session() ? on_copy(fd, request, arg) : sys_ioctl(fd, request, arg);
}

UR_EXPORT int ioctl(int fd, unsigned long request, ...) {
    va_list args;
    va_start(args, request);
    long arg = va_arg(args, long);
    va_end(args);
    /* The kernel's is 32 bits, and so is musl's: what stands above them is nobody's. */
    return (int)ur_edge(ur_ioctl(fd, (unsigned)request, arg));
}
