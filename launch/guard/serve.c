/*
 * The process that answers.
 *
 * Two threads wait for the next call. The kernel wakes both, on the caller's processor, and one of them for nothing;
 * but with one alone who calls while it answers another would go on where that one is, not where it was, and leave its
 * own processor to nobody until the scheduler sees it. (A run of FEW calls is over before that counts: it has one.)
 * Each answers what it has got and waits again. More are to wait
 * when what is to be done will take long (guard_step_down), when it has taken long (watch), or when all are about a
 * call, more are there already, and to wake another pays (shares). Then a thread that is idle, or a new one, waits,
 * too. So a copy-up of many GiB, or a FIFO that nobody opens, holds up nobody.
 *
 * It ends when the last process under the filter has ended and the keeper too. Should it be killed, every call that is
 * waiting, or comes, gets ENOSYS from the kernel; the keeper sees its end and ends the run (keeper.c).
 */
#include "config/text.h"
#include "engine/gate.h"
#include "engine/numbers.h"
#include "engine/shared.h"
#include "engine/sys.h"
#include "launch/guard/guard.h"
#include "launch/keeper.h"
#include "launch/say.h"

#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

enum { THREADS_MAX = 4096, SPARE = 4, STACK = 512 << 10, TICK = 10, IDLE_TICK = 50 /* ms */, FEW = 16 };

static answer_fn *answers[CALL_NUMBERS];
static const char *names[CALL_NUMBERS]; /* of the calls that have one */

static void make_answers(void) {
    static const struct {
        int number;
        answer_fn *answer;
        const char *name;
    } rows[] = {
#define GUARD(call, class, answer) {CALL_##call, answer, #call},
#include "launch/guard/calls.def"
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].number >= 0 && rows[i].answer) {
            answers[rows[i].number] = rows[i].answer;
            names[rows[i].number] = rows[i].name;
        }
}

long listener_do(const struct guard *g, unsigned long request, void *argument) {
    int ret;
    do
        ret = ioctl(g->listener, request, argument);
    while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : ret;
}

static void send_answer(const struct call *q, long result) {
    struct seccomp_notif_resp r = {.id = q->id};
    if (result == PASS)
        r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    else if (result < 0 && result >= -4095)
        r.error = (int)result;
    else
        r.val = result;
    listener_do(q->guard, SECCOMP_IOCTL_NOTIF_SEND, &r); /* ENOENT: killed meanwhile */
}

/* What is answered for whoever has a root of his own: what the fence does not refuse. */
static bool answers_elsewhere(int number) {
    static const int numbers[] = {
#define GUARD(call, class, answer) GUARD_##class(CALL_##call)
#define GUARD_META(number) number,
#define GUARD_IOCTL(number) number,
#define GUARD_IDS(number) number,
#define GUARD_OPEN(number) number,
#define GUARD_PATH(number)
#define GUARD_ACCESS_PATH(number)
#define GUARD_FSTAT(number)
#define GUARD_ADDRESS(number)
#define GUARD_WRITE(number)
#define GUARD_WHO(number) number,
#define GUARD_LIMIT(number) number,
#define GUARD_KEEP(number) number,
#include "launch/guard/calls.def"
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i] == number)
            return true;
    return false;
}

static uint64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* For --stats and --report. */
static void count_answer(struct ur_answers *a, uint64_t since) {
    uint64_t time = nanoseconds() - since, longest = atomic_load(&a->longest);
    atomic_fetch_add(&a->count, 1);
    atomic_fetch_add(&a->time, time);
    while (time > longest && !atomic_compare_exchange_weak(&a->longest, &longest, time))
        ;
}

