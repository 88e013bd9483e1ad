#include "proto/recipes/families.h"

/* torchvision, timm and diffusers. Other classes of these libraries have some of the same names under other laws, so the rules name the
 * place of a layer in its class, or ask for a tensor that only this class has beside it. */

#define COMPARED(package, version, list)                                                                     \
    {                                                                                                        \
        package, version, list, "2026-11-26"                                                                 \
    }
#define TRUNCATED "trunc_normal(std=0.02)"

/* Rules for a layer that has another tensor, of this rank, beside it. */
#define BESIDE(stem, neighbour, neighbour_rank, weight_rank, law, bias_law)                                  \
    {.name = stem ".weight",                                                                                 \
     .rank = {weight_rank, weight_rank},                                                                     \
     .beside = neighbour,                                                                                    \
     .beside_rank = {neighbour_rank, neighbour_rank},                                                        \
     .init = law},                                                                                           \
    {                                                                                                        \
        .name = stem ".bias", .rank = {1, 1}, .beside = neighbour,                                           \
        .beside_rank = {neighbour_rank, neighbour_rank}, .init = bias_law                                    \
    }

static const struct sower_recipe_rule RESNET[] = {
    SOWER_RECIPE_TENSOR("*conv[123].weight", 4, "kaiming_normal(mode=fan_out,nonlinearity=relu)"),
    {.name = "*.downsample.0.weight",
     .rank = {4, 4},
     .init = "kaiming_normal(mode=fan_out,nonlinearity=relu)"},
    SOWER_RECIPE_BATCH_NORM("*bn[123]"),
    SOWER_RECIPE_BATCH_NORM("*.downsample.1"),
    SOWER_RECIPE_TORCH_LAYER("fc", 2, 2),
    {0},
};

static const struct sower_recipe_comparison RESNET_COMPARED[] = {
    COMPARED("torchvision", "0.28.0", "ResNet, ResNeXt"), {0}};

/* features.0.0 is a convolution and features.0.1 its norm; between the stages, features.N.0 is a norm and features.N.1 a convolution. */
static const struct sower_recipe_constant CONVNEXT_CONSTANTS[] = {{"layer_scale", 0.000001}, {0}};

static const struct sower_recipe_rule CONVNEXT[] = {
    SOWER_RECIPE_TENSOR("*.layer_scale", 3, "constant(value=layer_scale)"),
    SOWER_RECIPE_LAYER("*.block.0", 4, TRUNCATED),
    SOWER_RECIPE_NORM("*.block.2"),
    SOWER_RECIPE_LAYER("*.block.[35]", 2, TRUNCATED),
    BESIDE("features.0.0", "../1.weight", 1, 4, TRUNCATED, "zeros"),
    BESIDE("features.0.1", "../0.weight", 4, 1, "ones", "zeros"),
    BESIDE("features.?.0", "../1.weight", 4, 1, "ones", "zeros"),
    BESIDE("features.?.1", "../0.weight", 1, 4, TRUNCATED, "zeros"),
    SOWER_RECIPE_NORM("classifier.0"),
    SOWER_RECIPE_LAYER("classifier.2", 2, TRUNCATED),
    {0},
};

static const struct sower_recipe_comparison CONVNEXT_COMPARED[] = {
    COMPARED("torchvision", "0.28.0", "ConvNeXt"), {0}};

/* mlp.linear_1 and mlp.linear_2 are the names in files of torchvision before 0.13. */
static const struct sower_recipe_rule TORCHVISION_VIT[] = {
    SOWER_RECIPE_TENSOR("class_token", 3, "zeros"),
    SOWER_RECIPE_TENSOR("encoder.pos_embedding", 3, "normal(std=0.02)"),
    SOWER_RECIPE_LAYER("conv_proj", 4, "trunc_normal(std=1/sqrt(weight.fan_in))"),
    SOWER_RECIPE_TENSOR("*.self_attention.in_proj_weight", 2, "xavier_uniform"),
    SOWER_RECIPE_TENSOR("*.self_attention.in_proj_bias", 1, "zeros"),
    SOWER_RECIPE_LAYER("*.self_attention.out_proj", 2, SOWER_RECIPE_TORCH_WEIGHT),
    SOWER_RECIPE_TENSOR("*.mlp.[03].weight", 2, "xavier_uniform"),
    SOWER_RECIPE_TENSOR("*.mlp.[03].bias", 1, "normal(std=0.000001)"),
    SOWER_RECIPE_TENSOR("*.mlp.linear_[12].weight", 2, "xavier_uniform"),
    SOWER_RECIPE_TENSOR("*.mlp.linear_[12].bias", 1, "normal(std=0.000001)"),
    SOWER_RECIPE_NORM("*.ln_[12]"),
    SOWER_RECIPE_NORM("encoder.ln"),
    SOWER_RECIPE_LAYER("heads.pre_logits", 2, "trunc_normal(std=1/sqrt(weight.fan_in))"),
    SOWER_RECIPE_LAYER("heads.head", 2, "zeros"),
    {0},
};

static const struct sower_recipe_comparison TORCHVISION_VIT_COMPARED[] = {
    COMPARED("torchvision", "0.28.0", "VisionTransformer"), {0}};

