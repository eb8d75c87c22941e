"""What policy servers and their clients say to one another: questions out, actions in.

Three forms. "cousins" is plain JSON with pictures as base64 PNG. "openvla" and "openvla-oft" are
what the vla-scripts/deploy.py of these two projects take: arrays as json-numpy writes them, as a
dict of `__numpy__` (base64 of the raw bytes), `dtype` and `shape`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cousins.env.episodes import Seen
from cousins.types import Array

Form = Literal["cousins", "openvla", "openvla-oft"]
FORMS: tuple[str, ...] = get_args(Form)
LONGEST = 1000  # actions of a chunk
_DEEPEST = 20


class AnswerError(Exception):
    """What a server answered is no action: why, as the end of a sentence."""


def question(form: Form, seen: Seen, world: int, instruction: str, extra: Mapping[str, Any]) -> Any:
    """What is asked for one world, ready for JSON. extra: goes along with it, unless the form has
    no place for it."""
    one = {name: value[world] for name, value in seen.items()}
    if form == "cousins":
        told = {name: _plain(name, value) for name, value in one.items()}
        return {"observation": told, "instruction": instruction, **extra}
    views = _views(one["rgb"])
    key = {"unnorm_key": extra["unnorm_key"]} if extra.get("unnorm_key") else {}
    if form == "openvla":
        return {"image": numpy_json(views[0]), "instruction": instruction, **key}
    names = ("full_image", "wrist_image", "left_wrist_image", "right_wrist_image")
    pictures = {name: numpy_json(view) for name, view in zip(names, views, strict=False)}
    state = numpy_json(np.asarray(one["state"], np.float32))
    return {**pictures, "state": state, "instruction": instruction, **key}


def answer(data: bytes, width: int) -> Array:
    """(T, K) actions, T of them for the next so many steps, from a server's reply.

    It may be the action itself or a list of them, or an object with `action` or `actions`; numbers
    or json-numpy. Raises AnswerError for anything else.
    """
    try:
        told = json.loads(data)
        if isinstance(told, str) and told.lstrip()[:1] in ("[", "{"):  # encoded twice
            told = json.loads(told)
    except (ValueError, RecursionError):
        raise AnswerError("is no JSON") from None
    if isinstance(told, dict) and "__numpy__" not in told:
        found = next((told[name] for name in ("actions", "action") if name in told), None)
        if found is None:
            names = ", ".join(str(name)[:30] for name in list(told)[:5])
            raise AnswerError(f"has neither action nor actions, but {names or 'nothing'}")
        told = found
    if isinstance(told, str):  # OpenVLA's answer where it raised: "error"
        raise AnswerError(f"says {' '.join(told.split())[:100]!r}: look into its own log")
    try:
        out = np.asarray(_numbers(told), float)
    except (TypeError, ValueError):
        raise AnswerError("holds no array of numbers") from None
    while out.ndim > 2 and out.shape[0] == 1:
        out = out[0]
    out = out[None] if out.ndim == 1 else out
    if out.ndim != 2 or out.shape[1] != width or not len(out):
        raise AnswerError(f"has actions of shape {out.shape}, the task takes {width} numbers")
    if len(out) > LONGEST:
        raise AnswerError(f"has {len(out):,} actions, above the limit of {LONGEST:,}")
    if not np.isfinite(out).all():
        raise AnswerError("has numbers that are not finite")
    return out


def numpy_json(array: NDArray[Any]) -> dict[str, Any]:
    """An array as json-numpy writes it."""
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"__numpy__": data, "dtype": array.dtype.str, "shape": list(array.shape)}


def _numbers(told: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise AnswerError("is nested too deeply")
    if isinstance(told, list):
        return [_numbers(value, depth + 1) for value in told]
    if not isinstance(told, dict):
        if isinstance(told, (bool, str)) or told is None:
            raise AnswerError("holds no array of numbers")
        return told
    try:
        kind = np.dtype(str(told["dtype"]))
        if kind.kind not in "fiu":
            raise ValueError
        flat = np.frombuffer(base64.b64decode(told["__numpy__"], validate=True), kind)
        return flat.reshape([int(side) for side in told["shape"]])
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise AnswerError("holds no array as json-numpy writes them") from None


def _views(rgb: NDArray[Any]) -> list[NDArray[Any]]:
    return [rgb] if rgb.ndim == 3 else list(rgb)


def _plain(name: str, value: NDArray[Any]) -> Any:
    """Numbers as a list; a picture as a PNG, depth in mm; of several cameras a list."""
    if name == "state":
        return [float(v) for v in value]
    if name == "depth":
        value = np.clip(np.round(1000 * value), 0, 65535).astype(np.uint16)
    if value.ndim == (3 if name == "rgb" else 2):
        return _png(value)
    return [_png(view) for view in value]


def _png(picture: NDArray[Any]) -> str:
    import cv2

    data = picture if picture.ndim == 2 else picture[..., ::-1]
    if data.dtype not in (np.uint8, np.uint16):
        data = data.astype(np.uint16)
    return base64.b64encode(cv2.imencode(".png", data)[1].tobytes()).decode()
