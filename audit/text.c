/* Those functions of <string.h> of which not much is asked, of the shim's own: each of libc's would be looked up at the
   start of each program, and its first use would touch pages of code and tables. Built with -ffreestanding. */
#include <stddef.h>
#include <string.h>

void *memchr(const void *at, int ch, size_t n) {
    for (const unsigned char *p = at; n; n--, p++)
        if (*p == (unsigned char)ch)
            return (void *)p;
    return NULL;
}

int strncmp(const char *a, const char *b, size_t n) {
    for (; n && *a && *a == *b; n--)
        a++, b++;
    return n ? (unsigned char)*a - (unsigned char)*b : 0;
}

char *strchr(const char *s, int ch) {
    for (; *s != (char)ch; s++)
        if (!*s)
            return NULL;
    return (char *)s;
}

size_t strspn(const char *s, const char *set) {
    size_t n = 0;
    while (s[n] && strchr(set, s[n]))
        n++;
    return n;
}

size_t strcspn(const char *s, const char *set) {
    size_t n = 0;
    while (s[n] && !strchr(set, s[n]))
        n++;
    return n;
}

char *strrchr(const char *s, int ch) {
    const char *last = NULL;
    for (;; s++) {
        if (*s == (char)ch)
            last = s;
        if (!*s)
            return (char *)last;
    }
}
