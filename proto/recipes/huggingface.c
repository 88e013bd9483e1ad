#include "proto/recipes/families.h"

/* Hugging Face transformers. PreTrainedModel._init_weights gives linear layers, convolutions and embeddings N(0, initializer_range²)
 * and zeros, and norms ones and zeros; a model's own _init_weights comes after that. Padding rows of embeddings are zeros. Files of a
 * few models have other names than their classes; the recipes know both. */

#define STD "normal(std=initializer_range)"
#define MATRIX(stem) SOWER_RECIPE_LAYER(stem, 2, STD)
#define COMPARED(list)                                                                                       \
    {                                                                                                        \
        "transformers", "5.24.0", list, "2026-11-26"                                                         \
    }

/* The layers that transformers puts on top of a language model for a task. */
#define HEADS                                                                                                \
    SOWER_RECIPE_TENSOR("*lm_head.weight", 2, STD), SOWER_RECIPE_TENSOR("*score.weight", 2, STD),            \
        MATRIX("*classifier"), MATRIX("*qa_outputs")

static const char *const H[] = {"h", NULL};
static const char *const LAYERS[] = {"layers", NULL};

static const struct sower_recipe_constant RANGE_002[] = {{"initializer_range", 0.02}, {0}};

/* Files of earlier versions have the causal mask and the number for masked scores, which the class ignores. */
static const struct sower_recipe_rule GPT2[] = {
    {.name = "*attn.bias", .rank = {4, 4}, .leave_out = true},
    {.name = "*attn.masked_bias", .leave_out = true},
    SOWER_RECIPE_TENSOR("*wte.weight", 2, STD),
    SOWER_RECIPE_TENSOR("*wpe.weight", 2, STD),
    SOWER_RECIPE_LAYER("*.c_proj", 2, "normal(std=initializer_range/sqrt(2*layers))"),
    MATRIX("*.[cq]_attn"),
    MATRIX("*.c_fc"),
    SOWER_RECIPE_NORM("*ln_[12f]"),
    SOWER_RECIPE_NORM("*.ln_cross_attn"),
    HEADS,
    {0},
};

static const struct sower_recipe_comparison GPT2_COMPARED[] = {
    COMPARED("GPT2LMHeadModel, GPT2ForSequenceClassification"), {0}};

#define SCALE(glob) SOWER_RECIPE_TENSOR(glob, 1, "ones")
#define EMBED_TOKENS SOWER_RECIPE_TENSOR("*embed_tokens.weight", 2, STD)
#define ROTARY                                                                                               \
    {                                                                                                        \
        .name = "*rotary_emb.inv_freq", .rank = {1, 1}, .leave_out = true                                    \
    }
#define LAYER_SCALES                                                                                         \
    SCALE("*.input_layernorm.weight"), SCALE("*.post_attention_layernorm.weight"), SCALE("norm.weight"),     \
        SCALE("*model.norm.weight")
#define GATED_MLP MATRIX("*.mlp.gate_proj"), MATRIX("*.mlp.up_proj"), MATRIX("*.mlp.down_proj")

static const struct sower_recipe_rule LLAMA[] = {
    EMBED_TOKENS,
    ROTARY,
    MATRIX("*.self_attn.[qkvo]_proj"),
    SCALE("*.self_attn.[qk]_norm.weight"),
    GATED_MLP,
    LAYER_SCALES,
    HEADS,
    {0},
};

static const struct sower_recipe_comparison LLAMA_COMPARED[] = {
    COMPARED("LlamaForCausalLM, LlamaForSequenceClassification, MistralForCausalLM, Qwen2ForCausalLM, "
             "Qwen3ForCausalLM"),
    {0}};

