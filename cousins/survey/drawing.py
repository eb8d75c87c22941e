"""A capture's coverage as one picture: a map from above, both sides, and frames to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.survey import LEAST, Findings, around, standing
from cousins.survey.looks import Look
from cousins.types import Array

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

MAP, SIDE, TILE = (1000, 1000), (420, 478), (300, 225)  # width, height, px
EDGE, HEAD, CAPTION, FOOT = 20, 56, 24, 84
FINER = 2  # rays along each side of a pixel
BAND = 128  # rows drawn at a time
PAPER, INK, SOFT, LINE = (251, 251, 249), (28, 32, 36), (98, 107, 115), (226, 227, 222)
MARK, BAD, BLUR = (20, 60, 140), (196, 40, 50), (200, 60, 190)
# From how many directions a surface was seen: 1 or none, 2, 3, 4, 5, 6 and more.
RAMP = np.array([[178, 24, 43], [226, 92, 54], [250, 178, 84], [226, 216, 110], [138, 196, 100],
                 [38, 146, 84]], float)  # fmt: skip
MOST_ACROSS = 8.0  # m that the map shows at most
AROUND = 0.05  # m round the things in the side views
HIGHER = 0.1  # m above the highest thing: what hangs over it would hide it


def coverage(findings: Findings) -> Image:
    """(h, w, 3) RGB: how well each surface was seen, from where, and in what frames."""
    height = HEAD + MAP[1] + CAPTION + FOOT
    width = 4 * EDGE + MAP[0] + SIDE[0] + TILE[0]
    sheet = np.full((height, width, 3), PAPER, np.uint8)
    _text(sheet, _title(findings), (EDGE, 36), 0.75, INK, 2)
    stage = _stage(findings)
    x = EDGE
    _paste(sheet, _map(findings, stage), (x, HEAD))
    _text(sheet, "from above; the front is the first frame's side", (x, HEAD + MAP[1] + 18))
    x += MAP[0] + EDGE
    for row, (name, azimuth) in enumerate((("from the front", 0.0), ("from the back", 180.0))):
        y = HEAD + row * (SIDE[1] + CAPTION + EDGE // 2 + 10)
        _paste(sheet, _oblique(findings, stage, azimuth), (x, y))
        _text(sheet, name, (x, y + SIDE[1] + 18))
    x += SIDE[0] + EDGE
    for row, (image, caption) in enumerate(_tiles(findings)):
        y = HEAD + row * (TILE[1] + CAPTION + 9)
        _paste(sheet, image, (x, y))
        _text(sheet, caption, (x, y + TILE[1] + 18), 0.48)
    _legend(sheet, (EDGE, HEAD + MAP[1] + CAPTION + 20))
    return sheet


def _title(f: Findings) -> str:
    name = f.capture.path.resolve().name.encode("ascii", "replace").decode()
    low, high = f.way.elevation
    above = f", {low:.0f} to {high:.0f} degrees above" if np.isfinite(low) else ""
    return f"{name}: {len(f.capture)} frames, {f.way.round:.0f} of 360 degrees round{above}"


@dataclass(frozen=True)
class _Stage:
    """What is drawn. faces (m, 3); kept (m,): those of what matters; colours (v, 3) 0..255.

    low, high: (3,) corners of what matters; things: (2, 3) those of what stands on the supports.
    """

    vertices: Array
    faces: NDArray[np.int32]
    kept: NDArray[np.bool_]
    colours: Array
    low: Array
    high: Array
    things: Array


def _stage(f: Findings) -> _Stage:
    surface, points = f.world.surface, f.world.surface.vertices[f.interest]
    some = points if len(points) else np.vstack([f.way.middle, f.poses[:, :3, 3]])
    low, high = np.percentile(some, [1, 99], axis=0)
    things = np.stack([low, high])
    over = some[standing(some, f.world.supports)]
    if len(over) >= LEAST:
        things = np.percentile(over, [2, 98], axis=0) + [[-AROUND], [AROUND]]
    light = surface.colours @ [0.299, 0.587, 0.114] if len(surface.colours) else np.zeros(0)
    # Lit from above and from before, so that steps and roundings show.
    shade = 0.6 + 0.4 * np.clip(surface.normals @ np.array([0.25, -0.35, 0.9]), 0, 1)
    colours = np.repeat((205 + 40 * light)[:, None], 3, axis=1)
    well = RAMP[np.clip(f.seen.directions, 1, len(RAMP)) - 1]
    colours[f.interest] = well * (0.45 + 0.75 * light[f.interest, None]).clip(0, 1)
    colours *= shade[:, None]
    kept = np.asarray(f.interest[surface.faces].all(1))
    return _Stage(surface.vertices, surface.faces, kept, colours, low, high, things)


@dataclass(frozen=True)
class _View:
    """A view without perspective. axes (3, 3): rows right, up and towards the viewer.

    centre: the world's point in the image's middle. metres: of a pixel. size: width, height.
    """

    axes: Array
    centre: Array
    metres: float
    size: tuple[int, int]

    def pixels(self, points: Array) -> Array:
        """(n, 2) x and y of world points (n, 3)."""
        p = (np.atleast_2d(points) - self.centre) @ self.axes.T / self.metres
        return np.stack([self.size[0] / 2 + p[:, 0], self.size[1] / 2 - p[:, 1]], axis=1)


def _view(
    f: Findings, azimuth: float, elevation: float, points: Array, size: tuple[int, int]
) -> _View:
    """From an azimuth and elevation, degrees, so that the points (n, 3) are in view."""
    a, e = np.radians(f.way.front + azimuth), np.radians(elevation)
    towards = np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
    right = np.array([-np.sin(a), np.cos(a), 0.0])
    axes = np.stack([right, np.cross(towards, right), towards])
    across = points @ axes.T
    low, high = across.min(0), across.max(0)
    metres = 1.12 * float(((high - low)[:2] / size).max())
    metres = float(np.clip(metres, 0.1 / size[0], MOST_ACROSS / size[0]))
    return _View(axes, axes.T @ ((low + high) / 2), metres, size)


def _render(stage: _Stage, shown: NDArray[np.bool_], view: _View) -> Image:
    """(h, w, 3) the shown faces (m,) of the stage, FINER rays a side of each pixel."""
    import cv2
    import open3d as o3d

    image = np.full((view.size[1], view.size[0], 3), PAPER, np.uint8)
    faces = stage.faces[shown]
    if not len(faces):
        return image
    caster = o3d.t.geometry.RaycastingScene(nthreads=0)
    caster.add_triangles(
        o3d.core.Tensor(stage.vertices.astype(np.float32)),
        o3d.core.Tensor(faces.astype(np.uint32)),
    )
    right, up, towards = view.axes.astype(np.float32)
    width = view.size[0] * FINER
    x = ((np.arange(width, dtype=np.float32) + 0.5) / FINER - view.size[0] / 2) * view.metres
    colours = stage.colours.astype(np.float32)
    # A band of rows at a time: millions of rays need not be held at once.
    for top in range(0, view.size[1], BAND):
        rows = min(BAND, view.size[1] - top)
        y = np.arange(rows * FINER, dtype=np.float32) + 0.5
        y = (view.size[1] / 2 - top - y / FINER) * view.metres
        rays = np.empty((rows * FINER, width, 6), np.float32)
        rays[..., :3] = view.centre + 50 * towards + y[:, None, None] * up + x[:, None] * right
        rays[..., 3:] = -towards
        met: Any = caster.cast_rays(o3d.core.Tensor(rays))
        face = met["primitive_ids"].numpy()
        hit = face != np.uint32(caster.INVALID_ID)
        u, v = met["primitive_uvs"].numpy()[hit].T[:, :, None]
        a, b, c = faces[face[hit]].T
        fine = np.full((rows * FINER, width, 3), PAPER, np.float32)
        fine[hit] = (1 - u - v) * colours[a] + u * colours[b] + v * colours[c]
        small = cv2.resize(fine, (view.size[0], rows), interpolation=cv2.INTER_AREA)
        image[top : top + rows] = np.clip(np.rint(small), 0, 255)
    return image


def _map(f: Findings, stage: _Stage) -> Image:
    import cv2

    eyes = f.poses[:, :3, 3]
    ring = _round(f.way, np.arange(0.0, 360, 10))
    view = _view(f, 0.0, 90.0, np.vstack([eyes, stage.low, stage.high, ring]), MAP)
    low = stage.vertices[:, 2] < stage.high[2] + HIGHER
    image = _render(stage, low[stage.faces].all(1), view)
    names: list[tuple[str, Array]] = []
    for support in f.world.supports:
        if support.kind != "floor":
            outline = np.column_stack([support.polygon, np.full(len(support.polygon), 0.0)])
            corners = view.pixels(outline)
            cv2.polylines(image, [_fixed(corners)], True, INK, 1, cv2.LINE_AA, 4)
            names.append((support.name, corners[np.argmax(corners @ [-0.2, 1.0])] + [4, 16]))
    _gaps(f, view, image)
    _path(f, view, image)
    for name, at in names:
        _label(image, name, at, INK)
    for name, at in (("FRONT", (0.5, 0.985)), ("BACK", (0.5, 0.025)), ("LEFT", (0.035, 0.5)),
                     ("RIGHT", (0.96, 0.5))):  # fmt: skip
        _label(image, name, np.array(at) * MAP - [20, -4], SOFT)
    _scale(image, view.metres)
    return _framed(image)


def _path(f: Findings, view: _View, image: Image) -> None:
    """The cameras' way, each with a tick to where it looks."""
    import cv2

    eyes = view.pixels(f.poses[:, :3, 3])
    ahead = f.poses[:, :3, 2] @ view.axes[:2].T * [1, -1]
    cv2.polylines(image, [_fixed(eyes)], False, (255, 255, 255), 4, cv2.LINE_AA, 4)
    cv2.polylines(image, [_fixed(eyes)], False, MARK, 1, cv2.LINE_AA, 4)
    for eye, way, bad in zip(eyes, ahead, f.blurred, strict=True):
        colour: Colour = BLUR if bad else MARK
        cv2.line(image, _point(eye), _point(eye + 14 * way), colour, 1, cv2.LINE_AA)
        cv2.circle(image, _point(eye), 5 if bad else 3, colour, cv2.FILLED, cv2.LINE_AA)
    cv2.circle(image, _point(eyes[0]), 9, MARK, 2, cv2.LINE_AA)
    _label(image, "start", eyes[0] + [12, 5], MARK)
    cv2.drawMarker(image, _point(eyes[-1]), MARK, cv2.MARKER_TILTED_CROSS, 16, 2, cv2.LINE_AA)
    _label(image, "end", eyes[-1] + [12, 5], MARK)


