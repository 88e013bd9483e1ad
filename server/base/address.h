/* Addresses of hosts on the network, and lists of networks.
 *
 * An IPv4 address is kept as an IPv6 address that maps it (::ffff:192.0.2.1), since sockets and proxies write
 * it in both ways. A network of IPv6 addresses does not contain IPv4 addresses, not even ::/0. */
#ifndef SOWER_SERVER_BASE_ADDRESS_H
#define SOWER_SERVER_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/attributes.h"
#include "core/problem.h"

struct sower_address {
    bool local; /* a Unix socket, which has no address */
    uint8_t bytes[16];
};

enum { SOWER_ADDRESS_TEXT_SIZE = 46 };

/* The address of a socket. NULL, and a family other than IPv4 and IPv6, give a local address. */
struct sower_address sower_address_of(const struct sockaddr *socket);

/* Reads "192.0.2.1" or "2001:db8::1": no port, brackets, zone or blank. */
SOWER_MUST_USE bool sower_address_parse(const char *text, size_t length, struct sower_address *address);

/* In the shortest form; "unix" for a local address. */
void sower_address_print(const struct sower_address *address, char text[SOWER_ADDRESS_TEXT_SIZE]);

bool sower_address_equals(const struct sower_address *a, const struct sower_address *b);

bool sower_address_is_ipv4(const struct sower_address *address);

enum { SOWER_NETWORKS_MAX = 128 };

struct sower_networks {
    bool local; /* contains local addresses */
    size_t count;
    struct {
        uint8_t bytes[16];
        unsigned bits; /* of the prefix; 96 more than written for IPv4 */
        bool ipv4;
    } list[SOWER_NETWORKS_MAX];
};

/* Reads addresses, networks in CIDR notation ("10.0.0.0/8", "fd00::/8") and "unix", separated by commas. Blanks
 * around them are ignored. A network whose address has bits after the prefix ("10.0.0.1/8") is refused, because
 * it may be an error in writing. `option` is the name for the problem. */
SOWER_MUST_USE bool sower_networks_parse(const char *text, const char *option,
                                         struct sower_networks *networks, struct sower_problem *problem);

bool sower_networks_contain(const struct sower_networks *networks, const struct sower_address *address);

#endif
