/*
 * Answers: who the caller is, and who it becomes. In root's run it may be another from now on, and whoever it is, what
 * it starts is, too: that is noted, and the kernel does it. Under a simulated root the engine answers (engine/root.h).
 */
#include "engine/root.h"
#include "launch/guard/guard.h"

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
CHANGES(capset, false, 0, ur_setcaps(&q->caller))
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
