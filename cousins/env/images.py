"""What cameras see of worlds: one renderer a family, whose model is one world after another."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.env.worlds import Ids, Part, Worlds
from cousins.errors import UsageError
from cousins.pack import Pack
from cousins.picture import (
    CAMERA,
    SAMPLES,
    Painter,
    known_camera,
    painter,
    union_model,
    write_cousin,
)
from cousins.variation.camera import noisy

KINDS = ("rgb", "depth", "segmentation")


@dataclass(frozen=True)
class Images:
    """What is to be seen. kinds: of `KINDS`; cameras: names; size: width, height in pixels; noise:
    as each cousin's own camera sees it, not as it is; samples: of which a pixel is the mean, where
    four take twice the time of one."""

    kinds: tuple[str, ...]
    cameras: tuple[str, ...]
    size: tuple[int, int]
    noise: bool = False
    samples: int = 0


# What `render` gives.
FRAMES = Images(("rgb",), (CAMERA,), (480, 360), samples=SAMPLES)


class Pictures:
    """Pictures of all worlds of any engine, as they are now; an `episodes.Look`.

    "rgb" (h, w, 3), with the region that a task marks; "depth" (h, w), m along the camera's axis, 0
    where there is nothing; "segmentation" (h, w): k for the k-th of the twin's objects, counted
    from 1, 0 for all else. Of several cameras they lie one behind the other on a first axis. OpenGL
    is asked for at the first picture, and kept until `close`.
    """

    def __init__(self, pack: Pack, worlds: Worlds, images: Images) -> None:
        """Raises UsageError for no camera or one that there is not, and for an image that cannot
        be had."""
        width, height = images.size
        if not (8 <= width <= 4096 and 8 <= height <= 4096):
            raise UsageError(f"an image of {width}x{height} pixels: each side may have 8 to 4096")
        if not images.cameras:
            raise UsageError("no camera: name one")
        for part in worlds.parts:
            for camera in images.cameras:
                known_camera(part.running.model, camera)
        self.worlds, self.images = worlds, images
        self._pack, self._open = pack, ExitStack()
        # Not left to the garbage collector, which may run after the GL library is unloaded.
        weakref.finalize(self, self._open.close)
        self._studios: dict[int, _Studio] = {}
        self._fields: list[Mapping[str, NDArray[Any]]] = [{} for _ in range(len(worlds))]
        self._rng = [np.random.default_rng(0)] * len(worlds)

    @property
    def forms(self) -> Mapping[str, tuple[tuple[int, ...], Any]]:
        """The shape and the dtype of each kind."""
        width, height = self.images.size
        many = len(self.images.cameras)
        flat = (height, width) if many == 1 else (many, height, width)
        objects = len(self.worlds.layout.names)
        every = {
            "rgb": ((*flat, 3), np.uint8),
            "depth": (flat, np.float32),
            "segmentation": (flat, np.min_scalar_type(objects)),
        }
        return {kind: every[kind] for kind in self.images.kinds}

    def begin(self, ids: Ids, cousins: Ids, seeds: list[int]) -> None:
        """In worlds (k,) an episode begins, with cousins (k,), places in the pool."""
        for part in self.worlds.parts:
            mine = part.holds(ids)
            fields = part.running.family.fields(self.worlds.row[cousins[mine]].tolist())
            for i, at in enumerate(np.flatnonzero(mine).tolist()):
                self._fields[ids[at]] = {name: value[i] for name, value in fields.items()}
                if self.images.noise:
                    self._rng[ids[at]] = np.random.default_rng(seeds[at])

    def __call__(self, ids: Ids) -> dict[str, NDArray[Any]]:
        """(k, ...) of each kind, of worlds (k,). Raises MissingDependencyError without OpenGL."""
        out = {kind: np.zeros((len(ids), *shape), dtype)
               for kind, (shape, dtype) in self.forms.items()}  # fmt: skip
        for part in self.worlds.parts:
            for at in np.flatnonzero(part.holds(ids)).tolist():
                self._see(part, int(ids[at]), {kind: value[at] for kind, value in out.items()})
        return out

    def close(self) -> None:
        """Let go of OpenGL; the next picture asks for it anew."""
        self._studios.clear()
        self._open.close()

    def _see(self, part: Part, world: int, out: Mapping[str, NDArray[Any]]) -> None:
        studio, mark = self._studio(part), self.worlds.marks[world]
        studio.show(self._fields[world], part.running.qpos[world - part.first])
        each = len(self.images.cameras) > 1
        for c, camera in enumerate(self.images.cameras):
            seen = {kind: studio.see(kind, camera, mark) for kind in out}
            if self.images.noise:
                self._spoil(part, world, seen)
            for kind, value in seen.items():
                (out[kind][c] if each else out[kind])[...] = value

    def _spoil(self, part: Part, world: int, seen: dict[str, NDArray[Any]]) -> None:
        if part.noise is None:  # cousins from before cameras varied
            return
        noise = part.noise[part.running.rows[world - part.first]]
        spoilt = noisy(seen.get("rgb"), seen.get("depth"), noise, self._rng[world])
        for kind, value in zip(("rgb", "depth"), spoilt, strict=True):
            if value is not None:
                seen[kind] = value

    def _studio(self, part: Part) -> _Studio:
        if part.family not in self._studios:
            images, model = self.images, union_model(self._pack, part.family, part.running.family)
            # A shadow as fine as the picture; a finer one takes most of the time.
            shadow = 1 << int(np.ceil(np.log2(2 * max(images.size))))
            paint = self._open.enter_context(painter(model, images.size, shadow, images.samples))
            owner = np.zeros(model.nbody + 1, np.min_scalar_type(len(part.places.body)))
            owner[part.places.body] = 1 + np.arange(len(part.places.body))
            self._studios[part.family] = _Studio(model, mujoco.MjData(model), paint, owner)
        return self._studios[part.family]


@dataclass(frozen=True)
class _Studio:
    """A family's renderer. owner (nbody + 1,): the number of the object that a body is; the last
    is for no body."""

    model: mujoco.MjModel
    data: mujoco.MjData
    paint: Painter
    owner: NDArray[Any]

    def show(self, fields: Mapping[str, NDArray[Any]], qpos: NDArray[Any]) -> None:
        write_cousin(self.model, fields)
        self.data.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    def see(self, kind: str, camera: str, mark: NDArray[Any]) -> NDArray[Any]:
        if kind == "segmentation":
            return self.owner[self.paint.bodies(self.data, camera)]
        if kind == "depth":
            return self.paint.depth(self.data, camera)
        return self.paint.rgb(self.data, camera, mark)
