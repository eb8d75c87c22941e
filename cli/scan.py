"""`cousins scan`: a capture in, a scene pack out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from .console import Json, emit, progress

MOST = 3  # lines of advice that are printed


def scan(
    capture: Annotated[Path, typer.Argument(help="Folder that the phone's app wrote.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Pack to write: folder or .zip.")],
    voxel: Annotated[
        float, typer.Option(help="Voxel of the fusion, metres.", min=0.001, max=0.02)
    ] = 0.003,
    intrinsics: Annotated[
        str | None, typer.Option(help="fx,fy,cx,cy in pixels, where the capture does not tell.")
    ] = None,
    tag_size: Annotated[
        float | None, typer.Option(help="Side of the printed tags in photos, metres.", min=0.005)
    ] = None,
    length: Annotated[
        str | None, typer.Option(help="OBJECT=METRES: longest side of one, for photos.")
    ] = None,
    dense: Annotated[str, typer.Option(help="Depth of photos: stereo or nerfstudio.")] = "stereo",
    nerfstudio: Annotated[
        Path | None, typer.Option(help="nerfstudio's environment, for its depth of photos.")
    ] = None,
    iterations: Annotated[int | None, typer.Option(help="Of nerfstudio's training.", min=1)] = None,
    segmenter: Annotated[
        str, typer.Option(help="How objects are told apart: geometric, sam or hf-sam.")
    ] = "geometric",
    checkpoint: Annotated[
        Path | None, typer.Option(help="The weights of sam (a file) or hf-sam (a folder).")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="A YAML file of lines such as box_1: cracker box.")
    ] = None,
    labeler: Annotated[
        str | None, typer.Option(help="Who names objects: clip, or a server's http address.")
    ] = None,
    label_model: Annotated[
        str | None, typer.Option(help="Its folder for clip, its name for a server.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace whatever is at the output.")] = False,
    as_json: Json = False,
) -> None:
    """Turn a capture into a scene that opens in MuJoCo."""
    from cousins.capture.camera import parse
    from cousins.photos.capture import Settings as Photos
    from cousins.pipeline import scan as run
    from cousins.scanning import Settings

    with progress(as_json) as report:
        result = run(
            capture,
            output,
            settings=Settings(voxel=voxel, **_told_apart(segmenter, checkpoint)),
            photos=Photos(tag_size=tag_size, dense=_dense(dense, nerfstudio, iterations)),
            lens=parse(intrinsics) if intrinsics else None,
            length=_length(length) if length else None,
            labels=_labels(labels, labeler, label_model),
            progress=report,
            force=force,
        )
    lines = [f"film again: {line}" for line in result.film_again]
    lines += [f"note: {line}" for line in result.warnings]
    told = "".join(f"\n  {line}" for line in lines[:MOST])
    if len(lines) > MOST:
        told += f"\n  and {len(lines) - MOST} more in quality.json"
    emit(
        asdict(result),
        as_json,
        f"{output}: {result.objects} objects in {result.seconds:.0f} s "
        f"({result.peak_rss_mb:.0f} MB){told}",
    )


def _told_apart(name: str, checkpoint: Path | None) -> dict[str, Any]:
    """The settings of a scan that a segmenter's name stands for."""
    from cousins.errors import UsageError
    from cousins.masks import masker, maskers
    from cousins.segment import segmenter, segmenters

    if name in maskers():
        return {"masker": masker(name, checkpoint)}
    if checkpoint is not None:
        raise UsageError(f"--checkpoint: is for --segmenter {' or '.join(maskers())}")
    if name not in segmenters():
        known = ", ".join([*segmenters(), *maskers()])
        raise UsageError(f"no segmenter {name!r}; there are: {known}")
    return {"segmenter": segmenter(name)}


def _dense(name: str, nerfstudio: Path | None, iterations: int | None) -> Any:

    from cousins.errors import UsageError
    from cousins.photos.capture import FromNerfstudio, FromStereo
    from cousins.photos.installed import find
    from cousins.photos.nerfstudio import Nerfstudio

    if name == "nerfstudio" or nerfstudio is not None:
        find(nerfstudio)  # before minutes of other work
        return FromNerfstudio(Nerfstudio(nerfstudio, iterations))
    if name != "stereo":
        raise UsageError(f"--dense {name}: choose stereo or nerfstudio")
    if iterations is not None:
        raise UsageError("--iterations: is for --dense nerfstudio")
    return FromStereo()


def _length(text: str) -> tuple[str, float]:
    from cousins.errors import UsageError

    name, _, metres = text.rpartition("=")
    try:
        found = name, float(metres)
    except ValueError:
        found = "", 0.0
    if not found[0]:
        raise UsageError(f"--length {text}: give it as OBJECT=METRES, such as box_1=0.12")
    return found


def _labels(file: Path | None, name: str | None, model: str | None) -> Any:
    from cousins.errors import UsageError
    from cousins.labels import labeler
    from cousins.labels.given import read
    from cousins.labels.stage import Labelling

    if model is not None and name is None:
        raise UsageError("--label-model: is for --labeler")
    if file is None and name is None:
        return None
    return Labelling(
        given=read(file) if file else {},
        labeler=labeler(name, model) if name else None,
        where=str(file) if file else "--labels",
    )
