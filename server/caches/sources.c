#include "server/caches/sources.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "server/base/ticker.h"
#include "server/caches/preparation.h"
#include "server/caches/prepared.h"
#include "server/caches/turns.h"

/* How many ticks in a row a client must look gone. A client that has only closed its sending side looks gone
 * too; with two ticks it still gets a source that is nearly ready. */
enum { SIGHTINGS_MAX = 2 };

/* Preparations that may run beside those that one client may have. */
enum { OTHERS = 8 };

static const double SMALL_SECONDS = 0.1;

/* Removes and releases an entry that is WAITING. Returns its waits, which the caller reports to. */
static struct sower_sources_wait *give_up(struct sower_sources *sources, struct sower_prepared *entry)
{
    struct sower_sources_wait *waits = entry->waits;
    sower_prepared_unlink(&sources->list, entry);
    sower_prepared_destroy(entry);
    return waits;
}

struct sower_prepared *sower_sources_find(struct sower_sources *sources, const struct sower_draw_id *draw)
{
    pthread_mutex_lock(&sources->lock);
    struct sower_prepared *entry = sower_prepared_find(&sources->list, draw);
    if (entry != NULL && entry->stage == SOWER_STAGE_READY) {
        entry->users++;
        sources->hits++;
    } else {
        entry = NULL;
    }
    pthread_mutex_unlock(&sources->lock);
    return entry;
}

static struct sower_prepared *new_entry(struct sower_sources *sources, const struct sower_draw_id *draw,
                                        const struct sower_plan *plan, const struct sower_seed *seed,
                                        uint64_t client)
{
    struct sower_prepared *entry = calloc(1, sizeof *entry);
    if (entry == NULL) {
        return NULL;
    }
    entry->sources = sources;
    entry->draw = *draw;
    const struct sower_cost cost = sower_source_cost(plan);
    entry->memory = cost.memory;
    entry->scratch = sower_sources_need(sources, &cost) - cost.memory;
    entry->client = client;
    entry->job =
        (struct sower_job){.run = sower_preparation_run, .refuse = sower_preparation_run, .client = client};
    entry->small =
        sower_prepared_need(entry) <= sources->list.limit / SOWER_SMALL_PART && cost.seconds < SMALL_SECONDS;
    entry->source.plan = *plan;
    entry->source.seed = *seed;
    sower_prepared_link(&sources->list, entry);
    sources->waiting++;
    return entry;
}

/* Finds or creates the entry of a draw. NULL with a problem. The lock is held. */
static struct sower_prepared *join(struct sower_sources *sources, const struct sower_draw_id *draw,
                                   const struct sower_plan *plan, const struct sower_seed *seed,
                                   uint64_t client, struct sower_problem *problem)
{
    if (sources->stopping) {
        sower_preparation_refuse_stopping(problem);
        return NULL;
    }
    struct sower_prepared *entry = sower_prepared_find(&sources->list, draw);
    if (entry != NULL) {
        return entry;
    }
    const char *sentence = "The daemon is out of memory.";
    if (!sower_turns_has_place(sources, client)) {
        sources->refused[SOWER_SOURCES_QUEUE_FULL]++;
        sentence = "Too many tensors wait to be prepared; ask again in a moment.";
    } else {
        entry = new_entry(sources, draw, plan, seed, client);
    }
    if (entry == NULL) {
        sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "%s", sentence);
    }
    return entry;
}

void sower_sources_prepare(struct sower_sources *sources, const struct sower_draw_id *draw,
                           const struct sower_plan *plan, const struct sower_seed *seed,
                           struct sower_sources_wait *wait)
{
    struct sower_problem problem;
    wait->next = NULL;
    wait->late = wait->sightings = 0;
    pthread_mutex_lock(&sources->lock);
    struct sower_prepared *entry = join(sources, draw, plan, seed, wait->client, &problem);
    bool waits = entry != NULL && entry->stage != SOWER_STAGE_READY;
    if (entry != NULL) {
        entry->users++;
        sources->hits += !waits;
        sources->misses += waits;
    }
    if (waits) {
        wait->next = entry->waits;
        entry->waits = wait;
        sower_turns_start(sources);
        sower_ticker_wake(&sources->ticker);
    }
    pthread_mutex_unlock(&sources->lock);
    if (!waits) {
        sower_preparation_report(wait, entry, &problem);
    }
}

const struct sower_source *sower_sources_source(const struct sower_prepared *prepared)
{
    return &prepared->source;
}

