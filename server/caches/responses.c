#include "server/caches/responses.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>
#include <sodium.h>

enum {
    SHARDS = 16, /* each with its lock and its part of the memory */
    BUCKETS = 512,
    HEADERS_SIZE = 2048, /* what a response takes besides its body, about */
};

struct shard {
    pthread_mutex_t lock;
    size_t memory, limit;
    struct sower_response *newest, *oldest; /* in the order of last use */
    struct sower_response *buckets[BUCKETS];
};

struct sower_responses {
    uint8_t key[crypto_shorthash_KEYBYTES]; /* of our own, so that nobody can choose targets that collide */
    struct shard shards[SHARDS];
};

struct sower_responses *sower_responses_new(size_t memory)
{
    struct sower_responses *answers = calloc(1, sizeof *answers);
    if (answers == NULL) {
        return NULL;
    }
    randombytes_buf(answers->key, sizeof answers->key);
    for (size_t i = 0; i < SHARDS; i++) {
        answers->shards[i].limit = memory / SHARDS;
        pthread_mutex_init(&answers->shards[i].lock, NULL);
    }
    return answers;
}

static uint64_t place_of(const struct sower_responses *answers, const char *target, size_t length)
{
    uint64_t place;
    _Static_assert(sizeof place == crypto_shorthash_BYTES, "a place is such a hash");
    crypto_shorthash((unsigned char *)&place, (const unsigned char *)target, length, answers->key);
    return place;
}

static struct shard *shard_of(struct sower_responses *answers, uint64_t place)
{
    return &answers->shards[place % SHARDS];
}

static struct sower_response **bucket_of(struct shard *shard, uint64_t place)
{
    return &shard->buckets[place / SHARDS % BUCKETS];
}

/* Takes an answer out of its shard, whose lock is held; *link points to it in its bucket. */
static void unlink_answer(struct shard *shard, struct sower_response **link)
{
    struct sower_response *answer = *link;
    *link = answer->next;
    *(answer->newer != NULL ? &answer->newer->older : &shard->newest) = answer->older;
    *(answer->older != NULL ? &answer->older->newer : &shard->oldest) = answer->newer;
    shard->memory -= answer->memory;
}

/* Puts one first in its bucket and in the order of use. */
static void link_answer(struct shard *shard, struct sower_response *answer)
{
    struct sower_response **bucket = bucket_of(shard, answer->place);
    answer->next = *bucket;
    *bucket = answer;
    answer->newer = NULL;
    answer->older = shard->newest;
    *(answer->older != NULL ? &answer->older->newer : &shard->oldest) = answer;
    shard->newest = answer;
    shard->memory += answer->memory;
}

static void drop_oldest(struct shard *shard)
{
    struct sower_response *answer = shard->oldest, **link = bucket_of(shard, answer->place);
    while (*link != answer) {
        link = &(*link)->next;
    }
    unlink_answer(shard, link);
    MHD_destroy_response(answer->response);
    free(answer);
}

struct sower_response *sower_responses_take(struct sower_responses *answers, const char *target)
{
    uint64_t place = place_of(answers, target, strlen(target));
    struct shard *shard = shard_of(answers, place);
    pthread_mutex_lock(&shard->lock);
    struct sower_response **link = bucket_of(shard, place);
    while (*link != NULL && ((*link)->place != place || strcmp((*link)->text, target) != 0)) {
        link = &(*link)->next;
    }
    struct sower_response *answer = *link;
    if (answer != NULL) {
        unlink_answer(shard, link);
    }
    pthread_mutex_unlock(&shard->lock);
    return answer;
}

struct sower_response *sower_responses_make(struct sower_responses *answers, const char *target,
                                            const struct sower_draw *draw, struct MHD_Response *response,
                                            size_t size)
{
    const size_t target_size = strlen(target) + 1, experiment_size = strlen(draw->experiment) + 1;
    const size_t name_size = strlen(draw->name) + 1, text_size = target_size + experiment_size + name_size;
    struct sower_response *answer = malloc(sizeof *answer + text_size);
    if (answer == NULL) {
        return NULL;
    }
    *answer = (struct sower_response){
        .response = response,
        .size = size,
        .experiment = answer->text + target_size,
        .name = answer->text + target_size + experiment_size,
        .trial = draw->trial,
        .home = answers,
        .place = place_of(answers, target, target_size - 1),
        .memory = sizeof *answer + text_size + HEADERS_SIZE + size,
    };
    memcpy(answer->text, target, target_size);
    memcpy(answer->text + target_size, draw->experiment, experiment_size);
    memcpy(answer->text + target_size + experiment_size, draw->name, name_size);
    return answer;
}

void sower_responses_give(struct sower_response *answer)
{
    struct shard *shard = shard_of(answer->home, answer->place);
    pthread_mutex_lock(&shard->lock);
    link_answer(shard, answer);
    while (shard->memory > shard->limit) {
        drop_oldest(shard);
    }
    pthread_mutex_unlock(&shard->lock);
}

size_t sower_responses_memory(struct sower_responses *answers)
{
    size_t memory = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&answers->shards[i].lock);
        memory += answers->shards[i].memory;
        pthread_mutex_unlock(&answers->shards[i].lock);
    }
    return memory;
}

void sower_responses_free(struct sower_responses *answers)
{
    for (size_t i = 0; i < SHARDS; i++) {
        while (answers->shards[i].oldest != NULL) {
            drop_oldest(&answers->shards[i]);
        }
        pthread_mutex_destroy(&answers->shards[i].lock);
    }
    free(answers);
}
