"""What each object's shapes put into a union model's fields, and cousins' rows of those fields.

A pack keeps of a cousin which shapes it has and what was drawn for them. Everything else that
MuJoCo wants is the same for all cousins with a shape: it lies here once, and is looked up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.contact import settings
from cousins.mesh import principal
from cousins.physics.moments import mixed
from cousins.scene import TORSIONAL
from cousins.types import Array, Cousin

OFF_CENTRE = 2e-6  # m; MuJoCo takes less than 1e-6 for nothing
# Down, where weight has no lever: a ball would roll off for less.
NUDGE = np.array([0.0, 0.0, -OFF_CENTRE])

# Fields of which each cousin has its own row, derived from the bank and from what was drawn.
DERIVED = (
    "geom_dataid", "geom_pos", "geom_quat", "geom_size", "geom_aabb", "geom_rbound", "geom_rgba",
    "geom_friction", "geom_solref", "geom_solimp",
    "body_mass", "body_inertia", "body_ipos", "body_iquat",
)  # fmt: skip
SWITCHED = ("geom_contype", "geom_conaffinity")  # of slots that some shape leaves unused
# What a pack keeps of each cousin, with the shape of a row for A objects and S surfaces.
DRAWN = ("shape", "texture", "mass", "friction", "restitution", "shell_fraction", "tint",
         "surface_tint")  # fmt: skip
# What no model holds and an environment applies, with how many numbers a cousin has of it.
EXTRAS = {"robot_base": 7, "camera_noise": 3}
# What there is of every cousin.
NEEDED = ("qpos", "shape", "mass", "friction", "restitution", "shell_fraction")
# How long a geom's or a body's row is in the fields that a bank fills.
_ROWS = {
    "geom_dataid": (), "geom_pos": (3,), "geom_quat": (4,), "geom_size": (3,), "geom_aabb": (6,),
    "geom_rbound": (), "geom_rgba": (4,), "geom_friction": (3,), "geom_solref": (2,),
    "geom_solimp": (5,), "geom_contype": (), "geom_conaffinity": (), "geom_matid": (),
    "body_mass": (), "body_inertia": (3,), "body_ipos": (3,), "body_iquat": (4,),
}  # fmt: skip
_FLOATS = ("rolling", "position", "quaternion", "size", "bounds", "volume", "radius", "depth",
           "distance", "solid", "shell", "opening", "solid_inertia", "shell_inertia")  # fmt: skip


def _kinds(name: str) -> str:
    """The kinds of numbers that an array of a bank may hold, as numpy names them."""
    return "f" if name in _FLOATS else "b" if name in ("visual", "used") else "iu"


@dataclass(frozen=True)
class Bank:
    """A objects of up to K shapes in G geoms of a union model with S visible surfaces.

    body (A,), address (A,) of qpos, geom (G,) and surface (S,) are ids; owner (G,): the object of
    each geom; visual (G,). shapes (A,): how many each object has. dataid (K, G), position
    (K, G, 3), quaternion (K, G, 4), size (K, G, 3) and bounds (K, G, 6) are MjModel's geom fields;
    used (K, G): False where a shape leaves a slot empty; rolling (K, G), m. material (T, K, A): of
    an object in each of T textures. volume (K, A), m³; solid, shell (K, A, 3): centres of mass,
    and solid_inertia, shell_inertia (K, A, 3, 3) about them for 1 kg, spread through the volume
    and over the surface. opening (K, A, 3), in the object's frame, radius and depth (K, A): of a
    container, see `cousins.affordance.Opening`; depth 0 where it is none. distance (K, A): of each
    shape from the object's own, 0..1. defaults: the union model's own values of the fields that
    cousins have rows of.
    """

    body: NDArray[np.int32]
    address: NDArray[np.int32]
    geom: NDArray[np.int32]
    owner: NDArray[np.int32]
    visual: NDArray[np.bool_]
    surface: NDArray[np.int32]
    shapes: NDArray[np.int32]
    dataid: NDArray[np.int32]
    position: Array
    quaternion: Array
    size: Array
    bounds: Array
    used: NDArray[np.bool_]
    rolling: Array
    material: NDArray[np.int32]
    volume: Array
    solid: Array
    solid_inertia: Array
    shell: Array
    shell_inertia: Array
    opening: Array
    radius: Array
    depth: Array
    distance: Array
    defaults: Mapping[str, NDArray[Any]] = field(repr=False)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it by name, as a file holds it."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "defaults"}
        return own | {f"default_{name}": value for name, value in self.defaults.items()}

    @property
    def widths(self) -> dict[str, tuple[int, ...]]:
        """The shape of a cousin's row in each array of `DRAWN` and of `EXTRAS`."""
        a = len(self.body)
        each = {name: (a,) for name in DRAWN} | {name: (n,) for name, n in EXTRAS.items()}
        return each | {"tint": (a, 4), "surface_tint": (len(self.surface), 4)}

    def problems(self, meshes: int, materials: int) -> str:
        """What keeps this bank, of an untrusted file, from being one; "" if nothing does. meshes,
        materials: the last ids that its model has."""
        first = (self.body, self.geom, self.surface, self.dataid, self.material)
        a, g, s, k, t = (len(v) if v.ndim else 0 for v in first)
        want = {
            "body": (a,), "address": (a,), "shapes": (a,), "geom": (g,), "owner": (g,),
            "visual": (g,), "surface": (s,), "dataid": (k, g), "used": (k, g), "rolling": (k, g),
            "position": (k, g, 3), "quaternion": (k, g, 4), "size": (k, g, 3), "bounds": (k, g, 6),
            "material": (t, k, a), "volume": (k, a), "radius": (k, a), "depth": (k, a),
            "distance": (k, a), "solid": (k, a, 3), "shell": (k, a, 3), "opening": (k, a, 3),
            "solid_inertia": (k, a, 3, 3), "shell_inertia": (k, a, 3, 3),
        }  # fmt: skip
        for name, shape in want.items():
            value = getattr(self, name)
            if value.shape != shape:
                return f"{name} has shape {value.shape}, not {shape}"
            if not np.isfinite(value).all():
                return f"{name} holds numbers that are not finite"
            if value.dtype.kind not in _kinds(name):
                return f"{name} holds {value.dtype}"
        missing = [n for n in _ROWS if n not in self.defaults]
        if missing:
            return f"has no default_{missing[0]}"
        many = {n: len(v) if v.ndim else 0 for n, v in self.defaults.items()}
        geoms, bodies = many["geom_pos"], many["body_mass"]
        for name, row in _ROWS.items():
            value, rows_ = self.defaults[name], geoms if name.startswith("geom_") else bodies
            if value.shape != (rows_, *row):
                return f"default_{name} has shape {value.shape}, not {(rows_, *row)}"
            if not np.isfinite(value).all():
                return f"default_{name} holds numbers that are not finite"
        for name, most in (
            ("geom", geoms), ("surface", geoms), ("body", bodies), ("owner", a),
            ("dataid", meshes + 1), ("material", materials + 1), ("address", 1 << 30),
        ):  # fmt: skip
            value, least = getattr(self, name), -1 if name in ("dataid", "material") else 0
            if value.size and not (least <= value.min() and value.max() < most):
                return f"{name} points at what its model does not hold"
        if a and not (1 <= self.shapes.min() and self.shapes.max() <= k):
            return "shapes counts more than there are"
        if not np.array_equal(self.owner[self.visual], np.arange(a)):
            return "visual is not one geom of each object, in their order"
        solid = self.used & ~self.visual
        for i in range(a):
            held = self.used[:, self.visual][: self.shapes[i], i]
            if not (held & solid[: self.shapes[i], self.owner == i].any(1)).all():
                return "used leaves a shape without a geom"
        mesh = self.defaults["geom_dataid"][self.geom] >= 0
        if ((self.dataid >= 0) != mesh).any():
            return "dataid gives a mesh to what is none, or none to what is one"
        return ""

    def misfit(self, model: mujoco.MjModel) -> str:
        """What keeps this bank from being one of the model's; "" if nothing does."""
        for name, value in self.defaults.items():
            if value.shape != getattr(getattr(model, name, None), "shape", None):
                return f"default_{name} does not fit the model"
        meshes = model.geom_type[self.geom] == mujoco.mjtGeom.mjGEOM_MESH
        if ((self.dataid >= 0) != meshes).any() or self.dataid.max(initial=-1) >= model.nmesh:
            return "dataid does not fit the model"
        return ""

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Bank:
        """What `arrays` gave. Raises KeyError for one that is missing."""
        prefix = "default_"
        defaults = {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}
        own = {f.name: arrays[f.name] for f in fields(cls) if f.name != "defaults"}
        return cls(**own, defaults=defaults)