void sower_sources_release(struct sower_prepared *prepared)
{
    struct sower_sources *sources = prepared->sources;
    pthread_mutex_lock(&sources->lock);
    if (--prepared->users == 0) {
        if (prepared->stage == SOWER_STAGE_EVICTED) {
            sower_prepared_destroy(prepared);
        }
        sower_turns_start(sources);
    }
    pthread_mutex_unlock(&sources->lock);
}

void sower_sources_rest(struct sower_prepared *prepared)
{
    pthread_mutex_lock(&prepared->sources->lock);
    prepared->resting++;
    pthread_mutex_unlock(&prepared->sources->lock);
}

bool sower_sources_wake(struct sower_prepared *prepared)
{
    pthread_mutex_lock(&prepared->sources->lock);
    prepared->resting--;
    prepared->rested = 0;
    bool ready = prepared->stage == SOWER_STAGE_READY;
    pthread_mutex_unlock(&prepared->sources->lock);
    return ready;
}

void sower_sources_prepare_again(struct sower_prepared *prepared, struct sower_sources_wait *wait)
{
    struct sower_sources *sources = prepared->sources;
    const struct sower_draw_id draw = prepared->draw;
    struct sower_source source = prepared->source;
    sower_sources_release(prepared);
    sower_sources_prepare(sources, &draw, &source.plan, &source.seed, wait);
    sodium_memzero(&source.seed, sizeof source.seed);
}

uint64_t sower_sources_need(const struct sower_sources *sources, const struct sower_cost *cost)
{
    uint64_t need = cost->memory;
    if (__builtin_add_overflow(need, cost->scratch, &need) ||
        __builtin_add_overflow(need, cost->scratch_per_thread * sower_pool_at_most(sources->pool), &need)) {
        return UINT64_MAX;
    }
    return need;
}

uint64_t sower_sources_limit(const struct sower_sources *sources)
{
    return sources->list.limit;
}

struct sower_sources_figures sower_sources_figures(struct sower_sources *sources)
{
    struct sower_sources_figures figures = {.limit = sources->list.limit};
    pthread_mutex_lock(&sources->lock);
    figures.memory = sources->list.memory;
    figures.hits = sources->hits;
    figures.misses = sources->misses;
    figures.waiting = sources->waiting;
    figures.running = sources->begun - sources->ended;
    memcpy(figures.refused, sources->refused, sizeof figures.refused);
    pthread_mutex_unlock(&sources->lock);
    sower_histogram_add(&sources->seconds, &figures.seconds);
    return figures;
}

/* The waits that one tick refuses: the client has left, or the time is over. */
struct refused {
    struct sower_sources_wait *left, *late;
};

/* Whether this second counts toward --wait-seconds for the waits of this entry (sources.h). */
static bool second_counts(const struct sower_sources *sources, const struct sower_prepared *entry)
{
    return entry->stage == SOWER_STAGE_WAITING &&
           (entry->small || (sources->blocked && sources->next_client == entry->client)) &&
           sower_turns_count_preparing(sources, entry->client, true) == 0;
}

/* Moves the waits that this tick refuses from an entry to the lists of `refused`. */
static void collect_refused(struct sower_sources *sources, struct sower_prepared *entry,
                            struct refused *refused)
{
    struct sower_sources_wait **place = &entry->waits;
    bool counts = second_counts(sources, entry);
    while (*place != NULL) {
        struct sower_sources_wait *wait = *place;
        bool left = wait->has_left != NULL && wait->has_left(wait);
        wait->sightings = left ? wait->sightings + 1 : 0;
        wait->late += counts;
        struct sower_sources_wait **list = wait->sightings >= SIGHTINGS_MAX     ? &refused->left
                                           : wait->late > sources->wait_seconds ? &refused->late
                                                                                : NULL;
        if (list == NULL) {
            place = &wait->next;
            continue;
        }
        sources->refused[list == &refused->left ? SOWER_SOURCES_LEFT : SOWER_SOURCES_LATE]++;
        *place = wait->next;
        wait->next = *list;
        *list = wait;
        entry->users--;
    }
}

/* Gives up an entry without waits. If its preparation runs, it ends before its next task and releases the
 * entry. */
static void abandon(struct sower_sources *sources, struct sower_prepared *entry)
{
    if (entry->stage == SOWER_STAGE_WAITING) {
        sources->waiting--;
        give_up(sources, entry);
        return;
    }
    sower_prepared_unlink(&sources->list, entry);
    atomic_store(&entry->abandoned, true);
}

/* Counts this second for READY entries whose users all rest while preparations wait. Evicts entries that have
 * rested for more than half of --wait-seconds, until no preparation waits. */
