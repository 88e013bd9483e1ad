#include "server/caches/prepared.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

void sower_prepared_link(struct sower_prepared_list *list, struct sower_prepared *entry)
{
    entry->newer = NULL;
    entry->older = list->newest;
    *(list->newest != NULL ? &list->newest->newer : &list->oldest) = entry;
    list->newest = entry;
}

void sower_prepared_unlink(struct sower_prepared_list *list, struct sower_prepared *entry)
{
    *(entry->newer != NULL ? &entry->newer->older : &list->newest) = entry->older;
    *(entry->older != NULL ? &entry->older->newer : &list->oldest) = entry->newer;
}

struct sower_prepared *sower_prepared_find(struct sower_prepared_list *list, const struct sower_draw_id *draw)
{
    struct sower_prepared *entry = list->newest;
    while (entry != NULL && memcmp(&entry->draw, draw, sizeof *draw) != 0) {
        entry = entry->older;
    }
    if (entry != NULL &&
        entry->stage == SOWER_STAGE_READY) { /* entries that wait keep their place in the queue */
        sower_prepared_unlink(list, entry);
        sower_prepared_link(list, entry);
    }
    return entry;
}

bool sower_prepared_make_room(struct sower_prepared_list *list, uint64_t memory)
{
    struct sower_prepared *entry = list->oldest;
    while (entry != NULL && memory > list->limit - list->memory) {
        struct sower_prepared *newer = entry->newer;
        if (entry->stage == SOWER_STAGE_READY && entry->users == 0) {
            sower_prepared_unlink(list, entry);
            list->memory -= entry->memory;
            sower_prepared_destroy(entry);
        }
        entry = newer;
    }
    return memory <= list->limit - list->memory;
}

uint64_t sower_prepared_need(const struct sower_prepared *entry)
{
    return entry->memory + entry->scratch;
}

void sower_prepared_evict(struct sower_prepared_list *list, struct sower_prepared *entry)
{
    const struct sower_source source = {.plan = entry->source.plan, .seed = entry->source.seed};
    sower_prepared_unlink(list, entry);
    list->memory -= entry->memory;
    sower_source_close(&entry->source);
    entry->source = source;
    entry->stage = SOWER_STAGE_EVICTED;
}

void sower_prepared_destroy(struct sower_prepared *entry)
{
    if (entry->stage == SOWER_STAGE_READY) {
        sower_source_close(&entry->source);
    }
    sodium_memzero(&entry->source.seed, sizeof entry->source.seed);
    free(entry);
}
