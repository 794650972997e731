/*
 * What only the process itself can do - exec, chdir, a descriptor that cannot be handed over, a call that waits - is
 * done by it: for a moment it is traced (PTRACE_SEIZE), gets a little memory, and makes the call from the gate, with
 * the path that we resolved. ptrace(2).
 *
 * The order is what the kernel makes possible: a thread that waits for the guard's answer cannot be stopped. So it is
 * told to stop, then answered, and stops on its way back; its registers are those behind the system call. At the end
 * it has them back as they were, with the result. If that is one that the kernel would restart after a signal
 * (ERESTARTSYS), the kernel does restart it: the program's own call, which comes here anew.
 */
#include "engine/gate.h"
#include "engine/sys.h"
#include "launch/guard/guard.h"

#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ERESTARTSYS_ = 512, ERESTARTNOINTR_ = 513, ERESTARTNOHAND_ = 514, ERESTART_RESTARTBLOCK_ = 516 };

#if defined __x86_64__
typedef struct user_regs_struct registers;
enum { INSTRUCTION = 2 }; /* bytes of a system call instruction */
static void set_call(registers *r, uint64_t at, long number, const uint64_t a[6]) {
    r->rip = at;
    r->rax = (uint64_t)number;
    r->orig_rax = (uint64_t)-1; /* no call is under way that could be restarted */
    r->rdi = a[0];
    r->rsi = a[1];
    r->rdx = a[2];
    r->r10 = a[3];
    r->r8 = a[4];
    r->r9 = a[5];
}
static uint64_t own_instruction(const registers *r) {
    return r->rip - INSTRUCTION;
}
static long result_of(const registers *r) {
    return (long)r->rax;
}
static void set_result(registers *r, long result, bool restarts, int number) {
    r->rax = (uint64_t)result;
    r->orig_rax = restarts ? (uint64_t)number : (uint64_t)-1;
}
enum { RESTARTS_LAST_CALL = 0 };
#elif defined __aarch64__
typedef struct user_regs_struct registers;
enum { INSTRUCTION = 4 };
static void set_call(registers *r, uint64_t at, long number, const uint64_t a[6]) {
    r->pc = at;
    r->regs[8] = (uint64_t)number;
    for (int n = 0; n < 6; n++)
        r->regs[n] = a[n];
}
static uint64_t own_instruction(const registers *r) {
    return r->pc - INSTRUCTION;
}
static long result_of(const registers *r) {
    return (long)r->regs[0];
}
static void set_result(registers *r, long result, bool restarts, int number) {
    (void)restarts;
    (void)number; /* still in x8 */
    r->regs[0] = (uint64_t)result;
}
/* The kernel restarts with the first argument that its last call came with, and that cannot be told to it. */
enum { RESTARTS_LAST_CALL = 1 };
#else
#error "unionrun's guard has no registers for this architecture"
#endif
_Static_assert(sizeof(registers) <= sizeof(((struct inject *)0)->saved), "room for the registers");

static long get_registers(pid_t tid, registers *r) {
    struct iovec v = {r, sizeof *r};
    return ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &v) < 0 ? -errno : 0;
}
static long set_registers(pid_t tid, registers *r) {
    struct iovec v = {r, sizeof *r};
    return ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &v) < 0 ? -errno : 0;
}

enum stop { STOP_CALL, STOP_EXEC, STOP_EVENT, STOP_GONE };

/*
 * The next stop of the one thread that this one traces. All its signals are blocked while it does not wait in a call,
 * so none is delivered in between; a kill is told as its end.
 */
static enum stop next_stop(struct inject *i) {
    for (;;) {
        int status;
        pid_t got = waitpid(-1, &status, __WALL | __WNOTHREAD);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || !WIFSTOPPED(status))
            return STOP_GONE;
        i->tid = got; /* by exec a thread becomes its group's leader */
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8))
            return STOP_EXEC;
        if (status >> 16 == PTRACE_EVENT_STOP)
            return STOP_EVENT;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80))
            return STOP_CALL;
        ptrace(PTRACE_SYSCALL, got, 0, WSTOPSIG(status));
    }
}

/* From one stop of a system call to the next. A stop of the whole group (SIGSTOP) goes on when we are done. */
static enum stop go_on(struct inject *i) {
    enum stop stop;
    do
        stop = ptrace(PTRACE_SYSCALL, i->tid, 0, 0) < 0 ? STOP_GONE : next_stop(i);
    while (stop == STOP_EVENT);
    return stop;
}

static void mask_signals(const struct inject *i, uint64_t mask) {
    ptrace(PTRACE_SETSIGMASK, i->tid, sizeof mask, &mask);
}

