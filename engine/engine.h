/*
 * The engine: what a union means, written once. It looks like a small VFS on raw system calls.
 *
 * Each operation takes the caller (whose cwd, whose descriptors), does what the system call of its name would
 * do were the union one plain filesystem, and returns what the kernel would: a value >= 0, or -errno. Paths
 * are the caller's own, taken in the union's namespace; paths outside every union go to the host unchanged.
 *
 * Unless a comment says otherwise a call is async-signal-safe and thread-safe: no errno, no malloc, no stdio,
 * no lock that is held across a return, under 2 KiB of stack. No descriptor stays open after a call, but
 * the one that it returns. Pointers are borrowed for the length of the call.
 *
 * Rules come from Documentation/filesystems/overlayfs.rst where the file that applies them says so.
 */
#ifndef UNIONRUN_ENGINE_ENGINE_H
#define UNIONRUN_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "../config/table.h"

struct ur_shared;
struct ur_note;
struct statx;
struct statfs;
struct open_how;

/* A run's union as one process sees it: both maps, owned by whoever made them. `shared` may be NULL
   (nothing is remembered then). */
struct ur_union {
    const struct ur_table *table;
    struct ur_shared *shared;
    void *index; /* of `index_bytes`, a power of two; NULL: none */
    size_t index_bytes;
    unsigned index_part_shift; /* of the size of what gets memory at once */
    unsigned char *listings;   /* of `listings_bytes`; NULL: none */
    size_t listings_bytes;
    size_t shared_bytes;  /* of all that is mapped at `shared` */
    uint64_t limit;       /* on what the uppers hold, in bytes (quota.c); 0: none */
    bool traced;          /* calls are told of (trace.h) */
    struct ur_note *note; /* of the one call that is made by this copy; NULL nearly always */
    bool root;            /* the run simulates root: root.h */
    bool owner; /* this process is who started the run, and no root: what he may not search he knows himself */
};

/* Who asks. pid 0: this process (thread) itself; else the thread whose /proc/PID is read for its cwd and
   descriptors (the guard's use). */
struct ur_caller {
    const struct ur_union *u;
    pid_t pid;
    pid_t behind;     /* with pid 0: on whose behalf this thread asks (the guard by its own descriptors); 0: its own */
    const char *call; /* the system call by which it was asked, for trace.h; NULL: as the operation's name says */
};

enum { UR_PATH_MAX = 4096 };

/* Appends, with a NUL; NULL if `at` is, or there is no room. */
char *ur_put(char *at, const char *end, const char *text, size_t len);
char *ur_put_number(char *at, const char *end, uint64_t value, unsigned base);

/* Maps the table and the shared state of the session directory into `u` (read-only and read-write).
   `version` etc. are checked. Returns 0 or -errno (-EINVAL: not a table that can be used). The maps stay. */
long ur_union_open(struct ur_union *u, const char *session);
/* The same by one of sys.h's ways into the kernel. */
long ur_union_open_by(long (*way)(long nr, long a, long b, long c, long d, long e, long f), struct ur_union *u,
                      const char *session);

/* --- what the caller hands over -------------------------------------------------------------------------- */

/* Of a string in the memory of a caller with pid 0, who may have given any pointer; each operation asks so for its
   paths: its length, `most` if it has no end until then, or -EFAULT. (For another pid: of a copy that is here.) */
long ur_length_within(const struct ur_caller *c, const char *text, size_t most);
static inline long ur_length(const struct ur_caller *c, const char *path) {
    return ur_length_within(c, path, UR_PATH_MAX);
}
/* May `size` bytes be read there? */
bool ur_can_read(const struct ur_caller *c, const void *at, size_t size);
/* May they be written? To be asked when a result is about to be put there: some of what is there may change. */
bool ur_can_write(const struct ur_caller *c, void *to, size_t size);
static inline bool ur_is_empty(const struct ur_caller *c, const char *text) {
    return ur_can_read(c, text, 1) && !*text;
}

/* --- names --------------------------------------------------------------------------------------------- */

