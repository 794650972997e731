/* `unionrun diff`: what the upper changes, for people, scripts (letters, JSON) and patch(1). */
#include "layers/changes.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct kind {
    char letter;
    const char *word, *key, *colour;
};
static const struct kind kinds[CHANGE_KINDS] = {
    [CHANGE_ADDED] = {'A', "added", "added", "\033[32m"},
    [CHANGE_CONTENT] = {'M', "changed", "content", "\033[33m"},
    [CHANGE_METADATA] = {'m', "metadata", "metadata", "\033[36m"},
    [CHANGE_DELETED] = {'D', "deleted", "deleted", "\033[31m"},
    [CHANGE_RENAMED] = {'R', "renamed", "renamed", "\033[34m"},
    [CHANGE_REPLACED] = {'T', "replaced", "replaced", "\033[35m"},
};

struct sums {
    size_t count[CHANGE_KINDS];
    int64_t grown, bytes; /* how much more there is now; the size of all that the upper holds of it */
};

static const char *data_of(const struct change_side *side) {
    return side->data ? side->data : side->host;
}

static uint64_t bytes_of(const struct change_side *side) {
    return side->there && S_ISREG(side->st.st_mode) ? (uint64_t)side->st.st_size : 0;
}

static void sum(struct sums *sums, const struct change *change) {
    sums->count[change->kind]++;
    if (change->linked)
        return;
    sums->grown += (int64_t)bytes_of(&change->now) - (int64_t)(change->redirect ? 0 : bytes_of(&change->was));
    sums->bytes += (int64_t)bytes_of(&change->now);
}

static char *metadata_of(unsigned metadata) {
    char *text = ur_format("%s", "");
    for (unsigned i = 0; i < 4; i++) {
        if (!(metadata & 1U << i))
            continue;
        char *longer = ur_format("%s%s%s", text, *text ? ", " : "", change_metadata_names[i]);
        free(text);
        text = longer;
    }
    return text;
}

/* "PATH", with a slash if it is a directory; "FROM -> PATH". */
static char *name_of(const struct change *change) {
    const struct change_side *side = change->now.there ? &change->now : &change->was;
    UR_AUTO_TEXT slashed = ur_format("%s%s", change->path, S_ISDIR(side->st.st_mode) && change->path[1] ? "/" : "");
    UR_AUTO_TEXT path = ur_quoted(slashed);
    if (!change->from)
        return ur_format("%s", path);
    UR_AUTO_TEXT old = ur_format("%s%s", change->from, S_ISDIR(side->st.st_mode) ? "/" : "");
    UR_AUTO_TEXT from = ur_quoted(old);
    return ur_format("%s -> %s", from, path);
}

/* What the letter does not say. */
static char *remark(const struct change *change) {
    /* New data has a new time. */
    UR_AUTO_TEXT metadata = metadata_of(change->content ? change->metadata & ~(unsigned)META_TIME : change->metadata);
    char *text = ur_format("%s", "");
    const char *parts[6];
    size_t count = 0;
    if (change->kind == CHANGE_RENAMED && change->content)
        parts[count++] = "changed";
    if (*metadata)
        parts[count++] = metadata;
    if (change->kind == CHANGE_REPLACED && S_ISDIR(change->was.st.st_mode) && S_ISDIR(change->now.st.st_mode))
        parts[count++] = "opaque";
    else if (change->kind == CHANGE_REPLACED)
        parts[count++] = layers_type(change->was.st.st_mode);
    if (change->linked)
        parts[count++] = "hard link";
    for (size_t i = 0; i < count; i++) {
        char *longer = ur_format("%s%s%s", text, i ? ", " : " (", parts[i]);
        free(text);
        text = longer;
    }
    char *whole = ur_format("%s%s", text, count ? ")" : "");
    free(text);
    return whole;
}

static char *sizes(const struct change *change) {
    uint64_t was = change->redirect ? 0 : bytes_of(&change->was), now = bytes_of(&change->now);
    if (change->kind == CHANGE_ADDED && now)
        return layers_size(now);
    if (was == now)
        return ur_format("%s", "");
    UR_AUTO_TEXT left = layers_size(was);
    UR_AUTO_TEXT right = layers_size(now);
    *strchr(left, ' ') = '\0';
    return ur_format("%s -> %s", left, right);
}

