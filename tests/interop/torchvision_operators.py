"""Makes `import torchvision` succeed beside a CPU build of PyTorch.

PyPI's torchvision has its operators in a library that needs CUDA's. Without it, torchvision's Python code fails at the registration of
two of them, though its model classes need none. Their signatures are all that the registration asks for."""
import torch

LIBRARY = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms"):
    try:
        LIBRARY.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    except RuntimeError:  # the library could be loaded
        pass

import torchvision  # noqa: E402, F401