@dataclass(frozen=True)
class Family:
    """Cousins of one topology: a union model with one mesh bank, and arrays that differ.

    xml and files: the union model and what it names under assets/. arrays: what was drawn of each
    cousin, as `rows` takes it, one row a cousin; "qpos" (n, nq) is the settled state that it
    starts in. Without a bank they are MjModel's fields themselves.
    """

    xml: str
    files: Mapping[str, bytes] = field(repr=False)
    arrays: Mapping[str, NDArray[Any]] = field(repr=False)
    cousins: tuple[Cousin, ...] = field(repr=False)
    bank: Bank | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.cousins)

    def fields(self, indices: Sequence[int] | None = None) -> dict[str, NDArray[Any]]:
        """MjModel's fields (n, ...), and "qpos" (n, nq), of all cousins or of rows `indices`."""
        chosen = slice(None) if indices is None else np.asarray(indices, np.int64)
        drawn = {name: value[chosen] for name, value in self.arrays.items()}
        return drawn if self.bank is None else rows(self.bank, drawn)


def meshless(model: mujoco.MjModel, fields: Mapping[str, NDArray[Any]]) -> bool:
    """Whether some cousin of these fields has a geom of a mesh that the model does not hold, which
    MuJoCo would look up all the same."""
    kind = fields.get("geom_type", model.geom_type)
    mesh = fields.get("geom_dataid", model.geom_dataid)
    held = (mesh >= 0) & (mesh < model.nmesh)
    return bool(((kind == mujoco.mjtGeom.mjGEOM_MESH) & ~held).any())


