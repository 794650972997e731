/* An upper that says everything itself; see settle.h. */
#include "layers/exchange/settle.h"
#include "config/text.h"
#include "layers/exchange/copy.h"
#include "layers/exchange/remark.h"
#include "layers/exchange/upper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct job {
    const struct ur_caller *caller;
    const struct ur_table_mount *mount;
    bool (*tick)(void *arg);
    void *arg;
    struct ur_settled *settled;
    char *where;
};

struct list {
    char **text;
    size_t count;
};

static void add_text(struct list *list, const char *text) {
    list->text = ur_grow(list->text, list->count, sizeof *list->text);
    list->text[list->count++] = ur_format("%s", text);
}

static long add_name(void *arg, const char *name) {
    add_text(arg, name);
    return 0;
}

static void free_list(struct list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->text[i]);
    free(list->text);
    *list = (struct list){0};
}

static long note(struct job *job, const char *path, long ret) {
    if (ret < 0 && !*job->where)
        snprintf(job->where, UR_PATH_MAX, "%s", path);
    return ret;
}

static long copy_up(struct job *job, const char *path) {
    char host[UR_PATH_MAX];
    if (!job->tick(job->arg))
        return -ECANCELED;
    long ret = ur_real(job->caller, AT_FDCWD, path, UR_REAL_WRITE | UR_REAL_NOFOLLOW, host);
    return note(job, path, ret < 0 ? ret : 0);
}

/* --- renamed directories --------------------------------------------------------------------------------- */

/* The directory and all that it shows is copied up. */
static long copy_up_all(struct job *job, const struct ur_place *place) {
    struct list names = {0};
    char host[UR_PATH_MAX];
    long ret = copy_up(job, ur_place_path(place));
    for (unsigned i = 0; ret == 0 && i < ur_place_spots(place); i++) {
        ret = ur_place_spot(place, i, host, NULL);
        ret = ret < 0 ? ret : ur_names(host, add_name, &names);
    }
    struct ur_found *found = ur_allocate(sizeof *found);
    for (size_t i = 0; ret == 0 && i < names.count; i++) {
        ret = ur_find(place, names.text[i], 0, found);
        if (ret < 0 || !found->there)
            continue;
        UR_AUTO_TEXT path = ur_path_join(ur_place_path(place), names.text[i]);
        struct ur_place *child;
        if (!S_ISDIR(found->st.st_mode)) {
            ret = found->in_upper ? 0 : copy_up(job, path);
            continue;
        }
        ret = note(job, path, ur_place_enter(place, names.text[i], &child));
        if (ret < 0)
            break;
        if (ur_place_mount(child) == job->mount)
            ret = copy_up_all(job, child);
        ur_place_close(child);
    }
    free(found);
    free_list(&names);
    return note(job, ur_place_path(place), ret);
}

static long settle_below(struct job *job, const struct ur_place *place, const char *host);

