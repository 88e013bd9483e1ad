"""torchtitan: its Llama 3, with the initializers that its own configurations have."""
import torchtitan.models.llama3 as llama3

from classes.torch import model_case

WIDTH, TOKENS = 96, 320


def model(**more):
    layers = llama3._build_llama3_layers(
        n_layers=3, dim=WIDTH, n_heads=4, n_kv_heads=2, hidden_dim=128, attn_backend="flex",
        rope=llama3.ComplexRoPE.Config(dim=WIDTH // 4, max_seq_len=64, theta=500000, scaling="llama"), **more)
    config = llama3.Llama3Model.Config(
        dim=WIDTH, vocab_size=TOKENS, layers=layers,
        tok_embeddings=llama3.Embedding.Config(num_embeddings=TOKENS, embedding_dim=WIDTH, param_init=llama3._EMBEDDING_INIT),
        norm=llama3.RMSNorm.Config(normalized_shape=WIDTH, param_init=llama3._NORM_INIT),
        lm_head=llama3.Linear.Config(in_features=WIDTH, out_features=TOKENS, param_init=llama3._output_linear_init(WIDTH)))
    made = config.build()
    made.init_states(buffer_device=None)
    return made


CASES = [
    model_case("torchtitan", "torchtitan_llama3", model),
    model_case("torchtitan", "torchtitan_llama3", lambda: model(fuse_qkv=False), "separate projections"),
]
