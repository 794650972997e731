/* user.containers.override_stat: "UID:GID:0MODE[:TYPE]". root.h says what it means. */
#include "root.h"
#include "union.h"

#include <sys/sysmacros.h>

mode_t ur_record_own_mode(mode_t type, mode_t mode) {
    if (S_ISDIR(type))
        return (mode & 01777) | 0700;
    return S_ISREG(type) ? (mode & 0777) | 0600 : mode & 0777;
}

static bool number(const char **at, unsigned base, uint64_t most, uint64_t *value) {
    const char *from = *at;
    *value = ur_get_number(at, base);
    return *at > from && *at - from <= 10 && *value <= most;
}

/* "block-8-0", "char-1-3"; of the others the file itself tells. */
static bool device(const char *at, struct ur_record *r) {
    uint64_t major, minor;
    mode_t type = strncmp(at, "block-", 6) == 0 ? S_IFBLK : strncmp(at, "char-", 5) == 0 ? S_IFCHR : 0;
    if (!type)
        return true;
    at += type == S_IFBLK ? 6 : 5;
    if (!number(&at, 10, UINT32_MAX, &major) || *at++ != '-' || !number(&at, 10, UINT32_MAX, &minor) || *at)
        return false;
    r->type = type;
    r->device = makedev((unsigned)major, (unsigned)minor);
    return true;
}

bool ur_record_read(const char *text, size_t size, struct ur_record *r) {
    char copy[UR_RECORD_MAX];
    uint64_t uid, gid, mode;
    if (!text || size >= sizeof copy)
        return false;
    memcpy(copy, text, size);
    copy[size] = 0;
    const char *at = copy;
    if (!number(&at, 10, UINT32_MAX - 1, &uid) || *at++ != ':' || !number(&at, 10, UINT32_MAX - 1, &gid) ||
        *at++ != ':' || !number(&at, 8, 0177777, &mode) || (*at && *at != ':'))
        return false;
    *r = (struct ur_record){.uid = (uid_t)uid, .gid = (gid_t)gid, .mode = (mode_t)mode & 07777};
    return !*at || device(at + 1, r);
}

size_t ur_record_write(const struct ur_record *r, char text[UR_RECORD_MAX]) {
    char *end = text + UR_RECORD_MAX, *p = ur_put_number(text, end, r->uid, 10);
    p = ur_put(p, end, ":", 1);
    p = ur_put_number(p, end, r->gid, 10);
    p = ur_put(p, end, ":0", 2);
    p = ur_put_number(p, end, r->mode & 07777, 8);
    if (r->type) {
        p = S_ISBLK(r->type) ? ur_put(p, end, ":block-", 7) : ur_put(p, end, ":char-", 6);
        p = ur_put_number(p, end, major(r->device), 10);
        p = ur_put(p, end, "-", 1);
        p = ur_put_number(p, end, minor(r->device), 10);
    }
    return (size_t)(p - text);
}

void ur_record_tell(const struct ur_record *r, struct stat *st) {
    mode_t own = st->st_mode & 07777, type = st->st_mode & S_IFMT;
    st->st_uid = r->uid;
    st->st_gid = r->gid;
    /* What an import made can be read only. */
    if (own == ur_record_own_mode(type, r->mode) || (S_ISREG(type) && own == ((r->mode & 0777) | 0400)))
        st->st_mode = type | r->mode;
    if (r->type && S_ISREG(type) && st->st_size == 0) {
        st->st_mode = (st->st_mode & 07777) | r->type;
        st->st_rdev = r->device;
    }
}
