"""The truth beside a film: what a perfect scan of it would find."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from cousins import raycast
from cousins.bodies import body_name, movable, visible
from cousins.standing import support_of


def truth(model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, Any]:
    """What a perfect scan would find, in the model's own world (z up): for `NAME.truth.json`.

    `data` must be as mj_forward leaves it.

    objects: one entry a free body: name, mass (kg), friction (sliding; the most of its geoms that
    collide), position and quaternion (w x y z) of the body, centre, size and bounds of its mesh
    (m), volume (m³, None where the mesh is not closed), vertices (n, 3) and faces (m, 3) of its
    visible geoms, and support: the name of what it stands on, None if of nothing (see
    `cousins.standing.support_of`).
    supports: name and height (m) of each static geom that something stands on.
    support_height: of the static surface under the objects (the median, where they stand on
    several); None if they stand on nothing.
    """
    objects, stands = [], []
    for body in movable(model):
        entry = _object(model, data, body)
        found = support_of(model, data, body, entry["vertices"])
        objects.append({**entry, "support": found.name if found else None})
        stands.append(found)
    heights: dict[str, list[float]] = {}
    for found in stands:
        if found and found.static:
            heights.setdefault(found.name, []).append(found.height)
    return {
        "support_height": _support_height(model, data, objects),
        "gravity_axis": [0, 0, 1],
        "supports": [{"name": n, "height": float(np.median(h))} for n, h in heights.items()],
        "objects": [{**o, "vertices": o["vertices"].tolist()} for o in objects],
    }


def _object(model: mujoco.MjModel, data: mujoco.MjData, body: int) -> dict[str, Any]:
    import trimesh

    parts = []
    for geom in visible(model, body):
        corners = raycast.triangles(model, data, geom)[0].reshape(-1, 3)
        part = trimesh.Trimesh(np.round(corners, 7), np.arange(len(corners)).reshape(-1, 3))
        parts.append(part)
    closed = all(part.is_volume for part in parts)
    mesh: Any = parts[0]
    if len(parts) > 1:
        mesh = trimesh.boolean.union(parts) if closed else trimesh.util.concatenate(parts)
    geoms = model.body_rootid[model.geom_bodyid] == model.body_rootid[body]
    touching = geoms & ((model.geom_contype | model.geom_conaffinity) > 0)
    return {
        "name": body_name(model, body),
        "mass": float(model.body_subtreemass[body]),
        "friction": float(model.geom_friction[touching if touching.any() else geoms, 0].max()),
        "position": data.xpos[body].tolist(),
        "quaternion": data.xquat[body].tolist(),
        "centre": mesh.bounds.mean(0).tolist(),
        "size": np.ptp(mesh.bounds, axis=0).tolist(),
        "bounds": mesh.bounds.tolist(),
        "volume": float(mesh.volume) if closed else None,
        "vertices": np.round(mesh.vertices, 6),
        "faces": mesh.faces.tolist(),
    }


def _support_height(
    model: mujoco.MjModel, data: mujoco.MjData, objects: list[dict[str, Any]]
) -> float | None:
    moving = np.isin(model.body_rootid[model.geom_bodyid], movable(model))
    static = np.flatnonzero(~moving & np.isin(model.geom_group, raycast.VISIBLE)).tolist()
    if not static or not objects:
        return None
    stage = raycast.stage(model, data, geoms=static)
    # From a centimetre above the lowest point, at the middle, straight down.
    from_ = np.array([[*o["centre"][:2], o["bounds"][0][2] + 0.01] for o in objects])
    hits = raycast.cast(stage, from_, np.tile([0.0, 0.0, -1.0], (len(from_), 1)))
    heights = from_[:, 2] - hits.distance
    return float(np.median(heights[hits.geom >= 0])) if (hits.geom >= 0).any() else None
