/* Who one is, and becoming another: each call in a child, by name and by number. As root, under --root as a plain user,
   and as a plain user. */
#include "calls.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>

int __getgroups_chk(int n, gid_t *list, size_t room);
int capget(cap_user_header_t head, cap_user_data_t data);
int capset(cap_user_header_t head, const cap_user_data_t data);

/* By the kernel's own calls, by which static programs ask. */
static void say_ids(void) {
    unsigned u[3] = {9, 9, 9}, g[3] = {9, 9, 9};
    gid_t list[64];
    syscall(SYS_getresuid, &u[0], &u[1], &u[2]);
    syscall(SYS_getresgid, &g[0], &g[1], &g[2]);
    int n = getgroups(64, list);
    say("  uid %u %u %u, gid %u %u %u, %d groups, the last %d", u[0], u[1], u[2], g[0], g[1], g[2], n,
        n > 0 ? (int)list[n - 1] : -1);
}
#define IN_CHILD(...)                                                                                                  \
    do {                                                                                                               \
        pid_t pid_ = fork();                                                                                           \
        if (pid_ == 0) {                                                                                               \
            __VA_ARGS__;                                                                                               \
            say_ids();                                                                                                 \
            _exit(0);                                                                                                  \
        }                                                                                                              \
        say_child(pid_);                                                                                               \
    } while (0)
#define NUMBER(call) say("%s = %ld", #call, (long)(call))

