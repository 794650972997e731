/*
 * wordexp: libc's own, but for the patterns, whose files it looks for by calls of its own. So the characters that make
 * a word a pattern are hidden from it, as bytes that mean nothing, and words that come back with such bytes are
 * expanded by our glob. Where a guard serves, libc's own calls are answered in the union, and it is left alone; musl's
 * asks a shell, which has the shim.
 *
 * libc takes for patterns what stands in the words themselves, outside of quotes; not what values and commands come to.
 */
#include "shim.h"

#include <stdlib.h>
#include <wordexp.h>

static const char patterns[] = "*?[";
/* What is hidden, and as what. In a pattern's word libc takes the others for themselves, too, and else it refuses them.
 */
static const char hidden[] = "*?[|&;<>(){}", marks[] = "\1\2\3\4\5\6\16\17\20\21\22\23";
_Static_assert(sizeof hidden == sizeof marks, "a mark for each");

/* Behind the part that begins at `at` ( \ ' " ` $( $(( ${ or one byte ); NULL if it has no end. */
static const char *beyond(const char *at, bool quoted);

static const char *beyond_group(const char *at, const char *end, bool quoted) {
    size_t len = strlen(end);
    while (*at && strncmp(at, end, len) != 0)
        if (!(at = beyond(at, quoted)))
            return NULL;
    return *at ? at + len : NULL;
}

static const char *beyond_command(const char *at) {
    int depth = 0;
    while (*at && (depth || *at != ')')) {
        depth += (*at == '(') - (*at == ')');
        if (strchr("\\'\"", *at))
            at = beyond(at, false);
        else
            at++;
        if (!at)
            return NULL;
    }
    return *at ? at + 1 : NULL;
}

static const char *beyond(const char *at, bool quoted) {
    if (*at == '\\')
        return at[1] ? at + 2 : NULL;
    if (*at == '\'' && !quoted)
        return (at = strchr(at + 1, '\'')) ? at + 1 : NULL;
    if (*at == '"' && !quoted)
        return beyond_group(at + 1, "\"", true);
    if (*at == '`')
        return beyond_group(at + 1, "`", true);
    if (strncmp(at, "$((", 3) == 0)
        return beyond_group(at + 3, "))", true);
    if (strncmp(at, "$(", 2) == 0)
        return beyond_command(at + 2);
    if (strncmp(at, "${", 2) == 0)
        return beyond_group(at + 2, "}", quoted);
    return at + 1;
}

/* Puts the marks into `words`; false if there is nothing to mark, or what is wrong with the words is libc's to say. */
static bool mark(char *words) {
    bool marked = false, in_pattern = false;
    for (char *at = words; *at;) {
        bool begins = strchr(patterns, *at) != NULL;
        const char *which = begins || in_pattern ? strchr(hidden, *at) : NULL;
        in_pattern = (in_pattern || begins) && !strchr(" \t\n", *at);
        marked = marked || begins;
        if (which)
            *at++ = marks[which - hidden];
        else if (!(at = (char *)(size_t)beyond(at, false)))
            return false;
    }
    return marked;
}

static void unmark(char *word) {
    while ((word = strpbrk(word, marks)))
        *word = hidden[strchr(marks, *word) - marks];
}

/* Puts a copy of `word` behind the words of `we`. */
static int add(wordexp_t *we, size_t before, const char *word) {
    char **list = realloc(we->we_wordv, (before + we->we_wordc + 2) * sizeof *list);
    if (!list)
        return WRDE_NOSPACE;
    for (size_t i = 0; !we->we_wordv && i < before; i++)
        list[i] = NULL;
    we->we_wordv = list;
    list += before + we->we_wordc;
    list[0] = list[1] = NULL;
    if (word && !(list[0] = strdup(word)))
        return WRDE_NOSPACE;
    we->we_wordc += word != NULL;
    return 0;
}

static int add_pattern(wordexp_t *we, size_t before, char *word) {
    glob_t g;
    memset(&g, 0, sizeof g);
    unmark(word);
    int error = ur_glob(word, GLOB_NOCHECK, NULL, &g) ? WRDE_NOSPACE : 0;
    for (size_t i = 0; !error && i < g.gl_pathc; i++)
        error = add(we, before, g.gl_pathv[i]);
    globfree(&g);
    return error;
}

UR_EXPORT int wordexp(const char *words, wordexp_t *we, int flags) {
    static _Atomic(void *) next;
    int (*libc_wordexp)(const char *, wordexp_t *, int) = (__typeof(libc_wordexp))ur_next(&next, "wordexp");
    if (!libc_wordexp)
        return WRDE_NOSPACE;
    if (!ur_in_glibc() || !ur_in_session() || ur_guarded() || !strpbrk(words, patterns) || strpbrk(words, marks))
        return libc_wordexp(words, we, flags);
    char *marked = strdup(words);
    if (!marked)
        return WRDE_NOSPACE;
    if (!mark(marked)) {
        free(marked);
        return libc_wordexp(words, we, flags);
    }
    wordexp_t all = {0};
    int error = libc_wordexp(marked, &all, flags & (WRDE_NOCMD | WRDE_SHOWERR | WRDE_UNDEF));
    free(marked);
    if (error)
        return error;
    if (flags & WRDE_REUSE)
        wordfree(we);
    if (flags & WRDE_REUSE || !(flags & WRDE_APPEND)) {
        we->we_wordv = NULL;
        we->we_wordc = 0;
    }
    if (!(flags & WRDE_DOOFFS))
        we->we_offs = 0;
    error = add(we, we->we_offs, NULL);
    for (size_t i = 0; !error && i < all.we_wordc; i++)
        error = strpbrk(all.we_wordv[i], marks) ? add_pattern(we, we->we_offs, all.we_wordv[i])
                                                : add(we, we->we_offs, all.we_wordv[i]);
    wordfree(&all);
    return error;
}