/* The experts of a layer are two tensors of rank 3 in the class, and matrices under other names in its files. */
static const struct sower_recipe_rule MIXTRAL[] = {
    EMBED_TOKENS,
    ROTARY,
    MATRIX("*.self_attn.[qkvo]_proj"),
    SOWER_RECIPE_TENSOR("*.mlp.gate.weight", 2, STD),
    SOWER_RECIPE_TENSOR("*.mlp.experts.gate_up_proj", 3, STD),
    SOWER_RECIPE_TENSOR("*.mlp.experts.down_proj", 3, STD),
    SOWER_RECIPE_TENSOR("*.block_sparse_moe.gate.weight", 2, STD),
    SOWER_RECIPE_TENSOR("*.block_sparse_moe.experts.*.w[123].weight", 2, STD),
    LAYER_SCALES,
    HEADS,
    {0},
};

static const struct sower_recipe_comparison MIXTRAL_COMPARED[] = {COMPARED("MixtralForCausalLM"), {0}};

static const struct sower_recipe_rule DEEPSEEK_V3[] = {
    EMBED_TOKENS,
    ROTARY,
    MATRIX("*.self_attn.[qo]_proj"),
    MATRIX("*.self_attn.q_[ab]_proj"),
    MATRIX("*.self_attn.kv_a_proj_with_mqa"),
    MATRIX("*.self_attn.kv_b_proj"),
    SCALE("*.self_attn.q_a_layernorm.weight"),
    SCALE("*.self_attn.kv_a_layernorm.weight"),
    GATED_MLP,
    SOWER_RECIPE_TENSOR("*.mlp.gate.weight", 2, STD),
    SOWER_RECIPE_TENSOR("*.mlp.gate.e_score_correction_bias", 1, "zeros"),
    SOWER_RECIPE_TENSOR("*.mlp.experts.gate_up_proj", 3, STD),
    SOWER_RECIPE_TENSOR("*.mlp.experts.down_proj", 3, STD),
    SOWER_RECIPE_TENSOR("*.mlp.experts.*.gate_proj.weight", 2, STD),
    SOWER_RECIPE_TENSOR("*.mlp.experts.*.up_proj.weight", 2, STD),
    SOWER_RECIPE_TENSOR("*.mlp.experts.*.down_proj.weight", 2, STD),
    SOWER_RECIPE_TENSOR("*.mlp.shared_experts.gate_proj.weight", 2, STD),
    SOWER_RECIPE_TENSOR("*.mlp.shared_experts.up_proj.weight", 2, STD),
    SOWER_RECIPE_TENSOR("*.mlp.shared_experts.down_proj.weight", 2, STD),
    LAYER_SCALES,
    HEADS,
    {0},
};

static const struct sower_recipe_comparison DEEPSEEK_V3_COMPARED[] = {COMPARED("DeepseekV3ForCausalLM"), {0}};

/* The norms multiply by 1 + weight. Llama's norms have some of the same names, so these must have Gemma 2's beside them. */
#define PRE_FEEDFORWARD "pre_feedforward_layernorm.weight"
#define OFFSET(glob) SOWER_RECIPE_TENSOR(glob, 1, "zeros")

static const struct sower_recipe_rule GEMMA2[] = {
    {.name = "*embed_tokens.weight", .rank = {2, 2}, .init = STD, .zero_rows = "0"},
    ROTARY,
    MATRIX("*.self_attn.[qkvo]_proj"),
    GATED_MLP,
    OFFSET("*.pre_feedforward_layernorm.weight"),
    OFFSET("*.post_feedforward_layernorm.weight"),
    {.name = "*.input_layernorm.weight", .rank = {1, 1}, .beside = "../" PRE_FEEDFORWARD, .init = "zeros"},
    {.name = "*.post_attention_layernorm.weight",
     .rank = {1, 1},
     .beside = "../" PRE_FEEDFORWARD,
     .init = "zeros"},
    {.name = "norm.weight", .rank = {1, 1}, .beside = "../layers.0." PRE_FEEDFORWARD, .init = "zeros"},
    {.name = "*model.norm.weight", .rank = {1, 1}, .beside = "../layers.0." PRE_FEEDFORWARD, .init = "zeros"},
    HEADS,
    {0},
};

static const struct sower_recipe_comparison GEMMA2_COMPARED[] = {COMPARED("Gemma2ForCausalLM"), {0}};

/* BERT's padding is token 0, RoBERTa's is token 1, which has a position too. The names say which one it is, if they begin with the
 * model's. DistilBERT has other blocks. */
