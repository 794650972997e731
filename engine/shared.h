/*
 * What all processes of a run share while it lasts: one file of the session directory, mapped by each.
 * A file of zero bytes of the right size is the right first state. Everything in it is a hint that can be
 * lost: what it knows makes a lookup cheaper, and a process killed in the middle of a change leaves it
 * unsure (see `changing`), never wrong. The exception is the log of moves: it is appended to, never edited.
 */
#ifndef UNIONRUN_ENGINE_SHARED_H
#define UNIONRUN_ENGINE_SHARED_H

#include "root.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    UR_COVERED_BITS = 1 << 19, /* 64 KiB of filter */
    UR_DEAD = 128,             /* removed directories whose place is remembered */
    UR_DEAD_PATH = 496,
    UR_MOVES_BYTES = 4 << 20, /* sparse: only what is used takes memory */
    UR_MOVE_PATH = 4096,
    UR_HALFWAY = 16, /* renames by two steps under way that a reader may find cut */
    UR_HALFWAY_NOTE = 24,
    UR_MOVES_CHUNK = 64 << 10, /* what is given memory at once */
    UR_MOVES_FULL = UR_MOVES_BYTES + 1,
    UR_TIMES = 64, /* copy-ups under way */
    UR_DIRS = 1024,
    UR_CHANGERS = 64,
    UR_TIMES_PATH = 4096,
    UR_GONE_BITS = 1 << 17,   /* 16 KiB of filter */
    UR_ROOTS = 1024,          /* at least UR_MOUNTS_MAX */
    UR_INDEX_LEAST = 64,      /* what is smaller is none */
    UR_INDEX_BYTES = 8 << 20, /* of the index, if nothing is said: 900,000 names */
    UR_INDEX_PARTS = 1024,    /* at most; each is given memory when it is first asked for */
    UR_NAMES = 1024,
    UR_LISTINGS = 2048, /* places, of as many listings each as fill a cache line with their state */
    UR_LISTINGS_PLACE = 7,
    UR_ANSWERS = 512,
    UR_METACOPIES = 1024,
    UR_PROGRAMS = 256,
    UR_PROGRAM_PATH = 80,
    UR_IDS = 256,
    UR_COPYING = 8,
    UR_COPYING_PATH = 232,
    UR_COPYING_PIECE = 4 << 20, /* how much is copied between two looks at how far it is */
};

struct ur_shared {
    /* Directories: `generation` counts the changes of which directory a path leads to, or of the layers that
       a directory has (a directory copied up, renamed, removed). A change adds 1 to `changing`, then 1 to
       the generation, changes the disk, adds 1 to the generation, takes 1 off `changing`. What a process
       learnt from the disk holds as long as the generation is the one that it saw before it looked, and
       may be kept only if nobody was changing then. A process killed half-way leaves `changing` above 0:
       from then on nobody keeps anything, and every lookup asks the disk. */
    _Atomic uint64_t generation;
    _Atomic uint32_t changing;

    /* Not 0: the guard serves this run, so what does not come through the gate (gate.h) is answered in the union's
       namespace, and a raw path is not seen. Set before the command starts. */
    _Atomic uint32_t guard;

    /* Set once a mount's work directory holds an entry in links/ or origin/: without them nobody looks there. */
    _Atomic uint32_t links;
    _Atomic uint32_t origins;
    /* Set once a redirected directory was met or made: from then on every directory rename is logged. */
    _Atomic uint32_t redirects;
    /* Set once a directory of a union is watched for changes (watch.c): from then on what a deletion tells watches is
       seen to. */
    _Atomic uint32_t watched;

    /* How often the guard gave a process a directory (descriptors.c). */
    _Atomic uint32_t given;

    /* The process that was first refused a mount where no guard could say so; 0: none was. */
    _Atomic uint32_t mount_refused;

    /* What was last found out of a device (stat.c): its number << 2, whether files show it << 1, whether it has layers.
     */
    _Atomic uint64_t device;

