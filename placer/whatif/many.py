"""Many scenarios of one base, solved side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from placer.engine import Engine, Failure
from placer.errors import PlacerError
from placer.scenario import Scenario
from placer.whatif.draft import Base
from placer.whatif.keys import digest_of, key_of
from placer.whatif.rows import Outcome, failed_rows, rows_of
from placer.whatif.solving import WhatIfOptions, solve_scenario

Numbered = tuple[int, str, Scenario]
"""A scenario with its place among all, and its key."""


def number_scenarios(
    base: Base, scenarios: Sequence[Scenario], options: WhatIfOptions
) -> list[Numbered]:
    """Return the scenarios with their places and keys."""
    digest = digest_of(base)
    return [
        (number, key_of(scenario, digest, options), scenario)
        for number, scenario in enumerate(scenarios)
    ]


def solve_all(
    base: Base, numbered: Sequence[Numbered], options: WhatIfOptions, engine: Engine
) -> Iterator[Outcome]:
    """Yield the outcome of each scenario as it is finished; one that fails says why.

    The outcomes are the same whatever the engine.
    """
    for place, answer in engine.run(solve_chunk, (base, options), numbered):
        if isinstance(answer, Failure):
            yield failed_rows(*numbered[place], answer.reason)
        else:
            yield answer


def solve_chunk(shared: tuple[Base, WhatIfOptions], numbered: Sequence[Numbered]) -> list[Outcome]:
    """Return the outcomes of some scenarios; what workers run."""
    base, options = shared
    return [_outcome(base, options, *each) for each in numbered]


def _outcome(
    base: Base, options: WhatIfOptions, number: int, key: str, scenario: Scenario
) -> Outcome:
    try:
        return rows_of(base, solve_scenario(base, scenario, options), number, key)
    except PlacerError as error:
        return failed_rows(number, key, scenario, str(error))
