"""Where pictures were taken from: structure from motion by pycolmap (Schönberger and Frahm 2016).

SIFT features on the CPU, matched in pairs, then one camera after the other is added and all are
adjusted together. One camera takes all pictures; what is not known of it is estimated.
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.errors import MissingDependencyError, ScanError
from cousins.photos.pairs import pairs
from cousins.photos.pick import FEWEST, Picked
from cousins.progress import Progress, silent
from cousins.types import Array, Intrinsics, Photos, Views

HOW_TO_FILM = (
    "film again: slowly, in good light, all around the things, with the same things in view from"
    " one picture to the next, and with something patterned (a newspaper, a cloth) under plain ones"
)
UNIT = "no unit: the pictures alone do not tell their scale"
_BATCH = 64  # pairs between two words of progress
_Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Solve:
    """Solves for the poses of chosen pictures.

    width: features are found in pictures of at most so many pixels. features: most a picture.
    every: up to so many unordered pictures, all are held against all; beyond, each against the
    `alike` others that look most like it. threads: for features and matching, which give the same
    with any number; the rest runs on one, for sums over threads are not repeatable. seed: of what
    pycolmap draws.
    """

    width: int = 1600
    features: int = 4096
    every: int = 80
    alike: int = 20
    threads: int | None = None
    seed: int = 0

    def __call__(
        self, photos: Photos, picked: Picked, work: Path, progress: Progress = silent
    ) -> Views:
        """The views of the pictures that found their place, in a world of no known unit; or, where
        `photos` has solved poses, in theirs.

        work: a folder for the database and pycolmap's log. Warnings name what was left out. Raises
        ScanError where less than half of the pictures fit together.
        """
        pycolmap = _pycolmap()
        if work.exists():
            shutil.rmtree(work / "solve", ignore_errors=True)
        work = work / "solve"
        work.mkdir(parents=True)
        names = [photos.names[i] for i in picked.chosen]
        with _quiet(pycolmap, work / "pycolmap.log"):
            try:
                model = self._model(pycolmap, photos, picked, work, progress)
            except (RuntimeError, ValueError, IndexError) as error:
                reason = " ".join(str(error).split())[:200] or type(error).__name__
                raise ScanError(f"pycolmap failed ({reason}): {HOW_TO_FILM}") from error
            return _views(photos, picked, model, names)

    def _model(
        self, pycolmap: Any, photos: Photos, picked: Picked, work: Path, progress: Progress
    ) -> Any:
        """pycolmap's largest Reconstruction, None where there is none; images are named by their
        place among the chosen."""
        pycolmap.set_random_seed(self.seed)
        file = work / "database.db"
        descriptors = self._features(pycolmap, photos, picked, file, progress)
        which = pairs(descriptors, photos.ordered, self.every, self.alike)
        self._match(pycolmap, which, file, work, progress)
        options = pycolmap.IncrementalPipelineOptions()
        options.min_model_size = FEWEST
        options.extract_colors = False
        options.random_seed = self.seed
        options.num_threads = 1
        options.mapper.random_seed = options.triangulation.random_seed = self.seed
        options.mapper.num_threads = 1
        known = photos.camera is not None
        options.ba_refine_focal_length = options.ba_refine_extra_params = not known
        options.mapper.abs_pose_refine_focal_length = not known
        options.mapper.abs_pose_refine_extra_params = not known
        if photos.solved and photos.poses is not None and known:
            given = _given(pycolmap, file, photos.poses[picked.chosen])
            progress("triangulate", 0, 1)
            model = pycolmap.triangulate_points(given, file, work, work, options=options)
            progress("triangulate", 1, 1)
            return model
        return _mapped(pycolmap, file, work, options, len(picked.chosen), progress)

    def _features(
        self, pycolmap: Any, photos: Photos, picked: Picked, file: Path, progress: Progress
    ) -> list[NDArray[np.uint8]]:
        """Finds and stores them, in order; returns the descriptors of each picture, (f, 128)."""
        options = pycolmap.FeatureExtractionOptions()
        options.num_threads, options.use_gpu = 1, False
        options.sift.max_num_features = self.features
        device = pycolmap.Device.cpu
        threads = self.threads or os.cpu_count() or 1
        scale = min(1.0, self.width / max(photos.size))
        size = round(photos.size[0] * scale), round(photos.size[1] * scale)
        extractors = [pycolmap.FeatureExtractor.create(options, device) for _ in range(threads)]
        free = deque(extractors)

        def found(picture: _Picture) -> Any:
            extractor = free.popleft()
            try:
                return extractor.extract_from_uint8_array(_small_grey(picture, size))
            finally:
                free.append(extractor)

        database = pycolmap.Database.open(file)
        try:
            camera = database.write_camera(_camera(pycolmap, photos))
            out = []
            for i, (points, descriptors) in enumerate(
                _in_order(found, _chosen(photos, picked.chosen), threads)
            ):
                progress("find features", i, len(picked.chosen))
                matrix = pycolmap.keypoints_to_matrix(points)
                matrix[:, :2] *= np.array(photos.size) / size
                matrix[:, 2:3] /= scale
                image = database.write_image(pycolmap.Image(name=_name(i), camera_id=camera))
                database.write_keypoints(image, matrix)
                database.write_descriptors(image, descriptors)
                out.append(np.asarray(descriptors.data, np.uint8))
            progress("find features", len(out), len(out))
        finally:
            database.close()
        return out

    def _match(
        self, pycolmap: Any, which: NDArray[np.int64], file: Path, work: Path, progress: Progress
    ) -> None:
        matching = pycolmap.FeatureMatchingOptions()
        matching.use_gpu = False
        matching.num_threads = self.threads or -1
        checking = pycolmap.TwoViewGeometryOptions()
        checking.ransac.random_seed = self.seed
        pairing = pycolmap.ImportedPairingOptions()
        pairing.match_list_path = work / "pairs.txt"
        for start in range(0, len(which), _BATCH):
            progress("match pictures", start, len(which))
            lines = [f"{_name(i)} {_name(j)}" for i, j in which[start : start + _BATCH].tolist()]
            (work / "pairs.txt").write_text("\n".join(lines) + "\n")
            pycolmap.match_image_pairs(
                file, matching_options=matching, pairing_options=pairing,
                verification_options=checking, device=pycolmap.Device.cpu,
            )  # fmt: skip
        progress("match pictures", len(which), len(which))


def undistorted(
    pictures: Callable[[], Iterator[_Picture]],
    chosen: NDArray[np.int64],
    lens: Intrinsics,
    distortion: Array,
    camera: Intrinsics,
) -> Iterator[_Picture]:
    """The chosen of `pictures()`, as the pinhole `camera` would have taken them.

    lens, distortion (k1, k2, p1, p2): of the camera that did, by Brown's model.
    """
    import cv2

    straight = not np.any(distortion)
    size = (camera.width, camera.height)
    maps = None if straight else cv2.initUndistortRectifyMap(
        lens.matrix, distortion, np.eye(3), camera.matrix, size, cv2.CV_32FC1
    )  # fmt: skip
    wanted = set(chosen.tolist())
    last = max(wanted, default=-1)
    for i, picture in enumerate(pictures()):
        if i in wanted:
            yield picture if maps is None else np.asarray(
                cv2.remap(picture, *maps, cv2.INTER_LINEAR), np.uint8
            )  # fmt: skip
        if i >= last:
            return


def _pycolmap() -> Any:
    try:
        import pycolmap
    except ImportError as error:
        raise MissingDependencyError(
            'photos and videos need pycolmap: pip install "cousins[photos]"'
        ) from error
    return pycolmap


@contextmanager
def _quiet(pycolmap: Any, log: Path) -> Iterator[None]:
    """What pycolmap tells goes to a file."""
    logging = pycolmap.logging
    names = ("logtostderr", "alsologtostderr", "stderrthreshold")
    before = {name: getattr(logging, name) for name in names}
    logging.logtostderr = logging.alsologtostderr = False
    logging.stderrthreshold = 4  # above FATAL: those come as exceptions
    logging.set_log_destination(logging.INFO, log)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(logging, name, value)


def _name(i: int) -> str:
    return f"{i:06d}"


def _camera(pycolmap: Any, photos: Photos) -> Any:
    """pycolmap's camera; its pixels' centres lie at halves."""
    (width, height), k = photos.size, photos.camera
    if k is not None:
        params = [k.fx, k.fy, k.cx + 0.5, k.cy + 0.5]
        known = pycolmap.Camera(model="PINHOLE", width=width, height=height, params=params)
        known.has_prior_focal_length = True
        return known
    # 1.2 sides: a view of 45 degrees, between a phone's wide and tele cameras.
    focal = photos.focal or 1.2 * max(width, height)
    params = [focal, width / 2, height / 2, 0.0]
    guess = pycolmap.Camera(model="SIMPLE_RADIAL", width=width, height=height, params=params)
    guess.has_prior_focal_length = photos.focal is not None
    return guess


def _small_grey(picture: _Picture, size: tuple[int, int]) -> _Picture:
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    if grey.shape[1::-1] != size:
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(grey, np.uint8)


def _chosen(photos: Photos, chosen: NDArray[np.int64]) -> Iterator[_Picture]:
    k = Intrinsics(*photos.size, 1.0, 1.0, 0.0, 0.0)
    return undistorted(photos.pictures, chosen, k, np.zeros(4), k)


def _in_order(
    work: Callable[[_Picture], Any], pictures: Iterator[_Picture], threads: int
) -> Iterator[Any]:
    """work(picture) of each, in order, on threads, with few pictures in memory."""
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for picture in pictures:
            waiting.append(pool.submit(work, picture))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _given(pycolmap: Any, file: Path, poses: Array) -> Any:
    """A Reconstruction of the database's pictures at the poses (n, 4, 4) world_from_camera."""
    database = pycolmap.Database.open(file)
    try:
        images = sorted(database.read_all_images(), key=lambda image: image.name)
        camera = database.read_camera(images[0].camera_id)
    finally:
        database.close()
    model = pycolmap.Reconstruction()
    model.add_camera_with_trivial_rig(camera)
    for image in images:
        pose = np.linalg.inv(poses[int(image.name)])
        fresh = pycolmap.Image(name=image.name, camera_id=camera.camera_id, image_id=image.image_id)
        model.add_image_with_trivial_frame(fresh, pycolmap.Rigid3d(pose[:3]))
    return model


