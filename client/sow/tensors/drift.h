/* Drift, as sow warns of it: what the name of a tensor stood for before, and what it stands for now. */
#ifndef SOWER_CLIENT_SOW_TENSORS_DRIFT_H
#define SOWER_CLIENT_SOW_TENSORS_DRIFT_H

#include "client/sow/daemon/http.h"
#include "proto/model.h"
#include "proto/request.h"

/* Warns on stderr where an answer says that it drifts: of a tensor, by its request, or of a model (one of the
 * two is NULL), by the first of its tensors that drifts. The line of the ledger is asked for, so that the
 * warning says what differs; where it cannot be had the warning says that it drifts. */
void drift_report(const struct options *options, const struct http_response *answer,
                  const struct sower_request *request, const struct sower_model *model);

#endif
