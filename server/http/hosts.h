/* Hosts: the host names that the daemon accepts, and web pages whose requests it refuses.
 *
 * A daemon that listens on loopback without passwords trusts every client that can reach it. A browser on the
 * same machine reaches it for any page that it shows. So two things are checked:
 *
 * - The host that a request names. A page of evil.example can point its own name to 127.0.0.1 (DNS
 *   rebinding), and then reads and writes as if the daemon were its own server; its requests name
 *   evil.example. The daemon accepts localhost and names below it, addresses (a page cannot point an address
 *   elsewhere), the name of the machine, the names of --listen, and the names of --hosts. It also accepts an
 *   empty host, or none in HTTP/1.0: no browser sends these.
 * - Origin and Sec-Fetch-Site. With them a browser says that a page of another site sent the request: an
 *   image whose URL is a draw, or a form, would write lines. A link that a person follows is not refused.
 *
 * A Unix socket accepts any host, because no browser connects to it; the TCP sockets of the same daemon do not.
 * All functions are pure, except
 * sower_hosts_init. */
#ifndef SOWER_SERVER_HTTP_HOSTS_H
#define SOWER_SERVER_HTTP_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "server/base/listen.h"

struct sower_hosts {
    bool any;
    const char *names;                       /* the value of --hosts: separated by commas; may be NULL */
    const struct sower_addresses *listening; /* the values of --listen */
    char machine[256];
};

/* Whether a text is a valid --hosts: "any", "*", or names separated by commas, without ports. False with a
 * problem. */
SOWER_MUST_USE bool sower_hosts_check(const char *names, struct sower_problem *problem);

/* `names` is a valid --hosts or NULL, `listening` the values of --listen; both must live as long as *hosts. */
void sower_hosts_init(struct sower_hosts *hosts, const char *names, const struct sower_addresses *listening);

/* Whether the daemon accepts HOST or HOST:PORT on a TCP socket. */
bool sower_hosts_know(const struct sower_hosts *hosts, const char *host, size_t length);

/* Whether a page of another site sent a request to `host`. The other parameters are header values or NULL. A
 * page belongs to the same site if its host is `host` or a name of --hosts. */
bool sower_hosts_foreign(const struct sower_hosts *hosts, const char *host, size_t length, const char *origin,
                         const char *fetch_site, const char *fetch_mode, const char *fetch_dest);

#endif
