"""Policies' success rates as a CSV file tells them, or what `cousins evaluate --json` printed.

CSV: one row a policy, or a policy at a task. Columns, in any order: `policy` (or `name`);
optionally `task`; and either `successes` and `trials`, or `success`, a rate from 0 to 1, with or
without `trials`. Other columns are left alone. JSON: one evaluation, or several, one after the
other.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cousins.archive import read_file
from cousins.errors import ResultsError

MAX_BYTES = 1 << 24
MAX_ROWS = 10_000
MAX_NAME = 200  # characters
MAX_TRIALS = 10**9


@dataclass(frozen=True)
class Rate:
    """A success rate, and of how many trials; None where that is not told."""

    success: float
    trials: int | None = None


@dataclass(frozen=True)
class Table:
    """rates: by task and policy; the task is "" in a table without that column."""

    where: str
    tasked: bool
    rates: Mapping[tuple[str, str], Rate]


def read_rates(path: Path) -> Table:
    """The rates of a file. Raises ResultsError, in one line with the file and the row, for what
    is no such table."""
    path = Path(path)
    data = read_file(path, MAX_BYTES, ResultsError, "give one row a policy and task")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ResultsError(f"{path}: no text: give a CSV file in UTF-8") from None
    if text.lstrip().startswith("{"):
        return parse_evaluations(str(path), text)
    return parse_rates(str(path), text)


def joined(tables: Sequence[Table]) -> Table:
    """Several tables as one. Raises ResultsError where some have tasks and others have none, and
    for a policy that is in two of them."""
    first = tables[0]
    rates = dict(first.rates)
    for table in tables[1:]:
        if table.tasked != first.tasked:
            raise ResultsError(f"{first.where} and {table.where}: only one of them tells tasks")
        twice = next((key for key in table.rates if key in rates), None)
        if twice:
            raise ResultsError(f"{table.where}: {_of(twice)} is in another file too")
        rates |= table.rates
    return Table(first.where, first.tasked, rates)


def parse_evaluations(where: str, text: str) -> Table:
    """As `read_rates`, of JSON: of each policy its `rate`, at the evaluation's task."""
    decoder, at = json.JSONDecoder(), 0
    rates: dict[tuple[str, str], Rate] = {}
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        try:
            told, at = decoder.raw_decode(text, at)
            found = [told[name] for name in ("first", "second") if told.get(name) is not None]
            task = told["task"]
            each = [(one["policy"], one["rate"]["successes"], one["rate"]["trials"])
                    for one in found]  # fmt: skip
            good = all(
                _name(task) and _name(policy) and type(n) is type(x) is int and 0 <= x <= n > 0
                for policy, x, n in each
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            each, good = [], False
        if not each or not good:
            raise ResultsError(f"{where}: neither CSV nor what `cousins evaluate --json` prints")
        for policy, successes, trials in each:
            if (task, policy) in rates:
                raise ResultsError(f"{where}: {_of((task, policy))} is there twice")
            rates[task, policy] = Rate(successes / trials, trials)
    return Table(where, True, rates)


def _name(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= MAX_NAME and text.isprintable()


def _of(key: tuple[str, str]) -> str:
    return f"policy {key[1]!r}{f' at task {key[0]!r}' if key[0] else ''}"


def parse_rates(where: str, text: str) -> Table:
    """As `read_rates`, of CSV text; `where` is for messages."""
    head = text.lstrip().partition("\n")[0]
    between = next((c for c in ",;\t" if c in head), ",")
    reader = csv.reader(io.StringIO(text), delimiter=between)
    rows: list[tuple[int, list[str]]] = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                rows.append((reader.line_num, cells))
            if len(rows) > MAX_ROWS + 1:
                raise ResultsError(f"{where}: above {MAX_ROWS:,} rows")
    except csv.Error as error:
        raise ResultsError(f"{where}: row {reader.line_num}: no CSV ({error})") from None
    columns = _columns(where, rows[0][1] if rows else [])
    if len(rows) < 2:
        raise ResultsError(f"{where}: holds no policy")
    rates: dict[tuple[str, str], Rate] = {}
    for line, cells in rows[1:]:
        at = f"{where}: row {line}"
        told = {name: cells[i] if i < len(cells) else "" for name, i in columns.items()}
        key = (told.get("task", ""), told["policy"])
        for name, value in zip(("task", "policy"), key, strict=True):
            if name in columns and not _name(value):
                raise ResultsError(f"{at}: give a {name}, in {MAX_NAME} characters or fewer")
        if key in rates:
            raise ResultsError(f"{at}: {_of(key)} is there twice: add its trials up")
        rates[key] = _rate(at, told)
    return Table(where, "task" in columns, rates)


def _columns(where: str, head: list[str]) -> dict[str, int]:
    names = ["policy" if name == "name" else name for name in map(str.lower, head)]
    known = {"policy", "task", "successes", "success", "trials"}
    twice = next((name for name in names if name in known and names.count(name) > 1), None)
    if twice:
        raise ResultsError(f"{where}: the column {twice!r} is there twice")
    found = {name: i for i, name in enumerate(names) if name in known}
    needed = "give policy, and success or successes and trials"
    if "policy" not in found:
        raise ResultsError(f"{where}: no column policy in the first row: {needed}")
    if ("success" in found) == ("successes" in found):
        both = "both success and successes" if "success" in found else "no column success"
        raise ResultsError(f"{where}: {both} in the first row: {needed}")
    if "successes" in found and "trials" not in found:
        raise ResultsError(f"{where}: successes without trials: {needed}")
    return found


def _rate(at: str, told: Mapping[str, str]) -> Rate:
    trials = None
    if told.get("trials"):
        trials = _whole(at, "trials", told["trials"])
        if not trials:
            raise ResultsError(f"{at}: no trial: leave this policy out")
    if "successes" in told:
        if trials is None:
            raise ResultsError(f"{at}: trials is empty")
        successes = _whole(at, "successes", told["successes"])
        if successes > trials:
            raise ResultsError(f"{at}: {successes} successes in {trials} trials")
        return Rate(successes / trials, trials)
    try:
        success = float(told["success"])
    except ValueError:
        success = math.nan
    if not 0 <= success <= 1:
        raise ResultsError(f"{at}: success is {told['success'][:30]!r}: give a rate from 0 to 1")
    return Rate(success, trials)


def _whole(at: str, name: str, text: str) -> int:
    try:
        value = float(text)  # as spreadsheets write 20.0
    except ValueError:
        value = math.nan
    if not (0 <= value <= MAX_TRIALS and value == int(value)):
        raise ResultsError(f"{at}: {name} is {text[:30]!r}: give a whole number")
    return int(value)
