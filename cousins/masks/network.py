"""What every network that finds masks needs: its libraries, a device, batches, and enough memory.

torch is not imported when this is, but when a function that needs it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.errors import MissingDependencyError, ProgramError, UsageError
from cousins.masks import Masks, Prompt
from cousins.native import require
from cousins.types import Array

BATCH = 8  # prompts at once: more are no faster on a CPU, and each takes 20 MB in the decoder
AMBIGUOUS = 3  # answers to points alone: a part, a thing, and what it stands in
_FULL = ("out of memory", "not enough memory", "allocate memory")

# (b, k, 2) points, and (b, 4) boxes or None: b times masks (m, h, w) and their scores (m,).
Decode = Callable[[Array, Array | None], Iterable[tuple[NDArray[np.bool_], Array]]]


def need(extra: str, *modules: str) -> None:
    """Raises MissingDependencyError if one of the extra's modules is not installed."""
    lacking = [module for module in modules if find_spec(module) is None]
    if lacking:
        raise MissingDependencyError(
            f"{extra} lacks {', '.join(lacking)}: in a clone of cousins run: "
            f"pip install -e '.[{extra}]'"
        )


def place(device: str | None) -> Any:
    """The torch.device of this name, or the best there is: a CUDA GPU where one is found, else the
    CPU. Raises UsageError for another kind, or a GPU that is not there."""
    torch = require("torch")
    found = torch.cuda.is_available()
    if device is None:
        return torch.device("cuda" if found else "cpu")
    try:
        on = torch.device(device)
    except RuntimeError:
        on = None
    if on is None or on.type not in ("cpu", "cuda"):
        raise UsageError(f"no device {device!r}; there are: cpu, cuda, cuda:0 and so on")
    if on.type == "cuda" and not (found and (on.index or 0) < torch.cuda.device_count()):
        raise UsageError(f"torch finds no CUDA GPU for device {device!r}: take cpu")
    return on


@contextmanager
def fits(what: str, on: Any) -> Iterator[None]:
    """Raises ProgramError, one line, where the device's memory does not suffice for `what`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not full(error):
            raise
        raise ProgramError(
            f"{what} does not fit into the memory of {on}: take a smaller checkpoint, or free some"
        ) from None


def full(error: Exception) -> bool:
    """Whether memory ran out: what torch raises then differs between devices."""
    return isinstance(error, MemoryError) or any(text in str(error).lower() for text in _FULL)


def resized(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture, (h, w, 3), at another (height, width), as Pillow's bilinear filter makes it: what
    these networks were trained on."""
    torch = require("torch")
    before = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None]
    after = torch.nn.functional.interpolate(before, size, mode="bilinear", antialias=True)
    return after[0].permute(1, 2, 0).numpy()


def enlarged(
    logits: Any, size: tuple[int, int], square: tuple[int, int, int] | None = None
) -> NDArray[np.bool_]:
    """Masks (m, h, w) of a picture of this (height, width): where (m, ., .) logits, a tensor of any
    device, are above zero when they are brought to its size, with a bilinear filter.

    square: (side, height, width) where they are of a square input of `side` pixels, whose upper
    left height x width the picture fills; None where it fills all. One mask is enlarged after the
    other, for it takes four bytes a pixel; by OpenCV, which gives what torch does in a tenth of a
    CPU's time.
    """
    import cv2

    masks = np.empty((len(logits), *size), bool)
    for mask, one in zip(masks, logits.float().cpu().numpy(), strict=True):
        if square is not None:
            side, tall, wide = square
            one = cv2.resize(one, (side, side))[:tall, :wide]
        np.greater(cv2.resize(one, size[::-1]), 0, out=mask)
    return masks


def ask(
    prompts: Sequence[Prompt], size: tuple[int, int], decode: Decode, ambiguous: int = AMBIGUOUS
) -> Masks:
    """The answers to all prompts in a picture of this (height, width), in the prompts' order: one
    where a box is given, else `ambiguous`."""
    counts = [ambiguous if prompt.box is None else 1 for prompt in prompts]
    first = np.cumsum([0, *counts])
    masks, score = np.zeros((first[-1], *size), bool), np.zeros(first[-1])
    for chosen in batches(prompts):
        points = np.stack([prompts[i].points for i in chosen]).astype(float)
        boxes = [box for i in chosen if (box := prompts[i].box) is not None]
        told = decode(points, np.stack(boxes).astype(float) if boxes else None)
        for i, (answers, scores) in zip(chosen, told, strict=True):
            masks[first[i] : first[i + 1]] = answers
            score[first[i] : first[i + 1]] = np.clip(scores, 0, 1)
    return Masks(masks, score, np.repeat(np.arange(len(prompts)), counts))


def batches(prompts: Sequence[Prompt], most: int = BATCH) -> Iterator[list[int]]:
    """The prompts' indices in batches of the same kind and number of points: a network answers
    such together as it does each alone."""
    alike: dict[tuple[bool, int], list[int]] = {}
    for i, prompt in enumerate(prompts):
        alike.setdefault((prompt.box is None, len(prompt.points)), []).append(i)
    for indices in alike.values():
        for start in range(0, len(indices), most):
            yield indices[start : start + most]
