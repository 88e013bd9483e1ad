/* The clock of sow. Every other file takes the time from here. */
#ifndef SOWER_CLIENT_SOW_CLOCK_H
#define SOWER_CLIENT_SOW_CLOCK_H

#include <time.h>

/* Seconds of the monotonic clock, from an arbitrary start. Changes of the system time do not affect it. */
double clock_seconds(void);

/* The wall-clock time `seconds` from now, for pthread_cond_timedwait. */
struct timespec clock_deadline(double seconds);

#endif