static void end_rests(struct sower_sources *sources)
{
    for (struct sower_prepared *entry = sources->list.oldest; entry != NULL; entry = entry->newer) {
        bool rests = sources->waiting > 0 && entry->users > 0 && entry->resting == entry->users;
        entry->rested = rests ? entry->rested + 1 : 0;
    }
    struct sower_prepared *entry = sources->list.oldest;
    while (entry != NULL && sources->waiting > 0) {
        bool over = entry->rested > sources->wait_seconds / 2;
        if (over) {
            sower_prepared_evict(&sources->list, entry);
            sower_turns_start(sources);
        }
        entry = over ? sources->list.oldest : entry->newer;
    }
}

void sower_sources_tick(struct sower_sources *sources)
{
    struct refused refused = {NULL, NULL};
    struct sower_problem left, late;
    sower_problem_set(&left, SOWER_PROBLEM_UNAVAILABLE, "",
                      "The client closed the connection while the tensor was being prepared; "
                      "keep it open until the response has arrived.");
    sower_problem_set(&late, SOWER_PROBLEM_UNAVAILABLE, "",
                      "No memory became free in time to prepare this tensor (--wait-seconds %" PRIu64
                      "); ask again in a moment.",
                      sources->wait_seconds);
    pthread_mutex_lock(&sources->lock);
    end_rests(sources);
    for (struct sower_prepared *entry = sources->list.oldest, *newer; entry != NULL; entry = newer) {
        newer = entry->newer;
        if (entry->stage == SOWER_STAGE_READY) {
            continue;
        }
        collect_refused(sources, entry, &refused);
        if (entry->waits == NULL) {
            abandon(sources, entry);
        }
    }
    sower_turns_start(sources);
    pthread_mutex_unlock(&sources->lock);
    sower_preparation_report(refused.left, NULL, &left);
    sower_preparation_report(refused.late, NULL, &late);
}

static bool tick(void *context)
{
    struct sower_sources *sources = context;
    sower_sources_tick(sources);
    pthread_mutex_lock(&sources->lock);
    const struct sower_prepared *entry = sources->list.newest;
    while (entry != NULL && entry->stage == SOWER_STAGE_READY) {
        entry = entry->older;
    }
    pthread_mutex_unlock(&sources->lock);
    return entry != NULL;
}

struct sower_sources *sower_sources_new(struct sower_pool *pool, uint64_t memory, uint64_t wait_seconds)
{
    struct sower_sources *sources = calloc(1, sizeof *sources);
    if (sources == NULL) {
        return NULL;
    }
    sources->pool = pool;
    sources->list.limit = memory;
    sources->wait_seconds = wait_seconds;
    size_t threads = sower_pool_threads(pool);
    sources->preparing_max = threads > 1 ? threads : 2;
    sources->preparers = sower_pool_new(sources->preparing_max + OTHERS, false);
    pthread_mutex_init(&sources->lock, NULL);
    sources->ticks = sower_ticker_start(&sources->ticker, tick, sources);
    if (!sources->ticks || sources->preparers == NULL) {
        sower_sources_free(sources);
        return NULL;
    }
    return sources;
}

void sower_sources_stop(struct sower_sources *sources)
{
    struct sower_problem problem;
    struct sower_sources_wait *refused = NULL;
    if (sources->ticks) {
        sower_ticker_stop(&sources->ticker);
    }
    sower_preparation_refuse_stopping(&problem);
    pthread_mutex_lock(&sources->lock);
    sources->stopping = true;
    for (struct sower_prepared *entry = sources->list.oldest, *newer; entry != NULL; entry = newer) {
        newer = entry->newer;
        if (entry->stage != SOWER_STAGE_WAITING) {
            continue;
        }
        struct sower_sources_wait *waits = give_up(sources, entry), **end = &waits;
        while (*end != NULL) {
            end = &(*end)->next;
        }
        *end = refused;
        refused = waits;
    }
    sources->waiting = 0;
    pthread_mutex_unlock(&sources->lock);
    sower_preparation_report(refused, NULL, &problem);
}

void sower_sources_finish(struct sower_sources *sources)
{
    sower_pool_stop(sources->preparers);
}

void sower_sources_free(struct sower_sources *sources)
{
    if (sources->ticks) {
        sower_ticker_free(&sources->ticker);
    }
    if (sources->preparers != NULL) {
        sower_pool_free(sources->preparers);
    }
    while (sources->list.newest != NULL) {
        struct sower_prepared *entry = sources->list.newest;
        sower_prepared_unlink(&sources->list, entry);
        sower_prepared_destroy(entry);
    }
    pthread_mutex_destroy(&sources->lock);
    free(sources);
}
