/* Prepared sources: the factors of heavy tensors, computed once and shared.
 *
 * Opening the source of an orthogonal matrix takes long and produces factors. The compute pool prepares them
 * once for all requests for the same draw, and the cache keeps them while memory allows: a tensor that is
 * fetched in eight shards is prepared once. An entry that is read is never dropped. At the limit, the least
 * recently used entry without a user is dropped first.
 *
 * A preparation that does not fit now waits for its turn. Clients take turns: next is the client whose last
 * preparation began longest ago, with its oldest one. While that one does not fit, only small preparations
 * begin. A small preparation needs at most 1/128 of the memory and less than a tenth of a second; other
 * preparations leave 1/128 of the memory free for small ones. A client may run as many preparations at a time
 * as the pool has threads (two on one thread), not counting small ones. The queue has 256 places, at most 128
 * of them for one client.
 *
 * A wait is refused after --wait-seconds. A second counts only while the client has no preparation that runs,
 * and only if the client has the turn or the preparation is small. So a client loses no time while others are
 * served.
 *
 * A preparation that is not small has a thread of its own, which waits while the pool runs its tasks. So it
 * never occupies a thread of the pool for long, and shares the CPUs with all other work.
 *
 * A reader rests while its client takes no more bytes. When all readers of an entry are slow and preparations
 * wait, the entry is evicted: its factors are released, and a reader that goes on has them prepared again.
 *
 * A preparation is given up when all clients that wait for it have left. libmicrohttpd does not notice that
 * the client of a suspended connection has left, so a thread of the cache checks every second.
 *
 * turns.h has the order of preparations, preparation.h runs one, prepared.h has the entries. */
#ifndef SOWER_SERVER_CACHES_SOURCES_H
#define SOWER_SERVER_CACHES_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/draw.h"
#include "core/plan.h"
#include "core/problem.h"
#include "core/source.h"
#include "server/base/histogram.h"
#include "server/base/pool.h"

struct sower_sources;
struct sower_prepared; /* an entry: the source of one draw */

/* A request that waits for a source. The caller keeps it until `done` is called. */
struct sower_sources_wait {
    /* Called once, by any thread. The wait may no longer exist when it returns. */
    void (*done)(struct sower_sources_wait *wait);
    /* Called by any thread before `done`: whether the client seems to have left. Must not block. NULL: never. A client
     * that seems to have left in two seconds in a row is refused. */
    bool (*has_left)(const struct sower_sources_wait *wait);
    uint64_t client;                 /* (client.h) */
    struct sower_prepared *prepared; /* the result, which the caller releases; NULL with a problem */
    struct sower_problem problem;
    /* private */
    uint64_t late;      /* seconds that count toward --wait-seconds */
    unsigned sightings; /* seconds in a row in which the client seemed to have left */
    struct sower_sources_wait *next;
};

/* `memory`: bytes for factors and their preparation. NULL when memory or threads run out. */
SOWER_MUST_USE struct sower_sources *sower_sources_new(struct sower_pool *pool, uint64_t memory,
                                                       uint64_t wait_seconds);

/* Call once a second: refuses clients that have left or waited too long, and gives up preparations without
 * waits. The cache's own thread calls it; a test may call it to make time pass. */
void sower_sources_tick(struct sower_sources *sources);

/* Refuses all waits, now and later. Preparations that run are given up when their current tasks end. */
void sower_sources_stop(struct sower_sources *sources);

/* Waits until no preparation runs. Call after sower_sources_stop and before the pool stops. */
void sower_sources_finish(struct sower_sources *sources);

/* Call after the pool has stopped and every entry has been released. */
void sower_sources_free(struct sower_sources *sources);

/* Bytes that a preparation takes while it runs, the factors included. UINT64_MAX when the sum overflows. */
SOWER_MUST_USE uint64_t sower_sources_need(const struct sower_sources *sources,
                                           const struct sower_cost *cost);

/* The largest need that the cache accepts: all of its memory. */
SOWER_MUST_USE uint64_t sower_sources_limit(const struct sower_sources *sources);

/* The source of a draw if it is ready; the caller releases it. Otherwise NULL. */
SOWER_MUST_USE struct sower_prepared *sower_sources_find(struct sower_sources *sources,
                                                         const struct sower_draw_id *draw);

/* Why a wait was refused. */
enum { SOWER_SOURCES_QUEUE_FULL, SOWER_SOURCES_LATE, SOWER_SOURCES_LEFT, SOWER_SOURCES_REFUSALS };

struct sower_sources_figures {
    uint64_t memory, limit;    /* bytes */
    uint64_t hits, misses;     /* how often a source was ready, and how often a request had to wait for it */
    uint64_t waiting, running; /* preparations */
    uint64_t refused[SOWER_SOURCES_REFUSALS];
    struct sower_histogram_figures seconds; /* of preparations that have ended, successful or not */
};
SOWER_MUST_USE struct sower_sources_figures sower_sources_figures(struct sower_sources *sources);

/* Has the source of a draw prepared. Its need must be within the limit. Always calls wait->done, possibly
 * before it returns. The caller sets `done`, `has_left` and `client`. */
void sower_sources_prepare(struct sower_sources *sources, const struct sower_draw_id *draw,
                           const struct sower_plan *plan, const struct sower_seed *seed,
                           struct sower_sources_wait *wait);

const struct sower_source *sower_sources_source(const struct sower_prepared *prepared);
void sower_sources_release(struct sower_prepared *prepared);

/* The caller does not read the source for a while, so it may be evicted. Call sower_sources_wake before the
 * next read and before the release. */
void sower_sources_rest(struct sower_prepared *prepared);

/* Before reading again. False: the factors were evicted; release the entry, or have it prepared again. */
bool sower_sources_wake(struct sower_prepared *prepared);

/* Releases an evicted entry and has its source prepared again, like sower_sources_prepare. */
void sower_sources_prepare_again(struct sower_prepared *prepared, struct sower_sources_wait *wait);

#endif
