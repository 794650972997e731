/* What is refused in a union, to root too, by name and by number. Not to be run outside of one. */
#include "calls.h"

#include <sched.h>
#include <sys/acct.h>
#include <sys/mount.h>
#include <sys/quota.h>
#include <sys/swap.h>

int pivot_root(const char *root, const char *old);

TEST(chroot) {
    CALL(chroot(p->dir));
    CALL(syscall(SYS_chroot, p->dir));
}
TEST(acct) {
    CALL(acct(p->file));
}
TEST(swapon) {
    CALL(swapon(p->file, 0));
}
TEST(swapoff) {
    CALL(swapoff(p->file));
}
TEST(mount) {
    CALL(mount("none", p->dir, "tmpfs", 0, NULL));
}
TEST(umount) {
    CALL(umount(p->dir));
}
TEST(umount2) {
    CALL(umount2(p->dir, MNT_DETACH));
}
TEST(pivot_root) {
    CALL(pivot_root(p->dir, p->dir));
}
TEST(open_tree) {
    CALL(open_tree(AT_FDCWD, p->dir, OPEN_TREE_CLOEXEC));
}
TEST(move_mount) {
    CALL(move_mount(AT_FDCWD, p->dir, AT_FDCWD, p->dir, 0));
}
TEST(mount_setattr) {
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    CALL(mount_setattr(AT_FDCWD, p->dir, 0, &attr, sizeof attr));
}
TEST(fspick) {
    CALL(fspick(AT_FDCWD, p->dir, 0));
}
TEST(fsopen) {
    CALL(fsopen("tmpfs", 0));
}
TEST(fsmount) {
    CALL(fsmount(0, 0, 0));
}
TEST(fsconfig) {
    CALL(fsconfig(0, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
}
TEST(setns) {
    int fd = open("/proc/self/ns/mnt", O_RDONLY);
    CALL(setns(fd, 0));
    close(fd);
}
TEST(quotactl) {
    CALL(quotactl(QCMD(Q_SYNC, USRQUOTA), "/dev/null", 0, NULL));
}
TEST(open_by_handle_at) {
    struct {
        struct file_handle head;
        char room[MAX_HANDLE_SZ];
    } handle = {.head.handle_bytes = MAX_HANDLE_SZ};
    int id;
    if (name_to_handle_at(AT_FDCWD, ".", &handle.head, &id, 0) < 0)
        say("no handles here");
    CALL(open_by_handle_at(AT_FDCWD, &handle.head, O_RDONLY));
}
