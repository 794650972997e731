/* Strings of paths. Nothing here asks the disk. */
#include "union.h"

char *ur_put(char *at, const char *end, const char *text, size_t len) {
    if (!at || (size_t)(end - at) <= len)
        return NULL;
    memcpy(at, text, len);
    at[len] = 0;
    return at + len;
}

char *ur_put_number(char *at, const char *end, uint64_t value, unsigned base) {
    char digits[64];
    unsigned n = sizeof digits;
    do {
        digits[--n] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    return ur_put(at, end, digits + n, sizeof digits - n);
}

uint64_t ur_get_number(const char **at, unsigned base) {
    uint64_t value = 0;
    for (;; (*at)++) {
        char ch = **at;
        unsigned digit;
        if (ch >= '0' && ch <= '9')
            digit = (unsigned)(ch - '0');
        else if (ch >= 'a' && ch <= 'f')
            digit = (unsigned)(ch - 'a' + 10);
        else
            return value;
        if (digit >= base)
            return value;
        value = value * base + digit;
    }
}

uint32_t ur_hash(const char *text, size_t len) {
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * 16777619u;
    return h ^ h >> 15;
}
