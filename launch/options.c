/*
 * The command line of a run: what is to be mounted (config/options.c reads that), and how the command is run.
 */
#include "launch/options.h"
#include "config/table.h"
#include "config/text.h"
#include "launch/say.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: unionrun --layers FILE [OPTION...] [-- COMMAND [ARGUMENT...]]\n"
    "       unionrun --target DIR --lower DIR... [--upper DIR] [OPTION...] -- COMMAND [ARGUMENT...]\n"
    "       unionrun --check ...\n"
    "       unionrun try [OPTION...] -- COMMAND [ARGUMENT...]\n"
    "       unionrun doctor [--json] [--layers FILE]\n"
    "       unionrun TOOL --layers FILE [OPTION...] [ARGUMENT...]\n"
    "Run COMMAND, and all that it starts, in a union of directories: read-only lowers and one\n"
    "writable upper, seen as one tree. The lowers stay as they are; every change goes to the upper.\n"
    "\n";

static const char last_help[] =
    "\n"
    "The exit status is the command's; a signal that ends it ends unionrun too. 125: unionrun itself\n"
    "failed, 126: the command cannot be run, 127: it was not found, 124: --timeout ended the run.\n";

struct reader {
    char **arguments; /* what is left of argv */
    struct options *options;
    struct ur_plan *plan;
};

static enum options_next wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

static enum options_next wrong(const char *format, ...) {
    va_list values;
    char *message = NULL;
    va_start(values, format);
    if (vasprintf(&message, format, values) >= 0)
        say("%s; see unionrun --help", message);
    va_end(values);
    free(message);
    return OPTIONS_WRONG;
}

/* Takes over `mistake`; NULL: there is none. */
static enum options_next misread(char *mistake) {
    enum options_next next = mistake ? wrong("%s", mistake) : OPTIONS_RUN;
    free(mistake);
    return next;
}

static const char *const choices[] = {"auto", "require", "off"};

const char *choice_name(enum choice choice) {
    return choices[choice];
}

static enum options_next read_choice(const char *name, const char *value, enum choice *choice) {
    for (unsigned i = 0; i < sizeof choices / sizeof *choices; i++)
        if (strcmp(value, choices[i]) == 0) {
            *choice = (enum choice)i;
            return OPTIONS_RUN;
        }
    return wrong("%s=%s: it is auto, require or off", name, value);
}

static enum options_next read_fence(struct reader *reader, const char *value) {
    return read_choice("--fence", value, &reader->options->fence);
}

static enum options_next read_guard(struct reader *reader, const char *value) {
    return read_choice("--guard", value, &reader->options->guard);
}

static enum options_next read_raw(struct reader *reader, const char *value) {
    struct options *options = reader->options;
    if (!ur_raw_named(value, &options->raw))
        return wrong("--raw=%s: it is hide, read-only or allow", value);
    options->raw_said = true;
    return OPTIONS_RUN;
}

static enum options_next read_index(struct reader *reader, const char *value) {
    struct options *options = reader->options;
    options->index_said = ur_index_size(value, &options->index);
    return options->index_said ? OPTIONS_RUN : wrong("--index=%s: it is " UR_INDEX_SIZES, value);
}

static enum options_next read_durability(struct reader *reader, const char *value) {
    struct options *options = reader->options;
    options->durability_said = ur_durability_named(value, &options->durability);
    return options->durability_said ? OPTIONS_RUN : wrong("--durability=%s: it is " UR_DURABILITY_NAMES, value);
}

static enum options_next read_metacopy(struct reader *reader, const char *value) {
    struct options *options = reader->options;
    options->metacopy_said = ur_metacopy_named(value, &options->metacopy);
    return options->metacopy_said ? OPTIONS_RUN : wrong("--metacopy=%s: it is " UR_METACOPY_VALUES, value);
}

static enum options_next read_max_upper(struct reader *reader, const char *value) {
    return ur_max_upper_size(value, &reader->options->max_upper)
               ? OPTIONS_RUN
               : wrong("--max-upper=%s: it is " UR_MAX_UPPER_SIZES, value);
}

