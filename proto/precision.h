/* Precisions: one array in several dtypes.
 *
 * All dtypes of at most 32 bits are roundings of the same f32 value (SPEC.md, section 4). So two draws of one
 * name that differ only in such a dtype are the same array in two precisions. An f64 draw uses other words of
 * the stream, so it is another array. */
#ifndef SOWER_PROTO_PRECISION_H
#define SOWER_PROTO_PRECISION_H

#include <stdbool.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "proto/record.h"

/* Sets *same to whether two draws are the same array, at most in another precision. Both have the same root,
 * experiment, trial and name; of `first` only shape, dtype, initializer and layout are read, which may come from a
 * damaged database. False only when memory runs out. */
SOWER_MUST_USE bool sower_precision_compare(const struct sower_record *first, const struct sower_record *draw,
                                            bool *same, struct sower_problem *problem);

#endif
