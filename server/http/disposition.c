#include "server/http/disposition.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/utf8.h"

static bool is_safe_ascii(char byte)
{
    return byte >= ' ' && byte < 0x7f && strchr("\"\\/:*?<>|%", byte) == NULL;
}

/* The size of the next character of a name, in bytes. *safe: whether the character may stay. */
static size_t take(const char *text, size_t left, bool *safe)
{
    uint32_t point;
    size_t size = sower_utf8_length(text, left);
    *safe = size == 1 ? is_safe_ascii(text[0]) : size > 1 && !sower_utf8_controls(text, size, &point);
    return size > 0 ? size : 1;
}

static void make_harmless(const char *name, char harmless[SOWER_DISPOSITION_NAME_MAX + 1])
{
    size_t length = 0, left = strlen(name);
    while (left > 0) {
        bool safe;
        size_t size = take(name, left, &safe), taken = safe ? size : 1;
        if (length + taken > SOWER_DISPOSITION_NAME_MAX) {
            break;
        }
        memcpy(harmless + length, safe ? name : "_", taken);
        length += taken;
        name += size;
        left -= size;
    }
    harmless[length] = '\0';
    if (length > 0 && strchr(".-~ ", harmless[0]) != NULL) {
        harmless[0] = '_';
    }
}

/* Prints a name in ASCII, with one "_" for each other character. */
static size_t print_plain(const char *name, char *text)
{
    size_t length = 0;
    for (; *name != '\0'; name++) {
        bool ascii = (uint8_t)*name < 0x80, continues = ((uint8_t)*name & 0xc0) == 0x80;
        if (!continues) {
            text[length++] = ascii ? *name : '_';
        }
    }
    return length;
}

/* Prints a name as RFC 8187 requires: letters, digits and a few others unchanged, each other byte as %XX. */
static size_t print_encoded(const char *name, char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t length = 0;
    for (; *name != '\0'; name++) {
        uint8_t byte = (uint8_t)*name;
        if ((byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
            strchr("!#$&+-.^_`|~", *name) != NULL) {
            text[length++] = *name;
        } else {
            text[length++] = '%';
            text[length++] = hex[byte >> 4];
            text[length++] = hex[byte & 15];
        }
    }
    return length;
}

void sower_disposition_print(const char *name, const char *end, char value[SOWER_DISPOSITION_SIZE])
{
    char harmless[SOWER_DISPOSITION_NAME_MAX + 1];
    make_harmless(name, harmless);
    size_t length = (size_t)snprintf(value, SOWER_DISPOSITION_SIZE, "attachment; filename=\"");
    length += print_plain(harmless, value + length);
    length += (size_t)snprintf(value + length, SOWER_DISPOSITION_SIZE - length, "%.*s\"; filename*=UTF-8''",
                               (int)SOWER_DISPOSITION_END_MAX, end);
    length += print_encoded(harmless, value + length);
    snprintf(value + length, SOWER_DISPOSITION_SIZE - length, "%.*s", (int)SOWER_DISPOSITION_END_MAX, end);
}
