/* New lines of a PostgreSQL ledger as arrays, one per column, so that one statement inserts all of them. */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_COLUMNS_H
#define SOWER_SERVER_LEDGER_POSTGRES_COLUMNS_H

#include "proto/record.h"
#include "server/ledger/postgres/values.h"

enum { SOWER_POSTGRES_COLUMNS = 21 };

/* All zeros before sower_postgres_columns_begin. */
struct sower_postgres_columns {
    size_t count; /* lines */
    struct sower_postgres_array columns[SOWER_POSTGRES_COLUMNS];
};

/* Removes all lines. */
void sower_postgres_columns_begin(struct sower_postgres_columns *lines);

/* Appends a line. A column that the line's kind does not use gets NULL. */
void sower_postgres_columns_put(struct sower_postgres_columns *lines, const struct sower_record *record);

/* Adds all columns, in the order of INSERT_LINES. They must not change until the statement is queued. */
void sower_postgres_columns_add_to(struct sower_postgres_columns *lines,
                                   struct sower_postgres_values *values);

void sower_postgres_columns_free(struct sower_postgres_columns *lines);

#endif
