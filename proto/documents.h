/* JSON documents for responses: plans, the catalogue, problems.
 *
 * Each function returns a new object for the caller to print and release (json_decref), or NULL when memory
 * runs out. Keys come in the order written here; numbers that JSON cannot hold (NaN, infinities) are null. */
#ifndef SOWER_PROTO_DOCUMENTS_H
#define SOWER_PROTO_DOCUMENTS_H

#include <stdint.h>

#include <jansson.h>

#include "core/catalogue.h"
#include "core/problem.h"
#include "proto/record.h"
#include "proto/request.h"

/* HTTP status for a problem: 400, 413 or 503. */
unsigned sower_document_status(enum sower_problem_code code);

/* RFC 9457: {"type":"about:blank","title":"Bad Request","status":400,"detail":<sentence>,"param":<field>};
 * the title is that of the status in RFC 9110, and `param` is left out when `param` is empty or NULL. */
json_t *sower_document_problem(unsigned status, const char *param, const char *detail);

/* What a request resolves to. The fields of its ledger line (record.h) without number and time, then
 *   fan_in, fan_out                from the shape and layout
 *   gain, std, limit               of the law; null if the initializer has none
 *   mean_expected, std_expected    of an element, truncation included
 *   low, high                      the support: no element lies outside
 *   slice                          the requested region, one [start, stop) pair for each axis
 *   slice_shape, elements          its shape and number of elements
 *   format, bytes                  of the response body: the size includes the header of the format */
json_t *sower_document_plan(const struct sower_request *request);

/* /v1/initializers: one entry, and all of them as an array. An entry has name, aliases, summary, formula,
 * source, example, rank ([least, greatest]) and parameters: a list of name, kind ("real", "integer",
 * "boolean", "choice"), required, default (null when required), domain (in words), meaning, and for a choice
 * choices. */
json_t *sower_document_entry(const struct sower_entry *entry);
json_t *sower_document_catalogue(void);

#endif
