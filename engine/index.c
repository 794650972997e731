/*
 * The index: which layer holds a name, and which names are absent, in memory that all processes of a run share. With
 * it a lookup is the one system call that the program asked for, or none at all for a name that is not there.
 *
 * A name's key is a hash of its canonical union path, seeded by the run. What stands under it is true, always: whoever
 * changes what a name means takes the entry out first and says that the bucket is changing (UR_NAME_CHANGES), and
 * nobody enters anything then, but at its end he himself what has come of it. So a process that is killed in the middle
 * of a change leaves a bucket in which nothing is entered any more: the disk is asked, as without an index.
 *
 *   bucket     a cache line: a word of state (how many are changing a name of it; a counter of reservations and
 *              changes), and 7 entries
 *   entry      one 64-bit word, read and written whole: 51 bits of the hash, and either the kind and the layer of
 *              a name; or, under another hash of the same name, the stack of the directory: a bit for each of its
 *              layers. 0: free
 *
 * To enter a name one reserves an entry before the disk is asked, and afterwards puts the answer there by one
 * compare-and-swap. Who begins a change in between has taken the reservation away; who began before is seen by his
 * count. Any entry may be pushed out by another: that is the bound of the memory.
 *
 * A whole subtree is changed by the epoch, which is part of the key: all entries made before are out of reach. It
 * counts what the entries of names cannot know: a directory that was moved, one that is searched by others than
 * before, a name of a removed directory (all below it absent) given to something that is none.
 *
 * What is not entered: names in directories that a redirect leads to, or beneath which a target or a hidden directory
 * lies; lower files with several names (links.c); anything but files, directories and symlinks. And names whose answer
 * may depend on who asks: see ur_dir's `open` and `even`.
 *
 * That two of a run's names share 63 bits of a hash is taken as impossible: with a million names known, asking for a
 * million more meets it once in 10^7 runs.
 *
 * A name has three buckets: at home, among the few that its directory has; away, in a block of pages, for what a large
 * directory has no room for at home; and far, anywhere, for what a huge one has no room for in its block. So who works
 * in one directory touches few cache lines and pages: one that the processor does not have costs as much as all the
 * rest of a lookup. What is in the next counts only while those before it are full.
 */
#include "index.h"

enum { ENTRIES = 7, BUCKET = 64, HOME = 512, BLOCK = 64 << 10 };

struct bucket {
    _Atomic uint64_t state; /* low half: changes under way; high half: a counter, by which reservations differ */
    _Atomic uint64_t entry[ENTRIES];
};
_Static_assert(sizeof(struct bucket) == BUCKET, "a bucket is a cache line");

/* An entry: hash, then PLAIN, the layer, the kind. */
#define KIND UINT64_C(7)
#define LAYER_SHIFT 3
#define LAYER (UINT64_C(511) << LAYER_SHIFT)
#define PLAIN (UINT64_C(1) << 12)
#define HASH (~UINT64_C(0) << 13)
#define SOLE UINT64_C(511) /* in the place of the layer: the upper, and the lowers show nothing */
_Static_assert(UR_LAYERS_MAX <= SOLE, "a layer's number has 9 bits");

#define CHANGING UINT64_C(0xffffffff)
#define TICKET (UINT64_C(1) << 32)

static uint64_t fold(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t word_at(const char *text, size_t bytes) {
    uint64_t word = 0;
    memcpy(&word, text, bytes);
    return word;
}

static const uint64_t odd[2] = {UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xd6e8feb86659fd93)};

/* Both factors are secret: a text that makes one of them 0 would have the same hash after whatever came before. */
static inline uint64_t other(uint64_t h) {
    return (h << 32 | h >> 32) ^ odd[0];
}

