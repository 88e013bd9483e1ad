/* Prepared factors: the entries of the cache (sources.h), in a list in the order of last use.
 *
 * Nothing here locks or waits: the cache does. The list is short (each entry is megabytes), so it is searched
 * from the front. */
#ifndef SOWER_SERVER_CACHES_PREPARED_H
#define SOWER_SERVER_CACHES_PREPARED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/draw.h"
#include "core/source.h"
#include "server/base/pool.h"

enum sower_stage {
    SOWER_STAGE_WAITING,   /* for its turn */
    SOWER_STAGE_PREPARING, /* it has memory, and a thread soon */
    SOWER_STAGE_READY,
    SOWER_STAGE_EVICTED, /* away: out of the list, kept only for those who still hold it */
};

struct sower_sources;
struct sower_sources_wait;

struct sower_prepared {
    struct sower_job job; /* comes first: the pool hands a pointer to it back */
    struct sower_sources *sources;
    struct sower_draw_id draw;
    uint64_t client;          /* who asked first */
    bool small;               /* needs neither much memory nor much time */
    uint64_t turn;            /* when it was begun, counted in preparations; 0: not yet */
    uint64_t memory, scratch; /* bytes; scratch: only while PREPARING */
    enum sower_stage stage;
    _Atomic bool abandoned; /* nobody waits for it any more; it is PREPARING and out of the list */
    size_t users;           /* who hold it, or wait for it */
    size_t resting;         /* of them; when all are */
    uint64_t rested;        /* for how many seconds, others waiting */
    struct sower_sources_wait *waits;
    struct sower_source source; /* open when READY; else what to open */
    struct sower_prepared *newer, *older;
};

struct sower_prepared_list {
    uint64_t memory, limit; /* what those that are PREPARING or READY take, and may take; kept by the cache */
    struct sower_prepared *newest, *oldest;
};

void sower_prepared_link(struct sower_prepared_list *list, struct sower_prepared *entry);
void sower_prepared_unlink(struct sower_prepared_list *list, struct sower_prepared *entry);

/* The entry of a draw, which is the newest from here on if it is READY; NULL when there is none. */
struct sower_prepared *sower_prepared_find(struct sower_prepared_list *list,
                                           const struct sower_draw_id *draw);

/* Drops what nobody uses, longest unused first, until `memory` more bytes fit. Whether they do. */
bool sower_prepared_make_room(struct sower_prepared_list *list, uint64_t memory);

/* Closes and takes out of the list what is READY, but keeps it for its users. */
void sower_prepared_evict(struct sower_prepared_list *list, struct sower_prepared *entry);

/* Releases an entry that is in no list. */
void sower_prepared_destroy(struct sower_prepared *entry);

#endif
