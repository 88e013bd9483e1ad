/* Drift: the same name asked for again as another tensor.
 *
 * The root, experiment, trial and name of a draw decide its seed; its shape, dtype, initializer and layout do
 * not. A draw that shares them with an earlier line and is another draw is served and flagged, or, where the
 * daemon is strict or the experiment pinned, refused. */
#ifndef SOWER_SERVER_HANDLERS_DRIFT_H
#define SOWER_SERVER_HANDLERS_DRIFT_H

#include "server/http/exchange.h"

/* Refuses with 409 the tensor `name`, which drifts from a line of the ledger. */
enum MHD_Result sower_drift_refuse(struct sower_exchange *exchange, const char *name, uint64_t line);

/* Adds the flag, Sower-Drift: the number of that line, and forbids caches to keep the answer. Nothing for
 * line 0. */
void sower_drift_add_header(struct MHD_Response **response, uint64_t line);

#endif
