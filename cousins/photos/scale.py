"""Metres for solved views. In order of trust: a printed tag, the phone's own tracking, nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cousins.photos import align
from cousins.photos.marks import Mark, marks, sights
from cousins.progress import Progress, silent
from cousins.types import Array, Photos, Views

AWAY = 0.7  # unit: from a camera to what it looks at, in a world without metres: an arm's length
SQUARE = 0.05  # share by which a tag's sides may differ: beyond, it is bent or no tag
SURE = 0.03  # largest standard error of a scale that is called metres, as a share of it
AGREE = 0.5  # of the tracked places must fit one scale
DIFFER = 0.03  # share by which two scales may differ before it is said


@dataclass(frozen=True)
class _Scale:
    """factor: metres a unit. source: in plain words."""

    factor: float
    source: str


def scaled(
    views: Views, photos: Photos, tag_size: float | None = None, progress: Progress = silent
) -> Views:
    """The views in metres where a tag or tracked poses tell them, and in the world of the tracked
    poses where there are any; else in a world of its own, with what it looks at 0.7 units away.

    tag_size: side of the printed tags' black squares, m. Without it the pictures are searched for
    tags only where nothing else tells the scale, to say so.
    """
    tracked = None if photos.poses is None else photos.poses[views.chosen]
    tag, notes = None, ()
    if tag_size is not None:
        tag, notes = _by_tags(_marks(views, progress), tag_size)
        views = replace(views, warnings=views.warnings + notes)
    if photos.solved and photos.camera is not None:
        return _of_solved(views, tag)
    fit = None
    if tracked is not None and photos.metric:
        free, said = _by_tracking(views.poses, tracked)
        views = replace(views, warnings=views.warnings + said)
        if tag and free and abs(free.scale / tag.factor - 1) > DIFFER:
            views = replace(views, warnings=(*views.warnings, _differ(free.scale / tag.factor)))
        fit = align.similarity(views.poses, tracked, tag.factor) if tag and free else free
        if fit and not tag:
            tag = _Scale(fit.scale, f"the phone's tracking, to {1000 * fit.residual:.1f} mm")
    if tag is None:
        return _unscaled(views, tag_size is None, progress)
    if fit is None:
        return rescaled(views, tag.factor, tag.source)
    points = fit.scale * views.points @ fit.rotation.T + fit.offset
    return replace(
        views, poses=align.moved(views.poses, fit), points=points, up=photos.up,
        metric=True, scale_source=tag.source,
    )  # fmt: skip


def rescaled(views: Views, factor: float, source: str) -> Views:
    """The views with every length `factor` times as long, about the world's origin: in metres now.

    source: what told the factor, in plain words.
    """
    poses = views.poses.copy()
    poses[:, :3, 3] *= factor
    return replace(
        views, poses=poses, points=views.points * factor, metric=True, scale_source=source
    )


def distance(views: Views) -> float:
    """The median distance from the cameras to what they look at, in the views' unit; 1 where they
    see none of the points."""
    seen, k = [], views.camera
    for pose in views.poses:
        x, y, z = ((views.points - pose[:3, 3]) @ pose[:3, :3]).T
        with np.errstate(divide="ignore", invalid="ignore"):
            u, v = k.fx * x / z + k.cx, k.fy * y / z + k.cy
        inside = (z > 0) & (u >= 0) & (u < k.width) & (v >= 0) & (v < k.height)
        if inside.any():
            seen.append(float(np.median(z[inside])))
    return float(np.median(seen)) if seen else 1.0


def _marks(views: Views, progress: Progress) -> list[Mark]:
    def counted():
        for i, picture in enumerate(views.pictures()):
            progress("look for tags", i, len(views))
            yield picture
        progress("look for tags", len(views), len(views))

    return marks(sights(counted()), views.poses, views.camera)


def _by_tags(found: Sequence[Mark], size: float) -> tuple[_Scale | None, tuple[str, ...]]:
    """The scale by tags of one size, and what is odd about them."""
    notes = []
    good = [m for m in found if m.spread < SQUARE and m.error < SURE]
    for mark in found:
        if mark.spread >= SQUARE:
            notes.append(
                f"tag {mark.number} is not used: its sides differ by {100 * mark.spread:.0f}%: it"
                " must lie flat"
            )
        elif mark.error >= SURE:
            notes.append(
                f"tag {mark.number} is not used: its side is known to {100 * mark.error:.0f}% only:"
                " film it nearer, from several sides"
            )
    if not good:
        if not found:
            notes.append("no printed tag was found in three pictures: is it whole and flat?")
        return None, tuple(notes)
    side = float(np.median([m.side for m in good]))
    apart = max(abs(m.side / side - 1) for m in good)
    if apart > DIFFER:
        notes.append(
            f"the printed tags differ by {200 * apart:.0f}% in size: all must have the same"
        )
    numbers = ", ".join(str(m.number) for m in good)
    views, spread = max(m.views for m in good), max(m.spread for m in good)
    return _Scale(
        size / side,
        f"printed tag{'s' if len(good) > 1 else ''} {numbers} of {1000 * size:g} mm, seen in"
        f" {views} pictures; sides agree within {100 * spread:.1f}%",
    ), tuple(notes)


def _by_tracking(
    poses: Array, tracked: Array
) -> tuple[align.Similarity | None, tuple[str, ...]]:  # fmt: skip
    fit = align.similarity(poses, tracked)
    if fit is None:
        return None, ("the phone's tracking tells no scale: it does not move",)
    if fit.agree < AGREE or fit.error > SURE:
        return None, (
            "the phone's tracking is not used: it is"
            f" {1000 * fit.residual:.0f} mm off the pictures' own solution",
        )
    return fit, ()


def _differ(ratio: float) -> str:
    return (
        f"the tag and the phone's tracking differ by {100 * abs(ratio - 1):.0f}% in scale: measure"
        " the printed tag; it is believed here"
    )


def _of_solved(views: Views, tag: _Scale | None) -> Views:
    """Poses that were given stay; without metres a tag may still tell them."""
    if views.metric:
        return views
    return rescaled(views, tag.factor, tag.source) if tag else _unscaled(views, False, silent)


def _unscaled(views: Views, search: bool, progress: Progress) -> Views:
    warnings = views.warnings
    if search and (seen := _marks(views, progress)):
        numbers = ", ".join(str(m.number) for m in seen)
        warnings += (f"printed tag {numbers} is in the pictures: give its size to have metres",)
    source = (
        f"none: lengths are relative, cameras stand {AWAY} units from what they look at; print a"
        " tag (cousins tag) or give one known length to have metres"
    )
    views = rescaled(views, AWAY / distance(views), source)
    return replace(views, metric=False, warnings=warnings)
