/* The memory of a directory that is read whole. */
#include "snapshot.h"

#include <sys/mman.h>

static void *map(size_t size) {
    long at = sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at < 0 && at > -4096 ? NULL : (void *)at;
}

static bool is_mapped(const struct ur_list *l) {
    return l->snapshot.size && l->snapshot.area != l->room;
}

void ur_snapshot_free(struct ur_list *l) {
    if (is_mapped(l))
        sys_munmap(l->snapshot.area, l->snapshot.size);
    l->snapshot = (struct ur_snapshot){0};
}

bool ur_snapshot_reserve(struct ur_list *l, size_t size) {
    struct ur_snapshot *p = &l->snapshot;
    while (p->used + size + (p->count + 1) * sizeof(uint32_t) > p->size) {
        struct ur_snapshot to = *p;
        to.size = p->size >= 32768 ? p->size * 2 : 65536;
        to.area = p->size ? NULL : l->room;
        if (to.area)
            to.size = l->room_size / 8 * 8;
        else if (!(to.area = map(to.size)))
            return false;
        if (p->used) {
            memcpy(to.area, p->area, p->used);
            memcpy(ur_packed_offset(&to, p->count - 1), ur_packed_offset(p, p->count - 1), p->count * sizeof(uint32_t));
        }
        if (is_mapped(l))
            sys_munmap(p->area, p->size);
        *p = to;
    }
    return true;
}
