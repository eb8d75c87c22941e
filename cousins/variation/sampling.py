"""Draws of whole cousins: each from its own seed, so that neither order nor number matters."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins import plugins
from cousins.errors import UsageError
from cousins.library import Library
from cousins.types import Array, Asset, Scene
from cousins.variation import shapes
from cousins.variation.axes import SHARES, Axis, Drawn, Settings, Source, combined
from cousins.variation.camera import CameraView
from cousins.variation.distractors import distractors
from cousins.variation.judge import Judge
from cousins.variation.layout import REASONS, Layout
from cousins.variation.look import Look
from cousins.variation.physical import Physics
from cousins.variation.relations import found
from cousins.variation.robot import RobotBase
from cousins.variation.shapes import Shape
from cousins.variation.textures import textures
from cousins.variation.union import Variants, union
from cousins.variation.units import footprints

OWN: tuple[Axis, ...] = (Shape(), Physics(), Layout(), Look(), CameraView(), RobotBase())
TEXTURES = 3  # that each object may wear beside its own
PILOT = 96  # cousins by which strength and distance are measured against one another


def axes() -> tuple[Axis, ...]:
    """All axes of variation: ours, then those that installed packages bring."""
    return (*OWN, *plugins.load("cousins.axes").values())


@dataclass(frozen=True)
class Sources:
    """What a run draws from: one source for each number of distractors. rejected: shapes that did
    not get into the bank, by reason. licences: of shapes that somebody made, by name."""

    each: tuple[Source, ...]
    settings: Settings
    seed: int
    library: str
    rejected: Mapping[str, int]
    licences: Mapping[str, str]

    def family(self, index: int) -> int:
        """The number of distractors, and so the family, of a cousin."""
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(index,)))
        return int(rng.random() * len(self.each))


@dataclass(frozen=True)
class Draws:
    """n cousins as drawn: arrays by name. stuck (n,): the unit that found no room, -1 where all
    did. places: tried in vain, by reason. values: (n,) of each axis, how far it went; distance
    (n,) over all."""

    arrays: Mapping[str, NDArray[Any]]
    stuck: NDArray[np.int64]
    places: Mapping[str, int]
    values: Mapping[str, Array]
    distance: Array


def seeds(source: Source, index: int, attempt: int) -> tuple[int, ...]:
    """What a cousin is drawn from: the run's seed, the family, its index, the attempt."""
    return source.seed, source.family, index, attempt


@dataclass(frozen=True)
class Numbers:
    """What n cousins are made of, uniform in 0..1. aim (n,): how far from the twin, where a
    distance is asked for; of (n, `Axis.numbers`): by axis."""

    aim: Array
    of: Mapping[str, Array]


def draw(source: Source, indices: Sequence[int], attempt: int, share: float | None = None) -> Draws:
    """The cousins of these indices at this attempt. share: of all strengths; by default all of
    them, or as much as it takes where the settings ask for a distance."""
    numbers = _numbers(source, indices, attempt)
    return made(source, numbers, None if share is None else np.full(len(indices), share))


def _numbers(source: Source, indices: Sequence[int], attempt: int) -> Numbers:
    counts = {axis.name: axis.numbers(source) for axis in axes()}
    uniform = {name: np.empty((len(indices), count)) for name, count in counts.items()}
    aim = np.empty(len(indices))
    for row, index in enumerate(indices):
        entropy, *key = seeds(source, index, attempt)
        root = np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=key))
        aim[row] = root.random()
        for name, count in counts.items():
            # Each from its own stream: to switch one axis off changes nothing of the others.
            own = np.random.SeedSequence(entropy, spawn_key=(*key, zlib.crc32(name.encode())))
            uniform[name][row] = np.random.default_rng(own).random(count)
    return Numbers(aim, uniform)


def made(
    source: Source, numbers: Numbers, share: Array | None = None,
    strengths: Mapping[str, Array] | None = None,
) -> Draws:  # fmt: skip
    """The cousins of these numbers. share (n,): of all strengths, as in `draw`; strengths: by axis,
    (n,) shares of that one's own."""
    scale = _scale(source, numbers.aim) if share is None else share
    drawn: dict[str, NDArray[Any]] = {}
    for axis in axes():
        strength = scale * source.settings.strength(axis.name)
        if strengths is not None:
            strength = strength * strengths[axis.name]
        drawn |= axis.draw(source, numbers.of[axis.name], strength, drawn)
    stuck, tried = drawn.pop("stuck"), drawn.pop("tried").sum(0)
    places = {reason: int(times) for reason, times in zip(REASONS, tried, strict=True) if times}
    values = distances(source, drawn)
    return Draws(drawn, stuck, places, values, combined(values))


