/* The reading side of a PostgreSQL ledger.
 *
 * All threads share one connection, under a lock that a thread holds for one page. The methods are described in
 * store.h. */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_READER_H
#define SOWER_SERVER_LEDGER_POSTGRES_READER_H

#include <pthread.h>
#include <stdbool.h>

#include "core/attributes.h"
#include "server/ledger/postgres/connection.h"
#include "server/ledger/store.h"

struct sower_postgres_reader {
    struct sower_store_reader reader; /* comes first: the methods cast */
    pthread_mutex_t lock;             /* guards the connection */
    struct sower_postgres postgres;
    uint8_t writer[SOWER_WRITER_SIZE]; /* this daemon's key */
};

/* Connects. False: reader->postgres.cause says why. Call sower_postgres_reader_close in either case. */
SOWER_MUST_USE bool sower_postgres_reader_open(struct sower_postgres_reader *reader, const char *url,
                                               const uint8_t writer[SOWER_WRITER_SIZE]);
void sower_postgres_reader_close(struct sower_postgres_reader *reader);

#endif
