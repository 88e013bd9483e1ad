#include "client/sow/terminal/table.h"

#include <stdio.h>

#include "client/sow/terminal/terminal.h"

enum { CELL_SIZE = 1024, DATE_SIZE = 10, TIME_SIZE = 19 };

static size_t column_width(const struct table_column *columns, size_t count, size_t column)
{
    if (columns[column].columns > 0) {
        return columns[column].columns;
    }
    size_t taken = count - 1; /* the spaces between */
    for (size_t i = 0; i < count; i++) {
        taken += columns[i].columns;
    }
    size_t all = terminal_columns(stdout);
    return all > taken + TABLE_REST_MIN ? all - taken : TABLE_REST_MIN;
}

static void print_sizes(const json_t *sizes, char text[CELL_SIZE])
{
    size_t length = 0, i;
    json_t *item;
    json_array_foreach(sizes, i, item)
    {
        int written = snprintf(text + length, CELL_SIZE - length, "%s%" JSON_INTEGER_FORMAT,
                               i == 0 ? "" : "×", json_integer_value(item));
        length += written > 0 && (size_t)written < CELL_SIZE - length ? (size_t)written : 0;
    }
}

static void print_value(const json_t *value, enum table_form form, char text[CELL_SIZE])
{
    text[0] = '\0';
    if (json_is_integer(value)) {
        snprintf(text, CELL_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_string(value)) {
        snprintf(text, CELL_SIZE, "%s", json_string_value(value));
    } else if (json_is_true(value)) {
        snprintf(text, CELL_SIZE, "yes");
    } else {
        print_sizes(value, text);
    }
    if (form == TABLE_TIME && json_string_length(value) > TIME_SIZE) {
        text[DATE_SIZE] = ' ';
        text[TIME_SIZE] = '\0';
    }
}

static void print_cell(const struct table_column *columns, size_t count, size_t column, const char *text)
{
    fputs(column == 0 ? "" : " ", stdout);
    terminal_cell(stdout, text, column_width(columns, count, column));
    fputs(column + 1 == count ? "\n" : "", stdout);
}

void table_titles(const struct table_column *columns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        print_cell(columns, count, i, columns[i].title);
    }
}

void table_row(const struct table_column *columns, size_t count, const json_t *object)
{
    char text[CELL_SIZE];
    for (size_t i = 0; i < count; i++) {
        print_value(json_object_get(object, columns[i].key), columns[i].form, text);
        print_cell(columns, count, i, text);
    }
}
