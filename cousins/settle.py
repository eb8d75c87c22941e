"""Letting a scene come to rest with its objects where they were seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import mujoco
import numpy as np

from cousins import polygons
from cousins.mesh import matrix_from_quaternion
from cousins.scene import build, compile_model
from cousins.standing import support_of
from cousins.types import Array, Asset, Mesh, Scene

CREEP = 1.0  # s of motion without momentum: overlaps part and gaps close, but nothing rolls
ROUNDS = 8  # of watching, at most
STILL = 0.0005  # drift in WATCH seconds that counts as rest, m
WATCH = 2.0  # s of free motion over which drift is measured
BASE = 0.004  # thickness of a base, m
CLEAR = 1e-4  # between a thing and what it is set on, m
TOUCHES = 0.004  # m over or under it that still counts as where two touch
WELL_INSIDE = 0.8  # of the way from the middle of where they touch to its rim
RAISES = 40  # of a thing out of what it stands on, at most


@dataclass(frozen=True)
class Settled:
    """The scene at rest. moved (n,) m and turned (n,) rad: how far each object went from where it
    was seen. drift (n,) m: how far it then goes in two seconds. penetration: deepest contact at
    the start, m."""

    scene: Scene
    moved: Array
    turned: Array
    drift: Array
    penetration: float


def settle(scene: Scene) -> Settled:
    """Rest the scene's objects on one another by physics."""
    model = compile_model(*build(scene))
    data = mujoco.MjData(model)
    start = data.qpos.copy()
    for _ in range(int(CREEP / model.opt.timestep)):
        mujoco.mj_step(model, data)
        data.qvel *= 0.8
    # What still creeps or rocks is left to, until it does no more.
    for _ in range(ROUNDS):
        rest = data.qpos.copy()
        mujoco.mj_resetData(model, data)
        data.qpos[:] = rest
        mujoco.mj_forward(model, data)
        penetration = max([0.0, *(-contact.dist for contact in data.contact)])
        for _ in range(int(WATCH / model.opt.timestep)):
            mujoco.mj_step(model, data)
        gone = np.linalg.norm((data.qpos - rest).reshape(-1, 7)[:, :3], axis=1)
        if gone.max(initial=0.0) < STILL:
            break
    seen, still, later = (q.reshape(-1, 7) for q in (start, rest, data.qpos))
    assets = tuple(
        replace(a, position=q[:3].copy(), quaternion=q[3:] / np.linalg.norm(q[3:]))
        for a, q in zip(scene.assets, still, strict=True)
    )
    return Settled(
        replace(scene, assets=_supported(model, data, scene, assets)),
        np.linalg.norm(still[:, :3] - seen[:, :3], axis=1),
        angle(still[:, 3:], seen[:, 3:]),
        np.linalg.norm(later[:, :3] - still[:, :3], axis=1),
        float(penetration),
    )


def _supported(
    model: mujoco.MjModel, data: mujoco.MjData, scene: Scene, assets: tuple[Asset, ...]
) -> tuple[Asset, ...]:
    """The assets, each with the support that carries it at rest: what was scanned as lying on
    papers may have come to stand beside them."""
    known = {s.name for s in scene.supports} | {a.name for a in assets}
    support = {a.name: a.support for a in assets}
    for asset in assets:
        rotation = matrix_from_quaternion(asset.quaternion)
        vertices = asset.visual.vertices @ rotation.T + asset.position
        found = support_of(model, data, model.body(asset.name).id, vertices)
        if found is None or found.name not in known:
            continue
        below: str | None = found.name
        while below in support and below != asset.name:
            below = support[below]
        if below != asset.name:  # two that lean on each other carry each other: as scanned, then
            support[asset.name] = found.name
    return tuple(replace(a, support=support[a.name]) for a in assets)


