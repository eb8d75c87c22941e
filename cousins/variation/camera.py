"""Cameras that stand elsewhere than they were thought to, look elsewhere, and see less well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.scene import VIEW
from cousins.types import Array, Scene
from cousins.variation.axes import Drawn, Source, mean

MOVE = 0.10  # m that a camera moves at most: as far as one put up anew by hand is off
NEAR = 0.15  # and in shares of its distance from what it looks at
TURN = np.radians(10.0)  # that it looks aside at most
ROLL = np.radians(5.0)
ZOOM = 1.1  # most that its focal length grows or shrinks by, a factor
# Standard deviations at their largest: of a pixel, in shares of full scale, as of a small sensor
# in a dim room; of a blur, in pixels of a picture `BLUR_WIDTH` wide; of a depth, in shares of it,
# as of a time-of-flight camera of the cheaper kind.
NOISE = np.array([0.05, 2.0, 0.02])
BLUR_WIDTH = 640
MARGIN = 0.05  # m, least from a camera to a wall
SHRINK = (1.0, 0.75, 0.5, 0.25, 0.0)  # shares of a move that are tried in turn
_CAMERA = 7  # uniform numbers that each takes


def numbers(scene: Scene) -> int:
    """How many uniform numbers one cousin takes."""
    return _CAMERA * (1 + len(scene.cameras)) + len(NOISE)


def draw(
    model: mujoco.MjModel,
    scene: Scene,
    uniform: Array,
    strength: Array,
    position: Array | None = None,
) -> dict[str, NDArray[Any]]:
    """Cameras of n cousins, from (n, numbers) uniform numbers and (n,) strengths in 0..1.

    cam_pos (n, C, 3), cam_quat (n, C, 4), cam_fovy (n, C): MjModel's fields. A camera looks
    towards what it looked at, and follows the objects' middle where they stand elsewhere, at
    `position` (n, A, 3). It keeps all in view whose centres it would see from where the twin's is;
    where it would lose one, or end up in a wall, its whole move is made smaller. camera_noise
    (n, 3) float32: what `noisy` takes.
    """
    seen = np.array([a.position for a in scene.assets]).reshape(1, -1, 3)
    position = (
        np.broadcast_to(seen, (len(uniform), *seen.shape[1:])) if position is None else position
    )
    went = (position - seen).mean(1) if seen.shape[1] else np.zeros((len(uniform), 3))
    n, count = len(uniform), model.ncam
    jitter = uniform[:, : _CAMERA * count].reshape(n, count, _CAMERA)
    rows = {name: np.broadcast_to(getattr(model, name), (n, *getattr(model, name).shape)).copy()
            for name in ("cam_pos", "cam_quat", "cam_fovy")}  # fmt: skip
    for c in range(count):
        if model.cam_bodyid[c] or model.cam_mode[c] != mujoco.mjtCamLight.mjCAMLIGHT_FIXED:
            continue  # it goes where its body goes
        todo = np.flatnonzero(strength > 0)
        for share in SHRINK[:-1]:
            posed = _moved(model, c, jitter[todo, c], share * strength[todo], went[todo])
            good = _fit(model, scene, c, position[todo], *posed)
            for name, value in zip(rows, posed, strict=True):
                rows[name][todo[good], c] = value[good]
            todo = todo[~good]
    rows["camera_noise"] = (strength[:, None] * uniform[:, -3:] * NOISE).astype(np.float32)
    return rows


def _moved(
    model: mujoco.MjModel, c: int, uniform: Array, strength: Array, went: Array
) -> tuple[Array, Array, Array]:
    """Position (n, 3), quaternion (n, 4) and fovy (n,) of one camera. went (n, 3): how far the
    objects' middle did."""
    from scipy.spatial.transform import Rotation

    place, aim, zoom = np.split(strength[:, None] * (2 * uniform - 1), [3, 6], axis=1)
    seen, before = model.cam_pos[c], Rotation.from_quat(model.cam_quat[c], scalar_first=True)
    forward = before.apply([0.0, 0.0, -1.0])
    # What it looks at: the point of its axis that is nearest to the objects' middle.
    depth = max(float((model.stat.center - seen) @ forward), float(model.stat.extent) / 4)
    position = seen + min(MOVE, NEAR * depth) / np.sqrt(3) * place
    way = seen + depth * forward + strength[:, None] * went - position
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    axis = np.cross(forward, way)
    sine = np.linalg.norm(axis, axis=1, keepdims=True)
    angle = np.arctan2(sine, (way * forward).sum(1, keepdims=True))
    again = Rotation.from_rotvec(axis * angle / np.maximum(sine, 1e-12))
    aside = Rotation.from_rotvec(aim * [TURN / np.sqrt(2), TURN / np.sqrt(2), ROLL])
    quaternion = (again * before * aside).as_quat(scalar_first=True)
    half = np.tan(np.radians(model.cam_fovy[c]) / 2) / ZOOM ** zoom[:, 0]
    return position, quaternion, np.degrees(2 * np.arctan(half))


