"""Centre of mass and inertia of a shape: as an even solid, as an even shell, and as both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cousins.mesh import matrix_from_quaternion, shell_moments, solid_moments
from cousins.types import Array, Mesh, Primitive


@dataclass(frozen=True)
class Moments:
    """A shape's centre of mass (3,) and inertia (3, 3) about it at unit mass, in the object's
    frame: as an even solid, and as an even shell."""

    solid_centre: Array
    solid_inertia: Array
    shell_centre: Array
    shell_inertia: Array


def moments(mesh: Mesh, primitive: Primitive | None = None) -> Moments:
    """The moments of a closed mesh; of the primitive where one stands for it.

    A ball that collides as a sphere must have its mass where the sphere has it, or the bumps of
    its mesh set it rolling.
    """
    if primitive is not None:
        centre = np.array(primitive.position)
        solid, shell = _primitive_inertias(primitive)
        return Moments(centre, solid, centre, shell)
    _, solid_centre, solid = solid_moments(mesh)
    _, shell_centre, shell = shell_moments(mesh)
    return Moments(solid_centre, solid, shell_centre, shell)


def _primitive_inertias(primitive: Primitive) -> tuple[Array, Array]:
    """Inertias (3, 3) at unit mass in the object's frame, of the solid and of its surface."""
    a, b, c = primitive.size
    if primitive.kind == "sphere":
        solid, shell = np.full(3, 0.4 * a * a), np.full(3, 2 / 3 * a * a)
    elif primitive.kind == "cylinder":
        solid = _cylinder(a * a / 4, a * a / 2, b * b / 3)
        ends, side = a / (a + 2 * b), 2 * b / (a + 2 * b)
        shell = ends * _cylinder(a * a / 4, a * a / 2, b * b)
        shell = shell + side * _cylinder(a * a / 2, a * a, b * b / 3)
    else:
        half = np.array([a, b, c])
        square = half**2
        solid = (square.sum() - square) / 3
        faces = half.prod() / half  # of the pair of faces across each axis
        faces = faces / faces.sum()
        # Mean of x² over the surface: a² on the faces across x, a²/3 on the others.
        mean = square * (faces + (1 - faces) / 3)
        shell = mean.sum() - mean
    turn = matrix_from_quaternion(np.array(primitive.quaternion))
    return turn @ np.diag(solid) @ turn.T, turn @ np.diag(shell) @ turn.T


def _cylinder(across: float, along: float, height: float) -> Array:
    """Moments (3,) about x, y and z: a disc's or ring's own, and its mean z²."""
    return np.array([across + height, across + height, along])


def mass_moments(shape: Moments, mass: float, shell: float) -> tuple[Array, Array]:
    """Centre of mass (3,) and inertia (3, 3) about it: `shell` of the mass lies on the surface and
    the rest fills the volume, both evenly."""
    centre, inertia = mixed(
        np.array(shell),
        (shape.solid_centre, shape.solid_inertia),
        (shape.shell_centre, shape.shell_inertia),
    )
    return centre, mass * inertia


def _offset(d: Array) -> Array:
    """Parallel axis terms (..., 3, 3) of unit mass at (..., 3)."""
    x, y, z = np.moveaxis(d, -1, 0)
    rows = [
        [y * y + z * z, -x * y, -x * z],
        [-x * y, x * x + z * z, -y * z],
        [-x * z, -y * z, x * x + y * y],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def mixed(
    share: Array, solid: tuple[Array, Array], shell: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Centres of mass (..., 3), and inertias (..., 3, 3) about them at unit mass, of which `share`
    (...,) lies in the shell and the rest in the solid, each given as its centres and inertias."""
    part = share[..., None]
    centre = (1 - part) * solid[0] + part * shell[0]
    about = [unit + _offset(own - centre) for own, unit in (solid, shell)]
    return centre, (1 - part[..., None]) * about[0] + part[..., None] * about[1]