TEST(getuid) {
    NUMBER(getuid());
    NUMBER(syscall(SYS_getuid));
}
TEST(geteuid) {
    NUMBER(geteuid());
    NUMBER(syscall(SYS_geteuid));
}
TEST(getgid) {
    NUMBER(getgid());
    NUMBER(syscall(SYS_getgid));
}
TEST(getegid) {
    NUMBER(getegid());
    NUMBER(syscall(SYS_getegid));
}
TEST(getresuid) {
    uid_t id[3];
    CALL(getresuid(&id[0], &id[1], &id[2]));
    say("  %u %u %u", id[0], id[1], id[2]);
    CALL(syscall(SYS_getresuid, &id[0], &id[1], NULL));
}
TEST(getresgid) {
    gid_t id[3];
    CALL(getresgid(&id[0], &id[1], &id[2]));
    say("  %u %u %u", id[0], id[1], id[2]);
    CALL(syscall(SYS_getresgid, &id[0], NULL, &id[2]));
}
TEST(getgroups) {
    gid_t list[64];
    NUMBER(getgroups(0, NULL));
    NUMBER(getgroups(64, list));
    volatile int negative = -1;
    CALL(getgroups(negative, list));
    NUMBER(syscall(SYS_getgroups, 64, list));
    IN_CHILD({
        const gid_t some[] = {5, 7, 9};
        setgroups(3, some);
        NUMBER(getgroups(2, list));
        NUMBER(getgroups(3, list));
    });
}
TEST(__getgroups_chk) {
    gid_t list[64];
    NUMBER(__getgroups_chk(64, list, sizeof list));
}
TEST(group_member) {
    IN_CHILD({
        const gid_t some[] = {5, 7, 9};
        setgroups(3, some);
        NUMBER(group_member(7));
        NUMBER(group_member(8));
    });
}
TEST(setuid) {
    IN_CHILD(CALL(setuid(100)), say_ids(), CALL(setuid(0)), CALL(setuid(100)), CALL(setuid(7)));
    IN_CHILD(CALL(syscall(SYS_setuid, 100)), CALL(syscall(SYS_setuid, -1)));
}
TEST(setgid) {
    IN_CHILD(CALL(setgid(100)), say_ids(), CALL(setuid(5)), CALL(setgid(0)), CALL(setgid(100)));
    IN_CHILD(CALL(syscall(SYS_setgid, 100)));
}
TEST(seteuid) {
    IN_CHILD(CALL(seteuid(100)), say_ids(), CALL(seteuid(7)), CALL(setegid(7)), CALL(seteuid(0)), CALL(seteuid(-1)));
}
TEST(setegid) {
    IN_CHILD(CALL(setegid(100)), say_ids(), CALL(setegid(0)), CALL(setegid(-1)));
}
TEST(setreuid) {
    IN_CHILD(CALL(setreuid(100, -1)), say_ids(), CALL(setreuid(-1, 101)), say_ids(), CALL(setreuid(101, 100)));
    IN_CHILD(CALL(syscall(SYS_setreuid, -1, 100)), say_ids(), CALL(syscall(SYS_setreuid, 100, 0)));
}
TEST(setregid) {
    IN_CHILD(CALL(setregid(100, -1)), say_ids(), CALL(setregid(-1, 101)));
    IN_CHILD(CALL(syscall(SYS_setregid, -1, 100)));
}
TEST(setresuid) {
    IN_CHILD(CALL(setresuid(100, 101, 102)), say_ids(), CALL(setresuid(102, 100, 101)), CALL(setresuid(-1, -1, 0)));
    IN_CHILD(CALL(syscall(SYS_setresuid, -1, 100, -1)), say_ids(), CALL(syscall(SYS_setresuid, 100, 100, 100)));
}
TEST(setresgid) {
    IN_CHILD(CALL(setresgid(100, 101, 102)), say_ids(), CALL(setresgid(-1, 0, -1)));
    IN_CHILD(CALL(syscall(SYS_setresgid, -1, 100, -1)));
}
/* A new file is the filesystem ID's. */
static void say_made(const char *path) {
    struct stat st = {0};
    int fd = open(path, O_CREAT | O_WRONLY, 0640);
    if (fd < 0 || fstat(fd, &st) < 0 || close(fd) < 0)
        say("  %s", strerrorname_np(errno));
    else
        say("  mode %o, uid %u, gid %u", st.st_mode, st.st_uid, st.st_gid);
}
TEST(setfsuid) {
    if (getuid() != 0) { /* then nothing can be made */
        NUMBER(setfsuid(100) == (int)getuid());
        NUMBER(syscall(SYS_setfsuid, 100) == (long)getuid());
        return;
    }
    chmod("n", 0777);
    IN_CHILD(NUMBER(setfsuid(100)), NUMBER(setfsuid(-1)), say_made(p->fresh), NUMBER(setfsuid(0)));
    IN_CHILD(NUMBER(syscall(SYS_setfsuid, 100)), NUMBER(syscall(SYS_setfsuid, -1)));
}
TEST(setfsgid) {
    if (getuid() != 0) {
        NUMBER(setfsgid(100) == (int)getgid());
        NUMBER(syscall(SYS_setfsgid, 100) == (long)getgid());
        return;
    }
    IN_CHILD(NUMBER(setfsgid(100)), NUMBER(setfsgid(-1)), say_made(p->fresh));
    IN_CHILD(NUMBER(syscall(SYS_setfsgid, 100)), NUMBER(syscall(SYS_setfsgid, -1)));
}
TEST(setgroups) {
    gid_t some[] = {100, 101};
    IN_CHILD(CALL(setgroups(2, some)), say_ids(), CALL(setgroups(0, NULL)), say_ids(), CALL(setgroups(65537, some)),
             setuid(5), CALL(setgroups(0, NULL)));
    IN_CHILD(CALL(syscall(SYS_setgroups, 2, some)));
}
TEST(initgroups) {
    IN_CHILD(CALL(initgroups("nobody", 100)));
}
/* What of setting IDs there is; real root's container may lack others. */
static void say_capabilities(void) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    unsigned both = 1u << CAP_SETUID | 1u << CAP_SETGID;
    long ret = capget(&head, data);
    say("  capget = %ld: effective %x, permitted %x, kept %d", ret, data[0].effective & both, data[0].permitted & both,
        prctl(PR_GET_KEEPCAPS));
}
TEST(capset) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {0}, all[2] = {{1, 1, 0}};
    struct __user_cap_data_struct gid[2] = {{1u << CAP_SETGID, 1u << CAP_SETGID, 0}}, more[2] = {{1, 0, 0}};
    IN_CHILD(CALL(capset(&head, none)), say_capabilities());
    IN_CHILD(setuid(100); CALL(capset(&head, all)); CALL(syscall(SYS_capset, &head, all)));
    IN_CHILD(CALL(syscall(SYS_capset, &head, none)));
    IN_CHILD(CALL(capset(&head, more)), CALL(capset(&head, NULL)), CALL(syscall(SYS_capset, NULL, all)));
    /* As setpriv(1) does it: root's uid is given up, and what it takes to change groups is kept. */
    IN_CHILD(prctl(PR_SET_KEEPCAPS, 1); setuid(100); say_capabilities(); CALL(capset(&head, gid)); say_capabilities();
             CALL(setgid(101)); CALL(setuid(102)); CALL(capset(&head, none)); CALL(setgid(103)));
    IN_CHILD(syscall(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0); syscall(SYS_setresuid, 100, 100, 100);
             CALL(syscall(SYS_capset, &head, gid)); CALL(syscall(SYS_setgid, 101)));
    IN_CHILD(seteuid(100); say_capabilities(); CALL(setgid(101)); seteuid(0); say_capabilities());
    IN_CHILD(setuid(100); say_capabilities(); CALL(capset(&head, gid)));
}
TEST(capget) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_1}, wrong = {.version = 1};
    struct __user_cap_data_struct one = {0};
    say_capabilities();
    CALL(capget(&head, &one));
    CALL(capget(&wrong, &one));
    say("  version %x", wrong.version);
    CALL(capget(&head, NULL));
    CALL(syscall(SYS_capget, &head, &one));
    CALL(syscall(SYS_capget, NULL, &one));
}

