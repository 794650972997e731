/*
 * system and popen: /bin/sh, started by our own spawn. libc's would start the host's /bin/sh, with an environment
 * from which the program may have taken what the run needs.
 *
 * A popen stream is an ordinary one; which child feeds it is kept in a list here. (libc also reaps the child in a
 * plain fclose of such a stream; here only pclose does, as POSIX says. The list tells a stream closed that way by
 * its pipe being gone.)
 */
#include "spawn_actions.h"

#include <paths.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int shell(pid_t *pid, const char *line, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attr) {
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)line, NULL};
    return ur_spawn(pid, _PATH_BSHELL, actions, attr, argv, environ, NULL);
}

static long reap(pid_t pid, int *status) {
    long ret;
    do
        ret = UR_SYS(SYS_wait4, pid, status, 0, NULL, 0, 0);
    while (ret == -EINTR);
    return ret;
}

/* --- system ----------------------------------------------------------------------------------------------- */

static _Atomic int waiting_lock;
static int waiting; /* threads in system(): the first ignores the signals, the last lets them be what they were */
static struct sigaction was_int, was_quit;

static void signals_as_before(void) {
    ur_lock(&waiting_lock);
    if (--waiting == 0) {
        sigaction(SIGINT, &was_int, NULL);
        sigaction(SIGQUIT, &was_quit, NULL);
    }
    ur_unlock(&waiting_lock);
}

/* The thread is cancelled while it waits. */
static void abandon(void *pid) {
    UR_PLAIN(SYS_kill, *(pid_t *)pid, SIGKILL, 0, 0, 0, 0);
    reap(*(pid_t *)pid, NULL);
    signals_as_before();
}

static int run(const char *line) {
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t child, mask, defaults;
    sigemptyset(&ignore.sa_mask);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigemptyset(&defaults);

    ur_lock(&waiting_lock);
    if (waiting++ == 0) {
        sigaction(SIGINT, &ignore, &was_int);
        sigaction(SIGQUIT, &ignore, &was_quit);
    }
    if (was_int.sa_handler != SIG_IGN)
        sigaddset(&defaults, SIGINT);
    if (was_quit.sa_handler != SIG_IGN)
        sigaddset(&defaults, SIGQUIT);
    ur_unlock(&waiting_lock);
    sigprocmask(SIG_BLOCK, &child, &mask);

    pid_t pid;
    posix_spawnattr_t attr;
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &mask);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    int status = 0x7f00; /* no shell: as if it had exited with 127 */
    long ret = -shell(&pid, line, NULL, &attr);
    if (ret == 0) {
        struct ur_cleanup cleanup;
        ur_cleanup_push(&cleanup, abandon, &pid);
        do
            ret = ur_cancel_wait(ur_plain6, SYS_wait4, pid, &status, 0, 0, NULL, 0);
        while (ret == -EINTR);
        ur_cleanup_pop(&cleanup);
        if (ret < 0)
            status = -1;
    }
    signals_as_before();
    sigprocmask(SIG_SETMASK, &mask, NULL);
    ur_edge(ret);
    return status;
}

UR_EXPORT int system(const char *line) {
    return line ? run(line) : run("exit 0") == 0;
}

/* --- popen ------------------------------------------------------------------------------------------------ */

struct stream {
    FILE *file;
    pid_t pid;
    int fd;
    ino_t pipe; /* the pipe that `fd` was */
    struct stream *next;
};
static _Atomic int streams_lock;
static struct stream *streams;

static bool still_open(const struct stream *s) {
    struct stat st;
    return sys_fstat(s->fd, &st) == 0 && S_ISFIFO(st.st_mode) && st.st_ino == s->pipe;
}

/* Takes the stream out of the list; NULL if it is not there. The caller holds the lock. */
static struct stream *taken(FILE *f) {
    for (struct stream **at = &streams; *at; at = &(*at)->next)
        if ((*at)->file == f) {
            struct stream *s = *at;
            *at = s->next;
            return s;
        }
    return NULL;
}

/* Starts the child of `s` with `end` as its `std`, and closed what POSIX wants closed: earlier popen streams. */
static int start(struct stream *s, const char *line, int end, int std) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_t *list = &actions;
    struct __spawn_action closing[64];
    memset(list, 0, sizeof *list);
    list->__actions = closing;
    closing[list->__used++] = (struct __spawn_action){.what = UR_ACTION_DUP2, .fd = end, .to = std};
    for (struct stream *p = streams; p && list->__used < 64; p = p->next)
        if (p->fd != std && still_open(p))
            closing[list->__used++] = (struct __spawn_action){.what = UR_ACTION_CLOSE, .fd = p->fd};
    return shell(&s->pid, line, list, NULL);
}

UR_EXPORT FILE *popen(const char *line, const char *mode) {
    bool reads = false, writes = false, cloexec = false, bad = false;
    for (const char *m = mode; *m; m++)
        switch (*m) {
        case 'r':
            reads = true;
            break;
        case 'w':
            writes = true;
            break;
        case 'e':
            cloexec = true;
            break;
        default:
            bad = true;
        }
    if (bad || reads == writes) {
        errno = EINVAL;
        return NULL;
    }
    int ends[2] = {-1, -1}, saved = errno;
    if (ur_edge(UR_SYS(SYS_pipe2, ends, O_CLOEXEC, 0, 0, 0, 0)) < 0)
        return NULL;
    int mine = reads ? ends[0] : ends[1], its = reads ? ends[1] : ends[0];
    struct stat st = {0};
    sys_fstat(mine, &st);
    struct stream *s = malloc(sizeof *s), *stale = NULL;
    FILE *f = s ? fdopen(mine, reads ? "r" : "w") : NULL;
    int error = f ? 0 : ENOMEM;
    if (f) {
        *s = (struct stream){.file = f, .fd = mine, .pipe = st.st_ino};
        ur_lock(&streams_lock);
        stale = taken(f); /* closed by fclose, and the FILE used again */
        error = start(s, line, its, reads ? STDOUT_FILENO : STDIN_FILENO);
        if (!error) {
            s->next = streams;
            streams = s;
        }
        ur_unlock(&streams_lock);
        free(stale);
    }
    sys_close(its);
    if (error) {
        free(s);
        if (f)
            fclose(f);
        else
            sys_close(mine);
        errno = error;
        return NULL;
    }
    if (!cloexec)
        UR_SYS(SYS_fcntl, mine, F_SETFD, 0, 0, 0, 0);
    errno = saved;
    return f;
}
FILE *_IO_popen(const char *line, const char *mode);
UR_TWIN(_IO_popen, popen)

UR_EXPORT int pclose(FILE *f) {
    ur_lock(&streams_lock);
    struct stream *s = taken(f);
    ur_unlock(&streams_lock);
    if (!s) /* one that libc's own popen made: its fclose is its pclose */
        return fclose(f);
    pid_t pid = s->pid;
    int status = 0;
    free(s);
    fclose(f);
    return ur_edge(reap(pid, &status)) < 0 ? -1 : status;
}
