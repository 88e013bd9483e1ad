#include "proto/recipes/families.h"

static const struct sower_recipe_rule KERAS_DEFAULT[] = {
    {.name = "*recurrent_kernel*", .rank = {2, 2}, .init = "orthogonal", .layout = "io"},
    {.name = "*kernel*", .rank = {2, 5}, .init = "glorot_uniform", .layout = "io"},
    {.name = "*embeddings*", .rank = {2, 2}, .init = "uniform(low=-0.05,high=0.05)"},
    {.name = "*lstm*bias*", .rank = {1, 1}, .init = "lstm_bias"},
    {.name = "*bias*", .init = "zeros"},
    {.name = "*gamma*", .init = "ones"},
    {.name = "*beta*", .init = "zeros"},
    {.name = "*moving_mean*", .init = "zeros"},
    {.name = "*moving_variance*", .init = "ones"},
    {0},
};

const struct sower_recipe sower_recipes_keras[] = {
    {.name = "keras_default",
     .summary =
         "Keras's own defaults: Dense, Conv, Embedding, BatchNormalization, LSTM; kernels are read as io.",
     .source =
         "keras.layers: glorot_uniform kernels, zeros biases, orthogonal recurrent kernels, unit_forget_bias",
     .rules = KERAS_DEFAULT},
    {0},
};
