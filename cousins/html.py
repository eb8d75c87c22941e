"""Parts of the pages that are written: one file each, no script, nothing from the network."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from html import escape

from cousins.style import STYLE


def document(title: str, sections: Iterable[str], style: str = "") -> str:
    """A whole page, light and dark, any width. style: beside the sheet that all pages share."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n"
        f"<body>\n<main>\n{''.join(sections)}</main>\n</body>\n</html>\n"
    )


def numbers(told: Iterable[tuple[str, str]]) -> str:
    """Large numbers, each with what it is of."""
    items = "".join(f"<div><dd>{escape(v)}</dd><dt>{escape(k)}</dt></div>" for v, k in told)
    return f'<dl class="numbers">{items}</dl>\n'


def figure(jpeg: bytes, size: tuple[int, int], caption: str, words: str) -> str:
    """A picture with its caption. size: width, height; words: for those who do not see it."""
    data = base64.b64encode(jpeg).decode()
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" width="{size[0]}" height="{size[1]}" '
        f'alt="{escape(words)}"><figcaption>{escape(caption)}</figcaption></figure>'
    )


def bars(
    values: Mapping[str, float],
    say: Callable[[float], str],
    first: str = "",
    most: float | None = None,
) -> str:
    """A bar for each name, and what `say` makes of its value. first: the class of the first. most:
    the value of the longest bar; by default the largest."""
    most = most or max(values.values(), default=0) or 1
    rows = []
    for i, (name, value) in enumerate(values.items()):
        kind = f' class="{first}"' if first and i == 0 else ""
        width = 100 * value / most
        rows.append(
            f'<div{kind}><dt>{escape(name)}</dt><dd><i style="width:{width:.1f}%"></i>'
            f"<span>{escape(say(value))}</span></dd></div>"
        )
    return f'<dl class="bars">{"".join(rows)}</dl>'
