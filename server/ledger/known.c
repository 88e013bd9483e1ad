#include "server/ledger/known.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { WAYS = 8, LOCKS = 64 };

struct entry {
    uint64_t line; /* 0: this entry is empty, and so are those after it */
    struct sower_draw_id draw;
};

struct bucket {
    struct entry entries[WAYS]; /* the most recently used first */
};

struct sower_known {
    pthread_mutex_t locks[LOCKS]; /* lock i guards the buckets whose number is i modulo LOCKS */
    size_t bucket_count;          /* a power of two */
    struct bucket *buckets;
};

struct sower_known *sower_known_new(size_t capacity)
{
    struct sower_known *known = malloc(sizeof *known);
    if (known == NULL) {
        return NULL;
    }
    known->bucket_count = 1;
    while (known->bucket_count < capacity / WAYS) {
        known->bucket_count *= 2;
    }
    known->buckets = calloc(known->bucket_count, sizeof *known->buckets);
    if (known->buckets == NULL) {
        free(known);
        return NULL;
    }
    for (size_t i = 0; i < LOCKS; i++) {
        pthread_mutex_init(&known->locks[i], NULL);
    }
    return known;
}

void sower_known_free(struct sower_known *known)
{
    if (known == NULL) {
        return;
    }
    for (size_t i = 0; i < LOCKS; i++) {
        pthread_mutex_destroy(&known->locks[i]);
    }
    free(known->buckets);
    free(known);
}

static size_t bucket_of(const struct sower_known *known, const struct sower_draw_id *draw)
{
    uint64_t number;
    memcpy(&number, draw->bytes, sizeof number);
    return (size_t)(number & (known->bucket_count - 1));
}

/* Puts an entry first and moves the entries before `place` back by one. */
static void put_first(struct bucket *bucket, size_t place, struct entry entry)
{
    memmove(&bucket->entries[1], &bucket->entries[0], place * sizeof entry);
    bucket->entries[0] = entry;
}

/* The index of a draw in its bucket; if it is not there, the first empty entry, else the last entry. */
static size_t place_of(const struct bucket *bucket, const struct sower_draw_id *draw)
{
    size_t place = 0;
    while (place < WAYS - 1 && bucket->entries[place].line != 0 &&
           memcmp(&bucket->entries[place].draw, draw, sizeof *draw) != 0) {
        place++;
    }
    return place;
}

uint64_t sower_known_find(struct sower_known *known, const struct sower_draw_id *draw)
{
    size_t number = bucket_of(known, draw);
    struct bucket *bucket = &known->buckets[number];
    pthread_mutex_t *lock = &known->locks[number % LOCKS];
    pthread_mutex_lock(lock);
    size_t place = place_of(bucket, draw);
    struct entry entry = bucket->entries[place];
    bool found = entry.line != 0 && memcmp(&entry.draw, draw, sizeof *draw) == 0;
    if (found && place > 0) {
        put_first(bucket, place, entry);
    }
    pthread_mutex_unlock(lock);
    return found ? entry.line : 0;
}

void sower_known_add(struct sower_known *known, const struct sower_draw_id *draw, uint64_t line)
{
    size_t number = bucket_of(known, draw);
    struct bucket *bucket = &known->buckets[number];
    pthread_mutex_t *lock = &known->locks[number % LOCKS];
    pthread_mutex_lock(lock);
    put_first(bucket, place_of(bucket, draw), (struct entry){line, *draw});
    pthread_mutex_unlock(lock);
}
