/* The uppers of a run that throws its changes away. */
#include "config/text.h"
#include "launch/launch.h"
#include "launch/say.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool prepare_ephemeral(struct launch *launch) {
    const char *temporary = getenv("TMPDIR");
    UR_AUTO_TEXT base = realpath(temporary && temporary[0] == '/' ? temporary : "/tmp", NULL);
    UR_AUTO_TEXT directory = ur_path_join(base ? base : "/tmp", "unionrun-XXXXXX");
    if (!mkdtemp(directory) || (geteuid() == 0 && chmod(directory, 0711) < 0)) {
        say("%s: %s; set TMPDIR to a directory that can be written", directory, strerror(errno));
        return false;
    }
    launch->ephemeral = ur_format("%s", directory);
    size_t replaced = 0;
    for (size_t i = 0; i < launch->plan.count; i++) {
        struct ur_plan_mount *mount = &launch->plan.mounts[i];
        if (launch->options.mounts.layers && !mount->upper)
            continue; /* the file says that it is read-only */
        UR_AUTO_TEXT own = ur_format("%s/%zu", directory, i);
        if (mkdir(own, 0755) < 0) {
            say("%s: %s", own, strerror(errno));
            return false;
        }
        free(mount->upper);
        free(mount->work);
        mount->upper = ur_path_join(own, "upper");
        mount->work = ur_path_join(own, "work");
        replaced++;
    }
    if (!replaced)
        say("%s: no mount has an upper for --ephemeral to replace; name one", launch->options.mounts.layers);
    return replaced;
}
