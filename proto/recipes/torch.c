#include "proto/recipes/families.h"

/* kaiming_uniform(a=√5) of torch.nn is U(±1/√fan_in), also for transposed convolutions, whose in channels are the first axis: torch
 * computes their fan_in from the second one too. A bias has the range of its weight. */
#define LINEAR "kaiming_uniform(a=2.23606797749979)"
#define FAN "fan_uniform(fan_in=weight.fan_in)"
#define HIDDEN "fan_uniform(fan_in=weight_hh.fan_in)"
#define HIDDEN_L0 "fan_uniform(fan_in=weight_hh_l0.fan_in)"
#define PROJECTED_L0 "fan_uniform(fan_in=weight_hr_l0.fan_in)"

#define LINEAR_OR_EMBEDDING                                                                                  \
    "an Embedding and a Linear without bias look the same; add a rule for it: \"init\":\"normal(std=1)\" "   \
    "for an "                                                                                                \
    "Embedding, \"init\":\"" LINEAR "\" for a Linear, \"init\":\"ones\" for a norm over two axes"
#define OTHER_BIAS                                                                                           \
    "the bias beside it does not have its first size, so it is no Linear of torch.nn; add a rule with its "  \
    "init (and \"layout\":\"io\" if its axes are in, out)"
#define CONVOLUTION_OR_BILINEAR                                                                              \
    "a Conv1d and a Bilinear look the same; add a rule for it: \"init\":\"" LINEAR                           \
    "\" for a convolution, and for a "                                                                       \
    "Bilinear also \"in_axis\":1,\"out_axis\":0,\"batch_axis\":2"
#define ITS_BIAS                                                                                             \
    "a Conv1d and a Bilinear look the same; add a rule for it with \"init\":\"" FAN                          \
    "\", and one for the weight beside it"
#define NORM_OR_PRELU                                                                                        \
    "a norm without bias and a PReLU look the same; add a rule for it: \"init\":\"ones\" for a norm, "       \
    "\"init\":\"constant(0.25)\" for a PReLU"
#define NOT_OF_TORCH_NN "no module of torch.nn has a parameter of this name; add a rule with its init"

/* The last component before "weight" says which module it is, where shapes do not. */
#define NORM(word)                                                                                           \
    {                                                                                                        \
        .name = "*" word ".weight", .rank = {1, 5}, .init = "ones"                                           \
    }
#define PRELU(word)                                                                                          \
    {                                                                                                        \
        .name = "*" word ".weight", .shape = "n", .init = "constant(0.25)"                                   \
    }
#define EMBEDDING(word)                                                                                      \
    {                                                                                                        \
        .name = "*" word ".weight", .rank = {2, 2}, .init = "normal(std=1)"                                  \
    }
#define PROJECTION(word)                                                                                     \
    {                                                                                                        \
        .name = "*" word ".weight", .rank = {2, 2}, .init = LINEAR                                           \
    }
#define CONVOLUTION(word)                                                                                    \
    {.name = "*" word ".weight", .rank = {3, 3}, .init = LINEAR},                                            \
    {                                                                                                        \
        .name = "*" word ".bias", .shape = "n", .beside = "weight", .beside_rank = {3, 3}, .init = FAN       \
    }

/* nn.Transformer gives xavier_uniform to all its matrices (_reset_parameters); everything else is as its modules leave it. The
 * rules of torch_default are the rest of this list. */
