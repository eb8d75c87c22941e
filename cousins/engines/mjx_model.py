"""A family as MJX holds it: one model, and the fields in which its cousins differ.

MJX decides which geoms may touch, and which mesh each is, when it compiles a step: these are the
same in every world, and cousins that differ in them are refused. What MuJoCo derives from a
cousin's fields is taken from MuJoCo itself, through `cousins.batch`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from xml.etree.ElementTree import ParseError

import mujoco
import numpy as np
from numpy.typing import NDArray

from cousins.bank import Family
from cousins.batch import batch
from cousins.engines.cpu import physical
from cousins.errors import EngineError, MissingDependencyError
from cousins.scene import compile_model
from cousins.types import Array
from cousins.variation.union import unseen

PIECE = 512  # cousins whose fields MuJoCo derives at a time: each takes a model of its own
HULL = 32  # vertices; more than MJX's documentation allows two hulls that meet
POLYGON = 20  # vertices; of a face with more, MJX leaves some out
SPECK = 2e-4  # m; a geom no larger is a slot that a shape leaves unused, within another geom
SEARCH = 10  # steps along a line; MJX-JAX always takes all, and 50, MuJoCo's most, change nothing
CAPS = ("max_contact_points", "max_geom_pairs")  # over which MJX drops contacts and says nothing
REMEDY = "use primitive proxies: cousins.engines.proxies.proxies(family)"
# What MuJoCo derives from a cousin's fields and MJX reads.
_DERIVED = ("qpos0", "body_pos", "body_quat", "body_subtreemass", "body_invweight0",
            "dof_invweight0", "dof_M0", "geom_aabb", "geom_rbound")  # fmt: skip
SOLVERS = {"cg": mujoco.mjtSolver.mjSOL_CG, "newton": mujoco.mjtSolver.mjSOL_NEWTON}
_SWITCHES = ("geom_contype", "geom_conaffinity")


@dataclass(frozen=True)
class Held:
    """k cousins in MJX's terms. model: MuJoCo's, with what they have in common; base: the same as
    an `mjx.Model`; fields: those of it in which cousins may differ, (k, ...) each; length (k, nv):
    MuJoCo's dof_length, m."""

    model: mujoco.MjModel
    base: Any
    fields: Mapping[str, NDArray[Any]]
    length: Array


def load(impl: str = "jax") -> tuple[Any, Any]:
    """`jax` and `mujoco.mjx`. Raises MissingDependencyError, which says how to get them.

    With fewer than 4 threads JAX's CPU device may wait for ever within a vmapped step, so it gets
    4, unless the environment says otherwise by NPROC.
    """
    if (os.cpu_count() or 1) < 4:
        os.environ.setdefault("NPROC", "4")
    try:
        jax, mjx = import_module("jax"), import_module("mujoco.mjx")
    except ImportError as error:
        missing = "mujoco-mjx" if error.name in (None, "mujoco.mjx") else error.name
        raise MissingDependencyError(
            f'engine mjx needs {missing}, which is not installed: pip install "cousins[mjx]"'
        ) from error
    if impl == "warp" and not sys.modules["mujoco.mjx.warp"].WARP_INSTALLED:
        raise MissingDependencyError(
            'MJX finds no warp: pip install "mujoco-mjx[warp]" in an environment of its own'
        )
    return jax, mjx


def hold(family: Family, rows: NDArray[np.int64], impl: str = "jax", solver: str = "cg") -> Held:
    """Cousins of a family. solver: see `cousins.engines.mjx.Mjx`. Raises EngineError
    for what MJX cannot simulate, in one line that says what to do."""
    _, mjx = load(impl)
    try:
        model = compile_model(family.xml, unseen(family.xml, dict(family.files)))
        fields = derived(model, family, rows)
        _share(model, fields)
        _refuse(model, impl)
        model.opt.solver = SOLVERS[solver]
        if impl == "jax":
            model.opt.ls_iterations = min(model.opt.ls_iterations, SEARCH)
        base = unbound(mjx.put_model(model, impl=impl))
    except (ValueError, KeyError, AttributeError, ParseError, NotImplementedError) as error:
        reason = " ".join(str(error).split())
        raise EngineError(f"MJX refuses the family: {reason}: augment anew") from None
    return Held(model, base, *_differing(base, fields))


def more(held: Held, family: Family, rows: NDArray[np.int64]) -> Held:
    """Further cousins of the same family on the same model. Raises EngineError for those that
    differ from what was held first in what MJX holds once."""
    fields = derived(held.model, family, rows)
    for name in set(fields) - _own() - {*_SWITCHES, "dof_length"}:
        _same(held.model, name, fields[name], getattr(held.model, name))
    _switched(held.model, fields)
    return Held(held.model, held.base, *_differing(held.base, fields))


def stack(model: Any, fields: Mapping[str, Any]) -> tuple[Any, Any]:
    """An `mjx.Model` with the fields (k, ...) of k cousins in it, and with 0 or None in place of
    each of its leaves: the `in_axes` by which `jax.vmap` takes it apart again."""
    jax, _ = load()

    axes = jax.tree_util.tree_map(lambda _: None, model)
    return model.tree_replace(dict(fields)), axes.tree_replace(dict.fromkeys(fields, 0))


def unbound(tree: Any) -> Any:
    """The same arrays, free to go where the others of a program are, as `mjx` does not make them:
    JAX compiles a program once for each array that is bound to a device or is not."""
    jax, _ = load()

    return jax.tree_util.tree_map(lambda leaf: jax.numpy.array(np.asarray(leaf)), tree)


