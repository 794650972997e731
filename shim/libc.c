/*
 * What only one of the libcs has that the object loads in. musl's loader ends a program for a symbol that it does not
 * find, so those are weak.
 */
#include "shim.h"

#include <stdlib.h>

__attribute__((noreturn, weak)) void __chk_fail(void);

void ur_chk_fail(void) {
    if (__chk_fail)
        __chk_fail();
    abort();
}
