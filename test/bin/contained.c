/*
 * Runs a command under a seccomp filter like a container's: the named system calls get an error, all others pass.
 *
 *   contained ERROR CALL[,CALL...] COMMAND [ARGUMENT...]
 *
 * ERROR: EPERM, as docker's profile has it for what it does not list, or ENOSYS, as newer runtimes have it for what
 * they do not know; EINVAL. The call `listener` is seccomp(2) that asks for one, `seccomp` each use of that; `exchange`
 * is renameat2(2) with RENAME_EXCHANGE or RENAME_WHITEOUT, which with EINVAL is as on a filesystem that has neither;
 * `devices` is mknodat(2) of one.
 */
#include "engine/numbers.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *name;
    int number;
} calls[] = {
#define CALL(name, x86_64, aarch64, meaning) {#name, CALL_##name},
#include "engine/numbers.def"
};

enum { LINES = 4096 };
static struct sock_filter code[LINES];
static unsigned short used;

static void line(unsigned short what, unsigned char yes, unsigned char no, unsigned k) {
    code[used++] = (struct sock_filter){what, yes, no, k};
}
static void load(size_t offset) {
    line(BPF_LD | BPF_W | BPF_ABS, 0, 0, (unsigned)offset);
}

/* Calls that are told by a flag. */
static const struct flagged {
    const char *name, *call;
    unsigned arg, flags;
} flagged[] = {
    {"listener", "seccomp", 1, SECCOMP_FILTER_FLAG_NEW_LISTENER},
    {"exchange", "renameat2", 4, RENAME_EXCHANGE | RENAME_WHITEOUT},
    {"devices", "mknodat", 2, S_IFCHR}, /* a bit that no FIFO, socket or regular file has */
};

static const struct flagged *flagged_of(const char *name) {
    for (size_t i = 0; i < sizeof flagged / sizeof *flagged; i++)
        if (strcmp(name, flagged[i].name) == 0)
            return &flagged[i];
    return NULL;
}

static int number_of(const char *name) {
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(name, calls[i].name) == 0)
            return calls[i].number;
    fprintf(stderr, "contained: %s is no system call\n", name);
    exit(2);
}

int main(int argc, char **argv) {
    if (argc < 4)
        return 2;
    unsigned error = strcmp(argv[1], "ENOSYS") == 0 ? ENOSYS : strcmp(argv[1], "EINVAL") == 0 ? EINVAL : EPERM;
    load(offsetof(struct seccomp_data, nr));
    for (char *name = strtok(argv[2], ","); name && used < LINES - 8; name = strtok(NULL, ",")) {
        const struct flagged *by = flagged_of(name);
        int number = number_of(by ? by->call : name);
        if (number < 0) /* not of this architecture */
            continue;
        line(BPF_JMP | BPF_JEQ | BPF_K, 0, by ? 4 : 1, (unsigned)number);
        if (by) {
            load(offsetof(struct seccomp_data, args) + by->arg * sizeof(uint64_t));
            line(BPF_JMP | BPF_JSET | BPF_K, 0, 1, by->flags);
        }
        line(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | error);
        if (by)
            load(offsetof(struct seccomp_data, nr));
    }
    line(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {used, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0)) {
        perror("contained");
        return 2;
    }
    execvp(argv[3], argv + 3);
    perror(argv[3]);
    return 2;
}
