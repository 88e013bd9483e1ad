#include "server/http/range.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const char *skip_space(const char *text)
{
    while (*text == ' ' || *text == '\t') {
        text++;
    }
    return text;
}

/* Reads digits. A number that does not fit becomes UINT64_MAX. False: there is no digit. */
static bool read_number(const char **text, uint64_t *number)
{
    if (**text < '0' || **text > '9') {
        return false;
    }
    *number = 0;
    for (; **text >= '0' && **text <= '9'; (*text)++) {
        uint64_t digit = (uint64_t)(**text - '0');
        *number = *number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *number * 10 + digit;
    }
    return true;
}

/* "-N": the last N bytes. */
static enum sower_range_outcome suffix(uint64_t count, uint64_t size, struct sower_range *range)
{
    if (count == 0) {
        return SOWER_RANGE_UNSATISFIABLE;
    }
    if (size == 0) {
        return SOWER_RANGE_WHOLE;
    }
    range->length = count < size ? count : size;
    range->start = size - range->length;
    return SOWER_RANGE_PART;
}

enum sower_range_outcome sower_range_parse(const char *header, uint64_t size, struct sower_range *range)
{
    static const char unit[] = "bytes=";
    *range = (struct sower_range){0, size};
    if (header == NULL || strncasecmp(header, unit, sizeof unit - 1) != 0) {
        return SOWER_RANGE_WHOLE;
    }
    const char *text = skip_space(header + sizeof unit - 1);
    uint64_t first = 0, last = UINT64_MAX;
    bool has_first = read_number(&text, &first);
    if (*text++ != '-') {
        return SOWER_RANGE_WHOLE;
    }
    bool has_last = read_number(&text, &last);
    if (*skip_space(text) != '\0' || (!has_first && !has_last) || (has_first && last < first)) {
        return SOWER_RANGE_WHOLE;
    }
    if (!has_first) {
        return suffix(last, size, range);
    }
    if (first >= size) {
        return SOWER_RANGE_UNSATISFIABLE;
    }
    range->start = first;
    range->length = (last < size ? last : size - 1) - first + 1;
    return SOWER_RANGE_PART;
}

bool sower_etag_listed(const char *header, const char *etag, bool weak)
{
    if (header == NULL) {
        return false;
    }
    const char *text = skip_space(header);
    if (text[0] == '*' && *skip_space(text + 1) == '\0') {
        return true;
    }
    size_t length = strlen(etag);
    while (*text != '\0') {
        bool is_weak = text[0] == 'W' && text[1] == '/';
        text += is_weak ? 2 : 0;
        const char *end = text[0] == '"' ? strchr(text + 1, '"') : NULL;
        if (end == NULL) {
            return false;
        }
        if ((weak || !is_weak) && (size_t)(end + 1 - text) == length && memcmp(text, etag, length) == 0) {
            return true;
        }
        text = skip_space(end + 1);
        if (*text != ',' && *text != '\0') {
            return false;
        }
        while (*text == ',') {
            text = skip_space(text + 1);
        }
    }
    return false;
}

bool sower_if_range(const char *header, const char *etag)
{
    return header == NULL || strcmp(header, etag) == 0;
}
