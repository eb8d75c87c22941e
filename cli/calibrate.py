"""`cousins calibrate`: what real pushes tell of objects' mass and friction."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from .console import Json, emit, progress, table

if TYPE_CHECKING:
    from cousins.calibration.calibrate import Calibrated


def calibrate(
    pack: Annotated[
        Path | None, typer.Argument(help="A scene pack: folder or zip; --before by default.")
    ] = None,
    logs: Annotated[
        list[Path] | None, typer.Argument(metavar="LOG...", help="Logs of pushes: CSV or Parquet.")
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option("--object", help="Only this object; may be repeated.")
    ] = None,
    holdout: Annotated[
        list[str] | None,
        typer.Option(help="A push to test with, by name; the last quarter by default."),
    ] = None,
    before: Annotated[
        Path | None, typer.Option(help="Instead of a log: a pack of before a push.")
    ] = None,
    after: Annotated[Path | None, typer.Option(help="And one of after it.")] = None,
    push: Annotated[
        str | None,
        typer.Option(metavar="X0,Y0,Z0:X1,Y1,Z1[:SECONDS]", help="The pusher's way between them."),
    ] = None,
    pusher_radius: Annotated[float, typer.Option(help="Of the pusher's tip, m.")] = 0.01,
    pusher_length: Annotated[
        float, typer.Option(help="Of a capsule along the pusher's z, m; 0 is a ball.")
    ] = 0.0,
    particles: Annotated[int, typer.Option(help="Simulations in each of seven rounds.")] = 256,
    seed: Annotated[int, typer.Option(help="The same seed gives the same numbers.")] = 0,
    workers: Annotated[
        int | None, typer.Option(help="Threads; all CPUs by default. They change no number.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Drop files in the pack that are no part of it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Infer mass and friction from real pushes, and write what they tell into the pack."""
    from cousins.calibration.before_after import before_after
    from cousins.calibration.calibrate import calibrate as infer
    from cousins.calibration.simulate import Pusher
    from cousins.errors import UsageError

    tip = Pusher(pusher_radius, pusher_length)
    threads = workers or 0
    if threads < 0:
        raise UsageError("give 1 worker or more")
    with progress(as_json) as report:
        if before is not None or after is not None or push is not None:
            if before is None or after is None or push is None or logs:
                raise UsageError("--before, --after and --push go together, without a LOG")
            done = before_after(before, after, push, names=name or (), pusher=tip, seed=seed,
                                particles=particles, threads=threads, progress=report)  # fmt: skip
            target = pack or before
        elif pack is None or not logs:
            raise UsageError("give a PACK and a LOG, or --before, --after and --push")
        else:
            done = infer(pack, logs, names=name or (), holdout=holdout, pusher=tip, seed=seed,
                         particles=particles, threads=threads, progress=report)  # fmt: skip
            target = pack
    told = {n: d for n, c in done.items() if (d := c.distributions())}
    if told and not dry_run:
        from cousins.restate import restate

        restate(target, told, force=force)
    written = sorted(told) if not dry_run else []
    result = {"path": str(target), "written": written,
              "objects": {n: _plain(c) for n, c in done.items()}}  # fmt: skip
    lines = [line for c in done.values() for line in _lines(c)]
    if dry_run:
        lines.append("nothing written: --dry-run")
    elif told:
        each = [f"{escape(n)} ({' and '.join(d)})" for n, d in told.items()]
        lines.append(f"written: {', '.join(each)}")
    else:
        lines.append("nothing written: the pushes tell nothing that the pack did not know")
    emit(result, as_json, "\n".join(lines))


def _plain(one: Calibrated) -> dict[str, Any]:
    from cousins.distributions import to_json

    out = asdict(one)
    for told, own in zip(out["tells"]["properties"].values(), one.tells.properties.values(),
                         strict=True):  # fmt: skip
        told["distribution"] = to_json(own.distribution)
    return out


_UNITS = {"mass": " kg", "friction": "", "damping": "", "grip": ""}
_WORDS = {"grip": "pusher's friction"}


def _lines(one: Calibrated) -> list[str]:
    name = escape(one.name)
    pushes = "1 push" if len(one.pushes) == 1 else f"{len(one.pushes)} pushes"
    lines = [
        f"{name}: {pushes}{' with force' if one.force else ''}, clocks {1000 * one.offset:+.0f} ms "
        f"apart, tracker's noise {1000 * one.noise[0]:.1f} mm"
    ]
    rows = []
    for p in one.tells.properties.values():
        told = "" if p.told else "not told"
        rows.append([
            f"  {_WORDS.get(p.name, p.name)}",
            f"{p.q50:.3g}{_UNITS[p.name]}", f"{p.q05:.3g} to {p.q95:.3g}",
            f"{p.prior[0]:.2g} to {p.prior[2]:.2g}", f"{100 * p.contraction:.0f}%", told,
        ])  # fmt: skip
    lines += table(["  property", "median", "90%", "90% before", "of its width", ""], rows)
    lines += [f"  {escape(w)}" for w in (*one.tells.words, *one.notes)]
    for h in one.held_out:
        how = "as noise explains" if h.explained else "more than noise explains"
        lines.append(
            f"  held out, {escape(h.push)}: {1000 * h.place:.1f} mm off ({how}; "
            f"{1000 * h.prior_place:.0f} mm before), {57.3 * h.turn:.1f}° "
            f"({57.3 * h.prior_turn:.0f}°)"
        )
    return lines
