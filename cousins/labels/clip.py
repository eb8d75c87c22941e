"""Labels by a CLIP or SigLIP model from a folder: zero-shot over the household categories.

Contrastive models tell which of several texts suits a picture best (Radford et al. 2021; Zhai et
al. 2023). Nothing is downloaded, and the folder's code is not run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.errors import LabelError, MissingDependencyError
from cousins.labels.categories import categories
from cousins.labels.label import Label, Thing
from cousins.native import explain

NEEDED = ("config.json", "preprocessor_config.json", "tokenizer_config.json")
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
KINDS = ("clip", "siglip")  # as config.json calls them; most of SigLIP 2 are the latter
PROMPT = "a photo of {}."
MAX_CONFIG = 1 << 20


@dataclass(frozen=True)
class Clip:
    """Labels with the likeliest category by the model in `folder`.

    The confidence is the model's own, averaged over the crops: of CLIP the softmax over the
    categories, so it takes for granted that the thing is one of them; of SigLIP the sigmoid, which
    does not. Neither is calibrated for photos such as these.
    """

    folder: Path

    def ready(self) -> None:
        """Raises LabelError where the folder lacks a file, or holds another kind of model, and
        MissingDependencyError where a library is missing."""
        for name in NEEDED:
            if not (self.folder / name).is_file():
                raise self._lacks(name)
        if not any((self.folder / name).is_file() for name in WEIGHTS):
            raise self._lacks(WEIGHTS[0])
        kind = self._json("config.json").get("model_type")
        if kind not in KINDS:
            known = ", ".join(KINDS)
            raise LabelError(f"{self.folder}: config.json: a {kind!r} model; there are: {known}")
        self._mean_and_std()
        for module in ("torch", "transformers"):
            _library(module)

    def __call__(self, thing: Thing) -> Label | None:
        """Raises LabelError where the model cannot be used. No crop gives no label."""
        if not thing.crops:
            return None
        shares = np.mean([self._shares(crop) for crop in thing.crops], axis=0)
        best = int(np.argmax(shares))
        name = categories()[best].name
        return Label(name, f"clip: {self.folder.name}", float(shares[best]), name)

    def _lacks(self, name: str) -> LabelError:
        return LabelError(
            f"{self.folder}: {name} is missing: put there all files of a CLIP or SigLIP model as"
            f" transformers saves it ({', '.join((*NEEDED, 'tokenizer.json', WEIGHTS[0]))})"
        )

    def _json(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        try:
            with path.open("rb") as file:
                value = json.loads(file.read(MAX_CONFIG))
        except (OSError, ValueError, RecursionError) as error:
            raise LabelError(f"{path}: cannot be read ({_brief(error)}): copy it anew") from None
        if not isinstance(value, dict):
            raise LabelError(f"{path}: holds no settings: copy it anew")
        return value

    def _mean_and_std(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(3,) each, of 0..1: what the model's pictures are brought to zero and one by."""
        told = self._json("preprocessor_config.json")
        try:
            mean = np.array(told["image_mean"], np.float32)
            std = np.array(told["image_std"], np.float32)
        except (KeyError, TypeError, ValueError):
            mean = std = np.zeros(0, np.float32)
        if mean.shape != (3,) or std.shape != (3,) or not (std > 0).all():
            raise LabelError(
                f"{self.folder}: preprocessor_config.json: no image_mean and image_std"
            )
        return mean, std

    @cached_property
    def _model(self) -> Any:
        torch, transformers = _library("torch"), _library("transformers")
        try:
            with _quiet(transformers):
                model, told = transformers.AutoModel.from_pretrained(
                    self.folder,
                    local_files_only=True,
                    trust_remote_code=False,
                    output_loading_info=True,
                    dtype=torch.float32,
                )
        except Exception as error:  # transformers raises what its parts do
            raise LabelError(f"{self.folder}: the model does not load: {_brief(error)}") from None
        lacking = sorted(map(str, [*told["missing_keys"], *told["mismatched_keys"]]))
        if lacking:  # they would have been drawn at random
            raise LabelError(f"{self.folder}: its weights lack {lacking[0]}: copy the model anew")
        return model.eval()

    @cached_property
    def _tokens(self) -> dict[str, Any]:
        """The categories' texts as the model takes them."""
        transformers = _library("transformers")
        prompts = [PROMPT.format(c.said.lower()) for c in categories()]
        most = self._model.config.text_config.max_position_embeddings
        try:
            with _quiet(transformers):
                tokenizer = transformers.AutoTokenizer.from_pretrained(
                    self.folder, local_files_only=True, trust_remote_code=False
                )
            # SigLIP was trained on texts that are filled up to their full length (its model card).
            fill = True if self._soft else "max_length"
            told = tokenizer(prompts, padding=fill, max_length=most, truncation=True,
                             return_tensors="pt")  # fmt: skip
        except Exception as error:
            raise LabelError(f"{self.folder}: its words do not load: {_brief(error)}") from None
        used = ("input_ids", "attention_mask") if self._soft else ("input_ids",)
        return {name: told[name] for name in used}

    @property
    def _soft(self) -> bool:
        return self._model.config.model_type == "clip"

    @cached_property
    def _texts(self) -> Any:
        """(n, d) the categories' unit vectors: they are the same for every picture."""
        return self._embedded(np.zeros((8, 8, 3), np.uint8), self._tokens).text_embeds

    def _embedded(self, crop: NDArray[np.uint8], tokens: dict[str, Any]) -> Any:
        torch = _library("torch")
        size = int(self._model.config.vision_config.image_size)
        pixels = torch.from_numpy(prepared(crop, size, *self._mean_and_std())[None])
        try:
            with torch.inference_mode():
                return self._model(**tokens, pixel_values=pixels)
        except (RuntimeError, IndexError, ValueError) as error:
            raise LabelError(f"{self.folder}: the model does not run: {_brief(error)}") from None

    def _shares(self, crop: NDArray[np.uint8]) -> NDArray[np.float64]:
        """How well each category suits a picture, 0..1."""
        torch = _library("torch")
        one = {name: value[:1] for name, value in self._tokens.items()}
        image = self._embedded(crop, one).image_embeds[0]
        with torch.inference_mode():
            logits = (self._texts @ image).double() * self._model.logit_scale.double().exp()
            if self._soft:
                shares = logits.softmax(0)
            else:
                shares = (logits + self._model.logit_bias.double()).sigmoid()
        found = shares.numpy()
        if not np.isfinite(found).all():
            raise LabelError(f"{self.folder}: the model gives no numbers: copy it anew")
        return found


def prepared(
    crop: NDArray[np.uint8], size: int, mean: NDArray[np.float32], std: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(3, size, size): the whole crop (h, w, 3), scaled, on the ground of the mean colour."""
    import cv2

    scale = size / max(crop.shape[:2])
    wide, high = (max(1, round(scale * n)) for n in crop.shape[1::-1])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(crop, (wide, high), interpolation=how).astype(np.float32) / 255
    out = np.zeros((size, size, 3), np.float32)
    top, left = (size - high) // 2, (size - wide) // 2
    out[top : top + high, left : left + wide] = (small - mean) / std
    return np.ascontiguousarray(out.transpose(2, 0, 1))


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Without the bars and the advice that transformers prints; what is wrong, it raises."""
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f'--labeler clip needs {error.name}: pip install "cousins[clip]"'
        ) from error
    except ImportError as error:
        raise explain(error, name) from error


def _brief(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
