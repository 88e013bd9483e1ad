/* Retries: whether a question that brought nothing is asked again, and after which pause.
 *
 * What may pass: a daemon that cannot do it now (429, 503), a gateway whose daemon does not answer (502,
 * 504), a connection that is refused while a daemon restarts, and one that breaks. The pause is that of the
 * answer's Retry-After, or one that grows from 0.1 to 5 seconds, with a random part so that many clients do
 * not come back together. The time since the first failure is limited by --retry-seconds. */
#ifndef SOWER_CLIENT_SOW_DAEMON_RETRY_H
#define SOWER_CLIENT_SOW_DAEMON_RETRY_H

#include <stdbool.h>

#include "client/sow/daemon/http.h"

struct retry {
    double limit;      /* seconds; 0: nothing is asked again */
    double began;      /* when the first attempt failed */
    unsigned attempts; /* that failed since */
};

/* An answer to the last attempt, which failed. True when the question is to be asked again, after *pause
 * seconds. */
bool retry_again(struct retry *retry, const struct http_response *answer, double *pause);

/* What was asked for came, or a good part of it: counting begins anew. */
void retry_reset(struct retry *retry);

/* Says on stderr, unless the command is to be quiet, what is waited for and how long at most. For the first
 * failure in a row. */
void retry_note(const struct retry *retry, const struct options *options, const struct http_response *answer);

/* Waits, unless the pause is over already. */
void retry_wait(double pause);

#endif
