#include "proto/recipes/families.h"

static const struct sower_recipe_rule GPT2[] = {
    {.name = "*c_proj.weight", .rank = {2, 2}, .init = "normal(std=0.02/sqrt(2*layers))"},
    {.name = "*weight", .rank = {2, 2}, .init = "normal(std=0.02)"},
    {.name = "*weight", .rank = {1, 1}, .init = "ones"},
    {.name = "*bias", .init = "zeros"},
    {0},
};

static const struct sower_recipe_rule LLAMA[] = {
    {.name = "*weight", .rank = {2, 2}, .init = "normal(std=0.02)"},
    {.name = "*weight", .rank = {1, 1}, .init = "ones"},
    {.name = "*bias", .init = "zeros"},
    {0},
};

static const struct sower_recipe_rule BERT[] = {
    {.name = "*weight", .rank = {2, 2}, .init = "normal(std=0.02)"},
    {.name = "*weight", .rank = {1, 1}, .init = "ones"},
    {.name = "*bias", .init = "zeros"},
    {.name = "*gamma", .init = "ones"},
    {.name = "*beta", .init = "zeros"},
    {0},
};

static const struct sower_recipe_rule VIT[] = {
    {.name = "*cls_token", .init = "trunc_normal(std=0.02)"},
    {.name = "*pos_embed*", .init = "trunc_normal(std=0.02)"},
    {.name = "*position_embeddings", .init = "trunc_normal(std=0.02)"},
    {.name = "*mask_token", .init = "zeros"},
    {.name = "*weight", .rank = {2, 4}, .init = "trunc_normal(std=0.02)"},
    {.name = "*weight", .rank = {1, 1}, .init = "ones"},
    {.name = "*bias", .init = "zeros"},
    {0},
};

static const char *const H[] = {"h", NULL};

const struct sower_recipe sower_recipes_huggingface[] = {
    {.name = "hf_gpt2",
     .summary = "GPT-2: std 0.02, projections into the residual stream 0.02/sqrt(2 layers).",
     .source = "Radford et al., 2019; Hugging Face transformers, modeling_gpt2.py, _init_weights",
     .blocks = H,
     .rules = GPT2},
    {.name = "hf_llama",
     .summary = "Llama: std 0.02 for every matrix, ones for the RMS norms.",
     .source = "Hugging Face transformers, modeling_llama.py, _init_weights with initializer_range 0.02",
     .rules = LLAMA},
    {.name = "hf_bert",
     .summary = "BERT: std 0.02 for every matrix, zeros and ones for biases and norms.",
     .source =
         "Devlin et al., 2018; Hugging Face transformers, modeling_bert.py, _init_weights (normal, where the "
         "original truncates)",
     .rules = BERT},
    {.name = "hf_vit",
     .summary =
         "Vision transformers: truncated normal of std 0.02, also for position embeddings and class token.",
     .source = "Dosovitskiy et al., 2020; Hugging Face transformers, modeling_vit.py, _init_weights",
     .rules = VIT},
    {0},
};
