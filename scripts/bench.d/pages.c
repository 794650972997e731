/*
 * What pages and bytes a process moves, for scripts/bench --seed.
 *
 *   pages touch LIBRARY     says "ready", waits for a line; loads the library and touches each page of its file; prints
 *                           major faults, bytes read from the disk, and the pages' frame numbers (0 unless root); keeps
 *                           them mapped until the standard input ends
 *   pages cold FILE         drops the file's pages; prints how many are in memory then
 *   pages append FILE N     open O_APPEND, write N bytes, close; prints bytes that were made dirty, and seconds
 *   pages chmod FILE MODE   the same of a chmod
 */
#include <dlfcn.h>
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

static long long io(const char *key) {
    FILE *f = fopen("/proc/self/io", "re");
    char line[128];
    long long value = -1;
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0)
            value = atoll(line + strlen(key));
    if (f)
        fclose(f);
    return value;
}

static long majors(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_majflt;
}

static unsigned char *map(const char *file, size_t *pages) {
    struct stat st;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st))
        err(1, "%s", file);
    *pages = (size_t)(st.st_size + PAGE - 1) / PAGE;
    void *at = mmap(NULL, *pages * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        err(1, "%s", file);
    close(fd);
    return at;
}

static void touch(const char *library) {
    size_t pages;
    puts("ready");
    fflush(stdout);
    if (getchar() < 0)
        exit(1);
    long faults = majors();
    long long bytes = io("read_bytes: ");
    if (!dlopen(library, RTLD_NOW))
        errx(1, "%s", dlerror());
    volatile unsigned char *at = map(library, &pages);
    for (size_t i = 0; i < pages; i++)
        (void)at[i * PAGE];
    printf("%ld %lld", majors() - faults, io("read_bytes: ") - bytes);
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < pages; i++) {
        uint64_t entry = 0;
        if (pread(fd, &entry, 8, (off_t)((uintptr_t)(at + i * PAGE) / PAGE * 8)) != 8)
            entry = 0;
        printf(" %llu", (unsigned long long)(entry & ((UINT64_C(1) << 55) - 1)));
    }
    puts("");
    fflush(stdout);
    while (getchar() >= 0)
        ;
}

static void cold(const char *file) {
    size_t pages, there = 0;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
        err(1, "%s", file);
    unsigned char *at = map(file, &pages), *in = calloc(pages, 1);
    if (!in || mincore(at, pages * PAGE, in))
        err(1, "mincore");
    for (size_t i = 0; i < pages; i++)
        there += in[i] & 1;
    printf("%zu\n", there);
}

static void change(const char *what, const char *file, const char *argument) {
    struct timespec a, b;
    size_t n = (size_t)atol(argument);
    char *data = calloc(1, n + 1);
    long long bytes = io("write_bytes: ");
    clock_gettime(CLOCK_MONOTONIC, &a);
    if (strcmp(what, "chmod") == 0) {
        if (chmod(file, (mode_t)strtol(argument, NULL, 8)))
            err(1, "%s", file);
    } else {
        int fd = open(file, O_WRONLY | O_APPEND | O_CLOEXEC);
        if (fd < 0 || write(fd, data, n) != (ssize_t)n || close(fd))
            err(1, "%s", file);
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%lld %.9f\n", io("write_bytes: ") - bytes,
           (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "touch") == 0)
        touch(argv[2]);
    else if (argc == 3 && strcmp(argv[1], "cold") == 0)
        cold(argv[2]);
    else if (argc == 4)
        change(argv[1], argv[2], argv[3]);
    else
        errx(2, "see the top of pages.c");
    return 0;
}
