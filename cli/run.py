"""`cousins run`: step a pack's cousins in parallel."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import Json, emit, progress
from .engine import Proxies, Settings, engine_of

if TYPE_CHECKING:
    from cousins.engines.measure import Measured


def run(
    pack: Annotated[Path, typer.Argument(help="A scene pack with cousins: folder or zip.")],
    engine: Annotated[str, typer.Option(help="What steps them: cpu, warp, mjx.")] = "cpu",
    steps: Annotated[int, typer.Option(help="Time steps of each cousin.")] = 1000,
    sleep: Annotated[bool, typer.Option("--sleep", help="Do not step what lies still.")] = False,
    threads: Annotated[int, typer.Option(help="Threads; 0: all CPUs.")] = 0,
    proxies: Proxies = False,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Step all cousins at once, and say how fast that went and which went unstable."""
    from cousins.engines.measure import measure
    from cousins.errors import PackError, UsageError
    from cousins.pack import load_family, read

    if steps < 1:
        raise UsageError(f"{steps} steps: ask for at least 1")
    chosen = engine_of(engine, settings, threads=threads, sleep=sleep)
    opened = read(pack)
    if not opened.families:
        raise PackError(f"{pack}: holds no cousins yet: run `cousins augment {pack} -n 1000`")
    with progress(as_json) as report:
        families = (load_family(opened, k) for k in opened.families)
        if proxies:
            from cousins.engines import proxies as primitive

            families = map(primitive.proxies, families)
        done = measure(chosen, families, steps, report)
    emit({"engine": engine, **asdict(done)}, as_json, _text(done))


def _text(done: Measured) -> str:
    lost = ", ".join(str(number) for number in done.unstable[:20])
    more = f" and {len(done.unstable) - 20} more" if len(done.unstable) > 20 else ""
    return "\n".join(
        [
            f"{done.cousins:,} cousins, {done.steps:,} steps each in {done.seconds:.1f} s: "
            f"{done.steps_per_second:,.0f} steps per second",
            f"{done.contacts:.1f} contacts a cousin; {done.awake:.1%} of the objects awake",
            f"deepest penetration at the end: {1000 * done.overlap:.3f} mm",
            f"unstable: {lost}{more}" if lost else "unstable: none",
        ]
    )
