/* The writing side of a PostgreSQL ledger: draws, models and trial numbers, in chunks. The transaction and its rows
 * are in lines.h. */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_WRITER_H
#define SOWER_SERVER_LEDGER_POSTGRES_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attributes.h"
#include "server/ledger/postgres/lines.h"
#include "server/ledger/store.h"

/* All zeros before sower_postgres_writer_open. */
struct sower_postgres_writer {
    struct sower_store_writer writer; /* comes first: the methods cast */
    struct sower_postgres_lines lines;
};

/* Connects for the daemon with this key. False: writer->lines.postgres.cause says why. Call
 * sower_postgres_writer_close in either case. */
SOWER_MUST_USE bool sower_postgres_writer_open(struct sower_postgres_writer *writer, const char *url,
                                               const uint8_t key[SOWER_WRITER_SIZE]);
void sower_postgres_writer_close(struct sower_postgres_writer *writer);

#endif
