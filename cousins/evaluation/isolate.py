"""One axis of variation at a time: cousins that differ from the twin in nothing else, so that what
a policy loses on them is that axis' doing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cousins import pipeline
from cousins.bank import EXTRAS, Family
from cousins.cache import digest
from cousins.env.episodes import Draw, draw
from cousins.env.request import Request
from cousins.env.twin import seen_as
from cousins.env.worlds import pool
from cousins.errors import PackError, PartlyFailedError, UsageError
from cousins.evaluation.rates import Rate, rate
from cousins.evaluation.rollout import rollout, stage
from cousins.index import index
from cousins.library import Household, Library
from cousins.pack import Pack, load_family, read, write_families
from cousins.policies import Policy
from cousins.progress import Progress, silent
from cousins.scene import compile_model
from cousins.statistics import Comparison, paired
from cousins.variation.axes import Settings
from cousins.variation.sampling import axes
from cousins.variation.store import FORM
from cousins.variation.union import unseen

STRENGTHS = (0.25, 0.5, 0.75, 1.0)
# What an axis consists of, by the fields of a family that it draws; each is tried by itself too.
LIGHT = ("light_pos", "light_dir", "light_diffuse", "light_ambient")
PARTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "look": {"objects": ("tint", "texture"), "background": ("surface_tint",), "light": LIGHT},
    "camera": {"view": ("cam_pos", "cam_quat", "cam_fovy"), "noise": ("camera_noise",)},
}
DRAWN_THINGS = Household()


@dataclass(frozen=True)
class Cell:
    """One axis at one strength, all others at 0, or a part of one, as "look: light". distance: of
    these cousins on the axis, in the mean, with all its parts."""

    axis: str
    strength: float
    distance: float
    rate: Rate


@dataclass(frozen=True)
class Isolated:
    """twin: at no strength at all. cells: by axis, in rising strength. loss: by axis, the success
    at full strength less the twin's, on the same draws of the task; the axis that costs most
    first."""

    twin: Rate
    cells: tuple[Cell, ...]
    loss: Mapping[str, Comparison]


def isolated(
    request: Request, policy: Policy, count: int, seed: int, hidden: Sequence[str] = (),
    folder: Path | None = None, worlds: int = 256, library: Library = DRAWN_THINGS,
    progress: Progress = silent,
) -> Isolated:  # fmt: skip
    """Try a policy on `count` cousins of each axis at each of `STRENGTHS`, and as many times on
    the twin.

    Episode k of each draws the same from the task. The cousins are drawn as the pack's own were,
    certified, and kept in `folder`, by default `PACK.isolated` beside the pack, for the next
    policy. Axes that are `hidden`, and those on which the pack's cousins do not vary, are not
    tried. Of the parts of an axis in `PARTS` each is tried on the same cousins, which then have
    all else as the twin has it. Raises UsageError for no cousin, PackError where the folder cannot
    be written, and what `augment` and `rollout` raise.
    """
    if count < 1:
        raise UsageError("--isolate: ask for at least 1 cousin of each axis and strength")
    made = request.pack.manifest.augmented
    tried = [axis.name for axis in axes() if axis.name not in hidden
             and (made is None or made.axes.get(axis.name, 1) > 0)]  # fmt: skip
    place = folder or request.pack.path.with_name(f"{request.pack.path.name}.isolated")
    wanted = [("twin", 0.0), *((name, s) for name in tried for s in STRENGTHS)]
    found: dict[tuple[str, float], tuple[np.ndarray, float]] = {}
    for at, (name, strength) in enumerate(wanted):
        progress("isolated axes", at, len(wanted))
        strengths = {axis.name: strength if axis.name == name else 0.0 for axis in axes()}
        cell = _pack(request.pack, place, f"{name}-{strength:g}", strengths,
                     count if strength else 1, seed, library)  # fmt: skip
        found[name, strength] = _tried(request, cell, name, policy, count, seed, worlds)
        for part in _parts(request, name):
            only = _part(cell, place, name, part)
            found[f"{name}: {part}", strength] = _tried(
                request, only, name, policy, count, seed, worlds
            )
    progress("isolated axes", len(wanted), len(wanted))
    twin = found["twin", 0.0][0]
    cells = [Cell(name, s, away, rate(success)) for (name, s), (success, away) in found.items()
             if s]  # fmt: skip
    loss = {name: _paired(success, twin) for (name, s), (success, _) in found.items()
            if s == STRENGTHS[-1]}  # fmt: skip
    ordered = dict(sorted(loss.items(), key=lambda pair: pair[1].difference))
    return Isolated(rate(twin), tuple(cells), ordered)


def _paired(first: np.ndarray, second: np.ndarray) -> Comparison:
    return paired(first, second[: len(first)])


def _pack(
    pack: Pack, place: Path, name: str, strengths: Mapping[str, float], count: int, seed: int,
    library: Library,
) -> Pack:  # fmt: skip
    """The scratch pack of one cell: from an earlier time, or drawn now."""
    told = pack.manifest.augmented
    own = Settings() if told is None else Settings(
        shapes=told.shapes, swaps=told.swaps, distractors=told.distractors
    )  # fmt: skip
    settings = replace(own, strengths=strengths)
    models = [*pack.objects, *pack.supports, pack.surroundings]
    key = digest(FORM, [m.model_dump(mode="json") for m in models], sorted(strengths.items()),
                 settings.shapes, settings.swaps, settings.distractors, count, seed,
                 library.name)  # fmt: skip
    path = place / f"{name}-{key}"
    try:
        return read(path)
    except PackError:
        pass
    _clear(place, name)
    with suppress(PartlyFailedError):  # the rest is there
        pipeline.augment(pack.path, count, seed=seed, out=path, settings=settings, library=library)
    return read(path)


def _parts(request: Request, axis: str) -> list[str]:
    """Those that a policy may notice."""
    if request.images is None:
        return []
    return [part for part in PARTS.get(axis, {}) if part != "noise" or request.images.noise]


def _part(cell: Pack, place: Path, axis: str, part: str) -> Pack:
    """The scratch pack of a cell in which a part of its axis alone is as drawn."""
    path = place / cell.path.name.replace(f"{axis}-", f"{axis}.{part}-", 1)
    try:
        return read(path)
    except PackError:
        pass
    others = [name for other, names in PARTS[axis].items() if other != part for name in names]
    families = (_as_twin(load_family(cell, k), others) for k in cell.families)
    made = cell.manifest.augmented
    write_families(cell.path, families, out=path, force=True, record=None if made is None else
                   lambda: made)  # fmt: skip
    return read(path)


def _as_twin(family: Family, names: Sequence[str]) -> Family:
    """The family, these fields of its rows as the twin has them."""
    assert family.bank is not None
    model = compile_model(family.xml, unseen(family.xml, family.files))
    seen = {**seen_as(family.bank), **{name: np.zeros(n) for name, n in EXTRAS.items()}}
    rows = {
        name: np.broadcast_to(np.asarray(seen.get(name, getattr(model, name, None)), value.dtype),
                              value.shape)
        for name, value in family.arrays.items() if name in names
    }  # fmt: skip
    return replace(family, arrays={**family.arrays, **rows})


def _clear(place: Path, name: str) -> None:
    """Drop what was made for another twin, seed or number."""
    axis, _, strength = name.partition("-")
    ours = re.compile(rf"{re.escape(axis)}(\.\w+)?-{re.escape(strength)}-[0-9a-f]{{16}}")
    for old in place.iterdir() if place.is_dir() else ():
        if ours.fullmatch(old.name) and old.is_dir():
            shutil.rmtree(old, ignore_errors=True)


def _tried(
    request: Request, cell: Pack, axis: str, policy: Policy, count: int, seed: int, worlds: int
) -> tuple[np.ndarray, float]:
    """(k,) successes, an episode a cousin, and the mean distance of these on the axis."""
    here = replace(request, pack=cell, pool=pool(cell))
    many = len(here.pool)
    choice = np.arange(count) % many if many == 1 else np.arange(many)
    on = stage(here, worlds, choice)
    plan = [_drawn(int(c), k, on.episodes.numbers, seed) for k, c in enumerate(choice)]
    try:
        return rollout(on, plan, policy).success, _distance(cell, axis)
    finally:
        on.close()


def _drawn(choice: int, k: int, numbers: int, seed: int) -> Draw:
    """Episode k; the last number keeps it apart from `rollout.plan`."""
    drawn = draw(np.random.default_rng([seed, k, 0, 2]), 1, numbers)
    return Draw(choice, drawn.uniform, drawn.noise)


def _distance(cell: Pack, axis: str) -> float:
    values = index(cell).axes.get(axis)
    return float(np.mean(values)) if values is not None and len(values) else 0.0


def by_axis(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """The cells of each axis, in their order."""
    out: dict[str, list[Cell]] = {}
    for cell in cells:
        out.setdefault(cell.axis, []).append(cell)
    return out
