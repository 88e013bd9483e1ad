#include "core/utf8.h"

size_t sower_utf8_length(const char *text, size_t left)
{
    const unsigned char *bytes = (const unsigned char *)text;
    unsigned char lead = bytes[0];
    size_t length = lead < 0x80   ? 1
                    : lead < 0xc2 ? 0
                    : lead < 0xe0 ? 2
                    : lead < 0xf0 ? 3
                    : lead < 0xf5 ? 4
                                  : 0;
    if (length > left) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0; /* this includes NUL, so the function never reads past a terminator */
        }
    }
    bool overlong = (lead == 0xe0 && bytes[1] < 0xa0) || (lead == 0xf0 && bytes[1] < 0x90);
    bool surrogate = lead == 0xed && bytes[1] > 0x9f;
    bool beyond = lead == 0xf4 && bytes[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : length;
}

bool sower_utf8_check(const char *text, size_t length)
{
    size_t at = 0, taken = 1;
    while (at < length && taken > 0) {
        taken = sower_utf8_length(text + at, length - at);
        at += taken;
    }
    return taken > 0;
}

static const struct {
    uint32_t first, last;
} CONTROLS[] = {{0, 0x1f},        {0x7f, 0x9f},     {0x61c, 0x61c},  {0x200e, 0x200f},
                {0x2028, 0x202e}, {0x2066, 0x206f}, {0xfeff, 0xfeff}};

bool sower_utf8_controls(const char *text, size_t length, uint32_t *point)
{
    *point = length == 1 ? (uint8_t)text[0] : (uint8_t)text[0] & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        *point = *point << 6 | ((uint8_t)text[i] & 0x3fU);
    }
    for (size_t i = 0; i < sizeof CONTROLS / sizeof CONTROLS[0]; i++) {
        if (*point >= CONTROLS[i].first && *point <= CONTROLS[i].last) {
            return true;
        }
    }
    return false;
}
