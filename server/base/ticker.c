#include "server/base/ticker.h"

#include <errno.h>
#include <time.h>

#include "server/base/clock.h"

/* The lock is held. */
static void wait_a_second(struct sower_ticker *ticker)
{
    const struct timespec end = sower_clock_deadline(1000);
    while (!ticker->ending && pthread_cond_timedwait(&ticker->change, &ticker->lock, &end) != ETIMEDOUT) {
        continue;
    }
}

static void *run(void *context)
{
    struct sower_ticker *ticker = context;
    pthread_mutex_lock(&ticker->lock);
    while (!ticker->ending) {
        if (!ticker->awake) {
            pthread_cond_wait(&ticker->change, &ticker->lock);
            continue;
        }
        wait_a_second(ticker);
        if (ticker->ending) {
            break;
        }
        ticker->awake = false;
        pthread_mutex_unlock(&ticker->lock);
        bool again = ticker->tick(ticker->context);
        pthread_mutex_lock(&ticker->lock);
        ticker->awake = ticker->awake || again;
    }
    pthread_mutex_unlock(&ticker->lock);
    return NULL;
}

static void destroy(struct sower_ticker *ticker)
{
    pthread_cond_destroy(&ticker->change);
    pthread_mutex_destroy(&ticker->lock);
}

bool sower_ticker_start(struct sower_ticker *ticker, bool (*tick)(void *context), void *context)
{
    pthread_condattr_t attributes;
    *ticker = (struct sower_ticker){.tick = tick, .context = context};
    pthread_mutex_init(&ticker->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC); /* setting the date must not move a tick */
    pthread_cond_init(&ticker->change, &attributes);
    pthread_condattr_destroy(&attributes);
    ticker->running = pthread_create(&ticker->thread, NULL, run, ticker) == 0;
    if (!ticker->running) {
        destroy(ticker);
    }
    return ticker->running;
}

void sower_ticker_wake(struct sower_ticker *ticker)
{
    pthread_mutex_lock(&ticker->lock);
    ticker->awake = true;
    pthread_cond_signal(&ticker->change);
    pthread_mutex_unlock(&ticker->lock);
}

void sower_ticker_stop(struct sower_ticker *ticker)
{
    if (!ticker->running) {
        return;
    }
    pthread_mutex_lock(&ticker->lock);
    ticker->ending = true;
    pthread_cond_signal(&ticker->change);
    pthread_mutex_unlock(&ticker->lock);
    pthread_join(ticker->thread, NULL);
    ticker->running = false;
}

void sower_ticker_free(struct sower_ticker *ticker)
{
    sower_ticker_stop(ticker);
    destroy(ticker);
}
