/* Rounds: a queue of those who wait for the ledger, which goes round the clients.
 *
 * Each client (client.h) has a queue of its own, in order of arrival. One is taken of the first client in the
 * round, which then goes to its end. So the first of a client that has just come waits for one of each other
 * client, however many of theirs there are. All is kept in those who wait: nothing here can fail. */
#ifndef SOWER_SERVER_LEDGER_ROUNDS_H
#define SOWER_SERVER_LEDGER_ROUNDS_H

#include <stddef.h>
#include <stdint.h>

struct sower_ledger_wait;

/* Whom one who waits belongs to, and the queue's own. */
struct sower_rounds_place {
    uint64_t client;
    struct sower_ledger_wait *next; /* of the same client */
    /* of the first of a client's queue: */
    struct sower_ledger_wait *last, *next_client;
    size_t count; /* of those in it */
};

/* An empty one is all 0. */
struct sower_rounds {
    struct sower_ledger_wait *first, *last; /* the first of each client's queue */
};

void sower_rounds_put(struct sower_rounds *rounds, struct sower_ledger_wait *wait);

/* NULL when nobody waits. */
struct sower_ledger_wait *sower_rounds_take(struct sower_rounds *rounds);

/* How many of a client wait. */
size_t sower_rounds_count(const struct sower_rounds *rounds, uint64_t client);

#endif
