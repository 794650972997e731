/*
 * Memory for the sparse parts of what a run shares. On a full filesystem to write to a page that is not there is a
 * SIGBUS in somebody's program: so it is asked for first, by a call that can fail.
 */
#include "union.h"

long ur_shared_room(const struct ur_union *u, uint64_t at, uint64_t bytes) {
    char path[UR_PATH_MAX / 4];
    const struct ur_table_string session = u->table->session;
    char *p = ur_put(path, path + sizeof path, ur_table_text(u->table, session), session.len);
    p = ur_put(p, path + sizeof path, "/shared", 7);
    long fd = p ? sys_open(path, O_RDWR | O_CLOEXEC, 0) : -ENAMETOOLONG;
    if (fd < 0)
        return fd;
    long ret;
    do
        ret = UR_SYS(SYS_fallocate, fd, FALLOC_FL_KEEP_SIZE, at, bytes, 0, 0);
    while (ret == -EINTR);
    sys_close((int)fd);
    return ret == -EOPNOTSUPP ? 0 : ret;
}