enum ur_real_flags {
    UR_REAL_NOFOLLOW = 1, /* the name itself, also if it is a symlink */
    UR_REAL_CREATE = 2,   /* the last name may be absent: its parent is copied up, and the path is in the upper */
    UR_REAL_WRITE = 4,    /* the file will be changed: it is copied up first, with its data */
    UR_REAL_EXEC = 8,     /* the file will be executed */
    UR_REAL_OWN = 16,     /* it is the inode that counts; without this the file may be another, which has its data */
};

/* The host path where the file that a union path names can be reached now, with no symlink in it that leads
   elsewhere; for system calls the engine has no operation for (bind, connect, inotify_add_watch, dlopen ...).
   `out` takes UR_PATH_MAX bytes. Returns its length, or -errno. */
long ur_real(const struct ur_caller *c, int dirfd, const char *path, int flags, char *out);

/* The host path for a watch (inotify, fanotify) on what a union path names. A watch is on an inode, and what is changed
   in a union changes in the upper: so if the watch is for changes, what the caller may write is copied up first (a
   directory with its subdirectories), where there is an upper, and what the caller has open of it is the copy then.
   `mask`: IN_* or FAN_*. As ur_real otherwise. */
struct ur_replacer { /* dup3(`with`, the caller's `fd`, `cloexec`) */
    void (*put)(void *arg, int fd, int with, int cloexec);
    void *arg;
};
long ur_watched(const struct ur_caller *c, int dirfd, const char *path, int flags, uint64_t mask,
                const struct ur_replacer *r, char *out);

/* The canonical union path (realpath): all symlinks resolved, in the union's namespace. As ur_real otherwise.
   With UR_REAL_CREATE the last name may be absent. */
long ur_canonical(const struct ur_caller *c, int dirfd, const char *path, int flags, char *out);

/* The union path of a host path as the kernel tells it (getcwd, /proc/self/fd/N, /proc/self/maps): the
   reverse of ur_real. A path in no layer comes back unchanged; one in a directory that was moved since is
   told by its present name. `out` takes UR_PATH_MAX bytes. Returns the length, 0 < n < UR_PATH_MAX, or -errno. */
long ur_union_path(const struct ur_caller *c, const char *host, char *out);

/* Would the kernel, were it given this path as it is, come to the very same? 1: yes, so that a guard may let the call
   go on; 0: no, or it may be otherwise; -errno. `flags`: UR_REAL_NOFOLLOW; UR_REAL_CREATE for a call that makes or
   removes the name. */
long ur_is_native(const struct ur_caller *c, int dirfd, const char *path, int flags);
/* The same, and the st_dev of a name of the host's that is there, UR_ABSENT_DEV of one that is not; 0 of any other, and
   of one that may come by itself (/proc). */
#define UR_ABSENT_DEV ((dev_t)-1)
long ur_is_native_on(const struct ur_caller *c, int dirfd, const char *path, int flags, dev_t *dev);
/* The same of a call on a descriptor that tells something: also 1 for one that is not open. */
long ur_fd_is_native(const struct ur_caller *c, int fd);

/* --- the operations, each as its system call ------------------------------------------------------------ */

long ur_open(const struct ur_caller *c, int dirfd, const char *path, int flags, mode_t mode);
/* ur_open for another process (the guard). What only the process itself can open, because it may wait (a FIFO), depends
   on who asks (a terminal) or cannot be handed over (O_PATH), is not opened, but made ready: UR_ELSEWHERE, and `e`
   tells. What is opened is O_CLOEXEC here. */
struct ur_elsewhere {
    bool native;            /* its own path is right as it is */
    long error;             /* and leads nowhere, for this reason; then there is no `path` */
    dev_t dev;              /* if native: as ur_is_native_on's */
    bool link;              /* else: `path` is a link of /proc that is to be followed, O_NOFOLLOW or not */
    char path[UR_PATH_MAX]; /* the host path to open, with the same flags */
};
#define UR_ELSEWHERE (-4200L) /* no errno */
long ur_open_for(const struct ur_caller *c, int dirfd, const char *path, int flags, mode_t mode,
                 struct ur_elsewhere *e);
