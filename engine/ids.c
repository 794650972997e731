/*
 * The ids of a process under a simulated root: root.h says where they are.
 *
 * Invariant: a place of the table is written once, before its number is given to anybody. A process that is killed
 * while it writes leaves a place that nobody uses. Equal ids have one place, or few.
 */
#include "root.h"
#include "union.h"

#include <sys/resource.h>

static const struct ur_ids root = {.count = 1};

static long limit(const struct ur_caller *c, const struct rlimit *to, struct rlimit *was) {
    return UR_SYS(SYS_prlimit64, c->pid, RLIMIT_LOCKS, to, was, 0, 0);
}

void ur_ids_of(const struct ur_caller *c, struct ur_ids *ids) {
    struct rlimit l;
    struct ur_shared *shared = c->u->shared;
    *ids = root;
    if (!shared || limit(c, NULL, &l) < 0 || l.rlim_cur == l.rlim_max || l.rlim_max - l.rlim_cur > UR_IDS)
        return;
    struct ur_ids_place *place = &shared->ids[l.rlim_max - l.rlim_cur - 1];
    if (atomic_load_explicit(&place->state, memory_order_acquire) == UR_IDS_READY)
        *ids = place->ids;
}

/* The number of these ids; -ENOMEM if there is no place left. */
static long number_of(struct ur_shared *shared, const struct ur_ids *ids) {
    if (memcmp(ids, &root, sizeof root) == 0)
        return 0;
    for (uint32_t i = 0; i < UR_IDS; i++) {
        struct ur_ids_place *place = &shared->ids[i];
        uint32_t state = UR_IDS_FREE;
        if (atomic_compare_exchange_strong(&place->state, &state, UR_IDS_WRITTEN)) {
            place->ids = *ids;
            atomic_store_explicit(&place->state, UR_IDS_READY, memory_order_release);
            return i + 1;
        }
        if (state == UR_IDS_READY && memcmp(ids, &place->ids, sizeof *ids) == 0)
            return i + 1;
    }
    return -ENOMEM;
}

static long become(const struct ur_caller *c, const struct ur_ids *ids) {
    struct rlimit l;
    if (!c->u->shared)
        return -ENOMEM;
    long number = number_of(c->u->shared, ids), ret = limit(c, NULL, &l);
    if (number < 0 || ret < 0)
        return number < 0 ? number : ret;
    if (l.rlim_max < UR_IDS)
        return -ENOMEM;
    l.rlim_cur = l.rlim_max - (rlim_t)number;
    return limit(c, &l, NULL);
}

static uint32_t *ids_in(struct ur_ids *ids, bool group) {
    return group ? ids->gid : ids->uid;
}

/* `how_many` of real, effective, saved and filesystem ID. */
static bool is_one(const uint32_t *of, int how_many, uint32_t id) {
    for (int i = 0; i < how_many; i++)
        if (of[i] == id)
            return true;
    return id == UR_SAME;
}

static bool privileged(const struct ur_ids *ids) {
    return ids->uid[UR_EFFECTIVE] == 0;
}

long ur_getgroups(const struct ur_caller *c, int size, uint32_t *list) {
    struct ur_ids ids;
    ur_ids_of(c, &ids);
    if (size < 0 || (size && (uint32_t)size < ids.count))
        return -EINVAL;
    if (size && !ur_can_write(c, list, ids.count * sizeof *list))
        return -EFAULT;
    if (size)
        memcpy(list, ids.group, ids.count * sizeof *list);
    return ids.count;
}

long ur_setgroups(const struct ur_caller *c, size_t count, const uint32_t *list) {
    struct ur_ids ids;
    ur_ids_of(c, &ids);
    if (!privileged(&ids))
        return -EPERM;
    if (count > 65536) /* NGROUPS_MAX */
        return -EINVAL;
    if (count > UR_GROUPS)
        return -ENOMEM;
    if (count && !ur_can_read(c, list, count * sizeof *list))
        return -EFAULT;
    memset(ids.group, 0, sizeof ids.group);
    for (size_t i = 0; i < count; i++) {
        if (list[i] == UR_SAME)
            return -EINVAL;
        ids.group[i] = list[i];
    }
    ids.count = (uint32_t)count;
    return become(c, &ids);
}

long ur_setresid(const struct ur_caller *c, bool group, uint32_t real, uint32_t effective, uint32_t saved) {
    struct ur_ids ids;
    ur_ids_of(c, &ids);
    uint32_t *id = ids_in(&ids, group), to[3] = {real, effective, saved};
    for (int i = 0; i < 3; i++)
        if (!privileged(&ids) && !is_one(id, 3, to[i]))
            return -EPERM;
    for (int i = 0; i < 3; i++)
        if (to[i] != UR_SAME)
            id[i] = to[i];
    id[UR_FILESYSTEM] = id[UR_EFFECTIVE];
    return become(c, &ids);
}

long ur_setreid(const struct ur_caller *c, bool group, uint32_t real, uint32_t effective) {
    struct ur_ids ids;
    ur_ids_of(c, &ids);
    uint32_t *id = ids_in(&ids, group), was = id[UR_REAL];
    if (!privileged(&ids) && (!is_one(id, 2, real) || !is_one(id, 3, effective)))
        return -EPERM;
    if (real != UR_SAME)
        id[UR_REAL] = real;
    if (effective != UR_SAME)
        id[UR_EFFECTIVE] = effective;
    if (real != UR_SAME || (effective != UR_SAME && effective != was))
        id[UR_SAVED] = id[UR_EFFECTIVE];
    id[UR_FILESYSTEM] = id[UR_EFFECTIVE];
    return become(c, &ids);
}

long ur_setid(const struct ur_caller *c, bool group, uint32_t to) {
    struct ur_ids ids;
    ur_ids_of(c, &ids);
    uint32_t *id = ids_in(&ids, group);
    if (to == UR_SAME)
        return -EINVAL;
    if (privileged(&ids))
        id[UR_REAL] = id[UR_SAVED] = to;
    else if (to != id[UR_REAL] && to != id[UR_SAVED])
        return -EPERM;
    id[UR_EFFECTIVE] = id[UR_FILESYSTEM] = to;
    return become(c, &ids);
}

long ur_setfsid(const struct ur_caller *c, bool group, uint32_t to) {
    struct ur_ids ids;
    ur_ids_of(c, &ids);
    uint32_t *id = ids_in(&ids, group), was = id[UR_FILESYSTEM];
    if (to != UR_SAME && (privileged(&ids) || is_one(id, 4, to))) {
        id[UR_FILESYSTEM] = to;
        become(c, &ids);
    }
    return was;
}

long ur_setcaps(const struct ur_caller *c) {
    struct ur_ids ids;
    ur_ids_of(c, &ids);
    return privileged(&ids) ? 0 : -EPERM;
}