#define WORDS "embeddings.word_embeddings.weight"
#define POSITIONS "embeddings.position_embeddings.weight"
#define PADDED(pattern, row)                                                                                 \
    {                                                                                                        \
        .name = pattern, .rank = {2, 2}, .init = STD, .zero_rows = row                                       \
    }
#define OF_DISTILBERT "../../transformer.layer.0.attention.q_lin.weight"

static const char *const BERT_BLOCKS[] = {"encoder.layer", "transformer.layer", NULL};

static const struct sower_recipe_rule BERT[] = {
    PADDED("roberta." WORDS, "1"),
    PADDED("*.roberta." WORDS, "1"),
    PADDED("roberta." POSITIONS, "1"),
    PADDED("*.roberta." POSITIONS, "1"),
    PADDED("bert." WORDS, "0"),
    PADDED("*.bert." WORDS, "0"),
    SOWER_RECIPE_TENSOR("bert." POSITIONS, 2, STD),
    SOWER_RECIPE_TENSOR("*.bert." POSITIONS, 2, STD),
    {.name = "*" WORDS, .rank = {2, 2}, .beside = OF_DISTILBERT, .init = STD, .zero_rows = "0"},
    {.name = "*" POSITIONS, .rank = {2, 2}, .beside = OF_DISTILBERT, .init = STD},
    {.name = "*" WORDS,
     .refuse = "BertModel has zeros in row 0 and RobertaModel in row 1, under the same names; add "
               "{\"match\":\"" WORDS
               "\",\"init\":\"normal(std=0.02)\",\"zero_rows\":[0]} for BERT, or [1] for RoBERTa"},
    {.name = "*" POSITIONS,
     .refuse = "RobertaModel has zeros in row 1 and BertModel has none, under the same names; add "
               "{\"match\":\"" POSITIONS
               "\",\"init\":\"normal(std=0.02)\"} for BERT, and \"zero_rows\":[1] for RoBERTa"},
    SOWER_RECIPE_TENSOR("*embeddings.token_type_embeddings.weight", 2, STD),
    {.name = "*position_ids", .leave_out = true},
    {.name = "*token_type_ids", .leave_out = true},
    SOWER_RECIPE_NORM("*.LayerNorm"),
    {.name = "*.LayerNorm.gamma",
     .rank = {1, 1},
     .init = "ones"}, /* files that were converted from TensorFlow */
    SOWER_RECIPE_TENSOR("*.LayerNorm.beta", 1, "zeros"),
    MATRIX("*.self.query"),
    MATRIX("*.self.key"),
    MATRIX("*.self.value"),
    MATRIX("*.intermediate.dense"),
    MATRIX("*.output.dense"),
    MATRIX("*pooler.dense"),
    MATRIX("*cls.predictions.transform.dense"),
    MATRIX("*cls.predictions.decoder"),
    SOWER_RECIPE_TENSOR("*cls.predictions.bias", 1, "zeros"),
    MATRIX("*cls.seq_relationship"),
    MATRIX("*lm_head.dense"),
    SOWER_RECIPE_NORM("*lm_head.layer_norm"),
    MATRIX("*lm_head.decoder"),
    SOWER_RECIPE_TENSOR("*lm_head.bias", 1, "zeros"),
    MATRIX("*.attention.[qkv]_lin"),
    MATRIX("*.attention.out_lin"),
    MATRIX("*.ffn.lin[12]"),
    SOWER_RECIPE_NORM("*.sa_layer_norm"),
    SOWER_RECIPE_NORM("*.output_layer_norm"),
    MATRIX("*vocab_transform"),
    SOWER_RECIPE_NORM("*vocab_layer_norm"),
    MATRIX("*vocab_projector"),
    MATRIX("*pre_classifier"),
    MATRIX("*classifier.dense"),
    MATRIX("*classifier.out_proj"),
    MATRIX("*classifier"),
    MATRIX("*qa_outputs"),
    {0},
};

