/* Prepared sources: the factors of heavy tensors, made once and shared.
 *
 * Opening the source of an orthogonal matrix takes long and leaves factors behind. They are made on the
 * compute pool, once for all who ask for the same draw at the same time or soon after, and kept while memory
 * allows: a tensor that is fetched in eight shards is prepared once. What is being read is never dropped;
 * what is not in use goes in the order of last use when the limit is reached.
 *
 * Preparations that do not fit now wait for their turn, which goes round the clients: the next one is of the
 * client whose last one began longest ago, the oldest it has. While that does not fit, nothing but small
 * preparations begins (which take little memory and less than a tenth of a second): for these a 128th of the
 * memory is left free by the others. A client has no more preparations under way than the pool has threads
 * (two on one thread), small ones aside, and the last places in the queue are kept for others: of 256 one
 * client has 128 at most.
 *
 * A second counts as waited in vain for those whose client has the turn, and for small ones, and only while
 * none of their client's preparations is under way: nobody loses time because others are served, or because
 * others cannot be. Who has waited so for --wait-seconds is refused.
 *
 * A preparation that is not small has a thread of the cache's own, which waits while the pool works on its
 * tasks: so it never holds up a thread of the pool for long, and shares the CPUs with all others.
 *
 * Factors whose readers are all slow are taken away for those who wait: a reader that rests between two
 * blocks, because its client takes no more of them, has them prepared again when it goes on.
 *
 * A preparation is given up when all who wait for it have left. While its connection is suspended,
 * libmicrohttpd does not look whether a client is still there, so a thread of the cache's own asks every
 * second. */
#ifndef SOWER_SERVER_CACHES_SOURCES_H
#define SOWER_SERVER_CACHES_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/draw.h"
#include "core/plan.h"
#include "core/problem.h"
#include "core/source.h"
#include "server/base/pool.h"

struct sower_sources;
struct sower_prepared; /* one of them */

/* One who waits for a source. It must stay until `done` was called. */
struct sower_sources_wait {
    /* Called once, by any thread; what it points to may be gone when it returns. */
    void (*done)(struct sower_sources_wait *wait);
    /* Called by any thread until then: whether it looks as if nobody took what will come. Must not block.
     * NULL stands for one who never leaves. Who looks so at two seconds in a row is refused. */
    bool (*has_left)(const struct sower_sources_wait *wait);
    uint64_t client;                 /* who it is (client.h) */
    struct sower_prepared *prepared; /* the outcome, to be released; NULL with a problem */
    struct sower_problem problem;
    /* the cache's own */
    uint64_t late;      /* for how many seconds it has waited in vain */
    unsigned sightings; /* for how many it looked gone */
    struct sower_sources_wait *next;
};

/* Takes `memory` bytes at most, for factors and for preparing them, and lets nobody wait for memory longer
 * than `wait_seconds`. NULL when memory or threads run out. */
struct sower_sources *sower_sources_new(struct sower_pool *pool, uint64_t memory, uint64_t wait_seconds);

/* A second has passed: refuses those who left or waited too long, and gives up what nobody waits for any
 * more. The cache's thread calls it; a test may, to make time pass. */
void sower_sources_tick(struct sower_sources *sources);

/* Refuses whoever waits and whoever comes later. What is being made is given up at the end of the tasks that
 * run now. */
void sower_sources_stop(struct sower_sources *sources);

/* Waits for the end of what is being made; after sower_sources_stop and before the pool goes. */
void sower_sources_finish(struct sower_sources *sources);

/* After the pool was stopped, and all that was given out was released. */
void sower_sources_free(struct sower_sources *sources);

/* What preparing takes while it lasts, the factors included, and the most that it may take. */
uint64_t sower_sources_need(const struct sower_sources *sources, const struct sower_cost *cost);
uint64_t sower_sources_limit(const struct sower_sources *sources);

/* The source of a draw if it is there already, to be released; else NULL. */
struct sower_prepared *sower_sources_find(struct sower_sources *sources, const struct sower_draw_id *draw);

/* Has the source prepared, whose need is within the limit. `done` is always called, perhaps at
 * once. */
void sower_sources_prepare(struct sower_sources *sources, const struct sower_draw_id *draw,
                           const struct sower_plan *plan, const struct sower_seed *seed,
                           struct sower_sources_wait *wait);

const struct sower_source *sower_sources_source(const struct sower_prepared *prepared);
void sower_sources_release(struct sower_prepared *prepared);

/* It is not read for a while: when that takes long and others wait, its factors are taken away. To be woken
 * before it is read, and before it is released. */
void sower_sources_rest(struct sower_prepared *prepared);

/* It is going to be read. False when its factors were taken away: release it, or have it prepared again. */
bool sower_sources_wake(struct sower_prepared *prepared);

/* Releases what was taken away, and has it prepared again, as sower_sources_prepare does. */
void sower_sources_prepare_again(struct sower_prepared *prepared, struct sower_sources_wait *wait);

#endif
