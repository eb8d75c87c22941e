"""The four functions of torchvision that segment-anything imports, for where it is not there.

torchvision is as large as a GPU's torch on some systems, has no build for every torch, and one
that does not suit the torch beside it fails when it is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.masks.network import resized
from cousins.native import require

_NAME = "torchvision"
_USED = ("torchvision.ops.boxes", "torchvision.transforms.functional")


@contextmanager
def torchvision() -> Iterator[None]:
    """Within it, segment-anything can be imported. A torchvision that works is left as it is; else
    the functions go by its name, and after it nothing does."""
    if _works():
        yield
        return
    try:
        sys.modules.update(_modules())
        yield
    finally:
        _forget()


def _works() -> bool:
    try:
        for name in _USED:
            import_module(name)
    except Exception:  # one that does not suit torch fails in any way
        _forget()
        return False
    return True


def _forget() -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == _NAME]:
        del sys.modules[name]


def _modules() -> dict[str, ModuleType]:
    names = (_NAME, "torchvision.ops", "torchvision.transforms", *_USED)
    modules = {name: ModuleType(name) for name in names}
    for name in names:
        modules[name].__path__ = []  # it holds modules
    boxes, functional = (modules[name] for name in _USED)
    vars(boxes).update(batched_nms=batched_nms, box_area=box_area)
    vars(functional).update(resize=resize, to_pil_image=to_pil_image)
    return modules


def to_pil_image(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture itself: it goes to `resize` only."""
    return picture


def resize(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(h, w, 3) at another (height, width)."""
    return resized(picture, size)


def box_area(boxes: Any) -> Any:
    """(n,) areas of (n, 4) boxes: left, top, right, bottom."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def batched_nms(boxes: Any, scores: Any, idxs: Any, iou_threshold: float) -> Any:
    """Indices, the best score first, of the boxes that overlap no better one of their category by
    more than the threshold (intersection over union). boxes (n, 4), scores (n,), idxs (n,)."""
    torch = require("torch")
    order = torch.argsort(scores, descending=True, stable=True)
    ranked, category = boxes[order].cpu(), idxs.cpu()[order.cpu()]
    area = box_area(ranked)
    left = torch.ones(len(ranked), dtype=torch.bool)
    kept = []
    for i in range(len(ranked)):
        if not left[i]:
            continue
        kept.append(i)
        low = torch.maximum(ranked[i, :2], ranked[:, :2])
        high = torch.minimum(ranked[i, 2:], ranked[:, 2:])
        shared = (high - low).clamp(min=0).prod(1)
        alike = shared > iou_threshold * (area[i] + area - shared)
        left &= ~(alike & (category == category[i]))
    return order[torch.tensor(kept, dtype=torch.long, device=order.device)]
