/* ops [options] SEED FROM TO DIR   performs operations FROM..TO-1 in DIR, one line each
 * ops --dump DIR                   prints the whole tree
 *
 *   --only FILE       only the operations whose indexes the file holds
 *   --without A,B     leave out these kinds (see the tables in *_acts.c)
 *                     or habits: "slash" (trailing ones), "creat-directory" (O_CREAT|O_DIRECTORY), "creat-path"
 *                     (O_CREAT|O_PATH), "root" (removing or moving DIR itself), "removed"
 *                     (paths from a removed cwd or dirfd), "kept-rdonly" (keeping O_RDONLY files open),
 *                     "fork" (operations in a child), "shut" (chmods that leave a directory's owner out),
 *                     "rename-flags", "xattrs" (they are neither used nor looked at)
 *   --mark FILE       the plain side: append the indexes of operations that would leave DIR
 *   --heed FILE       the other side: leave those out
 *   --names FILE      the names that the tree began with (populate.py's OUT/names)
 *   --fds A,B,...     (used by itself: go on in this cwd, with these descriptors kept)
 *
 * DIR must hold the marker that populate.py makes. See differ.h. */
#include "differ.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARKER ".differ-root"

struct state self = {.kept = {-1, -1, -1, -1, -1, -1, -1}, .marks = -1, .without = ","};

static struct {
    const char *only, *mark, *heed, *names, *without, *program;
    bool continued;
} options = {.without = "", .names = "/dev/null"};

static void fail(const char *what) {
    fprintf(stderr, "ops: %s: %s\n", what, strerror(errno));
    exit(2);
}

void keep(int slot, int fd) {
    if (self.kept[slot] >= 0)
        close(self.kept[slot]);
    self.kept[slot] = fd;
}

static const struct kind *pick_kind(struct rng *rng) {
    static const struct kind *const tables[] = {path_kinds, file_kinds, tree_kinds, way_kinds};
    const size_t count = sizeof tables / sizeof *tables;
    unsigned total = 0;
    for (size_t i = 0; i < count; i++)
        for (const struct kind *kind = tables[i]; kind->name; kind++)
            total += kind->weight;
    unsigned roll = below(rng, total);
    for (size_t i = 0; i < count; i++)
        for (const struct kind *kind = tables[i]; kind->name; kind++) {
            if (roll < kind->weight)
                return kind;
            roll -= kind->weight;
        }
    abort();
}

bool left_out(const char *kind) {
    char listed[64];
    snprintf(listed, sizeof listed, ",%s,", kind);
    return strstr(self.without, listed);
}

static void await(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    if (status)
        printf("%u child ended with status %#x\n", self.index, (unsigned)status);
}

/* The same operation in a new program, which inherits the cwd and the descriptors. */
static void exec_again(const char *kind) {
    char seed[32], from[16], to[16], fds[128] = "";
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)self.seed);
    snprintf(from, sizeof from, "%u", self.index);
    snprintf(to, sizeof to, "%u", self.index + 1);
    for (int i = 0; i < KEPT; i++)
        snprintf(fds + strlen(fds), sizeof fds - strlen(fds), "%s%d", i ? "," : "", self.kept[i]);
    const char *arguments[] = {options.program,
                               "--fds",
                               fds,
                               "--without",
                               options.without,
                               "--names",
                               options.names,
                               seed,
                               from,
                               to,
                               self.root,
                               options.mark   ? "--mark"
                               : options.heed ? "--heed"
                                              : NULL,
                               options.mark ? options.mark : options.heed,
                               NULL};
    say("%u exec %s\n", self.index, kind);
    fflush(stdout);
    execv(options.program, (char *const *)arguments);
    _exit(99);
}

static void run_one(void) {
    struct rng rng = rng_for(self.seed, self.index);
    const struct kind *kind = pick_kind(&rng);
    unsigned look = below(&rng, 4), how = below(&rng, 1000);
    self.look_before = look & 1;
    self.look_after = look & 2;
    if (left_out(kind->name))
        return;

    pid_t child = -1;
    if (how < 25 && !options.continued && !left_out("fork")) { /* in a child process */
        child = fork();
        if (child > 0) {
            await(child);
            return;
        }
        if (child == 0 && how < 6)
            exec_again(kind->name);
    }
    printf("%u ", self.index);
    kind->run(&rng);
    printf("\n");
    fflush(stdout);
    if (child == 0)
        _exit(0);
}

