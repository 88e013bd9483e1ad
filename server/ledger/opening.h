/* Opening the store that a URL names: the only place that knows which kinds of stores exist. */
#ifndef SOWER_SERVER_LEDGER_OPENING_H
#define SOWER_SERVER_LEDGER_OPENING_H

#include "core/attributes.h"
#include "server/base/log.h"
#include "server/ledger/store.h"
#include "server/sandbox/sandbox.h"

/* Opens a store for the daemon whose key is `writer`. `url` is "sqlite:PATH" (without PATH: ledger.sqlite in the
 * directory `state`) or "postgresql://…" as in libpq. Upgrades an older ledger first, which may take minutes, and
 * logs that before. `log` may be NULL.
 *
 * Returns NULL with a problem, also for an unknown scheme. The caller closes the store with store->close. */
SOWER_MUST_USE struct sower_store *sower_store_open(const char *url, const char *state,
                                                    const uint8_t writer[SOWER_WRITER_SIZE],
                                                    const struct sower_log *log,
                                                    struct sower_problem *problem);

/* Lists what the store that `url` names needs while it is opened and used: the directory of its file, or the ports and
 * files of libpq. Call this before any thread starts: for SQLite it sets SQLITE_TMPDIR, if the variable is not set, to
 * that directory, so that sorting a large ledger needs no other one. */
void sower_store_list_needs(const char *url, const char *state, struct sower_sandbox *sandbox);

#endif
