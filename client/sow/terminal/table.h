/* Tables: JSON objects as rows, for people at a terminal.
 *
 * A column shows the member of its key. One column takes the width that the others leave of the terminal, so
 * that a row is a line where there is room for that. */
#ifndef SOWER_CLIENT_SOW_TERMINAL_TABLE_H
#define SOWER_CLIENT_SOW_TERMINAL_TABLE_H

#include <stddef.h>

#include <jansson.h>

enum table_form {
    TABLE_PLAIN, /* texts and numbers; sizes joined by "×"; true as "yes", what is false or missing as nothing
                  */
    TABLE_TIME,  /* RFC 3339, shown without its "T" and fraction, in 19 columns */
};

struct table_column {
    const char *key, *title;
    size_t columns; /* 0: what the others leave, at least TABLE_REST_MIN */
    enum table_form form;
};

enum { TABLE_REST_MIN = 12 };

/* Both write to standard output. */
void table_titles(const struct table_column *columns, size_t count);
void table_row(const struct table_column *columns, size_t count, const json_t *object);

#endif