static void serve_one(struct guard *g, const struct seccomp_notif *n) {
    uint64_t at = n->data.instruction_pointer;
    struct call q = {
        .guard = g,
        .id = n->id,
        .pid = (pid_t)n->pid,
        .number = n->data.nr,
        .gate = at >= UR_GATE && at < UR_GATE + UR_GATE_SIZE,
        .caller = {.u = &g->whole, .pid = (pid_t)n->pid},
    };
    for (int i = 0; i < 6; i++)
        q.arg[i] = n->data.args[i];
    struct ur_shared *shared = g->whole.shared;
    bool counts = shared && atomic_load_explicit(&shared->answers_wanted, memory_order_relaxed);
    uint64_t since = counts ? nanoseconds() : 0;
    q.elsewhere = atomic_load(&g->roots_vary) && peer_is_elsewhere(&q);
    answer_fn *answer = q.number >= 0 && q.number < CALL_NUMBERS ? answers[q.number] : NULL;
    q.caller.call = answer ? names[q.number] : NULL;
    long result = answer && (!q.elsewhere || answers_elsewhere(q.number)) ? answer(&q) : PASS;
    peer_let_go(&q);
    if (counts && q.number >= 0 && q.number < UR_ANSWERS) /* before the caller goes on, and the run may end */
        count_answer(&shared->answers[q.number], since);
    if (result != GIVEN && !q.answered)
        send_answer(&q, result);
}

/* Has the last process under the filter ended? `timeout` as poll(2). If the kernel will not tell (who may send us a
   signal may also take away our limit on descriptors, and poll fails by it), it is asked slowly, and after a while
   without a call the answer is yes: then whoever is left gets ENOSYS. */
static bool over(struct guard *g, int timeout) {
    enum { SLOW = 50, PATIENCE = 100 };
    struct pollfd wait = {.fd = g->listener};
    int ret = poll(&wait, 1, timeout);
    if (ret >= 0 || errno == EINTR)
        return ret > 0 && wait.revents & POLLHUP;
    nanosleep(&(struct timespec){.tv_nsec = SLOW * 1000000L}, NULL);
    return atomic_fetch_add(&g->untold, 1) > PATIENCE;
}

static void *serve(void *arg);

/* 0, or why there can be none more. */
static int add_thread(struct guard *g) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK);
    int error = g->threads < THREADS_MAX ? pthread_create(&thread, &attributes, serve, g) : EAGAIN;
    if (!error)
        g->threads++;
    pthread_attr_destroy(&attributes);
    return error;
}

/* Too few wait for the next call: then the caller of this is to, or to have somebody else do it (let_wait). */
static bool is_wanted(struct guard *g) {
    int now = atomic_load(&g->waiting);
    while (now < g->waiters)
        if (atomic_compare_exchange_weak(&g->waiting, &now, now + 1))
            return true;
    return false;
}

/* A thread that has been counted is to wait. If none can be had, whoever has answered next. */
static void let_wait(struct guard *g) {
    pthread_mutex_lock(&g->lock);
    g->vacant++;
    if (g->idle >= g->vacant)
        pthread_cond_signal(&g->called);
    else if (add_thread(g)) {
        g->vacant--;
        atomic_fetch_sub(&g->waiting, 1);
    }
    pthread_mutex_unlock(&g->lock);
}

void guard_step_down(struct call *q) {
    if (is_wanted(q->guard))
        let_wait(q->guard);
}

/* Until the keeper ends: if nobody waits, and no call has been taken for a whole tick, somebody is to. Returns the
   keeper's status. */
static int watch(struct guard *g, pid_t keeper) {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    uint64_t seen = 0;
    for (int status;;) {
        pid_t ended = waitpid(keeper, &status, g->listener < 0 ? 0 : WNOHANG);
        if (ended == keeper)
            return status;
        if (ended < 0 && errno != EINTR)
            return W_EXITCODE(EXIT_OURS, 0);
        if (sigtimedwait(&child, NULL, &(struct timespec){.tv_nsec = (seen ? TICK : IDLE_TICK) * 1000000L}) > 0)
            continue;
        uint64_t calls = atomic_load(&g->waiting) ? 0 : atomic_load(&g->calls);
        if (calls && calls == seen && is_wanted(g))
            let_wait(g);
        seen = calls;
    }
}

