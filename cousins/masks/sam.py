"""Masks by Meta's segment-anything (Kirillov et al. 2023), with its own library and checkpoints.

    pip install -e '.[sam]'

torchvision, which its library wants, need not be there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.masks import Masks, Prompt
from cousins.masks.checkpoint import encoder, find, foreign, read
from cousins.masks.lent import torchvision
from cousins.masks.network import ask, enlarged, fits, need, place
from cousins.native import require
from cousins.types import Array


@dataclass(frozen=True)
class Sam:
    """`Sam()(picture, prompts)`. checkpoint: a file, or a folder that holds one, see
    `checkpoint.find`; its own weights tell whether it is vit_b, vit_l or vit_h.

    device: None for a CUDA GPU where one is found, else the CPU. everything: also look, unasked,
    for all that is in the picture, with a grid of 32 x 32 points (its automatic mask generator);
    None for where there is a GPU, for it takes minutes a picture on a CPU.

    A prompt with a box has one answer, one without has three; scores are the network's own guess at
    their intersection over union with the truth. Raises MissingDependencyError at once where the
    libraries or the checkpoint are not there.
    """

    checkpoint: Path | None = None
    device: str | None = None
    everything: bool | None = None
    # Size and time of the file: one that was replaced is another masker.
    stamp: tuple[int, int] = field(init=False, default=(0, 0))

    def __post_init__(self) -> None:
        need("sam", "torch", "segment_anything")
        file = find(self.checkpoint)
        told = file.stat()
        object.__setattr__(self, "checkpoint", file)
        object.__setattr__(self, "stamp", (told.st_size, told.st_mtime_ns))

    def __call__(self, picture: NDArray[np.uint8], prompts: Sequence[Prompt]) -> Masks:
        """Raises MissingDependencyError for a bad checkpoint, ProgramError if memory is short."""
        assert self.checkpoint is not None
        on = place(self.device)
        everything = on.type == "cuda" if self.everything is None else self.everything
        with fits("segment-anything", on), require("torch").inference_mode():
            size = (picture.shape[0], picture.shape[1])
            if not prompts and not everything:
                return ask(prompts, size, lambda points, boxes: ())
            model = _model(self.checkpoint, self.stamp, str(on))
            predictor = _library().SamPredictor(model)
            predictor.set_image(np.ascontiguousarray(picture))
            found = ask(prompts, size, partial(_decode, predictor))
            return _joined(found, _all(predictor, picture)) if everything else found


@lru_cache(maxsize=1)
def _model(checkpoint: Path, stamp: tuple[int, int], device: str) -> Any:
    """The network with its weights, as large in memory as the file."""
    torch, build = require("torch"), require(f"{_library().__name__}.build_sam")
    weights = read(checkpoint)
    size = encoder(weights, checkpoint)
    try:
        with torch.device("meta"):  # no numbers are drawn that the weights then replace
            model = build._build_sam(
                encoder_embed_dim=size.width,
                encoder_depth=size.depth,
                encoder_num_heads=size.heads,
                encoder_global_attn_indexes=size.everywhere,
            )
        model.load_state_dict(weights, assign=True)
    except (RuntimeError, ValueError, ZeroDivisionError):
        raise foreign(checkpoint) from None
    return model.eval().requires_grad_(False).to(device)


@lru_cache(maxsize=1)
def _library() -> ModuleType:
    with torchvision():
        return require("segment_anything")


def _decode(
    predictor: Any, points: Array, boxes: Array | None
) -> Iterator[tuple[NDArray[np.bool_], Array]]:
    """What predictor.predict_torch does, but for how masks are brought to the picture's size."""
    torch, model = require("torch"), predictor.model
    tensor = partial(torch.as_tensor, dtype=torch.float32, device=predictor.device)
    framed = predictor.transform.apply_coords(points, predictor.original_size)
    boxed = None
    if boxes is not None:
        boxed = tensor(predictor.transform.apply_boxes(boxes, predictor.original_size))
    on_it = torch.ones(points.shape[:2], dtype=torch.int, device=predictor.device)
    sparse, dense = model.prompt_encoder(points=(tensor(framed), on_it), boxes=boxed, masks=None)
    small, scores = model.mask_decoder(
        image_embeddings=predictor.features,
        image_pe=model.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=boxes is None,
    )
    square = (model.image_encoder.img_size, *predictor.input_size)
    for one, score in zip(small, scores.double().cpu().numpy(), strict=True):
        yield enlarged(one, predictor.original_size, square), score


class _Embedded:
    """A predictor that has its picture: the mask generator would have it embedded once more."""

    def __init__(self, predictor: Any) -> None:
        self._predictor = predictor

    def set_image(self, image: NDArray[np.uint8]) -> None:
        """It is set."""

    def reset_image(self) -> None:
        """It is kept."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._predictor, name)


def _all(predictor: Any, picture: NDArray[np.uint8]) -> Masks:
    """All that is in the picture, by its automatic mask generator with its own settings."""
    generator = _library().SamAutomaticMaskGenerator(predictor.model)
    generator.predictor = _Embedded(predictor)
    found = generator.generate(picture)
    masks = np.array([one["segmentation"] for one in found], bool).reshape(-1, *picture.shape[:2])
    score = np.clip([one["predicted_iou"] for one in found], 0, 1)
    return Masks(masks, score, np.full(len(found), -1))


def _joined(first: Masks, second: Masks) -> Masks:
    return Masks(
        np.concatenate([first.masks, second.masks]),
        np.concatenate([first.score, second.score]),
        np.concatenate([first.prompt, second.prompt]),
    )
