/* Marks from one form to another, in place; see remark.h. */
#include "layers/exchange/remark.h"
#include "engine/union.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const spaces[] = {"user.overlay.", "trusted.overlay."};

struct job {
    const struct ur_union *u;
    const struct ur_table_mount *mount;
    struct ur_forms forms;
    uint64_t *changed;
    char *where;
    bool only_drop; /* no form is wanted: all whiteouts go, and redirects */
};

struct directory {
    struct job *job;
    char host[UR_PATH_MAX];
    int fd;
    bool whiteouts; /* some stay that need opaque=x */
    char *names;    /* NUL-terminated, one after the other */
    size_t size;
};

/* From both spaces, as far as this user sees them. */
static void drop_xattr(const char *host, const char *name) {
    for (unsigned i = 0; i < 2; i++) {
        char full[64];
        snprintf(full, sizeof full, "%s%s", spaces[i], name);
        sys_lremovexattr(host, full);
    }
}

static long keep_name(void *arg, const char *name, unsigned char type) {
    struct directory *d = arg;
    (void)type;
    size_t n = strlen(name) + 1;
    char *longer = realloc(d->names, d->size + n);
    if (!longer)
        return -ENOMEM;
    d->names = longer;
    memcpy(longer + d->size, name, n);
    d->size += n;
    return 0;
}

/* In the work directory, from where it gets its place by a rename: the place is never empty. */
static long put_by_rename(struct directory *d, const char *name, bool over) {
    UR_SCRATCH(s);
    long ret = ur_work_path(d->job->u, d->job->mount, "/tmp/", NULL, s->real[0]);
    if (ret < 0)
        return ret;
    const struct ur_table_mount mount = {.caps = d->job->forms.whiteout == UR_FORM_DEVICE ? UR_CAP_CHARDEV : 0};
    ret = ur_mark_whiteouts(&mount, d->host);
    if (ret == 0)
        ret = ur_whiteout_make(&mount, s->real[0]);
    if (ret < 0)
        return ret;
    if (snprintf(s->real[1], sizeof s->real[1], "%s/%s", d->host, name) >= UR_PATH_MAX)
        ret = -ENAMETOOLONG;
    else
        ret = over ? sys_rename(s->real[0], s->real[1], 0)
                   : ur_rename_new(d->job->u, d->job->mount, s->real[0], s->real[1]);
    if (ret < 0)
        sys_unlink(s->real[0]);
    return ret;
}

static long unlink_at(struct directory *d, const char *name) {
    return unlinkat(d->fd, name, 0) < 0 ? -errno : 0;
}

/* "NAME" of a whiteout that stands in its place, device or xattr. */
static long remark_node(struct directory *d, const char *name, enum ur_form is) {
    struct job *job = d->job;
    if (job->only_drop)
        return unlink_at(d, name);
    if (is == job->forms.whiteout) {
        d->whiteouts |= is == UR_FORM_XATTR;
        return 0;
    }
    ++*job->changed;
    if (job->forms.whiteout != UR_FORM_NAME) {
        d->whiteouts |= job->forms.whiteout == UR_FORM_XATTR;
        return put_by_rename(d, name, true);
    }
    long ret = ur_put_whiteout(job->forms, d->fd, name);
    return ret == 0 || ret == -EEXIST ? unlink_at(d, name) : ret;
}

/* ".wh.NAME", and whatever is at NAME. */
static long remark_name(struct directory *d, const char *wh) {
    struct job *job = d->job;
    const char *name = wh + strlen(".wh.");
    struct stat st;
    bool free = sys_fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW) == -ENOENT;
    if (job->only_drop || !free) /* what is there says more */
        return job->only_drop || job->forms.whiteout != UR_FORM_NAME ? unlink_at(d, wh) : 0;
    if (job->forms.whiteout == UR_FORM_NAME)
        return 0;
    ++*job->changed;
    d->whiteouts |= job->forms.whiteout == UR_FORM_XATTR;
    long ret = put_by_rename(d, name, false);
    return ret == 0 ? unlink_at(d, wh) : ret;
}

