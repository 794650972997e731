/*
 * The guard's filter against the tables: what the program that filter.c makes says to each number is what numbers.def
 * and calls.def say; to others, and to those of another ABI, it says ENOSYS.
 *
 * The program is run by a small BPF machine here: a kernel has every number that one could try, or none.
 */
#include "launch/guard/filter.c"

#include <stdio.h>
#include <string.h>

static uint32_t verdict(const struct program *p, const struct seccomp_data *d) {
    uint32_t a = 0, x = 0;
    for (unsigned at = 0; at < p->used; at++) {
        const struct sock_filter *f = &p->code[at];
        switch (f->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            memcpy(&a, (const char *)d + f->k, sizeof a);
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            a &= f->k;
            break;
        case BPF_ALU | BPF_RSH | BPF_K:
            a >>= f->k;
            break;
        case BPF_ALU | BPF_SUB | BPF_X:
            a -= x;
            break;
        case BPF_MISC | BPF_TAX:
            x = a;
            break;
        case BPF_JMP | BPF_JEQ | BPF_X:
            at += a == x ? f->jt : f->jf;
            break;
        case BPF_JMP | BPF_JA:
            at += f->k;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            at += a == f->k ? f->jt : f->jf;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            at += a >= f->k ? f->jt : f->jf;
            break;
        case BPF_JMP | BPF_JSET | BPF_K:
            at += a & f->k ? f->jt : f->jf;
            break;
        case BPF_RET | BPF_K:
            return f->k;
        default:
            printf("an instruction that is not known: %x\n", f->code);
            return 0;
        }
    }
    return 0;
}

static int failed;
static void expect(const char *what, long number, uint32_t wanted, uint32_t got) {
    if (wanted == got)
        return;
    printf("%s, %ld: %08x, not %08x\n", what, number, got, wanted);
    failed = 1;
}

/* A call that names something from outside of the gate: descriptors that are none, addresses and flags that are some.
 */
static struct seccomp_data from_outside(int number) {
    return (struct seccomp_data){.nr = number,
                                 .arch = ARCHITECTURE,
                                 .instruction_pointer = 0x401000,
                                 .args = {(uint64_t)AT_FDCWD, 0x66 << 8, 0, 0, 0x500000, 16}};
}

/* What an ld.so at any address asks, and calls that differ from it in one thing. */
static const struct loader loader = {
    .accesses = 2, .access = {{0x123, 0x9000}, {0x456, 0xffff0000}}, .opens = 1, .open = {{0x789, 0x8888}}};

static void of_loader(const struct program *p, int number, unsigned name, uint64_t flags,
                      const struct loader_call *call) {
    const uint32_t pass = SECCOMP_RET_ALLOW, ask = SECCOMP_RET_USER_NOTIF;
    static const uint64_t pages[] = {0x7f1234567000, 0x7ffff7fc0000, 0x555555554000};
    for (unsigned i = 0; i < sizeof pages / sizeof *pages; i++) {
        struct seccomp_data d = from_outside(number), other;
        d.instruction_pointer = pages[i] + call->place;
        d.args[name] = d.instruction_pointer + (uint64_t)(int32_t)call->distance;
        d.args[name + 1] = flags;
        expect("ld.so's call", number, pass, verdict(p, &d));
        other = d;
        other.args[name]++;
        expect("another name", number, ask, verdict(p, &other));
        other = d;
        other.args[name] += UINT64_C(1) << 32;
        expect("a name 4 GiB on", number, ask, verdict(p, &other));
        other = d;
        other.args[name + 1] = flags | O_WRONLY;
        expect("other flags", number, ask, verdict(p, &other));
        other.args[name + 1] = flags | O_CREAT;
        expect("more flags", number, ask, verdict(p, &other));
        other = d;
        other.instruction_pointer += 16;
        other.args[name] += 16;
        expect("from elsewhere in the page", number, ask, verdict(p, &other));
    }
}

/* What calls.def says beyond numbers.def. */
static uint32_t guard_says(enum kind kind, enum filter_ids ids, uint32_t number_says) {
    if (kind == WHO)
        return ids == FILTER_IDS_TOLD ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW;
    if (kind == LIMIT || kind == KEEP) /* of another limit, another option */
        return SECCOMP_RET_ALLOW;
    if (kind == IDS)
        return ids == FILTER_IDS_REAL ? SECCOMP_RET_ALLOW : SECCOMP_RET_USER_NOTIF;
    /* A refusal that the guard has a row for is the guard's own, who says so. */
    return number_says == (SECCOMP_RET_ERRNO | EPERM) ? SECCOMP_RET_USER_NOTIF : number_says;
}

/* `number` with `value` as argument `at` is the guard's where root is simulated, but not from the gate; other values
   are not. */
static void of_simulated(const struct program *p, enum filter_ids ids, int number, unsigned at, uint64_t value) {
    struct seccomp_data d = from_outside(number);
    if (number < 0)
        return;
    d.args[at] = value;
    expect("a simulated root's", number, ids == FILTER_IDS_TOLD ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW,
           verdict(p, &d));
    d.instruction_pointer = UR_GATE + UR_GATE_SYSCALL + 2;
    expect("a simulated root's from the gate", number, SECCOMP_RET_ALLOW, verdict(p, &d));
    d = from_outside(number);
    d.args[at] = value + 1;
    d.args[!at] = value;
    expect("another than a simulated root's", number, SECCOMP_RET_ALLOW, verdict(p, &d));
}

