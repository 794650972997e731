/*
 * --trace, for those who call the engine for programs: a call of trace.def's goes by way of the telling, if the run is
 * to be traced. Included last, and not by the engine: what one of its operations asks of another is part of that.
 * (ur_stat)(...) is told by nobody.
 *
 * Where nothing is traced it costs the look at one flag.
 */
#ifndef UNIONRUN_ENGINE_TRACE_H
#define UNIONRUN_ENGINE_TRACE_H

#include "engine.h"

#define UR_TRACED(name, call, parameters, arguments, ...)                                                              \
    long ur_traced_##name parameters;                                                                                  \
    static inline long ur_maybe_##name parameters {                                                                    \
        return __builtin_expect(c->u->traced, 0) ? ur_traced_##name arguments : ur_##name arguments;                   \
    }
#include "trace.def"
#undef UR_TRACED

/* The same of a caller that asks by another system call than the operation's name says. */
static inline struct ur_caller ur_asking(const struct ur_caller *c, const char *call) {
    struct ur_caller as = *c;
    as.call = call;
    return as;
}

/* The kernel is to do what has been asked of the guard, since it comes to the same: told if the run is traced. */
void ur_trace_passed(const struct ur_caller *c, int dirfd, const char *path);

#ifndef UR_TELLS /* trace.c makes the calls themselves */
#define ur_open(...) ur_maybe_open(__VA_ARGS__)
#define ur_open_for(...) ur_maybe_open_for(__VA_ARGS__)
#define ur_open_unless_waits(...) ur_maybe_open_unless_waits(__VA_ARGS__)
#define ur_stat(...) ur_maybe_stat(__VA_ARGS__)
#define ur_statx(...) ur_maybe_statx(__VA_ARGS__)
#define ur_access(...) ur_maybe_access(__VA_ARGS__)
#define ur_readlink(...) ur_maybe_readlink(__VA_ARGS__)
#define ur_statfs(...) ur_maybe_statfs(__VA_ARGS__)
#define ur_mkdir(...) ur_maybe_mkdir(__VA_ARGS__)
#define ur_mknod(...) ur_maybe_mknod(__VA_ARGS__)
#define ur_symlink(...) ur_maybe_symlink(__VA_ARGS__)
#define ur_link(...) ur_maybe_link(__VA_ARGS__)
#define ur_unlink(...) ur_maybe_unlink(__VA_ARGS__)
#define ur_rename(...) ur_maybe_rename(__VA_ARGS__)
#define ur_chmod(...) ur_maybe_chmod(__VA_ARGS__)
#define ur_chown(...) ur_maybe_chown(__VA_ARGS__)
#define ur_utimens(...) ur_maybe_utimens(__VA_ARGS__)
#define ur_truncate(...) ur_maybe_truncate(__VA_ARGS__)
#define ur_fchmod(...) ur_maybe_fchmod(__VA_ARGS__)
#define ur_fchown(...) ur_maybe_fchown(__VA_ARGS__)
#define ur_getxattr(...) ur_maybe_getxattr(__VA_ARGS__)
#define ur_listxattr(...) ur_maybe_listxattr(__VA_ARGS__)
#define ur_setxattr(...) ur_maybe_setxattr(__VA_ARGS__)
#define ur_removexattr(...) ur_maybe_removexattr(__VA_ARGS__)
#define ur_fsetxattr(...) ur_maybe_fsetxattr(__VA_ARGS__)
#define ur_fremovexattr(...) ur_maybe_fremovexattr(__VA_ARGS__)
#define ur_chdir(...) ur_maybe_chdir(__VA_ARGS__)
#define ur_fchdir(...) ur_maybe_fchdir(__VA_ARGS__)
#define ur_exec_plan(...) ur_maybe_exec_plan(__VA_ARGS__)
#define ur_fstat(...) ur_maybe_fstat(__VA_ARGS__)
#define ur_getcwd(...) ur_maybe_getcwd(__VA_ARGS__)
#define ur_real(...) ur_maybe_real(__VA_ARGS__)
#define ur_watched(...) ur_maybe_watched(__VA_ARGS__)
#define ur_canonical(...) ur_maybe_canonical(__VA_ARGS__)
#endif

#endif
