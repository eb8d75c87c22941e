"""Scene packs: write, read, check. The contract is in docs/packs.md; a zip holds the same tree."""

from __future__ import annotations

import io
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from cousins import archive
from cousins.bank import Family
from cousins.errors import PackError
from cousins.index import Index, index
from cousins.pack_check import check
from cousins.pack_mjcf import MAX_ASSET, MAX_XML, model_files
from cousins.pack_reader import (
    FEASIBLE,
    FILES,
    FOLDERS,
    MAX_ARRAYS,
    MAX_JSON,
    Pack,
    asset_names,
    load_family,
    load_index,
    load_model,
    load_scene,
    locate,
    numbered,
    one_line,
    read,
)
from cousins.scene import build, mesh_files
from cousins.schema import (
    Augmented,
    BackgroundEntry,
    CaptureSource,
    CousinEntry,
    Feasibility,
    Manifest,
    Mined,
    ObjectEntry,
    Quality,
    Stage,
    object_entry,
    support_entry,
    surroundings_entry,
)
from cousins.types import Scene

__all__ = [
    "Augmented",
    "CaptureSource",
    "Feasibility",
    "Manifest",
    "Mined",
    "Pack",
    "Quality",
    "Stage",
    "check",
    "ensure_writable",
    "load_family",
    "load_index",
    "load_model",
    "load_scene",
    "locate",
    "numbered",
    "read",
    "summary",
    "write",
    "write_families",
    "write_feasible",
    "write_objects",
]


def ensure_writable(path: Path, force: bool = False) -> None:
    """Raises PackError, in one line and before hours of work, where no pack can be written.

    An earlier pack is replaced; anything else that is there is kept, unless `force` is set.
    """
    archive.ensure_writable(Path(path), (*FILES, *FOLDERS), "manifest.json", force)


def write(
    path: Path,
    scene: Scene,
    manifest: Manifest,
    quality: Quality,
    families: Sequence[Family] = (),
    force: bool = False,
) -> None:
    """Write the pack as a folder, or as one zip where `path` ends in .zip.

    It is written beside and put in place by a rename, so that a killed run leaves the old pack.
    Raises PackError for an output that `ensure_writable` refuses, and for a scene whose names
    cannot be file names.
    """
    ensure_writable(path, force)
    manifest = manifest.model_copy(update={"metric": scene.metric})
    xml, files = build(scene)
    members: dict[str, bytes | Path] = {
        "manifest.json": _json(manifest),
        **_scene_files(path, scene, files, quality),
    }
    held = {f"assets/{k}": v for k, v in files.items()}
    with tempfile.TemporaryDirectory() as folder:
        _add_families(path, members, held, families, Path(folder))
        # Last, since MjSpec.from_zip opens the last XML of an archive.
        members["model.xml"] = xml.encode()
        archive.replace(Path(path), members)


def write_families(
    path: Path,
    families: Iterable[Family],
    out: Path | None = None,
    force: bool = False,
    scratch: Path | None = None,
    record: Callable[[], Augmented] | None = None,
    licences: Mapping[str, str] | None = None,
    mined: Mined | None = None,
) -> None:
    """Give an existing pack these families in place of those it has, in one step.

    Families are taken one at a time, and wait in `scratch`, a folder, so that memory does not grow
    with their number. record: asked when all are taken, goes into manifest.json, as do licences and
    mined, which says for which policy they were mined. out: write a new pack there instead, which
    holds the twin too; the old one stays as it is.
    Raises PackError where the pack cannot be read, or the output cannot be written.
    """
    pack = read(path)
    target = Path(out) if out is not None else pack.path
    if target.resolve() != pack.path.resolve():
        ensure_writable(target, force)
    source = pack.tree.source
    # What was feasible was so for the cousins that go.
    gone = ("model.xml", FEASIBLE)
    members: dict[str, bytes | Path] = {
        name: source(name, MAX_JSON) for name in FILES if name in pack.tree and name not in gone
    }
    twin = twin_assets(pack)
    members.update({name: source(name, MAX_ASSET) for name in sorted(twin)})
    held = {name: pack.tree.read(name, MAX_ASSET) for name in twin}
    with tempfile.TemporaryDirectory() as folder:
        _add_families(target, members, held, families, scratch or Path(folder))
        made = record() if record else None
        known = {**pack.manifest.licences, **(licences or {})}
        update = {"augmented": made, "mined": mined, "licences": known}
        members["manifest.json"] = _json(pack.manifest.model_copy(update=update))
        members["model.xml"] = source("model.xml", MAX_XML)
        archive.replace(target, members)


