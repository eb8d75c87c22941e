"""Pictures of the twin and its cousins, off screen: one model a family, its fields rewritten."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.archive import write_file
from cousins.bank import EXTRAS, Family, meshless
from cousins.errors import PackError, UsageError
from cousins.gl import renderer
from cousins.index import index, spread
from cousins.mesh import quaternion_from_matrix
from cousins.pack import Pack, load_family, load_model, locate
from cousins.pack_mjcf import compile_safe
from cousins.progress import Progress, silent
from cousins.types import Array, Intrinsics
from cousins.variation.camera import noisy

Image = NDArray[np.uint8]
CAMERA = "overview"
TILE = (320, 240)
# A shadow map of 4096 takes software rendering twice the time, which one picture can afford; the
# samples smooth edges for little.
_SHADOW, _FINE, SAMPLES = 1024, 4096, 4
_GAP, _STRIP = 4, 22
_DISC, _MARKED = 0.001, (0.1, 0.8, 0.3, 0.6)  # m, half as thick as a mark is; its colour


def write_cousin(model: mujoco.MjModel, fields: Mapping[str, NDArray[Any]]) -> None:
    """Write one cousin's fields, a row of `Family.fields`, into `model`, without a compile.

    Every cousin sets the same fields, so that the model can be used for one after another. What
    MuJoCo derives from them stays what it is: nothing of it is seen. Raises PackError for a mesh
    that the model does not hold.
    """
    if meshless(model, fields):
        raise PackError("a cousin's mesh is none of its model's: augment anew")
    for name, value in fields.items():
        if name != "qpos" and name not in EXTRAS:
            getattr(model, name)[:] = value


def set_cousin(
    model: mujoco.MjModel, data: mujoco.MjData, arrays: Mapping[str, NDArray[Any]], row: int
) -> None:
    """Make `model` the cousin of that row, at rest where it starts. Raises as `write_cousin`."""
    write_cousin(model, {name: values[row] for name, values in arrays.items()})
    qpos = arrays["qpos"][row]
    model.qpos0[:] = qpos
    for joint in np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE):
        body, start = model.jnt_bodyid[joint], model.jnt_qposadr[joint]
        model.body_pos[body] = qpos[start : start + 3]
        model.body_quat[body] = qpos[start + 3 : start + 7]
    mujoco.mj_setConst(model, data)
    mujoco.mj_resetData(model, data)
    mujoco.mj_forward(model, data)


def cousin_model(pack: Pack, number: int) -> tuple[mujoco.MjModel, mujoco.MjData]:
    """One cousin, by its number, as a model and its data at the start.

    Raises UsageError for a number that the pack does not hold, PackError for a bad family.
    """
    k, row = locate(pack, number)
    family = load_family(pack, k)
    model = union_model(pack, k, family)
    data = mujoco.MjData(model)
    set_cousin(model, data, family.fields([row]), 0)
    return model, data


def twin_model(pack: Pack) -> tuple[mujoco.MjModel, mujoco.MjData]:
    """The twin as a model and its data at the start."""
    model = load_model(pack)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


def union_model(pack: Pack, k: int, family: Family) -> mujoco.MjModel:
    """Family k's union model, with all that is seen of it. Raises PackError for a bad family."""
    where = f"{pack.path}: families/{k}/model.xml"
    model = compile_safe(where, family.xml, family.files)
    if "qpos" not in family.arrays:
        raise PackError(f"{where}: cousins.npz has no qpos: augment anew")
    for name, values in family.fields([0]).items() if len(family) else ():
        if values.shape[1:] != _shape(model, name):
            raise PackError(f"{where}: {name} of cousins.npz has another shape: augment anew")
    return model


def _shape(model: mujoco.MjModel, name: str) -> tuple[int, ...]:
    if name in EXTRAS:
        return (EXTRAS[name],)
    return (model.nq,) if name == "qpos" else getattr(getattr(model, name, None), "shape", ())


def picture(
    pack: Pack, number: int | None, camera: str, size: tuple[int, int], noise: bool = False
) -> Image:
    """(h, w, 3) RGB of cousin `number`, or of the twin for None. size: width, height in pixels.

    noise: as the cousin's own camera sees it, the same at each call; the twin's has none.

    Raises UsageError for an unknown camera or cousin, MissingDependencyError without OpenGL.
    """
    model, data = twin_model(pack) if number is None else cousin_model(pack, number)
    image = render(model, data, camera, size)
    if number is None or not noise:
        return image
    k, row = locate(pack, number)
    return _noised(image, load_family(pack, k), row, number)


def _noised(image: Image, family: Family, row: int, number: int) -> Image:
    told = family.arrays.get("camera_noise")
    if told is None:  # cousins from before cameras varied
        return image
    seen, _ = noisy(image, None, told[row], np.random.default_rng(number))
    return image if seen is None else seen


