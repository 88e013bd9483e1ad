"""timm: its VisionTransformer in small configurations."""
import torchvision_operators  # noqa: F401  before timm, which imports torchvision
from timm.models.vision_transformer import VisionTransformer

from classes.torch import model_case


def vit(**more):
    return VisionTransformer(img_size=32, patch_size=8, num_classes=10, embed_dim=192, depth=1, num_heads=4, mlp_ratio=0.5, **more)


CASES = [
    model_case("timm", "timm_vit", vit),
    model_case("timm", "timm_vit", lambda: vit(reg_tokens=4, qk_norm=True, global_pool="avg"), "registers, q_norm and k_norm"),
    model_case("timm", "timm_vit", lambda: vit(global_pool="map", class_token=False), "attention pool"),
    model_case("timm", "timm_vit", lambda: vit(global_pool="avg", class_token=False, init_values=1e-5), "layer scale",
               rules=[{"match": "blocks.*.ls?.gamma", "init": "constant(value=0.00001)"}]),
]
