#include "server/ledger/rounds.h"

#include <stdbool.h>

#include "server/ledger/ledger.h"

static struct sower_ledger_wait *find(const struct sower_rounds *rounds, uint64_t client)
{
    struct sower_ledger_wait *head = rounds->first;
    while (head != NULL && head->place.client != client) {
        head = head->place.next_client;
    }
    return head;
}

/* Puts the first of a client's queue at the end of the round. */
static void put_client(struct sower_rounds *rounds, struct sower_ledger_wait *head)
{
    head->place.next_client = NULL;
    *(rounds->last != NULL ? &rounds->last->place.next_client : &rounds->first) = head;
    rounds->last = head;
}

void sower_rounds_put(struct sower_rounds *rounds, struct sower_ledger_wait *wait)
{
    struct sower_ledger_wait *head = find(rounds, wait->place.client);
    wait->place.next = NULL;
    if (head == NULL) {
        wait->place.last = wait;
        wait->place.count = 1;
        put_client(rounds, wait);
        return;
    }
    head->place.last->place.next = wait;
    head->place.last = wait;
    head->place.count++;
}

struct sower_ledger_wait *sower_rounds_take(struct sower_rounds *rounds)
{
    struct sower_ledger_wait *head = rounds->first;
    if (head == NULL) {
        return NULL;
    }
    rounds->first = head->place.next_client;
    rounds->last = rounds->first != NULL ? rounds->last : NULL;
    struct sower_ledger_wait *next = head->place.next;
    if (next != NULL) {
        next->place.last = head->place.last;
        next->place.count = head->place.count - 1;
        put_client(rounds, next);
    }
    return head;
}

size_t sower_rounds_count(const struct sower_rounds *rounds, uint64_t client)
{
    const struct sower_ledger_wait *head = find(rounds, client);
    return head != NULL ? head->place.count : 0;
}