def steady(scene: Scene) -> tuple[Settled, dict[str, str]]:
    """The scene settled, with a remedy for each object that does not stay where it was seen, and
    the remedies by name.

    What stood has its weight over what carries it: where that is, inside the thing, nobody saw. So
    it is moved there first. A foot that was hardly seen makes a thing rock or fall, too: it gets a
    flat one as wide as its lowest part, then its convex hull to stand on where it has no opening,
    and last a base as wide as itself.
    """
    remedies: dict[str, str] = {}
    result = settle(scene)
    for remedy, change in _REMEDIES:
        restless = (result.moved > 0.01) | (result.turned > np.radians(8)) | (result.drift > 0.002)
        if not restless.any():
            break
        assets = list(scene.assets)
        for i in np.flatnonzero(restless):
            changed = change(assets[i], scene)
            if changed is not assets[i]:
                assets[i] = changed
                remedies[changed.name] = remedy
        scene = replace(scene, assets=tuple(assets))
        result = settle(scene)
    return result, remedies


def _with_weight(asset: Asset, scene: Scene) -> Asset:
    """The asset with its centre of mass over where it touches what it stands on."""
    bottom = asset.position[2] + lowest_point(asset)
    foot = _outline(asset, above=-np.inf, below=bottom + TOUCHES)
    for other in scene.assets:
        if other.name == asset.support:
            foot = polygons.common(foot, _outline(other, above=bottom - TOUCHES))
    if len(foot) < 3:
        return asset
    middle = foot.mean(0)
    safe = middle + WELL_INSIDE * (foot - middle)
    rotation = matrix_from_quaternion(asset.quaternion)
    weight = rotation @ asset.center_of_mass
    at = (weight + asset.position)[:2]
    if polygons.inset(at, safe) >= 0:
        return asset
    weight[:2] = polygons.nearest(at, safe) - asset.position[:2]
    return replace(asset, center_of_mass=rotation.T @ weight)


def _outline(asset: Asset, above: float, below: float = np.inf) -> Array:
    """(k, 2) the convex outline, from above, of an asset's collision vertices between two heights,
    m; none where fewer than three are."""
    import cv2

    p = _collision_vertices(asset) + asset.position
    p = p[(p[:, 2] >= above) & (p[:, 2] <= below)]
    if len(p) < 3:
        return np.zeros((0, 2))
    return cv2.convexHull(p[:, :2].astype(np.float32))[:, 0].astype(float)


def _collision_vertices(asset: Asset) -> Array:
    """(n, 3) of the asset's collision geometry, from its origin, world axes, m."""
    from cousins.shape.primitive import primitive_mesh

    parts = [primitive_mesh(asset.primitive)] if asset.primitive else asset.parts
    return np.vstack([p.vertices for p in parts]) @ matrix_from_quaternion(asset.quaternion).T


def _with_foot(asset: Asset, scene: Scene) -> Asset:
    """The asset with one more convex part: its lowest tenth (1 to 2 cm), let down to the ground."""
    from cousins.shape.convex import convex_hull

    low = _below(asset.visual, float(np.clip(asset.size[2] / 10, 0.01, 0.02)))
    foot = convex_hull(np.vstack([low, _let_down(low, asset)]))
    return replace(asset, primitive=None, parts=(*asset.parts, foot))


def _below(mesh: Mesh, height: float) -> Array:
    """(n, 3) the mesh's vertices up to `height` above its lowest, and its section there."""
    z = mesh.vertices[:, 2] - mesh.vertices[:, 2].min() - height
    edges = mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    edges = edges[(z[edges[:, 0]] < 0) & (z[edges[:, 1]] >= 0)]
    a, b = edges.T
    share = (z[a] / (z[a] - z[b]))[:, None]
    section = (1 - share) * mesh.vertices[a] + share * mesh.vertices[b]
    return np.vstack([mesh.vertices[z < 0], section])


def _let_down(points: Array, asset: Asset, rise: float = 0.0) -> Array:
    """Points (n, 3) at `rise` metres above the asset's lowest."""
    bottom = asset.visual.vertices[:, 2].min() + rise
    return np.column_stack([points[:, :2], np.full(len(points), bottom)])


