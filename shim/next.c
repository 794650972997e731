/*
 * libc's own function of a name that is hooked here.
 *
 * dlsym knows it, but forgets the error that dlerror is to tell; and asked for at each start it costs a program as much
 * as all the rest of the shim. So dlerror itself is found as ld.so finds it: in the symbol tables of the
 * objects behind this one, by the list that ld.so keeps for debuggers. Of that only the head is read: what the program
 * was started with, which is never taken out.
 */
#include "shim.h"

#include <dlfcn.h>
#include <link.h>

/* Old hosts have dlsym in libdl, so the newest version of it must not be asked for; and there it is missing if
   the program does not use libdl. */
#if defined __x86_64__
__asm__(".symver dlsym,dlsym@GLIBC_2.2.5");
#elif defined __aarch64__
__asm__(".symver dlsym,dlsym@GLIBC_2.17");
#endif
#pragma weak dlsym
#pragma weak _r_debug

extern Elf64_Dyn _DYNAMIC[] __attribute__((visibility("hidden")));

void *ur_next(_Atomic(void *) *slot, const char *name) {
    void *fn = atomic_load_explicit(slot, memory_order_acquire);
    if (!fn && dlsym) {
        fn = dlsym(RTLD_NEXT, name);
        atomic_store_explicit(slot, fn, memory_order_release);
    }
    return fn;
}

/* The address that a dynamic section's entry tells, which ld.so may have made absolute; NULL if there is none. */
static const void *entry(const struct link_map *m, Elf64_Sxword tag) {
    for (const Elf64_Dyn *d = m->l_ld; d->d_tag != DT_NULL; d++)
        if (d->d_tag == tag)
            return (const char *)(d->d_un.d_ptr < m->l_addr ? m->l_addr : 0) + d->d_un.d_ptr;
    return NULL;
}

static uint32_t hash_of(const char *name) {
    uint32_t h = 5381;
    while (*name)
        h = h * 33 + (unsigned char)*name++;
    return h;
}

static void *find(const struct link_map *m, const char *name) {
    const uint32_t *table = entry(m, DT_GNU_HASH), hash = hash_of(name);
    const Elf64_Sym *symbols = entry(m, DT_SYMTAB);
    const char *strings = entry(m, DT_STRTAB);
    if (!table || !symbols || !strings)
        return NULL;
    uint32_t buckets = table[0], first = table[1];
    const uint32_t *bucket = table + 4 + table[2] * (sizeof(Elf64_Addr) / sizeof *table), *chain = bucket + buckets;
    for (uint32_t i = buckets ? bucket[hash % buckets] : 0; i >= first && i; i++) {
        const Elf64_Sym *s = &symbols[i];
        if ((chain[i - first] | 1) == (hash | 1) && s->st_shndx != SHN_UNDEF && strcmp(strings + s->st_name, name) == 0)
            return (void *)(m->l_addr + s->st_value); // NOLINT(performance-no-int-to-ptr): as ld.so makes it
        if (chain[i - first] & 1)
            return NULL;
    }
    return NULL;
}

void *ur_next_dlerror(void) {
    static _Atomic(void *) slot;
    void *fn = atomic_load_explicit(&slot, memory_order_acquire);
    if (fn)
        return fn;
    const struct link_map *m = &_r_debug ? _r_debug.r_map : NULL;
    while (m && m->l_ld != _DYNAMIC)
        m = m->l_next;
    while (m && !fn && (m = m->l_next))
        fn = find(m, "dlerror");
    if (!fn)
        fn = ur_next(&slot, "dlerror");
    atomic_store_explicit(&slot, fn, memory_order_release);
    return fn;
}
