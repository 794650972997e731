/* A glob of our own, for a libc whose own cannot be told how to look. */
#ifndef UNIONRUN_SHIM_GLOB_SEARCH_H
#define UNIONRUN_SHIM_GLOB_SEARCH_H

#include "shim.h"

#include <glob.h>

/* glob(3) with the flags that POSIX has, and GLOB_PERIOD, GLOB_TILDE, GLOB_TILDE_CHECK. Of *g only gl_pathc, gl_pathv
   and gl_offs are looked at. What it hands out goes back by ur_glob_free. */
int ur_glob_search(const char *pattern, int flags, int (*failed)(const char *, int), glob_t *g);
void ur_glob_free(glob_t *g);

#endif
