/*
 * Simulated root (--root, "root": true): a plain user's run in which programs see themselves as uid 0, as under
 * fakeroot(1) or in a rootless container. Nothing of it is a right: the kernel knows the user alone.
 *
 * Files. Whose a file is and its mode are kept on the file itself, in the xattr user.containers.override_stat, in
 * the form of fuse-overlayfs and rootless podman: "UID:GID:0MODE", and ":block-MAJOR-MINOR" or ":char-MAJOR-MINOR" for
 * a device, which is an empty regular file in truth. That xattr is hidden from the run.
 *   - A file without a record that is the user's own shows 0:0 and its own mode (fakeroot's convention); files of
 *     others show as they are. So a file that root makes with an ordinary mode needs no record.
 *   - The file's own mode is the recorded one without set-id bits, and with what its owner must have to go on with
 *     it as root could: reading and writing, of a directory all. A record of which the file's own mode tells
 *     something else is older than a chmod by a run without --root: its mode counts no more, its owner does.
 *   - So a change of the mode and the record are two steps: first the mode, then the record. A kill in between
 *     leaves the new permissions without the new set-id bits (and, where it is chown and chmod at once, the old owner).
 *   - Symlinks, FIFOs and sockets can hold no such xattr: to chown them succeeds, and is not kept. So it is outside the
 *     unions, where the user's own files show 0:0, too.
 *   - A copy-up shows what its lower showed. Whether something may be changed is root's to say; what cannot be read for
 *     want of a right cannot be copied up, and is refused.
 *
 * Ids. A process is 0 until it says otherwise; then it has a number: the place of its ids in a table that all of the
 * run share (shared.h). The number must follow it through fork, vfork and exec, in shimmed and static programs alike,
 * and both the shim and the guard must find it. So it is where the kernel keeps something for each process that is
 * inherited so and that nobody enforces: the soft limit RLIMIT_LOCKS, as so much less than the hard one (getrlimit(2):
 * "Linux 2.4 only"). The ids are a process', not a thread's. What they change: what the process is told of itself,
 * whose its new files are, and whether it may chown, chmod and become another. Permissions to open or search are not
 * simulated for other ids. A program's set-id bits count when it is started (but for AT_SECURE), the limit itself
 * cannot be seen or changed, and capabilities are what the kernel would have made of those of root (capabilities(7));
 * there are no ambient ones.
 *
 * As real root --root does nothing: everything is so already.
 */
#ifndef UNIONRUN_ENGINE_ROOT_H
#define UNIONRUN_ENGINE_ROOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct ur_caller;
struct ur_union;

/* --- records (record.c) ---------------------------------------------------------------------------------- */

struct ur_record {
    uid_t uid;
    gid_t gid;
    mode_t mode; /* 07777 */
    mode_t type; /* S_IFBLK, S_IFCHR; 0: what the file is */
    dev_t device;
};
enum { UR_RECORD_MAX = 80 };

/* False: it is not well-formed. */
bool ur_record_read(const char *text, size_t size, struct ur_record *r);
/* Its length. */
size_t ur_record_write(const struct ur_record *r, char text[UR_RECORD_MAX]);
/* The mode that a file of `type` (S_IFMT) has itself, beside a record with `mode`. */
mode_t ur_record_own_mode(mode_t type, mode_t mode);
/* What a file of which `st` is raw shows with the record. */
void ur_record_tell(const struct ur_record *r, struct stat *st);

/* --- files (root.c). All but ur_root_tells are for a run that simulates root. ------------------------------ */

/* Is a permission of root's to be taken for granted in this process (perm.c)? */
void ur_root_permits(bool all);

/* Makes a raw stat what the run sees. `fd` is it, open in any way, or -1 and it is at `host`. */
void ur_root_tell(const struct ur_union *u, int fd, const char *host, struct stat *st);
/* Is it the record of a device (of a descriptor)? */
bool ur_root_is_device(int fd);
/* Gives a file (`now`: raw) owner, mode and, of a regular file, S_IFBLK or S_IFCHR with st_rdev as `as` has them.
   0 or -errno. */
