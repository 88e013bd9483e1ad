/* Initializer expressions: `he_normal`, `normal(mean=0, std=0.02)`, `constant(1)`.
 *
 *     expression = name [ "(" [ argument { "," argument } ] ")" ]
 *     argument   = [ parameter "=" ] value
 *     name       = an entry's own name, an alias, or a framework's name (names.h), which may have points
 *     parameter  = letter or "_", then letters, digits, "_"
 *     value      = number | name                  (true and false are names)
 *
 * Spaces are allowed between any two of these. Positional arguments come first and set the parameters in
 * catalogue order. Numbers are decimal as in JSON, with a leading "+" or "." allowed as well, and "inf",
 * "-inf" if the parameter accepts them. In JSON an initializer may also be an object:
 * {"type":"normal","std":0.02}. */
#ifndef SOWER_PROTO_EXPRESSION_H
#define SOWER_PROTO_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "core/catalogue.h"
#include "core/problem.h"

/* The longest expression, in bytes. */
enum { SOWER_EXPRESSION_MAX = 1024 };

/* Reads an expression; problems have the field "init". */
bool sower_expression_parse(const char *text, size_t length, struct sower_initializer *initializer,
                            struct sower_problem *problem);

/* Reads the JSON object form. */
bool sower_expression_from_json(const json_t *object, struct sower_initializer *initializer,
                                struct sower_problem *problem);

/* The canonical expression, every parameter named and in catalogue order, reals as sower_text_print_real
 * writes them: `normal(mean=0,std=0.02)`. Writes at most `size` bytes including the NUL; false when the text
 * does not fit. */
bool sower_expression_print(const struct sower_initializer *initializer, char *text, size_t size);

#endif
