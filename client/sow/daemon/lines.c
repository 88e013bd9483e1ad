#include "client/sow/daemon/lines.h"

#include <string.h>

static bool keep(struct lines *lines, const char *bytes, size_t size)
{
    if (size > LINES_SIZE_MAX - lines->size) {
        lines->too_long = true;
        return false;
    }
    memcpy(lines->begun + lines->size, bytes, size);
    lines->size += size;
    return true;
}

static bool take_begun(struct lines *lines)
{
    size_t size = lines->size;
    lines->size = 0;
    return lines->take(lines->context, lines->begun, size);
}

/* Takes a line's end, or all of it. */
static bool take(struct lines *lines, const char *bytes, size_t size)
{
    if (lines->size == 0 && size <= LINES_SIZE_MAX) {
        return lines->take(lines->context, bytes, size);
    }
    return keep(lines, bytes, size) && take_begun(lines);
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
    return lines->size == 0 || take_begun(lines);
}