/* "90", "1.5m" ... as timeout(1) takes them. */
static enum options_next read_seconds(const char *name, const char *value, double *seconds) {
    char *end;
    double number = strtod(value, &end);
    double unit = *end == 'm' ? 60 : *end == 'h' ? 3600 : *end == 'd' ? 86400 : 1;
    end += *end != '\0' && strchr("smhd", *end);
    if (end == value || *end || !(number > 0 && number * unit < 1e9))
        return wrong("%s=%s: it is a time, such as 90, 1.5m, 2h or 1d", name, value);
    *seconds = number * unit;
    return OPTIONS_RUN;
}

static enum options_next read_timeout(struct reader *reader, const char *value) {
    return read_seconds("--timeout", value, &reader->options->timeout);
}

static enum options_next read_kill_after(struct reader *reader, const char *value) {
    return read_seconds("--kill-after", value, &reader->options->kill_after);
}

static enum options_next read_path(struct reader *reader, const char *name, const char *value, char **path) {
    char *mistake = ur_path_option_check(name, value);
    if (mistake)
        return misread(mistake);
    free(*path);
    *path = ur_plan_absolute(reader->plan, value);
    return OPTIONS_RUN;
}

static enum options_next read_keep(struct reader *reader, const char *value) {
    return read_path(reader, "--keep", value, &reader->options->keep);
}

static enum options_next read_report(struct reader *reader, const char *value) {
    return read_path(reader, "--report", value, &reader->options->report);
}

static enum options_next read_trace(struct reader *reader, const char *value) {
    return read_path(reader, "--trace", value, &reader->options->trace);
}

static enum options_next read_writable(struct reader *reader, const char *value) {
    char *mistake = ur_path_option_check("--writable", value);
    if (mistake)
        return misread(mistake);
    struct options *options = reader->options;
    options->writable = ur_grow(options->writable, options->writables, sizeof *options->writable);
    options->writable[options->writables++] = ur_plan_absolute(reader->plan, value);
    return OPTIONS_RUN;
}

static enum options_next print_help(struct reader *reader, const char *value);

static enum options_next print_version(struct reader *reader, const char *value) {
    (void)reader, (void)value;
    puts("unionrun " UNIONRUN_VERSION);
    return OPTIONS_DONE;
}

