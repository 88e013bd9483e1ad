#include "server/caches/sources.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "server/base/ticker.h"
#include "server/caches/prepared.h"

enum {
    TURNS_MAX = 256,           /* preparations that may wait for their turn */
    TURNS_OF_CLIENT_MAX = 128, /* of one client */
    OTHERS = 8,                /* preparations under way beside those that one client may have */
    RESERVE_PART = 128,        /* what part of the memory is left to small preparations */
    SIGHTINGS_LEFT = 2,        /* so that who has only closed its sending side gets what is soon done */
};

static const double SMALL_SECONDS = 0.1;

struct sower_sources {
    struct sower_pool *pool;
    struct sower_pool
        *preparers;       /* threads that wait for the pool, one for each preparation that is not small */
    size_t preparing_max; /* such preparations of one client under way */
    uint64_t wait_seconds;
    struct sower_ticker ticker;
    bool ticks;
    pthread_mutex_t lock;  /* guards what follows */
    size_t turns;          /* how many are WAITING */
    uint64_t begun;        /* how many were begun */
    size_t preparing;      /* how many that are not small are under way, abandoned ones included */
    bool held;             /* the turn is a client's for whose preparation there is no room */
    uint64_t holder;       /* whose */
    _Atomic bool stopping; /* set under the lock; tasks look at it without */
    struct sower_prepared_list list;
};

static void tell(struct sower_sources_wait *list, struct sower_prepared *entry,
                 const struct sower_problem *problem)
{
    while (list != NULL) {
        struct sower_sources_wait *wait = list;
        list = wait->next;
        wait->prepared = entry;
        if (entry == NULL) {
            wait->problem = *problem;
        }
        wait->done(wait);
    }
}

/* Takes an entry that will not come to be out of the list; returns those who wait for it. */
static struct sower_sources_wait *give_up(struct sower_sources *sources, struct sower_prepared *entry)
{
    struct sower_sources_wait *waits = entry->waits;
    sower_prepared_unlink(&sources->list, entry);
    sower_prepared_destroy(entry);
    return waits;
}

static void prepare(struct sower_job *job);

static uint64_t need_of(const struct sower_prepared *entry)
{
    return entry->memory + entry->scratch;
}

/* How many preparations of a client are under way, small ones too or not. */
static size_t count_preparing(const struct sower_sources *sources, uint64_t client, bool small_too)
{
    size_t count = 0;
    for (const struct sower_prepared *entry = sources->list.oldest; entry != NULL; entry = entry->newer) {
        count +=
            entry->stage == SOWER_STAGE_PREPARING && entry->client == client && (small_too || !entry->small);
    }
    return count;
}

/* When the last preparation of a client was begun, as far as the cache remembers. */
static uint64_t last_turn(const struct sower_sources *sources, uint64_t client)
{
    uint64_t last = 0;
    for (const struct sower_prepared *entry = sources->list.oldest; entry != NULL; entry = entry->newer) {
        last = entry->client == client && entry->turn > last ? entry->turn : last;
    }
    return last;
}

/* Whose turn it is, or would be if nothing but small ones could begin; NULL when nobody waits. */
static struct sower_prepared *next_turn(const struct sower_sources *sources, bool small_only)
{
    struct sower_prepared *next = NULL;
    uint64_t least = UINT64_MAX;
    for (struct sower_prepared *entry = sources->list.oldest; entry != NULL; entry = entry->newer) {
        if (entry->stage != SOWER_STAGE_WAITING || (small_only && !entry->small) ||
            (!entry->small && count_preparing(sources, entry->client, false) >= sources->preparing_max)) {
            continue;
        }
        uint64_t last = last_turn(sources, entry->client);
        if (last < least) {
            least = last;
            next = entry;
        }
    }
    return next;
}

/* Whether a preparation can begin; what nobody uses makes room for it. */
static bool has_room(struct sower_sources *sources, const struct sower_prepared *entry)
{
    const uint64_t limit = sources->list.limit, reserve = limit / RESERVE_PART, need = need_of(entry);
    if (entry->small) {
        return sower_prepared_make_room(&sources->list, need);
    }
    return sources->preparing < sower_pool_threads(sources->preparers) &&
           sower_prepared_make_room(&sources->list, need <= limit - reserve ? need + reserve : need);
}

static void begin(struct sower_sources *sources, struct sower_prepared *entry)
{
    entry->stage = SOWER_STAGE_PREPARING;
    entry->turn = ++sources->begun;
    entry->job = (struct sower_job){.run = prepare, .refuse = prepare, .client = entry->client};
    sources->list.memory += need_of(entry);
    sources->turns--;
    sources->preparing += !entry->small;
    sower_pool_submit(entry->small ? sources->pool : sources->preparers, &entry->job);
}

