/* Rates: how fast each name adds lines to the ledger, and how many it has added since the daemon's start.
 *
 * A token bucket for each name: it holds what the name may add in SOWER_RATE_BURST_SECONDS, and fills at that rate. A
 * request may begin while the bucket has something in it, and pays for the lines that it added when it is done. So a
 * large model is one request, and leaves a debt that time pays: until then the name adds nothing. What is recorded
 * already costs nothing.
 *
 * The bucket stores the lines that are missing, and not how large it is. So it survives a reload of the tokens that name
 * it, and a higher rate fills it faster from then on.
 *
 * Times are nanoseconds of a clock that never goes back. Any thread may call all functions, except the first two. */
#ifndef SOWER_SERVER_ACCESS_RATES_H
#define SOWER_SERVER_ACCESS_RATES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/attributes.h"
#include "proto/token.h"

enum { SOWER_RATE_BURST_SECONDS = 10 };

/* Of one name. It exists until sower_rates_close. */
struct sower_rate {
    char name[SOWER_TOKEN_NAME_MAX + 1];
    _Atomic uint64_t added;    /* lines */
    _Atomic uint64_t requests; /* of tokens with this name */
    pthread_mutex_t lock;      /* guards the next two members */
    double missing;            /* lines that the full bucket would have more, at `time` */
    int64_t time;
    struct sower_rate *next; /* internal */
};

enum { SOWER_RATES_LISTS = 256 };

struct sower_rates {
    pthread_mutex_t lock;
    struct sower_rate *lists[SOWER_RATES_LISTS]; /* by a hash of the name */
};

void sower_rates_open(struct sower_rates *rates);
void sower_rates_close(struct sower_rates *rates);

/* The rate of a name; its bucket is full at first. NULL when memory runs out. */
SOWER_MUST_USE struct sower_rate *sower_rates_find(struct sower_rates *rates, const char *name);

/* Calls `visit` for each name, in no particular order. */
void sower_rates_visit(struct sower_rates *rates, void (*visit)(void *context, const struct sower_rate *rate),
                       void *context);

/* 0 if a request may begin now, else the seconds until then, at least 1. `per_second` 0: there is no limit. */
uint64_t sower_rate_wait(struct sower_rate *rate, uint64_t per_second, int64_t now);

/* Pays for lines. `per_second` 0: there is no limit, and they are only counted. */
void sower_rate_pay(struct sower_rate *rate, uint64_t lines, uint64_t per_second, int64_t now);

#endif
