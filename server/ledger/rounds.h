/* Rounds: the queue of requests to the ledger, which serves the clients in turn.
 *
 * Each client (client.h) has a queue in order of arrival. Taking a request takes the first one of the first client
 * in the round; then that client goes to the end of the round. So the first request of a new client waits for at
 * most one request of each other client, however many those have. The links are members of the requests
 * themselves, so nothing here can fail. */
#ifndef SOWER_SERVER_LEDGER_ROUNDS_H
#define SOWER_SERVER_LEDGER_ROUNDS_H

#include <stddef.h>
#include <stdint.h>

struct sower_ledger_wait;

/* A request's client, and its links, which are internal to the queue. */
struct sower_rounds_place {
    uint64_t client;
    struct sower_ledger_wait *next; /* the client's next request */
    /* only valid in a client's first request: */
    struct sower_ledger_wait *last, *next_client;
    size_t count; /* requests of the client */
};

/* All zeros: empty. */
struct sower_rounds {
    struct sower_ledger_wait *first, *last; /* each client's first request */
};

void sower_rounds_put(struct sower_rounds *rounds, struct sower_ledger_wait *wait);

/* NULL if the queue is empty. */
struct sower_ledger_wait *sower_rounds_take(struct sower_rounds *rounds);

/* The number of requests of a client. */
size_t sower_rounds_count(const struct sower_rounds *rounds, uint64_t client);

#endif
