"""Pictures of objects, cut out of the frames that show them best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cousins.reconstruct.depth import transform
from cousins.shape.texture import sharpness
from cousins.types import Array, Frame, Intrinsics, Mesh

SIDE = 512  # px: models look at 224 to 512
LEAST = 24  # px: of a smaller thing no one could tell what it is
MARGIN = 0.15  # of its longer side, on each side: what it stands on tells of its size
POINTS = 400  # of its surface, whose sight is tried
NEAREST = 0.05  # m before the camera, of what can be projected
HIDES = 0.02  # m: how far in front of the surface depth must lie to hide it; noise lies nearer
SHOWN = 0.5  # share of what faces the camera: of less, something else is the better part


@dataclass(frozen=True)
class _View:
    score: float
    crop: NDArray[np.uint8]


@dataclass(frozen=True)
class _Surface:
    """A mesh in the world: its corners, and points (n, 3) spread over it with their normals."""

    corners: Array
    points: Array
    normals: Array


def crops(
    frames: Iterable[Frame], world_from_capture: Array, meshes: Sequence[Mesh], most: int = 3
) -> list[tuple[NDArray[np.uint8], ...]]:
    """For each mesh, which lies in the world, up to `most` pictures of it, the best first.

    One is best where the thing is large, whole, sharp and nothing hides it; of each quarter of the
    compass there is at most one, since a second from the same side would tell little more. They
    are square but at the picture's border, and at most 512 pixels wide. A thing that no frame
    shows by 24 pixels has none.
    """
    surfaces = [_surface(mesh) for mesh in meshes]
    best: list[dict[int, _View]] = [{} for _ in surfaces]
    for frame in frames:
        if frame.colour is None:
            continue
        pose = world_from_capture @ frame.world_from_camera
        sharp = sharpness(frame.colour)
        for surface, found in zip(surfaces, best, strict=True):
            x, y = pose[:2, 3] - surface.points.mean(0)[:2]
            quarter = int(np.floor(np.arctan2(y, x) / (np.pi / 2)))
            held = found.get(quarter)
            view = _view(frame, pose, surface, sharp, held.score if held else 0.0)
            if view is not None:
                found[quarter] = view
    return [
        tuple(v.crop for v in sorted(found.values(), key=lambda v: -v.score)[:most])
        for found in best
    ]


def _surface(mesh: Mesh) -> _Surface:
    """Points are drawn evenly by area, always the same ones."""
    rng = np.random.default_rng(0)
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    normal = np.cross(b - a, c - a)
    area = np.linalg.norm(normal, axis=1)
    face = rng.choice(len(area), POINTS, p=area / area.sum())
    s, t = np.sqrt(rng.random(POINTS)), rng.random(POINTS)
    weights = np.stack([1 - s, s * (1 - t), s * t])[..., None]
    points = weights[0] * a[face] + weights[1] * b[face] + weights[2] * c[face]
    return _Surface(mesh.vertices, points, normal[face] / area[face, None])


def _view(frame: Frame, pose: Array, surface: _Surface, sharp: float, beat: float) -> _View | None:
    """The frame's view of a thing, where it is better than one of score `beat`."""
    camera = np.asarray(np.linalg.inv(pose), float)
    shown = _shown(frame, pose, surface)
    if shown < SHOWN or frame.colour is None:
        return None
    p = transform(camera, surface.corners)
    if frame.colour_from_depth is not None:
        p = transform(frame.colour_from_depth, p)
    if (p[:, 2] < NEAREST).any():
        return None
    uv = _pixels(p, frame.colour_intrinsics)
    low, high = uv.min(0), uv.max(0)
    side = float((high - low).max())
    score = sharp * shown * min(side, SIDE)
    if side < LEAST or score <= beat:
        return None
    return _View(score, _cut(frame.colour, (low + high) / 2, side * (0.5 + MARGIN)))


def _shown(frame: Frame, pose: Array, surface: _Surface) -> float:
    """Of what of a surface faces the depth camera, the share that is in its picture and that
    nothing hides."""
    facing = np.einsum("ij,ij->i", pose[:3, 3] - surface.points, surface.normals) > 0
    camera = np.asarray(np.linalg.inv(pose), float)
    p = transform(camera, surface.points[facing])
    p = p[p[:, 2] > NEAREST]
    k = frame.depth_intrinsics
    u, v = np.rint(_pixels(p, k)).astype(int).T
    inside = (u >= 0) & (v >= 0) & (u < k.width) & (v < k.height)
    d = frame.depth[v[inside], u[inside]]
    # Without depth a shiny thing may well be seen; NaN is a hand, which hides.
    seen = (d == 0) | (d > p[inside, 2] - HIDES)
    return float(seen.sum()) / max(int(facing.sum()), 1)


def _pixels(p: Array, k: Intrinsics) -> Array:
    return np.column_stack([p[:, 0] / p[:, 2] * k.fx + k.cx, p[:, 1] / p[:, 2] * k.fy + k.cy])


def _cut(picture: NDArray[np.uint8], middle: Array, half: float) -> NDArray[np.uint8]:
    import cv2

    size = picture.shape[1::-1]
    x0, y0 = np.clip(np.floor(middle - half), 0, np.array(size) - 1).astype(int)
    x1, y1 = np.clip(np.ceil(middle + half), (x0 + 1, y0 + 1), size).astype(int)
    crop = picture[y0:y1, x0:x1]
    scale = SIDE / max(crop.shape[:2])
    if scale < 1:
        small = [max(1, round(scale * n)) for n in crop.shape[1::-1]]
        crop = cv2.resize(crop, small, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(crop, dtype=np.uint8)
