/* A tool's command line: the mounts, its own options, paths; and --help, from the same table. */
#include "layers/layers.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct layers *layers;
    const struct layers_option *options;
    char **at; /* what is left of argv */
};

static enum layers_next wrong(const struct reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum layers_next wrong(const struct reader *reader, const char *format, ...) {
    va_list values;
    char *message = NULL;
    va_start(values, format);
    if (vasprintf(&message, format, values) >= 0)
        say("%s; see unionrun %s --help", message, reader->layers->command);
    va_end(values);
    free(message);
    return LAYERS_WRONG;
}

static const char *arguments_of(const char *command) {
#define COMMAND(name, arguments, help)                                                                                 \
    if (strcmp(command, #name) == 0)                                                                                   \
        return arguments;
#include "layers/commands.def"
#undef COMMAND
    return "";
}

static enum layers_next print_help(const struct reader *reader, const char *about) {
    const char *command = reader->layers->command, *arguments = arguments_of(command);
    bool mounts = !reader->layers->unmounted;
    const char *space = *arguments ? " " : "";
    printf("Usage: unionrun %s %s[OPTION...]%s%s\n", command, mounts ? "--layers FILE " : "", space, arguments);
    if (mounts)
        printf("       unionrun %s --target DIR --lower DIR... [--upper DIR] [OPTION...]%s%s\n", command, space,
               arguments);
    printf("%s\n", about);
    for (const struct layers_option *option = reader->options; option->name; option++)
        ur_option_print(&(struct ur_option){option->name, option->value, option->help});
    ur_option_print(&(struct ur_option){"--help", NULL, "print this and exit"});
    if (mounts) {
        puts("\nThe mounts, as a run takes them:");
        ur_mount_options_print();
    }
    return LAYERS_DONE;
}

static void append(char ***list, const char *text) {
    size_t count = 0;
    while (*list && (*list)[count])
        count++;
    *list = ur_grow(*list, count + 1, sizeof **list);
    (*list)[count] = (char *)text;
    (*list)[count + 1] = NULL;
}

static enum layers_next keep(const struct reader *reader, const struct layers_option *option, const char *value) {
    if (!option->value && value)
        return wrong(reader, "%s takes no value", option->name);
    if (!option->value)
        *option->flag = true;
    else if (option->list)
        append(option->list, value);
    else if (*option->text)
        return wrong(reader, "%s twice", option->name);
    else
        *option->text = value;
    return LAYERS_GO;
}

static enum layers_next read_option(struct reader *reader, const char *about) {
    const char *argument = *reader->at++;
    if (strcmp(argument, "--help") == 0)
        return print_help(reader, about);
    size_t length = strcspn(argument, "=");
    UR_AUTO_TEXT name = ur_copy(argument, length);
    const char *value = argument[length] ? argument + length + 1 : NULL;
    const struct layers_option *option = reader->options;
    while (option->name && strcmp(option->name, name) != 0)
        option++;
    bool mount = !reader->layers->unmounted && ur_is_mount_option(name);
    if (!mount && !option->name)
        return wrong(reader, "%s: no such option", argument);
    if ((mount || option->value) && !value) {
        if (!*reader->at)
            return wrong(reader, "%s wants a value", name);
        value = *reader->at++;
    }
    if (!mount)
        return keep(reader, option, value);
    UR_AUTO_TEXT mistake = ur_mount_option(&reader->layers->mounts, &reader->layers->plan, name, value);
    return mistake ? wrong(reader, "%s", mistake) : LAYERS_GO;
}

enum layers_next layers_read(struct layers *layers, int argc, char **argv, const struct layers_option *options,
                             size_t least, size_t most, const char *about) {
    struct reader reader = {layers, options, argv + (argc > 0)};
    ur_plan_begin_here(&layers->plan);
    layers->path = ur_allocate((size_t)argc * sizeof *layers->path + sizeof *layers->path);
    bool ended = false;
    while (*reader.at) {
        if (!ended && strcmp(*reader.at, "--") == 0) {
            ended = true;
            reader.at++;
        } else if (ended || **reader.at != '-' || !(*reader.at)[1]) {
            layers->path[layers->paths++] = *reader.at++;
        } else {
            enum layers_next next = read_option(&reader, about);
            if (next != LAYERS_GO)
                return next;
        }
    }
    if (layers->paths < least)
        return wrong(&reader, "no %s", arguments_of(layers->command));
    if (layers->paths > most)
        return wrong(&reader, "%s: %s", layers->path[most], most ? "one argument too many" : "it takes no argument");
    if (layers->unmounted)
        return LAYERS_GO;
    UR_AUTO_TEXT mistake = ur_mount_options_check(&layers->mounts, &layers->plan, true);
    return mistake ? wrong(&reader, "%s", mistake) : LAYERS_GO;
}