/* The options, but for those of the mounts, as --help tells them; an empty row is an empty line. */
static const struct row {
    struct ur_option option;
    enum options_next (*read)(struct reader *reader, const char *value); /* NULL: a flag, which sets */
    size_t flag;                                                         /* the bool at this offset in struct options */
} rows[] = {
    {{"--ephemeral", NULL,
      "throw the changes away at the end: a fresh upper under ${TMPDIR:-/tmp} in place\n"
      "of each upper of the file, or for each mount of the command line"},
     NULL,
     offsetof(struct options, ephemeral)},
    {{"--writable", "PATH",
      "let programs write to PATH outside the unions as well, beside /tmp and /dev/shm\n"
      "(or what the file has as \"writable\" in place of these); give more for more paths"},
     read_writable,
     0},
    {{"--raw", "hide|read-only|allow",
      "the layers' own paths are: not there (hide; if not given, and the file says\n"
      "nothing); read-only; as any other (allow)"},
     read_raw,
     0},
    {{"--fence", "auto|require|off",
      "keep the lowers, and all but the writable paths, from writes by the kernel\n"
      "(Landlock): auto, where it can; require, or do not run; off"},
     read_fence,
     0},
    {{"--guard", "auto|require|off", "serve also programs and calls that the shim does not see (seccomp): the same"},
     read_guard,
     0},
    {{"--index", "SIZE", "memory in which the run's processes remember who holds a name: 8M if not given, 0 for none"},
     read_index,
     0},
    {{"--durability", "volatile|copy-up|strict",
      "what survives a power cut: a copy from a lower, and whole (copy-up; if not given, and\n"
      "the file says nothing); also each change of a directory (strict); what the kernel\n"
      "had written (volatile)"},
     read_durability,
     0},
    {{"--metacopy", "on|off|SIZE",
      "where only the metadata or the name of a lower's file change, leave its data in the\n"
      "lower until it is written to (on: if it has 128K or more, as if nothing is said;\n"
      "or from SIZE on), or copy them (off)"},
     read_metacopy,
     0},
    {{"--max-upper", "SIZE",
      "let the uppers hold no more than SIZE (2G, 500M) together: beyond that copy-ups, new\n"
      "files and writes fail with EDQUOT, until something is removed"},
     read_max_upper,
     0},
    {{"--root", NULL,
      "as a plain user: let programs see themselves as root, who may give files to others, make\n"
      "devices, become another; it is kept in xattrs of the upper's files, and is no right"},
     NULL,
     offsetof(struct options, root)},
    {{"--no-preload", NULL, "the guard alone, without the shim; implies --guard=require"},
     NULL,
     offsetof(struct options, no_preload)},
    {{0}, NULL, 0},
    {{"--timeout", "DURATION",
      "end the whole run, processes left over and all, when it has taken that long (90,\n"
      "1.5m, 2h): by SIGTERM, then by SIGKILL. The exit status is 124 then"},
     read_timeout,
     0},
    {{"--kill-after", "DURATION", "from that SIGTERM to that SIGKILL: 5s if not given"}, read_kill_after, 0},
    {{"--end-all", NULL, "when the command has ended, end in the same way what it has left running"},
     NULL,
     offsetof(struct options, end_all)},
    {{0}, NULL, 0},
    {{"--yes", NULL, "with try: keep the changes, and do not ask"}, NULL, offsetof(struct options, yes)},
    {{"--no", NULL, "with try: throw them away, and do not ask"}, NULL, offsetof(struct options, no)},
    {{"--keep", "DIR",
      "with try: leave the host alone, and the changes as a layer in DIR, which is made, with a\n"
      "layer file DIR/base.json: to run in, to look at, to commit"},
     read_keep,
     0},
    {{0}, NULL, 0},
    {{"--stats", NULL, "say on stderr, at the end, what was copied up, how long it took, and what the guard answered"},
     NULL,
     offsetof(struct options, stats)},
    {{"--report", "FILE", "write the same, and more, to FILE as JSON"}, read_report, 0},
    {{"--trace", "FILE",
      "write to FILE a line for each call that names a path, in strace's look (JSON lines, if\n"
      "FILE ends in .jsonl): which layer had it, what was done, how long that took"},
     read_trace,
     0},
    {{0}, NULL, 0},
    {{"--check", NULL, "only check the mounts and print them; runs nothing, changes nothing"},
     NULL,
     offsetof(struct options, check)},
    {{"--json", NULL, "with --check and doctor: print as JSON"}, NULL, offsetof(struct options, json)},
    {{"--verbose", NULL, "say more on stderr"}, NULL, offsetof(struct options, verbose)},
    {{"--help", NULL, "print this and exit"}, print_help, 0},
    {{"--version", NULL, "print the version and exit"}, print_version, 0},
};

static const struct row *row_of(const char *name) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].option.name && strcmp(name, rows[i].option.name) == 0)
            return &rows[i];
    return NULL;
}

static enum options_next print_help(struct reader *reader, const char *value) {
    (void)reader, (void)value;
    fputs(help, stdout);
    ur_mount_options_print();
    putchar('\n');
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].option.name)
            ur_option_print(&rows[i].option);
        else
            putchar('\n');
    puts("\nSubcommands; the tools for layers at rest take the mounts as a run does, and have a --help each:");
    puts("  try             run a command on the host as it is, see what it changes, and then keep that or not");
    puts("  doctor          what this host offers, and what a run would cover; exit status 1 if something is missing");
#define COMMAND(name, arguments, what) printf("  %-15s %s\n", #name, what);
#include "layers/commands.def"
#undef COMMAND
    fputs(last_help, stdout);
    return OPTIONS_DONE;
}