def _mapped(
    pycolmap: Any, file: Path, work: Path, options: Any, total: int, progress: Progress
) -> Any:
    done = 2

    def placed() -> None:
        nonlocal done
        done = min(done + 1, total)
        progress("place cameras", done, total)

    progress("place cameras", 0, total)
    models = pycolmap.incremental_mapping(
        file, work, work / "models", options, next_image_callback=placed
    )
    progress("place cameras", total, total)
    # Of two that are equally large the first, which pycolmap began with the best pair.
    return max(models.values(), key=lambda m: m.num_reg_images(), default=None)


def _views(photos: Photos, picked: Picked, model: Any, names: list[str]) -> Views:
    images = [] if model is None else [model.images[i] for i in model.reg_image_ids()]
    images.sort(key=lambda image: image.name)
    found = [int(image.name) for image in images]
    total = len(names)
    if model is None or len(found) < max(FEWEST, total / 2):
        raise ScanError(
            f"{photos.path}: only {len(found)} of {total} pictures fit together; {HOW_TO_FILM}"
        )
    warnings = photos.warnings + picked.warnings
    lost = [name for i, name in enumerate(names) if i not in set(found)]
    if lost:
        shown = ", ".join(lost[:8]) + (f" and {len(lost) - 8} more" if len(lost) > 8 else "")
        warnings += (f"{len(lost)} of {total} pictures found no place and are not used: {shown}",)
    poses = np.tile(np.eye(4), (len(images), 1, 1))
    for pose, image in zip(poses, images, strict=True):
        pose[:3] = image.cam_from_world().inverse().matrix()
    solid = [p for p in model.points3D.values() if p.track.length() >= FEWEST]
    lens, distortion = _lens(model.cameras[images[0].camera_id])
    chosen = picked.chosen[found]
    camera = lens if not distortion.any() else _pinhole(lens, distortion)
    kept = photos.solved and photos.camera is not None
    return Views(
        poses=photos.poses[chosen] if kept and photos.poses is not None else poses,
        camera=camera,
        pictures=partial(undistorted, photos.pictures, chosen, lens, distortion, camera),
        chosen=chosen,
        points=np.array([p.xyz for p in solid], float).reshape(-1, 3),
        metric=kept and photos.metric,
        scale_source="the capture's own poses" if kept and photos.metric else UNIT,
        residual=float(np.median([p.error for p in solid])) if solid else float("nan"),
        up=photos.up if kept else None,
        warnings=warnings,
    )


def _lens(camera: Any) -> tuple[Intrinsics, Array]:
    """pycolmap's camera as ours, pixel centres at whole numbers, and k1, k2, p1, p2."""
    lens = Intrinsics(
        camera.width,
        camera.height,
        camera.focal_length_x,
        camera.focal_length_y,
        camera.principal_point_x - 0.5,
        camera.principal_point_y - 0.5,
    )
    distortion = np.zeros(4)
    extra = [camera.params[i] for i in camera.extra_params_idxs()]
    distortion[: len(extra)] = extra
    return lens, distortion


def _pinhole(lens: Intrinsics, distortion: Array) -> Intrinsics:
    """The pinhole camera of the same size that sees no pixel from beyond the picture's edge."""
    import cv2

    size = (lens.width, lens.height)
    matrix, _ = cv2.getOptimalNewCameraMatrix(lens.matrix, distortion, size, 0.0, size)
    fx, fy, cx, cy = (float(matrix[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
    return Intrinsics(*size, fx, fy, cx, cy)
