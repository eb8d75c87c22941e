"""What is told of a pack's objects after it was scanned: a label, a weighed mass, a measured
friction. The rest of the pack follows: what else that tells of, model.xml, and every cousin."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree as ET

from cousins import pack, pipeline
from cousins.contact import IMPRATIO, UNTOLD
from cousins.distributions import Distribution
from cousins.errors import PackError, UsageError
from cousins.labels.apply import labelled
from cousins.labels.given import check_names
from cousins.labels.label import Label
from cousins.library import Household
from cousins.mesh import principal
from cousins.pack_mjcf import parse_mjcf
from cousins.physics.estimate import estimated
from cousins.progress import Progress, silent
from cousins.scene import contact_attributes
from cousins.schema import ObjectEntry, object_entry
from cousins.types import Asset, Scene
from cousins.variation.axes import Settings

TOLD = ("mass", "friction", "restitution", "shell_fraction")


@dataclass(frozen=True)
class Restated:
    """What `restate` did. objects: by name, the entries that changed, as they were and as they are
    now; cousins: how many were drawn anew."""

    objects: Mapping[str, tuple[ObjectEntry, ObjectEntry]]
    cousins: int


def restate(
    path: Path,
    properties: Mapping[str, Mapping[str, Distribution]],
    labels: Mapping[str, Label] | None = None,
    *,
    force: bool = False,
    workers: int | None = None,
    progress: Progress = silent,
) -> Restated:
    """Give a pack's objects these properties (of `TOLD`) and labels, by name, and bring all else up
    to date: properties that nobody measured, the twin's model.xml, and its cousins, of which as
    many are drawn from what is known now, by the seed and the settings that they had.

    In a pack without scale no mass can be told. The pack is as before, or as new, at any time.
    Raises UsageError for a name of no object, for a property that there is not and for cousins
    that take shapes from a user's folder, PackError for a pack that cannot be read or written, and
    what `cousins.pipeline.augment` does.
    """
    path, labels = Path(path), labels or {}
    read = pack.read(path)
    check_names(str(path), [*properties, *labels], [o.name for o in read.objects])
    pack.ensure_writable(path, force)
    scene = pack.load_scene(read)
    after = _told(scene, properties, labels)
    entries = tuple(_entry(o, a, scene.metric) for o, a in zip(read.objects, after, strict=True))
    changed = {
        new.name: (old, new)
        for old, new in zip(read.objects, entries, strict=True)
        if old.model_dump() != new.model_dump()
    }
    moved = any(_moved(old, new) for old, new in changed.values())
    run = _run(read) if moved else None
    xml = _model(read, after if moved else ())
    if run is None:
        pack.write_objects(read, entries, xml, force=force)
        return Restated(changed, 0)
    # In a folder of its own: whatever else lies beside the pack stays.
    with tempfile.TemporaryDirectory(dir=path.resolve().parent, prefix=".restated") as folder:
        twin = Path(folder) / path.name
        pack.write_objects(read, entries, xml, keep_families=False, out=twin)
        pipeline.augment(twin, run.cousins, seed=run.seed, settings=run.settings, out=path,
                         workers=workers, progress=progress, force=force)  # fmt: skip
    return Restated(changed, run.cousins)


def _told(
    scene: Scene,
    properties: Mapping[str, Mapping[str, Distribution]],
    labels: Mapping[str, Label],
) -> tuple[Asset, ...]:
    assets = []
    for asset in scene.assets:
        if asset.name in labels:
            asset = labelled(asset, labels[asset.name])
        told = properties.get(asset.name, {})
        for name in told:
            if name not in TOLD:
                raise UsageError(f"{asset.name}: no property {name!r}; there are {', '.join(TOLD)}")
            if name == "mass" and not scene.metric:
                raise UsageError(
                    f"{asset.name}: the pack has no scale, and so no masses: scan it again with "
                    "--tag-size or --length"
                )
        assets.append(_with(asset, told))
    return estimated(assets, scene.metric)


def _with(asset: Asset, told: Mapping[str, Distribution]) -> Asset:
    after = replace(asset, **told)
    return replace(after, inertia=asset.inertia * (after.mass.mode / asset.mass.mode))


def _entry(old: ObjectEntry, asset: Asset, metric: bool) -> ObjectEntry:
    """The entry with what may have changed; all else to the last digit as it was read."""
    new = object_entry(asset, old.visual_mesh, old.texture, old.collision_meshes, metric)
    fields = ("label", "label_source", "label_confidence", "category", "material", *TOLD, "inertia")
    return old.model_copy(update={name: getattr(new, name) for name in fields})


def _moved(old: ObjectEntry, new: ObjectEntry) -> bool:
    """Whether anything that cousins are drawn from is another."""
    pairs = [(getattr(old, name), getattr(new, name)) for name in TOLD]
    return any(now is not None and now.changed(before) for before, now in pairs)


@dataclass(frozen=True)
class _Run:
    """What a pack's cousins were asked for with."""

    cousins: int
    seed: int
    settings: Settings