static enum options_next read_option(struct reader *reader) {
    const char *argument = *reader->arguments++;
    size_t length = strcspn(argument, "=");
    UR_AUTO_TEXT name = ur_copy(argument, length);
    const char *value = argument[length] ? argument + length + 1 : NULL;
    const struct row *row = row_of(name);
    bool mount = ur_is_mount_option(name);
    if (!mount && !row && argument[0] != '-')
        return wrong("%s: not an option; -- stands before the command", argument);
    if (!mount && !row)
        return wrong("%s: no such option", argument);
    if (mount || row->option.value) {
        if (!value && !*reader->arguments)
            return wrong("%s wants a value", name);
        value = value ? value : *reader->arguments++;
    } else if (value) {
        return wrong("%s takes no value", name);
    }
    if (mount)
        return misread(ur_mount_option(&reader->options->mounts, reader->plan, name, value));
    if (row->read)
        return row->read(reader, value);
    *(bool *)((char *)reader->options + row->flag) = true;
    return OPTIONS_RUN;
}

static enum options_next check_nets(struct options *options) {
    if (options->no_preload && options->guard == CHOICE_OFF)
        return wrong("--no-preload and --guard=off exclude each other: nothing would make the union");
    if (options->no_preload)
        options->guard = CHOICE_REQUIRE;
    return OPTIONS_RUN;
}

static enum options_next check_try(struct options *options) {
    if (!options->try)
        return options->yes || options->no || options->keep ? wrong("--yes, --no and --keep go with try") : OPTIONS_RUN;
    if (options->ephemeral || options->check)
        return wrong("try takes no --check and no --ephemeral");
    if (options->yes + options->no + (options->keep != NULL) > 1)
        return wrong("--yes, --no and --keep exclude each other");
    if (!options->command)
        return wrong("no -- COMMAND");
    options->ephemeral = !options->keep;
    options->end_all = true;
    return OPTIONS_RUN;
}

static enum options_next check_whole(const struct reader *reader) {
    const struct options *options = reader->options;
    if (options->try && (options->mounts.layers || reader->plan->count || reader->plan->pass_said))
        return wrong("try takes no mounts: its lower is the host");
    char *mistake = ur_mount_options_check(&options->mounts, reader->plan, !options->doctor && !options->try);
    if (mistake)
        return misread(mistake);
    enum options_next right = check_try(reader->options);
    if (right != OPTIONS_RUN)
        return right;
    if (options->doctor && (options->check || options->ephemeral || options->command))
        return wrong("doctor runs no command, and takes no --check and no --ephemeral");
    if (options->json && !options->check && !options->doctor)
        return wrong("--json goes with --check and with doctor");
    if (options->check && options->command)
        return wrong("--check runs no command");
    bool may_run = options->command || (options->mounts.layers && !options->check && !options->doctor);
    if ((options->stats || options->report || options->trace) && !may_run)
        return wrong("--stats, --report and --trace go with a -- COMMAND");
    if (!options->check && !options->doctor && !may_run) /* of the layer file, load_plan asks */
        return wrong("no -- COMMAND");
    return check_nets(reader->options);
}

enum options_next options_read(int argc, char **argv, struct options *options, struct ur_plan *plan) {
    struct reader reader = {.arguments = argv + (argc > 0), .options = options, .plan = plan};
    options->kill_after = 5;
    ur_plan_begin_here(plan);
    if (*reader.arguments && strcmp(*reader.arguments, "doctor") == 0) {
        options->doctor = true;
        reader.arguments++;
    } else if (*reader.arguments && strcmp(*reader.arguments, "try") == 0) {
        options->try = true;
        reader.arguments++;
    }
    while (*reader.arguments && strcmp(*reader.arguments, "--") != 0) {
        enum options_next next = read_option(&reader);
        if (next != OPTIONS_RUN)
            return next;
    }
    if (*reader.arguments && reader.arguments[1])
        options->command = reader.arguments + 1;
    return check_whole(&reader);
}

void options_free(struct options *options) {
    for (size_t i = 0; i < options->writables; i++)
        free(options->writable[i]);
    free(options->writable);
    free(options->keep);
    free(options->report);
    free(options->trace);
    options->keep = options->report = options->trace = NULL;
    options->writable = NULL;
    options->writables = 0;
}
