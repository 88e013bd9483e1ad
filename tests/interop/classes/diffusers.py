"""diffusers: its UNet2DConditionModel in small configurations."""
import os

os.environ["HF_HUB_OFFLINE"] = "1"

import torchvision_operators  # noqa: F401  before diffusers, which imports torchvision
from diffusers import UNet2DConditionModel

from classes.torch import model_case


def unet(**more):
    return UNet2DConditionModel(sample_size=16, block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=24,
                                attention_head_dim=8, norm_num_groups=8, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
                                up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), **more)


CASES = [
    model_case("diffusers", "diffusers_unet", unet),
    model_case("diffusers", "diffusers_unet",
               lambda: unet(addition_embed_type="text_time", addition_time_embed_dim=8, projection_class_embeddings_input_dim=40,
                            use_linear_projection=True, num_class_embeds=10), "linear projections, more embeddings"),
]
