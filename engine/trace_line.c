/*
 * A line of the trace: in the look of `strace -f -ttt -T`, with the decision as a comment; or as a JSON object.
 *
 *     4711 1700000000.123456 openat(AT_FDCWD, "/t/a", O_RDONLY) = 3 (comment: shim: lower 2 at "/lowers/2/a")
 * <0.000009>
 *
 * The comment is one of C. Nothing here calls libc.
 */
#include "trace_line.h"
#include "snapshot.h"

#include <dirent.h>
#include <linux/fs.h>

/* Where the line goes. What does not fit is left out; `end` leaves room for what ends a line. */
struct out {
    char *at, *end;
};

static void put_n(struct out *o, const char *text, size_t n) {
    if (n > (size_t)(o->end - o->at))
        n = (size_t)(o->end - o->at);
    memcpy(o->at, text, n);
    o->at += n;
}

static void put(struct out *o, const char *text) {
    put_n(o, text, strlen(text));
}

static void put_digits(struct out *o, uint64_t value, unsigned base, int least) {
    char digits[24];
    int n = 0;
    do {
        digits[sizeof digits - 1 - (unsigned)n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value || n < least);
    put_n(o, digits + sizeof digits - n, (size_t)n);
}

static void put_number(struct out *o, long value) {
    if (value < 0)
        put(o, "-");
    put_digits(o, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, 1);
}

/* Microseconds as seconds. */
static void put_seconds(struct out *o, uint64_t seconds, uint64_t nanoseconds) {
    put_digits(o, seconds, 10, 1);
    put(o, ".");
    put_digits(o, nanoseconds / 1000, 10, 6);
}

/* As strace has them: what is no printable ASCII in octal, as short as it goes. */
static void put_quoted(struct out *o, const char *text) {
    static const char letters[] = "\n\t\r\v\f\"\\", as[] = "ntrvf\"\\";
    put(o, "\"");
    for (const unsigned char *s = (const void *)text; *s; s++) {
        const char *letter = strchr(letters, *s);
        if (letter) {
            put(o, "\\");
            put_n(o, &as[letter - letters], 1);
        } else if (*s >= ' ' && *s < 0x7f)
            put_n(o, (const char *)s, 1);
        else {
            put(o, "\\");
            put_digits(o, *s, 8, s[1] >= '0' && s[1] <= '7' ? 3 : 1);
        }
    }
    put(o, "\"");
}

/* The length of the UTF-8 character that begins here; 0: none does. */
static size_t character(const unsigned char *s) {
    if (s[0] < 0x80)
        return 1;
    size_t n = s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool bad = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf0 && s[1] < 0x90) ||
               (s[0] == 0xf4 && s[1] >= 0x90);
    return bad ? 0 : n;
}

static void put_key(struct out *o, const char *key, const char *more) {
    put(o, ", \"");
    put(o, key);
    put(o, more);
    put(o, "\": ");
}

static void put_base64(struct out *o, const char *bytes, size_t n) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *s = (const void *)bytes;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        unsigned v =
            (unsigned)s[i] << 16 | (left > 1 ? (unsigned)s[i + 1] << 8 : 0) | (left > 2 ? (unsigned)s[i + 2] : 0);
        char four[4] = {digit[v >> 18], digit[v >> 12 & 63], left > 1 ? digit[v >> 6 & 63] : '=',
                        left > 2 ? digit[v & 63] : '='};
        put_n(o, four, 4);
    }
}

/* JSON holds nothing but UTF-8: of another text it gets an approximation, and KEY_base64 the bytes. */
static void put_json(struct out *o, const char *key, const char *text) {
    bool exact = true;
    put_key(o, key, "");
    put(o, "\"");
    for (const unsigned char *s = (const void *)text; *s;) {
        size_t n = character(s);
        if (!n) {
            put(o, "\xef\xbf\xbd"); /* U+FFFD */
            exact = false;
            n = 1;
        } else if (*s < ' ') {
            put(o, "\\u");
            put_digits(o, *s, 16, 4);
        } else {
            if (*s == '"' || *s == '\\')
                put(o, "\\");
            put_n(o, (const char *)s, n);
        }
        s += n;
    }
    put(o, "\"");
    if (exact)
        return;
    put_key(o, key, "_base64");
    put(o, "\"");
    put_base64(o, text, strlen(text));
    put(o, "\"");
}

