"""What makes poses, intrinsics and depth fit to be used. Every reader asks here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from cousins.errors import CaptureError
from cousins.mesh import matrix_from_quaternion
from cousins.types import Array, Intrinsics

RIGID = 1e-3  # how far R^T R may be from the identity before rounding cannot explain it
FAR = 1000.0  # m from the world's origin: no scan of a room goes there
JUMP = 0.5  # m between two frames ...
JUMP_RATIO = 10.0  # ... and times the median step: tracking was lost and found again
STILL = 0.02  # m that a camera must move for a surface to be seen from two sides
RANGE = (0.1, 20.0)  # m: where the median depth of a capture with the right unit lies
ASPECT = 0.01  # by how much, relatively, picture and depth may differ in shape


def poses_from_quaternions(positions: Array, xyzw: Array, names: Sequence[str]) -> Array:
    """(n, 4, 4) poses of positions (n, 3) and quaternions (n, 4), x y z w as phones write them.

    names: where each pose comes from, for messages. Raises CaptureError as `check_poses` does.
    """
    norms = np.linalg.norm(xyzw, axis=1)
    wrong = np.flatnonzero(~(np.abs(norms - 1) <= 1e-2))
    if len(wrong):
        i = int(wrong[0])
        raise _bad_pose(names[i], f"its quaternion has the length {norms[i]:.4g} instead of 1")
    poses = np.tile(np.eye(4), (len(norms), 1, 1))
    poses[:, :3, :3] = matrix_from_quaternion(np.roll(xyzw / norms[:, None], 1, axis=1))
    poses[:, :3, 3] = positions
    return check_poses(poses, names)


def check_poses(poses: Array, names: Sequence[str]) -> Array:
    """The (n, 4, 4) poses with rotations made exactly orthonormal.

    Raises CaptureError for the first that is not finite, not rigid or absurdly far away.
    """
    for pose, name in zip(poses, names, strict=True):
        if not np.isfinite(pose).all():
            raise _bad_pose(name, "it holds NaN or infinity")
        rotation = pose[:3, :3]
        error = float(np.abs(rotation.T @ rotation - np.eye(3)).max())
        if error > RIGID or np.linalg.det(rotation) < 0:
            raise _bad_pose(name, "its rotation is not rigid (R^T R must be 1, det R +1)")
        if np.abs(pose[3] - [0, 0, 0, 1]).max() > RIGID:
            raise _bad_pose(name, "its last row is not 0 0 0 1")
        if np.abs(pose[:3, 3]).max() > FAR:
            raise _bad_pose(name, f"it lies more than {FAR:.0f} m away; poses must be in metres")
    checked = np.tile(np.eye(4), (len(poses), 1, 1))
    u, _, vt = np.linalg.svd(poses[:, :3, :3])
    checked[:, :3, :3] = u @ vt
    checked[:, :3, 3] = poses[:, :3, 3]
    return checked


def _bad_pose(name: str, reason: str) -> CaptureError:
    return CaptureError(
        f"{name}: not a camera pose: {reason}; delete this frame or scan the place again"
    )


def pose_warnings(poses: Array, names: Sequence[str]) -> tuple[str, ...]:
    """What is odd about a path of (n, 4, 4) poses though each pose is sound."""
    if len(poses) < 2:
        return (f"{names[0]}: one view: what it does not show of the objects is a guess",)
    steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
    warnings = []
    jumps = np.flatnonzero((steps > JUMP) & (steps > JUMP_RATIO * np.median(steps)))
    if len(jumps):
        warnings.append(
            f"the camera jumps {steps[jumps[0]]:.2f} m before {names[jumps[0] + 1]}"
            f" ({len(jumps)} such jumps): tracking was lost, surfaces may be doubled"
        )
    if np.ptp(poses[:, :3, 3], axis=0).max() < STILL:
        warnings.append("the camera hardly moves: most sides of the objects stay unseen")
    return tuple(warnings)


def check_intrinsics(camera: Intrinsics, name: str) -> Intrinsics:
    """The camera itself. Raises CaptureError if its numbers cannot belong to its image size."""
    k = camera
    if not np.isfinite([k.fx, k.fy, k.cx, k.cy]).all() or k.fx <= 0 or k.fy <= 0:
        raise CaptureError(f"{name}: focal lengths must be positive numbers; scan again")
    if not (0.2 < k.cx / k.width < 0.8 and 0.2 < k.cy / k.height < 0.8):
        raise CaptureError(
            f"{name}: the principal point {k.cx:.0f}, {k.cy:.0f} is not near the middle of"
            f" {k.width}x{k.height} pixels; the matrix must be for the pictures' own size"
        )
    return camera


def check_same_view(colour: tuple[int, int], depth: tuple[int, int], name: str) -> None:
    """Raises CaptureError if pictures and depth (width, height) differ in shape."""
    ratio = (colour[0] / colour[1]) / (depth[0] / depth[1])
    if abs(ratio - 1) > ASPECT:
        raise CaptureError(
            f"{name}: pictures of {colour[0]}x{colour[1]} and depth of {depth[0]}x{depth[1]} do not"
            " show the same view; export the capture without turning or cropping the pictures"
        )


def survey_depth(
    depths: Iterable[NDArray[np.float32]], names: Sequence[str]
) -> tuple[NDArray[np.bool_], tuple[int, int], tuple[str, ...]]:
    """Looks once at all depth images: which hold any depth, their (width, height), warnings.

    Raises CaptureError where sizes differ or no image holds depth.
    """
    known: list[bool] = []
    medians: list[float] = []
    shape: tuple[int, int] | None = None
    for depth, name in zip(depths, names, strict=True):
        height, width = depth.shape
        shape = shape or (height, width)
        if (height, width) != shape:
            raise CaptureError(
                f"{name}: a depth image of {width}x{height} among others of"
                f" {shape[1]}x{shape[0]}; delete this frame's files"
            )
        values = depth[depth > 0]
        known.append(len(values) > 0)
        if len(values):
            medians.append(float(np.median(values)))
    if not medians or shape is None:
        raise CaptureError(
            f"{names[0]}: all {len(known)} depth images are empty; scan again with a device that"
            " has a depth sensor, and with depth recording on"
        )
    keep = np.array(known)
    empty = [name for name, some in zip(names, known, strict=True) if not some]
    warnings = []
    if empty:
        more = "" if len(empty) == 1 else f" and {len(empty) - 1} more"
        warnings.append(f"{empty[0]}{more}: no depth in it, frame skipped")
    typical = float(np.median(medians))
    if not RANGE[0] < typical < RANGE[1]:
        warnings.append(
            f"typical depth is {typical:.3g} m: is this capture's depth in millimetres?"
        )
    return keep, (shape[1], shape[0]), tuple(warnings)
