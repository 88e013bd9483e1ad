#include "proto/recipes/families.h"

const struct sower_recipe sower_recipes_flax[] = {
    {0},
};
