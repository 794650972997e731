/*
 * Loops of system calls for scripts/bench, timed from inside, so that no start of a process is in the figure.
 *
 *   loop stat DIR N <NAMES      N stats on the names below DIR, in turn (absent ones too)
 *   loop open DIR N <NAMES      N times open, read of 4 KiB, close
 *   loop list DIR N             N times opendir, all of readdir, closedir
 *   loop spawn N PROGRAM ...    N times fork, execve, waitpid
 *   loop read FILE N            one open, N times pread of 4 KiB
 *   loop write FILE N           one open, N times pwrite of 4 KiB at one place
 *   loop append FILE BYTES      open O_APPEND, write, close
 *   loop chmod FILE MODE
 *   loop run PROGRAM ...        fork, execve, waitpid, once; its output is thrown away
 *   loop many P ...             one of the first three by P processes at once; N is what each does
 *
 * Prints seconds of wall clock and of this process' CPU time (and its children's that it waited for), and nothing else.
 * `-r TIMES` before all that does it so often, and prints as many lines. What cannot be done at all ends it with
 * status 1.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char **names;
static size_t count;
static char block[4096];

struct clock {
    double wall, cpu;
};

static double seconds(struct timeval t) {
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static struct clock now(void) {
    struct timespec t, c;
    struct rusage children;
    clock_gettime(CLOCK_MONOTONIC, &t);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &c);
    getrusage(RUSAGE_CHILDREN, &children);
    return (struct clock){(double)t.tv_sec + (double)t.tv_nsec / 1e9, (double)c.tv_sec + (double)c.tv_nsec / 1e9 +
                                                                          seconds(children.ru_utime) +
                                                                          seconds(children.ru_stime)};
}

static void tell(struct clock start) {
    struct clock end = now();
    printf("%.9f %.9f\n", end.wall - start.wall, end.cpu - start.cpu);
}

static void read_names(const char *dir) {
    char *line = NULL;
    size_t room = 0, slots = 0;
    for (ssize_t n; (n = getline(&line, &room, stdin)) > 0;) {
        if (line[n - 1] == '\n')
            line[n - 1] = 0;
        if (count == slots) {
            slots = slots ? 2 * slots : 1024;
            names = realloc(names, slots * sizeof *names);
            if (!names)
                err(1, "names");
        }
        if (asprintf(&names[count++], "%s/%s", dir, line) < 0)
            err(1, "names");
    }
    free(line);
    if (!count)
        errx(1, "no names on the standard input");
}

static void stats(long n) {
    struct stat st;
    for (long i = 0; i < n; i++)
        (void)!stat(names[(size_t)i % count], &st);
}

static void opens(long n) {
    for (long i = 0; i < n; i++) {
        int fd = open(names[(size_t)i % count], O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            err(1, "%s", names[(size_t)i % count]);
        if (read(fd, block, sizeof block) < 0)
            err(1, "%s", names[(size_t)i % count]);
        close(fd);
    }
}

static void lists(const char *dir, long n) {
    for (long i = 0; i < n; i++) {
        DIR *d = opendir(dir);
        if (!d)
            err(1, "%s", dir);
        while (readdir(d))
            ;
        closedir(d);
    }
}

static void spawn(char **argv, int quiet) {
    pid_t pid = fork();
    if (pid < 0)
        err(1, "fork");
    if (!pid) {
        int null = quiet ? open("/dev/null", O_WRONLY) : -1;
        if (null >= 0)
            dup2(null, 1);
        execvp(argv[0], argv);
        err(127, "%s", argv[0]);
    }
    int status;
    if (waitpid(pid, &status, 0) != pid || status)
        errx(1, "%s: status %d", argv[0], status);
}

static void transfers(int fd, long n, int writing) {
    for (long i = 0; i < n; i++)
        if ((writing ? pwrite(fd, block, sizeof block, 0) : pread(fd, block, sizeof block, 0)) != sizeof block)
            err(1, "4 KiB");
}

static void append(const char *file, size_t n) {
    char *data = calloc(1, n ? n : 1);
    int fd = open(file, O_WRONLY | O_APPEND);
    if (fd < 0 || !data || write(fd, data, n) != (ssize_t)n || close(fd))
        err(1, "%s", file);
    free(data);
}

static void act(const char *what, const char *dir, long n) {
    if (!strcmp(what, "stat"))
        stats(n);
    else if (!strcmp(what, "open"))
        opens(n);
    else
        lists(dir, n);
}

static void many(long processes, const char *what, const char *dir, long n) {
    int gate[2];
    if (pipe(gate))
        err(1, "pipe");
    for (long i = 0; i < processes; i++) {
        pid_t pid = fork();
        if (pid < 0)
            err(1, "fork");
        if (pid)
            continue;
        close(gate[1]);
        (void)!read(gate[0], block, 1); /* until all of them are there */
        act(what, dir, n);
        _exit(0);
    }
    usleep(50000);
    struct clock start = now();
    close(gate[0]);
    close(gate[1]);
    for (long i = 0; i < processes; i++) {
        int status;
        if (wait(&status) < 0 || status)
            errx(1, "a child failed");
    }
    tell(start);
}

int main(int argc, char **argv) {
    long times = 1, processes = 0;
    for (; argc > 3 && (!strcmp(argv[1], "-r") || !strcmp(argv[1], "many")); argv += 2, argc -= 2)
        *(argv[1][0] == '-' ? &times : &processes) = atol(argv[2]);
    if (argc < 3)
        errx(2, "see the top of loop.c");
    const char *what = argv[1];
    long n = argc > 3 ? atol(argv[3]) : 0;
    int writing = !strcmp(what, "write"), fd = -1;
    if (!strcmp(what, "stat") || !strcmp(what, "open"))
        read_names(argv[2]);
    else if (writing || !strcmp(what, "read"))
        fd = open(argv[2], writing ? O_RDWR : O_RDONLY);
    while (times-- > 0) {
        struct clock start = now();
        if (processes) {
            many(processes, what, argv[2], n);
            continue;
        }
        if (fd >= 0)
            transfers(fd, n, writing);
        else if (!strcmp(what, "spawn"))
            for (long i = atol(argv[2]); i > 0; i--)
                spawn(argv + 3, 0);
        else if (!strcmp(what, "run"))
            spawn(argv + 2, 1);
        else if (!strcmp(what, "append"))
            append(argv[2], (size_t)n);
        else if (!strcmp(what, "chmod")) {
            if (chmod(argv[2], (mode_t)strtol(argv[3], NULL, 8)))
                err(1, "%s", argv[2]);
        } else
            act(what, argv[2], n);
        tell(start);
    }
    return 0;
}
