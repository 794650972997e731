/*
 * /proc/PID/maps and smaps, with union paths: debuggers, profilers, runtimes look there for the files of a process.
 * proc(5): each mapping begins with a line of five fields and then, perhaps, a path.
 *
 * What is handed out is a snapshot in a memfd, as the kernel's own text is one for each read. It is made only if a
 * layer's path is in it.
 */
#include "union.h"

#include <linux/memfd.h>

bool ur_is_maps(const char *host) {
    size_t len = strlen(host);
    return ur_path_below(host, len, "/proc", 5) &&
           ((len > 5 && strcmp(host + len - 5, "/maps") == 0) || (len > 6 && strcmp(host + len - 6, "/smaps") == 0));
}

/* Where a line's path begins; NULL: it has none. */
static char *path_in(char *line, char *end) {
    char *slash = memchr(line, '/', (size_t)(end - line));
    return slash && slash > line && slash[-1] == ' ' ? slash : NULL;
}

static long write_all(int fd, const char *text, size_t n) {
    while (n > 0) {
        long done = sys_write(fd, text, n);
        if (done < 0 && done != -EINTR)
            return done;
        text += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
    return 0;
}

/* One line without its newline; *changed if the union tells it otherwise. */
static long put_line(const struct ur_caller *c, int out, char *line, char *end, bool *changed, struct ur_scratch *s) {
    char *path = path_in(line, end);
    *end = 0;
    if (path && ur_union_path(c, path, s->text) > 0 && strcmp(path, s->text) != 0) {
        *changed = true;
        long ret = write_all(out, line, (size_t)(path - line));
        if (ret == 0)
            ret = write_all(out, s->text, strlen(s->text));
        return ret < 0 ? ret : write_all(out, "\n", 1);
    }
    *end = '\n';
    return write_all(out, line, (size_t)(end + 1 - line));
}

static long copy_lines(const struct ur_caller *c, int in, int out, bool *changed) {
    UR_SCRATCH(s);
    char *buf = s->rest[0];
    size_t have = 0;
    for (;;) {
        long n = sys_read(in, buf + have, UR_REST_MAX - have);
        if (n == -EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? n : write_all(out, buf, have);
        have += (size_t)n;
        char *line = buf, *end;
        while ((end = memchr(line, '\n', have - (size_t)(line - buf)))) {
            long ret = put_line(c, out, line, end, changed, s);
            if (ret < 0)
                return ret;
            line = end + 1;
        }
        have -= (size_t)(line - buf);
        memmove(buf, line, have);
        if (have == UR_REST_MAX)
            return -ENAMETOOLONG;
    }
}

long ur_maps_open(const struct ur_caller *c, int fd, int flags) {
    bool changed = false;
    long out = UR_SYS(SYS_memfd_create, "maps", flags & O_CLOEXEC ? MFD_CLOEXEC : 0, 0, 0, 0, 0);
    if (out < 0)
        return fd;
    long ret = copy_lines(c, fd, (int)out, &changed);
    if (ret == 0 && changed && sys_lseek((int)out, 0, SEEK_SET) == 0) {
        sys_close(fd);
        return out;
    }
    sys_close((int)out);
    return sys_lseek(fd, 0, SEEK_SET) < 0 ? -EIO : fd;
}
