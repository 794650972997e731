/*
 * What a program hands over may lie nowhere, of which the kernel would say -EFAULT. So before it is read, or a result
 * is put there, the kernel is asked, by a call that does nothing but that; once for a page, for as long as nothing else
 * is asked in its place. A page that goes after that is found out as it is without this: by a signal.
 */
#include "union.h"

enum { PAGE = 4096, KNOWN = 128, MASK = 8 /* bytes of a signal mask */, PROBE = sizeof(unsigned) };

/* Pages that could be read and written, by their number. */
static _Atomic uintptr_t known[KNOWN], written[KNOWN];

static __attribute__((noinline)) bool ask_read(uintptr_t page) {
    /* It reads the new mask, and then knows no such way of using it: -EINVAL. */
    if (!page || UR_SYS(SYS_rt_sigprocmask, -1, page, 0, MASK, 0, 0) == -EFAULT)
        return false;
    atomic_store_explicit(&known[page / PAGE % KNOWN], page, memory_order_relaxed);
    return true;
}

static inline bool can_read(uintptr_t page) {
    uintptr_t last = atomic_load_explicit(&known[page / PAGE % KNOWN], memory_order_relaxed);
    return __builtin_expect(last == page && page, 1) || ask_read(page);
}

long ur_length_within(const struct ur_caller *c, const char *text, size_t most) {
    if (c->pid) /* the guard's own copy */
        return text ? (long)strnlen(text, most) : -EFAULT;
    for (size_t n = 0;;) {
        uintptr_t at = (uintptr_t)text + n;
        if (!can_read(at / PAGE * PAGE))
            return -EFAULT;
        size_t room = PAGE - at % PAGE;
        if (room > most - n)
            room = most - n;
        size_t some = strnlen(text + n, room);
        n += some;
        if (some < room || n == most)
            return (long)n;
    }
}

bool ur_can_read(const struct ur_caller *c, const void *at, size_t size) {
    if (c->pid || size == 0)
        return true;
    uintptr_t page = (uintptr_t)at / PAGE * PAGE, last = ((uintptr_t)at + size - 1) / PAGE * PAGE;
    if (last < page || (uintptr_t)at + size - 1 < size - 1)
        return false;
    while (page != last && can_read(page))
        page += PAGE;
    return can_read(page);
}

/* `at` is in the page, or shortly before it. */
static bool can_write(uintptr_t page, uintptr_t at) {
    _Atomic uintptr_t *slot = &written[page / PAGE % KNOWN];
    if (__builtin_expect(atomic_load_explicit(slot, memory_order_relaxed) == page && page, 1))
        return true;
    if (!page || UR_SYS(SYS_getcpu, at, 0, 0, 0, 0, 0) == -EFAULT)
        return false;
    atomic_store_explicit(slot, page, memory_order_relaxed);
    return true;
}

bool ur_can_write(const struct ur_caller *c, void *to, size_t size) {
    uintptr_t at = (uintptr_t)to, last = (at + size - 1) / PAGE * PAGE;
    if (c->pid || size < PROBE)
        return ur_can_read(c, to, size);
    if (at + size < at)
        return false;
    for (uintptr_t page = at / PAGE * PAGE;; page += PAGE) {
        uintptr_t from = page > at ? page : at;
        if (!can_write(page, from <= at + size - PROBE ? from : at + size - PROBE))
            return false;
        if (page == last)
            return true;
    }
}
