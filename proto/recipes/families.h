/* The families of recipes, one file each. Each list ends with an entry without a name. recipes.c gives their order. */
#ifndef SOWER_PROTO_RECIPES_FAMILIES_H
#define SOWER_PROTO_RECIPES_FAMILIES_H

#include "proto/recipes.h"

extern const struct sower_recipe sower_recipes_torch[];       /* torch.nn */
extern const struct sower_recipe sower_recipes_keras[];       /* keras.layers */
extern const struct sower_recipe sower_recipes_flax[];        /* flax.linen and flax.nnx */
extern const struct sower_recipe sower_recipes_huggingface[]; /* transformers */
extern const struct sower_recipe sower_recipes_vision[];      /* torchvision, timm, diffusers */
extern const struct sower_recipe sower_recipes_language[];    /* code that trains language models */

/* Rules of the tensors of a layer, whose names begin with `stem`. The macros are for lists of rules. */

#define SOWER_RECIPE_TENSOR(glob, its_rank, law)                                                             \
    {                                                                                                        \
        .name = glob, .rank = {its_rank, its_rank}, .init = law                                              \
    }

/* A weight of this rank and law, and a bias of zeros. */
#define SOWER_RECIPE_LAYER(stem, weight_rank, law)                                                           \
    SOWER_RECIPE_TENSOR(stem ".weight", weight_rank, law), SOWER_RECIPE_TENSOR(stem ".bias", 1, "zeros")

/* LayerNorm and GroupNorm. */
#define SOWER_RECIPE_NORM(stem) SOWER_RECIPE_LAYER(stem, 1, "ones")

#define SOWER_RECIPE_BATCH_NORM(stem)                                                                        \
    SOWER_RECIPE_NORM(stem), SOWER_RECIPE_TENSOR(stem ".running_mean", 1, "zeros"),                          \
        SOWER_RECIPE_TENSOR(stem ".running_var", 1, "ones")

/* PyTorch's own defaults of linear layers and convolutions: kaiming_uniform(a=√5), which is U(±1/√fan_in), and for the bias the same
 * range. */
#define SOWER_RECIPE_TORCH_WEIGHT "kaiming_uniform(a=2.23606797749979)"
#define SOWER_RECIPE_TORCH_BIAS "fan_uniform(fan_in=weight.fan_in)"
#define SOWER_RECIPE_TORCH_LAYER(stem, least_rank, greatest_rank)                                            \
    {.name = stem ".weight", .rank = {least_rank, greatest_rank}, .init = SOWER_RECIPE_TORCH_WEIGHT},        \
    {                                                                                                        \
        .name = stem ".bias", .rank = {1, 1}, .beside = "weight", .init = SOWER_RECIPE_TORCH_BIAS            \
    }

#endif
