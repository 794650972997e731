/*
 * Whose something in shared memory is, and whether he lives.
 *
 * A thread's number says nothing in another pid namespace than its own: a living one looks dead there, and a dead one
 * is somebody else, who lives. So an owner is a thread's number and some bits of its namespace's, and who is in another
 * does not know what has become of him. (Namespaces are numbered one after the other: their low bits differ.)
 */
#include "union.h"

enum { NUMBER_BITS = 22 /* the kernel gives no greater ones */, NAMESPACES = 1 << 10, NO_NAMESPACE = NAMESPACES - 1 };
#define NUMBER ((UINT32_C(1) << NUMBER_BITS) - 1)

/* A process stays in its namespace, but a child may be born into another. Each change of a name asks: one call, for the
   thread's number. */
static uint32_t namespace_of(uint32_t self) {
    enum { KNOWN = 64 };
    static _Atomic uint64_t known[KNOWN]; /* threads of this process, and its namespace */
    _Atomic uint64_t *slot = &known[self % KNOWN];
    uint64_t last = atomic_load_explicit(slot, memory_order_relaxed);
    if (last / NAMESPACES == self)
        return last % NAMESPACES;
    struct stat st;
    long ret = sys_fstatat(AT_FDCWD, "/proc/self/ns/pid", &st, 0);
    uint32_t found = ret < 0 ? NO_NAMESPACE : (uint32_t)(st.st_ino % NO_NAMESPACE);
    atomic_store_explicit(slot, (uint64_t)self * NAMESPACES + found, memory_order_relaxed);
    return found;
}

static bool is_of_here(uint32_t owner) {
    uint32_t here = namespace_of((uint32_t)sys_gettid());
    return here != NO_NAMESPACE && owner >> NUMBER_BITS == here;
}

uint32_t ur_self(void) {
    uint32_t self = (uint32_t)sys_gettid();
    return namespace_of(self) << NUMBER_BITS | (self & NUMBER);
}

bool ur_is_dead(uint32_t owner) {
    return is_of_here(owner) && UR_SYS(SYS_kill, owner & NUMBER, 0, 0, 0, 0, 0) == -ESRCH;
}

/* Are its numbers ours? Who gets a new namespace may have the old one's /proc. */
static bool is_own_proc(void) {
    char text[24];
    const char *at = text;
    long n = sys_readlink("/proc/self", text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    return (long)ur_get_number(&at, 10) == sys_getpid();
}

enum ur_fate ur_fate_of(uint32_t owner, uint32_t taken) {
    enum { STATE = 1, BEGUN = 20 }; /* of stat's fields, counted from the name's end */
    if (!is_of_here(owner))
        return UR_FATE_UNKNOWN;
    if (ur_is_dead(owner))
        return UR_FATE_DEAD;
    if (!is_own_proc())
        return UR_FATE_UNKNOWN;
    char text[512], path[40], *end = path + sizeof path, *p = ur_put(path, end, "/proc/", 6);
    p = ur_put_number(p, end, owner & NUMBER, 10);
    ur_put(p, end, "/stat", 5);
    long fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
    long n = fd < 0 ? fd : UR_SYS(SYS_read, fd, text, sizeof text - 1, 0, 0, 0);
    if (fd >= 0)
        sys_close((int)fd);
    const char *at = NULL;
    for (long i = n; i > 0 && !at; i--)
        at = text[i - 1] == ')' ? text + i : NULL;
    if (at)
        text[n] = 0;
    if (!at || !at[0] || !at[STATE])
        return UR_FATE_UNKNOWN;
    if (strchr("ZXx", at[STATE]))
        return UR_FATE_DEAD;
    char state = at[STATE];
    for (int field = 0; field < BEGUN && *at; at++)
        field += *at == ' ';
    int32_t after = (int32_t)((uint32_t)ur_get_number(&at, 10) - taken);
    return taken && after > 1 ? UR_FATE_DEAD : state == 'T' || state == 't' ? UR_FATE_STOPPED : UR_FATE_LIVES;
}
