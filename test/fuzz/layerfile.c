/* Whatever a layer file holds: it is refused with a reason, or a plan comes of it that can be freed. */
#include "config/layerfile.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ur_plan plan = {0};
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    if (!ur_layerfile_parse(&plan, "fuzz.json", "/base", text, size) && !plan.error)
        abort();
    ur_plan_free(&plan);
    return 0;
}
