/*
 * sweep [options] DIR    DIR is made, and removed
 *
 *   --unionrun PATH      which one
 *   --option WORD        one more for unionrun (--guard=off)
 *   --only TEXT          acts with that in their names
 *   --kill               a kill at each stop
 *   --all                a kill of the whole run at each stop
 *   --own ROLE           a kill of the launcher, guard, keeper or (until its exec) command, or in turn of all, at each
 *                        stop of its own, while an act is done; with --fail an error of each of its own calls
 *   --call NAME          of these the calls of that name alone (all of them, not a sample)
 *   --meet TEXT          acts with --only in their names are held at each stop while one with TEXT in its name (""
 *                        any) is done; a listing, too, is one that is held
 *   --fail ERRNO,...     each call fails with each of them (EIO, ENOSPC ...)
 *   --one N              at that stop alone
 *   --sample N           N points of all, chosen by --seed
 *   --seed N
 *   --show               prints the system calls of each act
 *
 * Ends with "N points, N wrong"; status 1 if one is.
 */
#include "sweep.h"

#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    const char *only, *errors;
    bool kill, all, show;
    const char *own, *meet;
    long call, one, sample;
    uint64_t seed;
} options = {.call = -1, .seed = 1};

static uint64_t draw(void) {
    options.seed ^= options.seed << 13;
    options.seed ^= options.seed >> 7;
    options.seed ^= options.seed << 17;
    return options.seed;
}

static int error_number(const char *name, size_t len) {
    for (int i = 1; i < 200; i++) {
        const char *known = strerrorname_np(i);
        if (known && strlen(known) == len && memcmp(known, name, len) == 0)
            return i;
    }
    fprintf(stderr, "sweep: %.*s is no error\n", (int)len, name);
    exit(2);
}

static bool wanted(const struct act *act) {
    return !options.only || strstr(act->name, options.only);
}

static void all_points(const struct plain *plain, struct sum *sum) {
    for (long stop = 1; stop <= plain->stops; stop++) {
        if (options.one && stop != options.one)
            continue;
        if (options.kill && plain->result >= 0)
            kill_at(plain, stop, false, sum);
        if (options.all && plain->result >= 0)
            kill_at(plain, stop, true, sum);
        for (const char *at = options.errors; at && *at && stop % 2;) {
            size_t len = strcspn(at, ",");
            fail_at(plain, stop, error_number(at, len), sum);
            at += len + (at[len] == ',');
        }
    }
}

static void one_point(const struct plain *plain, struct sum *sum) {
    long stop = 1 + (long)(draw() % (uint64_t)plain->stops);
    bool kills = options.kill || options.all;
    if (!options.errors || (kills && plain->result >= 0 && draw() % 2)) {
        if (plain->result >= 0)
            kill_at(plain, stop, options.all && (!options.kill || draw() % 2), sum);
        return;
    }
    size_t names = 1;
    for (const char *at = options.errors; *at; at++)
        names += *at == ',';
    const char *at = options.errors;
    for (size_t skip = draw() % names; skip; skip--)
        at = strchr(at, ',') + 1;
    fail_at(plain, stop | 1, error_number(at, strcspn(at, ",")), sum);
}

/* The errors of --fail as numbers, ended by 0; NULL: there are none. */
static const int *own_errors(void) {
    static int numbers[32];
    size_t n = 0;
    for (const char *at = options.errors; at && *at && n < sizeof numbers / sizeof *numbers - 1;) {
        size_t len = strcspn(at, ",");
        numbers[n++] = error_number(at, len);
        at += len + (at[len] == ',');
    }
    return n ? numbers : NULL;
}

static void show(const struct act *act) {
    const char *const arguments[] = {"--inside", world.target, NULL, "none", "0", "0", "show", NULL};
    char index[24];
    snprintf(index, sizeof index, "%d", (int)(act - acts));
    const char *with[8];
    memcpy(with, arguments, sizeof with);
    with[2] = index;
    char *errors;
    int status;
    world_renew();
    free(run_in_union(with, &errors, &status));
    printf("--- %s\n%s", act->name, errors);
    free(errors);
}

