#include "client/sow/daemon/retry.h"

#include <errno.h>
#include <strings.h>
#include <time.h>

#include <sodium.h>

#include "client/sow/clock.h"
#include "client/sow/daemon/report.h"

static const double PAUSE_LEAST = 0.1, PAUSE_MOST = 5;

enum { JITTER_STEPS = 1000 };

bool retry_is_hopeless(const struct http_response *response)
{
    static const char PROBLEM_TYPE[] = "application/problem+json";
    return response->status == 429 && response->retry_after < 0 &&
           strncasecmp(response->fields[HTTP_TYPE], PROBLEM_TYPE, sizeof PROBLEM_TYPE - 1) == 0;
}

static bool is_temporary(const struct http_response *response)
{
    if (response->end == HTTP_REFUSED) {
        return (response->status == 429 && !retry_is_hopeless(response)) ||
               (response->status >= 502 && response->status <= 504);
    }
    return response->end == HTTP_FAILED &&
           (response->cause == HTTP_CAUSE_UNREACHABLE || response->cause == HTTP_CAUSE_CONNECTION_LOST);
}

/* 0.1, 0.2, 0.4 ... 5 seconds, and up to a quarter more. */
static double growing_pause(unsigned attempts)
{
    double pause = PAUSE_LEAST * (double)(UINT64_C(1) << (attempts < 10 ? attempts : 10));
    pause = pause < PAUSE_MOST ? pause : PAUSE_MOST;
    return pause * (1 + 0.25 * (double)randombytes_uniform(JITTER_STEPS) / JITTER_STEPS);
}

bool retry_allowed(struct retry *retry, const struct http_response *response, double *pause)
{
    double time = clock_seconds();
    if (retry->attempts == 0) {
        retry->began = time;
    }
    *pause = growing_pause(retry->attempts);
    if (response->retry_after > *pause) {
        *pause = response->retry_after;
    }
    retry->attempts++;
    return is_temporary(response) && time + *pause - retry->began <= retry->limit;
}

void retry_reset(struct retry *retry)
{
    retry->attempts = 0;
}

void retry_wait(double pause)
{
    struct timespec left = {.tv_sec = (time_t)pause,
                            .tv_nsec = (long)((pause - (double)(time_t)pause) * 1e9)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
        continue;
    }
}

void retry_announce(const struct retry *retry, const struct options *options,
                    const struct http_response *response)
{
    if (retry->attempts == 1 && options_value(options, "quiet") == NULL) {
        report_retry(options, response, retry->limit);
    }
}
