"""The truth of a capture, as `cousins.phone.film` writes it, and where it lies in a pack's world.

All lengths are in metres, masses in kilograms, and z is up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cousins.errors import CousinsError
from cousins.phone import CAPTURE_FROM_WORLD
from cousins.types import Array, Mesh


@dataclass(frozen=True)
class TrueObject:
    """One object of the truth: its mesh in the truth's world, and its mass in kg.

    What an older truth does not tell is None: friction, MuJoCo's sliding coefficient; volume (m³),
    also where the mesh is not closed; support, the name of the object or surface that it stands
    on, also where it stands on nothing.
    """

    name: str
    mesh: Mesh
    mass: float
    friction: float | None = None
    volume: float | None = None
    support: str | None = None


@dataclass(frozen=True)
class Truth:
    """What a perfect scan would find. support_height: of the surface under the objects, if any.

    capture_from_world: (4, 4) the capture's own world from the truth's; ARKit's where the truth
    does not say.
    """

    objects: tuple[TrueObject, ...]
    support_height: float | None
    capture_from_world: Array = field(default_factory=CAPTURE_FROM_WORLD.copy)


def load_truth(path: Path) -> Truth:
    """Reads NAME.truth.json, or that of a capture's folder. Raises CousinsError in one line."""
    if Path(path).is_dir():
        beside = truth_of(path)
        if beside is None:
            raise CousinsError(
                f"{path}: no {Path(path).resolve().name}.truth.json beside it and no truth.json in"
                " it: name the file with its truth"
            )
        path = beside
    try:
        data = json.loads(Path(path).read_text())
        return Truth(
            tuple(map(_object, data["objects"])),
            _number(data["support_height"]),
            np.array(data.get("capture_from_world", CAPTURE_FROM_WORLD), float).reshape(4, 4),
        )
    except OSError as error:
        raise CousinsError(
            f"{path}: cannot be read ({error.strerror}): give a NAME.truth.json, or a capture that"
            " has one beside it"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise CousinsError(f"{path}: not the truth of a capture ({reason}): film it anew") from None


def _object(entry: dict[str, Any]) -> TrueObject:
    vertices = np.array(entry["vertices"], float).reshape(-1, 3)
    faces = np.array(entry["faces"], np.int32).reshape(-1, 3)
    if not len(faces) or faces.min() < 0 or faces.max() >= len(vertices):
        raise ValueError(f"{entry['name']!r} has no faces, or faces that name missing vertices")
    if not np.isfinite(vertices).all():
        raise ValueError(f"{entry['name']!r} has vertices that are not finite")
    support = entry.get("support")
    return TrueObject(
        str(entry["name"]),
        Mesh(vertices, faces),
        float(entry["mass"]),
        _number(entry.get("friction")),
        _number(entry.get("volume")),
        None if support is None else str(support),
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def truth_of(capture: Path) -> Path | None:
    """The file with a capture's truth: NAME.truth.json beside it or truth.json in it, if any."""
    whole = Path(capture).resolve()
    candidates = whole.with_name(f"{whole.name}.truth.json"), whole / "truth.json"
    return next((path for path in candidates if path.is_file()), None)


def in_pack(truth: Truth, world_from_capture: Array) -> tuple[Mesh, ...]:
    """The true meshes in the pack's world. world_from_capture: (4, 4), from the manifest."""
    pose = np.asarray(world_from_capture) @ truth.capture_from_world
    return tuple(through(o.mesh, pose[:3, :3], pose[:3, 3]) for o in truth.objects)


def through(mesh: Mesh, rotation: Array, position: Array) -> Mesh:
    """The mesh, turned by `rotation` (3, 3) and then moved by `position` (3,)."""
    return Mesh(mesh.vertices @ rotation.T + position, mesh.faces)
