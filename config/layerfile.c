/*
 * The layer file: from JSON to the plan.
 *
 * Invariant: what comes out has the right form and nothing else. Every key is known, every value of the right
 * type, every path non-empty, expanded, absolute and shorter than PATH_MAX. Whether it fits the host is check.c's
 * question. The file is read whole before any of it is believed, and never more than UR_LAYERFILE_MAX of it.
 */
#include "config/layerfile.h"
#include "config/table.h"
#include "config/text.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static const char *type_name(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_NULL:
        return "null";
    default:
        return "true or false";
    }
}

static bool is_name(char c, bool first) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (!first && c >= '0' && c <= '9');
}

static void append(char **text, size_t *length, const char *more, size_t count) {
    char *longer = ur_allocate(*length + count + 1);
    memcpy(longer, *text, *length);
    memcpy(longer + *length, more, count);
    free(*text);
    *text = longer;
    *length += count;
}

/* "${NAME}" by the environment, "$$" by one dollar. NULL: failed. An empty variable is refused as an unset one is:
   "${BASE}/lib" must not turn into "/lib" by an oversight. */
static char *expand(struct ur_plan *plan, struct ur_said_at where, const char *text) {
    char *result = ur_copy("", 0);
    size_t length = 0;
    while (*text) {
        size_t plain = strcspn(text, "$");
        append(&result, &length, text, plain);
        text += plain;
        if (*text == '\0')
            break;
        if (text[1] == '$') {
            append(&result, &length, "$", 1);
            text += 2;
            continue;
        }
        const char *end = text + 2;
        while (text[1] == '{' && is_name(*end, end == text + 2))
            end++;
        if (text[1] != '{' || *end != '}' || end == text + 2) {
            ur_plan_fail(plan, where, "\"%s\": a $ that begins no ${NAME}; write $$ for a dollar", text);
            free(result);
            return NULL;
        }
        UR_AUTO_TEXT name = ur_copy(text + 2, (size_t)(end - text) - 2);
        const char *value = getenv(name);
        if (!value || !*value) {
            ur_plan_fail(plan, where, "${%s}: the variable is %s; set it, or write the path out", name,
                         value ? "empty" : "not set");
            free(result);
            return NULL;
        }
        append(&result, &length, value, strlen(value));
        text = end + 1;
    }
    return result;
}

/* The path at `where`, expanded and absolute; NULL with the plan's error. */
static char *path_value(struct ur_plan *plan, struct ur_said_at where, const json_t *value) {
    if (!json_is_string(value)) {
        ur_plan_fail(plan, where, "is %s; a path as a string is wanted", type_name(value));
        return NULL;
    }
    UR_AUTO_TEXT expanded = expand(plan, where, json_string_value(value));
    if (!expanded)
        return NULL;
    if (!*expanded) {
        ur_plan_fail(plan, where, "is empty; name a directory");
        return NULL;
    }
    char *path = expanded[0] == '/' ? ur_format("%s", expanded) : ur_path_join(plan->base, expanded);
    if (strlen(path) >= PATH_MAX) {
        ur_plan_fail(plan, where, "the path is longer than %d bytes; shorten it", PATH_MAX - 1);
        free(path);
        return NULL;
    }
    return path;
}

static bool lower_value(struct ur_plan *plan, int number, const json_t *value) {
    struct ur_said_at where = {number, "lower", -1};
    if (json_is_string(value)) {
        char *path = path_value(plan, where, value);
        if (path)
            ur_plan_add_lower(&plan->mounts[number], path);
        return path != NULL;
    }
    if (!json_is_array(value))
        return ur_plan_fail(plan, where, "is %s; an array of paths, topmost first, or one path is wanted",
                            type_name(value));
    size_t count = json_array_size(value);
    if (count == 0)
        return ur_plan_fail(plan, where, "is empty; name at least one directory");
    if (count >= UR_LAYERS_MAX)
        return ur_plan_fail(plan, where, "has %zu layers; %d are the most", count, UR_LAYERS_MAX - 1);
    for (size_t i = 0; i < count; i++) {
        where.index = (int)i;
        char *path = path_value(plan, where, json_array_get(value, i));
        if (!path)
            return false;
        ur_plan_add_lower(&plan->mounts[number], path);
    }
    return true;
}