def write_objects(
    pack: Pack,
    objects: Sequence[ObjectEntry],
    xml: str,
    keep_families: bool = True,
    force: bool = False,
    out: Path | None = None,
) -> None:
    """Give a pack these objects and this model.xml in place of its own, in one step.

    out: write a new pack there instead; the old one stays as it is.

    All else stays as it is, but that without `keep_families` its cousins go, with their shapes.
    Raises PackError where the pack cannot be written.
    """
    target = pack.path if out is None else out
    ensure_writable(target, force)
    source = pack.tree.source
    kept = set(pack.tree.sizes)
    if not keep_families:
        kept = {name for name in kept if name in FILES and name != FEASIBLE} | twin_assets(pack)
    members: dict[str, bytes | Path] = {
        name: source(name, MAX_ARRAYS) for name in sorted(kept - {"model.xml"})
    }
    members["objects.json"] = _json(objects)
    members["model.xml"] = xml.encode()
    archive.replace(target, members)


def write_feasible(pack: Pack, entries: Sequence[Feasibility]) -> None:
    """Give a pack this feasible.json in place of its own, in one step. Raises PackError where it
    cannot be written."""
    data = _json(entries)
    if not pack.tree.zipped:
        archive.write_file(pack.path / FEASIBLE, data)
        return
    source = pack.tree.source
    members: dict[str, bytes | Path] = {
        name: source(name, MAX_ARRAYS) for name in sorted(set(pack.tree.sizes) - {"model.xml"})
    }
    members[FEASIBLE] = data
    members["model.xml"] = source("model.xml", MAX_XML)
    archive.replace(pack.path, members)


def twin_assets(pack: Pack) -> set[str]:
    """The files under assets/ that the twin needs: all but those of the families' banks."""
    _, files = model_files(pack.tree, "model.xml")
    return {f"assets/{n}" for n in (*files, *asset_names(pack.objects, pack.surroundings))}


def summary(pack: Pack) -> dict[str, Any]:
    """What the pack holds, in plain JSON types: objects, surfaces, families, warnings."""
    held = index(pack)
    families = []
    for k in pack.families:
        distances = held.distance[held.family == k]
        span = [float(distances.min()), float(distances.max())] if len(distances) else [None, None]
        families.append({"family": k, "cousins": len(distances), "distance": span})
    keys = {"name", "label", "label_source", "label_confidence", "size", "support",
            "observed_fraction", "mass", "friction"}  # fmt: skip
    return {
        "path": str(pack.path),
        "schema_version": pack.manifest.schema_version,
        "cousins_version": pack.manifest.cousins_version,
        "capture": pack.manifest.capture.model_dump(mode="json"),
        "seed": pack.manifest.seed,
        "metric": pack.manifest.metric,
        "objects": [o.model_dump(mode="json", include=keys) for o in pack.objects],
        "supports": [s.model_dump(mode="json", exclude={"polygon"}) for s in pack.supports],
        "families": families,
        "cousins": len(held),
        "augmented": _augmented(pack.manifest.augmented, held),
        "mined": pack.manifest.mined and pack.manifest.mined.model_dump(mode="json"),
        "warnings": list(pack.quality.warnings),
    }


def _augmented(made: Augmented | None, held: Index) -> dict[str, Any] | None:
    """How the cousins were drawn, and what came of it; None where the pack does not tell."""
    if made is None:
        return None
    counts = zip(*np.unique(held.distractors, return_counts=True), strict=True)
    drawn = made.rejected + len(held)
    return {
        **made.model_dump(mode="json"),
        "rejected_share": made.rejected / drawn if drawn else 0.0,
        "with_distractors": {str(k): int(count) for k, count in counts},
        "distance_by_axis": {name: float(values.mean()) for name, values in held.axes.items()
                             if len(held)},
    }  # fmt: skip