/* Begins the preparations whose turn has come. The lock is held. */
static void start_turns(struct sower_sources *sources)
{
    sources->held = false;
    for (struct sower_prepared *entry; (entry = next_turn(sources, sources->held)) != NULL;) {
        if (has_room(sources, entry)) {
            begin(sources, entry);
        } else if (sources->held) {
            return;
        } else {
            sources->held = true;
            sources->holder = entry->client;
        }
    }
}

struct tasks {
    const struct sower_prepared *entry;
    sower_task *task;
    void *work;
};

static bool given_up(const struct sower_prepared *entry)
{
    return atomic_load(&entry->sources->stopping) || atomic_load(&entry->abandoned);
}

static void run_unless_given_up(void *context, size_t index)
{
    struct tasks *tasks = context;
    if (!given_up(tasks->entry)) {
        tasks->task(tasks->work, index);
    }
}

/* Tasks on the pool. Those that would begin after the preparation was given up are left out: preparing may
 * take minutes, and factors that lack them are never given out. */
static void run_tasks(void *executor, sower_task *task, void *work, size_t count)
{
    const struct sower_prepared *entry = executor;
    struct sower_team team = {entry->sources->pool, entry->client, entry->small};
    const struct sower_parallel parallel = sower_team_parallel(&team);
    struct tasks tasks = {entry, task, work};
    if (!given_up(entry)) {
        parallel.run(parallel.executor, run_unless_given_up, &tasks, count);
    }
}

/* Releases what was being prepared; the lock is held. */
static void discard(struct sower_sources *sources, struct sower_prepared *entry, bool opened)
{
    if (!entry->abandoned) {
        sower_prepared_unlink(&sources->list, entry);
    }
    if (opened) {
        sower_source_close(&entry->source);
    }
    sower_prepared_destroy(entry);
}

static bool refuse_stopping(struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                             "The daemon is stopping; ask again when it is back.");
}

static bool open_source(struct sower_prepared *entry, struct sower_problem *problem)
{
    const struct sower_parallel parallel = {run_tasks, entry};
    const struct sower_source wanted = entry->source;
    if (given_up(entry)) {
        return refuse_stopping(problem);
    }
    if (!sower_source_open(&entry->source, &wanted.plan, &wanted.seed, &parallel, problem)) {
        return false;
    }
    if (!given_up(entry)) {
        return true;
    }
    sower_source_close(&entry->source);
    return refuse_stopping(problem); /* when it was abandoned, nobody is told */
}

/* On a thread of the cache's, or for a small one of the pool's: opens the source and tells all who wait. It
 * is also how a job is refused: when the pool stops, all are given up. */
static void prepare(struct sower_job *job)
{
    struct sower_prepared *entry = (struct sower_prepared *)job;
    struct sower_sources *sources = entry->sources;
    struct sower_problem problem;
    bool opened = open_source(entry, &problem);
    pthread_mutex_lock(&sources->lock);
    struct sower_sources_wait *waits = entry->waits;
    sources->list.memory -= entry->scratch;
    sources->preparing -= !entry->small;
    if (opened && !entry->abandoned) {
        entry->stage = SOWER_STAGE_READY;
        entry->waits = NULL;
    } else {
        sources->list.memory -= entry->memory;
        discard(sources, entry, opened);
        opened = false;
    }
    start_turns(sources);
    pthread_mutex_unlock(&sources->lock);
    tell(waits, opened ? entry : NULL, &problem);
}

