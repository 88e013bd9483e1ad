/* Plans: an initializer resolved for one shape.
 *
 * Resolving does all the arithmetic that is needed once per tensor: fans, gain, σ or limit (in double,
 * with correctly rounded operations only), and the law of the elements. A plan also has the expected
 * mean, standard deviation and support of the values. */
#ifndef SOWER_CORE_PLAN_H
#define SOWER_CORE_PLAN_H

#include <stdbool.h>

#include "core/attributes.h"
#include "core/dtype.h"
#include "core/law.h"
#include "core/layout.h"
#include "core/problem.h"
#include "core/shape.h"

struct sower_initializer;
struct sower_structure; /* structure.h: how the elements of a structured initializer are made */

struct sower_plan {
    struct sower_shape shape;
    enum sower_dtype dtype;
    struct sower_layout layout;
    struct sower_fans fans;

    struct sower_law law;                    /* of the elements; for a structure, of its random part */
    const struct sower_structure *structure; /* NULL: every element follows `law` independently */
    double values[6];                        /* the initializer's parameters, for the structure */

    /* Figures for a reader (/v1/plan); NaN where a figure does not apply. */
    double gain;
    double std;                         /* σ before truncation */
    double limit;                       /* half the width of a uniform range around 0 */
    double mean_expected, std_expected; /* of an element under the law, truncation included */
    double low, high;                   /* the support: no element lies outside (may be infinite) */
};

/* Resolves an initializer for a shape and a layout; the caller has checked all three. Refuses a rank that the
 * initializer does not accept, and parameters that contradict each other or the shape. */
SOWER_MUST_USE bool sower_plan_make(const struct sower_initializer *initializer,
                                    const struct sower_shape *shape, enum sower_dtype dtype,
                                    const struct sower_layout *layout, struct sower_plan *plan,
                                    struct sower_problem *problem);

/* For the resolve functions of the catalogue. Each of these four functions sets the law and the figures
 * that follow from it. Each refuses (field "init") a law that can give a value which the dtype cannot
 * represent (sower_law_fits). */
SOWER_MUST_USE bool sower_plan_constant(struct sower_plan *plan, double value, struct sower_problem *problem);

/* U[low, high); refuses low > high. */
SOWER_MUST_USE bool sower_plan_uniform(struct sower_plan *plan, double low, double high,
                                       struct sower_problem *problem);

/* N(mean, std²). */
SOWER_MUST_USE bool sower_plan_normal(struct sower_plan *plan, double mean, double std,
                                      struct sower_problem *problem);

/* N(mean, std²) between mean + lower · std and mean + upper · std; `low` and `high` are the same bounds
 * as values. Refuses lower ≥ upper, and bounds that contain too little of the distribution. std == 0
 * gives the constant mean. */
SOWER_MUST_USE bool sower_plan_truncated_normal(struct sower_plan *plan, double mean, double std,
                                                double lower, double upper, double low, double high,
                                                struct sower_problem *problem);

/* For structures: only that refusal, for a law with the same extremes as the structure. */
SOWER_MUST_USE bool sower_plan_check_law(const struct sower_plan *plan, const struct sower_law *law,
                                         struct sower_problem *problem);

/* For structures, and for zero rows and columns: only the fraction `share` of the elements is as the figures
 * say; the others are 0. Corrects the expected mean and standard deviation and the support. */
void sower_plan_mix_with_zeros(struct sower_plan *plan, double share);

#endif
