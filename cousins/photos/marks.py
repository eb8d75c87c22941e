"""Printed tags (AprilTag 36h11; Olson 2011, Wang and Olson 2016) that are seen in solved views."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.types import Array, Intrinsics

NEAR = 3.0  # px from where a corner is seen to where it should be: a wrong tag is much further off
PAIRS = 300  # of views that a tag's place is tried from
FEWEST = 3  # views: of two, neither contradicts the other
STEPS = 10


@dataclass(frozen=True)
class Sight:
    """A tag in a picture. corners: (4, 2) px, clockwise; pixel centres lie at whole numbers."""

    view: int
    number: int
    corners: Array


@dataclass(frozen=True)
class Mark:
    """A tag in the views' world. corners (4, 3); views: that agree on them. side: mean length of
    its sides. spread: how far the sides lie apart, and error: the standard error of their mean,
    both as shares of it."""

    number: int
    corners: Array
    views: int
    side: float
    spread: float
    error: float


def detector() -> Any:
    """OpenCV's detector of the family 36h11, with corners between pixels."""
    import cv2

    settings = cv2.aruco.DetectorParameters()
    settings.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
    return cv2.aruco.ArucoDetector(family(), settings)


def family() -> Any:
    """OpenCV's dictionary of the family."""
    import cv2

    return cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11)


def sights(pictures: Iterable[NDArray[np.uint8]]) -> list[Sight]:
    """The tags in pictures, (h, w, 3) RGB each. One that a picture has twice is left out there:
    nobody can tell which is which."""
    import cv2

    search, found = detector(), []
    for view, picture in enumerate(pictures):
        corners, numbers, _ = search.detectMarkers(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
        ids = [] if numbers is None else [int(n) for n in numbers.ravel()]
        for quad, number in zip(corners, ids, strict=True):
            if ids.count(number) == 1:
                found.append(Sight(view, number, quad.reshape(4, 2).astype(float)))
    return found


def marks(seen: list[Sight], poses: Array, camera: Intrinsics) -> list[Mark]:
    """The tags' places, for those on which at least three views agree. poses: (n, 4, 4)."""
    numbers = sorted({s.number for s in seen})
    found = [_placed([s for s in seen if s.number == n], poses, camera) for n in numbers]
    return [mark for mark in found if mark is not None]


def _placed(seen: list[Sight], poses: Array, camera: Intrinsics) -> Mark | None:
    """From the pair of views with which most others agree, refined over all of these."""
    if len(seen) < FEWEST:
        return None
    pixels = np.stack([s.corners for s in seen])
    views = np.asarray(np.linalg.inv(poses[[s.view for s in seen]]), float)
    i, j = np.triu_indices(len(seen), 1)
    if len(i) > PAIRS:
        some = np.random.default_rng(0).permutation(len(i))[:PAIRS]
        i, j = i[some], j[some]
    best, corners = np.zeros(len(seen), bool), np.zeros((4, 3))
    for a, b in zip(i, j, strict=True):
        place = _linear(pixels[[a, b]], views[[a, b]], camera)
        agree = np.abs(_residual(place, pixels, views, camera)[0]).max((1, 2)) < NEAR
        if agree.sum() > best.sum():
            best, corners = agree, place
    if best.sum() < FEWEST:
        return None
    return _refined(seen[0].number, corners, pixels[best], views[best], camera)


def _linear(pixels: Array, views: Array, k: Intrinsics) -> Array:
    """(4, 3) points nearest to their rays through pixels (v, 4, 2) of views (v, 4, 4)."""
    rays = np.concatenate([(pixels - [k.cx, k.cy]) / [k.fx, k.fy], np.ones((*pixels.shape[:2], 1))],
                          axis=2)  # fmt: skip
    rays = rays @ views[:, :3, :3]
    rays /= np.linalg.norm(rays, axis=2, keepdims=True)
    across = np.eye(3) - rays[..., :, None] * rays[..., None, :]
    eyes = -np.einsum("vji,vj->vi", views[:, :3, :3], views[:, :3, 3])
    right = np.einsum("vcij,vj->ci", across, eyes)
    return np.einsum("cij,cj->ci", np.linalg.pinv(across.sum(0)), right)


def _residual(corners: Array, pixels: Array, views: Array, k: Intrinsics) -> tuple[Array, Array]:
    """(v, 4, 2) px, infinite behind a camera, and its derivative (v, 4, 2, 3) by the corners."""
    local = corners @ views[:, :3, :3].transpose(0, 2, 1) + views[:, None, :3, 3]
    z = np.where(local[..., 2:] > 0, local[..., 2:], np.nan)
    flat, focal = local[..., :2] / z, np.array([k.fx, k.fy])
    error = flat * focal + [k.cx, k.cy] - pixels
    turn = views[:, None, :3, :3]
    slope = (turn[..., :2, :] - flat[..., None] * turn[..., 2:, :]) / z[..., None]
    return np.nan_to_num(error, nan=np.inf), slope * focal[:, None]


def _refined(number: int, corners: Array, pixels: Array, views: Array, k: Intrinsics) -> Mark:
    """Least squares by Gauss and Newton, each corner by itself; errors from what is left."""
    for _ in range(STEPS):
        error, slope = _residual(corners, pixels, views, k)
        normal = np.einsum("vcki,vckj->cij", slope, slope)
        corners = corners - np.linalg.solve(
            normal, np.einsum("vcki,vck->ci", slope, error)[..., None]
        )[..., 0]  # fmt: skip
    error, slope = _residual(corners, pixels, views, k)
    normal = np.einsum("vcki,vckj->cij", slope, slope)
    variance = float((error**2).sum() / max(error.size - corners.size, 1))
    edges = np.roll(corners, -1, axis=0) - corners
    sides = np.linalg.norm(edges, axis=1)
    way = edges / sides[:, None]
    pull = (np.roll(way, 1, axis=0) - way) / 4  # of the mean side, by each corner
    side_variance = variance * np.einsum("ci,cij,cj->", pull, np.linalg.inv(normal), pull)
    side = float(sides.mean())
    return Mark(number, corners, len(pixels), side, float(np.ptp(sides) / side),
                float(np.sqrt(side_variance) / side))  # fmt: skip