    struct ur_own_loader {         /* exec.c */
        _Atomic uint32_t sequence; /* odd while it is written */
        uint64_t generation;
        char path[64];
    } own_loader;
    struct ur_program {            /* programs.c */
        _Atomic uint32_t sequence; /* odd while it is written */
        bool in_union, audit;
        uint64_t dev, ino;
        int64_t ctime, ctime_ns, size;
        char path[UR_PROGRAM_PATH]; /* NUL-terminated */
    } programs[UR_PROGRAMS];

    /* The index (index.c), which follows this block: its seed, set before the command starts; its epoch; and a Bloom
       filter of the paths at which a directory was removed. */
    uint64_t seed;
    _Atomic uint64_t epoch;
    _Atomic uint8_t index_part[UR_INDEX_PARTS]; /* enum ur_index_part of each */
    /* Of each layer, by its number in the table (and of others that share the bit): whether it may hold files without
       their data (metacopy.c). */
    _Atomic uint64_t metacopies[UR_METACOPIES / 64];
    _Atomic uint32_t metacopies_any;

    _Atomic uint64_t roots_open[UR_ROOTS / 64], roots_even[UR_ROOTS / 64]; /* of each mount: union.h, ur_dir */
    _Atomic uint64_t gone[UR_GONE_BITS / 64];

    /* Where listings are kept (listings.c); how much was ever written to their ring, and how much of it has memory. */
    struct ur_listing_place {
        _Atomic uint64_t state, word[UR_LISTINGS_PLACE];
    } listing[UR_LISTINGS];
    _Atomic uint64_t listings_next, listings_had;

    /* What was done so far, for --stats and --report: nobody in the run reads it. */
    struct ur_counts {
        _Atomic uint64_t files, directories; /* copied up; files are all that are no directories */
        _Atomic uint64_t bare;               /* files of which the data stayed in the lower (metacopy.c) */
        _Atomic uint64_t bytes, cloned;      /* of files' data: copied; shared with the lower's (reflink) */
        _Atomic uint64_t whiteouts;          /* made */
    } counts;
    struct ur_quota {             /* quota.c; only where there is a limit */
        _Atomic int64_t bytes;    /* that the uppers hold; a moment's too few is no harm */
        _Atomic uint64_t refused; /* calls, for want of room */
    } quota;
    /* Long copy-ups under way, if somebody wants to see them (copying.c). A slot counts if `size` is not 0. */
    _Atomic uint32_t copying_wanted;
    struct ur_copying {
        _Atomic uint32_t owner;      /* the thread; 0: free */
        _Atomic uint64_t size, done; /* bytes; all of them done and the slot still there: it is being synced */
        _Atomic uint32_t shown;      /* by the reader: on the terminal now */
        uint64_t begun;              /* CLOCK_MONOTONIC, nanoseconds */
        char path[UR_COPYING_PATH];  /* in the union, NUL-terminated; without its beginning if it does not fit */
    } copying[UR_COPYING];
    /* Lines of --trace that could not be written (trace.c). */
    _Atomic uint64_t trace_missed;
    /* The same of the guard's answers, by the number of the system call; only if `answers_wanted`. */
    _Atomic uint32_t answers_wanted;
    struct ur_answers {
        _Atomic uint64_t count, time, longest; /* nanoseconds */
    } answers[UR_ANSWERS];

    /* A Bloom filter of the lower inodes of which a name was copied up or removed in this run: a descriptor that was
       opened before still shows the lower one. */
    struct ur_files {
        _Atomic uint32_t any; /* most runs that change little ask for many files and have none here */
        _Atomic uint64_t bits[UR_COVERED_BITS / 64];
    } covered;

    /* The same of the upper inodes that were given an origin in this run. `reused`: uppers held something before it. */
    struct ur_files originated;
    _Atomic uint32_t reused;

