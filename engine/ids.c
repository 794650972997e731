/*
 * The ids of a process under a simulated root: root.h says where they are.
 *
 * Invariant: a place of the table is written once, before its number is given to anybody. A process that is killed
 * while it writes leaves a place that nobody uses. Equal ids have one place, or few.
 */
#include "root.h"
#include "union.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define ALL_CAPABILITIES ((UINT64_C(2) << CAP_LAST_CAP) - 1)
static const struct ur_ids root = {.count = 1, .effective = ALL_CAPABILITIES, .permitted = ALL_CAPABILITIES};

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

static long take_number(const struct ur_caller *c, long number) {
    struct rlimit l;
    long ret = limit(c, NULL, &l);
    if (ret < 0 || l.rlim_max < UR_IDS)
        return ret < 0 ? ret : -ENOMEM;
    l.rlim_cur = l.rlim_max - (rlim_t)number;
    return limit(c, &l, NULL);
}

static long become(const struct ur_caller *c, const struct ur_ids *ids) {
    long number = c->u->shared ? number_of(c->u->shared, ids) : -ENOMEM;
    return number < 0 ? number : take_number(c, number);
}

long ur_limit_of_locks(const struct ur_caller *c, pid_t of, const struct rlimit *to, struct rlimit *was) {
    struct rlimit l;
    if (to && to->rlim_cur > to->rlim_max)
        return -EINVAL;
    long ret = UR_SYS(SYS_prlimit64, of ? of : c->pid, RLIMIT_LOCKS, NULL, &l, 0, 0);
    l.rlim_cur = l.rlim_max;
    if (ret == 0 && was)
        *was = l;
    return ret;
}

/* --- capabilities(7) --------------------------------------------------------------------------------------------- */

static bool privileged(const struct ur_ids *ids, int capability) {
    return ids->effective >> capability & 1;
}

static bool keeps(const struct ur_caller *c, const struct ur_ids *ids) {
    return c->pid ? ids->keep : UR_SYS(SYS_prctl, PR_GET_KEEPCAPS, 0, 0, 0, 0, 0) == 1;
}

static bool has_root(const struct ur_ids *ids) {
    return !ids->uid[UR_REAL] || !ids->uid[UR_EFFECTIVE] || !ids->uid[UR_SAVED];
}

/* "Effect of user ID changes on capabilities". */
static void change_capabilities(const struct ur_caller *c, const struct ur_ids *was, struct ur_ids *now) {
    if (has_root(was) && !has_root(now) && !keeps(c, was))
        now->permitted = now->effective = 0;
    if (was->uid[UR_EFFECTIVE] == 0 && now->uid[UR_EFFECTIVE] != 0)
        now->effective = 0;
    if (was->uid[UR_EFFECTIVE] != 0 && now->uid[UR_EFFECTIVE] == 0)
        now->effective = now->permitted;
}

unsigned ur_capability_sets(uint32_t version) {
    return version == _LINUX_CAPABILITY_VERSION_1                                             ? 1
           : version == _LINUX_CAPABILITY_VERSION_2 || version == _LINUX_CAPABILITY_VERSION_3 ? 2
                                                                                              : 0;
}

void ur_capget(const struct ur_caller *c, struct __user_cap_data_struct *data, unsigned sets) {
    struct ur_ids ids;
    ur_ids_of(c, &ids);
    for (unsigned i = 0; i < sets; i++) {
        data[i].effective = (uint32_t)(ids.effective >> 32 * i);
        data[i].permitted = (uint32_t)(ids.permitted >> 32 * i);
        data[i].inheritable = (uint32_t)(ids.inheritable >> 32 * i);
    }
}

long ur_capset(const struct ur_caller *c, const struct __user_cap_data_struct *data, unsigned sets) {
    struct ur_ids ids;
    uint64_t effective = 0, permitted = 0, inheritable = 0;
    ur_ids_of(c, &ids);
    for (unsigned i = 0; i < sets; i++) {
        effective |= (uint64_t)data[i].effective << 32 * i;
        permitted |= (uint64_t)data[i].permitted << 32 * i;
        inheritable |= (uint64_t)data[i].inheritable << 32 * i;
    }
    effective &= ALL_CAPABILITIES;
    permitted &= ALL_CAPABILITIES;
    inheritable &= ALL_CAPABILITIES;
    if (permitted & ~ids.permitted || effective & ~permitted ||
        (inheritable & ~(ids.inheritable | ids.permitted) && !privileged(&ids, CAP_SETPCAP)))
        return -EPERM;
    ids.effective = effective;
    ids.permitted = permitted;
    ids.inheritable = inheritable;
    return become(c, &ids);
}

