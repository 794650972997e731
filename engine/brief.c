/*
 * Paths of plain names beneath a target, from the index alone: no directory is asked for or loaded, and nothing is
 * walked. Most calls of most programs are answered so, by the one system call that they asked for.
 *
 * The path is put together in room of the caller's own, and there, in the place of its target, the root of the layer
 * that holds it. What is anyhow unusual ("..", a symlink that is to be followed, a long path) is left to the walk.
 */
#include "index.h"
#include "union.h"

typedef uint8_t vector __attribute__((vector_size(16)));
enum { VECTOR = sizeof(vector), WORD = sizeof(uint64_t) };

/* Of VECTOR bytes and those behind each: where a slash is followed by another or by a dot. */
static inline vector odd_slashes(const char *text) {
    vector word, next;
    memcpy(&word, text, VECTOR);
    memcpy(&next, text + 1, VECTOR);
    return (vector)((word == '/') & ((next | ('.' ^ '/')) == '/'));
}

/* Is each name of "name/name" one that the kernel would look up: none empty, too long, "." or ".."? (An absolute path's
   first slash is left out.) Most paths are seen to be so by vectors; nothing behind them is read. */
static bool is_plain(const char *text, size_t len) {
    if (len == 0 || text[len - 1] == '/')
        return false;
    if (text[0] != '.' && text[0] != '/' && len > VECTOR && len <= UR_NAME_MAX) {
        vector odd = {0};
        for (size_t i = 0; i < len - VECTOR - 1; i += VECTOR)
            odd |= odd_slashes(text + i);
        odd |= odd_slashes(text + len - VECTOR - 1);
        uint64_t half[2];
        memcpy(half, &odd, VECTOR);
        if (!(half[0] | half[1]))
            return true;
    }
    for (const char *end = text + len; text < end; text++) {
        size_t n = 0;
        while (text + n < end && text[n] != '/')
            n++;
        if (n == 0 || n > UR_NAME_MAX || (text[0] == '.' && (n == 1 || (n == 2 && text[1] == '.'))))
            return false;
        text += n;
    }
    return true;
}

/* Behind the last slash of a text that begins with one. */
static const char *last_name(const char *text, size_t len) {
    const uint64_t ones = UINT64_C(0x0101010101010101), low = ones * 0x7f;
    const char *end = text + len;
    for (; end - text >= WORD; end -= WORD) {
        uint64_t word;
        memcpy(&word, end - WORD, WORD);
        word ^= ones * '/';
        word = ~(((word & low) + low) | word | low); /* a high bit for each byte that was one */
        if (word)
            return end - __builtin_clzll(word) / 8;
    }
    while (end[-1] != '/')
        end--;
    return end;
}

/* The path in the layer that holds it: in the place of its target that layer's root. */
static inline const char *put_host(const struct ur_union *u, struct ur_brief *b) {
    const struct ur_table_layer *l = ur_table_layers(u->table) + b->mount->first_layer + b->known.layer;
    size_t root = l->root.len > 1 ? l->root.len : 0, target = b->mount->target.len > 1 ? b->mount->target.len : 0;
    char *tail = b->room + UR_BRIEF_ROOT + target, *host = tail - root;
    if (host < b->room)
        return NULL;
    memcpy(host, ur_table_text(u->table, l->root), root);
    if (b->text != b->room + UR_BRIEF_ROOT)
        memcpy(tail, b->text + target, b->len - target + 1);
    return host;
}

static inline __attribute__((always_inline)) bool from(const struct ur_union *u, const struct ur_base *base,
                                                       const char *path, size_t len, bool nofollow,
                                                       struct ur_brief *b) {
    const char *given = path;
    for (; base && len > 1 && path[0] == '.' && path[1] == '/'; path += 2)
        len -= 2;
    if (len >= UR_BRIEF_PATH || len == 0)
        return false;
    b->text = path;
    b->len = len;
    if (base) {
        size_t base_len = base->len > 1 ? base->len : 0;
        char *to = b->room + UR_BRIEF_ROOT;
        if (to + base_len + 1 + len >= b->room + sizeof b->room)
            return false;
        if (base->path != to)
            memcpy(to, base->path, base_len);
        to[base_len] = '/';
        memcpy(to + base_len + 1, path, len);
        b->text = to;
        b->len = base_len + 1 + len;
        to[b->len] = 0;
    }
    b->name = last_name(b->text, b->len);
    b->dir_len = b->name > b->text + 1 ? (size_t)(b->name - 1 - b->text) : 1;
    b->mount = ur_mount_of(u, b->text, b->dir_len);
    if (!b->mount)
        return false;
    /* The base is canonical, and so is the target: they are not looked at. */
    size_t seen = base ? 0 : (b->mount->target.len > 1 ? b->mount->target.len : 0) + 1;
    if (!ur_index_key(u, b->text, b->dir_len, b->name, (size_t)(b->text + b->len - b->name), &b->key) ||
        !is_plain(path + seen, len - seen) || !ur_index_get(&b->key, &b->known) ||
        (b->known.kind == UR_KNOWN_SYMLINK && !nofollow))
        return false;
    b->at = AT_FDCWD;
    b->path = NULL;
    if (b->known.kind >= UR_KNOWN_ABSENT)
        return true;
    if (base && base->at.plain && base->at.mount == b->mount && base->at.layer == b->known.layer) {
        b->at = base->fd;
        b->path = given;
    } else
        b->path = put_host(u, b);
    return b->path;
}

bool ur_brief_from(const struct ur_union *u, const struct ur_base *base, const char *path, size_t len, bool nofollow,
                   struct ur_brief *b) {
    return from(u, base, path, len, nofollow, b);
}

const char *ur_brief_host(const struct ur_union *u, struct ur_brief *b) {
    return b->at == AT_FDCWD && b->path[0] == '/' ? b->path : put_host(u, b);
}

bool ur_brief(const struct ur_caller *c, int dirfd, const char *path, bool nofollow, struct ur_begun *begun,
              struct ur_brief *b) {
    begun->known = begun->tried = false;
    long len = c->u->index && !c->u->note /* the walk tells */ ? ur_length(c, path) : 0;
    if (len <= 0)
        return false;
    if (path[0] == '/') {
        begun->tried = true;
        return from(c->u, NULL, path, (size_t)len, nofollow, b);
    }
    char *to = b->room + UR_BRIEF_ROOT;
    _Static_assert((int)UR_BASE_MAX < (int)UR_BRIEF_PATH, "a directory's path has room where the name's will be");
    struct ur_base base = {.path = to, .fd = dirfd};
    if (ur_is_dot(path))
        return false;
    long base_len = ur_base_recall(c, dirfd, &begun->st, &begun->known, to, &base.at);
    if (base_len <= 0)
        return false;
    base.len = (size_t)base_len;
    begun->tried = true;
    return from(c->u, &base, path, (size_t)len, nofollow, b);
}
