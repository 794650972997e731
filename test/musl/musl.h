/* What glibc has and musl (1.2.3) has not, for the test programs that are built with both. Included before all else. */
#ifndef MUSL_H
#define MUSL_H

#ifndef __GLIBC__
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/fs.h>
#include <linux/stat.h>

#undef O_ACCMODE /* O_PATH is in it */
#define O_ACCMODE 3
#define strerrorname_np(number) strerror(number)
#define closefrom(first) ((void)syscall(SYS_close_range, first, ~0U, 0))
#define close_range(first, last, flags) ((int)syscall(SYS_close_range, first, last, flags))
#define canonicalize_file_name(path) realpath(path, NULL)
#define statx(dirfd, path, flags, mask, to) ((int)syscall(SYS_statx, dirfd, path, flags, mask, to))
#define renameat2(fromfd, from, tofd, to, flags) ((int)syscall(SYS_renameat2, fromfd, from, tofd, to, flags))
#endif

#endif
