"""A scene of scanned-like things, made up: five objects of eight convex parts each on a table."""

from __future__ import annotations

import numpy as np
import trimesh

from cousins.distributions import LogNormal, Uniform
from cousins.mesh import solid_moments
from cousins.pack import CaptureSource, Manifest, Quality
from cousins.types import Asset, Mesh, Scene, Support

TABLE = 0.72
FACES = 4000  # of a visual mesh, at least


def clutter(objects: int = 5, parts: int = 8, seed: int = 0) -> Scene:
    """Lumpy rings, each of convex parts of at most 60 vertices, in a row on a table."""
    rng = np.random.default_rng(seed)
    places = np.linspace(-0.4, 0.4, objects)
    table = np.array([[-0.6, -0.4], [0.6, -0.4], [0.6, 0.4], [-0.6, 0.4]])
    return Scene(
        assets=tuple(_lump(f"lump_{i}", x, parts, rng) for i, x in enumerate(places)),
        supports=(
            Support("floor", "floor", 0.0, 5 * table),
            Support("table", "table", TABLE, table),
        ),
    )


def _lump(name: str, x: float, parts: int, rng: np.random.Generator) -> Asset:
    angles = np.arange(parts) * 2 * np.pi / parts
    solids = [_stone(rng, [0.035 * np.cos(a), 0.035 * np.sin(a), 0.0]) for a in angles]
    whole = trimesh.boolean.union(solids, engine="manifold")
    while len(whole.faces) < FACES:
        whole = whole.subdivide()
    shift = -whole.bounds.mean(0)
    for mesh in (whole, *solids):
        mesh.apply_translation(shift)
    visual = _mesh(whole)
    volume, centre, inertia = solid_moments(visual)
    mass = LogNormal(float(np.log(500 * volume)), 0.5, "made up")
    height = TABLE - float(visual.vertices[:, 2].min())
    return Asset(
        name=name,
        label="lump",
        label_source="made up",
        label_confidence=1.0,
        position=np.array([x, 0.0, height]),
        quaternion=np.array([1.0, 0.0, 0.0, 0.0]),
        visual=visual,
        parts=tuple(_mesh(solid) for solid in solids),
        primitive=None,
        watertight=True,
        volume=volume,
        observed_fraction=1.0,
        support="table",
        mass=mass,
        friction=LogNormal(float(np.log(0.5)), 0.3, "made up"),
        shell_fraction=Uniform(0.0, 1.0, "made up"),
        center_of_mass=centre,
        inertia=inertia * mass.mode,
    )


def _stone(rng: np.random.Generator, centre: list[float]) -> trimesh.Trimesh:
    points = rng.normal(size=(60, 3))
    points *= np.array([0.018, 0.018, 0.03]) / np.linalg.norm(points, axis=1)[:, None]
    points[:, 2] = np.clip(points[:, 2], -0.028, 0.028)  # it stands flat
    return trimesh.convex.convex_hull(points + centre)


def _mesh(mesh: trimesh.Trimesh) -> Mesh:
    return Mesh(np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int32))


def manifest() -> Manifest:
    """What a pack says of a scene that was never filmed."""
    pose = ((1.0, 0, 0, 0), (0, 1.0, 0, 0), (0, 0, 1.0, 0), (0, 0, 0, 1.0))
    source = CaptureSource(layout="made up", sha256="0" * 64, name="clutter")
    return Manifest(cousins_version="0", capture=source, world_from_capture=pose, stages={}, seed=0)


def quality() -> Quality:
    """Nothing was checked."""
    return Quality(checks={}, warnings=())


def table(title: str, rows: list[tuple[str, float, str, float, bool]]) -> None:
    """Print measured values beside their yardsticks; the last column says if less is better."""
    print(f"\n{title}\n{'':42}{'measured':>12}{'yardstick':>12}")
    for name, value, unit, yardstick, less in rows:
        met = value <= yardstick if less else value >= yardstick
        sign = "<=" if less else ">="
        print(f"{name + ', ' + unit:42}{value:12.3g}{sign:>5}{yardstick:7.3g}"
              f"  {'met' if met else 'MISSED'}")  # fmt: skip
