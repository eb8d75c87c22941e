"""Grasps of every shape in a family's bank, to be looked up by a cousin's row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.bank import Bank, Family
from cousins.errors import PackError
from cousins.grasps.gripper import Grasps, Gripper
from cousins.grasps.sample import grasps
from cousins.grasps.solid import Part, ball, box
from cousins.mesh import matrix_from_quaternion
from cousins.scene import compile_model
from cousins.types import Array

SIDES = 48  # of a prism that stands for a cylinder
TILTED = 0.1  # rad: a thing that lies so far from how it stood lies otherwise


def family_model(family: Family) -> mujoco.MjModel:
    """The compiled union model of a family. Raises PackError where it does not compile."""
    try:
        return compile_model(family.xml, dict(family.files))
    except ValueError as error:
        raise PackError(f"a family's model does not compile: {error}") from None


def shape_parts(model: mujoco.MjModel, bank: Bank, item: int, shape: int) -> tuple[Part, ...]:
    """What one shape of the bank's object `item` collides with: convex parts as vertices (v, 3), m,
    and triangles (f, 3), in the object's frame."""
    mine = (bank.owner == item) & ~bank.visual & bank.used[shape]
    out = []
    for slot in np.flatnonzero(mine).tolist():
        kind = model.geom_type[bank.geom[slot]]
        vertices, faces = _own(model, kind, int(bank.dataid[shape, slot]), bank.size[shape, slot])
        turn = matrix_from_quaternion(bank.quaternion[shape, slot])
        out.append((vertices @ turn.T + bank.position[shape, slot], faces))
    return tuple(out)


def _own(model: mujoco.MjModel, kind: int, mesh: int, size: Array) -> Part:
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        return box(size)
    if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        return box(np.array([size[0], size[0], size[1]]), SIDES)
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        return ball(float(size[0]))
    if kind != mujoco.mjtGeom.mjGEOM_MESH or mesh < 0:
        raise PackError("a family's object collides with what is no box, cylinder, ball or mesh")
    a, n = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    b, m = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    return model.mesh_vert[a : a + n].astype(float), model.mesh_face[b : b + m]


def shape_grasps(
    model: mujoco.MjModel,
    bank: Bank,
    item: int,
    shape: int,
    gripper: Gripper | None = None,
    count: int = 64,
    rotation: Array | None = None,
) -> Grasps:
    """Grasps of one shape as it stands, or as it lies by `rotation`, world_from_object (3, 3)."""
    parts = shape_parts(model, bank, item, shape)
    return grasps(parts, gripper, count, rotation, _centre(bank, item, shape))


def _centre(bank: Bank, item: int, shape: int) -> Array:
    """(3,) of mass: what it has in its wall is drawn for each cousin, and moves it little."""
    return (bank.solid[shape, item] + bank.shell[shape, item]) / 2


@dataclass(frozen=True, eq=False)
class GraspTable:
    """The best g grasps of A objects' up to K shapes, as they stand: the fields of `Grasps` with
    axes (A, K) before the grasps'. count (A, K): how many there are; the rest are zeros, with
    score -1. centre (A, K, 3): of mass. ball (A, K): whether it is one primitive ball, which looks
    the same however it rolls, about middle (A, K, 3).
    """

    position: Array
    rotation: Array
    width: Array
    opening: Array
    score: Array
    drop: Array
    slant: Array
    count: NDArray[np.int64]
    centre: Array
    ball: NDArray[np.bool_]
    middle: Array

    def of(self, item: int, shape: int) -> Grasps:
        """Those of one shape, the best first."""
        many = self.count[item, shape]
        return Grasps(*(getattr(self, name)[item, shape, :many]
                        for name in Grasps.__dataclass_fields__))  # fmt: skip

    def at(
        self, items: NDArray[np.integer], shapes: NDArray[np.integer], pose: Array
    ) -> tuple[Grasps, NDArray[np.bool_]]:
        """Grasps in the world, fields (n, g, ...), of objects (n,) of shapes (n,) at pose (n, 7):
        position and quaternion; and which (n, g) there are and come from straight above. An object
        that has fallen over has none here: ask `shape_grasps` with its rotation."""
        turn = matrix_from_quaternion(np.asarray(pose, float)[:, 3:])
        at = np.asarray(pose, float)[:, :3]
        round_, middle = self.ball[items, shapes], self.middle[items, shapes]
        # A ball is as good as upright where it is.
        upright = _upright(turn)
        place = at + np.einsum("nij,nj->ni", turn, middle)
        place = place - np.einsum("nij,nj->ni", upright, middle)
        turn = np.where(round_[:, None, None], upright, turn)
        at = np.where(round_[:, None], place, at)
        found = Grasps(*(getattr(self, name)[items, shapes]
                         for name in Grasps.__dataclass_fields__))  # fmt: skip
        world = Grasps(
            at[:, None] + np.einsum("nij,ngj->ngi", turn, found.position),
            np.einsum("nij,ngjk->ngik", turn, found.rotation),
            found.width, found.opening, found.score, found.drop, found.slant,
        )  # fmt: skip
        stands = turn[:, 2, 2] > np.cos(TILTED)
        there = np.arange(world.score.shape[1]) < self.count[items, shapes][:, None]
        return world, there & stands[:, None]


def _upright(turn: Array) -> Array:
    """(n, 3, 3) turned about z alone, as far as each is."""
    yaw = np.arctan2(turn[:, 1, 0] - turn[:, 0, 1], turn[:, 0, 0] + turn[:, 1, 1])
    out = np.zeros_like(turn)
    out[:, 0, 0] = out[:, 1, 1] = np.cos(yaw)
    out[:, 1, 0] = np.sin(yaw)
    out[:, 0, 1] = -out[:, 1, 0]
    out[:, 2, 2] = 1.0
    return out


def table(
    model: mujoco.MjModel,
    bank: Bank,
    gripper: Gripper | None = None,
    count: int = 64,
    items: Sequence[int] | None = None,
) -> GraspTable:
    """The grasps of all shapes of a bank whose union model is `model`. items: the objects that are
    to be grasped; the others get none."""
    many, most = len(bank.body), len(bank.volume)
    zeros = np.zeros((many, most, count))
    out = GraspTable(
        position=np.zeros((*zeros.shape, 3)), rotation=np.zeros((*zeros.shape, 3, 3)),
        width=zeros, opening=zeros.copy(), score=zeros - 1.0, drop=zeros.copy(),
        slant=zeros.copy(), count=np.zeros((many, most), np.int64),
        centre=np.moveaxis((bank.solid + bank.shell) / 2, 0, 1),
        ball=np.zeros((many, most), bool), middle=np.zeros((many, most, 3)),
    )  # fmt: skip
    for item in range(many) if items is None else items:
        for shape in range(int(bank.shapes[item])):
            found = shape_grasps(model, bank, item, shape, gripper, count)
            out.count[item, shape] = len(found)
            for name in Grasps.__dataclass_fields__:
                getattr(out, name)[item, shape, : len(found)] = getattr(found, name)
            mine = np.flatnonzero((bank.owner == item) & ~bank.visual & bank.used[shape])
            kinds = model.geom_type[bank.geom[mine]]
            out.ball[item, shape] = len(mine) == 1 and kinds[0] == mujoco.mjtGeom.mjGEOM_SPHERE
            out.middle[item, shape] = bank.position[shape, mine[0]]
    return out
