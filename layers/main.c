/* unionrun-layers: from a tool's name to the tool. */
#include "layers/layers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct command {
    const char *name;
    int (*run)(struct layers *layers, int argc, char **argv);
} commands[] = {
#define COMMAND(name, arguments, help) {#name, layers_##name},
#include "layers/commands.def"
#undef COMMAND
};

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, name) != 0)
            continue;
        struct layers layers = {.command = name};
        int status = commands[i].run(&layers, argc - 1, argv + 1);
        layers_close(&layers);
        return layers_end(status);
    }
    say("%s: no such subcommand; -- stands before a command; see unionrun --help", name);
    return EXIT_OURS;
}
