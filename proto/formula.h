/* Formulas: initializer expressions whose values are computed for each tensor.
 *
 * A manifest's rule is for many tensors at once, so a value in its expressions may be a product:
 *
 *     value = term { ( "*" | "/" ) term }
 *     term  = number | "layers" | name ".fan_in" | name ".fan_out" | "sqrt(" value ")"
 *
 *     normal(std=0.02/sqrt(2*layers))          `layers`: the number of the model's blocks
 *     fan_uniform(fan_in=weight.fan_in)        the fan of the tensor `weight` beside this one
 *
 * A formula is evaluated in double, from left to right, every operation correctly rounded. The result is a
 * plain expression, with which the same tensor can be requested alone. */
#ifndef SOWER_PROTO_FORMULA_H
#define SOWER_PROTO_FORMULA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/problem.h"
#include "proto/expression.h"

/* The values of the names in a formula. */
struct sower_formula_terms {
    uint64_t layers; /* 0: unknown */
    /* The fan_in (`out`: fan_out) of the tensor whose name has `name` as its last
     * component, in place of this tensor's. */
    bool (*fan)(void *context, const char *name, size_t length, bool out, uint64_t *fan,
                struct sower_problem *problem);
    void *context;
};

/* Writes the plain expression, ended by a NUL. A value that is not a formula is copied unchanged; the parser of
 * expressions checks it later. Problems have the field "init" or "layers", or come from `fan`. */
bool sower_formula_expand(const char *text, size_t length, const struct sower_formula_terms *terms,
                          char plain[SOWER_EXPRESSION_MAX + 1], struct sower_problem *problem);

#endif
