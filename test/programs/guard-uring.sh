# liburing: a program that opens by io_uring, and by itself where there is none (ENOSYS). What a plain directory shows by the
# ring, the union has to show without it.
# shellcheck shell=bash
set -eu
lowers() {
    mkdir -p 3-bottom/dir 1-top/dir
    echo low >3-bottom/dir/low
    echo older >3-bottom/dir/both
    echo newer >1-top/dir/both
    cat >1-top/ring.c <<'C'
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct io_uring ring;
static int with_ring;

static int open_(const char *path, int flags) {
    if (!with_ring) {
        int fd = openat(AT_FDCWD, path, flags, 0640);
        return fd < 0 ? -errno : fd;
    }
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    struct io_uring_cqe *cqe;
    io_uring_prep_openat(sqe, AT_FDCWD, path, flags, 0640);
    io_uring_submit(&ring);
    io_uring_wait_cqe(&ring, &cqe);
    int got = cqe->res;
    io_uring_cqe_seen(&ring, cqe);
    return got;
}
int main(int argc, char **argv) {
    int got = io_uring_queue_init(8, &ring, 0);
    with_ring = got == 0;
    if (argc > 1)
        printf("%s\n", with_ring ? "a ring" : strerror(-got));
    static const char *const names[] = {"dir/low", "dir/both", "dir/none", "dir"};
    for (int i = 0; i < 4; i++) {
        char text[64] = "";
        int fd = open_(names[i], O_RDWR | O_APPEND);
        printf("%s: %s\n", names[i], fd < 0 ? strerror(-fd) : "open");
        if (fd >= 0 && write(fd, "more\n", 5) == 5 && pread(fd, text, 63, 0) > 0)
            printf("%s", text);
    }
    int fd = open_("dir/new", O_CREAT | O_WRONLY);
    printf("new: %d\n", fd >= 0 && write(fd, "new\n", 4) == 4);
    return argc > 1 && with_ring ? 9 : 0;
}
C
}

run() {
    gcc -O1 -o ring ring.c -luring
    ./ring
    gcc -O1 -static -o ring ring.c -luring
    ./ring
    rm ring
}
run_inside() { # in the union alone: there is none
    gcc -O1 -o ring ring.c -luring
    ./ring say | head -n 1
}
