"""What-if rows are the same bytes from every engine."""

from __future__ import annotations

import pytest

from placer.engine import ENGINES, EngineName, open_engine
from placer.scenario import AddDomains, Scenario, TakeHosts
from placer.whatif.many import number_scenarios, solve_all
from placer.whatif.questions import each_host_fails, each_pnode_fails
from placer.whatif.rows import Outcome
from tests.whatif.bases import QUICK, domain_of, three_hosts


def outcomes(name: EngineName) -> list[Outcome]:
    base = three_hosts()
    scenarios = [
        *each_host_fails(base),
        *each_pnode_fails(base),
        Scenario(name="no such host", changes=(TakeHosts(hosts=("h9",), how="fail"),)),
        Scenario(
            name="more",
            changes=(AddDomains(domains=tuple(domain_of(f"n{n}", 3, 3) for n in range(4))),),
            solve="moves",
            max_moves=1,
        ),
        Scenario(name="anew", solve="fresh"),
    ]
    numbered = number_scenarios(base, scenarios, QUICK)
    found = solve_all(base, numbered, QUICK, open_engine(name, workers=2))
    return sorted(found, key=lambda outcome: outcome.number)


@pytest.mark.parametrize("name", [name for name in ENGINES if name != "serial"])
def test_rows_are_the_same_from_every_engine(name: EngineName) -> None:
    expected = outcomes("serial")
    assert [outcome.number for outcome in expected] == list(range(12))
    assert [outcome.failed for outcome in expected].count(True) == 1
    assert outcomes(name) == expected