/* A long text in two halves, for a product takes longer to be known than to be begun. */
static inline __attribute__((always_inline)) uint64_t half_hash(const char *text, size_t len, uint64_t seed) {
    uint64_t h = seed ^ len * odd[1], a = 0, b = 0;
    if (len > 16) {
        uint64_t g = other(h);
        for (; len > 32; text += 32, len -= 32) {
            h = fold(word_at(text, 8) ^ h, word_at(text + 8, 8) ^ other(h));
            g = fold(word_at(text + 16, 8) ^ g, word_at(text + 24, 8) ^ other(g));
        }
        if (len > 16) {
            g = fold(word_at(text, 8) ^ g, word_at(text + 8, 8) ^ other(g));
            text += 16;
            len -= 16;
        }
        h ^= g;
    }
    if (len >= 8) { /* what is left, from both its ends */
        a = word_at(text, 8);
        b = word_at(text + len - 8, 8);
    } else if (len >= 4) {
        a = word_at(text, 4);
        b = word_at(text + len - 4, 4);
    } else if (len > 0)
        a = (uint64_t)(unsigned char)text[0] << 16 | (uint64_t)(unsigned char)text[len / 2] << 8 |
            (unsigned char)text[len - 1];
    return fold(a ^ h, b ^ other(h));
}

static uint64_t hash(const char *text, size_t len, uint64_t seed) {
    return fold(half_hash(text, len, seed) ^ odd[1], odd[0]);
}

/* Of a name, whose directory's half hash is `d`. The two can be worked out at the same time. */
static inline uint64_t name_hash(const struct ur_union *u, uint64_t d, const char *name, size_t len) {
    return fold(d ^ odd[1], half_hash(name, len, other(u->shared->seed)) ^ odd[0]);
}

uint64_t ur_index_hash(const struct ur_union *u, const char *text, size_t len) {
    return hash(text, len, u->shared->seed);
}

/* The bucket of `name` in the `area` bytes of its directory. */
static struct bucket *bucket_of(const struct ur_union *u, uint64_t dir, uint64_t name, uint64_t area) {
    struct bucket *all = u->index;
    uint64_t mask = u->index_bytes / BUCKET - 1, in_area = area / BUCKET - 1;
    return &all[((dir & ~in_area) | (name & in_area)) & mask];
}

static uint64_t in_epoch(const struct ur_union *u, uint64_t name) {
    return (name ^ atomic_load(&u->shared->epoch) * UINT64_C(0xa0761d6478bd642f)) & HASH;
}

static uint64_t stack_hash(uint64_t hash) {
    return hash ^ (UINT64_C(0xe7037ed1a0b428db) & HASH);
}

static inline _Atomic uint8_t *part_of(const struct ur_union *u, uint64_t bucket) {
    return &u->shared->index_part[(bucket * BUCKET & (u->index_bytes - 1)) >> u->index_part_shift];
}

/* Has the part of the index where a bucket lies its memory? */
static inline bool is_ready(const struct ur_union *u, uint64_t bucket) {
    return atomic_load(part_of(u, bucket)) == UR_PART_READY;
}

/* The same of who would have it so: a part gets its memory when somebody first asks. If there is none then nobody ever
   enters anything there: that a name was changing could not be told. A process that cannot ask (it has no descriptor
   left, or another root) and `changes` nothing leaves it to the others. */
static __attribute__((noinline)) bool make_ready(const struct ur_union *u, uint64_t bucket, bool changes) {
    _Atomic uint8_t *part = part_of(u, bucket);
    uint8_t state = atomic_load(part);
    if (state == UR_PART_NEW) {
        uint64_t size = UINT64_C(1) << u->index_part_shift;
        long ret = ur_shared_room(u, UR_SHARED_SIZE + (uint64_t)(part - u->shared->index_part) * size,
                                  size < u->index_bytes ? size : u->index_bytes);
        if (ret < 0 && ret != -ENOSPC && !changes)
            return false;
        uint8_t found = ret < 0 ? UR_PART_NONE : UR_PART_READY;
        if (atomic_compare_exchange_strong(part, &state, found))
            state = found;
    }
    return state == UR_PART_READY;
}

/* The buckets are the same in each epoch, so that a change that outlasts one is seen in the next. */
static bool key_of(const struct ur_union *u, const char *dir, size_t dir_len, const char *name, size_t len,
                   bool changes, struct ur_key *k) {
    if (!u->index)
        return false;
    uint64_t d = half_hash(dir, dir_len, u->shared->seed);
    if (!is_ready(u, d >> 32) && !make_ready(u, d >> 32, changes)) /* home and away lie in one part */
        return false;
    uint64_t n = name_hash(u, d, name, len), now = in_epoch(u, n);
    *k = (struct ur_key){
        .u = u,
        .home = bucket_of(u, d >> 32, n, HOME)->entry,
        .away = bucket_of(u, d >> 32, n >> 32, BLOCK)->entry,
        .hash = now,
        .stack = stack_hash(now),
        .name = n,
    };
    __builtin_prefetch(k->home);
    return true;
}