static bool more_wait(const struct guard *g) {
    struct pollfd wait = {.fd = g->listener, .events = POLLIN};
    return poll(&wait, 1, 0) > 0 && wait.revents & POLLIN;
}

/* Does it pay to have another thread wait if more calls are there? Where answers take longer than waking it: the disk
   is slow. And where more processors call than are answered. */
static bool shares(const struct guard *g) {
    enum { WAKING = 20000 /* ns */ };
    return atomic_load(&g->waiting) == 0 &&
           (g->processors > g->waiters || atomic_load_explicit(&g->pace, memory_order_relaxed) > WAKING);
}

static void keep_pace(struct guard *g, uint64_t since) {
    uint64_t pace = atomic_load_explicit(&g->pace, memory_order_relaxed);
    atomic_store_explicit(&g->pace, pace - pace / 8 + (nanoseconds() - since) / 8, memory_order_relaxed);
}

/* Waits and answers, as long as it is wanted for that. False: there is nothing more to come. */
static bool attend(struct guard *g) {
    for (;;) {
        struct seccomp_notif n = {0};
        long ret = listener_do(g, SECCOMP_IOCTL_NOTIF_RECV, &n);
        if (ret == -ENOENT && !over(g, 0)) /* the caller was killed before it was heard; else nobody is left */
            continue;
        if (ret < 0)
            return false;
        atomic_store_explicit(&g->untold, 0, memory_order_relaxed);
        uint64_t before = atomic_fetch_add(&g->calls, 1);
        atomic_fetch_sub(&g->waiting, 1);
        uint64_t since = nanoseconds();
        if (before == FEW && g->processors > 1) {
            atomic_store(&g->waiters, 2);
            if (is_wanted(g))
                let_wait(g);
        }
        if (shares(g) && more_wait(g) && is_wanted(g))
            let_wait(g);
        serve_one(g, &n);
        keep_pace(g, since);
        if (is_wanted(g))
            continue;
        if (!more_wait(g))
            return true;
        atomic_fetch_add(&g->waiting, 1);
    }
}

