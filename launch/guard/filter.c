/*
 * The filter: a BPF program over struct seccomp_data, made from calls.def and, for what is not there, numbers.def.
 *
 * The number is looked at first, and that by a balanced search: so the kernel's own bitmap of calls that are
 * always allowed (read, write and most others) stays whole, and those cost nothing. Only then comes the address.
 * Calls of the other two ABIs of x86 (i386, x32) have numbers of their own, and each is answered ENOSYS.
 */
#include "engine/gate.h"
#include "engine/numbers.h"
#include "engine/sys.h"
#include "launch/guard/guard.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#if defined __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

enum kind {
    ALLOW,
    PATH,
    ACCESS_PATH,
    META,
    OPEN,
    FSTAT,
    IOCTL,
    ADDRESS,
    IDS,
    WRITE,
    WHO,
    LIMIT,
    KEEP,
    REFUSED_ENOSYS,
    REFUSED_EPERM,
    REFUSED_EOPNOTSUPP,
    KINDS
};

struct row {
    int number;
    enum kind kind;
};

/* What the guard has no say in. */
enum { UNION = ALLOW, SHIM = ALLOW, GUARDED = ALLOW, LIMITED = ALLOW, PASSES = ALLOW };
static const struct row others[] = {
#define CALL(name, x86_64, aarch64, meaning) {CALL_##name, (enum kind)meaning},
#include "engine/numbers.def"
};
static const struct row calls[] = {
#define GUARD(call, kind, answer) {CALL_##call, kind},
#include "launch/guard/calls.def"
};
enum { RANGES = CALL_NUMBERS, CODE = 2048 };

struct program {
    struct sock_filter code[CODE];
    unsigned used;
    struct range {
        uint32_t from;
        enum kind kind;
    } range[RANGES];
    unsigned ranges;
    struct jump {
        unsigned at;
        enum kind kind;
    } jump[RANGES + 8]; /* JA instructions that lead to their kind's code */
    unsigned jumps;
};

static unsigned emit(struct program *p, unsigned short code, unsigned char yes, unsigned char no, uint32_t k) {
    p->code[p->used] = (struct sock_filter){code, yes, no, k};
    return p->used++;
}
static void load(struct program *p, size_t offset) {
    emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}
static void give(struct program *p, uint32_t action) {
    emit(p, BPF_RET | BPF_K, 0, 0, action);
}
/* The low half of argument n; both architectures are little-endian. */
static size_t low(unsigned n) {
    return offsetof(struct seccomp_data, args) + n * sizeof(uint64_t);
}

static enum kind kind_in(enum kind kind, enum filter_ids ids) {
    switch (kind) {
    case WHO:
        return ids == FILTER_IDS_TOLD ? PATH : ALLOW;
    case LIMIT:
    case KEEP:
        return ids == FILTER_IDS_TOLD ? kind : ALLOW;
    case IDS:
        return ids == FILTER_IDS_REAL ? ALLOW : kind;
    default:
        return kind;
    }
}

/* Numbers as ranges of one kind, in their order. What no table knows is no call yet. */
static void make_ranges(struct program *p, enum filter_ids ids, bool limited) {
    enum kind of[CALL_NUMBERS];
    for (unsigned number = 0; number < CALL_NUMBERS; number++)
        of[number] = REFUSED_ENOSYS;
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i].number >= 0)
            of[others[i].number] = others[i].kind;
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i].number >= 0)
            of[calls[i].number] = calls[i].kind == WRITE && !limited ? ALLOW : kind_in(calls[i].kind, ids);
    for (uint32_t number = 0; number < CALL_NUMBERS; number++)
        if (number == 0 || of[number] != of[number - 1])
            p->range[p->ranges++] = (struct range){number, of[number]};
}

/* A balanced search of ranges a..b: each leaf jumps to its kind. Whoever installs it pays for each instruction, so a
   test jumps to its second half itself where it reaches it. */
static void search(struct program *p, unsigned a, unsigned b) {
    enum { REACH = 255 };
    if (a == b) {
        p->jump[p->jumps++] = (struct jump){emit(p, BPF_JMP | BPF_JA, 0, 0, 0), p->range[a].kind};
        return;
    }
    unsigned middle = (a + b + 1) / 2;
    unsigned leaves = middle - a, first_half = 2 * leaves - 1; /* instructions, if all reach */
    bool reaches = first_half <= REACH;
    unsigned test = emit(p, BPF_JMP | BPF_JGE | BPF_K, reaches ? (unsigned char)first_half : 0, reaches ? 0 : 1,
                         p->range[middle].from);
    if (!reaches)
        emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
    search(p, a, middle - 1);
    if (!reaches)
        p->code[test + 1].k = p->used - test - 2;
    search(p, middle, b);
}

