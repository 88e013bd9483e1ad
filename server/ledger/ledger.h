/* The ledger: every draw written down before its first byte leaves.
 *
 * One thread owns the store's writing side. Requests put their draws into a bounded queue and wait; the
 * thread takes all that wait at once, looks up which are recorded already, writes the others in one
 * transaction (group commit), and tells every one of them. So draws that arrive together share one flush of
 * the disk, and nobody who serves connections ever waits for it. A set in memory (known.h) remembers recorded
 * draws: those cost no queue either. The draws of a model are one who waits, and one transaction. Trial
 * numbers are given out by the same thread, and those who wait for them share a commit of their own.
 *
 * The queue goes round the clients (rounds.h), and one client has half of it at most. What needs a
 * transaction of its own, a model or a pin, may take a second: of these the thread takes one at a time, and
 * between two of them a batch of all the others. Who only asks whether the ledger can be written waits behind
 * nobody: while the thread is at work the last outcome is the answer, for five seconds at most.
 *
 * A draw drifts when an earlier one has the same root, experiment, trial and name, and thus the same seed,
 * but another shape, dtype, initializer or layout. The set in memory never holds a draw that drifts: whether
 * it is refused is for the store to say, each time. */
#ifndef SOWER_SERVER_LEDGER_LEDGER_H
#define SOWER_SERVER_LEDGER_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/problem.h"
#include "proto/record.h"
#include "server/base/log.h"
#include "server/ledger/rounds.h"
#include "server/ledger/store.h"

struct sower_ledger;

/* What somebody waits for. */
enum sower_ledger_wish {
    SOWER_LEDGER_RECORD,     /* `draw` to be recorded */
    SOWER_LEDGER_LOOK,       /* `draw` to be looked for: nothing is written */
    SOWER_LEDGER_MODEL,      /* `model` to be recorded */
    SOWER_LEDGER_LOOK_MODEL, /* `model` to be looked for: nothing is written */
    SOWER_LEDGER_TRIALS,     /* `trials` to be given */
    SOWER_LEDGER_PIN,        /* `pin` to be made so */
    SOWER_LEDGER_PROBE,      /* an answer whether the ledger can be written */
};

/* One who waits. The owner fills `done`, `wish` and what that names; it must stay until `done` was called. */
struct sower_ledger_wait {
    /* Called once, by any thread; what it points to may be gone when it returns. */
    void (*done)(struct sower_ledger_wait *wait);
    enum sower_ledger_wish wish;
    union {
        struct sower_store_draw *draw;
        struct sower_store_model *model;
        struct sower_store_trials *trials;
        struct sower_store_pin *pin;
    };
    bool well;                       /* the wish was heard; the outcome stands in what it names */
    struct sower_problem problem;    /* otherwise */
    struct sower_rounds_place place; /* `client` is the owner's to fill, too */
};

/* A ledger whose store is still being opened: requests are refused. `queue` draws may wait,
 * `known_draws` are remembered. NULL when memory runs out. */
struct sower_ledger *sower_ledger_new(size_t queue, size_t known_draws, const struct sower_log *log);

/* Takes over the store, once; from here on draws are recorded. False, and the store is closed, when threads
 * run out. */
bool sower_ledger_open(struct sower_ledger *ledger, struct sower_store *store);

/* Refuses those who wait and who come later, and ends the thread after what it works on. The ledger may still
 * be asked. */
void sower_ledger_stop(struct sower_ledger *ledger);

/* Stops, closes the store and releases everything. */
void sower_ledger_free(struct sower_ledger *ledger);

/* The line of a draw that memory remembers, or 0. Costs no disk access. */
uint64_t sower_ledger_known(struct sower_ledger *ledger, const struct sower_draw_id *draw);

/* Remembers a model whose draws are all recorded and do not drift, under an id of its own that
 * sower_ledger_known finds. */
void sower_ledger_remember(struct sower_ledger *ledger, const struct sower_draw_id *model);

/* Hands over one who waits. `done` is always called: at once when the queue is full, or the ledger is not
 * open yet, or stopped. */
void sower_ledger_submit(struct sower_ledger *ledger, struct sower_ledger_wait *wait);

/* The reading side of the store, for any thread. NULL with a problem (UNAVAILABLE) while the store is still being opened. */
struct sower_store_reader *sower_ledger_reader(struct sower_ledger *ledger, struct sower_problem *problem);

#endif
