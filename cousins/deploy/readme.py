"""The README of a deployed policy: what a person has to know who puts it on a robot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cousins.deploy.words import BASE, WORLD
from cousins.tasks import Task

_ROWS = 400  # of a table; deploy.json has them all


def readme(told: Mapping[str, Any], task: Task | None, notes: Sequence[str]) -> str:
    """In Markdown, from deploy.json. notes: what is not known."""
    of, control = told["task"], told["control"]
    instruction = f"{of['instruction'][:1].upper()}{of['instruction'][1:]}. " if task else ""
    parts = [
        f"# A policy for the task {of['name']}\n",
        f"{instruction}It is asked {control['rate']:.4g} times a second; an action acts for "
        f"{1000 * control['period']:.4g} ms.\n",
        "## Run it\n",
        "```sh\npip install numpy onnxruntime\n"
        "python runner.py --check                # acts here as it did when it was exported?\n"
        "python runner.py --dry-run              # keeps its rate here?\n"
        "python runner.py --robot mine.py:Robot  # your robot: see the top of runner.py\n```\n",
        _robot(told),
        "## What it observes\n",
        f"{BASE if told['robot'] else WORLD}\n",
        _doc(task, "observations"),
        _table(
            ("observation", "unit", "what", "range", "limit"),
            [(f"`{o['name']}`", o["unit"], o["meaning"], _span(o["range"]), _span(o["limit"]))
             for o in told["observation"]],
        ),
        _from(told),
        "## What it does\n",
        _doc(task, "actions"),
        _table(
            ("action", "unit", "-1 is", "1 is", "at rest", "largest change in a period"),
            [(f"`{a['name']}`", a["unit"], _number(a["minus_one"]), _number(a["one"]),
              "as told last" if a["rest"] is None else _number(a["rest"]),
              _number(a["max_change"])) for a in told["action"]],
        ),
        _guard(told["safety"]),
        _provenance(told),
    ]  # fmt: skip
    if notes:
        parts.append("## Not known\n\n" + "\n".join(f"- {note}" for note in notes) + "\n")
    return "\n".join(part for part in parts if part)


def _robot(told: Mapping[str, Any]) -> str:
    robot = told["robot"]
    if robot is None or "joints" not in robot:
        return "" if robot is None else f"It moves the robot `{robot['name']}`.\n"
    low, high = robot["workspace"]["low"], robot["workspace"]["high"]
    mode = f", in the mode `{robot['mode']}`" if robot["mode"] else ""
    joints = _table(
        ("joint", "range", "fastest", "home"),
        [(f"`{j['name']}`", _span(j["range"]), _number(j["velocity"]), _number(j["home"]))
         for j in robot["joints"]],
    )  # fmt: skip
    return (
        f"It moves the robot `{robot['name']}`{mode}, its tool in {low} to {high} m of the base "
        f"frame. Joints, in rad or m, and these a second:\n\n{joints}"
    )


def _doc(task: Task | None, of: str) -> str:
    """What the task itself says of it, unless that sends the reader to code."""
    words = getattr(getattr(type(task), of, None), "__doc__", None) if task else None
    about = (type(task).__doc__ or "") if task and of == "actions" else ""
    told = " ".join(f"{about} {words if words and 'ee `' not in words else ''}".split())
    return f"{told}\n" if told else ""


def _from(told: Mapping[str, Any]) -> str:
    recorded = told["provenance"]["recorded_on"]
    norm = told["normalisation"] is not None
    sources = ["five deviations about the mean of what was observed in training"] if norm else []
    if recorded:
        sources.append(
            f"what {recorded['episodes']} episodes in {recorded['pack']} met, and a tenth"
        )
    words = f"A range is {' and '.join(sources)}; the wider one. " if sources else ""
    end = (
        "Past a limit the robot is to stop. "
        if any(o["limit"] for o in told["observation"])
        else ""
    )
    norm_words = (
        "Normalisation is inside policy.onnx: give the numbers as they are." if norm else ""
    )
    return f"{words}{end}{norm_words}\n"


def _guard(safety: Mapping[str, Any]) -> str:
    ways = {
        "flag": "it is said and the policy goes on",
        "hold": "the last action goes on, until that is stale",
        "rest": "the robot goes to rest",
        "stop": "the robot goes to rest, and it ends",
    }
    return (
        "Actions are cut to -1..1 and change by no more than that from period to period.\n\n"
        "## What the guard does\n\n"
        f"- An observation out of its range: {ways[safety['outside']]} (`--outside`).\n"
        f"- One of another shape, or with what is no number: {ways[safety['bad']]} (`--bad`).\n"
        f"- Nothing good for {safety['stale_after']:.4g} s, though `observe` hangs: "
        f"{ways[safety['stale']]} (`--stale`, `--stale-after`).\n"
        "- Past a limit, or no action from the policy: the robot goes to rest, and it ends.\n"
        "- A period that takes too long is told, and is not made up for.\n\n"
        "It is software on the same computer: the robot's own limits and its emergency stop have "
        "to do without it.\n"
    )


def _provenance(told: Mapping[str, Any]) -> str:
    of, on = told["provenance"], told["provenance"]["trained_on"]
    far = on["distance"]
    span = f", {far[0]:.2g} to {far[1]:.2g} from the twin" if far else ""
    recorded = of["recorded_on"]
    lines = [
        f"- Trained on {on['count']:,} cousins of {on['pack']}{span}: {of['steps']:,} steps by "
        f"{of['trainer']} on {of['engine']}, seed {of['seed']}, cousins {of['cousins_version']}.",
        f"- policy.onnx: sha256 {told['policy']['sha256']}.",
    ]
    if recorded:
        lines.append(
            f"- In {recorded['pack']} it succeeded in {recorded['successes']} of "
            f"{recorded['episodes']} episodes when the sample was recorded."
        )
    if told["fails"]:
        lines.append("- Where it is known to fail: `fails` in deploy.json.")
    return "## Where it is from\n\n" + "\n".join(lines) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    keep = [i for i in range(len(head)) if i == 0 or any(row[i] for row in rows)]
    lines = [" | ".join(head[i] for i in keep), " | ".join("---" for _ in keep)]
    lines += [" | ".join(_cell(row[i]) for i in keep) for row in rows[:_ROWS]]
    more = f"\nand {len(rows) - _ROWS} more: see deploy.json\n" if len(rows) > _ROWS else ""
    return "\n".join(f"| {line} |" for line in lines) + f"\n{more}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _span(bounds: Sequence[float] | None) -> str:
    return "" if bounds is None else f"{bounds[0]:.3g} to {bounds[1]:.3g}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