def _with_hull(asset: Asset, scene: Scene) -> Asset:
    """Its hull in place of its parts; the asset itself where that would close an opening."""
    from cousins.shape.convex import convex_hull
    from cousins.shape.hollow import opening

    if len(opening(asset.visual)):
        return asset
    return replace(asset, primitive=None, parts=(convex_hull(asset.visual.vertices),))


def _with_base(asset: Asset, scene: Scene) -> Asset:
    """The asset with a plate under it, as wide as itself: its weight cannot be beside that."""
    from cousins.shape.convex import convex_hull

    all_ = asset.visual.vertices
    base = convex_hull(np.vstack([_let_down(all_, asset), _let_down(all_, asset, BASE)]))
    return replace(asset, primitive=None, parts=(*asset.parts, base))


_REMEDIES = (
    ("with its weight moved over what carries it", _with_weight),
    ("on a flat foot", _with_foot),
    ("on its convex hull", _with_hull),
    ("on a base as wide as itself", _with_base),
)


def angle(a: Array, b: Array) -> Array:
    """(n,) angles in radians between orientations (n, 4)."""
    dot = np.abs((a * b).sum(-1)) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return 2 * np.arccos(np.clip(dot, 0, 1))


def lift(scene: Scene) -> Scene:
    """The scene with every object's collision geometry just clear of what it stands on.

    What stands on an object goes along with it, and is then raised out of it: settling would
    fling the two apart.
    """
    heights = {s.name: s.height for s in scene.supports}
    by_name = {a.name: a for a in scene.assets}
    raised: dict[str, float] = {}

    def rise(asset: Asset) -> float:
        if asset.name not in raised:
            if asset.support in heights:
                on = heights[asset.support] - lowest_point(asset) + CLEAR
                raised[asset.name] = on - float(asset.position[2])
            else:
                raised[asset.name] = rise(by_name[asset.support])
        return raised[asset.name]

    assets = tuple(_raised(a, rise(a)) for a in scene.assets)
    if all(a.support in heights for a in assets):
        return replace(scene, assets=assets)
    return _parted(replace(scene, assets=assets), heights)


def _parted(scene: Scene, surfaces: Mapping[str, float]) -> Scene:
    """The scene with what stands on objects raised until it is in them no more."""
    model = compile_model(*build(scene))
    data = mujoco.MjData(model)
    height = data.qpos.reshape(-1, 7)[:, 2]
    body = {a.name: model.body(a.name).id for a in scene.assets}
    on = {body[a.name]: body[a.support] for a in scene.assets if a.support not in surfaces}
    first = height.copy()
    for _ in range(RAISES):
        mujoco.mj_forward(model, data)
        pairs = model.geom_bodyid[data.contact.geom]
        up = np.zeros(model.nbody)
        for (a, b), dist in zip(pairs, data.contact.dist, strict=True):
            upper = a if on.get(a) == b else b if on.get(b) == a else 0
            up[upper] = max(up[upper], -dist)
        up[0] = 0.0
        if up.max() < CLEAR:
            break
        # By half a millimetre more than it is in, and with all that stands on it.
        for i, asset in enumerate(scene.assets):
            carried: int | None = body[asset.name]
            while carried is not None:
                height[i] += up[carried] + 0.0005 if up[carried] >= CLEAR else 0.0
                carried = on.get(carried)
    assets = (_raised(a, float(dz)) for a, dz in zip(scene.assets, height - first, strict=True))
    return replace(scene, assets=tuple(assets))


def _raised(asset: Asset, dz: float) -> Asset:
    return replace(asset, position=asset.position + [0.0, 0.0, dz])


def lowest_point(asset: Asset) -> float:
    """z of the lowest point of the asset's collision geometry, from its origin, world axes."""
    if asset.primitive is not None and asset.primitive.kind == "sphere":
        return float(asset.primitive.position[2] - asset.primitive.size[0])
    return float(_collision_vertices(asset)[:, 2].min())
