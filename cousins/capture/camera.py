"""The camera of a layout that holds none: from `--intrinsics`, or a camera.json beside the frames.

camera.json: {"fx": …, "fy": …, "cx": …, "cy": …, "width": …, "height": …}, in pixels of pictures of
that size; without a size, in pixels of the capture's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from cousins.capture import quality
from cousins.capture.files import Files, read_json
from cousins.errors import CaptureError, UsageError
from cousins.types import Array, Intrinsics

CAMERA = "camera.json"
REMEDY = f"give --intrinsics fx,fy,cx,cy in its pixels, or put a {CAMERA} beside the frames"


@dataclass(frozen=True)
class Lens:
    """A camera that was told: fx, fy, cx, cy in pixels of `size`, or of the frames where None."""

    fx: float
    fy: float
    cx: float
    cy: float
    size: tuple[int, int] | None = None
    source: str = "--intrinsics"

    def of(self, size: tuple[int, int]) -> Intrinsics:
        """For pictures of (width, height). Raises CaptureError where it cannot be theirs."""
        own = self.size or size
        camera = Intrinsics(*own, self.fx, self.fy, self.cx, self.cy)
        quality.check_same_view(own, size, self.source)
        return quality.check_intrinsics(camera, self.source).scaled(*size)


class _Camera(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    fx: float
    fy: float
    cx: float
    cy: float
    width: int | None = None
    height: int | None = None


def parse(text: str) -> Lens:
    """`--intrinsics fx,fy,cx,cy`. Raises UsageError for anything else."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise UsageError(f"--intrinsics {text}: give it as fx,fy,cx,cy in pixels")
    fx, fy, cx, cy = numbers
    return Lens(fx, fy, cx, cy)


def told(files: Files, lens: Lens | None) -> Lens | None:
    """The lens given, else that of camera.json, else None. Raises CaptureError for a bad file."""
    if lens is not None or CAMERA not in files:
        return lens
    c = read_json(files, CAMERA, _Camera)
    size = None if c.width is None or c.height is None else (c.width, c.height)
    return Lens(c.fx, c.fy, c.cx, c.cy, size, files.where(CAMERA))


def needed(files: Files, lens: Lens | None, layout: str) -> Lens:
    """The lens that a layout without one needs. Raises CaptureError, with the remedy, if none."""
    found = told(files, lens)
    if found is None:
        raise CaptureError(f"{files.path}: {layout} tells nothing of its camera: {REMEDY}")
    return found


def unneeded(lens: Lens | None, has: str) -> None:
    """Raises UsageError where a lens was given to a layout that has its own, in the file `has`."""
    if lens is not None:
        raise UsageError(f"--intrinsics: {has} gives the camera already: leave the option out")


def numbers(matrix: Array) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy of a (3, 3) camera matrix."""
    return float(matrix[0, 0]), float(matrix[1, 1]), float(matrix[0, 2]), float(matrix[1, 2])
