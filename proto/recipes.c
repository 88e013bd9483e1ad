#include "proto/recipes.h"

#include <stdint.h>
#include <string.h>

#include "core/edit_distance.h"
#include "proto/json.h"

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

const struct sower_recipe sower_recipes[] = {
    {"torch_default",
     "PyTorch's own defaults: Linear, Conv, Embedding, normalization, LSTM and GRU, MultiheadAttention.",
     "torch.nn: reset_parameters of linear.py, conv.py, sparse.py, normalization.py, batchnorm.py, rnn.py, "
     "_reset_parameters of activation.py",
     TORCH_DEFAULT},
    {"keras_default",
     "Keras's own defaults: Dense, Conv, Embedding, BatchNormalization, LSTM; kernels are read as io.",
     "keras.layers: glorot_uniform kernels, zeros biases, orthogonal recurrent kernels, unit_forget_bias",
     KERAS_DEFAULT},
    {"gpt2", "GPT-2: std 0.02, projections into the residual stream 0.02/sqrt(2 layers).",
     "Radford et al., 2019; Hugging Face transformers, modeling_gpt2.py, _init_weights", GPT2},
    {"llama", "Llama: std 0.02 for every matrix, ones for the RMS norms.",
     "Hugging Face transformers, modeling_llama.py, _init_weights with initializer_range 0.02", LLAMA},
    {"bert", "BERT: std 0.02 for every matrix, zeros and ones for biases and norms.",
     "Devlin et al., 2018; Hugging Face transformers, modeling_bert.py, _init_weights (normal, where the "
     "original truncates)",
     BERT},
    {"vit",
     "Vision transformers: truncated normal of std 0.02, also for position embeddings and class token.",
     "Dosovitskiy et al., 2020; Hugging Face transformers, modeling_vit.py, _init_weights", VIT},
    {"resnet", "ResNet: He's normal by fan_out for convolutions, PyTorch's default for the classifier.",
     "He et al., 2015; torchvision, models/resnet.py", RESNET},
    {0},
};

const struct sower_recipe *sower_recipe_find(const char *name)
{
    for (const struct sower_recipe *recipe = sower_recipes; recipe->name != NULL; recipe++) {
        if (strcmp(recipe->name, name) == 0) {
            return recipe;
        }
    }
    return NULL;
}

const char *sower_recipe_nearest(const char *name)
{
    struct sower_nearest nearest = {.name = name};
    for (const struct sower_recipe *recipe = sower_recipes; recipe->name != NULL; recipe++) {
        sower_nearest_try(&nearest, recipe->name);
    }
    return nearest.found;
}

/* Adds a number, or [least, greatest], if the rule has this condition. */
static void add_rank(json_t **match, const char *key, const unsigned rank[2])
{
    if (rank[1] != 0) {
        sower_json_set(match, key,
                       rank[0] == rank[1] ? json_integer(rank[0])
                                          : json_pack("[i, i]", (int)rank[0], (int)rank[1]));
    }
}

/* A glob such as "*.bias", or an object of conditions. */
static json_t *match_json(const struct sower_recipe_rule *rule)
{
    if (rule->rank[1] == 0 && rule->beside == NULL) {
        return json_string(rule->name);
    }
    json_t *match = json_pack("{s:s}", "name", rule->name);
    add_rank(&match, "rank", rule->rank);
    if (rule->beside != NULL) {
        sower_json_set(&match, "beside", json_string(rule->beside));
    }
    add_rank(&match, "beside_rank", rule->beside_rank);
    return match;
}

json_t *sower_recipe_rules(const struct sower_recipe *recipe)
{
    json_t *rules = json_array();
    for (const struct sower_recipe_rule *rule = recipe->rules; rules != NULL && rule->name != NULL; rule++) {
        json_t *json = json_pack("{s:o, s:s}", "match", match_json(rule), "init", rule->init);
        if (rule->layout != NULL) {
            sower_json_set(&json, "layout", json_string(rule->layout));
        }
        sower_json_append(&rules, json);
    }
    return rules;
}

json_t *sower_recipe_json(const struct sower_recipe *recipe)
{
    return json_pack("{s:s, s:s, s:s, s:o}", "name", recipe->name, "summary", recipe->summary, "source",
                     recipe->source, "rules", sower_recipe_rules(recipe));
}

json_t *sower_recipes_json(void)
{
    json_t *list = json_array();
    for (const struct sower_recipe *recipe = sower_recipes; list != NULL && recipe->name != NULL; recipe++) {
        sower_json_append(&list, sower_recipe_json(recipe));
    }
    return list;
}
