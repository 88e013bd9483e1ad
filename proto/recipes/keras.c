#include "proto/recipes/families.h"

/* Names are the paths of Keras' variables: the last component says which weight it is, the one before it is the layer's name, and
 * that is the class' name with a number unless the user gave another.
 *
 * Glorot's range counts both fans alike, so for a matrix it does not matter which axis is the input. A kernel of three axes is a
 * Conv1D's (size, in, out) or an EinsumDense's, whose axes are inputs or outputs as its equation says. A bias of two axes beside
 * it tells an EinsumDense of one input axis; MultiHeadAttention is known by its own names; else the layer's name decides. */
#define ONE_IN "0"
#define TWO_OUT "1,2"
#define TWO_IN "0,1"
#define ONE_OUT "2"

#define CONV1D_OR_EINSUM                                                                                     \
    "a Conv1D and an EinsumDense look the same; add a rule for it with \"init\":\"glorot_uniform\" and "     \
    "\"layout\":\"io\" "                                                                                     \
    "for a Conv1D, or with in_axis and out_axis, the kernel's axes in the equation, for an EinsumDense"
#define EINSUM                                                                                               \
    "the equation of an EinsumDense says which axes are inputs; add a rule for it with "                     \
    "\"init\":\"glorot_uniform\", "                                                                          \
    "in_axis and out_axis, the kernel's axes in the equation"
#define OTHER_SCALE                                                                                          \
    "an RMSNormalization and an AdditiveAttention look the same; add a rule for it: \"init\":\"ones\" for "  \
    "a norm, "                                                                                               \
    "\"init\":\"glorot_uniform\" for an attention"
#define OTHER_CELL                                                                                           \
    "LSTM, GRU and SimpleRNN differ in their biases, and this name does not say which it is; add a rule "    \
    "for "                                                                                                   \
    "it: \"init\":\"lstm_bias\" for an LSTM, \"init\":\"zeros\" for another"

/* A layer's weight under the name that Keras gives to the layer: dense, dense_1, …, dense_99. */
#define NAMED(layer, weight, ...)                                                                            \
    {.name = "*" layer "/" weight, __VA_ARGS__}, {.name = "*" layer "_[0-9]/" weight, __VA_ARGS__},          \
    {                                                                                                        \
        .name = "*" layer "_[0-9][0-9]/" weight, __VA_ARGS__                                                 \
    }