bool ur_index_key(const struct ur_union *u, const char *dir, size_t dir_len, const char *name, size_t len,
                  struct ur_key *k) {
    return key_of(u, dir, dir_len, name, len, false, k);
}

/* Of a directory's stack: bits for its layers, and who may search it. */
#define STACK_KIND UINT64_C(1)
#define OPEN (UINT64_C(1) << 3)
#define EVEN (UINT64_C(1) << 4)
enum { LAYERS_SHIFT = 5, LAYERS = 8 };

/* Where it is said that a name is changing. */
static _Atomic uint64_t *state_of(const struct ur_key *k) {
    return &((struct bucket *)((char *)k->home - offsetof(struct bucket, entry)))->state;
}

/* Its third bucket; NULL: it has no memory, so nothing stands there. `asks` for it. */
static __attribute__((noinline)) _Atomic uint64_t *far_of(const struct ur_key *k, bool asks) {
    uint64_t bucket = fold(k->name, odd[1]);
    bool there = is_ready(k->u, bucket) || (asks && make_ready(k->u, bucket, false));
    return there ? bucket_of(k->u, 0, bucket, k->u->index_bytes)->entry : NULL;
}

enum { PLACES = 3 * ENTRIES };

/* The i-th of a name's places, those at home first; NULL: there are no more. `far`: far_of. */
static inline _Atomic uint64_t *place(const struct ur_key *k, _Atomic uint64_t *far, int i) {
    return i < ENTRIES ? &k->home[i] : i < 2 * ENTRIES ? &k->away[i - ENTRIES] : far ? &far[i - 2 * ENTRIES] : NULL;
}

/* The entry of a name, or of its stack. 0: none. A bucket counts for who looks from the first on if those before it are
   full. */
static inline uint64_t find(const struct ur_key *k, uint64_t hash) {
    bool full = true;
    for (int i = 0; i < 2 * ENTRIES && (i < ENTRIES || full); i++) {
        uint64_t e = atomic_load_explicit(place(k, NULL, i), memory_order_acquire);
        full &= e != 0;
        if ((e & HASH) == hash && (e & KIND) != UR_KNOWN_RESERVED && (e & KIND))
            return e;
    }
    _Atomic uint64_t *far = full ? far_of(k, false) : NULL;
    for (int i = 0; far && i < ENTRIES; i++) {
        uint64_t e = atomic_load_explicit(&far[i], memory_order_acquire);
        if ((e & HASH) == hash && (e & KIND) != UR_KNOWN_RESERVED && (e & KIND))
            return e;
    }
    return 0;
}

bool ur_index_get(const struct ur_key *k, struct ur_known *known) {
    uint64_t e = find(k, k->hash), layer = (e & LAYER) >> LAYER_SHIFT;
    bool sole = layer == SOLE;
    if (!e)
        return false;
    *known = (struct ur_known){(enum ur_known_kind)(e & KIND), sole ? 0 : (uint16_t)layer, e & PLAIN, sole};
    return true;
}

void ur_index_drop(const struct ur_key *k) {
    _Atomic uint64_t *far = far_of(k, false), *at;
    for (int i = 0; i < PLACES && (at = place(k, far, i)); i++) {
        uint64_t e = atomic_load(at);
        while (((e & HASH) == k->hash || (e & HASH) == k->stack || (e & KIND) == UR_KNOWN_RESERVED) && e &&
               !atomic_compare_exchange_weak(at, &e, 0))
            ;
    }
}

static _Atomic uint64_t *free_in(_Atomic uint64_t *bucket) {
    for (int i = 0; i < ENTRIES; i++)
        if (!atomic_load_explicit(&bucket[i], memory_order_relaxed))
            return &bucket[i];
    return NULL;
}

