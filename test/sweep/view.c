/* A tree as text: what the differential test prints of it. */
#include "sweep.h"
#include "test/differ/differ.h"

#include <stdlib.h>
#include <string.h>

struct state self = {.kept = {-1, -1, -1, -1, -1, -1, -1}, .marks = -1, .without = ","};

int at(const struct place *place) {
    (void)place;
    abort(); /* of the random operations alone */
}

void print_view(const char *root) {
    struct stat st;
    snprintf(self.root, sizeof self.root, "%s", root);
    self.root_length = strlen(root);
    self.device = stat(root, &st) == 0 ? st.st_dev : 0;
    dump(root);
    fflush(stdout);
}

static bool is_number(const char *at, char letter) {
    return at[0] == ' ' && at[1] == letter && at[2] >= '0' && at[2] <= '9';
}

void loosen(char *view) {
    char *to = view;
    for (char *line = view; *line;) {
        size_t len = strcspn(line, "\n");
        char *name = memchr(line, '"', len),
             *end = name ? memchr(name + 1, '"', (size_t)(line + len - name - 1)) : NULL;
        bool directory = end && strncmp(end, "\" d", 3) == 0;
        for (char *at = line; at < line + len;) {
            bool left_out =
                at > end && (directory ? is_number(at, 't') || strncmp(at, " recent", 7) == 0 || is_number(at, 'd')
                                       : is_number(at, 'n'));
            if (left_out) {
                at++;
                at += strcspn(at, " \n");
            } else
                *to++ = *at++;
        }
        line += len;
        if (*line)
            *to++ = *line++;
    }
    *to = 0;
}
