#include "server/base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { SIZE = 16, IPV4_AT = 12, IPV4_BITS = 96, BITS = 128 };

static const uint8_t mapped_prefix[IPV4_AT] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void set_ipv4(struct sower_address *address, const void *four_bytes)
{
    memcpy(address->bytes, mapped_prefix, IPV4_AT);
    memcpy(address->bytes + IPV4_AT, four_bytes, SIZE - IPV4_AT);
}

struct sower_address sower_address_of(const struct sockaddr *socket)
{
    struct sower_address address = {0};
    if (socket != NULL && socket->sa_family == AF_INET) {
        set_ipv4(&address, &((const struct sockaddr_in *)(const void *)socket)->sin_addr);
    } else if (socket != NULL && socket->sa_family == AF_INET6) {
        memcpy(address.bytes, &((const struct sockaddr_in6 *)(const void *)socket)->sin6_addr, SIZE);
    } else {
        address.local = true;
    }
    return address;
}

bool sower_address_parse(const char *text, size_t length, struct sower_address *address)
{
    char copy[SOWER_ADDRESS_TEXT_SIZE];
    struct in_addr ipv4;
    *address = (struct sower_address){0};
    if (length >= sizeof copy || memchr(text, '\0', length) != NULL) {
        return false;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (inet_pton(AF_INET, copy, &ipv4) == 1) {
        set_ipv4(address, &ipv4);
        return true;
    }
    return inet_pton(AF_INET6, copy, address->bytes) == 1;
}

bool sower_address_is_ipv4(const struct sower_address *address)
{
    return !address->local && memcmp(address->bytes, mapped_prefix, IPV4_AT) == 0;
}

void sower_address_print(const struct sower_address *address, char text[SOWER_ADDRESS_TEXT_SIZE])
{
    if (address->local) {
        snprintf(text, SOWER_ADDRESS_TEXT_SIZE, "unix");
    } else if (sower_address_is_ipv4(address)) {
        inet_ntop(AF_INET, address->bytes + IPV4_AT, text, SOWER_ADDRESS_TEXT_SIZE);
    } else {
        inet_ntop(AF_INET6, address->bytes, text, SOWER_ADDRESS_TEXT_SIZE);
    }
}

bool sower_address_equals(const struct sower_address *a, const struct sower_address *b)
{
    return a->local == b->local && (a->local || memcmp(a->bytes, b->bytes, SIZE) == 0);
}

/* Whether the first bits are equal. */
static bool share_prefix(const uint8_t a[SIZE], const uint8_t b[SIZE], unsigned bits)
{
    const unsigned whole = bits / 8, rest = bits % 8;
    return memcmp(a, b, whole) == 0 && (rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0);
}

static bool has_bits_after(const uint8_t bytes[SIZE], unsigned prefix)
{
    for (unsigned bit = prefix; bit < BITS; bit++) {
        if ((bytes[bit / 8] >> (7 - bit % 8) & 1) != 0) {
            return true;
        }
    }
    return false;
}

/* Reads "/8": at most three digits, at most `max`. */
static bool parse_prefix(const char *text, size_t length, unsigned max, unsigned *bits)
{
    *bits = 0;
    for (size_t i = 1; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        *bits = *bits * 10 + (unsigned)(text[i] - '0');
    }
    return length >= 2 && length <= 4 && *bits <= max;
}

/* Adds one entry of a list, for which there is room. */
static bool add(struct sower_networks *networks, const char *text, size_t length)
{
    static const char local[] = "unix";
    struct sower_address address;
    const char *slash = memchr(text, '/', length);
    const size_t address_length = slash != NULL ? (size_t)(slash - text) : length;
    if (length == sizeof local - 1 && memcmp(text, local, length) == 0) {
        networks->local = true;
        return true;
    }
    if (!sower_address_parse(text, address_length, &address)) {
        return false;
    }
    const bool ipv4 = sower_address_is_ipv4(&address) && memchr(text, ':', address_length) == NULL;
    unsigned bits = ipv4 ? BITS - IPV4_BITS : BITS;
    if (slash != NULL && !parse_prefix(slash, length - address_length, bits, &bits)) {
        return false;
    }
    bits += ipv4 ? IPV4_BITS : 0;
    if (has_bits_after(address.bytes, bits)) {
        return false;
    }
    memcpy(networks->list[networks->count].bytes, address.bytes, SIZE);
    networks->list[networks->count].bits = bits;
    networks->list[networks->count].ipv4 = sower_address_is_ipv4(&address) && bits >= IPV4_BITS;
    networks->count++;
    return true;
}

bool sower_networks_parse(const char *text, const char *option, struct sower_networks *networks,
                          struct sower_problem *problem)
{
    static const char blanks[] = " \t";
    *networks = (struct sower_networks){0};
    for (;;) {
        text += strspn(text, blanks);
        const size_t span = strcspn(text, ",");
        size_t length = span;
        while (length > 0 && strchr(blanks, text[length - 1]) != NULL) {
            length--;
        }
        if (networks->count == SOWER_NETWORKS_MAX) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, option,
                                     "%s has more than %d addresses and networks.", option,
                                     SOWER_NETWORKS_MAX);
        }
        if (!add(networks, text, length)) {
            return sower_problem_set(
                problem, SOWER_PROBLEM_INVALID, option,
                "%s has \"%.*s\"; it takes addresses, networks and unix, separated by commas, for "
                "example 127.0.0.1,10.0.0.0/8,fd00::/8. No bit of a network is set after its prefix.",
                option, (int)(length < 64 ? length : 64), text);
        }
        if (text[span] == '\0') {
            return true;
        }
        text += span + 1;
    }
}

bool sower_networks_contain(const struct sower_networks *networks, const struct sower_address *address)
{
    if (address->local) {
        return networks->local;
    }
    const bool ipv4 = sower_address_is_ipv4(address);
    for (size_t i = 0; i < networks->count; i++) {
        if (networks->list[i].ipv4 == ipv4 &&
            share_prefix(networks->list[i].bytes, address->bytes, networks->list[i].bits)) {
            return true;
        }
    }
    return false;
}
