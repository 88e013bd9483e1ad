"""Without ranks: python one_process.py"""
import sower
import sower.torch
from common import EXPERIMENT, LAWS, on_meta, show

model = on_meta()
manifest = sower.torch.manifest(model, **LAWS)
model.to_empty(device="cpu")
sower.torch.fill_(model, sower.Client().run(EXPERIMENT, trial=0), manifest)
show(model)