static bool mount_value(struct ur_plan *plan, int number, json_t *value) {
    struct ur_said_at where = {number, NULL, -1};
    if (!json_is_object(value))
        return ur_plan_fail(plan, where, "is %s; an object with \"target\" and \"lower\" is wanted", type_name(value));
    struct ur_plan_mount *mount = ur_plan_add(plan, UR_PLAN_UNION, number);
    const char *key;
    json_t *member;
    json_object_foreach(value, key, member) {
        where.key = key;
        bool right;
        if (strcmp(key, "target") == 0)
            right = (mount->target = path_value(plan, where, member)) != NULL;
        else if (strcmp(key, "lower") == 0)
            right = lower_value(plan, number, member);
        else if (strcmp(key, "upper") == 0)
            right = (mount->upper = path_value(plan, where, member)) != NULL;
        else if (strcmp(key, "work") == 0)
            right = (mount->work = path_value(plan, where, member)) != NULL;
        else
            right = ur_plan_fail(plan, where, "unknown key; a mount has \"target\", \"lower\", \"upper\" and \"work\"");
        if (!right)
            return false;
    }
    where.key = NULL;
    if (!mount->target)
        return ur_plan_fail(plan, where, "has no \"target\"; say where the union is to be seen");
    if (!mount->lower)
        return ur_plan_fail(plan, where, "has no \"lower\"; name at least one directory");
    return true;
}

static bool mounts_value(struct ur_plan *plan, const json_t *value) {
    struct ur_said_at where = {-1, "mounts", -1};
    if (!json_is_array(value))
        return ur_plan_fail(plan, where, "is %s; an array of mounts is wanted", type_name(value));
    size_t count = json_array_size(value);
    if (count == 0)
        return ur_plan_fail(plan, where, "is empty; give at least one mount");
    if (count > UR_MOUNTS_MAX)
        return ur_plan_fail(plan, where, "has %zu mounts; %d are the most", count, UR_MOUNTS_MAX);
    for (size_t i = 0; i < count; i++)
        if (!mount_value(plan, (int)i, json_array_get(value, i)))
            return false;
    return true;
}

/* "pass" or "writable": the paths of an array, each handed to `add`. */
static bool paths_value(struct ur_plan *plan, const char *key, const json_t *value,
                        void (*add)(struct ur_plan *, char *, int)) {
    struct ur_said_at where = {-1, key, -1};
    if (!json_is_array(value))
        return ur_plan_fail(plan, where, "is %s; an array of paths is wanted", type_name(value));
    if (json_array_size(value) > UR_MOUNTS_MAX)
        return ur_plan_fail(plan, where, "has %zu paths; %d are the most", json_array_size(value), UR_MOUNTS_MAX);
    for (size_t i = 0; i < json_array_size(value); i++) {
        where.index = (int)i;
        char *path = path_value(plan, where, json_array_get(value, i));
        if (!path)
            return false;
        add(plan, path, (int)i);
    }
    return true;
}

static void add_pass(struct ur_plan *plan, char *path, int index) {
    (void)index; /* its own place in the list */
    ur_plan_add_pass(plan, path);
}

static void add_writable(struct ur_plan *plan, char *path, int index) {
    ur_plan_add_writable(plan, path, index, -1);
}

bool ur_run_sets(const char *name) {
    return strcmp(name, "LD_PRELOAD") == 0 || strncmp(name, "UNIONRUN_", 9) == 0;
}

static bool environment_value(struct ur_plan *plan, json_t *value) {
    struct ur_said_at where = {-1, "environment", -1};
    if (!json_is_object(value))
        return ur_plan_fail(plan, where, "is %s; an object of names and values is wanted", type_name(value));
    const char *name;
    json_t *member;
    json_object_foreach(value, name, member) {
        if (!*name || strchr(name, '='))
            return ur_plan_fail(plan, where, "\"%s\": a variable's name is not empty and has no =", name);
        if (ur_run_sets(name))
            return ur_plan_fail(plan, where, "\"%s\": a run sets it itself; take it out", name);
        if (!json_is_string(member))
            return ur_plan_fail(plan, where, "\"%s\" is %s; a string is wanted", name, type_name(member));
        plan->environment = ur_grow(plan->environment, plan->variables, sizeof *plan->environment);
        plan->environment[plan->variables++] = ur_format("%s=%s", name, json_string_value(member));
    }
    return true;
}

static bool command_value(struct ur_plan *plan, const json_t *value) {
    struct ur_said_at where = {-1, "command", -1};
    if (!json_is_array(value))
        return ur_plan_fail(plan, where, "is %s; an array of strings is wanted", type_name(value));
    size_t count = json_array_size(value);
    if (count == 0)
        return ur_plan_fail(plan, where, "is empty; name a program");
    plan->command = ur_allocate((count + 2) * sizeof *plan->command);
    plan->words = count + 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *word = json_array_get(value, i);
        where.index = (int)i;
        if (!json_is_string(word))
            return ur_plan_fail(plan, where, "is %s; a string is wanted", type_name(word));
        if (i == 0 && !*json_string_value(word))
            return ur_plan_fail(plan, where, "is empty; name a program");
        plan->command[i + 1] = ur_format("%s", json_string_value(word));
    }
    return true;
}

