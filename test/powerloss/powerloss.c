/*
 * powerloss: what a disk has been told, and what it would have kept.
 *
 *   powerloss record DIR IMAGE LOG   mounts a filesystem (FUSE) at DIR with two files and serves it until it is
 *                                    unmounted: DIR/image, which is IMAGE, for a loop device; DIR/mark, whose text is a
 * mark powerloss list LOG               a line for each record: "write", "flush" or "mark TEXT" powerloss replay LOG
 * POINT SEED IMAGE puts into a copy of the first image what a disk had kept, had the power failed after POINT records:
 * all writes before the last flush, and of those after it, which its cache may have written in any order or not at all,
 * all (SEED 0) or some powerloss view DIR               each name beneath DIR: type, mode, length, and what is in it
 *
 * The log has the records in the order in which the device saw them end. Linux names dm-log-writes for this, which few
 * kernels have; a loop device over FUSE sees the same.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE, FLUSH, MARK };
struct record {
    uint32_t kind, size; /* of the data that follows */
    uint64_t offset;
};

static void fail(const char *what) {
    fprintf(stderr, "powerloss: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* --- record ----------------------------------------------------------------------------------------------------- */

enum { ROOT = FUSE_ROOT_ID, IMAGE, MARKS, WRITE_MAX = 1 << 17 };

static struct {
    int fuse, image;
    FILE *log;
} recorder;

static void note(enum kind kind, uint64_t offset, const void *data, size_t size) {
    struct record record = {kind, (uint32_t)size, offset};
    if (fwrite(&record, sizeof record, 1, recorder.log) != 1 || (size && fwrite(data, 1, size, recorder.log) != size))
        fail("the log");
}

static void reply(const struct fuse_in_header *in, int error, const void *data, size_t size) {
    struct fuse_out_header out = {(uint32_t)(sizeof out + size), error, in->unique};
    struct iovec parts[2] = {{&out, sizeof out}, {(void *)data, size}};
    if (writev(recorder.fuse, parts, 2) < 0 && errno != ENOENT) /* ENOENT: nobody waits for it any more */
        fail("/dev/fuse");
}

static struct fuse_attr attributes(uint64_t node) {
    struct fuse_attr attr = {.ino = node, .nlink = 1, .blksize = 4096};
    attr.mode = node == ROOT ? S_IFDIR | 0755 : S_IFREG | 0600;
    struct stat st;
    if (node == IMAGE && fstat(recorder.image, &st) == 0) {
        attr.size = (uint64_t)st.st_size;
        attr.blocks = (uint64_t)st.st_blocks;
    }
    return attr;
}

static void look_up(const struct fuse_in_header *in, const char *name) {
    struct fuse_entry_out out = {.attr_valid = 3600, .entry_valid = 3600};
    out.nodeid = strcmp(name, "image") == 0 ? IMAGE : strcmp(name, "mark") == 0 ? MARKS : 0;
    out.attr = attributes(out.nodeid);
    if (out.nodeid)
        reply(in, 0, &out, sizeof out);
    else
        reply(in, -ENOENT, NULL, 0);
}

static void read_image(const struct fuse_in_header *in, const struct fuse_read_in *ask) {
    static char data[1 << 20];
    size_t size = ask->size < sizeof data ? ask->size : sizeof data;
    ssize_t n = in->nodeid == IMAGE ? pread(recorder.image, data, size, (off_t)ask->offset) : 0;
    reply(in, n < 0 ? -errno : 0, data, n < 0 ? 0 : (size_t)n);
}

static void take_write(const struct fuse_in_header *in, const struct fuse_write_in *ask, const char *data) {
    if (in->nodeid == IMAGE && pwrite(recorder.image, data, ask->size, (off_t)ask->offset) != (ssize_t)ask->size)
        fail("the image");
    note(in->nodeid == IMAGE ? WRITE : MARK, ask->offset, data, ask->size);
    reply(in, 0, &(struct fuse_write_out){.size = ask->size}, sizeof(struct fuse_write_out));
}

static void serve(const struct fuse_in_header *in) {
    const void *body = in + 1;
    switch (in->opcode) {
    case FUSE_INIT: {
        const struct fuse_init_in *ask = body;
        struct fuse_init_out out = {.major = FUSE_KERNEL_VERSION,
                                    .minor = 31,
                                    .max_readahead = ask->max_readahead,
                                    .flags = FUSE_BIG_WRITES,
                                    .max_background = 16,
                                    .congestion_threshold = 12,
                                    .max_write = WRITE_MAX,
                                    .time_gran = 1};
        reply(in, 0, &out, sizeof out);
        return;
    }
    case FUSE_LOOKUP:
        look_up(in, body);
        return;
    case FUSE_GETATTR:
    case FUSE_SETATTR:
        reply(in, 0, &(struct fuse_attr_out){.attr_valid = 3600, .attr = attributes(in->nodeid)},
              sizeof(struct fuse_attr_out));
        return;
    case FUSE_OPEN:
        reply(in, 0, &(struct fuse_open_out){.open_flags = in->nodeid == MARKS ? FOPEN_DIRECT_IO : FOPEN_KEEP_CACHE},
              sizeof(struct fuse_open_out));
        return;
    case FUSE_READ:
        read_image(in, body);
        return;
    case FUSE_WRITE:
        take_write(in, body, (const char *)body + sizeof(struct fuse_write_in));
        return;
    case FUSE_FSYNC:
        note(FLUSH, 0, NULL, 0);
        reply(in, 0, NULL, 0);
        return;
    case FUSE_RELEASE:
        reply(in, 0, NULL, 0);
        return;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        return;
    default:
        reply(in, -ENOSYS, NULL, 0);
    }
}

static int record(const char *dir, const char *image, const char *log) {
    static char request[WRITE_MAX + 4096] __attribute__((aligned(8)));
    recorder.image = open(image, O_RDWR | O_CLOEXEC);
    if (recorder.image < 0)
        fail(image);
    recorder.log = fopen(log, "wxe");
    if (!recorder.log)
        fail(log);
    recorder.fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (recorder.fuse < 0)
        fail("/dev/fuse");
    char options[100];
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", recorder.fuse);
    if (mount("powerloss", dir, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
        fail(dir);
    for (;;) {
        ssize_t n = read(recorder.fuse, request, sizeof request);
        if (n < 0 && errno == ENODEV) /* unmounted */
            break;
        if (n < 0 && errno != EINTR && errno != ENOENT && errno != EAGAIN)
            fail("/dev/fuse");
        if (n >= (ssize_t)sizeof(struct fuse_in_header))
            serve((const struct fuse_in_header *)request);
    }
    return fclose(recorder.log) == 0 ? 0 : 2;
}

/* --- list, replay ----------------------------------------------------------------------------------------------- */

/* The next record, its data behind it in `data` (WRITE_MAX bytes). */
static bool next(FILE *log, struct record *record, char *data) {
    if (fread(record, sizeof *record, 1, log) != 1)
        return false;
    if (record->size > WRITE_MAX || (record->size && fread(data, 1, record->size, log) != record->size)) {
        errno = EINVAL;
        fail("the log");
    }
    return true;
}

static FILE *open_log(const char *path) {
    FILE *log = fopen(path, "re");
    if (!log)
        fail(path);
    return log;
}

static int list(const char *path) {
    static char data[WRITE_MAX + 1];
    struct record record;
    FILE *log = open_log(path);
    while (next(log, &record, data)) {
        data[record.size] = 0;
        data[strcspn(data, "\n")] = 0;
        if (record.kind == MARK)
            printf("mark %s\n", data);
        else
            puts(record.kind == WRITE ? "write" : "flush");
    }
    fclose(log);
    return 0;
}

static uint64_t draw(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static int replay(const char *path, unsigned long point, uint64_t seed, const char *image) {
    static char data[WRITE_MAX];
    struct record record;
    unsigned long flushed = 0, at = 0;
    FILE *log = open_log(path);
    while (at < point && next(log, &record, data))
        if (at++, record.kind == FLUSH)
            flushed = at;
    rewind(log);
    int fd = open(image, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        fail(image);
    bool all = seed == 0;
    seed = seed * UINT64_C(2654435761) + 1;
    for (at = 0; at < point && next(log, &record, data); at++) {
        if (record.kind != WRITE || (at >= flushed && !all && draw(&seed) >> 32 & 1))
            continue;
        if (pwrite(fd, data, record.size, (off_t)record.offset) != (ssize_t)record.size)
            fail(image);
    }
    fclose(log);
    return close(fd) == 0 ? 0 : 2;
}

/* --- view ------------------------------------------------------------------------------------------------------- */

static uint64_t sum_of(const char *path) {
    static unsigned char data[1 << 16];
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail(path);
    size_t left = 90000;
    ssize_t n;
    for (; (n = read(fd, data, left < sizeof data ? left : sizeof data)) > 0; left -= (size_t)n)
        for (ssize_t i = 0; i < n; i++)
            sum = (sum ^ data[i]) * UINT64_C(0x100000001b3);
    if (n < 0)
        fail(path);
    close(fd);
    return sum;
}

static void view(const char *root, const char *below) {
    char path[4096];
    struct dirent **names;
    snprintf(path, sizeof path, "%s/%s", root, below);
    int count = scandir(path, &names, NULL, alphasort);
    if (count < 0)
        fail(path);
    for (int i = 0; i < count; i++) {
        const char *name = names[i]->d_name;
        char rel[2048], link[256] = "";
        struct stat st;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        snprintf(rel, sizeof rel, "%s%s%s", below, *below ? "/" : "", name);
        snprintf(path, sizeof path, "%s/%s", root, rel);
        if (lstat(path, &st) < 0)
            fail(path);
        printf("%s %o", rel, st.st_mode);
        if (S_ISREG(st.st_mode))
            printf(" %jd %016" PRIx64, (intmax_t)st.st_size, sum_of(path));
        if (S_ISLNK(st.st_mode) && readlink(path, link, sizeof link - 1) > 0)
            printf(" %s", link);
        putchar('\n');
        if (S_ISDIR(st.st_mode))
            view(root, rel);
        free(names[i]);
    }
    free(names);
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "record") == 0)
        return record(argv[2], argv[3], argv[4]);
    if (argc == 3 && strcmp(argv[1], "list") == 0)
        return list(argv[2]);
    if (argc == 6 && strcmp(argv[1], "replay") == 0)
        return replay(argv[2], strtoul(argv[3], NULL, 10), strtoull(argv[4], NULL, 10), argv[5]);
    if (argc == 3 && strcmp(argv[1], "view") == 0) {
        view(argv[2], "");
        return 0;
    }
    fprintf(stderr, "usage: powerloss record DIR IMAGE LOG | list LOG | replay LOG POINT SEED IMAGE | view DIR\n");
    return 2;
}
