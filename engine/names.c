/* The names of one host directory, read without libc. */
#include "union.h"

long ur_for_names(const char *host, long (*each)(void *arg, const char *name, unsigned char type), void *arg) {
    UR_SCRATCH(s);
    long fd = sys_open(host, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    long ret = 0, n = 0;
    while (ret == 0 && (n = sys_getdents64((int)fd, s->rest[0], sizeof s->rest[0])) > 0)
        for (long at = 0; ret == 0 && at < n;) {
            const struct sys_dirent *e = (const void *)(s->rest[0] + at);
            at += e->reclen;
            if (!ur_is_dot(e->name))
                ret = each(arg, e->name, e->type);
        }
    sys_close((int)fd);
    return ret ? ret : n;
}