static long remark_opaque(struct directory *d) {
    struct job *job = d->job;
    struct stat st;
    long marks = ur_marks(d->host, (char[UR_PATH_MAX]){0});
    bool name = sys_fstatat(d->fd, ".wh..wh..opq", &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (marks < 0)
        return marks;
    if (job->only_drop || !(name || marks & UR_MARK_OPAQUE))
        return 0;
    long ret = 0;
    if (job->forms.opaque == UR_FORM_NAME && marks & UR_MARK_OPAQUE) {
        ++*job->changed;
        ret = ur_put_opaque(job->forms, d->fd);
        if (ret == 0)
            drop_xattr(d->host, "opaque");
    } else if (job->forms.opaque == UR_FORM_XATTR && name) {
        ++*job->changed;
        ret = ur_put_opaque(job->forms, d->fd);
        if (ret == 0)
            ret = unlink_at(d, ".wh..wh..opq");
    }
    return ret;
}

static long remark_directory(struct job *job, const char *host);

static long remark_one(struct directory *d, const char *name) {
    struct stat st;
    char *path = NULL;
    if (strcmp(name, ".wh..wh..opq") == 0)
        return d->job->only_drop ? 0 : remark_opaque(d);
    if (ur_is_marker_name(name, strlen(name)))
        return name[4] && !ur_is_marker_name(name + 4, strlen(name + 4)) ? remark_name(d, name) : 0;
    if (asprintf(&path, "%s/%s", d->host, name) < 0)
        return -ENOMEM;
    long ret = strlen(path) >= UR_PATH_MAX ? -ENAMETOOLONG : sys_lstat(path, &st);
    if (ret == 0 && ur_is_whiteout(path, &st))
        ret = remark_node(d, name, S_ISCHR(st.st_mode) ? UR_FORM_DEVICE : UR_FORM_XATTR);
    else if (ret == 0 && S_ISDIR(st.st_mode))
        ret = remark_directory(d->job, path);
    free(path);
    return ret;
}

/* opaque=x says that xattr whiteouts are to be looked for here. */
static void drop_note(struct directory *d) {
    char value[2];
    for (unsigned i = 0; i < 2 && !d->whiteouts; i++) {
        char full[64];
        snprintf(full, sizeof full, "%sopaque", spaces[i]);
        if (sys_lgetxattr(d->host, full, value, sizeof value) == 1 && value[0] == 'x')
            sys_lremovexattr(d->host, full);
    }
}

static long remark_open(struct directory *d) {
    struct job *job = d->job;
    long ret = ur_for_names(d->host, keep_name, d);
    if (ret == 0)
        ret = remark_opaque(d);
    for (size_t at = 0; ret == 0 && at < d->size; at += strlen(d->names + at) + 1)
        ret = remark_one(d, d->names + at);
    if (ret < 0) {
        if (!*job->where)
            snprintf(job->where, UR_PATH_MAX, "%s", d->host);
        return ret;
    }
    if (job->only_drop)
        drop_xattr(d->host, "redirect");
    drop_note(d);
    return 0;
}

/* A change of marks is none that can be seen: the directory keeps its times. */
static long remark_directory(struct job *job, const char *host) {
    struct directory *d = calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    d->job = job;
    snprintf(d->host, sizeof d->host, "%s", host);
    struct stat st;
    struct ur_unlocked unlocked;
    long ret = sys_lstat(host, &st);
    if (ret == 0)
        ret = ur_dir_unlock(job->u, job->mount, host, host, NULL, &unlocked);
    if (ret == 0) {
        d->fd = (int)sys_open(host, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
        ret = d->fd < 0 ? d->fd : remark_open(d);
        if (d->fd >= 0)
            sys_close(d->fd);
        ur_dir_relock(job->u, job->mount, host, &unlocked);
        const struct timespec times[2] = {st.st_atim, st.st_mtim};
        ur_set_times(host, times);
    }
    free(d->names);
    free(d);
    return ret;
}

long ur_remark(const struct ur_union *u, const struct ur_table_mount *mount, const char *host, struct ur_forms forms,
               uint64_t *changed, char *where) {
    struct job job = {u, mount, forms, changed, where, false};
    *where = '\0';
    return remark_directory(&job, host);
}

long ur_unmark_moved(const struct ur_union *u, const struct ur_table_mount *mount, const char *host) {
    uint64_t changed = 0;
    char *where = calloc(1, UR_PATH_MAX);
    struct job job = {u, mount, {UR_FORM_NONE, UR_FORM_NONE}, &changed, where, true};
    long ret = where ? remark_directory(&job, host) : -ENOMEM;
    free(where);
    return ret;
}