static const struct sower_recipe_comparison BERT_COMPARED[] = {
    COMPARED(
        "BertForPreTraining, BertForSequenceClassification, BertLMHeadModel, BertModel, RobertaForMaskedLM, "
        "RobertaForSequenceClassification, RobertaModel, DistilBertForMaskedLM, DistilBertModel"),
    {0}};

#define BY_FAN "normal(std=initializer_factor/sqrt(weight.fan_in))"

static const char *const T5_BLOCKS[] = {"block", NULL};

static const struct sower_recipe_constant T5_CONSTANTS[] = {{"initializer_factor", 1}, {"d_kv", 64}, {0}};

static const struct sower_recipe_rule T5[] = {
    SOWER_RECIPE_TENSOR("*shared.weight", 2, "normal(std=initializer_factor)"),
    SOWER_RECIPE_TENSOR("*lm_head.weight", 2, "normal(std=initializer_factor)"),
    {.name = "*coder.embed_tokens.weight",
     .refuse = "it is the same as shared.weight in the class; add "
               "{\"match\":\"*coder.embed_tokens.weight\",\"same_as\":\"shared.weight\"}"},
    {.name = "*Attention.q.weight",
     .rank = {2, 2},
     .init = "normal(std=initializer_factor/sqrt(weight.fan_in*d_kv))"},
    SOWER_RECIPE_TENSOR("*Attention.[kvo].weight", 2, BY_FAN),
    {.name = "*Attention.relative_attention_bias.weight",
     .rank = {2, 2},
     .init = "normal(std=initializer_factor/sqrt(../q.weight.fan_in))"},
    SOWER_RECIPE_TENSOR("*.DenseReluDense.w[io].weight", 2, BY_FAN),
    SOWER_RECIPE_TENSOR("*.DenseReluDense.wi_[01].weight", 2, BY_FAN),
    SOWER_RECIPE_TENSOR("*layer_norm.weight", 1, "constant(value=initializer_factor)"),
    SOWER_RECIPE_LAYER("*classification_head.dense", 2, BY_FAN),
    SOWER_RECIPE_LAYER("*classification_head.out_proj", 2, BY_FAN),
    SOWER_RECIPE_LAYER("*qa_outputs", 2, BY_FAN),
    SOWER_RECIPE_LAYER("classifier", 2, "normal(std=initializer_factor)"),
    {0},
};

static const struct sower_recipe_comparison T5_COMPARED[] = {
    COMPARED(
        "T5ForConditionalGeneration, T5EncoderModel, T5ForSequenceClassification, T5ForTokenClassification"),
    {0}};

#define INIT_STD(stem, rank) SOWER_RECIPE_LAYER(stem, rank, "normal(std=init_std)")

static const struct sower_recipe_constant WHISPER_CONSTANTS[] = {{"init_std", 0.02}, {0}};

static const struct sower_recipe_rule WHISPER[] = {
    {.name = "*encoder.embed_positions.weight",
     .rank = {2, 2},
     .init = "sinusoid(order=halves,endpoint=true)"},
    SOWER_RECIPE_TENSOR("*decoder.embed_positions.weight", 2, "normal(std=init_std)"),
    {.name = "*decoder.embed_tokens.weight",
     .refuse = "its row pad_token_id has zeros, and the configuration says which one; add "
               "{\"match\":\"*decoder.embed_tokens.weight\",\"init\":\"normal(std=0.02)\",\"zero_rows\":["
               "50257]} with your number"},
    SOWER_RECIPE_TENSOR("*proj_out.weight", 2, "normal(std=init_std)"),
    INIT_STD("*encoder.conv[12]", 3),
    INIT_STD("*.self_attn.[qkv]_proj", 2),
    INIT_STD("*.self_attn.out_proj", 2),
    INIT_STD("*.encoder_attn.[qkv]_proj", 2),
    INIT_STD("*.encoder_attn.out_proj", 2),
    INIT_STD("*.fc[12]", 2),
    INIT_STD("projector", 2),
    INIT_STD("classifier", 2),
    SOWER_RECIPE_NORM("*.self_attn_layer_norm"),
    SOWER_RECIPE_NORM("*.encoder_attn_layer_norm"),
    SOWER_RECIPE_NORM("*.final_layer_norm"),
    SOWER_RECIPE_NORM("*coder.layer_norm"),
    {0},
};

