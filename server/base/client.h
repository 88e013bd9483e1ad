/* Clients: whom a connection comes from, by its address, and a request by its token.
 *
 * One client's requests must not keep other clients waiting, so connections, threads and memory are divided
 * among clients. An IPv4 address is one client. An IPv6 network of 64 bits is one client, because one site or
 * machine usually gets such a network. All connections through Unix sockets are one client,
 * SOWER_CLIENT_UNIX. All requests with tokens
 * of one name are one client: many ranks share an address, and one team may have many. */
#ifndef SOWER_SERVER_BASE_CLIENT_H
#define SOWER_SERVER_BASE_CLIENT_H

#include <stdint.h>
#include <sys/socket.h>

#include "server/base/address.h"

enum { SOWER_CLIENT_TEXT_SIZE = 52 };

/* No IPv6 network has this number: ::/8 is never allocated. Only ::1 has the number 0. */
#define SOWER_CLIENT_UNIX UINT64_C(1)

/* The client's number for an address. An IPv4-mapped IPv6 address has the number of the IPv4 address. */
uint64_t sower_client_of(const struct sockaddr *socket);
uint64_t sower_client_of_address(const struct sower_address *address);

/* The client's number for a name of tokens. No address has such a number. */
uint64_t sower_client_of_name(const char *name);

/* The client's address for the log: "192.0.2.1", "2001:db8:0:1::/64", "unix". */
void sower_client_print(uint64_t client, char text[SOWER_CLIENT_TEXT_SIZE]);

#endif
