#include "server/ledger/rounds.h"

#include <stdbool.h>

#include "server/ledger/ledger.h"

static struct sower_ledger_wait *find(const struct sower_rounds *rounds, uint64_t client)
{
    struct sower_ledger_wait *oldest = rounds->first;
    while (oldest != NULL && oldest->place.client != client) {
        oldest = oldest->place.next_client;
    }
    return oldest;
}

/* Puts a client, given by its oldest request, at the end of the round. */
static void put_client(struct sower_rounds *rounds, struct sower_ledger_wait *oldest)
{
    oldest->place.next_client = NULL;
    *(rounds->last != NULL ? &rounds->last->place.next_client : &rounds->first) = oldest;
    rounds->last = oldest;
}

void sower_rounds_put(struct sower_rounds *rounds, struct sower_ledger_wait *wait)
{
    struct sower_ledger_wait *oldest = find(rounds, wait->place.client);
    wait->place.next = NULL;
    if (oldest == NULL) {
        wait->place.last = wait;
        wait->place.count = 1;
        put_client(rounds, wait);
        return;
    }
    oldest->place.last->place.next = wait;
    oldest->place.last = wait;
    oldest->place.count++;
}

struct sower_ledger_wait *sower_rounds_take(struct sower_rounds *rounds)
{
    struct sower_ledger_wait *oldest = rounds->first;
    if (oldest == NULL) {
        return NULL;
    }
    rounds->first = oldest->place.next_client;
    rounds->last = rounds->first != NULL ? rounds->last : NULL;
    struct sower_ledger_wait *next = oldest->place.next;
    if (next != NULL) {
        next->place.last = oldest->place.last;
        next->place.count = oldest->place.count - 1;
        put_client(rounds, next);
    }
    return oldest;
}

size_t sower_rounds_count(const struct sower_rounds *rounds, uint64_t client)
{
    const struct sower_ledger_wait *oldest = find(rounds, client);
    return oldest != NULL ? oldest->place.count : 0;
}