def _run(read: pack.Pack) -> _Run | None:
    """The run that drew the pack's cousins; None where it has none.

    Packs of before tell no settings: theirs are the defaults.
    """
    if not read.families:
        return None
    if read.manifest.mined is not None:
        raise UsageError(
            f"{read.path}: its cousins were mined for what breaks {read.manifest.mined.policy}, "
            "which no draw gives again: do this to the pack that they are of, and mine anew"
        )
    made = read.manifest.augmented
    if made is None:
        held = [cousin for *_, cousin in pack.numbered(read)]
        seeds = [cousin.seed[0] for cousin in held if cousin.seed]
        # One that never passed its certificate keeps its number.
        count = max((1 + cousin.index for cousin in held), default=0)
        return _Run(count, min(seeds, default=0), Settings()) if count else None
    if made.library not in ("", Household().name):
        raise UsageError(
            f"{read.path}: its cousins have shapes from the folder {made.library!r}, which a pack "
            f"does not hold: first `cousins augment {read.path} -n 1`, then this again, then "
            f"`cousins augment {read.path} -n {made.cousins} --seed {made.seed} --library FOLDER`"
        )
    settings = Settings(made.axes, made.shapes, made.swaps, made.distractors, made.distances)
    return _Run(made.cousins, made.seed, settings)


def _model(read: pack.Pack, assets: tuple[Asset, ...]) -> str:
    """model.xml with the masses, inertias and contacts of these objects."""
    text, root = parse_mjcf(read.tree, "model.xml")
    if not assets:
        return text
    if any(asset.restitution != UNTOLD for asset in assets):
        for option in root.iter("option"):
            option.set("impratio", IMPRATIO[True])
    bodies = {body.get("name"): body for body in root.iter("body")}
    for asset in assets:
        body = bodies.get(asset.name)
        inertial = None if body is None else body.find("inertial")
        if body is None or inertial is None:
            raise PackError(f"{read.path}: model.xml: {asset.name} has no inertial: scan it anew")
        moments, axes = principal(asset.inertia)
        inertial.set("mass", repr(float(asset.mass.mode)))
        inertial.set("diaginertia", " ".join(repr(float(v)) for v in moments))
        inertial.set("quat", " ".join(repr(float(v)) for v in axes))
        for geom in body.findall("geom"):
            if geom.get("class") == "collision":
                _touch(geom, asset)
    return ET.tostring(root, encoding="unicode") + "\n"


def _touch(geom: ET.Element, asset: Asset) -> None:
    friction = geom.get("friction", "").split()
    geom.set("friction", " ".join([repr(float(asset.friction.mode)), *friction[1:]]))
    for name in ("solref", "solimp"):
        geom.attrib.pop(name, None)
    geom.attrib.update(contact_attributes(asset.physical))
