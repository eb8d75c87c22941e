"""Labelers: each says what an object is, from pictures of it. A new one is one small file.

A labeler is a frozen dataclass that holds its own settings; what it holds is written into the
pack's manifest, so it holds no key. Other packages bring further ones by the entry point group
`cousins.labelers`, which names a class that takes the model's name or None.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cousins import plugins
from cousins.errors import UsageError

if TYPE_CHECKING:
    from cousins.labels.label import Label, Thing


class Labeler(Protocol):
    """Says what a thing is, with its source and how sure that is; None where it cannot tell."""

    def __call__(self, thing: Thing) -> Label | None:
        """Raises LabelError where it failed at this thing."""
        ...

    def ready(self) -> None:
        """Raises LabelError, before hours of other work, where it could label nothing at all."""
        ...


def labeler(name: str, model: str | None = None) -> Labeler:
    """The labeler of this name, or for the http address of a server.

    model: a folder for "clip", else what the labeler takes. Raises UsageError for one that is not
    known, and lists those.
    """
    from cousins.labels.clip import Clip
    from cousins.labels.endpoint import Endpoint

    if "://" in name:
        if model is None:
            raise UsageError("--labeler: name the server's model too, with --label-model NAME")
        return Endpoint(name, model)
    if name == "clip":
        folder = model or os.environ.get("COUSINS_CLIP")
        if not folder:
            raise UsageError(
                "--labeler clip: give the folder of a CLIP or SigLIP model with --label-model, or "
                "in COUSINS_CLIP"
            )
        return Clip(Path(folder))
    brought = plugins.load("cousins.labelers")
    if name not in brought:
        known = ", ".join(sorted({"clip", *brought}))
        raise UsageError(f"no labeler {name!r}; there are: {known}, and a server's http address")
    return brought[name](model)