def _gaps(f: Findings, view: _View, image: Image) -> None:
    """Where nobody filmed from: a dashed bow."""
    import cv2

    way = f.way
    for (first, last), walled in zip(way.gaps, way.walled, strict=True):
        turns = way.front + np.arange(first + 4, last - 4, 8.0)
        barred = around.barred(way.middle, way.radius, turns + 2.5, f.world.walls)
        for turn, wall in zip(turns, barred, strict=True):
            dash = view.pixels(_round(way, turn + np.linspace(0, 5, 5)))
            cv2.polylines(image, [_fixed(dash)], False, SOFT if wall else BAD, 4, cv2.LINE_AA, 4)
        at = view.pixels(_round(way, np.array([way.front + (first + last) / 2])))[0]
        if walled < 1:
            _label(image, "not filmed from here", at - [80, -6], BAD)


def _round(way: around.Way, turns: Array) -> Array:
    """(n, 3) points round the middle at azimuths (n,) of the world, degrees."""
    angle = np.radians(turns)
    return way.middle + way.radius * np.stack(
        [np.cos(angle), np.sin(angle), np.zeros(len(angle))], axis=1
    )


def _oblique(f: Findings, stage: _Stage, azimuth: float) -> Image:
    points = stage.vertices[np.unique(stage.faces[stage.kept])]
    low, high = stage.things
    near = points[((points >= low) & (points <= high)).all(1)]
    view = _view(f, azimuth, 35.0, near if len(near) else stage.things, SIDE)
    return _framed(_render(stage, stage.kept, view))