def _scene_files(
    path: Path, scene: Scene, files: dict[str, bytes], quality: Quality
) -> dict[str, bytes]:
    names = [*(a.name for a in scene.assets), *(s.name for s in scene.supports)]
    names += [w.name for w in scene.walls]
    twice = sorted({n for n in names if [m.lower() for m in names].count(n.lower()) > 1})
    if twice:
        raise PackError(f"{path}: two parts of the scene are called {twice[0]!r}: rename one")
    try:
        objects = []
        for asset in scene.assets:
            visual, parts = mesh_files(asset)
            texture = f"{asset.name}.png" if asset.visual.texture is not None else None
            objects.append(object_entry(asset, visual, texture, parts, scene.metric))
        background = None
        if scene.background is not None:
            texture = "background.png" if scene.background.texture is not None else None
            background = BackgroundEntry(visual_mesh="background.obj", texture=texture)
        return {
            "objects.json": _json(objects),
            "supports.json": _json([support_entry(s) for s in scene.supports]),
            "surroundings.json": _json(surroundings_entry(scene, background)),
            "quality.json": _json(quality),
            **{f"assets/{name}": data for name, data in files.items()},
        }
    except ValidationError as error:
        raise PackError(f"{path}: a scene that no pack can hold: {one_line(error)}") from None


def _json(value: BaseModel | Sequence[BaseModel]) -> bytes:
    def plain(model: BaseModel) -> Any:
        return model.model_dump(mode="json")

    data = plain(value) if isinstance(value, BaseModel) else [plain(v) for v in value]
    text = json.dumps(data, indent=1, allow_nan=False)
    # Vectors on one line each; within a string a line break would be escaped.
    text = re.sub(r"\[\n\s*([^\[\]{}\"]+?)\n\s*\]", _one_line_list, text)
    return (text + "\n").encode()


def _one_line_list(match: re.Match[str]) -> str:
    return f"[{' '.join(match[1].split())}]"


def _add_families(
    path: Path,
    members: dict[str, bytes | Path],
    held: dict[str, bytes],
    families: Iterable[Family],
    scratch: Path,
) -> None:
    for k, family in enumerate(families):
        for name, data in family.files.items():
            member = f"assets/{name}"
            if held.setdefault(member, data) != data:
                raise PackError(f"{path}: two different files would be {member}: rename one")
            members.setdefault(member, data)
        folder = f"families/{k}"
        members[f"{folder}/model.xml"] = _from_family_folder(family.xml).encode()
        if family.bank is not None:
            members[f"{folder}/bank.npz"] = _npz(path, family.bank.arrays())
        for name, array in family.arrays.items():
            if len(array) != len(family):
                raise PackError(f"{path}: {name} has {len(array)} rows for {len(family)} cousins")
        lines = [CousinEntry.of(c).model_dump_json() for c in family.cousins]
        for name, data in (
            ("cousins.npz", _npz(path, family.arrays)),
            ("cousins.jsonl", "".join(f"{line}\n" for line in lines).encode()),
        ):
            scratch.mkdir(parents=True, exist_ok=True)
            waits = scratch / f"family-{k}-{name}"
            waits.write_bytes(data)
            members[f"{folder}/{name}"] = waits


def _from_family_folder(xml: str) -> str:
    root = ET.fromstring(xml)
    for compiler in root.iter("compiler"):
        compiler.set("meshdir", "../../assets")
        compiler.set("texturedir", "../../assets")
    return ET.tostring(root, encoding="unicode") + "\n"


def _npz(path: Path, arrays: Mapping[str, NDArray[Any]]) -> bytes:
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise PackError(f"{path}: {name} holds {array.dtype}, a pack holds numbers")
    out = io.BytesIO()
    every: dict[str, Any] = dict(arrays)
    np.savez_compressed(out, **every)
    if out.tell() > MAX_ARRAYS:
        raise PackError(f"{path}: a family above {MAX_ARRAYS:,} bytes: make several smaller ones")
    return out.getvalue()
