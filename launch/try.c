/*
 * unionrun try: a command runs on the host as it is, and changes nothing. The host's root is target and lower at once,
 * the upper is one that is thrown away. When all of it has ended, the person sees what would have changed, and decides:
 * the changes are committed to the host, or thrown away, or (--keep) they stay as a layer.
 *
 * Telling and committing are the tools' (layers/), which are run as anybody would run them. Whatever goes wrong with a
 * commit, the upper stays.
 */
#include "config/text.h"
#include "engine/sys.h"
#include "launch/keeper.h"
#include "launch/launch.h"
#include "launch/remove.h"
#include "launch/say.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool failed(const char *path) {
    say("%s: %s", path, strerror(errno));
    return false;
}

/* A directory that is there and empty, or is made. Makes the path canonical. */
static bool make_kept(struct launch *launch) {
    char **keep = &launch->options.keep;
    mkdir(*keep, 0777 & ~launch->umask);
    char *real = realpath(*keep, NULL);
    if (!real)
        return failed(*keep);
    free(*keep);
    *keep = real;
    UR_AUTO_TEXT file = ur_path_join(real, "base.json");
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666 & ~launch->umask);
    if (fd < 0)
        return failed(file);
    static const char text[] = "{\"mounts\": [{\"target\": \"/\", \"lower\": [\"/\"], \"upper\": \"upper\", "
                               "\"work\": \"work\"}]}\n";
    bool right = write(fd, text, sizeof text - 1) == sizeof text - 1;
    close(fd);
    return right || failed(file);
}

static bool can_ask(void) {
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

bool try_prepare(struct launch *launch) {
    const struct options *o = &launch->options;
    if (!o->yes && !o->no && !o->keep && !can_ask()) {
        say("there is no terminal to ask on what is to become of the changes: say --yes, --no or --keep DIR");
        return false;
    }
    if (!load_plan(launch))
        return false;
    struct ur_plan_mount *mount = ur_plan_add(&launch->plan, UR_PLAN_UNION, 0);
    mount->target = ur_format("/");
    ur_plan_add_lower(mount, ur_format("/"));
    if (o->keep && !make_kept(launch))
        return false;
    mount->upper = o->keep ? ur_path_join(o->keep, "upper") : NULL;
    mount->work = o->keep ? ur_path_join(o->keep, "work") : NULL;
    return true;
}

/* --- afterwards ------------------------------------------------------------------------------------------ */

/* Runs a tool on the upper, what it prints on our stderr; with `count` the number of bytes that it prints is counted,
   and they go nowhere. Its exit status. */
static int tool(const struct launch *launch, const char *name, const char *option, size_t *count) {
    const struct ur_plan_mount *mount = &launch->plan.mounts[0];
    UR_AUTO_TEXT program = ur_path_join(launch->parts, "unionrun-layers");
    const char *arguments[] = {program,   name,         "--target", "/",         "--lower", "/",
                               "--upper", mount->upper, "--work",   mount->work, option,    NULL};
    int ends[2] = {-1, -1};
    if (count && pipe2(ends, O_CLOEXEC) < 0)
        return EXIT_OURS;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(count ? ends[1] : STDERR_FILENO, STDOUT_FILENO);
        execv(program, (char **)arguments);
        say("%s: %s", program, strerror(errno));
        _exit(EXIT_OURS);
    }
    if (count) {
        char buffer[4096];
        ssize_t n;
        close(ends[1]);
        for (*count = 0; (n = read(ends[0], buffer, sizeof buffer)) > 0;)
            *count += (size_t)n;
        close(ends[0]);
    }
    int status = W_EXITCODE(EXIT_OURS, 0);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_OURS;
}

static sigjmp_buf unanswered;
static volatile sig_atomic_t asking, told_to_end;

/* While there is a question a signal is the answer, also one that comes before read(2) has begun. */
static void note_signal(int number) {
    if (number == SIGTERM || number == SIGHUP)
        told_to_end = 1;
    if (asking)
        siglongjmp(unanswered, 1);
}

/* From here on we are a program that asks: ^C is an answer, not the command's affair. */
static void take_signals(void) {
    struct sigaction plain = {.sa_handler = SIG_DFL}, note = {.sa_handler = note_signal};
    for (const int *number = passed_signals; *number; number++)
        sigaction(*number, &plain, NULL);
    static const int answers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        sigaction(answers[i], &note, NULL);
}

/* 'k', 'd' or 'l'; whatever is no answer is 'd': end of file, a hang-up. 0: ask again. */
static char question(int terminal) {
    static const char text[] = "unionrun: keep these changes, discard them, or look at them? [k/d/l] ";
    char line[64];
    if (write(terminal, text, sizeof text - 1) < 0)
        return 'd';
    ssize_t n = read(terminal, line, sizeof line - 1);
    if (n <= 0)
        return 'd';
    line[n] = '\0';
    static const char *const answers[] = {"keep", "discard", "look"};
    line[strcspn(line, "\n")] = '\0';
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (*line && strncasecmp(line, answers[i], strlen(line)) == 0)
            return *answers[i];
    return 0;
}

/* The same; a signal is 'd', too. */
static char answer_to_question(int terminal) {
    if (sigsetjmp(unanswered, 1) == 0) {
        asking = 1;
        char answer = told_to_end ? 'd' : question(terminal);
        asking = 0;
        return answer;
    }
    asking = 0;
    return 'd';
}

/* True: keep. */
static bool ask(const struct launch *launch) {
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    char answer = terminal < 0 ? 'd' : 0;
    while (answer != 'k' && answer != 'd') {
        answer = answer_to_question(terminal);
        if (answer == 'l')
            tool(launch, "diff", "--patch", NULL);
    }
    if (terminal >= 0)
        close(terminal);
    return answer == 'k';
}

static bool discard(const struct launch *launch) {
    int ret = remove_tree(launch->ephemeral);
    if (ret < 0)
        say("%s: %s", launch->ephemeral, strerror(-ret));
    return ret == 0;
}

static bool commit(const struct launch *launch) {
    if (tool(launch, "commit", NULL, NULL) == 0)
        return discard(launch);
    const struct ur_plan_mount *mount = &launch->plan.mounts[0];
    say("not everything is committed; the changes are still in %s: unionrun commit --target / --lower / --upper %s "
        "--work %s",
        mount->upper, mount->upper, mount->work);
    return false;
}

int try_settle(struct launch *launch, int status) {
    const struct options *o = &launch->options;
    struct stat st;
    if (stat(launch->plan.mounts[0].upper, &st) < 0) /* the run could not begin */
        return status;
    if (launch->preload_before)
        setenv("LD_PRELOAD", launch->preload_before, 1);
    else
        unsetenv("LD_PRELOAD");
    unsetenv("UNIONRUN_SESSION");
    umask(launch->umask);
    take_signals();
    size_t changes = 0;
    bool told = tool(launch, "diff", NULL, &changes) == 0;
    bool right = true;
    if (told && changes)
        tool(launch, "diff", "--stat", NULL);
    else if (told)
        say("nothing was changed");
    if (o->keep)
        say("the changes are a layer in %s: unionrun --layers %s/base.json runs in it, unionrun commit applies it",
            o->keep, o->keep);
    else if (!told || (changes && (o->yes || (!o->no && ask(launch)))))
        right = told && commit(launch);
    else
        right = discard(launch);
    if (!told)
        say("the changes are in %s", launch->plan.mounts[0].upper);
    return right ? status : W_EXITCODE(EXIT_OURS, 0);
}
