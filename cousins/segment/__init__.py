"""Segmenters: each parts what stands on a support into objects. A new one is one small file.

A segmenter is a frozen dataclass that holds its own settings. Other packages bring further ones by
the entry point group `cousins.segmenters`, which names a class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from cousins import plugins
from cousins.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cousins.reconstruct.tsdf import Surface
    from cousins.segment.geometric import Segment
    from cousins.types import Support


class Segmenter(Protocol):
    """Parts a fused surface in a z-up world into the objects that stand on one support.

    above: supports higher up, whose own layers are not objects of this one. told: (n,) the thing
    that masks in pictures say each of the surface's points is of, -1 where they say nothing; None
    where no picture was asked.
    """

    def __call__(
        self,
        surface: Surface,
        support: Support,
        above: tuple[Support, ...] = (),
        told: NDArray[np.intp] | None = None,
    ) -> tuple[Segment, ...]: ...


def segmenters() -> dict[str, Callable[[], Segmenter]]:
    """All that there are, by name."""
    from cousins.segment.geometric import Geometric

    return {"geometric": Geometric, **plugins.load("cousins.segmenters")}


def segmenter(name: str) -> Segmenter:
    """The segmenter of this name. Raises UsageError for one that is not known, and lists those."""
    known = segmenters()
    if name not in known:
        raise UsageError(f"no segmenter {name!r}; there are: {', '.join(sorted(known))}")
    return known[name]()
