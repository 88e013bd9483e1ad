/* The ledger: every draw is recorded before its first byte is sent.
 *
 * One thread owns the writing side of the store. Requests put their draws into a bounded queue and wait. The
 * thread takes all waiting draws at once, looks up which of them are recorded already, writes the others in one
 * transaction (group commit), and completes every request. So draws that arrive together share one flush to
 * disk, and the threads that serve connections never wait for the disk. A set in memory (known.h) has recently
 * recorded draws; these do not even enter the queue. The draws of a model are one request.
 * The same thread gives out trial numbers; requests for them share a transaction of their own.
 *
 * The queue serves the clients in turn (rounds.h), and one client may fill at most half of it. A request that
 * needs its own transaction (a model or a pin) may take some tenths of a second; the thread takes one such request at
 * a time, and between two of them one batch of all others. A large model takes several transactions
 * (store_models.h), and goes back into the queue after each. A probe, which asks whether the ledger can be written, does
 * not wait for other requests: while the thread is at work, the last outcome counts, for at most five
 * seconds.
 *
 * When the ledger or its disk has reached a limit (limits.h), what needs a new line is refused, and what is recorded
 * is found as before.
 *
 * A draw drifts when an earlier draw has the same root, experiment, trial and name, and thus the same seed, but
 * another shape, dtype, initializer or layout. The set in memory never has a draw that drifts: the store decides
 * each time whether to refuse it. Another precision of the same array is not refused (proto/precision.h). */
#ifndef SOWER_SERVER_LEDGER_LEDGER_H
#define SOWER_SERVER_LEDGER_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "proto/record.h"
#include "server/base/histogram.h"
#include "server/base/log.h"
#include "server/ledger/limits.h"
#include "server/ledger/rounds.h"
#include "server/ledger/store.h"

struct sower_ledger;

/* What a request asks for. */
enum sower_ledger_request {
    SOWER_LEDGER_RECORD,     /* record `draw` */
    SOWER_LEDGER_LOOK,       /* look `draw` up; writes nothing */
    SOWER_LEDGER_MODEL,      /* record `model` */
    SOWER_LEDGER_LOOK_MODEL, /* look `model` up; writes nothing */
    SOWER_LEDGER_TRIALS,     /* give out `trials` */
    SOWER_LEDGER_PIN,        /* pin or unpin as `pin` says */
    SOWER_LEDGER_PROBE,      /* can the ledger be written? */
};

/* A waiting request. The owner sets `done`, `request`, the member that `request` names,
 * `account` and `place.client`. The
 * object must exist until `done` is called. */
struct sower_ledger_wait {
    /* Called once, by any thread. May free the object. */
    void (*done)(struct sower_ledger_wait *wait);
    enum sower_ledger_request request;
    union {
        struct sower_store_draw *draw;
        struct sower_store_model *model;
        struct sower_store_trials *trials;
        struct sower_store_pin *pin;
    };
    /* Whose lines the request adds. All zeros: nobody's, and no limits. If they exceed a limit, the request fails with a
     * problem (LIMITED). `added` is the number of lines that it added, also if it failed. */
    struct sower_account account;
    bool well;                       /* success: the outcome is in the named member */
    struct sower_problem problem;    /* why, if not `well` */
    struct sower_rounds_place place; /* in the queue */
};

/* Creates a ledger without a store: it refuses requests until sower_ledger_open. At most `queue` requests may
 * wait; memory holds about `known_draws` recorded draws. NULL when memory runs out. */
SOWER_MUST_USE struct sower_ledger *sower_ledger_new(size_t queue, size_t known_draws,
                                                     const struct sower_log *log);

/* Limits the size of the ledger (limits.h). Call it before sower_ledger_open. */
void sower_ledger_limit(struct sower_ledger *ledger, uint64_t max, uint64_t reserve);

/* Takes over the store, once; from now on draws are recorded. When threads run out: closes the store, and false.
 */
SOWER_MUST_USE bool sower_ledger_open(struct sower_ledger *ledger, struct sower_store *store);

/* False if requests have waited since the last call, and the thread has neither taken one nor been at work in its
 * store: it hangs. */
SOWER_MUST_USE bool sower_ledger_moves(struct sower_ledger *ledger);

/* Refuses all waiting and later requests, and ends the thread after its current work. Reading remains possible.
 */
void sower_ledger_stop(struct sower_ledger *ledger);

/* Stops, closes the store and releases everything. */
void sower_ledger_free(struct sower_ledger *ledger);

/* The line of a draw that is in memory, or 0. Does not access the disk. */
uint64_t sower_ledger_known(struct sower_ledger *ledger, const struct sower_draw_id *draw);

/* Remembers a model whose draws are all recorded and do not drift, under the model's own id, so that
 * sower_ledger_known finds it. */
void sower_ledger_remember(struct sower_ledger *ledger, const struct sower_draw_id *model);

/* Submits a request. `done` is always called: at once if the queue is full or the ledger is not open (yet, or
 * any more). */
void sower_ledger_submit(struct sower_ledger *ledger, struct sower_ledger_wait *wait);

/* Why a request did not enter the queue. */
enum { SOWER_LEDGER_OPENING, SOWER_LEDGER_QUEUE_FULL, SOWER_LEDGER_STOPPING, SOWER_LEDGER_REFUSALS };

struct sower_ledger_figures {
    bool ready;              /* as far as is known without a write: a draw would be recorded */
    uint64_t waiting, queue; /* requests in the queue, and its limit */
    uint64_t refused[SOWER_LEDGER_REFUSALS];
    uint64_t failures;                 /* writes and look-ups that failed */
    uint64_t lines;                    /* that this daemon has written since it was started */
    uint64_t last;                     /* the highest line number when it was last seen; 0: not seen yet */
    struct sower_store_size size;      /* zeros: not measured yet */
    bool full;                         /* a limit of the size is reached */
    int64_t chain_time;                /* the time of the last line of the daemon's chain; 0: not seen yet */
    uint64_t known_hits, known_misses; /* how often sower_ledger_known had the draw, and how often not */
    struct sower_histogram_figures commits; /* the seconds of transactions that wrote lines */
};

/* Waits neither for the disk nor for the ledger's thread. */
SOWER_MUST_USE struct sower_ledger_figures sower_ledger_figures(struct sower_ledger *ledger);

/* The reading side of the store, for any thread. NULL with a problem (UNAVAILABLE) while the store is still being
 * opened. */
SOWER_MUST_USE struct sower_store_reader *sower_ledger_reader(struct sower_ledger *ledger,
                                                              struct sower_problem *problem);

#endif