/* Makes one call at `at`. Its own mask holds within the call only, and only if `waits`. */
static enum stop make_call(struct inject *i, uint64_t at, bool waits, long number, const uint64_t a[6], long *result) {
    registers r;
    *result = GIVEN;
    memcpy(&r, i->saved, sizeof r);
    set_call(&r, at, number, a);
    if (set_registers(i->tid, &r) < 0)
        return STOP_GONE;
    enum stop stop = go_on(i); /* into the call */
    if (stop == STOP_CALL) {
        if (waits)
            mask_signals(i, i->mask);
        stop = go_on(i); /* out of it */
        if (waits && stop == STOP_CALL)
            mask_signals(i, ~UINT64_C(0));
    }
    if (stop == STOP_CALL && get_registers(i->tid, &r) < 0)
        stop = STOP_GONE;
    if (stop == STOP_CALL)
        *result = result_of(&r);
    return stop;
}

static long run_own(struct inject *i, long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
    registers r;
    long result;
    memcpy(&r, i->saved, sizeof r);
    const uint64_t arg[6] = {a, b, c, d, (uint64_t)-1, 0};
    make_call(i, own_instruction(&r), false, number, arg, &result);
    return result;
}

/* What lies at the gate's place need not be one. One that is being written has no first word yet. */
enum gate { GATE_NONE, GATE_BEGUN, GATE_OTHER, GATE_THERE };
static enum gate look_for_gate(const struct inject *i) {
    static const unsigned char empty[sizeof(long)];
    unsigned char there[sizeof ur_gate_code];
    if (peer_read(i->call, UR_GATE, there, sizeof there) < 0)
        return GATE_NONE;
    return memcmp(there, ur_gate_code, sizeof there) == 0 ? GATE_THERE
           : memcmp(there, empty, sizeof empty) == 0      ? GATE_BEGUN
                                                          : GATE_OTHER;
}

/* Another thread of the process is being given one. */
static long wait_for_gate(const struct inject *i) {
    enum { PATIENCE = 1000 };
    enum gate seen = look_for_gate(i);
    for (int tries = 0; seen == GATE_BEGUN && tries < PATIENCE; tries++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        seen = look_for_gate(i);
    }
    return seen == GATE_THERE ? 0 : -EFAULT;
}

/* The gate is there in a process that has the shim; another gets one now. At no moment is it whole and cannot be run:
   its other threads may be about the same. So it is mapped as it will be, and written past that (ptrace can), its first
   word at last. */
static long need_gate(struct inject *i) {
    _Static_assert(sizeof ur_gate_code % sizeof(long) == 0, "words");
    if (look_for_gate(i) == GATE_THERE)
        return 0;
    long at = run_own(i, SYS_mmap, UR_GATE, UR_GATE_SIZE, PROT_READ | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE);
    if (at == -EEXIST)
        return wait_for_gate(i);
    if (at == GIVEN || (at < 0 && at > -4096))
        return at;
    if (at != (long)UR_GATE) { /* a kernel that does not know NOREPLACE put it elsewhere */
        run_own(i, SYS_munmap, (uint64_t)at, UR_GATE_SIZE, 0, 0);
        return -ENOMEM;
    }
    for (size_t n = sizeof ur_gate_code; n > 0; n -= sizeof(long)) {
        long word;
        memcpy(&word, ur_gate_code + n - sizeof word, sizeof word);
        if (ptrace(PTRACE_POKEDATA, i->tid, UR_GATE + n - sizeof word, word) < 0) {
            long ret = errno == ESRCH ? GIVEN : -errno;
            run_own(i, SYS_munmap, UR_GATE, UR_GATE_SIZE, 0, 0); /* or the next would wait for its first word */
            return ret;
        }
    }
    return 0;
}

