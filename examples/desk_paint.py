"""Textures for the desk, painted with arithmetic: (h, w, 3) uint8 RGB, row 0 at the top."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]
CREAM, INK, TEAL, CORAL = (246, 238, 220), (45, 48, 66), (34, 120, 128), (232, 96, 72)
SUN, LEAF, BLUE, STEEL = (250, 190, 60), (112, 150, 84), (58, 96, 158), (176, 180, 184)


def flat(height: int, width: int, colour: Colour) -> Image:
    """One colour."""
    return np.full((height, width, 3), colour, np.uint8)


def noise(seed: int, height: int, width: int, sigma: tuple[float, float]) -> NDArray[np.float64]:
    """(h, w) smooth noise of unit variance; sigma: its grain in pixels along x and y."""
    raw = np.random.default_rng(seed).standard_normal((height, width))
    smooth = cv2.GaussianBlur(raw, (0, 0), sigmaX=sigma[0], sigmaY=sigma[1], borderType=2)
    return smooth / smooth.std()


def wood(seed: int, height: int, width: int, dark: Colour, light: Colour, planks: int) -> Image:
    """Boards along x, each with its own shade, grain and growth rings."""
    rows = np.linspace(0, planks, height, endpoint=False)
    shade = np.random.default_rng(seed).uniform(-0.13, 0.13, planks)[rows.astype(int)]
    bend = noise(seed + 1, height, width, (width / 6, height / planks / 3))
    rings = np.sin(2 * np.pi * (3 * (rows % 1)[:, None] + 0.7 * bend))
    grain = noise(seed + 2, height, width, (30, 0.8))
    mix = np.clip(0.55 + shade[:, None] + 0.13 * rings + 0.09 * grain, 0, 1)[..., None]
    image = np.array(dark) * (1 - mix) + np.array(light) * mix
    seams = (rows % 1) * height / planks < 1.5
    image[seams] *= 0.72 if planks > 1 else 1.0
    return np.clip(image, 0, 255).astype(np.uint8)


def plaster(seed: int, size: int, colour: Colour) -> Image:
    """A painted wall, a little uneven."""
    mottle = 1.2 * noise(seed, size, size, (40, 40)) + 1.2 * noise(seed + 1, size, size, (2, 2))
    return np.clip(np.array(colour) + mottle[..., None], 0, 255).astype(np.uint8)


def text(image: Image, words: str, at: tuple[float, float], height: float, colour: Colour) -> None:
    """Writes `words` centred on `at` (shares of width and height), `height` a share as well."""
    h, w = image.shape[:2]
    font, thick = cv2.FONT_HERSHEY_DUPLEX, max(1, round(height * h / 9))
    scale = cv2.getFontScaleFromHeight(font, round(height * h), thick)
    (across, up), _ = cv2.getTextSize(words, font, scale, thick)
    spot = round(at[0] * w - across / 2), round(at[1] * h + up / 2)
    cv2.putText(image, words, spot, font, scale, colour, thick, cv2.LINE_AA)


def bands(image: Image, stripes: list[tuple[float, float, Colour]]) -> Image:
    """Paints rows from one share of the height to another."""
    for start, end, colour in stripes:
        image[round(start * len(image)) : round(end * len(image))] = colour
    return image


def zigzag(image: Image, at: float, height: float, teeth: int, colour: Colour) -> None:
    """A zigzag line right round, `at` and `height` in shares of the height."""
    h, w = image.shape[:2]
    x = np.arange(2 * teeth + 1) * w / (2 * teeth)
    y = (at + height * (np.arange(2 * teeth + 1) % 2 - 0.5)) * h
    points = np.stack([x, y], axis=1).round().astype(np.int32)
    cv2.polylines(image, [points], False, colour, max(2, h // 60), cv2.LINE_AA)


def oats_front(height: int, width: int) -> Image:
    """The front of a box of oats: a sun over hills, a bowl, a name."""
    image = flat(height, width, SUN)
    centre = width // 2, round(0.50 * height)
    for k in range(24):
        a, b = 2 * np.pi * k / 24 + np.array([-0.06, 0.06])
        tips = [(centre[0] + width * np.cos(t), centre[1] + width * np.sin(t)) for t in (a, b)]
        wedge = np.array([centre, *tips]).round().astype(np.int32)
        cv2.fillPoly(image, [wedge], (253, 211, 110), cv2.LINE_AA)
    cv2.circle(image, centre, round(0.27 * width), CREAM, -1, cv2.LINE_AA)
    x = np.arange(width)
    for level, swing, colour in [(0.74, 0.035, LEAF), (0.84, 0.03, (84, 124, 70))]:
        crest = (level + swing * np.sin(2 * np.pi * x / width * 1.3 + 9 * level)) * height
        hill = np.vstack([np.stack([x, crest], 1), [[width, height], [0, height]]])
        cv2.fillPoly(image, [hill.round().astype(np.int32)], colour, cv2.LINE_AA)
    bowl = round(0.60 * height)
    cv2.ellipse(image, (centre[0], bowl), (round(0.22 * width), round(0.13 * height)), 0, 0, 180,
                TEAL, -1, cv2.LINE_AA)  # fmt: skip
    cv2.ellipse(image, (centre[0], bowl), (round(0.22 * width), round(0.035 * height)), 0, 0, 360,
                (222, 184, 120), -1, cv2.LINE_AA)  # fmt: skip
    image[: round(0.27 * height)] = CORAL
    text(image, "MORNING", (0.5, 0.085), 0.055, CREAM)
    text(image, "OATS", (0.5, 0.185), 0.085, CREAM)
    text(image, "500 g", (0.5, 0.94), 0.04, CREAM)
    return image


def oats_side(height: int, width: int) -> Image:
    """A narrow side: lines of small print."""
    image = flat(height, width, (244, 200, 96))
    image[: round(0.27 * height)] = CORAL
    lengths = np.random.default_rng(5).uniform(0.4, 0.8, 14)
    for k, length in enumerate(lengths):
        y = round((0.36 + 0.04 * k) * height)
        cv2.line(image, (round(0.1 * width), y), (round(length * width), y), INK, 2)
    return image


def cover(height: int, width: int) -> Image:
    """A book's cover: two circles on a grid, a title."""
    image = flat(height, width, BLUE)
    for k in range(1, 8):
        cv2.line(image, (0, k * height // 8), (width, k * height // 8), (74, 112, 174), 1)
        cv2.line(image, (k * width // 8, 0), (k * width // 8, height), (74, 112, 174), 1)
    middle = width // 2, round(0.56 * height)
    cv2.circle(image, middle, round(0.3 * width), CORAL, -1, cv2.LINE_AA)
    cv2.circle(image, (middle[0] + width // 9, middle[1] - width // 9), round(0.17 * width), SUN,
               -1, cv2.LINE_AA)  # fmt: skip
    text(image, "Distant", (0.5, 0.11), 0.06, CREAM)
    text(image, "Relatives", (0.5, 0.21), 0.06, CREAM)
    cv2.rectangle(image, (6, 6), (width - 7, height - 7), CREAM, 2)
    return image


def pages(height: int, width: int) -> Image:
    """A book's edge: sheets between two boards."""
    image = flat(height, width, CREAM)
    image[1::3] = (222, 212, 192)
    return bands(image, [(0, 0.12, BLUE), (0.88, 1, BLUE)])


def soup(height: int, width: int) -> Image:
    """What goes round a can: label between two steel rims; rows run from top to bottom."""
    image = flat(height, width, CREAM)
    image[:, ::2] -= 2
    bands(image, [(0.0, 0.42, CORAL), (0.42, 0.45, SUN), (0.86, 0.89, SUN), (0.89, 1, CORAL)])
    for k in range(2):
        text(image, "TOMATO", (0.25 + 0.5 * k, 0.23), 0.13, CREAM)
        x, y = round((0.25 + 0.5 * k) * width), round(0.66 * height)
        cv2.circle(image, (x, y), round(0.14 * height), CORAL, -1, cv2.LINE_AA)
        for t in np.radians([-150, -110, -70, -30]):
            tip = round(x + 0.13 * height * np.cos(t)), round(y + 0.17 * height * np.sin(t))
            cv2.line(image, (x, y - round(0.11 * height)), tip, LEAF, 5, cv2.LINE_AA)
    return image
