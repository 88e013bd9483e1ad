"""Fills models of PyTorch: the same bits on every rank, for every placement and world size.

    manifest = sower.torch.manifest(model, recipe="torch_default")  # of the whole model, on the meta device
    ...                                                             # fully_shard, parallelize_module, to_empty
    receipt = sower.torch.fill_(model, run, manifest)               # on every rank; rank 0 records, each rank computes its part
"""

from ._boxes import Part, boxes
from ._checkpoint import reader
from ._fill import fill_, init_
from ._names import manifest

__all__ = ["Part", "boxes", "fill_", "init_", "manifest", "reader"]
