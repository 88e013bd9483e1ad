#include "server/http/accept.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { FULL = 1000 };

/* A part of the header. */
struct span {
    const char *begin;
    size_t length;
};

/* Takes the text up to `separator` off the front of *rest, without the whitespace around it. */
static struct span take(struct span *rest, char separator)
{
    const char *end = memchr(rest->begin, separator, rest->length);
    struct span part = {rest->begin, end == NULL ? rest->length : (size_t)(end - rest->begin)};
    const size_t taken = part.length + (end != NULL);
    rest->begin += taken;
    rest->length -= taken;
    while (part.length > 0 && strchr(" \t", part.begin[0]) != NULL) {
        part.begin++;
        part.length--;
    }
    while (part.length > 0 && strchr(" \t", part.begin[part.length - 1]) != NULL) {
        part.length--;
    }
    return part;
}

static bool equals(struct span span, const char *text)
{
    return span.length == strlen(text) && strncasecmp(span.begin, text, span.length) == 0;
}

/* "0.5", "1", "0.125", "1.0" in thousandths; 0 if malformed. */
static int read_quality(struct span text)
{
    int quality = 0, digit = FULL;
    for (size_t i = 0; i < text.length; i++) {
        const char c = text.begin[i];
        if (i == 1 ? c != '.' : c < '0' || c > '9') {
            return 0;
        }
        if (i != 1) {
            quality += (c - '0') * digit;
            digit /= 10;
        }
    }
    return quality <= FULL ? quality : 0;
}

/* The quality of one entry, or -1 if it is another range or another version. */
static int quality_of(struct span entry, const char *range, const char *version)
{
    int quality = FULL;
    if (!equals(take(&entry, ';'), range)) {
        return -1;
    }
    while (entry.length > 0) {
        struct span value = take(&entry, ';');
        const struct span name = take(&value, '=');
        if (equals(name, "version") && !equals(value, version)) {
            return -1;
        }
        if (equals(name, "q")) {
            quality = read_quality(value);
        }
    }
    return quality;
}

int sower_accept_quality(const char *header, const char *range, const char *version)
{
    struct span rest = {header, strlen(header)};
    int best = -1;
    while (rest.length > 0) {
        const int quality = quality_of(take(&rest, ','), range, version);
        best = quality > best ? quality : best;
    }
    return best;
}
