/*
 * A program with a seccomp filter of its own, which lets it make the calls that libc makes for what it does here, and
 * kills it for any other. In a plain directory and in a union with a guard it prints the same.
 *
 *   gate-filter prctl|seccomp|by-number     how the filter is set
 *   gate-filter fork|exec                   what is done after it
 *   gate-filter landlock                    only tells what the kernel says of Landlock
 *
 * In the cwd: high, low (files), link -> low, d/ with high and low in it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif

/* Not among them: readlinkat, statx, faccessat2, unlinkat, renameat2, fcntl, gettid, sched_yield ... */
static const int allowed[] = {
    SYS_read,         SYS_write,           SYS_openat,         SYS_close,           SYS_newfstatat,
    SYS_fstat,        SYS_lseek,           SYS_mmap,           SYS_mprotect,        SYS_munmap,
    SYS_brk,          SYS_getdents64,      SYS_getcwd,         SYS_chdir,           SYS_execve,
    SYS_exit,         SYS_exit_group,      SYS_clone,          SYS_wait4,           SYS_pread64,
    SYS_prlimit64,    SYS_getrandom,       SYS_rseq,           SYS_futex,           SYS_set_tid_address,
    SYS_rt_sigreturn, SYS_set_robust_list, SYS_rt_sigprocmask, SYS_copy_file_range, SYS_fadvise64,
#ifdef SYS_unlink
    SYS_access,       SYS_readlink,        SYS_unlink,         SYS_rename,          SYS_mkdir,
    SYS_arch_prctl,
#else
    SYS_faccessat,    SYS_readlinkat,      SYS_unlinkat,       SYS_renameat,        SYS_mkdirat,
#endif
};
enum { ALLOWED = sizeof allowed / sizeof *allowed };

static void set(const char *how) {
    struct sock_filter code[2 * ALLOWED + 2] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    unsigned n = 1;
    for (int i = 0; i < ALLOWED; i++) {
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i], 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    struct sock_fprog program = {(unsigned short)n, code};
    long ret = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (strcmp(how, "seccomp") == 0)
        ret |= syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    else if (strcmp(how, "by-number") == 0)
        ret |= syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
    else
        ret |= prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
    printf("filter: %s\n", ret ? strerror(errno) : "set");
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void work(void) {
    char text[PATH_MAX] = "";
    struct stat st;
    FILE *f = fopen("low", "r+");
    printf("low: %s", f && fgets(text, sizeof text, f) ? text : "?\n");
    if (f) {
        fputs("more\n", f);
        fclose(f);
    }
    bool there = stat("low", &st) == 0;
    printf("stat: %d bytes\n", there ? (int)st.st_size : -1);
    printf("access: %d, %d\n", access("high", R_OK), access("none", F_OK));
    ssize_t n = readlink("link", text, sizeof text);
    printf("link: %.*s\n", n < 0 ? 1 : (int)n, n < 0 ? "?" : text);
    printf("made: %d", mkdir("made", 0755));
    printf(", moved: %d", rename("high", "made/high"));
    printf(", removed: %d\n", unlink("d/low"));
    struct dirent **list;
    int entries = scandir(".", &list, NULL, by_name);
    for (int i = 0; i < entries; i++)
        printf("%s%s", list[i]->d_name, i + 1 < entries ? " " : "\n");
    printf("d: %d %s\n", chdir("d"), strrchr(getcwd(text, sizeof text), '/'));
    printf("real: %s\n", strrchr(realpath("../link", text) ? text : "/?", '/'));
    fflush(stdout);
}

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "prctl";
    /* What asks whether a filter could be set sets none. */
    printf("probe: %d\n", (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL));
    if (strcmp(how, "landlock") == 0) {
        long ret = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
        printf("landlock: %s\n", ret >= 0 ? "there" : strerrorname_np(errno));
        return 0;
    }
    FILE *f = fopen("high", "r"); /* by the engine still */
    printf("high: %d\n", f ? fgetc(f) : -1);
    if (f)
        fclose(f);
    fflush(stdout);
    if (strcmp(how, "fork") == 0) {
        set(how);
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            work();
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        printf("child: %x\n", (unsigned)status);
    } else if (strcmp(how, "exec") == 0) {
        set(how);
        fflush(stdout);
        execl("/bin/cat", "cat", "low", "d/high", "d/low", NULL);
        perror("exec");
    } else {
        set(how);
        work();
    }
    return 0;
}
