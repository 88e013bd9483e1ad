#include "server/ledger/postgres/needs.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <postgresql/libpq-fe.h>

enum { PORT = 5432, DNS = 53 };

static const char *find(const PQconninfoOption *options, const char *keyword)
{
    for (; options != NULL && options->keyword != NULL; options++) {
        if (strcmp(options->keyword, keyword) == 0) {
            return options->val;
        }
    }
    return NULL;
}

/* "5432,5433", one for each host; an empty one means the default. */
static void list_ports(const char *ports, struct sower_sandbox *sandbox)
{
    for (const char *next = ports; next != NULL;) {
        unsigned long port = strtoul(next, NULL, 10); /* 0 for an empty one */
        const char *comma = strchr(next, ',');
        sower_sandbox_connect(sandbox, port > 0 && port <= UINT16_MAX ? (uint16_t)port : PORT);
        next = comma == NULL ? NULL : comma + 1;
    }
}

/* Files in the home directory. libpq takes the directory from HOME, older versions from the user database. Of the home
 * directory itself only single files are listed. */
static void list_home(const char *home, struct sower_sandbox *sandbox)
{
    static const char *const names[] = {".pgpass", ".pg_service.conf", ".postgresql"};
    char path[PATH_MAX];
    for (size_t i = 0; home != NULL && i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", home, names[i]);
        sower_sandbox_list(sandbox, path, SOWER_SANDBOX_READ);
    }
}

static void list_files(const PQconninfoOption *given, const PQconninfoOption *defaults,
                       struct sower_sandbox *sandbox)
{
    static const char *const keywords[] = {"passfile",    "sslcert", "sslkey",
                                           "sslrootcert", "sslcrl",  "sslcrldir"};
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        const char *named = find(given, keywords[i]);
        named = named != NULL ? named : find(defaults, keywords[i]);
        if (named != NULL && strchr(named, '/') != NULL) {
            sower_sandbox_list_beside(sandbox, named, SOWER_SANDBOX_READ);
        }
    }
}

/* Names of hosts and users, certificates, and the libraries for them, which the C library and OpenSSL open when they
 * need them. */
static void list_system(struct sower_sandbox *sandbox)
{
    static const char *const directories[] = {"/etc", "/usr", "/lib", "/lib64", "/var/lib/sss/mc"};
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
        sower_sandbox_list(sandbox, directories[i], SOWER_SANDBOX_READ);
    }
    sower_sandbox_list_beside(sandbox, "/etc/resolv.conf", SOWER_SANDBOX_READ);
}

void sower_ledger_postgres_list_needs(const char *url, struct sower_sandbox *sandbox)
{
    PQconninfoOption *given = PQconninfoParse(url, NULL), *defaults = PQconndefaults();
    const char *ports = find(given, "port"), *host = find(given, "host"), *home = getenv("HOME");
    ports = ports != NULL ? ports : find(defaults, "port");
    host = host != NULL ? host : find(defaults, "host");
    sower_sandbox_connect(sandbox, DNS);
    /* A service (pg_service.conf) may name any host. */
    if (given == NULL || find(given, "service") != NULL) {
        sower_sandbox_connect(sandbox, 0);
    } else {
        list_ports(ports != NULL ? ports : "", sandbox);
    }
    sandbox->abstract_sockets = sandbox->abstract_sockets || (host != NULL && strchr(host, '@') != NULL);
    list_system(sandbox);
    list_home(home, sandbox);
    list_files(given, defaults, sandbox);
    PQconninfoFree(given);
    PQconninfoFree(defaults);
}
