/* Hosts: the names under which the daemon may be asked, and pages that may not ask it.
 *
 * A daemon without passwords that listens on loopback trusts everybody who can reach it, and a browser on the
 * same machine reaches it for any page that it shows. So two things are looked at:
 *
 * - The host that a request names. A page of evil.example can point its own name to 127.0.0.1 (DNS rebinding)
 * and then read and write as its own server's page would; its requests name evil.example. Known are localhost
 * and names below it, addresses (no page has one for a name that it can point elsewhere), the machine's own
 * name, the name that is listened on, and those of --hosts. An empty host, or none in HTTP/1.0, is no
 * browser's.
 * - Origin and Sec-Fetch-Site, by which a browser says that a page of another site is behind a request: an
 * image whose URL is a draw, or a form, would write lines. A link that somebody follows is no such request.
 *
 * A Unix socket takes any host: no browser connects to it. All functions are pure but for sower_hosts_init.
 */
#ifndef SOWER_SERVER_HTTP_HOSTS_H
#define SOWER_SERVER_HTTP_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/problem.h"
#include "server/base/listen.h"

struct sower_hosts {
    bool any, unix_socket;
    const char *names;                 /* of --hosts, separated by commas; may be NULL */
    char listening[SOWER_ADDRESS_MAX]; /* the host of --listen */
    char machine[256];
};

/* Whether a text is what --hosts takes: "any", "*", or names separated by commas, without ports. */
bool sower_hosts_check(const char *names, struct sower_problem *problem);

/* `names` is NULL or one that was checked, and stays in use; `listen` is the option; `unix_socket` tells
 * whether the socket is one. */
void sower_hosts_init(struct sower_hosts *hosts, const char *names, const char *listen, bool unix_socket);

/* Whether HOST or HOST:PORT is known. */
bool sower_hosts_know(const struct sower_hosts *hosts, const char *host, size_t length);

/* Whether a page of another site is behind a request to `host`. The others are the values of the headers of
 * these names, or NULL. A page's own site is the host that it asks, or a name of --hosts. */
bool sower_hosts_foreign(const struct sower_hosts *hosts, const char *host, size_t length, const char *origin,
                         const char *fetch_site, const char *fetch_mode, const char *fetch_dest);

#endif