def derived(
    model: mujoco.MjModel, family: Family, rows: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """MjModel's fields (k, ...) of cousins, with those that MuJoCo derives from them."""
    pieces: list[dict[str, NDArray[Any]]] = []
    for start in range(0, len(rows), PIECE):
        own = physical(family, rows[start : start + PIECE])
        sims = batch(model, own)
        names = sorted({*own, *_DERIVED, "dof_length"} - {"qpos"})
        pieces.append({name: np.array(sims.expand(name)) for name in names})
    return {name: np.concatenate([each[name] for each in pieces]) for name in pieces[0]}


def _own() -> set[str]:
    """The fields of an `mjx.Model` of which each world may have its own."""
    jax, mjx = load()

    return {f.name for f in mjx.Model.fields() if f.type is jax.Array}


def _differing(base: Any, fields: Mapping[str, NDArray[Any]]) -> tuple[dict[str, Any], Array]:
    own = sorted(_own() & set(fields))
    like = {name: getattr(base, name) for name in own}
    each = {
        name: fields[name].reshape(-1, *leaf.shape).astype(leaf.dtype)
        for name, leaf in like.items()
    }
    return each, fields["dof_length"]


def _share(model: mujoco.MjModel, fields: Mapping[str, NDArray[Any]]) -> None:
    """Write into the model what cousins have in common and MJX holds once."""
    for name in sorted(set(fields) - _own() - {*_SWITCHES, "dof_length"}):
        _same(model, name, fields[name], fields[name][0])
        getattr(model, name)[:] = fields[name][0]
    for name in _SWITCHES:
        if name in fields:
            getattr(model, name)[(fields[name] == 0).all(0)] = 0
    _switched(model, fields)


def _same(model: mujoco.MjModel, name: str, value: NDArray[Any], held: NDArray[Any]) -> None:
    other = (value != held).reshape(*value.shape[:2], -1).any((0, 2))
    if other.any():
        what = "one mesh a geom" if name == "geom_dataid" else f"one {name}"
        where = f" in {_names(model, np.flatnonzero(other))}" if name.startswith("geom_") else ""
        raise EngineError(f"MJX holds {what} for all worlds, and cousins differ{where}: {REMEDY}")


def _switched(model: mujoco.MjModel, fields: Mapping[str, NDArray[Any]]) -> None:
    """Refuse what some cousin switches, but for slots that are specks within geoms in use."""
    for name in _SWITCHES:
        if name in fields:
            held = getattr(model, name)
            wrong = (fields[name] != held) & ((fields["geom_rbound"] > SPECK) | (held == 0))
            if wrong.any():
                where = _names(model, np.flatnonzero(wrong.any(0)))
                raise EngineError(f"MJX cannot switch {where} in some worlds only: {REMEDY}")


def _refuse(model: mujoco.MjModel, impl: str) -> None:
    """Refuse what MJX cannot simulate, or would simulate otherwise without a word."""
    for cap in CAPS:
        if mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_NUMERIC, cap) >= 0:
            raise EngineError(f"{cap} makes MJX drop contacts silently: take it out of the model")
    if model.opt.cone != mujoco.mjtCone.mjCONE_ELLIPTIC:
        raise EngineError("the family's friction cones are not elliptic: augment anew")
    if impl != "jax":
        return
    # The table of its collision functions is nowhere else.
    driver = import_module("mujoco.mjx._src.collision_driver")

    kinds = {int(k): k.name.removeprefix("mjGEOM_").lower() for k in _kinds()}
    mesh = int(mujoco.mjtGeom.mjGEOM_MESH)
    unknown, large = [], set()
    for a, b, _ in driver.geom_pairs(model):
        pair = [int(model.geom_type[g]) for g in (a, b)]
        if not driver.has_collision_fn(*pair):
            told = (f"{_names(model, [g])} ({kinds[k]})" for g, k in zip((a, b), pair, strict=True))
            unknown.append(" and ".join(told))
        hulls = [g for g, k in zip((a, b), pair, strict=True) if k == mesh]
        flat = pair[0] in (mesh, int(mujoco.mjtGeom.mjGEOM_BOX))
        large |= {g for g in hulls if _finer(model, int(model.geom_dataid[g]), flat)}
    if unknown:
        others = f", nor {len(unknown) - 1} other pairs" if unknown[1:] else ""
        raise EngineError(f"MJX-JAX knows no contact of {unknown[0]}{others}: {REMEDY}")
    if large:
        where = _names(model, sorted(large))
        raise EngineError(
            f"{where}: a hull of more than {HULL} vertices, or a face of more than {POLYGON}, is "
            f"more than MJX-JAX takes: {REMEDY}"
        )


def _finer(model: mujoco.MjModel, mesh: int, meets_hull: bool) -> bool:
    """Whether a mesh is finer than MJX takes, against a flat-sided geom or another."""
    first = model.mesh_polyadr[mesh]
    sides = model.mesh_polyvertnum[first : first + model.mesh_polynum[mesh]]
    vertices = model.mesh_graph[model.mesh_graphadr[mesh]]
    return bool(sides.max(initial=0) > POLYGON or (meets_hull and vertices > HULL))


def _kinds() -> list[mujoco.mjtGeom]:
    return [mujoco.mjtGeom(k) for k in range(int(mujoco.mjtGeom.mjGEOM_SDF) + 1)]


def _names(model: mujoco.MjModel, geoms: Sequence[int] | NDArray[np.int64]) -> str:
    """Up to three of the geoms' names."""
    told = [model.geom(int(g)).name or f"geom {g}" for g in geoms[:3]]
    return ", ".join(told) + (f" and {len(geoms) - 3} more" if len(geoms) > 3 else "")
