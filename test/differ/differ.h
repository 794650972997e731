/* ops: seeded random file operations, for a union and for a plain copy of what it shows.
 *
 * What operation i does is a function of (seed, i) alone, save for what is kept open within one run
 * (a few descriptors and the working directory). What it prints is the same in two equal trees: no
 * inode numbers, no times but those that somebody set, root-relative names.
 *
 * Confinement. Every name comes from the vocabulary (pick.c), names that no machine has, or is `.` or
 * `..`; what changes metadata never ends in `.` or `..`, and neither does any symlink. So even a union
 * that resolves names wrongly offers nothing to harm. On the plain side a path that leads out of the
 * root is found out by walking it (confine.c) and written down, and both sides leave that operation
 * out. */
#ifndef DIFFER_H
#define DIFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

enum { PATH_ROOM = 9000, KEPT_FILES = 4, KEPT_DIRS = 3, KEPT = KEPT_FILES + KEPT_DIRS };
enum { REGIONS = 40, OPERATIONS_A_REGION = 250 };

/* What one run of ops holds. */
struct state {
    uint64_t seed;
    unsigned index;       /* of the operation under way */
    char root[PATH_ROOM]; /* absolute, without a trailing slash */
    size_t root_length;
    dev_t device;       /* the one st_dev that the tree may have */
    int kept[KEPT];     /* descriptors: files, then directories; -1 for none */
    int marks;          /* where indexes of operations that leave the root are written, or -1 */
    const bool *heeded; /* indexed by operation: left the root on the plain side; or NULL */
    bool look_before, look_after;
    const char *without;            /* kinds of operation that are left out: ",fdlink,bind," */
    char home[KEPT + 1][PATH_ROOM]; /* of what is kept, and of the cwd: likely where in the root; to aim well */
    char scratch[2 * PATH_ROOM];
};
extern struct state self;

/* --- pick.c: random choices --- */
struct rng {
    uint64_t state;
};
struct rng rng_for(uint64_t seed, uint64_t index);
uint64_t draw(struct rng *rng);
unsigned below(struct rng *rng, unsigned limit);
bool chance(struct rng *rng, unsigned percent);
#define ONE_OF(rng, array) ((array)[below((rng), sizeof(array) / sizeof *(array))])

enum base { ABSOLUTE, OF_CWD, OF_DIRFD };
struct place {
    enum base base;
    int slot;   /* in self.kept, if OF_DIRFD */
    bool named; /* ends in a name, not in `.` or `..` */
    char path[PATH_ROOM];
};
enum wish {
    ANYWHERE = 0,
    NAMED = 1,       /* a name at the end */
    NO_DIRFD = 2,    /* for a call without an at() twin */
    A_DIRECTORY = 4, /* rather: of the names that the tree began with */
    A_LEAF = 8,
    NEW = 16, /* rather: beside such a name */
};
void pick_place(struct rng *rng, struct place *place, unsigned wish);
bool in_vocabulary(const char *name);
void pick_target(struct rng *rng, char target[PATH_ROOM]); /* of a symlink */
const char *pick_name(struct rng *rng);
void read_names(const char *path); /* that the tree began with: NUL after each, sorted */
size_t pick_region_path(unsigned region, char path[PATH_ROOM]);

/* Notes where a kept descriptor, or the cwd (slot KEPT), was opened. */
void set_home(int slot, const struct place *place);

/* The dirfd for an at() call on the place. */
int at(const struct place *place);

/* --- confine.c --- */
/* True if the path leads out of the root (a mark was made, or one was heeded). */
bool leaves_root(const struct place *place);

/* --- say.c: one line an operation --- */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_text(const char *text); /* quoted, the root's prefix as `~` */
void say_place(const struct place *place);
void say_result(long result); /* " = 0", " = -1 ENOENT"; reads errno */
const char *errno_name(int number);

/* --- observe.c --- */
enum { WITH_MTIME = 1, WITH_HASH = 2, WITH_XATTRS = 4, WITH_ALL = 7 };
void say_stat(const struct stat *status);
void say_kept_as(const struct stat *status); /* which kept descriptors are this same file */
void say_content(int fd);
extern bool no_xattrs;                                  /* they are not looked at */
void say_xattrs(const char *path, int fd, bool follow); /* of the fd, if path is NULL */
void say_object(int dirfd, const char *path);           /* all of it: stat, hash or target, xattrs */
void look_after(const struct place *place);             /* say_object, in half of the operations */
void say_listing(void *stream);                         /* a DIR *: sorted, checked against lstat */
int dump(const char *path);                             /* a whole tree */

/* Is the file of that name still the same inode? */
struct watch {
    bool on;
    bool follow;
    struct stat before;
};
struct watch watch(const struct place *place, bool follow);
void watched(const struct watch *watch, const struct place *place);

/* --- the operations --- */
struct kind {
    const char *name;
    unsigned weight;
    void (*run)(struct rng *rng);
};
extern const struct kind path_kinds[], file_kinds[], tree_kinds[], way_kinds[]; /* each ends with a NULL name */

/* Was this kind, or habit, left out by --without? */
bool left_out(const char *kind);

void keep(int slot, int fd); /* closes what was there */

#endif
