/*
 * ld.so's own look at the union: an rtld-audit(7) object, named in LD_AUDIT where a program's libraries may lie in a
 * union. ld.so opens libraries by itself, where no preloaded hook sees it; but it asks an audit object for
 * each path that it is about to try, and takes another in its stead.
 *
 * It must bring no libc of its own (an audit object gets a namespace, and there a second libc): the engine is
 * all it needs, with the few functions of mem.c.
 */
#include "../engine/engine.h"

#include <link.h>
#include <string.h>

extern void *__libc_stack_end __attribute__((weak)); /* ld.so's: argc, argv, NULL, envp, NULL */

static struct ur_union self;
static bool tried;
static char real[UR_PATH_MAX], name_in_union[UR_PATH_MAX];

static void open_union(void) {
    static const char key[] = "UNIONRUN_SESSION=";
    tried = true;
    if (!&__libc_stack_end || !__libc_stack_end)
        return;
    const long *stack = __libc_stack_end;
    char *const *env = (char *const *)(stack + 1 + stack[0] + 1);
    for (; *env; env++)
        if (strncmp(*env, key, sizeof key - 1) == 0 && ur_union_open(&self, *env + sizeof key - 1) == 0)
            return;
}

__attribute__((visibility("default"))) unsigned la_version(unsigned version);
unsigned la_version(unsigned version) {
    (void)version;
    return 1; /* la_objsearch has been the same since the first */
}

/* `name`: what ld.so will try. Without a slash it is a soname, about to be searched for. NULL: do not try it. */
__attribute__((visibility("default"))) char *la_objsearch(const char *name, uintptr_t *cookie, unsigned flag);
char *la_objsearch(const char *name, uintptr_t *cookie, unsigned flag) {
    (void)cookie, (void)flag;
    if (!tried)
        open_union();
    if (!self.table || !strchr(name, '/'))
        return (char *)name;
    struct ur_caller c = {.u = &self};
    /* $ORIGIN is where the program lies on the host. */
    if (ur_union_path(&c, name, name_in_union) < 0)
        return (char *)name;
    return ur_real(&c, -100 /* AT_FDCWD */, name_in_union, 0, real) < 0 ? NULL : real;
}