static void whole(enum filter_ids ids, bool shim, bool limited) {
    static struct program p;
    static uint32_t wanted[CALL_NUMBERS];
    p = (struct program){0};
    make(&p, ids, shim, limited, &loader);
    for (unsigned n = 0; n < CALL_NUMBERS; n++)
        wanted[n] = SECCOMP_RET_ERRNO | ENOSYS;
#define UNION_SAYS SECCOMP_RET_USER_NOTIF
#define SHIM_SAYS SECCOMP_RET_ALLOW
#define GUARDED_SAYS SECCOMP_RET_USER_NOTIF
#define LIMITED_SAYS (limited ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW)
#define PASSES_SAYS SECCOMP_RET_ALLOW
#define REFUSED_ENOSYS_SAYS (SECCOMP_RET_ERRNO | ENOSYS)
#define REFUSED_EPERM_SAYS (SECCOMP_RET_ERRNO | EPERM)
#define REFUSED_EOPNOTSUPP_SAYS (SECCOMP_RET_ERRNO | EOPNOTSUPP)
#define CALL(name, x86_64, aarch64, meaning)                                                                           \
    if (CALL_##name >= 0)                                                                                              \
        wanted[CALL_##name] = meaning##_SAYS;
#include "engine/numbers.def"
#define GUARD(call, kind, answer)                                                                                      \
    if (CALL_##call >= 0)                                                                                              \
        wanted[CALL_##call] = guard_says(kind, ids, wanted[CALL_##call]);
#include "launch/guard/calls.def"
    for (int n = 0; n < 2 * CALL_NUMBERS; n++) {
        struct seccomp_data d = from_outside(n);
        uint32_t right = n < CALL_NUMBERS ? wanted[n] : SECCOMP_RET_ERRNO | ENOSYS;
        expect("a call", n, right, verdict(&p, &d));
        d.arch = AUDIT_ARCH_I386;
        expect("a call of i386", n, SECCOMP_RET_ERRNO | ENOSYS, verdict(&p, &d));
#ifdef __x86_64__
        d = from_outside(n | 0x40000000);
        expect("a call of x32", n, SECCOMP_RET_ERRNO | ENOSYS, verdict(&p, &d));
#endif
    }
    static const int gated[] = {CALL_openat, CALL_unlinkat, CALL_newfstatat, CALL_execve, CALL_bind, CALL_getcwd};
    static const int never[] = {CALL_fchmodat, CALL_setxattr, CALL_truncate, CALL_mount, CALL_openat2};
    for (unsigned i = 0; i < sizeof gated / sizeof *gated; i++) {
        struct seccomp_data d = from_outside(gated[i]);
        d.instruction_pointer = UR_GATE + UR_GATE_SYSCALL + 2;
        expect("from the gate", gated[i], SECCOMP_RET_ALLOW, verdict(&p, &d));
        d.instruction_pointer = UR_GATE + UR_GATE_SIZE;
        expect("from behind the gate", gated[i], SECCOMP_RET_USER_NOTIF, verdict(&p, &d));
        d.instruction_pointer = UR_GATE - 1;
        expect("from before the gate", gated[i], SECCOMP_RET_USER_NOTIF, verdict(&p, &d));
        d.instruction_pointer = (UR_GATE & 0xffffffff) + UR_GATE_SYSCALL;
        expect("from where the gate's low half is", gated[i], SECCOMP_RET_USER_NOTIF, verdict(&p, &d));
    }
    for (unsigned i = 0; i < sizeof never / sizeof *never; i++) {
        struct seccomp_data d = from_outside(never[i]);
        d.instruction_pointer = UR_GATE + UR_GATE_SYSCALL + 2;
        expect("metadata from the gate", never[i], SECCOMP_RET_USER_NOTIF, verdict(&p, &d));
    }
    if (CALL_access >= 0) {
        of_loader(&p, CALL_access, 0, R_OK, &loader.access[0]);
        of_loader(&p, CALL_access, 0, R_OK, &loader.access[1]);
    }
    of_loader(&p, CALL_openat, 1, O_RDONLY | O_CLOEXEC, &loader.open[0]);
    of_simulated(&p, ids, CALL_prlimit64, 1, RLIMIT_LOCKS);
    of_simulated(&p, ids, CALL_getrlimit, 0, RLIMIT_LOCKS);
    of_simulated(&p, ids, CALL_setrlimit, 0, RLIMIT_LOCKS);
    of_simulated(&p, ids, CALL_prctl, 0, PR_SET_KEEPCAPS);
    struct seccomp_data d = from_outside(CALL_sendto);
    d.args[4] = 0;
    expect("sendto without an address", CALL_sendto, SECCOMP_RET_ALLOW, verdict(&p, &d));
    d = from_outside(CALL_ioctl);
    d.args[1] = 0x5401;
    expect("TCGETS", CALL_ioctl, SECCOMP_RET_ALLOW, verdict(&p, &d));
    d = from_outside(CALL_openat);
    d.instruction_pointer = UR_GATE + UR_GATE_SYSCALL + 2;
    d.args[2] = O_TRUNC;
    expect("O_TRUNC from the gate, read-only", CALL_openat, SECCOMP_RET_USER_NOTIF, verdict(&p, &d));
    d.args[2] = O_TRUNC | O_WRONLY;
    expect("O_TRUNC from the gate, to write", CALL_openat, SECCOMP_RET_ALLOW, verdict(&p, &d));
    d = from_outside(CALL_newfstatat);
    d.args[0] = 3;
    d.args[3] = AT_EMPTY_PATH;
    d.instruction_pointer = 0x7ff000000000;
    expect("an fstat of a library", CALL_newfstatat, shim ? SECCOMP_RET_ALLOW : SECCOMP_RET_USER_NOTIF,
           verdict(&p, &d));
}

int main(void) {
    for (int ids = FILTER_IDS_REAL; ids <= FILTER_IDS_TOLD; ids++)
        for (int i = 0; i < 4; i++)
            whole((enum filter_ids)ids, i & 1, i & 2);
    return failed;
}