/* The first convolution keeps PyTorch's default; ConvNeXt's has its norm in features.0.1 instead. logit_scale is log(10). */
static const struct sower_recipe_rule SWIN[] = {
    BESIDE("features.0.0", "../2.weight", 1, 4, SOWER_RECIPE_TORCH_WEIGHT, SOWER_RECIPE_TORCH_BIAS),
    BESIDE("features.0.2", "../0.weight", 4, 1, "ones", "zeros"),
    SOWER_RECIPE_NORM("features.*.norm[12]"),
    SOWER_RECIPE_NORM("features.?.norm"),
    SOWER_RECIPE_NORM("norm"),
    SOWER_RECIPE_LAYER("features.*.attn.qkv", 2, TRUNCATED),
    SOWER_RECIPE_LAYER("features.*.attn.proj", 2, TRUNCATED),
    SOWER_RECIPE_TENSOR("features.*.attn.relative_position_bias_table", 2, TRUNCATED),
    SOWER_RECIPE_LAYER("features.*.mlp.[03]", 2, TRUNCATED),
    SOWER_RECIPE_TENSOR("features.?.reduction.weight", 2, TRUNCATED),
    SOWER_RECIPE_TENSOR("features.*.attn.logit_scale", 3, "constant(value=2.302585092994046)"),
    {.name = "features.*.attn.relative_coords_table", .leave_out = true},
    SOWER_RECIPE_LAYER("features.*.attn.cpb_mlp.[02]", 2, TRUNCATED),
    SOWER_RECIPE_LAYER("head", 2, TRUNCATED),
    {0},
};

static const struct sower_recipe_comparison SWIN_COMPARED[] = {
    COMPARED("torchvision", "0.28.0", "SwinTransformer (version 1 and 2)"), {0}};

#define GOOGLENET_LAW "trunc_normal(std=0.01)"

static const struct sower_recipe_rule GOOGLENET[] = {
    SOWER_RECIPE_TENSOR("inception*.conv.weight", 4, GOOGLENET_LAW),
    SOWER_RECIPE_TENSOR("conv[123].conv.weight", 4, GOOGLENET_LAW),
    SOWER_RECIPE_TENSOR("aux[12].conv.conv.weight", 4, GOOGLENET_LAW),
    SOWER_RECIPE_BATCH_NORM("inception*.bn"),
    SOWER_RECIPE_BATCH_NORM("conv[123].bn"),
    SOWER_RECIPE_BATCH_NORM("aux[12].conv.bn"),
    SOWER_RECIPE_TENSOR("aux[12].fc[12].weight", 2, GOOGLENET_LAW),
    {.name = "aux[12].fc[12].bias", .rank = {1, 1}, .beside = "weight", .init = SOWER_RECIPE_TORCH_BIAS},
    BESIDE("fc", "../conv1.conv.weight", 4, 2, GOOGLENET_LAW, SOWER_RECIPE_TORCH_BIAS),
    {0},
};

static const struct sower_recipe_comparison GOOGLENET_COMPARED[] = {
    COMPARED("torchvision", "0.28.0", "GoogLeNet"), {0}};

/* weight_init="", the default. */
static const struct sower_recipe_rule TIMM_VIT[] = {
    SOWER_RECIPE_TENSOR("cls_token", 3, "normal(std=0.000001)"),
    SOWER_RECIPE_TENSOR("reg_token", 3, "normal(std=0.000001)"),
    SOWER_RECIPE_TENSOR("pos_embed", 3, TRUNCATED),
    SOWER_RECIPE_TORCH_LAYER("patch_embed.proj", 4, 4),
    SOWER_RECIPE_NORM("norm_pre"),
    SOWER_RECIPE_NORM("blocks.*.norm[12]"),
    SOWER_RECIPE_LAYER("blocks.*.attn.qkv", 2, TRUNCATED),
    SOWER_RECIPE_NORM("blocks.*.attn.[qk]_norm"),
    SOWER_RECIPE_LAYER("blocks.*.attn.proj", 2, TRUNCATED),
    SOWER_RECIPE_LAYER("blocks.*.mlp.fc[12]", 2, TRUNCATED),
    {.name = "blocks.*.ls[12].gamma",
     .refuse = "it is init_values of the class; add "
               "{\"match\":\"blocks.*.ls?.gamma\",\"init\":\"constant(value=0.00001)\"} with "
               "that number"},
    SOWER_RECIPE_NORM("norm"),
    SOWER_RECIPE_NORM("fc_norm"),
    {.name = "attn_pool.latent", .shape = "1,1,n", .init = "truncated_normal(std=1/sqrt(latent.fan_in))"},
    SOWER_RECIPE_LAYER("attn_pool.q", 2, TRUNCATED),
    SOWER_RECIPE_LAYER("attn_pool.kv", 2, TRUNCATED),
    SOWER_RECIPE_NORM("attn_pool.[qk]_norm"),
    SOWER_RECIPE_LAYER("attn_pool.proj", 2, TRUNCATED),
    SOWER_RECIPE_NORM("attn_pool.norm"),
    SOWER_RECIPE_LAYER("attn_pool.mlp.fc[12]", 2, TRUNCATED),
    SOWER_RECIPE_LAYER("head", 2, TRUNCATED),
    {0},
};

