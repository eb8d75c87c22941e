"""Copied into nerfstudio's own environment, where it lets nerfstudio 1.1.5 run beside a new torch.

It is never imported here. There a .pth file imports it at every start of Python, also in the
processes that nerfstudio starts, so it must stay light: torch comes only with torchvision.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from pathlib import Path

# Its checkpoints hold more than tensors, which torch 2.6 and newer refuse unless told.
os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
# Its metric LPIPS, of which no use is made, would else download a network at each start.
os.environ.setdefault("TORCH_HOME", str(Path(sys.prefix) / "torch"))

# What torchvision asks for as it is imported, and its compiled part declares.
OPERATORS = ("nms", "qnms")
SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


class _Torchvision(MetaPathFinder):
    """Declares torchvision's operators before it is imported, where its compiled part does not
    load: its build for CUDA beside a torch without. Nerfstudio calls none of them."""

    def find_spec(self, name, path=None, target=None):
        if name != "torchvision":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name)
        if spec is not None and spec.origin is not None:
            _declare(Path(spec.origin).parent)
        return spec


def _declare(folder: Path) -> None:
    torch = importlib.import_module("torch")
    for library in folder.glob("_C*.so"):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            continue
        return
    _declare.library = torch.library.Library("torchvision", "DEF")  # kept: it undoes itself
    for operator in OPERATORS:
        _declare.library.define(operator + SIGNATURE)


def write_weights() -> None:
    """Put an AlexNet where LPIPS looks for one. It is random (seed 0), so that LPIPS means
    nothing; its last layers, which LPIPS leaves out, are 240 MB of zeros that take no space."""
    models = importlib.import_module("torchvision.models")
    torch = importlib.import_module("torch")
    torch.manual_seed(0)
    state = models.alexnet().state_dict()
    for name, value in state.items():
        if name.startswith("classifier."):
            state[name] = torch.zeros(()).expand(value.shape)
    file = Path(os.environ["TORCH_HOME"]) / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, file)


sys.meta_path.insert(0, _Torchvision())