/* ur_open for a thread that may be cancelled while it waits, which is to hold nothing then. A regular file or a
   directory is opened. Others are not: UR_NATIVE, its own path is right as it is (and it is no FIFO), or UR_ELSEWHERE,
   which ur_open_for tells the path of. (pid 0 only.) */
#define UR_NATIVE (-4201L)
long ur_open_unless_waits(const struct ur_caller *c, int dirfd, const char *path, int flags, mode_t mode);
/* Can the engine do what this asks of openat2(2)? 0; -ENOSYS: it limits the resolving; or what the kernel says. */
long ur_open_how(const struct open_how *how, size_t size);
/* AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, AT_NO_AUTOMOUNT. */
long ur_stat(const struct ur_caller *c, int dirfd, const char *path, struct stat *st, int flags);
long ur_statx(const struct ur_caller *c, int dirfd, const char *path, int flags, unsigned mask, struct statx *st);
long ur_fstat(const struct ur_caller *c, int fd, struct stat *st);
/* `mode` and `flags` as faccessat2. */
long ur_access(const struct ur_caller *c, int dirfd, const char *path, int mode, int flags);
long ur_readlink(const struct ur_caller *c, int dirfd, const char *path, char *buf, size_t n);
long ur_statfs(const struct ur_caller *c, const char *path, struct statfs *st);

long ur_mkdir(const struct ur_caller *c, int dirfd, const char *path, mode_t mode);
long ur_mknod(const struct ur_caller *c, int dirfd, const char *path, mode_t mode, dev_t dev);
long ur_symlink(const struct ur_caller *c, const char *text, int dirfd, const char *path);
/* `flags`: AT_SYMLINK_FOLLOW, AT_EMPTY_PATH. */
long ur_link(const struct ur_caller *c, int fromfd, const char *from, int tofd, const char *to, int flags);
/* `flags`: AT_REMOVEDIR. */
long ur_unlink(const struct ur_caller *c, int dirfd, const char *path, int flags);
/* `flags`: RENAME_NOREPLACE, RENAME_EXCHANGE; RENAME_WHITEOUT is the engine's own: -EINVAL. */
long ur_rename(const struct ur_caller *c, int fromfd, const char *from, int tofd, const char *to, unsigned flags);

/* `flags`: AT_SYMLINK_NOFOLLOW (and AT_EMPTY_PATH where the kernel takes it). */
long ur_chmod(const struct ur_caller *c, int dirfd, const char *path, mode_t mode, int flags);
long ur_chown(const struct ur_caller *c, int dirfd, const char *path, uid_t uid, gid_t gid, int flags);
/* path NULL: the descriptor itself, as utimensat(fd, NULL). */
long ur_utimens(const struct ur_caller *c, int dirfd, const char *path, const struct timespec ts[2], int flags);
long ur_truncate(const struct ur_caller *c, const char *path, off_t len);
/* On a descriptor. A descriptor of a lower file never changes it: the change goes to the copied-up file. */
long ur_fchmod(const struct ur_caller *c, int fd, mode_t mode);
long ur_fchown(const struct ur_caller *c, int fd, uid_t uid, gid_t gid);

/* Extended attributes. `nofollow`: the l*xattr calls. Names that hold the union's own state (user.overlay.*,
   trusted.overlay.*, user.unionrun.*) are not there: hidden from lists, -ENODATA when read, -EPERM when set. */
long ur_getxattr(const struct ur_caller *c, const char *path, const char *name, void *value, size_t n, bool nofollow);
long ur_listxattr(const struct ur_caller *c, const char *path, char *list, size_t n, bool nofollow);
long ur_setxattr(const struct ur_caller *c, const char *path, const char *name, const void *value, size_t n, int flags,
                 bool nofollow);
long ur_removexattr(const struct ur_caller *c, const char *path, const char *name, bool nofollow);
long ur_fgetxattr(const struct ur_caller *c, int fd, const char *name, void *value, size_t n);
long ur_flistxattr(const struct ur_caller *c, int fd, char *list, size_t n);
long ur_fsetxattr(const struct ur_caller *c, int fd, const char *name, const void *value, size_t n, int flags);
long ur_fremovexattr(const struct ur_caller *c, int fd, const char *name);

