/*
 * Libraries: may those of a program lie in a union? ld.so looks for them by itself. Where no guard answers it, it has
 * an audit object that does (audit/), and that costs a start as much as two thirds of all the rest: a namespace of its
 * own, and the engine anew in it. Most programs of a union need libc alone, and say so in their tables.
 *
 * A program of the host is looked at by where its libraries are looked for, and no more: what lies in a union, it opens
 * by a path (shim/dl.c).
 */
#include "union.h"

#include <elf.h>

enum { NAMES_MAX = 64 << 10, NAME = 32, PIECE = 512, BEHIND = 8 };

/* An ELF file, open at `fd`; its first `n` bytes are `first`. */
struct elf {
    int fd;
    const char *first;
    long n;
    Elf64_Ehdr head;
};

/* What of a program's dynamic section counts here. Offsets in the file; 0: there is none. */
struct dynamic {
    uint64_t at, size;
    uint64_t names, names_size;
};

bool ur_elf_read(int fd, const char *first, long n, void *to, size_t size, uint64_t at) {
    if (n < 0 || at > (uint64_t)n || size > (uint64_t)n - at)
        return sys_pread(fd, to, size, (off_t)at) == (long)size;
    memcpy(to, first + at, size);
    return true;
}

static bool read_at(const struct elf *e, void *to, size_t size, uint64_t at) {
    return ur_elf_read(e->fd, e->first, e->n, to, size, at);
}

/* Where in the file is what will be at an address? 0: nowhere. */
static uint64_t offset_of(const struct elf *e, uint64_t address) {
    for (unsigned i = 0; i < e->head.e_phnum; i++) {
        Elf64_Phdr p;
        if (!read_at(e, &p, sizeof p, e->head.e_phoff + i * sizeof p))
            return 0;
        if (p.p_type == PT_LOAD && address >= p.p_vaddr && address - p.p_vaddr < p.p_filesz)
            return p.p_offset + (address - p.p_vaddr);
    }
    return 0;
}

static bool find_dynamic(const struct elf *e, struct dynamic *d) {
    for (unsigned i = 0; i < e->head.e_phnum; i++) {
        Elf64_Phdr p;
        if (!read_at(e, &p, sizeof p, e->head.e_phoff + i * sizeof p))
            return false;
        if (p.p_type == PT_DYNAMIC) {
            d->at = p.p_offset;
            d->size = p.p_filesz;
            return true;
        }
    }
    return false;
}

/* One of libc's own, or of the compiler's: they look for nothing in a union, and need no others. */
static bool is_libc(const char *name) {
    static const char *const own[] = {"libc.so.",  "libm.so.", "libpthread.so.",
                                      "librt.so.", "ld-linux", "libgcc_s.so."};
    for (unsigned i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strncmp(name, own[i], strlen(own[i])) == 0)
            return !strchr(name, '/');
    return false;
}

/* Does it name a place where ld.so is to look, or a library that may? */
static bool names_places(const struct elf *e, struct dynamic *d) {
    uint64_t names = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (uint64_t i = 0; i < d->size / sizeof(Elf64_Dyn); i++) {
            Elf64_Dyn dyn;
            char name[NAME + 1] = {0};
            if (!read_at(e, &dyn, sizeof dyn, d->at + i * sizeof dyn))
                return true;
            if (dyn.d_tag == DT_NULL)
                break;
            if (dyn.d_tag == DT_STRTAB)
                names = dyn.d_un.d_ptr;
            else if (dyn.d_tag == DT_STRSZ)
                d->names_size = dyn.d_un.d_val;
            else if (dyn.d_tag == DT_RPATH || dyn.d_tag == DT_RUNPATH || dyn.d_tag == DT_AUDIT ||
                     dyn.d_tag == DT_DEPAUDIT || dyn.d_tag == DT_AUXILIARY || dyn.d_tag == DT_FILTER)
                return true;
            else if (dyn.d_tag == DT_NEEDED && pass &&
                     (!read_at(e, name, NAME, d->names + dyn.d_un.d_val) || !is_libc(name)))
                return true;
        }
        if (!pass)
            d->names = offset_of(e, names);
    }
    return !d->names;
}

/* Does a text stand there? */
static bool stands(const char *at, const char *text) {
    while (*text && *at == *text)
        at++, text++;
    return !*text;
}

/* May it ask for a library later? It names the function. */
static bool asks_later(const struct elf *e, const struct dynamic *d) {
    char piece[PIECE + BEHIND + 1];
    if (d->names_size > NAMES_MAX)
        return true;
    for (uint64_t at = 0; at < d->names_size; at += PIECE) {
        size_t size = d->names_size - at < PIECE + BEHIND ? (size_t)(d->names_size - at) : PIECE + BEHIND;
        if (!read_at(e, piece, size, d->names + at))
            return true;
        piece[size] = 0;
        for (size_t i = 0; i < size; i++)
            if (piece[i] == 'd' &&
                (stands(piece + i, "dlopen") || stands(piece + i, "dlmopen") || stands(piece + i, "dlsym")))
                return true;
    }
    return false;
}

bool ur_needs_libraries(int fd, const char *first, long n) {
    struct elf e = {.fd = fd, .first = first, .n = n};
    struct dynamic d = {0};
    if (!read_at(&e, &e.head, sizeof e.head, 0) || e.head.e_phentsize != sizeof(Elf64_Phdr) || !find_dynamic(&e, &d))
        return true;
    return names_places(&e, &d) || asks_later(&e, &d);
}
