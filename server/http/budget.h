/* The memory budget of large requests.
 *
 * A request for a tensor takes a few kilobytes, whatever the size of the tensor. A manifest of a million tensors takes
 * some hundred megabytes while it is read, and its model half as much while it is sent. Amounts above a megabyte are
 * counted here, so that many large requests together cannot take all memory. A request that does not fit is
 * refused, and its client may try again. */
#ifndef SOWER_SERVER_HTTP_BUDGET_H
#define SOWER_SERVER_HTTP_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "proto/model.h"

/* Adds `bytes` to *used (server->budget). False with a problem (UNAVAILABLE), and *used as before, when the
 * sum would exceed 1 GiB. The caller gives the bytes back. */
SOWER_MUST_USE bool sower_budget_take(_Atomic uint64_t *used, uint64_t bytes, struct sower_problem *problem);
void sower_budget_give_back(_Atomic uint64_t *used, uint64_t bytes);

/* Bytes that reading a manifest's text takes at most, besides the text; 0 for a text of at most a megabyte. */
SOWER_MUST_USE uint64_t sower_budget_for_reading(size_t length);

/* Bytes that a model takes. */
SOWER_MUST_USE uint64_t sower_budget_for_model(const struct sower_model *model);

#endif
