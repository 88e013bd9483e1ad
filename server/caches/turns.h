/* Turns: the state of the cache of sources (sources.h), and the order in which its preparations begin.
 *
 * Only the files of the cache include this header. Every function expects the caller to hold the cache's
 * lock. */
#ifndef SOWER_SERVER_CACHES_TURNS_H
#define SOWER_SERVER_CACHES_TURNS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "server/base/histogram.h"
#include "server/base/pool.h"
#include "server/base/ticker.h"
#include "server/caches/prepared.h"
#include "server/caches/sources.h"

/* Small preparations have 1/128 of the memory to themselves; a larger one is not small. */
enum { SOWER_SMALL_PART = 128 };

struct sower_sources {
    struct sower_pool *pool;
    struct sower_pool
        *preparers;       /* one thread for each preparation that is not small; the thread waits for `pool` */
    size_t preparing_max; /* such preparations of one client that may run at the same time */
    uint64_t wait_seconds;
    struct sower_ticker ticker;
    bool ticks;            /* the ticker could be started */
    pthread_mutex_t lock;  /* guards the members below */
    size_t waiting;        /* entries that are WAITING */
    uint64_t begun;        /* preparations that have begun since the start */
    uint64_t ended;        /* of these, preparations that have ended */
    size_t preparing;      /* preparations that run and are not small, abandoned ones included */
    bool blocked;          /* the next preparation has no room yet ... */
    uint64_t next_client;  /* ... and belongs to this client */
    _Atomic bool stopping; /* written under the lock, read without it */
    struct sower_prepared_list list;
    uint64_t hits, misses; /* how often a source was ready, and how often not */
    uint64_t refused[SOWER_SOURCES_REFUSALS];
    struct sower_histogram seconds; /* of preparations that have ended; needs no lock */
};

/* Begins the preparations whose turn has come and that have room. */
void sower_turns_start(struct sower_sources *sources);

/* Whether the queue accepts another preparation of this client. */
SOWER_MUST_USE bool sower_turns_has_place(const struct sower_sources *sources, uint64_t client);

/* How many preparations of a client run, with or without the small ones. */
SOWER_MUST_USE size_t sower_turns_count_preparing(const struct sower_sources *sources, uint64_t client,
                                                  bool small_too);

#endif
