/* What the filesystem of an upper can do. */
#ifndef UNIONRUN_CONFIG_PROBE_H
#define UNIONRUN_CONFIG_PROBE_H

#include <stdint.h>

/* Tries each of enum ur_upper_caps in the empty directory `directory` (a descriptor, borrowed), and leaves it as
   empty as it was. */
uint32_t ur_probe_caps(int directory);

#endif