static bool raw_value(struct ur_plan *plan, const json_t *value) {
    struct ur_said_at where = {-1, "raw", -1};
    if (!json_is_string(value))
        return ur_plan_fail(plan, where, "is %s; one of " UR_RAW_NAMES " is wanted", type_name(value));
    if (!ur_raw_named(json_string_value(value), &plan->raw))
        return ur_plan_fail(plan, where, "\"%s\": it is one of " UR_RAW_NAMES, json_string_value(value));
    return true;
}

static bool durability_value(struct ur_plan *plan, const json_t *value) {
    struct ur_said_at where = {-1, "durability", -1};
    if (!json_is_string(value))
        return ur_plan_fail(plan, where, "is %s; one of " UR_DURABILITY_NAMES " is wanted", type_name(value));
    plan->durability_said = ur_durability_named(json_string_value(value), &plan->durability);
    return plan->durability_said ||
           ur_plan_fail(plan, where, "\"%s\": it is one of " UR_DURABILITY_NAMES, json_string_value(value));
}

static bool index_value(struct ur_plan *plan, const json_t *value) {
    struct ur_said_at where = {-1, "index", -1};
    if (!json_is_string(value))
        return ur_plan_fail(plan, where, "is %s; " UR_INDEX_SIZES " is wanted", type_name(value));
    plan->index_said = ur_index_size(json_string_value(value), &plan->index);
    return plan->index_said || ur_plan_fail(plan, where, "\"%s\": it is " UR_INDEX_SIZES, json_string_value(value));
}

static bool max_upper_value(struct ur_plan *plan, const json_t *value) {
    struct ur_said_at where = {-1, "max_upper", -1};
    if (!json_is_string(value))
        return ur_plan_fail(plan, where, "is %s; " UR_MAX_UPPER_SIZES " is wanted", type_name(value));
    return ur_max_upper_size(json_string_value(value), &plan->max_upper) ||
           ur_plan_fail(plan, where, "\"%s\": it is " UR_MAX_UPPER_SIZES, json_string_value(value));
}

static bool metacopy_value(struct ur_plan *plan, const json_t *value) {
    struct ur_said_at where = {-1, "metacopy", -1};
    static const char wanted[] = "true, false, or a size of at most 1G from which on it is on, such as \"1M\",";
    const char *text = json_is_boolean(value) ? json_is_true(value) ? "on" : "off" : json_string_value(value);
    if (!text)
        return ur_plan_fail(plan, where, "is %s; %s is wanted", type_name(value), wanted);
    bool word = json_is_string(value) && (*text < '0' || *text > '9');
    plan->metacopy_said = !word && ur_metacopy_named(text, &plan->metacopy);
    return plan->metacopy_said || ur_plan_fail(plan, where, "\"%s\": %s is wanted", text, wanted);
}

static bool root_value(struct ur_plan *plan, const json_t *value) {
    struct ur_said_at where = {-1, "root", -1};
    plan->root = json_is_true(value);
    return json_is_boolean(value) || ur_plan_fail(plan, where, "is %s; true or false is wanted", type_name(value));
}

static bool user_value(struct ur_plan *plan, const json_t *value) {
    struct ur_said_at where = {-1, "user", -1};
    const char *text = json_string_value(value);
    if (!text || !*text || *text == ':')
        return ur_plan_fail(plan, where, "is %s; \"NAME\" or \"UID\" is wanted, with :GROUP or :GID if need be",
                            text ? "empty" : type_name(value));
    plan->user = ur_format("%s", text);
    return true;
}