static void put_error(struct out *o, long error) {
    static const struct { /* no pointers: each would be set at every start of a program */
        int error;
        char name[13];
    } names[] = {
#define NAME(error) {error, #error}
        NAME(EPERM),        NAME(ENOENT),  NAME(EINTR),  NAME(EIO),       NAME(ENXIO),     NAME(E2BIG),
        NAME(ENOEXEC),      NAME(EBADF),   NAME(EAGAIN), NAME(ENOMEM),    NAME(EACCES),    NAME(EFAULT),
        NAME(EBUSY),        NAME(EEXIST),  NAME(EXDEV),  NAME(ENODEV),    NAME(ENOTDIR),   NAME(EISDIR),
        NAME(EINVAL),       NAME(ENFILE),  NAME(EMFILE), NAME(ENOTTY),    NAME(ETXTBSY),   NAME(EFBIG),
        NAME(ENOSPC),       NAME(ESPIPE),  NAME(EROFS),  NAME(EMLINK),    NAME(EPIPE),     NAME(ERANGE),
        NAME(ENAMETOOLONG), NAME(ENOSYS),  NAME(ELOOP),  NAME(ENOTEMPTY), NAME(EOVERFLOW), NAME(ENODATA),
        NAME(EOPNOTSUPP),   NAME(ESTALE),  NAME(EDQUOT), NAME(ELIBBAD),   NAME(EDEADLK),   NAME(ENOLCK),
        NAME(ETIMEDOUT),    NAME(ELIBACC),
#undef NAME
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].error == -error) {
            put(o, names[i].name);
            return;
        }
    put(o, "E");
    put_number(o, -error);
}

static void put_flags(struct out *o, const struct ur_told *told) {
    static const struct flag {
        enum ur_told_kind kind;
        int bits;
        char name[20];
    } flags[] = {
        {UR_TOLD_OPEN, O_CREAT, "O_CREAT"},
        {UR_TOLD_OPEN, O_EXCL, "O_EXCL"},
        {UR_TOLD_OPEN, O_NOCTTY, "O_NOCTTY"},
        {UR_TOLD_OPEN, O_TRUNC, "O_TRUNC"},
        {UR_TOLD_OPEN, O_APPEND, "O_APPEND"},
        {UR_TOLD_OPEN, O_NONBLOCK, "O_NONBLOCK"},
        {UR_TOLD_OPEN, O_SYNC, "O_SYNC"},
        {UR_TOLD_OPEN, O_DSYNC, "O_DSYNC"},
        {UR_TOLD_OPEN, O_DIRECT, "O_DIRECT"},
        {UR_TOLD_OPEN, O_TMPFILE, "O_TMPFILE"},
        {UR_TOLD_OPEN, O_DIRECTORY, "O_DIRECTORY"},
        {UR_TOLD_OPEN, O_NOFOLLOW, "O_NOFOLLOW"},
        {UR_TOLD_OPEN, O_NOATIME, "O_NOATIME"},
        {UR_TOLD_OPEN, O_CLOEXEC, "O_CLOEXEC"},
        {UR_TOLD_OPEN, O_PATH, "O_PATH"},
        {UR_TOLD_AT, AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"},
        {UR_TOLD_AT, AT_SYMLINK_FOLLOW, "AT_SYMLINK_FOLLOW"},
        {UR_TOLD_AT, AT_EACCESS, "AT_EACCESS"},
        {UR_TOLD_AT, AT_NO_AUTOMOUNT, "AT_NO_AUTOMOUNT"},
        {UR_TOLD_AT, AT_EMPTY_PATH, "AT_EMPTY_PATH"},
        {UR_TOLD_ACCESS, 4, "R_OK"},
        {UR_TOLD_ACCESS, 2, "W_OK"},
        {UR_TOLD_ACCESS, 1, "X_OK"},
        {UR_TOLD_REMOVE, AT_REMOVEDIR, "AT_REMOVEDIR"},
        {UR_TOLD_RENAME, RENAME_NOREPLACE, "RENAME_NOREPLACE"},
        {UR_TOLD_RENAME, RENAME_EXCHANGE, "RENAME_EXCHANGE"},
    };
    static const char access[][10] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};
    long left = (int)told->value;
    bool any = told->kind == UR_TOLD_OPEN;
    if (any) {
        put(o, access[left & O_ACCMODE]);
        left &= ~(long)O_ACCMODE & ~0100000L; /* O_LARGEFILE, of which nobody thinks */
    }
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (flags[i].kind != told->kind || (left & flags[i].bits) != flags[i].bits)
            continue;
        put(o, any ? "|" : "");
        put(o, flags[i].name);
        left &= ~flags[i].bits;
        any = true;
    }
    if (left || !any) {
        put(o, any ? "|" : "");
        if (told->kind == UR_TOLD_ACCESS && !left)
            put(o, "F_OK");
        else {
            put(o, left ? "0x" : "");
            put_digits(o, (uint64_t)(unsigned)left, 16, 1);
        }
    }
}

