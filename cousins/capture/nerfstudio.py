"""nerfstudio: transforms.json with the pictures, depth images and masks that it names.

Poses are camera-to-world with OpenGL axes; the world has z up by convention. Focal lengths,
principal point and distortion are the file's or each frame's, for pictures of w x h; the middle of
the first pixel is at 0.5, 0.5. Depth is uint16 mm, 0 unknown, unless depth_unit_scale_factor says
otherwise. Where pictures were made smaller, images_2, images_4 or images_8 may be all there is.

The poses are used as they stand: applied_transform tells how they were turned to get there, and
applied_scale by how much their positions were multiplied, which is undone, for depth is not.

ns-process-data keeps COLMAP's numbers of the pictures, or turns its world in one way. Such a world
is of no known size, and its up is the first picture's, so none is told. Its depth images may be of
the sparse points alone, with hardly a pixel known; they are not used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cousins.capture import images, transforms
from cousins.capture.camera import Lens
from cousins.capture.files import Files
from cousins.capture.transforms import FILE, Named, Transforms
from cousins.types import Capture, Photos

UP = np.array([0.0, 0.0, 1.0])
CORNER = 0.5
MILLIMETRES = 0.001
# How ns-process-data turns COLMAP's world: now, and before it wrote so itself.
COLMAP_TURNS = (
    np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0]]),
    np.array([[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0]]),
)
NO_UNIT = "none: its poses are COLMAP's, which are in no unit; give one known length to have metres"
SPARSE = 0.05  # of the pixels: a sensor knows most of them, COLMAP a few thousand points


@dataclass(frozen=True)
class Nerfstudio:
    """Reads captures in nerfstudio's own form, with depth or without."""

    @property
    def layout(self) -> str:
        return "nerfstudio"

    def missing(self, files: Files) -> list[str]:
        """What of this layout the files lack; empty where it is recognised.

        A damaged file is taken for this layout's: nothing is left to tell by.
        """
        if FILE not in files:
            return [FILE]
        form = transforms.glance(files)
        other = form is not None and transforms.of_nerfcapture(form)
        return [f"{FILE} without integer_depth_scale"] if other else []

    def __call__(self, files: Files, lens: Lens | None = None) -> Capture | Photos:
        """The capture; Photos, their poses solved, where it has no depth. Raises CaptureError."""
        form = transforms.read(files)
        colmap = _of_colmap(files, form)
        up = None if colmap else UP
        every, notes = _named(files, form, colmap)
        kept, lost = transforms.whole(files, every)
        seen = transforms.sights(files, form, kept, lens, CORNER)
        notes += lost
        if kept[0].depth is None:
            notes += () if colmap else (f"{FILE} tells no unit: its poses are taken as metres",)
            return transforms.photos(
                files, self.layout, seen, up, notes, solved=True, metric=not colmap
            )
        units = form.depth_unit_scale_factor, form.integer_depth_scale
        unit = next((told for told in units if told is not None), MILLIMETRES)
        made = transforms.capture(files, self.layout, seen, unit, up, notes)
        return replace(made, metric=False, scale_source=NO_UNIT) if colmap else made


def _named(
    files: Files, form: Transforms, colmap: bool
) -> tuple[tuple[Named, ...], tuple[str, ...]]:
    """The frames, without depth where it is of no use, and what to warn of."""
    every = transforms.named(files, form)
    first = next((n.depth for n in every if n.depth), None)
    if first is None:
        stated = any(view.depth_file_path or view.depth_path for view in form.frames)
        return every, (f"{FILE} names depth images, but none is there",) if stated else ()
    if colmap and (images.depth(files.read(first), files.where(first)) > 0).mean() < SPARSE:
        every = transforms.named(files, form, depth=False)
        return every, (f"{FILE} names depth of COLMAP's sparse points alone: not used",)
    return every, ()


def _of_colmap(files: Files, form: Transforms) -> bool:
    """Whether COLMAP made the poses: ns-process-data and instant-ngp's colmap2nerf leave traces."""
    if any(v.colmap_im_id is not None or v.sharpness is not None for v in form.frames):
        return True
    if any(name.startswith("colmap/") for name in files.names):
        return True
    rows = form.applied_transform
    turn = np.array(rows) if rows and all(len(row) == 4 for row in rows) else np.empty(0)
    return any(turn.shape in ((3, 4), (4, 4)) and np.allclose(turn[:3], t) for t in COLMAP_TURNS)