def _tiles(f: Findings) -> list[tuple[Image, str]]:
    """Frames to look at, each with its caption."""
    looks, edges = f.looks, f.edges
    tiles = []
    if looks[0].frame.colour is not None:
        tiles.append((_fitted(looks[0].frame.colour), f"frame {looks[0].number}: the first"))
    if np.isfinite(edges).any():
        for i, name in ((int(np.nanargmin(edges)), "sharpest"),
                        (int(np.nanargmax(edges)), "blurriest")):  # fmt: skip
            picture = looks[i].frame.colour
            if picture is not None:
                told = f"frame {looks[i].number}: {name}, edges {edges[i]:.1f} px"
                tiles.append((_cut(picture), told))
    least = min(looks, key=lambda look: look.known)
    tiles.append((_depth(least), f"frame {least.number}: least depth, {least.known:.0%} known"))
    return tiles


def _fitted(picture: Image) -> Image:
    import cv2

    h, w = picture.shape[:2]
    scale = min(TILE[0] / w, TILE[1] / h)
    size = max(1, round(w * scale)), max(1, round(h * scale))
    image = np.full((TILE[1], TILE[0], 3), LINE, np.uint8)
    y, x = (TILE[1] - size[1]) // 2, (TILE[0] - size[0]) // 2
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    image[y : y + size[1], x : x + size[0]] = small
    return image