long ur_root_put(int fd, const char *host, const struct stat *now, const struct stat *as);
/* A regular file or directory was just made in the host directory `parent`: it gets the maker's ids, what a
   set-group-ID parent gives, and what its owner must have. `as`: mode and device that it is to have; NULL: it is right
   as it is. 0 or -errno. */
long ur_root_made(const struct ur_caller *c, int fd, const char *host, const char *parent, const struct stat *as);
/* A copy (`now`: raw) of `from`, of which `st` is: it shows the same. */
long ur_root_copied(const struct ur_union *u, int fd, const char *host, const struct stat *now, const char *from,
                    const struct stat *st);
/* May it be done by one with the caller's ids? 0 or -EPERM. `st`: raw. *nothing: and it changes nothing. */
long ur_root_may_chmod(const struct ur_caller *c, int fd, const char *host, const struct stat *st);
long ur_root_may_chown(const struct ur_caller *c, int fd, const char *host, const struct stat *st, uid_t uid, gid_t gid,
                       bool *nothing);
/* And does it, of a file that is the user's own. */
long ur_root_chmod(const struct ur_caller *c, int fd, const char *host, mode_t mode);
long ur_root_chown(const struct ur_caller *c, int fd, const char *host, uid_t uid, gid_t gid);
/* access(2) said -EACCES or 0 (`ret`) of what is at `host`. */
long ur_root_may_access(const struct ur_caller *c, int fd, const char *host, int mode, int flags, long ret);

/* --- ids (ids.c), for the shim and the guard. As the system calls; all may be asked for another process. ------- */

enum { UR_REAL, UR_EFFECTIVE, UR_SAVED, UR_FILESYSTEM, UR_GROUPS = 64 };
struct ur_ids { /* without holes: they are compared as they lie in memory */
    uint32_t uid[4], gid[4];
    uint64_t effective, permitted, inheritable; /* capabilities */
    uint32_t keep;                              /* PR_SET_KEEPCAPS, of who is known by the guard */
    uint32_t count;
    uint32_t group[UR_GROUPS];
};
void ur_ids_of(const struct ur_caller *c, struct ur_ids *ids);
long ur_getgroups(const struct ur_caller *c, int size, uint32_t *list);
long ur_setgroups(const struct ur_caller *c, size_t count, const uint32_t *list);
/* `group`: the calls of the group IDs. UR_SAME: as it is. */
#define UR_SAME ((uint32_t)-1)
long ur_setid(const struct ur_caller *c, bool group, uint32_t id);
long ur_setreid(const struct ur_caller *c, bool group, uint32_t real, uint32_t effective);
long ur_setresid(const struct ur_caller *c, bool group, uint32_t real, uint32_t effective, uint32_t saved);
/* Returns the one before. */
long ur_setfsid(const struct ur_caller *c, bool group, uint32_t id);
/* The two calls about capabilities: the header's version, and as many sets as ur_capability_sets says. */
struct __user_cap_data_struct;
unsigned ur_capability_sets(uint32_t version); /* 0: it is not known */
void ur_capget(const struct ur_caller *c, struct __user_cap_data_struct *data, unsigned sets);
long ur_capset(const struct ur_caller *c, const struct __user_cap_data_struct *data, unsigned sets);
/* PR_SET_KEEPCAPS. */
void ur_keep_capabilities(const struct ur_caller *c, bool keep);
/* Before an execve of what `x` tells (NULL: no set-id program). Returns what ur_ids_back takes should it fail, or -1:
   nothing has changed. */
struct ur_exec;
long ur_ids_exec(const struct ur_caller *c, const struct ur_exec *x);
void ur_ids_back(const struct ur_caller *c, long before);
/* getrlimit and setrlimit (either may be NULL) of RLIMIT_LOCKS, of the process `of` (0: the caller): as if nothing were
   kept there, and nothing is changed. */
struct rlimit;
long ur_limit_of_locks(const struct ur_caller *c, pid_t of, const struct rlimit *to, struct rlimit *was);

#endif
