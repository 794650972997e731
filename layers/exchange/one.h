/* The one upper that a tool for exchange is about. */
#ifndef UNIONRUN_LAYERS_EXCHANGE_ONE_H
#define UNIONRUN_LAYERS_EXCHANGE_ONE_H

#include "layers/layers.h"

/* The mount with an upper whose target is this; NULL: the only one. Borrowed from the table. NULL: has been said. */
const struct ur_table_mount *layers_one_upper(const struct layers *layers, const char *target);

#endif