static bool file_value(struct ur_plan *plan, json_t *root) {
    if (!json_is_object(root))
        return ur_plan_fail_file(plan, 1, "the file is %s; an object with \"mounts\" is wanted", type_name(root));
    const char *key;
    json_t *member;
    bool mounts = false;
    json_object_foreach(root, key, member) {
        struct ur_said_at where = {-1, key, -1};
        bool right;
        if (strcmp(key, "mounts") == 0)
            right = mounts = mounts_value(plan, member);
        else if (strcmp(key, "pass") == 0)
            right = plan->pass_said = paths_value(plan, key, member, add_pass);
        else if (strcmp(key, "writable") == 0)
            right = plan->writable_said = paths_value(plan, key, member, add_writable);
        else if (strcmp(key, "raw") == 0)
            right = raw_value(plan, member);
        else if (strcmp(key, "index") == 0)
            right = index_value(plan, member);
        else if (strcmp(key, "durability") == 0)
            right = durability_value(plan, member);
        else if (strcmp(key, "metacopy") == 0)
            right = metacopy_value(plan, member);
        else if (strcmp(key, "max_upper") == 0)
            right = max_upper_value(plan, member);
        else if (strcmp(key, "root") == 0)
            right = root_value(plan, member);
        else if (strcmp(key, "user") == 0)
            right = user_value(plan, member);
        else if (strcmp(key, "environment") == 0)
            right = environment_value(plan, member);
        else if (strcmp(key, "directory") == 0)
            right = (plan->directory = path_value(plan, where, member)) != NULL;
        else if (strcmp(key, "command") == 0)
            right = command_value(plan, member);
        else if (strcmp(key, "$schema") == 0) /* for editors */
            right = json_is_string(member) || ur_plan_fail(plan, where, "is %s; a string is wanted", type_name(member));
        else
            right = ur_plan_fail(
                plan, where,
                "unknown key; a layer file has \"mounts\", \"pass\", \"writable\", \"raw\", "
                "\"index\", \"durability\", \"metacopy\", \"max_upper\", \"root\", \"user\", \"environment\", "
                "\"directory\" and \"command\"");
        if (!right)
            return false;
    }
    return mounts || ur_plan_fail_file(plan, 1, "key mounts is missing; give at least one mount");
}

/* The kernel has given each process some bytes to hash by: Jansson would open /dev/urandom for its own. */
static void seed(void) {
    size_t bytes = 0;
    const void *random = (const void *)getauxval(AT_RANDOM); // NOLINT(performance-no-int-to-ptr)
    if (random)
        memcpy(&bytes, random, sizeof bytes);
    json_object_seed(bytes);
}

static bool syntax_error(struct ur_plan *plan, const json_error_t *error) {
    switch (json_error_code(error)) {
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return ur_plan_fail_file(plan, error->line, "\\u0000 in a string: no path can hold a NUL; take it out");
    case json_error_invalid_utf8:
        return ur_plan_fail_file(plan, error->line, "not UTF-8: %s; JSON must be", error->text);
    case json_error_duplicate_key:
        return ur_plan_fail_file(plan, error->line, "%s: a key is given twice; take one out", error->text);
    default:
        return ur_plan_fail_file(plan, error->line, "not JSON: %s; correct the file", error->text);
    }
}

bool ur_layerfile_parse(struct ur_plan *plan, const char *file, const char *base, char *text, size_t size) {
    plan->file = ur_format("%s", file);
    plan->base = ur_format("%s", base);
    plan->text = text;
    plan->size = size;
    const char *nul = memchr(text, '\0', size);
    if (nul) {
        int line = 1;
        for (const char *c = text; c < nul; c++)
            line += *c == '\n';
        return ur_plan_fail_file(plan, line, "a NUL byte, which no text holds; is it a layer file?");
    }
    json_error_t error;
    seed();
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!root)
        return syntax_error(plan, &error);
    bool right = file_value(plan, root);
    json_decref(root);
    return right;
}

static char *directory_of(const char *file) {
    const char *slash = strrchr(file, '/');
    UR_AUTO_TEXT directory = !slash          ? ur_format(".")
                             : slash == file ? ur_format("/")
                                             : ur_copy(file, (size_t)(slash - file));
    return realpath(directory, NULL);
}

/* All of the file, at most UR_LAYERFILE_MAX + 1 bytes; a pipe will do. NULL with errno. */
static char *read_whole(const char *file, size_t *size) {
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return NULL;
    char *text = NULL;
    ssize_t got = 1;
    size_t room = 0;
    for (*size = 0; got > 0 && *size <= UR_LAYERFILE_MAX; *size += got > 0 ? (size_t)got : 0) {
        if (*size == room) {
            room = room ? room * 4 : 8192;
            char *longer = ur_allocate(room);
            if (text)
                memcpy(longer, text, *size);
            free(text);
            text = longer;
        }
        got = read(fd, text + *size, room - *size);
    }
    int error = errno;
    close(fd);
    if (got >= 0)
        return text;
    free(text);
    errno = error;
    return NULL;
}

bool ur_layerfile_load(struct ur_plan *plan, const char *file) {
    size_t size;
    char *text = read_whole(file, &size);
    if (!text) {
        plan->file = ur_format("%s", file);
        return ur_plan_fail_file(plan, 0, "%s; name a layer file that can be read", strerror(errno));
    }
    if (size > UR_LAYERFILE_MAX) {
        free(text);
        plan->file = ur_format("%s", file);
        return ur_plan_fail_file(plan, 0, "larger than %d bytes; is it a layer file?", UR_LAYERFILE_MAX);
    }
    UR_AUTO_TEXT base = directory_of(file);
    return ur_layerfile_parse(plan, file, base ? base : "/", text, size);
}