static struct ur_reservation reserve(const struct ur_key *k, uint64_t ticket) {
    _Atomic uint64_t *far = NULL, *at = free_in(k->home);
    if (!at)
        at = free_in(k->away);
    if (!at && (far = far_of(k, true)))
        at = free_in(far);
    if (!at)
        at = place(k, far, (int)(ticket % (far ? PLACES : 2 * ENTRIES)));
    /* Like no other that may come to the same place: other names give out tickets of their own. */
    struct ur_reservation r = {at, ((k->hash ^ ticket << 13) & HASH) | UR_KNOWN_RESERVED};
    atomic_store(r.entry, r.word);
    return r;
}

struct ur_reservation ur_index_reserve(const struct ur_key *k) {
    struct ur_reservation r = reserve(k, atomic_fetch_add(state_of(k), TICKET) >> 32);
    /* Looked at after the reservation can be seen: who begins a change from here on takes it away. */
    if (atomic_load(state_of(k)) & CHANGING)
        ur_index_put(k, &r, NULL);
    return r;
}

uint64_t ur_index_stamp(const struct ur_key *k) {
    return atomic_load(state_of(k));
}

uint64_t ur_index_first_stamp(const struct ur_key *k) {
    return atomic_fetch_add(state_of(k), TICKET) + TICKET;
}

static bool put(struct ur_reservation *r, uint64_t e) {
    uint64_t mine = r->word;
    bool is_put = r->entry && atomic_compare_exchange_strong(r->entry, &mine, e);
    r->entry = NULL;
    return is_put;
}

static uint64_t entry_of(uint64_t hash, const struct ur_known *known) {
    uint64_t layer = known->sole ? SOLE : known->layer;
    return hash | (known->plain ? PLAIN : 0) | layer << LAYER_SHIFT | known->kind;
}

void ur_index_put(const struct ur_key *k, struct ur_reservation *r, const struct ur_known *known) {
    put(r, known ? entry_of(k->hash, known) : 0);
}

/* --- stacks of directories -----------------------------------------------------------------------------------------
 */

void ur_index_put_stack(const struct ur_key *k, struct ur_reservation *r, const struct ur_dir *d) {
    uint64_t e = k->stack | STACK_KIND | (d->open ? OPEN : 0) | (d->even ? EVEN : 0);
    bool fits = d->rels == 1;
    for (unsigned i = 0; i < d->spots && fits; i++) {
        fits = d->spot[i].layer < LAYERS;
        e |= UINT64_C(1) << (LAYERS_SHIFT + d->spot[i].layer % LAYERS);
    }
    put(r, fits ? e : 0);
}

bool ur_index_get_stack(const struct ur_key *k, struct ur_dir *d) {
    uint64_t e = find(k, k->stack);
    if ((e & KIND) != STACK_KIND)
        return false;
    d->open = e & OPEN;
    d->even = e & EVEN;
    d->spots = 0;
    for (unsigned layer = 0; layer < LAYERS; layer++)
        if (e >> (LAYERS_SHIFT + layer) & 1)
            d->spot[d->spots++] = (struct ur_spot){(uint16_t)layer, 0};
    return true;
}

void ur_index_plain_at(const struct ur_key *k) {
    _Atomic uint64_t *far = far_of(k, false), *at;
    for (int i = 0; i < PLACES && (at = place(k, far, i)); i++) {
        uint64_t e = atomic_load(at);
        if ((e & HASH) == k->hash && (e & KIND) && (e & KIND) != UR_KNOWN_RESERVED)
            atomic_compare_exchange_strong(at, &e, e | PLAIN);
    }
}

void ur_index_plain(const struct ur_union *u, const struct ur_dir *d, const char *name) {
    struct ur_key k;
    if (d->rels == 1 && ur_index_key(u, d->path, d->len, name, strlen(name), &k))
        ur_index_plain_at(&k);
}

/* --- changes ------------------------------------------------------------------------------------------------------ */

/* `state`: of the name, as it was before. False: there is no place for it. */
static bool begin(const struct ur_union *u, const struct ur_dir *d, const char *name, struct ur_key *k,
                  struct ur_change *change, uint64_t *state) {
    if (!key_of(u, d->path, d->len, name, strlen(name), true, k))
        return false;
    change->state = state_of(k);
    *state = atomic_fetch_add(change->state, 1 + TICKET);
    k->hash = in_epoch(u, k->name); /* if a new one has begun: who enters anything in it sees that this is changing */
    k->stack = stack_hash(k->hash);
    ur_index_drop(k);
    return true;
}

