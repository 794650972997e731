/*
 * unionrun export: an upper as an OCI layer tar.
 *
 * Invariant: the file that -o names is there as a whole or as it was before. What is no regular file, a pipe, say, is
 * written as it comes.
 */
#include "layers/exchange/one.h"
#include "layers/exchange/progress.h"
#include "layers/exchange/tar.h"
#include "layers/layers.h"
#include "layers/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct export {
    struct layers *layers;
    const char *out, *compress, *owner;
    bool root;
    const struct ur_table_mount *mount;
    struct ur_tar tar;
    bool to_stdout;
    char *temporary; /* NULL: written in place */
    int fd;
};

static bool failed(const char *path) {
    say("%s: %s", path, strerror(errno));
    return false;
}

/* --- what is asked --------------------------------------------------------------------------------------- */

static bool ends_in(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static bool read_packing(const struct export *export, enum ur_packing *packing) {
    static const struct {
        const char *name, *suffixes[2];
    } kinds[] = {[UR_PACK_NONE] = {"none", {0}},
                 [UR_PACK_GZIP] = {"gzip", {".gz", ".tgz"}},
                 [UR_PACK_ZSTD] = {"zstd", {".zst", ".tzst"}}};
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        bool fits = export->compress && strcmp(export->compress, kinds[i].name) == 0;
        for (unsigned k = 0; !export->compress && k < 2 && kinds[i].suffixes[k]; k++)
            fits |= ends_in(export->out, kinds[i].suffixes[k]);
        *packing = i;
        if (fits)
            return true;
    }
    *packing = UR_PACK_NONE;
    if (export->compress)
        say("--compress %s: it is none, gzip or zstd", export->compress);
    return !export->compress;
}

static bool read_owner(struct export *export) {
    unsigned uid, gid;
    int end = 0;
    if (!export->owner) { /* what a simulated root made and left as it was is root's */
        export->tar.owned = (export->root || export->layers->plan.root) && geteuid() != 0;
        return true;
    }
    if (sscanf(export->owner, "%u:%u%n", &uid, &gid, &end) != 2 || export->owner[end]) {
        say("--owner %s: UID:GID is wanted, both numbers", export->owner);
        return false;
    }
    export->tar.owned = true;
    export->tar.uid = uid;
    export->tar.gid = gid;
    return true;
}

/* --- the file -------------------------------------------------------------------------------------------- */

static bool open_out(struct export *export) {
    struct stat st;
    if (export->to_stdout) {
        export->fd = STDOUT_FILENO;
        if (isatty(STDOUT_FILENO))
            say("-o -: an archive is nothing for a terminal");
        return !isatty(STDOUT_FILENO);
    }
    if (stat(export->out, &st) == 0 && !S_ISREG(st.st_mode)) {
        export->fd = open(export->out, O_WRONLY | O_CLOEXEC);
        return export->fd >= 0 || failed(export->out);
    }
    UR_AUTO_TEXT temporary = ur_format("%s.XXXXXX", export->out);
    stop_begin(); /* and not before: for a pipe there is nothing to take away, and libarchive writes on after EINTR */
    export->fd = mkostemp(temporary, O_CLOEXEC);
    if (export->fd < 0)
        return failed(export->out);
    export->temporary = ur_format("%s", temporary);
    mode_t mask = umask(0);
    umask(mask);
    fchmod(export->fd, 0666 & ~mask);
    return true;
}

static bool close_out(struct export *export, bool right) {
    if (export->fd >= 0 && !export->to_stdout && close(export->fd) < 0 && right)
        right = failed(export->out);
    if (export->temporary) {
        if (right && rename(export->temporary, export->out) < 0)
            right = failed(export->out);
        if (!right)
            unlink(export->temporary);
    }
    free(export->temporary);
    return right;
}

/* --- the layer ------------------------------------------------------------------------------------------- */

static bool tick(void *arg) {
    const struct export *export = arg;
    return ur_progress(export->out, export->tar.files, export->tar.bytes);
}