/* The program's own string; NULL if it cannot be read, or is none. */
static const char *text_of(const struct ur_line *l, const struct ur_told *told) {
    const char *text = (const char *)told->value; // NOLINT(performance-no-int-to-ptr)
    long n = text ? ur_length(l->c, text) : -EFAULT;
    if (n < 0)
        return NULL;
    memcpy(l->room, text, (size_t)n < UR_PATH_MAX ? (size_t)n : UR_PATH_MAX - 1);
    l->room[n < UR_PATH_MAX ? n : UR_PATH_MAX - 1] = 0;
    return l->room;
}

/* Does the call of this name take a directory (and flags), as the engine's operation does? "open" and "stat" do not. */
static bool is_at(const char *call) {
    size_t n = strlen(call);
    if (strcmp(call, "statx") == 0)
        return true;
    n -= n && call[n - 1] == '2';
    return n > 5 && memcmp(call + n - 2, "at", 2) == 0;
}

/* Where a descriptor is in the union, if the kernel knows a path of it. */
static const char *place_of(const struct ur_line *l, int fd) {
    char *host = l->room;
    long n = ur_fd_host_path(l->c, fd, host);
    if (n <= 0 || n >= UR_PATH_MAX)
        return NULL;
    host[n] = 0;
    struct ur_scratch *s = ur_scratch_get();
    if (s && *host == '/' && ur_union_path(l->c, host, s->text) > 0)
        memcpy(host, s->text, strlen(s->text) + 1);
    if (s)
        ur_scratch_put(s);
    return host;
}

static const char *by(const struct ur_line *l) {
    return l->c->pid || l->c->behind ? "guard" : "shim";
}

/* "l" for those of the *xattr calls that follow no symlink. */
static const char *prefix(const struct ur_line *l) {
    for (unsigned i = 0; i < l->count && !l->c->call; i++)
        if (l->told[i].kind == UR_TOLD_NOFOLLOW && l->told[i].value)
            return "l";
    return "";
}

static bool is_pending(const struct ur_line *l) {
    return l->passed || l->by_itself;
}

/* Has the call no result here? */
static bool is_open(const struct ur_line *l) {
    return is_pending(l) || l->handed_over || l->begun;
}

static bool is_made(const struct ur_line *l, const struct ur_note_name *n) {
    return n->known && n->kind == UR_ABSENT && l->result >= 0 && !is_pending(l) && !l->begun;
}

/* Which layer of the mount, numbered as people do: the lowers from 1. 0: the upper. */
static unsigned number_of(const struct ur_table_mount *m, unsigned layer) {
    return layer + !ur_has_upper(m);
}

