"""The twin among its cousins: one more row of a family, as the scan has it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cousins.bank import EXTRAS, Bank, Family
from cousins.errors import PackError
from cousins.pack import Pack, load_scene
from cousins.scene import compile_model
from cousins.types import Certificate, Cousin
from cousins.variation import robot
from cousins.variation.union import unseen

NUMBER = -1  # of the twin, where cousins are numbered from 0


def with_twin(pack: Pack, family: Family) -> Family:
    """The family and, as its last row, the twin. Raises PackError for a family of another make, or
    with things that the twin does not have."""
    bank, told = family.bank, pack.objects
    model = compile_model(family.xml, unseen(family.xml, family.files))
    names = [model.body(int(b)).name for b in bank.body] if bank is not None else []
    if bank is None or names != [entry.name for entry in told]:
        raise PackError(
            f"{pack.path}: no family holds what the twin holds and nothing else: augment anew"
        )
    properties = ("mass", "friction", "restitution", "shell_fraction")
    qpos = model.qpos0.copy()
    for address, entry in zip(bank.address, told, strict=True):
        qpos[address : address + 7] = [*entry.position, *entry.quaternion]
    own = {
        "qpos": qpos,
        "shape": np.zeros(len(told), int),
        **seen_as(bank),
        **{name: np.array([_mode(getattr(entry, name)) for entry in told]) for name in properties},
        **{name: np.zeros(n) for name, n in EXTRAS.items()},
    }
    if "robot_base" in family.arrays:
        own["robot_base"] = robot.nominal(load_scene(pack))
    rows = {
        name: np.concatenate([value, np.asarray(
            own[name] if name in own else getattr(model, name), value.dtype)[None]])
        for name, value in family.arrays.items()
    }  # fmt: skip
    twin = Cousin(NUMBER, (), {}, 0.0, Certificate(0.0, 0.0, 0.0))
    return replace(family, arrays=rows, cousins=(*family.cousins, twin))


def seen_as(bank: Bank) -> dict[str, NDArray[Any]]:
    """How a family's things look in the twin, one row of the fields that `variation.look` draws of
    them."""
    return {
        "texture": np.zeros(len(bank.body), int),
        "tint": bank.defaults["geom_rgba"][bank.geom[bank.visual]],
        "surface_tint": bank.defaults["geom_rgba"][bank.surface],
    }


def _mode(told: object) -> float:
    return 0.0 if told is None else float(told.mode)  # type: ignore[attr-defined]
