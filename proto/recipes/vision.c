#include "proto/recipes/families.h"

static const struct sower_recipe_rule RESNET[] = {
    {.name = "*weight", .rank = {4, 4}, .init = "kaiming_normal(mode=fan_out,nonlinearity=relu)"},
    {.name = "*weight", .rank = {1, 1}, .init = "ones"},
    {.name = "*bias", .beside = "weight", .beside_rank = {1, 1}, .init = "zeros"},
    {.name = "*running_mean", .init = "zeros"},
    {.name = "*running_var", .init = "ones"},
    {.name = "*weight", .rank = {2, 2}, .init = "kaiming_uniform(a=2.23606797749979)"},
    {.name = "*bias", .beside = "weight", .beside_rank = {2, 5}, .init = "fan_uniform(fan_in=weight.fan_in)"},
    {0},
};

const struct sower_recipe sower_recipes_vision[] = {
    {.name = "torchvision_resnet",
     .summary = "ResNet: He's normal by fan_out for convolutions, PyTorch's default for the classifier.",
     .source = "He et al., 2015; torchvision, models/resnet.py",
     .rules = RESNET},
    {0},
};
