#include "client/sow/daemon/retry.h"

#include <errno.h>
#include <time.h>

#include <sodium.h>

#include "client/sow/clock.h"
#include "client/sow/daemon/report.h"

static const double PAUSE_LEAST = 0.1, PAUSE_MOST = 5;

enum { JITTER_STEPS = 1000 };

static bool may_pass(const struct http_response *answer)
{
    if (answer->end == HTTP_REFUSED) {
        return answer->status == 429 || (answer->status >= 502 && answer->status <= 504);
    }
    return answer->end == HTTP_FAILED &&
           (answer->cause == HTTP_CAUSE_UNREACHED || answer->cause == HTTP_CAUSE_BROKE);
}

/* 0.1, 0.2, 0.4 … 5 seconds, and up to a quarter more. */
static double growing_pause(unsigned attempts)
{
    double pause = PAUSE_LEAST * (double)(UINT64_C(1) << (attempts < 10 ? attempts : 10));
    pause = pause < PAUSE_MOST ? pause : PAUSE_MOST;
    return pause * (1 + 0.25 * (double)randombytes_uniform(JITTER_STEPS) / JITTER_STEPS);
}

bool retry_again(struct retry *retry, const struct http_response *answer, double *pause)
{
    double time = clock_seconds();
    if (retry->attempts == 0) {
        retry->began = time;
    }
    *pause = growing_pause(retry->attempts);
    if (answer->retry_after > *pause) {
        *pause = answer->retry_after;
    }
    retry->attempts++;
    return may_pass(answer) && time + *pause - retry->began <= retry->limit;
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

void retry_note(const struct retry *retry, const struct options *options, const struct http_response *answer)
{
    if (retry->attempts == 1 && options_value(options, "quiet") == NULL) {
        report_wait(options, answer, retry->limit);
    }
}
