/* PostgreSQL values in binary form: parameters of a statement, and columns of a result.
 *
 * Integers are big-endian; bytes and text are unchanged; an array is a header and its elements, each after its
 * length. An array is one column of many rows: a statement turns a whole batch of arrays into rows with unnest. */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_VALUES_H
#define SOWER_SERVER_LEDGER_POSTGRES_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <postgresql/libpq-fe.h>

#include "proto/buffer.h"

enum { SOWER_POSTGRES_VALUES = 24 }; /* maximum per statement */

/* The types of elements: OIDs that are the same in every PostgreSQL. */
enum sower_postgres_type { SOWER_POSTGRES_BYTES = 17, SOWER_POSTGRES_NUMBER = 20, SOWER_POSTGRES_TEXT = 25 };

/* The parameters of one statement. All zeros: none. Values are not copied, except numbers; they must not change
 * until the statement is queued. */
struct sower_postgres_values {
    int count;
    Oid types[SOWER_POSTGRES_VALUES]; /* 0: the server infers it */
    const char *bytes[SOWER_POSTGRES_VALUES];
    int lengths[SOWER_POSTGRES_VALUES];
    int formats[SOWER_POSTGRES_VALUES];
    char numbers[SOWER_POSTGRES_VALUES][sizeof(uint64_t)];
    bool failed; /* a value is too long, or memory ran out */
};

/* A NULL pointer adds an SQL NULL. */
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
/* Adds a whole array, which must not change until the statement is queued. */
void sower_postgres_add_array(struct sower_postgres_values *values, struct sower_postgres_array *array);
void sower_postgres_array_free(struct sower_postgres_array *array);

/* A value of a result: 0, all zeros or an empty text for NULL and for a value of another type. A number may be a
 * smallint, an integer or a bigint; a negative one is returned as its two's complement in 64 bits. */
bool sower_postgres_is_null(const PGresult *result, int row, int column);
uint64_t sower_postgres_read_number(const PGresult *result, int row, int column);
void sower_postgres_read_bytes(const PGresult *result, int row, int column, uint8_t bytes[32]);
/* Truncates a text that does not fit; always ends it with a NUL. */
void sower_postgres_read_text(const PGresult *result, int row, int column, char *text, size_t size);

#endif
