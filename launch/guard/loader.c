/*
 * The two questions that ld.so asks at each start of a program, whatever the program is: is there /etc/ld.so.preload,
 * and what does /etc/ld.so.cache hold. Each would cost a start as much as all of the shim, and where the union has
 * nothing to say about /etc the answer is the kernel's. So the filter knows them, by what no randomising of addresses
 * changes: how far the name lies from the instruction that makes the call, and where in its page that instruction is.
 *
 * They are looked for in the ld.so that has loaded this program, which is the host's. One that has others is asked for
 * all.
 */
#include "launch/guard/guard.h"

#include <elf.h>
#include <string.h>
#include <sys/auxv.h>

#if defined __x86_64__
enum { ACCESS = 21, OPENAT = 257, NEAR = 24, SYSCALL = 2 /* bytes of the instruction */ };

struct part {
    const char *at;
    size_t size;
};

/* The name as a string of its own in one of the parts, and nowhere else; or NULL. */
static const char *find_name(const struct part *parts, unsigned count, const char *name, size_t size) {
    const char *found = NULL;
    for (unsigned i = 0; i < count; i++) {
        const char *at = parts[i].at, *end = at + parts[i].size;
        while ((at = memmem(at, (size_t)(end - at), name, size))) {
            if (found)
                return NULL;
            found = at++ + 1; /* behind the NUL in front */
        }
    }
    return found;
}

/* The instructions that may make system call `number`: it is put into its register just before. */
static unsigned find_calls(const struct part *code, uint32_t number, const char *name, struct loader_call *calls) {
    const char load[] = {(char)0xb8, (char)number, (char)(number >> 8), 0, 0};
    unsigned count = 0;
    const char *first = code->at + NEAR, *end = code->at + code->size;
    /* By its second byte, which is the rarer in code. */
    for (const char *at = first; name && at < end && (at = memchr(at, 0x05, (size_t)(end - at))); at++) {
        const char *here = at - 1;
        if (here < first || *here != 0x0f || !memmem(here - NEAR, NEAR, load, sizeof load))
            continue;
        if (count == LOADER_CALLS)
            return 0;
        uintptr_t behind = (uintptr_t)here + SYSCALL;
        calls[count++] = (struct loader_call){behind % 4096, (uint32_t)((uintptr_t)name - behind)};
    }
    return count;
}

void loader_find(struct loader *l) {
    static const char preload[] = "\0/etc/ld.so.preload", cache[] = "\0/etc/ld.so.cache";
    const char *base = (const char *)getauxval(AT_BASE); // NOLINT(performance-no-int-to-ptr)
    struct part parts[8], code = {0};
    unsigned count = 0;
    *l = (struct loader){0};
    if (!base)
        return;
    const Elf64_Ehdr *head = (const Elf64_Ehdr *)base;
    const Elf64_Phdr *p = (const Elf64_Phdr *)(base + head->e_phoff);
    for (unsigned i = 0; i < head->e_phnum && count < sizeof parts / sizeof *parts; i++) {
        if (p[i].p_type != PT_LOAD || p[i].p_flags & PF_W)
            continue;
        parts[count++] = (struct part){base + p[i].p_vaddr, p[i].p_filesz};
        if (p[i].p_flags & PF_X)
            code = parts[count - 1];
    }
    l->accesses = find_calls(&code, ACCESS, find_name(parts, count, preload, sizeof preload), l->access);
    l->opens = find_calls(&code, OPENAT, find_name(parts, count, cache, sizeof cache), l->open);
}
#else
void loader_find(struct loader *l) {
    *l = (struct loader){0};
}
#endif
