"""Why a domain is refused, and what would help; whoever solves is passed in."""

from placer.explain.alone import Movable
from placer.explain.asking import Ask, Asker
from placer.explain.by_count import explain_by_count, refused_by_count
from placer.explain.refuse import MOST_ASKS, MOST_EXPLAINED, explain, explain_all

__all__ = [
    "MOST_ASKS",
    "MOST_EXPLAINED",
    "Ask",
    "Asker",
    "Movable",
    "explain",
    "explain_all",
    "explain_by_count",
    "refused_by_count",
]
