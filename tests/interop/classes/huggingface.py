"""transformers: each class that a recipe names, from a small configuration; and the names that its files have, where they are others."""
import glob
import os
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

import safetensors.torch
import torchvision_operators  # noqa: F401  before transformers, which imports torchvision
import transformers
from transformers import (BertConfig, BertForPreTraining, BertForSequenceClassification, BertLMHeadModel, BertModel, CLIPConfig,
                          CLIPForImageClassification, CLIPModel, CLIPTextConfig, CLIPTextModelWithProjection, CLIPVisionConfig,
                          CLIPVisionModelWithProjection, DeepseekV3Config, DeepseekV3ForCausalLM, DistilBertConfig,
                          DistilBertForMaskedLM, DistilBertModel, Gemma2Config, Gemma2ForCausalLM, GPT2Config,
                          GPT2ForSequenceClassification, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM,
                          LlamaForSequenceClassification, Mamba2Config, Mamba2ForCausalLM, MistralConfig, MistralForCausalLM,
                          MixtralConfig, MixtralForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM,
                          ResNetConfig, ResNetForImageClassification, RobertaConfig, RobertaForMaskedLM,
                          RobertaForSequenceClassification, RobertaModel, T5Config, T5EncoderModel, T5ForConditionalGeneration,
                          T5ForSequenceClassification, T5ForTokenClassification, ViTConfig, ViTForImageClassification,
                          ViTForMaskedImageModeling, WhisperConfig, WhisperForAudioClassification,
                          WhisperForConditionalGeneration)

from classes.torch import model_case
from proof import Tensors

transformers.logging.set_verbosity_error()