void ur_keep_capabilities(const struct ur_caller *c, bool keep) {
    struct ur_ids ids;
    ur_ids_of(c, &ids);
    if (ids.keep == keep)
        return;
    ids.keep = keep;
    become(c, &ids);
}

/* --- ids --------------------------------------------------------------------------------------------------------- */

long ur_ids_exec(const struct ur_caller *c, const struct ur_exec *x) {
    struct ur_ids was, now;
    ur_ids_of(c, &was);
    now = was;
    if (x && x->set_uid)
        now.uid[UR_EFFECTIVE] = x->uid;
    if (x && x->set_gid)
        now.gid[UR_EFFECTIVE] = x->gid;
    now.uid[UR_SAVED] = now.uid[UR_FILESYSTEM] = now.uid[UR_EFFECTIVE];
    now.gid[UR_SAVED] = now.gid[UR_FILESYSTEM] = now.gid[UR_EFFECTIVE];
    now.permitted = now.uid[UR_REAL] && now.uid[UR_EFFECTIVE] ? 0 : ALL_CAPABILITIES;
    now.effective = now.uid[UR_EFFECTIVE] ? 0 : ALL_CAPABILITIES;
    now.keep = 0;
    if (memcmp(&now, &was, sizeof now) == 0 || !c->u->shared)
        return -1;
    long before = number_of(c->u->shared, &was);
    return before >= 0 && become(c, &now) == 0 ? before : -1;
}

void ur_ids_back(const struct ur_caller *c, long before) {
    if (before >= 0)
        take_number(c, before);
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
    if (!privileged(&ids, CAP_SETGID))
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

/* Whose ids have become `now`. */
static long changed(const struct ur_caller *c, const struct ur_ids *was, struct ur_ids *now) {
    change_capabilities(c, was, now);
    return become(c, now);
}

static bool may_set(const struct ur_ids *ids, bool group) {
    return privileged(ids, group ? CAP_SETGID : CAP_SETUID);
}

long ur_setresid(const struct ur_caller *c, bool group, uint32_t real, uint32_t effective, uint32_t saved) {
    struct ur_ids ids, before;
    ur_ids_of(c, &ids);
    before = ids;
    uint32_t *id = ids_in(&ids, group), to[3] = {real, effective, saved};
    for (int i = 0; i < 3; i++)
        if (!may_set(&ids, group) && !is_one(id, 3, to[i]))
            return -EPERM;
    for (int i = 0; i < 3; i++)
        if (to[i] != UR_SAME)
            id[i] = to[i];
    id[UR_FILESYSTEM] = id[UR_EFFECTIVE];
    return changed(c, &before, &ids);
}

long ur_setreid(const struct ur_caller *c, bool group, uint32_t real, uint32_t effective) {
    struct ur_ids ids, before;
    ur_ids_of(c, &ids);
    before = ids;
    uint32_t *id = ids_in(&ids, group), was = id[UR_REAL];
    if (!may_set(&ids, group) && (!is_one(id, 2, real) || !is_one(id, 3, effective)))
        return -EPERM;
    if (real != UR_SAME)
        id[UR_REAL] = real;
    if (effective != UR_SAME)
        id[UR_EFFECTIVE] = effective;
    if (real != UR_SAME || (effective != UR_SAME && effective != was))
        id[UR_SAVED] = id[UR_EFFECTIVE];
    id[UR_FILESYSTEM] = id[UR_EFFECTIVE];
    return changed(c, &before, &ids);
}

long ur_setid(const struct ur_caller *c, bool group, uint32_t to) {
    struct ur_ids ids, before;
    ur_ids_of(c, &ids);
    before = ids;
    uint32_t *id = ids_in(&ids, group);
    if (to == UR_SAME)
        return -EINVAL;
    if (may_set(&ids, group))
        id[UR_REAL] = id[UR_SAVED] = to;
    else if (to != id[UR_REAL] && to != id[UR_SAVED])
        return -EPERM;
    id[UR_EFFECTIVE] = id[UR_FILESYSTEM] = to;
    return changed(c, &before, &ids);
}

long ur_setfsid(const struct ur_caller *c, bool group, uint32_t to) {
    struct ur_ids ids;
    ur_ids_of(c, &ids);
    uint32_t *id = ids_in(&ids, group), was = id[UR_FILESYSTEM];
    if (to != UR_SAME && (may_set(&ids, group) || is_one(id, 4, to))) {
        id[UR_FILESYSTEM] = to;
        become(c, &ids);
    }
    return was;
}
