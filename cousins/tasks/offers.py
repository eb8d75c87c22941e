"""What a scene affords: which tasks, with what, and why not the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cousins import plugins
from cousins.pack import Pack, load_family, load_model
from cousins.robots import Robot
from cousins.scene import compile_model
from cousins.tasks import BUILT_IN, Layout, Task, layout, said, task
from cousins.variation.union import unseen


@dataclass(frozen=True)
class Offer:
    """A task that a scene affords. spelled: as `cousins.tasks.task` takes it, such as
    `push:cylinder_1`; said: what is to be done, in words. It is `task`'s name, with what."""

    spelled: str
    task: str
    object: str | None
    target: str | None
    said: str


@dataclass(frozen=True)
class Offers:
    """offers: of all tasks, each with everything that it suits. lacking: the other tasks' names,
    each with why."""

    offers: tuple[Offer, ...]
    lacking: dict[str, str]


def names() -> list[str]:
    """Every task's name, those that ship first."""
    more = sorted(set(plugins.load("cousins.tasks")) - set(BUILT_IN))
    return [*BUILT_IN, *more]


def known(pack: Pack, robot: Robot, control: str = "delta") -> Layout:
    """What tasks know of a pack with a robot. Of one without cousins nothing is known of what is
    hollow. Raises what `cousins.tasks.layout` raises."""
    if not pack.families:
        return layout(pack, load_model(pack), robot, control)
    family = load_family(pack, pack.families[0])
    model = compile_model(family.xml, unseen(family.xml, family.files))
    return layout(pack, model, robot, control, family)


def offers(told: Layout, asked: Iterable[str] | None = None) -> Offers:
    """What a scene affords, of these tasks or of all. Raises UsageError for a name that there is
    not."""
    found, lacking = list[Offer](), dict[str, str]()
    for name in names() if asked is None else asked:
        bare = task(name)
        if not hasattr(bare, "choices"):
            found.append(Offer(name, bare.name, None, None, said(bare, told)))
            continue
        every = bare.choices(told)  # pyright: ignore
        if not every:
            lacking[name] = bare.lacks(told)  # pyright: ignore
        for of in every:
            one = task(":".join((name, *of)))
            object_, target = (*of, None, None)[:2]
            found.append(Offer(spelled(one), bare.name, object_, target, said(one, told)))
    return Offers(tuple(found), lacking)


def spelled(given: Task) -> str:
    """A task as `cousins.tasks.task` takes it, but for its other settings."""
    of = [getattr(given, part, "") for part in ("object", "target")]
    return ":".join((given.name, *of)).rstrip(":")


def settled(given: Task, told: Layout) -> Task:
    """The same task with what it takes by itself named: object, and target. Raises UsageError where
    it suits nothing."""
    return given.settled(told) if hasattr(given, "settled") else given  # pyright: ignore
