#include "server/base/client.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* The upper half of an IPv4 client's number; the address is the lower half. No IPv6 network has such a number:
 * ::/8 is never allocated. */
#define IPV4 (UINT64_C(0xffff) << 32)

static uint64_t number_of(const uint8_t *bytes, size_t count)
{
    uint64_t number = 0;
    for (size_t i = 0; i < count; i++) {
        number = number << 8 | bytes[i];
    }
    return number;
}

uint64_t sower_client_of(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        return IPV4 | ntohl(v4->sin_addr.s_addr);
    }
    if (address->sa_family != AF_INET6) {
        return 0;
    }
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    return IN6_IS_ADDR_V4MAPPED(v6) ? IPV4 | number_of(v6->s6_addr + 12, 4) : number_of(v6->s6_addr, 8);
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
    for (int i = 0; i < 8; i++) {
        v6.s6_addr[i] = (uint8_t)(client >> (56 - 8 * i));
    }
    inet_ntop(AF_INET6, &v6, network, sizeof network);
    snprintf(text, SOWER_CLIENT_TEXT_SIZE, "%s/64", network);
}