static void dump_region(void) {
    char path[PATH_ROOM];
    pick_region_path(self.index / OPERATIONS_A_REGION, path);
    dump(path);
    fflush(stdout);
}

/* The indexes in a file, as a set that is held for the rest of the run. */
static bool *read_indexes(const char *path, unsigned to) {
    bool *set = calloc(to + 1, sizeof *set);
    FILE *file = fopen(path, "r");
    unsigned index;
    if (!file || !set)
        fail(path);
    while (fscanf(file, "%u", &index) == 1)
        if (index < to)
            set[index] = true;
    fclose(file);
    return set;
}

static void enter(const char *directory) {
    char marker[PATH_ROOM + 16];
    struct stat status;
    if (!realpath(directory, self.root))
        fail(directory);
    if (strcmp(directory, self.root) != 0) {
        fprintf(stderr, "ops: %s is %s: name it so\n", directory, self.root);
        exit(2);
    }
    self.root_length = strlen(self.root);
    snprintf(marker, sizeof marker, "%s/" MARKER, self.root);
    if (lstat(marker, &status) < 0)
        fail(marker);
    if (stat(self.root, &status) < 0 || (!options.continued && chdir(self.root) < 0))
        fail(self.root);
    self.device = status.st_dev;
}

/* The root as the process that ran us knew it: our cwd may be anywhere. */
static void adopt(char *fds) {
    options.continued = true;
    for (int i = 0; i < KEPT; i++)
        self.kept[i] = (int)strtol(fds, &fds, 10), fds += *fds == ',';
}

static char *commas_around(const char *list) {
    char *text = malloc(strlen(list) + 3);
    sprintf(text, ",%s,", list);
    return text;
}

static int usage(void) {
    fprintf(stderr, "usage: ops [--names FILE] [--only FILE] [--without KINDS] [--mark FILE | --heed FILE]\n"
                    "           SEED FROM TO DIR\n"
                    "       ops --dump DIR\n");
    return 2;
}

int main(int argc, char **argv) {
    static const struct option known[] = {{"only", 1, NULL, 'o'}, {"without", 1, NULL, 'w'}, {"mark", 1, NULL, 'm'},
                                          {"heed", 1, NULL, 'h'}, {"fds", 1, NULL, 'f'},     {"names", 1, NULL, 'n'},
                                          {"dump", 1, NULL, 'd'}, {NULL, 0, NULL, 0}};
    static char output[1 << 16];
    setvbuf(stdout, output, _IOFBF, sizeof output);
    signal(SIGPIPE, SIG_IGN);
    options.program = argv[0];
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'o':
            options.only = optarg;
            break;
        case 'w':
            options.without = optarg;
            break;
        case 'm':
            options.mark = optarg;
            break;
        case 'h':
            options.heed = optarg;
            break;
        case 'n':
            read_names(options.names = optarg);
            break;
        case 'f':
            adopt(optarg);
            break;
        case 'd':
            enter(optarg);
            return dump(optarg);
        default:
            return usage();
        }
    }
    if (argc - optind != 4)
        return usage();
    self.seed = strtoull(argv[optind], NULL, 10);
    unsigned from = (unsigned)atoi(argv[optind + 1]), to = (unsigned)atoi(argv[optind + 2]);
    self.without = commas_around(options.without);
    no_xattrs = left_out("xattrs");
    const bool *only = options.only ? read_indexes(options.only, to) : NULL;
    if (options.heed)
        self.heeded = read_indexes(options.heed, to);
    if (options.mark && (self.marks = open(options.mark, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) < 0)
        fail(options.mark);
    enter(argv[optind + 3]);

    for (self.index = from; self.index < to; self.index++) {
        if (!only || only[self.index])
            run_one();
        if (!options.continued && self.index % OPERATIONS_A_REGION == OPERATIONS_A_REGION - 1)
            dump_region();
    }
    return 0;
}
