/* Random choices: numbers, names, paths. populate.py has the same vocabulary. */
#include "differ.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define TEN "qqqqqqqqqq"
#define FIFTY TEN TEN TEN TEN TEN
#define LONGEST FIFTY FIFTY FIFTY FIFTY FIFTY "qqqqq" /* 255 */

static const char *const common_names[] = {"qa", "qb", "qc", "qd", "qe"};
static const char *const odd_names[] = {"q f", "q\ng", "q\xc3\xa9", "-q", ".q", "..q", "q*", LONGEST};

/* splitmix64 */
uint64_t draw(struct rng *rng) {
    uint64_t z = rng->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

struct rng rng_for(uint64_t seed, uint64_t index) {
    struct rng rng = {seed};
    rng.state = draw(&rng) ^ index * 0xd1342543de82ef95;
    draw(&rng);
    return rng;
}

unsigned below(struct rng *rng, unsigned limit) {
    return (unsigned)((draw(rng) >> 32) % limit);
}

bool chance(struct rng *rng, unsigned percent) {
    return below(rng, 100) < percent;
}

bool in_vocabulary(const char *name) {
    for (size_t i = 0; i < sizeof common_names / sizeof *common_names; i++)
        if (strcmp(name, common_names[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof odd_names / sizeof *odd_names; i++)
        if (strcmp(name, odd_names[i]) == 0)
            return true;
    return false;
}

const char *pick_name(struct rng *rng) {
    return chance(rng, 82) ? ONE_OF(rng, common_names) : ONE_OF(rng, odd_names);
}

/* What the tree began with, sorted by region. */
static char **names;
static size_t name_count;
static size_t region_start[REGIONS + 1];

void read_names(const char *path) {
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    while (file && getdelim(&line, &room, '\0', file) > 0) {
        char **more = realloc(names, (name_count + 1) * sizeof *more);
        if (!more)
            abort();
        names = more;
        names[name_count++] = strdup(line);
    }
    free(line);
    if (file)
        fclose(file);
    for (size_t i = 0, region = 0; region <= REGIONS; region++) {
        char prefix[8];
        snprintf(prefix, sizeof prefix, "q%02zu", region);
        while (i < name_count && strncmp(names[i], prefix, 3) < 0)
            i++;
        region_start[region] = i;
    }
}

static bool as_wished(const char *known, unsigned wish) {
    bool directory = known[strlen(known) - 1] == '/';
    return !(wish & (directory ? A_LEAF : A_DIRECTORY));
}

/* A path that the region began with: it may be there still. False if it had none. */
static bool pick_known(struct rng *rng, unsigned region, unsigned wish, char path[PATH_ROOM]) {
    size_t start = region_start[region], count = region_start[region + 1] - start;
    size_t choice = below(rng, 1 << 30);
    if (!count)
        return false;
    const char *known = names[start + choice % count];
    for (unsigned tries = 0; tries < 6 && !as_wished(known, wish); tries++)
        known = names[start + ++choice % count];
    snprintf(path, PATH_ROOM, "%s", known);
    size_t length = strlen(path);
    if (path[length - 1] == '/')
        path[length - 1] = '\0';
    return true;
}

/* Operations move on from region to region, so that there is always something fresh. */
static unsigned pick_region(struct rng *rng) {
    unsigned now = self.index / OPERATIONS_A_REGION;
    unsigned roll = below(rng, 100);
    unsigned region = roll < 78 ? now : roll < 90 ? now + REGIONS - 1 : below(rng, REGIONS);
    return region % REGIONS;
}

/* The same, or now and then a name beside it. */
static bool pick_near_known(struct rng *rng, unsigned wish, char path[PATH_ROOM]) {
    bool beside = chance(rng, wish & NEW ? 70 : 15);
    const char *name = pick_name(rng);
    bool known = pick_known(rng, pick_region(rng), wish, path);
    char *last = known ? strrchr(path, '/') : NULL;
    if (last && beside)
        snprintf(last + 1, PATH_ROOM - (size_t)(last + 1 - path), "%s", name);
    return known;
}

size_t pick_region_path(unsigned region, char path[PATH_ROOM]) {
    return (size_t)snprintf(path, PATH_ROOM, "%s/q%02u", self.root, region % REGIONS);
}

static void add(char *path, const char *text) {
    size_t length = strlen(path);
    snprintf(path + length, PATH_ROOM - length, "%s", text);
}

/* Adds a component, now and then in a roundabout way. */
static void add_name(struct rng *rng, char *path, const char *name) {
    size_t length = strlen(path);
    if (length && path[length - 1] != '/')
        add(path, "/");
    unsigned roll = below(rng, 100);
    if (roll < 3) {
        add(path, "./");
    } else if (roll < 5 && length) {
        add(path, "/");
    } else if (roll < 8) {
        add(path, pick_name(rng));
        add(path, "/../");
    }
    add(path, name);
}

static void add_too_much(struct rng *rng, char *path) {
    if (chance(rng, 50)) {
        add_name(rng, path, LONGEST "q");
        return;
    }
    unsigned slashes = chance(rng, 50) ? 4000 : 4200; /* on either side of PATH_MAX */
    for (size_t length = strlen(path); slashes; slashes--, length++) {
        path[length] = '/';
        path[length + 1] = '\0';
    }
    add(path, pick_name(rng));
}

static void add_region(struct rng *rng, char *path) {
    char name[4];
    snprintf(name, sizeof name, "q%02u", pick_region(rng));
    add_name(rng, path, name);
}

/* Component by component, so that it may go by detours. */
static void add_names(struct rng *rng, char *path, char *names_left) {
    for (char *name; (name = strsep(&names_left, "/"));)
        if (*name)
            add_name(rng, path, name);
}

static void add_random(struct rng *rng, char *path, unsigned depth) {
    while (depth--)
        add_name(rng, path, pick_name(rng));
}

/* From the root on. */
static void add_absolute_way(struct rng *rng, char *path, unsigned wish) {
    char known[PATH_ROOM];
    bool has_known = pick_near_known(rng, wish, known);
    unsigned depth = ONE_OF(rng, ((const unsigned[]){1, 1, 1, 2, 2, 2, 2, 3, 3, 4}));
    if (chance(rng, 78) && has_known) {
        add_names(rng, path, known);
        return;
    }
    if (chance(rng, 93)) {
        add_region(rng, path);
        depth = chance(rng, 4) ? 0 : depth < 3 ? depth : 3;
    }
    add_random(rng, path, depth);
}

/* How many components the two begin with alike; moves both behind them. */
static void skip_common(const char **left, char **right) {
    for (;;) {
        size_t length = strcspn(*left, "/");
        if (!length || strncmp(*left, *right, length) != 0 || (*right)[length] != '/')
            return;
        *left += length + strspn(*left + length, "/");
        *right += length + 1;
    }
}

static unsigned components(const char *path) {
    unsigned count = *path != '\0';
    while ((path = strchr(path, '/')))
        path++, count++;
    return count;
}

static const char *home_of(const struct place *place) {
    return self.home[at(place) == AT_FDCWD ? KEPT : place->slot];
}

static void add_relative_way(struct rng *rng, struct place *place, unsigned wish) {
    char known[PATH_ROOM], *rest = known;
    const char *home = home_of(place);
    unsigned roll = below(rng, 100), ups = roll < 75 ? 0 : roll < 93 ? 1 : 2;
    unsigned depth = 1 + below(rng, 3);
    if (pick_near_known(rng, wish, known) && chance(rng, 85)) {
        skip_common(&home, &rest);
        ups = components(home);
    } else {
        rest = NULL;
    }
    while (ups--)
        add_name(rng, place->path, "..");
    if (rest)
        add_names(rng, place->path, rest);
    else
        add_random(rng, place->path, depth);
}

/* By the letter, which is right unless there are symlinks: a hint is all it is. */
void set_home(int slot, const struct place *place) {
    static char joined[2 * PATH_ROOM], made[PATH_ROOM];
    const char *path = place->path, *from = "";
    if (place->base == ABSOLUTE)
        path += self.root_length;
    else
        from = home_of(place);
    snprintf(joined, sizeof joined, "%s/%s", from, path);
    made[0] = '\0';
    char *rest = joined;
    for (char *name; (name = strsep(&rest, "/"));) {
        char *last = strrchr(made, '/');
        if (strcmp(name, "..") == 0)
            *(last ? last : made) = '\0';
        else if (*name && strcmp(name, ".") != 0)
            snprintf(made + strlen(made), PATH_ROOM - strlen(made), "%s%s", *made ? "/" : "", name);
    }
    strcpy(self.home[slot], made);
}

/* What may end a path. */
static void add_tail(struct rng *rng, struct place *place, unsigned wish) {
    unsigned roll = below(rng, 1000);
    if (roll < 4) {
        add_too_much(rng, place->path);
    } else if (roll < 50) {
        add(place->path, left_out("slash") ? "" : "/");
    } else if (roll < 65 && !(wish & NAMED)) {
        add(place->path, roll & 1 ? "/." : "/..");
        place->named = false;
    }
}

void pick_place(struct rng *rng, struct place *place, unsigned wish) {
    unsigned roll = below(rng, 100);
    place->base = roll < 55 ? ABSOLUTE : roll < 80 || wish & NO_DIRFD ? OF_CWD : OF_DIRFD;
    place->slot = KEPT_FILES + (int)below(rng, KEPT_DIRS);
    place->named = true;
    place->path[0] = '\0';

    roll = below(rng, 1000);
    if (roll < 16 && place->base != ABSOLUTE && !(wish & NAMED)) {
        add(place->path, roll < 4 ? "" : roll < 10 ? "." : "..");
        place->named = false;
        return;
    }
    if (place->base == ABSOLUTE) {
        add(place->path, self.root);
        if (roll < 8)
            return; /* the root itself */
        add_absolute_way(rng, place->path, wish);
    } else {
        add_relative_way(rng, place, wish);
    }
    add_tail(rng, place, wish);
}

void pick_target(struct rng *rng, char target[PATH_ROOM]) {
    target[0] = '\0';
    unsigned roll = below(rng, 100);
    if (roll < 30) {
        add(target, self.root);
        add_region(rng, target);
    } else if (roll < 45) {
        add(target, "..");
        if (chance(rng, 30)) {
            add(target, "/..");
            add_region(rng, target);
        }
    }
    for (unsigned depth = 1 + below(rng, 2); depth; depth--)
        add_name(rng, target, pick_name(rng));
    if (chance(rng, 5) && !left_out("slash"))
        add(target, "/");
}

int at(const struct place *place) {
    if (place->base != OF_DIRFD || self.kept[place->slot] < 0)
        return AT_FDCWD;
    return self.kept[place->slot];
}
