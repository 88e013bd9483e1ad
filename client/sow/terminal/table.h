/* Tables: JSON objects as rows, for people at a terminal.
 *
 * Each column shows one member of the object. One column takes the width that the other columns leave, so
 * that a row fits on one line where possible. */
#ifndef SOWER_CLIENT_SOW_TERMINAL_TABLE_H
#define SOWER_CLIENT_SOW_TERMINAL_TABLE_H

#include <stddef.h>

#include <jansson.h>

enum table_form {
    TABLE_PLAIN, /* texts and numbers as they are; an array as sizes joined by "×"; true as "yes"; false or
                    missing as blank */
    TABLE_TIME,  /* RFC 3339, shown without "T" and fraction, in 19 columns */
};

struct table_column {
    const char *key, *title;
    size_t columns; /* 0: the rest of the width, at least TABLE_REST_MIN */
    enum table_form form;
};

enum { TABLE_REST_MIN = 12 };

/* Write the heading, and one row, to standard output. */
void table_titles(const struct table_column *columns, size_t count);
void table_row(const struct table_column *columns, size_t count, const json_t *object);

#endif
