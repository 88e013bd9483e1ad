/* Tickers: a thread that calls a function every second, as long as there is a reason to. */
#ifndef SOWER_SERVER_BASE_TICKER_H
#define SOWER_SERVER_BASE_TICKER_H

#include <pthread.h>
#include <stdbool.h>

struct sower_ticker {
    bool (*tick)(void *context); /* returns whether there is a reason to tick again */
    void *context;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t change;
    bool awake, ending;
};

/* Starts asleep. False when threads run out; then there is nothing to stop. */
bool sower_ticker_start(struct sower_ticker *ticker, bool (*tick)(void *context), void *context);

/* There is a reason now: the next tick comes within a second, or is under way and comes once more. */
void sower_ticker_wake(struct sower_ticker *ticker);

/* Waits for a tick that is under way; none comes after it. */
void sower_ticker_stop(struct sower_ticker *ticker);

#endif
