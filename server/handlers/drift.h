/* Drift: the same name is requested again for another tensor.
 *
 * The root, experiment, trial and name of a draw decide its seed; its shape, dtype, initializer and layout
 * do not. A draw drifts if an earlier line has the same root, experiment, trial and name but is another
 * draw. A draw that drifts is served with a flag. It is refused if the daemon is strict or the experiment
 * is pinned, unless it is the same array in another precision (proto/precision.h). */
#ifndef SOWER_SERVER_HANDLERS_DRIFT_H
#define SOWER_SERVER_HANDLERS_DRIFT_H

#include "server/http/exchange.h"

/* Refuses with 409 the tensor `name`, which drifts from line `line` of the ledger. */
enum MHD_Result sower_drift_refuse(struct sower_exchange *exchange, const char *name, uint64_t line);

/* Adds the flag, the header Sower-Drift with the number of that line, and forbids caches to keep the
 * response. Does nothing for line 0. */
void sower_drift_add_header(struct MHD_Response **response, uint64_t line);

#endif
