/* Has a lower changed what an upper's change was based on, since then? */
#ifndef UNIONRUN_LAYERS_CONFLICT_H
#define UNIONRUN_LAYERS_CONFLICT_H

#include "layers/changes.h"

/* Says why for each chosen change that conflicts; returns how many. */
size_t conflicts_tell(const struct layers *layers, const struct changes *changes, const bool *chosen);

#endif
