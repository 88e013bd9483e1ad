/* The writing side of a ledger on PostgreSQL: draws, models and trial numbers, cut into chunks. lines.h has the transaction and the rows
 * that it looks up and adds. */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_WRITER_H
#define SOWER_SERVER_LEDGER_POSTGRES_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "server/ledger/postgres/lines.h"
#include "server/ledger/store.h"

/* All zeros before it is opened. */
struct sower_postgres_writer {
    struct sower_store_writer writer; /* comes first: the methods cast */
    struct sower_postgres_lines lines;
};

/* Connects for the daemon of this key. False: writer->lines.postgres.cause says why. Closed with sower_postgres_writer_close in either
 * case. */
bool sower_postgres_writer_open(struct sower_postgres_writer *writer, const char *url,
                                const uint8_t key[SOWER_WRITER_SIZE]);
void sower_postgres_writer_close(struct sower_postgres_writer *writer);

#endif
