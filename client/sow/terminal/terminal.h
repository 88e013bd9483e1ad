/* Text for people at a terminal: untrusted text made safe, columns, wrapped paragraphs, readable
 * quantities.
 *
 * Names and sentences may come from anyone. A terminal executes control characters, and bidirectional marks
 * can make a line read as a different one. So all text from a server, a file or a name goes to the terminal
 * through these functions. In plain text, unsafe characters and bytes that are not UTF-8 become "?". In
 * JSON, unsafe characters become escapes ("\u202e"), so the value is the same. */
#ifndef SOWER_CLIENT_SOW_TERMINAL_TERMINAL_H
#define SOWER_CLIENT_SOW_TERMINAL_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "core/attributes.h"

enum { TERMINAL_QUANTITY_SIZE = 32 };

/* Writes `text` with each unsafe character replaced by "?". */
void terminal_print(FILE *file, const char *text);

/* Writes a JSON text; unchanged when `file` is not a terminal. */
void terminal_json(FILE *file, const char *text, size_t size);

/* Writes a JSON value and a line feed. Returns false when memory runs out. */
SOWER_MUST_USE bool terminal_json_value(FILE *file, const json_t *value);

/* Writes `text` in exactly `columns` columns: padded with spaces, or cut off with "…". */
void terminal_cell(FILE *file, const char *text, size_t columns);

/* Writes `text` wrapped at spaces to the width of the terminal (at most 100 columns) and a line feed. The
 * first line starts in column `indent`, where the cursor must be; the other lines are indented by `indent`
 * columns. */
void terminal_wrap(FILE *file, const char *text, size_t indent);

/* The width of the terminal of `file` in columns; 80 when it is not a terminal. */
size_t terminal_columns(FILE *file);

/* Formats a number of bytes: "64.0 MiB", "512 B". Writes to `text` and returns it. */
const char *terminal_bytes(double bytes, char text[TERMINAL_QUANTITY_SIZE]);

/* Formats a duration: "0:03", "12:40", "1:02:03". Writes to `text` and returns it. */
const char *terminal_duration(double seconds, char text[TERMINAL_QUANTITY_SIZE]);

#endif
