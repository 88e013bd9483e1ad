/* Tickers: a thread that calls a function every second, as long as there is a reason to. */
#ifndef SOWER_SERVER_BASE_TICKER_H
#define SOWER_SERVER_BASE_TICKER_H

#include <pthread.h>
#include <stdbool.h>

#include "core/attributes.h"

struct sower_ticker {
    bool (*tick)(void *context); /* returns whether there is a reason to tick again */
    void *context;
    pthread_t thread;
    bool running; /* the thread is there; only the thread that starts and stops the ticker uses this member */
    pthread_mutex_t lock; /* guards the members below */
    pthread_cond_t change;
    bool awake, ending;
};

/* Starts asleep. False when threads run out; do not call the functions below then. */
SOWER_MUST_USE bool sower_ticker_start(struct sower_ticker *ticker, bool (*tick)(void *context),
                                       void *context);

/* There is a reason now: the function is called within a second, also when a call is in progress. */
void sower_ticker_wake(struct sower_ticker *ticker);

/* Ends the thread, if it runs. Waits for a call that is in progress; no call starts after that. Other threads may
 * still call sower_ticker_wake, which then has no effect. */
void sower_ticker_stop(struct sower_ticker *ticker);

/* Stops the ticker and releases its lock. No other thread may use the ticker any more. */
void sower_ticker_free(struct sower_ticker *ticker);

#endif