static unsigned layer_number(const struct ur_note_name *n) {
    return number_of(n->mount, n->layer);
}

/* In which layer is what the call has by a descriptor? False: in none, or it has nothing so. */
static bool fd_layer(const struct ur_line *l, unsigned *number) {
    struct ur_fdinfo info = {0};
    for (unsigned i = 0; i < l->count; i++)
        if (l->told[i].kind == UR_TOLD_FD && ur_fd_info(l->c, (int)l->told[i].value, &info, l->room) < 0)
            return false;
    *number = info.known ? number_of(info.mount, info.layer) : 0;
    return info.known;
}

static const void *told_of(const struct ur_line *l, enum ur_told_kind kind) {
    for (unsigned i = 0; i < l->count; i++)
        if (l->told[i].kind == kind)
            return (const void *)l->told[i].value; // NOLINT(performance-no-int-to-ptr)
    return NULL;
}

/* What has become of a listing; NULL: it is none. */
static const struct ur_list *listing_of(const struct ur_line *l) {
    return l->result < 0 ? NULL : told_of(l, UR_TOLD_LISTING);
}

static uint64_t names_in(const struct ur_list *l) {
    const struct ur_snapshot *p = &l->snapshot;
    uint64_t n = 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct ur_packed *e = ur_packed_at(p, i);
        n += e->type != DT_WHT && !ur_is_dot(e->name);
    }
    return n;
}

/* What is to be run in the place of what the call names; NULL: nothing else. */
static const struct ur_exec *exec_of(const struct ur_line *l) {
    const struct ur_exec *x = l->result < 0 ? NULL : told_of(l, UR_TOLD_EXEC);
    return x && (x->loader || *x->interp) ? x : NULL;
}

/* The index's word is worth telling only where nobody has just asked for it: the guard asks twice. */
static bool is_by_index(const struct ur_line *l, const struct ur_note_name *n) {
    return n->indexed && !l->c->pid;
}

static void put_address(struct out *o, long value) {
    put(o, value ? "0x" : "NULL");
    if (value)
        put_digits(o, (uint64_t)value, 16, 1);
}

static void put_argument(struct out *o, const struct ur_line *l, const struct ur_told *told) {
    const char *text;
    switch (told->kind) {
    case UR_TOLD_DIRFD:
        if ((int)told->value == AT_FDCWD)
            put(o, "AT_FDCWD");
        else if (l->c->behind) /* the guard's own number would tell nothing */
            put(o, "?");
        else
            put_number(o, (int)told->value);
        break;
    case UR_TOLD_PATH:
    case UR_TOLD_TEXT:
        text = text_of(l, told);
        if (text)
            put_quoted(o, text);
        else
            put_address(o, told->value);
        break;
    case UR_TOLD_FD:
        if (!l->c->behind)
            put_number(o, (int)told->value);
        text = place_of(l, (int)told->value);
        if (text) {
            put(o, "<");
            put(o, text);
            put(o, ">");
        }
        break;
    case UR_TOLD_GOT:
        text = l->result < 0 ? NULL : text_of(l, told);
        if (text)
            put_quoted(o, text);
        else
            put_address(o, told->value);
        break;
    case UR_TOLD_MASK:
        put_address(o, told->value);
        break;
    case UR_TOLD_MODE:
        put(o, "0");
        put_digits(o, (uint64_t)told->value, 8, 3);
        break;
    case UR_TOLD_NUMBER:
        put_number(o, told->value);
        break;
    case UR_TOLD_ID:
        put_number(o, (int)told->value);
        break;
    default:
        put_flags(o, told);
    }
}

/* Is the argument one of this call, by the name that it has? */
static bool is_told(const struct ur_line *l, const struct ur_told *told) {
    switch (told->kind) {
    case UR_TOLD_NOTHING:
    case UR_TOLD_NOFOLLOW:
    case UR_TOLD_ELSEWHERE:
    case UR_TOLD_EXEC:
    case UR_TOLD_BEGUN:
    case UR_TOLD_LISTING:
        return false;
    case UR_TOLD_DIRFD:
    case UR_TOLD_AT:
    case UR_TOLD_REMOVE:
        return is_at(l->call);
    case UR_TOLD_RENAME:
        return told->value || strcmp(l->call, "renameat2") == 0;
    default:
        return true;
    }
}

