#include "client/sow/daemon/lines.h"

#include <string.h>

static bool keep(struct lines *lines, const char *bytes, size_t size)
{
    if (size > LINES_SIZE_MAX - lines->size) {
        lines->too_long = true;
        return false;
    }
    memcpy(lines->partial + lines->size, bytes, size);
    lines->size += size;
    return true;
}

static bool take_partial(struct lines *lines)
{
    size_t size = lines->size;
    lines->size = 0;
    return lines->take(lines->context, lines->partial, size);
}

/* Takes the rest of a line, or a whole line. */
static bool take(struct lines *lines, const char *bytes, size_t size)
{
    if (lines->size == 0 && size <= LINES_SIZE_MAX) {
        return lines->take(lines->context, bytes, size);
    }
    return keep(lines, bytes, size) && take_partial(lines);
}

bool lines_feed(struct lines *lines, const char *bytes, size_t size)
{
    const char *end = bytes + size, *feed;
    while ((feed = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL) {
        if (!take(lines, bytes, (size_t)(feed - bytes))) {
            return false;
        }
        bytes = feed + 1;
    }
    return bytes == end || keep(lines, bytes, (size_t)(end - bytes));
}

bool lines_end(struct lines *lines)
{
    return lines->size == 0 || take_partial(lines);
}