def rows(bank: Bank, drawn: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """MjModel fields (n, ...) of n cousins, and their qpos, from what was drawn for them.

    drawn: "qpos" (n, nq) and the arrays of `DRAWN`; any other but the `EXTRAS` is taken to be the
    field of its name and is given back as it is. Setting the fields and then `mj_setConst` gives
    what compiling that cousin alone gives.
    """
    n = len(drawn["qpos"])
    names = [*DERIVED, *(SWITCHED if not bank.used.all() else ())]
    names += ["geom_matid"] if "texture" in drawn else []
    out = {k: np.broadcast_to(v, (n, *v.shape)).copy()
           for k, v in bank.defaults.items() if k in names}  # fmt: skip
    _shapes(bank, drawn, out)
    _contacts(bank, drawn, out)
    _inertias(bank, drawn, out)
    if "surface_tint" in drawn:
        out["geom_rgba"][:, bank.surface] = drawn["surface_tint"]
    known = (*DRAWN, *EXTRAS)
    return out | {name: value for name, value in drawn.items() if name not in known}


def _shapes(bank: Bank, drawn: Mapping[str, NDArray[Any]], out: dict[str, NDArray[Any]]) -> None:
    geom, visual = bank.geom, bank.geom[bank.visual]
    of, slot = drawn["shape"][:, bank.owner], np.arange(len(geom))
    for name, table in (
        ("geom_dataid", bank.dataid), ("geom_pos", bank.position), ("geom_quat", bank.quaternion),
        ("geom_size", bank.size), ("geom_aabb", bank.bounds),
    ):  # fmt: skip
        out[name][:, geom] = table[of, slot]
    out["geom_rbound"][:, geom] = np.linalg.norm(bank.size[of, slot], axis=-1)
    for name in SWITCHED:
        if name in out:
            out[name][:, geom] = np.where(bank.used[of, slot], bank.defaults[name][geom], 0)
    if "tint" in drawn:
        out["geom_rgba"][:, visual] = drawn["tint"]
    if "texture" in drawn:
        each = np.arange(len(bank.body))
        out["geom_matid"][:, visual] = bank.material[drawn["texture"], drawn["shape"], each]


def _contacts(bank: Bank, drawn: Mapping[str, NDArray[Any]], out: dict[str, NDArray[Any]]) -> None:
    solid = ~bank.visual
    geom, owner = bank.geom[solid], bank.owner[solid]
    of, slot = drawn["shape"][:, owner], np.flatnonzero(solid)
    out["geom_friction"][:, geom, 0] = drawn["friction"][:, owner]
    out["geom_friction"][:, geom, 1] = TORSIONAL
    out["geom_friction"][:, geom, 2] = bank.rolling[of, slot]
    contact = settings(drawn["restitution"][:, owner])
    out["geom_solref"][:, geom] = contact[..., :2]
    out["geom_solimp"][:, geom, 0] = contact[..., 2]


def _inertias(bank: Bank, drawn: Mapping[str, NDArray[Any]], out: dict[str, NDArray[Any]]) -> None:
    each, of = np.arange(len(bank.body)), drawn["shape"]
    share, mass = drawn["shell_fraction"], drawn["mass"]
    centre, unit = mixed(
        share,
        (bank.solid[of, each], bank.solid_inertia[of, each]),
        (bank.shell[of, each], bank.shell_inertia[of, each]),
    )
    moments, axes = principal(unit)
    out["body_mass"][:, bank.body] = mass
    # No centre of mass exactly at an object's origin: MuJoCo compiles a body whose frame is its
    # inertial frame as "simple", with fewer elements in its inertia matrix, over which another
    # cousin's own could not be written.
    out["body_ipos"][:, bank.body] = centre + NUDGE
    out["body_inertia"][:, bank.body] = mass[..., None] * moments
    out["body_iquat"][:, bank.body] = axes
