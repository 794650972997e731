/*
 * unionrun-launch: from the options to the command, in the order in which nothing has to be taken back.
 *
 * An installed `unionrun` is a symlink to it, and the other parts lie beside it. A tool for layers is handed over to
 * unionrun-layers.
 *
 * First everything is read and checked, without touching the disk; then the plan is acted on; then the command runs.
 * From the first act to the end of the run the signals that would end us are held back or handled, so that nothing
 * is left behind.
 */
#include "config/check.h"
#include "config/lowers.h"
#include "config/text.h"
#include "engine/sys.h"
#include "launch/host.h"
#include "launch/launch.h"
#include "launch/progress.h"
#include "launch/report.h"
#include "launch/say.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * One union in another. Where the outer has a guard, that answers the inner's raw system calls in the outer union, so
 * the inner lies over it with nothing special; but there can be no second guard, and the fence is the outer's. Without
 * an outer guard raw calls go to the host, past the outer union. False: it cannot be; has been said.
 *
 * Asked of the kernel itself: inside a union the shim hides the session from libc's access().
 */
static bool settle_nesting(struct options *options) {
    const char *outer = getenv("UNIONRUN_SESSION");
    if (!outer || !*outer)
        return true;
    UR_AUTO_TEXT table = ur_path_join(outer, "table");
    if (sys_faccessat(AT_FDCWD, table, F_OK, 0) == 0) {
        say("inside a unionrun already (UNIONRUN_SESSION=%s), which has no guard, and without that one in another does "
            "not work; run it outside, or the outer with --guard=require",
            outer);
        return false;
    }
    struct host_listener listener;
    host_listener(&listener);
    if (listener.error != EBUSY) /* of a run that has ended */
        return true;
    if (options->guard == CHOICE_REQUIRE || options->fence == CHOICE_REQUIRE) {
        say("inside another union: its guard and fence go on, and there can be none of this one's own");
        return false;
    }
    if (options->guard != CHOICE_OFF)
        say("inside another union: static programs, Go and inline system calls will see that one alone (--guard=off "
            "runs without this word)");
    options->guard = options->fence = CHOICE_OFF;
    return true;
}

static void settle_guard(struct options *options) {
    const char *untried = host_untried();
    if (!untried || options->guard == CHOICE_OFF)
        return;
    if (options->guard == CHOICE_REQUIRE) {
        say("--guard=require: the guard has never been tried on %s", untried);
        return;
    }
    say("no guard: it has never been tried on %s; static programs, Go and inline system calls will not see the union "
        "(--guard=require tries it, --guard=off runs without this word)",
        untried);
    options->guard = CHOICE_OFF;
}

char *find_parts(void) {
    static const char link[] = "/proc/self/exe";
    char self[PATH_MAX];
    ssize_t length = readlink(link, self, sizeof self); /* canonical, as the kernel tells it */
    if (length <= 0 || (size_t)length == sizeof self || self[0] != '/') {
        say("%s: %s; unionrun needs /proc", link, length < 0 ? strerror(errno) : "not to be read");
        return NULL;
    }
    while (length && self[length - 1] != '/')
        length--;
    return ur_copy(self, (size_t)(length - 1));
}

