/* Warnings about drift: the name of a tensor stands for a different tensor than before. */
#ifndef SOWER_CLIENT_SOW_TENSORS_DRIFT_H
#define SOWER_CLIENT_SOW_TENSORS_DRIFT_H

#include "client/sow/daemon/http.h"
#include "proto/model.h"
#include "proto/request.h"

/* Prints a warning on stderr when the response says that a tensor drifts. Either `request` (one tensor) or
 * `model` (its first tensor that drifts) is given; the other is NULL. The ledger line is requested so that
 * the warning can say what differs; if that fails, the warning says only that it drifts. */
void drift_report(const struct options *options, const struct http_response *response,
                  const struct sower_request *request, const struct sower_model *model);

#endif
