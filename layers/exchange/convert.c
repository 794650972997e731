/*
 * unionrun convert: an upper for elsewhere. Its marks in one form, and nothing in it that needs this union's lowers or
 * work directory: in place, or in a new directory.
 *
 * Invariant: in place, the union shows the same between any two steps (settle.h, remark.h); so what a kill leaves is
 * right, and converting again goes on with it. A new directory is there as a whole or not at all.
 */
#include "layers/exchange/copy.h"
#include "layers/exchange/newdir.h"
#include "layers/exchange/one.h"
#include "layers/exchange/progress.h"
#include "layers/exchange/remark.h"
#include "layers/exchange/settle.h"
#include "layers/layers.h"
#include "layers/stop.h"

#include "config/probe.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct convert {
    struct layers *layers;
    const char *out, *to;
    const struct ur_table_mount *mount;
    struct ur_copy copy;
    struct ur_settled settled;
    uint64_t marks;
};

static const struct {
    const char *name;
    struct ur_forms forms;
} kinds[] = {{"device", {UR_FORM_DEVICE, UR_FORM_XATTR}},
             {"xattr", {UR_FORM_XATTR, UR_FORM_XATTR}},
             {"name", {UR_FORM_NAME, UR_FORM_NAME}}};

static bool read_forms(const struct convert *convert, struct ur_forms *forms) {
    if (!convert->to) {
        say("no --to device, xattr or name; see unionrun convert --help");
        return false;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(convert->to, kinds[i].name) == 0) {
            *forms = kinds[i].forms;
            return true;
        }
    say("--to %s: it is device, xattr or name", convert->to);
    return false;
}

/* Can the filesystem of what was probed hold these? */
static bool can_hold(const char *path, uint32_t caps, struct ur_forms forms) {
    bool devices = forms.whiteout != UR_FORM_DEVICE || caps & UR_CAP_CHARDEV;
    bool xattrs = (forms.whiteout != UR_FORM_XATTR && forms.opaque != UR_FORM_XATTR) || caps & UR_CAP_XATTR;
    if (!devices)
        say("%s: its filesystem takes no 0:0 devices from this user; --to xattr or name", path);
    else if (!xattrs)
        say("%s: its filesystem has no user xattrs; --to name", path);
    return devices && xattrs;
}

static bool tick(void *arg) {
    const struct convert *convert = arg;
    return ur_progress(ur_table_text(convert->layers->u.table, convert->mount->target), convert->copy.files,
                       convert->copy.bytes);
}

static bool tell_error(const char *where, long ret) {
    UR_AUTO_TEXT name = ur_quoted(*where ? where : ".");
    if (ret != -ECANCELED)
        say("%s: %s", name, layers_error(ret));
    return false;
}

static bool convert_in_place(struct convert *convert, struct ur_forms forms) {
    const struct ur_table *table = convert->layers->u.table;
    const char *upper = ur_table_text(table, ur_table_layers(table)[convert->mount->first_layer].root);
    char where[UR_PATH_MAX];
    if (!can_hold(upper, convert->mount->caps, forms))
        return false;
    long ret = ur_settle(&convert->layers->caller, convert->mount, tick, convert, &convert->settled, where);
    if (ret == 0)
        ret = ur_remark(&convert->layers->u, convert->mount, upper, forms, &convert->marks, where);
    return ret == 0 || tell_error(where, ret);
}

enum { STOPPED = 1 };

static long add(void *arg, const struct ur_item *item) {
    struct convert *convert = arg;
    convert->marks += item->kind != UR_ITEM_FILE;
    return ur_copy_add(&convert->copy, item) ? 0 : STOPPED;
}

static bool convert_to_new(struct convert *convert, struct ur_forms forms) {
    struct ur_newdir newdir;
    char where[UR_PATH_MAX];
    bool right = ur_newdir_begin(&newdir, convert->out) && can_hold(convert->out, ur_probe_caps(newdir.fd), forms);
    if (right) {
        convert->copy.root = newdir.fd;
        convert->copy.forms = forms;
        convert->copy.tick = tick;
        convert->copy.arg = convert;
        long ret = ur_upper_walk(&convert->layers->u, convert->mount, add, convert, where);
        if (ret < 0)
            tell_error(where, ret);
        right = ur_copy_end(&convert->copy, ret == 0) && ur_newdir_commit(&newdir);
    }
    ur_newdir_end(&newdir);
    return right;
}

static int tell(const struct convert *convert) {
    const struct ur_copy *copy = &convert->copy;
    const struct ur_settled *settled = &convert->settled;
    if (copy->owners)
        say("%" PRIu64 " owner%s not kept: only root can", copy->owners, copy->owners == 1 ? "" : "s");
    if (convert->layers->json)
        return layers_json_print(json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "to", convert->to, "marks",
                                           (json_int_t)convert->marks, "files", (json_int_t)copy->files, "moved",
                                           (json_int_t)settled->moved, "names", (json_int_t)settled->names, "data",
                                           (json_int_t)settled->data));
    UR_AUTO_TEXT marks = layers_count(convert->marks, "mark", "marks");
    UR_AUTO_TEXT files = layers_count(copy->files, "file", "files");
    UR_AUTO_TEXT moved = layers_count(settled->moved, "renamed directory", "renamed directories");
    UR_AUTO_TEXT names = layers_count(settled->names, "name of a lower file", "names of lower files");
    UR_AUTO_TEXT data = layers_count(settled->data, "file without data", "files without data");
    if (convert->out)
        printf("%s: %s, %s\n", convert->out, files, marks);
    else
        printf("%s changed; made whole: %s, %s, %s\n", marks, moved, names, data);
    return 0;
}

static const char about[] =
    "Make an upper one for elsewhere: its marks in one form, renamed directories as plain copies, every\n"
    "file whole. In place, or with -o in a new directory. TARGET says which upper, if there are several.\n"
    "--json prints {to, marks, files, moved, names, data}: marks changed or made, files copied to DIR;\n"
    "made whole: renamed directories, names of lower files, files without data.\n"
    "\n";

int layers_convert(struct layers *layers, int argc, char **argv) {
    struct convert convert = {.layers = layers};
    struct ur_forms forms;
    const struct layers_option options[] = {
        {"--to", "FORM",
         "device: whiteouts are 0:0 devices, as kernel overlayfs and fuse-overlayfs have\n"
         "them; xattr: files with overlay.whiteout (Linux 6.7); name: .wh.NAME files",
         .text = &convert.to},
        {"-o", "DIR", "leave the upper as it is, and make DIR", .text = &convert.out},
        {"--json", NULL, "tell what was done as JSON", .flag = &layers->json},
        {0}};
    enum layers_next next = layers_read(layers, argc, argv, options, 0, 1, about);
    if (next != LAYERS_GO)
        return next == LAYERS_DONE ? 0 : EXIT_OURS;
    if (!read_forms(&convert, &forms) || !layers_open(layers, convert.out ? LAYERS_LOOK : LAYERS_CHANGE) ||
        !(convert.mount = layers_one_upper(layers, layers->paths ? layers->path[0] : NULL)))
        return EXIT_OURS;
    stop_begin();
    ur_progress_begin();
    bool right = convert.out ? convert_to_new(&convert, forms) : convert_in_place(&convert, forms);
    int status = right ? tell(&convert) : EXIT_OURS;
    ur_progress_end();
    return status;
}