enum { STOPPED = 1 };

static long add(void *arg, const struct ur_item *item) {
    struct export *export = arg;
    return ur_tar_add(&export->tar, item) ? 0 : STOPPED;
}

static bool export_upper(struct export *export) {
    enum ur_packing packing;
    char where[UR_PATH_MAX];
    if (!read_packing(export, &packing) || !read_owner(export) || !open_out(export) ||
        !ur_tar_begin(&export->tar, export->fd, packing))
        return false;
    long ret = ur_upper_walk(&export->layers->u, export->mount, add, export, where);
    if (ret < 0) {
        UR_AUTO_TEXT name = ur_quoted(*where ? where : ".");
        say("%s: %s", name, layers_error(ret));
    }
    return ur_tar_end(&export->tar, ret == 0);
}

static int tell(const struct export *export) {
    const struct ur_tar *tar = &export->tar;
    if (tar->sockets)
        say("%" PRIu64 " socket%s left out: a tar has none", tar->sockets, tar->sockets == 1 ? "" : "s");
    if (export->to_stdout)
        return 0;
    if (export->layers->json) {
        json_t *root = json_object();
        layers_json_name(root, "file", export->out);
        json_object_set_new(root, "files", json_integer((json_int_t)tar->files));
        json_object_set_new(root, "whiteouts", json_integer((json_int_t)tar->whiteouts));
        json_object_set_new(root, "bytes", json_integer((json_int_t)tar->bytes));
        return layers_json_print(root);
    }
    UR_AUTO_TEXT size = layers_size(tar->bytes);
    UR_AUTO_TEXT files = layers_count(tar->files, "file", "files");
    UR_AUTO_TEXT whiteouts = layers_count(tar->whiteouts, "whiteout", "whiteouts");
    printf("%s: %s, %s, %s\n", export->out, files, whiteouts, size);
    return 0;
}

static const char about[] =
    "Write the changes that an upper holds as an OCI image layer. TARGET says which, if there are several\n"
    "uppers. Names are below the target; whiteouts are .wh.NAME; renamed directories are told in full.\n"
    "Times are not after SOURCE_DATE_EPOCH; owners that an import or a run with --root recorded are the recorded "
    "ones.\n"
    "--json prints {file, files, whiteouts, bytes}.\n"
    "\n";

int layers_export(struct layers *layers, int argc, char **argv) {
    struct export export = {.layers = layers, .fd = -1};
    const struct layers_option options[] = {
        {"-o", "FILE", "where to; - is the standard output", .text = &export.out},
        {"--compress", "HOW", "none, gzip or zstd (if not given: by FILE's suffix)", .text = &export.compress},
        {"--owner", "UID:GID", "whose all files are, but those with a recorded owner", .text = &export.owner},
        {"--root", NULL,
         "what a run with --root shows: your files without a recorded owner are root's\n"
         "(so it is if the layer file has \"root\": true)",
         .flag = &export.root},
        {"--json", NULL, "tell what was written as JSON", .flag = &layers->json},
        {0}};
    enum layers_next next = layers_read(layers, argc, argv, options, 0, 1, about);
    if (next != LAYERS_GO)
        return next == LAYERS_DONE ? 0 : EXIT_OURS;
    if (!export.out) {
        say("no -o FILE; see unionrun export --help");
        return EXIT_OURS;
    }
    export.to_stdout = strcmp(export.out, "-") == 0;
    setlocale(LC_CTYPE, "C.UTF-8"); /* names are bytes; libarchive would have them in the locale's charset */
    if (!layers_open(layers, LAYERS_LOOK) ||
        !(export.mount = layers_one_upper(layers, layers->paths ? layers->path[0] : NULL)))
        return EXIT_OURS;
    export.tar.tick = tick;
    export.tar.arg = &export;
    ur_progress_begin();
    bool right = close_out(&export, export_upper(&export));
    int status = right ? tell(&export) : EXIT_OURS;
    ur_progress_end();
    return status;
}