/*
 * Who changes a name knows what it means then, if nobody else has changed it since he looked it up. That is seen by the
 * state, which counts each change of a name of the bucket: up to this one's reservation there was no other. Who begins
 * one later takes the reservation away. `was`: the state before; `now`: what it must be.
 */
static void reserve_outcome(const struct ur_union *u, const struct ur_dir *d, const struct ur_key *k,
                            const struct ur_entry *entry, uint64_t was, uint64_t now, struct ur_change *change) {
    if (!entry || !entry->stamp || entry->stamp != was || was & CHANGING)
        return;
    struct ur_reservation r = reserve(k, now >> 32);
    if (atomic_load(change->state) != now || !d->generation || d->generation != ur_dcache_begin(u))
        put(&r, 0);
    change->entry = r.entry;
    change->word = r.word;
    change->hash = k->hash;
}

struct ur_change ur_change_begin(const struct ur_union *u, const struct ur_dir *d, const char *name,
                                 const struct ur_entry *entry, bool seen) {
    struct ur_change change = {0};
    struct ur_key k;
    uint64_t was;
    if (seen)
        ur_names_change_begin(u, d, &change);
    if (!d->mount || !u->index)
        return change;
    if (begin(u, d, name, &k, &change, &was))
        reserve_outcome(u, d, &k, entry, was, was + 1 + TICKET, &change);
    change.listing = ur_listing_changes(u, d);
    return change;
}

void ur_changes_begin(const struct ur_union *u, const struct ur_dir *const d[2], const char *const name[2],
                      const struct ur_entry *const entry[2], struct ur_change change[2]) {
    struct ur_key k[2];
    uint64_t was[2];
    bool begun[2] = {false, false};
    for (int i = 0; i < 2; i++) {
        change[i] = (struct ur_change){0};
        ur_names_change_begin(u, d[i], &change[i]);
        if (!d[i]->mount || !u->index)
            continue;
        begun[i] = begin(u, d[i], name[i], &k[i], &change[i], &was[i]);
        change[i].listing = ur_listing_changes(u, d[i]);
    }
    /* They may share a bucket, where each begin takes all reservations away. */
    bool same = begun[0] && begun[1] && change[0].state == change[1].state;
    if (same)
        was[1] = was[0];
    for (int i = 0; i < 2; i++)
        if (begun[i])
            reserve_outcome(u, d[i], &k[i], entry[i], was[i], was[i] + (same ? 2 : 1) * (1 + TICKET), &change[i]);
}

/* A lower that is the host's own "/" may get names yet. */
static bool lowers_stay(const struct ur_union *u, const struct ur_dir *d) {
    for (unsigned i = 0; i < d->spots; i++)
        if (d->spot[i].layer != 0 && !ur_must_stay(u, d, d->spot[i]))
            return false;
    return true;
}

bool ur_change_tell(const struct ur_union *u, const struct ur_dir *d, struct ur_change *change,
                    const struct ur_known *now) {
    struct ur_known known = *now;
    bool open = ur_is_known_absent(now) ? d->open || u->owner : d->even;
    if (!change->entry || !open || now->kind == UR_KNOWN_RESERVED)
        return false;
    known.sole = now->sole && lowers_stay(u, d);
    return put(&(struct ur_reservation){change->entry, change->word}, entry_of(change->hash, &known));
}

bool ur_change_is_alone(const struct ur_change *change) {
    return change->entry && atomic_load(change->entry) == change->word;
}

void ur_change_end(struct ur_change *change) {
    put(&(struct ur_reservation){change->entry, change->word}, 0);
    _Atomic uint64_t *const all[] = {change->state, change->listing};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i])
            atomic_fetch_sub(all[i], 1);
    ur_names_change_end(change);
    *change = (struct ur_change){0};
}

void ur_name_unsure(const struct ur_union *u, const struct ur_dir *d, const char *name) {
    ur_change_begin(u, d, name, NULL, false);
    ur_gone_taken(u, d, name);
}

void ur_index_forget(const struct ur_union *u, const struct ur_dir *d, const char *name) {
    struct ur_key k;
    if (d->mount && ur_index_key(u, d->path, d->len, name, strlen(name), &k))
        ur_index_drop(&k);
}

