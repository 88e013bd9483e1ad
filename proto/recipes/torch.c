#include "proto/recipes/families.h"

/* torch.nn: each module's reset_parameters. kaiming_uniform(a=√5) is U(±1/√fan_in). */
static const struct sower_recipe_rule TORCH_DEFAULT[] = {
    {.name = "*running_mean", .init = "zeros"},
    {.name = "*running_var", .init = "ones"},
    {.name = "*embed*.weight", .rank = {2, 2}, .init = "normal(std=1)"},
    {.name = "*emb.weight", .rank = {2, 2}, .init = "normal(std=1)"},
    {.name = "*wte.weight", .rank = {2, 2}, .init = "normal(std=1)"},
    {.name = "*wpe.weight", .rank = {2, 2}, .init = "normal(std=1)"},
    {.name = "*in_proj_weight", .rank = {2, 2}, .init = "xavier_uniform"},
    {.name = "*in_proj_bias", .init = "zeros"},
    {.name = "*self_attn.out_proj.bias", .init = "zeros"},
    {.name = "*multihead_attn.out_proj.bias", .init = "zeros"},
    {.name = "*_l[0-9]*",
     .beside = "weight_hh_l0",
     .beside_rank = {2, 2},
     .init = "fan_uniform(fan_in=weight_hh_l0.fan_in)"},
    {.name = "*weight_hh_l0", .rank = {2, 2}, .init = "fan_uniform(fan_in=weight_hh_l0.fan_in)"},
    {.name = "*weight", .rank = {1, 1}, .init = "ones"},
    {.name = "*bias", .beside = "weight", .beside_rank = {1, 1}, .init = "zeros"},
    {.name = "*bias", .beside = "weight", .beside_rank = {2, 5}, .init = "fan_uniform(fan_in=weight.fan_in)"},
    {.name = "*weight", .rank = {2, 5}, .init = "kaiming_uniform(a=2.23606797749979)"},
    {0},
};

const struct sower_recipe sower_recipes_torch[] = {
    {.name = "torch_default",
     .summary =
         "PyTorch's own defaults: Linear, Conv, Embedding, normalization, LSTM and GRU, MultiheadAttention.",
     .source = "torch.nn: reset_parameters of linear.py, conv.py, sparse.py, normalization.py, batchnorm.py, "
               "rnn.py, "
               "_reset_parameters of activation.py",
     .rules = TORCH_DEFAULT},
    {0},
};
