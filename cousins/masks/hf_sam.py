"""Masks by SAM (Kirillov et al. 2023) or SAM 2 (Ravi et al. 2024) through transformers, from a
folder of this machine.

    pip install -e '.[hf-sam]'

Pictures are prepared, and masks brought to their size, as its processors do it: those want
torchvision, which need not be there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.errors import MissingDependencyError
from cousins.masks import Masks, Prompt
from cousins.masks.checkpoint import VARIABLE
from cousins.masks.network import ask, enlarged, fits, full, need, place, resized
from cousins.native import require
from cousins.types import Array

CONFIG, WEIGHTS, PICTURES = "config.json", "model.safetensors", "preprocessor_config.json"
HOW = (
    f"it must hold {CONFIG} and {WEIGHTS}, such as those of facebook/sam-vit-base (375 MB) or "
    "facebook/sam2.1-hiera-tiny (156 MB) at https://huggingface.co; name it with --checkpoint "
    f"FOLDER or {VARIABLE}; nothing is downloaded unasked"
)
# A folder of SAM 2 is for videos, and holds what finds things in one picture.
MODELS = {"sam": "SamModel", "sam2": "Sam2Model", "sam2_video": "Sam2Model"}
MOST_TEXT = 1_000_000  # bytes of a config
# Of ImageNet's pictures: what the networks were trained with, where the folder does not say it.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class HfSam:
    """`HfSam(folder)(picture, prompts)`. folder: as transformers saves a model, with
    model.safetensors; None for the one that COUSINS_SAM names.

    device: None for a CUDA GPU where one is found, else the CPU. Answers are as `Sam` gives them.
    Raises MissingDependencyError at once where the libraries or the folder's files are not there.
    """

    folder: Path | None = None
    device: str | None = None
    # Size and time of the weights: those that were replaced are another masker's.
    stamp: tuple[int, int] = field(init=False, default=(0, 0))

    def __post_init__(self) -> None:
        need("hf-sam", "torch", "transformers")
        folder = find(self.folder)
        told = (folder / WEIGHTS).stat()
        object.__setattr__(self, "folder", folder)
        object.__setattr__(self, "stamp", (told.st_size, told.st_mtime_ns))

    def __call__(self, picture: NDArray[np.uint8], prompts: Sequence[Prompt]) -> Masks:
        """Raises MissingDependencyError for a bad folder, ProgramError if memory is short."""
        assert self.folder is not None
        size = (picture.shape[0], picture.shape[1])
        if not prompts:
            return ask(prompts, size, lambda points, boxes: ())
        on = place(self.device)
        with fits(str(self.folder), on), require("torch").inference_mode():
            network = _network(self.folder, self.stamp, str(on))
            try:
                return _answers(network, picture, prompts, size)
            except (RuntimeError, ValueError) as error:
                if full(error):
                    raise
                # Sizes that the config tells are those of the weights, and need not fit together.
                raise _refused(self.folder, f"it does not run ({_reason(error)})") from error


@dataclass(frozen=True)
class Frame:
    """Where a picture of this (height, width) lies in a network's square input of `side` pixels:
    it fills the (height, width) `filled` of its upper left part, the rest is padding."""

    size: tuple[int, int]
    side: int
    padded: bool
    filled: tuple[int, int]

    @property
    def square(self) -> tuple[int, int, int] | None:
        """What `enlarged` wants to know of it."""
        return (self.side, *self.filled) if self.padded else None

    @classmethod
    def of(cls, size: tuple[int, int], side: int, padded: bool) -> Frame:
        """padded: the picture's shape is kept; else it fills the square."""
        if not padded:
            return cls(size, side, padded, (side, side))
        scale = side / max(size)
        filled = (int(size[0] * scale + 0.5), int(size[1] * scale + 0.5))
        return cls(size, side, padded, filled)

    def from_picture(self, points: Array) -> Array:
        """(..., 2) x and y of the picture's pixels in those of the input."""
        (height, width), (tall, wide) = self.size, self.filled
        return points * (wide / width, tall / height)


@dataclass(frozen=True, eq=False)
class Network:
    """A model on its device, and how it wants pictures: `side` pixels square, padded or stretched
    to that, scaled to 0..1, less `mean`, over `std`. ambiguous: its answers to points alone."""

    model: Any
    side: int
    padded: bool
    ambiguous: int
    mean: Array
    std: Array

    def pixels(self, picture: NDArray[np.uint8], frame: Frame) -> Any:
        """(1, 3, side, side) of a picture."""
        torch = require("torch")
        tall, wide = frame.filled
        square = np.zeros((1, 3, self.side, self.side), np.float32)
        small = resized(picture, frame.filled).astype(np.float32) / 255
        square[0, :, :tall, :wide] = ((small - self.mean) / self.std).transpose(2, 0, 1)
        return torch.from_numpy(square).to(self.model.device)


