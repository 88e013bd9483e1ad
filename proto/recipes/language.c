#include "proto/recipes/families.h"

/* Code that trains language models. */

static const char *const NANOGPT_BLOCKS[] = {"h", NULL};

/* attn.bias is the causal mask, which the class keeps where PyTorch has no flash attention. */
static const struct sower_recipe_rule NANOGPT[] = {
    SOWER_RECIPE_TENSOR("*.attn.bias", 4, "tril"),
    SOWER_RECIPE_TENSOR("*wte.weight", 2, "normal(std=0.02)"),
    SOWER_RECIPE_TENSOR("*wpe.weight", 2, "normal(std=0.02)"),
    SOWER_RECIPE_TENSOR("*lm_head.weight", 2, "normal(std=0.02)"),
    SOWER_RECIPE_LAYER("*.c_proj", 2, "normal(std=0.02/sqrt(2*layers))"),
    SOWER_RECIPE_LAYER("*.c_attn", 2, "normal(std=0.02)"),
    SOWER_RECIPE_LAYER("*.c_fc", 2, "normal(std=0.02)"),
    SOWER_RECIPE_NORM("*ln_[12f]"),
    {0},
};

static const struct sower_recipe_comparison NANOGPT_COMPARED[] = {{"nanoGPT", "3adf61e", "GPT", "2026-11-26"},
                                                                  {0}};

static const char *const TITAN_BLOCKS[] = {"layers", NULL};

#define DEPTH_SCALED "trunc_normal(std=0.02/sqrt(2*(block+1)))"
#define BY_WIDTH "truncated_normal(std=1/sqrt(weight.fan_in),lower=-3,upper=3)"

/* Before version 0.3, the projections had no qkv_linear in their names, and lm_head was output. */
static const struct sower_recipe_rule TITAN_LLAMA3[] = {
    SOWER_RECIPE_TENSOR("tok_embeddings.weight", 2, "normal(std=1)"),
    SOWER_RECIPE_TENSOR("layers.*.attention.w[qkv].weight", 2, "trunc_normal(std=0.02)"),
    SOWER_RECIPE_TENSOR("layers.*.attention.qkv_linear.w[qkv].weight", 2, "trunc_normal(std=0.02)"),
    SOWER_RECIPE_TENSOR("layers.*.attention.wo.weight", 2, DEPTH_SCALED),
    SOWER_RECIPE_TENSOR("layers.*.feed_forward.w1.weight", 2, "trunc_normal(std=0.02)"),
    SOWER_RECIPE_TENSOR("layers.*.feed_forward.w[23].weight", 2, DEPTH_SCALED),
    SOWER_RECIPE_TENSOR("layers.*.attention_norm.weight", 1, "ones"),
    SOWER_RECIPE_TENSOR("layers.*.ffn_norm.weight", 1, "ones"),
    SOWER_RECIPE_TENSOR("norm.weight", 1, "ones"),
    SOWER_RECIPE_TENSOR("lm_head.weight", 2, BY_WIDTH),
    SOWER_RECIPE_TENSOR("output.weight", 2, BY_WIDTH),
    {0},
};

static const struct sower_recipe_comparison TITAN_LLAMA3_COMPARED[] = {
    {"torchtitan", "0.3.0", "Llama3Model", "2026-11-26"}, {0}};

const struct sower_recipe sower_recipes_language[] = {
    {.name = "nanogpt",
     .summary = "nanoGPT: std 0.02, projections into the residual stream 0.02/sqrt(2 layers).",
     .source = "Karpathy; nanoGPT, model.py",
     .blocks = NANOGPT_BLOCKS,
     .rules = NANOGPT,
     .compared = NANOGPT_COMPARED},
    {.name = "torchtitan_llama3",
     .summary = "Llama 3: std 0.02, by the block's number for wo, w2 and w3, embeddings 1.",
     .source = "torchtitan, models/llama3/__init__.py",
     .blocks = TITAN_BLOCKS,
     .rules = TITAN_LLAMA3,
     .compared = TITAN_LLAMA3_COMPARED},
    {0},
};
