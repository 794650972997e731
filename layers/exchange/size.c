/* Sizes as people write them. */
#include "layers/exchange/size.h"
#include "launch/say.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool ur_read_size(const char *option, const char *text, uint64_t *size) {
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (*text >= '0' && *text <= '9' && !errno && !(*end && (!unit || end[1])) && value << shift >> shift == value) {
        *size = value << shift;
        return true;
    }
    say("%s %s: a number is wanted, with K, M, G or T behind it if need be", option, text);
    return false;
}