enum { TRANSFORMER_RULES = 2 };
static const struct sower_recipe_rule TORCH_TRANSFORMER[] = {
    {.name = "*out_proj.weight", .rank = {2, 2}, .beside = "../in_proj_weight", .init = "xavier_uniform"},
    {.name = "*linear[12].weight",
     .rank = {2, 2},
     .beside = "../self_attn.in_proj_weight",
     .init = "xavier_uniform"},

    {.name = "*running_mean", .shape = "n", .init = "zeros"},
    {.name = "*running_var", .shape = "n", .init = "ones"},

    /* LSTM, GRU and RNN: all parameters follow the hidden size. With proj_size that is the fan of weight_hr. */
    {.name = "*_l[0-9]*", .beside = "weight_hr_l0", .beside_rank = {2, 2}, .init = PROJECTED_L0},
    {.name = "*weight_hr_l0", .rank = {2, 2}, .init = PROJECTED_L0},
    {.name = "*_l[0-9]*", .beside = "weight_hh_l0", .beside_rank = {2, 2}, .init = HIDDEN_L0},
    {.name = "*weight_hh_l0", .rank = {2, 2}, .init = HIDDEN_L0},
    {.name = "*[st]_ih", .beside = "weight_hh", .beside_rank = {2, 2}, .init = HIDDEN},
    {.name = "*bias_hh", .beside = "weight_hh", .beside_rank = {2, 2}, .init = HIDDEN},
    {.name = "*weight_hh", .rank = {2, 2}, .init = HIDDEN},

    /* MultiheadAttention: xavier over the packed matrix, or over each of the three if the sizes of keys or values are others. */
    {.name = "*in_proj_weight", .rank = {2, 2}, .init = "xavier_uniform"},
    {.name = "*[qkv]_proj_weight", .rank = {2, 2}, .init = "xavier_uniform"},
    {.name = "*in_proj_bias", .shape = "n", .init = "zeros"},
    {.name = "*out_proj.bias", .shape = "n", .beside = "../in_proj_bias", .init = "zeros"},
    {.name = "*bias_[kv]", .shape = "1,1,n", .init = "xavier_normal"},

    {.name = "*[!./]weight", .refuse = NOT_OF_TORCH_NN},
    {.name = "*[!./]bias", .refuse = NOT_OF_TORCH_NN},

    /* A Linear is known by its bias, which has the first size of the weight. */
    {.name = "*weight", .shape = "n,m", .beside = "bias", .beside_shape = "n", .init = LINEAR},
    {.name = "*bias", .shape = "n", .beside = "weight", .beside_shape = "n,m", .init = FAN},

    /* A norm is known by its bias, which has the shape of the weight. */
    {.name = "*weight", .shape = "a", .beside = "bias", .beside_shape = "a", .init = "ones"},
    {.name = "*weight", .shape = "a,b", .beside = "bias", .beside_shape = "a,b", .init = "ones"},
    {.name = "*weight", .shape = "a,b,c", .beside = "bias", .beside_shape = "a,b,c", .init = "ones"},
    {.name = "*weight", .shape = "a,b,c,d", .beside = "bias", .beside_shape = "a,b,c,d", .init = "ones"},
    {.name = "*bias", .shape = "a", .beside = "weight", .beside_shape = "a", .init = "zeros"},
    {.name = "*bias", .shape = "a,b", .beside = "weight", .beside_shape = "a,b", .init = "zeros"},
    {.name = "*bias", .shape = "a,b,c", .beside = "weight", .beside_shape = "a,b,c", .init = "zeros"},
    {.name = "*bias", .shape = "a,b,c,d", .beside = "weight", .beside_shape = "a,b,c,d", .init = "zeros"},
    NORM("norm"),
    NORM("norm[0-9]"),
    NORM("Norm"),
    NORM("[._/]ln"),
    NORM("[._/]ln_[0-9f]"),
    PRELU("relu"),
    PRELU("relu[0-9]"),
    PRELU("act"),
    PRELU("act[0-9]"),
    PRELU("activation"),
    {.name = "*weight", .shape = "n", .refuse = NORM_OR_PRELU},

    {.name = "*weight", .rank = {2, 2}, .beside = "bias", .refuse = OTHER_BIAS},
    EMBEDDING("embed_tokens"),
    EMBEDDING("embed_positions"),
    EMBEDDING("wte"),
    EMBEDDING("wpe"),
    EMBEDDING("word_embeddings"),
    EMBEDDING("position_embeddings"),
    EMBEDDING("token_type_embeddings"),
    EMBEDDING("tok_embeddings"),
    EMBEDDING("token_embedding"),
    EMBEDDING("token_embedding_table"),
    EMBEDDING("position_embedding"),
    EMBEDDING("position_embedding_table"),
    PROJECTION("_proj"),
    PROJECTION("head"),
    PROJECTION("[./]fc"),
    PROJECTION("[./]fc[0-9]"),
    PROJECTION("linear"),
    PROJECTION("linear[0-9]"),
    PROJECTION("qkv"),
    PROJECTION("to_[qkv]"),
    {.name = "*weight", .rank = {2, 2}, .refuse = LINEAR_OR_EMBEDDING},

    /* A Bilinear counts only its first input: U(±1/√in1). */
    {.name = "*bilinear.weight",
     .rank = {3, 3},
     .init = LINEAR,
     .in_axis = "1",
     .out_axis = "0",
     .batch_axis = "2"},
    {.name = "*bilinear.bias", .shape = "n", .beside = "weight", .beside_rank = {3, 3}, .init = FAN},
    CONVOLUTION("conv"),
    CONVOLUTION("conv[0-9]"),
    CONVOLUTION("conv1d"),
    CONVOLUTION("conv_in"),
    CONVOLUTION("conv_out"),
    {.name = "*weight", .rank = {3, 3}, .refuse = CONVOLUTION_OR_BILINEAR},
    {.name = "*bias", .beside = "weight", .beside_rank = {3, 3}, .refuse = ITS_BIAS},
    {.name = "*weight", .rank = {4, 5}, .init = LINEAR},
    {.name = "*bias", .shape = "n", .beside = "weight", .beside_rank = {4, 5}, .init = FAN},
    {0},
};

static const struct sower_recipe_comparison COMPARED_DEFAULT[] = {
    {"torch", "2.13.0",
     "Linear, Bilinear, Embedding, EmbeddingBag, Conv1d to Conv3d, ConvTranspose1d to ConvTranspose3d, "
     "LayerNorm, GroupNorm, "
     "RMSNorm, BatchNorm, InstanceNorm, SyncBatchNorm, PReLU, RNN, LSTM, GRU, RNNCell, LSTMCell, GRUCell, "
     "MultiheadAttention, "
     "TransformerEncoder, TransformerDecoder, AdaptiveLogSoftmaxWithLoss",
     "2026-11-26"},
    {0},
};

static const struct sower_recipe_comparison COMPARED_TRANSFORMER[] = {
    {"torch", "2.13.0", "Transformer", "2026-11-26"},
    {0},
};

const struct sower_recipe sower_recipes_torch[] = {
    {.name = "torch_default",
     .summary =
         "PyTorch's own defaults: Linear, Conv, Embedding, normalization, LSTM and GRU, MultiheadAttention.",
     .source = "torch.nn: reset_parameters of linear.py, conv.py, sparse.py, normalization.py, batchnorm.py, "
               "rnn.py, activation.py; _reset_parameters of MultiheadAttention",
     .rules = TORCH_TRANSFORMER + TRANSFORMER_RULES,
     .compared = COMPARED_DEFAULT},
    {.name = "torch_transformer",
     .summary = "nn.Transformer: xavier_uniform for its matrices; other modules as in torch_default.",
     .source = "torch.nn: _reset_parameters of transformer.py",
     .rules = TORCH_TRANSFORMER,
     .compared = COMPARED_TRANSFORMER},
    {0},
};