static const struct sower_recipe_comparison WHISPER_COMPARED[] = {
    COMPARED("WhisperForConditionalGeneration, WhisperForAudioClassification"), {0}};

/* Files have the names of earlier versions, encoder.layer.0.attention.attention.query. */
static const char *const VIT_BLOCKS[] = {"layers", "encoder.layer", NULL};

static const struct sower_recipe_rule VIT[] = {
    SOWER_RECIPE_TENSOR("*embeddings.cls_token", 3, "trunc_normal(std=initializer_range)"),
    {.name = "*embeddings.position_embeddings",
     .rank = {3, 3},
     .init = "trunc_normal(std=initializer_range)"},
    SOWER_RECIPE_TENSOR("*embeddings.mask_token", 3, "zeros"),
    SOWER_RECIPE_LAYER("*embeddings.patch_embeddings.projection", 4, STD),
    MATRIX("*.attention.[qkvo]_proj"),
    MATRIX("*.mlp.fc[12]"),
    MATRIX("*.attention.query"),
    MATRIX("*.attention.key"),
    MATRIX("*.attention.value"),
    MATRIX("*.intermediate.dense"),
    MATRIX("*.output.dense"),
    SOWER_RECIPE_NORM("*.layernorm_before"),
    SOWER_RECIPE_NORM("*.layernorm_after"),
    SOWER_RECIPE_NORM("*layernorm"),
    MATRIX("*pooler.dense"),
    MATRIX("classifier"),
    SOWER_RECIPE_LAYER("decoder.0", 4, STD),
    {0},
};

static const struct sower_recipe_comparison VIT_COMPARED[] = {
    COMPARED("ViTForImageClassification, ViTForMaskedImageModeling"), {0}};

/* The law of a layer depends on the width and the number of layers of its tower. Whisper's layers have some of the same names. */
#define OF_CLIP "../../layer_norm1.weight"
#define TO_RESIDUAL(stem, fan)                                                                               \
    {                                                                                                        \
        .name = stem ".weight", .rank = {2, 2}, .beside = OF_CLIP,                                           \
        .init = "normal(std=initializer_factor/sqrt(" fan "))"                                               \
    }

static const char *const CLIP_BLOCKS[] = {"encoder.layers", NULL};

static const struct sower_recipe_constant CLIP_CONSTANTS[] = {
    {"initializer_factor", 1}, {"initializer_range", 0.02}, {"logit_scale_init_value", 2.6592}, {0}};

static const struct sower_recipe_rule CLIP[] = {
    {.name = "logit_scale", .init = "constant(value=logit_scale_init_value)"},
    {.name = "*embeddings.position_ids", .leave_out = true},
    {.name = "*embeddings.token_embedding.weight",
     .rank = {2, 2},
     .init = "normal(std=0.02*initializer_factor)"},
    {.name = "*embeddings.position_embedding.weight",
     .rank = {2, 2},
     .beside = "../token_embedding.weight",
     .init = "normal(std=0.02*initializer_factor)"},
    {.name = "*embeddings.position_embedding.weight",
     .rank = {2, 2},
     .beside = "../patch_embedding.weight",
     .init = "normal(std=initializer_range*initializer_factor)"},
    {.name = "*embeddings.patch_embedding.weight",
     .rank = {4, 4},
     .init = "normal(std=initializer_range*initializer_factor)"},
    {.name = "*embeddings.class_embedding",
     .rank = {1, 1},
     .init = "normal(std=initializer_factor/sqrt(class_embedding.fan_in))"},
    TO_RESIDUAL("*.self_attn.[qkv]_proj", "weight.fan_in*2*layers"),
    TO_RESIDUAL("*.self_attn.out_proj", "weight.fan_in"),
    TO_RESIDUAL("*.mlp.fc1", "2*weight.fan_in"),
    TO_RESIDUAL("*.mlp.fc2", "weight.fan_out*2*layers"),
    SOWER_RECIPE_TENSOR("*.self_attn.[qkv]_proj.bias", 1, "zeros"),
    SOWER_RECIPE_TENSOR("*.self_attn.out_proj.bias", 1, "zeros"),
    SOWER_RECIPE_TENSOR("*.mlp.fc[12].bias", 1, "zeros"),
    SOWER_RECIPE_NORM("*.layer_norm[12]"),
    SOWER_RECIPE_NORM("*final_layer_norm"),
    SOWER_RECIPE_NORM("*pre_layrnorm"),
    SOWER_RECIPE_NORM("*post_layernorm"),
    SOWER_RECIPE_TENSOR("visual_projection.weight", 2, BY_FAN),
    SOWER_RECIPE_TENSOR("text_projection.weight", 2, BY_FAN),
    SOWER_RECIPE_LAYER("classifier", 2, BY_FAN),
    {0},
};

