/* New lines of a ledger on PostgreSQL, column by column, as one statement takes them all. */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_COLUMNS_H
#define SOWER_SERVER_LEDGER_POSTGRES_COLUMNS_H

#include "proto/record.h"
#include "server/ledger/postgres/values.h"

enum { SOWER_POSTGRES_COLUMNS = 21 };

/* All zeros before it is begun. */
struct sower_postgres_columns {
    size_t count; /* of the lines */
    struct sower_postgres_array columns[SOWER_POSTGRES_COLUMNS];
};

/* Begins without a line. */
void sower_postgres_columns_begin(struct sower_postgres_columns *lines);

/* Puts a line behind the others. A column that its kind has nothing for gets a NULL. */
void sower_postgres_columns_put(struct sower_postgres_columns *lines, const struct sower_record *record);

/* Adds all columns, in the order of INSERT_LINES. They must stay until the statement is queued. */
void sower_postgres_columns_add_to(struct sower_postgres_columns *lines,
                                   struct sower_postgres_values *values);

void sower_postgres_columns_free(struct sower_postgres_columns *lines);

#endif