def _cut(picture: Image) -> Image:
    """Its middle, pixel by pixel: made smaller, every picture is sharp."""
    h, w = picture.shape[:2]
    if w < TILE[0] or h < TILE[1]:
        return _fitted(picture)
    y, x = (h - TILE[1]) // 2, (w - TILE[0]) // 2
    return picture[y : y + TILE[1], x : x + TILE[0]]


def _depth(look: Look) -> Image:
    """Depth in grey, near is light; red where there is none."""
    depth = look.frame.depth
    known = np.isfinite(depth) & (depth > 0)
    far = float(np.percentile(depth[known], 98)) if known.any() else 1.0
    grey = 235 - 190 * np.clip(np.where(known, depth, 0) / far, 0, 1)
    image = np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8)
    image[~known] = BAD
    return _fitted(image)


def _legend(sheet: Image, at: tuple[int, int]) -> None:
    import cv2

    x, y = at
    _text(sheet, "seen from how many directions, 30 degrees apart:", (x, y + 14), 0.52, INK)
    x += 420
    for name, colour in zip(("1", "2", "3", "4", "5", "6+"), RAMP, strict=True):
        cv2.rectangle(sheet, (x, y - 2), (x + 40, y + 20), colour.tolist(), cv2.FILLED)
        _text(sheet, name, (x + 46, y + 15), 0.52, INK)
        x += 84
    x, y = at[0], y + 34
    marks = ("camera, and where it looks", MARK, 3), ("blurred picture", BLUR, 5)
    for text, colour, size in marks:
        cv2.circle(sheet, (x + 6, y + 9), size, colour, cv2.FILLED, cv2.LINE_AA)
        cv2.line(sheet, (x + 6, y + 9), (x + 20, y + 9), colour, 1, cv2.LINE_AA)
        _text(sheet, text, (x + 28, y + 14), 0.52, INK)
        x += 54 + _width(text)
    lines = "dashes: red, where nobody filmed from; grey, where a wall is", "white: not seen at all"
    for text in (*lines, "grey: not on a support"):
        _text(sheet, text, (x, y + 14), 0.52)
        x += 26 + _width(text)


def _scale(image: Image, metres: float) -> None:
    import cv2

    lengths = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0])
    length = float(lengths[np.argmin(np.abs(lengths / metres - 150))])
    x, y, n = 24, MAP[1] - 28, round(length / metres)
    cv2.rectangle(image, (x - 8, y - 26), (x + n + 8, y + 10), PAPER, cv2.FILLED)
    for end in (x, x + n):
        cv2.line(image, (end, y - 6), (end, y + 6), INK, 2, cv2.LINE_AA)
    cv2.line(image, (x, y), (x + n, y), INK, 2, cv2.LINE_AA)
    name = f"{length:g} m" if length >= 1 else f"{100 * length:g} cm"
    _text(image, name, (x + 4, y - 10), 0.5, INK)


def _framed(image: Image) -> Image:
    image[[0, -1]] = LINE
    image[:, [0, -1]] = LINE
    return image


def _label(image: Image, text: str, at: Array, colour: Colour) -> None:
    """Text on paper of its own, within the image."""
    import cv2

    (w, h), low = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.52, 1)
    room = np.array([image.shape[1] - w - 6, image.shape[0] - low - 4])
    x, y = _point(np.clip(at, [6, h + 6], room))
    paper = image[y - h - 4 : y + low + 2, x - 4 : x + w + 4]
    paper[:] = np.rint(0.2 * paper + 0.8 * np.array(PAPER)).astype(np.uint8)
    _text(image, text, (x, y), 0.52, colour)


def _text(
    image: Image, text: str, at: tuple[int, int], size: float = 0.52, colour: Colour = SOFT,
    thick: int = 1,
) -> None:  # fmt: skip
    import cv2

    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, colour, thick, cv2.LINE_AA)


def _width(text: str) -> int:
    import cv2

    return cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.52, 1)[0][0]


def _paste(sheet: Image, image: Image, at: tuple[int, int]) -> None:
    x, y = at
    sheet[y : y + image.shape[0], x : x + image.shape[1]] = image


def _fixed(pixels: Array) -> NDArray[np.int32]:
    """Points for OpenCV with four bits of fraction."""
    return np.rint(16 * np.clip(pixels, -2000, 4000)).astype(np.int32)


def _point(pixel: Array) -> tuple[int, int]:
    x, y = np.rint(np.clip(pixel, -2000, 4000)).astype(int)
    return int(x), int(y)