def render(model: mujoco.MjModel, data: mujoco.MjData, camera: str, size: tuple[int, int]) -> Image:
    """(h, w, 3) RGB of one model. Raises UsageError for a camera that it does not have."""
    with painter(model, size, _FINE) as paint:
        return paint.rgb(data, camera)


def view_from(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    world_from_camera: Array,
    intrinsics: Intrinsics,
    size: tuple[int, int],
) -> Image:
    """(h, w, 3) RGB as a camera with OpenCV axes at that pose sees it, to lay beside a frame."""
    camera = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, CAMERA)
    if camera < 0:
        raise UsageError(f"the model has no camera {CAMERA!r} to move")
    kept = model.cam_pos[camera].copy(), model.cam_quat[camera].copy(), model.cam_fovy[camera]
    rotation = world_from_camera[:3, :3] @ np.diag([1.0, -1.0, -1.0])
    model.cam_pos[camera] = world_from_camera[:3, 3]
    model.cam_quat[camera] = quaternion_from_matrix(rotation)
    model.cam_fovy[camera] = np.degrees(2 * np.arctan(intrinsics.height / (2 * intrinsics.fy)))
    mujoco.mj_forward(model, data)
    try:
        return render(model, data, CAMERA, size)
    finally:
        model.cam_pos[camera], model.cam_quat[camera], model.cam_fovy[camera] = kept
        mujoco.mj_forward(model, data)


class Painter:
    """Pictures of a model that `painter` gives and closes. The data is to be up to date: after
    `mj_forward`, or the three calls of it that move what is seen."""

    def __init__(self, model: mujoco.MjModel, made: mujoco.Renderer) -> None:
        self.model, self._made = model, made

    def rgb(self, data: mujoco.MjData, camera: str, mark: Array | None = None) -> Image:
        """(h, w, 3). mark (4,): a place in the world and a radius, m, about which a disc is drawn
        on what lies there; NaN for none. Raises UsageError for a camera that the model does not
        have."""
        return self._paint(data, camera, mark)

    def depth(self, data: mujoco.MjData, camera: str) -> NDArray[np.float32]:
        """(h, w), m along the camera's axis; 0 where there is nothing. Raises as `rgb`."""
        self._made.enable_depth_rendering()
        try:
            depth = self._paint(data, camera)
        finally:
            self._made.disable_depth_rendering()
        far = self.model.vis.map.zfar * self.model.stat.extent
        return np.where(depth < 0.99 * far, depth, 0).astype(np.float32)

    def bodies(self, data: mujoco.MjData, camera: str) -> NDArray[np.int32]:
        """(h, w) ids of the bodies that are seen, -1 where there is none. Raises as `rgb`."""
        self._made.enable_segmentation_rendering()
        try:
            seen, kind = np.moveaxis(self._paint(data, camera), -1, 0)
        finally:
            self._made.disable_segmentation_rendering()
        geom = kind == int(mujoco.mjtObj.mjOBJ_GEOM)
        return np.where(geom, self.model.geom_bodyid[np.where(geom, seen, 0)], -1)

    def _paint(self, data: mujoco.MjData, camera: str, mark: Array | None = None) -> NDArray[Any]:
        known_camera(self.model, camera)
        self._made.update_scene(data, camera=camera)
        if mark is not None and np.isfinite(mark).all():
            _disc(self._made.scene, mark)
        return self._made.render()


def _disc(scene: mujoco.MjvScene, mark: Array) -> None:
    """Add a flat disc to what is drawn."""
    if scene.ngeom >= scene.maxgeom:
        return
    size = np.array([mark[3], _DISC, 0.0])
    mujoco.mjv_initGeom(scene.geoms[scene.ngeom], int(mujoco.mjtGeom.mjGEOM_CYLINDER), size,
                        np.asarray(mark[:3], float), np.eye(3).ravel(),
                        np.array(_MARKED, np.float32))  # fmt: skip
    scene.ngeom += 1


@contextmanager
def painter(
    model: mujoco.MjModel, size: tuple[int, int], shadow: int = _SHADOW, samples: int = SAMPLES
) -> Iterator[Painter]:
    """What paints a model, until the end of the block. size: width, height in pixels; shadow: the
    side of its shadow map; samples: of which a pixel is the mean. Raises UsageError for a size that
    is not to be had, and MissingDependencyError without OpenGL."""
    width, height = size
    if not (8 <= width <= 4096 and 8 <= height <= 4096):
        raise UsageError(f"a picture of {width}x{height} pixels: each side may have 8 to 4096")
    vis = model.vis
    vis.quality.shadowsize, vis.quality.offsamples = shadow, samples
    vis.global_.offwidth, vis.global_.offheight = width, height
    with renderer(model, height, width) as made:
        yield Painter(model, made)


