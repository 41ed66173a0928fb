"""Every placement of a tiny problem, one after another, from the rules of models/README.md alone.

Nothing of the package's solver, checker or cost is used. Pnodes are numbered over all hosts,
in the order of the problem; slots are what C2 counts, pcpus or cores.
"""

from tests.brute_force.choices import choices_of, equal_sizes, round_shares, shares_of, split_domain
from tests.brute_force.ground import Cell, Choice, Ground
from tests.brute_force.search import (
    MAXIMISED,
    Optimum,
    count_choices,
    solve_by_brute_force,
)
from tests.brute_force.unequal import find_unequal_splits, with_split

__all__ = [
    "MAXIMISED",
    "Cell",
    "Choice",
    "Ground",
    "Optimum",
    "choices_of",
    "count_choices",
    "equal_sizes",
    "find_unequal_splits",
    "round_shares",
    "shares_of",
    "solve_by_brute_force",
    "split_domain",
    "with_split",
]
