"""Scans captures with a known truth: time, memory, objects, shapes and rest, beside the targets.

    python benchmarks/scan.py [CAPTURE ...] [--captures DIR] [--json FILE] [--packs DIR]
    python benchmarks/scan.py --generated N [--seed S] [--layout L] [--keep DIR] [--workers W]

The truth of a capture NAME is NAME.truth.json beside it, or truth.json in it; one without is
scanned for its time alone. With no argument it is the bundled sample. Each scan runs in a process
of its own. --generated films, scans and scores scenes of household things: see generated.py.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

COUSINS = [sys.executable, "-c", "from cousins.cli.main import main; main()"]


@dataclass(frozen=True)
class Row:
    """One line of the table. target: None where there is none; less: whether less is better."""

    name: str
    key: str
    unit: str
    target: float | None = None
    less: bool = True
    digits: int = 1


ROWS = (
    Row("time", "seconds", "s", 60.0),
    Row("peak memory", "peak_rss_mb", "MB", 2000.0, digits=0),
    Row("objects", "objects", "", digits=0),
    Row("true objects", "true", "", digits=0),
    Row("recall", "recall", "", 1.0, less=False, digits=2),
    Row("precision", "precision", "", 1.0, less=False, digits=2),
    Row("median chamfer", "chamfer_mm", "mm", 2.5, digits=2),
    Row("worst chamfer", "worst_chamfer_mm", "mm", digits=2),
    Row("median 95% Hausdorff", "hausdorff95_mm", "mm", digits=2),
    Row("median F-score at 5 mm", "f_score", "", 0.92, less=False, digits=3),
    Row("median hull volume over true", "hull_ratio", "", digits=2),
    Row("worst centre error", "centre_mm", "mm", digits=2),
    Row("drift in 2 s", "drift_mm", "mm", 1.0, digits=3),
    Row("turn in 2 s", "turn_degrees", "°", 1.0, digits=3),
    Row("penetration at start", "penetration_mm", "mm", 0.3, digits=3),
    Row("true masses in q05..q95", "masses_held", "", digits=2),
)


def main() -> None:
    """Scan, score, print."""
    arguments = _arguments()
    if arguments.generated:
        sys.exit(_generated(arguments))
    captures = list(arguments.capture)
    if arguments.captures:
        captures += sorted(p for p in arguments.captures.iterdir() if p.is_dir())
    if not captures:
        from cousins.resources import sample

        captures = [sample("desk")]
    console, results = Console(), []
    with tempfile.TemporaryDirectory() as folder:
        packs = arguments.packs or Path(folder)
        packs.mkdir(parents=True, exist_ok=True)
        for capture in captures:
            results.append(measure(capture, packs / capture.resolve().name))
            show(console, results[-1])
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(any("error" in result and result["truth"] for result in results))


def _generated(arguments: argparse.Namespace) -> bool:
    """Whether a generated scene could not be scanned."""
    import generated

    chosen = generated.cases(arguments.generated, arguments.seed, arguments.layout)
    with tempfile.TemporaryDirectory() as folder:
        packs = arguments.packs or Path(folder)
        packs.mkdir(parents=True, exist_ok=True)
        results = generated.run(
            chosen, arguments.keep, packs, arguments.workers, measure, Console(width=150)
        )
    if arguments.json:
        told = {"scenes": results, "pooled": generated.pooled(results)}
        arguments.json.write_text(json.dumps(told, indent=1) + "\n")
    return any("error" in result for result in results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("capture", nargs="*", type=Path)
    parser.add_argument("--captures", type=Path, metavar="DIR", help="every capture in this folder")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    parser.add_argument("--packs", type=Path, metavar="DIR", help="keep the packs there")
    parser.add_argument("--generated", type=int, metavar="N", help="so many generated scenes")
    parser.add_argument("--seed", type=int, default=0, help="of the first of each layout")
    parser.add_argument("--layout", action="append", default=[], help="only this one; repeatable")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the films there, or use them"
    )
    parser.add_argument("--workers", type=int, default=1, help="scenes at once; times then mislead")
    arguments = parser.parse_args()
    if arguments.generated and (arguments.capture or arguments.captures):
        parser.error("--generated takes no captures: run it alone")
    return arguments


def measure(capture: Path, pack_path: Path) -> dict[str, Any]:
    """Scan a capture in a process of its own and score what it wrote."""
    from cousins.score import truth_of

    truth = truth_of(capture)
    result: dict[str, Any] = {"capture": capture.resolve().name, "truth": truth is not None}
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        command = [*COUSINS, "scan", str(capture), "-o", str(pack_path), "--json", "--force"]
        process = subprocess.Popen(command, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        for stream in (out, err):
            stream.seek(0)
        if process.returncode:
            return {**result, "error": err.read().strip() or f"exit {process.returncode}"}
        told = json.load(out)
    result |= {
        "seconds": seconds,
        "peak_rss_mb": usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3),
        "objects": told["objects"],
        "film_again": told["film_again"],
        "warnings": told["warnings"],
        "stages": told["stages"],
    }
    return result | _rest(pack_path) | (_score(pack_path, truth) if truth else {})


def _rest(pack_path: Path) -> dict[str, Any]:
    import mujoco
    import numpy as np

    from cousins.score import rest

    still = rest(mujoco.MjModel.from_xml_path(str(pack_path / "model.xml")))
    return {
        "drift_mm": 1000 * float(still.drift.max(initial=0)),
        "turn_degrees": float(np.degrees(still.turn.max(initial=0))),
        "penetration_mm": 1000 * still.penetration,
    }


def _score(pack_path: Path, truth_path: Path) -> dict[str, Any]:
    import numpy as np

    from cousins import pack
    from cousins.score import load_truth, score

    read, truth = pack.read(pack_path), load_truth(truth_path)
    scene = pack.load_scene(read)
    done = score(scene, np.array(read.manifest.world_from_capture), truth).numbers()
    done["masses_held"] /= max(done["masses"], 1)
    return {k: v for k, v in done.items() if v is not None}


def show(console: Console, result: dict[str, Any]) -> None:
    """Print one capture's numbers, each beside its target."""
    if "error" in result:
        console.print(f"{result['capture']}: {result['error']}", markup=False, soft_wrap=True)
        return
    told = "" if result["truth"] else " (no truth)"
    table = Table("", "measured", "target", "", title=f"scan of {result['capture']}{told}")
    for row in ROWS:
        if row.key not in result:
            continue
        value = result[row.key]
        # The targets were set for a capture of a known size, and so of a known truth.
        goal = row.target if result["truth"] else None
        target = verdict = ""
        if goal is not None:
            target = f"{'≤' if row.less else '≥'} {goal:g}"
            verdict = "met" if (value <= goal if row.less else value >= goal) else "MISSED"
        table.add_row(row.name, f"{value:.{row.digits}f} {row.unit}".strip(), target, verdict)
    console.print(table)
    each = Table("true", "found", "chamfer", "95%", "F", "hull", "centre", title="mm, or a ratio")
    for pair in result.get("each", ()):
        chamfer, far, centre = (pair[f"{k}_mm"] for k in ("chamfer", "hausdorff95", "centre"))
        numbers = chamfer, far, pair["f_score"], pair["hull_ratio"], centre
        each.add_row(pair["true"], pair["found"], *(f"{value:.2f}" for value in numbers))
    if each.row_count:
        console.print(each)
    for line in (*result["film_again"], *result["warnings"]):
        console.print(f"note: {line}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
