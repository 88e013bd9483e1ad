/* Values of PostgreSQL: what goes into a statement and what comes out, in the binary form.
 *
 * Integers are big-endian, bytes and text are themselves, an array is a header and its elements, each behind
 * its length. An array is a column of many rows: one statement takes a whole batch apart with unnest. */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_VALUES_H
#define SOWER_SERVER_LEDGER_POSTGRES_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <postgresql/libpq-fe.h>

#include "proto/buffer.h"

enum { SOWER_POSTGRES_VALUES = 24 }; /* at most, of one statement */

/* The types of elements, by their numbers in every PostgreSQL. */
enum sower_postgres_type { SOWER_POSTGRES_BYTES = 17, SOWER_POSTGRES_NUMBER = 20, SOWER_POSTGRES_TEXT = 25 };

/* The values of one statement. All zeros is none. They are not copied, and stay as they are until sent. */
struct sower_postgres_values {
    int count;
    Oid types[SOWER_POSTGRES_VALUES]; /* 0: as the statement says */
    const char *bytes[SOWER_POSTGRES_VALUES];
    int lengths[SOWER_POSTGRES_VALUES];
    int formats[SOWER_POSTGRES_VALUES];
    char numbers[SOWER_POSTGRES_VALUES][sizeof(uint64_t)];
    bool failed; /* a value is too long, or memory ran out */
};

/* A pointer that is NULL makes a NULL. */
void sower_postgres_add_number(struct sower_postgres_values *values, uint64_t number);
void sower_postgres_add_bytes(struct sower_postgres_values *values, const uint8_t bytes[32]);
void sower_postgres_add_blob(struct sower_postgres_values *values, const char *bytes, size_t length);
void sower_postgres_add_text(struct sower_postgres_values *values, const char *text);

struct sower_postgres_array {
    struct sower_buffer bytes;
    uint32_t count;
};

void sower_postgres_array_begin(struct sower_postgres_array *array, enum sower_postgres_type type);
void sower_postgres_array_number(struct sower_postgres_array *array, uint64_t number);
void sower_postgres_array_bytes(struct sower_postgres_array *array, const uint8_t bytes[32]);
void sower_postgres_array_text(struct sower_postgres_array *array, const char *text);
void sower_postgres_array_null(struct sower_postgres_array *array);
/* Adds a whole array, which must not change until it is sent. */
void sower_postgres_add_array(struct sower_postgres_values *values, struct sower_postgres_array *array);
void sower_postgres_array_free(struct sower_postgres_array *array);

/* A value in a row of a result: 0, zeros or an empty text for NULL and for a value of another type. A number may be
 * a smallint, an integer or a bigint; a negative one is read as its two's complement in 64 bits. */
bool sower_postgres_is_null(const PGresult *result, int row, int column);
uint64_t sower_postgres_read_number(const PGresult *result, int row, int column);
void sower_postgres_read_bytes(const PGresult *result, int row, int column, uint8_t bytes[32]);
/* What fits, and a NUL. */
void sower_postgres_read_text(const PGresult *result, int row, int column, char *text, size_t size);

#endif