static void *serve(void *arg) {
    struct guard *g = arg;
    if (unshare(CLONE_FS) < 0) /* a umask of its own */
        g->umask_shared = true;
    pthread_mutex_lock(&g->lock);
    while (g->idle < SPARE) {
        g->idle++;
        while (!g->vacant)
            pthread_cond_wait(&g->called, &g->lock);
        g->idle--;
        g->vacant--;
        pthread_mutex_unlock(&g->lock);
        bool more = attend(g);
        pthread_mutex_lock(&g->lock);
        if (!more)
            break;
    }
    g->threads--;
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

/* --- the process --- */

void guard_say(struct guard *g, const char *format, ...) {
    struct keeper_report report = {.what = KEEPER_WORD};
    va_list args;
    va_start(args, format);
    vsnprintf(report.word, sizeof report.word, format, args);
    va_end(args);
    send(g->launch->guard.socket, &report, sizeof report, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A table of our own: the session's file is where programs of a root's run could write, and this process trusts it. */
static long open_union(struct guard *g, const char *session) {
    long ret = ur_union_open(&g->whole, session);
    if (ret < 0)
        return ret;
    size_t size = g->whole.table->size;
    void *own = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (own == MAP_FAILED)
        return -ENOMEM;
    memcpy(own, g->whole.table, size);
    mprotect(own, size, PROT_READ);
    g->whole.table = own;
    return ur_table_valid(own, size) ? 0 : -EINVAL;
}

/* The shared memory is a file that every program of the run may cut short. Then there is nothing in it any more, for
   us: empty pages are its right first state. */
static const struct guard *the_guard;

static void put_empty(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    const char *at = info->si_addr, *shared = (const char *)the_guard->whole.shared;
    if (!shared || at < shared || at >= shared + the_guard->whole.shared_bytes ||
        mmap((void *)shared, the_guard->whole.shared_bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        _exit(EXIT_OURS);
}

static void outlive_shared(const struct guard *g) {
    struct sigaction action = {.sa_sigaction = put_empty, .sa_flags = SA_SIGINFO};
    the_guard = g;
    sigaction(SIGBUS, &action, NULL);
}

static int receive_listener(int socket, bool *killable) {
    struct iovec v = {killable, sizeof *killable};
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    ssize_t got;
    do
        got = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    struct cmsghdr *head = got > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    int fd = -1;
    if (head && head->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(head), sizeof fd);
    return fd;
}

static bool send_listener(int socket, int listener, bool killable) {
    struct iovec v = {&killable, sizeof killable};
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    struct cmsghdr *head = CMSG_FIRSTHDR(&m);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof listener);
    memcpy(CMSG_DATA(head), &listener, sizeof listener);
    return sendmsg(socket, &m, MSG_NOSIGNAL) == sizeof killable;
}

/* What the answers need, tried on the keeper, who has just forked from this process (the same addresses) and is of the
   run as the command is. So nothing has to be taken back where it cannot be had. A tracer that is there already (strace
   of unionrun) is only in the way of inject.c; what refuses ptrace altogether refuses it for a process that is not
   there, too. */
static struct guard_report look_around(struct guard *g, pid_t keeper) {
    static char here;
    struct call q = {.guard = g, .pid = keeper};
    struct iovec to = {&(char){0}, 1}, there = {&here, 1};
    if (process_vm_readv(keeper, &to, 1, &there, 1, 0) < 0 || process_vm_writev(keeper, &to, 1, &there, 1, 0) < 0)
        return (struct guard_report){LACK_MEMORY, errno};
    pthread_mutex_lock(&g->lock);
    int made = add_thread(g);
    pthread_mutex_unlock(&g->lock);
    if (made)
        return (struct guard_report){LACK_THREADS, made};
    int traced = ptrace(PTRACE_SEIZE, 0, 0, 0) < 0 && errno != ESRCH ? errno : 0;
    g->traces_none = traced;
    long fd = peer_fd(&q, STDIN_FILENO);
    if (fd >= 0)
        sys_close((int)fd);
    g->fetches_none = fd < 0 && fd != -EBADF;
    if (traced)
        return (struct guard_report){g->fetches_none ? LACK_DESCRIPTORS : LACK_TRACE, traced};
    return (struct guard_report){LACK_NONE, 0};
}

static _Noreturn void guard(struct launch *launch, int socket, pid_t keeper, int from_command) {
    static struct guard g;
    g = (struct guard){.launch = launch,
                       .root = geteuid() == 0,
                       .lock = PTHREAD_MUTEX_INITIALIZER,
                       .called = PTHREAD_COND_INITIALIZER};
    struct stat st;
    if (stat("/proc", &st) == 0)
        g.proc = st.st_dev;
    setsid();
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    sigprocmask(SIG_SETMASK, &all, NULL);
    outlive_shared(&g);
    /* The keeper's end is told by a signal, and what inject.c traces tells nothing by one. */
    sigaction(SIGCHLD, &(struct sigaction){.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDSTOP}, NULL);
    mallopt(M_ARENA_MAX, 1); /* a thread's own costs it more than it ever waits here */
    int keep[] = {socket, from_command, launch->guard.life[1]};
    let_go(keep, sizeof keep / sizeof *keep, true);
    prctl(PR_SET_NAME, "unionrun-guard");
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    cpu_set_t processors;
    g.processors = sched_getaffinity(0, sizeof processors, &processors) < 0 ? 1 : CPU_COUNT(&processors);
    g.waiters = 1;
    make_answers();
    meta_start(launch);
    long opened = open_union(&g, launch->session);
    struct guard_report report =
        opened < 0 ? (struct guard_report){LACK_SESSION, (int)-opened} : look_around(&g, keeper);
    bool told = write(from_command, &report, sizeof report) == sizeof report;
    /* Nothing comes if the command could not be started, or goes without a guard. Who could not be told is not waited
       for: he waits as well. */
    g.listener = told ? receive_listener(from_command, &g.killable) : -1;
    if (g.listener >= 0) {
        ioctl(g.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
        if (is_wanted(&g))
            let_wait(&g);
        (void)!write(from_command, &report, sizeof report);
    }
    close(from_command);
    int status = watch(&g, keeper);
    close(socket); /* the launcher sees the keeper's end by it */
    while (g.listener >= 0 && !over(&g, -1))
        continue;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_OURS);
}

bool guard_start(struct launch *launch, int socket) {
    int command[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, command) < 0 || pipe2(launch->guard.life, O_CLOEXEC) < 0) {
        say("the guard's sockets: %s", strerror(errno));
        return false;
    }
    if (!fence_enter_guard(launch))
        return false;
    launch->guard.socket = socket;
    pid_t keeper = fork();
    if (keeper < 0) {
        say("fork: %s", strerror(errno));
        return false;
    }
    if (keeper > 0) {
        close(command[1]);
        guard(launch, socket, keeper, command[0]);
    }
    close(command[0]);
    close(launch->guard.life[1]);
    launch->guard.to = command[1];
    return true;
}

/* What ld.so asks, where the kernel's own answer is the union's. */
static void find_loader(const struct launch *launch, struct loader *loader) {
    struct ur_union whole = {0};
    const struct ur_caller caller = {.u = &whole};
    *loader = (struct loader){0};
    if (ur_union_open(&whole, launch->session) == 0 && ur_is_native(&caller, AT_FDCWD, "/etc/ld.so.preload", 0) == 1 &&
        ur_is_native(&caller, AT_FDCWD, "/etc/ld.so.cache", 0) == 1) {
        UR_AUTO_TEXT program = ur_path_join(launch->parts, "unionrun-exec");
        loader_find(program, loader);
    }
}

static enum filter_ids filter_ids(const struct launch *launch) {
    return geteuid() == 0 ? FILTER_IDS_VARY : launch->plan.root ? FILTER_IDS_TOLD : FILTER_IDS_REAL;
}

/* `shared`: a descriptor of the session's file, which tells the shim that it is served. */
static struct guard_report enter(struct launch *launch, int shared) {
    struct guard_report report;
    struct loader loader;
    find_loader(launch, &loader); /* while the guard gets ready */
    if (read(launch->guard.to, &report, sizeof report) != sizeof report)
        return (struct guard_report){LACK_GUARD, EIO};
    if (report.what > LACK_TRACE || (report.what && launch->options.guard == CHOICE_REQUIRE))
        return report;
    bool killable;
    long listener =
        filter_install(filter_ids(launch), !launch->options.no_preload, launch->plan.max_upper, &loader, &killable);
    if (listener == -EACCES) { /* seccomp(2): CAP_SYS_ADMIN, or this */
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        listener =
            filter_install(filter_ids(launch), !launch->options.no_preload, launch->plan.max_upper, &loader, &killable);
    }
    if (listener < 0)
        return (struct guard_report){LACK_LISTENER, (int)-listener};
    uint32_t on = 1;
    if (!send_listener(launch->guard.to, (int)listener, killable) ||
        read(launch->guard.to, &report, sizeof report) != sizeof report ||
        pwrite(shared, &on, sizeof on, offsetof(struct ur_shared, guard)) != sizeof on)
        report = (struct guard_report){LACK_GUARD, EIO}; /* the filter cannot be taken back */
    sys_close((int)listener);
    return report;
}

struct guard_report guard_enter(struct launch *launch) {
    UR_AUTO_TEXT path = ur_path_join(launch->session, "shared");
    long shared = sys_open(path, O_WRONLY | O_CLOEXEC, 0);
    if (shared < 0)
        return (struct guard_report){LACK_SESSION, (int)-shared};
    struct guard_report report = enter(launch, (int)shared);
    sys_close((int)shared);
    return report;
}
