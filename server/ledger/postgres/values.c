#include "server/ledger/postgres/values.h"

#include <endian.h>
#include <limits.h>
#include <string.h>

enum { BYTES_SIZE = 32 };

/* The header of an array: one dimension, whether it has NULLs, the element type, the count, the first index (1). */
struct array_header {
    uint32_t dimensions, has_null, type, count, first;
};

static void add(struct sower_postgres_values *values, Oid type, const char *bytes, size_t length)
{
    if (values->count == SOWER_POSTGRES_VALUES || length > INT_MAX) {
        values->failed = true;
        return;
    }
    values->types[values->count] = type;
    values->bytes[values->count] = bytes;
    values->lengths[values->count] = (int)length;
    values->formats[values->count] = 1;
    values->count++;
}

void sower_postgres_add_number(struct sower_postgres_values *values, uint64_t number)
{
    uint64_t big_endian = htobe64(number);
    int place = values->count;
    if (place < SOWER_POSTGRES_VALUES) {
        memcpy(values->numbers[place], &big_endian, sizeof big_endian);
        add(values, SOWER_POSTGRES_NUMBER, values->numbers[place], sizeof big_endian);
    } else {
        values->failed = true;
    }
}

void sower_postgres_add_bytes(struct sower_postgres_values *values, const uint8_t bytes[32])
{
    add(values, SOWER_POSTGRES_BYTES, (const char *)bytes, BYTES_SIZE);
}

void sower_postgres_add_blob(struct sower_postgres_values *values, const char *bytes, size_t length)
{
    add(values, SOWER_POSTGRES_BYTES, bytes, length);
}

void sower_postgres_add_text(struct sower_postgres_values *values, const char *text)
{
    add(values, SOWER_POSTGRES_TEXT, text, text == NULL ? 0 : strlen(text));
}

void sower_postgres_array_begin(struct sower_postgres_array *array, enum sower_postgres_type type)
{
    const struct array_header head = {htobe32(1), htobe32(1), htobe32((uint32_t)type), 0, htobe32(1)};
    array->count = 0;
    array->bytes.length = 0;
    sower_buffer_bytes(&array->bytes, (const char *)&head, sizeof head);
}

static void put(struct sower_postgres_array *array, const char *bytes, size_t length)
{
    uint32_t big_endian = htobe32((uint32_t)length);
    sower_buffer_bytes(&array->bytes, (const char *)&big_endian, sizeof big_endian);
    sower_buffer_bytes(&array->bytes, bytes, length);
    array->count++;
}

void sower_postgres_array_number(struct sower_postgres_array *array, uint64_t number)
{
    uint64_t big_endian = htobe64(number);
    put(array, (const char *)&big_endian, sizeof big_endian);
}

void sower_postgres_array_bytes(struct sower_postgres_array *array, const uint8_t bytes[32])
{
    put(array, (const char *)bytes, BYTES_SIZE);
}

void sower_postgres_array_text(struct sower_postgres_array *array, const char *text)
{
    put(array, text, strlen(text));
}

void sower_postgres_array_null(struct sower_postgres_array *array)
{
    const uint32_t none = UINT32_MAX;
    sower_buffer_bytes(&array->bytes, (const char *)&none, sizeof none);
    array->count++;
}

void sower_postgres_add_array(struct sower_postgres_values *values, struct sower_postgres_array *array)
{
    uint32_t count = htobe32(array->count);
    if (array->bytes.failed) {
        values->failed = true;
        return;
    }
    memcpy(array->bytes.text + offsetof(struct array_header, count), &count, sizeof count);
    add(values, 0, array->bytes.text, array->bytes.length);
}

void sower_postgres_array_free(struct sower_postgres_array *array)
{
    sower_buffer_free(&array->bytes);
}

bool sower_postgres_is_null(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) == 1;
}

uint64_t sower_postgres_read_number(const PGresult *result, int row, int column)
{
    uint64_t big_endian;
    uint32_t integer;
    uint16_t smallint;
    const char *value = PQgetvalue(result, row, column);
    switch (PQgetlength(result, row, column)) {
    case sizeof big_endian:
        memcpy(&big_endian, value, sizeof big_endian);
        return be64toh(big_endian);
    case sizeof integer:
        memcpy(&integer, value, sizeof integer);
        return (uint64_t)(int32_t)be32toh(integer);
    case sizeof smallint:
        memcpy(&smallint, value, sizeof smallint);
        return (uint64_t)(int16_t)be16toh(smallint);
    default:
        return 0;
    }
}

void sower_postgres_read_bytes(const PGresult *result, int row, int column, uint8_t bytes[32])
{
    memset(bytes, 0, BYTES_SIZE);
    if (PQgetlength(result, row, column) == BYTES_SIZE) {
        memcpy(bytes, PQgetvalue(result, row, column), BYTES_SIZE);
    }
}

void sower_postgres_read_text(const PGresult *result, int row, int column, char *text, size_t size)
{
    size_t length = (size_t)PQgetlength(result, row, column);
    if (length >= size) {
        length = size - 1;
    }
    memcpy(text, PQgetvalue(result, row, column), length);
    text[length] = '\0';
}
