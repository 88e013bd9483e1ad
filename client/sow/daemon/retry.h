/* Retries: decides whether a failed request is repeated, and after which pause.
 *
 * Temporary failures are repeated: a daemon that cannot serve the request at the moment (503, 429 unless its limit is used up), a gateway
 * without a response from its daemon (502, 504), a refused connection while a daemon restarts, and a lost
 * connection. The pause is that of Retry-After. Without one it grows from 0.1 to 5 seconds, plus a random part so
 * that many clients do not return at the same time. --retry-seconds limits the time since the first failure. */
#ifndef SOWER_CLIENT_SOW_DAEMON_RETRY_H
#define SOWER_CLIENT_SOW_DAEMON_RETRY_H

#include <stdbool.h>

#include "client/sow/daemon/response.h"
#include "client/sow/options.h"
#include "core/attributes.h"

struct retry {
    double limit;      /* seconds; 0: no retries */
    double began;      /* when the first attempt failed */
    unsigned attempts; /* failed attempts since then */
};

/* Counts a failed attempt. True when the request may be repeated after *pause seconds. */
SOWER_MUST_USE bool retry_allowed(struct retry *retry, const struct http_response *response, double *pause);

/* Whether a refusal is that of a limit that waiting does not help against (429). sowerd says with Retry-After when
 * waiting helps. */
bool retry_is_hopeless(const struct http_response *response);

/* After progress: the next failure counts as the first one. */
void retry_reset(struct retry *retry);

/* After the first of several failures: says on stderr what failed and how long sow retries. Not with --quiet. */
void retry_announce(const struct retry *retry, const struct options *options,
                    const struct http_response *response);

/* Sleeps for `pause` seconds. */
void retry_wait(double pause);

#endif