def written_by(model):
    """Names and values as save_pretrained writes them: experts one by one, and names of earlier versions."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        values = {}
        for file in sorted(glob.glob(f"{folder}/*.safetensors")):
            values.update(safetensors.torch.load_file(file))
    arrays = {name: tensor.numpy() for name, tensor in values.items() if tensor.is_floating_point()}
    return Tensors(arrays, parameters=set(arrays))


def case(recipe, make, what="", **more):
    return model_case("transformers", recipe, make, what, **more)


DECODER = dict(vocab_size=160, hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2)
ENCODER = dict(vocab_size=160, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
               max_position_embeddings=40)
NO_TOKENS = dict(bos_token_id=None, eos_token_id=None)


def gpt2(**more):
    return GPT2Config(vocab_size=160, n_positions=40, n_embd=64, n_layer=3, n_head=4, **NO_TOKENS, **more)


def mixtral():
    return MixtralForCausalLM(MixtralConfig(**DECODER, num_local_experts=4, **NO_TOKENS))


def deepseek(**more):
    return DeepseekV3ForCausalLM(DeepseekV3Config(**{
        **DECODER, "num_key_value_heads": 4, "moe_intermediate_size": 32, "n_routed_experts": 8, "n_group": 2, "topk_group": 1,
        "num_experts_per_tok": 2, "first_k_dense_replace": 1, "q_lora_rank": 24, "kv_lora_rank": 16, "qk_rope_head_dim": 8,
        "qk_nope_head_dim": 16, "v_head_dim": 16, **NO_TOKENS, **more}))


def distilbert(**more):
    return DistilBertConfig(vocab_size=160, dim=64, hidden_dim=96, n_layers=2, n_heads=4, max_position_embeddings=40, **more)


def roberta(**more):
    return RobertaConfig(**{**ENCODER, "type_vocab_size": 1, **more})


def t5(**more):
    return T5Config(vocab_size=160, d_model=64, d_kv=16, d_ff=96, num_layers=2, num_heads=12, **more)


def whisper():
    return WhisperConfig(vocab_size=160, d_model=64, encoder_layers=2, decoder_layers=3, encoder_attention_heads=4,
                         decoder_attention_heads=4, encoder_ffn_dim=96, decoder_ffn_dim=96, num_mel_bins=20, max_source_positions=30,
                         max_target_positions=24, pad_token_id=5, decoder_start_token_id=6, **NO_TOKENS)


def vit():
    return ViTConfig(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, image_size=32, patch_size=8)


TEXT = dict(vocab_size=160, hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
            max_position_embeddings=40, projection_dim=64, **NO_TOKENS)
VISION = dict(hidden_size=192, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, image_size=32, patch_size=8,
              projection_dim=64)


def clip(factor=1.0, **more):
    """Each tower has its own initializer_factor."""
    return CLIPConfig(text_config={**TEXT, "initializer_factor": factor}, vision_config={**VISION, "initializer_factor": factor},
                      projection_dim=64, initializer_factor=factor, **more)


def mamba2(**more):
    return Mamba2ForCausalLM(Mamba2Config(vocab_size=160, hidden_size=64, num_hidden_layers=3, num_heads=128, head_dim=1, state_size=16,
                                          n_groups=2, **NO_TOKENS, **more))


def roberta_rules():
    return [{"match": f"embeddings.{kind}_embeddings.weight", "init": "normal(std=0.02)", "zero_rows": [1]} for kind in ("word", "position")]


CASES = [
    case("hf_gpt2", lambda: GPT2LMHeadModel(gpt2())),
    case("hf_gpt2", lambda: GPT2LMHeadModel(gpt2(add_cross_attention=True, tie_word_embeddings=False)), "cross attention, untied"),
    case("hf_gpt2", lambda: GPT2ForSequenceClassification(gpt2())),
    case("hf_llama", lambda: LlamaForCausalLM(LlamaConfig(**DECODER, attention_bias=True, mlp_bias=True))),
    case("hf_llama", lambda: LlamaForCausalLM(LlamaConfig(**DECODER, initializer_range=0.006)), "initializer_range 0.006",
         fields={"constants": {"initializer_range": 0.006}}),
    case("hf_llama", lambda: LlamaForSequenceClassification(LlamaConfig(**DECODER))),
    case("hf_llama", lambda: MistralForCausalLM(MistralConfig(**DECODER))),
    case("hf_llama", lambda: Qwen2ForCausalLM(Qwen2Config(**DECODER, tie_word_embeddings=True))),
    case("hf_llama", lambda: Qwen3ForCausalLM(Qwen3Config(**DECODER, head_dim=16))),
    case("hf_mixtral", mixtral),
    case("hf_mixtral", mixtral, "as written", read=written_by),
    case("hf_deepseek_v3", deepseek),
    case("hf_deepseek_v3", lambda: deepseek(q_lora_rank=None, attention_bias=True), "as written, without q_lora", read=written_by),
    case("hf_gemma2", lambda: Gemma2ForCausalLM(Gemma2Config(**DECODER, head_dim=16))),
    case("hf_bert", lambda: BertForPreTraining(BertConfig(**ENCODER))),
    case("hf_bert", lambda: BertForSequenceClassification(BertConfig(**ENCODER))),
    case("hf_bert", lambda: BertLMHeadModel(BertConfig(**ENCODER, is_decoder=True, add_cross_attention=True)), "cross attention"),
    case("hf_bert", lambda: BertModel(BertConfig(**ENCODER)), "names without prefix", rules=[
        {"match": "embeddings.word_embeddings.weight", "init": "normal(std=0.02)", "zero_rows": [0]},
        {"match": "embeddings.position_embeddings.weight", "init": "normal(std=0.02)"}]),
    case("hf_bert", lambda: RobertaForMaskedLM(roberta())),
    case("hf_bert", lambda: RobertaForSequenceClassification(roberta(type_vocab_size=2)), "two token types"),
    case("hf_bert", lambda: RobertaModel(roberta()), "names without prefix", rules=roberta_rules()),
    case("hf_bert", lambda: DistilBertForMaskedLM(distilbert())),
    case("hf_bert", lambda: DistilBertModel(distilbert()), "names without prefix"),
    case("hf_t5", lambda: T5ForConditionalGeneration(t5()), fields={"constants": {"d_kv": 16}}),
    case("hf_t5", lambda: T5ForConditionalGeneration(t5(feed_forward_proj="gated-gelu", initializer_factor=0.5)),
         "gated, initializer_factor 0.5", fields={"constants": {"d_kv": 16, "initializer_factor": 0.5}}),
    case("hf_t5", lambda: T5EncoderModel(t5()), fields={"constants": {"d_kv": 16}}),
    case("hf_t5", lambda: T5ForSequenceClassification(t5()), fields={"constants": {"d_kv": 16}}),
    case("hf_t5", lambda: T5ForTokenClassification(t5()), fields={"constants": {"d_kv": 16}}),
    case("hf_whisper", lambda: WhisperForConditionalGeneration(whisper()), tolerance=2e-5, rules=[
        {"match": "*decoder.embed_tokens.weight", "init": "normal(std=0.02)", "zero_rows": [5]}]),
    case("hf_whisper", lambda: WhisperForAudioClassification(whisper()), tolerance=2e-5),
    case("hf_vit", lambda: ViTForImageClassification(vit())),
    case("hf_vit", lambda: ViTForImageClassification(vit()), "as written", read=written_by),
    case("hf_vit", lambda: ViTForMaskedImageModeling(vit())),
    case("hf_clip", lambda: CLIPModel(clip())),
    case("hf_clip", lambda: CLIPModel(clip(factor=0.5, logit_scale_init_value=2.0)), "other constants",
         fields={"constants": {"initializer_factor": 0.5, "logit_scale_init_value": 2.0}}),
    case("hf_clip", lambda: CLIPTextModelWithProjection(CLIPTextConfig(**TEXT))),
    case("hf_clip", lambda: CLIPVisionModelWithProjection(CLIPVisionConfig(**VISION))),
    case("hf_clip", lambda: CLIPForImageClassification(clip())),
    case("hf_resnet", lambda: ResNetForImageClassification(ResNetConfig(embedding_size=16, hidden_sizes=[16, 32], depths=[2, 2], num_labels=100))),
    case("hf_resnet", lambda: ResNetForImageClassification(ResNetConfig(embedding_size=16, hidden_sizes=[16, 32], depths=[2, 2],
                                                                        layer_type="basic", num_labels=100)), "basic layers"),
    case("hf_mamba2", mamba2, tolerance=1e-6),
    case("hf_mamba2", lambda: mamba2(use_bias=True, tie_word_embeddings=True), "biases, tied", tolerance=1e-6),
    # settings that no recipe can see, with the rules of docs/compared-with.md
    case("hf_llama", lambda: LlamaForCausalLM(LlamaConfig(**DECODER, pad_token_id=3)), "pad_token_id 3", fields={"rules": [
        {"match": "*embed_tokens.weight", "init": "normal(std=0.02)", "zero_rows": [3]}]}),
    case("hf_bert", lambda: DistilBertForMaskedLM(distilbert(sinusoidal_pos_embds=True)), "sinusoidal_pos_embds", tolerance=1e-6,
         fields={"rules": [{"match": "*position_embeddings.weight", "init": "sinusoid(order=interleaved)"}]}),
    case("hf_mamba2", lambda: mamba2(rescale_prenorm_residual=True), "rescale_prenorm_residual", tolerance=1e-6, fields={"rules": [
        {"match": "*.mixer.out_proj.weight", "init": "fan_uniform(fan_in=weight.fan_in*layers)"}]}),
]
