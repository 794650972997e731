/*
 * Tells which system calls with a path, or that tell one, a command makes from elsewhere than the gate. It plays the
 * guard: a seccomp filter of launch/guard/calls.def sends all those calls here, they are noted, and the kernel goes on.
 *
 *   gate OUT COMMAND [ARG...]     in a union whose run has no guard. The status is the command's; 77: no listener
 *
 * OUT gets a line for each: the mark that was last set, the program (comm), the call, the path. A mark is set by the
 * command with a raw access("/.gate-mark/NAME"); before the first it is "start", and in a program that the command
 * starts "child".
 */
#include "engine/gate.h"
#include "engine/numbers.h"
#include "engine/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __x86_64__
#error "gate.c knows x86_64's system calls only"
#endif

static const struct call {
    int number;
    const char *class, *name;
} calls[] = {
#define GUARD(call, class, answer) {CALL_##call, #class, #call},
#include "launch/guard/calls.def"
};
enum { CALLS = sizeof calls / sizeof *calls };

/* Past libc, so that the shim does not notice: it gives way to a filter that a program sets. */
static long raw(long nr, long a, long b, long c, long d) {
    long ret;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return ret;
}

static int listener(void) {
    static struct sock_filter code[4 * CALLS + 16];
    unsigned n = 0;
#define EMIT(op, yes, no, value) code[n++] = (struct sock_filter){op, yes, no, value}
    EMIT(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, instruction_pointer) + 4);
    EMIT(BPF_JMP | BPF_JEQ | BPF_K, 0, 4, (unsigned)(UR_GATE >> 32));
    EMIT(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, instruction_pointer));
    EMIT(BPF_ALU | BPF_AND | BPF_K, 0, 0, ~(unsigned)(UR_GATE_SIZE - 1));
    EMIT(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (unsigned)UR_GATE);
    EMIT(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
    EMIT(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
    for (unsigned i = 0; i < CALLS; i++)
        if (calls[i].number >= 0 && strcmp(calls[i].class, "IDS") != 0 && strcmp(calls[i].class, "IOCTL") != 0 &&
            strcmp(calls[i].class, "WRITE") != 0) {
            EMIT(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (unsigned)calls[i].number);
            EMIT(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF);
        }
    EMIT(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
#undef EMIT
    struct sock_fprog program = {(unsigned short)n, code};
    raw(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0);
    return (int)raw(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, (long)&program, 0);
}

/* --- the calls --------------------------------------------------------------------------------------------------- */

static void read_string(pid_t pid, unsigned long at, char *to, size_t size) {
    size_t got = 0;
    *to = 0;
    while (at && got + 1 < size) {
        size_t part = 4096 - ((at + got) & 4095);
        if (part > size - 1 - got)
            part = size - 1 - got;
        struct iovec own = {to + got, part}, other = {(void *)(at + got), part};
        if (process_vm_readv(pid, &own, 1, &other, 1, 0) <= 0)
            break;
        to[got + part] = 0;
        if (memchr(to + got, 0, part))
            return;
        got += part;
    }
    to[got] = 0;
}

/* Which argument is the path; -1: none. */
static int path_argument(int number) {
    switch (number) {
    case SYS_openat:
    case CALL_openat2:
    case SYS_newfstatat:
    case SYS_statx:
    case SYS_faccessat:
    case CALL_faccessat2:
    case SYS_readlinkat:
    case SYS_unlinkat:
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_linkat:
    case SYS_mkdirat:
    case SYS_mknodat:
    case SYS_fchmodat:
    case CALL_fchmodat2:
    case SYS_fchownat:
    case SYS_futimesat:
    case SYS_utimensat:
    case SYS_execveat:
    case SYS_name_to_handle_at:
    case SYS_inotify_add_watch:
        return 1;
    case SYS_fanotify_mark:
        return 4;
    case SYS_fstat:
    case SYS_fchmod:
    case SYS_fchown:
    case SYS_fgetxattr:
    case SYS_flistxattr:
    case SYS_fsetxattr:
    case SYS_fremovexattr:
    case SYS_ioctl:
    case SYS_fchdir:
    case SYS_getcwd:
    case SYS_getdents:
    case SYS_getdents64:
    case SYS_bind:
    case SYS_connect:
    case SYS_sendto:
    case SYS_capget:
        return -1;
    default:
        return 0;
    }
}

static void name_of(pid_t pid, char comm[32]) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    FILE *f = fopen(path, "re");
    if (!f || !fgets(comm, 32, f))
        strcpy(comm, "?");
    if (f)
        fclose(f);
    comm[strcspn(comm, "\n")] = 0;
}

static void note(FILE *out, const struct seccomp_notif *request, const char *own) {
    static const char mark_at[] = "/.gate-mark/";
    static char mark[256] = "start";
    char path[PATH_MAX], comm[32];
    int number = request->data.nr, at = path_argument(number);
    const char *name = "?";
    for (unsigned i = 0; i < CALLS; i++)
        if (calls[i].number == number)
            name = calls[i].name;
    read_string((pid_t)request->pid, at < 0 ? 0 : request->data.args[at], path, sizeof path);
    if (strncmp(path, mark_at, sizeof mark_at - 1) == 0) {
        snprintf(mark, sizeof mark, "%.200s", path + sizeof mark_at - 1);
        return;
    }
    name_of((pid_t)request->pid, comm);
    fprintf(out, "%s %s %s %s\n", strncmp(comm, own, 15) == 0 ? mark : "child", comm, name, path);
}

static void serve(int fd, FILE *out, const char *own) {
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    while (poll(&wait, 1, -1) > 0 || errno == EINTR) {
        if (!(wait.revents & POLLIN))
            return;
        struct seccomp_notif request = {0};
        if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
            continue;
        note(out, &request, own);
        struct seccomp_notif_resp answer = {.id = request.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
}

/* --- start ---------------------------------------------------------------------------------------------------------
 */

/* Says that the run has a guard, which the shims that start from now on believe. */
static void pretend(void) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/shared", getenv("UNIONRUN_SESSION"));
    int fd = (int)raw(SYS_open, (long)path, O_RDWR | O_CLOEXEC, 0, 0);
    struct ur_shared *shared = mmap(NULL, UR_SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || shared == MAP_FAILED) {
        perror(path);
        exit(1);
    }
    shared->guard = 1;
}

/* The child has the listener and cannot send it: that would be one of the calls. So it says the number, and waits. */
static int take(pid_t child, int pipe) {
    int number;
    if (read(pipe, &number, sizeof number) != sizeof number || number < 0)
        return -1;
    int handle = (int)syscall(SYS_pidfd_open, child, 0);
    return (int)syscall(SYS_pidfd_getfd, handle, number, 0);
}

int main(int argc, char **argv) {
    if (argc < 3 || !getenv("UNIONRUN_SESSION"))
        return 1;
    if (!getenv("GATE_TEST")) {
        pretend();
        setenv("GATE_TEST", "1", 1);
        execv("/proc/self/exe", argv);
        perror("exec");
        return 1;
    }
    FILE *out = fopen(argv[1], "we");
    int told[2], taken[2];
    if (!out || pipe2(told, O_CLOEXEC) < 0 || pipe2(taken, O_CLOEXEC) < 0) {
        perror(argv[1]);
        return 1;
    }
    pid_t child = fork();
    if (child == 0) {
        char go;
        int fd = listener();
        if (write(told[1], &fd, sizeof fd) != sizeof fd || read(taken[0], &go, 1) != 1)
            _exit(77);
        close(fd);
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    int fd = take(child, told[0]);
    if (fd < 0)
        return 77;
    if (write(taken[1], "", 1) != 1)
        return 1;
    const char *slash = strrchr(argv[2], '/');
    serve(fd, out, slash ? slash + 1 : argv[2]);
    int status;
    waitpid(child, &status, 0);
    fclose(out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