static const struct sower_recipe_comparison CLIP_COMPARED[] = {
    COMPARED(
        "CLIPModel, CLIPTextModelWithProjection, CLIPVisionModelWithProjection, CLIPForImageClassification"),
    {0}};

static const struct sower_recipe_rule RESNET[] = {
    {.name = "*.convolution.weight",
     .rank = {4, 4},
     .init = "kaiming_normal(mode=fan_out,nonlinearity=relu)"},
    SOWER_RECIPE_BATCH_NORM("*.normalization"),
    SOWER_RECIPE_TORCH_LAYER("classifier.1", 2, 2),
    {0},
};

static const struct sower_recipe_comparison RESNET_COMPARED[] = {COMPARED("ResNetForImageClassification"),
                                                                 {0}};

/* With rescale_prenorm_residual, which is not the default, the class divides out_proj by the root of the number of layers. */
static const struct sower_recipe_constant MAMBA2_CONSTANTS[] = {{"initializer_range", 0.1},
                                                                {"time_step_min", 0.001},
                                                                {"time_step_max", 0.1},
                                                                {"time_step_floor", 0.0001},
                                                                {0}};

static const struct sower_recipe_rule MAMBA2[] = {
    SOWER_RECIPE_TENSOR("*embeddings.weight", 2, STD),
    SOWER_RECIPE_TENSOR("*lm_head.weight", 2, STD),
    SOWER_RECIPE_TENSOR("*.mixer.A_log", 1, "log_arange"),
    SOWER_RECIPE_TENSOR("*.mixer.D", 1, "ones"),
    {.name = "*.mixer.dt_bias",
     .rank = {1, 1},
     .init = "dt_bias(low=time_step_min,high=time_step_max,floor=time_step_floor)"},
    SOWER_RECIPE_LAYER("*.mixer.conv1d", 3, SOWER_RECIPE_TORCH_WEIGHT),
    MATRIX("*.mixer.in_proj"),
    SOWER_RECIPE_LAYER("*.mixer.out_proj", 2, SOWER_RECIPE_TORCH_WEIGHT),
    SCALE("*.mixer.norm.weight"),
    SCALE("*layers.*.norm.weight"),
    SCALE("*norm_f.weight"),
    {0},
};

static const struct sower_recipe_comparison MAMBA2_COMPARED[] = {COMPARED("Mamba2ForCausalLM"), {0}};

