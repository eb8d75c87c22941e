"""What every verb shares: progress on stderr, results on stdout, one line for an error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from cousins.progress import Progress, silent

err = Console(stderr=True)
out = Console(highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


@contextmanager
def progress(quiet: bool = False) -> Iterator[Progress]:
    """Bars on stderr for the stages that a library function reports."""
    if quiet or not err.is_terminal:
        yield silent
        return
    with Bars(TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(),
              TimeElapsedColumn(), console=err) as bars:  # fmt: skip
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total or None)
            bars.update(tasks[stage], completed=done, total=total or None)

        yield report


def emit(result: dict[str, Any], as_json: bool, text: str) -> None:
    """Print the result: the dict for a machine, the text for a person."""
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        out.print(text, soft_wrap=True)


def pixels(option: str, text: str) -> tuple[int, int]:
    """Width and height of an option given as 640x480. Raises UsageError for anything else."""
    from cousins.errors import UsageError

    parts = text.lower().split("x")
    if len(parts) != 2 or not all(p.isdecimal() and p.isascii() and len(p) <= 5 for p in parts):
        raise UsageError(f"{option} {text}: give it as 640x480")
    return int(parts[0]), int(parts[1])


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of aligned columns, as wide as they need: no terminal folds what a pipe would get."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
            for row in [head, *rows]]  # fmt: skip
