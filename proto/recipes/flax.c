#include "proto/recipes/families.h"

/* Names are paths joined by "/" or ".". Kernels are lecun_normal over all axes but the last, biases zeros. DenseGeneral and the
 * attention's projections flatten their input axes first, so for (in, heads, size) only the first axis counts. A bias of one axis
 * beside a kernel says that the last axis is the output and all others count; then Conv, DenseGeneral and Einsum agree. */
#define LECUN .init = "lecun_normal", .layout = "io"
#define LECUN_IN_0 .init = "lecun_normal", .in_axis = "0", .out_axis = "1,2"
#define ORTHOGONAL .rank = {2, 2}, .init = "orthogonal", .layout = "io"

#define UNKNOWN_AXES                                                                                         \
    "a convolution, a DenseGeneral, an Einsum and a stack of scanned layers look the same; add a rule for "  \
    "it with \"init\":"                                                                                      \
    "\"lecun_normal\" and \"layout\":\"io\" for a convolution or an Einsum, with in_axis and out_axis for "  \
    "a DenseGeneral, and "                                                                                   \
    "with \"layout\":\"io\",\"batch_axis\":0 for scanned layers"
#define NORMALIZED                                                                                           \
    "it belongs to a WeightNorm or SpectralNorm of flax.linen, which keeps its kernels divided by their "    \
    "norms; no initializer "                                                                                 \
    "gives such values, so take this layer's from the module"

/* Names of other tensors have the separator of this tensor's own. */
#define H_CELL(h, i)                                                                                         \
    {.name = "*" h "/kernel", .beside = "../" i "/kernel", ORTHOGONAL},                                      \
    {                                                                                                        \
        .name = "*" h ".kernel", .beside = "../" i ".kernel", ORTHOGONAL                                     \
    }
#define INTO_HEADS(word)                                                                                     \
    {.name = "*" word "/kernel",                                                                             \
     .shape = "d,h,k",                                                                                       \
     .beside = "../out/kernel",                                                                              \
     .beside_shape = "h,k,*",                                                                                \
     LECUN_IN_0},                                                                                            \
    {                                                                                                        \
        .name = "*" word ".kernel", .shape = "d,h,k", .beside = "../out.kernel", .beside_shape = "h,k,*",    \
        LECUN_IN_0                                                                                           \
    }
#define OUT_OF_HEADS(mark)                                                                                   \
    {                                                                                                        \
        .name = "*out" mark "kernel", .shape = "h,k,*", .beside = "../query" mark "kernel",                  \
        .beside_shape = "*,h,k", LECUN                                                                       \
    }
#define NAMED(module, ...)                                                                                   \
    {.name = "*" module "_[0-9][./]kernel", __VA_ARGS__},                                                    \
    {                                                                                                        \
        .name = "*" module "_[0-9][0-9][./]kernel", __VA_ARGS__                                              \
    }

static const struct sower_recipe_rule FLAX_DEFAULT[] = {
    /* Cells: the kernels of the hidden state are orthogonal, in linen one for each gate. LSTM, GRU, MGU, simple; cells of nnx. */
    H_CELL("h[ifgo]", "ii"),
    H_CELL("h[rzn]", "ir"),
    H_CELL("h[fn]", "in"),
    H_CELL("h", "i"),
    H_CELL("dense_h", "dense_i"),
    {.name = "*if/bias", .beside = "../hf/kernel", .init = "ones"}, /* MGU: its forget gate is open */
    {.name = "*if.bias", .beside = "../hf.kernel", .init = "ones"},

    /* Attention: (width, heads, size) and back. */
    INTO_HEADS("query"),
    INTO_HEADS("key"),
    INTO_HEADS("value"),
    OUT_OF_HEADS("/"),
    OUT_OF_HEADS("."),

    /* Kernels. */
    {.name = "*[./]kernel", .rank = {2, 2}, LECUN},
    {.name = "*[./]kernel", .shape = "*,*,n", .beside = "bias", .beside_shape = "n", LECUN},
    {.name = "*[./]kernel", .shape = "*,*,*,n", .beside = "bias", .beside_shape = "n", LECUN},
    {.name = "*[./]kernel", .shape = "*,*,*,*,n", .beside = "bias", .beside_shape = "n", LECUN},
    NAMED("DenseGeneral", .shape = "d,h,k", .beside = "bias", .beside_shape = "h,k", LECUN_IN_0),
    NAMED("Einsum", .rank = {3, 5}, LECUN),
    NAMED("Conv", .rank = {3, 5}, LECUN),
    NAMED("ConvTranspose", .rank = {3, 5}, LECUN),
    NAMED("ConvLocal", .rank = {3, 5}, LECUN),
    {.name = "*conv[./]kernel", .rank = {3, 5}, LECUN},
    {.name = "*conv[0-9][./]kernel", .rank = {3, 5}, LECUN},
    {.name = "*[./]kernel", .rank = {3, 8}, .refuse = UNKNOWN_AXES},
    {.name = "*[./]bias", .rank = {1, 5}, .init = "zeros"},
    {.name = "*[./]embedding",
     .rank = {2, 2},
     .init = "variance_scaling(scale=1,mode=fan_in,distribution=untruncated_normal)"},
    {.name = "*[./]lora_a", .rank = {2, 2}, .init = "he_uniform", .layout = "io"},
    {.name = "*[./]lora_b", .rank = {2, 2}, .init = "zeros"},

    /* Norms, and what else has variables. */
    {.name = "*[./]kernel[./]scale", .refuse = NORMALIZED},
    {.name = "*[./]kernel[./]u", .refuse = NORMALIZED},
    {.name = "*[./]kernel[./]sigma", .refuse = NORMALIZED},
    {.name = "*[./]scale", .rank = {1, 5}, .init = "ones"},
    {.name = "*[./]mean", .shape = "n", .beside = "var", .beside_shape = "n", .init = "zeros"},
    {.name = "*[./]var", .shape = "n", .beside = "mean", .beside_shape = "n", .init = "ones"},
    {.name = "*[./]negative_slope", .shape = "", .init = "constant(0.01)"},
    {0},
};

static const struct sower_recipe_comparison COMPARED[] = {
    {"flax", "0.12.8",
     "flax.linen: Dense, DenseGeneral, Einsum, Conv, ConvTranspose, ConvLocal, Embed, BatchNorm, LayerNorm, "
     "RMSNorm, GroupNorm, "
     "InstanceNorm, SpectralNorm, WeightNorm, PReLU, MultiHeadDotProductAttention, SimpleCell, LSTMCell, "
     "OptimizedLSTMCell, "
     "GRUCell, MGUCell, ConvLSTMCell, Bidirectional; flax.nnx: Linear, LinearGeneral, Einsum, Conv, "
     "ConvTranspose, Embed, "
     "BatchNorm, LayerNorm, RMSNorm, GroupNorm, InstanceNorm, WeightNorm, PReLU, MultiHeadAttention, LoRA, "
     "LoRALinear, "
     "SimpleCell, LSTMCell, OptimizedLSTMCell, GRUCell",
     "2026-11-26"},
    {0},
};

const struct sower_recipe sower_recipes_flax[] = {
    {.name = "flax_default",
     .summary = "Flax's own defaults, linen and nnx: lecun_normal kernels, orthogonal recurrent kernels. "
                "Kernels are io.",
     .source = "flax.linen and flax.nnx: default_kernel_init, default_embed_init, recurrent.py, "
               "normalization.py, lora.py",
     .rules = FLAX_DEFAULT,
     .compared = COMPARED},
    {0},
};