const struct sower_recipe sower_recipes_huggingface[] = {
    {.name = "hf_gpt2",
     .summary = "GPT-2: std 0.02, projections into the residual stream 0.02/sqrt(2 layers).",
     .source = "Radford et al., 2019; Hugging Face transformers, modeling_gpt2.py, _init_weights",
     .blocks = H,
     .constants = RANGE_002,
     .rules = GPT2,
     .compared = GPT2_COMPARED},
    {.name = "hf_llama",
     .summary = "Llama, Mistral, Qwen2, Qwen3: std 0.02 for every matrix, ones for the RMS norms.",
     .source = "Hugging Face transformers, modeling_llama.py and modeling_utils.py, _init_weights",
     .blocks = LAYERS,
     .constants = RANGE_002,
     .rules = LLAMA,
     .compared = LLAMA_COMPARED},
    {.name = "hf_bert",
     .summary = "BERT, RoBERTa, DistilBERT: std 0.02 for every matrix, zeros in the row of the padding.",
     .source =
         "Devlin et al., 2018; Hugging Face transformers, modeling_bert.py, _init_weights (normal, where the "
         "original truncates)",
     .blocks = BERT_BLOCKS,
     .constants = RANGE_002,
     .rules = BERT,
     .compared = BERT_COMPARED},
    {.name = "hf_vit",
     .summary = "ViT: std 0.02, truncated for the position embeddings and the class token.",
     .source = "Dosovitskiy et al., 2020; Hugging Face transformers, modeling_vit.py, _init_weights",
     .blocks = VIT_BLOCKS,
     .constants = RANGE_002,
     .rules = VIT,
     .compared = VIT_COMPARED},
    {.name = "hf_mixtral",
     .summary = "Mixtral: std 0.02 for every matrix and expert, stacked or one by one.",
     .source = "Jiang et al., 2024; Hugging Face transformers, modeling_mixtral.py, _init_weights",
     .blocks = LAYERS,
     .constants = RANGE_002,
     .rules = MIXTRAL,
     .compared = MIXTRAL_COMPARED},
    {.name = "hf_deepseek_v3",
     .summary = "DeepSeek-V3: std 0.02 for every matrix and expert, stacked or one by one.",
     .source = "DeepSeek-AI, 2024; Hugging Face transformers, modeling_deepseek_v3.py, _init_weights",
     .blocks = LAYERS,
     .constants = RANGE_002,
     .rules = DEEPSEEK_V3,
     .compared = DEEPSEEK_V3_COMPARED},
    {.name = "hf_gemma2",
     .summary = "Gemma 2: std 0.02 for every matrix, zeros for the norms, which multiply by 1 + weight.",
     .source = "Gemma Team, 2024; Hugging Face transformers, modeling_gemma2.py, _init_weights",
     .blocks = LAYERS,
     .constants = RANGE_002,
     .rules = GEMMA2,
     .compared = GEMMA2_COMPARED},
    {.name = "hf_t5",
     .summary = "T5: std 1/sqrt(fan_in), queries also by d_kv, embeddings 1.",
     .source = "Raffel et al., 2019; Hugging Face transformers, modeling_t5.py, _init_weights",
     .blocks = T5_BLOCKS,
     .constants = T5_CONSTANTS,
     .rules = T5,
     .compared = T5_COMPARED},
    {.name = "hf_whisper",
     .summary = "Whisper: std 0.02, sinusoids for the encoder's positions.",
     .source = "Radford et al., 2022; Hugging Face transformers, modeling_whisper.py, _init_weights",
     .blocks = LAYERS,
     .constants = WHISPER_CONSTANTS,
     .rules = WHISPER,
     .compared = WHISPER_COMPARED},
    {.name = "hf_clip",
     .summary = "CLIP: std by the width and the number of layers of each tower.",
     .source = "Radford et al., 2021; Hugging Face transformers, modeling_clip.py, _init_weights",
     .blocks = CLIP_BLOCKS,
     .constants = CLIP_CONSTANTS,
     .rules = CLIP,
     .compared = CLIP_COMPARED},
    {.name = "hf_resnet",
     .summary = "ResNet: He's normal by fan_out for convolutions, PyTorch's default for the classifier.",
     .source = "He et al., 2015; Hugging Face transformers, modeling_resnet.py, _init_weights",
     .rules = RESNET,
     .compared = RESNET_COMPARED},
    {.name = "hf_mamba2",
     .summary = "Mamba-2: std 0.1, PyTorch's default for conv1d and out_proj, A_log, dt_bias and D.",
     .source = "Dao & Gu, 2024; Hugging Face transformers, modeling_mamba2.py, _init_weights",
     .blocks = LAYERS,
     .constants = MAMBA2_CONSTANTS,
     .rules = MAMBA2,
     .compared = MAMBA2_COMPARED},
    {0},
};
