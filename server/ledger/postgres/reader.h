/* Pages of a ledger on PostgreSQL: what is asked of it, read page by page.
 *
 * One connection reads for everybody, under a lock that is held for one page. Each function does what the
 * method of the same name does (store.h). */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_READER_H
#define SOWER_SERVER_LEDGER_POSTGRES_READER_H

#include <pthread.h>
#include <stdbool.h>

#include "server/ledger/postgres/connection.h"
#include "server/ledger/store.h"

struct sower_postgres_reader {
    struct sower_store_reader reader; /* comes first: the methods cast */
    pthread_mutex_t lock;             /* guards the connection */
    struct sower_postgres postgres;
    uint8_t writer[SOWER_WRITER_SIZE]; /* the store's own */
};

/* Connects; what is wrong is said by reader->postgres.cause. Closed in any case. */
bool sower_postgres_reader_open(struct sower_postgres_reader *reader, const char *url,
                                const uint8_t writer[SOWER_WRITER_SIZE]);
void sower_postgres_reader_close(struct sower_postgres_reader *reader);

#endif