void changes_print(const struct change *change, bool stat, bool colours) {
    const struct kind *kind = &kinds[change->kind];
    UR_AUTO_TEXT name = name_of(change);
    UR_AUTO_TEXT more = remark(change);
    UR_AUTO_TEXT size = stat ? sizes(change) : ur_format("%s", "");
    const char *gap = *size ? "  " : "";
    if (colours) {
        UR_AUTO_TEXT word = ur_format("%s:", kind->word);
        printf("    %s%-10s %s\033[m%s%s%s\n", kind->colour, word, name, more, gap, size);
    } else {
        printf("%c %s%s%s%s\n", kind->letter, name, more, gap, size);
    }
}

static void print_sums(const struct sums *sums, bool indent) {
    const char *gap = indent ? "    " : "";
    size_t all = 0;
    for (int i = 0; i < CHANGE_KINDS; i++)
        all += sums->count[i];
    printf("%s%zu change%s", gap, all, all == 1 ? "" : "s");
    for (int i = 0; i < CHANGE_KINDS; i++)
        if (sums->count[i])
            printf(", %zu %s", sums->count[i], kinds[i].word);
    UR_AUTO_TEXT bytes = layers_size((uint64_t)sums->bytes);
    UR_AUTO_TEXT grown = layers_size((uint64_t)(sums->grown < 0 ? -sums->grown : sums->grown));
    printf("; %s in the upper, %s%s\n", bytes, sums->grown < 0 ? "-" : "+", grown);
}

static void print_text(const struct layers *layers, const struct changes *changes, bool stat) {
    bool colours = layers_colours();
    for (size_t m = 0; m < layers->plan.count; m++) {
        const struct ur_plan_mount *mount = &layers->plan.mounts[m];
        if (!mount->upper)
            continue;
        struct sums sums = {0};
        bool begun = false;
        for (size_t i = 0; i < changes->count; i++) {
            const struct change *change = &changes->change[i];
            if (change->mount != m)
                continue;
            if (colours && !begun) {
                UR_AUTO_TEXT target = ur_quoted(mount->target);
                UR_AUTO_TEXT upper = ur_quoted(mount->upper);
                printf("Changes of %s, kept in %s:\n", target, upper);
            }
            begun = true;
            changes_print(change, stat, colours);
            sum(&sums, change);
        }
        if (stat)
            print_sums(&sums, colours);
        else if (colours && !begun)
            printf("No changes.\n");
    }
}

static void set_side(json_t *value, const char *type_key, const char *size_key, const struct change_side *side) {
    if (!side->there)
        return;
    json_object_set_new(value, type_key, json_string(layers_type(side->st.st_mode)));
    if (S_ISREG(side->st.st_mode))
        json_object_set_new(value, size_key, json_integer(side->st.st_size));
}

static json_t *value_of(const struct change *change) {
    json_t *value = json_object();
    layers_json_name(value, "path", change->path);
    json_object_set_new(value, "change", json_string(kinds[change->kind].key));
    if (change->from)
        layers_json_name(value, "from", change->from);
    set_side(value, "type", "size", &change->now);
    set_side(value, "was_type", "was_size", &change->was);
    json_object_set_new(value, "content", json_boolean(change->content));
    json_t *metadata = json_array();
    for (unsigned i = 0; i < 4; i++)
        if (change->metadata & 1U << i)
            json_array_append_new(metadata, json_string(change_metadata_names[i]));
    json_object_set_new(value, "metadata", metadata);
    json_object_set_new(value, "opaque", json_boolean(change->opaque));
    json_object_set_new(value, "redirect", json_boolean(change->redirect));
    json_object_set_new(value, "hard_link", json_boolean(change->linked));
    return value;
}

static json_t *mount_value(const struct ur_plan_mount *mount, unsigned number, const struct changes *changes) {
    json_t *value = json_object(), *list = json_array(), *summary = json_object();
    struct sums sums = {0};
    layers_json_name(value, "target", mount->target);
    layers_json_name(value, "upper", mount->upper);
    json_object_set_new(value, "changes", list);
    for (size_t i = 0; i < changes->count; i++)
        if (changes->change[i].mount == number) {
            json_array_append_new(list, value_of(&changes->change[i]));
            sum(&sums, &changes->change[i]);
        }
    for (int i = 0; i < CHANGE_KINDS; i++)
        json_object_set_new(summary, kinds[i].key, json_integer((json_int_t)sums.count[i]));
    json_object_set_new(summary, "bytes", json_integer(sums.bytes));
    json_object_set_new(summary, "grown", json_integer(sums.grown));
    json_object_set_new(value, "summary", summary);
    return value;
}