def _fit(
    model: mujoco.MjModel, scene: Scene, c: int, points: Array, position: Array,
    quaternion: Array, fovy: Array,
) -> NDArray[np.bool_]:  # fmt: skip
    """(n,) whether poses of a camera keep in view of points (n, k, 3) what the twin's has in view,
    on this side of the walls."""
    aspect = _aspect(model, scene, c)
    own = model.cam_pos[c][None], model.cam_quat[c][None], model.cam_fovy[c][None]
    seen = in_view(points, *own, aspect)
    good = np.all(in_view(points, position, quaternion, fovy, aspect) | ~seen, axis=1)
    for wall in scene.walls:
        normal = wall.normal / np.linalg.norm(wall.normal)
        least = min(MARGIN, float((model.cam_pos[c] - wall.centre) @ normal))
        good = good & ((position - wall.centre) @ normal >= least)
    return np.asarray(good)


def in_view(
    points: Array, position: Array, quaternion: Array, fovy: Array, aspect: float
) -> NDArray[np.bool_]:
    """(n, k) whether n cameras see points (k, 3), or (n, k, 3) of each, within their pictures,
    nothing in the way.

    position (n, 3), quaternion (n, 4) and fovy (n,; degrees) as in MjModel; aspect: width over
    height.
    """
    from scipy.spatial.transform import Rotation

    axes = Rotation.from_quat(quaternion, scalar_first=True).as_matrix()
    local = np.einsum("nkd,ndc->nkc", points - position[:, None], axes)
    half = np.tan(np.radians(fovy) / 2)[:, None] * -local[..., 2]
    return (np.abs(local[..., 0]) <= half * aspect) & (np.abs(local[..., 1]) <= half)


def _aspect(model: mujoco.MjModel, scene: Scene, c: int) -> float:
    sizes = {camera.name: camera.intrinsics for camera in scene.cameras}
    k = sizes.get(model.camera(c).name, VIEW)
    return k.width / k.height


def noisy(
    image: NDArray[np.uint8] | None,
    depth: NDArray[np.float32] | None,
    noise: Array | NDArray[np.float32],
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8] | None, NDArray[np.float32] | None]:
    """A picture (h, w, 3) and a depth map (h, w; m, 0 unknown), either may be None, as a camera of
    that `noise` (3,) sees them.

    noise: standard deviations of a pixel's noise in shares of full scale; of the blur, a Gaussian
    for lens and motion alike, in pixels of a picture `BLUR_WIDTH` wide; of a depth in shares of it.
    The picture is blurred before the noise is added, as in a camera. Depths are not blurred, which
    would make surfaces up between near and far. Noise of 0 gives the pictures as they are.
    """
    import cv2

    pixel, blur, share = (float(v) for v in noise)
    if image is not None:
        sigma = blur * image.shape[1] / BLUR_WIDTH
        value = image.astype(np.float32)
        if sigma > 0:
            value = np.asarray(cv2.GaussianBlur(value, (0, 0), sigma), np.float32)
        value += 255 * pixel * rng.standard_normal(image.shape, np.float32)
        image = np.clip(np.round(value), 0, 255).astype(np.uint8)
    if depth is not None:
        factor = 1 + share * rng.standard_normal(depth.shape)
        depth = (depth * factor).astype(np.float32)
    return image, depth


def distance(model: mujoco.MjModel, scene: Scene, arrays: Mapping[str, NDArray[Any]]) -> Array:
    """(n,) in 0..1: the mean of how far place, direction, focal length and noise went from the
    twin's, each over the farthest that it goes."""
    seen, turned, fovy = model.cam_pos, model.cam_quat, np.radians(model.cam_fovy)
    moved = np.linalg.norm(arrays["cam_pos"] - seen, axis=-1) / MOVE
    # Of a difference, not of a product: exactly 0 for the same.
    near, far = (np.linalg.norm(arrays["cam_quat"] - sign * turned, axis=-1) for sign in (1, -1))
    angle = 4 * np.arcsin(np.minimum(np.minimum(near, far) / 2, 1))
    focal = np.tan(np.radians(arrays["cam_fovy"]) / 2) / np.tan(fovy / 2)
    parts = [moved, angle / (TURN + ROLL), np.abs(np.log(focal)) / np.log(ZOOM),
             arrays["camera_noise"] / NOISE]  # fmt: skip
    return mean(np.stack([mean(np.minimum(part, 1)) for part in parts], axis=1))


@dataclass(frozen=True)
class CameraView:
    """The axis; see the module."""

    name: str = "camera"

    def numbers(self, source: Source) -> int:
        """See `numbers`."""
        return numbers(source.twin)

    def draw(self, source: Source, uniform: Array, strength: Array, drawn: Drawn) -> Drawn:
        """See `draw`."""
        place = source.union.bank.address[: source.own, None] + np.arange(3)
        position = drawn["qpos"][:, place]
        return draw(source.union.model, source.twin, uniform, strength, position)

    def distance(self, source: Source, drawn: Drawn) -> Array:
        """See `distance`."""
        return distance(source.union.model, source.twin, drawn)
