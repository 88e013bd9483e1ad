/* Progress: how far a transfer is, on stderr.
 *
 * On a terminal one line is redrawn in place, at most ten times a second: a bar, percent, bytes, rate and the
 * time left; it is wiped when the transfer ends, however it ends. It keeps to the terminal's width, has no
 * colour when NO_COLOR is set, and a bar of "#" where the locale is not UTF-8. Where stderr is no terminal
 * nothing is drawn, unless asked for: then plain lines, one for each tenth of the way, which suit a log. */
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
    double began; /* when the answer was asked for */
    double drawn; /* when the line was last drawn */
    uint64_t done_when_drawn;
    double rate;       /* bytes per second, smoothed over some seconds; 0: not known yet */
    unsigned tenths;   /* of the way, already told as lines */
    bool shown;        /* the line stands on the terminal */
    const char *label; /* what is being fetched, shown where there is room; NULL: nothing */
};

/* Begins to wait. `quiet`: draw nothing; `wanted`: draw even where stderr is no terminal. */
void progress_begin(struct progress *progress, bool quiet, bool wanted);

/* The answer has begun, and has this many bytes. */
void progress_expect(struct progress *progress, uint64_t total);

/* `done` bytes have come by now. Cheap enough for every block; to be called now and then while none comes. */
void progress_update(struct progress *progress, uint64_t done);

/* All bytes have come, and the disk is still to take them: says so where a line is shown. */
void progress_store(struct progress *progress);

/* Wipes the line. May be called at any time and twice. */
void progress_end(struct progress *progress);

/* Seconds since progress_begin. */
double progress_seconds(const struct progress *progress);

#endif