def known_camera(model: mujoco.MjModel, camera: str) -> None:
    """Raises UsageError for a camera that the model does not have, with those it has."""
    names = [model.camera(i).name for i in range(model.ncam)]
    if camera not in names:
        raise UsageError(f"no camera {camera!r}; there are: {', '.join(names) or 'none'}")


def grid(
    pack: Pack,
    count: int,
    camera: str = CAMERA,
    size: tuple[int, int] = TILE,
    progress: Progress = silent,
) -> Image:
    """`tiles` in one picture, each with its caption below it."""
    made = tiles(pack, count, camera, size, progress)
    return mosaic([image for _, image in made], [caption for caption, _ in made])


def tiles(
    pack: Pack,
    count: int,
    camera: str = CAMERA,
    size: tuple[int, int] = TILE,
    progress: Progress = silent,
) -> list[tuple[str, Image]]:
    """`count` captions and pictures: the twin first, then cousins in order of their distance.

    Fewer where the pack holds fewer. Raises UsageError for no picture at all, for an unknown
    camera, and for cousins of a pack that holds none.
    """
    if count < 1:
        raise UsageError(f"a grid of {count} pictures: ask for 1 or more")
    if count > 1 and not pack.families:
        raise UsageError(f"{pack.path}: holds no cousins yet: `cousins augment` adds them")
    held = index(pack)
    chosen = spread(held, count - 1)
    total = 1 + len(chosen)
    progress("render", 0, total)
    model, data = twin_model(pack)
    with painter(model, size) as paint:
        out = {-1: ("twin", paint.rgb(data, camera))}
    for k in np.unique(held.family[chosen]).tolist():
        mine = chosen[held.family[chosen] == k]
        images = _family_tiles(pack, k, held.row[mine].tolist(), camera, size)
        for i, image in zip(mine.tolist(), images, strict=True):
            told = f"cousin {held.number[i]}   distance {held.distance[i]:.2f}"
            out[i] = (told, image)
            progress("render", len(out), total)
    progress("render", total, total)
    return [out[i] for i in (-1, *chosen.tolist())]


def shown(
    pack: Pack, numbers: Sequence[int], camera: str = CAMERA, size: tuple[int, int] = TILE
) -> list[Image]:
    """(h, w, 3) RGB of cousins by their numbers, in their order, a family loaded once for all of
    its cousins. Raises as `picture`."""
    places = [locate(pack, number) for number in numbers]
    out: dict[int, Image] = {}
    for k in dict.fromkeys(k for k, _ in places):
        mine = [i for i, (of, _) in enumerate(places) if of == k]
        rows = [places[i][1] for i in mine]
        out |= zip(mine, _family_tiles(pack, k, rows, camera, size), strict=True)
    return [out[i] for i in range(len(places))]


def _family_tiles(
    pack: Pack, k: int, rows: Sequence[int], camera: str, size: tuple[int, int]
) -> Iterator[Image]:
    family = load_family(pack, k)
    model = union_model(pack, k, family)
    data = mujoco.MjData(model)
    with painter(model, size) as paint:
        for row in rows:
            set_cousin(model, data, family.fields([row]), 0)
            yield paint.rgb(data, camera)


def mosaic(tiles: Sequence[Image], captions: Iterable[str]) -> Image:
    """The tiles, all of one size, in a grid about as many wide as high, each with its caption."""
    import cv2

    height, width = tiles[0].shape[:2]
    columns = int(np.ceil(np.sqrt(len(tiles))))
    rows = -(-len(tiles) // columns)
    step_y, step_x = height + _STRIP + _GAP, width + _GAP
    sheet = np.full((rows * step_y + _GAP, columns * step_x + _GAP, 3), 250, np.uint8)
    for i, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        y, x = (i // columns) * step_y + _GAP, (i % columns) * step_x + _GAP
        sheet[y : y + height, x : x + width] = tile
        cv2.putText(sheet, caption, (x + 4, y + height + 15), cv2.FONT_HERSHEY_SIMPLEX, 0.42,
                    (40, 40, 40), 1, cv2.LINE_AA)  # fmt: skip
    return sheet


def save(path: Path, image: Image) -> None:
    """Write (h, w, 3) RGB as .png or .jpg, by its suffix; nothing half-written is left.

    Raises UsageError for another suffix, PackError where the file cannot be written.
    """
    write_file(path, encode(image, image_suffix(path)))


def image_suffix(path: Path) -> str:
    """The picture's format by its suffix. Raises UsageError for one that cannot be written."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".png", ".jpg", ".jpeg"):
        raise UsageError(f"{path}: not a picture's name: end it in .png or .jpg")
    return suffix


def encode(image: Image, suffix: str = ".png") -> bytes:
    """(h, w, 3) RGB as the bytes of a .png or .jpg file."""
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, 88] if suffix != ".png" else []
    return cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)[1].tobytes()
