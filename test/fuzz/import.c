/*
 * Any bytes at all as an image to be imported. What must hold is checked after each: beside the directory nothing was
 * made, and what an archive may want to write to is as it was.
 *
 * Built with libFuzzer by `make fuzz`, and with walk.c, which needs no compiler's help, for `make check-asan`. Works in
 * FUZZ_DIR, an empty directory.
 */
#include "launch/remove.h"
#include "layers/layers.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *at(const char *name) {
    const char *directory = getenv("FUZZ_DIR");
    if (!directory) {
        fputs("FUZZ_DIR is not set\n", stderr);
        exit(2);
    }
    return ur_path_join(directory, name);
}

static unsigned count(const char *path) {
    DIR *directory = opendir(path);
    unsigned names = 0;
    while (directory && readdir(directory))
        names++;
    if (directory)
        closedir(directory);
    return names - 2;
}

/* "victim", where archives would like to write. */
static void prepare(const char *outside) {
    static int silent = -1;
    if (silent >= 0)
        return;
    UR_AUTO_TEXT victim = ur_path_join(outside, "victim");
    mkdir(outside, 0777);
    int fd = open(victim, O_WRONLY | O_CREAT, 0666);
    silent = open("/dev/null", O_WRONLY);
    if (fd < 0 || write(fd, "v", 1) != 1 || close(fd) < 0 || silent < 0)
        abort();
    if (!getenv("FUZZ_LOUD"))
        dup2(silent, STDOUT_FILENO);
}

static void check(const char *parent, const char *outside, bool made) {
    UR_AUTO_TEXT victim = ur_path_join(outside, "victim");
    struct stat st;
    if (count(parent) != (made ? 2 : 1) || count(outside) != 1 || lstat(victim, &st) < 0 || st.st_size != 1 ||
        st.st_nlink != 1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    UR_AUTO_TEXT parent = at("");
    UR_AUTO_TEXT outside = at("outside");
    UR_AUTO_TEXT out = at("image");
    prepare(outside);
    int fd = memfd_create("image", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    UR_AUTO_TEXT from = ur_format("/proc/self/fd/%d", fd);
    char import[] = "import", o[] = "-o", size_option[] = "--max-size=1M", files_option[] = "--max-files=200";
    char *arguments[] = {import, from, o, out, size_option, files_option, NULL};
    struct layers layers = {.command = "import"};
    int error = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
    if (!getenv("FUZZ_LOUD"))
        dup2(null, STDERR_FILENO);
    int status = layers_import(&layers, 6, arguments);
    dup2(error, STDERR_FILENO);
    close(error);
    close(null);
    layers_close(&layers);
    close(fd);
    check(parent, outside, status == 0);
    if (status == 0)
        remove_tree(out);
    return 0;
}
