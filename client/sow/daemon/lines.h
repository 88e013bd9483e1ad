/* Lines: a text cut into its lines as it comes, in constant memory. */
#ifndef SOWER_CLIENT_SOW_DAEMON_LINES_H
#define SOWER_CLIENT_SOW_DAEMON_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* Longer than any line of a ledger: names and experiments are short, even with every byte escaped. */
enum { LINES_SIZE_MAX = 16384 };

struct lines {
    /* Takes a line without its line feed; it is gone when this returns. False stops. */
    bool (*take)(void *context, const char *line, size_t size);
    void *context;
    bool too_long;              /* why it stopped, where it was not `take`: a line beyond LINES_SIZE_MAX */
    size_t size;                /* of the line that has begun */
    char begun[LINES_SIZE_MAX]; /* it, unless all of it came at once */
};

/* Takes the next bytes; false when it has stopped. */
bool lines_feed(struct lines *lines, const char *bytes, size_t size);

/* Takes what stands behind the last line feed, if anything does. */
bool lines_end(struct lines *lines);

#endif
