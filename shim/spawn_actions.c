/*
 * The list of file actions: made here, because libc's posix_spawn would open and chdir inside itself.
 *
 * libc's structure is kept (its size is ABI) and its three fields mean what they mean to libc, but what the
 * third points to is ours: every function that reads or writes it is in this file and in spawn.c.
 */
#include "spawn_actions.h"

#include <stdlib.h>
#include <unistd.h>

static bool valid_fd(int fd) {
    return fd >= 0 && fd < sysconf(_SC_OPEN_MAX);
}

static int add(posix_spawn_file_actions_t *list, struct __spawn_action action, const char *path) {
    if (list->__used == list->__allocated) {
        int room = list->__allocated + 8;
        struct __spawn_action *more = realloc(list->__actions, (size_t)room * sizeof *more);
        if (!more)
            return ENOMEM;
        list->__actions = more;
        list->__allocated = room;
    }
    action.path = path ? strdup(path) : NULL;
    if (path && !action.path)
        return ENOMEM;
    list->__actions[list->__used++] = action;
    return 0;
}

UR_EXPORT int posix_spawn_file_actions_init(posix_spawn_file_actions_t *list) {
    memset(list, 0, sizeof *list);
    return 0;
}

UR_EXPORT int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *list) {
    for (int i = 0; i < list->__used; i++)
        free(list->__actions[i].path);
    free(list->__actions);
    return 0;
}

UR_EXPORT int posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *list, int fd, const char *path, int flags,
                                               mode_t mode) {
    struct __spawn_action a = {.what = UR_ACTION_OPEN, .fd = fd, .flags = flags, .mode = mode};
    return valid_fd(fd) ? add(list, a, path) : EBADF;
}

UR_EXPORT int posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *list, int fd) {
    return valid_fd(fd) ? add(list, (struct __spawn_action){.what = UR_ACTION_CLOSE, .fd = fd}, NULL) : EBADF;
}

UR_EXPORT int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *list, int fd, int to) {
    struct __spawn_action a = {.what = UR_ACTION_DUP2, .fd = fd, .to = to};
    return valid_fd(fd) && valid_fd(to) ? add(list, a, NULL) : EBADF;
}

UR_EXPORT int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *list, const char *path) {
    return add(list, (struct __spawn_action){.what = UR_ACTION_CHDIR}, path);
}

UR_EXPORT int posix_spawn_file_actions_addfchdir_np(posix_spawn_file_actions_t *list, int fd) {
    return valid_fd(fd) ? add(list, (struct __spawn_action){.what = UR_ACTION_FCHDIR, .fd = fd}, NULL) : EBADF;
}

UR_EXPORT int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *list, int from) {
    return valid_fd(from) ? add(list, (struct __spawn_action){.what = UR_ACTION_CLOSEFROM, .fd = from}, NULL) : EBADF;
}

UR_EXPORT int posix_spawn_file_actions_addtcsetpgrp_np(posix_spawn_file_actions_t *list, int fd) {
    return valid_fd(fd) ? add(list, (struct __spawn_action){.what = UR_ACTION_TCSETPGRP, .fd = fd}, NULL) : EBADF;
}
