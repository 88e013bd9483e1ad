#include "server/caches/responses.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>
#include <sodium.h>

enum {
    SHARDS = 16, /* each has a lock and a share of the memory */
    BUCKETS = 512,
    HEADERS_SIZE = 2048, /* approximate bytes of a response without its body */
};

struct shard {
    pthread_mutex_t lock;
    size_t memory, limit;
    uint64_t hits, misses;
    struct sower_response *newest, *oldest; /* in order of last use */
    struct sower_response *buckets[BUCKETS];
};

struct sower_responses {
    uint8_t key[crypto_shorthash_KEYBYTES]; /* random, so that a client cannot choose targets that collide */
    struct shard shards[SHARDS];
};

struct sower_responses *sower_responses_new(size_t memory)
{
    struct sower_responses *responses = calloc(1, sizeof *responses);
    if (responses == NULL) {
        return NULL;
    }
    randombytes_buf(responses->key, sizeof responses->key);
    for (size_t i = 0; i < SHARDS; i++) {
        responses->shards[i].limit = memory / SHARDS;
        pthread_mutex_init(&responses->shards[i].lock, NULL);
    }
    return responses;
}

static uint64_t hash_of(const struct sower_responses *responses, const char *target, size_t length)
{
    uint64_t hash;
    _Static_assert(sizeof hash == crypto_shorthash_BYTES, "the hash has 64 bits");
    crypto_shorthash((unsigned char *)&hash, (const unsigned char *)target, length, responses->key);
    return hash;
}

static struct shard *shard_of(struct sower_responses *responses, uint64_t hash)
{
    return &responses->shards[hash % SHARDS];
}

static struct sower_response **bucket_of(struct shard *shard, uint64_t hash)
{
    return &shard->buckets[hash / SHARDS % BUCKETS];
}

/* Takes an entry out of its shard, whose lock is held. *link points to the entry in its bucket. */
static void unlink_entry(struct shard *shard, struct sower_response **link)
{
    struct sower_response *entry = *link;
    *link = entry->next;
    *(entry->newer != NULL ? &entry->newer->older : &shard->newest) = entry->older;
    *(entry->older != NULL ? &entry->older->newer : &shard->oldest) = entry->newer;
    shard->memory -= entry->memory;
}

/* Makes an entry the first in its bucket and the most recently used one. */
static void link_entry(struct shard *shard, struct sower_response *entry)
{
    struct sower_response **bucket = bucket_of(shard, entry->hash);
    entry->next = *bucket;
    *bucket = entry;
    entry->newer = NULL;
    entry->older = shard->newest;
    *(entry->older != NULL ? &entry->older->newer : &shard->oldest) = entry;
    shard->newest = entry;
    shard->memory += entry->memory;
}

static void drop_oldest(struct shard *shard)
{
    struct sower_response *entry = shard->oldest, **link = bucket_of(shard, entry->hash);
    while (*link != entry) {
        link = &(*link)->next;
    }
    unlink_entry(shard, link);
    MHD_destroy_response(entry->response);
    free(entry);
}

struct sower_response *sower_responses_take(struct sower_responses *responses, const char *target)
{
    uint64_t hash = hash_of(responses, target, strlen(target));
    struct shard *shard = shard_of(responses, hash);
    pthread_mutex_lock(&shard->lock);
    struct sower_response **link = bucket_of(shard, hash);
    while (*link != NULL && ((*link)->hash != hash || strcmp((*link)->text, target) != 0)) {
        link = &(*link)->next;
    }
    struct sower_response *entry = *link;
    if (entry != NULL) {
        unlink_entry(shard, link);
    }
    shard->hits += entry != NULL;
    shard->misses += entry == NULL;
    pthread_mutex_unlock(&shard->lock);
    return entry;
}

struct sower_response *sower_responses_make(struct sower_responses *responses, const char *target,
                                            const struct sower_draw *draw, struct MHD_Response *response,
                                            size_t size)
{
    const size_t target_size = strlen(target) + 1, experiment_size = strlen(draw->experiment) + 1;
    const size_t name_size = strlen(draw->name) + 1, text_size = target_size + experiment_size + name_size;
    struct sower_response *entry = malloc(sizeof *entry + text_size);
    if (entry == NULL) {
        return NULL;
    }
    *entry = (struct sower_response){
        .response = response,
        .size = size,
        .experiment = entry->text + target_size,
        .name = entry->text + target_size + experiment_size,
        .trial = draw->trial,
        .cache = responses,
        .hash = hash_of(responses, target, target_size - 1),
        .memory = sizeof *entry + text_size + HEADERS_SIZE + size,
    };
    memcpy(entry->text, target, target_size);
    memcpy(entry->text + target_size, draw->experiment, experiment_size);
    memcpy(entry->text + target_size + experiment_size, draw->name, name_size);
    return entry;
}

void sower_responses_give(struct sower_response *entry)
{
    struct shard *shard = shard_of(entry->cache, entry->hash);
    pthread_mutex_lock(&shard->lock);
    link_entry(shard, entry);
    while (shard->memory > shard->limit) {
        drop_oldest(shard);
    }
    pthread_mutex_unlock(&shard->lock);
}

struct sower_responses_figures sower_responses_figures(struct sower_responses *responses)
{
    struct sower_responses_figures figures = {0};
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &responses->shards[i];
        pthread_mutex_lock(&shard->lock);
        figures.memory += shard->memory;
        figures.hits += shard->hits;
        figures.misses += shard->misses;
        pthread_mutex_unlock(&shard->lock);
    }
    return figures;
}

void sower_responses_free(struct sower_responses *responses)
{
    for (size_t i = 0; i < SHARDS; i++) {
        while (responses->shards[i].oldest != NULL) {
            drop_oldest(&responses->shards[i]);
        }
        pthread_mutex_destroy(&responses->shards[i].lock);
    }
    free(responses);
}