/* What programs ask most often is found before the search. */
static void often(struct program *p) {
    static const uint32_t number[] = {SYS_newfstatat, SYS_openat};
    for (unsigned i = 0; i < sizeof number / sizeof *number; i++)
        for (unsigned r = p->ranges; r-- > 0;)
            if (p->range[r].from <= number[i]) {
                emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, number[i]);
                p->jump[p->jumps++] = (struct jump){emit(p, BPF_JMP | BPF_JA, 0, 0, 0), p->range[r].kind};
                break;
            }
}

/* Allows the call if its instruction lies in the gate, else goes on. The address that is told is the one behind the
   instruction. */
static void allow_gate(struct program *p) {
    load(p, offsetof(struct seccomp_data, instruction_pointer) + 4);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, (uint32_t)(UR_GATE >> 32));
    load(p, offsetof(struct seccomp_data, instruction_pointer));
    emit(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, ~(uint32_t)(UR_GATE_SIZE - 1));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)UR_GATE);
    give(p, SECCOMP_RET_ALLOW);
}
static void unless_gate(struct program *p) {
    allow_gate(p);
    give(p, SECCOMP_RET_USER_NOTIF);
}

/* Allows calls of ld.so's: their name is argument `name`, and argument `name` + 1 is `flags`. Else goes on. */
static void allow_loader(struct program *p, const struct loader_call *asked, unsigned count, unsigned name,
                         uint32_t flags) {
    enum { BLOCK = 14 };
    for (unsigned i = 0; i < count; i++) {
        unsigned end = p->used + BLOCK;
#define ELSE_NEXT (unsigned char)(end - p->used - 1)
        load(p, offsetof(struct seccomp_data, instruction_pointer) + 4);
        emit(p, BPF_MISC | BPF_TAX, 0, 0, 0);
        load(p, low(name) + 4);
        emit(p, BPF_JMP | BPF_JEQ | BPF_X, 0, ELSE_NEXT, 0);
        load(p, offsetof(struct seccomp_data, instruction_pointer));
        emit(p, BPF_MISC | BPF_TAX, 0, 0, 0);
        emit(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, 4095);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, ELSE_NEXT, asked[i].place);
        load(p, low(name));
        emit(p, BPF_ALU | BPF_SUB | BPF_X, 0, 0, 0);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, ELSE_NEXT, asked[i].distance);
        load(p, low(name + 1));
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, ELSE_NEXT, flags);
        give(p, SECCOMP_RET_ALLOW);
#undef ELSE_NEXT
    }
}

static void kind_access(struct program *p, const struct loader *loader) {
    allow_gate(p);
    allow_loader(p, loader->access, loader->accesses, 0, R_OK);
    give(p, SECCOMP_RET_USER_NOTIF);
}

/* Kinds of requests (_IOC_TYPE) that filesystems have for a file: attributes, verity, encryption, versions, extents. */
static void kind_ioctl(struct program *p) {
    static const char kinds[] = {'f', 'X', 'v', (char)0x94};
    load(p, low(1));
    emit(p, BPF_ALU | BPF_RSH | BPF_K, 0, 0, 8);
    emit(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, 0xff);
    for (unsigned i = 0; i < sizeof kinds; i++)
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, (unsigned char)(sizeof kinds - i), 0, (unsigned char)kinds[i]);
    give(p, SECCOMP_RET_ALLOW);
    give(p, SECCOMP_RET_USER_NOTIF);
}

/* O_TRUNC with O_RDONLY: the flags are open's second argument, openat's third. */
static void kind_open(struct program *p, const struct loader *loader) {
#ifdef SYS_open
    load(p, offsetof(struct seccomp_data, nr));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 2, SYS_open);
    load(p, low(1));
    emit(p, BPF_JMP | BPF_JA, 0, 0, 1);
#endif
    load(p, low(2));
    emit(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, O_TRUNC | O_ACCMODE | O_PATH);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, O_TRUNC);
    give(p, SECCOMP_RET_USER_NOTIF);
    allow_gate(p);
    /* openat's name: open has its flags there, which are no address near the instruction. */
    allow_loader(p, loader->open, loader->opens, 1, O_RDONLY | O_CLOEXEC);
    give(p, SECCOMP_RET_USER_NOTIF);
}

static void kind_address(struct program *p) {
    load(p, low(4));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 0);
    load(p, low(4) + 4);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
    give(p, SECCOMP_RET_ALLOW);
    unless_gate(p);
}

