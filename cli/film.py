"""`cousins film`: a simulated scene in, a phone's capture of it and the truth out."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated

import typer

from .console import Json, emit, pixels, progress


def film(
    scene: Annotated[Path, typer.Argument(help="MJCF (.xml), or a folder with a model.xml.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Capture to write: a folder.")],
    layout: Annotated[str, typer.Option(help="Layout to write; another lists them.")] = "stray",
    frames: Annotated[int, typer.Option(help="How many frames.", min=1)] = 90,
    rate: Annotated[float, typer.Option(help="Frames a second.")] = 10.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same film.", min=0)] = 0,
    settle: Annotated[float, typer.Option(help="Seconds of physics before.", min=0)] = 0.0,
    # The way
    path: Annotated[str, typer.Option(help="The phone's way: arc, circle or sweep.")] = "arc",
    arc: Annotated[float | None, typer.Option(help="Degrees of the arc or sweep.")] = None,
    start: Annotated[float, typer.Option(help="Azimuth of its start, degrees; -90: -y.")] = -90.0,
    distance: Annotated[str, typer.Option(help="From the target, m: least:most.")] = "0.6:0.9",
    elevation: Annotated[str, typer.Option(help="Degrees above it: least:most.")] = "30:60",
    jitter: Annotated[float, typer.Option(help="Of the hand, m.", min=0)] = 0.015,
    target: Annotated[
        str | None, typer.Option(help="x,y,z to look at; else the objects' middle.")
    ] = None,
    # The cameras
    colour: Annotated[str, typer.Option(help="Pixels of the pictures.")] = "640x480",
    no_colour: Annotated[bool, typer.Option("--no-colour", help="Leave the pictures out.")] = False,
    depth: Annotated[str, typer.Option(help="Pixels of the depth images.")] = "256x192",
    fov: Annotated[float | None, typer.Option(help="Horizontal, degrees.")] = None,
    finer: Annotated[int, typer.Option(help="Rays along each side of a pixel.", min=1)] = 1,
    shadows: Annotated[int, typer.Option(help="Shadow rays of a pixel.", min=1)] = 1,
    # What goes wrong
    hands: Annotated[float, typer.Option(help="Share of the time with a hand in view.")] = 0.0,
    noise: Annotated[float, typer.Option(help="Times the usual depth noise.", min=0)] = 1.0,
    drift: Annotated[float, typer.Option(help="Times the usual pose drift.", min=0)] = 1.0,
    missing: Annotated[float, typer.Option(help="Share of the frames that are dropped.")] = 0.0,
    blur: Annotated[float, typer.Option(help="Exposure, s, for motion blur.", min=0)] = 0.0,
    exposure: Annotated[float, typer.Option(help="Drift of the brightness, share.", min=0)] = 0.0,
    grain: Annotated[float, typer.Option(help="Noise of the pictures, of 255.", min=0)] = 0.0,
    perfect: Annotated[bool, typer.Option("--perfect", help="Nothing goes wrong.")] = False,
    as_json: Json = False,
) -> None:
    """Film a simulated scene as a LiDAR phone would, with the truth beside it."""
    from cousins import phone as phones
    from cousins.errors import UsageError

    if perfect and (noise, drift, missing, hands, blur, exposure, grain) != (1, 1, *[0] * 5):
        raise UsageError("--perfect excludes every option of what goes wrong: leave one out")
    phone = phones.Phone(
        frames=frames,
        rate=rate,
        walk=phones.Walk(
            path=path,
            arc=arc,
            start=start,
            distance=_ends("--distance", distance),
            elevation=_ends("--elevation", elevation),
            target=_point("--target", target) if target else None,
            unsteadiness=jitter,
        ),
        depth_size=pixels("--depth", depth),
        colour_size=pixels("--colour", colour),
        field_of_view=fov,
        coloured=not no_colour,
        finer=finer,
        shadows=shadows,
        noise=None if perfect else phones.Noise().scaled(noise, drift),
        seed=seed,
        missing=missing,
        hands=hands,
        exposure=phones.Exposure(blur, exposure, grain),
        layout=layout,
    )
    began = time.monotonic()
    model = phones.load(scene)
    with progress(as_json) as report:
        phones.film(model, output, phone, phones.stand(model, settle), report)
    result = {
        "capture": str(output),
        "truth": str(output.parent / f"{output.name}.truth.json"),
        "layout": layout,
        "frames": int(phones.kept(phone).sum()),
        "objects": len(phones.movable(model)),
        "seconds": round(time.monotonic() - began, 2),
    }
    emit(
        result,
        as_json,
        f"{output}: {result['frames']} frames of {result['objects']} objects in "
        f"{result['seconds']:.0f} s; the truth is in {result['truth']}",
    )


def _ends(option: str, text: str) -> tuple[float, float]:
    least, most = _numbers(option, text, ":", 2, "least:most, such as 0.6:0.9")
    return least, most


def _point(option: str, text: str) -> tuple[float, float, float]:
    x, y, z = _numbers(option, text, ",", 3, "x,y,z in metres")
    return x, y, z


def _numbers(option: str, text: str, between: str, count: int, form: str) -> list[float]:
    from cousins.errors import UsageError

    try:
        numbers = [float(part) for part in text.split(between)]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise UsageError(f"{option} {text}: give it as {form}")
    return numbers
