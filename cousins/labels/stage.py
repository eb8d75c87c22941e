"""Labelling as a stage of a scan: the user's words first, then a labeler for the rest."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.cache import digest
from cousins.errors import LabelError, UsageError
from cousins.labels import Labeler
from cousins.labels.apply import labelled
from cousins.labels.crops import crops
from cousins.labels.given import check_names
from cousins.labels.label import Label, Thing, wrong
from cousins.mesh import matrix_from_quaternion
from cousins.physics.estimate import estimated
from cousins.scanning import Run
from cousins.segment.world import World
from cousins.types import Asset, Capture, Mesh, Photos, Scene

GIVE_UP = 3  # objects in a row that a labeler fails at, each after its own retries


@dataclass(frozen=True)
class Labelling:
    """What a scan's objects are called by. given: a user's labels by the names that a scan gives
    objects, told of in messages as `where`; labeler: says the rest, or None."""

    given: Mapping[str, Label] = field(default_factory=dict)
    labeler: Labeler | None = None
    where: str = "--labels"


def check(labelling: Labelling, capture: Capture | Photos) -> None:
    """Raises LabelError or UsageError, before hours of work, where no labeler could label."""
    if labelling.labeler is None:
        return
    if isinstance(capture, Capture) and next(capture.frames()).colour is None:
        raise UsageError("--labeler: the capture has no pictures: name its objects with --labels")
    labelling.labeler.ready()


def label_all(run: Run, world: World, scene: Scene, labelling: Labelling) -> Scene:
    """The scene with its objects' labels and their priors.

    An object that a labeler fails at keeps the words of its shape, and a warning says why. Raises
    UsageError for a user's label of no object, and LabelError where a labeler failed at all.
    """
    start = time.perf_counter()
    check_names(labelling.where, list(labelling.given), [a.name for a in scene.assets])
    labels = dict(labelling.given)
    asked = [a for a in scene.assets if a.name not in labels]
    told: dict[str, Any] = {"by user": len(labels)}
    if labelling.labeler is not None and asked:
        labels |= _asked(run, world, asked, labelling.labeler, told)
    run.checks["labels"] = told
    run.used["labels"] = _settings(labelling.labeler)
    run.seconds["labels"] = time.perf_counter() - start
    assets = [labelled(a, labels[a.name]) if a.name in labels else a for a in scene.assets]
    return replace(scene, assets=estimated(assets, scene.metric))


def _asked(
    run: Run, world: World, assets: list[Asset], labeler: Labeler, told: dict[str, Any]
) -> dict[str, Label]:
    """What a labeler says of the assets. Each answer is kept, since it may have cost money."""
    pictures = _crops(run, world, assets)
    found: dict[str, Label] = {}
    failed: dict[str, str] = {}
    row = 0
    for i, (asset, views) in enumerate(zip(assets, pictures, strict=True)):
        run.progress("labels", i, len(assets))
        if row == GIVE_UP:
            failed[asset.name] = f"not asked, since it failed at {GIVE_UP} objects in a row"
            continue
        thing = Thing(asset.name, views, asset.label, asset.size)
        key = digest(run.key, "label", asset.name, _settings(labeler), [v.shape for v in views])
        try:
            label = _kept(run, f"label {asset.name}", key, labeler, thing)
        except LabelError as error:
            failed[asset.name], row = str(error), row + 1
            continue
        row = 0
        if label is not None:
            found[asset.name] = label
        elif not views:
            run.warnings.append(f"{asset.name}: no label, since no frame shows it well enough")
    run.progress("labels", len(assets), len(assets))
    if failed and not found:
        raise LabelError(f"no object got a label: {next(iter(failed.values()))}")
    run.warnings += [f"{name}: no label ({reason})" for name, reason in failed.items()]
    told |= {"by labeler": len(found), "failed": len(failed)}
    for label in found.values():
        for name, value in label.usage.items():
            told[name] = told.get(name, 0.0) + value
    return found


def _crops(run: Run, world: World, assets: list[Asset]) -> list[tuple[NDArray[np.uint8], ...]]:
    def make() -> dict[str, Any]:
        frames = run.frames("pictures of objects", run.every)
        found = crops(frames, world.world_from_capture, [placed(a) for a in assets])
        return {f"{i}_{k}": v for i, views in enumerate(found) for k, v in enumerate(views)}

    summary = [[a.name, a.position.round(4).tolist()] for a in assets]
    arrays = run.stage("crops", make, summary)
    counts = [sum(name.startswith(f"{i}_") for name in arrays) for i in range(len(assets))]
    return [tuple(arrays[f"{i}_{k}"] for k in range(n)) for i, n in enumerate(counts)]


def placed(asset: Asset) -> Mesh:
    """An object's visual mesh in the world."""
    turn = matrix_from_quaternion(asset.quaternion)
    return Mesh(asset.visual.vertices @ turn.T + asset.position, asset.visual.faces)


def _kept(run: Run, stage: str, key: str, labeler: Labeler, thing: Thing) -> Label | None:
    kept = run.cache.load(stage, key)
    if kept is None:
        label = labeler(thing)
        if label is not None:
            _check(label)
            text = [label.text, label.source, label.category or ""]
            numbers = [label.confidence, *label.usage.values()]
            run.cache.save(stage, key, text=np.array(text), numbers=np.array(numbers, float),
                           usage=np.array(list(label.usage), str))  # fmt: skip
        return label
    text, source, category = (str(t) for t in kept["text"])
    confidence, *spent = (float(v) for v in kept["numbers"])
    usage = dict(zip((str(n) for n in kept["usage"]), spent, strict=True))
    return Label(text, source, confidence, category or None, usage)


def _check(label: Label) -> None:
    """What any labeler said, held to what a pack can hold."""
    reason = wrong(label.text)
    if reason or not 0 <= label.confidence <= 1:
        raise LabelError(f"{label.source}: a label that {reason or 'has no confidence of 0 to 1'}")


def _settings(labeler: Labeler | None) -> dict[str, Any]:
    """What a labeler is, for the manifest: plain values, and paths by their last part alone."""
    if labeler is None:
        return {}
    fields = asdict(labeler) if is_dataclass(labeler) and not isinstance(labeler, type) else {}
    plain = {
        name: value if isinstance(value, (str, int, float, bool, type(None)))
        else str(getattr(value, "name", value))
        for name, value in fields.items()
    }  # fmt: skip
    return {"labeler": type(labeler).__name__, **plain}
