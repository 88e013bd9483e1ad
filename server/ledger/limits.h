/* Limits of the ledger's size: it ends before its disk does.
 *
 * A full disk hurts all that use it, and a ledger that cannot write an index page is harder to explain than one that
 * has reached a limit. So the daemon stops adding lines earlier: when the ledger has `max` bytes, or when less than
 * `reserve` bytes are free where it is kept. What is recorded is still found. The limits are checked before each
 * transaction, which may exceed them by what it writes: some megabytes at most. A large model or manifest is counted in
 * advance.
 *
 * SQLite's write-ahead log counts too, and it grows to 64 MB although most of that is only old versions of pages. So
 * at a limit the store first gives that space back (store.h, shrink). Near the limit this may happen for each
 * transaction.
 *
 * Only the ledger's thread uses these functions. */
#ifndef SOWER_SERVER_LEDGER_LIMITS_H
#define SOWER_SERVER_LEDGER_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "server/base/log.h"
#include "server/ledger/store.h"

struct sower_limits {
    uint64_t max; /* bytes of the ledger; 0: no limit */
    uint64_t
        reserve; /* bytes of its disk that stay free; 0: none. Not for a store that does not know its disk. */
    /* Outcome of the last check: */
    bool full;                    /* nothing may be added, however small */
    struct sower_store_size size; /* before the write that was checked; zeros: not measured yet */
    /* Internal, and false and 0 at first: */
    bool nearly;          /* the warning was logged */
    int64_t shrink_after; /* no attempt to shrink before this time (sower_clock_milliseconds) */
};

/* Whether `lines` new lines and `bytes` more bytes may be added (0 and 0: something small). False with a problem
 * (UNAVAILABLE) that says which limit is reached. Logs a warning when a limit comes near: 90 % of `max`, or less than
 * twice `reserve` free. */
SOWER_MUST_USE bool sower_limits_check(struct sower_limits *limits, struct sower_store_writer *writer,
                                       uint64_t lines, uint64_t bytes, const struct sower_log *log,
                                       struct sower_problem *problem);

#endif
