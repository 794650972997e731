/*
 * ld.so's own look at the union: an rtld-audit(7) object, named in LD_AUDIT where a program's libraries may lie in a
 * union. ld.so opens libraries by itself, where no preloaded hook sees it; but it asks an audit object for
 * each path that it is about to try, and takes another in its stead.
 *
 * It must bring no libc of its own (an audit object gets a namespace, and there a second libc): the engine is
 * all it needs, with the few functions of mem.c.
 */
#include "../engine/engine.h"
#include "../engine/sys.h"

#include <link.h>
#include <string.h>

static struct ur_union self;
static bool tried;
static char real[UR_PATH_MAX], name_in_union[UR_PATH_MAX];

/* The session, from the environment. ld.so hands an audit object none, and its own symbols are out of reach. */
static bool find_session(char *out) {
    static const char key[] = "UNIONRUN_SESSION=";
    char buf[1024];
    size_t matched = 0, len = 0; /* of the key; of the value. SIZE_MAX: not this variable */
    long n, fd = sys_open("/proc/self/environ", O_RDONLY | O_CLOEXEC, 0);
    bool found = false;
    while (fd >= 0 && !found && (n = sys_read((int)fd, buf, sizeof buf)) > 0)
        for (long i = 0; i < n && !found; i++) {
            if (matched == sizeof key - 1 && len < UR_PATH_MAX) {
                out[len++] = buf[i];
                found = !buf[i];
            } else if (!buf[i])
                matched = 0;
            else
                matched = matched != SIZE_MAX && buf[i] == key[matched] ? matched + 1 : SIZE_MAX;
        }
    if (fd >= 0)
        sys_close((int)fd);
    return found;
}

static void open_union(void) {
    tried = true;
    if (find_session(real))
        ur_union_open(&self, real);
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
    return ur_real(&c, AT_FDCWD, name_in_union, 0, real) < 0 ? NULL : real;
}
