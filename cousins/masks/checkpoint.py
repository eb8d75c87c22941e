"""Checkpoints of segment-anything: where they lie, and what network their weights are of.

A checkpoint comes from a stranger: only tensors are read of it, and nothing in it is run.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cousins.errors import MissingDependencyError
from cousins.masks.network import full
from cousins.native import require

VARIABLE = "COUSINS_SAM"
PLACE = Path("~/.cache/cousins")
OFFICIAL = {  # the smallest first: it is found before the others of a folder
    "sam_vit_b_01ec64.pth": "375 MB",
    "sam_vit_l_0b3195.pth": "1.25 GB",
    "sam_vit_h_4b8939.pth": "2.56 GB",
}
HOW = (
    f"get one of {', '.join(f'{name} ({size})' for name, size in OFFICIAL.items())} from "
    "https://github.com/facebookresearch/segment-anything#model-checkpoints and name it with "
    f"--checkpoint FILE or {VARIABLE}, or put it into {PLACE}; nothing is downloaded unasked"
)
MOST_BYTES = 8_000_000_000  # of a checkpoint; the largest official one has 2.56 GB
_BLOCK = "image_encoder.blocks.{}.attn.rel_pos_h"
_ZIP = b"PK\3\4"
_WINDOW = 14  # patches, of an attention that is not global


@dataclass(frozen=True)
class Encoder:
    """An image encoder's size. everywhere: the blocks whose attention spans the whole picture."""

    width: int
    depth: int
    heads: int
    everywhere: tuple[int, ...]


def find(named: Path | None = None) -> Path:
    """The checkpoint that is named, else the one that COUSINS_SAM names, else the one that lies in
    ~/.cache/cousins. Of a folder, the smallest official one. Raises MissingDependencyError where
    there is none."""
    told = named or os.environ.get(VARIABLE)
    where = Path(told or PLACE).expanduser().absolute()
    if where.is_file():
        return where
    kinds = [name.rpartition("_")[0] for name in OFFICIAL]
    found = [file for kind in kinds for file in sorted(where.glob(f"{kind}*.pth"))]
    if found:
        return found[0]
    if told:
        raise MissingDependencyError(f"{where}: no checkpoint of segment-anything is there: {HOW}")
    raise MissingDependencyError(f"no checkpoint of segment-anything is found: {HOW}")


def read(file: Path) -> dict[str, Any]:
    """Its tensors by name, float32 on the CPU. Raises MissingDependencyError for a file that is
    damaged, or holds anything else."""
    torch = require("torch")
    try:
        _measure(file)
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # zipfile and torch raise what their parsers do
        if isinstance(error, MissingDependencyError) or full(error):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split()).partition(". ")[0][:120]
        raise _refused(file, f"it is damaged, or holds more than weights ({reason})") from None
    if not isinstance(loaded, dict) or not loaded:
        raise _refused(file, "it holds no weights by name")
    return {str(name): _checked(torch, file, name, value) for name, value in loaded.items()}


def encoder(weights: Mapping[str, Any], file: Path) -> Encoder:
    """The size of the image encoder that these weights are of. Raises MissingDependencyError where
    they are of something else."""
    try:
        width = int(weights["image_encoder.patch_embed.proj.weight"].shape[0])
        depth = next(i for i in range(len(weights) + 1) if _BLOCK.format(i) not in weights)
        tables = [weights[_BLOCK.format(i)].shape for i in range(depth)]
        # A row for each distance between two patches that see each other.
        everywhere = tuple(i for i, table in enumerate(tables) if table[0] > 2 * _WINDOW - 1)
        return Encoder(width, depth, width // int(tables[0][1]), everywhere)
    except (KeyError, IndexError, ZeroDivisionError):
        raise foreign(file) from None


def foreign(file: Path) -> MissingDependencyError:
    """What to say of weights that are not segment-anything's."""
    return _refused(file, "its weights are of another network (SAM 2 goes by hf-sam)")


def _measure(file: Path) -> None:
    """A torch checkpoint is a zip of stored members, so that it is as large as what it holds. Older
    layouts, which torch tells by their first bytes, could run code in versions of it."""
    with file.open("rb") as stream:
        first = stream.read(len(_ZIP))
    if first != _ZIP or not zipfile.is_zipfile(file):
        raise _refused(file, "it is cut short, or no checkpoint of torch")
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise _refused(file, "a checkpoint of torch is not compressed")
    if sum(member.file_size for member in members) > MOST_BYTES:
        raise _refused(file, f"it holds more than {MOST_BYTES / 1e9:.0f} GB")


def _checked(torch: Any, file: Path, name: Any, value: Any) -> Any:
    if not isinstance(value, torch.Tensor) or value.layout is not torch.strided:
        raise _refused(file, f"{str(name)[:60]!r} is no tensor (SAM 2 goes by hf-sam)")
    # A view may claim any size, repeating what little the file has.
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise _refused(file, f"{str(name)[:60]!r} claims to be larger than it is")
    if not torch.isfinite(value).all():
        raise _refused(file, f"{str(name)[:60]!r} holds numbers that are not finite")
    return value.float()


def _refused(file: Path, why: str) -> MissingDependencyError:
    return MissingDependencyError(f"{file}: not a checkpoint of segment-anything: {why}; {HOW}")
