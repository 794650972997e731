/*
 * Becoming the user that a layer file names. It is done in the union, where the names mean something: by the files
 * alone, for what the name service would ask (LDAP, a daemon) is the host's.
 */
#include "launch/become.h"
#include "config/text.h"
#include "launch/say.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GROUPS = 1024 };

struct who {
    uid_t uid;
    gid_t gid;
    char *name, *home; /* owned; NULL: the union's passwd has none */
    gid_t group[GROUPS];
    size_t groups;
};

/* False: it is no number. */
static bool number_of(const char *text, unsigned *number) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    *number = (unsigned)value;
    return *text >= '0' && *text <= '9' && !*end && !errno && value < UINT32_MAX;
}

static bool find_user(const char *text, struct who *who) {
    FILE *file = fopen("/etc/passwd", "re");
    unsigned uid = 0;
    bool number = number_of(text, &uid), found = false;
    for (const struct passwd *p; !found && file && (p = fgetpwent(file));) {
        found = strcmp(p->pw_name, text) == 0 || (number && p->pw_uid == uid);
        if (!found)
            continue;
        who->uid = p->pw_uid;
        who->gid = p->pw_gid;
        who->name = ur_format("%s", p->pw_name);
        who->home = ur_format("%s", p->pw_dir);
    }
    if (file)
        fclose(file);
    if (!found)
        who->uid = uid;
    return found || number;
}

/* The one that is named; with `text` NULL those that the user is in. */
static bool find_groups(const char *text, struct who *who) {
    FILE *file = fopen("/etc/group", "re");
    unsigned gid = 0;
    bool number = text && number_of(text, &gid), found = false;
    for (const struct group *g; file && (g = fgetgrent(file));) {
        if (text && !found && strcmp(g->gr_name, text) == 0) {
            found = true;
            gid = g->gr_gid;
        }
        for (char **member = g->gr_mem; !text && who->name && *member; member++)
            if (strcmp(*member, who->name) == 0 && who->groups < GROUPS)
                who->group[who->groups++] = g->gr_gid;
    }
    if (file)
        fclose(file);
    if (text)
        who->gid = gid;
    return !text || found || number;
}

static bool failed(const char *user, const char *what) {
    say("the layer file's \"user\", %s: %s", user, what);
    return false;
}

bool become(const char *user) {
    struct who who = {0};
    size_t length = strcspn(user, ":");
    UR_AUTO_TEXT name = ur_copy(user, length);
    const char *group = user[length] ? user + length + 1 : NULL;
    if (!find_user(name, &who))
        return failed(user, "the union's /etc/passwd has no such user");
    who.group[who.groups++] = 0; /* the primary one comes first */
    if (!find_groups(group, &who))
        return failed(user, "the union's /etc/group has no such group");
    who.group[0] = who.gid;
    setenv("HOME", who.home && *who.home ? who.home : "/", 0);
    bool right = setgroups(who.groups, who.group) == 0 && setgid(who.gid) == 0 && setuid(who.uid) == 0;
    free(who.name);
    free(who.home);
    return right || failed(user, strerror(errno));
}