static void put_name(struct out *o, const struct ur_line *l, const struct ur_note_name *n) {
    if (n->where == UR_AT_MAGIC)
        put(o, "a link of /proc");
    else if (!n->mount)
        put(o, n->kind == UR_ABSENT ? "absent, host" : "host");
    else if (n->kind == UR_ABSENT)
        put(o, "absent");
    else if (layer_number(n) == 0)
        put(o, "upper");
    else {
        put(o, "lower ");
        put_number(o, layer_number(n));
    }
    if (is_by_index(l, n))
        put(o, " by the index");
    if (*n->path && (!n->given || strcmp(n->given, n->path) != 0)) {
        put(o, " as ");
        put_quoted(o, n->path);
    }
    if (*n->host && strcmp(n->host, n->path) != 0) {
        put(o, " at ");
        put_quoted(o, n->host);
    }
    if (is_made(l, n))
        put(o, n->mount ? ", made in the upper" : ", made");
}

/* One more thing that is told of a decision. */
static void put_next(struct out *o, const char **next, const char *what) {
    put(o, *next);
    put(o, what);
    *next = "; ";
}

static void put_count(struct out *o, const char **next, const char *what, uint64_t n, const char *one,
                      const char *many) {
    if (!n)
        return;
    put_next(o, next, what);
    put_digits(o, n, 10, 1);
    put(o, n == 1 ? one : many);
}

static void put_layer(struct out *o, unsigned number) {
    put(o, number ? "lower " : "upper");
    if (number)
        put_number(o, number);
}

static void put_listing(struct out *o, const struct ur_line *l, const struct ur_list *list, const char **next) {
    const struct ur_note_listing *n = &l->note->listing;
    if (!n->mount) {
        put_next(o, next, "host");
        return;
    }
    put_next(o, next, list->merged ? "merged of " : "");
    for (unsigned i = 0; i < n->layers && i < UR_NOTE_LAYERS; i++) {
        put(o, i ? ", " : "");
        put_layer(o, number_of(n->mount, n->layer[i]));
    }
    put(o, n->layers > UR_NOTE_LAYERS ? ", ..." : "");
    if (list->merged)
        put_count(o, next, "", names_in(list), " name", " names");
}

static void put_exec(struct out *o, const struct ur_exec *x, const char **next) {
    if (*x->interp) {
        put_next(o, next, "a script of ");
        put_quoted(o, x->interp);
        if (*x->interp_arg) {
            put(o, " ");
            put_quoted(o, x->interp_arg);
        }
    }
    put_next(o, next, x->loader ? "by the loader " : "by ");
    put_quoted(o, x->path);
    if (x->loader) {
        put(o, " for ");
        put_quoted(o, x->program);
    }
}

static void put_decision(struct out *o, const struct ur_line *l) {
    const struct ur_note *note = l->note;
    uint64_t files = note->done.files, bytes = note->done.bytes, shared = note->done.cloned;
    const char *next = ": ", *with = files ? ", " : "; copied up ";
    put(o, by(l));
    for (unsigned i = 0; i < 2; i++)
        if (note->name[i].known) {
            put_next(o, &next, "");
            put_name(o, l, &note->name[i]);
        }
    unsigned number;
    if (listing_of(l))
        put_listing(o, l, listing_of(l), &next);
    else if (fd_layer(l, &number)) {
        put_next(o, &next, "");
        put_layer(o, number);
    }
    if (exec_of(l))
        put_exec(o, exec_of(l), &next);
    put_count(o, &next, "copied up ", note->done.directories, " directory", " directories");
    put_count(o, &next, "copied up ", files, " file", " files");
    if (files && note->done.bare)
        put(o, ", metadata alone");
    put_count(o, &with, "", bytes, " byte", " bytes");
    put_count(o, &with, "", shared, " byte shared", " bytes shared");
    put_count(o, &next, "", note->done.whiteouts, " whiteout made", " whiteouts made");
    if (note->opaque)
        put_next(o, &next, "opaque");
    if (is_pending(l) || l->handed_over)
        put_next(o, &next, l->passed ? "passed to the kernel" : l->by_itself ? "left to the process" : "handed over");
}

