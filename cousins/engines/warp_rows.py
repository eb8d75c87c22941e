"""Cousins' rows of a union model on a device: which fields differ, and what they hold."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import MODEL_FIELDS, Batch
from numpy.typing import NDArray

from cousins.bank import SWITCHED, Family
from cousins.batch import load
from cousins.engines.cpu import LOOK, physical
from cousins.errors import EngineError

PIECE = 512  # cousins whose fields are derived at once: some megabytes
SPECK = 1e-4  # m, half the size of a primitive that a cousin does not use
# What set_const derives, and nothing but the sleep of the CPU's engine or a picture reads.
_UNREAD = ("dof_length", *LOOK)
_PLACE = ("body_pos", "body_quat", "geom_pos", "geom_quat")


class Rows:
    """Derives, on the CPU, what MuJoCo Warp's model holds of a family's cousins.

    own: the names of the fields of which each world may have a row of its own.
    """

    def __init__(self, model: mujoco.MjModel, family: Family, own: set[str], shared: set[str]):
        self._model, self._family, self._own, self._shared = model, family, own, shared
        self._batch: Batch | None = None
        still = model.body_weldid == 0  # which Warp places once; what is only seen may lie anywhere
        self._fixed = {"body": still, "geom": still[model.geom_bodyid] & _solid(model)}

    def __call__(self, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Fields (k, ...) of at most PIECE cousins, in the device's precision.

        Raises EngineError for a field that differs between cousins, or from the union model's, and
        that MuJoCo Warp holds once for all worlds.
        """
        model, given = self._model, physical(self._family, rows)
        if self._batch is None or self._batch.nsim < len(rows):
            self._batch = Batch(model, len(rows))
        sims, k = self._batch, len(rows)
        load(sims, given, np.arange(k))
        found = {}
        for name in MODEL_FIELDS:
            value = sims.expanded(name)
            if value is None or name in SWITCHED or name.startswith(LOOK):
                continue
            if name in self._own:
                found[name] = _narrow(value[:k])
                fixed = self._fixed[name[:4]] if name in _PLACE else None
                if fixed is not None:
                    self._same(name, value[:k, fixed], getattr(model, name)[fixed])
            elif (name in given or name in self._shared) and not name.startswith(_UNREAD):
                holder, _, field = name.rpartition(".")
                own = getattr(model.opt if holder else model, field)
                self._same(name, value[:k], np.asarray(own))
        self._switch_off(given, found)
        return found

    def lengths(self, k: int) -> NDArray[np.float32]:
        """(k, nv) of the last k rows: what turns their velocities into metres a second."""
        length = self._batch.expanded("dof_length") if self._batch else None
        return _narrow(self._model.dof_length[None].repeat(k, 0) if length is None else length[:k])

    @staticmethod
    def _same(name: str, value: NDArray[Any], shared: NDArray[Any]) -> None:
        if (value != shared).any():
            raise EngineError(
                f"cousins differ in {name}, and MuJoCo Warp holds the union model's for all worlds:"
                " use the engine cpu"
            )

    def _switch_off(self, given: Any, found: dict[str, NDArray[Any]]) -> None:
        """Take out of the way what a cousin does not use: what collides with what is the same in
        all of Warp's worlds, but it skips a mesh geom without a mesh."""
        model, k = self._model, len(given["qpos"])
        solid = _solid(model)
        used = np.zeros((k, model.ngeom), bool)
        for name in SWITCHED:
            own = getattr(model, name)
            value = np.broadcast_to(given.get(name, own), (k, model.ngeom))
            self._same(name, value[value != 0], np.broadcast_to(own, value.shape)[value != 0])
            used |= value != 0
        world, geom = np.nonzero(solid & ~used)
        if not len(world):
            return
        # Within a geom that its body uses: whatever touches that speck is deep inside that one.
        same_body = model.geom_bodyid[geom][:, None] == model.geom_bodyid
        hosts = same_body & (solid & used)[world]
        if not hosts.any(1).all():
            raise EngineError("a cousin's object has nothing to touch it by: augment anew")
        host = hosts.argmax(1)
        mesh = model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH
        for name in ("geom_dataid", "geom_pos", "geom_size", "geom_aabb", "geom_rbound"):
            if name not in found:
                found[name] = _narrow(getattr(model, name)[None].repeat(k, 0))
        found["geom_dataid"][world[mesh], geom[mesh]] = -1
        found["geom_pos"][world, geom] = found["geom_pos"][world, host]
        found["geom_size"][world, geom] = SPECK
        found["geom_aabb"][world, geom] = [0, 0, 0, SPECK, SPECK, SPECK]
        found["geom_rbound"][world, geom] = np.sqrt(3) * SPECK  # 0 would make it a plane


