"""torchvision: each class that a recipe names, in a small configuration."""
import torchvision_operators  # noqa: F401  before torchvision
import torchvision
from torch import nn
from torchvision.models import ConvNeXt, GoogLeNet, SwinTransformer, VisionTransformer
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.googlenet import BasicConv2d, Inception, InceptionAux
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.models.swin_transformer import PatchMergingV2, SwinTransformerBlockV2

from classes.torch import model_case


def case(recipe, make, what="", **more):
    return model_case("torchvision", recipe, make, what, **more)


class ResNet(torchvision.models.ResNet):
    """With a quarter of the channels, since it has no parameter for its width."""

    def _make_layer(self, block, planes, *rest, **more):
        return super()._make_layer(block, planes // 4, *rest, **more)


def googlenet():
    """With an eighth of the channels."""
    def convolution(channels_in, channels_out, **more):
        return BasicConv2d(max(1, channels_in // 8), channels_out // 8, **more)

    def inception(*channels):
        return Inception(*(count // 8 for count in channels))

    def auxiliary(channels, classes, **more):
        made = InceptionAux(channels // 8, classes, **more)
        made.fc1, made.fc2 = nn.Linear(256, 128), nn.Linear(128, classes)
        return made

    return GoogLeNet(num_classes=700, init_weights=True, blocks=[convolution, inception, auxiliary])


def swin(**more):
    return SwinTransformer([4, 4], 32, [2, 2], [2, 4], [4, 4], num_classes=10, **more)


CASES = [
    case("torchvision_resnet", lambda: ResNet(BasicBlock, [1, 1, 1, 1], num_classes=500), "basic blocks"),
    case("torchvision_resnet", lambda: ResNet(Bottleneck, [1, 1, 1, 1], num_classes=500, groups=4, width_per_group=32), "ResNeXt"),
    case("torchvision_convnext", lambda: ConvNeXt([CNBlockConfig(32, 64, 1), CNBlockConfig(64, None, 2)], num_classes=10)),
    case("torchvision_vit", lambda: VisionTransformer(32, 8, 2, 4, 64, 96, num_classes=10)),
    case("torchvision_vit", lambda: VisionTransformer(32, 8, 2, 4, 64, 96, num_classes=10, representation_size=48), "representation_size"),
    case("torchvision_swin", swin),
    case("torchvision_swin", lambda: swin(block=SwinTransformerBlockV2, downsample_layer=PatchMergingV2), "version 2"),
    case("torchvision_googlenet", googlenet),
]
