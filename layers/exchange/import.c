/*
 * unionrun import: an image into a directory of lower layers, and the layer file that runs it.
 *
 *     DIR/base.json         what `unionrun --layers` takes
 *     DIR/layers/N-DIGEST   the layers, 1 the bottom one
 *     DIR/config.json       the image's configuration as it was
 *     DIR/upper             comes with the first run
 *
 * Invariant: DIR is there as a whole or not at all (newdir.h).
 */
#include "config/layerfile.h"
#include "config/probe.h"
#include "launch/remove.h"
#include "layers/exchange/image.h"
#include "layers/exchange/newdir.h"
#include "layers/exchange/progress.h"
#include "layers/exchange/size.h"
#include "layers/exchange/unpack.h"
#include "layers/layers.h"
#include "layers/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SIZE "64G"
#define MAX_FILES "4000000"

struct import {
    struct layers *layers;
    const char *from, *out, *wanted, *target;
    uint64_t size_left, files_left, max_size;

    struct ur_newdir newdir;
    struct ur_forms forms; /* that its filesystem and this user can hold */
    struct ur_source source;
    struct ur_image image;
    char **made; /* each layer's directory, relative to the stage, bottom first */
    struct ur_unpack *unpacked;
    size_t done;
    struct ur_lost lost;
    uint64_t files, bytes;
};

static bool failed(const char *path) {
    say("%s: %s", path, strerror(errno));
    return false;
}

/* --- the layers ------------------------------------------------------------------------------------------ */

static bool tick(void *arg) {
    const struct import *import = arg;
    const struct ur_unpack *now = &import->unpacked[import->done];
    return ur_progress(now->what, import->files + now->entries, import->bytes + now->bytes);
}

static bool check_sums(const struct ur_image_layer *layer, const struct ur_blob_sums *sums, const char *what) {
    if (*layer->digest && strcmp(layer->digest, sums->packed) != 0)
        say("%s: its content is not what its digest says", what);
    else if (*layer->diff_id && strcmp(layer->diff_id, sums->plain) != 0)
        say("%s: its content is not what the configuration says (diff_id)", what);
    else if (!*layer->digest && !*layer->diff_id && !sums->ended)
        say("%s: cut short: it has no end", what);
    else
        return true;
    return false;
}

/* The layer of this number seen with those beneath, the topmost first. */
static bool open_below(const struct import *import, size_t number, struct ur_below *below) {
    char **roots = ur_allocate((number + 1) * sizeof *roots);
    for (size_t i = 0; i <= number; i++)
        roots[i] = ur_path_join(import->newdir.stage, import->made[number - i]);
    bool right = ur_below_open(below, roots, number + 1);
    for (size_t i = 0; i <= number; i++)
        free(roots[i]);
    free(roots);
    return right;
}

static bool unpack_blob(struct import *import, size_t number, struct ur_unpack *unpack, int fd) {
    const struct ur_image_layer *layer = &import->image.layers[number];
    struct ur_blob *blob = ur_allocate(sizeof *blob);
    struct ur_blob_sums sums;
    bool right = ur_blob_open(blob, fd, &import->size_left, unpack->what);
    if (right) {
        right =
            ur_unpack(unpack, blob) && ur_blob_end(blob, &sums, unpack->what) && check_sums(layer, &sums, unpack->what);
        ur_blob_close(blob);
    }
    free(blob);
    return right;
}

static void add_lost(struct ur_lost *all, const struct ur_lost *one) {
    all->owners += one->owners;
    all->xattrs += one->xattrs;
    all->devices += one->devices;
    all->recorded += one->recorded;
    all->others += one->others;
}

