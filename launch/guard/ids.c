/*
 * Answers: who the caller is, and who it becomes. In root's run it may be another from now on, and whoever it is, what
 * it starts is, too: that is noted, and the kernel does it. Under a simulated root the engine answers (engine/root.h).
 */
#include "engine/root.h"
#include "launch/guard/guard.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <unistd.h>

static uint32_t id(const struct call *q, int at) {
    return (uint32_t)q->arg[at];
}

/* Whoever has not become another yet is what this thread is. make(1), for one, becomes what it is at each start. */
static bool stays(const struct call *q, bool group, int count) {
    uint32_t own[3];
    if ((group ? getresgid(&own[0], &own[1], &own[2]) : getresuid(&own[0], &own[1], &own[2])) < 0 || own[0] != own[1] ||
        own[0] != own[2])
        return false;
    for (int i = 0; i < count; i++)
        if (id(q, i) != own[0] && id(q, i) != UINT32_MAX)
            return false;
    return true;
}

/* `count`: that many ids are set; 0: something else. */
static bool is_simulated(struct call *q, bool group, int count) {
    if (q->caller.u->root)
        return true;
    if (!atomic_load(&q->guard->ids_vary) && !(count && stays(q, group, count)))
        atomic_store(&q->guard->ids_vary, true);
    return false;
}

static long capabilities(struct call *q, bool set) {
    struct __user_cap_header_struct head;
    struct __user_cap_data_struct data[2];
    long ret = peer_read(q, q->arg[0], &head, sizeof head);
    unsigned sets = ret < 0 ? 0 : ur_capability_sets(head.version);
    if (ret < 0)
        return ret;
    if (!sets || (head.pid && head.pid != q->pid)) /* wrong, or another's: the kernel's to tell */
        return PASS;
    if (!set && !q->arg[1])
        return 0;
    if (set) {
        ret = peer_read(q, q->arg[1], data, sets * sizeof *data);
        return ret < 0 ? ret : ur_capset(&q->caller, data, sets);
    }
    ur_capget(&q->caller, data, sets);
    return peer_write(q, q->arg[1], data, sets * sizeof *data);
}
long answer_capget(struct call *q) {
    return capabilities(q, false);
}

/* The kernel has its say, too: the shim asks that. */
long answer_prctl(struct call *q) {
    ur_keep_capabilities(&q->caller, q->arg[1] == 1);
    return PASS;
}

static long limit(struct call *q, pid_t of, uint64_t to, uint64_t was) {
    struct rlimit given, told;
    long ret = to ? peer_read(q, to, &given, sizeof given) : 0;
    if (ret == 0)
        ret = ur_limit_of_locks(&q->caller, of, to ? &given : NULL, &told);
    return ret == 0 && was ? peer_write(q, was, &told, sizeof told) : ret;
}
long answer_prlimit64(struct call *q) {
    return limit(q, (pid_t)q->arg[0], q->arg[2], q->arg[3]);
}
long answer_setrlimit(struct call *q) {
    return q->arg[1] ? limit(q, 0, q->arg[1], 0) : -EFAULT;
}
long answer_getrlimit(struct call *q) {
    return q->arg[1] ? limit(q, 0, 0, q->arg[1]) : -EFAULT;
}

#define CHANGES(name, group, count, answer)                                                                            \
    long answer_##name(struct call *q) {                                                                               \
        return is_simulated(q, group, count) ? (answer) : PASS;                                                        \
    }
CHANGES(setuid, false, 1, ur_setid(&q->caller, false, id(q, 0)))
CHANGES(setgid, true, 1, ur_setid(&q->caller, true, id(q, 0)))
CHANGES(setreuid, false, 2, ur_setreid(&q->caller, false, id(q, 0), id(q, 1)))
CHANGES(setregid, true, 2, ur_setreid(&q->caller, true, id(q, 0), id(q, 1)))
CHANGES(setresuid, false, 3, ur_setresid(&q->caller, false, id(q, 0), id(q, 1), id(q, 2)))
CHANGES(setresgid, true, 3, ur_setresid(&q->caller, true, id(q, 0), id(q, 1), id(q, 2)))
CHANGES(setfsuid, false, 1, ur_setfsid(&q->caller, false, id(q, 0)))
CHANGES(setfsgid, true, 1, ur_setfsid(&q->caller, true, id(q, 0)))
CHANGES(capset, false, 0, capabilities(q, true))
CHANGES(unshare, false, 0, PASS)

long answer_setgroups(struct call *q) {
    uint32_t list[UR_GROUPS];
    if (!is_simulated(q, true, 0))
        return PASS;
    size_t count = q->arg[0];
    long ret = count && count <= UR_GROUPS ? peer_read(q, q->arg[1], list, count * sizeof *list) : 0;
    return ret < 0 ? ret : ur_setgroups(&q->caller, count, list);
}

static long one(const struct call *q, bool group, int which) {
    struct ur_ids ids;
    ur_ids_of(&q->caller, &ids);
    return group ? ids.gid[which] : ids.uid[which];
}
long answer_getuid(struct call *q) {
    return one(q, false, UR_REAL);
}
long answer_geteuid(struct call *q) {
    return one(q, false, UR_EFFECTIVE);
}
long answer_getgid(struct call *q) {
    return one(q, true, UR_REAL);
}
long answer_getegid(struct call *q) {
    return one(q, true, UR_EFFECTIVE);
}

static long three(const struct call *q, bool group) {
    struct ur_ids ids;
    ur_ids_of(&q->caller, &ids);
    long ret = 0;
    for (int i = 0; i < 3 && ret == 0; i++)
        ret = peer_write(q, q->arg[i], group ? &ids.gid[i] : &ids.uid[i], sizeof(uint32_t));
    return ret;
}
long answer_getresuid(struct call *q) {
    return three(q, false);
}
long answer_getresgid(struct call *q) {
    return three(q, true);
}

long answer_getgroups(struct call *q) {
    uint32_t list[UR_GROUPS];
    int size = (int)q->arg[0];
    struct ur_caller here = q->caller;
    long n = ur_getgroups(&here, size, list);
    long ret = n > 0 && size ? peer_write(q, q->arg[1], list, (size_t)n * sizeof *list) : 0;
    return ret < 0 ? ret : n;
}