/* Of the limit in which a simulated root keeps the ids: nothing is seen of that, and nobody loses them. */
#define IS_WHOLE(l) ((l).rlim_cur == (l).rlim_max)
#define LIMITS(suffix)                                                                                                 \
    TEST(getrlimit##suffix) {                                                                                          \
        struct rlimit##suffix l = {1, 2};                                                                              \
        IN_CHILD(setresuid(5, 6, 7); CALL(getrlimit##suffix(RLIMIT_LOCKS, &l)); NUMBER(IS_WHOLE(l)));                  \
        CALL(getrlimit##suffix(RLIMIT_CORE, &l));                                                                      \
        NUMBER(syscall(SYS_getrlimit, RLIMIT_LOCKS, NULL));                                                            \
    }                                                                                                                  \
    TEST(setrlimit##suffix) {                                                                                          \
        struct rlimit##suffix l, wrong = {2, 1};                                                                       \
        getrlimit##suffix(RLIMIT_LOCKS, &l);                                                                           \
        IN_CHILD(setresuid(5, 6, 7); CALL(setrlimit##suffix(RLIMIT_LOCKS, &l)));                                       \
        IN_CHILD(setresuid(5, 6, 7); CALL(syscall(SYS_setrlimit, RLIMIT_LOCKS, &l)));                                  \
        CALL(setrlimit##suffix(RLIMIT_LOCKS, &wrong));                                                                 \
        IN_CHILD(CALL(setrlimit##suffix(RLIMIT_CORE, &l)); getrlimit##suffix(RLIMIT_CORE, &l); NUMBER(IS_WHOLE(l)));   \
    }                                                                                                                  \
    TEST(prlimit##suffix) {                                                                                            \
        struct rlimit##suffix l = {1, 2};                                                                              \
        IN_CHILD(setresuid(5, 6, 7); CALL(prlimit##suffix(0, RLIMIT_LOCKS, NULL, &l)); NUMBER(IS_WHOLE(l));            \
                 CALL(prlimit##suffix(0, RLIMIT_LOCKS, &l, NULL)));                                                    \
        IN_CHILD(setresuid(5, 6, 7); CALL(syscall(SYS_prlimit64, 0, RLIMIT_LOCKS, NULL, &l)); NUMBER(IS_WHOLE(l));     \
                 CALL(syscall(SYS_prlimit64, 0, RLIMIT_LOCKS, &l, NULL)));                                             \
    }
LIMITS()
LIMITS(64)
