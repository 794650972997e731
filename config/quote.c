/* Names as they can stand in a line for a person; see text.h. */
#include "config/text.h"

#include <stdio.h>
#include <string.h>

size_t ur_character(const unsigned char *s, unsigned *code) {
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    if (n == 0)
        return 0;
    *code = n == 1 ? s[0] : s[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if (s[i] >> 6 != 2)
            return 0;
        *code = *code << 6 | (s[i] & 0x3f);
    }
    bool surrogate = *code >= 0xd800 && *code < 0xe000;
    return *code < least[n] || *code > 0x10ffff || surrogate ? 0 : n;
}

static bool is_plain(unsigned code) {
    bool control = code < ' ' || (code >= 0x7f && code < 0xa0);
    bool turns_text = (code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
                      (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
    return !control && !turns_text && code != '"' && code != '\\';
}

char *ur_quoted(const char *name) {
    const unsigned char *s = (const void *)name;
    bool plain = true;
    for (size_t n; *s && plain; s += n) {
        unsigned code = 0;
        n = ur_character(s, &code);
        plain = n && is_plain(code);
    }
    if (plain && *name)
        return ur_format("%s", name);
    char *out = ur_allocate(4 * strlen(name) + 3), *p = out;
    *p++ = '"';
    for (s = (const void *)name; *s;) {
        unsigned code = 0;
        size_t n = ur_character(s, &code);
        static const char named[] = "\a\b\t\n\v\f\r\"\\", letters[] = "abtnvfr\"\\";
        const char *known = strchr(named, *s);
        if (n && is_plain(code)) {
            memcpy(p, s, n);
            p += n;
            s += n;
        } else if (known) {
            *p++ = '\\';
            *p++ = letters[known - named];
            s++;
        } else
            for (size_t end = n ? n : 1; end; end--)
                p += sprintf(p, "\\%03o", *s++);
    }
    *p++ = '"';
    *p = '\0';
    return out;
}
