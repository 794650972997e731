/* How far it is; see progress.h. */
#include "layers/exchange/progress.h"
#include "layers/progress.h"
#include "layers/stop.h"

static struct progress line;

void ur_progress_begin(void) {
    progress_begin(&line, "");
}

bool ur_progress(const char *what, uint64_t files, uint64_t bytes) {
    line.what = what;
    progress_step(&line, files, bytes);
    return !stop_wanted();
}

void ur_progress_end(void) {
    progress_end(&line);
    stop_end();
}