/* What the kernel maps where it likes lies in the highest 2^41 bytes of user space; a program without a loader does
   not, since Linux 6.10. (Before that one that is static and position-independent may be taken for a library: it
   sees the numbers of a copied-up file's copy in fstat.) The flags are the fourth argument. */
static void kind_fstat(struct program *p, bool shim) {
    allow_gate(p);
    if (shim) {
        load(p, low(3));
        emit(p, BPF_JMP | BPF_JSET | BPF_K, 0, 5, AT_EMPTY_PATH);
        load(p, low(0));
        emit(p, BPF_JMP | BPF_JSET | BPF_K, 3, 0, 0x80000000); /* AT_FDCWD */
        load(p, offsetof(struct seccomp_data, instruction_pointer) + 4);
        emit(p, BPF_JMP | BPF_JGE | BPF_K, 0, 1, 0x7e00);
        give(p, SECCOMP_RET_ALLOW);
    }
    give(p, SECCOMP_RET_USER_NOTIF);
}

/* The limit is prlimit64's second argument, the others' first. */
static void kind_limit(struct program *p) {
    load(p, offsetof(struct seccomp_data, nr));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 2, SYS_prlimit64);
    load(p, low(1));
    emit(p, BPF_JMP | BPF_JA, 0, 0, 1);
    load(p, low(0));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, RLIMIT_LOCKS);
    give(p, SECCOMP_RET_ALLOW);
    unless_gate(p);
}

static void kind_keep(struct program *p) {
    load(p, low(0));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, PR_SET_KEEPCAPS);
    give(p, SECCOMP_RET_ALLOW);
    unless_gate(p);
}

static void kind_code(struct program *p, enum kind kind, bool shim, const struct loader *loader) {
    switch (kind) {
    case PATH:
    case WRITE:
        unless_gate(p);
        break;
    case ACCESS_PATH:
        kind_access(p, loader);
        break;
    case OPEN:
        kind_open(p, loader);
        break;
    case FSTAT:
        kind_fstat(p, shim);
        break;
    case IOCTL:
        kind_ioctl(p);
        break;
    case ADDRESS:
        kind_address(p);
        break;
    case META:
    case IDS:
        give(p, SECCOMP_RET_USER_NOTIF);
        break;
    case LIMIT:
        kind_limit(p);
        break;
    case KEEP:
        kind_keep(p);
        break;
    case REFUSED_ENOSYS:
        give(p, SECCOMP_RET_ERRNO | ENOSYS);
        break;
    case REFUSED_EPERM:
        give(p, SECCOMP_RET_ERRNO | EPERM);
        break;
    case REFUSED_EOPNOTSUPP:
        give(p, SECCOMP_RET_ERRNO | EOPNOTSUPP);
        break;
    case ALLOW:
    case WHO:
    case KINDS:
        give(p, SECCOMP_RET_ALLOW);
        break;
    }
}

static void make(struct program *p, enum filter_ids ids, bool shim, bool limited, const struct loader *loader) {
    load(p, offsetof(struct seccomp_data, arch));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARCHITECTURE);
    give(p, SECCOMP_RET_ERRNO | ENOSYS);
    load(p, offsetof(struct seccomp_data, nr));
#if defined __x86_64__
    emit(p, BPF_JMP | BPF_JGE | BPF_K, 0, 1, 0x40000000); /* __X32_SYSCALL_BIT */
    give(p, SECCOMP_RET_ERRNO | ENOSYS);
#endif
    make_ranges(p, ids, limited);
    often(p);
    search(p, 0, p->ranges - 1);
    for (enum kind kind = ALLOW; kind < KINDS; kind++) {
        unsigned at = p->used;
        for (unsigned i = 0; i < p->jumps; i++)
            if (p->jump[i].kind == kind)
                p->code[p->jump[i].at].k = at - p->jump[i].at - 1;
        kind_code(p, kind, shim, loader);
    }
}

static long install(const struct program *p, unsigned long flags) {
    struct sock_fprog whole = {.len = (unsigned short)p->used, .filter = (struct sock_filter *)p->code};
    return UR_SYS(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &whole, 0, 0, 0);
}

long filter_install(enum filter_ids ids, bool shim, bool limited, const struct loader *loader, bool *killable) {
    static struct program program;
    program.used = program.ranges = program.jumps = 0; /* to clear all of it would need the memory for all of it */
    make(&program, ids, shim, limited, loader);
    unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    /* Without it a signal shows in calls that know no EINTR: stat, mkdir ... Linux 5.19. */
    long fd = install(&program, flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    *killable = fd != -EINVAL;
    return *killable ? fd : install(&program, flags);
}
