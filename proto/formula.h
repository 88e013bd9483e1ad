/* Formulas: initializer expressions whose values are worked out for the tensor at hand.
 *
 * A manifest's rule speaks of many tensors at once, so a value in its expressions may be a product:
 *
 *     value = term { ( "*" | "/" ) term }
 *     term  = number | "layers" | name ".fan_in" | name ".fan_out" | "sqrt(" value ")"
 *
 *     normal(std=0.02/sqrt(2*layers))          `layers`: how many blocks the model has
 *     fan_uniform(fan_in=weight.fan_in)        the fan of the tensor `weight` beside the one at hand
 *
 * It is worked out in double, from left to right, every operation correctly rounded. What comes out is a
 * plain expression, with which the same tensor can be asked for alone. */
#ifndef SOWER_PROTO_FORMULA_H
#define SOWER_PROTO_FORMULA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/problem.h"
#include "proto/expression.h"

/* What a formula may ask for. */
struct sower_formula_terms {
    uint64_t layers; /* 0: not known */
    /* The fan_in (`out`: fan_out) of the tensor of this name beside the one at hand. */
    bool (*fan)(void *context, const char *name, size_t length, bool out, uint64_t *fan,
                struct sower_problem *problem);
    void *context;
};

/* Writes the plain expression, ended by a NUL. What is no formula is copied, for the expression's parser to
 * judge. Problems carry the field "init". */
bool sower_formula_expand(const char *text, size_t length, const struct sower_formula_terms *terms,
                          char plain[SOWER_EXPRESSION_MAX + 1], struct sower_problem *problem);

#endif
