#include "proto/hex.h"

#include <string.h>

static const char DIGITS[] = "0123456789abcdef";

void sower_hex_print(const uint8_t bytes[32], char hex[SOWER_HEX_SIZE])
{
    for (size_t i = 0; i < 32; i++) {
        hex[2 * i] = DIGITS[bytes[i] >> 4];
        hex[2 * i + 1] = DIGITS[bytes[i] & 0xf];
    }
    hex[64] = '\0';
}

/* The value of a digit; 16 for any other byte. */
static unsigned value_of(char digit)
{
    return digit >= '0' && digit <= '9'   ? (unsigned)(digit - '0')
           : digit >= 'a' && digit <= 'f' ? (unsigned)(digit - 'a') + 10
                                          : 16;
}

bool sower_hex_read(const char *text, uint8_t *bytes, size_t count)
{
    unsigned wrong = 0;
    for (size_t i = 0; i < count; i++) {
        const unsigned high = value_of(text[2 * i]), low = value_of(text[2 * i + 1]);
        wrong |= high | low;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return wrong < 16;
}

bool sower_hex_is_hash(const char *text)
{
    return strlen(text) == SOWER_HEX_SIZE - 1 && strspn(text, DIGITS) == SOWER_HEX_SIZE - 1;
}
