/*
 * unionrun-exec: the last step to the command, made inside the union.
 *
 * The launcher starts this with the shim preloaded. execvp's search of PATH then goes through the shim's hooks, so a
 * command that only the union has is found, and one that is whited out is not. Exit codes as env(1) has them.
 */
#include "launch/say.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc < 2) {
        say("unionrun-exec is started by unionrun");
        return EXIT_OURS;
    }
    execvp(argv[1], argv + 1);
    int error = errno;
    say("%s: %s", argv[1], strerror(error));
    return error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}
