/* Lines: splits a stream of bytes into lines, in constant memory. */
#ifndef SOWER_CLIENT_SOW_DAEMON_LINES_H
#define SOWER_CLIENT_SOW_DAEMON_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/attributes.h"

/* More than any ledger line has: names and experiments are short, even with every byte escaped. */
enum { LINES_SIZE_MAX = 16384 };

struct lines {
    /* Takes a line without its line feed. The line is valid only during the call. Returns false to stop. */
    bool (*take)(void *context, const char *line, size_t size);
    void *context;
    bool too_long;                /* stopped by a line of more than LINES_SIZE_MAX bytes, not by `take` */
    size_t size;                  /* of the incomplete line */
    char partial[LINES_SIZE_MAX]; /* the incomplete line */
};

/* Takes the next bytes. Returns false when stopped. */
SOWER_MUST_USE bool lines_feed(struct lines *lines, const char *bytes, size_t size);

/* At the end of the stream: takes the bytes after the last line feed, if there are any, as a line. */
SOWER_MUST_USE bool lines_end(struct lines *lines);

#endif
