/* The store of a ledger that is still being opened.
 *
 * Opening a store takes minutes when the ledger is of an older version. Until then the ledger has this store:
 * every question to it is refused with UNAVAILABLE, in a sentence that says why. Nothing is written to it:
 * the ledger refuses all who want that before they reach a store (ledger.c). */
#ifndef SOWER_SERVER_LEDGER_OPENING_H
#define SOWER_SERVER_LEDGER_OPENING_H

#include "server/ledger/store.h"

/* Sets the problem of everybody who needs the ledger too early; returns false. */
bool sower_store_opening_refuse(struct sower_problem *problem);

/* The store; there is one, it has no state and is never closed. */
struct sower_store *sower_store_opening(void);

#endif
