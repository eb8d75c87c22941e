"""Mining: cousins that break a policy, certified and feasible, found by search to be trained on."""

from __future__ import annotations

from cousins.mining.mine import Mining, drawn_as, mine
from cousins.mining.search import Search

__all__ = ["Mining", "Search", "drawn_as", "mine"]
