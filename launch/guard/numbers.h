/*
 * The numbers of the calls in calls.def. What an architecture has not is -1, and then no filter knows it; what the
 * installed headers are too old for is here: from 424 on a number is the same everywhere.
 */
#ifndef UNIONRUN_LAUNCH_GUARD_NUMBERS_H
#define UNIONRUN_LAUNCH_GUARD_NUMBERS_H

#include <sys/syscall.h>

#ifdef SYS_open
#define CALL_open SYS_open
#else
#define CALL_open (-1)
#endif
#ifdef SYS_creat
#define CALL_creat SYS_creat
#else
#define CALL_creat (-1)
#endif
#define CALL_openat SYS_openat
#define CALL_openat2 437
#ifdef SYS_stat
#define CALL_stat SYS_stat
#else
#define CALL_stat (-1)
#endif
#ifdef SYS_lstat
#define CALL_lstat SYS_lstat
#else
#define CALL_lstat (-1)
#endif
#define CALL_fstat SYS_fstat
#define CALL_newfstatat SYS_newfstatat
#define CALL_statx SYS_statx
#ifdef SYS_access
#define CALL_access SYS_access
#else
#define CALL_access (-1)
#endif
#define CALL_faccessat SYS_faccessat
#define CALL_faccessat2 439
#ifdef SYS_readlink
#define CALL_readlink SYS_readlink
#else
#define CALL_readlink (-1)
#endif
#define CALL_readlinkat SYS_readlinkat
#define CALL_statfs SYS_statfs
#define CALL_getxattr SYS_getxattr
#define CALL_lgetxattr SYS_lgetxattr
#define CALL_fgetxattr SYS_fgetxattr
#define CALL_listxattr SYS_listxattr
#define CALL_llistxattr SYS_llistxattr
#define CALL_flistxattr SYS_flistxattr
#ifdef SYS_unlink
#define CALL_unlink SYS_unlink
#else
#define CALL_unlink (-1)
#endif
#define CALL_unlinkat SYS_unlinkat
#ifdef SYS_rmdir
#define CALL_rmdir SYS_rmdir
#else
#define CALL_rmdir (-1)
#endif
#ifdef SYS_rename
#define CALL_rename SYS_rename
#else
#define CALL_rename (-1)
#endif
#ifdef SYS_renameat
#define CALL_renameat SYS_renameat
#else
#define CALL_renameat (-1)
#endif
#define CALL_renameat2 SYS_renameat2
#ifdef SYS_link
#define CALL_link SYS_link
#else
#define CALL_link (-1)
#endif
#define CALL_linkat SYS_linkat
#ifdef SYS_symlink
#define CALL_symlink SYS_symlink
#else
#define CALL_symlink (-1)
#endif
#define CALL_symlinkat SYS_symlinkat
#ifdef SYS_mkdir
#define CALL_mkdir SYS_mkdir
#else
#define CALL_mkdir (-1)
#endif
#define CALL_mkdirat SYS_mkdirat
#ifdef SYS_mknod
#define CALL_mknod SYS_mknod
#else
#define CALL_mknod (-1)
#endif
#define CALL_mknodat SYS_mknodat
#ifdef SYS_chmod
#define CALL_chmod SYS_chmod
#else
#define CALL_chmod (-1)
#endif
#define CALL_fchmod SYS_fchmod
#define CALL_fchmodat SYS_fchmodat
#define CALL_fchmodat2 452
#ifdef SYS_chown
#define CALL_chown SYS_chown
#else
#define CALL_chown (-1)
#endif
#ifdef SYS_lchown
#define CALL_lchown SYS_lchown
#else
#define CALL_lchown (-1)
#endif
#define CALL_fchown SYS_fchown
#define CALL_fchownat SYS_fchownat
#ifdef SYS_utime
#define CALL_utime SYS_utime
#else
#define CALL_utime (-1)
#endif
#ifdef SYS_utimes
#define CALL_utimes SYS_utimes
#else
#define CALL_utimes (-1)
#endif
#ifdef SYS_futimesat
#define CALL_futimesat SYS_futimesat
#else
#define CALL_futimesat (-1)
#endif
#define CALL_utimensat SYS_utimensat
#define CALL_truncate SYS_truncate
#define CALL_setxattr SYS_setxattr
#define CALL_lsetxattr SYS_lsetxattr
#define CALL_fsetxattr SYS_fsetxattr
#define CALL_removexattr SYS_removexattr
#define CALL_lremovexattr SYS_lremovexattr
#define CALL_fremovexattr SYS_fremovexattr
#define CALL_ioctl SYS_ioctl
#define CALL_chdir SYS_chdir
#define CALL_fchdir SYS_fchdir
#define CALL_getcwd SYS_getcwd
#ifdef SYS_getdents
#define CALL_getdents SYS_getdents
#else
#define CALL_getdents (-1)
#endif
#define CALL_getdents64 SYS_getdents64
#define CALL_execve SYS_execve
#define CALL_execveat SYS_execveat
#define CALL_inotify_add_watch SYS_inotify_add_watch
#define CALL_fanotify_mark SYS_fanotify_mark
#define CALL_name_to_handle_at SYS_name_to_handle_at
#define CALL_bind SYS_bind
#define CALL_connect SYS_connect
#define CALL_sendto SYS_sendto
#define CALL_getsockname SYS_getsockname
#define CALL_getpeername SYS_getpeername
#define CALL_setuid SYS_setuid
#define CALL_setgid SYS_setgid
#define CALL_setreuid SYS_setreuid
#define CALL_setregid SYS_setregid
#define CALL_setresuid SYS_setresuid
#define CALL_setresgid SYS_setresgid
#define CALL_setfsuid SYS_setfsuid
#define CALL_setfsgid SYS_setfsgid
#define CALL_setgroups SYS_setgroups
#define CALL_capset SYS_capset
#define CALL_unshare SYS_unshare
#define CALL_io_uring_setup 425
#define CALL_io_uring_enter 426
#define CALL_io_uring_register 427
#define CALL_setxattrat 463
#define CALL_getxattrat 464
#define CALL_listxattrat 465
#define CALL_removexattrat 466
#define CALL_file_getattr 468
#define CALL_file_setattr 469
#define CALL_open_tree_attr 467
#ifdef SYS_uselib
#define CALL_uselib SYS_uselib
#else
#define CALL_uselib (-1)
#endif
#define CALL_mount SYS_mount
#define CALL_umount2 SYS_umount2
#define CALL_pivot_root SYS_pivot_root
#define CALL_chroot SYS_chroot
#define CALL_open_tree 428
#define CALL_move_mount 429
#define CALL_fsopen 430
#define CALL_fsconfig 431
#define CALL_fsmount 432
#define CALL_fspick 433
#define CALL_mount_setattr 442
#define CALL_setns SYS_setns
#define CALL_open_by_handle_at SYS_open_by_handle_at
#define CALL_swapon SYS_swapon
#define CALL_swapoff SYS_swapoff
#define CALL_acct SYS_acct
#define CALL_quotactl SYS_quotactl
#define CALL_landlock_create_ruleset 444
#define CALL_quotactl_fd 443

#endif
