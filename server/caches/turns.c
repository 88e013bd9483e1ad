#include "server/caches/turns.h"

#include "server/base/clock.h"

enum {
    WAITING_MAX = 256,           /* preparations that wait for their turn */
    WAITING_OF_CLIENT_MAX = 128, /* of one client */
};

size_t sower_turns_count_preparing(const struct sower_sources *sources, uint64_t client, bool small_too)
{
    size_t count = 0;
    for (const struct sower_prepared *entry = sources->list.oldest; entry != NULL; entry = entry->newer) {
        count +=
            entry->stage == SOWER_STAGE_PREPARING && entry->client == client && (small_too || !entry->small);
    }
    return count;
}

/* The number of the last preparation of a client that began, among the entries that the cache still has; 0:
 * none. */
static uint64_t last_turn(const struct sower_sources *sources, uint64_t client)
{
    uint64_t last = 0;
    for (const struct sower_prepared *entry = sources->list.oldest; entry != NULL; entry = entry->newer) {
        last = entry->client == client && entry->turn > last ? entry->turn : last;
    }
    return last;
}

/* The waiting preparation whose turn is next: the oldest one of the client whose last preparation began
 * longest ago. Skips a client that has `preparing_max` preparations running. NULL: none waits. */
static struct sower_prepared *next_turn(const struct sower_sources *sources, bool small_only)
{
    struct sower_prepared *next = NULL;
    uint64_t least = UINT64_MAX;
    for (struct sower_prepared *entry = sources->list.oldest; entry != NULL; entry = entry->newer) {
        if (entry->stage != SOWER_STAGE_WAITING || (small_only && !entry->small) ||
            (!entry->small &&
             sower_turns_count_preparing(sources, entry->client, false) >= sources->preparing_max)) {
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

/* Whether a preparation can begin now. Drops unused entries to make room for it. */
static bool has_room(struct sower_sources *sources, const struct sower_prepared *entry)
{
    const uint64_t limit = sources->list.limit, reserve = limit / SOWER_SMALL_PART,
                   need = sower_prepared_need(entry);
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
    entry->began = sower_clock_nanoseconds();
    sources->list.memory += sower_prepared_need(entry);
    sources->waiting--;
    sources->preparing += !entry->small;
    sower_pool_submit(entry->small ? sources->pool : sources->preparers, &entry->job);
}

void sower_turns_start(struct sower_sources *sources)
{
    sources->blocked = false;
    for (struct sower_prepared *entry; (entry = next_turn(sources, sources->blocked)) != NULL;) {
        if (has_room(sources, entry)) {
            begin(sources, entry);
        } else if (sources->blocked) {
            return;
        } else {
            sources->blocked = true;
            sources->next_client = entry->client;
        }
    }
}

bool sower_turns_has_place(const struct sower_sources *sources, uint64_t client)
{
    size_t own = 0;
    for (const struct sower_prepared *entry = sources->list.oldest; entry != NULL; entry = entry->newer) {
        own += entry->stage == SOWER_STAGE_WAITING && entry->client == client;
    }
    return sources->waiting < WAITING_MAX && own < WAITING_OF_CLIENT_MAX;
}
