/* Prepared factors: the entries of the cache of sources (sources.h), and their list in order of last use.
 *
 * Nothing here locks or waits: the cache does. Each entry takes megabytes, so the list is short and a search
 * looks at every entry. */
#ifndef SOWER_SERVER_CACHES_PREPARED_H
#define SOWER_SERVER_CACHES_PREPARED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/draw.h"
#include "core/source.h"
#include "server/base/pool.h"

enum sower_stage {
    SOWER_STAGE_WAITING,   /* for its turn */
    SOWER_STAGE_PREPARING, /* its memory is reserved, and its job is submitted */
    SOWER_STAGE_READY,
    SOWER_STAGE_EVICTED, /* its factors are released; it is not in the list, and exists until its last user leaves */
};

struct sower_sources;
struct sower_sources_wait;

struct sower_prepared {
    struct sower_job job; /* the first member: the pool passes a pointer to it */
    struct sower_sources *sources;
    struct sower_draw_id draw;
    uint64_t client;  /* the client that asked first */
    bool small;       /* needs little memory and little time (sources.h) */
    uint64_t began;   /* when it began, on the monotonic clock in nanoseconds */
    uint64_t turn;    /* its number among the preparations that have begun; 0: it has not begun */
    uint64_t memory;  /* bytes of the factors */
    uint64_t scratch; /* further bytes, needed only while PREPARING */
    enum sower_stage stage;
    _Atomic bool abandoned; /* no wait is left; the entry is PREPARING and not in the list */
    size_t users;           /* requests that hold the entry or wait for it */
    size_t resting;         /* users that rest */
    uint64_t rested;        /* seconds that all users have rested while preparations waited */
    struct sower_sources_wait *waits;
    struct sower_source source; /* open when READY; otherwise only `plan` and `seed` are set, to open it */
    struct sower_prepared *newer, *older;
};

struct sower_prepared_list {
    uint64_t memory; /* bytes that entries take or have reserved; the cache counts them */
    uint64_t limit;
    struct sower_prepared *newest, *oldest;
};

/* Bytes while the entry is PREPARING. */
SOWER_MUST_USE uint64_t sower_prepared_need(const struct sower_prepared *entry);

void sower_prepared_link(struct sower_prepared_list *list, struct sower_prepared *entry);
void sower_prepared_unlink(struct sower_prepared_list *list, struct sower_prepared *entry);

/* The entry of a draw; NULL: none. A READY entry becomes the newest. */
SOWER_MUST_USE struct sower_prepared *sower_prepared_find(struct sower_prepared_list *list,
                                                          const struct sower_draw_id *draw);

/* Releases READY entries without users, least recently used first, until `memory` more bytes fit. Whether
 * they fit. */
SOWER_MUST_USE bool sower_prepared_make_room(struct sower_prepared_list *list, uint64_t memory);

/* Closes the source of a READY entry and takes the entry out of the list. Its users still hold it. */
void sower_prepared_evict(struct sower_prepared_list *list, struct sower_prepared *entry);

/* Releases an entry that is not in the list. */
void sower_prepared_destroy(struct sower_prepared *entry);

#endif
