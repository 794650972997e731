/*
 * Who one is, and becoming another. Under a simulated root it is the engine's to say (engine/root.h); else the
 * kernel's, by libc's own function where that does it for all threads.
 */
#include "shim.h"

#include <grp.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <unistd.h>

/* Of libcap's header. */
int capget(cap_user_header_t head, cap_user_data_t data);
int capset(cap_user_header_t head, const cap_user_data_t data);

static bool simulated(void) {
    return UR_SELF->u->root;
}

long ur_id(long nr, bool group, int which) {
    struct ur_ids ids;
    if (!simulated())
        return UR_SYS(nr, 0, 0, 0, 0, 0, 0);
    ur_ids_of(UR_SELF, &ids);
    return group ? ids.gid[which] : ids.uid[which];
}

long ur_three_ids(long nr, bool group, unsigned *real, unsigned *effective, unsigned *saved) {
    struct ur_ids ids;
    unsigned *to[] = {real, effective, saved};
    if (!simulated())
        return UR_SYS(nr, real, effective, saved, 0, 0, 0);
    ur_ids_of(UR_SELF, &ids);
    for (int i = 0; i < 3; i++) {
        if (!ur_can_write(UR_SELF, to[i], sizeof *to[i]))
            return -EFAULT;
        *to[i] = group ? ids.gid[i] : ids.uid[i];
    }
    return 0;
}

long ur_groups(int size, unsigned *list) {
    return simulated() ? ur_getgroups(UR_SELF, size, list) : UR_SYS(SYS_getgroups, size, list, 0, 0, 0, 0);
}

long ur_capabilities(long nr, cap_user_header_t head, cap_user_data_t data) {
    if (!ur_can_read(UR_SELF, head, sizeof *head))
        return -EFAULT;
    unsigned sets = ur_capability_sets(head->version);
    bool tells = nr == SYS_capget, own = !head->pid || head->pid == sys_gettid() || head->pid == sys_getpid();
    if (!sets || head->pid < 0 || !own) /* wrong, or another's: the kernel's to tell */
        return UR_SYS(nr, head, data, 0, 0, 0, 0);
    if (tells && !data)
        return 0;
    if (tells ? !ur_can_write(UR_SELF, data, sets * sizeof *data) : !ur_can_read(UR_SELF, data, sets * sizeof *data))
        return -EFAULT;
    if (!tells)
        return ur_capset(UR_SELF, data, sets);
    ur_capget(UR_SELF, data, sets);
    return 0;
}

long ur_limit(pid_t of, unsigned what, const struct rlimit *to, struct rlimit *was) {
    if (what != RLIMIT_LOCKS || !simulated())
        return UR_SYS(SYS_prlimit64, of, what, to, was, 0, 0);
    if ((to && !ur_can_read(UR_SELF, to, sizeof *to)) || (was && !ur_can_write(UR_SELF, was, sizeof *was)))
        return -EFAULT;
    return ur_limit_of_locks(UR_SELF, of, to, was);
}

/* A hook that is the engine's call, or libc's function of that name. */
#define IDS(type, name, parameters, arguments, call)                                                                   \
    UR_EXPORT type name parameters {                                                                                   \
        static _Atomic(void *) next;                                                                                   \
        if (simulated())                                                                                               \
            return (type)ur_edge(call);                                                                                \
        type(*libc) parameters = ur_next(&next, #name);                                                                \
        return libc ? libc arguments : (type)ur_edge_of(-ENOSYS);                                                      \
    }

IDS(int, setuid, (uid_t id), (id), ur_setid(UR_SELF, false, id))
IDS(int, setgid, (gid_t id), (id), ur_setid(UR_SELF, true, id))
IDS(int, seteuid, (uid_t id), (id), id == UR_SAME ? -EINVAL : ur_setresid(UR_SELF, false, UR_SAME, id, UR_SAME))
IDS(int, setegid, (gid_t id), (id), id == UR_SAME ? -EINVAL : ur_setresid(UR_SELF, true, UR_SAME, id, UR_SAME))
IDS(int, setreuid, (uid_t r, uid_t e), (r, e), ur_setreid(UR_SELF, false, r, e))
IDS(int, setregid, (gid_t r, gid_t e), (r, e), ur_setreid(UR_SELF, true, r, e))
IDS(int, setresuid, (uid_t r, uid_t e, uid_t s), (r, e, s), ur_setresid(UR_SELF, false, r, e, s))
IDS(int, setresgid, (gid_t r, gid_t e, gid_t s), (r, e, s), ur_setresid(UR_SELF, true, r, e, s))
IDS(int, setfsuid, (uid_t id), (id), ur_setfsid(UR_SELF, false, id))
IDS(int, setfsgid, (gid_t id), (id), ur_setfsid(UR_SELF, true, id))
IDS(int, setgroups, (size_t n, const gid_t *list), (n, list), ur_setgroups(UR_SELF, n, list))
IDS(int, capget, (cap_user_header_t head, cap_user_data_t data), (head, data), ur_capabilities(SYS_capget, head, data))
IDS(int, capset, (cap_user_header_t head, const cap_user_data_t data), (head, data),
    ur_capabilities(SYS_capset, head, data))

/* libc's would call the kernel inside. */
static int groups_of(const char *user, gid_t group) {
    enum { ROOM = 65536 };
    int n = ROOM;
    gid_t *list = ur_pages_get(ROOM * sizeof *list);
    if (!list)
        return (int)ur_edge_of(-ENOMEM);
    getgrouplist(user, group, list, &n);
    int ret = (int)ur_edge(ur_setgroups(UR_SELF, (size_t)n, list));
    ur_pages_put(list, ROOM * sizeof *list);
    return ret;
}

UR_EXPORT int initgroups(const char *user, gid_t group) {
    static _Atomic(void *) next;
    if (simulated())
        return groups_of(user, group);
    int (*libc)(const char *, gid_t) = ur_next(&next, "initgroups");
    return libc ? libc(user, group) : (int)ur_edge_of(-ENOSYS);
}

UR_EXPORT int group_member(gid_t group) {
    struct ur_ids ids = {0};
    if (!simulated()) {
        long n = UR_SYS(SYS_getgroups, UR_GROUPS, ids.group, 0, 0, 0, 0);
        ids.count = n < 0 ? 0 : (uint32_t)n;
        static _Atomic(void *) next;
        int (*libc)(gid_t) = n < 0 ? ur_next(&next, "group_member") : NULL;
        if (libc)
            return libc(group);
    } else
        ur_ids_of(UR_SELF, &ids);
    for (uint32_t i = 0; i < ids.count; i++)
        if (ids.group[i] == group)
            return 1;
    return 0;
}
