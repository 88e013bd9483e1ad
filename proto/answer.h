/* Answers in JSON: plans, ledger lines, the catalogue, problems.
 *
 * Each function returns a new object for the caller to print and release (json_decref), or NULL when memory
 * runs out. Key order is as written here; numbers that JSON cannot hold (NaN, infinities) appear as null. */
#ifndef SOWER_PROTO_ANSWER_H
#define SOWER_PROTO_ANSWER_H

#include <stdint.h>

#include <jansson.h>

#include "../core/catalogue.h"
#include "../core/problem.h"
#include "record.h"
#include "request.h"

/* HTTP status for a problem: 400, 413 or 503. */
unsigned sower_answer_status(enum sower_problem_code code);

/* RFC 9457: {"type":"about:blank","title":…,"status":…,"detail":…,"param":…}; `param` is left out when empty.
 */
json_t *sower_answer_problem(unsigned status, const char *param, const char *detail);

/* /v1/plan: draw, seed (hex), experiment … layout, fans, gain, std, limit, mean_expected, std_expected, low,
 * high, bytes of the answer, shape of the answer, format, elements. */
json_t *sower_answer_plan(const struct sower_request *request);

/* /v1/initializers: one entry, and all of them as an array. */
json_t *sower_answer_entry(const struct sower_entry *entry);
json_t *sower_answer_catalogue(void);

#endif
