#include "lines.h"

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

bool lines_feed(struct lines *lines, const char *bytes, size_t size)
{
    const char *end = bytes + size, *feed;
    while ((feed = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL) {
        size_t length = (size_t)(feed - bytes);
        bool taken = lines->size == 0 ? lines->take(lines->context, bytes, length)
                                      : keep(lines, bytes, length) && take_begun(lines);
        if (!taken) {
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
