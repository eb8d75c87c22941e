"""What the shape in a file is called, by its file's, its folder's and its own name."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from cousins.labels.categories import category, words

# What says how a file came about, and not what is in it.
_EMPTY = frozenset(
    words(
        "mesh model models object obj visual collision textured texture nontextured untitled scene"
        " geometry default material export tsdf poisson google meshes assets body root node world"
        " base link shape part final simplified decimated lowpoly highpoly low high poly ycb gso"
        " scan glb gltf stl ply usd usda usdc mjcf xml cm mm"
    ).split()
)
# What may follow the noun that says what a thing is.
_AFTER = frozenset(
    words(
        "red green blue yellow orange pink purple black white grey gray brown beige silver gold"
        " clear small medium large big tiny mini old new open closed full empty left right"
    ).split()
)


def named(file: str, body: str = "", several: bool = False) -> tuple[str, str | None]:
    """The label, in words, and the category of a body in a file (with slashes).

    The first of the file's, the folder's and the body's name that names a category; else the first
    that says anything. several: the file has more than one, so that the body's name comes first.
    """
    path = PurePosixPath(file)
    told = [path.stem, *(p.name for p in path.parents if p.name)]
    told = [body, *told] if several else [told[0], *told[1:2], body, *told[2:]]
    said = [text for name in told if (text := _said(name))]
    for text in said:
        if found := _category(text):
            return text, found
    return (said[0] if said else words(path.stem) or "shape"), None


def _said(name: str) -> str:
    """The words of a name that tell something: "003_cracker-box_v2" is "cracker box"."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    kept = [w for w in words(apart).split()
            if w not in _EMPTY and len(w) > 1 and not re.search(r"\d", w)]  # fmt: skip
    return " ".join(kept)


def _category(text: str) -> str | None:
    """The category that the last words name: what goes before them says which one of it."""
    said = text.split()
    while said:
        for start in range(len(said)):
            if found := category(" ".join(said[start:])):
                return found
        if said[-1] not in _AFTER:
            return None
        said = said[:-1]
    return None
