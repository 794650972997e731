/*
 * Who belongs to the run, as /proc tells it: the keeper is everybody's ancestor, for whoever loses his parent becomes
 * its child (PR_SET_CHILD_SUBREAPER). The guard is its parent, and so is never met.
 */
#include "config/text.h"
#include "launch/launch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct process {
    pid_t pid, parent;
};

/* The parent of a process, by /proc/PID/stat; 0 if it has gone. */
static pid_t parent_of(const char *pid) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
    const char *at = strrchr(text, ')'); /* the name before it may hold anything */
    int parent = 0;
    return at && sscanf(at + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

static struct process *all_processes(size_t *count) {
    struct process *list = NULL;
    DIR *proc = opendir("/proc");
    *count = 0;
    for (const struct dirent *e; proc && (e = readdir(proc));) {
        if (e->d_name[0] < '1' || e->d_name[0] > '9')
            continue;
        list = ur_grow(list, *count, sizeof *list);
        list[(*count)++] = (struct process){(pid_t)atol(e->d_name), parent_of(e->d_name)};
    }
    if (proc)
        closedir(proc);
    return list;
}

/* A descendant's pid is negated once it has been found. */
static bool is_found(const struct process *list, size_t count, pid_t pid) {
    for (size_t i = 0; i < count; i++)
        if (list[i].pid == -pid)
            return true;
    return pid == getpid();
}

void signal_descendants(int number) {
    size_t count;
    struct process *list = all_processes(&count);
    bool more = true;
    while (more) {
        more = false;
        for (size_t i = 0; i < count; i++)
            if (list[i].pid > 0 && is_found(list, count, list[i].parent)) {
                kill(list[i].pid, number);
                list[i].pid = -list[i].pid;
                more = true;
            }
    }
    free(list);
}