/* --- the caller's own place (pid 0 only) ----------------------------------------------------------------- */

long ur_chdir(const struct ur_caller *c, const char *path);
/* To a directory that was copied up since it was opened: to the copy, whose mode decides. */
long ur_fchdir(const struct ur_caller *c, int fd);
/* The union path of the cwd; `n` as getcwd(2). Returns the length with the NUL, -ERANGE, -ENOENT ... */
long ur_getcwd(const struct ur_caller *c, char *buf, size_t n);

/* Of this process' descriptors: what was remembered of one, of those of `from` to `to`, or of the cwd (AT_FDCWD) holds
   no longer. To be told after whatever gives it another meaning, and of a close (which another thread may use at once)
   before it, too. Async-signal-safe. */
void ur_descriptor_changes(int fd);
void ur_descriptors_change(unsigned from, unsigned to);
/* The same of all processes' descriptors: the guard is about to give one of them a directory, or (after it, too) a cwd.
 */
void ur_descriptor_given(const struct ur_union *u);
/* From here on another process may change them, or the cwd, by itself: nothing is remembered any more. */
void ur_descriptors_shared(void);
/* This is a process, and not a child of vfork: without it nothing is remembered. */
void ur_process_begins(void);

/* --- listings -------------------------------------------------------------------------------------------- */

/* A directory as it is listed. What one layer alone holds is streamed from `fd`; what more layers hold is read
   whole at the first ur_list_read after an open or a rewind (a snapshot, which POSIX allows). The state is the
   caller's; the engine maps memory (mmap) for a snapshot that the caller has no room for, and frees it in
   ur_list_close. Not thread-safe for one listing; different listings are independent. */
struct ur_list {
    int fd;       /* the directory's descriptor: the caller's own, never closed here */
    bool decided; /* how it is read was found out */
    bool merged;  /* read whole, into `snapshot`; else streamed from fd, past `filter` */
    struct ur_list_filter {
        const struct ur_table_mount *mount; /* NULL: nothing to filter */
        uint32_t layer;
        bool whiteouts;        /* may hold whiteouts in the xattr form */
        bool impure;           /* st_ino of its entries must be asked for one by one */
        uint64_t self, parent; /* st_ino of "." and ".." */
    } filter;
    struct ur_snapshot { /* see list.c */
        unsigned char *area;
        size_t size, used, count, at;
    } snapshot;
    /* The caller's, set after ur_list_init: room for a snapshot that fits, aligned for uint64_t (NULL: none); and that
       nobody goes by the descriptor's own offset, so that it may be read through. */
    void *room;
    size_t room_size;
    bool offset_is_free;
    bool by_hash; /* ours: it is read by getdents64, not by ur_list_read */
};

struct ur_list_entry {
    uint64_t ino;
    uint64_t next;      /* the cookie that seeks to the entry after this one */
    unsigned char type; /* DT_* */
    uint16_t len;
    const char *name; /* NUL-terminated; valid until the next call on the listing */
};

void ur_list_init(struct ur_list *l, int fd);
/* Finds out how it is read; the calls below ask for it themselves. 0 or -errno. */
long ur_list_start(const struct ur_caller *c, struct ur_list *l);
/* The next entry. `buf` (at least 1,024 bytes; the same for the life of the listing; `*pos`, `*end` start 0 and are
   ours) holds getdents64 records when streaming. Returns 1, 0 at the end, or -errno. */
long ur_list_read(const struct ur_caller *c, struct ur_list *l, void *buf, size_t size, size_t *pos, size_t *end,
                  struct ur_list_entry *entry);
/* Seek to a cookie of ur_list_entry.next (0: the start, and the directory is read anew). */
long ur_list_seek(const struct ur_caller *c, struct ur_list *l, uint64_t cookie);
void ur_list_close(struct ur_list *l);

/* getdents64(2) on a listing's directory, whose own offset is the place: for a listing that is read in no other way. A
   name that is there all along is told once, whatever is made or removed in between; one that is renamed meanwhile may
   be told by both names or by neither, unless the listing is kept from one call to the next. */
