"""Variants of an object's shape: scaled, bent and tapered, standing as flat as before."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cousins.mesh import matrix_from_quaternion
from cousins.types import Array, Asset, Mesh, Primitive

SCALE = (0.85, 1.15)  # range of each axis
BEND = 0.05  # most that the top moves sideways, over the height
TAPER = 0.08  # most that the top widens or narrows


@dataclass(frozen=True)
class Deformation:
    """How a variant differs: scale (3,); bend (2,) over the height; taper of the top."""

    scale: tuple[float, float, float]
    bend: tuple[float, float] = (0.0, 0.0)
    taper: float = 0.0


def draw(asset: Asset, rng: np.random.Generator) -> Deformation:
    """A random deformation that keeps a primitive a primitive of its kind."""
    log_low, log_high = np.log(SCALE)
    a, b, c = (float(v) for v in np.exp(rng.uniform(log_low, log_high, 3)))
    bend = rng.uniform(-BEND, BEND, 2)
    taper = float(rng.uniform(-TAPER, TAPER))
    kind = asset.primitive.kind if asset.primitive else None
    if kind == "sphere":
        return Deformation((a, a, a))
    if kind == "cylinder":
        return Deformation((a, a, c))
    if kind == "box":
        return Deformation((a, b, c))
    return Deformation((a, b, c), (float(bend[0]), float(bend[1])), taper)


def variant(asset: Asset, name: str, deformation: Deformation) -> Asset:
    """The asset deformed, under another name. Its distributions are still the original's.

    A primitive is scaled along its own axes. Anything else is scaled along the object's axes, and
    bent and tapered upwards from its bottom, which stays flat. The origin is again at the centre
    of the visual mesh's bounding box.
    """
    if asset.primitive is not None:
        return _scaled(asset, asset.primitive, name, deformation)
    low, high = asset.visual.vertices[:, 2].min(), asset.visual.vertices[:, 2].max()

    def move(points: Array) -> Array:
        height = high - low
        share = (points[:, 2:] - low) / height
        flat = points[:, :2] * np.array(deformation.scale[:2]) * (1 + deformation.taper * share)
        flat = flat + np.array(deformation.bend) * height * share**2
        return np.hstack([flat, low + share * height * deformation.scale[2]])

    vertices = move(asset.visual.vertices)
    centre = (vertices.min(0) + vertices.max(0)) / 2
    visual = replace(asset.visual, vertices=vertices - centre)
    parts = tuple(hull(move(part.vertices) - centre) for part in asset.parts)
    return replace(asset, name=name, visual=visual, parts=parts)


def _scaled(asset: Asset, primitive: Primitive, name: str, deformation: Deformation) -> Asset:
    axes = matrix_from_quaternion(np.array(primitive.quaternion))
    linear = axes @ np.diag(deformation.scale) @ axes.T
    vertices = asset.visual.vertices @ linear
    centre = (vertices.min(0) + vertices.max(0)) / 2
    x, y, z = (float(v) for v in linear @ np.array(primitive.position) - centre)
    size = scaled_size(primitive, deformation.scale)
    return replace(
        asset,
        name=name,
        visual=replace(asset.visual, vertices=vertices - centre),
        parts=tuple(replace(p, vertices=p.vertices @ linear - centre) for p in asset.parts),
        primitive=replace(primitive, size=size, position=(x, y, z)),
    )


def scaled_size(
    primitive: Primitive, scale: tuple[float, float, float]
) -> tuple[float, float, float]:
    """MuJoCo's size of the primitive after scaling along its own axes."""
    a, b, c = primitive.size
    if primitive.kind == "cylinder":  # radius, half height
        return (a * scale[0], b * scale[2], c)
    if primitive.kind == "sphere":
        return (a * scale[0], b, c)
    return (a * scale[0], b * scale[1], c * scale[2])


def hull(points: Array) -> Mesh:
    """The convex hull of (n, 3) points."""
    from scipy.spatial import ConvexHull

    found = ConvexHull(points)
    corners = points[found.simplices]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    # Qhull's triangles come in either winding; its equations point outwards.
    inward = np.einsum("ij,ij->i", normals, found.equations[:, :3]) < 0
    faces = np.where(inward[:, None], found.simplices[:, ::-1], found.simplices)
    used, index = np.unique(faces, return_inverse=True)
    return Mesh(points[used], index.reshape(-1, 3).astype(np.int32))


def bank(asset: Asset, count: int, seed: np.random.SeedSequence) -> tuple[Asset, ...]:
    """`count` shapes: the asset's own first, then variants of it named `<name>_v1`, `_v2`, …

    The variants carry no texture of their own, since they are drawn with the asset's, and no
    parts where a primitive stands for them.
    """
    rng = np.random.default_rng(seed)
    shapes = [asset]
    for k in range(1, count):
        changed = variant(asset, f"{asset.name}_v{k}", draw(asset, rng))
        parts = () if changed.primitive else changed.parts
        shapes.append(replace(changed, visual=replace(changed.visual, texture=None), parts=parts))
    return tuple(shapes)


def contact_points(asset: Asset, rotation: Array) -> Array:
    """(n, 3) points of the object's frame whose extremes bound its collision shape.

    rotation: world_from_object (3, 3), in which a round primitive's extremes are wanted.
    """
    primitive = asset.primitive
    if primitive is None:
        return np.vstack([part.vertices for part in asset.parts])
    axes = matrix_from_quaternion(np.array(primitive.quaternion))
    centre = np.array(primitive.position)
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    ring = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(48)])
    if primitive.kind == "sphere":
        world = primitive.size[0] * np.vstack([ring, [0, 0, 1], [0, 0, -1]])
        return centre + world @ rotation
    if primitive.kind == "cylinder":
        radius, half = primitive.size[:2]
        ends = np.vstack([radius * ring + [0, 0, half], radius * ring - [0, 0, half]])
        return centre + ends @ axes.T
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    return centre + (signs * np.array(primitive.size)) @ axes.T
