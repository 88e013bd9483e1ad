/* The clock of sow. No other file of the client reads one. */
#ifndef SOWER_CLIENT_SOW_CLOCK_H
#define SOWER_CLIENT_SOW_CLOCK_H

#include <time.h>

/* Seconds of the monotonic clock, from an arbitrary start: setting the time does not change it. */
double clock_seconds(void);

/* The wall-clock time so many seconds from now, for pthread_cond_timedwait. */
struct timespec clock_deadline(double seconds);

#endif
