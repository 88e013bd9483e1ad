/* Formulas: initializer expressions whose values are computed for each tensor.
 *
 * A manifest's rule is for many tensors at once, so a value in its expressions may be a formula:
 *
 *     value = term { ( "*" | "/" ) term }
 *     term  = number | "layers" | "block" | constant | name ".fan_in" | name ".fan_out" | "sqrt(" sum ")" | "(" sum ")"
 *     sum   = value { ( "+" | "-" ) value }
 *
 *     normal(std=0.02/sqrt(2*layers))          `layers`: the number of blocks of the tensor's tower (towers.h)
 *     normal(std=0.02/sqrt(2*(block+1)))       `block`: the number of its block, from 0
 *     normal(std=initializer_range)            a constant of the manifest or of its recipe
 *     fan_uniform(fan_in=weight.fan_in)        the fan of the tensor `weight` beside this one
 *     normal(std=1/sqrt(../q.weight.fan_in))   the fan of a tensor one component up (tensor_names.h)
 *
 * A formula is evaluated in double, from left to right, every operation correctly rounded. The result is a plain expression,
 * with which the same tensor can be requested alone. */
#ifndef SOWER_PROTO_FORMULA_H
#define SOWER_PROTO_FORMULA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/problem.h"
#include "proto/expression.h"

/* The values of the names in a formula. */
struct sower_formula_terms {
    uint64_t layers;         /* 0: unknown */
    int64_t block;           /* -1: the tensor is in no block */
    const json_t *constants; /* an object of numbers; NULL: none */
    /* The fan_in (`out`: fan_out) of the tensor whose name has `name` as its last
     * component, in place of this tensor's. */
    bool (*fan)(void *context, const char *name, size_t length, bool out, uint64_t *fan,
                struct sower_problem *problem);
    void *context;
};

/* Writes the plain expression, ended by a NUL. A value that is not a formula is copied unchanged; the parser of
 * expressions checks it later. Problems have the field "init", "layers" or "blocks", or come
 * from `fan`. An unknown number of layers or block is UNPROCESSABLE. */
bool sower_formula_expand(const char *text, size_t length, const struct sower_formula_terms *terms,
                          char plain[SOWER_EXPRESSION_MAX + 1], struct sower_problem *problem);

#endif
