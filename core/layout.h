/* Layouts and fans: which axes of a weight are inputs and which are outputs.
 *
 * fan_in is the number of inputs of one output unit, fan_out the number of outputs of one input; for a
 * convolution both include the receptive field. in, out and batch are the products of the sizes of their
 * axes, and receptive = elements / (in · out · batch), as in jax.nn.initializers. Then
 *
 *     fan_in = in · receptive        fan_out = out · receptive
 *
 *   oi  out, in, spatial …   PyTorch: the first axis is the out axis, the second one the in axis
 *   io  spatial …, in, out   Keras, JAX: the last axis but one is the in axis, the last one the out axis
 *
 * Batch axes are not counted here: with batch_axis = 0, axis 1 is the first one. They count for neither fan.
 * A tensor of one axis has fan_in = fan_out = its size; a scalar has 1 and 1. Explicit axes and fans override
 * these rules.
 *
 * A layout also says which rows and columns of the tensor are 0 (zeros.h). They change no fan. */
#ifndef SOWER_CORE_LAYOUT_H
#define SOWER_CORE_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "core/shape.h"
#include "core/zeros.h"

enum sower_layout_order { SOWER_LAYOUT_OI, SOWER_LAYOUT_IO };

/* A set of axes: bit a stands for axis a. */
typedef uint8_t sower_axes;

struct sower_layout {
    enum sower_layout_order order;
    bool has_in_axes, has_out_axes; /* explicit axes replace those of `order` */
    sower_axes in_axes, out_axes;
    sower_axes batch_axes;    /* empty unless given */
    uint64_t fan_in, fan_out; /* explicit, at least 1; 0: computed from the shape */
    struct sower_zeros zeros; /* set for the shape of the tensor; empty unless given */
};

struct sower_fans {
    uint64_t in, out;
};

const char *sower_layout_name(enum sower_layout_order order); /* "oi" or "io" */

/* The axis sets that apply for this rank: the explicit ones, else those of `order`, which are empty when fewer
 * than two axes are no batch axes. */
sower_axes sower_layout_in_axes(const struct sower_layout *layout, size_t rank);
sower_axes sower_layout_out_axes(const struct sower_layout *layout, size_t rank);

/* The axes that are in none of the three sets: the receptive field. */
sower_axes sower_layout_space_axes(const struct sower_layout *layout, size_t rank);

/* The number of axes that are no batch axes. The batch axes must lie inside of the rank. */
size_t sower_layout_rank_of_entry(const struct sower_layout *layout, size_t rank);

/* Multiplies the sizes of some axes; false when the product is above 2^63 - 1. */
SOWER_MUST_USE bool sower_axes_product(const struct sower_shape *shape, sower_axes axes, uint64_t *product);

/* Refuses axes outside of the rank and axes in more than one set (field "in_axis", "out_axis" or
 * "batch_axis"), and a computed fan above 2^63 - 1 (field "shape"), which only an empty tensor can have. */
SOWER_MUST_USE bool sower_layout_check(const struct sower_layout *layout, const struct sower_shape *shape,
                                       struct sower_problem *problem);

/* The fans of a checked shape and a checked layout. */
struct sower_fans sower_layout_fans(const struct sower_layout *layout, const struct sower_shape *shape);

#endif
