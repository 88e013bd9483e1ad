#include "server/http/hosts.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* A part of a text. */
struct span {
    const char *begin;
    size_t length;
};

/* The host without its port and without a final dot. */
static struct span without_port(const char *host, size_t length)
{
    size_t end = length;
    while (end > 0 && host[end - 1] >= '0' && host[end - 1] <= '9') {
        end--;
    }
    end = end > 0 && host[end - 1] == ':' ? end - 1 : length;
    if (end > 1 && host[end - 1] == '.') {
        end--;
    }
    return (struct span){host, end};
}

static bool equals(struct span span, const char *text, size_t length)
{
    return length > 0 && span.length == length && strncasecmp(span.begin, text, length) == 0;
}

static bool is_address(struct span host)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr address;
    if (host.length > 0 && host.begin[0] == '[') {
        return true; /* only an IPv6 address has brackets */
    }
    if (host.length >= sizeof text) {
        return false;
    }
    memcpy(text, host.begin, host.length);
    text[host.length] = '\0';
    return inet_pton(AF_INET, text, &address) == 1;
}

static bool is_loopback(struct span host)
{
    static const char name[] = "localhost", below[] = ".localhost";
    const size_t size = sizeof below - 1;
    return equals(host, name, sizeof name - 1) ||
           (host.length > size && strncasecmp(host.begin + host.length - size, below, size) == 0);
}

/* The name of the machine, whole or up to its first dot. */
static bool is_machine(const struct sower_hosts *hosts, struct span host)
{
    return equals(host, hosts->machine, strlen(hosts->machine)) ||
           equals(host, hosts->machine, strcspn(hosts->machine, "."));
}

static bool is_listed(const struct sower_hosts *hosts, struct span host)
{
    for (const char *name = hosts->names; name != NULL && *name != '\0';) {
        size_t length = strcspn(name, ",");
        if (equals(host, name, length)) {
            return true;
        }
        name += length + (name[length] == ',');
    }
    return false;
}

static bool means_any(const char *names)
{
    return names != NULL && (strcmp(names, "any") == 0 || strcmp(names, "*") == 0);
}

bool sower_hosts_check(const char *names, struct sower_problem *problem)
{
    if (means_any(names)) {
        return true;
    }
    for (const char *name = names;; name++) {
        size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._");
        name += length;
        if (length == 0 || (*name != ',' && *name != '\0')) {
            return sower_problem_set(
                problem, SOWER_PROBLEM_INVALID, "--hosts",
                "--hosts is \"%s\"; it takes names separated by commas, without ports, for "
                "example sower.example,sower, or any.",
                names);
        }
        if (*name == '\0') {
            return true;
        }
    }
}

void sower_hosts_init(struct sower_hosts *hosts, const char *names, const struct sower_addresses *listening)
{
    *hosts = (struct sower_hosts){.any = means_any(names), .names = names, .listening = listening};
    if (gethostname(hosts->machine, sizeof hosts->machine - 1) != 0) {
        hosts->machine[0] = '\0';
    }
}

static bool is_listening(const struct sower_hosts *hosts, struct span name)
{
    char host[SOWER_ADDRESS_MAX];
    for (size_t i = 0; i < hosts->listening->count; i++) {
        if (sower_address_host(hosts->listening->texts[i], host) &&
            equals(name, host, without_port(host, strlen(host)).length)) {
            return true;
        }
    }
    return false;
}

bool sower_hosts_know(const struct sower_hosts *hosts, const char *host, size_t length)
{
    struct span name = without_port(host, length);
    return hosts->any || name.length == 0 || is_address(name) || is_loopback(name) ||
           is_listening(hosts, name) || is_machine(hosts, name) || is_listed(hosts, name);
}

/* Whether an origin ("https://name:1") is the host of the request, or a name of --hosts. */
static bool is_own(const struct sower_hosts *hosts, const char *host, size_t length, const char *origin)
{
    const char *authority = strstr(origin, "://");
    if (authority == NULL) {
        return false; /* "null": the page hides its origin */
    }
    authority += 3;
    return equals((struct span){host, length}, authority, strlen(authority)) ||
           is_listed(hosts, without_port(authority, strlen(authority)));
}

static bool is(const char *value, const char *wanted)
{
    return value != NULL && strcmp(value, wanted) == 0;
}

bool sower_hosts_foreign(const struct sower_hosts *hosts, const char *host, size_t length, const char *origin,
                         const char *fetch_site, const char *fetch_mode, const char *fetch_dest)
{
    if (hosts->any) {
        return false;
    }
    if (origin != NULL) {
        return !is_own(hosts, host, length, origin);
    }
    return is(fetch_site, "cross-site") && !(is(fetch_mode, "navigate") && is(fetch_dest, "document"));
}
