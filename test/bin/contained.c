/*
 * Runs a command under a seccomp filter like a container's: the named system calls get an error, all others pass.
 *
 *   contained ERROR CALL[,CALL...] COMMAND [ARGUMENT...]
 *
 * ERROR: EPERM, as docker's profile has it for what it does not list, or ENOSYS, as newer runtimes have it for what
 * they do not know. The call `listener` is seccomp(2) that asks for one, `seccomp` each use of that.
 */
#include "engine/numbers.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
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
    unsigned error = strcmp(argv[1], "ENOSYS") == 0 ? ENOSYS : EPERM;
    load(offsetof(struct seccomp_data, nr));
    for (char *name = strtok(argv[2], ","); name && used < LINES - 8; name = strtok(NULL, ",")) {
        bool listener = strcmp(name, "listener") == 0;
        int number = number_of(listener ? "seccomp" : name);
        if (number < 0) /* not of this architecture */
            continue;
        line(BPF_JMP | BPF_JEQ | BPF_K, 0, listener ? 4 : 1, (unsigned)number);
        if (listener) {
            load(offsetof(struct seccomp_data, args[1]));
            line(BPF_JMP | BPF_JSET | BPF_K, 0, 1, SECCOMP_FILTER_FLAG_NEW_LISTENER);
        }
        line(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | error);
        if (listener)
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