static const struct sower_recipe_rule KERAS_DEFAULT[] = {
    /* LoRA. Kernels are flattened before the last axis, as he_uniform counts them. */
    {.name = "*/lora_kernel_a", .rank = {2, 5}, .init = "he_uniform", .layout = "io"},
    {.name = "*/lora_embeddings_a", .rank = {2, 2}, .init = "he_uniform", .layout = "io"},
    {.name = "*/lora_kernel_b", .rank = {2, 5}, .init = "zeros"},
    {.name = "*/lora_embeddings_b", .rank = {2, 2}, .init = "zeros"},

    /* Recurrent cells. */
    {.name = "*/recurrent_kernel", .rank = {2, 5}, .init = "orthogonal", .layout = "io"},
    NAMED("lstm_cell", "bias", .shape = "n", .beside = "recurrent_kernel", .init = "lstm_bias"),
    NAMED("gru_cell", "bias", .rank = {1, 2}, .beside = "recurrent_kernel", .init = "zeros"),
    NAMED("simple_rnn_cell", "bias", .shape = "n", .beside = "recurrent_kernel", .init = "zeros"),
    {.name = "*/bias", .rank = {2, 2}, .beside = "recurrent_kernel", .init = "zeros"},
    {.name = "*/bias", .beside = "recurrent_kernel", .refuse = OTHER_CELL},
    {.name = "*/kernel",
     .rank = {2, 5},
     .beside = "recurrent_kernel",
     .init = "glorot_uniform",
     .layout = "io"},

    /* MultiHeadAttention and GroupQueryAttention: (width, heads, size) and back. */
    {.name = "*/query/kernel",
     .shape = "d,h,k",
     .beside = "../attention_output/kernel",
     .beside_shape = "h,*,*",
     .init = "glorot_uniform",
     .in_axis = ONE_IN,
     .out_axis = TWO_OUT},
    {.name = "*/key/kernel",
     .rank = {3, 3},
     .beside = "../attention_output/kernel",
     .beside_rank = {3, 3},
     .init = "glorot_uniform",
     .in_axis = ONE_IN,
     .out_axis = TWO_OUT},
    {.name = "*/value/kernel",
     .rank = {3, 3},
     .beside = "../attention_output/kernel",
     .beside_rank = {3, 3},
     .init = "glorot_uniform",
     .in_axis = ONE_IN,
     .out_axis = TWO_OUT},
    {.name = "*/attention_output/kernel",
     .shape = "h,*,*",
     .beside = "../query/kernel",
     .beside_shape = "*,h,*",
     .init = "glorot_uniform",
     .in_axis = TWO_IN,
     .out_axis = ONE_OUT},
    {.name = "*/attention_output/kernel", .rank = {3, 5}, .refuse = EINSUM},

    /* Kernels. */
    {.name = "*/kernel", .rank = {2, 2}, .init = "glorot_uniform", .layout = "io"},
    {.name = "*/kernel",
     .shape = "d,h,k",
     .beside = "bias",
     .beside_shape = "h,k",
     .init = "glorot_uniform",
     .in_axis = ONE_IN,
     .out_axis = TWO_OUT},
    {.name = "*/kernel", .rank = {3, 5}, .beside = "bias", .beside_rank = {2, 5}, .refuse = EINSUM},
    NAMED("einsum_dense", "kernel", .rank = {3, 5}, .refuse = EINSUM),
    NAMED("conv1d", "kernel", .rank = {3, 3}, .init = "glorot_uniform", .layout = "io"),
    NAMED("conv1d_transpose", "kernel", .rank = {3, 3}, .init = "glorot_uniform", .layout = "io"),
    NAMED("conv", "kernel", .rank = {3, 3}, .init = "glorot_uniform", .layout = "io"),
    {.name = "*conv[0-9]/kernel", .rank = {3, 3}, .init = "glorot_uniform", .layout = "io"},
    {.name = "*/kernel", .rank = {3, 3}, .refuse = CONV1D_OR_EINSUM},
    {.name = "*/kernel", .rank = {4, 5}, .init = "glorot_uniform", .layout = "io"},
    {.name = "*/depthwise_kernel", .rank = {3, 4}, .init = "glorot_uniform", .layout = "io"},
    {.name = "*/pointwise_kernel", .rank = {3, 4}, .init = "glorot_uniform", .layout = "io"},
    {.name = "*/bias", .rank = {1, 5}, .init = "zeros"},
    {.name = "*/embeddings", .rank = {2, 2}, .init = "uniform(low=-0.05,high=0.05)"},
    {.name = "*/reverse_embeddings", .rank = {2, 2}, .init = "uniform(low=-0.05,high=0.05)"},

    /* Norms, and what else has weights. */
    {.name = "*/gamma", .rank = {1, 5}, .init = "ones"},
    {.name = "*/beta", .rank = {1, 5}, .init = "zeros"},
    {.name = "*/moving_mean", .shape = "n", .init = "zeros"},
    {.name = "*/moving_variance", .shape = "n", .init = "ones"},
    {.name = "*/moving_stddev", .shape = "n", .init = "ones"},
    {.name = "*/renorm_mean", .shape = "n", .init = "zeros"},
    {.name = "*/renorm_stddev", .shape = "n", .init = "ones"},
    {.name = "*/vector_u", .shape = "1,n", .init = "truncated_normal(std=0.02)"},
    NAMED("rms_normalization", "scale", .rank = {1, 5}, .init = "ones"),
    {.name = "*norm/scale", .rank = {1, 5}, .init = "ones"},
    NAMED("additive_attention", "scale", .shape = "n", .init = "glorot_uniform"),
    {.name = "*/scale", .shape = "", .init = "ones"},
    {.name = "*/scale", .rank = {1, 5}, .refuse = OTHER_SCALE},
    {.name = "*/concat_score_weight", .shape = "", .init = "ones"},
    {.name = "*/alpha", .rank = {1, 5}, .init = "zeros"},
    {.name = "*/mean", .rank = {1, 5}, .beside = "variance", .init = "zeros"},
    {.name = "*/variance", .rank = {1, 5}, .beside = "mean", .init = "ones"},
    {0},
};

static const struct sower_recipe_comparison COMPARED[] = {
    {"keras", "3.15.1",
     "Dense, EinsumDense, Embedding, ReversibleEmbedding, MultiHeadAttention, GroupQueryAttention, "
     "Attention, AdditiveAttention, "
     "Conv1D to Conv3D, Conv1DTranspose to Conv3DTranspose, DepthwiseConv1D and 2D, SeparableConv1D and 2D, "
     "BatchNormalization, "
     "LayerNormalization, GroupNormalization, RMSNormalization, SpectralNormalization, Normalization, PReLU, "
     "SimpleRNN, GRU, "
     "LSTM, Bidirectional, StackedRNNCells, ConvLSTM1D to ConvLSTM3D, TimeDistributed",
     "2026-11-26"},
    {0},
};

const struct sower_recipe sower_recipes_keras[] = {
    {.name = "keras_default",
     .summary = "Keras's own defaults, by the paths of its variables; LoRA too. Kernels are read as io.",
     .source = "keras.layers: glorot_uniform kernels, zeros biases, orthogonal recurrent kernels, "
               "unit_forget_bias; "
               "_analyze_einsum_string of einsum_dense.py for the axes",
     .rules = KERAS_DEFAULT,
     .compared = COMPARED},
    {0},
};