    /* Directories that were removed by way of the work directory, the newest UR_DEAD of them: a cwd in one is told by
       the kernel as work/tmp/KEY. `ticket` is odd while a slot is written (moves.c). */
    _Atomic uint32_t dead_next;
    struct ur_dead {
        _Atomic uint32_t ticket;
        uint32_t mount;
        uint64_t key;
        char path[UR_DEAD_PATH]; /* the union's, NUL-terminated */
    } dead[UR_DEAD];

    /* The ids that processes have taken under a simulated root (ids.c). */
    struct ur_ids_place {
        _Atomic uint32_t state;
        struct ur_ids ids;
    } ids[UR_IDS];

    /* Locks of names that whiteouts have to do with (namelock.c): the owner (owner.c) and when he took it, or 0. */
    _Atomic uint64_t names[UR_NAMES];
    _Atomic uint32_t names_left; /* set once one was taken from who had died: he may have left a note (halfway.c) */
    _Atomic uint64_t moving;     /* such a lock: of who moves what the log of moves is to tell (rename.c) */

    /* The times of directories in which a copy appears, until they are given back (times.c). A slot that is left `set`
       is a killed process'. */
    _Atomic uint32_t times_given;
    /* Changes of names in directories, by the hash of the directory's union path: from bit 32 on how many have begun,
       and below how many are under way that found no place in `changers`, where the others are. Copies are none. */
    _Atomic uint64_t names_changed[UR_DIRS];
    struct ur_changer {
        _Atomic uint32_t owner; /* owner.c; 0: free */
        _Atomic uint32_t dir;   /* of names_changed */
    } changers[UR_CHANGERS];
    _Atomic uint32_t times_state[UR_TIMES]; /* UR_TIMES_FREE ... */
    _Atomic uint64_t times_had;             /* which of `times` have memory */

    /* Renames by two steps under way (halfway.c): how many, and of each the owner (0: free) and its note. */
    _Atomic uint32_t halfway_any;
    struct ur_halfway_place {
        _Atomic uint32_t owner;
        uint32_t mount;
        char note[UR_HALFWAY_NOTE];
    } halfway[UR_HALFWAY];

    /* What is being moved, from before until the log tells it (moves.c). `owner` is what holds `moving`; 0: nothing. */
    struct ur_under_way {
        _Atomic uint64_t owner;
        uint64_t ino;         /* in the upper, of what comes to the second path */
        uint32_t mount, seen; /* so much of the log was there before */
        uint16_t kind, from_len, to_len;
        char text[2 * UR_MOVE_PATH]; /* as in the log */
    } under_way;

    /* Sparse: the log of moves (moves.c): struct ur_move after struct ur_move; `moves_used` bytes are complete. */
    _Atomic uint32_t moves_lock;
    _Atomic uint32_t moves_used;
    _Atomic uint32_t moves_had; /* how much of it has memory; 0: the first chunk; UR_MOVES_FULL: no more can be had */
    unsigned char moves[UR_MOVES_BYTES];

    struct ur_times_slot { /* sparse, too: one has memory from its first use on */
        int64_t time[4];   /* atime, mtime: seconds and nanoseconds */
        uint32_t owner, hash;
        uint32_t begun;           /* of names_changed, when they were taken */
        char path[UR_TIMES_PATH]; /* the copy's, on the host; NUL-terminated */
    } times[UR_TIMES];
};
enum { UR_IDS_FREE, UR_IDS_WRITTEN, UR_IDS_READY };
enum { UR_TIMES_FREE, UR_TIMES_TAKEN, UR_TIMES_SET };
enum ur_index_part { UR_PART_NEW, UR_PART_READY, UR_PART_NONE /* there was no room, and it stays so */ };

/* The index begins at the next page; behind it, twice as large, is the ring of listings. */
#define UR_SHARED_SIZE ((sizeof(struct ur_shared) + 4095) / 4096 * 4096)

/* Does a guard serve the run that this is of? */
static inline bool ur_guard_serves(const struct ur_shared *shared) {
    return shared && atomic_load_explicit(&shared->guard, memory_order_relaxed);
}

#endif
