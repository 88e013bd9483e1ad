/* Progress of a transfer, on stderr.
 *
 * On a terminal one line is redrawn in place, at most ten times a second: a bar, the percentage, bytes,
 * rate and time left. The line is wiped when the transfer ends, also after a failure. It fits the width of
 * the terminal, has no colours when NO_COLOR is set, and a bar of "#" when the locale is not UTF-8. When
 * stderr is not a terminal, nothing is shown unless it was requested; then there are plain lines, one for
 * each tenth of the transfer, suitable for a log file. */
#ifndef SOWER_CLIENT_SOW_TERMINAL_PROGRESS_H
#define SOWER_CLIENT_SOW_TERMINAL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

enum progress_kind { PROGRESS_NONE, PROGRESS_BAR, PROGRESS_LINES };

struct progress {
    enum progress_kind kind;
    bool coloured, utf8;
    uint64_t total; /* bytes; 0 until progress_expect */
    uint64_t done;
    double began; /* when progress_begin was called */
    double drawn; /* when the line was last drawn */
    uint64_t done_when_drawn;
    double rate;       /* bytes per second, smoothed; 0: not measured yet */
    unsigned tenths;   /* tenths of the transfer that were printed as lines */
    bool shown;        /* the line is on the terminal */
    const char *label; /* what is being transferred, shown when there is room; NULL: no label */
};

/* Starts the clock. `quiet`: show nothing. `wanted`: show progress also when stderr is not a terminal. */
void progress_begin(struct progress *progress, bool quiet, bool wanted);

/* The response has begun; it has `total` bytes. */
void progress_expect(struct progress *progress, uint64_t total);

/* `done` bytes have been received. Cheap enough to be called for every block; also to be called from time
 * to time while nothing is received, so that the line stays current. */
void progress_update(struct progress *progress, uint64_t done);

/* All bytes have been received and are being written to disk: says so when a line is shown. */
void progress_wait_for_disk(struct progress *progress);

/* Wipes the line. May be called at any time, and twice. */
void progress_end(struct progress *progress);

/* Seconds since progress_begin. */
double progress_seconds(const struct progress *progress);

#endif