static bool unpack_layer(struct import *import, size_t number) {
    const struct ur_image_layer *layer = &import->image.layers[number];
    struct ur_unpack *unpack = &import->unpacked[number];
    import->made[number] = ur_format("layers/%zu%s%.12s", number + 1, *layer->digest || *layer->diff_id ? "-" : "",
                                     *layer->digest ? layer->digest : layer->diff_id);
    UR_AUTO_TEXT what = layer->member ? ur_format("%s: layer %zu of %zu", import->from, number + 1, import->image.count)
                                      : ur_format("%s", import->from);
    if (mkdirat(import->newdir.fd, import->made[number], 0700) < 0)
        return failed(import->made[number]);
    int root = openat(import->newdir.fd, import->made[number], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct ur_below below;
    if (root < 0 || !open_below(import, number, &below)) {
        if (root >= 0)
            close(root);
        return failed(import->made[number]);
    }
    UR_AUTO_TEXT beneath = number ? ur_path_join(import->newdir.stage, import->made[number - 1]) : NULL;
    *unpack = (struct ur_unpack){.what = what,
                                 .beneath = beneath,
                                 .root = root,
                                 .below = &below,
                                 .forms = import->forms,
                                 .max_size = import->max_size,
                                 .files_left = &import->files_left,
                                 .tick = tick,
                                 .arg = import};
    int fd =
        layer->member ? ur_source_get(&import->source, layer->member) : fcntl(import->source.file, F_DUPFD_CLOEXEC, 3);
    bool right = fd >= 0 && unpack_blob(import, number, unpack, fd);
    ur_below_close(&below);
    close(root);
    import->files += unpack->entries;
    import->bytes += unpack->bytes;
    add_lost(&import->lost, &unpack->lost);
    return right;
}

static bool unpack_all(struct import *import) {
    import->forms = ur_forms_of(ur_probe_caps(import->newdir.fd));
    if (mkdirat(import->newdir.fd, "layers", 0700) < 0)
        return failed(import->newdir.stage);
    import->made = ur_allocate(import->image.count * sizeof *import->made);
    import->unpacked = ur_allocate(import->image.count * sizeof *import->unpacked);
    for (; import->done < import->image.count; import->done++)
        if (!unpack_layer(import, import->done))
            return false;
    return true;
}

/* --- the rest -------------------------------------------------------------------------------------------- */

static bool write_file(const struct import *import, const char *name, const char *text) {
    int fd = openat(import->newdir.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    bool right = file && fputs(text, file) >= 0;
    right = (file ? fclose(file) == 0 : false) && right;
    return right || failed(name);
}

static const json_t *config_of(const struct import *import) {
    return json_object_get(import->image.config, "config");
}

/* What the image would have started: Entrypoint, then Cmd. */
static json_t *command_of(const struct import *import) {
    static const char *const keys[] = {"Entrypoint", "Cmd"};
    json_t *command = json_array();
    for (size_t k = 0; k < 2; k++) {
        const json_t *words = json_object_get(config_of(import), keys[k]);
        for (size_t i = 0; i < json_array_size(words); i++)
            if (json_is_string(json_array_get(words, i)))
                json_array_append(command, json_array_get(words, i));
    }
    return command;
}

/* "NAME=VALUE" of the image's Env; the last of a name counts, and those that a run sets itself are left out. */
static json_t *environment_of(const struct import *import) {
    const json_t *variables = json_object_get(config_of(import), "Env");
    json_t *environment = json_object();
    for (size_t i = 0; i < json_array_size(variables); i++) {
        const char *text = json_string_value(json_array_get(variables, i));
        const char *value = text ? strchr(text, '=') : NULL;
        if (!value || value == text)
            continue;
        UR_AUTO_TEXT name = ur_copy(text, (size_t)(value - text));
        if (ur_run_sets(name))
            say("the image's %s is left out: a run sets it itself", name);
        else
            json_object_set_new(environment, name, json_string(value + 1));
    }
    return environment;
}

/* A layer file's path: a $ of the image's is a $. NULL: the image names no directory that can be one. */
static char *directory_of(const struct import *import) {
    const char *said = json_string_value(json_object_get(config_of(import), "WorkingDir"));
    if (!said || said[0] != '/')
        return NULL;
    char *path = ur_format("%s", "");
    for (const char *c = said; *c; c++) {
        char *longer = ur_format("%s%c%s", path, *c, *c == '$' ? "$" : "");
        free(path);
        path = longer;
    }
    return path;
}

/* NULL: whoever one is. Elsewhere than at / the union's files know no users. */
static const char *user_of(const struct import *import) {
    const char *said = json_string_value(json_object_get(config_of(import), "User"));
    return said && *said && *said != ':' && strcmp(import->target, "/") == 0 ? said : NULL;
}

/* What the image says of a run, where there is anything. Its directories are the whole root's: not beneath a target. */
static void add_config(const struct import *import, json_t *file) {
    json_t *environment = environment_of(import), *command = command_of(import);
    UR_AUTO_TEXT directory = strcmp(import->target, "/") == 0 ? directory_of(import) : NULL;
    const char *program = json_string_value(json_array_get(command, 0));
    if (json_object_size(environment))
        json_object_set(file, "environment", environment);
    if (user_of(import)) {
        json_object_set_new(file, "root", json_true());
        json_object_set_new(file, "user", json_string(user_of(import)));
    }
    if (directory)
        json_object_set_new(file, "directory", json_string(directory));
    if (program && *program)
        json_object_set(file, "command", command);
    json_decref(environment);
    json_decref(command);
}

/* Topmost first, as a layer file has them. */
static bool write_layer_file(const struct import *import) {
    json_t *lowers = json_array();
    for (size_t i = import->image.count; i-- > 0;)
        json_array_append_new(lowers, json_string(import->made[i]));
    json_t *file = json_pack("{s:[{s:s, s:o, s:s, s:s}]}", "mounts", "target", import->target, "lower", lowers, "upper",
                             "upper", "work", "upper.work");
    if (file)
        add_config(import, file);
    char *text = file ? json_dumps(file, JSON_INDENT(4)) : NULL;
    UR_AUTO_TEXT line = ur_format("%s\n", text ? text : "");
    free(text);
    json_decref(file);
    return write_file(import, "base.json", line);
}

/* From here on it is the user's. */
static bool finish(struct import *import) {
    mode_t mask = umask(0);
    umask(mask);
    UR_AUTO_TEXT members = ur_path_join(import->newdir.stage, "members");
    if (import->source.stash >= 0)
        remove_tree(members);
    if ((import->image.config_text && !write_file(import, "config.json", import->image.config_text)) ||
        !write_layer_file(import) || fchmodat(import->newdir.fd, "layers", 0777 & ~mask, 0) < 0 ||
        fchmod(import->newdir.fd, 0777 & ~mask) < 0)
        return failed(import->out);
    return ur_newdir_commit(&import->newdir);
}

/* A word as a shell takes it. */
static char *shell_word(const char *text) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-";
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return ur_quoted(text);
    if (*text && text[strspn(text, plain)] == '\0')
        return ur_format("%s", text);
    char *word = ur_format("'");
    for (const char *at = text; *at;) {
        size_t n = strcspn(at, "'");
        char *longer = ur_format("%s%.*s%s", word, (int)n, at, at[n] ? "'\\''" : "");
        free(word);
        word = longer;
        at += n + (at[n] != '\0');
    }
    char *whole = ur_format("%s'", word);
    free(word);
    return whole;
}

static void tell_lost(const struct import *import) {
    static const char *const ends[] = {"", "s"};
    const struct ur_lost *lost = &import->lost;
    if (lost->devices)
        say("%" PRIu64 " device node%s left out: only root can make them", lost->devices, ends[lost->devices != 1]);
    if (lost->recorded)
        say("%" PRIu64 " device node%s only recorded: to a run with --root %s, to others an empty file", lost->recorded,
            ends[lost->recorded != 1], lost->recorded == 1 ? "it is one" : "they are such");
    if (lost->owners)
        say("%" PRIu64 " owner%s of symlinks, FIFOs and the like not kept: only root can", lost->owners,
            ends[lost->owners != 1]);
    if (lost->xattrs)
        say("%" PRIu64 " extended attribute%s not kept (capabilities are root's to give; ACLs of tar's own)",
            lost->xattrs, ends[lost->xattrs != 1]);
    if (lost->others)
        say("%" PRIu64 " entr%s of no kind that a layer holds left out", lost->others, lost->others == 1 ? "y" : "ies");
}

static int tell(const struct import *import) {
    UR_AUTO_TEXT base = ur_path_join(import->out, "base.json");
    UR_AUTO_TEXT word = shell_word(base);
    UR_AUTO_TEXT size = layers_size(import->bytes);
    UR_AUTO_TEXT layers = layers_count(import->image.count, "layer", "layers");
    UR_AUTO_TEXT files = layers_count(import->files, "file", "files");
    printf("%s: %s, %s, %s\n", import->out, layers, files, size);
    printf("run it: unionrun --layers %s --", word);
    json_t *command = command_of(import);
    for (size_t i = 0; i < json_array_size(command); i++) {
        UR_AUTO_TEXT one = shell_word(json_string_value(json_array_get(command, i)));
        printf(" %s", one);
    }
    puts(json_array_size(command) ? "" : " /bin/sh");
    json_decref(command);
    static const char *const keys[] = {"WorkingDir", "User"};
    for (size_t k = 0; k < 2; k++) {
        const char *value = json_string_value(json_object_get(config_of(import), keys[k]));
        UR_AUTO_TEXT one = value && *value ? shell_word(value) : NULL;
        if (one)
            printf("the image says %s: %s\n", keys[k], one);
    }
    const json_t *variables = json_object_get(config_of(import), "Env");
    for (size_t i = 0; i < json_array_size(variables); i++) {
        const char *value = json_string_value(json_array_get(variables, i));
        UR_AUTO_TEXT one = value ? shell_word(value) : NULL;
        if (one)
            printf("the image sets %s\n", one);
    }
    tell_lost(import);
    return 0;
}

static int tell_json(const struct import *import) {
    json_t *root = json_object(), *list = json_array();
    layers_json_name(root, "directory", import->out);
    json_object_set_new(root, "image", import->image.name ? json_string(import->image.name) : json_null());
    for (size_t i = 0; i < import->image.count; i++) {
        const struct ur_image_layer *layer = &import->image.layers[i];
        json_array_append_new(
            list, json_pack("{s:s, s:o, s:o, s:I, s:I}", "lower", import->made[i], "digest",
                            *layer->digest ? json_sprintf("sha256:%s", layer->digest) : json_null(), "diff_id",
                            *layer->diff_id ? json_sprintf("sha256:%s", layer->diff_id) : json_null(), "files",
                            (json_int_t)import->unpacked[i].entries, "bytes", (json_int_t)import->unpacked[i].bytes));
    }
    json_object_set_new(root, "layers", list);
    json_object_set_new(root, "command", command_of(import));
    json_t *config = json_object_get(import->image.config, "config");
    json_object_set(root, "config", config ? config : json_null());
    json_object_set_new(root, "lost",
                        json_pack("{s:I, s:I, s:I, s:I}", "owners", (json_int_t)import->lost.owners, "xattrs",
                                  (json_int_t)import->lost.xattrs, "devices", (json_int_t)import->lost.devices,
                                  "others", (json_int_t)import->lost.others));
    json_object_set_new(root, "recorded_devices", json_integer((json_int_t)import->lost.recorded));
    return layers_json_print(root);
}

static bool import_image(struct import *import) {
    return ur_newdir_begin(&import->newdir, import->out) &&
           ur_source_open(&import->source, import->from, import->newdir.fd, &import->size_left) &&
           ur_image_read(&import->image, &import->source, import->wanted) && unpack_all(import) && finish(import);
}

static void free_import(struct import *import) {
    ur_source_close(&import->source);
    ur_newdir_end(&import->newdir);
    for (size_t i = 0; import->made && i < import->image.count; i++)
        free(import->made[i]);
    free(import->made);
    free(import->unpacked);
    ur_image_free(&import->image);
}

static const char about[] =
    "Make lower layers of a container image, and the layer file that runs it: DIR/base.json.\n"
    "IMAGE is an OCI image layout (a directory or a tar of one), a `docker save` tar, a tar of\n"
    "files, compressed or not, or - for the standard input.\n"
    "--json prints {directory, image, layers: [{lower, digest, diff_id, files, bytes}],\n"
    "command, config, lost: {owners, xattrs, devices, others}, recorded_devices}.\n"
    "\n";

int layers_import(struct layers *layers, int argc, char **argv) {
    struct import import = {.layers = layers, .source = {.directory = -1, .stash = -1, .file = -1}};
    const char *max_size = NULL, *max_files = NULL;
    const struct layers_option options[] = {
        {"-o", "DIR", "the directory to be made; it is there as a whole or not at all", .text = &import.out},
        {"--image", "NAME", "which image, if there are several: its name, tag or digest", .text = &import.wanted},
        {"--target", "PATH", "where the layer file shows it (/ if not given)", .text = &import.target},
        {"--max-size", "SIZE", "refuse what unpacks to more (" MAX_SIZE " if not given)", .text = &max_size},
        {"--max-files", "N", "refuse more files than that (" MAX_FILES " if not given)", .text = &max_files},
        {"--json", NULL, "print what was made as JSON", .flag = &layers->json},
        {0}};
    layers->unmounted = true;
    enum layers_next next = layers_read(layers, argc, argv, options, 1, 1, about);
    if (next != LAYERS_GO)
        return next == LAYERS_DONE ? 0 : EXIT_OURS;
    import.from = layers->path[0];
    if (!import.out) {
        say("no -o DIR; see unionrun import --help");
        return EXIT_OURS;
    }
    if (!import.target)
        import.target = "/";
    if (!ur_read_size("--max-size", max_size ? max_size : MAX_SIZE, &import.max_size) ||
        !ur_read_size("--max-files", max_files ? max_files : MAX_FILES, &import.files_left))
        return EXIT_OURS;
    import.size_left = import.max_size;
    stop_begin();
    ur_progress_begin();
    bool right = import_image(&import);
    int status = !right ? EXIT_OURS : layers->json ? tell_json(&import) : tell(&import);
    free_import(&import);
    ur_progress_end();
    return status;
}
