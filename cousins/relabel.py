"""Another name for a pack's objects, and the mass that goes with it, in objects.json and model.xml
alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from cousins import pack
from cousins.errors import PackError
from cousins.labels.apply import labelled
from cousins.labels.given import check_names
from cousins.labels.label import Label
from cousins.mesh import principal
from cousins.pack_mjcf import parse_mjcf
from cousins.schema import ObjectEntry, Property
from cousins.types import Asset


@dataclass(frozen=True)
class Relabelled:
    """What `relabel` did. objects: the entries that it changed, as they are now; heavier: by name,
    the new mass over the old one where it is another; dropped: how many cousins went."""

    objects: tuple[ObjectEntry, ...]
    heavier: Mapping[str, float]
    dropped: int


def relabel(path: Path, labels: Mapping[str, Label], force: bool = False) -> Relabelled:
    """Give a pack's objects these labels, by name, and their masses the priors of their categories.

    The pack's cousins were drawn from the old priors. Where no mass changes they stay; where one
    does the pack is left as it is, but with `force` they go, and `cousins augment` makes them anew:
    a pack in which the two disagree would be wrong for whoever reads it. A mass that is no prior
    stays, and so does that of a pack without scale, which has none.

    Raises UsageError for a name of no object, PackError for a pack that cannot be read or written
    or that holds such cousins.
    """
    read = pack.read(path)
    check_names(str(path), list(labels), [o.name for o in read.objects])
    assets = {a.name: a for a in pack.load_scene(read).assets}
    metric = read.manifest.metric
    after = {name: labelled(assets[name], label, metric) for name, label in labels.items()}
    heavier = {
        name: after[name].mass.mode / assets[name].mass.mode
        for name in after
        if after[name].mass != assets[name].mass
    }
    cousins = sum(len(pack.load_index(read, k)) for k in read.families) if heavier else 0
    if cousins and not force:
        raise PackError(
            f"{path}: its {cousins:,} cousins have masses of the old label: pass --force to drop "
            "them, then make them anew with `cousins augment`"
        )
    objects = tuple(
        _entry(o, after[o.name], metric) if o.name in after else o for o in read.objects
    )
    xml = _weighed(read, {name: after[name] for name in heavier})
    pack.write_objects(read, objects, xml, keep_families=not cousins, force=force)
    return Relabelled(tuple(o for o in objects if o.name in after), heavier, cousins)


def _entry(old: ObjectEntry, asset: Asset, metric: bool) -> ObjectEntry:
    return old.model_copy(
        update={
            "label": asset.label,
            "label_source": asset.label_source,
            "label_confidence": asset.label_confidence,
            "mass": Property.of(asset.mass) if metric else None,
            "inertia": tuple(tuple(float(v) for v in row) for row in asset.inertia),
        }
    )


def _weighed(read: pack.Pack, assets: Mapping[str, Asset]) -> str:
    """model.xml with the masses and inertias of these objects."""
    text, root = parse_mjcf(read.tree, "model.xml")
    if not assets:
        return text
    inertials = {body.get("name"): body.find("inertial") for body in root.iter("body")}
    for name, asset in assets.items():
        inertial = inertials.get(name)
        if inertial is None:
            raise PackError(f"{read.path}: model.xml: {name} has no inertial: scan it anew")
        moments, axes = principal(asset.inertia)
        inertial.set("mass", repr(float(asset.mass.mode)))
        inertial.set("diaginertia", " ".join(repr(float(v)) for v in moments))
        inertial.set("quat", " ".join(repr(float(v)) for v in axes))
    return ET.tostring(root, encoding="unicode") + "\n"