def distances(source: Source, drawn: Drawn) -> dict[str, Array]:
    """(n,) of each axis, how far cousins are from the twin."""
    return {axis.name: axis.distance(source, drawn) for axis in axes()}


def _scale(source: Source, aim: Array) -> Array:
    if source.settings.distances is None:
        return np.ones(len(aim))
    low, high = source.settings.distances
    return np.interp(low + (high - low) * aim, source.pilot, SHARES)


def sources(
    scene: Scene,
    seed: int,
    settings: Settings,
    library: Library,
    held: Mapping[str, bytes] | None = None,
) -> Sources:
    """Make the banks of shapes and compile them: what a run's cousins are drawn from.

    held: the twin's files as they lie in its pack, by name. Raises PackError for an object that
    stands on nothing, ValueError if MuJoCo refuses a mesh, UsageError for axes that there are not
    and for distances that these strengths do not reach.
    """
    check(settings)
    *spawned, worn, others = np.random.SeedSequence(seed).spawn(len(scene.assets) + 2)
    shape = replace(settings, shapes=1) if settings.strength("shape") == 0 else settings
    banks = [shapes.variants(a, shape.shapes, shape.swaps, library, s)
             for a, s in zip(scene.assets, spawned, strict=True)]  # fmt: skip
    looks = [textures(a, np.random.default_rng(s), TEXTURES)
             for a, s in zip(scene.assets, worn.spawn(len(scene.assets)), strict=True)]  # fmt: skip
    count = round(settings.distractors * settings.strength("layout"))
    extra = distractors(scene, count, others)
    each, written = [], dict(held or {})
    for k in range(len(extra) + 1):
        together = replace(scene, assets=(*scene.assets, *(v.shapes[0] for v in extra[:k])))
        every = [*banks, *extra[:k]]
        made = union(together, every, written, looks)
        written |= made.files
        prints = footprints(together, _even(every), extra=k)
        judge = Judge(made.model, together, prints, found(prints), made.bank, len(scene.assets))
        each.append(Source(made, prints, judge, settings, seed, k, SHARES))
    rejected: Counter[str] = Counter()
    for bank in banks:
        rejected.update(bank.rejected)
    pilot = _pilot(each, settings)
    each = tuple(replace(source, pilot=pilot) for source in each)
    licences = {name: said for bank in banks for name, said in bank.licences.items()}
    return Sources(each, settings, seed, library.name, dict(rejected), licences)


def _even(every: Sequence[Variants]) -> list[tuple[Asset, ...]]:
    """The shapes of each, as many as the one with most has: what is missing repeats the first."""
    most = max(len(v.shapes) for v in every)
    return [(*v.shapes, *[v.shapes[0]] * (most - len(v.shapes))) for v in every]


def check(settings: Settings) -> None:
    """Raises UsageError for axes that there are not and for numbers that make no sense."""
    known = [axis.name for axis in axes()]
    for name, strength in settings.strengths.items():
        if name not in known:
            raise UsageError(f"no axis {name!r}; axes: {', '.join(known)}")
        if not 0 <= strength <= 1:
            raise UsageError(f"axis {name}: a strength of {strength:g}; it goes from 0 to 1")
    if not 1 <= settings.shapes <= 500 or not 0 <= settings.swaps <= 1:
        raise UsageError("ask for 1 to 500 shapes of each object, and a share of swaps of 0 to 1")
    if not 0 <= settings.distractors <= 10:
        raise UsageError("ask for 0 to 10 distractors")
    if settings.distances is not None:
        low, high = settings.distances
        if not 0 <= low < high <= 1:
            raise UsageError(f"distances {low:g}:{high:g}: ask for a range within 0:1, as 0.2:0.4")


def _pilot(each: Sequence[Source], settings: Settings) -> Array:
    """Raises UsageError for distances of which these strengths give hardly any."""
    if settings.distances is None:
        return SHARES
    means, ends = [], []
    for share in SHARES:
        found = [draw(s, range(PILOT), 0, share=float(share)).distance for s in each]
        means.append(np.mean(found))
        ends += [np.quantile(found, 0.02), np.quantile(found, 0.98)]
    low, high = settings.distances
    if low > max(ends) or high < min(ends):
        raise UsageError(
            f"distances {low:g}:{high:g}: these axes reach {min(ends):.2f} to {max(ends):.2f}"
        )
    return np.asarray(np.maximum.accumulate(means) + 1e-9 * np.arange(len(means)), float)
