/* Signals: only the main thread reads them, through a signalfd, and only when it can act on them.
 *
 * SIGTERM and SIGINT end the daemon; on SIGHUP it reads its files again. While the daemon cannot stop in order (it opens
 * its ledger, or stops already), SIGTERM and SIGINT end the process at once. */
#ifndef SOWER_SERVER_BASE_SIGNALS_H
#define SOWER_SERVER_BASE_SIGNALS_H

#include <stdbool.h>

#include "core/attributes.h"

/* A write to a closed connection, or beyond the limit on file sizes, then returns an error and raises no signal. */
SOWER_MUST_USE bool sower_signals_ignore(void);

/* Blocks the signals, so that they interrupt no thread, and opens a signalfd for them. Returns it, or -1. Call it before
 * any other thread starts. */
SOWER_MUST_USE int sower_signals_open(void);

/* From now on SIGTERM and SIGINT end the process at once. SIGHUP stays blocked. */
void sower_signals_let_end(void);

/* The signalfd reports the signals again, after sower_signals_let_end. */
void sower_signals_block(void);

/* Discards the pending signals. From now on a further SIGTERM or SIGINT ends the process at once. */
void sower_signals_release(int signals);

#endif
