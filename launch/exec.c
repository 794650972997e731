/*
 * unionrun-exec: the last step to the command, made inside the union, where no guard would see it made by the launcher.
 *
 * The launcher starts this with the shim preloaded. execvp's search of PATH then goes through the shim's hooks, so a
 * command that only the union has is found, and one that is whited out is not. What comes before the command is the
 * user that it is to be, or nothing.
 */
#include "launch/command.h"
#include "launch/say.h"

int main(int argc, char **argv) {
    if (argc < 3) {
        say("unionrun-exec is started by unionrun");
        return EXIT_OURS;
    }
    return run_command(argv[1], argv + 2);
}