static const struct sower_recipe_comparison TIMM_VIT_COMPARED[] = {
    COMPARED("timm", "1.0.31", "VisionTransformer"), {0}};

/* PyTorch's own defaults everywhere. */
static const struct sower_recipe_rule UNET[] = {
    SOWER_RECIPE_TORCH_LAYER("conv_in", 4, 4),
    SOWER_RECIPE_TORCH_LAYER("conv_out", 4, 4),
    SOWER_RECIPE_NORM("conv_norm_out"),
    SOWER_RECIPE_TORCH_LAYER("time_embedding.linear_[12]", 2, 2),
    SOWER_RECIPE_TORCH_LAYER("add_embedding.linear_[12]", 2, 2),
    SOWER_RECIPE_TORCH_LAYER("class_embedding.linear_[12]", 2, 2),
    SOWER_RECIPE_TENSOR("class_embedding.weight", 2, "normal(std=1)"),
    SOWER_RECIPE_NORM("*.resnets.*.norm[12]"),
    SOWER_RECIPE_TORCH_LAYER("*.resnets.*.conv[12]", 4, 4),
    SOWER_RECIPE_TORCH_LAYER("*.resnets.*.conv_shortcut", 4, 4),
    SOWER_RECIPE_TORCH_LAYER("*.resnets.*.time_emb_proj", 2, 2),
    SOWER_RECIPE_TORCH_LAYER("*.downsamplers.0.conv", 4, 4),
    SOWER_RECIPE_TORCH_LAYER("*.upsamplers.0.conv", 4, 4),
    SOWER_RECIPE_NORM("*.attentions.*.norm"),
    SOWER_RECIPE_NORM("*.transformer_blocks.*.norm[123]"),
    SOWER_RECIPE_TORCH_LAYER("*.attentions.*.proj_in", 2, 4),
    SOWER_RECIPE_TORCH_LAYER("*.attentions.*.proj_out", 2, 4),
    SOWER_RECIPE_TORCH_LAYER("*.transformer_blocks.*.to_[qkv]", 2, 2),
    SOWER_RECIPE_TORCH_LAYER("*.transformer_blocks.*.to_out.0", 2, 2),
    SOWER_RECIPE_TORCH_LAYER("*.transformer_blocks.*.ff.net.0.proj", 2, 2),
    SOWER_RECIPE_TORCH_LAYER("*.transformer_blocks.*.ff.net.2", 2, 2),
    {0},
};

static const struct sower_recipe_comparison UNET_COMPARED[] = {
    COMPARED("diffusers", "0.42.1", "UNet2DConditionModel"), {0}};

const struct sower_recipe sower_recipes_vision[] = {
    {.name = "torchvision_resnet",
     .summary =
         "ResNet, ResNeXt: He's normal by fan_out for convolutions, PyTorch's default for the classifier.",
     .source = "He et al., 2015; torchvision, models/resnet.py, zero_init_residual=False",
     .rules = RESNET,
     .compared = RESNET_COMPARED},
    {.name = "torchvision_convnext",
     .summary = "ConvNeXt: truncated normal of std 0.02, layer scales 1e-6.",
     .source = "Liu et al., 2022; torchvision, models/convnext.py",
     .constants = CONVNEXT_CONSTANTS,
     .rules = CONVNEXT,
     .compared = CONVNEXT_COMPARED},
    {.name = "torchvision_vit",
     .summary = "ViT: Xavier's uniform for matrices, a head of zeros.",
     .source =
         "Dosovitskiy et al., 2020; torchvision, models/vision_transformer.py, without a convolutional stem",
     .rules = TORCHVISION_VIT,
     .compared = TORCHVISION_VIT_COMPARED},
    {.name = "torchvision_swin",
     .summary = "Swin and Swin 2: truncated normal of std 0.02, PyTorch's default for the first convolution.",
     .source = "Liu et al., 2021; torchvision, models/swin_transformer.py",
     .rules = SWIN,
     .compared = SWIN_COMPARED},
    {.name = "torchvision_googlenet",
     .summary = "GoogLeNet: truncated normal of std 0.01, PyTorch's default for biases.",
     .source = "Szegedy et al., 2014; torchvision, models/googlenet.py, init_weights=True",
     .rules = GOOGLENET,
     .compared = GOOGLENET_COMPARED},
    {.name = "timm_vit",
     .summary = "ViT: truncated normal of std 0.02, PyTorch's default for the patches.",
     .source = "Dosovitskiy et al., 2020; timm, vision_transformer.py, init_weights_vit_timm",
     .rules = TIMM_VIT,
     .compared = TIMM_VIT_COMPARED},
    {.name = "diffusers_unet",
     .summary = "UNet2DConditionModel (Stable Diffusion): PyTorch's defaults.",
     .source = "Rombach et al., 2021; diffusers, unet_2d_condition.py",
     .rules = UNET,
     .compared = UNET_COMPARED},
    {0},
};
