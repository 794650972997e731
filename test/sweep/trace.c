/* Runs an act in a child, by ptrace(2) from one stop to the next, up to its fate. */
#include "sweep.h"

#include <elf.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    long number;
    const char *name;
    int path; /* which argument; -1: none */
} calls[] = {
#define CALL(name, path) {SYS_##name, #name, path},
    CALL(openat, 1) CALL(newfstatat, 1) CALL(statx, 1) CALL(faccessat, 1) CALL(faccessat2, 1) CALL(linkat, 3)
        CALL(renameat2, 3) CALL(unlinkat, 1) CALL(mkdirat, 1) CALL(mknodat, 1) CALL(symlinkat, 2) CALL(readlinkat, 1)
            CALL(fchmodat, 1) CALL(fchownat, 1) CALL(utimensat, 1) CALL(lsetxattr, 0) CALL(setxattr, 0)
                CALL(lgetxattr, 0) CALL(llistxattr, 0) CALL(lremovexattr, 0) CALL(truncate, 0) CALL(fsetxattr, -1)
                    CALL(flock, -1) CALL(fchmod, -1) CALL(fchown, -1) CALL(fstat, -1) CALL(close, -1) CALL(write, -1)
                        CALL(ftruncate, -1) CALL(copy_file_range, -1) CALL(lseek, -1) CALL(getdents64, -1)
                            CALL(getrandom, -1) CALL(mmap, -1) CALL(munmap, -1) CALL(exit_group, -1) CALL(ioctl, -1)
                                CALL(fsync, -1) CALL(fdatasync, -1) CALL(fcntl, -1) CALL(sendfile, -1)
                                    CALL(process_vm_readv, -1) CALL(process_vm_writev, -1) CALL(ptrace, -1)
#ifdef SYS_open
                                        CALL(open, 0) CALL(lstat, 0) CALL(stat, 0) CALL(link, 1) CALL(rename, 1)
                                            CALL(unlink, 0) CALL(mkdir, 0) CALL(rmdir, 0) CALL(symlink, 1)
                                                CALL(readlink, 0) CALL(chmod, 0) CALL(mknod, 0) CALL(access, 0)
#endif
};

const char *call_name(long call) {
    static char number[24];
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i].number == call)
            return calls[i].name;
    snprintf(number, sizeof number, "system call %ld", call);
    return number;
}

long call_number(const char *name) {
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(calls[i].name, name) == 0)
            return calls[i].number;
    return -1;
}

/* The end of a path in the child's memory: its beginning is the same for all. */
static void read_path(pid_t child, uint64_t at, char out[96]) {
    char text[4096];
    struct iovec local = {text, sizeof text - 1}, remote = {(void *)(uintptr_t)at, 4096 - at % 4096};
    ssize_t n = process_vm_readv(child, &local, 1, &remote, 1, 0);
    text[n > 0 ? n : 0] = 0;
    size_t len = strlen(text);
    size_t skip = len > 80 ? len - 80 : 0;
    memcpy(out, text + skip, len - skip + 1);
}

void call_path(pid_t pid, long call, const uint64_t arguments[6], char path[96]) {
    path[0] = 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i].number == call && calls[i].path >= 0)
            read_path(pid, arguments[calls[i].path], path);
}

static void read_call(pid_t child, const struct __ptrace_syscall_info *info, struct outcome *out) {
    out->call = (long)info->entry.nr;
    call_path(child, out->call, (const uint64_t *)info->entry.args, out->path);
}

void set_call(pid_t child, long number) {
#if defined __x86_64__
    ptrace(PTRACE_POKEUSER, child, offsetof(struct user_regs_struct, orig_rax), number);
#elif defined __aarch64__
    int value = (int)number;
    struct iovec io = {&value, sizeof value};
    ptrace(PTRACE_SETREGSET, child, 0x404 /* NT_ARM_SYSTEM_CALL */, &io);
#else
#error "this machine's registers"
#endif
}

void set_result(pid_t child, long result) {
#if defined __x86_64__
    ptrace(PTRACE_POKEUSER, child, offsetof(struct user_regs_struct, rax), result);
#else
    struct user_regs_struct regs;
    struct iovec io = {&regs, sizeof regs};
    ptrace(PTRACE_GETREGSET, child, NT_PRSTATUS, &io);
    regs.regs[0] = (uint64_t)result;
    ptrace(PTRACE_SETREGSET, child, NT_PRSTATUS, &io);
#endif
}

struct report {
    bool done;
    long result;
    int error;
};

static _Noreturn void perform(const struct act *act, struct report *report) {
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    errno = 0;
    report->result = act->perform();
    report->error = errno;
    report->done = true;
    _exit(0);
}

