/* The one upper that a tool for exchange is about. */
#include "layers/exchange/one.h"

#include <string.h>

const struct ur_table_mount *layers_one_upper(const struct layers *layers, const char *target) {
    const struct ur_table *table = layers->u.table;
    const struct ur_table_mount *found = NULL;
    UR_AUTO_TEXT wanted = target ? layers_locate(layers, target) : NULL;
    for (uint32_t i = 0; i < table->mounts; i++) {
        const struct ur_table_mount *mount = &ur_table_mounts(table)[i];
        bool upper = mount->flags & UR_MOUNT_UPPER;
        if (wanted ? strcmp(ur_table_text(table, mount->target), wanted) != 0 : !upper)
            continue;
        if (!upper) {
            say("%s: has no upper", target);
            return NULL;
        }
        if (found) {
            say("several mounts have an upper; name the target of one");
            return NULL;
        }
        found = mount;
    }
    if (!found && target)
        say("%s: is no target", target);
    else if (!found)
        say("no mount has an upper");
    return found;
}
