"""The card of a trained policy, `policy.json` beside its `policy.onnx`: what it takes and saw."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cousins.archive import read_file, write_file
from cousins.errors import PolicyError
from cousins.schema import Text

FILE = "policy.json"
SCHEMA_VERSION = 1
MAX_BYTES = 4 << 20
WIDEST = 10_000  # numbers of an observation or an action
Names = Annotated[tuple[Text, ...], Field(max_length=WIDEST)]
Numbers = Annotated[tuple[float, ...], Field(max_length=WIDEST)]
Count = Annotated[int, Field(ge=0)]
Number = Annotated[int, Field(ge=-1)]  # of a cousin; -1 is the twin


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)


class TaskTold(_Model):
    """The task by its name, and the settings with which it was made."""

    name: Text
    settings: dict[Text, Any] = {}


class Normalisation(_Model):
    """Of an observation x, D numbers each: the network saw (x - mean) / std, clipped to ±clip. It
    is inside the graph of policy.onnx as well."""

    mean: Numbers
    std: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(max_length=WIDEST)]
    clip: Annotated[float, Field(gt=0)]


class TrainedOn(_Model):
    """The cousins that it was trained on. pack: the pack's name. count: how many; distance: the
    least and the largest from the twin; numbers: their pack numbers, as spans with both ends in,
    -1 the twin's."""

    pack: Text
    count: Count
    distance: tuple[float, float] | None = None
    numbers: Annotated[tuple[tuple[Number, Number], ...], Field(max_length=100_000)] = ()


class Card(_Model):
    """policy.json. control: s that an action acts. observation, action: a name for each number that
    it takes and gives. robot: null where there is none; mode: how actions move it, see
    `cousins.robots.control`. steps: of one world each, in all; trainer
    and engine: what it was trained with. limits: where it fails, as far as that has been found."""

    schema_version: Literal[1] = SCHEMA_VERSION
    cousins_version: Text
    task: TaskTold
    robot: Text | None = None
    mode: Text | None = None
    control: Annotated[float, Field(gt=0)]
    observation: Names
    action: Names
    normalisation: Normalisation | None = None
    trained_on: TrainedOn
    trainer: Text
    engine: Text
    steps: Count
    seed: Count
    limits: dict[Text, Any] = {}


def read_card(path: Path) -> Card:
    """The card at `path`. Raises PolicyError, in one line, for one that is not there, too large,
    damaged or of a later version."""
    data = read_file(path, MAX_BYTES, PolicyError, "this is no policy's card")
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        raise PolicyError(f"{path}: no JSON: this is no policy's card") from None
    version = told.get("schema_version") if isinstance(told, dict) else None
    if version != SCHEMA_VERSION:
        raise PolicyError(
            f"{path}: schema_version {version!r:.20}, this reads {SCHEMA_VERSION}: update cousins, "
            "or train anew"
        )
    try:
        return Card.model_validate(told)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PolicyError(f"{path}: {where}: {first['msg']}: train anew") from None


def write_card(path: Path, card: Card) -> None:
    """Write the card; it is there whole, or as it was. Raises PackError where the disk refuses."""
    write_file(path, (card.model_dump_json(indent=1) + "\n").encode())


def spans(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Numbers as spans with both ends in, in rising order: 1, 2, 3, 7 as (1, 3), (7, 7)."""
    out: list[tuple[int, int]] = []
    for number in sorted({int(n) for n in numbers}):
        if out and out[-1][1] == number - 1:
            out[-1] = (out[-1][0], number)
        else:
            out.append((number, number))
    return tuple(out)