def _answers(
    network: Network, picture: NDArray[np.uint8], prompts: Sequence[Prompt], size: tuple[int, int]
) -> Masks:
    frame = Frame.of(size, network.side, network.padded)
    features = network.model.get_image_embeddings(network.pixels(picture, frame))
    return ask(prompts, size, partial(_decode, network.model, features, frame), network.ambiguous)


def find(folder: Path | None) -> Path:
    """The folder, else the one that COUSINS_SAM names. Raises MissingDependencyError where it lacks
    a file that it must hold."""
    told = folder or os.environ.get(VARIABLE)
    if not told:
        raise MissingDependencyError(f"hf-sam has no folder with a checkpoint: {HOW}")
    where = Path(told).expanduser().absolute()
    lacking = [name for name in (CONFIG, WEIGHTS) if not (where / name).is_file()]
    if lacking:
        raise MissingDependencyError(f"{where}: no {' and no '.join(lacking)} there: {HOW}")
    return where


@lru_cache(maxsize=1)
def _network(folder: Path, stamp: tuple[int, int], device: str) -> Network:
    name = MODELS.get(str(_json(folder / CONFIG).get("model_type")))
    if name is None:
        raise _refused(folder, f"{CONFIG} is of another network than {', '.join(MODELS)}")
    try:
        transformers: Any = require("transformers")
        kind = getattr(transformers, name)
    except Exception as error:  # a torchvision that does not suit torch breaks it in any way
        raise MissingDependencyError(
            f"transformers has no working {name} ({_reason(error)}): pip install -U transformers, "
            "and, if torchvision is what does not import, pip uninstall torchvision"
        ) from None
    try:
        with _quiet(transformers):
            model, told = kind.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
    except Exception as error:  # it raises what its parsers do
        if full(error):
            raise
        raise _refused(folder, _reason(error)) from None
    if told["missing_keys"] or told.get("mismatched_keys"):
        raise _refused(folder, f"{WEIGHTS} lacks some that {CONFIG} tells of")
    padded, config = name == "SamModel", model.config
    mean, std = _colours(folder)
    return Network(
        model.float().eval().requires_grad_(False).to(device),
        int(np.max(config.prompt_encoder_config.image_size)), padded,
        int(config.mask_decoder_config.num_multimask_outputs), mean, std,
    )  # fmt: skip


def _colours(folder: Path) -> tuple[Array, Array]:
    """Mean and deviation, (3,), that a picture's colours of 0..1 are normalised with."""
    file = folder / PICTURES
    told = _json(file) if file.is_file() else {}
    try:
        mean = np.array(told.get("image_mean") or MEAN, float).reshape(3)
        std = np.array(told.get("image_std") or STD, float).reshape(3)
    except (TypeError, ValueError):
        raise _refused(folder, f"{PICTURES}: image_mean or image_std are not three each") from None
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
        raise _refused(folder, f"{PICTURES}: image_mean or image_std make no sense")
    return mean, std


def _json(file: Path) -> Mapping[str, Any]:
    try:
        with file.open(encoding="utf-8") as stream:
            told = json.loads(stream.read(MOST_TEXT))
    except (OSError, ValueError, RecursionError) as error:
        raise _refused(file.parent, f"{file.name}: {_reason(error)}") from None
    if not isinstance(told, dict):
        raise _refused(file.parent, f"{file.name} is no JSON object")
    return told


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """What transformers tells of its loading is told by errors, or by nobody."""
    logging = transformers.utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _decode(
    model: Any, features: Any, frame: Frame, points: Array, boxes: Array | None
) -> Iterator[tuple[NDArray[np.bool_], Array]]:
    torch = require("torch")
    tensor = partial(torch.as_tensor, dtype=torch.float32, device=model.device)
    asked: dict[str, Any] = {"input_points": tensor(frame.from_picture(points))[None]}
    if boxes is not None:
        corners = frame.from_picture(boxes.reshape(-1, 2, 2))
        asked["input_boxes"] = tensor(corners.reshape(1, -1, 4))
    told = model(image_embeddings=features, multimask_output=boxes is None, **asked)
    scores = told.iou_scores[0].double().cpu().numpy()
    for one, score in zip(told.pred_masks[0], scores, strict=True):
        yield enlarged(one, frame.size, frame.square), score


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:160]


def _refused(folder: Path, why: str) -> MissingDependencyError:
    return MissingDependencyError(f"{folder}: no checkpoint of SAM or SAM 2: {why}; {HOW}")