size_t ur_line_text(const struct ur_line *l, char *out) {
    struct out o = {out, out + UR_LINE - 64};
    put_number(&o, l->pid);
    put(&o, " ");
    put_seconds(&o, (uint64_t)l->at.tv_sec, (uint64_t)l->at.tv_nsec);
    put(&o, " ");
    put(&o, prefix(l));
    put(&o, l->call);
    const char *next = "(";
    for (unsigned i = 0; i < l->count; i++) {
        if (!is_told(l, &l->told[i]))
            continue;
        put(&o, next);
        put_argument(&o, l, &l->told[i]);
        next = ", ";
    }
    put(&o, ") = ");
    if (is_open(l))
        put(&o, "?");
    else if (l->result < 0) {
        put(&o, "-1 ");
        put_error(&o, l->result);
    } else
        put_number(&o, l->result);
    put(&o, " /* ");
    put_decision(&o, l);
    o.end = out + UR_LINE;
    put(&o, " */ <");
    put_seconds(&o, l->nanoseconds / 1000000000, l->nanoseconds % 1000000000);
    put(&o, ">\n");
    return (size_t)(o.at - out);
}

static void put_json_number(struct out *o, const char *key, uint64_t n) {
    put_key(o, key, "");
    put_digits(o, n, 10, 1);
}

static void put_json_argument(struct out *o, const struct ur_line *l, const struct ur_told *told, bool second) {
    const char *text;
    switch (told->kind) {
    case UR_TOLD_DIRFD: /* the decision has the whole path */
        break;
    case UR_TOLD_PATH:
    case UR_TOLD_TEXT:
        text = text_of(l, told);
        if (text)
            put_json(o, told->key ? told->key : second ? "to" : "path", text);
        break;
    case UR_TOLD_FD:
        text = place_of(l, (int)told->value);
        if (text)
            put_json(o, "path", text);
        break;
    case UR_TOLD_GOT:
        text = l->result < 0 ? NULL : text_of(l, told);
        if (text)
            put_json(o, told->key, text);
        break;
    case UR_TOLD_NUMBER:
    case UR_TOLD_ID:
        put_key(o, told->key, "");
        put_argument(o, l, told);
        break;
    default:
        put_key(o, told->key, "");
        put(o, "\"");
        put_argument(o, l, told);
        put(o, "\"");
    }
}

/* What was found: of the second path under "to_"... */
static void put_json_name(struct out *o, const struct ur_line *l, const struct ur_note_name *n, bool second) {
    put_key(o, second ? "to_layer" : "layer", "");
    bool there = n->kind != UR_ABSENT;
    put(o, n->where == UR_AT_MAGIC ? "\"proc\""
           : !there                ? "null"
           : !n->mount             ? "\"host\""
           : !layer_number(n)      ? "\"upper\""
                                   : "\"lower\"");
    if (there && n->mount && layer_number(n))
        put_json_number(o, second ? "to_lower" : "lower", layer_number(n));
    if (*n->path)
        put_json(o, second ? "to_union" : "union", n->path);
    if (*n->host)
        put_json(o, second ? "to_real" : "real", n->host);
    if (is_by_index(l, n)) {
        put_key(o, second ? "to_by_index" : "by_index", "");
        put(o, "true");
    }
    if (is_made(l, n)) {
        put_key(o, "made", "");
        put(o, "true");
    }
}