static void await_stop(pid_t child, int *status) {
    while (waitpid(child, status, 0) < 0)
        if (errno != EINTR)
            fail("waitpid");
}

bool can_fail(long call, const uint64_t arguments[6], int error) {
    switch (call) {
    case SYS_getpid:
    case SYS_gettid:
    case SYS_getppid:
    case SYS_getpgid:
    case SYS_getsid:
    case SYS_getuid:
    case SYS_geteuid:
    case SYS_getgid:
    case SYS_getegid:
    case SYS_umask:
    case SYS_exit:
    case SYS_exit_group:
    case SYS_munmap:
    case SYS_close:
    case SYS_close_range: /* what is asked for is done */
    case SYS_kill:
    case SYS_tgkill:
    case SYS_setsid:
    case SYS_sched_yield:
    case SYS_rt_sigaction:
    case SYS_rt_sigprocmask:
    case SYS_rt_sigreturn:
    case SYS_futex: /* libc ends a process for it */
    case SYS_set_tid_address:
    case SYS_set_robust_list:
    case SYS_rseq:
    case SYS_clock_gettime:
    case SYS_brk: /* which tells by its result */
    case SYS_mprotect:
    case SYS_prctl:
    case SYS_restart_syscall:
        return false;
    case SYS_mmap:
    case SYS_mremap:
    case SYS_madvise:
        return error == ENOMEM;
    case SYS_wait4:
    case SYS_waitid:
    case SYS_recvfrom:
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
        return error == EINTR;
    case SYS_ppoll:
#ifdef SYS_poll
    case SYS_poll:
#endif
    case SYS_sendto:
    case SYS_recvmsg:
    case SYS_sendmsg:
        return error == EINTR || error == ENOMEM;
    case SYS_process_vm_readv:
    case SYS_process_vm_writev:
        return error == ENOMEM;
    case SYS_ptrace: /* of one that is stopped and there */
        return (arguments[0] == PTRACE_POKEDATA || arguments[0] == PTRACE_PEEKDATA) && error == EIO;
    case SYS_write: /* a word of ours that cannot be said */
        return arguments[0] > STDERR_FILENO;
    case SYS_ioctl:
        switch (arguments[1]) {
        case SECCOMP_IOCTL_NOTIF_RECV:
        case SECCOMP_IOCTL_NOTIF_SEND:
            return error == EINTR;
        case SECCOMP_IOCTL_NOTIF_ID_VALID:
            return false;
        case SECCOMP_IOCTL_NOTIF_ADDFD:
            return error == EINTR || error == EMFILE || error == ENOMEM;
        }
        return true;
    }
    return true;
}

struct outcome trace(const struct act *act, const struct fate *fate) {
    struct outcome out = {0};
    struct report *report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED)
        fail("mmap");
    memset(report, 0, sizeof *report);
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0)
        perform(act, report);
    int status;
    await_stop(child, &status);
    ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    long replaced = 0;
    while (WIFSTOPPED(status)) {
        int number = WSTOPSIG(status) == SIGSTOP ? 0 : WSTOPSIG(status);
        if (number == (SIGTRAP | 0x80)) {
            number = 0;
            struct __ptrace_syscall_info info;
            if (ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info) < 0)
                fail("PTRACE_GET_SYSCALL_INFO");
            bool entry = info.op == PTRACE_SYSCALL_INFO_ENTRY;
            out.stops++;
            bool now = out.stops == fate->stop;
            if (entry && (!out.met || fate->show))
                read_call(child, &info, &out);
            if (fate->show && entry)
                fprintf(stderr, "%4ld %s(%s)", out.stops, call_name(out.call), out.path);
            if (fate->show && !entry)
                fprintf(stderr, " = %lld\n", (long long)info.exit.rval);
            if (now && (fate->what == FAULT_KILL || fate->what == FAULT_KILL_ALL)) {
                out.met = true;
                kill(child, SIGKILL);
            } else if (fate->what == FAULT_ERROR && entry && now &&
                       can_fail((long)info.entry.nr, (const uint64_t *)info.entry.args, fate->error)) {
                out.met = true;
                set_call(child, -1);
                replaced = -fate->error;
            } else if (replaced && !entry) {
                set_result(child, replaced);
                replaced = 0;
            }
        }
        ptrace(PTRACE_SYSCALL, child, NULL, (void *)(intptr_t)number);
        await_stop(child, &status);
    }
    out.done = report->done;
    out.result = report->result;
    out.error = report->error;
    munmap(report, sizeof *report);
    return out;
}
