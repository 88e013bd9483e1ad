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

#endif
