/*
 * How far a copy-up is, for who waits for it at a terminal: one line, written over itself and taken away at the end.
 *
 * The terminal is the command's. So nothing is written but during a copy that takes longer than a second, a few times
 * a second; nothing while another than the run is in front (job control), or a program has the terminal for itself (it
 * takes keys one by one: an editor); nothing that could wait for ^Q.
 *
 * What is copied is read from the memory that the run shares (engine/copying.c). It is read and not mapped: programs of
 * the run could cut it short, which is a SIGBUS.
 */
#include "launch/progress.h"
#include "config/text.h"
#include "engine/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* Milliseconds: between two looks, if nothing is shown and if something is; between two lines; until the first. */
enum { IDLE = 500, SHOWING = 40, REDRAW = 200, PATIENCE = 1000 };

static int shared = -1;
static int shown = -1; /* the slot of what is on the terminal */
static uint64_t drawn; /* when that was written */

void progress_prepare(const struct launch *launch) {
    const char *term = getenv("TERM");
    if (!isatty(STDERR_FILENO) || !term || strcmp(term, "dumb") == 0)
        return;
    UR_AUTO_TEXT path = ur_path_join(launch->session, "shared");
    const uint32_t on = 1;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    shared = fd >= 0 && pwrite(fd, &on, sizeof on, offsetof(struct ur_shared, copying_wanted)) == sizeof on ? 0 : -1;
    if (fd >= 0)
        close(fd);
}

void progress_begin(const struct launch *launch) {
    if (shared < 0)
        return;
    UR_AUTO_TEXT path = ur_path_join(launch->session, "shared");
    shared = open(path, O_RDWR | O_CLOEXEC);
}

/* May the line be written to the terminal now, by who waits for the copy that `owner` makes? */
static bool is_ours(pid_t owner) {
    struct termios state;
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    pid_t front = tcgetpgrp(STDERR_FILENO);
    if (front < 0 || tcgetattr(STDERR_FILENO, &state) < 0 || !(state.c_lflag & ICANON) || poll(&room, 1, 0) <= 0)
        return false;
    return front == getpgrp() || (front == getpgid(owner) && !(state.c_lflag & TOSTOP));
}

static void put(const char *text, size_t size) {
    sigset_t stop, before;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTTOU); /* should the run go to the background just now */
    sigprocmask(SIG_BLOCK, &stop, &before);
    ssize_t written = write(STDERR_FILENO, text, size);
    (void)written; /* there is nobody else to tell */
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static size_t place_of(int slot) {
    return offsetof(struct ur_shared, copying) + (size_t)slot * sizeof(struct ur_copying);
}

/* Who copies is not to go on before the line has gone. */
static void mark(int slot, uint32_t whether) {
    ssize_t n = pwrite(shared, &whether, sizeof whether, (off_t)(place_of(slot) + offsetof(struct ur_copying, shown)));
    (void)n; /* the file has been cut short: then there is nothing to be read either */
}

static void clear(void) {
    static const char nothing[] = "\r\033[K";
    if (shown < 0)
        return;
    put(nothing, sizeof nothing - 1);
    mark(shown, 0);
    shown = -1;
}

static const char *amount(uint64_t bytes, char out[24]) {
    double mib = (double)bytes / (1 << 20);
    snprintf(out, 24, mib < 10 ? "%.1f MiB" : mib < 1024 ? "%.0f MiB" : "%.1f GiB", mib < 1024 ? mib : mib / 1024);
    return out;
}

static size_t columns(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

/* As much of the path's end as takes less than `room` columns; a byte takes one at most. */
static char *fitting(const char *path, size_t room) {
    UR_AUTO_TEXT whole = ur_quoted(path);
    bool cut = *path != '/'; /* by who copies */
    if (!cut && strlen(whole) < room)
        return ur_format("%s", whole);
    for (path += !cut; *path; path++) {
        bool begins = ((unsigned char)*path & 0xc0) != 0x80;
        UR_AUTO_TEXT part = ur_quoted(path);
        if (begins && strlen(part) + 3 < room)
            return ur_format("...%s", part);
    }
    return ur_format("...");
}

#define WHAT "unionrun: copy-up of "

static void draw(struct ur_copying *c, uint64_t taken, unsigned others) {
    uint64_t done = atomic_load(&c->done), size = atomic_load(&c->size);
    char has[24], all[24], speed[24], more[24] = "";
    if (others)
        snprintf(more, sizeof more, " (and %u more)", others);
    uint64_t rate = (uint64_t)((double)done / ((double)taken / 1e9));
    UR_AUTO_TEXT rest =
        done < size ? ur_format(" %s of %s, %s/s%s", amount(done, has), amount(size, all), amount(rate, speed), more)
                    : ur_format(" %s, on its way to the disk%s", amount(size, all), more);
    c->path[UR_COPYING_PATH - 1] = 0;
    size_t width = columns(), used = strlen(WHAT) + strlen(rest);
    UR_AUTO_TEXT path = fitting(c->path, width > used ? width - used : 0);
    UR_AUTO_TEXT line = ur_format("\r\033[K%s%s%s", WHAT, path, rest);
    put(line, strlen(line));
}

static bool has_ended(int slot) {
    struct ur_copying c;
    return pread(shared, &c, sizeof c, (off_t)place_of(slot)) != sizeof c || !atomic_load(&c.size);
}

static void show(int slot, struct ur_copying *c, uint64_t now, unsigned others) {
    if (slot == shown && now - drawn < REDRAW * 1000000ULL)
        return;
    if (slot != shown) {
        clear();
        mark(slot, 1);
        shown = slot;
        drawn = 0;
    }
    if (has_ended(slot)) { /* before it could know that it is shown */
        if (drawn)
            clear();
        mark(slot, 0);
        shown = -1;
        return;
    }
    draw(c, now - c->begun, others);
    drawn = now;
}

/* What a killed process has left. */
static bool is_left(int slot, pid_t owner) {
    static const struct ur_copying nothing;
    if (kill(owner, 0) == 0 || errno != ESRCH)
        return false;
    ssize_t n = pwrite(shared, &nothing, sizeof nothing, (off_t)place_of(slot));
    (void)n;
    return true;
}

/* Shows the copy that has taken longest of those that take longer than a second. */
static void look(void) {
    struct ur_copying copying[UR_COPYING];
    struct timespec t;
    int first = -1;
    unsigned others = 0;
    if (pread(shared, copying, sizeof copying, (off_t)place_of(0)) != sizeof copying) {
        clear();
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t now = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
    for (int i = 0; i < UR_COPYING; i++) {
        const struct ur_copying *c = &copying[i];
        pid_t owner = (pid_t)atomic_load(&c->owner);
        if (!owner || is_left(i, owner) || !atomic_load(&c->size) || c->begun + PATIENCE * 1000000ULL > now ||
            !is_ours(owner))
            continue;
        others += first >= 0;
        if (first < 0 || c->begun < copying[first].begun)
            first = i;
    }
    if (first >= 0)
        show(first, &copying[first], now, others);
    else
        clear();
}

void progress_wait(int socket) {
    struct pollfd wait = {.fd = socket, .events = POLLIN};
    if (shared < 0)
        return;
    for (int ready = 0; ready <= 0 && (ready == 0 || errno == EINTR);) {
        ready = poll(&wait, 1, shown >= 0 ? SHOWING : IDLE);
        if (ready == 0)
            look();
    }
    clear();
}
