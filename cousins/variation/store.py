"""Finished chunks on disk, so that a run that was cut short goes on where it stopped."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cousins.types import Certificate, Cousin
from cousins.variation.axes import Source, names
from cousins.variation.family import Chunk
from cousins.variation.sampling import Sources, axes

FORM = 3  # of a chunk's file and of what a seed gives; raise it when either changes
_INDEX = "index"


@dataclass(frozen=True)
class Store:
    """A folder of chunks, beside the output and named after all that they depend on."""

    folder: Path

    def load(self, name: str) -> Chunk | None:
        """The chunk of this name; None where it was not finished."""
        try:
            with np.load(self.folder / f"{name}.npz", allow_pickle=False) as held:
                arrays = {key: held[key] for key in held.files}
            index = json.loads(arrays.pop(_INDEX).tobytes())
            cousins = tuple(_cousin(entry) for entry in index["cousins"])
            return Chunk(
                cousins,
                arrays,
                index["rejected"],
                index["faults"],
                index["places"],
                tuple(index["missing"]),
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return None

    def save(self, name: str, chunk: Chunk) -> None:
        """Write the chunk; it is there whole, or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        index = {
            "cousins": [asdict(cousin) for cousin in chunk.cousins],
            "rejected": chunk.rejected,
            "faults": dict(chunk.faults),
            "places": dict(chunk.places),
            "missing": chunk.missing,
        }
        out = io.BytesIO()
        np.savez(
            out,
            allow_pickle=False,
            **{_INDEX: np.frombuffer(json.dumps(index).encode(), np.uint8)},
            **chunk.arrays,
        )
        beside = self.folder / f"{name}.npz.new"
        beside.write_bytes(out.getvalue())
        os.replace(beside, self.folder / f"{name}.npz")

    def remove(self) -> None:
        """Remove the chunks, and the folder around them if nothing else is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.parent.is_dir() and not any(self.folder.parent.iterdir()):
            self.folder.parent.rmdir()


def store(target: Path, drawn_from: Sources, twin: bytes) -> Store:
    """The store of a run that writes `target`. twin: what else the cousins depend on."""
    digest = hashlib.sha256(twin)
    settings = {**asdict(drawn_from.settings), "seed": drawn_from.seed, "form": FORM,
                "every": names(axes())}  # fmt: skip
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for source in drawn_from.each:
        for name, data in _parts(source):
            digest.update(f"{name} {len(data)}\n".encode() + data)
    return Store(target.with_name(f"{target.name}.partial") / f"augment-{digest.hexdigest()[:16]}")


def _parts(source: Source) -> list[tuple[str, bytes]]:
    return [("model.xml", source.union.xml.encode()), *sorted(source.union.files.items())]


def _cousin(entry: Mapping[str, Any]) -> Cousin:
    held = dict(entry["certificate"])
    certificate = Certificate(**{**held, "reasons": tuple(held["reasons"])})
    return Cousin(
        entry["index"], tuple(entry["seed"]), entry["axes"], entry["distance"], certificate
    )
