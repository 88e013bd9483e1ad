/* Text for people at a terminal: foreign text made safe, columns, wrapped paragraphs, readable quantities.
 *
 * Names and sentences may come from anybody. A terminal obeys control characters, and bidirectional marks
 * let a line read as another one. Whatever a server, a file or a name says reaches a terminal through the
 * functions here: text shows such characters, and bytes that are not UTF-8, as "?"; JSON shows them by their
 * code points ("\u202e"), so it is the same JSON. */
#ifndef SOWER_CLIENT_SOW_TERMINAL_TERMINAL_H
#define SOWER_CLIENT_SOW_TERMINAL_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

enum { TERMINAL_QUANTITY_SIZE = 32 };

/* Writes `text` with unsafe characters replaced. */
void terminal_print(FILE *file, const char *text);

/* Writes a JSON text, as it is where `file` is not a terminal. */
void terminal_json(FILE *file, const char *text, size_t size);

/* Writes a JSON value on a line. False when memory runs out. */
bool terminal_json_value(FILE *file, const json_t *value);

/* Writes `text` in exactly `columns` columns: filled with spaces, or cut with "…". */
void terminal_cell(FILE *file, const char *text, size_t columns);

/* Writes `text` broken at spaces to the width of the terminal (at most 100 columns), lines after the first
 * indented by `indent` columns, where the first line begins as well. Ends the last line. */
void terminal_wrap(FILE *file, const char *text, size_t indent);

/* The columns of the terminal behind `file`; 80 when it is none. */
size_t terminal_columns(FILE *file);

/* "64.0 MiB", "512 B"; writes to `text` and returns it. */
const char *terminal_bytes(double bytes, char text[TERMINAL_QUANTITY_SIZE]);

/* "0:03", "12:40", "1:02:03". */
const char *terminal_duration(double seconds, char text[TERMINAL_QUANTITY_SIZE]);

#endif
