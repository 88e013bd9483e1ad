#include "server/http/forwarded.h"

#include <string.h>
#include <strings.h>

void sower_forwarded_begin(struct sower_forwarded *forwarded, const struct sower_networks *trusted)
{
    *forwarded = (struct sower_forwarded){.trusted = trusted};
}

/* A part of a text. */
struct span {
    const char *begin;
    size_t length;
};

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static struct span trim(struct span span)
{
    while (span.length > 0 && is_blank(span.begin[0])) {
        span.begin++;
        span.length--;
    }
    while (span.length > 0 && is_blank(span.begin[span.length - 1])) {
        span.length--;
    }
    return span;
}

enum { NO_SEPARATOR = -1 };

/* The position of the first separator, or the length. A separator in a quoted string does not count if `quotes`
 * is set. *open: the text ends within a quoted string. */
static size_t find(struct span text, int separator, bool quotes, bool *open)
{
    bool quoted = false;
    size_t at = 0;
    for (; at < text.length && (quoted || (unsigned char)text.begin[at] != separator); at++) {
        if (quotes && text.begin[at] == '"') {
            quoted = !quoted;
        } else if (quoted && text.begin[at] == '\\') {
            at += at + 1 < text.length;
        }
    }
    *open = quoted;
    return at;
}

/* Takes what is before the next separator off *rest. False at the end. */
static bool take(struct span *rest, char separator, bool quotes, struct span *part)
{
    bool open;
    if (rest->begin == NULL) {
        return false;
    }
    const size_t length = find(*rest, separator, quotes, &open);
    *part = trim((struct span){rest->begin, length});
    rest->begin = length < rest->length ? rest->begin + length + 1 : NULL;
    rest->length -= length < rest->length ? length + 1 : length;
    return true;
}

/* Whether a text is ":" and a port. */
static bool is_port(const char *text, size_t length)
{
    if (length < 2 || length > 6 || text[0] != ':') {
        return false;
    }
    for (size_t i = 1; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
    }
    return true;
}

/* Reads an address with or without a port: 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1],
 * [2001:db8::1]:80. */
static bool read_node(struct span node, struct sower_address *address)
{
    if (node.length > 0 && node.begin[0] == '[') {
        const char *end = memchr(node.begin, ']', node.length);
        const size_t inside = end != NULL ? (size_t)(end - node.begin) : 0;
        return end != NULL && (inside + 1 == node.length || is_port(end + 1, node.length - inside - 1)) &&
               memchr(node.begin, ':', inside) != NULL &&
               sower_address_parse(node.begin + 1, inside - 1, address);
    }
    const char *colon = memchr(node.begin, ':', node.length);
    const size_t before = colon != NULL ? (size_t)(colon - node.begin) : node.length;
    if (colon != NULL && memchr(node.begin, '.', before) != NULL) {
        return is_port(colon, node.length - before) && sower_address_parse(node.begin, before, address);
    }
    return sower_address_parse(node.begin, node.length, address);
}

/* Adds the next hop from the left. */
static void add_hop(const struct sower_forwarded *forwarded, struct sower_hops *hops, struct span node)
{
    struct sower_address address;
    if (!read_node(node, &address)) {
        hops->found = false;
    } else if (!hops->found || !sower_networks_contain(forwarded->trusted, &address)) {
        hops->client = address;
        hops->found = true;
    }
}

void sower_forwarded_x_line(struct sower_forwarded *forwarded, const char *value, size_t length)
{
    struct span rest = {value, length}, node;
    forwarded->x_forwarded_for.any = true;
    while (take(&rest, ',', false, &node)) {
        if (node.length > 0) { /* RFC 9110: empty elements of a list are ignored */
            add_hop(forwarded, &forwarded->x_forwarded_for, node);
        }
    }
}

/* The value of a parameter, without its quotes. An address has no character that is escaped in quotes. */
static struct span unquote(struct span value)
{
    const bool quoted = value.length >= 2 && value.begin[0] == '"' && value.begin[value.length - 1] == '"';
    return quoted ? (struct span){value.begin + 1, value.length - 2} : value;
}

/* The value of "for" in an element of Forwarded; empty if it is missing or there are two. It is empty too if a
 * quote stays open: a client may have sent it, so that what the proxy adds becomes a part of its own element. */
static struct span find_for(struct span element)
{
    struct span parameter, found = {"", 0};
    bool seen = false, open;
    (void)find(element, NO_SEPARATOR, true, &open);
    while (!open && take(&element, ';', true, &parameter)) {
        if (parameter.length >= 4 && strncasecmp(parameter.begin, "for=", 4) == 0) {
            found = seen ? (struct span){"", 0}
                         : unquote((struct span){parameter.begin + 4, parameter.length - 4});
            seen = true;
        }
    }
    return found;
}

void sower_forwarded_line(struct sower_forwarded *forwarded, const char *value, size_t length)
{
    struct span rest = {value, length}, element;
    forwarded->forwarded.any = true;
    while (take(&rest, ',', true, &element)) {
        if (element.length > 0) {
            add_hop(forwarded, &forwarded->forwarded, find_for(element));
        }
    }
}

struct sower_address sower_forwarded_client(const struct sower_forwarded *forwarded,
                                            const struct sower_address *peer)
{
    const struct sower_hops *a = &forwarded->x_forwarded_for, *b = &forwarded->forwarded;
    const struct sower_hops *used = a->any ? a : b;
    const bool contradict =
        a->any && b->any && (a->found != b->found || !sower_address_equals(&a->client, &b->client));
    return used->found && !contradict && sower_networks_contain(forwarded->trusted, peer) ? used->client
                                                                                          : *peer;
}