struct sower_prepared *sower_sources_find(struct sower_sources *sources, const struct sower_draw_id *draw)
{
    pthread_mutex_lock(&sources->lock);
    struct sower_prepared *entry = sower_prepared_find(&sources->list, draw);
    if (entry != NULL && entry->stage == SOWER_STAGE_READY) {
        entry->users++;
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
    entry->small = need_of(entry) <= sources->list.limit / RESERVE_PART && cost.seconds < SMALL_SECONDS;
    entry->source.plan = *plan;
    entry->source.seed = *seed;
    sower_prepared_link(&sources->list, entry);
    sources->turns++;
    return entry;
}

static bool has_place(const struct sower_sources *sources, uint64_t client)
{
    size_t own = 0;
    for (const struct sower_prepared *entry = sources->list.oldest; entry != NULL; entry = entry->newer) {
        own += entry->stage == SOWER_STAGE_WAITING && entry->client == client;
    }
    return sources->turns < TURNS_MAX && own < TURNS_OF_CLIENT_MAX;
}

/* The entry to wait for, found or made; NULL with a problem. The lock is held. */
static struct sower_prepared *join(struct sower_sources *sources, const struct sower_draw_id *draw,
                                   const struct sower_plan *plan, const struct sower_seed *seed,
                                   uint64_t client, struct sower_problem *problem)
{
    if (sources->stopping) {
        refuse_stopping(problem);
        return NULL;
    }
    struct sower_prepared *entry = sower_prepared_find(&sources->list, draw);
    if (entry != NULL) {
        return entry;
    }
    const char *sentence = "The daemon is out of memory.";
    if (!has_place(sources, client)) {
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
    }
    if (waits) {
        wait->next = entry->waits;
        entry->waits = wait;
        start_turns(sources);
        sower_ticker_wake(&sources->ticker);
    }
    pthread_mutex_unlock(&sources->lock);
    if (!waits) {
        tell(wait, entry, &problem);
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
        start_turns(sources);
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
    bool there = prepared->stage == SOWER_STAGE_READY;
    pthread_mutex_unlock(&prepared->sources->lock);
    return there;
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

/* Those that one tick refuses, and why. */
struct refused {
    struct sower_sources_wait *left, *late;
};

/* Whether this second is one waited in vain. */
static bool waits_in_vain(const struct sower_sources *sources, const struct sower_prepared *entry)
{
    return entry->stage == SOWER_STAGE_WAITING &&
           (entry->small || (sources->held && sources->holder == entry->client)) &&
           count_preparing(sources, entry->client, true) == 0;
}

/* Takes out of an entry's waits those whose time is over. */
static void sort_out(const struct sower_sources *sources, struct sower_prepared *entry,
                     struct refused *refused)
{
    struct sower_sources_wait **place = &entry->waits;
    bool in_vain = waits_in_vain(sources, entry);
    while (*place != NULL) {
        struct sower_sources_wait *wait = *place;
        bool gone = wait->has_left != NULL && wait->has_left(wait);
        wait->sightings = gone ? wait->sightings + 1 : 0;
        wait->late += in_vain;
        struct sower_sources_wait **list = wait->sightings >= SIGHTINGS_LEFT    ? &refused->left
                                           : wait->late > sources->wait_seconds ? &refused->late
                                                                                : NULL;
        if (list == NULL) {
            place = &wait->next;
            continue;
        }
        *place = wait->next;
        wait->next = *list;
        *list = wait;
        entry->users--;
    }
}

/* Nobody waits for it any more. A preparation that runs ends at its next task, and releases the entry. */
static void abandon(struct sower_sources *sources, struct sower_prepared *entry)
{
    if (entry->stage == SOWER_STAGE_WAITING) {
        sources->turns--;
        give_up(sources, entry);
        return;
    }
    sower_prepared_unlink(&sources->list, entry);
    atomic_store(&entry->abandoned, true);
}

/* Another second in which nobody has read what is READY while others wait. Half-way through their patience,
 * slow readers have to make way, as many as it takes. */
static void end_rests(struct sower_sources *sources)
{
    for (struct sower_prepared *entry = sources->list.oldest; entry != NULL; entry = entry->newer) {
        bool rests = sources->turns > 0 && entry->users > 0 && entry->resting == entry->users;
        entry->rested = rests ? entry->rested + 1 : 0;
    }
    struct sower_prepared *entry = sources->list.oldest;
    while (entry != NULL && sources->turns > 0) {
        bool over = entry->rested > sources->wait_seconds / 2;
        if (over) {
            sower_prepared_evict(&sources->list, entry);
            start_turns(sources);
        }
        entry = over ? sources->list.oldest : entry->newer;
    }
}

void sower_sources_tick(struct sower_sources *sources)
{
    struct refused refused = {NULL, NULL};
    struct sower_problem left, late;
    sower_problem_set(&left, SOWER_PROBLEM_UNAVAILABLE, "",
                      "The connection was closed from the other side while the tensor was being prepared; "
                      "keep it open until the answer has come.");
    sower_problem_set(&late, SOWER_PROBLEM_UNAVAILABLE, "",
                      "No memory to prepare this tensor came free in time (--wait-seconds %" PRIu64
                      "); ask again in a moment.",
                      sources->wait_seconds);
    pthread_mutex_lock(&sources->lock);
    end_rests(sources);
    for (struct sower_prepared *entry = sources->list.oldest, *newer; entry != NULL; entry = newer) {
        newer = entry->newer;
        if (entry->stage == SOWER_STAGE_READY) {
            continue;
        }
        sort_out(sources, entry, &refused);
        if (entry->waits == NULL) {
            abandon(sources, entry);
        }
    }
    start_turns(sources);
    pthread_mutex_unlock(&sources->lock);
    tell(refused.left, NULL, &left);
    tell(refused.late, NULL, &late);
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

static void stop_ticker(struct sower_sources *sources)
{
    if (sources->ticks) {
        sower_ticker_stop(&sources->ticker);
    }
    sources->ticks = false;
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
    stop_ticker(sources);
    refuse_stopping(&problem);
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
    sources->turns = 0;
    pthread_mutex_unlock(&sources->lock);
    tell(refused, NULL, &problem);
}

void sower_sources_finish(struct sower_sources *sources)
{
    sower_pool_stop(sources->preparers);
}

void sower_sources_free(struct sower_sources *sources)
{
    stop_ticker(sources);
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
