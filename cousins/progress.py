"""How long work tells how far it is. The command line draws it; libraries stay silent."""

from typing import Protocol


class Progress(Protocol):
    """Called with a stage's name, the units done and the units in all (0: not known)."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...


def silent(stage: str, done: int, total: int) -> None:
    """The default: says nothing."""