/* The directory shows nothing but what the upper has in it: that is said, by one mark. */
static long shut(struct job *job, const struct ur_place *place, const char *host) {
    const struct ur_forms forms = ur_forms_of(job->mount->caps);
    long ret = settle_below(job, place, host);
    int fd = ret < 0 ? -1 : open(host, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (ret == 0)
        ret = fd < 0 ? -errno : ur_put_opaque(forms, fd);
    if (fd >= 0)
        close(fd);
    if (ret == 0)
        ret = ur_unmark_moved(job->caller->u, job->mount, host);
    job->settled->moved += ret == 0;
    return note(job, ur_place_path(place), ret);
}

/* The renamed directories in a directory of the upper: those in them first, for as long as the outer is not shut,
   theirs are the lowers' names. */
static long settle_below(struct job *job, const struct ur_place *place, const char *host) {
    struct list names = {0};
    struct ur_view *view = ur_allocate(sizeof *view);
    long ret = note(job, ur_place_path(place), ur_names(host, add_name, &names));
    for (size_t i = 0; ret == 0 && i < names.count; i++) {
        struct ur_place *child;
        ret = ur_look(place, names.text[i], 0, view);
        if (ret < 0 || view->held != UR_HELD_DIRECTORY)
            continue;
        ret = ur_place_enter(place, names.text[i], &child);
        if (ret < 0)
            break;
        if (ur_place_mount(child) == job->mount) {
            bool moved = *view->redirect;
            ret = moved ? copy_up_all(job, child) : 0;
            if (ret == 0)
                ret = moved ? shut(job, child, view->host) : settle_below(job, child, view->host);
        }
        ur_place_close(child);
    }
    free(view);
    free_list(&names);
    return note(job, ur_place_path(place), ret);
}

static long settle_moved(struct job *job, const char *upper) {
    struct ur_place *root;
    long ret = ur_place_open(job->caller->u, ur_table_text(job->caller->u->table, job->mount->target), &root);
    if (ret == 0)
        ret = settle_below(job, root, upper);
    ur_place_close(root);
    return ret;
}

/* --- what the walk of the upper finds elsewhere ---------------------------------------------------------- */

struct found {
    struct job *job;
    const char *work, *target;
    struct list names;       /* of lower files that were copied up by another name */
    struct list hosts, data; /* files, and where their data is */
};

static long look_at_item(void *arg, const struct ur_item *item) {
    struct found *found = arg;
    if (item->kind != UR_ITEM_FILE || S_ISDIR(item->st.st_mode))
        return found->job->tick(found->job->arg) ? 0 : -ECANCELED;
    if (ur_path_is_in(item->host, found->work)) {
        UR_AUTO_TEXT path = ur_path_join(found->target, item->path);
        add_text(&found->names, path);
    } else if (item->data && strcmp(item->data, item->host) != 0 && !item->link) {
        add_text(&found->hosts, item->host);
        add_text(&found->data, item->data);
    }
    return 0;
}

/* A whole file takes the place of the one without data. A hard link of that, which overlayfs makes none of here, would
   be another file from then on. */
static long fill(struct job *job, const char *host, const char *data) {
    UR_AUTO_TEXT parent = ur_copy(host, (size_t)(strrchr(host, '/') - host));
    struct stat directory;
    const char *work = ur_table_text(job->caller->u->table, job->mount->work);
    UR_AUTO_TEXT temporary = ur_format("%s/tmp/convert.%ld", work, (long)getpid());
    struct stat st, content;
    bool known = lstat(parent, &directory) == 0;
    int from = open(data, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    int to = from < 0 ? -1 : open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    long ret = to < 0 || fstat(from, &content) < 0 || lstat(host, &st) < 0 ? -errno : 0;
    if (ret == 0)
        ret = ur_copy_data(from, to, content.st_size);
    if (ret == 0)
        ret = ur_pass_xattrs(host, to, "");
    if (ret == 0 && fchown(to, st.st_uid, st.st_gid) < 0 && errno != EPERM)
        ret = -errno;
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    if (ret == 0 && (fchmod(to, st.st_mode & 07777) < 0 || futimens(to, times) < 0 || rename(temporary, host) < 0))
        ret = -errno;
    if (ret < 0 && to >= 0)
        unlink(temporary);
    const struct timespec kept[2] = {directory.st_atim, directory.st_mtim};
    if (known)
        utimensat(AT_FDCWD, parent, kept, 0);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    return note(job, host, ret);
}

static long settle_found(struct job *job) {
    struct found found = {.job = job,
                          .work = ur_table_text(job->caller->u->table, job->mount->work),
                          .target = ur_table_text(job->caller->u->table, job->mount->target)};
    long ret = ur_upper_walk(job->caller->u, job->mount, look_at_item, &found, job->where);
    for (size_t i = 0; ret == 0 && i < found.names.count; i++, job->settled->names++)
        ret = copy_up(job, found.names.text[i]);
    for (size_t i = 0; ret == 0 && i < found.hosts.count; i++, job->settled->data++)
        ret = job->tick(job->arg) ? fill(job, found.hosts.text[i], found.data.text[i]) : -ECANCELED;
    free_list(&found.names);
    free_list(&found.hosts);
    free_list(&found.data);
    return ret;
}

long ur_settle(const struct ur_caller *caller, const struct ur_table_mount *mount, bool (*tick)(void *arg), void *arg,
               struct ur_settled *settled, char *where) {
    struct job job = {caller, mount, tick, arg, settled, where};
    const struct ur_table *table = caller->u->table;
    const char *upper = ur_table_text(table, ur_table_layers(table)[mount->first_layer].root);
    *where = '\0';
    *settled = (struct ur_settled){0};
    long ret = settle_found(&job); /* data first: a renamed directory that is shut does not lead to it any more */
    return ret == 0 ? settle_moved(&job, upper) : ret;
}