class Table:
    """Rows of a `mujoco_warp.Model`'s fields, one a world; one for all where all are equal."""

    def __init__(self, wp: Any, model: Any, worlds: int):
        self._wp, self._model, self._worlds = wp, model, worlds
        self._base: dict[str, NDArray[Any]] = {}

    def write(self, ids: NDArray[np.int64], rows: dict[str, NDArray[Any]]) -> bool:
        """Give the worlds `ids` these rows. Whether an array was replaced, so that a graph that
        was captured before no longer holds."""
        replaced = False
        for name, value in rows.items():
            array = getattr(self._model, name)
            if array.shape[0] == 1:
                if name not in self._base or len(ids) == self._worlds:
                    self._base[name] = value[0].copy()
                    fill(self._wp, array, value[:1])
                lone = name == "geom_dataid" and bool((value < 0).any())
                if (value == self._base[name]).all() and not lone:
                    continue
                # Warp looks for missing meshes only where there are two rows or more.
                every = np.broadcast_to(
                    self._base[name], (max(self._worlds, 2), *self._base[name].shape)
                )
                wide = device_array(self._wp, every, array.dtype, array.device)
                array = wide.reshape((len(every), *array.shape[1:]))
                setattr(self._model, name, array)
                replaced = True
            put(self._wp, array, ids, value)
        return replaced


def own_fields(types: Any) -> tuple[set[str], set[str]]:
    """The names of mujoco_warp.Model's arrays with a row a world, and of all its other fields."""
    own, shared = set(), set()
    for each in fields(types):
        shape = getattr(each.type, "shape", ())
        (own if shape and shape[0] == "*" else shared).add(each.name)
    return own, shared


def device_array(wp: Any, values: Any, dtype: Any, device: Any) -> Any:
    """A copy of values (..., and the components of a vector) on the device."""
    parts = getattr(dtype, "_shape_", ())
    values = np.ascontiguousarray(values)
    known = values.ndim - len(parts)
    if parts and values.shape[known:] != tuple(parts):
        values = values.reshape(*values.shape[:-1], -1, *parts)
    return wp.array(values, dtype=dtype, device=device)


def fill(wp: Any, array: Any, values: Any) -> None:
    """Write a whole array."""
    wp.copy(array, device_array(wp, values, array.dtype, array.device).reshape(array.shape))


def put(wp: Any, array: Any, ids: NDArray[np.int64], values: Any) -> None:
    """Write rows `ids` of an array."""
    if not len(ids) or not array.size:
        return
    source = device_array(wp, values, array.dtype, array.device)
    which = wp.array(ids.astype(np.int32), dtype=int, device=array.device)
    source = source.reshape((len(ids), *array.shape[1:]))
    wp.copy(wp.indexedarray(array, [which] + [None] * (array.ndim - 1)), source)


def _solid(model: mujoco.MjModel) -> NDArray[np.bool_]:
    """(ngeom,) whether a geom of the union model touches anything."""
    return (model.geom_contype | model.geom_conaffinity) != 0


def _narrow(value: NDArray[Any]) -> NDArray[Any]:
    return np.array(value, np.float32 if value.dtype.kind == "f" else np.int32)
