"""A bowl, a mug and a tray with the convex parts of a perfect decomposition, for tests."""

from itertools import pairwise

import numpy as np
import trimesh

from examples import asset

SECTORS = 24


def shell(profile, bottom):
    """A turned shell, and its parts: one hull a sector of its wall, and the disc of its bottom.

    profile: (x, z) from the middle of the underside round the rim to the middle of the bottom.
    bottom: (radius, thickness).
    """
    mesh = trimesh.creation.revolve(np.array(profile), sections=2 * SECTORS)
    wall = np.array(profile[1:-1])
    parts = [trimesh.creation.cylinder(bottom[0], bottom[1], sections=2 * SECTORS)]
    parts[0].apply_translation([0, 0, bottom[1] / 2])
    for k in range(SECTORS):
        turn = 2 * np.pi * np.array([k, k + 0.5, k + 1]) / SECTORS
        ring = [(x * np.cos(a), x * np.sin(a), z) for x, z in wall for a in turn]
        parts.append(trimesh.convex.convex_hull(np.array(ring)))
    return mesh, parts


def bowl_mesh(height=0.06, thick=0.004):
    """140 mm wide, standing at z = 0."""
    return shell(
        [(0, 0), (0.04, 0), (0.07, height), (0.07 - thick, height), (0.038, thick), (0, thick)],
        (0.039, thick),
    )


def glass_mesh(radius=0.03, depth=0.1, wall=0.003):
    """Straight walls; its inside has this radius and depth."""
    r, h = radius + wall, depth + wall
    return shell([(0, 0), (r, 0), (r, h), (radius, h), (radius, wall), (0, wall)], (r, wall))


def mug_mesh(handles=1):
    """A glass of 35 mm with upright rings of 25 mm, 4 mm thick, for handles."""
    cup, parts = glass_mesh(0.035, 0.09)
    outside = trimesh.creation.cylinder(0.038, 0.093, sections=2 * SECTORS)
    outside.apply_translation([0, 0, 0.093 / 2])
    for k in range(handles):
        ring = trimesh.creation.torus(0.025, 0.004, 32, 12)
        ring.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, (1, 0, 0)))
        ring.apply_translation([0.042, 0, 0.048])
        ring.apply_transform(trimesh.transformations.rotation_matrix(np.pi * k, (0, 0, 1)))
        handle = trimesh.boolean.difference([ring, outside], engine="manifold")
        cup = trimesh.boolean.union([cup, handle], engine="manifold")
        around = np.arctan2(handle.vertices[:, 2] - 0.048, np.abs(handle.vertices[:, 0]) - 0.042)
        edges = np.linspace(around.min() - 1e-6, around.max() + 1e-6, 13)
        for low, high in pairwise(edges):
            own = handle.vertices[(around >= low - 0.1) & (around <= high + 0.1)]
            parts.append(trimesh.convex.convex_hull(own))
    return cup, parts


def thing(name, made, xy, **other):
    """An asset of a mesh and its parts."""
    mesh, parts = made
    mesh = mesh.copy()
    parts = [p.copy() for p in parts]
    shift = -mesh.bounds.mean(0)
    for m in (mesh, *parts):
        m.apply_translation(shift)
    return asset(name, mesh, parts, xy, **other)
