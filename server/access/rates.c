#include "server/access/rates.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const double NANOSECONDS = 1e9; /* in a second */

void sower_rates_open(struct sower_rates *rates)
{
    *rates = (struct sower_rates){.lists = {NULL}};
    pthread_mutex_init(&rates->lock, NULL);
}

void sower_rates_close(struct sower_rates *rates)
{
    for (size_t i = 0; i < SOWER_RATES_LISTS; i++) {
        for (struct sower_rate *rate = rates->lists[i], *next; rate != NULL; rate = next) {
            next = rate->next;
            pthread_mutex_destroy(&rate->lock);
            free(rate);
        }
    }
    pthread_mutex_destroy(&rates->lock);
}

/* FNV-1a. Names come from the file of tokens, so nobody can choose them to collide. */
static size_t list_of(const char *name)
{
    uint32_t hash = 2166136261U;
    for (; *name != '\0'; name++) {
        hash = (hash ^ (unsigned char)*name) * 16777619U;
    }
    return hash % SOWER_RATES_LISTS;
}

static struct sower_rate *new_rate(const char *name)
{
    struct sower_rate *rate = calloc(1, sizeof *rate);
    const size_t length = strlen(name);
    if (rate != NULL) {
        pthread_mutex_init(&rate->lock, NULL);
        memcpy(rate->name, name, length < SOWER_TOKEN_NAME_MAX ? length : SOWER_TOKEN_NAME_MAX);
    }
    return rate;
}

struct sower_rate *sower_rates_find(struct sower_rates *rates, const char *name)
{
    struct sower_rate **list = &rates->lists[list_of(name)];
    pthread_mutex_lock(&rates->lock);
    struct sower_rate *rate = *list;
    while (rate != NULL && strcmp(rate->name, name) != 0) {
        rate = rate->next;
    }
    if (rate == NULL && (rate = new_rate(name)) != NULL) {
        rate->next = *list;
        *list = rate;
    }
    pthread_mutex_unlock(&rates->lock);
    return rate;
}

void sower_rates_visit(struct sower_rates *rates, void (*visit)(void *context, const struct sower_rate *rate),
                       void *context)
{
    pthread_mutex_lock(&rates->lock);
    for (size_t i = 0; i < SOWER_RATES_LISTS; i++) {
        for (const struct sower_rate *rate = rates->lists[i]; rate != NULL; rate = rate->next) {
            visit(context, rate);
        }
    }
    pthread_mutex_unlock(&rates->lock);
}

/* Lets the bucket fill until now. The lock is held. */
static void fill(struct sower_rate *rate, uint64_t per_second, int64_t now)
{
    if (now > rate->time) {
        const double filled = (double)(now - rate->time) / NANOSECONDS * (double)per_second;
        rate->missing = rate->missing > filled ? rate->missing - filled : 0;
        rate->time = now;
    }
}

uint64_t sower_rate_wait(struct sower_rate *rate, uint64_t per_second, int64_t now)
{
    const double most = 1e9; /* seconds */
    if (per_second == 0) {
        return 0;
    }
    pthread_mutex_lock(&rate->lock);
    fill(rate, per_second, now);
    const double seconds = rate->missing / (double)per_second - SOWER_RATE_BURST_SECONDS;
    pthread_mutex_unlock(&rate->lock);
    return seconds < 0 ? 0 : 1 + (uint64_t)(seconds < most ? seconds : most);
}

void sower_rate_pay(struct sower_rate *rate, uint64_t lines, uint64_t per_second, int64_t now)
{
    atomic_fetch_add(&rate->added, lines);
    if (lines == 0) {
        return;
    }
    pthread_mutex_lock(&rate->lock);
    fill(rate, per_second, now);
    rate->missing = per_second == 0 ? 0 : rate->missing + (double)lines;
    pthread_mutex_unlock(&rate->lock);
}
