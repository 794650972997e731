/*
 * The marks of a layer that is being made, in the form that its filesystem and its user can hold, or that somebody
 * wants. What they mean, and how they are written, is the engine's (engine/marks.c).
 */
#ifndef UNIONRUN_LAYERS_EXCHANGE_MARKS_H
#define UNIONRUN_LAYERS_EXCHANGE_MARKS_H

#include "engine/layer.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct ur_forms {
    enum ur_form whiteout, opaque; /* opaque: UR_FORM_XATTR or UR_FORM_NAME */
};

/* What can be had with these capabilities (enum ur_upper_caps), the kernel's own first. */
struct ur_forms ur_forms_of(uint32_t caps);

/* A whiteout of `name` in an open directory. -EEXIST: the name (or its .wh.) is taken. Others as the system calls. */
long ur_put_whiteout(struct ur_forms forms, int directory, const char *name);

/* Makes an open directory opaque. */
long ur_put_opaque(struct ur_forms forms, int directory);

/* Is what `st` tells of, `name` in an open directory, a whiteout (not one of the form .wh.)? */
bool ur_is_whiteout_at(int directory, const char *name, const struct stat *st);

/* Takes a whiteout of `name` away, of whatever form. True if there was one. */
bool ur_drop_whiteout(struct ur_forms forms, int directory, const char *name);

/* The xattrs of a host path, but for marks, to an open file, or (fd -1) to a path. 0 or -errno. */
long ur_pass_xattrs(const char *host, int fd, const char *path);

#endif
