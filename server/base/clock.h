/* The daemon's clocks. No other file of the daemon reads one.
 *
 * The monotonic clock never goes back and does not jump when somebody sets the time: durations and deadlines
 * use it. Wall-clock time is for readers: the ledger, the log, signed heads. */
#ifndef SOWER_SERVER_BASE_CLOCK_H
#define SOWER_SERVER_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* The monotonic clock, from an arbitrary start. */
uint64_t sower_clock_nanoseconds(void);
int64_t sower_clock_milliseconds(void);

/* The monotonic time so many milliseconds from now, for pthread_cond_timedwait with CLOCK_MONOTONIC. */
struct timespec sower_clock_deadline(int64_t milliseconds);

/* Wall-clock time: milliseconds since 1970-01-01 UTC. Negative before 1970. */
int64_t sower_clock_wall(void);

/* Nanoseconds of CPU time that the calling thread, or all threads of the process, have used. */
uint64_t sower_clock_thread(void);
uint64_t sower_clock_process(void);

#endif
