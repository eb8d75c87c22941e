"""Hands, and things that are moved: depth that stands in some frames where others look through.

Every pixel's point is looked up in the depth images of other frames. One that has a surface there
bears it out; one that sees clearly past it denies it; one whose view ends before it, or that has no
depth there, knows nothing of it. What more frames deny than bear out was there for a while only.
(Free space tells what moves, as in Pomerleau et al. 2014, "Long-term 3D map maintenance in dynamic
environments".)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cousins.reconstruct.depth import MAX_RANGE, clean
from cousins.types import Array, Frame, Intrinsics

Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """One frame made small. depth (h, w) in m, 0 where unknown; camera, its own; around (h * w, 3):
    of each 3 x 3 neighbourhood the least depth if all nine are known and else 0, and the least and
    the greatest that is known."""

    depth: Floats
    camera: Intrinsics
    around: Floats

    def points(self, v: NDArray[np.intp], u: NDArray[np.intp]) -> Floats:
        """(k, 3) in camera axes, of pixels in rows v and columns u."""
        k, z = self.camera, self.depth[v, u]
        return np.stack([(u - k.cx) / k.fx * z, (v - k.cy) / k.fy * z, z], -1).astype(np.float32)


@dataclass(frozen=True)
class Transient:
    """Finds what is transient from depth and poses alone.

    references: at most so many frames are kept, to look things up in; lookups: each frame in so
    many of those that see the same. width: of the depth images it works on, pixels. max_range: of
    depth, m.
    margin, growth: a frame sees past a point where its depth is greater by margin + growth *
    depth², m: more than the error of a moving phone's depth, 1 cm (Teo and Yang 2023), and of poses
    together, the first growing with depth's square.
    depth: what a view has before a point, by so little, m, may be the other side of the same thing.
    least: so many frames must deny a point. area: of the smallest piece that counts, m²: two
    fingers. core: pixels across, and up, of a square that fits into the largest piece at least:
    edges err by a pixel or two on either side. most: a frame that would lose a larger share of its
    depth is off as a whole, by its pose or its depth, and is left as it is.
    """

    references: int = 120
    lookups: int = 32
    width: int = 128
    max_range: float = MAX_RANGE
    margin: float = 0.015
    growth: float = 0.01
    depth: float = 0.15
    least: int = 3
    area: float = 5e-4
    core: int = 5
    most: float = 0.6

    def __call__(self, frames: Callable[[], Iterable[Frame]], poses: Array) -> Mask:
        """(n, h, w) what is to be left out of each frame made small, for `without`.

        Goes over the frames twice, for the references and for each one's own depth; and a third
        time where something is transient. For the place where a moved thing stands is seen empty
        by the frames from before or after, and they would carve it away: that is left out too.
        """
        every = -(-len(poses) // self.references)
        known = poses[::every]
        views = [self._view(f) for i, f in enumerate(frames()) if i % every == 0]

        def own() -> Iterator[tuple[View, float, Array]]:
            for i, (frame, pose) in enumerate(zip(frames(), poses, strict=True)):
                view = self._view(frame) if i % every else views[i // every]
                yield view, i / every, np.linalg.inv(known) @ pose

        out = np.stack([self._passing(views, *each) for each in own()])
        if out.any():
            lasting = [_lasting(v, mask) for v, mask in zip(views, out[::every], strict=True)]
            empty = [self._emptied(views, lasting, *each) for each in own()]
            out |= np.stack(empty)
        return out

    def _view(self, frame: Frame) -> View:
        import cv2

        depth = clean(frame, self.max_range)
        n = -(-depth.shape[1] // self.width)
        h, w = depth.shape[0] // n, depth.shape[1] // n
        blocks = depth[: h * n, : w * n].reshape(h, n, w, n)
        z = np.where((blocks > 0).all((1, 3)), blocks.mean((1, 3)), 0).astype(np.float32)
        k = frame.depth_intrinsics
        small = Intrinsics(w, h, k.fx / n, k.fy / n, (k.cx + 0.5) / n - 0.5, (k.cy + 0.5) / n - 0.5)
        kernel = np.ones((3, 3), np.uint8)
        known = np.where(z > 0, z, np.inf).astype(np.float32)
        around = [cv2.erode(z, kernel), cv2.erode(known, kernel), cv2.dilate(z, kernel)]
        return View(z, small, np.stack(around, -1).reshape(-1, 3).astype(np.float32))

    def _passing(self, views: list[View], view: View, place: float, relative: Array) -> Mask:
        """(h, w) what stands in a view, the `place`-th among the references, and in few others."""
        v, u = np.nonzero(view.depth)
        p = view.points(v, u)
        denied, borne = np.zeros(view.depth.shape, np.int16), np.zeros(view.depth.shape, np.int16)
        for j in self._lookups(p, views, relative, place):
            index, _, past, there = self._look(p, views[j], relative[j])
            denied[v[index], u[index]] += past
            borne[v[index], u[index]] += there
        # The arm near to the camera is seen by few others: where they know nothing it goes along.
        return self._things(view, (denied >= self.least) & (denied > borne), denied >= borne)

    def _emptied(
        self, views: list[View], lasting: list[Floats], view: View, place: float, relative: Array
    ) -> Mask:
        """(h, w) where a view sees past what lasts (k, 3; in the references' axes)."""
        h, w = view.depth.shape
        count = np.zeros((h // 2 + 1, w // 2 + 1), np.int16)
        for j in self._lookups(view.points(*np.nonzero(view.depth)), views, relative, place):
            _, pixel, past, _ = self._look(lasting[j], view, np.linalg.inv(relative[j]))
            row, column = np.divmod(pixel[past], w)
            hit = np.zeros(count.shape, bool)
            hit[row // 2, column // 2] = True
            count += hit
        often = (count >= self.least).repeat(2, 0).repeat(2, 1)[:h, :w]
        return self._things(view, often & (view.depth > 0), often)

    def _lookups(self, p: Floats, views: list[View], relative: Array, place: float) -> list[int]:
        """Which other references see enough of points (k, 3), evenly over the capture."""
        p = p[:: 1 + len(p) // 200]
        share = [len(_pixels(p, v.camera, r)[0]) for v, r in zip(views, relative, strict=True)]
        others = np.flatnonzero((np.array(share) > 0.2 * len(p)) & (np.arange(len(views)) != place))
        count = min(len(others), self.lookups)
        return others[np.linspace(0, len(others) - 1, count).astype(int)].tolist() if count else []

    def _look(
        self, p: Floats, view: View, relative: Array
    ) -> tuple[NDArray[np.intp], NDArray[np.int32], Mask, Mask]:
        """Which of points (k, 3) lie in a view, and in which pixel; whether it sees past those, or
        has them, be it from behind."""
        index, pixel, z = _pixels(p, view.camera, relative)
        least, near, far = view.around[pixel].T
        margin = np.float32(self.margin) + np.float32(self.growth) * z * z
        there = (near < z + margin) & (far + np.float32(self.depth) > z - margin)
        return index, pixel, least > z + margin, there

    def _things(self, view: View, sure: Mask, may: Mask) -> Mask:
        """(h, w) the pieces of a thing: connected pixels that may be of it, with enough that are
        so for sure."""
        import cv2

        depth, k = view.depth, view.camera
        if not sure.any():
            return sure
        may = may & (depth > 0)
        count, label = cv2.connectedComponents(may.astype(np.uint8), connectivity=4)
        label = np.asarray(label, np.int64)
        size = np.bincount(label[sure], depth[sure] ** 2 / (k.fx * k.fy), count)
        out = (size > self.area)[label] & may
        square = np.ones((self.core, self.core), np.uint8)
        core = cv2.erode(out.astype(np.uint8), square, borderType=cv2.BORDER_CONSTANT)
        wrong = out.sum() > self.most * (depth > 0).sum()
        return np.zeros_like(out) if wrong or not core.any() else out


def _lasting(view: View, mask: Mask) -> Floats:
    """(k, 3) points of a view, a quarter of them, away from what is transient in it."""
    import cv2

    near = cv2.dilate(mask.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    v, u = np.nonzero((view.depth > 0) & ~near)
    some = (v % 2 == 0) & (u % 2 == 0)
    return view.points(v[some], u[some])


def _pixels(
    p: Floats, k: Intrinsics, relative: Array
) -> tuple[NDArray[np.intp], NDArray[np.int32], Floats]:
    """Which of points (n, 3) lie in the image of a camera; in which pixel; at what depth."""
    centred = k.matrix + [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]
    m = (centred @ relative[:3]).astype(np.float32)
    x, y, z = m[:, :3] @ p.T + m[:, 3:]
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = x / z, y / z
    index = np.flatnonzero((z > 0.1) & (u >= 0) & (v >= 0) & (u < k.width) & (v < k.height))
    return index, v[index].astype(np.int32) * k.width + u[index].astype(np.int32), z[index]


def without(frame: Frame, mask: Mask) -> Frame:
    """The frame with its depth left out (NaN) where the mask (h, w) of it made small says so, and a
    pixel of the mask around, with what clings to that: depth smeared over its edge."""
    import cv2

    if not mask.any():
        return frame
    depth = frame.depth
    n = depth.shape[1] // mask.shape[1]
    rows, columns = (np.minimum(np.arange(s) // n, m - 1) for s, m in
                     zip(depth.shape, mask.shape, strict=True))  # fmt: skip
    kernel = np.ones((3, 3), np.uint8)
    grown = cv2.dilate(mask.astype(np.uint8), kernel)
    wide = cv2.dilate(grown, kernel)
    out = (grown > 0)[rows][:, columns]
    # With the thing gone its edge could no longer be told, and its smear would be taken for depth.
    out |= (wide > 0)[rows][:, columns] & (clean(frame, np.inf) == 0)
    return replace(frame, depth=np.where(out, np.float32(np.nan), depth))