static int print_json(const struct layers *layers, const struct changes *changes) {
    json_t *mounts, *root = layers_json_root("mounts", &mounts);
    for (size_t i = 0; i < layers->plan.count; i++)
        if (layers->plan.mounts[i].upper)
            json_array_append_new(mounts, mount_value(&layers->plan.mounts[i], (unsigned)i, changes));
    return layers_json_print(root);
}

/* diff(1) of two files, with the names that patch(1) -p1 wants. */
static bool run_diff(const char *was, const char *now, const char *from, const char *to) {
    UR_AUTO_TEXT a = from ? ur_format("a%s", from) : ur_format("/dev/null");
    UR_AUTO_TEXT b = to ? ur_format("b%s", to) : ur_format("/dev/null");
    UR_AUTO_TEXT left = ur_quoted(a);
    UR_AUTO_TEXT right = ur_quoted(b);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        execlp("diff", "diff", "-u", "--label", left, "--label", right, "--", was, now, NULL);
        say("diff: %s; install diffutils", strerror(errno));
        _exit(EXIT_OURS);
    }
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) <= 2; /* 2: binary, or unreadable and said so */
}

/* A union path below its target, for patch -d TARGET -p1. */
static const char *below(const struct layers *layers, const struct change *change, const char *path) {
    const char *target = layers->plan.mounts[change->mount].target;
    return path + (target[1] ? strlen(target) : 0);
}

static bool print_patch(const struct layers *layers, const struct changes *changes) {
    bool right = true;
    for (size_t i = 0; i < changes->count && right; i++) {
        const struct change *change = &changes->change[i];
        bool was = change->was.there && S_ISREG(change->was.st.st_mode);
        bool now = change->now.there && S_ISREG(change->now.st.st_mode);
        bool contents = change->content || (change->kind != CHANGE_METADATA && change->kind != CHANGE_RENAMED);
        if ((!was && !now) || !contents)
            continue;
        const char *from = below(layers, change, change->from ? change->from : change->path);
        right = run_diff(was ? data_of(&change->was) : "/dev/null", now ? data_of(&change->now) : "/dev/null",
                         was ? from : NULL, now ? below(layers, change, change->path) : NULL);
    }
    return right;
}

static const char about[] =
    "Tell what the uppers change, beside what their lowers have; of PATHs, in the union, only what is\n"
    "at or beneath them. On a terminal in words, else a letter and a path a line: A added, M changed,\n"
    "m metadata alone, D deleted, R renamed, T replaced by another kind of file or a directory made\n"
    "anew. A copy that equals the lower's file counts as unchanged, as do the times of directories.\n";

int layers_diff(struct layers *layers, int argc, char **argv) {
    bool stat = false, patch = false, code = false;
    const struct layers_option options[] = {
        {"--stat", NULL, "sizes, too, and a summary", &stat, NULL, NULL},
        {"--patch", NULL, "the differences of text files, for patch -d TARGET -p1", &patch, NULL, NULL},
        {"--json", NULL, "print as JSON", &layers->json, NULL, NULL},
        {"--exit-code", NULL, "exit status 1 if there are changes", &code, NULL, NULL},
        {0}};
    enum layers_next next = layers_read(layers, argc, argv, options, 0, SIZE_MAX, about);
    if (next != LAYERS_GO)
        return next == LAYERS_DONE ? 0 : EXIT_OURS;
    struct changes changes = {0};
    if (!layers_open(layers, LAYERS_LOOK))
        return EXIT_OURS;
    for (size_t i = 0; i < layers->paths; i++)
        layers->path[i] = layers_locate(layers, layers->path[i]);
    bool right = changes_find(layers, NULL, &changes);
    changes_keep(&changes, layers->path, layers->paths);
    if (right && layers->json)
        right = print_json(layers, &changes) == 0;
    else if (right && patch)
        right = print_patch(layers, &changes);
    else if (right)
        print_text(layers, &changes, stat);
    int status = !right ? EXIT_OURS : code && changes.count ? EXIT_DIFFERENT : 0;
    changes_free(&changes);
    for (size_t i = 0; i < layers->paths; i++)
        free(layers->path[i]);
    return status;
}