bool load_plan(struct launch *launch) {
    struct options *options = &launch->options;
    if (!ur_mount_options_load(&options->mounts, &launch->plan))
        return false;
    if (!options->command && launch->plan.command)
        options->command = launch->plan.command + 1;
    if (!options->command && !options->check && !options->doctor) {
        say("no -- COMMAND, and the layer file has none; see unionrun --help");
        return false;
    }
    if (options->raw_said)
        launch->plan.raw = options->raw;
    if (options->index_said) {
        launch->plan.index = options->index;
        launch->plan.index_said = true;
    }
    if (options->durability_said)
        launch->plan.durability = options->durability;
    else if (options->ephemeral && !launch->plan.durability_said)
        launch->plan.durability = UR_DURABLE_VOLATILE;
    launch->plan.root |= options->root;
    if (launch->plan.user && !launch->plan.root && geteuid() != 0) {
        say("the layer file's \"user\" is %s: only root can become another; --root simulates that", launch->plan.user);
        return false;
    }
    if (options->metacopy_said) {
        launch->plan.metacopy = options->metacopy;
        launch->plan.metacopy_said = true;
    }
    if (options->max_upper)
        launch->plan.max_upper = options->max_upper;
    for (size_t i = 0; i < options->writables; i++)
        ur_plan_add_writable(&launch->plan, ur_format("%s", options->writable[i]), -1, (int)i);
    return true;
}

static bool show(const struct launch *launch) {
    bool shown = launch->options.json ? show_json(launch) : show_text(launch);
    if (shown && fflush(stdout) == 0)
        return true;
    say("the mounts cannot be printed: %s", strerror(errno));
    return false;
}

/* All but the command: true if it may run now, or with --check when there is nothing more to do. */
static bool get_ready(struct launch *launch) {
    if (launch->options.try ? !try_prepare(launch) : !load_plan(launch))
        return false;
    if (launch->options.ephemeral && !prepare_ephemeral(launch))
        return false;
    if (!ur_check(&launch->plan))
        return false;
    if (launch->options.check)
        return show(launch);
    launch->parts = find_parts();
    bool ready = launch->parts && ur_take_uppers(&launch->plan, &launch->locks) &&
                 ur_use_lowers(&launch->plan, &launch->locks) && !ur_commit_unfinished(&launch->plan) &&
                 trace_prepare(launch) && session_make(launch) && fence_prepare(launch) && report_prepare(launch);
    if (ready)
        progress_prepare(launch);
    return ready;
}

static int act(struct launch *launch) {
    if (!launch->options.check && !settle_nesting(&launch->options))
        return EXIT_OURS;
    if (!launch->options.check)
        settle_guard(&launch->options);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &launch->signal_mask);
    launch->umask = umask(0);
    bool ready = get_ready(launch);
    if (launch->plan.error)
        say("%s", launch->plan.error);
    if (ready && !launch->options.check)
        run(launch);
    session_remove(launch, true);
    return ready && launch->options.check ? 0 : EXIT_OURS;
}

/* Only -* and these are ours; the rest is a tool for layers. */
static bool is_ours(const char *word) {
    return word[0] == '-' || strcmp(word, "doctor") == 0 || strcmp(word, "try") == 0;
}

static int hand_over(char **argv) {
    UR_AUTO_TEXT parts = find_parts();
    UR_AUTO_TEXT tools = parts ? ur_path_join(parts, "unionrun-layers") : NULL;
    if (tools) {
        execv(tools, argv);
        say("%s: %s; build or install unionrun completely", tools, strerror(errno));
    }
    return EXIT_OURS;
}

int main(int argc, char **argv) {
    if (argc < 2 || !*argv[1]) {
        say("no options; see unionrun --help");
        return EXIT_OURS;
    }
    if (!is_ours(argv[1]))
        return hand_over(argv);
    struct launch launch = {.shared = -1, .fence = {.ruleset = {-1, -1, -1}}};
    enum options_next next = options_read(argc, argv, &launch.options, &launch.plan);
    int status = EXIT_OURS;
    if (next == OPTIONS_DONE)
        status = fflush(stdout) == 0 ? 0 : EXIT_OURS;
    else if (next == OPTIONS_RUN)
        status = launch.options.doctor ? doctor(&launch) : act(&launch);
    fence_free(&launch);
    report_free(&launch);
    ur_plan_free(&launch.plan);
    options_free(&launch.options);
    free(launch.parts);
    free(launch.session);
    free(launch.preload_before);
    free(launch.ephemeral);
    ur_locks_free(&launch.locks);
    return status;
}
