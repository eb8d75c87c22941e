"""How far a scan is from the truth: objects found, shapes, openings, supports, masses, rest.

All lengths are in metres and in the pack's world; the truth is moved there first. `score` is the
one call; what its numbers mean is in docs/score.md.
"""

from cousins.score.match import Matching, match
from cousins.score.rest import Rest, rest
from cousins.score.scoring import ObjectScore, Score, in_world, score
from cousins.score.shape import ShapeScore, compare
from cousins.score.truth import TrueObject, Truth, in_pack, load_truth, truth_of

__all__ = [
    "Matching",
    "ObjectScore",
    "Rest",
    "Score",
    "ShapeScore",
    "TrueObject",
    "Truth",
    "compare",
    "in_pack",
    "in_world",
    "load_truth",
    "match",
    "rest",
    "score",
    "truth_of",
]
