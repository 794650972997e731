/* A line of the trace, in words: between trace.c and trace_line.c. */
#ifndef UNIONRUN_ENGINE_TRACE_LINE_H
#define UNIONRUN_ENGINE_TRACE_LINE_H

#include "union.h"

/* What of a call's arguments is told. */
struct ur_told {
    enum ur_told_kind {
        UR_TOLD_NOTHING,
        UR_TOLD_DIRFD,
        UR_TOLD_PATH,
        UR_TOLD_TEXT,
        UR_TOLD_FD,
        UR_TOLD_OPEN, /* flags of a call, from here ... */
        UR_TOLD_AT,
        UR_TOLD_ACCESS,
        UR_TOLD_REMOVE,
        UR_TOLD_RENAME, /* ... to here */
        UR_TOLD_MODE,
        UR_TOLD_NUMBER,
        UR_TOLD_ID,
        UR_TOLD_NOFOLLOW,  /* changes the call's name */
        UR_TOLD_ELSEWHERE, /* struct ur_elsewhere: what the result means */
        UR_TOLD_EXEC,      /* struct ur_exec: what is run; and a success is none yet */
        UR_TOLD_BEGUN,     /* the same of a call that is made by this name afterwards */
        UR_TOLD_LISTING,   /* struct ur_list: what it is of; and the call goes on */
        UR_TOLD_GOT,       /* a path, if it is a success */
        UR_TOLD_MASK       /* in base 16 */
    } kind;
    const char *key; /* in JSON, where the kind does not say it */
    long value;
};

struct ur_line {
    const struct ur_caller *c;
    const char *call;
    const struct ur_told *told;
    unsigned count;
    const struct ur_note *note;
    struct timespec at; /* since the epoch */
    uint64_t nanoseconds;
    long pid;
    long result;
    bool begun;             /* the result is not known yet */
    bool passed, by_itself; /* there is no result: the kernel is to do it, or the process itself */
    bool handed_over;       /* a descriptor, which the guard opened: its number in the process is to be seen */
    char *room;             /* UR_PATH_MAX bytes */
};

enum { UR_LINE = 160 << 10 /* room for any line */ };

/* The line with its newline into `out` (UR_LINE bytes): its length. */
size_t ur_line_text(const struct ur_line *l, char *out);
size_t ur_line_json(const struct ur_line *l, char *out);

#endif
