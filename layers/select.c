/* See select.h. */
#include "layers/select.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool select_matches(const char *pattern, const char *relative) {
    if (strchr(pattern, '/'))
        return fnmatch(pattern + (pattern[0] == '/'), relative, FNM_PATHNAME | FNM_LEADING_DIR) == 0;
    for (const char *at = relative; *at;) {
        size_t length = strcspn(at, "/");
        UR_AUTO_TEXT component = ur_copy(at, length);
        if (fnmatch(pattern, component, 0) == 0)
            return true;
        at += length;
        at += *at == '/';
    }
    return false;
}

static bool any_matches(char *const *patterns, const char *relative) {
    for (; patterns && *patterns; patterns++)
        if (select_matches(*patterns, relative))
            return true;
    return false;
}

static const char *relative(const struct layers *layers, const struct change *change, const char *path) {
    const char *target = layers->plan.mounts[change->mount].target;
    path += target[1] ? strlen(target) : 0;
    return path + (*path == '/');
}

bool select_by_pattern(const struct layers *layers, const struct change *change, char *const *include,
                       char *const *exclude) {
    const char *name = relative(layers, change, change->path);
    const char *old = change->from ? relative(layers, change, change->from) : name;
    bool included = !include || any_matches(include, name) || any_matches(include, old);
    return included && !any_matches(exclude, name) && !any_matches(exclude, old);
}

static bool meant(const struct layers *layers, const struct change *change, const struct select_by *by) {
    bool in = by->paths == 0;
    for (size_t i = 0; i < by->paths && !in; i++)
        in = ur_path_is_in(change->path, by->path[i]) || (change->from && ur_path_is_in(change->from, by->path[i]));
    const char *name = relative(layers, change, change->path);
    const char *old = change->from ? relative(layers, change, change->from) : NULL;
    if (by->include && !any_matches(by->include, name) && !(old && any_matches(by->include, old)))
        return false;
    return in && !any_matches(by->exclude, name) && !(old && any_matches(by->exclude, old));
}

static bool is_whole(const struct change *change) {
    return change->redirect || (change->kind == CHANGE_REPLACED && S_ISDIR(change->now.st.st_mode));
}

/* The outermost whole that a change lies in; NULL: none. */
static const struct change *whole_of(const struct changes *changes, size_t number) {
    for (size_t i = 0; i < changes->count; i++)
        if (is_whole(&changes->change[i]) && ur_path_is_in(changes->change[number].path, changes->change[i].path))
            return &changes->change[i];
    return NULL;
}

static bool check_wholes(const struct selection *s) {
    for (size_t i = 0; i < s->changes->count; i++) {
        const struct change *whole = whole_of(s->changes, i);
        if (!whole || s->chosen[whole - s->changes->change] == s->chosen[i])
            continue;
        UR_AUTO_TEXT one = ur_quoted(s->changes->change[i].path);
        UR_AUTO_TEXT all = ur_quoted(whole->path);
        say("%s cannot be %s alone: %s was %s and goes as a whole", one, s->chosen[i] ? "taken" : "left out", all,
            whole->redirect ? "renamed" : "made anew");
        return false;
    }
    return true;
}

enum answer { ANSWER_YES, ANSWER_NO, ANSWER_REST, ANSWER_NONE, ANSWER_QUIT, ANSWERS, ANSWER_NOBODY };

/* A word or its first letter; ANSWERS: neither. */
static enum answer answer_of(const char *line) {
    static const char *const words[] = {"yes", "no", "all", "done", "quit"};
    size_t i = 0, length = strcspn(line, " \t\n");
    if (line[length + strspn(line + length, " \t\n")])
        return ANSWERS;
    while (i < ANSWERS && (strncasecmp(line, words[i], length) != 0 || (length != 1 && words[i][length])))
        i++;
    return length ? (enum answer)i : ANSWERS;
}

static enum answer ask(const struct change *change, const char *verb) {
    char *line = NULL;
    size_t room = 0;
    enum answer answer = ANSWERS;
    while (answer == ANSWERS) {
        changes_print(change, true, layers_colours());
        printf("%s this? [y]es, [n]o, [a]ll the rest, [d]one, [q]uit: ", verb);
        fflush(stdout);
        answer = getline(&line, &room, stdin) < 0 ? ANSWER_NOBODY : answer_of(line);
    }
    free(line);
    if (answer != ANSWER_NOBODY)
        return answer;
    putchar('\n');
    return ANSWER_QUIT;
}

/* What lies in a whole is asked for with it. */
static void ask_all(struct selection *s, const char *verb) {
    enum answer answer = ANSWER_YES;
    for (size_t i = 0; i < s->changes->count; i++) {
        const struct change *change = &s->changes->change[i], *whole = whole_of(s->changes, i);
        if (!s->chosen[i])
            continue;
        if (whole && whole != change) {
            s->chosen[i] = s->chosen[whole - s->changes->change];
            continue;
        }
        if (answer != ANSWER_REST && answer != ANSWER_NONE)
            answer = ask(change, verb);
        if (answer == ANSWER_QUIT) {
            s->quit = true;
            fflush(stdout);
            say("nothing is done: the changes are as they were");
            return;
        }
        s->chosen[i] = answer == ANSWER_YES || answer == ANSWER_REST;
    }
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add(const char ***list, size_t *count, const char *path) {
    *list = ur_grow(*list, *count, sizeof **list);
    (*list)[(*count)++] = path;
}

bool select_changes(struct selection *s, const struct layers *layers, const struct changes *changes,
                    const struct select_by *by) {
    *s = (struct selection){.changes = changes, .chosen = ur_allocate(changes->count + 1)};
    s->all = !by->paths && !by->include && !by->exclude && !by->interactive;
    for (size_t i = 0; i < changes->count; i++)
        s->chosen[i] = meant(layers, &changes->change[i], by);
    if (!check_wholes(s))
        return false;
    if (by->interactive)
        ask_all(s, by->verb);
    for (size_t i = 0; i < changes->count; i++) {
        const struct change *change = &changes->change[i];
        if (!s->chosen[i])
            continue;
        add(&s->path, &s->paths, change->path);
        if (change->left)
            add(&s->path, &s->paths, change->from);
        if (is_whole(change))
            add(&s->whole, &s->wholes, change->path);
    }
    if (s->paths)
        qsort(s->path, s->paths, sizeof *s->path, by_text);
    return true;
}

void select_free(struct selection *s) {
    free(s->chosen);
    free(s->path);
    free(s->whole);
    *s = (struct selection){0};
}

bool select_wants(void *selection, const char *path) {
    const struct selection *s = selection;
    if (s->all)
        return true;
    if (s->paths && bsearch(&path, s->path, s->paths, sizeof *s->path, by_text))
        return true;
    for (size_t i = 0; i < s->wholes; i++)
        if (ur_path_is_in(path, s->whole[i]))
            return true;
    return false;
}
