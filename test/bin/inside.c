/*
 * What libc reads for itself, by calls that no hook sees: inside ETC-PATH prints what it says with the files of
 * test/inside.bats, whose lists are in /etc and whose other files are beneath the current directory.
 */
#define _GNU_SOURCE 1
#include <aliases.h>
#include <arpa/inet.h>
#include <fstab.h>
#include <grp.h>
#include <gshadow.h>
#include <iconv.h>
#include <langinfo.h>
#include <libintl.h>
#include <locale.h>
#include <netdb.h>
#include <netinet/ether.h>
#include <nl_types.h>
#include <pwd.h>
#include <resolv.h>
#include <rpc/netdb.h>
#include <shadow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>
#include <wchar.h>

#define SAY(name, ...) (printf("%s: ", name), printf(__VA_ARGS__), putchar('\n'), fflush(stdout))

static void users(void) {
    const struct passwd *p = getpwnam("ofunion");
    SAY("getpwnam", "%s", p ? p->pw_gecos : "none");
    p = getpwuid(4711);
    SAY("getpwuid", "%s", p ? p->pw_name : "none");
    const struct group *g = getgrnam("ofunions");
    SAY("getgrnam", "%s", g ? g->gr_mem[0] : "none");
    gid_t groups[8];
    int n = 8;
    getgrouplist("ofunion", 4711, groups, &n);
    SAY("getgrouplist", "%d, %u", n, n > 1 ? groups[1] : 0);
    if (geteuid() == 0) {
        const struct spwd *s = getspnam("ofunion");
        SAY("getspnam", "%s", s ? s->sp_pwdp : "none");
        const struct sgrp *sg = getsgnam("ofunions");
        SAY("getsgnam", "%s", sg ? sg->sg_passwd : "none");
        int locked = lckpwdf();
        SAY("lckpwdf", "%d %d", locked, access("/etc/.pwd.lock", F_OK));
        ulckpwdf();
    }
    SAY("innetgr", "%d", innetgr("unions", "host", "user", "domain"));
    setusershell();
    SAY("getusershell", "%s", getusershell());
}

static void networks(void) {
    const struct hostent *h = gethostbyname("host.of.union");
    SAY("gethostbyname", "%s", h ? inet_ntoa(*(struct in_addr *)(void *)h->h_addr_list[0]) : "none");
    struct addrinfo *a = NULL;
    SAY("getaddrinfo", "%d", getaddrinfo("host.of.union", "service-of-union", NULL, &a));
    if (a)
        SAY("getaddrinfo", "%d", ntohs(((struct sockaddr_in *)(void *)a->ai_addr)->sin_port));
    const struct servent *s = getservbyname("service-of-union", "tcp");
    SAY("getservbyname", "%d", s ? ntohs((uint16_t)s->s_port) : -1);
    const struct protoent *p = getprotobyname("proto-of-union");
    SAY("getprotobyname", "%d", p ? p->p_proto : -1);
    const struct netent *n = getnetbyname("net-of-union");
    SAY("getnetbyname", "%x", n ? n->n_net : 0);
    const struct rpcent *r = getrpcbyname("rpc-of-union");
    SAY("getrpcbyname", "%d", r ? r->r_number : -1);
    const struct aliasent *al = getaliasbyname("alias-of-union");
    SAY("getaliasbyname", "%s", al ? al->alias_members[0] : "none");
    struct ether_addr e = {{0}};
    int found = ether_hostton("host.of.union", &e);
    SAY("ether_hostton", "%d %s", found, ether_ntoa(&e));
    res_init();
    SAY("res_init", "%s", inet_ntoa(_res.nsaddr_list[0].sin_addr));
    SAY("gethostid", "%lx", gethostid());
    const struct fstab *f = getfsspec("/dev/union");
    SAY("getfsspec", "%s", f ? f->fs_file : "none");
}

static void languages(void) {
    char cwd[3000], path[3100];
    snprintf(path, sizeof path, "%s/gconv", getcwd(cwd, sizeof cwd));
    setenv("GCONV_PATH", path, 1); /* heeded at the first conversion alone */
    setenv("LOCPATH", "locale", 1);
    const char *set = setlocale(LC_ALL, "un_UN.utf8");
    SAY("setlocale", "%s %s", set ? set : "none", nl_langinfo(CODESET));
    wchar_t wide = 0;
    int n = mbtowc(&wide, "\303\244", 2);
    SAY("mbtowc", "%d %x", n, (unsigned)wide);
    locale_t l = newlocale(LC_ALL_MASK, "un_UN.utf8", NULL);
    SAY("newlocale", "%s", l ? "un_UN.utf8" : "none");
    iconv_t cd = iconv_open("UTF-8", "UNIONSET");
    char in[] = "\344", out[8] = "", *from = in, *to = out;
    size_t left = 1, room = sizeof out - 1;
    SAY("iconv_open", "%d", cd != (iconv_t)-1);
    size_t ret = cd == (iconv_t)-1 ? 1 : iconv(cd, &from, &left, &to, &room);
    SAY("iconv", "%zu %s", ret, out);
    setenv("LANGUAGE", "un", 1);
    bindtextdomain("union", "locale");
    textdomain("union");
    SAY("gettext", "%s", gettext("word"));
    setenv("NLSPATH", "%N.cat", 1);
    nl_catd cat = catopen("union", 0);
    SAY("catgets", "%s", catgets(cat, 1, 1, "none"));
}

static void times(void) {
    struct tm tm;
    time_t zero = 0;
    unsetenv("TZ");
    tzset();
    localtime_r(&zero, &tm);
    SAY("localtime", "%d %s", tm.tm_hour, tm.tm_zone);
    setenv("TZ", ":zone", 1); /* beneath the zones' own directory: not there */
    char cwd[3000], path[3100];
    snprintf(path, sizeof path, ":%s/zone", getcwd(cwd, sizeof cwd));
    setenv("TZ", path, 1);
    tzset();
    localtime_r(&zero, &tm);
    SAY("localtime", "%d %s", tm.tm_hour, tm.tm_zone);
    setenv("DATEMSK", "templates", 1);
    const struct tm *got = getdate("of union 1999");
    SAY("getdate", "%d", got ? got->tm_year + 1900 : -getdate_err);
}

static void logins(void) {
    struct utmp u = {.ut_type = USER_PROCESS, .ut_user = "ofunion", .ut_line = "tty-of-union"};
    updwtmp("wtmp", &u);
    utmpname("wtmp");
    setutent();
    const struct utmp *got = getutent();
    SAY("updwtmp, getutent", "%.32s", got ? got->ut_line : "none");
    got = getutent();
    SAY("getutent", "%.32s", got ? got->ut_line : "none");
    endutent();
}

int main(void) {
    users();
    networks();
    times();
    logins();
    languages();
    return 0;
}
