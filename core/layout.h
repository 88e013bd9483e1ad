/* Layouts and fans: which axes of a weight are inputs and which are outputs.
 *
 * fan_in is the number of inputs of one output unit, fan_out the number of outputs of one input; for a
 * convolution both include the receptive field. in, out and batch are the products of the sizes of their
 * axes, and receptive = elements / (in · out · batch), as in jax.nn.initializers. Then
 *
 *     fan_in = in · receptive        fan_out = out · receptive
 *
 *   oi  out, in, spatial …   PyTorch: the out axis is 0, the in axis 1
 *   io  spatial …, in, out   Keras, JAX: the in axis is rank − 2, the out axis rank − 1
 *
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
    sower_axes batch_axes;    /* count for neither fan; empty unless given */
    uint64_t fan_in, fan_out; /* explicit, at least 1; 0: computed from the shape */
    struct sower_zeros zeros; /* set for the shape of the tensor; empty unless given */
};

struct sower_fans {
    uint64_t in, out;
};

const char *sower_layout_name(enum sower_layout_order order); /* "oi" or "io" */

/* The axis sets that apply for this rank: the explicit ones, else those of `order` (empty below rank 2). */
sower_axes sower_layout_in_axes(const struct sower_layout *layout, size_t rank);
sower_axes sower_layout_out_axes(const struct sower_layout *layout, size_t rank);

/* Refuses axes outside of the rank and axes in more than one set (field "in_axis", "out_axis" or
 * "batch_axis"), and a computed fan above 2^63 - 1 (field "shape"), which only an empty tensor can have. */
SOWER_MUST_USE bool sower_layout_check(const struct sower_layout *layout, const struct sower_shape *shape,
                                       struct sower_problem *problem);

/* The fans of a checked shape and a checked layout. */
struct sower_fans sower_layout_fans(const struct sower_layout *layout, const struct sower_shape *shape);

#endif