static void put_json_done(struct out *o, const struct ur_note *note) {
    const struct ur_counts *done = &note->done;
    uint64_t files = done->files, directories = done->directories, bytes = done->bytes, shared = done->cloned,
             bare = done->bare, whiteouts = done->whiteouts;
    if (files || directories || bytes || shared) {
        put_key(o, "copied_up", "");
        put(o, "{\"files\": ");
        put_digits(o, files, 10, 1);
        put_json_number(o, "directories", directories);
        put_json_number(o, "bytes", bytes);
        put_json_number(o, "bytes_shared", shared);
        put_json_number(o, "files_without_data", bare);
        put(o, "}");
    }
    if (whiteouts)
        put_json_number(o, "whiteouts", whiteouts);
    if (note->opaque) {
        put_key(o, "opaque", "");
        put(o, "true");
    }
}

static void put_json_layer(struct out *o, unsigned number) {
    put_key(o, "layer", "");
    put(o, number ? "\"lower\"" : "\"upper\"");
    if (number)
        put_json_number(o, "lower", number);
}

static void put_json_listing(struct out *o, const struct ur_line *l, const struct ur_list *list) {
    const struct ur_note_listing *n = &l->note->listing;
    put_key(o, "merged", "");
    put(o, list->merged ? "true" : "false");
    put_key(o, "layers", "");
    put(o, n->mount ? "[" : "[\"host\"");
    for (unsigned i = 0; n->mount && i < n->layers && i < UR_NOTE_LAYERS; i++) {
        put(o, i ? ", \"" : "\"");
        put_layer(o, number_of(n->mount, n->layer[i]));
        put(o, "\"");
    }
    put(o, "]");
    if (list->merged)
        put_json_number(o, "names", names_in(list));
}

static void put_json_exec(struct out *o, const struct ur_exec *x) {
    if (*x->interp)
        put_json(o, "interpreter", x->interp);
    if (*x->interp_arg)
        put_json(o, "interpreter_argument", x->interp_arg);
    put_json(o, x->loader ? "loader" : "runs", x->path);
    if (x->loader)
        put_json(o, "program", x->program);
}

size_t ur_line_json(const struct ur_line *l, char *out) {
    struct out o = {out, out + UR_LINE};
    put(&o, "{\"time\": ");
    put_seconds(&o, (uint64_t)l->at.tv_sec, (uint64_t)l->at.tv_nsec);
    put_key(&o, "pid", "");
    put_number(&o, l->pid);
    put_key(&o, "by", "");
    put(&o, "\"");
    put(&o, by(l));
    put(&o, "\"");
    put_key(&o, "call", "");
    put(&o, "\"");
    put(&o, prefix(l));
    put(&o, l->call);
    put(&o, "\"");
    for (unsigned i = 0, paths = 0; i < l->count; i++)
        if (is_told(l, &l->told[i])) {
            put_json_argument(&o, l, &l->told[i], paths > 0);
            paths += l->told[i].kind == UR_TOLD_PATH;
        }
    put_key(&o, "result", "");
    if (is_open(l) || l->result < 0)
        put(&o, "null");
    else
        put_number(&o, l->result);
    if (!is_pending(l) && l->result < 0) {
        put_key(&o, "errno", "");
        put(&o, "\"");
        put_error(&o, l->result);
        put(&o, "\"");
    }
    for (unsigned i = 0; i < 2; i++)
        if (l->note->name[i].known)
            put_json_name(&o, l, &l->note->name[i], i > 0);
    unsigned number;
    if (listing_of(l))
        put_json_listing(&o, l, listing_of(l));
    else if (fd_layer(l, &number))
        put_json_layer(&o, number);
    if (exec_of(l))
        put_json_exec(&o, exec_of(l));
    put_json_done(&o, l->note);
    if (is_pending(l)) {
        put_key(&o, "left_to", "");
        put(&o, l->passed ? "\"kernel\"" : "\"process\"");
    }
    if (l->handed_over) {
        put_key(&o, "handed_over", "");
        put(&o, "true");
    }
    put_key(&o, "seconds", "");
    put_seconds(&o, l->nanoseconds / 1000000000, l->nanoseconds % 1000000000);
    put(&o, "}\n");
    return (size_t)(o.at - out);
}