long ur_list_getdents(const struct ur_caller *c, struct ur_list *l, void *buf, size_t n);
/* The same on any descriptor. What is kept for the next call is the process' (getdents.c). */
long ur_getdents64(const struct ur_caller *c, int fd, void *buf, size_t n);

/* Makes `n` bytes of these records the older getdents(2)'s, in place. */
void ur_old_dirents(void *buf, long n);

/* --- starting programs ------------------------------------------------------------------------------------ */

/* What execve(2) of a union path comes to on the host. The arguments are then: with `loader`, `path`, "--argv0", what
   argv[0] is to be, `program`; then, for a script, `interp` (with `loader` it is argv[0]), `interp_arg`, those of
   `inner`, `script`; and the caller's own without argv[0]. */
enum { UR_EXEC_SCRIPTS = 5, UR_EXEC_INNER = 2 * (UR_EXEC_SCRIPTS - 1) * 257 + 1 };
struct ur_exec {
    char path[UR_PATH_MAX];    /* what the kernel is to execute */
    char script[UR_PATH_MAX];  /* union path of the script; empty if `path` is to be run as it is */
    char interp[260];          /* a #! line's interpreter as written (its argv[0]); empty: not a script */
    char interp_arg[260];      /* its one argument; empty: none */
    char inner[UR_EXEC_INNER]; /* interpreters that are scripts themselves, between `interp` and `script`, each with its
                                  argument: strings one after the other, an empty one at the end */
    bool loader;               /* `path` is the program's PT_INTERP, which must be told the program (ld.so --argv0) */
    bool audit;            /* the program's libraries must be looked for in the union (LD_AUDIT); never with a guard */
    bool set_uid, set_gid; /* under a simulated root: it becomes `uid`, `gid` */
    uid_t uid;
    gid_t gid;
    char
        program[UR_PATH_MAX]; /* loader: the path by which it finds the program: the host's, with a guard the union's */
};
/* Fills `x` for an execve of `path`. Returns 0 or -errno as execve(2) gives it (-ENOENT, -EACCES; -ENOEXEC may be the
   kernel's to say; -ELOOP for more than UR_EXEC_SCRIPTS scripts in a row). */
long ur_exec_plan(const struct ur_caller *c, int dirfd, const char *path, int flags, struct ur_exec *x);
/* Is it known, without a plan, that this process may execve `path` (from AT_FDCWD, no flags) by k->host, with its
   arguments as they are? False says nothing. Takes no working memory but this, and some 1.5 KiB of the stack. */
enum { UR_KNOWN_HOST = 768 };
struct ur_known_program {
    bool audit;       /* as in the plan */
    const char *host; /* `path` itself, or, of what lies in a union, in `room` */
    char room[UR_KNOWN_HOST];
};
bool ur_exec_known(const struct ur_caller *c, const char *path, struct ur_known_program *k);
/* What stands in the plan's arguments before the caller's own second one: strings of `x`, and NULL for the caller's own
   first one. Returns how many; 0: the arguments are the caller's as they are. */
enum { UR_EXEC_FIRST = 6 + 2 * UR_EXEC_SCRIPTS };
unsigned ur_exec_first(const struct ur_exec *x, const char *first[UR_EXEC_FIRST]);

/* --- for one who may do more than its callers (the guard) ------------------------------------------------- */

/* If set: asked of each file whose metadata is about to be changed by path, open as O_PATH. 0, or the -errno that
   refuses it. Set before there are threads. */
extern long (*ur_judge)(int fd);

/* The shared state of a fresh session is made ready (launcher only, once, before there is another process). 0 or
   -errno. */
long ur_index_start(const struct ur_union *u);

/* --- the work directory (launcher only) ------------------------------------------------------- */

/* Finishes or undoes what killed processes left in the mount's upper and work directory, and empties the litter. At the
   start of a run (not `end`) it also sets the shared flags. Returns how many things were mended, or -errno. */
long ur_work_recover(const struct ur_union *u, uint32_t mount, bool end);

#endif
