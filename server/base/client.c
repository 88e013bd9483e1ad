#include "server/base/client.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* The upper half of an IPv4 client's number; the address is the lower half. No IPv6 network has such a number:
 * ::/8 is never allocated. */
#define IPV4 (UINT64_C(0xffff) << 32)

/* The upper 16 bits of the number of a name: also in ::/8, and not those of an IPv4 client. */
#define NAME (UINT64_C(0x00ff) << 48)

static uint64_t number_of(const uint8_t *bytes, size_t count)
{
    uint64_t number = 0;
    for (size_t i = 0; i < count; i++) {
        number = number << 8 | bytes[i];
    }
    return number;
}

uint64_t sower_client_of_address(const struct sower_address *address)
{
    if (address->local) {
        return SOWER_CLIENT_UNIX;
    }
    return sower_address_is_ipv4(address) ? IPV4 | number_of(address->bytes + 12, 4)
                                          : number_of(address->bytes, 8);
}

uint64_t sower_client_of(const struct sockaddr *socket)
{
    const struct sower_address address = sower_address_of(socket);
    return sower_client_of_address(&address);
}

/* FNV-1a. The names are the operator's, so nobody chooses them to collide. */
uint64_t sower_client_of_name(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *name != '\0'; name++) {
        hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    }
    return NAME | hash >> 16;
}

void sower_client_print(uint64_t client, char text[SOWER_CLIENT_TEXT_SIZE])
{
    char network[INET6_ADDRSTRLEN];
    struct in6_addr v6 = {0};
    if (client >> 32 == IPV4 >> 32) {
        struct in_addr v4 = {htonl((uint32_t)client)};
        inet_ntop(AF_INET, &v4, text, SOWER_CLIENT_TEXT_SIZE);
        return;
    }
    if (client == SOWER_CLIENT_UNIX) {
        snprintf(text, SOWER_CLIENT_TEXT_SIZE, "unix");
        return;
    }
    for (int i = 0; i < 8; i++) {
        v6.s6_addr[i] = (uint8_t)(client >> (56 - 8 * i));
    }
    inet_ntop(AF_INET6, &v6, network, sizeof network);
    snprintf(text, SOWER_CLIENT_TEXT_SIZE, "%s/64", network);
}
