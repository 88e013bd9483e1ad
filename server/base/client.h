/* Clients: who is behind a connection, as far as can be told from its address.
 *
 * What one asks for must not keep others waiting, so connections, threads and memory are shared out by
 * client. An IPv4 address is one client, and so is a network of IPv6 of 64 bits, which is what one household
 * or machine is given. All who connect through a socket in the file system are one. */
#ifndef SOWER_SERVER_BASE_CLIENT_H
#define SOWER_SERVER_BASE_CLIENT_H

#include <stdint.h>
#include <sys/socket.h>

enum { SOWER_CLIENT_TEXT_SIZE = 52 };

/* The number of the client at an address. IPv4 addresses mapped into IPv6 have the numbers that they have by
 * themselves. */
uint64_t sower_client_of(const struct sockaddr *address);

/* Its address for a log: "192.0.2.1", "2001:db8:0:1::/64". */
void sower_client_print(uint64_t client, char text[SOWER_CLIENT_TEXT_SIZE]);

#endif