static long need_room(struct inject *i, size_t size) {
    i->room_size = (size + 4095) & ~(size_t)4095;
    i->room_used = 0;
    long at = run_own(i, SYS_mmap, 0, i->room_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    if (at == GIVEN || (at < 0 && at > -4096))
        return at;
    i->room = (uint64_t)at;
    return 0;
}

static void answer(const struct call *q, long result) {
    struct seccomp_notif_resp r = {.id = q->id, .error = (int)result};
    listener_do(q->guard, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

long inject_begin(struct inject *i, struct call *q, size_t room) {
    guard_step_down(q);
    *i = (struct inject){.call = q, .tid = q->pid};
    /* Should we be killed meanwhile, it must not go on with what its registers are then. */
    if (ptrace(PTRACE_SEIZE, q->pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) < 0)
        return errno == ESRCH ? GIVEN : -EPERM;
    if (ptrace(PTRACE_INTERRUPT, q->pid, 0, 0) < 0) {
        ptrace(PTRACE_DETACH, q->pid, 0, 0);
        return errno == ESRCH ? GIVEN : -EPERM;
    }
    peer_let_go(q);
    answer(q, -ENOSYS); /* lets it go towards user mode, where it stops */
    q->answered = true;
    registers r = {0};
    if (next_stop(i) != STOP_EVENT || get_registers(i->tid, &r) < 0)
        return GIVEN;
    memcpy(i->saved, &r, sizeof r);
    ptrace(PTRACE_GETSIGMASK, i->tid, sizeof i->mask, &i->mask);
    mask_signals(i, ~UINT64_C(0));
    long ret = need_gate(i);
    if (ret == 0)
        ret = need_room(i, room);
    if (ret < 0 && ret != GIVEN)
        inject_end(i, ret);
    return ret < 0 ? GIVEN : 0;
}

uint64_t inject_put(struct inject *i, const void *from, size_t size) {
    uint64_t at = i->room + i->room_used;
    long ret = size > i->room_size - i->room_used ? -ENOMEM : peer_write(i->call, at, from, size);
    if (ret < 0) {
        i->lacks = ret;
        return 0;
    }
    i->room_used += (size + 7) & ~(size_t)7;
    return at;
}

long inject_do(struct inject *i, bool waits, long number, const uint64_t arg[6]) {
    long result = i->lacks;
    i->lacks = 0;
    if (result < 0)
        return result;
    make_call(i, UR_GATE + UR_GATE_SYSCALL, waits, number, arg, &result);
    return result;
}

/* The program that has just come finds `path`, which the kernel was given, by AT_EXECFN: that becomes `name`. */
static void tell_execfn(const struct inject *i, const char *path, const char *name) {
    uint64_t vector[64][2]; /* getauxval(3) */
    char file[32], there[UR_PATH_MAX];
    snprintf(file, sizeof file, "/proc/%d/auxv", (int)i->tid);
    long fd = sys_open(file, O_RDONLY | O_CLOEXEC, 0);
    long n = fd < 0 ? 0 : sys_pread((int)fd, vector, sizeof vector, 0);
    if (fd >= 0)
        sys_close((int)fd);
    struct call q = {.pid = i->tid};
    for (long k = 0; k < n / (long)sizeof vector[0]; k++)
        if (vector[k][0] == AT_EXECFN && peer_read(&q, vector[k][1], there, strlen(path) + 1) == 0 &&
            strcmp(there, path) == 0)
            peer_write(&q, vector[k][1], name, strlen(name) + 1);
}

/* The new program inherits the mask, so it has to be its own while the call runs. */
long inject_exec(struct inject *i, const uint64_t arg[6], const char *path, const char *name) {
    long result;
    if (make_call(i, UR_GATE + UR_GATE_SYSCALL, true, SYS_execve, arg, &result) == STOP_EXEC) {
        if (name)
            tell_execfn(i, path, name);
        ptrace(PTRACE_DETACH, i->tid, 0, 0);
    }
    return result;
}

void inject_end(struct inject *i, long result) {
    if (result == GIVEN)
        return;
    if (i->room)
        run_own(i, SYS_munmap, i->room, i->room_size, 0, 0);
    registers r;
    memcpy(&r, i->saved, sizeof r);
    bool restarts = result == -ERESTARTSYS_ || result == -ERESTARTNOINTR_ || result == -ERESTARTNOHAND_;
    if (result == -ERESTART_RESTARTBLOCK_) /* would go on with another's */
        result = -EINTR;
    if (restarts && RESTARTS_LAST_CALL)
        run_own(i, SYS_getpid, i->call->arg[0], 0, 0, 0);
    set_result(&r, result, restarts, i->call->number);
    set_registers(i->tid, &r);
    mask_signals(i, i->mask);
    ptrace(PTRACE_DETACH, i->tid, 0, 0);
}

long caller_does(struct call *q, int which, const char *path, bool waits, long number, const uint64_t arg[6]) {
    struct inject i;
    long ret = inject_begin(&i, q, UR_PATH_MAX);
    if (ret == -EPERM && !q->guard->traces_none)
        guard_say(q->guard, "process %d is static and traced, and so cannot %s in the union", (int)q->pid,
                  number == SYS_chdir ? "change its directory" : "open a FIFO, a device or by O_PATH");
    if (ret < 0)
        return ret;
    uint64_t changed[6];
    memcpy(changed, arg, sizeof changed);
    changed[which] = inject_put(&i, path, strlen(path) + 1);
    inject_end(&i, inject_do(&i, waits, number, changed));
    return GIVEN;
}
