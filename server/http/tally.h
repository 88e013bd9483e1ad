/* The tally: counts of the requests that have ended, by route, method and status, and of refusals by reason.
 *
 * The labels come from the table of routes and from fixed lists here, so their number is bounded, whatever clients
 * send. Every worker thread counts in a part of its own, so that threads do not wait for each other's cache lines;
 * reading adds the parts. Each count only grows. */
#ifndef SOWER_SERVER_HTTP_TALLY_H
#define SOWER_SERVER_HTTP_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "server/base/histogram.h"
#include "server/http/exchange.h"

/* Labels: "GET", "HEAD", "POST", "PUT", "DELETE" and "other"; "200", …, "other", and "none" for a request without
 * a response. */
enum { SOWER_TALLY_METHODS = 6, SOWER_TALLY_STATUSES = 26 };
const char *sower_tally_method(size_t method);
const char *sower_tally_status(size_t status);

/* Why a request was refused. */
enum sower_refusal {
    SOWER_REFUSAL_INVALID, /* 400: a field, or the framing of the request */
    SOWER_REFUSAL_UNAUTHENTICATED,
    SOWER_REFUSAL_FORBIDDEN,
    SOWER_REFUSAL_NOT_FOUND,
    SOWER_REFUSAL_METHOD,
    SOWER_REFUSAL_CONFLICT, /* drift, or a key with another count */
    SOWER_REFUSAL_PRECONDITION,
    SOWER_REFUSAL_TOO_LARGE,
    SOWER_REFUSAL_RANGE,
    SOWER_REFUSAL_HOST,
    SOWER_REFUSAL_UNPROCESSABLE,
    SOWER_REFUSAL_RATE,
    SOWER_REFUSAL_UNAVAILABLE,
    SOWER_REFUSAL_MEMORY,
    SOWER_REFUSAL_OTHER,
    SOWER_REFUSALS,
};
const char *sower_tally_refusal(size_t refusal);

struct sower_tally;

/* For so many routes, which have the numbers from 0, and `routes` for an unknown path. NULL when memory runs out. */
SOWER_MUST_USE struct sower_tally *sower_tally_new(size_t routes, size_t threads);
void sower_tally_free(struct sower_tally *tally);

/* A request that has ended. `status` is 0 if it got no response. `bytes` is the size of the body sent. */
void sower_tally_request(struct sower_tally *tally, size_t route, enum sower_method method, unsigned status,
                         uint64_t nanoseconds, uint64_t bytes);

/* A request that ended before its headers had arrived, or whose headers libmicrohttpd refused. */
void sower_tally_unread(struct sower_tally *tally);

/* A refusal with this status; `code` tells memory from other resources. */
void sower_tally_refused(struct sower_tally *tally, unsigned status, enum sower_problem_code code);

/* The counts of a route's responses with one status. */
struct sower_tally_figures {
    uint64_t requests[SOWER_TALLY_METHODS];
    uint64_t bytes;
    struct sower_histogram_figures seconds;
};

void sower_tally_read(const struct sower_tally *tally, size_t route, size_t status,
                      struct sower_tally_figures *figures);
uint64_t sower_tally_read_unread(const struct sower_tally *tally);
uint64_t sower_tally_read_refused(const struct sower_tally *tally, size_t refusal);

#endif