static void sweep(struct sum *sum) {
    size_t count = 0;
    while (acts[count].name)
        count++;
    struct plain *plains = calloc(count, sizeof *plains);
    size_t known = 0;
    for (size_t i = 0; i < count; i++) {
        if (!wanted(&acts[i]))
            continue;
        if (options.show) {
            show(&acts[i]);
            continue;
        }
        if (options.own && acts[i].prepare)
            continue;
        if (!plain_run(&acts[i], &plains[known])) {
            sum->wrong++;
            plain_free(&plains[known]);
        } else if (options.own && plains[known].result < 0) {
            plain_free(&plains[known]);
        } else if (options.sample) {
            known++;
        } else if (options.own) {
            own_sweep(&plains[known], options.own, options.call, own_errors(), options.one, 0, draw, sum);
            plain_free(&plains[known]);
        } else {
            all_points(&plains[known], sum);
            plain_free(&plains[known]);
        }
    }
    for (long i = 0; known && i < options.sample; i++) {
        struct plain *plain = &plains[draw() % known];
        if (options.own)
            own_sweep(plain, options.own, -1, own_errors(), 0, 1, draw, sum);
        else
            one_point(plain, sum);
    }
    for (size_t i = 0; options.sample && i < known; i++)
        plain_free(&plains[i]);
    free(plains);
}

static int in_the_union(char **argv) {
    if (strcmp(argv[1], "--look") == 0) {
        for (char **root = argv + 2; *root; root++)
            print_view(*root);
        return 0;
    }
    if (strcmp(argv[1], "--perform") == 0)
        return own_inside(argv[2], &acts[atoi(argv[3])]);
    if (strcmp(argv[1], "--meet") == 0)
        return meet_inside(argv[2], argv + 3);
    struct fate fate = {.stop = atol(argv[5]), .error = atoi(argv[6]), .show = argv[7] != NULL};
    fate.what = strcmp(argv[4], "kill") == 0   ? FAULT_KILL
                : strcmp(argv[4], "all") == 0  ? FAULT_KILL_ALL
                : strcmp(argv[4], "fail") == 0 ? FAULT_ERROR
                                               : FAULT_NONE;
    if (fate.what == FAULT_KILL_ALL) /* what an error is to a failure */
        fate.beyond = fate.error;
    return inside(argv[2], &acts[atoi(argv[3])], &fate);
}

static int usage(void) {
    fprintf(stderr,
            "usage: sweep [--unionrun PATH] [--option WORD]... [--only TEXT] [--kill] [--all] [--fail ERRNO,...]\n"
            "             [--own ROLE] [--call NAME] [--meet TEXT] [--one N] [--sample N] [--seed N] [--show] DIR\n");
    return 2;
}

int main(int argc, char **argv) {
    if (argc > 2 && (strcmp(argv[1], "--look") == 0 || (strcmp(argv[1], "--perform") == 0 && argc == 4) ||
                     (strcmp(argv[1], "--inside") == 0 && argc > 6) ||
                     (strcmp(argv[1], "--meet") == 0 && argc > 6 && argv[2][0] == '/')))
        return in_the_union(argv);
    static const struct option known[] = {{"unionrun", 1, NULL, 'u'}, {"option", 1, NULL, 'o'}, {"only", 1, NULL, 'a'},
                                          {"kill", 0, NULL, 'k'},     {"all", 0, NULL, 'K'},    {"own", 1, NULL, 'O'},
                                          {"call", 1, NULL, 'c'},     {"meet", 1, NULL, 'm'},   {"fail", 1, NULL, 'f'},
                                          {"one", 1, NULL, '1'},      {"sample", 1, NULL, 'n'}, {"seed", 1, NULL, 's'},
                                          {"show", 0, NULL, 'v'},     {NULL, 0, NULL, 0}};
    size_t words = 0;
    world.unionrun = "./unionrun";
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'u':
            world.unionrun = optarg;
            break;
        case 'o':
            if (words < sizeof world.options / sizeof *world.options - 1)
                world.options[words++] = optarg;
            break;
        case 'a':
            options.only = optarg;
            break;
        case 'k':
            options.kill = true;
            break;
        case 'K':
            options.all = true;
            break;
        case 'O':
            options.own = optarg;
            break;
        case 'c':
            options.call = call_number(optarg);
            if (options.call < 0)
                return usage();
            break;
        case 'm':
            options.meet = optarg;
            break;
        case 'f':
            options.errors = optarg;
            break;
        case '1':
            options.one = atol(optarg);
            break;
        case 'n':
            options.sample = atol(optarg);
            break;
        case 's':
            options.seed = 2654435761u * strtoull(optarg, NULL, 10) + 1;
            break;
        case 'v':
            options.show = true;
            break;
        default:
            return usage();
        }
    }
    if (optind != argc - 1)
        return usage();
    world.self = realpath("/proc/self/exe", NULL);
    world_make(argv[optind]);
    struct sum sum = {0};
    if (options.meet)
        meet_sweep(options.only, options.meet, options.one, options.sample, options.seed, &sum);
    else
        sweep(&sum);
    world_remove();
    printf("%lu points, %lu wrong\n", sum.points, sum.wrong);
    return sum.wrong > 0;
}
