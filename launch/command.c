/* The last step; see command.h. */
#include "launch/command.h"
#include "launch/become.h"
#include "launch/say.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int run_command(const char *user, char **command) {
    if (*user && !become(user))
        return EXIT_OURS;
    execvp(command[0], command);
    int error = errno;
    say("%s: %s", command[0], strerror(error));
    return error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}