void ur_epoch_next(const struct ur_union *u) {
    if (u->shared)
        atomic_fetch_add(&u->shared->epoch, 1);
}

/* --- directories that were removed: a Bloom filter of their paths --------------------------------------------------
 */

static uint64_t gone_hash(const struct ur_union *u, const struct ur_dir *d, const char *name) {
    return name_hash(u, half_hash(d->path, d->len, u->shared->seed), name, strlen(name));
}

void ur_gone_add(const struct ur_union *u, const struct ur_dir *d, const char *name) {
    if (!u->index || !d->mount)
        return;
    uint64_t h = gone_hash(u, d, name);
    for (int i = 0; i < 2; i++, h >>= 32)
        atomic_fetch_or(&u->shared->gone[h % UR_GONE_BITS / 64], UINT64_C(1) << h % 64);
}

void ur_gone_taken(const struct ur_union *u, const struct ur_dir *d, const char *name) {
    if (!u->index || !d->mount)
        return;
    uint64_t h = gone_hash(u, d, name);
    for (int i = 0; i < 2; i++, h >>= 32)
        if (!(atomic_load(&u->shared->gone[h % UR_GONE_BITS / 64]) >> h % 64 & 1))
            return;
    ur_epoch_next(u);
}

/* --- who may search ------------------------------------------------------------------------------------------------
 */

void ur_access_add(struct ur_access *a, const struct stat *st, bool acl) {
    mode_t search = st->st_mode & 0111;
    /* With an ACL the mode is a mask and not the whole truth. */
    if (acl || search != 0111)
        a->closed = true;
    a->acl |= acl;
    if (!a->count++) {
        a->mode = search;
        a->uid = st->st_uid;
        a->gid = st->st_gid;
    } else if (a->acl || search != a->mode || st->st_uid != a->uid || st->st_gid != a->gid)
        a->uneven = true;
}

static unsigned number_of(const struct ur_union *u, const struct ur_table_mount *m) {
    return (unsigned)(m - ur_table_mounts(u->table));
}

void ur_root_access(const struct ur_union *u, const struct ur_table_mount *m, bool *open, bool *even) {
    unsigned n = number_of(u, m);
    *open = u->shared && atomic_load(&u->shared->roots_open[n / 64]) >> n % 64 & 1;
    *even = u->shared && atomic_load(&u->shared->roots_even[n / 64]) >> n % 64 & 1;
}

/* From then on nothing is known of a target whose own directory was changed so: it is rare. */
void ur_access_changes(const struct ur_union *u, const char *path, size_t len) {
    const struct ur_table_mount *m = u->shared ? ur_mount_at(u, path, len) : NULL;
    if (m) {
        unsigned n = number_of(u, m);
        atomic_fetch_and(&u->shared->roots_open[n / 64], ~(UINT64_C(1) << n % 64));
        atomic_fetch_and(&u->shared->roots_even[n / 64], ~(UINT64_C(1) << n % 64));
    }
    ur_epoch_next(u);
}

long ur_index_start(const struct ur_union *u) {
    if (!u->shared)
        return 0;
    UR_SCRATCH(s);
    long ret = sys_getrandom(&u->shared->seed, sizeof u->shared->seed);
    const struct ur_table_mount *m = ur_table_mounts(u->table);
    for (uint32_t i = 0; i < u->table->mounts; i++) {
        struct ur_access access = {0};
        for (unsigned k = 0; k < m[i].layers; k++) {
            struct stat st;
            const char *root = ur_table_text(u->table, ur_layer(u, &m[i], k)->root);
            long marks = sys_lstat(root, &st);
            if (marks == 0)
                marks = ur_marks(root, s->text);
            if (marks < 0)
                access = (struct ur_access){.count = 1, .closed = true, .uneven = true, .acl = true};
            else
                ur_access_add(&access, &st, marks & UR_MARK_ACL);
            if (marks < 0 || marks & (UR_MARK_IMPURE | UR_MARK_METACOPIES))
                ur_may_lack_data_now(u, &m[i], k);
        }
        if (ur_access_open(&access))
            u->shared->roots_open[i / 64] |= UINT64_C(1) << i % 64;
        if (ur_access_even(&access))
            u->shared->roots_even[i / 64] |= UINT64_C(1) << i % 64;
    }
    return ret < 0 ? ret : 0;
}
